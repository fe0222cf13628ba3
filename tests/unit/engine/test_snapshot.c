/* Snapshots: what comes back on a reset, and what two instances of one snapshot do not share. */
#include "unit/engine/tiers.h"

static uint32_t work(struct weir_instance *inst, uint32_t v)
{
    if (v == 13) {
        weir_trap_raise(inst, WEIR_TRAP_HOST, "thirteen");
    }
    return v + 1;
}

static struct weir_instance *start(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = NULL;
    struct weir_instance_options opt = {.tier = tier, .stack_bytes = 256 * 1024};
    assert_int_equal(weir_instance_new(m, tiers_linker, &opt, &inst, NULL, NULL), WEIR_OK);
    return inst;
}

/* Bring it into a state that is not the first one. */
static struct weir_snapshot *prepare(struct weir_instance *inst)
{
    struct weir_snapshot *snap = NULL;
    get(inst, "bump", 0);
    assert_int_equal(call(inst, "poke", 1000, 42, NULL, NULL), WEIR_OK);
    assert_int_equal(get(inst, "grow", 1), 1);
    assert_int_equal(call(inst, "poke", 70000, 43, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "table_move", 2, 0, NULL, NULL), WEIR_OK);
    assert_int_equal(weir_instance_snapshot(inst, &snap, NULL), WEIR_OK);
    return snap;
}

static void check(struct weir_instance *inst)
{
    struct weir_trap trap;
    assert_int_equal(get(inst, "peek", 1000), 42);
    assert_int_equal(get(inst, "peek", 70000), 43);
    assert_int_equal(get(inst, "peek", 16), 0x6c6c6568);
    assert_int_equal(get(inst, "peek", 8192), 0);
    assert_int_equal(get(inst, "size", 0), 2);
    assert_int_equal(inst->memory_bytes, 2 * 65536);
    assert_int_equal(get(inst, "table_size", 0), 3);
    assert_int_equal(get(inst, "table_call", 0), 8); /* $one reads this instance's global */
    assert_int_equal(get(inst, "table_call", 1), 2);
    assert_int_equal(get(inst, "table_call", 2), 8);
    assert_int_equal(call(inst, "peek", 2 * 65536, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_MEMORY_BOUNDS);
    assert_int_equal(call(inst, "init", 0, 0, NULL, NULL),
                     WEIR_OK); /* not dropped; changes 32.. and table[2] */
    assert_int_equal(get(inst, "peek", 32), 0x73736170);
    assert_int_equal(get(inst, "table_call", 2), 2);
    assert_int_equal(call(inst, "global_to_table", 2, 0, NULL, NULL), WEIR_OK);
    assert_int_equal(get(inst, "table_call", 2), 8);
    assert_int_equal(get(inst, "host", 4), 5);
}

/* Change everything. */
static void disturb(struct weir_instance *inst)
{
    get(inst, "bump", 0);
    assert_int_equal(call(inst, "poke", 1000, 1, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "poke", 16, 1, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "poke", 8192, 1, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "poke", 70000, 1, NULL, NULL), WEIR_OK);
    assert_int_not_equal(get(inst, "grow", 3), UINT32_MAX);
    assert_int_equal(call(inst, "poke", 4 * 65536, 1, NULL, NULL), WEIR_OK);
    assert_int_equal(get(inst, "table_grow", 4), 3);
    assert_int_equal(call(inst, "table_move", 0, 1, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "table_to_global", 1, 0, NULL, NULL), WEIR_OK);
    assert_int_equal(call(inst, "drop", 0, 0, NULL, NULL), WEIR_OK);
}

static void reset(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    struct weir_snapshot *snap = prepare(inst);
    check(inst); /* it goes on */
    for (int i = 0; i < 3; i++) {
        disturb(inst);
        assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
        check(inst);
        assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
        /* What was grown again is zero, not what was there before. */
        assert_int_equal(get(inst, "grow", 3), 2);
        assert_int_equal(get(inst, "peek", 4 * 65536), 0);
        assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
    }
    struct weir_trap trap;
    assert_int_equal(call(inst, "host", 13, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
    check(inst);
    weir_snapshot_unref(snap);
    assert_int_equal(get(inst, "peek", 1000), 42); /* its pages outlive the snapshot */
    weir_instance_free(inst);
}

static void instances(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *first = start(m, tier), *a = NULL, *b = NULL;
    struct weir_snapshot *snap = prepare(first);
    struct weir_instance_options opt = {.stack_bytes = 256 * 1024, .host = &a};
    assert_int_equal(weir_instance_new_from(snap, &opt, &a, NULL), WEIR_OK);
    assert_int_equal(weir_instance_new_from(snap, &opt, &b, NULL), WEIR_OK);
    assert_ptr_equal(a->host, &a);
    assert_int_equal(weir_instance_tier(a), tier);
    disturb(first);
    weir_instance_free(first); /* the others need nothing of it */
    disturb(a);
    check(b);
    assert_int_equal(weir_instance_reset(a, snap), WEIR_OK);
    check(a);
    /* A reservation that maps the file comes back, for this snapshot and for other memories. */
    weir_instance_free(a);
    disturb(b);
    weir_instance_free(b);
    assert_int_equal(weir_instance_new_from(snap, &opt, &a, NULL), WEIR_OK);
    check(a);
    struct weir_instance *fresh[40];
    for (int i = 0; i < 40; i++) {
        fresh[i] = start(m, tier);
        assert_int_equal(get(fresh[i], "peek", 1000), 0);
        assert_int_equal(get(fresh[i], "bump", 0), 8);
        assert_int_equal(get(fresh[i], "grow", 1), 1);
        assert_int_equal(get(fresh[i], "peek", 70000), 0);
    }
    for (int i = 0; i < 40; i++) {
        weir_instance_free(fresh[i]);
    }
    weir_instance_free(a);
    assert_int_equal(weir_instance_new_from(snap, &opt, &a, NULL), WEIR_OK);
    weir_snapshot_unref(snap);
    check(a);
    weir_instance_free(a);
}

static void refused(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier), *linked = NULL;
    struct weir_snapshot *snap = prepare(inst), *none = NULL;
    struct weir_instance_options opt = {.memory_limit_bytes = 65536};
    assert_int_equal(weir_instance_new_from(snap, &opt, &linked, NULL), WEIR_E_LIMIT);

    /* (module (import "e" "memory" (memory 1))) */
    static const uint8_t importer[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x02, 0x0d, 0x01, 0x01,
                                       0x65, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x01};
    struct weir_module *other = NULL;
    assert_int_equal(weir_module_new(importer, sizeof importer, WEIR_FEATURES_ALL, &other, NULL), WEIR_OK);
    if (tier == WEIR_TIER_INTERP) { /* the importer has no image */
        struct weir_linker *l = weir_linker_new();
        weir_linker_add_instance(l, "e", inst);
        opt = (struct weir_instance_options){.tier = tier};
        assert_int_equal(weir_instance_new(other, l, &opt, &linked, NULL, NULL), WEIR_OK);
        assert_int_equal(weir_instance_snapshot(linked, &none, NULL), WEIR_E_UNSUPPORTED);
        assert_int_equal(weir_instance_snapshot(inst, &none, NULL), WEIR_E_UNSUPPORTED);
        assert_int_equal(weir_instance_reset(linked, snap), WEIR_E_MISMATCH);
        weir_instance_free(linked);
        weir_linker_free(l);
    }
    weir_module_unref(other);
    weir_instance_free(inst);
    weir_snapshot_unref(snap);
}

static void test_reset(void **state)
{
    (void)state;
    on_each_tier(reset);
}

static void test_instances(void **state)
{
    (void)state;
    on_each_tier(instances);
}

static void test_refused(void **state)
{
    (void)state;
    on_each_tier(refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("engine snapshots", tests, NULL, NULL);
}
