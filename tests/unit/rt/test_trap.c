/* Traps: raised, faulted, nested; and crashes that must stay crashes. */
#include "unit/rt/fake.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Faults are watched from an instance's making on: cmocka installs its own handlers before each test's body,
 * so each body begins with rt_faults_watch. */
static struct fake_module module;
static struct rt_instance *inst;
static volatile uint32_t sink;

static int setup(void **state)
{
    (void)state;
    fake_load(&module, a_wasm, sizeof a_wasm);
    inst = fake_instance(&module, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rt_instance_free(inst, NULL);
    fake_unload(&module);
    return 0;
}

static weir_status call(fake_body *body, struct weir_trap *trap)
{
    uint64_t cells[2] = {0};
    rt_faults_watch();
    fake_bodies[0] = body;
    return rt_call_enter(rt_func_at(inst, 0), cells, trap);
}

static void raise_host(struct rt_func *f, uint64_t *cells)
{
    (void)cells;
    rt_trap_raise(f->inst, WEIR_TRAP_HOST, "no such luck");
}

static void test_raise(void **state)
{
    struct weir_trap trap;
    (void)state;
    assert_int_equal(call(raise_host, &trap), WEIR_E_TRAP);
    assert_int_equal(trap.kind, WEIR_TRAP_HOST);
    assert_string_equal(trap.message, "no such luck");
    assert_int_equal(trap.nframes, WEIR_TRAP_FRAMES);
    assert_int_equal(trap.nskipped, 3);
    assert_int_equal(trap.frames[0].offset, 100);
    assert_string_equal(trap.frames[0].name, "f1");
    assert_null(rt_calls);
    assert_int_equal(call(raise_host, NULL), WEIR_E_TRAP); /* the trap may be of no interest */
}

static void exit_guest(struct rt_func *f, uint64_t *cells)
{
    (void)cells;
    rt_trap_exit(f->inst, 42);
}

static void test_exit(void **state)
{
    struct weir_trap trap;
    (void)state;
    assert_int_equal(call(exit_guest, &trap), WEIR_E_EXIT);
    assert_int_equal(trap.exit_code, 42);
}

/* The places around memory that a 32-bit address plus a 32-bit offset plus an access can reach. */
static uint64_t fault_at;

static __attribute__((no_sanitize("address"))) void touch(struct rt_func *f, uint64_t *cells)
{
    (void)cells;
    sink = *(volatile uint8_t *)(f->inst->pub.memory + fault_at);
}

static void test_memory_faults(void **state)
{
    static const uint64_t outside[] = {65536,       65536 + 4095, 0xffffffff,
                                       0x100000000, 0x1ffffffff,  0x1fffffffe + 16};
    struct weir_trap trap;
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        fault_at = outside[i];
        memset(&trap, 0, sizeof trap);
        assert_int_equal(call(touch, &trap), WEIR_E_TRAP);
        assert_int_equal(trap.kind, WEIR_TRAP_MEMORY_BOUNDS);
        assert_string_equal(trap.message, "out of bounds memory access");
        assert_string_equal(trap.frames[0].name, "f1");
    }
    fault_at = 65535;
    assert_int_equal(call(touch, &trap), WEIR_OK);
}

/* Calls nest, and a trap ends only the innermost. */
static void nest(struct rt_func *f, uint64_t *cells)
{
    struct weir_trap trap;
    struct rt_call *mine = rt_calls;
    (void)cells;
    fake_bodies[1] = touch;
    fault_at = 1 << 20;
    uint64_t inner[2] = {0};
    assert_int_equal(rt_call_enter(rt_func_at(f->inst, 1), inner, &trap), WEIR_E_TRAP);
    assert_ptr_equal(rt_calls, mine);
    assert_int_equal(trap.kind, WEIR_TRAP_MEMORY_BOUNDS);
}

static void test_nested(void **state)
{
    (void)state;
    assert_int_equal(call(nest, NULL), WEIR_OK);
}

static __attribute__((noinline)) void recurse(struct rt_func *f, uint64_t *cells)
{
    struct weir_trap trap;
    cells[0]++;
    weir_status st = rt_call_enter(f, cells, &trap);
    assert_int_equal(st, WEIR_E_TRAP);
    if (trap.kind != WEIR_TRAP_STACK_EXHAUSTED) {
        abort();
    }
    rt_trap_raise(f->inst, WEIR_TRAP_STACK_EXHAUSTED, NULL);
}

static void test_recursion_ends(void **state)
{
    struct weir_trap trap;
    (void)state;
    assert_int_equal(call(recurse, &trap), WEIR_E_TRAP);
    assert_string_equal(trap.message, "call stack exhausted");
}

/* ---- crashes stay crashes ---------------------------------------------------------------------- */

static __attribute__((no_sanitize("undefined", "address"))) void crash_null(struct rt_func *f,
                                                                            uint64_t *cells)
{
    (void)f, (void)cells;
    volatile uint32_t *volatile nowhere = NULL;
    sink = *nowhere;
}

static int crash_in_child(bool in_guest, int *signal_number)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(2);
        signal(SIGSEGV, SIG_DFL); /* not cmocka's own */
        if (in_guest) {
            call(crash_null, NULL);
        } else {
            crash_null(NULL, NULL);
        }
        _exit(0);
    }
    assert_true(pid > 0);
    waitpid(pid, &status, 0);
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void chained(int sig)
{
    (void)sig;
    _exit(77);
}

static void test_crash_is_passed_on(void **state)
{
    int status, sig;
    (void)state;
    assert_int_not_equal(crash_in_child(false, &sig), 0);
    assert_int_not_equal(crash_in_child(true, &sig), 0);

    /* What was installed before us is called: seen from a process in which we install afterwards. */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)"test_trap", (char *)"--chained", NULL};
        execv("/proc/self/exe", argv);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 77);
}

/* One object, loaded twice, lies in one place. */
static void test_a_range_registered_twice(void **state)
{
    (void)state;
    assert_true(rt_code_register(4096, 8192));
    assert_true(rt_code_register(4096, 8192));
    rt_code_unregister(4096);
    assert_true(rt_code_contains(5000));
    rt_code_unregister(4096);
    assert_false(rt_code_contains(5000));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_raise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recursion_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_is_passed_on, setup, teardown),
        cmocka_unit_test(test_a_range_registered_twice),
    };
    if (argc > 1 && strcmp(argv[1], "--chained") == 0) {
        signal(SIGSEGV, chained);
        setup(NULL);
        call(crash_null, NULL);
        return 1;
    }
    return cmocka_run_group_tests_name("rt/trap", tests, NULL, NULL);
}
