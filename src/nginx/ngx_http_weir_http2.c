/*
 * ngx_http_weir_http2.c - services that speak HTTP/2, and gRPC on its way to any service.
 *
 * One location of nginx has two handlers: proxy_pass set the one that nginx runs, and this file keeps the one that
 * grpc_pass set before it. Which of them proxies is decided for each request, so a service may change what it speaks
 * while traffic flows. nginx's gRPC module carries any HTTP/2 request, one at a time on a connection; it always
 * streams, passes trailers, and takes its ALPN from ngx_http_weir_tls.c.
 *
 * To a client that speaks gRPC an answer of the gateway's own, refusal or failure, is a response of headers alone
 * with a grpc-status, because gRPC's libraries do not look at the body of a 502. Its deadline (grpc-timeout) is
 * kept here as well: it goes on to the upstream as it is, takes the place of the service's readTimeout, and ends what
 * still waits with DEADLINE_EXCEEDED. nginx's upstream module is told of it as of a timeout of its own.
 */

#include "ngx_http_weir_module.h"

#include "gw/grpc_timeout.h"


#define MAX_MESSAGE      1024


enum { GRPC_UNKNOWN = 2, GRPC_DEADLINE_EXCEEDED = 4, GRPC_PERMISSION_DENIED = 7, GRPC_RESOURCE_EXHAUSTED = 8,
       GRPC_UNIMPLEMENTED = 12, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14, GRPC_UNAUTHENTICATED = 16 };


/* As gRPC's libraries read a status of HTTP, but a body that is too large is no bug of the server's, and a time-out is one. */

static const struct {
    ngx_uint_t  http, grpc;
} statuses[] = {
    { 400, GRPC_INTERNAL },
    { 401, GRPC_UNAUTHENTICATED },
    { 403, GRPC_PERMISSION_DENIED },
    { 404, GRPC_UNIMPLEMENTED },
    { 413, GRPC_RESOURCE_EXHAUSTED },
    { 429, GRPC_UNAVAILABLE },
    { 431, GRPC_RESOURCE_EXHAUSTED },
    { 502, GRPC_UNAVAILABLE },
    { 503, GRPC_UNAVAILABLE },
    { 504, GRPC_DEADLINE_EXCEEDED },
};


char *
ngx_http_weir_http2_upstream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_weir_loc_conf_t  *lcf = conf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == NULL) {
        return "must stand behind grpc_pass";
    }

    lcf->http2_handler = clcf->handler;

    return NGX_CONF_OK;
}


ngx_http_handler_pt
ngx_http_weir_proxy_handler(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_weir_loc_conf_t  *lcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    return ctx->service->conf->protocol == GW_HTTP2 && lcf->http2_handler != NULL ? lcf->http2_handler
                                                                                  : clcf->handler;
}


/* ---- gRPC ---- */

/* The content type may go on with "+proto" or parameters; gRPC-Web has another framing and is not meant. */

bool
ngx_http_weir_is_grpc(ngx_http_request_t *r)
{
    struct str  type;

    if (r->headers_in.content_type == NULL) {
        return false;
    }

    type = ngx_http_weir_str(&r->headers_in.content_type->value);

    return str_ieq(str_slice(type, 0, 16), STR("application/grpc"))
           && (type.len == 16 || type.at[16] == '+' || type.at[16] == ';' || type.at[16] == ' ');
}


static void
deadline_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_weir_ctx_t  *ctx = ev->data;
    ngx_connection_t     *peer;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (!ctx->request_done) {
        ngx_http_weir_answer_now(ctx, NGX_HTTP_GATEWAY_TIME_OUT, "deadline_exceeded", "the call's deadline is over\n");

    } else if (r->upstream != NULL && r->upstream->cleanup != NULL && *r->upstream->cleanup != NULL
               && r->upstream->peer.connection != NULL)
    {
        peer = r->upstream->peer.connection;
        peer->read->timedout = 1;
        peer->read->handler(peer->read);
    }

    ngx_http_run_posted_requests(c);
}


void
ngx_http_weir_deadline_start(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    struct str  value;

    if (!ngx_http_weir_is_grpc(r) || !ngx_http_weir_in_get(ctx, STR("grpc-timeout"), &value)) {
        return;
    }

    ctx->deadline_ms = gw_grpc_timeout_ms(value);

    if (ctx->deadline_ms != 0) {
        ctx->deadline.data = ctx;
        ctx->deadline.handler = deadline_handler;
        ctx->deadline.log = r->connection->log;
        ngx_add_timer(&ctx->deadline, ctx->deadline_ms);
    }
}


static ngx_uint_t
grpc_status(ngx_http_weir_local_t *local)
{
    size_t  i;

    if (local->grpc != 0) {
        return local->grpc - 1;
    }

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].http == local->status) {
            return statuses[i].grpc;
        }
    }

    return GRPC_UNKNOWN;
}


/* The body as grpc-message has it: printable ASCII, the rest and '%' as %XX; without the line end. */

static struct str
message(ngx_pool_t *pool, ngx_str_t body)
{
    u_char  *p, *at;
    size_t   i;

    while (body.len != 0 && (body.data[body.len - 1] == '\n' || body.data[body.len - 1] == '\r')) {
        body.len--;
    }

    body.len = ngx_min(body.len, MAX_MESSAGE);

    at = ngx_pnalloc(pool, 3 * body.len + 1);
    if (at == NULL) {
        return STR("");
    }

    for (i = 0, p = at; i < body.len; i++) {
        if (body.data[i] < ' ' || body.data[i] > '~' || body.data[i] == '%') {
            p = ngx_sprintf(p, "%%%02Xd", (int) body.data[i]);

        } else {
            *p++ = body.data[i];
        }
    }

    return str_make(at, p - at);
}


ngx_int_t
ngx_http_weir_grpc_answer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_http_weir_local_t *local)
{
    u_char      digits[NGX_INT_T_LEN];
    struct str  text;

    if (!ngx_http_weir_is_grpc(r) || (local->status < 400 && local->grpc == 0)) {
        return NGX_DECLINED;
    }

    text = message(r->pool, local->body);

    if (!ngx_http_weir_out_replace(ctx, STR("content-type"), STR("application/grpc"))
        || !ngx_http_weir_out_replace(ctx, STR("grpc-status"),
                                      str_make(digits, ngx_sprintf(digits, "%ui", grpc_status(local)) - digits))
        || (text.len != 0 && !ngx_http_weir_out_replace(ctx, STR("grpc-message"), text)))
    {
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = 0;
    local->body.len = 0;

    return NGX_OK;
}
