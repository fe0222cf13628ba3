/* The SDK's helpers and its contexts, against the fake host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_host.h"
#include "weir_json.h"

double wp_strtod(const char *s, char **end);
int wp_print_real(char *dst, size_t cap, const char *fmt, ...);

/* ---- a plugin that counts and echoes ---- */

struct root {
    struct wp_root wp;
    char config[64];
};
struct stream {
    struct wp_stream wp;
    int calls;
};
WP_PLUGIN(struct root, struct stream)

static bool configure(struct root *root, struct wp_str config)
{
    snprintf(root->config, sizeof root->config, "%.*s", WP_ARG(config));
    return !wp_str_eq(config, WP_STR("refuse"));
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    s->calls++;
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("x-seen"),
                      wp_format("%s %d %u %d", wp_root_of(s)->config, s->calls, count, end_of_stream));
    return s->calls == 1 ? WP_CONTINUE : WP_PAUSE;
}

static void tick(struct root *root)
{
    root->config[0] = 't';
}

static char deleted[64];

static void forget(struct root *root)
{
    strcat(deleted, root->config);
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_TICK(tick)

static void test_contexts(void **state)
{
    (void)state;
    fake_reset();
    fake.config = WP_STR("one");
    proxy_on_context_create(1, 0);
    assert_true(proxy_on_configure(1, 3));
    fake.config = WP_STR("refuse");
    proxy_on_context_create(2, 0);
    assert_false(proxy_on_configure(2, 6));
    assert_false(proxy_on_configure(2, 7)); /* more announced than given */
    proxy_on_context_create(3, 1);
    assert_int_equal(proxy_on_request_headers(3, 7, 1), WP_CONTINUE);
    assert_string_equal(fake_get(&fake.request, "x-seen"), "one 1 7 1");
    assert_int_equal(proxy_on_request_headers(3, 7, 0), WP_PAUSE);
    assert_string_equal(fake_get(&fake.request, "x-seen"), "one 2 7 0");
    proxy_on_tick(1);
    proxy_on_delete(3);
    proxy_on_context_create(4, 1); /* its struct is the freed one, cleared */
    proxy_on_request_headers(4, 0, 0);
    assert_string_equal(fake_get(&fake.request, "x-seen"), "tne 1 0 0");
    proxy_on_delete(4);
    proxy_on_delete(99);
}

/* Many live streams, ended in another order than begun, keep their own structs. */
static void test_many_contexts(void **state)
{
    (void)state;
    fake_reset();
    enum { N = 500 };
    for (uint32_t i = 0; i < N; i++) {
        proxy_on_context_create(1000 + i * 8, 1);
        proxy_on_request_headers(1000 + i * 8, 0, 0);
    }
    for (uint32_t i = 0; i < N; i += 2) {
        proxy_on_delete(1000 + i * 8);
    }
    for (uint32_t i = 1; i < N; i += 2) {
        proxy_on_request_headers(1000 + i * 8, i, 0);
        char want[64];
        snprintf(want, sizeof want, "tne 2 %u 0", i);
        assert_string_equal(fake_get(&fake.request, "x-seen"), want);
        proxy_on_delete(1000 + i * 8);
    }
}

/* What comes after a mark is freed, what was before it stays; in one chunk and over several. */
/* ---- arena hooks, and what happens to a root ---- */

static char freed[32];

static void note_freed(void *name)
{
    strcat(freed, name);
}

static void test_arena_hooks(void **state)
{
    (void)state;
    static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
    struct wp_arena arena = {0};
    freed[0] = '\0';
    wp_arena_on_free(&arena, note_freed, a);
    struct wp_mark mark = wp_arena_mark(&arena);
    wp_arena_on_free(&arena, note_freed, b);
    memset(wp_arena_alloc(&arena, 9000), 0xff, 9000);
    wp_arena_on_free(&arena, note_freed, c);
    wp_arena_rewind(&arena, mark);
    assert_string_equal(freed, "cb");
    wp_arena_on_free(&arena, note_freed, d);
    wp_arena_free(&arena);
    assert_string_equal(freed, "cbda");
    wp_arena_free(&arena);
    assert_string_equal(freed, "cbda");
    wp_arena_on_free(wp_callback_arena(), note_freed, a);
    proxy_on_delete(12345); /* enters the next callback */
    assert_string_equal(freed, "cbdaa");
}

static void test_root_deleted(void **state)
{
    (void)state;
    fake_reset();
    deleted[0] = '\0';
    fake.config = WP_STR("cfg");
    proxy_on_context_create(70, 0);
    proxy_on_context_create(71, 70);
    assert_true(proxy_on_configure(70, 3));
    proxy_on_delete(71); /* a stream */
    assert_string_equal(deleted, "");
    proxy_on_delete(70);
    assert_string_equal(deleted, "cfg");
    proxy_on_delete(70);
    assert_string_equal(deleted, "cfg");
}

static void test_arena_marks(void **state)
{
    (void)state;
    struct wp_arena a = {0};
    struct wp_mark empty = wp_arena_mark(&a);
    struct wp_str first = wp_arena_dup(&a, WP_STR("first"));
    struct wp_mark mark = wp_arena_mark(&a);
    void *second = wp_arena_alloc(&a, 100);
    for (int i = 0; i < 20; i++) {
        memset(wp_arena_alloc(&a, 5000), 0xff, 5000);
    }
    wp_arena_rewind(&a, mark);
    assert_string_equal(first.at, "first");
    assert_ptr_equal(wp_arena_alloc(&a, 100), second);
    wp_arena_rewind(&a, empty);
    assert_null(a.chunks);
    assert_non_null(wp_arena_alloc(&a, 10));
    wp_arena_free(&a);
}

static void test_format(void **state)
{
    (void)state;
    fake_reset();
    char ours[128], theirs[128];
#define SAME(...)                                                                                            \
    do {                                                                                                     \
        int a = wp_snprintf(ours, sizeof ours, __VA_ARGS__),                                                 \
            b = snprintf(theirs, sizeof theirs, __VA_ARGS__);                                                \
        assert_string_equal(ours, theirs);                                                                   \
        assert_int_equal(a, b);                                                                              \
    } while (0)
    SAME("plain %% %c|%5c|%-5c|", 'a', 'b', 'c');
    SAME("%d %d %i %u", 0, -2147483647 - 1, 42, 4294967295u);
    SAME("%5d|%-5d|%05d|%+d|%.3d|%5.3d|%05d", 42, 42, 42, 42, 7, -7, -42);
    SAME("%x %X %08x %lx", 0xbeefu, 0xbeefu, 0xbeefu, 0xfffffffffful);
    SAME("%ld %lu %lld %llu %zu", -1l, 1ul, -9223372036854775807ll - 1, 18446744073709551615ull, (size_t)7);
    SAME("%hd %hhu", (short)-3, (unsigned char)200);
    SAME("%s|%10s|%-10s|%.2s|%.*s|%*s", "abc", "abc", "abc", "abc", 1, "abc", -6, "abc");
    assert_int_equal(wp_snprintf(ours, 4, "%s", "abcdef"), 6);
    assert_string_equal(ours, "abc");
    wp_snprintf(ours, sizeof ours, "%d %f %d", 1, 2.0, 3);
    assert_string_equal(ours, "1 %f %d");
    assert_true(wp_str_eq(wp_format("%s-%d", "x", 5), WP_STR("x-5")));
}

static void test_log_is_cheap_when_filtered(void **state)
{
    (void)state;
    fake_reset();
    fake.level = WP_LOG_WARN;
    proxy_on_context_create(1, 0);
    fake.log_level_calls = fake.log_calls = 0;
    for (int i = 0; i < 100; i++) {
        wp_debug("line %d", i);
    }
    assert_int_equal(fake.log_level_calls, 1);
    assert_int_equal(fake.log_calls, 0);
    wp_error("broken: %s", "x");
    assert_string_equal(fake.log, "broken: x\n");
}

/* Every place in texts of every length up to two words and some, among neighbours that differ in one bit. */
static void test_find_everywhere(void **state)
{
    (void)state;
    static const unsigned char wanted[] = {0, 1, 'a', 0x7f, 0x80, 0xff};
    char text[21];
    for (size_t w = 0; w < sizeof wanted; w++) {
        for (size_t len = 0; len <= sizeof text; len++) {
            for (size_t at = 0; at <= len; at++) {
                for (size_t i = 0; i < len; i++) {
                    text[i] = (char)(wanted[w] ^ (i < at ? 0x80 : i == at ? 0 : 1));
                }
                ptrdiff_t expected = at < len ? (ptrdiff_t)at : -1;
                assert_int_equal(wp_str_find((struct wp_str){text, len}, (char)wanted[w]), expected);
            }
        }
    }
}

static void test_strings(void **state)
{
    (void)state;
    struct wp_str s = WP_STR("hello");
    assert_true(wp_str_eq(wp_str_slice(s, 1, 3), WP_STR("el")));
    assert_int_equal(wp_str_slice(s, 3, 100).len, 2);
    assert_int_equal(wp_str_slice(s, 9, 100).len, 0);
    assert_int_equal(wp_str_slice(s, 3, 1).len, 0);
    assert_int_equal(wp_str_byte(s, 4), 'o');
    assert_int_equal(wp_str_byte(s, 5), -1);
    assert_true(wp_str_starts(s, WP_STR("he")) && wp_str_ends(s, WP_STR("lo")) &&
                wp_str_starts(s, WP_STR("")));
    assert_false(wp_str_starts(WP_STR("h"), WP_STR("he")) || wp_str_ends(WP_STR("o"), WP_STR("lo")));
    assert_int_equal(wp_str_find(s, 'l'), 2);
    assert_int_equal(wp_str_find_last(s, 'l'), 3);
    assert_int_equal(wp_str_find(s, 'z'), -1);
    assert_true(wp_str_eq(wp_str_trim(WP_STR(" \ta b ")), WP_STR("a b")));
    assert_int_equal(wp_str_trim(WP_STR("  ")).len, 0);
    assert_true(wp_str_eq_nocase(WP_STR("AbC"), WP_STR("aBc")));
    assert_true(wp_equal_secret(WP_STR("abc"), WP_STR("abc")));
    assert_false(wp_equal_secret(WP_STR("abc"), WP_STR("abd")) ||
                 wp_equal_secret(WP_STR("ab"), WP_STR("abc")));
    assert_true(wp_hash(WP_STR("abcdefgh"), 1) != wp_hash(WP_STR("abcdefg"), 1));
    assert_true(wp_hash(WP_STR("a"), 1) != wp_hash(WP_STR("a\0"), 1));
    assert_true(wp_hash(WP_STR("a"), 1) != wp_hash(WP_STR("a"), 2));
}

static void test_http(void **state)
{
    (void)state;
    fake_reset();
    struct wp_str v;
    assert_true(wp_str_eq(wp_percent_decode(WP_STR("a%41%7e+")), WP_STR("aA~+")));
    assert_true(wp_str_eq(wp_percent_decode(WP_STR("%2")), WP_STR("%2")));
    assert_true(wp_str_eq(wp_percent_decode(WP_STR("x%")), WP_STR("x%")));
    assert_true(wp_str_eq(wp_percent_decode(WP_STR("%zz%4g%%41")), WP_STR("%zz%4g%A")));
    struct wp_str query = wp_query_of(WP_STR("/p?a=1&b%20c=2&&a=3&flag&e=%3D="));
    assert_true(wp_query_get(query, WP_STR("a"), &v) && wp_str_eq(v, WP_STR("1")));
    assert_true(wp_query_get(query, WP_STR("b c"), &v) && wp_str_eq(v, WP_STR("2")));
    assert_true(wp_query_get(query, WP_STR("e"), &v) && wp_str_eq(v, WP_STR("==")));
    assert_true(wp_query_get(query, WP_STR("flag"), &v) && v.len == 0);
    assert_false(wp_query_get(query, WP_STR("z"), &v));
    assert_int_equal(wp_query_of(WP_STR("/p")).len, 0);
    assert_true(wp_str_eq(wp_path_of(WP_STR("/p?x")), WP_STR("/p")));
    assert_true(wp_str_eq(wp_host_without_port(WP_STR("a.b:80")), WP_STR("a.b")));
    assert_true(wp_str_eq(wp_host_without_port(WP_STR("a.b")), WP_STR("a.b")));
    assert_true(wp_str_eq(wp_host_without_port(WP_STR("[::1]")), WP_STR("[::1]")));
    assert_true(wp_str_eq(wp_host_without_port(WP_STR("[::1]:443")), WP_STR("[::1]")));
}

static void test_pairs(void **state)
{
    (void)state;
    fake_reset();
    struct wp_header in[] = {{WP_STR("a"), WP_STR("1")}, {WP_STR("long-name"), WP_STR("")}}, h;
    struct wp_str data = wp_pairs_write(in, 2);
    struct wp_pairs p;
    assert_true(wp_pairs_parse(data, &p));
    assert_int_equal(p.count, 2);
    assert_true(wp_pairs_next(&p, &h) && wp_str_eq(h.name, WP_STR("a")) && wp_str_eq(h.value, WP_STR("1")));
    assert_true(wp_pairs_next(&p, &h) && wp_str_eq(h.name, WP_STR("long-name")) && h.value.len == 0);
    assert_false(wp_pairs_next(&p, &h));
    /* Every cut and every changed byte of the lengths is either refused or stays inside. */
    char copy[64];
    for (size_t len = 1; len < data.len; len++) {
        assert_false(wp_pairs_parse((struct wp_str){data.at, len}, &p));
    }
    for (size_t i = 0; i < data.len; i++) {
        for (int c = 0; c < 256; c += 15) {
            memcpy(copy, data.at, data.len);
            copy[i] = (char)c;
            if (wp_pairs_parse((struct wp_str){copy, data.len}, &p)) {
                while (wp_pairs_next(&p, &h)) {
                    assert_true(h.value.at + h.value.len < copy + data.len);
                }
            }
        }
    }
    fake_set(&fake.request, WP_STR(":path"), "/");
    fake_set(&fake.request, WP_STR("x"), "1");
    p = wp_headers(WP_REQUEST_HEADERS);
    assert_int_equal(p.count, 2);
    assert_int_equal(wp_headers(WP_CALL_HEADERS).count, 0);
    assert_int_equal(wp_headers_set(WP_REQUEST_HEADERS, in, 2), WP_OK);
    assert_string_equal(fake_get(&fake.request, "a"), "1");
    struct wp_str v;
    assert_true(wp_header_get(WP_REQUEST_HEADERS, WP_STR("long-name"), &v) && v.len == 0 && v.at);
    assert_false(wp_header_get(WP_REQUEST_HEADERS, WP_STR("none"), &v));
    assert_int_equal(v.len, 0);
}

static void test_buffers_and_properties(void **state)
{
    (void)state;
    fake_reset();
    struct wp_str v;
    int64_t n;
    fake.body = WP_STR("hello");
    assert_true(wp_buffer_get(WP_REQUEST_BODY, 1, 3, &v) && wp_str_eq(v, WP_STR("ell")) && v.at[3] == '\0');
    assert_false(wp_buffer_get(WP_RESPONSE_BODY, 0, 9, &v));
    wp_buffer_append(WP_REQUEST_BODY, WP_STR("!"));
    wp_buffer_prepend(WP_REQUEST_BODY, WP_STR("["));
    assert_true(wp_str_eq(fake.body, WP_STR("[hello!")));
    wp_buffer_replace(WP_REQUEST_BODY, WP_STR("new"));
    assert_true(wp_str_eq(fake.body, WP_STR("new")));
    wp_property_set(WP_STR("source\0port"), WP_STR("\x39\x30\0\0\0\0\0\0"));
    assert_true(wp_property_int(WP_STR("source\0port"), &n) && n == 12345);
    wp_property_set(WP_STR("route_name"), WP_STR("r"));
    assert_true(wp_property_get(WP_STR("route_name"), &v) && wp_str_eq(v, WP_STR("r")));
    assert_false(wp_property_int(WP_STR("route_name"), &n) || wp_property_get(WP_STR("none"), &v));
    assert_int_equal(wp_now_ns(), 1700000000000000000u);
}

/* A callback that needs much memory, again and again, ends up in one block. */
static void test_callback_arena(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        proxy_on_delete(12345); /* enters, which empties the arena */
        char *last = NULL;
        for (int i = 0; i < 40; i++) {
            last = wp_arena_alloc(wp_callback_arena(), 1000);
            memset(last, round, 1000);
        }
        assert_int_equal((uintptr_t)last % 16, 0);
        if (round > 0) {
            assert_null(wp_callback_arena()->chunks);
        }
    }
}

static void test_json(void **state)
{
    (void)state;
    fake_reset();
    struct wp_arena arena = {0};
    struct wp_strs strs = {0};
    struct wp_str s = WP_STR("default");
    bool b = true;
    int64_t n = 7;
    json_t *v = wp_json_parse(
        WP_STR("{\"s\":\"x\",\"d\":12,\"l\":[\"a\",3],\"b\":\"false\",\"n\":\"3153600000\",\"bad\":[1.5]}"));
    assert_non_null(v);
    assert_true(wp_json_str(v, "", "missing", &arena, &s) && wp_str_eq(s, WP_STR("default")));
    assert_true(wp_json_str(v, "", "s", &arena, &s) && wp_str_eq(s, WP_STR("x")));
    assert_true(wp_json_str(v, "", "d", &arena, &s) && wp_str_eq(s, WP_STR("12")));
    assert_true(wp_json_strs(v, "", "l", &arena, &strs) && strs.n == 2 && wp_str_eq(strs.at[1], WP_STR("3")));
    assert_true(wp_json_bool(v, "", "b", &b) && !b);
    assert_true(wp_json_int(v, "", "n", &n) && n == 3153600000);
    assert_false(wp_json_str(v, "a[0]", "bad", &arena, &s));
    assert_string_equal(fake.log, "configuration: a[0].bad: must be a string\n");
    assert_false(wp_json_strs(v, "", "bad", &arena, &strs) || wp_json_bool(v, "", "bad", &b) ||
                 wp_json_int(v, "", "s", &n));
    json_decref(v);
    assert_null(wp_json_parse(WP_STR("{\"a\":1,}")));
    assert_null(wp_json_parse(WP_STR("{\"a\":1} x")));
    assert_null(wp_json_parse(WP_STR("{\"a\":1,\"a\":2}")));
    wp_arena_free(&arena);
}

static void test_strtod(void **state)
{
    (void)state;
    static const char *const exact[] = {"0.0",  "-0.5", "1.5",    "3.25e2", "123456789.125",
                                        "1e22", "0.1",  "-1e-22", "2.5E+3"};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        char *end;
        assert_true(wp_strtod(exact[i], &end) == strtod(exact[i], NULL));
        assert_int_equal(*end, '\0');
    }
    double far = wp_strtod("1.7e300", NULL), small = wp_strtod("12345678901234567890123e-40", NULL);
    assert_true(far > 1.6999999999999e300 && far < 1.7000000000001e300);
    assert_true(small > 1.2345678901233e-18 && small < 1.2345678901236e-18);
    assert_true(wp_strtod("1e999", NULL) > 1e308 && wp_strtod("1e-999", NULL) == 0);
}

static const char *printed(int precision, double v)
{
    static char text[64];
    assert_int_equal(wp_print_real(text, sizeof text, "%.*g", precision, v), strlen(text));
    return text;
}

static void test_print_real(void **state)
{
    (void)state;
    static const struct {
        double v;
        int precision;
        const char *text;
    } exact[] = {
        {0, 17, "0"},
        {-0.0, 17, "-0"},
        {1, 17, "1"},
        {-1.5, 17, "-1.5"},
        {0.1, 17, "0.1"},
        {0.0625, 17, "0.0625"},
        {120, 17, "120"},
        {1e15, 17, "1000000000000000"},
        {1e16, 17, "10000000000000000"},
        {1e17, 17, "1e17"},
        {1e-4, 17, "0.0001"},
        {1.5e-5, 17, "1.5e-5"},
        {9.96, 2, "10"},
        {99.6, 2, "1e2"},
        {3.14159, 3, "3.14"},
        {123456, 1, "1e5"},
        {2.6, 0, "3"},
        {999999999999999.9, 17, "1000000000000000"},
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        assert_string_equal(printed(exact[i].precision, exact[i].v), exact[i].text);
    }
    /* Over the whole range: what is printed reads back as the number, but for its last digit. */
    uint64_t bits = 1;
    for (int i = 0; i < 200000; i++) {
        double v;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &bits, sizeof v);
        if (v != v || v - v != 0 || (v < 1e-300 && v > -1e-300)) {
            continue;
        }
        double back = strtod(printed(17, v), NULL), off = (back - v) / v;
        if (off > 2e-14 || off < -2e-14) {
            fail_msg("%.17g is printed as %s", v, printed(17, v));
        }
    }
    assert_true(strtod(printed(17, 4.9406564584124654e-324), NULL) > 0);
    assert_true(strtod(printed(17, 1.7976931348623157e308), NULL) > 1.79e308);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_everywhere), cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_many_contexts),   cmocka_unit_test(test_arena_marks),
        cmocka_unit_test(test_arena_hooks),     cmocka_unit_test(test_root_deleted),
        cmocka_unit_test(test_format),          cmocka_unit_test(test_log_is_cheap_when_filtered),
        cmocka_unit_test(test_strings),         cmocka_unit_test(test_http),
        cmocka_unit_test(test_pairs),           cmocka_unit_test(test_buffers_and_properties),
        cmocka_unit_test(test_callback_arena),  cmocka_unit_test(test_json),
        cmocka_unit_test(test_strtod),          cmocka_unit_test(test_print_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
