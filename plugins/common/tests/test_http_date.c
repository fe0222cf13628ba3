/* The three forms of a date, against the C library's calendar, and what is none. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "bare_plugin.h"
#include "http_date.h"

static void test_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT+00:00"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t t = 0;
        assert_true(http_date_parse(wp_str_of(texts[i]), &t));
        assert_int_equal(t, 784111777);
    }
}

/* Every 11 hours and some from 1970 to 2069, in all forms. */
static void test_the_calendar(void **state)
{
    (void)state;
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                          "%a %b %e %H:%M:%S %Y"};
    for (int64_t t = 0; t < 3124224000; t += 39721) {
        time_t time = (time_t)t;
        struct tm tm;
        gmtime_r(&time, &tm);
        for (size_t i = 0; i < COUNT(formats); i++) {
            char text[64];
            int64_t parsed = -1;
            strftime(text, sizeof text, formats[i], &tm);
            if (!http_date_parse(wp_str_of(text), &parsed) || parsed != t) {
                fail_msg("%s", text);
            }
        }
    }
}

static void test_no_dates(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT+01:00",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Thu, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Abc 1994 08:49:37 GMT",
        "Sun, 06 Nov 19x4 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "1525872629832",
        "2018-05-09T13:30:29Z",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t t = 7;
        if (http_date_parse(wp_str_of(texts[i]), &t) || t != 7) {
            fail_msg("accepted '%s'", texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_the_calendar),
        cmocka_unit_test(test_no_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
