/*
 * ngx_http_weir_property.c - properties of a request: what plugins ask for that is no header.
 *
 * A table from path ("request", "time") to a function; what is the connection's is in ngx_http_weir_connection.c. Times
 * are nanoseconds; what nginx counts in milliseconds has their resolution. cluster_name has Istio's four parts,
 * outbound|PORT||SERVICE.static, because plugins split it.
 */

#include "ngx_http_weir_module.h"


typedef bool (*ngx_http_weir_property_pt)(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r,
    struct pw_value *out);


static bool
request_time(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, ((int64_t) r->start_sec * 1000 + (int64_t) r->start_msec) * 1000000);
}


static bool
request_duration(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    int64_t      ms;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    ms = ((int64_t) tp->sec - r->start_sec) * 1000 + ((int64_t) tp->msec - (int64_t) r->start_msec);

    return ngx_http_weir_is_int(out, ngx_max(ms, 0) * 1000000);
}


static bool
request_id(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    out->kind = PW_VALUE_STRING;

    return ngx_http_weir_in_get(ctx, STR("x-request-id"), &out->string);
}


static bool
request_protocol(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    out->kind = PW_VALUE_STRING;

    switch (r->http_version) {
    case NGX_HTTP_VERSION_10:
        out->string = STR("HTTP/1.0");
        break;
    case NGX_HTTP_VERSION_20:
        out->string = STR("HTTP/2");
        break;
    default:
        out->string = STR("HTTP/1.1");
        break;
    }

    return true;
}


static bool
request_scheme(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    out->kind = PW_VALUE_STRING;
    out->string = r->connection->ssl ? STR("https") : STR("http");

    return true;
}


static bool
request_size(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, ngx_max(r->headers_in.content_length_n, 0));
}


static bool
request_total_size(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, r->request_length);
}


static bool
response_code(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    if (r->headers_out.status == 0) {
        return false;
    }

    return ngx_http_weir_is_int(out, (int64_t) r->headers_out.status);
}


static bool
response_code_details(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    if (ctx->details.len != 0) {
        return ngx_http_weir_is_string(out, ngx_http_weir_str(&ctx->details));
    }

    if (r->upstream == NULL || r->upstream->headers_in.status_n == 0) {
        return false;
    }

    return ngx_http_weir_is_string(out, STR("via_upstream"));
}


/* Envoy's numbers. */

static bool
response_flags(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    int64_t                      flags;
    ngx_http_upstream_t         *u = r->upstream;

    enum {
        UPSTREAM_TIMEOUT = 0x4,
        UPSTREAM_CONNECTION_FAILURE = 0x20,
        UPSTREAM_CONNECTION_TERMINATION = 0x40,
        DOWNSTREAM_CONNECTION_TERMINATION = 0x4000
    };

    flags = 0;

    if (u != NULL && u->headers_in.status_n == 0) {     /* the answer is not the upstream's */

        if (r->headers_out.status == NGX_HTTP_GATEWAY_TIME_OUT) {
            flags = UPSTREAM_TIMEOUT;

        } else if (r->headers_out.status == NGX_HTTP_BAD_GATEWAY) {
            flags = u->state != NULL && u->state->connect_time != (ngx_msec_t) -1
                    ? UPSTREAM_CONNECTION_TERMINATION : UPSTREAM_CONNECTION_FAILURE;
        }
    }

    if (r->connection->error || r->headers_out.status == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        flags |= DOWNSTREAM_CONNECTION_TERMINATION;
    }

    return ngx_http_weir_is_int(out, flags);
}


static bool
response_size(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, ngx_max(r->connection->sent - (off_t) r->header_size, 0));
}


static bool
response_total_size(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, r->connection->sent);
}


static ngx_str_t *
upstream_peer(ngx_http_request_t *r)
{
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL || r->upstream_states->nelts == 0) {
        return NULL;
    }

    state = (ngx_http_upstream_state_t *) r->upstream_states->elts + r->upstream_states->nelts - 1;

    return state->peer;
}


static bool
upstream_address(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    ngx_str_t  *peer = upstream_peer(r);

    return peer != NULL && ngx_http_weir_is_string(out, ngx_http_weir_str(peer));
}


static bool
upstream_port(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    size_t      i;
    ngx_int_t   port;
    ngx_str_t  *peer = upstream_peer(r);

    if (peer == NULL) {
        return false;
    }

    for (i = peer->len; i > 0 && peer->data[i - 1] != ':'; i--) { /* void */ }

    port = ngx_atoi(peer->data + i, peer->len - i);

    return port != NGX_ERROR && ngx_http_weir_is_int(out, port);
}


static bool
route_name(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    out->kind = PW_VALUE_STRING;
    out->string = ngx_http_weir_route_name(ctx);

    return out->string.len != 0;
}


static bool
cluster_name(ngx_http_weir_ctx_t *ctx, ngx_http_request_t *r, struct pw_value *out)
{
    if (ctx->attached != NULL) {
        out->kind = PW_VALUE_STRING;
        out->string = str_make(ctx->attached->service.data, ctx->attached->service.len);
        return out->string.len != 0;
    }

    return ctx->service != NULL && ngx_http_weir_is_string(out, ngx_http_weir_str(&ctx->service->cluster));
}


static const struct {
    ngx_http_weir_property_name_t   name;
    ngx_http_weir_property_pt       get;
} properties[] = {
    { { "request", "time" }, request_time },
    { { "request", "duration" }, request_duration },
    { { "request", "id" }, request_id },
    { { "request", "protocol" }, request_protocol },
    { { "request", "scheme" }, request_scheme },
    { { "request", "size" }, request_size },
    { { "request", "total_size" }, request_total_size },
    { { "response", "code" }, response_code },
    { { "response", "code_details" }, response_code_details },
    { { "response", "flags" }, response_flags },
    { { "response", "size" }, response_size },
    { { "response", "total_size" }, response_total_size },
    { { "upstream", "address" }, upstream_address },
    { { "upstream", "port" }, upstream_port },
    { { "xds", "route_name" }, route_name },
    { { "xds", "cluster_name" }, cluster_name },
    { { "route_name", NULL }, route_name },
    { { "cluster_name", NULL }, cluster_name },
    { { "x_request_id", NULL }, request_id },
};


bool
ngx_http_weir_property(ngx_http_weir_ctx_t *ctx, const struct str *path, size_t segments,
    struct pw_value *out)
{
    size_t  i;

    for (i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {

        if (ngx_http_weir_property_is(&properties[i].name, path, segments)) {
            return properties[i].get(ctx, ctx->request, out);
        }
    }

    return ngx_http_weir_connection_property(ctx->request->connection, path, segments, out);
}
