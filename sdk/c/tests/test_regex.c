/* Sets of regular expressions: what they match, what they refuse, and that time is linear in the text. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "bare_plugin.h"
#include "weir_regex.h"

static struct wp_regex_set *set_of(enum wp_regex_mode mode, const char *const *patterns, size_t n)
{
    struct wp_str error;
    struct wp_regex_set *set = wp_regex_set_new(mode);
    for (size_t i = 0; i < n; i++) {
        assert_true(wp_regex_set_add(set, wp_str_of(patterns[i]), &error));
    }
    assert_true(wp_regex_set_compile(set, &error));
    return set;
}

static const char *const words[] = {"b+c", "(?i)spider", "^curl/", "x$", "\\Qa.b"};

static void test_search(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int first;
    } cases[] = {
        {"", -1},
        {"abc", 0},
        {"xSPIDERx", 1},
        {"a SpiDer bbc", 0},
        {"curl/8", 2},
        {"my curl/8", -1},
        {"curl/8 x", 2},
        {"ends with x", 3},
        {"a.b", 4},
        {"a-b", -1},
        {"\xff\xfe x", 3},
        {"\xff"
         "bc\xff",
         0},
    };
    struct wp_regex_set *set = set_of(WP_REGEX_SEARCH, words, COUNT(words));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wp_str text = wp_str_of(cases[i].text);
        assert_int_equal(wp_regex_set_find(set, text), cases[i].first);
        assert_int_equal(wp_regex_set_matches(set, text), cases[i].first >= 0);
    }
    /* A NUL is a byte like others. */
    assert_int_equal(wp_regex_set_find(set, WP_STR("a\0bc")), 0);
    wp_regex_set_free(set);
}

static void test_whole(void **state)
{
    (void)state;
    static const char *const patterns[] = {"b+c", ".*[Ss]pider.*", "a|ab"};
    struct wp_regex_set *set = set_of(WP_REGEX_WHOLE, patterns, 3);
    assert_int_equal(wp_regex_set_find(set, WP_STR("bbc")), 0);
    assert_int_equal(wp_regex_set_find(set, WP_STR("abbc")), -1);
    assert_int_equal(wp_regex_set_find(set, WP_STR("a spider!")), 1);
    assert_int_equal(wp_regex_set_find(set, WP_STR("ab")), 2);
    assert_int_equal(wp_regex_set_find(set, WP_STR("")), -1);
    /* Bytes that are no UTF-8 hide nothing. */
    assert_int_equal(wp_regex_set_find(set, WP_STR("\xff spider \xc3")), 1);
    wp_regex_set_free(set);
}

static void test_utf8_is_bytes(void **state)
{
    (void)state;
    static const char *const patterns[] = {"caf\xc3\xa9", "\xe4\xb8\xad+$"};
    struct wp_regex_set *set = set_of(WP_REGEX_SEARCH, patterns, 2);
    assert_int_equal(wp_regex_set_find(set, WP_STR("un caf\xc3\xa9.")), 0);
    assert_int_equal(wp_regex_set_find(set, WP_STR("\xe4\xb8\xad")), 1);
    assert_int_equal(wp_regex_set_find(set, WP_STR("caf\xc3")), -1);
    wp_regex_set_free(set);
}

static void test_empty(void **state)
{
    (void)state;
    struct wp_regex_set *none = set_of(WP_REGEX_SEARCH, NULL, 0);
    assert_false(wp_regex_set_matches(none, WP_STR("")));
    assert_int_equal(wp_regex_set_find(none, WP_STR("a")), -1);
    wp_regex_set_free(none);
    static const char *const patterns[] = {""};
    struct wp_regex_set *empty = set_of(WP_REGEX_WHOLE, patterns, 1);
    assert_true(wp_regex_set_matches(empty, WP_STR("")));
    assert_false(wp_regex_set_matches(empty, WP_STR("a")));
    wp_regex_set_free(empty);
    wp_regex_set_free(NULL);
}

static void test_refused_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *error;
    } cases[] = {
        {"(", "missing ): ("},
        {"a)", "unexpected ): a)"},
        {"[a", "missing ]: [a"},
        {"*", "no argument for repetition operator: *"},
        {"(a)\\1", "invalid escape sequence: \\1"},
        {"(?=a)", "invalid perl operator: (?="},
        {"a{1001}", "invalid repetition size: {1001}"},
    };
    struct wp_regex_set *set = wp_regex_set_new(WP_REGEX_SEARCH);
    struct wp_str error;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(wp_regex_set_add(set, wp_str_of(cases[i].pattern), &error));
        assert_string_equal(error.at, cases[i].error);
    }
    /* They left nothing behind. */
    assert_true(wp_regex_set_add(set, WP_STR("kept"), &error));
    assert_true(wp_regex_set_compile(set, &error));
    assert_int_equal(wp_regex_set_find(set, WP_STR("kept")), 0);
    wp_regex_set_free(set);
}

static void test_too_large_together(void **state)
{
    (void)state;
    struct wp_str error;
    struct wp_regex_set *set = wp_regex_set_new(WP_REGEX_SEARCH);
    for (int i = 0; i < 100; i++) {
        assert_true(wp_regex_set_add(set, wp_format("(?:%d[a-z]x){900}", i), &error));
    }
    assert_false(wp_regex_set_compile(set, &error));
    assert_string_equal(error.at, "the patterns are too large together");
    wp_regex_set_free(set);
}

/* CPU seconds of one text, the best of a few. */
static double seconds(const struct wp_regex_set *set, struct wp_str text)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        assert_false(wp_regex_set_matches(set, text));
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        best = s < best ? s : best;
    }
    return best;
}

/* Patterns that a backtracking matcher takes exponential or quadratic time for, and one whose automaton has
 * more states than fit, on texts that have all of them made.  Eight times the text may take eight times
 * as long, and a margin; quadratic would be 64. */
static void test_time_is_linear(void **state)
{
    (void)state;
    static const char *const hostile[] = {"(a+)+$x", "(.*)(.*)(.*)(.*)[^ -~]b", "(x+x+)+y", "a.{16}[^abx]",
                                          "([a-z]+ ?)+!"};
    enum { SMALL = 1 << 15, LARGE = SMALL * 8 };
    char *text = malloc(LARGE);
    uint32_t r = 1;
    for (size_t i = 0; i < LARGE; i++) {
        r = r * 1664525 + 1013904223;
        text[i] = "abxa"[r >> 30];
    }
    for (size_t i = 0; i < COUNT(hostile); i++) {
        struct wp_regex_set *set = set_of(WP_REGEX_SEARCH, &hostile[i], 1);
        double small = seconds(set, (struct wp_str){text, SMALL});
        double large = seconds(set, (struct wp_str){text, LARGE});
        if (large > small * 24) {
            fail_msg("%s: %d bytes take %.1f ms, %d bytes %.1f ms", hostile[i], SMALL, small * 1e3, LARGE,
                     large * 1e3);
        }
        print_message("%s: %.2f and %.2f ns per byte\n", hostile[i], small / SMALL * 1e9,
                      large / LARGE * 1e9);
        wp_regex_set_free(set);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),           cmocka_unit_test(test_whole),
        cmocka_unit_test(test_utf8_is_bytes),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refused_patterns), cmocka_unit_test(test_too_large_together),
        cmocka_unit_test(test_time_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
