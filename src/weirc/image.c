/* weirc/image.c - the tables and footer behind the ELF part (weir/image.h), and images inside modules. */
#include "weir/image.h"

#include <string.h>

#include "base/hash.h"
#include "base/leb.h"
#include "base/mem.h"
#include "weir/vmctx.h"
#include "weir_compiler_id.h"
#include "weirc/lines.h"
#include "weirc/weirc.h"

struct tables {
    const struct wasm_module *m;
    struct weir_image_range *funcs;
    uint32_t *stubs, *tramps, *lines;
    struct strbuf rows;
    uint32_t nfuncs;
    bool tail_calls;
};

static void on_symbol(void *ctx, char kind, uint32_t n, uint32_t address, uint32_t bytes)
{
    struct tables *t = ctx;
    if (kind == 'w' && n >= t->m->nimported_funcs && n < t->m->nfuncs) {
        t->funcs[n - t->m->nimported_funcs] = (struct weir_image_range){address, bytes};
    } else if (kind == 't' && n < t->m->ntypes) {
        t->tramps[n] = address;
    } else if (kind == 'a' && n < t->m->nimported_funcs) {
        t->stubs[n] = address;
    }
}

static void add_leb_u(struct strbuf *b, uint64_t v)
{
    do {
        uint8_t byte = v & 0x7f;
        v >>= 7;
        strbuf_add_char(b, (char)(byte | (v != 0 ? 0x80 : 0)));
    } while (v != 0);
}

static void add_leb_s(struct strbuf *b, int64_t v)
{
    for (bool more = true; more;) {
        uint8_t byte = v & 0x7f;
        v >>= 7;
        more = !((v == 0 && (byte & 0x40) == 0) || (v == -1 && (byte & 0x40) != 0));
        strbuf_add_char(b, (char)(byte | (more ? 0x80 : 0)));
    }
}

static size_t first_row_from(const line_rows *rows, uint32_t address)
{
    size_t low = 0, high = rows->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (rows->at[mid].address < address) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Rows of one function; several at one address: the last counts. */
static void add_rows(struct strbuf *b, const line_rows *rows, struct weir_image_range fn)
{
    uint32_t pc = fn.start, line = 0;
    for (size_t i = first_row_from(rows, fn.start);
         i < rows->len && rows->at[i].address < fn.start + fn.bytes; i++) {
        const struct line_row *r = &rows->at[i];
        bool last = i + 1 == rows->len || rows->at[i + 1].address != r->address;
        if (!last || r->line == line || r->line == 0) {
            continue;
        }
        add_leb_u(b, r->address - pc);
        add_leb_s(b, (int64_t)r->line - line);
        pc = r->address;
        line = r->line;
    }
}

static void pad4(struct strbuf *b)
{
    while (b->len % 4 != 0) {
        strbuf_add_char(b, '\0');
    }
}

static void copy_text(char *dst, size_t cap, const char *src)
{
    size_t len = strlen(src);
    memcpy(dst, src, len < cap ? len : cap - 1);
}

static void add_footer(const struct weirc_options *opt, const struct tables *t, struct strbuf *b,
                       uint64_t elf_bytes)
{
    struct weir_image_footer f = {
        .version = WEIR_IMAGE_VERSION,
        .vm_abi = WEIR_VM_ABI,
        .machine = opt->aarch64 ? WEIR_IMAGE_MACHINE_AARCH64 : WEIR_IMAGE_MACHINE_X86_64,
        .flags = (opt->segue ? WEIR_IMAGE_SEGUE : 0) | (t->tail_calls ? WEIR_IMAGE_STUBS : 0) |
                 (opt->open ? 0 : WEIR_IMAGE_CLOSED),
        .elf_bytes = elf_bytes,
        .file_bytes = b->len + sizeof f,
        .cpu_needs = opt->needs,
        .nfuncs = t->nfuncs,
        .nstubs = t->m->nimported_funcs,
        .ntramps = t->m->ntypes,
        .rows_bytes = (uint32_t)t->rows.len,
    };
    memcpy(f.magic, WEIR_IMAGE_MAGIC, sizeof f.magic);
    copy_text(f.compiler, sizeof f.compiler, WEIR_COMPILER_ID);
    copy_text(f.cpu, sizeof f.cpu, opt->cpu);
    hash_sha256_of(t->m->bytes, t->m->len, f.module_sha256);
    struct hash_sha256 h;
    hash_sha256_init(&h);
    hash_sha256_add(&h, b->at, b->len);
    hash_sha256_add(&h, &f, sizeof f);
    hash_sha256_end(&h, f.digest);
    strbuf_add_bytes(b, &f, sizeof f);
}

static void put_leb_u32(struct strbuf *b, uint32_t v)
{
    add_leb_u(b, v);
}

/* A custom section (core spec 5.5.3) named WEIR_IMAGE_SECTION behind the module's bytes. */
static void add_section(struct strbuf *module, struct str image)
{
    struct strbuf body = {0};
    put_leb_u32(&body, sizeof WEIR_IMAGE_SECTION - 1);
    strbuf_add(&body, STR(WEIR_IMAGE_SECTION));
    strbuf_add(&body, image);
    strbuf_add_char(module, '\0');
    put_leb_u32(module, (uint32_t)body.len);
    strbuf_add(module, strbuf_str(&body));
    strbuf_fini(&body);
}

static weir_status write_output(const struct weirc_options *opt, struct str module, struct str image,
                                struct weir_report *rep)
{
    if (!str_ends_with(str_of(opt->output), STR(".wasm"))) {
        return weirc_write_file(opt->output, image.at, image.len, rep);
    }
    struct strbuf b = {0};
    strbuf_add(&b, module);
    add_section(&b, image);
    weir_status st = weirc_write_file(opt->output, b.at, b.len, rep);
    strbuf_fini(&b);
    return st;
}

weir_status weirc_image_write(const struct weirc_options *opt, const struct wasm_module *m, bool tail_calls,
                              const char *elf_path, struct weir_report *rep)
{
    struct strbuf b = {0};
    weir_status st = weirc_read_file(elf_path, &b, rep);
    if (st != WEIR_OK) {
        strbuf_fini(&b);
        return st;
    }
    struct tables t = {.m = m, .tail_calls = tail_calls, .nfuncs = m->nfuncs - m->nimported_funcs};
    t.funcs = mem_zalloc_array(t.nfuncs + 1, sizeof *t.funcs);
    t.stubs = mem_zalloc_array(m->nimported_funcs + 1, sizeof *t.stubs);
    t.tramps = mem_zalloc_array(m->ntypes + 1, sizeof *t.tramps);
    t.lines = mem_zalloc_array(t.nfuncs + 1, sizeof *t.lines);
    line_rows rows = {0};
    uint64_t elf_bytes = b.len;
    struct str elf = str_make(b.at, b.len);
    lines_symbols(elf, on_symbol, &t);
    lines_rows(elf, &rows);
    for (uint32_t i = 0; i < t.nfuncs; i++) {
        WEIR_ASSERT(t.funcs[i].bytes > 0);
        t.lines[i] = (uint32_t)t.rows.len;
        add_rows(&t.rows, &rows, t.funcs[i]);
    }
    t.lines[t.nfuncs] = (uint32_t)t.rows.len;
    pad4(&b);
    strbuf_add_bytes(&b, t.funcs, t.nfuncs * sizeof *t.funcs);
    strbuf_add_bytes(&b, t.stubs, m->nimported_funcs * sizeof *t.stubs);
    strbuf_add_bytes(&b, t.tramps, m->ntypes * sizeof *t.tramps);
    strbuf_add_bytes(&b, t.lines, (t.nfuncs + 1) * sizeof *t.lines);
    strbuf_add(&b, strbuf_str(&t.rows));
    pad4(&b);
    add_footer(opt, &t, &b, elf_bytes);
    st = write_output(opt, str_make(m->bytes, m->len), strbuf_str(&b), rep);
    vec_fini(&rows);
    strbuf_fini(&t.rows);
    strbuf_fini(&b);
    mem_free(t.funcs);
    mem_free(t.stubs);
    mem_free(t.tramps);
    mem_free(t.lines);
    return st;
}

weir_status weirc_append(const struct weirc_options *opt, struct weir_report *rep)
{
    struct strbuf module = {0}, image = {0};
    struct weir_image_footer f;
    uint8_t digest[32];
    weir_status st = weirc_read_file(opt->input, &module, rep);
    if (st == WEIR_OK) {
        st = weirc_read_file(opt->append, &image, rep);
    }
    if (st == WEIR_OK &&
        (image.len < sizeof f || memcmp(image.at + image.len - sizeof f, WEIR_IMAGE_MAGIC, 8) != 0)) {
        st = weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "", "%s is no image", opt->append);
    }
    if (st == WEIR_OK) {
        memcpy(&f, image.at + image.len - sizeof f, sizeof f);
        hash_sha256_of(module.at, module.len, digest);
        if (memcmp(digest, f.module_sha256, sizeof digest) != 0) {
            st = weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "", "%s was made from another module",
                                 opt->append);
        }
    }
    if (st == WEIR_OK) {
        add_section(&module, strbuf_str(&image));
        st = weirc_write_file(opt->output, module.at, module.len, rep);
    }
    strbuf_fini(&module);
    strbuf_fini(&image);
    return st;
}
