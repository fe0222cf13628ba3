/* Address space: reserved, committed, given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "os/os.h"

static void test_commit_and_zero(void **state)
{
    size_t page = os_page_bytes(), bytes = (size_t)8 << 30;
    (void)state;
    uint8_t *at = os_memory_reserve(bytes);
    assert_non_null(at);
    assert_true(os_memory_commit(at, 2 * page));
    assert_true(os_memory_commit(at, 0));
    at[0] = at[2 * page - 1] = 1;
    os_memory_zero(at, page);
    assert_int_equal(at[0], 0);
    assert_int_equal(at[2 * page - 1], 1);
    os_memory_decommit(at, 2 * page);
    assert_true(os_memory_commit(at, 2 * page));
    assert_int_equal(at[2 * page - 1], 0);
    os_memory_release(at, bytes);
}

static void test_stack_low(void **state)
{
    (void)state;
    uintptr_t low = os_stack_low(), here = (uintptr_t)__builtin_frame_address(0);
    assert_true(low < here);
    assert_true(here - low >= 64 * 1024);
    assert_int_equal(os_stack_low(), low);
}

static void test_clocks(void **state)
{
    (void)state;
    uint64_t t = os_monotonic_ns(), cpu = os_thread_cpu_ns();
    assert_true(os_monotonic_ns() >= t);
    assert_true(os_thread_cpu_ns() >= cpu);
    assert_true(os_now_ns() > (uint64_t)1700000000 * 1000000000);
    uint8_t a[32] = {0}, b[32] = {0};
    assert_true(os_random(a, sizeof a) && os_random(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_and_zero),
        cmocka_unit_test(test_stack_low),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests_name("os/memory", tests, NULL, NULL);
}
