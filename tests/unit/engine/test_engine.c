/* The public engine API on the interpreter: linking, calls, host functions, traps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "unit/engine/modules.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"

/* ---- the host ------------------------------------------------------------------------------------ */

static uint64_t pick_i64(struct weir_instance *inst, uint64_t v)
{
    (void)inst;
    return v * 2;
}

static uint32_t pick_i32(struct weir_instance *inst, uint32_t v)
{
    (void)inst;
    return v * 3;
}

static double mix(struct weir_instance *inst, int32_t a, int64_t b, float c, double d)
{
    (void)inst;
    return a + (double)b + (double)c + d;
}

/* Calls back into the guest; whatever happens there, this call goes on. */
static uint32_t again(struct weir_instance *inst, uint32_t v)
{
    struct weir_trap trap;
    uint64_t cells[2] = {v};
    struct weir_func *f = weir_instance_find_func(inst, "load", 4);
    return weir_func_call(f, cells, &trap) == WEIR_OK ? (uint32_t)cells[0] : 1000 + trap.kind;
}

static void stop(struct weir_instance *inst, uint32_t v)
{
    if (v == 0) {
        weir_trap_raise(inst, WEIR_TRAP_HOST, "stopped by the host");
    }
    weir_trap_exit(inst, (int32_t)v);
}

WEIR_HOST_THUNK1(pick_i64, I, I)
WEIR_HOST_THUNK1(pick_i32, i, i)
WEIR_HOST_THUNK4(mix, i, I, f, F, F)
WEIR_HOST_THUNK1(again, i, i)
WEIR_HOST_THUNK1(stop, i, n)

static const struct weir_host_func host[] = {
    WEIR_HOST_FUNC("env", "pick", "i:i", pick_i32), WEIR_HOST_FUNC("env", "pick", "I:I", pick_i64),
    WEIR_HOST_FUNC("env", "mix", "iIfF:F", mix),    WEIR_HOST_FUNC("env", "again", "i:i", again),
    WEIR_HOST_FUNC("env", "stop", "i:", stop),
};

/* ---- helpers --------------------------------------------------------------------------------------- */

#define LOAD(bytes) load(bytes, sizeof(bytes))

static struct weir_module *load(const uint8_t *bytes, size_t len)
{
    struct weir_module *m = NULL;
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        fail_msg("%s", rep.message);
    }
    return m;
}

static struct weir_linker *linker;
static struct weir_instance *inst;

/* Called in the body of every test, because cmocka puts its own signal handlers before a body. */
static void setup(void **state)
{
    struct weir_module *m = LOAD(e_wasm);
    (void)state;
    linker = weir_linker_new();
    weir_linker_add_funcs(linker, host, sizeof host / sizeof host[0]);
    struct weir_instance_options opt = {.stack_bytes = 256 * 1024};
    assert_int_equal(weir_instance_new(m, linker, &opt, &inst, NULL, NULL), WEIR_OK);
    weir_module_unref(m); /* the instance has its own reference */
}

static int teardown(void **state)
{
    (void)state;
    weir_instance_free(inst);
    weir_linker_free(linker);
    return 0;
}

static weir_status call(struct weir_instance *of, const char *name, uint64_t *cells, struct weir_trap *trap)
{
    struct weir_func *f = weir_instance_find_func(of, name, strlen(name));
    assert_non_null(f);
    return weir_func_call(f, cells, trap);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void test_calls(void **state)
{
    uint64_t cells[4] = {10};
    setup(state);
    assert_int_equal(call(inst, "fac", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 3628800);
    cells[0] = 7, cells[1] = UINT64_MAX;
    assert_int_equal(call(inst, "swap", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], UINT64_MAX);
    assert_int_equal(cells[1], 7);
    assert_null(weir_instance_find_func(inst, "memory", 6));
    assert_null(weir_instance_find_func(inst, "fa", 2));
    const struct weir_functype *t = weir_func_type(weir_instance_find_func(inst, "swap", 4));
    assert_int_equal(t->nparams, 2);
    assert_int_equal(t->results[0], WEIR_I64);
    cells[0] = 5, cells[1] = 0;
    assert_int_equal(call(inst, "indirect", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 120);
}

static void test_host_functions(void **state)
{
    uint64_t cells[4] = {21};
    setup(state);
    assert_int_equal(call(inst, "call_pick", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 42);
    assert_int_equal(call(inst, "call_mix", cells, NULL), WEIR_OK);
    assert_true(weir_cell_to_f64(cells[0]) == 1.75);
}

static void test_trap_names_frames(void **state)
{
    uint64_t cells[2] = {0xffffffff};
    struct weir_trap trap;
    char text[512];
    setup(state);
    assert_int_equal(call(inst, "load", cells, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_MEMORY_BOUNDS);
    assert_int_equal(trap.nframes, 3);
    assert_string_equal(trap.frames[0].name, "inner");
    assert_string_equal(trap.frames[1].name, "middle");
    assert_string_equal(trap.frames[2].name, "load");
    assert_true(trap.frames[0].offset > 0 && trap.frames[0].offset < sizeof e_wasm);
    size_t len = weir_trap_format(&trap, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_non_null(strstr(text, "out of bounds memory access\n    0: inner (offset 0x"));
    assert_int_equal(weir_trap_format(&trap, text, 4), len);
    assert_int_equal(strlen(text), 3);
    cells[0] = 0; /* the instance still works */
    assert_int_equal(call(inst, "load", cells, &trap), WEIR_OK);
}

static void test_host_ends_calls(void **state)
{
    uint64_t cells[2] = {0};
    struct weir_trap trap;
    setup(state);
    assert_int_equal(call(inst, "call_stop", cells, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_HOST);
    assert_string_equal(trap.message, "stopped by the host");
    assert_int_equal(trap.nframes, 1);
    cells[0] = 7;
    assert_int_equal(call(inst, "call_stop", cells, &trap), WEIR_E_EXIT);
    assert_int_equal(trap.exit_code, 7);
}

static void test_nested_calls(void **state)
{
    uint64_t cells[2] = {0xffff0000};
    setup(state);
    assert_int_equal(call(inst, "call_again", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 1000 + WEIR_TRAP_MEMORY_BOUNDS);
    memcpy(inst->memory + 24, "\x2a\0\0\0", 4);
    cells[0] = 16;
    assert_int_equal(call(inst, "call_again", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 42);
}

static void test_stack_ends(void **state)
{
    uint64_t cells[2] = {0};
    struct weir_trap trap;
    setup(state);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call(inst, "deep", cells, &trap), WEIR_E_TRAP);
        assert_string_equal(trap.message, "call stack exhausted");
        assert_int_equal(trap.nframes, WEIR_TRAP_FRAMES);
        assert_true(trap.nskipped > 100);
    }
}

static void test_memory_grow(void **state)
{
    uint64_t cells[2] = {2};
    setup(state);
    assert_int_equal(inst->memory_bytes, 65536);
    assert_int_equal(call(inst, "grow", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 1);
    assert_int_equal(inst->memory_bytes, 3 * 65536);
    assert_non_null(weir_memory_at(inst, 65536, 65536));
    assert_non_null(weir_memory_at(inst, 3 * 65536, 0));
    assert_null(weir_memory_at(inst, 3 * 65536, 1));
    assert_null(weir_memory_at(inst, UINT32_MAX, UINT32_MAX));
}

static void test_globals_and_lists(void **state)
{
    uint64_t cells[2];
    enum weir_valtype type;
    struct weir_import im;
    struct weir_export ex;
    size_t n = 0, len = 0;
    setup(state);
    struct weir_module *m = weir_instance_module(inst);
    assert_true(weir_instance_get_global(inst, "counter", 7, cells, &type));
    assert_int_equal(type, WEIR_I64);
    assert_int_equal((int64_t)cells[0], -5);
    assert_true(weir_instance_get_global(inst, "pi", 2, cells, &type));
    assert_true(weir_cell_to_f64(cells[0]) == 3.25);
    assert_false(weir_instance_get_global(inst, "fac", 3, cells, &type));
    assert_true(weir_module_import(m, 1, &im));
    assert_string_equal(im.module, "env");
    assert_string_equal(im.name, "mix");
    assert_int_equal(im.type->nparams, 4);
    while (weir_module_export(m, n, &ex)) {
        n++;
    }
    assert_int_equal(n, 15);
    assert_true(weir_module_export(m, 0, &ex));
    assert_int_equal(ex.kind, WEIR_EXTERN_MEMORY);
    assert_null(ex.type);
    assert_non_null(weir_module_custom_section(m, "name", &len));
    assert_true(len > 10);
    assert_null(weir_module_custom_section(m, "nam", &len));
    const uint8_t *bytes = weir_module_bytes(m, &len);
    assert_int_equal(len, sizeof e_wasm);
    assert_memory_equal(bytes, e_wasm, len);
    assert_ptr_equal(weir_module_sha256(m), weir_module_sha256(m));
    assert_int_equal(weir_instance_tier(inst), WEIR_TIER_INTERP);
}

/* Everything an instance can share with another is the same thing on both sides. */
static void test_linked_instances(void **state)
{
    struct weir_module *m = LOAD(i_wasm);
    struct weir_instance *importer = NULL;
    uint64_t cells[2] = {0};
    enum weir_valtype type;
    setup(state);
    weir_linker_add_instance(linker, "e", inst);
    assert_int_equal(weir_instance_new(m, linker, NULL, &importer, NULL, NULL), WEIR_OK);
    weir_module_unref(m);
    assert_int_equal(call(importer, "count", cells, NULL), WEIR_OK);
    assert_int_equal((int64_t)cells[0], -4);
    weir_instance_get_global(inst, "counter", 7, cells, &type);
    assert_int_equal((int64_t)cells[0], -4);
    assert_int_equal(call(importer, "fac6", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 720);
    cells[0] = 1;
    assert_int_equal(call(inst, "grow", cells, NULL), WEIR_OK);
    assert_int_equal(importer->memory_bytes, 2 * 65536);
    assert_ptr_equal(importer->memory, inst->memory);
    assert_int_equal(call(importer, "size", cells, NULL), WEIR_OK);
    assert_int_equal(cells[0], 2);
    assert_int_equal(call(importer, "poke", cells, NULL), WEIR_OK);
    assert_int_equal(inst->memory[16], 99);
    weir_instance_free(importer);
}

static void test_link_errors(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *message;
    } cases[] = {
        {bad_name_wasm, sizeof bad_name_wasm, "unknown import: function \"e\" \"nothing\""},
        {bad_kind_wasm, sizeof bad_kind_wasm, "incompatible import type: function \"e\" \"memory\""},
        {bad_func_wasm, sizeof bad_func_wasm, "incompatible import type: function \"e\" \"fac\""},
        {bad_memory_wasm, sizeof bad_memory_wasm, "incompatible import type: memory \"e\" \"memory\""},
        {bad_global_wasm, sizeof bad_global_wasm, "incompatible import type: global \"e\" \"counter\""},
        {bad_table_wasm, sizeof bad_table_wasm, "incompatible import type: table \"e\" \"table\""},
        {bad_host_wasm, sizeof bad_host_wasm, "incompatible import type: function \"env\" \"pick\""},
    };
    setup(state);
    weir_linker_add_instance(linker, "e", inst);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_module *m = load(cases[i].bytes, cases[i].len);
        struct weir_instance *none = NULL;
        struct weir_report rep;
        weir_report_init(&rep);
        assert_int_equal(weir_instance_new(m, linker, NULL, &none, NULL, &rep), WEIR_E_LINK);
        assert_null(none);
        assert_string_equal(rep.message, cases[i].message);
        weir_module_unref(m);
    }
}

static void test_failures_of_instantiation(void **state)
{
    struct weir_instance *none = NULL;
    struct weir_instance_options small = {.memory_limit_bytes = 100}, aot = {.tier = WEIR_TIER_AOT};
    struct weir_trap trap;
    setup(state);
    struct weir_module *trapping = LOAD(start_trap_wasm), *big = weir_instance_module(inst);
    assert_int_equal(weir_instance_new(trapping, NULL, NULL, &none, &trap, NULL), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_UNREACHABLE);
    assert_int_equal(weir_instance_new(big, linker, &small, &none, NULL, NULL), WEIR_E_LIMIT);
    assert_int_equal(weir_instance_new(big, linker, &aot, &none, NULL, NULL), WEIR_E_NOT_FOUND);
    assert_int_equal(weir_instance_new(big, NULL, NULL, &none, NULL, NULL), WEIR_E_LINK);
    assert_null(none);
    weir_module_unref(trapping);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_host_functions),
        TEST(test_trap_names_frames),
        TEST(test_host_ends_calls),
        TEST(test_nested_calls),
        TEST(test_stack_ends),
        TEST(test_memory_grow),
        TEST(test_globals_and_lists),
        TEST(test_linked_instances),
        TEST(test_link_errors),
        TEST(test_failures_of_instantiation),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
