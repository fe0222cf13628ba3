/* Lines of /etc/hosts: names in any place and case, comments, several addresses, hostile text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/hosts.h"

static const char text[] = "127.0.0.1 localhost\n"
                           "\n"
                           "  10.0.0.1\tA.example   b.example # c.example\n"
                           "# 10.0.0.2 a.example\n"
                           "::1 a.example\r\n"
                           "10.0.0.3\n"
                           "10.0.0.4 last";

static void check(const char *name, const char *expected)
{
    struct str rest = str_of(text), address;
    struct strbuf all = {0};

    while (hosts_next(&rest, str_of(name), &address)) {
        strbuf_add(&all, address);
        strbuf_add_char(&all, ' ');
    }
    assert_string_equal(all.at == NULL ? "" : all.at, expected);
    strbuf_fini(&all);
}

static void test_names(void **state)
{
    (void)state;
    check("localhost", "127.0.0.1 ");
    check("a.example", "10.0.0.1 ::1 ");
    check("B.EXAMPLE", "10.0.0.1 ");
    check("c.example", "");
    check("last", "10.0.0.4 ");
    check("10.0.0.3", "");
    check("", "");
}

static void test_nothing(void **state)
{
    struct str rest = {"", 0}, address;
    (void)state;
    assert_false(hosts_next(&rest, STR("a"), &address));
    rest = str_of("\n\n #");
    assert_false(hosts_next(&rest, STR("a"), &address));
    rest = str_make("1 \0 a", 5);
    assert_true(hosts_next(&rest, STR("a"), &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
