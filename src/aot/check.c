/* aot/check.c - what is checked of an image before any of it may run, and looking things up in its tables.
 *
 * The digest finds damage; the other checks make sure that even a file with a right digest stays inside
 * itself when its tables are read, and that its ELF part asks nothing unusual of the dynamic linker. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "aot/image.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "base/leb.h"
#include "weir_compiler_id.h"

#if defined(__x86_64__)
enum { MACHINE = WEIR_IMAGE_MACHINE_X86_64 };
#else
enum { MACHINE = WEIR_IMAGE_MACHINE_AARCH64 };
#endif

static weir_status damaged(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "image", "damaged image: %s", what);
}

static weir_status mismatch(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "image", "the image was made for %s", what);
}

const char *aot_image_key(void)
{
    static char key[96]; /* the same whoever writes it */
    static bool made;    /* cpuid leaves a virtual machine, which costs */
    if (made) {
        return key;
    }
    snprintf(key, sizeof key, "%s-%llx", WEIR_COMPILER_ID, (unsigned long long)cpu_host_features());
    made = true;
    return key;
}

/* ---- footer ----------------------------------------------------------------------------------- */

static weir_status check_cpu(const struct weir_image_footer *f, struct weir_report *rep)
{
    if (f->machine != MACHINE) {
        return mismatch(rep, "another architecture");
    }
    uint64_t missing = f->cpu_needs & ~cpu_host_features();
    if (missing == 0) {
        return WEIR_OK;
    }
    if (missing >> CPU_NFEATURES != 0) {
        return mismatch(rep, "a CPU with features this build does not know");
    }
    return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "image",
                           "the image was made for another CPU (--cpu %.31s); this one lacks %s", f->cpu,
                           cpu_feature_name((enum cpu_feature)__builtin_ctzll(missing)));
}

static weir_status check_digest(const struct aot_image *im, struct weir_report *rep)
{
    struct weir_image_footer blank = im->footer;
    uint8_t digest[32];
    struct hash_sha256 h;
    memset(blank.digest, 0, sizeof blank.digest);
    hash_sha256_init(&h);
    hash_sha256_add(&h, im->file, im->file_bytes - sizeof blank);
    hash_sha256_add(&h, &blank, sizeof blank);
    hash_sha256_end(&h, digest);
    return memcmp(digest, im->footer.digest, sizeof digest) == 0
               ? WEIR_OK
               : damaged(rep, "its digest does not match its content");
}

static weir_status check_footer(struct aot_image *im, const uint8_t module_sha256[32],
                                struct weir_report *rep)
{
    const struct weir_image_footer *f = &im->footer;
    if (im->file_bytes < sizeof(Elf64_Ehdr) + sizeof *f) {
        return damaged(rep, "it is too short");
    }
    memcpy(&im->footer, im->file + im->file_bytes - sizeof *f, sizeof *f);
    if (memcmp(f->magic, WEIR_IMAGE_MAGIC, sizeof f->magic) != 0) {
        return damaged(rep, "it has no footer; truncated, or no image at all");
    }
    if (f->file_bytes != im->file_bytes) {
        return damaged(rep, "its size is not what it was");
    }
    if (f->version != WEIR_IMAGE_VERSION || f->vm_abi != WEIR_VM_ABI ||
        strncmp(f->compiler, WEIR_COMPILER_ID, sizeof f->compiler) != 0) {
        return mismatch(rep, "another build of Weir");
    }
    weir_status st =
        check_digest(im, rep); /* before the rest, which people should only read of a whole file */
    if (st == WEIR_OK) {
        st = check_cpu(f, rep);
    }
    if (st == WEIR_OK && memcmp(f->module_sha256, module_sha256, 32) != 0) {
        st = mismatch(rep, "another module");
    }
    return st;
}

/* ---- tables --------------------------------------------------------------------------------------- */

static weir_status check_tables(struct aot_image *im, const struct wasm_module *m, struct weir_report *rep)
{
    const struct weir_image_footer *f = &im->footer;
    if (f->nfuncs != m->nfuncs - m->nimported_funcs || f->nstubs != m->nimported_funcs ||
        f->ntramps != m->ntypes) {
        return damaged(rep, "its tables do not fit the module");
    }
    uint64_t at = (f->elf_bytes + 7) & ~7ull, room = im->file_bytes - sizeof *f;
    uint64_t words = (uint64_t)f->nfuncs * 2 + f->nstubs + f->ntramps + f->nfuncs + 1;
    if (f->elf_bytes > room || at + words * 4 + f->rows_bytes > room) {
        return damaged(rep, "its tables do not fit the file");
    }
    im->funcs = (const struct weir_image_range *)(const void *)(im->file + at);
    im->stubs = (const uint32_t *)(const void *)(im->funcs + f->nfuncs);
    im->tramps = im->stubs + f->nstubs;
    im->lines = im->tramps + f->ntramps;
    im->rows = (const uint8_t *)(im->lines + f->nfuncs + 1);
    uint64_t text = im->text, end = im->text_end;
    for (uint32_t i = 0; i < f->nfuncs; i++) {
        const struct weir_image_range *r = &im->funcs[i];
        if (r->start < text || (uint64_t)r->start + r->bytes > end || im->lines[i] > im->lines[i + 1] ||
            (i > 0 && r->start < im->funcs[i - 1].start + im->funcs[i - 1].bytes)) {
            return damaged(rep, "a function is outside of its code");
        }
    }
    for (uint32_t i = 0; i < f->nstubs + f->ntramps; i++) {
        if (im->stubs[i] != 0 && (im->stubs[i] < text || im->stubs[i] >= end)) {
            return damaged(rep, "a stub is outside of its code");
        }
    }
    if (im->lines[f->nfuncs] != f->rows_bytes) {
        return damaged(rep, "its line table does not fit");
    }
    return WEIR_OK;
}

/* ---- ELF -------------------------------------------------------------------------------------------- */

/* Our objects hold code and constants: whatever would make the dynamic linker run code, load others or patch
 * code has no place in them. */
static const char *refused_dynamic(const Elf64_Dyn *d, size_t n)
{
    for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++) {
        switch (d[i].d_tag) {
        case DT_NEEDED:
        case DT_INIT:
        case DT_FINI:
        case DT_INIT_ARRAY:
        case DT_FINI_ARRAY:
        case DT_PREINIT_ARRAY:
        case DT_TEXTREL:
        case DT_RPATH:
        case DT_RUNPATH:
        case DT_REL:
        case DT_JMPREL:
        case DT_AUDIT:
        case DT_DEPAUDIT:
        case DT_FILTER:
        case DT_AUXILIARY:
            return "its ELF part asks for more than an image may";
        default:
            break;
        }
    }
    return NULL;
}

static const char *check_segment(struct aot_image *im, const Elf64_Phdr *ph)
{
    uint64_t elf_bytes = im->footer.elf_bytes;
    if (ph->p_type == PT_INTERP) {
        return "its ELF part names an interpreter";
    }
    if (ph->p_type != PT_LOAD && ph->p_type != PT_DYNAMIC) {
        return NULL;
    }
    if (ph->p_offset > elf_bytes || ph->p_filesz > elf_bytes - ph->p_offset || ph->p_vaddr > UINT32_MAX ||
        ph->p_memsz > UINT32_MAX) {
        return "a segment is outside of the file";
    }
    if (ph->p_type == PT_DYNAMIC) {
        return ph->p_offset % 8 != 0
                   ? "its dynamic section is misplaced"
                   : refused_dynamic((const Elf64_Dyn *)(const void *)(im->file + ph->p_offset),
                                     ph->p_filesz / sizeof(Elf64_Dyn));
    }
    if ((ph->p_flags & PF_X) == 0) {
        return NULL;
    }
    if (im->text_end != 0 || (ph->p_flags & PF_W) != 0) {
        return "its code can be written, or is in several pieces";
    }
    im->text = ph->p_vaddr;
    im->text_end = ph->p_vaddr + ph->p_filesz;
    return NULL;
}

static weir_status check_elf(struct aot_image *im, struct weir_report *rep)
{
    Elf64_Ehdr eh;
    memcpy(&eh, im->file, sizeof eh);
    if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_type != ET_DYN || eh.e_machine != MACHINE ||
        eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > 64) {
        return damaged(rep, "its ELF part is none");
    }
    if (im->footer.elf_bytes > im->file_bytes - sizeof im->footer || eh.e_phoff % 8 != 0 ||
        eh.e_phoff > im->footer.elf_bytes ||
        eh.e_phnum * sizeof(Elf64_Phdr) > im->footer.elf_bytes - eh.e_phoff) {
        return damaged(rep, "its program headers are outside of the file");
    }
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(const void *)(im->file + eh.e_phoff);
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        const char *bad = check_segment(im, &ph[i]);
        if (bad != NULL) {
            return damaged(rep, bad);
        }
    }
    return WEIR_OK;
}

weir_status aot_image_check(struct aot_image *image, const struct wasm_module *m,
                            const uint8_t module_sha256[32], struct weir_report *rep)
{
    weir_status st = check_footer(image, module_sha256, rep);
    if (st == WEIR_OK) {
        st = check_elf(image, rep);
    }
    if (st == WEIR_OK) {
        st = check_tables(image, m, rep);
    }
    return st;
}

/* ---- looking up --------------------------------------------------------------------------------------- */

uint32_t aot_image_find_func(const struct aot_image *im, uintptr_t pc)
{
    uint64_t at = pc - im->base;
    uint32_t low = 0, high = im->footer.nfuncs;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (im->funcs[mid].start <= at) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0 || at - im->funcs[low - 1].start >= im->funcs[low - 1].bytes) {
        return UINT32_MAX;
    }
    return low - 1;
}

uint32_t aot_image_find_offset(const struct aot_image *im, uint32_t func, uintptr_t pc)
{
    uint64_t want = pc - im->base - im->funcs[func].start, at = 0;
    int64_t offset = 0;
    const uint8_t *p = im->rows + im->lines[func], *end = im->rows + im->lines[func + 1];
    while (p < end) {
        uint32_t step;
        int64_t change;
        if ((p = leb_u32(p, end, &step)) == NULL || (p = leb_s64(p, end, &change)) == NULL) {
            break;
        }
        at += step;
        if (at > want) {
            break;
        }
        offset += change;
    }
    return (uint32_t)offset;
}
