/*
 * ngx_http_weir_server.c - nginx as the server that the Proxy-Wasm host asks.
 *
 * `server` is the worker, `stream` the request's context. Functions that would have to run the host
 * again (resume, a local response from a callout) post an event instead.
 */

#include "ngx_http_weir_module.h"

#include "foreign/foreign.h"


static const struct {
    ngx_uint_t   level;
    const char  *text;
} log_levels[] = {
    /* nginx's debug log is off in production, so a plugin's own threshold decides, not nginx's */
    { NGX_LOG_NOTICE, "trace: " },
    { NGX_LOG_NOTICE, "debug: " },
    { NGX_LOG_NOTICE, "" },
    { NGX_LOG_WARN, "" },
    { NGX_LOG_ERR, "" },
    { NGX_LOG_CRIT, "" },
};


void
ngx_http_weir_log(ngx_log_t *log, struct str plugin, enum pw_log_level level, struct str line)
{
    size_t      i, n;
    u_char      text[1536], *p;
    ngx_str_t   name, shown;

    if ((unsigned) level > PW_LOG_CRITICAL) {
        level = PW_LOG_INFO;
    }

    /* One entry is one line, whatever the guest wrote. */

    while (line.len != 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r')) {
        line.len--;
    }

    p = text;
    n = ngx_min(line.len, sizeof(text) - 4);

    for (i = 0; i < n; i++) {
        *p++ = (u_char) line.at[i] < ' ' || line.at[i] == 0x7f ? ' ' : line.at[i];
    }

    if (n < line.len) {
        p = ngx_cpymem(p, "...", 3);
    }

    name = ngx_http_weir_ngx_str(plugin);
    shown.data = text;
    shown.len = p - text;

    ngx_log_error(log_levels[level].level, log, 0, "[weir] plugin %V: %s%V", &name,
                  log_levels[level].text, &shown);
}


static void
server_log(void *server, void *stream, struct str plugin, enum pw_log_level level, struct str line)
{
    ngx_http_weir_ctx_t     *ctx = stream;
    ngx_http_weir_worker_t  *w = server;

    ngx_http_weir_log(ctx != NULL ? ctx->request->connection->log : w->cycle->log, plugin, level, line);
}


enum pw_log_level
ngx_http_weir_log_level(void *server)
{
    ngx_http_weir_worker_t      *w = server;
    ngx_http_weir_generation_t  *g;

    _Static_assert(GW_LOG_TRACE == PW_LOG_TRACE + 1 && GW_LOG_CRITICAL == PW_LOG_CRITICAL + 1, "one more");

    g = w->loading != NULL ? w->loading : w->generation;

    if (g != NULL && g->config->log_level != GW_LOG_UNSET) {
        return (enum pw_log_level) (g->config->log_level - 1);
    }

    return w->log_level;
}


static uint64_t
clock_ns(clockid_t id)
{
    struct timespec  ts;

    clock_gettime(id, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


uint64_t
ngx_http_weir_now_ns(void *server, void *stream)
{
    return clock_ns(CLOCK_REALTIME);
}


uint64_t
ngx_http_weir_monotonic_ns(void *server)
{
    return clock_ns(CLOCK_MONOTONIC);
}


/* The maps there are; request trailers are none of them, nginx drops those. */

static const struct {
    size_t (*count)(ngx_http_weir_ctx_t *ctx);
    bool (*at)(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out);
    bool (*get)(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value);
    bool (*add)(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
    bool (*replace)(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
    bool (*remove)(ngx_http_weir_ctx_t *ctx, struct str name);
    bool (*set_all)(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n);
} maps[] = {
    [PW_MAP_REQUEST_HEADERS] = {
        ngx_http_weir_in_count, ngx_http_weir_in_at, ngx_http_weir_in_get, ngx_http_weir_in_add,
        ngx_http_weir_in_replace, ngx_http_weir_in_remove, ngx_http_weir_in_set_all
    },
    [PW_MAP_RESPONSE_HEADERS] = {
        ngx_http_weir_out_count, ngx_http_weir_out_at, ngx_http_weir_out_get, ngx_http_weir_out_add,
        ngx_http_weir_out_replace, ngx_http_weir_out_remove, ngx_http_weir_out_set_all
    },
    [PW_MAP_RESPONSE_TRAILERS] = {
        ngx_http_weir_trailers_count, ngx_http_weir_trailers_at, ngx_http_weir_trailers_get,
        ngx_http_weir_trailers_add, ngx_http_weir_trailers_replace, ngx_http_weir_trailers_remove,
        ngx_http_weir_trailers_set_all
    },
};


static bool
server_map_available(void *stream, enum pw_map map)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    switch (map) {

    case PW_MAP_REQUEST_HEADERS:
        return true;

    case PW_MAP_RESPONSE_HEADERS:
        return ctx->response_started;

    case PW_MAP_RESPONSE_TRAILERS:
        return ctx->response_started && ngx_http_weir_trailers_count(ctx) != 0;

    default:
        return false;
    }
}


static size_t
server_map_count(void *stream, enum pw_map map)
{
    return server_map_available(stream, map) ? maps[map].count(stream) : 0;
}


static bool
server_map_at(void *stream, enum pw_map map, size_t i, struct pw_header *out)
{
    return server_map_available(stream, map) && maps[map].at(stream, i, out);
}


static bool
server_map_get(void *stream, enum pw_map map, struct str name, struct str *value)
{
    return server_map_available(stream, map) && maps[map].get(stream, name, value);
}


/* Headers change until they are on their way; trailers until the end is. */

static bool
may_change(ngx_http_weir_ctx_t *ctx, enum pw_map map)
{
    switch (map) {

    case PW_MAP_REQUEST_HEADERS:
        return !ctx->request_done;

    case PW_MAP_RESPONSE_HEADERS:
        return ctx->response_started && !ctx->response_done;

    case PW_MAP_RESPONSE_TRAILERS:
        return ctx->response_started && !ctx->response_ended;

    default:
        return false;
    }
}


static bool
server_map_add(void *stream, enum pw_map map, struct str name, struct str value)
{
    return may_change(stream, map) && maps[map].add(stream, name, value);
}


static bool
server_map_replace(void *stream, enum pw_map map, struct str name, struct str value)
{
    return may_change(stream, map) && maps[map].replace(stream, name, value);
}


static bool
server_map_remove(void *stream, enum pw_map map, struct str name)
{
    return may_change(stream, map) && maps[map].remove(stream, name);
}


static bool
server_map_set_all(void *stream, enum pw_map map, const struct pw_header *entries, size_t n)
{
    return may_change(stream, map) && maps[map].set_all(stream, entries, n);
}


static void
server_body(void *stream, enum pw_direction direction, struct str chunk, bool end_of_stream)
{
    if (direction == PW_REQUEST) {
        ngx_http_weir_request_body(stream, chunk, end_of_stream);

    } else {
        ngx_http_weir_response_body(stream, chunk, end_of_stream);
    }
}


static void
server_trailers(void *stream, enum pw_direction direction)
{
    server_body(stream, direction, STR(""), true);
}


static bool
server_property(void *server, void *stream, const struct str *path, size_t segments, struct pw_value *out)
{
    return stream != NULL && ngx_http_weir_property(stream, path, segments, out);
}


static void
server_resume_request(void *stream)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    ngx_post_event(&ctx->resume_body, &ngx_posted_events);
}


static void
server_resume_response(void *stream)
{
    ngx_http_weir_post(stream);
}


static void
server_send_local_response(void *stream, const struct pw_local_response *response)
{
    size_t                  i;
    ngx_str_t               s;
    ngx_pool_t             *pool;
    ngx_http_weir_ctx_t    *ctx = stream;
    ngx_http_weir_local_t  *local;

    pool = ctx->request->pool;

    local = ngx_pcalloc(pool, sizeof(ngx_http_weir_local_t));
    if (local == NULL) {
        return;
    }

    local->status = response->status;
    local->grpc = response->grpc_status + 1;

    if (ngx_http_weir_copy(pool, response->body, &local->body) != NGX_OK
        || ngx_http_weir_copy(pool, response->details, &local->details) != NGX_OK)
    {
        return;
    }

    local->headers = ngx_pcalloc(pool, (response->nheaders + 1) * sizeof(struct pw_header));
    if (local->headers == NULL) {
        return;
    }

    for (i = 0; i < response->nheaders; i++) {

        if (ngx_http_weir_copy(pool, response->headers[i].name, &s) != NGX_OK) {
            return;
        }

        ngx_strlow(s.data, s.data, s.len);
        local->headers[i].name = ngx_http_weir_str(&s);

        if (ngx_http_weir_copy(pool, response->headers[i].value, &s) != NGX_OK) {
            return;
        }

        local->headers[i].value = ngx_http_weir_str(&s);
    }

    local->nheaders = response->nheaders;
    ctx->local = local;

    if (!ctx->calling) {
        ngx_http_weir_post(ctx);

        if (ctx->request_done) {
            server_resume_request(ctx);
        }
    }
}


static void
server_close_stream(void *stream)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    ctx->closing = 1;
    ngx_http_weir_post(ctx);
}


static void
server_clear_route_cache(void *stream)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    ctx->stale_route = 1;
}


struct pw_shared *
ngx_http_weir_shared(void *server)
{
    ngx_http_weir_worker_t  *w = server;

    return w->shared;
}


const struct pw_server  ngx_http_weir_server = {
    .log = server_log,
    .log_level = ngx_http_weir_log_level,
    .now_ns = ngx_http_weir_now_ns,
    .monotonic_ns = ngx_http_weir_monotonic_ns,
    .map_available = server_map_available,
    .map_count = server_map_count,
    .map_at = server_map_at,
    .map_get = server_map_get,
    .map_add = server_map_add,
    .map_replace = server_map_replace,
    .map_remove = server_map_remove,
    .map_set_all = server_map_set_all,
    .property = server_property,
    .body = server_body,
    .trailers = server_trailers,
    .send_local_response = server_send_local_response,
    .resume_request = server_resume_request,
    .resume_response = server_resume_response,
    .close_stream = server_close_stream,
    .clear_route_cache = server_clear_route_cache,
    .timer_set = ngx_http_weir_timer_set,
    .timer_clear = ngx_http_weir_timer_clear,
    .shared = ngx_http_weir_shared,
    .notify = ngx_http_weir_notify,
    .foreign = foreign_functions,
    .upstream_host = ngx_http_weir_upstream_host,
    .override_upstream = ngx_http_weir_override_upstream,
    .http_call = ngx_http_weir_call,
    .cancel_call = ngx_http_weir_cancel_call,
    .grpc_open = ngx_http_weir_grpc_open,
    .grpc_send = ngx_http_weir_grpc_send,
    .grpc_cancel = ngx_http_weir_grpc_cancel,
    .resolve = ngx_http_weir_resolve,
    .cancel_resolve = ngx_http_weir_cancel_resolve,
    .redis_service = ngx_http_weir_redis_service,
    .redis_call = ngx_http_weir_redis_call,
    .redis_cancel = ngx_http_weir_redis_cancel,
    .crashed = ngx_http_weir_crashed,
    .trapped = ngx_http_weir_count_trap,
};
