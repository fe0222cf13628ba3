/* native_host.c - see native_host.h. */
#include "native_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "abi.h"
#include "weir_plugin.h"

struct fake_server native_server;
struct fake_stream native_stream;
struct str native_config, native_body, native_reply;
uint32_t native_token;
bool native_resumed;

void *wp_host_malloc(size_t size); /* the plugin's allocator for results */

enum { REDIS_BUFFER = 9 };

static const struct pw_server *const server = &fake_server_functions;

static uint32_t give(struct str s, char **at, size_t *len)
{
    *at = NULL;
    *len = s.len;
    if (s.len != 0) {
        *at = memcpy(wp_host_malloc(s.len), s.at, s.len);
    }
    return WP_OK;
}

uint32_t proxy_log(uint32_t level, const char *line, size_t line_len)
{
    if (level >= WP_LOG_WARN) {
        fprintf(stderr, "%.*s\n", (int)line_len, line);
    }
    return WP_OK;
}

uint32_t proxy_get_log_level(uint32_t *level)
{
    *level = server->log_level(&native_server);
    return WP_OK;
}

uint32_t proxy_get_current_time_nanoseconds(uint64_t *ns)
{
    *ns = server->now_ns(&native_server, native_stream.request ? &native_stream : NULL);
    return WP_OK;
}

uint32_t proxy_get_property(const char *path, size_t path_len, char **value, size_t *value_len)
{
    enum { MAX_SEGMENTS = 8 };
    struct str segments[MAX_SEGMENTS], rest = {path, path_len};
    size_t n = 0;
    do {
        segments[n++] = str_cut(&rest, '\0');
    } while (rest.len != 0 && n < MAX_SEGMENTS);
    struct pw_value v;
    if (!server->property(&native_server, &native_stream, segments, n, &v) || v.kind != PW_VALUE_STRING) {
        return WP_NOT_FOUND;
    }
    return give(v.string, value, value_len);
}

uint32_t proxy_get_header_map_value(uint32_t map, const char *name, size_t name_len, char **value,
                                    size_t *value_len)
{
    struct str v;
    if (!server->map_get(&native_stream, (enum pw_map)map, (struct str){name, name_len}, &v)) {
        return WP_NOT_FOUND;
    }
    return give(v, value, value_len);
}

static struct str lower(const char *name, size_t len)
{
    char *at = arena_alloc(&native_stream.arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        at[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    }
    return (struct str){at, len};
}

static struct str copy(const char *value, size_t len)
{
    char *at = arena_alloc(&native_stream.arena, len + 1);
    if (len != 0) {
        memcpy(at, value, len);
    }
    return (struct str){at, len};
}

static uint32_t status_of(bool done)
{
    return done ? WP_OK : WP_BAD_ARGUMENT;
}

uint32_t proxy_add_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                    size_t value_len)
{
    return status_of(
        server->map_add(&native_stream, (enum pw_map)map, lower(name, name_len), copy(value, value_len)));
}

uint32_t proxy_replace_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                        size_t value_len)
{
    return status_of(
        server->map_replace(&native_stream, (enum pw_map)map, lower(name, name_len), copy(value, value_len)));
}

uint32_t proxy_remove_header_map_value(uint32_t map, const char *name, size_t name_len)
{
    server->map_remove(&native_stream, (enum pw_map)map, lower(name, name_len));
    return WP_OK;
}

uint32_t proxy_get_header_map_pairs(uint32_t map, char **data, size_t *data_len)
{
    size_t n = server->map_count(&native_stream, (enum pw_map)map);
    struct wp_header *entries = arena_alloc(&native_stream.arena, (n + 1) * sizeof *entries);
    struct pw_header h;
    for (size_t i = 0; i < n && server->map_at(&native_stream, (enum pw_map)map, i, &h); i++) {
        entries[i] = (struct wp_header){{h.name.at, h.name.len}, {h.value.at, h.value.len}};
    }
    struct wp_str pairs = wp_pairs_write(entries, n);
    return give((struct str){pairs.at, pairs.len}, data, data_len);
}

uint32_t proxy_get_buffer_bytes(uint32_t buffer, size_t start, size_t max_len, char **data, size_t *data_len)
{
    if (buffer != WP_PLUGIN_CONFIG && buffer != WP_REQUEST_BODY && buffer != REDIS_BUFFER) {
        return WP_NOT_FOUND;
    }
    struct str all = buffer == WP_PLUGIN_CONFIG ? native_config
                     : buffer == REDIS_BUFFER   ? native_reply
                                                : native_body;
    size_t left = start < all.len ? all.len - start : 0;
    return give(str_slice(all, start, start + (max_len < left ? max_len : left)), data, data_len);
}

uint32_t proxy_send_local_response(uint32_t status, const char *details, size_t details_len, const char *body,
                                   size_t body_len, const char *headers, size_t headers_len,
                                   int32_t grpc_status)
{
    enum { MAX_HEADERS = 16 };
    struct pw_header list[MAX_HEADERS];
    struct wp_pairs pairs;
    size_t n = 0;
    if (!wp_pairs_parse((struct wp_str){headers, headers_len}, &pairs)) {
        return WP_BAD_ARGUMENT;
    }
    for (struct wp_header h; n < MAX_HEADERS && wp_pairs_next(&pairs, &h); n++) {
        list[n] = (struct pw_header){{h.name.at, h.name.len}, {h.value.at, h.value.len}};
    }
    server->send_local_response(&native_stream, &(struct pw_local_response){.status = status,
                                                                            .details = {details, details_len},
                                                                            .body = {body, body_len},
                                                                            .headers = list,
                                                                            .nheaders = n,
                                                                            .grpc_status = grpc_status});
    return WP_OK;
}

uint32_t proxy_set_effective_context(uint32_t id)
{
    (void)id;
    return WP_OK;
}

uint32_t proxy_set_tick_period_milliseconds(uint32_t period_ms)
{
    (void)period_ms;
    return WP_OK;
}

/* Redis: a command is copied as it would be into a connection's buffer, and answered by native.c. */
uint32_t proxy_redis_init(const char *service, size_t service_len, const char *username, size_t username_len,
                          const char *password, size_t password_len, uint32_t timeout_ms)
{
    (void)service, (void)service_len, (void)username, (void)username_len;
    (void)password, (void)password_len, (void)timeout_ms;
    return WP_OK;
}

uint32_t proxy_redis_call(const char *service, size_t service_len, const char *query, size_t query_len,
                          uint32_t *token)
{
    static uint32_t last;
    (void)service, (void)service_len;
    copy(query, query_len);
    *token = native_token = ++last;
    return WP_OK;
}

uint32_t proxy_continue_stream(uint32_t stream_type)
{
    (void)stream_type;
    native_resumed = true;
    return WP_OK;
}

/* What the chosen cases of plugins have to do without. */
#pragma clang diagnostic ignored "-Wunused-parameter"
#define NOT_HERE(name, ...)                                                                                  \
    uint32_t name(__VA_ARGS__)                                                                               \
    {                                                                                                        \
        fprintf(stderr, "bench: " #name " is not there\n");                                                  \
        abort();                                                                                             \
    }

NOT_HERE(proxy_set_property, const char *path, size_t path_len, const char *value, size_t value_len)
NOT_HERE(proxy_set_header_map_pairs, uint32_t map, const char *data, size_t data_len)
NOT_HERE(proxy_set_buffer_bytes, uint32_t buffer, size_t start, size_t len, const char *data, size_t data_len)
NOT_HERE(proxy_close_stream, uint32_t stream_type)
NOT_HERE(proxy_http_call, const char *service, size_t service_len, const char *headers, size_t headers_len,
         const char *body, size_t body_len, const char *trailers, size_t trailers_len, uint32_t timeout_ms,
         uint32_t *token)
NOT_HERE(proxy_get_status, uint32_t *code, char **message, size_t *message_len)
NOT_HERE(proxy_get_shared_data, const char *key, size_t key_len, char **value, size_t *value_len,
         uint32_t *version)
NOT_HERE(proxy_set_shared_data, const char *key, size_t key_len, const char *value, size_t value_len,
         uint32_t version)
NOT_HERE(proxy_register_shared_queue, const char *name, size_t name_len, uint32_t *queue)
NOT_HERE(proxy_resolve_shared_queue, const char *vm_id, size_t vm_id_len, const char *name, size_t name_len,
         uint32_t *queue)
NOT_HERE(proxy_enqueue_shared_queue, uint32_t queue, const char *data, size_t data_len)
NOT_HERE(proxy_dequeue_shared_queue, uint32_t queue, char **data, size_t *data_len)
NOT_HERE(proxy_define_metric, uint32_t type, const char *name, size_t name_len, uint32_t *metric)
NOT_HERE(proxy_increment_metric, uint32_t metric, int64_t delta)
NOT_HERE(proxy_record_metric, uint32_t metric, uint64_t value)
NOT_HERE(proxy_get_metric, uint32_t metric, uint64_t *value)
