/*
 * ngx_stream_weir_server.c - nginx as the server that the Proxy-Wasm host asks, for plugins of connections.
 *
 * `server` is the worker, `stream` a session's context. A connection has no header maps, no trailers, no route and no
 * answer but its end; the rest is the HTTP module's.
 */

#include "ngx_stream_weir_module.h"

#include "foreign/foreign.h"


static void
server_log(void *server, void *stream, struct str plugin, enum pw_log_level level, struct str line)
{
    ngx_stream_weir_ctx_t   *ctx = stream;
    ngx_http_weir_worker_t  *w = server;

    ngx_http_weir_log(ctx != NULL ? ctx->session->connection->log : w->cycle->log, plugin, level, line);
}


/* ---- what there is not ---- */

static bool
no_map(void *stream, enum pw_map map)
{
    return false;
}


static size_t
no_entries(void *stream, enum pw_map map)
{
    return 0;
}


static bool
no_entry(void *stream, enum pw_map map, size_t i, struct pw_header *out)
{
    return false;
}


static bool
no_value(void *stream, enum pw_map map, struct str name, struct str *value)
{
    return false;
}


static bool
no_change(void *stream, enum pw_map map, struct str name, struct str value)
{
    return false;
}


static bool
no_removal(void *stream, enum pw_map map, struct str name)
{
    return false;
}


static bool
no_set_all(void *stream, enum pw_map map, const struct pw_header *entries, size_t n)
{
    return false;
}


static void
no_trailers(void *stream, enum pw_direction direction)
{
    /* never called: a connection has none */
}


static void
no_local_response(void *stream, const struct pw_local_response *response)
{
    /* never called: the host does not answer connections */
}


static void
no_route_cache(void *stream)
{
    /* the listener decides */
}


/* ---- properties ---- */

static bool
upstream_address(ngx_stream_weir_ctx_t *ctx, struct pw_value *out)
{
    return ctx->peer != NULL && ngx_http_weir_is_string(out, ngx_http_weir_str(&ctx->peer->name));
}


static bool
upstream_port(ngx_stream_weir_ctx_t *ctx, struct pw_value *out)
{
    return ctx->peer != NULL
           && ngx_http_weir_is_int(out, ngx_inet_get_port((struct sockaddr *) &ctx->peer->sockaddr));
}


static bool
cluster_name(ngx_stream_weir_ctx_t *ctx, struct pw_value *out)
{
    return ngx_http_weir_is_string(out, ngx_http_weir_str(&ctx->service->cluster));
}


static const struct {
    ngx_http_weir_property_name_t   name;
    bool                          (*get)(ngx_stream_weir_ctx_t *ctx, struct pw_value *out);
} properties[] = {
    { { "upstream", "address" }, upstream_address },
    { { "upstream", "port" }, upstream_port },
    { { "xds", "cluster_name" }, cluster_name },
    { { "cluster_name", NULL }, cluster_name },
};


static bool
server_property(void *server, void *stream, const struct str *path, size_t segments, struct pw_value *out)
{
    size_t                  i;
    ngx_stream_weir_ctx_t  *ctx = stream;

    if (ctx == NULL) {
        return false;
    }

    for (i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {

        if (ngx_http_weir_property_is(&properties[i].name, path, segments)) {
            return properties[i].get(ctx, out);
        }
    }

    return ngx_http_weir_connection_property(ctx->session->connection, path, segments, out);
}


/* ---- what the chain does ---- */

static void
server_body(void *stream, enum pw_direction direction, struct str chunk, bool end_of_stream)
{
    ngx_stream_weir_write(stream, direction, chunk, end_of_stream);
}


static void
server_resume_request(void *stream)
{
    ngx_stream_weir_ctx_t  *ctx = stream;

    ctx->flow[PW_REQUEST].resume = 1;
    ngx_stream_weir_post(ctx);
}


static void
server_resume_response(void *stream)
{
    ngx_stream_weir_ctx_t  *ctx = stream;

    ctx->flow[PW_RESPONSE].resume = 1;
    ngx_stream_weir_post(ctx);
}


static void
server_close_stream(void *stream)
{
    ngx_stream_weir_ctx_t  *ctx = stream;

    ctx->closing = 1;
    ngx_stream_weir_post(ctx);
}


static bool
server_upstream_host(void *stream, size_t i, struct pw_upstream_host *out)
{
    ngx_stream_weir_ctx_t  *ctx = stream;

    if (i >= ctx->service->npeers) {
        return false;
    }

    out->address = ngx_http_weir_str(&ctx->service->peers[i]->name);
    out->healthy = ngx_http_weir_peer_usable(ctx->service->peers[i]);

    return true;
}


static void
server_override_upstream(void *stream, struct str address)
{
    ngx_stream_weir_ctx_t  *ctx = stream;

    (void) ngx_http_weir_copy(ctx->session->connection->pool, address, &ctx->override);
}


const struct pw_server  ngx_stream_weir_server = {
    .log = server_log,
    .log_level = ngx_http_weir_log_level,
    .now_ns = ngx_http_weir_now_ns,
    .monotonic_ns = ngx_http_weir_monotonic_ns,
    .map_available = no_map,
    .map_count = no_entries,
    .map_at = no_entry,
    .map_get = no_value,
    .map_add = no_change,
    .map_replace = no_change,
    .map_remove = no_removal,
    .map_set_all = no_set_all,
    .property = server_property,
    .body = server_body,
    .trailers = no_trailers,
    .send_local_response = no_local_response,
    .resume_request = server_resume_request,
    .resume_response = server_resume_response,
    .close_stream = server_close_stream,
    .clear_route_cache = no_route_cache,
    .timer_set = ngx_http_weir_timer_set,
    .timer_clear = ngx_http_weir_timer_clear,
    .shared = ngx_http_weir_shared,
    .notify = ngx_http_weir_notify,
    .crashed = ngx_stream_weir_crashed,
    .trapped = ngx_http_weir_count_trap,
    .foreign = foreign_functions,
    .upstream_host = server_upstream_host,
    .override_upstream = server_override_upstream,
    .http_call = ngx_http_weir_call,
    .cancel_call = ngx_http_weir_cancel_call,
    .grpc_open = ngx_http_weir_grpc_open,
    .grpc_send = ngx_http_weir_grpc_send,
    .grpc_cancel = ngx_http_weir_grpc_cancel,
    .redis_service = ngx_http_weir_redis_service,
    .redis_call = ngx_http_weir_redis_call,
    .redis_cancel = ngx_http_weir_redis_cancel,
    .resolve = ngx_http_weir_resolve,
    .cancel_resolve = ngx_http_weir_cancel_resolve,
};
