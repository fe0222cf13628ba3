/* Guarded calls: what leaving puts back, and compiled code called without a trampoline. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rt/guard.h"

static struct rt_guard guard;
static uint64_t seen[8];

/* Wants the registers that functions preserve for values of its own, and leaves them behind. */
static __attribute__((noinline)) uint64_t busy(uint64_t *cells, bool leave)
{
    volatile uint64_t *v = cells;
    uint64_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5];
    if (leave) {
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
        rt_guard_leave(&guard);
    }
    return a + b + c + d + e + f;
}

static void invoke_leaving(struct rt_func *f, uint64_t *cells)
{
    (void)f;
    seen[0] = busy(cells, cells[6] != 0);
}

static void test_leaving(void **state)
{
    uint64_t cells[7] = {1, 2, 3, 4, 5, 6, 0};
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        volatile uint64_t *v = cells;
        uint64_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4]; /* live across the call */
        cells[6] = i % 2;
        bool left = rt_guard_call(&guard, invoke_leaving, NULL, cells);
        assert_int_equal(left, i % 2);
        assert_int_equal(a + 2 * b + 3 * c + 4 * d + 5 * e, 55);
    }
    assert_int_equal(seen[0], 21);
}

static void invoke_below(struct rt_func *f, uint64_t *cells)
{
    (void)f;
    cells[0] = (uintptr_t)__builtin_frame_address(0) < guard.frame;
}

static void test_frames_are_below(void **state)
{
    uint64_t cells[1] = {0};
    (void)state;
    assert_false(rt_guard_call(&guard, invoke_below, NULL, cells));
    assert_int_equal(cells[0], 1);
    assert_true(guard.frame < (uintptr_t)__builtin_frame_address(0) + 64);
}

#if RT_GUARD_CODE
static uint64_t take_five(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    seen[0] = a, seen[1] = b, seen[2] = c, seen[3] = d, seen[4] = e;
    void *vmctx;
    __asm__("movq %%r13, %0" : "=r"(vmctx)); /* nobody wrote it since */
    seen[5] = (uint64_t)(uintptr_t)vmctx;
    return 0xfeedface00000001;
}

static uint64_t leave_all(void)
{
    rt_guard_leave(&guard);
}

static void test_code(void **state)
{
    static char vmctx;
    (void)state;
    for (uint32_t n = 0; n <= RT_SHAPE_MAX_PARAMS; n++) {
        for (uint32_t result = 0; result < 3; result++) {
            static const uint32_t shapes[] = {0, RT_SHAPE_RESULT, RT_SHAPE_RESULT | RT_SHAPE_WIDE};
            static const uint64_t results[] = {11, 1, 0xfeedface00000001};
            uint64_t cells[6] = {11, 12, 13, 14, 15, 16};
            assert_false(rt_guard_code(&guard, (void (*)(void))take_five,
                                       (struct rt_instance *)(void *)&vmctx, cells,
                                       RT_SHAPE_CODE | shapes[result] | n));
            for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(seen[i], 11 + i);
            }
            assert_int_equal(cells[0], results[result]);
            assert_int_equal(cells[1], 12);
            assert_int_equal(cells[5], 16);
        }
    }
    assert_int_equal(seen[5], (uint64_t)(uintptr_t)&vmctx);
    uint64_t one = 7;
    assert_true(
        rt_guard_code(&guard, (void (*)(void))leave_all, NULL, &one, RT_SHAPE_CODE | RT_SHAPE_RESULT));
    assert_int_equal(one, 7);
}
#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_frames_are_below),
#if RT_GUARD_CODE
        cmocka_unit_test(test_code),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
