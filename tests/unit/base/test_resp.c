/* RESP items, replies and commands, whole and cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/resp.h"

static void test_items(void **state)
{
    struct str rest = STR("+OK\r\n-ERR no\r\n:-12\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*2\r\n");
    static const struct resp_item want[] = {
        {RESP_STATUS, STR("OK"), 0},  {RESP_ERROR, STR("ERR no"), 0}, {RESP_INTEGER, STR(""), -12},
        {RESP_BULK, STR("a\r\n"), 3}, {RESP_BULK, STR(""), 0},        {RESP_NULL, STR(""), -1},
        {RESP_NULL, STR(""), -1},     {RESP_ARRAY, STR(""), 2},
    };
    struct resp_item item;
    (void)state;

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(resp_cut(&rest, &item));
        assert_int_equal(item.kind, want[i].kind);
        assert_true(str_eq(item.text, want[i].text));
        assert_true(item.number == want[i].number);
    }
    assert_int_equal(rest.len, 0);
    assert_false(resp_cut(&rest, &item));
}

static void test_not_items(void **state)
{
    static const struct str bad[] = {
        STR("OK\r\n"),
        STR("+OK"),
        STR("+OK\r"),
        STR("+OK\n"),
        STR(":\r\n"),
        STR(":1x\r\n"),
        STR("$3\r\nab\r\n"),
        STR("$3\r\nabcd\r\n"),
        STR("$-2\r\n"),
        STR("$9223372036854775807\r\nab\r\n"),
        STR("$1\r\na\n\r"),
        STR("*-2\r\n"),
        STR("*\r\n"),
        STR("*99999999999999999999\r\n"),
        STR("%1\r\n"),
        STR("\r\n"),
        STR(":-\r\n"),
        STR(":--1\r\n"),
        STR(":"),
        STR(":1\r"),
        STR(":9223372036854775808\r\n"),
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct str rest = bad[i];
        struct resp_item item;
        assert_false(resp_cut(&rest, &item));
        assert_true(rest.at == bad[i].at && rest.len == bad[i].len);
    }
}

static void test_replies(void **state)
{
    const struct str text = STR("*2\r\n*1\r\n$1\r\nx\r\n*0\r\n:1\r\n");
    struct str rest = text, reply;
    (void)state;

    assert_true(resp_cut_reply(&rest, &reply));
    assert_true(str_eq(reply, STR("*2\r\n*1\r\n$1\r\nx\r\n*0\r\n")));
    assert_true(str_eq(rest, STR(":1\r\n")));
    for (size_t len = 0; len < reply.len; len++) {
        rest = str_slice(text, 0, len);
        assert_false(resp_cut_reply(&rest, &(struct str){0}));
        assert_int_equal(rest.len, len);
    }
    rest = STR("*9223372036854775807\r\n*9223372036854775807\r\n:1\r\n");
    assert_false(resp_cut_reply(&rest, &reply));
}

static void test_commands(void **state)
{
    static const struct str bad[] = {
        STR(""),
        STR("PING\r\n"),
        STR("*0\r\n"),
        STR("*-1\r\n"),
        STR("*1\r\n"),
        STR("*1\r\n+PING\r\n"),
        STR("*1\r\n$-1\r\n"),
        STR("*2\r\n$4\r\nPING\r\n"),
        STR("$1\r\na\r\n"),
        STR("*1\r\n*0\r\n"),
        STR("*1\r\n$4\r\nPING\r\nx"),
        STR("*1\r\n$04\r\nPING\r\n"), /* Redis would end the connection, which others share */
        STR("*01\r\n$4\r\nPING\r\n"),
        STR("*1\r\n$-0\r\n\r\n"),
        STR("*1\r\n$+4\r\nPING\r\n"),
        STR("*1\r\n$9223372036854775807\r\nPING\r\n"),
        STR("*1\r\n$18446744073709551620\r\nPING\r\n"),
        STR("*1\r\n$4\rxPING\r\n"),
        STR("*1\r\n$"),
        STR("*"),
    };
    struct strbuf b = {0};
    struct str argument;
    (void)state;

    resp_add_command(&b, (const struct str[]){STR("SET"), STR("k\r\n"), STR("")}, 3);
    assert_string_equal(b.at, "*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n");
    assert_true(resp_is_command(strbuf_str(&b)));
    assert_true(resp_argument(strbuf_str(&b), 1, &argument) && str_eq(argument, STR("k\r\n")));
    assert_true(resp_argument(strbuf_str(&b), 2, &argument) && argument.len == 0);
    assert_false(resp_argument(strbuf_str(&b), 3, &argument));
    struct str args[5];
    assert_true(resp_read_command(strbuf_str(&b), args, 2));
    assert_true(str_eq(args[0], STR("SET")) && str_eq(args[1], STR("k\r\n")));
    assert_true(resp_read_command(strbuf_str(&b), args, 5));
    assert_true(args[2].len == 0 && args[3].len == 0 && args[4].len == 0);
    for (size_t len = 0; len < b.len; len++) {
        assert_false(resp_is_command(str_make(b.at, len)));
    }
    strbuf_fini(&b);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(resp_is_command(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_not_items),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
