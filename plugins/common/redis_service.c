/* redis_service.c - see redis_service.h. */
#include "redis_service.h"

enum { MAX_PORT = 65535, MAX_TIMEOUT_MS = 600000, MAX_DATABASE = 1 << 20 };

#define COMPLAIN_EVERY_NS 1000000000u

/* An integer within bounds; false, having logged why. */
static bool parse_number(const json_t *object, const char *where, const char *key, int64_t max, int64_t *out)
{
    if (!wp_json_int(object, where, key, out)) {
        return false;
    }
    if (*out < 0 || *out > max) {
        wp_json_complain(where, key, wp_format("must be from 0 to %lld", (long long)max).at);
        return false;
    }
    return true;
}

/* Higress's name of a cluster; a name without a dot, or with bars, is the host's own. */
static struct wp_str cluster_name(struct wp_str service, int64_t port)
{
    if (wp_str_find(service, '.') < 0 || wp_str_find(service, '|') >= 0) {
        return service;
    }
    if (port == 0) {
        port = wp_str_ends(service, WP_STR(".static")) ? 80 : 6379;
    }
    return wp_format("outbound|%lld||%.*s", (long long)port, WP_ARG(service));
}

static bool init(struct redis_service *r)
{
    enum wp_status status = wp_redis_init(&r->options);
    r->ready = status == WP_OK;
    if (status == WP_UNIMPLEMENTED) {
        wp_error("configuration: redis: this host has no Redis for plugins");
    }
    return status != WP_UNIMPLEMENTED;
}

bool redis_service_parse(const json_t *object, const char *where, struct wp_arena *arena,
                         struct redis_service *out)
{
    const json_t *redis = json_object_get(object, "redis");
    if (!json_is_object(redis)) {
        wp_json_complain(where, "redis", redis ? "must be an object" : "is missing");
        return false;
    }
    const char *at = wp_format("%s%sredis", where, *where != '\0' ? "." : "").at;
    struct wp_str name = {"", 0};
    int64_t port = 0, timeout = 0, database = 0;
    *out = (struct redis_service){.options = {.username = {"", 0}, .password = {"", 0}, .options = {"", 0}}};
    if (!wp_json_str(redis, at, "service_name", arena, &name) ||
        !parse_number(redis, at, "service_port", MAX_PORT, &port) ||
        !wp_json_str(redis, at, "username", arena, &out->options.username) ||
        !wp_json_str(redis, at, "password", arena, &out->options.password) ||
        !parse_number(redis, at, "timeout", MAX_TIMEOUT_MS, &timeout) ||
        !parse_number(redis, at, "database", MAX_DATABASE, &database)) {
        return false;
    }
    if (name.len == 0) {
        wp_json_complain(at, "service_name", "is missing or empty");
        return false;
    }
    out->options.service = wp_arena_dup(arena, cluster_name(name, port));
    out->options.timeout_ms = (uint32_t)timeout;
    out->options.db = (uint32_t)database;
    if (!init(out)) {
        return false;
    }
    if (!out->ready) {
        wp_warn("configuration: %s.service_name: the host knows no service %.*s yet", at,
                WP_ARG(out->options.service));
    }
    return true;
}

enum wp_status redis_service_call(struct redis_service *r, struct wp_stream *s, const struct wp_str *argv,
                                  size_t argc, wp_redis_fn *fn, void *data)
{
    if (!r->ready) {
        init(r);
    }
    return wp_redis_call(s, r->options.service, argv, argc, fn, data);
}

void redis_service_complain(struct redis_service *r, struct wp_str what, const struct wp_redis_reply *reply)
{
    uint64_t now = wp_now_ns();
    struct wp_str why = !reply                 ? WP_STR("the command cannot be sent")
                        : reply->text.len != 0 ? reply->text
                                               : WP_STR("an answer of another type");
    if (r->complained_ns != 0 && now - r->complained_ns < COMPLAIN_EVERY_NS) {
        r->unsaid++;
        return;
    }
    wp_warn("%.*s: %.*s (%u more since the last such line)", WP_ARG(what), WP_ARG(why), r->unsaid);
    r->complained_ns = now;
    r->unsaid = 0;
}
