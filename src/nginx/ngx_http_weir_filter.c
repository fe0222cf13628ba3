/*
 * ngx_http_weir_filter.c - a response on its way to the client.
 *
 * The header filter runs the plugins over every response of a routed request, the upstream's and our own,
 * once. Three ways it goes on:
 *
 *   continue   the headers pass
 *   pause      headers and body stay here until resume; r->buffered keeps the request alive, and the
 *              upstream stops reading when its buffers are full
 *   local      headers_out is made anew from ctx->local, and the body filter puts its body in the place of
 *              the upstream's, which is dropped
 *
 * nginx's own error pages for a request on its way to the upstream are replaced in the same way.
 */

#include "ngx_http_weir_module.h"


ngx_http_output_header_filter_pt  ngx_http_weir_next_header_filter;
ngx_http_output_body_filter_pt    ngx_http_weir_next_body_filter;


/* Make headers_out from ctx->local. */

static ngx_int_t
set_local_headers(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    size_t                  i;
    struct str              type;
    ngx_http_weir_local_t  *local = ctx->local;

    ngx_http_clean_header(r);

    r->headers_out.status = local->status;
    r->headers_out.content_length_n = local->body.len;
    ngx_str_null(&r->headers_out.content_type);
    r->headers_out.content_type_len = 0;

    /* Conditional and range requests are about the resource, not about an answer of the gateway. */

    r->disable_not_modified = 1;
    r->allow_ranges = 0;

    if (local->details.len != 0) {
        ctx->details = local->details;
    }

    ctx->out.part = NULL;

    for (i = 0; i < local->nheaders; i++) {
        if (local->headers[i].name.len == 0 || local->headers[i].name.at[0] == ':'
            || str_eq(local->headers[i].name, STR("content-length")))
        {
            continue;
        }

        /* A header that HTTP does not allow is left out; the rest of the answer stands. */

        (void) ngx_http_weir_out_add(ctx, local->headers[i].name, local->headers[i].value);
    }

    if (local->body.len != 0 && !ngx_http_weir_out_get(ctx, STR("content-type"), &type)) {
        (void) ngx_http_weir_out_add(ctx, STR("content-type"), STR("text/plain"));
    }

    return NGX_OK;
}


static ngx_int_t
local_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_chain_t *out)
{
    ngx_buf_t  *b;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (ctx->local->body.len != 0) {
        b->pos = ctx->local->body.data;
        b->last = ctx->local->body.data + ctx->local->body.len;
        b->start = b->pos;
        b->end = b->last;
        b->memory = 1;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out->buf = b;
    out->next = NULL;

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_send_local(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->local_sent = 1;

    if (set_local_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (local_body(r, ctx, &out) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_output_filter(r, &out);
}


static bool
has_no_body(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_HEAD || r->headers_out.content_length_n == 0
           || r->headers_out.status == NGX_HTTP_NO_CONTENT
           || r->headers_out.status == NGX_HTTP_NOT_MODIFIED;
}


/* The plugin answers instead of this response. */

static ngx_int_t
replace_response(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_http_upstream_t  *u = r->upstream;

    if (ctx->local == NULL) {
        return NGX_ERROR;
    }

    if (u != NULL) {
        u->upgrade = 0;
        u->keepalive = 0;
    }

    ctx->replace_body = 1;

    return set_local_headers(r, ctx);
}


/* NGX_OK: the headers may pass; NGX_AGAIN: they wait; NGX_ERROR. */

static ngx_int_t
run_plugins(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    ctx->response_started = 1;

    ctx->calling = 1;
    verdict = pw_stream_on_response_headers(ctx->stream, has_no_body(r));
    ctx->calling = 0;

    switch (verdict) {

    case PW_CONTINUE:
        break;

    case PW_PAUSE:
        return NGX_AGAIN;

    case PW_LOCAL:
        if (replace_response(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    case PW_CLOSE:
        return NGX_ERROR;
    }

    ctx->response_done = 1;

    return NGX_OK;
}


/* What the client reads instead of nginx's pages. */

static const struct {
    ngx_uint_t   status;
    const char  *details, *body;
} errors[] = {
    { NGX_HTTP_BAD_REQUEST, "bad_request", "the request is not well-formed\n" },
    { NGX_HTTP_REQUEST_TIME_OUT, "request_timeout", "the request took too long\n" },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, "internal_error", "the gateway failed\n" },
    { NGX_HTTP_BAD_GATEWAY, "upstream_failed", "the upstream cannot be reached or broke off\n" },
    { NGX_HTTP_GATEWAY_TIME_OUT, "upstream_timeout", "the upstream did not answer in time\n" },
};


static ngx_int_t
replace_error_page(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    size_t                  i;
    ngx_http_weir_local_t  *local;

    /* nginx takes an upstream's answer without a status line for HTTP/0.9 and would pass the bytes bare. */

    if (r->http_version != ctx->http_version) {
        r->http_version = ctx->http_version;
        r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    }

    /* Nor does it know interim responses: it would pass the final one as the body of a response that has none,
     * and the client would take it for the answer to its next request. */

    if (r->headers_out.status < NGX_HTTP_OK
        && !(r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS && r->headers_in.upgrade != NULL))
    {
        r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    }

    if (ctx->local_sent
        || (r->upstream != NULL && r->upstream->headers_in.status_n == r->headers_out.status))
    {
        return NGX_OK;
    }

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {

        if (errors[i].status != r->headers_out.status) {
            continue;
        }

        local = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_local_t));
        if (local == NULL) {
            return NGX_ERROR;
        }

        local->status = errors[i].status;
        local->details = ngx_http_weir_ngx_str(str_of(errors[i].details));
        local->body = ngx_http_weir_ngx_str(str_of(errors[i].body));

        ctx->local = local;
        ctx->replace_body = 1;

        return set_local_headers(r, ctx);
    }

    return NGX_OK;
}


/* The proxy module leaves an empty element where the upstream sent no Server or Date. */

static void
forget_empty(ngx_table_elt_t **h)
{
    if (*h != NULL && (*h)->hash == 0) {
        *h = NULL;
    }
}


static ngx_int_t
server_header(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (r->headers_out.server == NULL && !ngx_http_weir_out_add(ctx, STR("server"), STR("weir"))) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
header_filter(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || r != r->main || ctx->response_done) {
        return ngx_http_weir_next_header_filter(r);
    }

    forget_empty(&r->headers_out.server);
    forget_empty(&r->headers_out.date);

    if (replace_error_page(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->stream != NULL) {

        rc = run_plugins(r, ctx);

        if (rc == NGX_AGAIN) {
            ctx->hold_response = 1;
            r->buffered |= NGX_HTTP_WEIR_BUFFERED;
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ctx->response_done = 1;

    if (server_header(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_next_header_filter(r);
}


static void
consume(ngx_chain_t *in)
{
    for ( /* void */ ; in != NULL; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
}


/* The local body once, nothing of the upstream's. */

static ngx_int_t
replace_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_chain_t           out;
    ngx_http_upstream_t  *u = r->upstream;

    consume(in);

    if (ctx->body_replaced || r->header_only) {
        return ngx_http_weir_next_body_filter(r, NULL);
    }

    ctx->body_replaced = 1;

    if (u != NULL && !ctx->local_sent) {
        u->length = 0;      /* what the upstream still sends interests nobody */
    }

    if (local_body(r, ctx, &out) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_next_body_filter(r, &out);
}


static ngx_int_t
body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || r != r->main) {
        return ngx_http_weir_next_body_filter(r, in);
    }

    if (ctx->hold_response) {
        return ngx_chain_add_copy(r->pool, &ctx->held, in) == NGX_OK ? NGX_OK : NGX_ERROR;
    }

    if (ctx->replace_body) {
        return replace_body(r, ctx, in);
    }

    return ngx_http_weir_next_body_filter(r, in);
}


/* A plugin lets a held response go, or answers in its place. */

void
ngx_http_weir_resume_response(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_chain_t  *held;

    if (ctx->local != NULL && !ctx->local_sent) {
        rc = replace_response(r, ctx);
        ctx->response_done = 1;

    } else {
        rc = run_plugins(r, ctx);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    ctx->hold_response = 0;
    r->buffered &= ~NGX_HTTP_WEIR_BUFFERED;

    held = ctx->held;
    ctx->held = NULL;

    if (rc == NGX_OK) {
        rc = server_header(r, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_weir_next_header_filter(r);
    }

    if (rc == NGX_ERROR || rc > NGX_OK) {
        ngx_http_weir_abort(r);
        return;
    }

    if (r->header_only) {
        consume(held);

    } else if (held != NULL && body_filter(r, held) == NGX_ERROR) {
        ngx_http_weir_abort(r);
        return;
    }

    /* Whoever writes to the client, the upstream or nginx's writer, goes on where it waited. */

    ngx_post_event(r->connection->write, &ngx_posted_events);
}


ngx_int_t
ngx_http_weir_filter_init(ngx_conf_t *cf)
{
    ngx_http_weir_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;

    ngx_http_weir_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = body_filter;

    return NGX_OK;
}
