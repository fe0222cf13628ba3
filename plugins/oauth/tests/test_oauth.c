/* oauth's verdicts and tokens, by its exports, against the fake host. */
#include "plugin_test.h"
#include "jwt.h"

#define CLIENT "9515b564-0b1d-11ee-9c4c-00163e1250b5"
#define SECRET "9e55de56-0b1d-11ee-b8ec-00163e1250b5"
#define CONSUMER "{\"name\":\"consumer1\",\"client_id\":\"" CLIENT "\",\"client_secret\":\"" SECRET "\"}"
#define FORM "grant_type=client_credentials&client_id=" CLIENT "&client_secret=" SECRET

struct request {
    const char *method, *path, *route, *type, *token, *header;
    const char *body[3]; /* chunks; NULL: the headers are all */
    bool trailers;
};

static uint32_t send_body(const struct request *r, uint32_t action)
{
    static char all[512];
    all[0] = '\0';
    for (int i = 0; i < 3 && r->body[i] && !fake.responded; i++) {
        bool last = (i == 2 || !r->body[i + 1]) && !r->trailers;
        strcat(all, r->body[i]);
        fake.body = wp_str_of(all);
        action = proxy_on_request_body(STREAM, (uint32_t)fake.body.len, last);
    }
    return r->trailers ? proxy_on_request_trailers(STREAM, 1) : action;
}

static uint32_t ask(struct request r)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":scheme"), "https");
    fake_set(&fake.request, WP_STR(":authority"), "example.com:8443");
    fake_set(&fake.request, WP_STR(":method"), r.method ? r.method : "GET");
    fake_set(&fake.request, WP_STR(":path"), r.path ? r.path : "/");
    if (r.route) {
        fake_set(&fake.properties, WP_STR("route_name"), r.route);
    }
    if (r.type) {
        fake_set(&fake.request, WP_STR("content-type"), r.type);
    }
    if (r.token) {
        char value[1000];
        snprintf(value, sizeof value, "Bearer %s", r.token);
        fake_set(&fake.request, wp_str_of(r.header ? r.header : "authorization"), value);
    }
    proxy_on_context_create(STREAM, ROOT);
    uint32_t action = proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, !r.body[0]);
    if (!fake.responded && r.body[0]) {
        action = send_body(&r, action);
    }
    return end_request(action);
}

#define ASK(...) ask((struct request){__VA_ARGS__})
#define FORM_TYPE "application/x-www-form-urlencoded"

static const char *consumer(void)
{
    const char *name = fake_get(&fake.request, "x-mse-consumer");
    return name ? name : "";
}

/* A token of these claims, signed with the consumer's secret. */
static const char *sign(const char *header, const char *claims, const char *secret)
{
    static char token[1000];
    struct wp_hmac_key key;
    proxy_on_context_create(ROOT, 0);
    wp_hmac_key_init(&key, WP_SHA256, wp_str_of(secret));
    struct wp_str t = jwt_sign_hs256(wp_str_of(header), wp_str_of(claims), &key);
    snprintf(token, sizeof token, "%.*s", WP_ARG(t));
    return token;
}

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}"
#define CLAIMS(aud, iat, exp, more)                                                                          \
    "{\"iss\":\"Higress-Gateway\",\"sub\":\"consumer1\",\"aud\":\"" aud "\",\"iat\":" iat ",\"exp\":" exp    \
    ",\"client_id\":\"" CLIENT "\"" more "}"

/* The token in the last answer. */
static const char *given(void)
{
    static char token[1000];
    const char *at = strstr(fake.response_body, "\"access_token\": \"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"access_token\": \"%999[^\"]", token), 1);
    return token;
}

static void test_a_token_is_given_and_lets_in(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
    assert_int_equal(ASK(.path = "/oauth2/token?" FORM "&scope=a%20%22b%22"), 200);
    assert_string_equal(fake_get(&fake.response_headers, "content-type"), "application/json");
    assert_string_equal(fake_get(&fake.response_headers, "cache-control"), "no-store");
    assert_int_equal(
        strncmp(fake.response_body, "\n{\n  \"token_type\": \"bearer\",\n  \"access_token\": \"", 46), 0);
    assert_non_null(strstr(fake.response_body, "\",\n  \"expires_in\": 7200\n}"));
    char token[1000];
    strcpy(token, given());

    struct jwt jwt;
    struct wp_str s;
    assert_int_equal(jwt_parse(wp_str_of(token), &jwt), JWT_OK);
    assert_true(claims_str(&jwt.header, WP_STR("typ"), &s) && wp_str_eq(s, WP_STR("application/at+jwt")));
    assert_true(claims_str(&jwt.claims, WP_STR("aud"), &s) && wp_str_eq(s, WP_STR("default")));
    assert_true(claims_str(&jwt.claims, WP_STR("scope"), &s) && wp_str_eq(s, WP_STR("a \"b\"")));
    assert_true(claims_str(&jwt.claims, WP_STR("jti"), &s) && s.len == 36 && s.at[14] == '4');
    assert_int_equal(claims_find(&jwt.claims, WP_STR("iat"))->integer, 1700000000);
    assert_int_equal(claims_find(&jwt.claims, WP_STR("exp"))->integer, 1700007200);

    assert_int_equal(ASK(.token = token), 0);
    assert_string_equal(consumer(), "consumer1");
    assert_non_null(fake_get(&fake.request, "authorization"));
    fake.now_ns += 7260000000000;
    assert_int_equal(ASK(.token = token), 0);
    fake.now_ns += 1000000000;
    assert_int_equal(ASK(.token = token), 401);
    assert_string_equal(fake.response_body, "Invalid Jwt token");
    assert_string_equal(fake.www_authenticate, "Bearer realm=\"https://example.com:8443/\"");
    assert_string_equal(fake.details, "oauth_access_denied{Invalid_Jwt_token}");
    assert_string_equal(consumer(), "");
    /* Two tokens are never the same. */
    assert_int_equal(ASK(.path = "/oauth2/token?" FORM), 200);
    strcpy(token, given());
    assert_int_equal(ASK(.path = "/oauth2/token?" FORM), 200);
    assert_string_not_equal(token, given());
}

static void test_the_form_in_a_body(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
#define POST(...) ASK(.method = "POST", .path = "/x/oauth2/token", .type = FORM_TYPE, __VA_ARGS__)
    assert_int_equal(POST(.body = {FORM}), 200);
    assert_int_equal(
        POST(.body = {"grant_type=client_cre", "dentials&client_id=" CLIENT, "&client_secret=" SECRET}), 200);
    assert_int_equal(POST(.body = {FORM}, .trailers = true), 200);
    assert_int_equal(ASK(.method = "POST", .path = "/oauth2/token",
                         .type = "Application/X-www-form-urlencoded; charset=utf-8", .body = {FORM}),
                     200);
    assert_int_equal(POST(.body = {""}), 400);
    assert_string_equal(fake.response_body, "Authorize parameters are missing");
    assert_int_equal(POST(0), 400); /* no body at all, as an upstream must not see it either */
    assert_int_equal(
        ASK(.method = "POST", .path = "/oauth2/token", .type = "application/json", .body = {FORM}), 400);
    assert_string_equal(fake.response_body, "Invalid content-type");
    assert_int_equal(ASK(.method = "POST", .path = "/oauth2/token?" FORM, .body = {""}), 400);
    /* Other methods are requests like any. */
    assert_int_equal(ASK(.method = "PUT", .path = "/oauth2/token", .type = FORM_TYPE, .body = {FORM}), 401);
    /* A body of a request that is not for the endpoint passes. */
    const char *token = sign(HEADER, CLAIMS("x", "1700000000", "1700000001", ""), SECRET);
    assert_int_equal(ASK(.method = "POST", .path = "/orders", .token = token, .body = {"a", "b"}), 0);
}

static void test_a_body_without_end(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
    fake_set(&fake.request, WP_STR(":path"), "/oauth2/token");
    fake_set(&fake.request, WP_STR(":method"), "POST");
    fake_set(&fake.request, WP_STR("content-type"), FORM_TYPE);
    proxy_on_context_create(STREAM, ROOT);
    assert_int_equal(proxy_on_request_headers(STREAM, 3, 0), WP_PAUSE);
    static char large[70000];
    memset(large, 'a', sizeof large);
    fake.body = (struct wp_str){large, 65536};
    assert_int_equal(proxy_on_request_body(STREAM, 65536, 0), WP_PAUSE);
    assert_false(fake.responded);
    fake.body.len = 65537;
    assert_int_equal(proxy_on_request_body(STREAM, 65537, 0), WP_PAUSE);
    assert_int_equal(fake.status, 413);
    proxy_on_delete(STREAM);
}

static void test_refused_forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "Authorize parameters are missing"},
        {"a=b", "grant_type is missing"},
        {"grant_type=password", "grant_type:password is not support"},
        {"grant_type=client_credentials", "client_id is missing"},
        {"grant_type=client_credentials&client_id=x", "invalid client_id or client_secret"},
        {"grant_type=client_credentials&client_id=" CLIENT, "client_secret is missing"},
        {"grant_type=client_credentials&client_id=" CLIENT "&client_secret=x",
         "invalid client_id or client_secret"},
        {"grant_type=client_credentials&client_id=" CLIENT "&client_secret=",
         "invalid client_id or client_secret"},
        {FORM "&scope=%ff", "scope is not UTF-8"},
    };
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        snprintf(path, sizeof path, "/oauth2/token?%s", cases[i][0]);
        assert_int_equal(ASK(.path = path), 400);
        assert_string_equal(fake.response_body, cases[i][1]);
    }
    assert_int_equal(ASK(.path = "/oauth2/token?grant_type=a%20b"), 400);
    assert_string_equal(fake.details, "oauth_access_denied{grant_type:a_b_is_not_support}");
    assert_int_equal(fake.response_headers.n, 0);
}

/* The demonstration's token, which expired in 2022. */
static const char demo_token[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6ImFwcGxpY2F0aW9uL2F0K2p3dCJ9."
    "eyJhdWQiOiJ0ZXN0MiIsImNsaWVudF9pZCI6Ijk1MTViNTY0LTBiMWQtMTFlZS05YzRjLTAwMTYzZTEyNTBiNSIsImV4cCI6MTY2NTY3"
    "MzgyOSwi"
    "aWF0IjoxNjY1NjczODE5LCJpc3MiOiJIaWdyZXNzLUdhdGV3YXkiLCJqdGkiOiIxMDk1OWQxYi04ZDYxLTRkZWMtYmVhNy05NDgxMDM3"
    "NWI2M2Mi"
    "LCJzY29wZSI6InRlc3QiLCJzdWIiOiJjb25zdW1lcjEifQ.LsZ6mlRxlaqWa0IAZgmGVuDgypRbctkTcOyoCxqLrHY";

static void test_a_skew_of_a_century(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER "],\"clock_skew_seconds\":3153600000}"));
    assert_int_equal(ASK(.token = demo_token), 0);
    assert_string_equal(consumer(), "consumer1");
    char changed[sizeof demo_token];
    for (size_t i = 0; i < sizeof demo_token - 1; i++) {
        memcpy(changed, demo_token, sizeof demo_token);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(ASK(.token = changed), 401);
    }
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
    assert_int_equal(ASK(.token = demo_token), 401);
}

static void test_refused_tokens(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER "]}"));
#define TOKEN(header, claims) ASK(.token = sign(header, claims, SECRET))
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000000", "1700000000", "")), 0);
    assert_int_equal(TOKEN("{\"alg\":\"HS256\",\"typ\":\"APPLICATION/AT+JWT\"}",
                           CLAIMS("x", "1700000000", "1700000000", "")),
                     0);
    assert_int_equal(
        TOKEN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", CLAIMS("x", "1700000000", "1700000000", "")), 401);
    assert_int_equal(TOKEN("{\"alg\":\"HS256\"}", CLAIMS("x", "1700000000", "1700000000", "")), 401);
    assert_int_equal(TOKEN("{\"alg\":\"none\",\"typ\":\"application/at+jwt\"}",
                           CLAIMS("x", "1700000000", "1700000000", "")),
                     401);
    assert_int_equal(TOKEN("{\"alg\":\"HS512\",\"typ\":\"application/at+jwt\"}",
                           CLAIMS("x", "1700000000", "1700000000", "")),
                     401);
    assert_int_equal(ASK(.token = sign(HEADER, CLAIMS("x", "1700000000", "1700000000", ""), "other")), 401);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000061", "1800000000", "")), 401); /* iat */
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000060", "1800000000", "")), 0);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000000", "1699999939", "")), 401);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000000", "1800000000", ",\"nbf\":1700000061")), 401);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000000", "1.8e9", "")), 401);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "\"1700000000\"", "1800000000", "")), 401);
    assert_int_equal(TOKEN(HEADER, CLAIMS("x", "1700000000", "1800000000", ",\"client_id\":\"" CLIENT "\"")),
                     401);
    assert_int_equal(TOKEN(HEADER, "{}"), 401);
    assert_int_equal(TOKEN(HEADER,
                           "{\"iss\":\"other\",\"sub\":\"consumer1\",\"aud\":\"x\",\"iat\":1700000000,"
                           "\"exp\":1800000000,\"client_id\":\"" CLIENT "\"}"),
                     401);
    assert_int_equal(
        TOKEN(HEADER, "{\"iss\":\"Higress-Gateway\",\"sub\":\"consumer2\",\"aud\":\"x\",\"iat\":1700000000,"
                      "\"exp\":1800000000,\"client_id\":\"" CLIENT "\"}"),
        401);
    assert_int_equal(
        TOKEN(HEADER, "{\"iss\":\"Higress-Gateway\",\"sub\":\"consumer1\",\"aud\":[\"x\"],\"iat\":1700000000,"
                      "\"exp\":1800000000,\"client_id\":\"" CLIENT "\"}"),
        401);
    assert_int_equal(ASK(0), 401);
    assert_int_equal(ASK(.token = ""), 401);
    assert_int_equal(ASK(.token = "\xff\xfe.\x80.\xc3"), 401);
    assert_int_equal(ASK(.path = "/a\"b\\c?q=1"), 401);
    assert_string_equal(fake.www_authenticate, "Bearer realm=\"https://example.com:8443/a_b_c?q=1\"");
}

static void test_routes_and_allow_lists(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER
                          ",{\"name\":\"two\",\"client_id\":2,\"client_secret\":\"s\"}],"
                          "\"global_credentials\":false,\"global_auth\":true,\"_rules_\":["
                          "{\"_match_route_\":[\"r1\"],\"allow\":[\"consumer1\"]},"
                          "{\"_match_route_\":[\"r2\"],\"allow\":[\"two\"]},"
                          "{\"_match_route_\":[\"r3\"],\"_match_service_\":[\"s.dns\"],\"allow\":[\"two\"]},"
                          "{\"_match_route_\":[\"off\"],\"_disable_\":true}]}"));
    assert_int_equal(ASK(.path = "/oauth2/token?" FORM, .route = "r1"), 200);
    char token[1000];
    strcpy(token, given());
    assert_int_equal(ASK(.token = token, .route = "r1"), 0);
    assert_int_equal(ASK(.token = token, .route = "r2"), 403);
    assert_string_equal(fake.response_body, "Access Denied");
    assert_string_equal(fake.details, "oauth_access_denied{Access_Denied}");
    assert_string_equal(consumer(), "");
    assert_int_equal(ASK(.token = token, .route = "other"), 403); /* bound to r1 */
    assert_int_equal(ASK(.route = "off"), 0);
    assert_int_equal(
        ASK(.path = "/oauth2/token?grant_type=client_credentials&client_id=2&client_secret=s", .route = "r2"),
        200);
    strcpy(token, given());
    assert_int_equal(ASK(.token = token, .route = "r2"), 0);
    assert_string_equal(consumer(), "two");
    assert_int_equal(ASK(.token = token, .route = "r1"), 403);
}

static void test_fields(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[" CONSUMER
                          "],\"issuer\":\"me\",\"auth_header\":\"x-token\",\"auth_path\":\"login\","
                          "\"token_ttl\":\"60\",\"keep_token\":false}"));
    assert_int_equal(ASK(.path = "/oauth2/token?" FORM), 401);
    assert_int_equal(ASK(.path = "/v1/login?" FORM), 200);
    assert_non_null(strstr(fake.response_body, "\"expires_in\": 60\n"));
    char token[1000];
    strcpy(token, given());
    assert_int_equal(ASK(.token = token), 401);
    assert_int_equal(ASK(.token = token, .header = "x-token"), 0);
    assert_null(fake_get(&fake.request, "x-token"));
    assert_true(
        configure("{\"consumers\":[" CONSUMER "],\"auth_path\":\"\",\"token_ttl\":9223372036854775807}"));
    assert_int_equal(ASK(.path = "/?" FORM), 200);
    assert_int_equal(ASK(.path = "/x", .token = given()), 0);
}

static void test_configurations(void **state)
{
    (void)state;
    assert_true(configure("{\"consumers\":[]}"));
    assert_int_equal(ASK(.token = demo_token), 401);
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"consumers\":{}}",
        "{\"consumers\":[1]}",
        "{\"consumers\":[{\"name\":\"a\",\"client_id\":\"b\"}]}",
        "{\"consumers\":[{\"name\":\"a\",\"client_id\":\"b\",\"client_secret\":\"\"}]}",
        "{\"consumers\":[" CONSUMER "," CONSUMER "]}",
        "{\"consumers\":[" CONSUMER ",{\"name\":\"consumer1\",\"client_id\":\"x\",\"client_secret\":\"y\"}]}",
        "{\"consumers\":[" CONSUMER ",{\"name\":\"x\",\"client_id\":\"" CLIENT
        "\",\"client_secret\":\"y\"}]}",
        "{\"consumers\":[],\"token_ttl\":0}",
        "{\"consumers\":[],\"token_ttl\":\"x\"}",
        "{\"consumers\":[],\"clock_skew_seconds\":-1}",
        "{\"consumers\":[],\"clock_skew_seconds\":9223372036854775808}",
        "{\"consumers\":[],\"keep_token\":1}",
        "{\"consumers\":[],\"auth_header\":\"\"}",
    };
    assert_all_refused(bad, COUNT(bad));
    assert_int_equal(ASK(.token = demo_token), 401); /* the last good one is in force */
    assert_true(configure(""));
    assert_int_equal(ASK(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_given_and_lets_in),
        cmocka_unit_test(test_the_form_in_a_body),
        cmocka_unit_test(test_a_body_without_end),
        cmocka_unit_test(test_refused_forms),
        cmocka_unit_test(test_a_skew_of_a_century),
        cmocka_unit_test(test_refused_tokens),
        cmocka_unit_test(test_routes_and_allow_lists),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_configurations),
    };
    return RUN_PLUGIN_TESTS(tests);
}
