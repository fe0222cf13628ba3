/* Reports come back as they were written, within a packet, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "observe/crash.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct crash sample(void)
{
    struct crash c = {.plugin = STR("key-auth"),
                      .sha256 = STR(SHA),
                      .callback = STR("proxy_on_request_headers"),
                      .trap = STR("unreachable"),
                      .route = STR("orders"),
                      .request = STR("r-1"),
                      .memory_bytes = 131072,
                      .time_ms = 1700000000000,
                      .offsets = {0x10, 0x20, 0x10},
                      .noffsets = 3};
    return c;
}

static void test_there_and_back(void **state)
{
    struct crash c = sample(), d;
    struct strbuf b = {0};
    (void)state;

    c.count = UINT64_MAX;
    c.first_ms = 5;
    c.dropped = 7;
    c.skipped = 9;
    c.lines[c.nlines++] = STR("one\ntwo\x1b[0m\t\xff");
    c.lines[c.nlines++] = STR("");
    c.names[c.nnames++] = (struct crash_name){0, STR("f"), STR("a.c:1:2")};
    c.names[c.nnames++] = (struct crash_name){2, STR("operator new"), STR("")};
    crash_write(&c, CRASH_FILE_BYTES, &b);
    assert_true(crash_read(strbuf_str(&b), &d));
    assert_true(str_eq(d.plugin, c.plugin) && str_eq(d.route, c.route) && str_eq(d.request, c.request));
    assert_true(d.count == UINT64_MAX && d.first_ms == 5 && d.dropped == 7 && d.skipped == 9);
    assert_int_equal(d.noffsets, 3);
    assert_memory_equal(d.offsets, c.offsets, sizeof c.offsets);
    assert_int_equal(d.nlines, 2);
    assert_true(str_eq(d.lines[0], STR("one two [0m ?")));
    assert_int_equal(d.lines[1].len, 0);
    assert_int_equal(d.nnames, 2);
    assert_true(d.names[1].frame == 2 && str_eq(d.names[1].function, STR("operator new")));
    assert_true(str_eq(d.names[0].place, STR("a.c:1:2")) && d.names[1].place.len == 0);
    strbuf_fini(&b);
}

/* The largest report of a worker is one packet, and the newest lines of its log are those that stay. */
static void test_a_packet_is_bounded(void **state)
{
    static char full[4096];
    struct crash c = sample(), d;
    struct strbuf b = {0};
    (void)state;

    memset(full, 'x', sizeof full);
    c.plugin = c.callback = c.trap = c.route = c.request = str_make(full, sizeof full);
    c.memory_bytes = c.time_ms = c.dropped = c.skipped = UINT64_MAX;
    for (c.noffsets = 0; c.noffsets < WEIR_TRAP_FRAMES; c.noffsets++) {
        c.offsets[c.noffsets] = UINT32_MAX;
    }
    for (c.nlines = 0; c.nlines < CRASH_MOST_LINES; c.nlines++) {
        c.lines[c.nlines] = str_make(full, sizeof full);
    }
    c.lines[c.nlines - 1] = STR("last");
    crash_write(&c, CRASH_PACKET_BYTES, &b);
    assert_true(b.len <= CRASH_PACKET_BYTES);
    assert_true(crash_read(strbuf_str(&b), &d));
    assert_int_equal(d.plugin.len, CRASH_VALUE_BYTES);
    assert_true(d.nlines > 1 && d.nlines < CRASH_MOST_LINES);
    assert_true(str_eq(d.lines[d.nlines - 1], STR("last")));
    strbuf_fini(&b);
}

static void test_what_is_no_report(void **state)
{
    static const char *const bad[] = {
        "",
        "weir-crash 1",
        "weir-crash 1\n",
        "weir-crash 2\nplugin a\nsha256 " SHA "\ntrap t\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t",
        "weir-crash 1\nplugin a\nsha256 ../../x\ntrap t\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap \x01\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap \xff\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\ncount -1\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\ncount 18446744073709551616\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\nframe 4294967296\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\nname 0 f\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\nplace x\n",
        "weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\nother x\n",
        "weir-crash 1\nsha256 " SHA "\ntrap t\n",
    };
    struct crash c;
    (void)state;

    assert_true(crash_read(str_of("weir-crash 1\nplugin a\nsha256 " SHA "\ntrap t\n"), &c));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (crash_read(str_of(bad[i]), &c)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void test_groups(void **state)
{
    struct crash a = sample(), b = sample();
    char x[CRASH_ID_DIGITS + 1], y[CRASH_ID_DIGITS + 1];
    (void)state;

    b.request = STR("r-2");
    crash_id(&a, x);
    crash_id(&b, y);
    assert_string_equal(x, y);
    b.offsets[0]++;
    crash_id(&b, y);
    assert_string_not_equal(x, y);
    a.trap = b.trap = str_of(weir_trap_text(WEIR_TRAP_DEADLINE)); /* where the time ran out is chance */
    crash_id(&a, x);
    crash_id(&b, y);
    assert_string_equal(x, y);
    b.offsets[2]++;
    crash_id(&b, y);
    assert_string_not_equal(x, y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_a_packet_is_bounded),
        cmocka_unit_test(test_what_is_no_report),
        cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
