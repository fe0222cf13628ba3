/* CPU budgets: whatever a guest does, its call ends soon after them, and what goes on afterwards is unharmed.
 */
#include "unit/engine/tiers.h"

#include <time.h>

#include "os/os.h"

enum { BUDGET_MS = 30, LATE_MS = 10 }; /* of CPU time, so that it holds on a busy machine, too */

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What `work` calls as a part of the call that runs. */
static uint32_t within(struct weir_instance *inst, const char *name, uint32_t a)
{
    uint64_t cells[2] = {a, 0};
    weir_func_call_within(weir_instance_find_func(inst, name, strlen(name)), cells);
    return (uint32_t)cells[0];
}

static bool ticks_at_end; /* of the last piece of work */

enum { WORK_FOREVER = 1, WITHIN_FOREVER = 10000000, WITHIN_BUMP, WITHIN_ITSELF };

/* WORK_FOREVER: calls a guest that never ends, and goes on when that trapped.  Else: `v` us of work. */
static uint32_t work(struct weir_instance *inst, uint32_t v)
{
    if (v >= WITHIN_FOREVER) {
        return v == WITHIN_FOREVER  ? within(inst, "forever", 0)
               : v == WITHIN_ITSELF ? within(inst, "host", v)
                                    : within(inst, "bump", 0) * 100;
    }
    if (v == WORK_FOREVER) {
        struct weir_trap trap;
        weir_status st = call(inst, "forever", 0, 0, NULL, &trap);
        assert_int_equal(st, WEIR_E_TRAP);
        assert_int_equal(trap.kind, WEIR_TRAP_DEADLINE);
        return 0;
    }
    for (double until = cpu_ms() + v / 1e3; cpu_ms() < until;) {
    }
    ticks_at_end = os_tick_on;
    return v;
}

static struct weir_instance *start(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = NULL;
    struct weir_instance_options opt = {
        .tier = tier, .stack_bytes = 256 * 1024, .budget_ns = (uint64_t)BUDGET_MS * 1000000};
    assert_int_equal(weir_instance_new(m, tiers_linker, &opt, &inst, NULL, NULL), WEIR_OK);
    return inst;
}

/* `least_ms`: of one host call, which is not interrupted. */
static void check(struct weir_module *m, enum weir_tier tier, const char *name, uint32_t arg, double least_ms)
{
    struct weir_instance *inst = start(m, tier);
    struct weir_snapshot *snap = NULL;
    struct weir_trap trap;
    assert_int_equal(weir_instance_snapshot(inst, &snap, NULL), WEIR_OK);
    for (int i = 0; i < 5; i++) {
        double before = cpu_ms();
        assert_int_equal(call(inst, name, arg, 0, NULL, &trap), WEIR_E_TRAP);
        double took = cpu_ms() - before;
        assert_int_equal(trap.kind, WEIR_TRAP_DEADLINE);
        assert_string_equal(trap.message, "deadline exceeded");
        assert_true(took >= BUDGET_MS - 1);
        if (took > (least_ms > BUDGET_MS ? least_ms : BUDGET_MS) + LATE_MS) {
            fail_msg("%s ended after %.1f ms", name, took);
        }
        assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
        assert_int_equal(get(inst, "host", 2), 2);
        assert_int_equal(get(inst, "bump", 0), 8);
        assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
    }
    weir_snapshot_unref(snap);
    weir_instance_free(inst);
}

static void ends(struct weir_module *m, enum weir_tier tier)
{
    static const struct {
        const char *name;
        uint32_t arg;
        double least_ms;
    } guests[] = {
        {"forever", 0, 0},  {"stores", 0, 0},
        {"recurse", 90, 0}, {"hosts", 0, 0},
        {"hosts", 100, 0},  {"hosts", 5000, 5},
        {"host", 1, 0},     {"host", 150000, 150},
        {"hosts", 1, 0},    {"host", WITHIN_FOREVER, 0},
    };
    for (size_t i = 0; i < sizeof guests / sizeof *guests; i++) {
        check(m, tier, guests[i].name, guests[i].arg, guests[i].least_ms);
    }
}

static void test_ends(void **state)
{
    (void)state;
    on_each_tier(ends);
}

/* Calls within the budget are never ended, however many; each has its own. */
static void short_calls(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    for (double until = cpu_ms() + 4 * BUDGET_MS; cpu_ms() < until;) {
        assert_int_equal(get(inst, "host", 200), 200);
        assert_int_equal(get(inst, "recurse", 10), 55);
    }
    weir_instance_set_budget(inst, 0);
    assert_int_equal(get(inst, "host", 2 * BUDGET_MS * 1000), 2 * BUDGET_MS * 1000);
    weir_instance_set_budget(inst, (uint64_t)BUDGET_MS * 1000000);
    struct weir_trap trap;
    assert_int_equal(call(inst, "forever", 0, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_DEADLINE);
    weir_instance_free(inst);
}

static void test_short_calls(void **state)
{
    (void)state;
    on_each_tier(short_calls);
}

/* A host function's call of a guest is a part of the call that runs: it returns to the host function, or ends
 * both with one backtrace. */
static void calls_within(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    struct weir_snapshot *snap = NULL;
    struct weir_trap trap;
    assert_int_equal(weir_instance_snapshot(inst, &snap, NULL), WEIR_OK);
    assert_int_equal(get(inst, "host", WITHIN_BUMP), 800);
    assert_int_equal(get(inst, "host", WITHIN_BUMP), 900);
    assert_int_equal(call(inst, "host", WITHIN_FOREVER, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_DEADLINE);
    assert_int_equal(trap.nframes, 2);
    assert_string_equal(trap.frames[0].name, "forever");
    assert_string_equal(trap.frames[1].name, "host");
    assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
    assert_int_equal(call(inst, "host", WITHIN_ITSELF, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_STACK_EXHAUSTED);
    assert_int_equal(weir_instance_reset(inst, snap), WEIR_OK);
    assert_int_equal(get(inst, "host", WITHIN_BUMP), 800);
    weir_snapshot_unref(snap);
    weir_instance_free(inst);
}

static void test_within(void **state)
{
    (void)state;
    on_each_tier(calls_within);
}

/* A thread that calls no guests is left in peace after a while, each time. */
static void ticks_stop(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    const struct timespec ms = {.tv_nsec = 1000000};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(inst, "bump", 0), 8 + i);
        assert_true(os_tick_on);
        for (int waited_ms = 0; os_tick_on; waited_ms++) {
            assert_true(waited_ms < 10000);
            nanosleep(&ms, NULL);
        }
    }
    weir_instance_free(inst);
}

static void test_ticks_stop(void **state)
{
    (void)state;
    on_each_tier(ticks_stop);
}

/* A call that goes on is not looked at again before its budget may be used up, and the one after it is
 * watched. */
static void long_calls(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    weir_instance_set_budget(inst, UINT64_C(2000000000));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(inst, "host", 200), 200);
        assert_true(ticks_at_end);
        assert_int_equal(get(inst, "host", 20000), 20000);
        assert_false(ticks_at_end);
    }
    weir_instance_free(inst);
    check(m, tier, "forever", 0, 0);
}

static void test_long_calls(void **state)
{
    (void)state;
    on_each_tier(long_calls);
}

/* The backtrace of a call that was interrupted anywhere names what ran, also between a call and its first
 * instruction. */
static void backtraces(struct weir_module *m, enum weir_tier tier)
{
    struct weir_instance *inst = start(m, tier);
    struct weir_trap trap;
    assert_int_equal(call(inst, "stores", 0, 0, NULL, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.nframes, 1);
    assert_string_equal(trap.frames[0].name, "stores");
    weir_instance_set_budget(inst, 1000000);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(call(inst, "recurse", 90, 0, NULL, &trap), WEIR_E_TRAP);
        assert_in_range(trap.nframes, 2, WEIR_TRAP_FRAMES);
        for (uint32_t f = 0; f < trap.nframes; f++) {
            assert_string_equal(trap.frames[f].name, "fib");
        }
    }
    weir_instance_free(inst);
}

static void test_backtrace(void **state)
{
    (void)state;
    on_each_tier(backtraces);
}

/* A forked child has no timer of its parent's: it makes its own. */
static void test_fork(void **state)
{
    (void)state;
    bool compiled;
    struct weir_module *m = tiers_module(&compiled);
    struct weir_instance *inst = start(m, WEIR_TIER_INTERP);
    get(inst, "bump", 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct weir_trap trap;
        alarm(5);
        weir_status st = call(inst, "forever", 0, 0, NULL, &trap);
        _exit(st == WEIR_E_TRAP && trap.kind == WEIR_TRAP_DEADLINE ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    weir_instance_free(inst);
    weir_module_unref(m);
    weir_linker_free(tiers_linker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),       cmocka_unit_test(test_short_calls),
        cmocka_unit_test(test_within),     cmocka_unit_test(test_ticks_stop),
        cmocka_unit_test(test_long_calls), cmocka_unit_test(test_backtrace),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests_name("engine deadlines", tests, NULL, NULL);
}
