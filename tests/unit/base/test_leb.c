/* LEB128 at the limits the specification sets (core spec 5.2.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/leb.h"

static void test_unsigned_limits(void **state)
{
    static const uint8_t max[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    static const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    uint32_t v = 1;
    (void)state;

    assert_ptr_equal(leb_u32(max, max + 5, &v), max + 5);
    assert_int_equal(v, UINT32_MAX);
    assert_null(leb_u32(over, over + 5, &v));
    assert_string_equal(leb_error(over, over + 5, 32), "integer too large");
    assert_null(leb_u32(too_long, too_long + 6, &v));
    assert_string_equal(leb_error(too_long, too_long + 6, 32), "integer representation too long");
    assert_null(leb_u32(max, max + 3, &v));
    assert_string_equal(leb_error(max, max + 3, 32), "unexpected end");
    assert_int_equal(v, UINT32_MAX); /* untouched by failures */
}

static void test_signed_limits(void **state)
{
    static const uint8_t min32[] = {0x80, 0x80, 0x80, 0x80, 0x78};
    static const uint8_t bad32[] = {0x80, 0x80, 0x80, 0x80, 0x70};
    static const uint8_t min64[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f};
    int32_t v32;
    int64_t v64;
    (void)state;

    assert_ptr_equal(leb_s32(min32, min32 + 5, &v32), min32 + 5);
    assert_int_equal(v32, INT32_MIN);
    assert_null(leb_s32(bad32, bad32 + 5, &v32));
    assert_ptr_equal(leb_s64(min64, min64 + 10, &v64), min64 + 10);
    assert_true(v64 == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_limits),
        cmocka_unit_test(test_signed_limits),
    };
    return cmocka_run_group_tests_name("base/leb", tests, NULL, NULL);
}
