/* Hostile images: whatever is wrong with a file, it is refused with a reason, and nothing of it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aot/image.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "unit/aot/module.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"
#include "unit/scratch.h"

static char dir[] = "/tmp/weir-image-test-XXXXXX";
static struct weir_module *module;
static struct wasm_module *wasm;
static uint8_t *good;
static size_t good_len;
static uint8_t module_sha[HASH_SHA256_BYTES];

/* ---- helpers ------------------------------------------------------------------------------------------- */

static struct weir_module *new_module(const uint8_t *bytes, size_t len)
{
    struct weir_module *m = NULL;
    assert_int_equal(weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, NULL), WEIR_OK);
    return m;
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    unlink(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* The file must be refused, with this in the reason (NULL: any). */
static void refused_file(const char *path, weir_status wanted, const char *reason)
{
    struct weir_report rep;
    weir_report_init(&rep);
    weir_status st = weir_module_load_image(module, path, &rep);
    assert_false(weir_module_has_image(module));
    assert_int_equal(st, wanted);
    assert_true(rep.message[0] != '\0');
    if (reason != NULL && strstr(rep.message, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", rep.message, reason);
    }
}

static void refused(const void *bytes, size_t len, weir_status wanted, const char *reason)
{
    const char *path = path_of("hostile.aot");
    write_file(path, bytes, len);
    refused_file(path, wanted, reason);
}

static uint8_t *copy(size_t len)
{
    return memcpy(mem_alloc(len), good, len < good_len ? len : good_len);
}

static struct weir_image_footer footer_of(const uint8_t *bytes, size_t len)
{
    struct weir_image_footer f;
    memcpy(&f, bytes + len - sizeof f, sizeof f);
    return f;
}

/* Give the file this footer with a digest that is right. */
static void sign(uint8_t *bytes, size_t len, struct weir_image_footer f)
{
    struct hash_sha256 h;
    memset(f.digest, 0, sizeof f.digest);
    hash_sha256_init(&h);
    hash_sha256_add(&h, bytes, len - sizeof f);
    hash_sha256_add(&h, &f, sizeof f);
    hash_sha256_end(&h, f.digest);
    memcpy(bytes + len - sizeof f, &f, sizeof f);
}

/* Check bytes that are the whole of a block of memory, so that a sanitizer sees every read outside.  What
 * passes must stay inside itself when it is looked up. */
static weir_status check(const uint8_t *bytes, size_t len)
{
    struct weir_report rep;
    struct aot_image im = {.file = bytes, .file_bytes = len};
    weir_report_init(&rep);
    weir_status st = aot_image_check(&im, wasm, module_sha, &rep);
    assert_true((st == WEIR_OK) == (rep.message[0] == '\0'));
    if (st == WEIR_OK) {
        for (uintptr_t pc = im.text; pc < im.text_end && pc < im.text + 65536; pc += 3) {
            uint32_t func = aot_image_find_func(&im, pc);
            if (func != UINT32_MAX) {
                aot_image_find_offset(&im, func, pc);
            }
        }
    }
    return st;
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static uint32_t host_answer(struct weir_instance *inst, uint32_t v)
{
    (void)inst;
    return v + 39;
}

WEIR_HOST_THUNK1(host_answer, i, i)

/* The image as it was made does load and run, so that the rest shows something. */
static void test_good(void **state)
{
    static const struct weir_host_func host[] = {WEIR_HOST_FUNC("env", "host", "i:i", host_answer)};
    struct weir_module *m = new_module(aot_module, sizeof aot_module);
    struct weir_linker *l = weir_linker_new();
    struct weir_instance_options opt = {.tier = WEIR_TIER_AOT};
    struct weir_instance *inst;
    uint64_t cells[2] = {0};
    (void)state;

    weir_linker_add_funcs(l, host, 1);
    write_file(path_of("good.aot"), good, good_len);
    assert_int_equal(weir_module_load_image(m, path_of("good.aot"), NULL), WEIR_OK);
    assert_int_equal(weir_instance_new(m, l, &opt, &inst, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_func_call(weir_instance_find_func(inst, "call", 4), cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 42);
    weir_instance_free(inst);
    weir_linker_free(l);
    weir_module_unref(m);
    assert_int_equal(check(good, good_len), WEIR_OK);
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t len = 0; len < good_len; len += 64) {
        refused(good, len, WEIR_E_MALFORMED, NULL);
    }
    refused(good, good_len - 1, WEIR_E_MALFORMED, "truncated, or no image at all");
    /* Cut in the middle, or longer: the footer is whole. */
    for (size_t cut = 64; cut < good_len - sizeof(struct weir_image_footer); cut += 64) {
        uint8_t *bytes = copy(good_len);
        memmove(bytes + cut - 64, bytes + cut, good_len - cut);
        refused(bytes, good_len - 64, WEIR_E_MALFORMED, NULL);
        mem_free(bytes);
    }
    uint8_t *longer = mem_zalloc(good_len + 64);
    memcpy(longer + 64, good, good_len);
    refused(longer, good_len + 64, WEIR_E_MALFORMED, "its size is not what it was");
    memcpy(longer, good, good_len);
    memset(longer + good_len, 0, 64);
    refused(longer, good_len + 64, WEIR_E_MALFORMED, "truncated, or no image at all");
    mem_free(longer);
}

/* Every byte of the ELF header, the program headers, the tables and the footer, and every 7th elsewhere. */
static void test_flipped(void **state)
{
    uint64_t tables = footer_of(good, good_len).elf_bytes;
    uint8_t *bytes = copy(good_len);
    (void)state;
    for (size_t i = 0; i < good_len; i += i < 1024 || i >= tables ? 1 : 7) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        weir_status st = check(bytes, good_len);
        assert_true(st == WEIR_E_MALFORMED || st == WEIR_E_MISMATCH);
        if (i % 16 == 0) {
            refused(bytes, good_len, st, NULL);
        }
        bytes[i] = good[i];
    }
    mem_free(bytes);
}

/* The same with a digest that is right: the other checks hold alone, whatever they let pass. */
static void test_flipped_and_signed(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    uint64_t tables = footer_of(good, good_len).elf_bytes;
    size_t passed = 0, tried = 0;
    (void)state;
    for (size_t i = 0; i < good_len; i += i < 1024 || i >= tables ? 1 : 61) {
        for (size_t v = 0; v < sizeof values; v++) {
            uint8_t *bytes = copy(good_len);
            bytes[i] = values[v];
            sign(bytes, good_len, footer_of(bytes, good_len));
            passed += check(bytes, good_len) == WEIR_OK;
            tried++;
            mem_free(bytes);
        }
    }
    assert_in_range(passed, 1, tried - 500);
}

static void test_truncated_and_signed(void **state)
{
    (void)state;
    for (size_t len = sizeof(struct weir_image_footer); len < good_len; len += 64) {
        struct weir_image_footer f = footer_of(good, good_len);
        uint8_t *bytes = copy(len);
        f.file_bytes = len;
        sign(bytes, len, f);
        assert_int_equal(check(bytes, len), WEIR_E_MALFORMED);
        if (f.elf_bytes > len - sizeof f) {
            f.elf_bytes = len - sizeof f;
            sign(bytes, len, f);
            assert_int_equal(check(bytes, len), WEIR_E_MALFORMED);
        }
        mem_free(bytes);
    }
}

static void test_other_footers(void **state)
{
    struct weir_image_footer f;
    uint8_t *bytes = copy(good_len);
    (void)state;

#define WITH(change, status, reason)                                                                         \
    f = footer_of(good, good_len), change, sign(bytes, good_len, f), refused(bytes, good_len, status, reason)
    WITH(f.version++, WEIR_E_MISMATCH, "another build of Weir");
    WITH(f.version = 0, WEIR_E_MISMATCH, "another build of Weir");
    WITH(f.vm_abi++, WEIR_E_MISMATCH, "another build of Weir");
    WITH(f.compiler[10] ^= 1, WEIR_E_MISMATCH, "another build of Weir");
    WITH(memset(f.compiler, 'x', sizeof f.compiler), WEIR_E_MISMATCH, "another build of Weir");
    WITH(f.machine = 40, WEIR_E_MISMATCH, "another architecture");
    WITH(f.module_sha256[31] ^= 1, WEIR_E_MISMATCH, "another module");
    WITH(f.cpu_needs |= 1ull << 63, WEIR_E_MISMATCH, "features this build does not know");
    WITH(f.elf_bytes = UINT64_MAX, WEIR_E_MALFORMED, "");
    WITH(f.elf_bytes = good_len, WEIR_E_MALFORMED, "");
    WITH(f.elf_bytes -= 64, WEIR_E_MALFORMED, "");
    WITH(f.elf_bytes = 0, WEIR_E_MALFORMED, "");
    WITH(f.nfuncs++, WEIR_E_MALFORMED, "its tables do not fit the module");
    WITH(f.nfuncs = UINT32_MAX, WEIR_E_MALFORMED, "its tables do not fit the module");
    WITH(f.nstubs--, WEIR_E_MALFORMED, "its tables do not fit the module");
    WITH(f.ntramps = 0, WEIR_E_MALFORMED, "its tables do not fit the module");
    WITH(f.rows_bytes = UINT32_MAX, WEIR_E_MALFORMED, "its tables do not fit the file");
    WITH(f.rows_bytes--, WEIR_E_MALFORMED, "its line table does not fit");
    for (unsigned i = 0; i < CPU_NFEATURES; i++) {
        if ((cpu_host_features() >> i & 1) == 0) {
            WITH((f.cpu_needs |= 1ull << i), WEIR_E_MISMATCH, cpu_feature_name((enum cpu_feature)i));
        }
    }
#undef WITH
    mem_free(bytes);
}

/* What the dynamic linker would do on behalf of the file is refused before it sees the file. */
static void test_demanding_elf(void **state)
{
    static const Elf64_Sxword tags[] = {
        DT_NEEDED,  DT_INIT, DT_FINI,   DT_INIT_ARRAY, DT_FINI_ARRAY, DT_PREINIT_ARRAY, DT_TEXTREL,  DT_RPATH,
        DT_RUNPATH, DT_REL,  DT_JMPREL, DT_AUDIT,      DT_DEPAUDIT,   DT_FILTER,        DT_AUXILIARY};
    uint8_t *bytes = copy(good_len);
    Elf64_Ehdr *eh = (Elf64_Ehdr *)bytes;
    Elf64_Phdr *ph = (Elf64_Phdr *)(bytes + eh->e_phoff), *dynamic = NULL;
    (void)state;

    for (unsigned i = 0; i < eh->e_phnum; i++) {
        if (ph[i].p_type == PT_DYNAMIC) {
            dynamic = &ph[i];
        }
        if ((ph[i].p_flags & PF_X) != 0 && ph[i].p_type == PT_LOAD) {
            ph[i].p_flags |= PF_W;
            sign(bytes, good_len, footer_of(bytes, good_len));
            refused(bytes, good_len, WEIR_E_MALFORMED, "its code can be written");
            ph[i].p_flags &= ~(uint32_t)PF_W;
        } else {
            uint32_t type = ph[i].p_type;
            ph[i].p_type = PT_INTERP;
            sign(bytes, good_len, footer_of(bytes, good_len));
            refused(bytes, good_len, WEIR_E_MALFORMED, "names an interpreter");
            ph[i].p_type = type;
        }
    }
    assert_non_null(dynamic);
    Elf64_Dyn *d = (Elf64_Dyn *)(bytes + dynamic->p_offset), was = *d;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        d->d_tag = tags[i];
        sign(bytes, good_len, footer_of(bytes, good_len));
        refused(bytes, good_len, WEIR_E_MALFORMED, "asks for more than an image may");
    }
    *d = was;
    sign(bytes, good_len, footer_of(bytes, good_len));
    assert_int_equal(check(bytes, good_len), WEIR_OK);
    mem_free(bytes);
}

static void test_other_module(void **state)
{
    uint8_t bytes[sizeof aot_module];
    struct weir_report rep;
    (void)state;
    memcpy(bytes, aot_module, sizeof bytes);
    bytes[sizeof bytes - 4] = 4; /* the constant in "call" */
    struct weir_module *m = new_module(bytes, sizeof bytes);
    write_file(path_of("other.aot"), good, good_len);
    weir_report_init(&rep);
    assert_int_equal(weir_module_load_image(m, path_of("other.aot"), &rep), WEIR_E_MISMATCH);
    assert_non_null(strstr(rep.message, "another module"));
    assert_false(weir_module_has_image(m));
    weir_module_unref(m);
}

static void test_files(void **state)
{
    char real[PATH_MAX], link[PATH_MAX];
    (void)state;
    snprintf(real, sizeof real, "%s/real.aot", dir);
    snprintf(link, sizeof link, "%s/link.aot", dir);
    write_file(real, good, good_len);
    unlink(link);
    assert_int_equal(symlink(real, link), 0);
    refused_file(link, WEIR_E_IO, "symbolic link");
    assert_int_equal(chmod(real, 0620), 0);
    refused_file(real, WEIR_E_CONFIG, "can be written by others");
    assert_int_equal(chmod(real, 0602), 0);
    refused_file(real, WEIR_E_CONFIG, "can be written by others");
    assert_int_equal(chmod(real, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(real, 65534, (gid_t)-1), 0);
        refused_file(real, WEIR_E_CONFIG, "can be written by others");
        assert_int_equal(chown(real, 0, (gid_t)-1), 0);
    }
    assert_int_equal(chmod(dir, 0777), 0);
    refused_file(real, WEIR_E_CONFIG, "directory");
    assert_int_equal(chmod(dir, 0700), 0);
    refused_file(path_of("missing.aot"), WEIR_E_IO, "No such file");
    refused_file(dir, WEIR_E_CONFIG, "no regular file");
    refused_file("/dev/zero", WEIR_E_CONFIG, "no regular file");
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    refused_file(path_of("fifo"), WEIR_E_CONFIG, "no regular file");
}

/* A module whose custom section is no image of it. */
static void test_own_image(void **state)
{
    static const uint8_t header[] = {0,   0x89, 1,   8,   'w', 'e',
                                     'i', 'r',  '.', 'a', 'o', 't'}; /* 128 bytes follow */
    uint8_t bytes[sizeof aot_module + sizeof header + 128 + 3];
    struct weir_report rep;
    (void)state;
    memcpy(bytes, aot_module, sizeof aot_module);
    memcpy(bytes + sizeof aot_module, header, sizeof header);
    memcpy(bytes + sizeof aot_module + sizeof header, good, 128);
    memcpy(bytes + sizeof bytes - 3, "\0\1\0", 3); /* one more section */
    for (size_t len = sizeof bytes - 3; len <= sizeof bytes; len += 3) {
        struct weir_module *m = new_module(bytes, len);
        weir_report_init(&rep);
        assert_int_equal(weir_module_load_own_image(m, &rep), WEIR_E_MALFORMED);
        assert_non_null(strstr(rep.message, len == sizeof bytes ? "last section" : "too short"));
        assert_false(weir_module_has_image(m));
        weir_module_unref(m);
    }
    assert_int_equal(weir_module_load_own_image(module, NULL), WEIR_E_NOT_FOUND);
}

/* ---- set-up ---------------------------------------------------------------------------------------------
 */

/* The weirc of this build: BUILD/weirc, seen from BUILD/tests/unit/aot/test_hostile. */
static bool run_weirc(const char *in, const char *out)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    for (int i = 0; i < 4 && strrchr(path, '/') != NULL; i++) {
        *strrchr(path, '/') = '\0';
    }
    strncat(path, "/weirc", sizeof path - strlen(path) - 1);
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, "weirc", in, "-o", out, (char *)NULL);
        _exit(127);
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int set_up(void **state)
{
    char in[PATH_MAX], out[PATH_MAX];
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    snprintf(in, sizeof in, "%s/m.wasm", dir);
    snprintf(out, sizeof out, "%s/m.aot", dir);
    write_file(in, aot_module, sizeof aot_module);
    if (!run_weirc(in, out)) {
        return 1;
    }
    FILE *f = fopen(out, "rb");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        return 1;
    }
    good_len = (size_t)st.st_size;
    good = mem_alloc(good_len);
    bool ok = fread(good, 1, good_len, f) == good_len;
    fclose(f);
    hash_sha256_of(aot_module, sizeof aot_module, module_sha);
    module = new_module(aot_module, sizeof aot_module);
    ok = ok && wasm_module_decode(aot_module, sizeof aot_module, WASM_FEATURES_ALL, &wasm, NULL) == WEIR_OK;
    return !ok;
}

static int tear_down(void **state)
{
    (void)state;
    weir_module_unref(module);
    wasm_module_free(wasm);
    mem_free(good);
    return scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_flipped_and_signed),
        cmocka_unit_test(test_truncated_and_signed),
        cmocka_unit_test(test_other_footers),
        cmocka_unit_test(test_demanding_elf),
        cmocka_unit_test(test_other_module),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_own_image),
    };
    return cmocka_run_group_tests_name("aot/hostile", tests, set_up, tear_down);
}
