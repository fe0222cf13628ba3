/* Serialised pairs: what is written is read back, what is damaged is refused (host facts 1.13). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "pw/pairs.h"

static struct pw_header out[PW_PAIRS_MAX];

static const uint8_t two[] = {
    2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 'b', 'c', 0, 'x', 'y', 'z', 0, 0,
};

static void test_decodes(void **state)
{
    (void)state;
    assert_int_equal(pw_pairs_decode(two, sizeof two, out), 2);
    assert_true(str_eq(out[0].name, STR("a")) && str_eq(out[0].value, STR("bc")));
    assert_true(str_eq(out[1].name, STR("xyz")) && out[1].value.len == 0);
    assert_int_equal(pw_pairs_decode(two, 0, out), 0);
    assert_int_equal(pw_pairs_decode("\0\0\0\0", 4, out), 0);
}

static void test_refuses_damage(void **state)
{
    uint8_t copy[sizeof two + 1];
    (void)state;

    for (size_t len = 1; len < sizeof two; len++) { /* cut anywhere */
        assert_int_equal(pw_pairs_decode(two, len, out), -1);
    }
    memcpy(copy, two, sizeof two);
    copy[sizeof two] = 0; /* a byte too many */
    assert_int_equal(pw_pairs_decode(copy, sizeof copy, out), -1);
    static const size_t nuls[] = {21, 24, 28, 29};
    for (size_t i = 0; i < sizeof nuls / sizeof *nuls; i++) {
        memcpy(copy, two, sizeof two);
        copy[nuls[i]] = '!';
        assert_int_equal(pw_pairs_decode(copy, sizeof two, out), -1);
    }
    memcpy(copy, two, sizeof two);
    memset(copy + 4, 0xff, 4); /* a name of 4 GiB */
    assert_int_equal(pw_pairs_decode(copy, sizeof two, out), -1);
    memset(copy, 0xff, 4); /* 4 G pairs */
    assert_int_equal(pw_pairs_decode(copy, sizeof two, out), -1);
}

static void test_limits(void **state)
{
    size_t most = pw_pairs_bytes(PW_PAIRS_MAX, 0), over = pw_pairs_bytes(PW_PAIRS_MAX + 1, 0);
    uint8_t *blob = mem_zalloc(PW_PAIRS_MAX_BYTES + 1);
    (void)state;

    blob[0] = PW_PAIRS_MAX & 0xff;
    blob[1] = PW_PAIRS_MAX >> 8;
    assert_int_equal(pw_pairs_decode(blob, most, out), PW_PAIRS_MAX);
    blob[0]++;
    assert_int_equal(pw_pairs_decode(blob, over, out), -1);

    /* One pair that fills 1 MiB, and one byte more. */
    memset(blob, 0, 12);
    blob[0] = 1;
    uint32_t len = PW_PAIRS_MAX_BYTES - 14;
    memcpy(blob + 8, &len, 4);
    assert_int_equal(pw_pairs_decode(blob, PW_PAIRS_MAX_BYTES, out), 1);
    len++;
    memcpy(blob + 8, &len, 4);
    assert_int_equal(pw_pairs_decode(blob, PW_PAIRS_MAX_BYTES + 1, out), -1);
    mem_free(blob);
}

static void test_writes_what_it_reads(void **state)
{
    uint8_t blob[sizeof two];
    struct pw_pairs_writer w;
    (void)state;

    assert_int_equal(pw_pairs_bytes(2, 6), sizeof two);
    assert_true(pw_pairs_begin(&w, blob, sizeof blob, 2));
    assert_true(pw_pairs_add(&w, (struct pw_header){STR("a"), STR("bc")}));
    assert_false(pw_pairs_complete(&w));
    assert_true(pw_pairs_add(&w, (struct pw_header){STR("xyz"), STR("")}));
    assert_true(pw_pairs_complete(&w));
    assert_memory_equal(blob, two, sizeof two);
}

static void test_writer_stays_inside(void **state)
{
    uint8_t blob[64];
    struct pw_pairs_writer w;
    (void)state;

    assert_false(pw_pairs_begin(&w, blob, 23, 2));
    assert_true(pw_pairs_begin(&w, blob, 24 + 3, 2)); /* 3 bytes of text */
    assert_false(pw_pairs_add(&w, (struct pw_header){STR("ab"), STR("cdefg")}));
    assert_true(pw_pairs_add(&w, (struct pw_header){STR("a"), STR("b")}));
    assert_false(pw_pairs_add(&w, (struct pw_header){STR("cd"), STR("")}));
    assert_true(pw_pairs_add(&w, (struct pw_header){STR(""), STR("c")}));
    assert_false(pw_pairs_add(&w, (struct pw_header){STR(""), STR("")})); /* none was announced */
    assert_true(pw_pairs_complete(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_refuses_damage),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_writes_what_it_reads),
        cmocka_unit_test(test_writer_stays_inside),
    };
    return cmocka_run_group_tests_name("pw/pairs", tests, NULL, NULL);
}
