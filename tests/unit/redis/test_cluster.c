/* Slots, keys and redirections of Redis Cluster; values are those of redis-server 7.0 (CLUSTER KEYSLOT). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/resp.h"
#include "redis/cluster.h"

static void test_slots(void **state)
{
    static const struct {
        struct str key;
        uint32_t slot;
    } known[] = {
        {STR("123456789"), 12739}, {STR("a"), 15495},        {STR(""), 0},
        {STR("foo"), 12182},       {STR("{foo}bar"), 12182}, {STR("x{foo}{bar}"), 12182},
        {STR("foo{}bar"), 14292},  {STR("foo{bar"), 15278},  {STR("{user1000}.following"), 3443},
    };
    (void)state;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(redis_slot(known[i].key), known[i].slot);
    }
}

static void test_keys(void **state)
{
    static const struct {
        const char *command, *key; /* NULL: none */
    } known[] = {
        {"GET k", "k"},
        {"get k", "k"},
        {"PING", NULL},
        {"ping k", NULL},
        {"EVAL script 2 k l", "k"},
        {"EVAL script 0 k", NULL},
        {"evalsha sha 1", NULL},
        {"BITOP AND k l", "k"},
        {"OBJECT ENCODING k", "k"},
        {"XREAD COUNT 2 STREAMS k l 0 0", "k"},
        {"XREADGROUP GROUP g c streams k 0", "k"},
        {"XREAD COUNT 2", NULL},
        {"ZUNION 2 k l", "k"},
        {"BLMPOP 1 2 k l LEFT", "k"},
        {"MSET k 1 l 2", "k"},
        {"SCRIPT LOAD x", NULL},
        {"DBSIZE", NULL},
        {"UNHEARD k", "k"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct str words[16], rest = str_of(known[i].command), key = {0};
        struct strbuf b = {0};
        size_t n = 0;
        while (rest.len != 0) {
            words[n++] = str_cut(&rest, ' ');
        }
        resp_add_command(&b, words, n);
        bool found = redis_command_key(strbuf_str(&b), &key);
        assert_int_equal(found, known[i].key != NULL);
        assert_true(!found || str_eq(key, str_of(known[i].key)));
        strbuf_fini(&b);
    }
}

static void test_redirections(void **state)
{
    static const struct str none[] = {
        STR("+MOVED 1 h:1\r\n"), STR("-MOVED 1 h:1"),         STR("-MOVED\r\n"),
        STR("-MOVED 1\r\n"),     STR("-MOVED 1 h\r\n"),       STR("-MOVED 1 h:\r\n"),
        STR("-MOVED x h:1\r\n"), STR("-MOVED 16384 h:1\r\n"), STR("-ASKED 1 h:1\r\n"),
        STR("-MOVED 1 h:0\r\n"), STR("-MOVED 1 h:65536\r\n"), STR("-MOVED -1 h:1\r\n"),
        STR("-ERR x\r\n"),       STR("$5\r\nMOVED\r\n"),      STR(""),
    };
    struct redis_redirect r;
    (void)state;

    assert_true(redis_redirect_read(STR("-MOVED 3999 127.0.0.1:6381\r\n"), &r));
    assert_true(!r.ask && r.slot == 3999 && str_eq(r.host, STR("127.0.0.1")) && r.port == 6381);
    assert_true(redis_redirect_read(STR("-ASK 16383 2001:db8::1:6381\r\n"), &r));
    assert_true(r.ask && r.slot == 16383 && str_eq(r.host, STR("2001:db8::1")) && r.port == 6381);
    assert_true(redis_redirect_read(STR("-MOVED 0 :6381\r\n"), &r) && r.host.len == 0);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(redis_redirect_read(none[i], &r));
    }
}

static void add_range(void *data, const struct redis_range *r)
{
    strbuf_printf(data, "%u-%u %.*s:%u;", r->first, r->last, STR_ARG(r->host), r->port);
}

static void test_tables(void **state)
{
    static const struct str good = STR("*2\r\n"
                                       "*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*"
                                       "2\r\n$8\r\nhostname\r\n$1\r\nx\r\n"
                                       "*3\r\n$9\r\n127.0.0.1\r\n:7003\r\n$3\r\nid2\r\n"
                                       "*3\r\n:5461\r\n:5461\r\n*2\r\n$-1\r\n:7001\r\n");
    static const struct str bad[] = {
        STR("+OK\r\n"),
        STR("$-1\r\n"),
        STR("*1\r\n:1\r\n"),
        STR("*1\r\n*2\r\n:0\r\n:1\r\n"),
        STR("*1\r\n*3\r\n:1\r\n:0\r\n*2\r\n$1\r\nh\r\n:1\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:65536\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:1\r\n*3\r\n$1\r\nh\r\n:1\r\n"),
        STR("*1\r\n*9223372036854775807\r\n:0\r\n:1\r\n*9223372036854775807\r\n$1\r\nh\r\n:1\r\n"),
        STR("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\nx"),
        STR("*20000\r\n"),
    };
    struct strbuf b = {0};
    (void)state;

    assert_true(redis_slots_read(good, add_range, &b));
    assert_string_equal(b.at, "0-5460 127.0.0.1:7000;5461-5461 :7001;");
    b.len = 0;
    for (size_t len = 0; len < good.len; len++) {
        assert_false(redis_slots_read(str_slice(good, 0, len), add_range, &b));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(redis_slots_read(bad[i], add_range, &b));
    }
    assert_int_equal(b.len, 0);
    assert_true(redis_slots_read(STR("*0\r\n"), add_range, &b));
    strbuf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_redirections),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
