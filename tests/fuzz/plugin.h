/* plugin.h - the shape of a plugin's fuzz target: an input is pieces ended by NUL, first the configuration,
 * then :path, :authority, :method, route_name and cluster_name, then the body, with FUZZ_REDIS what Redis
 * answers, then names and values of headers. Whatever is configured and sent, the plugin answers or lets
 * pass, and says why it refuses a configuration. */
#ifndef FUZZ_PLUGIN_H
#define FUZZ_PLUGIN_H

#include <stdlib.h>

#include "fake_host.h"

enum { FUZZ_ROOT = 1, FUZZ_STREAM = 2, FUZZ_HEADERS = 16, FUZZ_VALUE = 1024 };

static struct wp_str fuzz_take(struct wp_str *rest, size_t max)
{
    ptrdiff_t end = wp_str_find(*rest, '\0');
    size_t len = end < 0 ? rest->len : (size_t)end;
    struct wp_str piece = wp_str_slice(*rest, 0, len < max ? len : max);
    *rest = wp_str_slice(*rest, len + 1, rest->len);
    return piece;
}

/* One entry whose value is the next piece. */
static void fuzz_set(struct fake_map *map, struct wp_str name, struct wp_str *rest)
{
    char value[FUZZ_VALUE];
    struct wp_str piece = fuzz_take(rest, FUZZ_VALUE - 1);
    wp_snprintf(value, sizeof value, "%.*s", WP_ARG(piece));
    fake_set(map, name, value);
}

/* False: refused. */
static bool fuzz_configure(struct wp_str config)
{
    proxy_on_context_create(FUZZ_ROOT, 0);
    fake_reset();
    fake.config = config;
    bool ok = proxy_on_configure(FUZZ_ROOT, (uint32_t)config.len);
    if (!ok && fake.log[0] == '\0') {
        abort(); /* refused without a word */
    }
    return ok;
}

/* Called before the request is sent, if set. */
static void (*fuzz_prepare)(void);

/* Answer what waits for Redis with `reply`, or with a failure if that is empty; a plugin may ask again. */
#ifdef FUZZ_REDIS
static void fuzz_redis(struct wp_str reply)
{
    fake.redis_reply = reply;
    for (uint32_t n = 0; n < fake.nredis && n < FUZZ_REDIS; n++) {
        uint32_t before = fake.continued;
        proxy_on_redis_call_response(FUZZ_ROOT, (n + 1) * 4 + 3, reply.len == 0, (uint32_t)reply.len);
        if (fake.nredis == n + 1 && !fake.responded && fake.continued == before) {
            abort(); /* the request would hang */
        }
    }
}
#endif

/* The request of the pieces; its body in two chunks if there is one.  Returns the last action. */
static uint32_t fuzz_request(struct wp_str rest)
{
    static const char *const pseudo[] = {":path", ":authority", ":method"};
    static const char *const properties[] = {"route_name", "cluster_name"};
    for (size_t i = 0; i < sizeof pseudo / sizeof *pseudo; i++) {
        fuzz_set(&fake.request, wp_str_of(pseudo[i]), &rest);
    }
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        fuzz_set(&fake.properties, wp_str_of(properties[i]), &rest);
    }
    struct wp_str body = fuzz_take(&rest, 1 << 16);
#ifdef FUZZ_REDIS
    struct wp_str reply = fuzz_take(&rest, 1 << 12);
    fake.nredis = fake.continued = 0;
#endif
    for (int i = 0; i < FUZZ_HEADERS && rest.len != 0; i++) {
        struct wp_str name = fuzz_take(&rest, 255);
        fuzz_set(&fake.request, name, &rest);
    }
    if (fuzz_prepare) {
        fuzz_prepare();
    }
    proxy_on_context_create(FUZZ_STREAM, FUZZ_ROOT);
    uint32_t action = proxy_on_request_headers(FUZZ_STREAM, (uint32_t)fake.request.n, body.len == 0);
#ifdef FUZZ_BODY
    for (int part = 1; part <= 2 && body.len != 0 && !fake.responded; part++) {
        fake.body = wp_str_slice(body, 0, part == 1 ? body.len / 2 : body.len);
        action = proxy_on_request_body(FUZZ_STREAM, (uint32_t)fake.body.len, part == 2);
    }
#endif
#ifdef FUZZ_REDIS
    fuzz_redis(reply);
    action = fake.continued != 0 ? (uint32_t)WP_CONTINUE : action;
#endif
    proxy_on_delete(FUZZ_STREAM);
    if (fake.responded != (action == WP_PAUSE)) {
        abort();
    }
    return action;
}

#endif
