/*
 * ngx_http_weir_filter.c - a response on its way to the client.
 *
 * The header filter runs the plugins over every response of a routed request, the upstream's and our own,
 * once. Three ways it goes on:
 *
 *   continue   the headers pass
 *   pause      headers stay here until a plugin lets them go; r->buffered keeps the request alive
 *   local      headers_out is made anew from ctx->local, and the body filter puts its body in the place of
 *              the upstream's, which is dropped
 *
 * If a plugin wants the body, or the headers wait (ctx->filtering), the body filter puts what comes on ctx->held,
 * gives it to the chain as fast as that takes it, and passes on what comes out: nginx's own buffers where
 * nobody changed them, else ours. Buffers that stay on ctx->held are not consumed, so that the upstream stops
 * reading when they are all there are; they stay, too, while the client does not take what came out. Headers with a Content-Length are deferred until the first bytes came out:
 * then it is known whether the length still holds.
 *
 * nginx's own error pages for a request on its way to the upstream are replaced in the same way.
 */

#include "ngx_http_weir_module.h"


#define UNSENT_MAX  (256 * 1024)    /* bytes of our buffers that the client has not taken */


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

    switch (ngx_http_weir_grpc_answer(r, ctx, local)) {
    case NGX_OK:
        return NGX_OK;
    case NGX_ERROR:
        return NGX_ERROR;
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


/* Such a response has no body, whatever a plugin would like. */

static bool
is_bare(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_HEAD || r->headers_out.status == NGX_HTTP_NO_CONTENT
           || r->headers_out.status == NGX_HTTP_NOT_MODIFIED;
}


static bool
has_no_body(ngx_http_request_t *r)
{
    return is_bare(r) || r->headers_out.content_length_n == 0;
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


/* Note what the chain said. */

static ngx_int_t
response_verdict(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, enum pw_verdict verdict)
{
    if (ctx->out_failed) {
        return NGX_ERROR;
    }

    switch (verdict) {

    case PW_CONTINUE:
        ctx->response_through = 1;
        return NGX_OK;

    case PW_PAUSE:
        return NGX_OK;

    case PW_LOCAL:
        ctx->response_through = 1;
        ctx->filtering = 0;
        ctx->body_out = NULL;
        ctx->body_last = &ctx->body_out;
        return replace_response(r, ctx);

    default:
        return NGX_ERROR;
    }
}


/* What the client reads instead of nginx's pages. */

static const struct {
    ngx_uint_t   status;
    const char  *details, *body;
} errors[] = {
    { NGX_HTTP_BAD_REQUEST, "bad_request", "the request is not well-formed\n" },
    { NGX_HTTP_REQUEST_TIME_OUT, "request_timeout", "the request took too long\n" },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "request_too_large", "the body of the request is too large\n" },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, "internal_error", "the gateway failed\n" },
    { NGX_HTTP_BAD_GATEWAY, "upstream_failed", "the upstream cannot be reached or broke off\n" },
    { NGX_HTTP_SERVICE_UNAVAILABLE, "upstream_overflow", "the service is busy\n" },
    { NGX_HTTP_GATEWAY_TIME_OUT, "upstream_timeout", "the upstream did not answer in time\n" },
};


static ngx_int_t
replace_error_page(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    size_t                  i;
    ngx_http_weir_local_t  *local;

    /* nginx takes an upstream's answer without a status line for HTTP/0.9 and would pass the bytes bare. */

    if (ctx->attached != NULL) {        /* interim responses, pages of errors and the rest are nginx.conf's matter */

        if (ctx->local == NULL || ctx->local_sent) {
            return NGX_OK;
        }

        ctx->replace_body = 1;
        return set_local_headers(r, ctx);
    }

    if (r->http_version != ctx->http_version) {
        r->http_version = ctx->http_version;
        r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    }

    /* Nor does it know a switch of protocols that nobody asked for (other interim responses are passed over, in
     * ngx_http_weir_upstream.c): it would pass what follows as the body of a response that has none, and the client
     * would take it for the answer to its next request. */

    if (r->headers_out.status < NGX_HTTP_OK
        && !(r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS && r->headers_in.upgrade != NULL))
    {
        r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    }

    if (ctx->no_upstream && r->headers_out.status == NGX_HTTP_BAD_GATEWAY) {
        r->headers_out.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (ctx->local != NULL && !ctx->local_sent) {  /* a plugin's answer, from inside the reading of the body */
        ctx->replace_body = 1;
        return set_local_headers(r, ctx);
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
    if (ctx->attached == NULL && r->headers_out.server == NULL && !ngx_http_weir_out_add(ctx, STR("server"), STR("weir"))) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
send_headers(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->response_done = 1;
    ctx->defer_headers = 0;

    if (ngx_http_weir_change_response(ctx) != NGX_OK || server_header(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->filtering && !ctx->has_no_body) {

        if (r->headers_out.content_length_n >= 0) {

            if (ctx->response_ended) {
                ngx_http_clear_content_length(r);
                r->headers_out.content_length_n = ctx->passed;

            } else if (ctx->fed != ctx->passed) {
                ngx_http_clear_content_length(r);
            }
        }

        /* Plugins may make trailers; a response that has them has no Content-Length. */

        r->expect_trailers = r->headers_out.content_length_n < 0 || ngx_http_weir_trailers_count(ctx) != 0;
        ctx->promised = r->expect_trailers ? -1 : r->headers_out.content_length_n;
    }

    rc = ngx_http_weir_next_header_filter(r);

    return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : rc;
}


/* They come behind the body, which therefore passes the chain, too. */

static bool
wants_trailers(ngx_http_weir_ctx_t *ctx)
{
    return (ctx->attached != NULL || (ctx->service != NULL && ctx->service->conf->protocol == GW_HTTP2))
           && pw_stream_wants_response_trailers(ctx->stream);
}


static ngx_int_t
header_filter(ngx_http_request_t *r)
{
    bool                  lost;
    enum pw_verdict       verdict;
    ngx_http_weir_ctx_t  *ctx;

    lost = ngx_http_get_module_ctx(r, ngx_http_weir_module) == NULL;
    ctx = ngx_http_weir_ctx_find(r);

    if (ctx != NULL && lost && ctx->response_started) {     /* a later filter puts a page in its place */
        ctx->filtering = 0;
        r->buffered &= ~NGX_HTTP_WEIR_BUFFERED;
    }

    if (ctx == NULL || r != r->main || ctx->response_done || ctx->response_started) {
        return ngx_http_weir_next_header_filter(r);
    }

    if (ctx->attached != NULL) {
        ngx_http_weir_attach_answered(ctx);
    }

    forget_empty(&r->headers_out.server);
    forget_empty(&r->headers_out.date);

    if (replace_error_page(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->promised = -1;

    if (ctx->stream != NULL) {

        ctx->response_started = 1;
        ctx->has_no_body = has_no_body(r);
        ctx->body_last = &ctx->body_out;

        ctx->calling = 1;
        verdict = pw_stream_on_response_headers(ctx->stream, ctx->has_no_body);
        ctx->calling = 0;

        ctx->filtering = verdict == PW_PAUSE
                         || (!ctx->has_no_body && (pw_stream_wants_response_body(ctx->stream) || wants_trailers(ctx)));

        if (response_verdict(r, ctx, verdict) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ctx->filtering) {
            r->filter_need_in_memory = 1;
            r->allow_ranges = 0;
        }

        ctx->defer_headers = ctx->filtering && !ctx->has_no_body && r->headers_out.content_length_n >= 0;

        if (!ctx->response_through || ctx->defer_headers) {
            r->buffered |= NGX_HTTP_WEIR_BUFFERED;
            return NGX_OK;
        }
    }

    return send_headers(r, ctx);
}


static void
consume(ngx_chain_t *in)
{
    for ( /* void */ ; in != NULL; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
}


/* The local body once, nothing of the upstream's: what takes the place of `in`. */

static ngx_int_t
replace_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_chain_t **in, ngx_chain_t *local)
{
    consume(*in);
    *in = NULL;

    if (ctx->body_replaced || r->header_only) {
        return NGX_OK;
    }

    ctx->body_replaced = 1;

    if (r->upstream != NULL && !ctx->local_sent) {
        r->upstream->length = 0;      /* what the upstream still sends interests nobody */
    }

    *in = local;

    return local_body(r, ctx, local);
}


/* ---- bodies through the chain ---- */

static ngx_buf_t *
own_buffer(ngx_http_weir_ctx_t *ctx, size_t size)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool = ctx->request->pool;
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(pool, &ctx->free);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;

    if (size > (size_t) (b->end - b->start)) {

        if (b->start != NULL) {
            ngx_pfree(pool, b->start);
        }

        b->start = ngx_palloc(pool, size);
        if (b->start == NULL) {
            return NULL;
        }

        b->end = b->start + size;
    }

    b->pos = b->start;
    b->last = b->start;
    b->tag = (ngx_buf_tag_t) &ngx_http_weir_module;
    b->temporary = size != 0;
    b->memory = 0;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;

    *ctx->body_last = cl;
    ctx->body_last = &cl->next;
    cl->next = NULL;

    return b;
}


void
ngx_http_weir_response_body(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl = ctx->feeding;

    if (ctx->has_no_body) {     /* a plugin made one */

        if (is_bare(ctx->request)) {
            return;
        }

        ctx->has_no_body = 0;
    }

    ctx->response_ended |= end_of_stream;
    ctx->passed += chunk.len;

    if (cl != NULL && chunk.at == (char *) cl->buf->pos && (off_t) chunk.len == ngx_buf_size(cl->buf)
        && cl->buf->last_buf == end_of_stream)
    {
        ctx->feeding = NULL;    /* unchanged: nginx's own buffer goes on */

        *ctx->body_last = cl;
        ctx->body_last = &cl->next;
        cl->next = NULL;

        return;
    }

    b = own_buffer(ctx, chunk.len);
    if (b == NULL) {
        ctx->out_failed = 1;
        return;
    }

    if (chunk.len != 0) {
        b->last = ngx_cpymem(b->pos, chunk.at, chunk.len);
    }

    b->flush = !end_of_stream;
    b->last_buf = end_of_stream;
    b->last_in_chain = end_of_stream;
}


/* A plugin ended the response by itself: what else the upstream sends interests nobody. */

static void
drop_rest(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while ((cl = ctx->held) != NULL) {
        ctx->held = cl->next;
        b = cl->buf;
        b->pos = b->last;
        b->file_pos = b->file_last;
        ngx_free_chain(r->pool, cl);
    }

    if (r->upstream != NULL && !ctx->last_in) {
        r->upstream->length = 0;
        r->upstream->keepalive = 0;
    }
}


/* An upstream that speaks HTTP/2 may have sent trailers; nginx has put them into place when the end of the body comes. */

static enum pw_verdict
feed_chain(ngx_http_weir_ctx_t *ctx, struct str chunk, bool last)
{
    enum pw_verdict  verdict;

    if (!last || ngx_http_weir_trailers_count(ctx) == 0) {
        return pw_stream_on_response_body(ctx->stream, chunk, last);
    }

    if (chunk.len != 0) {
        verdict = pw_stream_on_response_body(ctx->stream, chunk, false);

        if (verdict != PW_CONTINUE && verdict != PW_PAUSE) {
            return verdict;
        }
    }

    return pw_stream_on_response_trailers(ctx->stream);
}


/* The client does not take what came out of the chain: then nothing more goes in, nginx keeps what it has read and reads
 * no more. (Where it buffers an upstream's response, as in somebody's own nginx.conf, it would not call again for what is
 * held here.) */

static bool
is_congested(ngx_http_weir_ctx_t *ctx)
{
    off_t                unsent = 0;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r = ctx->request;

    if (r->upstream != NULL && r->upstream->buffering) {
        return false;
    }

    for (cl = ctx->busy; cl != NULL; cl = cl->next) {
        unsent += ngx_buf_size(cl->buf);
    }

    return unsent > UNSENT_MAX;
}


/* Give the chain what waits on ctx->held, as far as it takes it. */

static ngx_int_t
feed(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_buf_t        *b;
    ngx_chain_t      *cl;
    enum pw_verdict   verdict;

    while (ctx->held != NULL && ctx->filtering && !ctx->response_ended) {

        if (ctx->has_no_body ? !ctx->response_through
                             : pw_stream_response_blocked(ctx->stream) || is_congested(ctx)) {
            break;
        }

        cl = ctx->held;
        ctx->held = cl->next;
        cl->next = NULL;
        b = cl->buf;

        if (ctx->has_no_body || (ngx_buf_size(b) == 0 && !b->last_buf)) {
            *ctx->body_last = cl;        /* what says no more than "flush" */
            ctx->body_last = &cl->next;
            ctx->response_ended |= b->last_buf;
            continue;
        }

        ctx->fed += ngx_buf_size(b);
        ctx->feeding = cl;

        ctx->calling = 1;
        verdict = feed_chain(ctx, str_make(b->pos, b->last - b->pos), b->last_buf);
        ctx->calling = 0;

        if (ctx->feeding != NULL) {
            ctx->feeding = NULL;
            b->pos = b->last;
            ngx_free_chain(r->pool, cl);
        }

        rc = response_verdict(r, ctx, verdict);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->filtering && ctx->response_ended) {
        drop_rest(r, ctx);
    }

    return NGX_OK;
}


/* Is the body that came out the one that Content-Length promised? */

static bool
keeps_promise(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (ctx->promised < 0 || ctx->passed == ctx->promised
        || (ctx->passed < ctx->promised && !ctx->response_ended))
    {
        return true;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "[weir] a plugin changed the length of a response after its Content-Length was sent");
    return false;
}


/* The chain has moved, or the client took something: take it on from there. */

static ngx_int_t
advance_once(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_chain_t  *out, local;

    if (feed(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (!ctx->response_done && ctx->response_through
        && (!ctx->filtering || !ctx->defer_headers || ctx->passed != 0 || ctx->response_ended))
    {
        rc = send_headers(r, ctx);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    if (!ctx->filtering) {      /* a plugin's own response */
        out = ctx->held;
        ctx->held = NULL;
        r->buffered &= ~NGX_HTTP_WEIR_BUFFERED;

        if (replace_body(r, ctx, &out, &local) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_weir_next_body_filter(r, out);
    }

    if (ctx->response_done) {

        out = ctx->body_out;
        ctx->body_out = NULL;
        ctx->body_last = &ctx->body_out;

        if (r->header_only) {
            consume(out);
            out = NULL;

        } else if (!keeps_promise(r, ctx)) {
            return NGX_ERROR;
        }

        rc = ngx_http_weir_next_body_filter(r, out);

        ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &out, (ngx_buf_tag_t) &ngx_http_weir_module);
    }

    if (ctx->response_done && ctx->held == NULL && (ctx->response_ended || r->header_only)) {
        r->buffered &= ~NGX_HTTP_WEIR_BUFFERED;

    } else {
        r->buffered |= NGX_HTTP_WEIR_BUFFERED;
    }

    return rc;
}


static ngx_int_t
advance(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    bool       was_congested;
    ngx_int_t  rc;

    do {
        was_congested = is_congested(ctx);
        rc = advance_once(r, ctx);
    } while (rc != NGX_ERROR && was_congested && ctx->held != NULL && !is_congested(ctx));

    return rc;
}


/* The upstream broke off: the end of what is held will never come. */

static bool
is_cut_off(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    return r->upstream != NULL && r->upstream->cleanup == NULL && !ctx->last_in && !ctx->replace_body;
}


static ngx_int_t
body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t             rc;
    ngx_chain_t           local, *cl;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_ctx_find(r);

    if (ctx == NULL || r != r->main) {
        return ngx_http_weir_next_body_filter(r, in);
    }

    if (ctx->replace_body && replace_body(r, ctx, &in, &local) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->filtering) {
        return ngx_http_weir_next_body_filter(r, in);
    }

    for (cl = in; cl != NULL; cl = cl->next) {
        ctx->last_in |= cl->buf->last_buf;
    }

    if (ngx_chain_add_copy(r->pool, &ctx->held, in) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = advance(r, ctx);

    if (rc != NGX_ERROR && (r->buffered & NGX_HTTP_WEIR_BUFFERED) && is_cut_off(r, ctx)) {
        return NGX_ERROR;
    }

    return rc;
}


/* A plugin lets a held response go, or answers in its place. */

void
ngx_http_weir_resume_response(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    if (!ctx->filtering) {
        return;
    }

    if (ctx->local != NULL && !ctx->local_sent && !ctx->replace_body) {
        verdict = PW_LOCAL;

    } else {
        ctx->calling = 1;
        verdict = pw_stream_resume_response(ctx->stream);
        ctx->calling = 0;
    }

    if (response_verdict(r, ctx, verdict) != NGX_OK || advance(r, ctx) == NGX_ERROR) {
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
