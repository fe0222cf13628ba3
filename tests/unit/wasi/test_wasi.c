/* WASI: a module that imports every function under its real type and exports it again; the test calls those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/str.h"
#include "weir/wasi.h"

/* ---- the module ------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *type;
} functions[] = {
#define WASI_FUNC(n, name, type, ...) {#name, type},
#define WASI_STUB(n, name, type, on_stdio, on_other, ...) {#name, type},
#include "wasi/wasi.def"
#undef WASI_FUNC
#undef WASI_STUB
};
enum { NFUNCTIONS = sizeof functions / sizeof functions[0] };

static void add_leb(struct strbuf *b, uint32_t v)
{
    for (; v >= 0x80; v >>= 7) {
        strbuf_add_char(b, (char)(v | 0x80));
    }
    strbuf_add_char(b, (char)v);
}

static void add_name(struct strbuf *b, const char *name)
{
    add_leb(b, (uint32_t)strlen(name));
    strbuf_add(b, str_of(name));
}

static void add_section(struct strbuf *to, char id, struct strbuf *section)
{
    strbuf_add_char(to, id);
    add_leb(to, (uint32_t)section->len);
    strbuf_add(to, strbuf_str(section));
    strbuf_fini(section);
    *section = (struct strbuf){0};
}

static void add_types(struct strbuf *b, const char *letters, size_t n)
{
    add_leb(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        strbuf_add_char(b, letters[i] == 'i' ? 0x7f : 0x7e);
    }
}

static void build_module(struct strbuf *out, const char *wasi_module)
{
    struct strbuf s = {0};
    strbuf_add_bytes(out, "\0asm\1\0\0\0", 8);
    add_leb(&s, NFUNCTIONS);
    for (uint32_t i = 0; i < NFUNCTIONS; i++) {
        const char *colon = strchr(functions[i].type, ':');
        strbuf_add_char(&s, 0x60);
        add_types(&s, functions[i].type, (size_t)(colon - functions[i].type));
        add_types(&s, colon + 1, strlen(colon + 1));
    }
    add_section(out, 1, &s);
    add_leb(&s, NFUNCTIONS);
    for (uint32_t i = 0; i < NFUNCTIONS; i++) {
        add_name(&s, wasi_module);
        add_name(&s, functions[i].name);
        strbuf_add_char(&s, 0);
        add_leb(&s, i);
    }
    add_section(out, 2, &s);
    strbuf_add_bytes(&s, "\1\0\1", 3);
    add_section(out, 5, &s);
    add_leb(&s, NFUNCTIONS);
    for (uint32_t i = 0; i < NFUNCTIONS; i++) {
        add_name(&s, functions[i].name);
        strbuf_add_char(&s, 0);
        add_leb(&s, i);
    }
    add_section(out, 7, &s);
}

/* ---- the embedder ---------------------------------------------------------------------------------- */

static char written[256];
static int written_fd;

static void on_write(void *data, struct weir_instance *inst, int fd, struct str text)
{
    (void)data, (void)inst;
    written_fd = fd;
    strncat(written, text.at, text.len);
}

static uint64_t now(void *data)
{
    (void)data;
    return 1234567890123456789u;
}

static const struct str args[] = {{"prog", 4}, {"", 0}, {"x y", 3}}, env[] = {{"A=1", 3}};
static struct weir_wasi world = {
    .args = args, .nargs = 3, .env = env, .nenv = 1, .write = on_write, .now_ns = now};
static struct {
    struct weir_wasi *wasi;
} host = {&world};

static struct weir_linker *linker;
static struct weir_instance *inst;

static void instantiate(const char *wasi_module)
{
    struct strbuf bytes = {0};
    struct weir_module *m = NULL;
    struct weir_report rep;
    struct weir_instance_options opt = {.host = &host};
    build_module(&bytes, wasi_module);
    weir_report_init(&rep);
    if (weir_module_new((const uint8_t *)bytes.at, bytes.len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK ||
        weir_instance_new(m, linker, &opt, &inst, NULL, &rep) != WEIR_OK) {
        fail_msg("%s", rep.message);
    }
    weir_module_unref(m);
    strbuf_fini(&bytes);
}

static int setup(void **state)
{
    (void)state;
    linker = weir_linker_new();
    weir_wasi_link(linker);
    instantiate("wasi_snapshot_preview1");
    written[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_instance_free(inst);
    weir_linker_free(linker);
    return 0;
}

/* Call with up to nine numbers; the errno, or 1000 + the status when it did not return. */
#define CALL(name, ...) call(name, (const uint64_t[9]){__VA_ARGS__})

static struct weir_trap trap;

static uint32_t call(const char *name, const uint64_t given[9])
{
    uint64_t cells[10];
    struct weir_func *f = weir_instance_find_func(inst, name, strlen(name));
    assert_non_null(f);
    memcpy(cells, given, 9 * sizeof cells[0]);
    weir_status st = weir_func_call(f, cells, &trap);
    return st == WEIR_OK ? (uint32_t)cells[0] : 1000 + st;
}

static uint32_t at(uint32_t addr)
{
    return bytes_get_u32(inst->memory + addr);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

enum { BADF = 8, FAULT = 21, INVAL = 28, NOENT = 44, NOSYS = 52, NOTSUP = 58, END = 65536 };

static void test_both_names_link(void **state)
{
    (void)state;
    weir_instance_free(inst);
    instantiate("wasi_unstable");
    assert_int_equal(CALL("sched_yield", 0), 0);
}

static void test_lists(void **state)
{
    (void)state;
    assert_int_equal(CALL("args_sizes_get", 0, 4), 0);
    assert_int_equal(at(0), 3);
    assert_int_equal(at(4), 10);
    assert_int_equal(CALL("args_get", 16, 64), 0);
    assert_memory_equal(inst->memory + 64, "prog\0\0x y\0", 10);
    assert_int_equal(at(16), 64);
    assert_int_equal(at(20), 69);
    assert_int_equal(at(24), 70);
    assert_int_equal(CALL("environ_sizes_get", 0, 4), 0);
    assert_int_equal(at(4), 4);
    assert_int_equal(CALL("environ_get", 16, 64), 0);
    assert_string_equal((char *)inst->memory + 64, "A=1");
    assert_int_equal(CALL("args_sizes_get", 0, END - 3), FAULT);
    assert_int_equal(CALL("args_get", 16, END - 9), FAULT);
    assert_int_equal(CALL("args_get", END - 11, 64), FAULT);
    assert_int_equal(CALL("args_get", 16, END - 10), 0);
}

static void test_clocks_and_random(void **state)
{
    (void)state;
    assert_int_equal(CALL("clock_time_get", 0, 0, 8), 0);
    assert_true(bytes_get_u64(inst->memory + 8) == 1234567890123456789u);
    assert_int_equal(CALL("clock_time_get", 1, 0, 8), 0);
    assert_true(bytes_get_u64(inst->memory + 8) > 0);
    assert_int_equal(CALL("clock_time_get", 2, 0, 8), NOTSUP);
    assert_int_equal(CALL("clock_time_get", 0, 0, END - 7), FAULT);
    assert_int_equal(CALL("clock_res_get", 0, 8), 0);
    assert_true(bytes_get_u64(inst->memory + 8) == 1);
    assert_int_equal(CALL("random_get", 100, 16), 0);
    assert_memory_not_equal(inst->memory + 100, inst->memory + 200, 16);
    assert_int_equal(CALL("random_get", 0, 65537), INVAL);
    assert_int_equal(CALL("random_get", 1, 65536), FAULT);
    assert_int_equal(CALL("random_get", 0, 65536), 0);
}

static void put_iovec(uint32_t i, uint32_t addr, uint32_t len)
{
    bytes_put_u32(inst->memory + i * 8, addr);
    bytes_put_u32(inst->memory + i * 8 + 4, len);
}

static void test_write(void **state)
{
    (void)state;
    memcpy(inst->memory + 100, "hello world", 11);
    put_iovec(0, 100, 5);
    put_iovec(1, 0xffffffff, 0);
    put_iovec(2, 105, 6);
    assert_int_equal(CALL("fd_write", 2, 0, 3, 40), FAULT); /* even an empty piece must be inside */
    put_iovec(1, END, 0);
    assert_int_equal(CALL("fd_write", 2, 0, 3, 40), 0);
    assert_string_equal(written, "hello world");
    assert_int_equal(written_fd, 2);
    assert_int_equal(at(40), 11);
    written[0] = '\0';
    assert_int_equal(CALL("fd_pwrite", 1, 0, 1, 7, 40), 0);
    assert_string_equal(written, "hello");
    written[0] = '\0';
    assert_int_equal(CALL("fd_write", 0, 0, 3, 40), BADF);
    assert_int_equal(CALL("fd_write", 3, 0, 3, 40), BADF);
    assert_int_equal(CALL("fd_write", 1, END - 8, 2, 40), FAULT);
    assert_int_equal(CALL("fd_write", 1, 0, 3, END - 3), FAULT);
    assert_int_equal(CALL("fd_write", 1, 0, UINT32_MAX, 40), INVAL);
    put_iovec(2, END - 1, 2);
    assert_int_equal(CALL("fd_write", 1, 0, 3, 40), FAULT);
    assert_string_equal(written, ""); /* all or nothing */
}

static void test_descriptors(void **state)
{
    (void)state;
    memset(inst->memory, 0xff, 64);
    assert_int_equal(CALL("fd_fdstat_get", 1, 0), 0);
    assert_int_equal(at(0), 0);
    assert_true(bytes_get_u64(inst->memory + 8) == 64);
    assert_int_equal(at(24), 0xffffffff);
    assert_int_equal(CALL("fd_fdstat_get", 0, 0), BADF);
    assert_int_equal(CALL("fd_fdstat_get", 2, END - 23), FAULT);
    assert_int_equal(CALL("fd_tell", 1, 32), 0);
    assert_true(bytes_get_u64(inst->memory + 32) == 0);
    assert_int_equal(CALL("fd_seek", 1, 5, 0, 40), 0);
    assert_int_equal(CALL("fd_readdir", 3, 0, 0, 0, 48), 20);
    assert_int_equal(at(48), 0);
    assert_int_equal(CALL("poll_oneoff", 0, 0, 1, 52), 0);
    assert_int_equal(at(52), 0);
    for (uint32_t fd = 0; fd < 10; fd++) {
        assert_int_equal(CALL("fd_prestat_get", fd, 0), BADF);
    }
}

/* The answers of functions that need a file system, on stdout and on another descriptor. */
static void test_answers(void **state)
{
    static const struct {
        const char *name;
        uint32_t on_stdout, on_other;
    } answers[] = {
        {"fd_read", NOSYS, NOSYS},
        {"fd_pread", NOSYS, NOSYS},
        {"fd_close", 0, 0},
        {"fd_fdstat_set_flags", NOSYS, NOSYS},
        {"fd_fdstat_set_rights", 0, BADF},
        {"fd_prestat_dir_name", NOSYS, NOSYS},
        {"fd_filestat_get", BADF, BADF},
        {"fd_filestat_set_size", 0, BADF},
        {"fd_filestat_set_times", 0, BADF},
        {"fd_advise", 0, 0},
        {"fd_allocate", 0, BADF},
        {"fd_datasync", 0, BADF},
        {"fd_sync", 0, BADF},
        {"fd_renumber", NOTSUP, BADF},
        {"path_open", NOENT, NOENT},
        {"path_create_directory", NOTSUP, NOTSUP},
        {"path_remove_directory", NOTSUP, NOTSUP},
        {"path_unlink_file", NOTSUP, NOTSUP},
        {"path_filestat_get", NOTSUP, NOTSUP},
        {"path_filestat_set_times", NOTSUP, NOTSUP},
        {"path_link", NOTSUP, NOTSUP},
        {"path_readlink", NOTSUP, NOTSUP},
        {"path_rename", NOTSUP, NOTSUP},
        {"path_symlink", NOTSUP, NOTSUP},
        {"proc_raise", NOTSUP, NOTSUP},
        {"sock_accept", NOTSUP, NOTSUP},
        {"sock_recv", NOTSUP, NOTSUP},
        {"sock_send", NOTSUP, NOTSUP},
        {"sock_shutdown", NOTSUP, NOTSUP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        assert_int_equal(CALL(answers[i].name, 1), answers[i].on_stdout);
        assert_int_equal(CALL(answers[i].name, 5), answers[i].on_other);
    }
}

static void test_exit(void **state)
{
    (void)state;
    assert_int_equal(CALL("proc_exit", 3), 1000 + WEIR_E_EXIT);
    assert_int_equal(trap.exit_code, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_names_link),
        TEST(test_lists),
        TEST(test_clocks_and_random),
        TEST(test_write),
        TEST(test_descriptors),
        TEST(test_answers),
        TEST(test_exit),
    };
    return cmocka_run_group_tests_name("wasi", tests, NULL, NULL);
}
