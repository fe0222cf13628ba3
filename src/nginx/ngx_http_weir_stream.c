/*
 * ngx_http_weir_stream.c - a request that leaves for the upstream while its body is still read.
 *
 * nginx's proxy module begins to read a body itself, or takes one that was read whole. Here the reading began in the
 * access phase, so that plugins saw the body before they let the headers go. Therefore the request gets
 * another content handler: it has the proxy module make its upstream state, held back by r->aio, says that
 * the body is unbuffered, and starts the upstream. nginx's upstream then reads on as for any unbuffered request.
 *
 * A request to a service that speaks HTTP/2 leaves by this handler, too, whether its body is being read or not.
 *
 * For every unbuffered request, plugins or none:
 *   - the rest of the body goes on after the response began (nginx's preserve_output), as streams in both
 *     directions need;
 *   - when the upstream stops to listen, the rest is dropped and what it answered decides: a refusal that comes early
 *     reaches the client.
 * nginx tries no other endpoint once an unbuffered request began to leave.
 */

#include "ngx_http_weir_module.h"


static ngx_int_t content_handler(ngx_http_request_t *r);
static ngx_int_t create_request(ngx_http_request_t *r);
static ngx_int_t output_filter(void *data, ngx_chain_t *in);


void
ngx_http_weir_stream_request(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    r->content_handler = content_handler;
}


static ngx_int_t
content_handler(ngx_http_request_t *r)
{
    bool                  streams;
    ngx_int_t             rc;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);
    streams = ctx->reading_body && r->reading_body;

    r->aio = 1;
    rc = ngx_http_weir_proxy_handler(r, ctx)(r);
    r->aio = 0;

    if (rc != NGX_DONE || r->upstream == NULL) {
        return rc;
    }

    if (streams) {
        r->request_body_no_buffering = 1;
        ctx->create_request = r->upstream->create_request;
        r->upstream->create_request = create_request;
    }

    r->upstream->ssl = ctx->service->tls != NULL;   /* HTTP/2 requests name the scheme */

    ngx_http_upstream_init(r);

    return NGX_DONE;
}


/* The proxy module looks at r->headers_in for the framing; nginx's reader of the body does, too, later. */

static ngx_int_t
create_request(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    unsigned              chunked;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);
    chunked = r->headers_in.chunked;

    if (!chunked && r->headers_in.content_length != NULL && r->headers_in.content_length_n >= 0
        && ctx->request_fed == ctx->request_passed)
    {
        ctx->request_promised = r->headers_in.content_length_n;

    } else {
        r->headers_in.chunked = 1;
    }

    rc = ctx->create_request(r);

    r->headers_in.chunked = chunked;

    return rc;
}


void
ngx_http_weir_stream_peer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_http_upstream_conf_t *conf)
{
    ngx_http_upstream_t  *u = r->upstream;

    if (!r->request_body_no_buffering || !r->reading_body) {
        return;
    }

    conf->preserve_output = 1;

    if (ctx->service->conf->protocol == GW_HTTP2) {
        return;     /* an upstream that stops to listen says so by a frame, and nginx's gRPC module understands it */
    }

    ctx->output_filter = u->output.output_filter;
    ctx->output_ctx = u->output.filter_ctx;
    u->output.output_filter = output_filter;
    u->output.filter_ctx = r;
}


static ngx_int_t
output_filter(void *data, ngx_chain_t *in)
{
    ngx_int_t             rc;
    ngx_chain_t          *cl;
    ngx_http_request_t   *r = data;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (!ctx->output_closed) {
        rc = ctx->output_filter(ctx->output_ctx, in);

        if (rc != NGX_ERROR || r->upstream->peer.connection->sent == 0) {
            return rc;
        }

        ctx->output_closed = 1;
    }

    for (cl = in; cl != NULL; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    return NGX_OK;
}
