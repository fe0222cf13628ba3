/* hmac-auth's verdicts, by its exports, against the fake host.  Signatures are made of strings that are
 * written out here, but for two that are Higress's own. */
#include <stdlib.h>

#include "plugin_test.h"
#include "weir_crypto.h"

/* Configured anew, at the time of the dates below. */
static bool start(const char *json)
{
    bool ok = configure(json);
    fake.now_ns = 1525872629832000000u;
    return ok;
}

struct request {
    const char *method, *path, *route, *key, *signature, *headers[12]; /* names and values */
    const char *body[3];                                               /* chunks; NULL: the headers are all */
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
        assert_true(last || fake.responded || action == WP_PAUSE); /* the upstream hears nothing yet */
    }
    return r->trailers ? proxy_on_request_trailers(STREAM, 1) : action;
}

/* 0: passed; else the status of the answer. */
static uint32_t ask(struct request r)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":method"), r.method ? r.method : "GET");
    fake_set(&fake.request, WP_STR(":path"), r.path ? r.path : "/");
    if (r.route) {
        fake_set(&fake.properties, WP_STR("route_name"), r.route);
    }
    fake_set(&fake.request, WP_STR("x-ca-key"), r.key ? r.key : "appKey");
    if (r.signature) {
        fake_set(&fake.request, WP_STR("x-ca-signature"), r.signature);
    }
    for (int i = 0; i < 12 && r.headers[i]; i += 2) {
        fake_set(&fake.request, wp_str_of(r.headers[i]), r.headers[i + 1]);
    }
    proxy_on_context_create(STREAM, ROOT);
    uint32_t action = proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, !r.body[0]);
    if (!fake.responded && r.body[0]) {
        action = send_body(&r, action);
    }
    return end_request(action);
}

#define ASK(...) ask((struct request){__VA_ARGS__})

static const char *sign_with(enum wp_digest d, const char *secret, const char *text)
{
    static char signatures[4][128];
    static unsigned next;
    struct wp_hmac_key key;
    struct wp_str t = wp_str_of(text);
    proxy_on_context_create(ROOT, 0);
    wp_hmac_key_init(&key, d, wp_str_of(secret));
    struct wp_str s = wp_base64_encode(wp_hmac(&key, &t, 1));
    char *out = signatures[next++ % 4];
    snprintf(out, 128, "%.*s", WP_ARG(s));
    return out;
}

static const char *sign(const char *text)
{
    return sign_with(WP_SHA256, "appSecret", text);
}

static const char *told(void)
{
    const char *message = fake_get(&fake.response_headers, "x-ca-error-message");
    return message ? message : "";
}

static const char one[] = "{\"credentials\":[{\"key\":\"appKey\",\"secret\":\"appSecret\"}]}";

/* Made by others: Higress's own tests. */
static void test_signatures_of_others(void **state)
{
    (void)state;
    assert_true(start(one));
#define CHECK_SIGN                                                                                           \
    .path = "/Third/Tools/checkSign", .headers = {"accept",                                                  \
                                                  "application/json",                                        \
                                                  "content-type",                                            \
                                                  "application/json",                                        \
                                                  "x-ca-timestamp",                                          \
                                                  "1646365291734",                                           \
                                                  "x-ca-nonce",                                              \
                                                  "787dd0c2-7bd8-41cd-9c19-62c05ea524a2",                    \
                                                  "x-ca-signature-headers",                                  \
                                                  "x-ca-key,x-ca-nonce,x-ca-timestamp"}
    assert_int_equal(ASK(CHECK_SIGN, .signature = "EdJSFAMOWyXZOpXhevZnjuS0ZafnwnCqaSk5hz+tXo8="), 0);
    assert_int_equal(ASK(CHECK_SIGN, .signature = "EdJSFAMOWyXZOpXhevZnjuS0ZafnwnCqaSk5hz+tXo9="), 400);
    assert_string_equal(told(),
                        "Server StringToSign:`GET#application/json##application/json##x-ca-key:appKey#"
                        "x-ca-nonce:787dd0c2-7bd8-41cd-9c19-62c05ea524a2#x-ca-timestamp:1646365291734#"
                        "/Third/Tools/checkSign`");
    assert_string_equal(fake.response_body, "Invalid Signature");
    assert_string_equal(fake.details, "Invalid Signature");
    assert_int_equal(ASK(.method = "POST", .path = "/Third/User/getNyAccessToken",
                         .headers = {"accept", "application/json", "content-type",
                                     "application/x-www-form-urlencoded", "x-ca-timestamp", "1646646682418",
                                     "x-ca-nonce", "ca5a6753-b76c-4fff-a9d9-e5bb643e8cdf",
                                     "x-ca-signature-headers", "x-ca-key,x-ca-nonce,x-ca-timestamp"},
                         .signature = "gmf9xq0hc95Hmt+7G+OocS009ka3v1v0rvfshKzYc3w=",
                         .body = {"nickname=nickname&room_id=", "6893&uuid=uuid&photo", "=photo"}),
                     0);
}

static void test_the_string_to_sign(void **state)
{
    (void)state;
    assert_true(start(one));
    /* Nothing but method and path. */
    assert_int_equal(ASK(.signature = sign("GET\n\n\n\n\n/")), 0);
    assert_int_equal(ASK(.signature = sign("POST\n\n\n\n\n/")), 400);
    assert_int_equal(ASK(.path = "/a%20b", .signature = sign("GET\n\n\n\n\n/a%20b")), 0);
    /* Parameters: sorted, decoded, the first of equal ones, an equals sign always. */
    assert_int_equal(ASK(.path = "/p?b=2&a=%31&b=3&c", .signature = sign("GET\n\n\n\n\n/p?a=1&b=2&c=")), 0);
    assert_int_equal(ASK(.path = "/p?ab=1&a=2&%61=3&B=4", .signature = sign("GET\n\n\n\n\n/p?B=4&a=2&ab=1")),
                     0);
    assert_int_equal(ASK(.path = "/p?", .signature = sign("GET\n\n\n\n\n/p")), 0);
    assert_int_equal(ASK(.path = "/p?a+b=c+d&%zz=%4", .signature = sign("GET\n\n\n\n\n/p?%zz=%4&a+b=c+d")),
                     0);
    assert_int_equal(ASK(.path = "/p?&a=1", .signature = sign("GET\n\n\n\n\n/p?=&a=1")), 0);
    /* Headers: the five in their places, the named ones lower-cased and sorted, some never. */
    assert_int_equal(ASK(.path = "/p",
                         .headers = {"accept", "*/*", "content-type", "text/x", "date", "d", "X-B", "2",
                                     "x-a", "1", "x-ca-signature-headers",
                                     "X-B, x-a,Accept,date,content-md5,:method,content-type,"
                                     "X-Ca-Signature,x-ca-signature-headers,x-missing,,"},
                         .signature = sign("GET\n*/*\n\ntext/x\nd\nx-a:1\nx-b:2\nx-missing:\n/p")),
                     0);
    assert_int_equal(ASK(.headers = {"x-ca-signature-method", "HmacSHA1"},
                         .signature = sign_with(WP_SHA1, "appSecret", "GET\n\n\n\n\n/")),
                     0);
    assert_int_equal(ASK(.headers = {"x-ca-signature-method", "hmacsha1"},
                         .signature = sign_with(WP_SHA1, "appSecret", "GET\n\n\n\n\n/")),
                     400);
    assert_int_equal(
        ASK(.headers = {"x-ca-signature-method", "HmacMD5"}, .signature = sign("GET\n\n\n\n\n/")), 0);
    assert_int_equal(
        ASK(.headers = {"x-ca-signature-method", "HmacSHA1", "x-ca-signature-headers",
                        "x-ca-signature-method"},
            .signature = sign_with(WP_SHA1, "appSecret", "GET\n\n\n\n\nx-ca-signature-method:HmacSHA1\n/")),
        0);
    /* Nothing of the request can write a line of its own into the answer. */
    assert_int_equal(ASK(.path = "/p?a=%0d%0aSet-Cookie:%20x", .signature = "no"), 400);
    assert_string_equal(told(), "Server StringToSign:`GET#####/p?a=##Set-Cookie: x`");
}

static void test_bounds(void **state)
{
    (void)state;
    assert_true(start(one));
    char names[1000] = "a0";
    for (int i = 1; i < 64; i++) {
        snprintf(names + strlen(names), 10, ",a%d", i);
    }
    assert_int_equal(ASK(.headers = {"x-ca-signature-headers", names}, .signature = "no"), 400);
    assert_string_not_equal(told(), "");
    strcat(names, ",b");
    assert_int_equal(ASK(.headers = {"x-ca-signature-headers", names}, .signature = "no"), 400);
    assert_string_equal(told(), "");
}

static void test_keys(void **state)
{
    (void)state;
    assert_true(start(one));
    const char *good = sign("GET\n\n\n\n\n/");
    assert_int_equal(ASK(.signature = good), 0);
    assert_null(fake_get(&fake.request, "x-mse-consumer"));
    assert_int_equal(ASK(.key = "other", .signature = good), 401);
    assert_string_equal(fake.response_body, "Invalid Key");
    assert_int_equal(ASK(.key = "", .signature = good), 401);
    assert_int_equal(ASK(0), 401);
    assert_string_equal(fake.response_body, "Empty Signature");
    for (size_t i = 0; good[i] != '\0'; i++) {
        char changed[64];
        strcpy(changed, good);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(ASK(.signature = changed), 400);
    }
}

static void test_consumers(void **state)
{
    (void)state;
    assert_true(start("{\"consumers\":[{\"key\":\"appKey\",\"secret\":\"appSecret\",\"name\":\"one\"},"
                      "{\"key\":2,\"secret\":\"s2\",\"name\":\"two\"}],\"global_auth\":false,"
                      "\"_rules_\":[{\"_match_route_\":[\"r1\"],\"allow\":[\"one\"]},"
                      "{\"_match_route_\":[\"r2\"],\"allow\":[]},"
                      "{\"_match_route_\":[\"r3\"],\"credentials\":[{\"key\":\"k3\",\"secret\":\"s3\"}]},"
                      "{\"_match_route_\":[\"off\"],\"_disable_\":true}]}"));
    const char *first = sign("GET\n\n\n\n\n/"), *second = sign_with(WP_SHA256, "s2", "GET\n\n\n\n\n/");
    assert_int_equal(ASK(.route = "r1", .signature = first), 0);
    assert_string_equal(fake_get(&fake.request, "x-mse-consumer"), "one");
    assert_int_equal(ASK(.route = "r1", .key = "2", .signature = second), 403);
    assert_string_equal(fake.response_body, "Unauthorized Consumer");
    assert_int_equal(ASK(.route = "r1", .key = "2", .signature = "no"), 403);
    assert_int_equal(ASK(.route = "r2", .signature = first), 403);
    assert_int_equal(ASK(.route = "r1", .signature = "no"), 400);
    assert_null(fake_get(&fake.request, "x-mse-consumer"));
    /* global_auth false does not switch off what a rule has of its own. */
    assert_int_equal(ASK(.route = "r3", .signature = first), 401);
    assert_int_equal(
        ASK(.route = "r3", .key = "k3", .signature = sign_with(WP_SHA256, "s3", "GET\n\n\n\n\n/")), 0);
    assert_int_equal(ASK(.route = "off"), 0);
    assert_int_equal(ASK(.route = "unmatched"), 0);
    assert_true(start("{\"credentials\":[{\"key\":\"a\",\"secret\":\"b\"}],\"global_auth\":false}"));
    assert_int_equal(ASK(.signature = "no"), 401);
}

static uint32_t dated(const char *date, const char *timestamp)
{
    char text[128];
    snprintf(text, sizeof text, "GET\n\n\n\n%s\n/", date ? date : "");
    return ASK(.headers = {date ? "date" : "x", date ? date : "y", timestamp ? "x-ca-timestamp" : "x",
                           timestamp ? timestamp : "y"},
               .signature = sign(text));
}

static void test_dates(void **state)
{
    (void)state;
    assert_true(
        start("{\"credentials\":[{\"key\":\"appKey\",\"secret\":\"appSecret\"}],\"date_offset\":\"10\"}"));
    /* It is 13:30:29.832. */
    assert_int_equal(dated("Wed, 09 May 2018 13:30:29 GMT", NULL), 0);
    assert_int_equal(dated("Wed, 09 May 2018 13:30:29 GMT+00:00", "1"), 0); /* the date counts */
    assert_int_equal(dated("Wednesday, 09-May-18 13:30:29 GMT", NULL), 0);
    assert_int_equal(dated("Wed May  9 13:30:29 2018", NULL), 0);
    assert_int_equal(dated("Wed, 09 May 2018 13:30:20 GMT", NULL), 0);
    assert_int_equal(dated("Wed, 09 May 2018 13:30:19 GMT", NULL), 400); /* 10.832 s */
    assert_string_equal(fake.response_body, "Invalid Date");
    assert_int_equal(dated("Wed, 09 May 2018 13:30:39 GMT", NULL), 0);
    assert_int_equal(dated("Wed, 09 May 2018 13:30:40 GMT", NULL), 400);
    assert_int_equal(dated("yesterday", NULL), 400);
    assert_int_equal(dated(NULL, NULL), 400);
    assert_int_equal(dated(NULL, "1525872629832"), 0);
    assert_int_equal(dated(NULL, "1525872639832"), 0);
    assert_int_equal(dated(NULL, "1525872639833"), 400);
    assert_int_equal(dated(NULL, "1525872619832"), 0);
    assert_int_equal(dated(NULL, "1525872619831"), 400);
    assert_int_equal(dated(NULL, "1525872629"), 0);
    assert_int_equal(dated(NULL, "1525872619"), 400);
    assert_int_equal(dated(NULL, "-1525872629"), 400);
    assert_int_equal(dated(NULL, "1525872629x"), 400);
    assert_int_equal(dated(NULL, "99999999999999999999999"), 400);
    assert_int_equal(dated(NULL, "9223372036854775"), 400);
    /* An empty signature comes first, a wrong one last. */
    assert_int_equal(ASK(0), 401);
    assert_int_equal(ASK(.signature = "no"), 400);
    assert_string_equal(fake.response_body, "Invalid Date");
    assert_true(start("{\"credentials\":[{\"key\":\"appKey\",\"secret\":\"appSecret\"}],\"date_offset\":"
                      "9223372036854775807}"));
    assert_int_equal(dated(NULL, "1"), 0);
    assert_true(start("{\"credentials\":[{\"key\":\"appKey\",\"secret\":\"appSecret\"}],\"date_offset\":0}"));
    assert_int_equal(dated("yesterday", NULL), 0);
}

#define FORM "content-type", "application/X-www-form-urlencoded;charset=UTF-8"

static void test_forms(void **state)
{
    (void)state;
    assert_true(start("{\"consumers\":[{\"key\":\"appKey\",\"secret\":\"appSecret\",\"name\":\"one\"}]}"));
#define HEAD "POST\n\n\napplication/X-www-form-urlencoded;charset=UTF-8\n\n"
    assert_int_equal(ASK(.method = "POST", .path = "/p?q=1&a=query", .headers = {FORM},
                         .body = {"b=%3", "2&a=body"}, .signature = sign(HEAD "/p?a=query&b=2&q=1")),
                     0);
    assert_string_equal(fake_get(&fake.request, "x-mse-consumer"), "one");
    assert_int_equal(ASK(.method = "POST", .path = "/p", .headers = {FORM}, .body = {"b=2"}, .trailers = true,
                         .signature = sign(HEAD "/p?b=2")),
                     0);
    assert_int_equal(ASK(.method = "POST", .path = "/p", .headers = {FORM}, .body = {"b=2"},
                         .signature = sign(HEAD "/p?b=3")),
                     400);
    assert_null(fake_get(&fake.request, "x-mse-consumer"));
    assert_int_equal(ASK(.method = "POST", .path = "/p", .headers = {FORM}, .body = {"b=2"}), 401);
    assert_int_equal(
        ASK(.method = "POST", .path = "/p", .headers = {FORM}, .body = {""}, .signature = sign(HEAD "/p")),
        0);
    /* A form without a body is checked as well. */
    assert_int_equal(ASK(.method = "POST", .path = "/p", .headers = {FORM}, .signature = sign(HEAD "/p")), 0);
    assert_int_equal(ASK(.method = "POST", .path = "/p", .headers = {FORM}, .signature = "no"), 400);
    /* Other bodies pass behind their headers, unread. */
    assert_int_equal(ASK(.method = "POST", .headers = {"content-type", "text/plain"}, .body = {"b=2"},
                         .signature = sign("POST\n\n\ntext/plain\n\n/")),
                     0);
}

static void test_content_md5(void **state)
{
    (void)state;
    assert_true(start("{\"consumers\":[{\"key\":\"appKey\",\"secret\":\"appSecret\",\"name\":\"one\"}]}"));
#define MD5(of) "content-md5", of
#define HELLO "XUFAKrxLKna5cZ2REBfFkg==" /* of "hello" */
    assert_int_equal(ASK(.method = "POST", .headers = {MD5(HELLO)}, .body = {"he", "ll", "o"},
                         .signature = sign("POST\n\n" HELLO "\n\n\n/")),
                     0);
    assert_string_equal(fake_get(&fake.request, "x-mse-consumer"), "one");
    assert_int_equal(ASK(.method = "POST", .headers = {MD5(HELLO)}, .body = {"hel", "lo"}, .trailers = true,
                         .signature = sign("POST\n\n" HELLO "\n\n\n/")),
                     0);
    assert_int_equal(ASK(.method = "POST", .headers = {MD5(HELLO)}, .body = {"hell"},
                         .signature = sign("POST\n\n" HELLO "\n\n\n/")),
                     400);
    assert_string_equal(fake.response_body, "Invalid Content-MD5");
    assert_int_equal(ASK(.method = "POST", .headers = {MD5(HELLO)}, .body = {""},
                         .signature = sign("POST\n\n" HELLO "\n\n\n/")),
                     400);
    assert_int_equal(ASK(.headers = {MD5(HELLO)}, .signature = sign("GET\n\n" HELLO "\n\n\n/")),
                     400); /* no body */
#define NOTHING "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert_int_equal(ASK(.headers = {MD5(NOTHING)}, .signature = sign("GET\n\n" NOTHING "\n\n\n/")), 0);
    /* The signature first, and with a form the MD5 first. */
    assert_int_equal(ASK(.method = "POST", .headers = {MD5("x")}, .body = {"hello"}, .signature = "no"), 400);
    assert_string_equal(fake.response_body, "Invalid Signature");
    assert_int_equal(ASK(.method = "POST", .headers = {MD5("x"), FORM}, .body = {"hello"}, .signature = "no"),
                     400);
    assert_string_equal(fake.response_body, "Invalid Content-MD5");
    assert_int_equal(ASK(.method = "POST", .headers = {MD5(HELLO), FORM}, .body = {"hel", "lo"},
                         .signature = sign("POST\n\n" HELLO
                                           "\napplication/X-www-form-urlencoded;charset=UTF-8\n\n/?hello=")),
                     0);
}

/* A body that is refused for its size, and one just below it that is hashed in parts. */
static uint32_t large_body(const char *type, size_t bytes, const char *md5)
{
    char *body = calloc(1, bytes), text[200];
    fake.request.n = 0;
    fake.responded = false;
    snprintf(text, sizeof text, "POST\n\n%s\n%s\n\n/", md5, type);
    fake_set(&fake.request, WP_STR(":method"), "POST");
    fake_set(&fake.request, WP_STR(":path"), "/");
    fake_set(&fake.request, WP_STR("x-ca-key"), "appKey");
    fake_set(&fake.request, WP_STR("content-type"), type);
    fake_set(&fake.request, WP_STR("content-md5"), md5);
    fake_set(&fake.request, WP_STR("x-ca-signature"), sign(text));
    proxy_on_context_create(STREAM, ROOT);
    uint32_t action = proxy_on_request_headers(STREAM, 6, 0);
    for (size_t size = bytes / 2; size <= bytes && action == WP_PAUSE && !fake.responded; size += bytes / 2) {
        fake.body = (struct wp_str){body, size};
        action = proxy_on_request_body(STREAM, (uint32_t)size, size == bytes);
    }
    proxy_on_delete(STREAM);
    fake.body = WP_STR("");
    free(body);
    return fake.responded ? fake.status : 0;
}

static void test_large_bodies(void **state)
{
    (void)state;
    assert_true(start(one));
    /* MD5 of 32 MiB of zero bytes. */
    assert_int_equal(large_body("text/plain", 32 << 20, "WPBt1YjY/7O+tGraYwlDaw=="), 0);
    assert_int_equal(large_body("text/plain", 32 << 20, "x"), 400);
    assert_int_equal(large_body("text/plain", (32 << 20) + 2, "x"), 413);
    assert_int_equal(large_body("application/x-www-form-urlencoded", (1 << 20) + 2, "x"), 413);
    assert_string_equal(fake.response_body, "Request Body Too Large");
}

static void test_configurations(void **state)
{
    (void)state;
    assert_true(start(one));
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"credentials\":[]}",
        "{\"consumers\":{}}",
        "{\"date_offset\":1}",
        "{\"credentials\":[],\"consumers\":[{\"key\":\"a\",\"secret\":\"b\",\"name\":\"n\"}]}",
        "{\"credentials\":[{\"key\":\"a\"}]}",
        "{\"credentials\":[{\"secret\":\"a\"}]}",
        "{\"credentials\":[{\"key\":\"a\",\"secret\":\"\"}]}",
        "{\"credentials\":[1]}",
        "{\"consumers\":[{\"key\":\"a\",\"secret\":\"b\"}]}",
        "{\"credentials\":[{\"key\":\"a\",\"secret\":\"b\"},{\"key\":\"a\",\"secret\":\"c\"}]}",
        "{\"credentials\":[{\"key\":\"a\",\"secret\":\"b\"}],\"date_offset\":\"x\"}",
    };
    assert_all_refused(bad, COUNT(bad));
    assert_int_equal(ASK(.signature = sign("GET\n\n\n\n\n/")), 0); /* the last good one is in force */
    assert_true(start(""));
    assert_int_equal(ASK(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_of_others),
        cmocka_unit_test(test_the_string_to_sign),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_content_md5),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_configurations),
    };
    return RUN_PLUGIN_TESTS(tests);
}
