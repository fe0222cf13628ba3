/* sdk_calls - what the SDK does with calls, metrics, shared data and queues, on a real host.
 *
 * A request counts itself in Redis, asks a service about it, and goes on with what both said in its headers;
 * if one fails, it is answered with 502 and the reason. */
#include "weir_redis.h"

struct root {
    struct wp_root wp;
    uint32_t requests, queue;
};
struct stream {
    struct wp_stream wp;
    int64_t count;
};
WP_PLUGIN(struct root, struct stream)

static bool configure(struct root *root, struct wp_str config)
{
    (void)config;
    struct wp_redis_options o = {.service = WP_STR("redis"), .db = 2, .timeout_ms = 50};
    return wp_redis_available() && wp_redis_init(&o) == WP_OK &&
           wp_metric_define(WP_COUNTER, WP_STR("sdk_requests"), &root->requests) == WP_OK &&
           wp_queue_register(WP_STR("sdk"), &root->queue) == WP_OK;
}

static void fail(const char *what, struct wp_str why)
{
    wp_respond(&(struct wp_response){.status = 502, .body = wp_format("%s: %.*s", what, WP_ARG(why))});
}

static bool append(bool found, struct wp_str value, struct wp_str *next, void *data)
{
    *next = wp_format("%.*s%s%lld", WP_ARG(value), found ? "," : "", (long long)*(int64_t *)data);
    return true;
}

static void answered(struct wp_root *root, struct wp_stream *stream, void *data,
                     const struct wp_http_answer *answer)
{
    const struct root *r = (const struct root *)root;
    struct stream *s = data;
    struct wp_str body, shared;
    uint32_t version;
    uint64_t requests;
    if (answer->failed || stream != &s->wp) {
        fail("http", WP_STR("no answer"));
        return;
    }
    wp_buffer_get(WP_CALL_BODY, 0, answer->body_bytes, &body);
    wp_metric_add(r->requests, 1);
    wp_metric_get(r->requests, &requests);
    wp_shared_update(WP_STR("sdk"), append, &s->count);
    wp_shared_get(WP_STR("sdk"), &shared, &version);
    wp_queue_push(r->queue, body);
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("x-said"),
                      wp_format("%u %.*s %lld %llu %.*s", answer->status, WP_ARG(body), (long long)s->count,
                                (unsigned long long)requests, WP_ARG(shared)));
    wp_resume_request();
}

static void counted(struct wp_root *root, struct wp_stream *stream, void *data,
                    const struct wp_redis_reply *reply)
{
    (void)root;
    struct stream *s = data;
    if (reply->type != WP_REDIS_INTEGER) {
        fail("redis", reply->text);
        return;
    }
    s->count = reply->integer;
    struct wp_http_request ask = {.cluster = WP_STR("ask"),
                                  .path = wp_format("/%lld", (long long)reply->integer)};
    if (wp_http_call(stream, &ask, answered, s) != WP_OK) {
        fail("http", WP_STR("not sent"));
    }
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    struct wp_str command[] = {WP_STR("INCR"), WP_STR("hits")};
    if (wp_redis_call(&s->wp, WP_STR("redis"), command, 2, counted, s) != WP_OK) {
        fail("redis", WP_STR("not sent"));
    }
    return WP_PAUSE;
}

static void queue_ready(struct root *root, uint32_t queue)
{
    struct wp_str data;
    while (queue == root->queue && wp_queue_pop(queue, &data)) {
        wp_info("queue: %.*s", WP_ARG(data));
    }
}

WP_ON_CONFIGURE(configure)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_QUEUE_READY(queue_ready)
