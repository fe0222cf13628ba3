/* What the code of a small hostile function may grow to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "weir/engine.h"

enum { VALUES = 1000 };

static void add_leb(struct strbuf *b, uint32_t n)
{
    for (; n >= 0x80; n >>= 7) {
        strbuf_add_char(b, (char)(n | 0x80));
    }
    strbuf_add_char(b, (char)n);
}

static void add_bytes(struct strbuf *b, const char *text, size_t len, unsigned times)
{
    while (times-- != 0) {
        strbuf_add_bytes(b, text, len);
    }
}

static void add_section(struct strbuf *module, char id, struct strbuf *content)
{
    strbuf_add_char(module, id);
    add_leb(module, (uint32_t)content->len);
    strbuf_add(module, strbuf_str(content));
    strbuf_fini(content);
}

/* (func (export "f") (local i32)
 *   (block (result i32 * VALUES)
 *     (VALUES + 1 values)  (i32.clz (local.get 0)) br_if 0 ...  return) drop ...) */
static void add_module(struct strbuf *module, unsigned branches)
{
    struct strbuf types = {0}, funcs = {0}, exports = {0}, body = {0}, code = {0};

    add_bytes(&types, "\2\x60\0\0\x60\0", 6, 1);
    add_leb(&types, VALUES);
    add_bytes(&types, "\x7f", 1, VALUES);
    add_bytes(&funcs, "\1\0", 2, 1);
    add_bytes(&exports, "\1\1f\0\0", 5, 1);
    add_bytes(&body, "\1\1\x7f\2\1", 5, 1);
    add_bytes(&body, "\x20\0\x67", 3, VALUES + 1);
    add_bytes(&body, "\x20\0\x67\x0d\0", 5, branches);
    add_bytes(&body, "\x0f\x0b", 2, 1);
    add_bytes(&body, "\x1a", 1, VALUES);
    add_bytes(&body, "\x0b", 1, 1);
    add_leb(&code, 1);
    add_leb(&code, (uint32_t)body.len);
    strbuf_add(&code, strbuf_str(&body));
    strbuf_fini(&body);
    add_bytes(module, "\0asm\1\0\0\0", 8, 1);
    add_section(module, 1, &types);
    add_section(module, 3, &funcs);
    add_section(module, 7, &exports);
    add_section(module, 10, &code);
}

static weir_status run(unsigned branches, struct weir_trap *trap)
{
    struct strbuf bytes = {0};
    struct weir_module *m;
    struct weir_instance *inst;
    struct weir_instance_options opt = {.tier = WEIR_TIER_INTERP};
    uint64_t cells[1] = {0};

    add_module(&bytes, branches);
    assert_int_equal(weir_module_new((uint8_t *)bytes.at, bytes.len, WEIR_FEATURES_ALL, &m, NULL), WEIR_OK);
    struct weir_linker *linker = weir_linker_new();
    assert_int_equal(weir_instance_new(m, linker, &opt, &inst, NULL, NULL), WEIR_OK);
    weir_status st = weir_func_call(weir_instance_find_func(inst, "f", 1), cells, trap);
    weir_instance_free(inst);
    weir_linker_free(linker);
    weir_module_unref(m);
    strbuf_fini(&bytes);
    return st;
}

/* A branch of five bytes moves a thousand values: its code must not be a thousand instructions. */
static void test_wide_branches(void **state)
{
    enum { BRANCHES = 30000, MOST_KIB = 64 << 10 };
    struct weir_trap trap = {0};
    struct rusage before, after;
    (void)state;

    assert_int_equal(run(20, &trap), WEIR_OK);
    getrusage(RUSAGE_SELF, &before);
    weir_status st = run(BRANCHES, &trap);
    getrusage(RUSAGE_SELF, &after);
    assert_true(st == WEIR_OK || (st == WEIR_E_TRAP && trap.kind == WEIR_TRAP_STACK_EXHAUSTED));
    assert_true(after.ru_maxrss - before.ru_maxrss < MOST_KIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wide_branches)};
    return cmocka_run_group_tests_name("interp/limits", tests, NULL, NULL);
}
