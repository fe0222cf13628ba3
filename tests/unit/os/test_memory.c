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

/* Read pages stay the file's; written ones are known until they are given back. */
static void test_private_pages(void **state)
{
    size_t page = os_page_bytes(), bytes = 8 * page;
    uint16_t numbers[8];
    (void)state;
    uint8_t *image = calloc(8, page);
    image[3 * page] = 7;
    int file = os_memory_file(image, bytes);
    uint8_t *at = os_memory_reserve(bytes);
    const uint8_t *view = os_memory_view(file, bytes);
    assert_true(file >= 0 && at != NULL && view != NULL);
    assert_true(os_memory_map_file(at, bytes, file));
    assert_int_equal(os_memory_private(at, 8, numbers, 8), 0);
    assert_int_equal(*(volatile uint8_t *)(at + 3 * page), 7);
    assert_int_equal(*(volatile uint8_t *)at, 0);
    assert_int_equal(os_memory_private(at, 8, numbers, 8), 0);
    at[3 * page] = 7; /* as it was, but written */
    at[6 * page + 9] = 1;
    assert_int_equal(os_memory_private(at, 8, numbers, 8), 2);
    assert_int_equal(numbers[0], 3);
    assert_int_equal(numbers[1], 6);
    assert_int_equal(os_memory_private(at, 8, numbers, 1), -1);
    assert_int_equal(os_memory_private(at, OS_PRIVATE_PAGES_MOST + 1, numbers, 8), -1);
    assert_int_equal(view[6 * page + 9], 0);
    os_memory_zero(at, bytes);
    assert_int_equal(os_memory_private(at, 8, numbers, 8), 0);
    os_memory_release((void *)(uintptr_t)view, bytes);
    os_memory_release(at, bytes);
    os_memory_file_close(file);
    free(image);
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
        cmocka_unit_test(test_private_pages),
        cmocka_unit_test(test_stack_low),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests_name("os/memory", tests, NULL, NULL);
}
