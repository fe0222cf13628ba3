/* key-auth's verdicts, by its exports, against the fake host. */
#include "plugin_test.h"

struct request {
    const char *host, *path, *route, *cluster, *header, *value;
};

static uint32_t ask(struct request r)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":authority"), r.host ? r.host : "example.com");
    fake_set(&fake.request, WP_STR(":path"), r.path ? r.path : "/");
    if (r.route) {
        fake_set(&fake.properties, WP_STR("route_name"), r.route);
    }
    if (r.cluster) {
        fake_set(&fake.properties, WP_STR("cluster_name"), r.cluster);
    }
    if (r.header) {
        fake_set(&fake.request, wp_str_of(r.header), r.value);
    }
    return run_request();
}

#define ASK(...) ask((struct request){__VA_ARGS__})

static const char *consumer(void)
{
    const char *name = fake_get(&fake.request, "x-mse-consumer");
    return name ? name : "";
}

static void test_credentials(void **state)
{
    (void)state;
    assert_true(
        configure("{\"credentials\":[\"abc\",\"x y\"],\"keys\":[\"x-api-key\",\"apikey\"],\"realm\":\"R\"}"));
    assert_int_equal(ASK(0), 401);
    assert_string_equal(fake.www_authenticate, "Key realm=R");
    assert_string_equal(fake.details, "Request denied by Key Auth check. Invalid API key");
    assert_string_equal(fake.response_body, "");
    assert_int_equal(ASK(.header = "x-api-key", .value = "abc"), 0);
    assert_string_equal(consumer(), "");
    assert_int_equal(ASK(.header = "X-API-KEY", .value = "abd"), 401);
    assert_int_equal(ASK(.path = "/?apikey=abc"), 0);
    assert_int_equal(ASK(.path = "/?apikey=x%20y"), 0);
    assert_int_equal(ASK(.path = "/?apikey=x+y"), 401);
    assert_int_equal(ASK(.path = "/?apikey=ab%63"), 0);
    assert_int_equal(ASK(.path = "/?apikey=abc%6"), 401);
    assert_int_equal(ASK(.path = "/?apikey=no&apikey=abc"), 401);
    assert_int_equal(ASK(.path = "/?APIKEY=abc"), 401);
    /* A non-empty header hides the query of the same key; an empty one does not. */
    assert_int_equal(ASK(.path = "/?apikey=abc", .header = "apikey", .value = "no"), 401);
    assert_int_equal(ASK(.path = "/?apikey=abc", .header = "apikey", .value = ""), 0);
    /* Another key is looked at on its own. */
    assert_int_equal(ASK(.path = "/?apikey=abc", .header = "x-api-key", .value = "no"), 0);
    assert_int_equal(ASK(.header = "x-hi-original-auth", .value = "abc"), 0);
    assert_int_equal(ASK(.header = "x-api-key", .value = "abcdefghijklmnopqrstuvwxyz"), 401);
}

static void test_sources(void **state)
{
    (void)state;
    assert_true(configure("{\"credentials\":[\"abc\"],\"keys\":[\"k\"],\"in_query\":false}"));
    assert_int_equal(ASK(.path = "/?k=abc"), 401);
    assert_string_equal(fake.www_authenticate, "Key realm=MSE Gateway");
    assert_int_equal(ASK(.header = "k", .value = "abc"), 0);
    assert_true(configure("{\"credentials\":[\"abc\"],\"keys\":[\"k\"],\"in_header\":\"false\"}"));
    assert_int_equal(ASK(.path = "/?k=abc"), 0);
    assert_int_equal(ASK(.header = "k", .value = "abc"), 401);
}

static const char consumers[] =
    "{\"consumers\":[{\"name\":\"one\",\"credential\":\"c1\"},"
    "{\"name\":\"two\",\"credentials\":[\"c2\",\"c22\"],\"keys\":[\"x-two\"],\"in_query\":false}],"
    "\"keys\":[\"apikey\"],\"realm\":\"R\",\"global_auth\":true,"
    "\"_rules_\":[{\"_match_route_\":[\"r1\"],\"allow\":[\"one\"]},{\"_match_route_\":[\"r2\"],\"allow\":[]},"
    "{\"_match_domain_\":[\"*.off.example\"],\"_disable_\":true}]}";

static void test_consumers(void **state)
{
    (void)state;
    assert_true(configure(consumers));
    assert_int_equal(ASK(.header = "apikey", .value = "c1"), 0);
    assert_string_equal(consumer(), "one");
    assert_int_equal(ASK(.path = "/?apikey=c1"), 0);
    assert_int_equal(ASK(.header = "apikey", .value = "c2"), 401);       /* not where two's keys are */
    assert_string_equal(fake.www_authenticate, "Key realm=MSE Gateway"); /* realm belongs to credentials */
    assert_int_equal(ASK(.header = "x-two", .value = "c22"), 0);
    assert_string_equal(consumer(), "two");
    assert_int_equal(ASK(.path = "/?x-two=c2"), 401);
    assert_int_equal(ASK(.header = "x-hi-original-auth", .value = "c2"), 0);
    assert_int_equal(ASK(.header = "x-hi-original-auth", .value = "c1"), 401);
    /* Allow lists. */
    assert_int_equal(ASK(.route = "r1", .header = "apikey", .value = "c1"), 0);
    assert_int_equal(ASK(.route = "r1", .header = "x-two", .value = "c2"), 403);
    assert_string_equal(fake.www_authenticate, "Basic realm=MSE Gateway");
    assert_string_equal(fake.details, "Request denied by Key Auth check. Unauthorized consumer");
    assert_string_equal(consumer(), "two");
    assert_int_equal(ASK(.route = "r2", .header = "apikey", .value = "c1"), 403);
    assert_int_equal(ASK(.route = "r2"), 401);
    assert_int_equal(ASK(.host = "a.off.example:8080"), 0);
    assert_int_equal(ASK(.host = "off.example"), 401);
}

/* Nobody can find a consumer that listens nowhere, which is worth a word, and no reason to refuse the others.
 */
static void test_a_consumer_that_listens_nowhere(void **state)
{
    (void)state;
    assert_true(
        configure("{\"consumers\":[{\"name\":\"a\",\"credential\":\"c\",\"keys\":[\"k\"],\"in_query\":false,"
                  "\"in_header\":\"false\"},{\"name\":\"b\",\"credential\":\"d\",\"keys\":[\"k\"]}]}"));
    assert_string_equal(
        fake.log,
        "configuration: consumers[0]: in_query and in_header are both false, so it cannot be found\n");
    assert_int_equal(ASK(.path = "/?k=c", .header = "k", .value = "c"), 401);
    assert_int_equal(ASK(.header = "k", .value = "d"), 0);
    /* in_query and in_header of a consumer are read together with its keys only. */
    assert_true(configure(
        "{\"consumers\":[{\"name\":\"a\",\"credential\":\"c\",\"in_query\":false}],\"keys\":[\"k\"]}"));
    assert_int_equal(ASK(.path = "/?k=c"), 0);
}

/* A client cannot choose its consumer. */
static void test_consumer_header_is_replaced(void **state)
{
    (void)state;
    assert_true(configure(consumers));
    fake_set(&fake.request, WP_STR("X-Mse-Consumer"), "admin");
    fake_set(&fake.request, WP_STR("apikey"), "c1");
    assert_int_equal(run_request(), 0);
    assert_int_equal(fake_count(&fake.request, "x-mse-consumer"), 1);
    assert_string_equal(consumer(), "one");
}

/* The first consumer in the configuration wins, whatever the order of its keys in the request. */
static void test_first_consumer_wins(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[{\"name\":\"one\",\"credential\":\"c1\",\"keys\":[\"b\"]},"
                          "{\"name\":\"two\",\"credential\":\"c2\",\"keys\":[\"a\"]},"
                          "{\"name\":\"three\",\"credential\":\"c3\",\"keys\":[\"a\",\"b\"]}]}"));
    assert_int_equal(ASK(.path = "/?a=c2&b=c1"), 0);
    assert_string_equal(consumer(), "one");
    assert_int_equal(ASK(.path = "/?a=c2&b=c3"), 0);
    assert_string_equal(consumer(), "two");
    assert_int_equal(ASK(.path = "/?a=c1&b=c2"), 401);
}

static void test_global_auth(void **state)
{
    (void)state;
#define BASE "{\"credentials\":[\"abc\"],\"keys\":[\"k\"]"
    assert_true(configure(BASE "}"));
    assert_int_equal(ASK(0), 401);
    assert_true(configure(BASE ",\"global_auth\":false}"));
    assert_int_equal(ASK(0), 0);
    assert_true(configure(BASE ",\"global_auth\":\"true\"}"));
    assert_int_equal(ASK(0), 401);
    /* With rules, what matches none is checked only if global_auth says so. */
#define RULE ",\"_rules_\":[{\"_match_route_\":[\"r\"],\"credentials\":[\"local\"],\"keys\":[\"k\"]}]}"
    assert_true(configure(BASE RULE));
    assert_int_equal(ASK(0), 0);
    assert_int_equal(ASK(.route = "r"), 401);
    assert_int_equal(ASK(.route = "r", .header = "k", .value = "local"), 0);
    assert_int_equal(ASK(.route = "r", .header = "k", .value = "abc"), 401);
    assert_true(configure(BASE ",\"global_auth\":true" RULE));
    assert_int_equal(ASK(0), 401);
    assert_int_equal(ASK(.header = "k", .value = "abc"), 0);
    /* A local configuration has no allow list, so global_auth: false lets it through too. */
    assert_true(configure(BASE ",\"global_auth\":false" RULE));
    assert_int_equal(ASK(.route = "r"), 0);
    /* Rules without a global part. */
    assert_true(configure("{\"_rules_\":[{\"_match_route_\":[\"r\"],\"allow\":[\"one\"]}]}"));
    assert_int_equal(ASK(.route = "r"), 0);
    /* So is a global part that says nothing but global_auth, without complaint. */
    assert_true(configure("{\"global_auth\":true" RULE));
    assert_string_equal(fake.log, "");
    assert_int_equal(ASK(.route = "r"), 401);
    assert_int_equal(ASK(0), 0);
    assert_false(configure("{\"global_auth\":true}"));
    /* A broken global part is dropped when there are rules. */
    assert_true(configure("{\"keys\":[\"k\"]" RULE));
    assert_int_equal(ASK(.route = "r"), 401);
    assert_int_equal(ASK(0), 0);
}

static bool matches(const char *match, struct request r)
{
    char config[1024];
    snprintf(config, sizeof config, "{\"_rules_\":[{%s,\"credentials\":[\"abc\"],\"keys\":[\"k\"]}]}", match);
    assert_true(configure(config));
    return ask(r) == 401;
}

#define MATCHES(match, ...) matches(match, (struct request){__VA_ARGS__})

static void test_rule_matching(void **state)
{
    (void)state;
    assert_true(MATCHES("\"_match_route_\":[\"x\",\"r\"]", .route = "r"));
    assert_true(MATCHES("\"_match_route_\":[7]", .route = "7"));
    assert_false(MATCHES("\"_match_route_\":[\"r\"]", .route = "rr"));
    assert_true(MATCHES("\"_match_route_prefix_\":[\"r-\"]", .route = "r-1"));
    assert_false(MATCHES("\"_match_route_prefix_\":[\"r-\"]", .route = "r"));
    assert_true(MATCHES("\"_match_domain_\":[\"a.com\"]", .host = "a.com:80"));
    assert_false(MATCHES("\"_match_domain_\":[\"a.com\"]", .host = "A.com"));
    assert_false(MATCHES("\"_match_domain_\":[\"*.a.com\"]", .host = "a.com"));
    assert_true(MATCHES("\"_match_domain_\":[\"*.a.com\"]", .host = "b.a.com"));
    assert_true(MATCHES("\"_match_domain_\":[\"a.*\"]", .host = "a.org"));
    assert_true(MATCHES("\"_match_domain_\":[\"*\"]", .host = "anything"));
    assert_false(MATCHES("\"_match_domain_\":[\"a*b\"]", .host = "axb"));
    assert_true(MATCHES("\"_match_service_\":[\"s.dns\"]", .cluster = "outbound|80||s.dns"));
    assert_true(MATCHES("\"_match_service_\":[\"s.dns:80\"]", .cluster = "outbound|80||s.dns"));
    assert_false(MATCHES("\"_match_service_\":[\"s.dns:81\"]", .cluster = "outbound|80||s.dns"));
    assert_false(MATCHES("\"_match_service_\":[\"s.dns\"]", .cluster = "s.dns"));
    assert_false(MATCHES("\"_match_service_\":[\"s.dns\"]", .cluster = "a|outbound|80||s.dns"));
    /* Which list counts when there are several. */
    const char *both = "\"_match_route_\":[\"r\"],\"_match_service_\":[\"s\"]";
    assert_true(MATCHES(both, .route = "r", .cluster = "outbound|1||s"));
    assert_false(MATCHES(both, .route = "r", .cluster = "outbound|1||t"));
    assert_false(MATCHES(both, .route = "q", .cluster = "outbound|1||s"));
    const char *route_domain = "\"_match_route_\":[\"r\"],\"_match_domain_\":[\"a.com\"]";
    assert_true(MATCHES(route_domain, .route = "r", .host = "b.com"));
    assert_false(MATCHES(route_domain, .route = "q", .host = "a.com"));
    const char *prefix_domain = "\"_match_route_prefix_\":[\"r\"],\"_match_domain_\":[\"a.com\"]";
    assert_false(MATCHES(prefix_domain, .route = "q", .host = "a.com"));
}

/* The order of the rules decides, not how specific they are. */
static void test_first_rule_wins(void **state)
{
    (void)state;
    assert_true(configure("{\"_rules_\":[{\"_match_domain_\":[\"*\"],\"_disable_\":\"true\"},"
                          "{\"_match_route_\":[\"r\"],\"credentials\":[\"abc\"],\"keys\":[\"k\"]}]}"));
    assert_int_equal(ASK(.route = "r"), 0);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "null",
        "\"x\"",
        "{",
        "{\"credentials\":[\"a\"]}",
        "{\"credentials\":[\"a\"],\"keys\":[]}",
        "{\"credentials\":\"a\",\"keys\":[\"k\"]}",
        "{\"credentials\":[{}],\"keys\":[\"k\"]}",
        "{\"credentials\":[\"a\"],\"keys\":[\"k\"],\"in_query\":false,\"in_header\":false}",
        "{\"credentials\":[\"a\"],\"keys\":[\"k\"],\"in_query\":1}",
        "{\"credentials\":[\"a\"],\"keys\":[\"k\"],\"global_auth\":\"maybe\"}",
        "{\"credentials\":[\"a\"],\"keys\":[\"k\"],\"realm\":[]}",
        "{\"credentials\":[\"a\"],\"consumers\":[],\"keys\":[\"k\"]}",
        "{\"keys\":[\"k\"]}",
        "{\"consumers\":[{\"credential\":\"a\"}],\"keys\":[\"k\"]}",
        "{\"consumers\":[{\"name\":\"n\"}],\"keys\":[\"k\"]}",
        "{\"consumers\":[{\"name\":\"n\",\"credential\":\"a\",\"credentials\":[\"b\"]}],\"keys\":[\"k\"]}",
        "{\"consumers\":[{\"name\":\"n\",\"credential\":\"a\"},{\"name\":\"m\",\"credential\":\"a\"}]}",
        "{\"consumers\":[7],\"keys\":[\"k\"]}",
        "{\"consumers\":{},\"keys\":[\"k\"]}",
        "{\"_rules_\":{}}",
        "{\"_rules_\":[7]}",
        "{\"_rules_\":[{\"credentials\":[\"a\"],\"keys\":[\"k\"]}]}",
        "{\"_rules_\":[{\"_match_route_\":\"r\",\"allow\":[]}]}",
        "{\"_rules_\":[{\"_match_route_\":[{}],\"allow\":[]}]}",
        "{\"_rules_\":[{\"_match_route_\":[\"r\"],\"allow\":\"x\"}]}",
        "{\"_rules_\":[{\"_match_route_\":[\"r\"],\"keys\":[\"k\"]}]}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (configure(bad[i])) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_true(fake.log[0] != '\0'); /* and says why */
    }
    assert_true(configure("")); /* no configuration: nothing to do */
    assert_int_equal(ASK(0), 0);
    assert_true(configure("{\"_rules_\":[]}"));
    /* A rule's unusable fields do not matter next to an allow list. */
    assert_true(configure("{\"_rules_\":[{\"_match_route_\":[\"r\"],\"keys\":[\"k\"],\"allow\":[]}]}"));
}

/* Configuring again replaces the rules and does not add to them. */
static void test_reconfigure(void **state)
{
    (void)state;
    assert_true(configure("{\"_rules_\":[{\"_match_route_\":[\"r\"],\"_disable_\":true}]}"));
    assert_true(
        configure("{\"_rules_\":[{\"_match_route_\":[\"r\"],\"credentials\":[\"a\"],\"keys\":[\"k\"]}]}"));
    assert_int_equal(ASK(.route = "r"), 401);
    assert_false(configure("{")); /* and a refused one leaves the last good one */
    assert_int_equal(ASK(.route = "r"), 401);
}

/* What a request costs the host: this many calls, no more. */
static void test_host_calls(void **state)
{
    (void)state;
    assert_true(configure(consumers));
    fake.level = WP_LOG_INFO;
    fake.request.n = 0;
    fake_set(&fake.request, WP_STR("apikey"), "c1");
    fake.calls = 0;
    assert_int_equal(run_request(), 0);
    /* route_name, :authority for the third rule, apikey, X-Mse-Consumer */
    assert_int_equal(fake.calls, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_a_consumer_that_listens_nowhere),
        cmocka_unit_test(test_consumer_header_is_replaced),
        cmocka_unit_test(test_first_consumer_wins),
        cmocka_unit_test(test_global_auth),
        cmocka_unit_test(test_rule_matching),
        cmocka_unit_test(test_first_rule_wins),
        cmocka_unit_test(test_refused_configurations),
        cmocka_unit_test(test_reconfigure),
        cmocka_unit_test(test_host_calls),
    };
    return RUN_PLUGIN_TESTS(tests);
}
