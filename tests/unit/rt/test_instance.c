/* Instances: memories, tables, segments, sharing, and instances that fail to start. */
#include "unit/rt/fake.h"

#include <string.h>

#include "base/str.h"

static struct fake_module a, b;
static struct rt_instance *inst;

static int setup(void **state)
{
    (void)state;
    fake_load(&a, a_wasm, sizeof a_wasm);
    fake_load(&b, b_wasm, sizeof b_wasm);
    inst = fake_instance(&a, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rt_instance_free(inst, NULL);
    fake_unload(&a);
    fake_unload(&b);
    return 0;
}

/* Run `what` as a guest call, so that it may trap. */
static weir_status guarded(fake_body *what, struct weir_trap *trap)
{
    uint64_t cells[2] = {0};
    fake_bodies[0] = what;
    return rt_call_enter(rt_func_at(inst, 0), cells, trap);
}

static void test_start_state(void **state)
{
    (void)state;
    assert_int_equal(inst->pub.memory_bytes, 65536);
    assert_memory_equal(inst->pub.memory + 8, "hello", 5);
    assert_int_equal(*rt_global_at(inst, 0), 7);
    struct rt_table *t = rt_table_at(inst, 0);
    assert_int_equal(t->length, 2);
    assert_int_equal(t->elems[0], 0);
    assert_ptr_equal(rt_cell_func(t->elems[1]), rt_func_at(inst, 0));
    assert_int_equal(inst->dropped[0], 1); /* active segments are dropped, passive ones are not */
    assert_int_equal(inst->dropped[1], 0);
    assert_int_equal(inst->dropped[2], 1);
    assert_int_equal(inst->dropped[3], 0);
}

static void test_type_ids(void **state)
{
    static const uint8_t i32[] = {WASM_I32}, i64[] = {WASM_I64};
    struct wasm_functype to_i32 = {.nparams = 0, .nresults = 1, .results = i32};
    struct wasm_functype from_i32 = {.nparams = 1, .nresults = 0, .params = i32};
    struct wasm_functype to_i64 = {.nparams = 0, .nresults = 1, .results = i64};
    (void)state;
    assert_int_equal(rt_type_id(&to_i32), rt_type_id(&to_i32));
    assert_int_not_equal(rt_type_id(&to_i32), rt_type_id(&from_i32));
    assert_int_not_equal(rt_type_id(&to_i32), rt_type_id(&to_i64));
    uint8_t many[600];
    uint32_t ids[600];
    memset(many, WASM_I32, sizeof many);
    for (uint32_t n = 0; n < 600; n++) {
        ids[n] = rt_type_id(&(struct wasm_functype){.nparams = n, .params = many});
    }
    for (uint32_t n = 0; n < 600; n++) {
        assert_int_equal(ids[n], rt_type_id(&(struct wasm_functype){.nparams = n, .params = many}));
    }
}

static void test_memory_grow(void **state)
{
    (void)state;
    uint8_t *base = inst->pub.memory;
    assert_int_equal(rt_memory_grow(inst, 0, 0), 1);
    assert_int_equal(rt_memory_grow(inst, 0, 1), 1);
    assert_int_equal(inst->pub.memory_bytes, 2 * 65536);
    assert_ptr_equal(inst->pub.memory, base);
    base[2 * 65536 - 1] = 1; /* accessible now */
    assert_int_equal(rt_memory_grow(inst, 0, 2), UINT32_MAX);
    assert_int_equal(rt_memory_grow(inst, 0, UINT32_MAX), UINT32_MAX);
    assert_int_equal(rt_memory_grow(inst, 0, 1), 2);
}

static void test_memory_limit(void **state)
{
    (void)state;
    /* Its table counts, too. */
    uint64_t table_bytes = rt_table_at(inst, 0)->length * sizeof(uint64_t);
    struct rt_instance *small = fake_instance(&a, 2 * 65536 + table_bytes + 16);
    assert_int_equal(small->held_bytes, 65536 + table_bytes);
    assert_int_equal(rt_memory_grow(small, 0, 2), UINT32_MAX);
    assert_int_equal(rt_memory_grow(small, 0, 1), 1);
    assert_int_equal(rt_table_grow(small, 0, 0, 3), UINT32_MAX);
    assert_int_equal(rt_table_grow(small, 0, 0, 2), rt_table_at(inst, 0)->length);
    assert_int_equal(rt_table_grow(small, 0, 0, 1), UINT32_MAX);
    assert_int_equal(rt_table_grow(small, 0, 0, 0), rt_table_at(inst, 0)->length + 2);
    assert_int_equal(small->held_bytes, small->memory_limit_bytes);
    rt_instance_free(small, NULL);

    struct weir_instance_options opt = {.memory_limit_bytes = 65536 + table_bytes - 1};
    struct rt_instance *none = NULL;
    assert_int_equal(rt_instance_new(&a.rt, NULL, &fake_executor, NULL, &opt, &none, NULL, NULL),
                     WEIR_E_LIMIT);
    assert_null(none);
}

static void test_recycled_memory_is_zero(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct rt_instance *one = fake_instance(&a, 0);
        rt_memory_grow(one, 0, 2);
        for (uint32_t at = 0; at < one->pub.memory_bytes; at += 512) {
            if (at != 0) {
                assert_int_equal(one->pub.memory[at], 0);
            }
        }
        memset(one->pub.memory, 0xee, one->pub.memory_bytes);
        rt_instance_free(one, NULL);
    }
}

static void memory_edges(struct rt_func *f, uint64_t *cells)
{
    (void)cells;
    uint32_t end = (uint32_t)f->inst->pub.memory_bytes;
    rt_memory_fill(f->inst, 0, end, 1, 0);
    rt_memory_copy(f->inst, 0, 0, end, end, 0);
    rt_memory_init(f->inst, 1, 0, end, 7, 0);
    rt_memory_init(f->inst, 1, 0, 100, 0, 7);
    rt_memory_fill(f->inst, 0, end - 1, 0x1ff, 1);
    rt_data_drop(f->inst, 1);
    rt_memory_init(f->inst, 1, 0, 100, 0, 0); /* a dropped segment is empty */
}

#define TRAPS(name, statement)                                                                               \
    static void name(struct rt_func *f, uint64_t *cells)                                                     \
    {                                                                                                        \
        (void)cells;                                                                                         \
        statement;                                                                                           \
    }
TRAPS(fill_over, rt_memory_fill(f->inst, 0, (uint32_t)f->inst->pub.memory_bytes - 1, 1, 2))
TRAPS(fill_wrap, rt_memory_fill(f->inst, 0, UINT32_MAX, 1, UINT32_MAX))
TRAPS(copy_over, rt_memory_copy(f->inst, 0, 0, 0, (uint32_t)f->inst->pub.memory_bytes, 1))
TRAPS(init_over, rt_memory_init(f->inst, 1, 0, 0, 0, 8))
TRAPS(init_dropped, rt_memory_init(f->inst, 0, 0, 0, 0, 1))
TRAPS(table_get_over, rt_table_get(f->inst, 0, (uint32_t)rt_table_at(f->inst, 0)->length))
TRAPS(table_init_over, rt_table_init(f->inst, 1, 0, 0, 1, 2))
TRAPS(table_copy_wrap, rt_table_copy(f->inst, 0, 0, UINT32_MAX, 0, 2))
TRAPS(table_fill_over, rt_table_fill(f->inst, 0, 1, 0, UINT32_MAX))
TRAPS(table_init_dropped, rt_table_init(f->inst, 0, 0, 0, 0, 1))

static void test_bulk_bounds(void **state)
{
    static const struct {
        fake_body *body;
        enum weir_trap_kind kind;
    } cases[] = {
        {fill_over, WEIR_TRAP_MEMORY_BOUNDS},      {fill_wrap, WEIR_TRAP_MEMORY_BOUNDS},
        {copy_over, WEIR_TRAP_MEMORY_BOUNDS},      {init_over, WEIR_TRAP_MEMORY_BOUNDS},
        {init_dropped, WEIR_TRAP_MEMORY_BOUNDS},   {table_get_over, WEIR_TRAP_TABLE_BOUNDS},
        {table_init_over, WEIR_TRAP_TABLE_BOUNDS}, {table_copy_wrap, WEIR_TRAP_TABLE_BOUNDS},
        {table_fill_over, WEIR_TRAP_TABLE_BOUNDS}, {table_init_dropped, WEIR_TRAP_TABLE_BOUNDS},
    };
    struct weir_trap trap;
    (void)state;
    assert_int_equal(guarded(memory_edges, &trap), WEIR_OK);
    assert_memory_equal(inst->pub.memory + 100, "passive", 7);
    assert_int_equal(inst->pub.memory[inst->pub.memory_bytes - 1], 0xff);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(guarded(cases[i].body, &trap), WEIR_E_TRAP);
        assert_int_equal(trap.kind, cases[i].kind);
    }
}

static void test_table(void **state)
{
    (void)state;
    uint64_t f1 = rt_func_cell(rt_func_at(inst, 1));
    assert_int_equal(rt_table_grow(inst, 0, f1, 2), 2);
    assert_int_equal(rt_table_get(inst, 0, 3), f1);
    assert_int_equal(rt_table_grow(inst, 0, 0, 2), UINT32_MAX); /* its maximum is 5 */
    assert_int_equal(rt_table_grow(inst, 0, 0, 0), 4);
    rt_table_init(inst, 1, 0, 0, 0, 2);
    assert_int_equal(rt_table_get(inst, 0, 1), f1);
    rt_table_copy(inst, 0, 0, 1, 0, 3);
    assert_int_equal(rt_table_get(inst, 0, 2), f1);
    assert_int_equal(rt_table_get(inst, 0, 1), rt_func_cell(rt_func_at(inst, 0)));
    rt_table_fill(inst, 0, 0, 0, 4);
    assert_int_equal(rt_table_get(inst, 0, 2), 0);
}

static unsigned gone_count;

static void count_gone(struct weir_module *m)
{
    (void)m;
    gone_count++;
}

/* A module whose start fails after its functions went into another's table: they stay callable. */
static void test_failed_instance_is_kept(void **state)
{
    struct rt_instance *owner = fake_instance(&a, 0), *failed = NULL;
    struct rt_import imports[2] = {{.memory = rt_memory_at(owner, 0), .owner = owner},
                                   {.table = rt_table_at(owner, 0), .owner = owner}};
    struct weir_instance_options opt = {0};
    struct weir_trap trap;
    (void)state;
    assert_int_equal(rt_instance_new(&b.rt, imports, &fake_executor, NULL, &opt, &failed, &trap, NULL),
                     WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_MEMORY_BOUNDS);
    assert_non_null(failed);
    struct rt_func *f = rt_cell_func(rt_table_get(owner, 0, 0));
    assert_non_null(f);
    assert_ptr_equal(f->inst, failed);
    rt_memory_grow(owner, 0, 1);
    assert_int_equal(failed->pub.memory_bytes, 2 * 65536);
    gone_count = 0;
    rt_instance_free(owner, count_gone);
    assert_int_equal(gone_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_type_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recycled_memory_is_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bulk_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_instance_is_kept, setup, teardown),
    };
    return cmocka_run_group_tests_name("rt/instance", tests, NULL, NULL);
}
