/* Cookies by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/cookie.h"

static void test_find(void **state)
{
    static const struct {
        const char *header, *name, *value; /* NULL: none */
    } cases[] = {
        {"sid=1", "sid", "1"},
        {"a=1; sid=2; b=3", "sid", "2"},
        {"a=1;sid=2;b=3", "sid", "2"},
        {"  sid=2\t; b", "sid", "2"},
        {"sid=1; sid=2", "sid", "1"},
        {"sid=a=b", "sid", "a=b"},
        {"sid=", "sid", ""},
        {"sid=\"q\"", "sid", "\"q\""},
        {"sid", "sid", NULL},
        {"SID=1", "sid", NULL},
        {"xsid=1; sidx=2", "sid", NULL},
        {"a=sid=3", "sid", NULL},
        {";;=;", "sid", NULL},
        {"", "sid", NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str value = STR("untouched");
        bool found = http_cookie_find(str_of(cases[i].header), str_of(cases[i].name), &value);

        if (found != (cases[i].value != NULL) ||
            !str_eq(value, str_of(cases[i].value == NULL ? "untouched" : cases[i].value))) {
            fail_msg("\"%s\": %d, \"%.*s\"", cases[i].header, found, STR_ARG(value));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
