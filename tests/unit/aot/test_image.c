/* Native images: compiled by the weirc of this build, loaded, run, and refused when anything about them is
 * off. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "unit/aot/modules.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"
#include "weir/image.h"

/* ---- the host --------------------------------------------------------------------------------------- */

static uint64_t many(struct weir_instance *inst, uint32_t a, uint64_t b, uint32_t c, uint64_t d, uint32_t e,
                     uint64_t f, uint32_t g, double h, float i)
{
    (void)inst;
    return a + b * 10 + c * 100 + d * 1000 + e * 10000 + f * 100000 + g * 1000000 +
           (uint64_t)(h * 20 + (double)i * 4) * 10000000;
}

static struct weir_instance *other; /* what `again` calls into */

/* Calls `load`; whatever happens there, this call goes on. */
static uint32_t again(struct weir_instance *inst, uint32_t v)
{
    struct weir_trap trap;
    uint64_t cells[2] = {v};
    struct weir_func *f = weir_instance_find_func(other != NULL ? other : inst, "load", 4);
    return weir_func_call(f, cells, &trap) == WEIR_OK ? (uint32_t)cells[0] : 1000 + trap.kind;
}

WEIR_HOST_THUNK9(many, i, I, i, I, i, I, i, F, f, I)
WEIR_HOST_THUNK1(again, i, i)

static const struct weir_host_func host[] = {
    WEIR_HOST_FUNC("env", "many", "iIiIiIiFf:I", many),
    WEIR_HOST_FUNC("env", "again", "i:i", again),
};

/* ---- helpers ------------------------------------------------------------------------------------------ */

static char dir[] = "/tmp/weir-test-aot-XXXXXX";
static char image_path[64], other_path[64];

static void write_file(const char *path, const void *at, size_t len)
{
    unlink(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(at, 1, len, f), len);
    fclose(f);
}

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *at = malloc(1 << 20);
    *len = fread(at, 1, 1 << 20, f);
    fclose(f);
    return at;
}

/* Run the weirc of this build: this program is BUILD/tests/unit/aot/test_image. */
static void compile(const uint8_t *wasm, size_t len, const char *out, const char *option)
{
    char weirc[PATH_MAX + 16], self[PATH_MAX] = "", input[64];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (int i = 0; i < 4; i++) {
        *strrchr(self, '/') = '\0';
    }
    snprintf(weirc, sizeof weirc, "%s/weirc", self);
    snprintf(input, sizeof input, "%s/module.wasm", dir);
    write_file(input, wasm, len);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl(weirc, weirc, input, "-o", out, option, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    unlink(input);
}

static struct weir_module *module_of(const uint8_t *wasm, size_t len)
{
    struct weir_module *m = NULL;
    assert_int_equal(weir_module_new(wasm, len, WEIR_FEATURES_ALL, &m, NULL), WEIR_OK);
    return m;
}

static struct weir_instance *instance_of(struct weir_module *m)
{
    struct weir_linker *l = weir_linker_new();
    struct weir_instance *inst = NULL;
    struct weir_instance_options opt = {.tier = WEIR_TIER_AOT};
    weir_linker_add_funcs(l, host, sizeof host / sizeof *host);
    assert_int_equal(weir_instance_new(m, l, &opt, &inst, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_instance_tier(inst), WEIR_TIER_AOT);
    weir_linker_free(l);
    return inst;
}

static struct weir_module *main_module(const char *option)
{
    struct weir_module *m = module_of(main_wasm, sizeof main_wasm);
    struct weir_report rep;
    weir_report_init(&rep);
    compile(main_wasm, sizeof main_wasm, image_path, option);
    if (weir_module_load_image(m, image_path, &rep) != WEIR_OK) {
        fail_msg("%s", rep.message);
    }
    return m;
}

static struct weir_trap trap;

static weir_status call(struct weir_instance *inst, const char *name, uint64_t *cells)
{
    return weir_func_call(weir_instance_find_func(inst, name, strlen(name)), cells, &trap);
}

static uint64_t result(struct weir_instance *inst, const char *name, uint64_t a, uint64_t b)
{
    uint64_t cells[4] = {a, b};
    assert_int_equal(call(inst, name, cells), WEIR_OK);
    return cells[0];
}

static void expect_trap(struct weir_instance *inst, const char *name, uint64_t a, uint64_t b,
                        enum weir_trap_kind kind, const char *frame)
{
    uint64_t cells[4] = {a, b};
    assert_int_equal(call(inst, name, cells), WEIR_E_TRAP);
    assert_int_equal(trap.kind, kind);
    assert_true(trap.nframes > 0);
    assert_string_equal(trap.frames[0].name, frame);
}

/* ---- running ------------------------------------------------------------------------------------------ */

static void run_everything(const char *option)
{
    struct weir_module *m = main_module(option);
    struct weir_instance *inst = instance_of(m);
    uint64_t swap[2] = {5, 6};
    assert_int_equal(result(inst, "fac", 10, 0), 3628800);
    assert_int_equal(call(inst, "swap", swap), WEIR_OK);
    assert_int_equal(swap[0], 6);
    assert_int_equal(swap[1], 5);
    assert_int_equal(result(inst, "many", 0, 0), 117654321 % 10000000 + 11 * 10000000);
    assert_int_equal(result(inst, "indirect", 1, 5), 120);
    expect_trap(inst, "indirect", 2, 5, WEIR_TRAP_INDIRECT_TYPE, "indirect");
    expect_trap(inst, "indirect", 3, 5, WEIR_TRAP_UNINITIALIZED_ELEMENT, "indirect");
    expect_trap(inst, "indirect", 4, 5, WEIR_TRAP_UNDEFINED_ELEMENT, "indirect");
    expect_trap(inst, "indirect", UINT32_MAX, 5, WEIR_TRAP_UNDEFINED_ELEMENT, "indirect");
    expect_trap(inst, "load", 65536 - 11, 0, WEIR_TRAP_MEMORY_BOUNDS, "load");
    expect_trap(inst, "load", UINT32_MAX, 0, WEIR_TRAP_MEMORY_BOUNDS, "load");
    expect_trap(inst, "drop_load", 65533, 0, WEIR_TRAP_MEMORY_BOUNDS, "drop_load");
    expect_trap(inst, "drop_part", 65533, 0, WEIR_TRAP_MEMORY_BOUNDS, "drop_part");
    expect_trap(inst, "store", 65533, 7, WEIR_TRAP_MEMORY_BOUNDS, "store");
    assert_int_equal(inst->memory[65533], 0); /* nothing of a store that traps is written */
    assert_int_equal(result(inst, "drop_part", 65532, 0), 0);
    expect_trap(inst, "div", 7, 0, WEIR_TRAP_DIVIDE_BY_ZERO, "div");
    expect_trap(inst, "div", 0x80000000, UINT32_MAX, WEIR_TRAP_INTEGER_OVERFLOW, "div");
    expect_trap(inst, "trunc", 0x7ff8000000000000, 0, WEIR_TRAP_INVALID_CONVERSION, "trunc");
    expect_trap(inst, "trunc", 0x41e0000000000000, 0, WEIR_TRAP_INTEGER_OVERFLOW, "trunc"); /* 2^31 */
    expect_trap(inst, "unreachable", 0, 0, WEIR_TRAP_UNREACHABLE, "unreachable");
    expect_trap(inst, "deep", 0, 0, WEIR_TRAP_STACK_EXHAUSTED, "deep");
    assert_true(trap.nskipped > 1000);
    assert_int_equal(result(inst, "grow", 1, 0), 1);
    assert_int_equal(result(inst, "load", 65536, 0), 0);
    assert_int_equal(result(inst, "grow", 1, 0), UINT32_MAX);
    weir_instance_free(inst);
    weir_module_unref(m);
}

static void test_every_level(void **state)
{
    (void)state;
    static const char *const options[] = {"-O0", "-O1", "-O2", "-O3", "--no-segue", "--cpu=x86-64-v2"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        run_everything(options[i]);
    }
}

/* Two instances take turns, one calls into the other, and a nested call traps: each keeps its own memory. */
static void test_instances_keep_their_memory(void **state)
{
    (void)state;
    struct weir_module *m = main_module("-O3");
    struct weir_instance *a = instance_of(m), *b = instance_of(m);
    uint64_t cells[2];
    for (uint32_t i = 0; i < 4; i++) {
        result(a, "store", (cells[0] = 8, 8), 100 + i);
        result(b, "store", 8, 200 + i);
        assert_int_equal(result(a, "load", 0, 0), 100 + i);
        assert_int_equal(result(b, "load", 0, 0), 200 + i);
    }
    assert_int_equal(result(a, "again", 0, 8), 103 + 103);
    other = b;
    assert_int_equal(result(a, "again", 0, 8), 203 + 103);
    assert_int_equal(result(a, "again", UINT32_MAX, 8), 1000 + WEIR_TRAP_MEMORY_BOUNDS + 103);
    other = NULL;
    assert_int_equal(result(a, "again", UINT32_MAX, 8), 1000 + WEIR_TRAP_MEMORY_BOUNDS + 103);
    weir_instance_free(a);
    weir_instance_free(b);
    weir_module_unref(m);
}

static void test_tail_calls_need_no_stack(void **state)
{
    (void)state;
    struct weir_module *m = module_of(tail_wasm, sizeof tail_wasm), *callee = main_module("-O3");
    struct weir_instance *inst;
    compile(tail_wasm, sizeof tail_wasm, image_path, "-O3");
    assert_int_equal(weir_module_load_image(m, image_path, NULL), WEIR_OK);
    inst = instance_of(m);
    other = instance_of(callee);
    assert_int_equal(result(inst, "run", 1000000, 0), 2000000);
    assert_int_equal(result(inst, "host", UINT32_MAX, 0), 1000 + WEIR_TRAP_MEMORY_BOUNDS);
    weir_instance_free(inst);
    weir_instance_free(other);
    other = NULL;
    weir_module_unref(m);
    weir_module_unref(callee);
}

static void test_image_in_the_module(void **state)
{
    (void)state;
    char path[64];
    size_t len;
    snprintf(path, sizeof path, "%s/module.aot.wasm", dir);
    compile(main_wasm, sizeof main_wasm, path, "-O1");
    uint8_t *bytes = read_file(path, &len);
    struct weir_module *m = module_of(bytes, len), *plain = module_of(main_wasm, sizeof main_wasm);
    assert_false(weir_module_has_image(m));
    assert_int_equal(weir_module_load_own_image(m, NULL), WEIR_OK);
    struct weir_instance *inst = instance_of(m);
    assert_int_equal(result(inst, "fac", 5, 0), 120);
    assert_int_equal(weir_module_load_own_image(plain, NULL), WEIR_E_NOT_FOUND);
    weir_instance_free(inst);
    weir_module_unref(m);
    weir_module_unref(plain);
    bytes[len - 300] ^= 1;
    m = module_of(bytes, len);
    assert_int_equal(weir_module_load_own_image(m, NULL), WEIR_E_MALFORMED);
    weir_module_unref(m);
    unlink(path);
    free(bytes);
}

/* ---- refusing ------------------------------------------------------------------------------------------ */

static weir_status load_bytes(const uint8_t *at, size_t len, struct weir_report *rep)
{
    struct weir_module *m = module_of(main_wasm, sizeof main_wasm);
    weir_report_init(rep);
    write_file(other_path, at, len);
    weir_status st = weir_module_load_image(m, other_path, rep);
    assert_true(st == WEIR_OK || rep->message[0] != '\0');
    weir_module_unref(m);
    return st;
}

static void refuse(const uint8_t *at, size_t len, weir_status want)
{
    struct weir_report rep;
    weir_status st = load_bytes(at, len, &rep);
    if (st != want) {
        fail_msg("%s: %s", weir_status_name(st), rep.message);
    }
}

/* Make the digest right again, as somebody would who forges an image. */
static void seal(uint8_t *at, size_t len)
{
    struct weir_image_footer f;
    struct hash_sha256 h;
    memcpy(&f, at + len - sizeof f, sizeof f);
    memset(f.digest, 0, sizeof f.digest);
    hash_sha256_init(&h);
    hash_sha256_add(&h, at, len - sizeof f);
    hash_sha256_add(&h, &f, sizeof f);
    hash_sha256_end(&h, f.digest);
    memcpy(at + len - sizeof f, &f, sizeof f);
}

static uint8_t *good_image(size_t *len)
{
    compile(main_wasm, sizeof main_wasm, image_path, "-O1");
    return read_file(image_path, len);
}

static void test_truncated(void **state)
{
    (void)state;
    size_t len;
    uint8_t *at = good_image(&len);
    for (size_t n = 0; n < len; n += 64) {
        refuse(at, n, WEIR_E_MALFORMED);
    }
    refuse(at, len - 1, WEIR_E_MALFORMED);
    refuse(at, len, WEIR_OK);
    free(at);
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    size_t len;
    uint8_t *at = good_image(&len);
    struct weir_report rep;
    for (size_t i = 0; i<len; i += i> len - 256 ? 1 : 61) {
        at[i] ^= 0x40;
        weir_status st = load_bytes(at, len, &rep);
        assert_true(st == WEIR_E_MALFORMED ||
                    (st == WEIR_E_MISMATCH && i > len - sizeof(struct weir_image_footer)));
        at[i] ^= 0x40;
    }
    free(at);
}

static void test_wrong_module_and_cpu(void **state)
{
    (void)state;
    size_t len;
    uint8_t *at = good_image(&len);
    struct weir_image_footer *f = (void *)(at + len - sizeof *f);
    struct weir_module *m = module_of(tail_wasm, sizeof tail_wasm);
    assert_int_equal(weir_module_load_image(m, image_path, NULL), WEIR_E_MISMATCH);
    weir_module_unref(m);
    struct weir_image_footer whole = *f;
    f->cpu_needs = ~0ull;
    seal(at, len);
    refuse(at, len, WEIR_E_MISMATCH);
    for (int i = 0; i < CPU_NFEATURES; i++) {
        f->cpu_needs = 1ull << i;
        seal(at, len);
        refuse(at, len, cpu_host_features() >> i & 1 ? WEIR_OK : WEIR_E_MISMATCH);
    }
    *f = whole;
    f->machine =
        f->machine == WEIR_IMAGE_MACHINE_X86_64 ? WEIR_IMAGE_MACHINE_AARCH64 : WEIR_IMAGE_MACHINE_X86_64;
    seal(at, len);
    refuse(at, len, WEIR_E_MISMATCH);
    *f = whole;
    f->compiler[6] ^= 1;
    seal(at, len);
    refuse(at, len, WEIR_E_MISMATCH);
    free(at);
}

/* With a digest that fits, tables and ELF headers that do not are still refused. */
static void test_forged(void **state)
{
    (void)state;
    size_t len;
    uint8_t *at = good_image(&len), *copy = malloc(len);
    struct weir_image_footer *f = (void *)(copy + len - sizeof *f);
    memcpy(copy, at, len);
    f->nfuncs++;
    seal(copy, len);
    refuse(copy, len, WEIR_E_MALFORMED);
    memcpy(copy, at, len);
    f->elf_bytes = UINT64_MAX;
    seal(copy, len);
    refuse(copy, len, WEIR_E_MALFORMED);
    memcpy(copy, at, len);
    size_t tables = (f->elf_bytes + 3) & ~(size_t)3;
    for (size_t i = tables; i < tables + (f->nfuncs * 2 + f->nstubs + f->ntramps + f->nfuncs) * 4; i += 4) {
        memcpy(copy, at, len);
        memset(copy + i, 0xff, 4);
        seal(copy, len);
        refuse(copy, len, WEIR_E_MALFORMED);
    }
    static const size_t identity[] = {0,  4,  5,  16,
                                      18, 32, 54, 56}; /* magic, class, data, type, machine, phoff, sizes */
    for (size_t i = 0; i < sizeof identity / sizeof *identity; i++) {
        memcpy(copy, at, len);
        copy[identity[i]] ^= 0xff;
        seal(copy, len);
        refuse(copy, len, WEIR_E_MALFORMED);
    }
    free(copy);
    free(at);
}

static void test_files_of_others(void **state)
{
    (void)state;
    size_t len;
    uint8_t *at = good_image(&len);
    struct weir_module *m = module_of(main_wasm, sizeof main_wasm);
    write_file(other_path, at, len);
    chmod(other_path, 0664);
    assert_int_equal(weir_module_load_image(m, other_path, NULL), WEIR_E_CONFIG);
    chmod(other_path, 0644);
    chmod(dir, 0777);
    assert_int_equal(weir_module_load_image(m, other_path, NULL), WEIR_E_CONFIG);
    chmod(dir, 0700);
    unlink(other_path);
    assert_int_equal(weir_module_load_image(m, other_path, NULL), WEIR_E_IO);
    assert_int_equal(symlink(image_path, other_path), 0);
    assert_int_equal(weir_module_load_image(m, other_path, NULL), WEIR_E_IO);
    assert_int_equal(weir_module_load_image(m, image_path, NULL), WEIR_OK);
    weir_module_unref(m);
    free(at);
}

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(image_path, sizeof image_path, "%s/a.aot", dir);
    snprintf(other_path, sizeof other_path, "%s/b.aot", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(image_path);
    unlink(other_path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_level),
        cmocka_unit_test(test_instances_keep_their_memory),
        cmocka_unit_test(test_tail_calls_need_no_stack),
        cmocka_unit_test(test_image_in_the_module),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_wrong_module_and_cpu),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_files_of_others),
    };
    return cmocka_run_group_tests_name("aot", tests, make_dir, remove_dir);
}
