/* What the interpreter promises beyond the specification: where a trap happened, also when the instruction
 * was fused with another; stacks that end in a trap; calls from host functions; code shared by threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>

#include "unit/interp/module.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"

static struct weir_module *module;
static struct weir_linker *linker;

static weir_status call(struct weir_instance *inst, const char *name, uint32_t arg, uint64_t *result,
                        struct weir_trap *trap)
{
    uint64_t cells[2] = {arg};
    struct weir_func *f = weir_instance_find_func(inst, name, strlen(name));
    assert_non_null(f);
    weir_status st = weir_func_call(f, cells, trap);
    *result = cells[0];
    return st;
}

/* Calls "nest" with one less until 0; whatever traps below comes back as 1000 + kind. */
static uint32_t again(struct weir_instance *inst, uint32_t n)
{
    uint64_t result;
    struct weir_trap trap;
    if (n == 0) {
        return 0;
    }
    return call(inst, "nest", n - 1, &result, &trap) == WEIR_OK ? (uint32_t)result + 1
                                                                : 1000 + (uint32_t)trap.kind;
}

WEIR_HOST_THUNK1(again, i, i)
static const struct weir_host_func host[] = {WEIR_HOST_FUNC("env", "again", "i:i", again)};

static struct weir_instance *instance(void)
{
    struct weir_instance *inst;
    struct weir_report rep;
    struct weir_trap trap;
    struct weir_instance_options opt = {.tier = WEIR_TIER_INTERP};
    weir_report_init(&rep);
    assert_int_equal(weir_instance_new(module, linker, &opt, &inst, &trap, &rep), WEIR_OK);
    return inst;
}

static int setup(void **state)
{
    (void)state;
    struct weir_report rep;
    weir_report_init(&rep);
    linker = weir_linker_new();
    weir_linker_add_funcs(linker, host, 1);
    return weir_module_new(interp_wasm, sizeof interp_wasm, WEIR_FEATURES_ALL, &module, &rep) == WEIR_OK ? 0
                                                                                                         : -1;
}

static int teardown(void **state)
{
    (void)state;
    weir_linker_free(linker);
    weir_module_unref(module);
    return 0;
}

/* The innermost frame is the instruction that faulted, the next one a call in the exported function. */
static void expect_trap_at(const char *name, uint32_t arg, enum weir_trap_kind kind, uint8_t opcode,
                           uint32_t funcidx)
{
    struct weir_instance *inst = instance();
    struct weir_trap trap;
    uint64_t result;
    assert_int_equal(call(inst, name, arg, &result, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, kind);
    assert_int_equal(trap.nframes, 2);
    assert_int_equal(trap.frames[0].funcidx, funcidx);
    assert_int_equal(trap.frames[1].funcidx, funcidx + 8);
    assert_int_equal(interp_wasm[trap.frames[0].offset], opcode);
    assert_int_equal(interp_wasm[trap.frames[1].offset], 0x10);
    weir_instance_free(inst);
}

static void test_trap_offsets(void **state)
{
    (void)state;
    const uint32_t out = 0xfffffff0;
    expect_trap_at("load", out, WEIR_TRAP_MEMORY_BOUNDS, 0x28, 1);
    expect_trap_at("load_sum", out, WEIR_TRAP_MEMORY_BOUNDS, 0x2d, 2);
    expect_trap_at("load_then_add", out, WEIR_TRAP_MEMORY_BOUNDS, 0x28, 3);
    expect_trap_at("load_then_branch", out, WEIR_TRAP_MEMORY_BOUNDS, 0x2d, 4);
    expect_trap_at("store", out, WEIR_TRAP_MEMORY_BOUNDS, 0x36, 5);
    expect_trap_at("store_second", out, WEIR_TRAP_MEMORY_BOUNDS, 0x3a, 6);
    expect_trap_at("load_v128", out, WEIR_TRAP_MEMORY_BOUNDS, 0xfd, 7);
    expect_trap_at("divide", 0, WEIR_TRAP_DIVIDE_BY_ZERO, 0x6d, 8);
}

static void test_stack_ends_in_a_trap(void **state)
{
    (void)state;
    struct weir_instance *inst = instance();
    struct weir_trap trap;
    uint64_t result;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call(inst, "deep", 5000, &result, &trap), WEIR_OK);
        assert_int_equal(result, 5000);
        assert_int_equal(call(inst, "deep", 1u << 30, &result, &trap), WEIR_E_TRAP);
        assert_int_equal(trap.kind, WEIR_TRAP_STACK_EXHAUSTED);
        assert_true(trap.nskipped > 10000);
        /* A frame larger than any frame may be. */
        assert_int_equal(call(inst, "huge", 1, &result, &trap), WEIR_E_TRAP);
        assert_int_equal(trap.kind, WEIR_TRAP_STACK_EXHAUSTED);
    }
    weir_instance_free(inst);
}

static void test_calls_from_host_functions(void **state)
{
    (void)state;
    struct weir_instance *inst = instance();
    struct weir_trap trap;
    uint64_t result;
    assert_int_equal(call(inst, "nest", 50, &result, &trap), WEIR_OK);
    assert_int_equal(result, 50);
    /* Far too deep: some activation has no room on the native stack, and the ones above it go on. */
    assert_int_equal(call(inst, "nest", 1u << 30, &result, &trap), WEIR_OK);
    assert_true(result > 1000);
    assert_int_equal(call(inst, "nest", 50, &result, &trap), WEIR_OK);
    assert_int_equal(result, 50);
    weir_instance_free(inst);
}

static void *count(void *unused)
{
    (void)unused;
    struct weir_instance *inst = instance();
    struct weir_trap trap;
    uint64_t result;
    assert_int_equal(call(inst, "count", 100000, &result, &trap), WEIR_OK);
    assert_int_equal(result, (uint32_t)(100000ull * 100001 / 2));
    assert_int_equal(call(inst, "deep", 100, &result, &trap), WEIR_OK);
    weir_instance_free(inst);
    return NULL;
}

/* The first calls lower the functions, on whichever thread comes first. */
static void test_threads_share_code(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        pthread_t threads[4];
        struct weir_report rep;
        struct weir_module *old = module;
        weir_report_init(&rep);
        assert_int_equal(weir_module_new(interp_wasm, sizeof interp_wasm, WEIR_FEATURES_ALL, &module, &rep),
                         WEIR_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        weir_module_unref(module);
        module = old;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap_offsets),
        cmocka_unit_test(test_stack_ends_in_a_trap),
        cmocka_unit_test(test_calls_from_host_functions),
        cmocka_unit_test(test_threads_share_code),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
