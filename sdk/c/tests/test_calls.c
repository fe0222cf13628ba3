/* Calls to other services, metrics, shared data and queues, against the fake host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fake_host.h"
#include "weir_redis.h"

struct root {
    struct wp_root wp;
    uint32_t heard, queue;
};
struct stream {
    struct wp_stream wp;
    int wants; /* what its headers callback does */
    uint32_t heard, status;
    bool failed;
};
WP_PLUGIN(struct root, struct stream)

enum { ROOT = 1 };
static char last[256]; /* what the last callback heard */
static struct stream *current;

static void http_answer(struct wp_root *root, struct wp_stream *stream, void *data,
                        const struct wp_http_answer *answer)
{
    ((struct root *)root)->heard++;
    struct wp_str body;
    wp_buffer_get(WP_CALL_BODY, 0, answer->body_bytes, &body);
    snprintf(last, sizeof last, "%s %u %d %.*s", (const char *)data, answer->status, answer->failed,
             WP_ARG(body));
    if (stream) {
        struct stream *s = (struct stream *)stream;
        s->heard++;
        wp_resume_request();
    }
}

static void redis_answer(struct wp_root *root, struct wp_stream *stream, void *data,
                         const struct wp_redis_reply *reply)
{
    ((struct root *)root)->heard++;
    snprintf(last, sizeof last, "%s %d %.*s", (const char *)data, reply->type, WP_ARG(reply->text));
    if (stream) {
        ((struct stream *)stream)->heard++;
    }
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    current = s;
    struct wp_header header = {WP_STR("x"), WP_STR("y")};
    struct wp_http_request r = {.cluster = WP_STR("auth"),
                                .method = WP_STR("POST"),
                                .path = WP_STR("/check"),
                                .headers = &header,
                                .nheaders = 1,
                                .body = WP_STR("hello")};
    if (wp_http_call(&s->wp, &r, http_answer, "http") != WP_OK) {
        return WP_CONTINUE;
    }
    struct wp_str get[] = {WP_STR("GET"), WP_STR("k\r\n")};
    if (wp_redis_call(&s->wp, WP_STR("redis"), get, 2, redis_answer, "redis") != WP_OK) {
        return WP_CONTINUE;
    }
    return WP_PAUSE;
}

static void queue_ready(struct root *root, uint32_t queue)
{
    struct wp_str data;
    root->queue = queue;
    last[0] = '\0';
    while (wp_queue_pop(queue, &data)) {
        snprintf(last + strlen(last), sizeof last - strlen(last), "%.*s;", WP_ARG(data));
    }
}

WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_QUEUE_READY(queue_ready)

static struct root *the_root(void)
{
    return (struct root *)wp_root_enter(ROOT);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    proxy_on_context_create(ROOT, 0);
    last[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(the_root()->wp.calls, 0);
    proxy_on_delete(ROOT);
    return 0;
}

static void begin(uint32_t id)
{
    proxy_on_context_create(id, ROOT);
    assert_int_equal(proxy_on_request_headers(id, 0, 1), WP_PAUSE);
}

static void test_an_http_call_is_sent_and_answered_once(void **state)
{
    (void)state;
    begin(2);
    struct wp_pairs sent;
    assert_true(wp_pairs_parse(fake.http[0].payload, &sent));
    const char *want[] = {":method", "POST", ":path", "/check", ":authority", "auth", "x", "y"};
    size_t i = 0;
    for (struct wp_header h; wp_pairs_next(&sent, &h); i += 2) {
        assert_true(wp_str_eq(h.name, wp_str_of(want[i])) && wp_str_eq(h.value, wp_str_of(want[i + 1])));
    }
    assert_int_equal(i, 8);
    assert_int_equal(fake.http[0].timeout_ms, 5000);
    assert_true(wp_str_eq(fake.http[0].service, WP_STR("auth")));
    assert_true(wp_str_eq(fake.http[0].body, WP_STR("hello")));

    fake_set(&fake.call_headers, WP_STR(":status"), "204");
    fake.call_body = WP_STR("all right");
    proxy_on_http_call_response(ROOT, 4, 1, 9, 0);
    assert_string_equal(last, "http 204 0 all right");
    assert_int_equal(fake.effective, 2);
    assert_int_equal(fake.continued, 1);
    assert_int_equal(current->heard, 1);
    proxy_on_http_call_response(ROOT, 4, 1, 9, 0); /* a second time: nobody waits */
    proxy_on_http_call_response(ROOT, 99, 1, 9, 0);
    assert_int_equal(current->heard, 1);
    fake.redis_reply = WP_STR("+OK\r\n");
    proxy_on_redis_call_response(ROOT, 7, 0, 5);
    assert_string_equal(last, "redis 1 OK");
    proxy_on_delete(2);
}

static void test_a_failed_http_call(void **state)
{
    (void)state;
    begin(2);
    proxy_on_http_call_response(ROOT, 4, 0, 0, 0);
    assert_string_equal(last, "http 0 1 ");
    fake_set(&fake.call_headers, WP_STR(":status"), "20000000000");
    proxy_on_delete(2);
    fake.call_status = WP_BAD_ARGUMENT;
    proxy_on_context_create(3, ROOT);
    assert_int_equal(proxy_on_request_headers(3, 0, 1), WP_CONTINUE);
    proxy_on_delete(3);
}

/* The stream ends before its answers: they are dropped, and the next stream, which gets the same struct, does
 * not hear them. */
static void test_answers_to_a_stream_that_is_gone(void **state)
{
    (void)state;
    begin(2);
    assert_int_equal(the_root()->wp.calls, 2);
    proxy_on_delete(2);
    assert_int_equal(the_root()->wp.calls, 0);
    begin(3);
    fake_set(&fake.call_headers, WP_STR(":status"), "200");
    fake.redis_reply = WP_STR(":1\r\n");
    proxy_on_http_call_response(ROOT, 4, 1, 0, 0);
    proxy_on_redis_call_response(ROOT, 7, 0, 4);
    assert_int_equal(the_root()->heard, 0);
    proxy_on_redis_call_response(ROOT, 11, 0, 4);
    proxy_on_http_call_response(ROOT, 8, 1, 0, 0);
    assert_int_equal(current->heard, 2);
    proxy_on_delete(3);
}

static void test_many_calls_in_another_order(void **state)
{
    (void)state;
    enum { N = 60 };
    for (uint32_t i = 0; i < N; i++) {
        begin(100 + i);
    }
    for (uint32_t i = 0; i < N; i += 3) {
        proxy_on_delete(100 + i);
    }
    assert_int_equal(the_root()->wp.calls, 80);
    fake_set(&fake.call_headers, WP_STR(":status"), "200");
    for (uint32_t i = N; i-- > 0;) {
        fake.effective = 0;
        proxy_on_http_call_response(ROOT, (i + 1) * 4, 1, 0, 0);
        assert_int_equal(fake.effective, i % 3 == 0 ? 0 : 100 + i);
    }
    for (uint32_t i = 0; i < N; i++) {
        proxy_on_redis_call_response(ROOT, (i + 1) * 4 + 3, 1, 0);
    }
    assert_int_equal(the_root()->heard, 80);
    for (uint32_t i = 0; i < N; i++) {
        proxy_on_delete(100 + i);
    }
}

/* A root's calls end with it. */
static void test_calls_of_a_root(void **state)
{
    (void)state;
    struct wp_http_request r = {.cluster = WP_STR("c"), .timeout_ms = 7};
    assert_int_equal(wp_root_http_call(&the_root()->wp, &r, http_answer, "root"), WP_OK);
    assert_int_equal(fake.http[0].timeout_ms, 7);
    fake_set(&fake.call_headers, WP_STR(":status"), "404");
    proxy_on_http_call_response(ROOT, 4, 1, 0, 0);
    assert_string_equal(last, "root 404 0 ");
    assert_int_equal(fake.effective, 0);
    struct wp_str ping = WP_STR("PING");
    proxy_on_context_create(50, 0);
    struct wp_root *other = wp_root_enter(50);
    assert_int_equal(wp_root_redis_call(other, WP_STR("r"), &ping, 1, redis_answer, "root"), WP_OK);
    proxy_on_delete(50);
    last[0] = '\0';
    proxy_on_redis_call_response(ROOT, 7, 0, 0);
    assert_string_equal(last, "");
}

static void test_redis(void **state)
{
    (void)state;
    struct wp_redis_options o = {
        .service = WP_STR("redis"), .username = WP_STR("u"), .password = WP_STR("p")};
    assert_int_equal(wp_redis_init(&o), WP_OK);
    assert_string_equal(fake.redis_init, "redis u p 1000");
    o = (struct wp_redis_options){
        .service = WP_STR("r"), .db = 3, .timeout_ms = 20, .options = WP_STR("a=b")};
    wp_redis_init(&o);
    assert_string_equal(fake.redis_init, "r?db=3&a=b   20");
    o.db = 0;
    wp_redis_init(&o);
    assert_string_equal(fake.redis_init, "r?a=b   20");
    assert_true(wp_redis_available());
    fake.call_status = WP_UNIMPLEMENTED;
    assert_false(wp_redis_available());
    fake.call_status = WP_OK;

    begin(2);
    assert_true(wp_str_eq(fake.redis[0].payload, WP_STR("*2\r\n$3\r\nGET\r\n$3\r\nk\r\n\r\n")));
    fake.status_message = WP_STR("reset");
    proxy_on_redis_call_response(ROOT, 7, 1, 0);
    assert_string_equal(last, "redis 0 reset");
    begin(3);
    fake.redis_reply = WP_STR("$5\r\nab\r\n");
    proxy_on_redis_call_response(ROOT, 11, 0, 8);
    assert_string_equal(last, "redis 0 malformed reply");
    proxy_on_delete(2);
    proxy_on_delete(3);
}

static bool decodes(const char *text, struct wp_redis_reply *reply)
{
    return wp_redis_decode(wp_str_of(text), reply);
}

static void test_replies(void **state)
{
    (void)state;
    struct wp_redis_reply r;
    assert_true(decodes("+OK\r\n", &r) && r.type == WP_REDIS_STATUS && wp_str_eq(r.text, WP_STR("OK")));
    assert_true(decodes("-ERR no\r\n", &r) && r.type == WP_REDIS_ERROR &&
                wp_str_eq(r.text, WP_STR("ERR no")));
    assert_true(decodes(":-9223372036854775808\r\n", &r) && r.integer == INT64_MIN);
    assert_true(decodes(":9223372036854775807\r\n", &r) && r.integer == INT64_MAX);
    assert_true(decodes("$0\r\n\r\n", &r) && r.type == WP_REDIS_STRING && r.text.len == 0);
    assert_true(decodes("$4\r\na\r\nb\r\n", &r) && wp_str_eq(r.text, WP_STR("a\r\nb")));
    assert_true(decodes("$-1\r\n", &r) && r.type == WP_REDIS_NIL);
    assert_true(decodes("*-1\r\n", &r) && r.type == WP_REDIS_NIL);
    assert_true(decodes("*0\r\n", &r) && r.type == WP_REDIS_ARRAY && r.nelements == 0);
    assert_true(decodes("*3\r\n:1\r\n*2\r\n+a\r\n$-1\r\n$1\r\nz\r\n", &r) && r.nelements == 3);
    assert_int_equal(r.elements[1].nelements, 2);
    assert_int_equal(r.elements[1].elements[1].type, WP_REDIS_NIL);
    assert_true(wp_str_eq(r.elements[2].text, WP_STR("z")));
    assert_true(decodes("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", &r));
}

static void test_hostile_replies(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "+",
        "OK\r\n",
        "+OK",
        "+OK\r",
        "+OK\n",
        "+OK\r\n+",
        "?\r\n",
        ":\r\n",
        ":-\r\n",
        ":1x\r\n",
        ": 1\r\n",
        ":9223372036854775808\r\n",
        ":-9223372036854775809\r\n",
        ":99999999999999999999999999\r\n",
        "$\r\n",
        "$-2\r\n",
        "$5\r\nabc\r\n",
        "$3\r\nabcd\r\n",
        "$3\r\nabc",
        "$4294967296\r\nabc\r\n",
        "$9223372036854775807\r\nabc\r\n",
        "*-2\r\n",
        "*2\r\n:1\r\n",
        "*1\r\n",
        "*4294967297\r\n:1\r\n",
        "*1000000000\r\n:1\r\n:1\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wp_redis_reply r;
        if (decodes(bad[i], &r) || r.type != WP_REDIS_FAILED) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void test_metrics(void **state)
{
    (void)state;
    uint32_t metric, gauge;
    uint64_t value;
    assert_int_equal(wp_metric_define(WP_COUNTER, WP_STR("requests"), &metric), WP_OK);
    assert_int_equal(wp_metric_define(WP_GAUGE, WP_STR("level"), &gauge), WP_OK);
    wp_metric_add(metric, 2);
    wp_metric_add(metric, 3);
    wp_metric_record(gauge, 7);
    wp_metric_add(gauge, -1);
    assert_true(wp_metric_get(metric, &value) && value == 5);
    assert_true(wp_metric_get(gauge, &value) && value == 6);
    assert_false(wp_metric_get(9, &value));
    assert_int_equal(value, 0);
}

static bool add_x(bool found, struct wp_str value, struct wp_str *next, void *data)
{
    *(int *)data += 1;
    *next = found ? wp_format("%.*sx", WP_ARG(value)) : WP_STR("new");
    return !wp_str_eq(value, WP_STR("full"));
}

static void test_shared_data(void **state)
{
    (void)state;
    struct wp_str value;
    uint32_t version;
    int calls = 0;
    assert_false(wp_shared_get(WP_STR("k"), &value, &version));
    assert_int_equal(wp_shared_update(WP_STR("k"), add_x, &calls), WP_OK);
    assert_true(wp_shared_get(WP_STR("k"), &value, &version) && wp_str_eq(value, WP_STR("new")));
    assert_int_equal(wp_shared_set(WP_STR("k"), WP_STR("a"), version), WP_OK);
    assert_int_equal(wp_shared_set(WP_STR("k"), WP_STR("b"), version), WP_CAS_MISMATCH);
    fake.cas_races = 3;
    calls = 0;
    assert_int_equal(wp_shared_update(WP_STR("k"), add_x, &calls), WP_OK);
    assert_int_equal(calls, 4);
    assert_string_equal(fake_get(&fake.shared, "k"), "ax");
    fake.cas_races = 1000;
    assert_int_equal(wp_shared_update(WP_STR("k"), add_x, &calls), WP_CAS_MISMATCH);
    assert_int_equal(wp_shared_set(WP_STR("k"), WP_STR("full"), 0), WP_OK);
    assert_int_equal(wp_shared_update(WP_STR("k"), add_x, &calls), WP_OK);
    assert_string_equal(fake_get(&fake.shared, "k"), "full");
}

static void test_queues(void **state)
{
    (void)state;
    uint32_t queue, found;
    assert_int_equal(wp_queue_register(WP_STR("q"), &queue), WP_OK);
    assert_int_equal(wp_queue_find(WP_STR(""), WP_STR("q"), &found), WP_OK);
    assert_int_equal(queue, found);
    assert_int_equal(wp_queue_find(WP_STR("other"), WP_STR("q"), &found), WP_NOT_FOUND);
    wp_queue_push(queue, WP_STR("one"));
    wp_queue_push(queue, WP_STR("two"));
    proxy_on_queue_ready(ROOT, queue);
    assert_string_equal(last, "one;two;");
    assert_int_equal(the_root()->queue, queue);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_http_call_is_sent_and_answered_once),
        TEST(test_a_failed_http_call),
        TEST(test_answers_to_a_stream_that_is_gone),
        TEST(test_many_calls_in_another_order),
        TEST(test_calls_of_a_root),
        TEST(test_redis),
        TEST(test_replies),
        TEST(test_hostile_replies),
        TEST(test_metrics),
        TEST(test_shared_data),
        TEST(test_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
