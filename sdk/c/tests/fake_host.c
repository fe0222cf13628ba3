/* fake_host.c - see fake_host.h.  Results are put into memory of the guest's allocator, as a host does. */
#include "fake_host.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

#include "abi.h"

struct fake_host fake;

enum { FAKE_REDIS_BUFFER = 9 };

static struct wp_arena copies; /* of what the plugin sent */

static struct wp_str keep(const char *at, size_t len)
{
    return wp_arena_dup(&copies, (struct wp_str){at, len});
}

void fake_reset(void)
{
    wp_arena_free(&copies);
    memset(&fake, 0, sizeof fake);
    fake.call_body = fake.redis_reply = fake.status_message = WP_STR("");
    fake.now_ns = 1700000000000000000u;
    fake.config = fake.body = WP_STR("");
}

static void entry_init(struct fake_entry *e, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    assert(name_len < sizeof e->name && value_len < sizeof e->value);
    memset(e, 0, sizeof *e);
    memcpy(e->name, name, name_len);
    if (value_len != 0) {
        memcpy(e->value, value, value_len);
    }
    e->name_len = name_len;
    e->value_len = value_len;
}

static void map_add(struct fake_map *map, const char *name, size_t name_len, const char *value,
                    size_t value_len)
{
    assert(map->n < FAKE_MAX);
    entry_init(&map->at[map->n++], name, name_len, value, value_len);
}

void fake_set(struct fake_map *map, struct wp_str name, const char *value)
{
    map_add(map, name.at, name.len, value, strlen(value));
}

static bool same_name(const struct fake_entry *e, const char *name, size_t len)
{
    return e->name_len == len && strncasecmp(e->name, name, len) == 0;
}

const char *fake_get(const struct fake_map *map, const char *name)
{
    for (size_t i = 0; i < map->n; i++) {
        if (same_name(&map->at[i], name, strlen(name))) {
            return map->at[i].value;
        }
    }
    return NULL;
}

size_t fake_count(const struct fake_map *map, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < map->n; i++) {
        n += same_name(&map->at[i], name, strlen(name));
    }
    return n;
}

static void map_remove(struct fake_map *map, const char *name, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->n; i++) {
        if (!same_name(&map->at[i], name, len)) {
            map->at[kept++] = map->at[i];
        }
    }
    map->n = kept;
}

static uint32_t give(const char *at, size_t len, char **out, size_t *out_len)
{
    *out = NULL;
    *out_len = len;
    if (len != 0) {
        *out = memcpy(wp_host_malloc(len), at, len);
    }
    return WP_OK;
}

static struct fake_map *map_of(uint32_t map)
{
    return map == WP_REQUEST_HEADERS    ? &fake.request
           : map == WP_RESPONSE_HEADERS ? &fake.response
           : map == WP_CALL_HEADERS     ? &fake.call_headers
                                        : NULL;
}

uint32_t proxy_log(uint32_t level, const char *line, size_t line_len)
{
    fake.calls++;
    fake.log_calls++;
    size_t used = strlen(fake.log);
    if (level >= fake.level && used + line_len + 2 < sizeof fake.log) {
        snprintf(fake.log + used, sizeof fake.log - used, "%.*s\n", (int)line_len, line);
    }
    return WP_OK;
}

uint32_t proxy_get_log_level(uint32_t *level)
{
    fake.calls++;
    fake.log_level_calls++;
    *level = fake.level;
    return WP_OK;
}

uint32_t proxy_get_current_time_nanoseconds(uint64_t *ns)
{
    *ns = fake.now_ns;
    return WP_OK;
}

uint32_t proxy_set_tick_period_milliseconds(uint32_t period_ms)
{
    fake.tick_ms = period_ms;
    return WP_OK;
}

uint32_t proxy_get_property(const char *path, size_t path_len, char **value, size_t *value_len)
{
    fake.calls++;
    for (size_t i = 0; i < fake.properties.n; i++) {
        struct fake_entry *e = &fake.properties.at[i];
        if (e->name_len == path_len && memcmp(e->name, path, path_len) == 0) {
            return give(e->value, e->value_len, value, value_len);
        }
    }
    return WP_NOT_FOUND;
}

uint32_t proxy_set_property(const char *path, size_t path_len, const char *value, size_t value_len)
{
    map_remove(&fake.properties, path, path_len);
    map_add(&fake.properties, path, path_len, value, value_len);
    return WP_OK;
}

uint32_t proxy_get_header_map_value(uint32_t map, const char *name, size_t name_len, char **value,
                                    size_t *value_len)
{
    fake.calls++;
    struct fake_map *m = map_of(map);
    if (!m) {
        return WP_BAD_ARGUMENT;
    }
    for (size_t i = 0; i < m->n; i++) {
        if (same_name(&m->at[i], name, name_len)) {
            return give(m->at[i].value, m->at[i].value_len, value, value_len);
        }
    }
    return WP_NOT_FOUND;
}

uint32_t proxy_add_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                    size_t value_len)
{
    fake.calls++;
    struct fake_map *m = map_of(map);
    if (!m) {
        return WP_BAD_ARGUMENT;
    }
    map_add(m, name, name_len, value, value_len);
    return WP_OK;
}

uint32_t proxy_replace_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                        size_t value_len)
{
    struct fake_map *m = map_of(map);
    if (!m) {
        return WP_BAD_ARGUMENT;
    }
    map_remove(m, name, name_len);
    return proxy_add_header_map_value(map, name, name_len, value, value_len);
}

uint32_t proxy_remove_header_map_value(uint32_t map, const char *name, size_t name_len)
{
    fake.calls++;
    struct fake_map *m = map_of(map);
    if (!m) {
        return WP_BAD_ARGUMENT;
    }
    map_remove(m, name, name_len);
    return WP_OK;
}

uint32_t proxy_get_header_map_pairs(uint32_t map, char **data, size_t *data_len)
{
    struct fake_map *m = map_of(map);
    if (!m) {
        return give(NULL, 0, data, data_len);
    }
    struct wp_header entries[FAKE_MAX];
    for (size_t i = 0; i < m->n; i++) {
        entries[i] =
            (struct wp_header){{m->at[i].name, m->at[i].name_len}, {m->at[i].value, m->at[i].value_len}};
    }
    struct wp_str pairs = wp_pairs_write(entries, m->n);
    return give(pairs.at, pairs.len, data, data_len);
}

uint32_t proxy_set_header_map_pairs(uint32_t map, const char *data, size_t data_len)
{
    struct fake_map *m = map_of(map);
    struct wp_pairs pairs;
    if (!m || !wp_pairs_parse((struct wp_str){data, data_len}, &pairs)) {
        return WP_BAD_ARGUMENT;
    }
    m->n = 0;
    for (struct wp_header h; wp_pairs_next(&pairs, &h);) {
        map_add(m, h.name.at, h.name.len, h.value.at, h.value.len);
    }
    return WP_OK;
}

uint32_t proxy_get_buffer_bytes(uint32_t buffer, size_t start, size_t max_len, char **data, size_t *data_len)
{
    struct wp_str from;
    switch (buffer) {
    case WP_PLUGIN_CONFIG:
        from = fake.config;
        break;
    case WP_REQUEST_BODY:
        from = fake.body;
        break;
    case WP_CALL_BODY:
        from = fake.call_body;
        break;
    case FAKE_REDIS_BUFFER:
        from = fake.redis_reply;
        break;
    default:
        return WP_NOT_FOUND;
    }
    struct wp_str part = wp_str_slice(from, start, start + max_len);
    return give(part.at, part.len, data, data_len);
}

uint32_t proxy_set_buffer_bytes(uint32_t buffer, size_t start, size_t len, const char *data, size_t data_len)
{
    if (buffer != WP_REQUEST_BODY) {
        return WP_BAD_ARGUMENT;
    }
    static char body[FAKE_TEXT];
    struct wp_str head = start == 0 ? WP_STR("") : fake.body;
    struct wp_str tail = start == 0 ? wp_str_slice(fake.body, len, fake.body.len) : WP_STR("");
    char next[FAKE_TEXT];
    int n = snprintf(next, sizeof next, "%.*s%.*s%.*s", WP_ARG(head), (int)data_len, data, WP_ARG(tail));
    memcpy(body, next, (size_t)n + 1);
    fake.body = (struct wp_str){body, (size_t)n};
    return WP_OK;
}

uint32_t proxy_send_local_response(uint32_t status, const char *details, size_t details_len, const char *body,
                                   size_t body_len, const char *headers, size_t headers_len,
                                   int32_t grpc_status)
{
    fake.calls++;
    assert(!fake.responded && grpc_status == -1);
    fake.responded = true;
    fake.status = status;
    snprintf(fake.details, sizeof fake.details, "%.*s", (int)details_len, details);
    snprintf(fake.response_body, sizeof fake.response_body, "%.*s", (int)body_len, body ? body : "");
    struct wp_pairs pairs;
    assert(wp_pairs_parse((struct wp_str){headers, headers_len}, &pairs));
    fake.response_headers.n = 0;
    for (struct wp_header h; wp_pairs_next(&pairs, &h);) {
        map_add(&fake.response_headers, h.name.at, h.name.len, h.value.at, h.value.len);
        if (wp_str_eq_nocase(h.name, WP_STR("www-authenticate"))) {
            snprintf(fake.www_authenticate, sizeof fake.www_authenticate, "%.*s", WP_ARG(h.value));
        }
    }
    return WP_OK;
}

uint32_t proxy_continue_stream(uint32_t stream_type)
{
    fake.continued |= 1u << stream_type;
    return WP_OK;
}

uint32_t proxy_close_stream(uint32_t stream_type)
{
    (void)stream_type;
    return WP_OK;
}

uint32_t proxy_set_effective_context(uint32_t id)
{
    fake.effective = id;
    return WP_OK;
}

/* ---- calls to other services ---- */

uint32_t proxy_http_call(const char *service, size_t service_len, const char *headers, size_t headers_len,
                         const char *body, size_t body_len, const char *trailers, size_t trailers_len,
                         uint32_t timeout_ms, uint32_t *token)
{
    (void)trailers;
    (void)trailers_len;
    if (fake.call_status != WP_OK) {
        return fake.call_status;
    }
    assert(fake.nhttp < FAKE_CALLS);
    fake.http[fake.nhttp++] = (struct fake_call){keep(service, service_len), keep(headers, headers_len),
                                                 keep(body, body_len), timeout_ms};
    *token = fake.nhttp * 4;
    return WP_OK;
}

uint32_t proxy_get_status(uint32_t *code, char **message, size_t *message_len)
{
    *code = WP_BROKEN_CONNECTION;
    return give(fake.status_message.at, fake.status_message.len, message, message_len);
}

uint32_t proxy_redis_init(const char *service, size_t service_len, const char *username, size_t username_len,
                          const char *password, size_t password_len, uint32_t timeout_ms)
{
    if (fake.call_status != WP_OK) {
        return fake.call_status;
    }
    snprintf(fake.redis_init, sizeof fake.redis_init, "%.*s %.*s %.*s %u", (int)service_len, service,
             (int)username_len, username_len != 0 ? username : "", (int)password_len,
             password_len != 0 ? password : "", timeout_ms);
    return WP_OK;
}

uint32_t proxy_redis_call(const char *service, size_t service_len, const char *query, size_t query_len,
                          uint32_t *token)
{
    if (fake.call_status != WP_OK || service_len == 0) {
        return fake.call_status != WP_OK ? fake.call_status : (uint32_t)WP_BAD_ARGUMENT;
    }
    assert(fake.nredis < FAKE_CALLS);
    fake.redis[fake.nredis++] =
        (struct fake_call){.service = keep(service, service_len), .payload = keep(query, query_len)};
    *token = fake.nredis * 4 + 3;
    return WP_OK;
}

/* ---- shared data, one queue, metrics ---- */

static struct fake_entry *shared_entry(const char *key, size_t key_len)
{
    for (size_t i = 0; i < fake.shared.n; i++) {
        if (same_name(&fake.shared.at[i], key, key_len)) {
            return &fake.shared.at[i];
        }
    }
    return NULL;
}

uint32_t proxy_get_shared_data(const char *key, size_t key_len, char **value, size_t *value_len,
                               uint32_t *version)
{
    const struct fake_entry *e = shared_entry(key, key_len);
    if (!e) {
        return WP_NOT_FOUND;
    }
    *version = fake.shared_version;
    if (fake.cas_races > 0) {
        fake.cas_races--;
        fake.shared_version++;
    }
    return give(e->value, e->value_len, value, value_len);
}

uint32_t proxy_set_shared_data(const char *key, size_t key_len, const char *value, size_t value_len,
                               uint32_t version)
{
    if (version != 0 && shared_entry(key, key_len) && version != fake.shared_version) {
        return WP_CAS_MISMATCH;
    }
    map_remove(&fake.shared, key, key_len);
    map_add(&fake.shared, key, key_len, value, value_len);
    fake.shared_version++;
    return WP_OK;
}

uint32_t proxy_register_shared_queue(const char *name, size_t name_len, uint32_t *queue)
{
    (void)name;
    (void)name_len;
    *queue = 1;
    return WP_OK;
}

uint32_t proxy_resolve_shared_queue(const char *vm_id, size_t vm_id_len, const char *name, size_t name_len,
                                    uint32_t *queue)
{
    (void)vm_id;
    return vm_id_len == 0 ? proxy_register_shared_queue(name, name_len, queue) : (uint32_t)WP_NOT_FOUND;
}

uint32_t proxy_enqueue_shared_queue(uint32_t queue, const char *data, size_t data_len)
{
    assert(fake.queue_len < FAKE_MAX);
    if (queue != 1) {
        return WP_NOT_FOUND;
    }
    fake.queue[fake.queue_len++] = keep(data, data_len);
    return WP_OK;
}

uint32_t proxy_dequeue_shared_queue(uint32_t queue, char **data, size_t *data_len)
{
    if (queue != 1) {
        return WP_NOT_FOUND;
    }
    if (fake.queue_at == fake.queue_len) {
        return WP_EMPTY;
    }
    struct wp_str s = fake.queue[fake.queue_at++];
    return give(s.at, s.len, data, data_len);
}

uint32_t proxy_define_metric(uint32_t type, const char *name, size_t name_len, uint32_t *metric)
{
    assert(type <= WP_HISTOGRAM && fake.metric_names.n < FAKE_METRICS);
    *metric = (uint32_t)fake.metric_names.n;
    map_add(&fake.metric_names, name, name_len, "", 0);
    return WP_OK;
}

uint32_t proxy_increment_metric(uint32_t metric, int64_t delta)
{
    assert(metric < FAKE_METRICS);
    fake.metrics[metric] += (uint64_t)delta;
    return WP_OK;
}

uint32_t proxy_record_metric(uint32_t metric, uint64_t value)
{
    assert(metric < FAKE_METRICS);
    fake.metrics[metric] = value;
    return WP_OK;
}

uint32_t proxy_get_metric(uint32_t metric, uint64_t *value)
{
    if (metric >= fake.metric_names.n) {
        return WP_NOT_FOUND;
    }
    *value = fake.metrics[metric];
    return WP_OK;
}
