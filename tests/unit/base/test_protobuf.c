/* Protobuf's wire format: every field type, every way to be malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/protobuf.h"

static void test_fields(void **state)
{
    struct str rest = STR("\x08\x96\x01"
                          "\x12\x03"
                          "abc"
                          "\x1d\x01\x02\x03\x04"
                          "\x21\x01\0\0\0\0\0\0\x80"
                          "\x2a\0");
    struct protobuf_field f;
    (void)state;

    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
    assert_true(f.number == 1 && !f.is_bytes && f.value == 150);
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
    assert_true(f.number == 2 && f.is_bytes && str_eq(f.bytes, STR("abc")));
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
    assert_true(f.number == 3 && f.value == 0x04030201);
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
    assert_true(f.number == 4 && f.value == 0x8000000000000001u);
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
    assert_true(f.number == 5 && f.is_bytes && f.bytes.len == 0);
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_END);
}

static void test_malformed(void **state)
{
    static const struct str bad[] = {
        STR("\x08"),
        STR("\x08\xff"),
        STR("\x00\x01"),
        STR("\x12\x03"
            "ab"),
        STR("\x1d\x01\x02\x03"),
        STR("\x21\x01\x02"),
        STR("\x0b"),
        STR("\x0c"),
        STR("\x0f\x01"),
        STR("\x80\x80\x80\x80\x80\x01\x01"),
        STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        STR("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
    };
    struct protobuf_field f;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct str rest = bad[i];
        assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_MALFORMED);
        assert_ptr_equal(rest.at, bad[i].at);
    }
}

static void test_there_and_back(void **state)
{
    static const uint64_t values[] = {1, 127, 128, 16384, UINT32_MAX, UINT64_MAX};
    struct strbuf b = {0};
    struct protobuf_field f;
    (void)state;

    protobuf_add_number(&b, 9, 0);
    protobuf_add_bytes(&b, 9, STR(""));
    assert_int_equal(b.len, 0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        protobuf_add_number(&b, (uint32_t)i * 100 + 1, values[i]);
        protobuf_add_bytes(&b, 2, STR("text"));
    }
    struct str rest = strbuf_str(&b);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
        assert_true(f.number == i * 100 + 1 && f.value == values[i]);
        assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_FIELD);
        assert_true(str_eq(f.bytes, STR("text")));
    }
    assert_int_equal(protobuf_next(&rest, &f), PROTOBUF_END);
    strbuf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
