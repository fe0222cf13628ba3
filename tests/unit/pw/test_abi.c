/* The table of host calls agrees with itself: letters, names and types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "pw/abi.h"
#include "pw/hostcalls.h"

/* The parameters that the letters stand for. */
static void spell(const char *letters, char *params)
{
    for (; *letters != '\0'; letters++) {
        strcpy(params, *letters == 'L' ? "I" : strchr("drR", *letters) != NULL ? "ii" : "i");
        params += strlen(params);
    }
    strcpy(params, ":");
}

static size_t words(const char *names)
{
    size_t n = *names != '\0';
    for (; *names != '\0'; names++) {
        n += *names == ' ';
    }
    return n;
}

static void test_letters_spell_the_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_CALL_COUNT; i++) {
        const struct pw_call *c = &pw_abi_calls[i];
        char params[32];
        spell(c->args, params);
        assert_int_equal(strncmp(c->type, params, strlen(params)), 0);
        assert_int_equal(words(c->names), strlen(c->args));
        bool has_pointer = strpbrk(c->args, "doOrR") != NULL;
        assert_int_equal(c->bad_pointer, has_pointer ? PW_INVALID_MEMORY_ACCESS : PW_OK);
    }
}

static void test_every_call_can_be_linked(void **state)
{
    size_t n;
    const struct weir_host_func *funcs = pw_abi_funcs(&n);
    (void)state;

    assert_true(n >= PW_CALL_COUNT);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(funcs[i].module, "env");
        assert_non_null(funcs[i].native);
        assert_non_null(funcs[i].thunk);
        for (size_t k = 0; k < i; k++) { /* a name may come twice, but not with the same type */
            assert_false(strcmp(funcs[i].name, funcs[k].name) == 0 &&
                         strcmp(funcs[i].type, funcs[k].type) == 0);
        }
    }
}

static void test_header_names(void **state)
{
    char buf[PW_NAME_MAX];
    struct str out;
    (void)state;

    assert_true(pw_header_name(STR("X-Mse-Consumer"), buf, &out) && str_eq(out, STR("x-mse-consumer")));
    assert_true(pw_header_name(STR(":Path"), buf, &out) && str_eq(out, STR(":path")));
    assert_true(pw_header_name(STR("!#$%&'*+-.^_`|~09azAZ"), buf, &out));
    static const char *const bad[] = {"",    ":",           "a:b",   "a b", "a\r",
                                      "a\n", "caf\xc3\xa9", "a\x7f", "(a)", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(pw_header_name(str_of(bad[i]), buf, &out));
    }
    assert_false(pw_header_name((struct str){"a\0b", 3}, buf, &out));
    assert_true(pw_header_value_legal(STR("any text \t caf\xc3\xa9")));
    assert_false(pw_header_value_legal(STR("a\r\nSet-Cookie: b")));
    assert_false(pw_header_value_legal((struct str){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_spell_the_type),
        cmocka_unit_test(test_every_call_can_be_linked),
        cmocka_unit_test(test_header_names),
    };
    return cmocka_run_group_tests_name("pw/abi", tests, NULL, NULL);
}
