/* Addresses of DNS servers: what nginx is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "control/resolvers.h"

static void test_addresses(void **state)
{
    static const char *const good[] = {"10.0.0.2", "10.0.0.2:53", "[::1]", "[fd00::1]:5353",
                                       "127.0.0.1:65535"};
    static const char *const bad[] = {
        "",   "a.example", "10.0.0.2:",  "10.0.0.2:0", "10.0.0.2:65536", "10.0.0.2:5x", "::1",       "[::1",
        "[]", "[::1]x",    "[10.0.0.2]", "10.0.0.2 ;", "10.0.0.256",     "[::1]:",      "10.0.0.2;x"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(resolver_ok(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(resolver_ok(bad[i]));
    }
}

/* Whatever the machine has: each is one that nginx can read. */
static void test_system(void **state)
{
    struct strbuf out = {0};
    (void)state;
    resolvers_of_system(&out);
    struct str rest = out.at == NULL ? (struct str){"", 0} : strbuf_str(&out);
    if (rest.len != 0) {
        assert_int_equal(str_cut(&rest, ' ').len, 0);
    }
    while (rest.len != 0) {
        struct str one = str_cut(&rest, ' ');
        char text[128];
        assert_true(one.len < sizeof text);
        memcpy(text, one.at, one.len);
        text[one.len] = '\0';
        assert_true(resolver_ok(text));
    }
    strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses), cmocka_unit_test(test_system)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
