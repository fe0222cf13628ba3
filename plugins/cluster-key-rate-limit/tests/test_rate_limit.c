/* cluster-key-rate-limit by its exports, against the fake host: what waits, what is sent, what follows. */
#include "plugin_test.h"
#include "ip.h"

#define REDIS "\"redis\":{\"service_name\":\"redis\"}"
#define TEN "\"query_per_minute\":10"
#define GLOBAL "{\"rule_name\":\"r\"," REDIS ",\"global_threshold\":{" TEN "}"

uint32_t proxy_on_response_headers(uint32_t id, uint32_t count, uint32_t end_of_stream);

static uint32_t begin(const char *header, const char *value)
{
    fake.request.n = 0;
    fake.responded = false;
    fake.nredis = fake.continued = 0;
    fake_set(&fake.request, WP_STR(":path"), "/");
    if (header) {
        fake_set(&fake.request, wp_str_of(header), value);
    }
    proxy_on_context_create(STREAM, ROOT);
    return proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, true);
}

static void answer(const char *resp)
{
    fake.redis_reply = wp_str_of(resp);
    proxy_on_redis_call_response(ROOT, 7, 0, (uint32_t)fake.redis_reply.len);
}

static bool sent(const char *part)
{
    return fake.nredis == 1 && strstr(fake.redis[0].payload.at, part) != NULL;
}

static void waits_and_goes_on(void **state)
{
    (void)state;
    assert_true(configure(GLOBAL ",\"show_limit_quota_header\":true}"));
    assert_int_equal(begin(NULL, NULL), WP_PAUSE);
    assert_true(
        sent("\r\nhigress-cluster-key-rate-limit:r:global_threshold:60:10\r\n$2\r\n10\r\n$2\r\n60\r\n"));
    assert_int_equal(fake.continued, 0);
    answer("*2\r\n:9\r\n:31\r\n");
    assert_int_equal(fake.continued, 1);
    assert_false(fake.responded);
    fake_set(&fake.response, WP_STR("x-ratelimit-limit"), "of the upstream");
    proxy_on_response_headers(STREAM, 1, true);
    assert_int_equal(fake_count(&fake.response, "x-ratelimit-limit"), 1);
    assert_string_equal(fake_get(&fake.response, "x-ratelimit-limit"), "10");
    assert_string_equal(fake_get(&fake.response, "x-ratelimit-remaining"), "9");
    assert_string_equal(fake_get(&fake.response, "x-ratelimit-reset"), "31");
    proxy_on_delete(STREAM);
}

static void is_refused(void **state)
{
    (void)state;
    assert_true(configure(GLOBAL "}"));
    begin(NULL, NULL);
    answer("*2\r\n:-1\r\n:31\r\n");
    assert_int_equal(fake.continued, 0);
    assert_int_equal(fake.status, 429);
    assert_string_equal(fake_get(&fake.response_headers, "x-ratelimit-reset"), "31");
    assert_null(fake_get(&fake.response_headers, "x-ratelimit-limit"));
    proxy_on_delete(STREAM);
}

/* The stream ends first: nothing is done for it when the answer comes. */
static void the_client_leaves(void **state)
{
    (void)state;
    assert_true(configure(GLOBAL "}"));
    begin(NULL, NULL);
    proxy_on_delete(STREAM);
    answer("*2\r\n:-1\r\n:31\r\n");
    assert_false(fake.responded);
    assert_int_equal(fake.continued, 0);
}

/* A new configuration while a request waits: its answer counts, by the policy of the new one. */
static void configured_meanwhile(void **state)
{
    (void)state;
    assert_true(configure(GLOBAL ",\"rejected_code\":503}"));
    begin(NULL, NULL);
    fake.config = WP_STR("");
    assert_true(proxy_on_configure(ROOT, 0));
    answer("*2\r\n:-1\r\n:31\r\n");
    assert_int_equal(fake.status, 429);
    proxy_on_delete(STREAM);
}

static void a_refused_configuration_changes_nothing(void **state)
{
    (void)state;
    assert_true(configure("{\"rule_name\":\"r\"," REDIS
                          ",\"rule_items\":[{\"limit_by_per_header\":\"a\",\"limit_keys\":["
                          "{\"key\":\"regexp:^x+$\"," TEN "},{\"key\":\"regexp:y\"," TEN "}]}]}"));
    const char *wrong =
        "{\"rule_name\":\"r\"," REDIS ",\"rule_items\":[{\"limit_by_per_header\":\"a\",\"limit_keys\":["
        "{\"key\":\"regexp:z\"," TEN "},{\"key\":\"regexp:(\"," TEN "}]}]}";
    fake.config = wp_str_of(wrong);
    assert_false(proxy_on_configure(ROOT, (uint32_t)fake.config.len));
    assert_non_null(strstr(fake.log, "rule_items[0].limit_keys[1].key: is no regular expression"));
    assert_int_equal(begin("a", "xx"), WP_PAUSE);
    proxy_on_delete(STREAM);
    assert_int_equal(begin("a", "z"), WP_CONTINUE);
    proxy_on_delete(STREAM);
}

/* Patterns are RE2's, and match bytes: a NUL or a byte that is no UTF-8 hides nothing. */
static void patterns(void **state)
{
    static const struct {
        const char *pattern, *value;
        uint32_t action;
    } rows[] = {
        {"(?i)^ABC$", "abc", WP_PAUSE},
        {"^(?:a|b)+\\\\d$", "abba7", WP_PAUSE},
        {"b", "abc", WP_PAUSE},
        {"^b", "abc", WP_CONTINUE},
        {"^a.c$",
         "a\xff"
         "c",
         WP_PAUSE},
        {"^a.c$", "a\nc", WP_CONTINUE},
        {"^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", WP_CONTINUE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char config[512];
        wp_snprintf(config, sizeof config,
                    "{\"rule_name\":\"r\"," REDIS ",\"rule_items\":[{\"limit_by_per_header\":\"a\","
                    "\"limit_keys\":[{\"key\":\"regexp:%s\"," TEN "}]}]}",
                    rows[i].pattern);
        assert_true(configure(config));
        uint32_t action = begin("a", rows[i].value);
        if (action != rows[i].action) {
            print_error("%s on %s: %u\n", rows[i].pattern, rows[i].value, action);
            fail();
        }
        proxy_on_delete(STREAM);
    }
}

/* A call that cannot be sent does not hold the request; one line a second says so. */
static void the_host_refuses(void **state)
{
    (void)state;
    assert_true(configure(GLOBAL "}"));
    fake.call_status = WP_INTERNAL_FAILURE;
    for (int i = 0; i < 3; i++) {
        fake.now_ns += 400000000;
        assert_int_equal(begin(NULL, NULL), WP_CONTINUE);
        proxy_on_delete(STREAM);
    }
    const char *first = strstr(fake.log, "not counted: the command cannot be sent (0 more");
    assert_non_null(first);
    assert_null(strstr(first + 1, "not counted"));
    fake.now_ns += 400000000;
    begin(NULL, NULL);
    proxy_on_delete(STREAM);
    assert_non_null(strstr(fake.log, "(2 more since"));
}

/* A service that comes later: the host is told again. */
static void the_service_comes_later(void **state)
{
    (void)state;
    proxy_on_context_create(ROOT, 0);
    fake_reset();
    fake.config = WP_STR(GLOBAL "}");
    fake.call_status = WP_BAD_ARGUMENT;
    assert_true(proxy_on_configure(ROOT, (uint32_t)fake.config.len));
    assert_non_null(strstr(fake.log, "redis.service_name: the host knows no service redis yet"));
    assert_int_equal(begin(NULL, NULL), WP_CONTINUE);
    proxy_on_delete(STREAM);
    fake.call_status = WP_OK;
    assert_int_equal(begin(NULL, NULL), WP_PAUSE);
    assert_string_equal(fake.redis_init, "redis   1000");
    proxy_on_delete(STREAM);
}

static const char *formatted(const char *text)
{
    struct ip ip;
    return ip_parse(wp_str_of(text), &ip) ? ip_format(&ip).at : NULL;
}

static void addresses(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {" 1.2.3.4:80 ", "1.2.3.4"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"[::ffff:102:304]:1", "1.2.3.4"},
        {"::", "::"},
        {"[::1]", "::1"},
        {"1::", "1::"},
        {"0:0:1:0:0:0:0:1", "0:0:1::1"},
        {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"2001:DB8::A:0:0:1", "2001:db8::a:0:0:1"},
    };
    static const char *const none[] = {
        "",    " ", "1.2.3",         "1.2.3.4.5", "1.2.3.256",         "[::1",     "[]",
        "::g", ":", "1.2.3.4:80:90", "a",         "1:2:3:4:5:6:7:8:9", "1.2.3.4/8"};
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_string_equal(formatted(same[i][0]), same[i][1]);
    }
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_null(formatted(none[i]));
    }
}

static bool contains(const char *net_text, const char *ip_text)
{
    struct ip_net net;
    struct ip ip;
    assert_true(ip_net_parse(wp_str_of(net_text), &net) && ip_parse(wp_str_of(ip_text), &ip));
    return ip_net_contains(&net, &ip);
}

static void networks(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("10.0.0.5/31", "10.0.0.4"));
    assert_false(contains("10.0.0.5/31", "10.0.0.6"));
    assert_true(contains("0.0.0.0/0", "1.2.3.4"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_true(contains("::/0", "::1"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("1.2.3.4", "1.2.3.4"));
    assert_false(contains("1.2.3.4", "1.2.3.5"));
    static const char *const none[] = {"1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/0x8", "::/129",
                                       "::/1234",    "/8",       "1.2.3.4:80", "1.2.3.4/8/8"};
    struct ip_net net;
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_false(ip_net_parse(wp_str_of(none[i]), &net));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_and_goes_on),
        cmocka_unit_test(is_refused),
        cmocka_unit_test(the_client_leaves),
        cmocka_unit_test(configured_meanwhile),
        cmocka_unit_test(a_refused_configuration_changes_nothing),
        cmocka_unit_test(patterns),
        cmocka_unit_test(the_host_refuses),
        cmocka_unit_test(the_service_comes_later),
        cmocka_unit_test(addresses),
        cmocka_unit_test(networks),
    };
    return RUN_PLUGIN_TESTS(tests);
}
