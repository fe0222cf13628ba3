/* redis.c - Redis calls over Higress's host functions; the format of what is sent and heard is in resp.c. */
#include "weir_redis.h"

#include "calls.h"

static struct wp_calls redis_calls;

enum { WP_REDIS_TIMEOUT_MS = 1000, WP_REDIS_BUFFER = 9 };

enum wp_status wp_redis_init(const struct wp_redis_options *o)
{
    struct wp_str name = o->service;
    if (o->db != 0) {
        name = wp_format("%.*s?db=%u", WP_ARG(name), o->db);
    }
    if (o->options.len != 0) {
        name = wp_format("%.*s%c%.*s", WP_ARG(name), o->db != 0 ? '&' : '?', WP_ARG(o->options));
    }
    return (enum wp_status)proxy_redis_init(name.at, name.len, o->username.at, o->username.len,
                                            o->password.at, o->password.len,
                                            o->timeout_ms != 0 ? o->timeout_ms : WP_REDIS_TIMEOUT_MS);
}

/* Hosts look at the service first; none has this name. */
bool wp_redis_available(void)
{
    uint32_t token = 0;
    struct wp_str ping = WP_STR("PING"), query = wp_redis_encode(&ping, 1);
    return proxy_redis_call("", 0, query.at, query.len, &token) != WP_UNIMPLEMENTED;
}

static enum wp_status start(struct wp_root *root, struct wp_stream *stream, struct wp_str service,
                            struct wp_str query, wp_redis_fn *fn, void *data)
{
    uint32_t token = 0;
    uint32_t status = proxy_redis_call(service.at, service.len, query.at, query.len, &token);
    if (status == WP_OK) {
        wp_calls_add(&redis_calls, token, (struct wp_waiting){root, stream, (void (*)(void))fn, data});
    }
    return (enum wp_status)status;
}

enum wp_status wp_redis_call(struct wp_stream *s, struct wp_str service, const struct wp_str *argv,
                             size_t argc, wp_redis_fn *fn, void *data)
{
    return start(s->root, s, service, wp_redis_encode(argv, argc), fn, data);
}

enum wp_status wp_root_redis_call(struct wp_root *root, struct wp_str service, const struct wp_str *argv,
                                  size_t argc, wp_redis_fn *fn, void *data)
{
    return start(root, NULL, service, wp_redis_encode(argv, argc), fn, data);
}

static void read_reply(uint32_t status, uint32_t bytes, struct wp_redis_reply *out)
{
    struct wp_str raw;
    if (status == 0 && wp_buffer_get((enum wp_buffer)WP_REDIS_BUFFER, 0, bytes, &raw)) {
        wp_redis_decode(raw, out);
        return;
    }
    char *message = NULL;
    size_t len = 0;
    uint32_t code = 0;
    *out = (struct wp_redis_reply){.type = WP_REDIS_FAILED, .text = WP_STR("no reply")};
    if (proxy_get_status(&code, &message, &len) == WP_OK && len != 0) {
        out->text = wp_host_str(message, len);
    }
}

WP_EXPORT(proxy_on_redis_call_response)
void proxy_on_redis_call_response(uint32_t root_id, uint32_t token, uint32_t status, uint32_t bytes);
void proxy_on_redis_call_response(uint32_t root_id, uint32_t token, uint32_t status, uint32_t bytes)
{
    wp_root_enter(root_id);
    struct wp_waiting w;
    if (!wp_calls_take(&redis_calls, token, &w)) {
        return;
    }
    struct wp_redis_reply reply;
    read_reply(status, bytes, &reply);
    ((wp_redis_fn *)w.fn)(w.root, w.stream, w.data, &reply);
}
