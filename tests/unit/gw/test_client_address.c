/* Addresses, networks, and who the client is behind proxies. */
#include "gw_test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "gw/client_address.h"

static const char *ip_text(const struct gw_ip *ip)
{
    static char text[INET6_ADDRSTRLEN];

    if (gw_ip_is_v4(ip)) {
        return inet_ntop(AF_INET, ip->bytes + 12, text, sizeof text);
    }
    return inet_ntop(AF_INET6, ip->bytes, text, sizeof text);
}

static struct gw_ip ip_of(const char *text)
{
    struct gw_ip ip;
    uint16_t port;
    assert_true(gw_ip_parse(str_of(text), &ip, &port));
    return ip;
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *ip;
        unsigned port;
    } good[] = {
        {"192.0.2.1", "192.0.2.1", 0},
        {"192.0.2.1:80", "192.0.2.1", 80},
        {"::1", "::1", 0},
        {"[::1]", "::1", 0},
        {"[2001:DB8::7]:443", "2001:db8::7", 443},
        {"::ffff:192.0.2.1", "192.0.2.1", 0},
        {"[::ffff:192.0.2.1]:65535", "192.0.2.1", 65535},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 0},
    };
    static const char *const bad[] = {
        "",
        "unknown",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:x",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.1:00000080",
        "192.0.2.1 ",
        "[192.0.2.1]",
        "[::1",
        "::1]",
        "[::1]80",
        "[]",
        "[]:1",
        ":80",
        "fe80::1%lo",
        "1:2:3:4:5:6:7:8:9",
        "_hidden",
        "\"[::1]\"",
        "192.0.2.1/24",
    };
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct gw_ip ip;
        uint16_t port = 1;
        assert_true(gw_ip_parse(str_of(good[i].text), &ip, &port));
        assert_string_equal(ip_text(&ip), good[i].ip);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_ip ip = ip_of("10.1.2.3");
        uint16_t port = 9;
        if (gw_ip_parse(str_of(bad[i]), &ip, &port)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
        assert_string_equal(ip_text(&ip), "10.1.2.3");
        assert_int_equal(port, 9);
    }
    struct gw_ip ip;
    uint16_t port;
    assert_false(gw_ip_parse(str_make("1.2.3.4\0x", 9), &ip, &port));
}

#define ONE_SERVICE "services: [{name: s, endpoints: ['h:1']}]\n"

static struct gw_config *trusting(const char *trusted)
{
    char text[300];
    snprintf(text, sizeof text, ONE_SERVICE "clientAddress: {trusted: [%s]}\n", trusted);
    return load_good(text);
}

static void test_networks(void **state)
{
    static const struct {
        const char *network, *in, *out;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", "11.0.0.0"},
        {"10.1.2.3/8", "10.0.0.0", "9.255.255.255"}, /* the rest does not count */
        {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
        {"192.0.2.6/31", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "203.0.113.9", "::1"},
        {"'::/0'", "2001:db8::1", "10.0.0.1"},
        {"'2001:db8::/32'", "2001:db8:ffff::1", "2001:db9::"},
        {"'::1'", "::1", "::2"},
        {"'::ffff:10.0.0.0/104'", "10.9.9.9", "11.0.0.0"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_config *c = trusting(cases[i].network);
        struct gw_ip in = ip_of(cases[i].in), out = ip_of(cases[i].out);
        assert_true(gw_client_trusts(c->client_address, &in));
        assert_false(gw_client_trusts(c->client_address, &out));
        gw_config_free(c);
    }
}

/* "client port" or "-": the peer. */
static const char *walk(const struct gw_config *c, const char *peer, const char *const *values)
{
    static char text[80];
    struct str list[8];
    size_t n = 0;
    uint16_t port = 0;
    struct gw_ip ip = ip_of(peer);

    for (; values[n] != NULL; n++) {
        list[n] = str_of(values[n]);
    }
    if (!gw_client_find(c->client_address, list, n, &ip, &port)) {
        assert_string_equal(ip_text(&ip), peer);
        return "-";
    }
    snprintf(text, sizeof text, "%s %u", ip_text(&ip), port);
    return text;
}
#define WALK(peer, ...) walk(c, peer, (const char *const[]){__VA_ARGS__, NULL})

static void test_the_walk(void **state)
{
    struct gw_config *c = trusting("10.0.0.0/8, 'fd00::/8'");
    (void)state;

    assert_string_equal(WALK("203.0.113.1", "1.2.3.4"), "-"); /* nobody who may say so */
    assert_string_equal(WALK("10.0.0.1", NULL), "-");
    assert_string_equal(WALK("10.0.0.1", "1.2.3.4"), "1.2.3.4 0");
    assert_string_equal(WALK("10.0.0.1", "1.2.3.4:567"), "1.2.3.4 567");
    assert_string_equal(WALK("fd00::1", "[2001:db8::5]:7"), "2001:db8::5 7");
    assert_string_equal(WALK("10.0.0.1", "6.6.6.6, 1.2.3.4"), "1.2.3.4 0"); /* what the client wrote */
    assert_string_equal(WALK("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2 , 10.0.0.3"), "1.2.3.4 0");
    assert_string_equal(WALK("10.0.0.1", "6.6.6.6", "1.2.3.4", "10.0.0.2,10.0.0.3"), "1.2.3.4 0");
    assert_string_equal(WALK("10.0.0.1", "10.0.0.2:1, 10.0.0.3:2"), "10.0.0.2 1"); /* all are trusted */
    assert_string_equal(WALK("10.0.0.1", "1.2.3.4, unknown, 10.0.0.3"), "10.0.0.3 0");
    assert_string_equal(WALK("10.0.0.1", "1.2.3.4, unknown"), "-");
    assert_string_equal(WALK("10.0.0.1", "1.2.3.4 5.6.7.8"), "-");
    assert_string_equal(WALK("10.0.0.1", " , ,1.2.3.4,\t, ,", "", ","), "1.2.3.4 0");
    assert_string_equal(WALK("10.0.0.1", ""), "-");
    gw_config_free(c);
}

static void test_a_long_header_ends(void **state)
{
    struct gw_config *c = trusting("10.0.0.0/8");
    struct strbuf text = {0};
    struct gw_ip ip = ip_of("10.0.0.1");
    uint16_t port;
    (void)state;

    strbuf_add(&text, STR("1.2.3.4"));
    for (int i = 0; i < 100000; i++) {
        strbuf_printf(&text, ",10.1.%d.%d", i / 250 % 250, i % 250);
    }
    struct str value = strbuf_str(&text);
    assert_true(gw_client_find(c->client_address, &value, 1, &ip, &port));
    int nth = 100000 - GW_CLIENT_HOPS_MAX;
    char expected[40];
    snprintf(expected, sizeof expected, "10.1.%d.%d", nth / 250 % 250, nth % 250);
    assert_string_equal(ip_text(&ip), expected);
    strbuf_fini(&text);
    gw_config_free(c);
}

static void test_singles(void **state)
{
    struct gw_config *c = load_good(
        ONE_SERVICE "---\nlogLevel: debug\n---\nclientAddress: {trusted: ['10.0.0.1'], header: X-Real-IP}\n");
    struct strbuf json = {0};
    (void)state;

    assert_int_equal(c->log_level, GW_LOG_DEBUG);
    assert_str(c->client_address->header, "x-real-ip");
    gw_config_write(c, &json);
    gw_config_free(c);
    c = load_good(json.at);
    assert_int_equal(c->log_level, GW_LOG_DEBUG);
    assert_str(c->client_address->trusted[0], "10.0.0.1");
    assert_str(c->client_address->header, "x-real-ip");
    gw_config_free(c);
    strbuf_fini(&json);

    c = load_good(ONE_SERVICE);
    assert_int_equal(c->log_level, GW_LOG_UNSET);
    assert_null(c->client_address);
    gw_config_free(c);
    c = trusting("'::1'");
    assert_str(c->client_address->header, "x-forwarded-for");
    gw_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_networks),
        cmocka_unit_test(test_the_walk),  cmocka_unit_test(test_a_long_header_ends),
        cmocka_unit_test(test_singles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
