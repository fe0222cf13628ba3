/*
 * ngx_http_weir_body.c - a request's body through the plugins, as it arrives.
 *
 * Only if a plugin wants it. nginx reads the body unbuffered, its request body filter gives every chunk to the
 * chain, and what the chain lets through goes to nginx's next filter: the very buffers of nginx where nobody
 * changed them, else ours. Two parties make nginx read:
 *
 *   access phase   while a plugin holds the headers, or it is not known yet whether the body keeps its length:
 *                  ngx_http_weir_begin_body, ngx_http_weir_read_on
 *   upstream       once the request is on its way: ngx_http_weir_stream.c has nginx's upstream read the rest
 *
 * A body that came out whole before the request left is sent with its true length, to another endpoint, too, if the
 * first one fails. Any other keeps the client's Content-Length as long as no plugin took that header away or changed
 * what came out so far, and goes in chunks if not.
 *
 * In locations of somebody's own nginx.conf nginx reads the body whole, as its handlers expect it
 * (ngx_http_weir_attach.c).
 *
 * Memory is bounded by not reading: nginx's buffers that the chain or the upstream has not taken stay busy. Of
 * what plugins made, NGX_HTTP_WEIR_SPOOL bytes wait in memory and the rest in a temporary file, and the chain gets
 * nothing while that is not sent.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_SPOOL  65536


static ngx_http_request_body_filter_pt  next_request_body_filter;


/* ---- what comes out of the chain ---- */

static void
append(ngx_http_weir_ctx_t *ctx, ngx_chain_t *cl)
{
    ngx_chain_t  **ll;

    for (ll = &ctx->request_out; *ll != NULL; ll = &(*ll)->next) { /* void */ }

    *ll = cl;
    cl->next = NULL;
}


static ngx_int_t
spool_write(ngx_http_weir_ctx_t *ctx, struct str chunk, ngx_buf_t *b)
{
    ssize_t                    n;
    ngx_buf_t                  memory;
    ngx_chain_t                cl;
    ngx_temp_file_t           *tf = ctx->spool_file;
    ngx_http_request_t        *r = ctx->request;
    ngx_http_core_loc_conf_t  *clcf;

    if (tf == NULL) {
        tf = ngx_pcalloc(r->pool, sizeof(ngx_temp_file_t));
        if (tf == NULL) {
            return NGX_ERROR;
        }

        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        tf->file.fd = NGX_INVALID_FILE;
        tf->file.log = r->connection->log;
        tf->path = clcf->client_body_temp_path;
        tf->pool = r->pool;
        tf->clean = 1;
        tf->log_level = NGX_LOG_INFO;

        ctx->spool_file = tf;
    }

    if (ctx->request_busy == NULL && ctx->request_out == NULL) {
        tf->offset = 0;     /* nobody reads it any more */
    }

    ngx_memzero(&memory, sizeof(ngx_buf_t));
    memory.pos = (u_char *) chunk.at;
    memory.last = memory.pos + chunk.len;
    memory.memory = 1;
    cl.buf = &memory;
    cl.next = NULL;

    n = ngx_write_chain_to_temp_file(tf, &cl);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    b->file = &tf->file;
    b->file_pos = tf->offset;
    tf->offset += n;
    b->file_last = tf->offset;
    b->in_file = 1;

    return NGX_OK;
}


static off_t
waiting(ngx_http_weir_ctx_t *ctx)
{
    off_t         n = 0;
    ngx_chain_t  *cl;

    for (cl = ctx->request_busy; cl != NULL; cl = cl->next) {
        if (cl->buf->tag == (ngx_buf_tag_t) &ngx_http_weir_module) {
            n += ngx_buf_size(cl->buf);
        }
    }

    for (cl = ctx->request_out; cl != NULL; cl = cl->next) {
        if (cl->buf->tag == (ngx_buf_tag_t) &ngx_http_weir_module) {
            n += ngx_buf_size(cl->buf);
        }
    }

    return n;
}


static ngx_int_t
append_copy(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream)
{
    u_char       *start, *end;
    ngx_buf_t    *b;
    ngx_pool_t   *pool = ctx->request->pool;
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(pool, &ctx->request_free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;
    start = b->start;
    end = b->end;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = start;
    b->end = end;
    b->tag = (ngx_buf_tag_t) &ngx_http_weir_module;
    b->flush = 1;
    b->last_buf = end_of_stream;

    if (chunk.len != 0 && ctx->attached == NULL && waiting(ctx) + (off_t) chunk.len > NGX_HTTP_WEIR_SPOOL) {

        if (spool_write(ctx, chunk, b) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (chunk.len != 0) {

        if (chunk.len > (size_t) (b->end - b->start)) {

            if (b->start != NULL) {
                ngx_pfree(pool, b->start);
            }

            b->start = ngx_palloc(pool, chunk.len);
            if (b->start == NULL) {
                return NGX_ERROR;
            }

            b->end = b->start + chunk.len;
        }

        b->pos = b->start;
        b->last = ngx_cpymem(b->pos, chunk.at, chunk.len);
        b->temporary = 1;
    }

    append(ctx, cl);

    return NGX_OK;
}


void
ngx_http_weir_request_body(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream)
{
    ngx_chain_t  *cl = ctx->request_feeding;

    ctx->request_passed += chunk.len;
    ctx->request_ended |= end_of_stream;

    if (cl != NULL && chunk.len != 0 && chunk.at == (char *) cl->buf->pos
        && (off_t) chunk.len == ngx_buf_size(cl->buf) && cl->buf->last_buf == end_of_stream)
    {
        ctx->request_feeding = NULL;    /* unchanged: nginx's own buffer goes on */
        append(ctx, cl);
        return;
    }

    if (append_copy(ctx, chunk, end_of_stream) != NGX_OK) {
        ctx->request_failed = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/* ---- into the chain ---- */

/* Is the body that came out the one whose Content-Length the upstream got? */

static bool
keeps_promise(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (ctx->request_promised < 0 || ctx->request_passed == ctx->request_promised
        || (ctx->request_passed < ctx->request_promised && !ctx->request_ended))
    {
        return true;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "[weir] a plugin changed the length of a request after its Content-Length was sent");
    return false;
}


/* The chain said something of a body: what becomes of the request. */

static void
note_verdict(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, enum pw_verdict verdict)
{
    if (ngx_http_weir_request_verdict(r, ctx, verdict) == NGX_OK) {
        return;
    }

    if (verdict == PW_LOCAL && ctx->response_started) {
        ctx->request_dropped = 1;   /* the answer takes the place of the response that is there */
        ngx_http_weir_post(ctx);
        return;
    }

    /* Where a plugin answered, the response filter puts that in the place of nginx's page. */

    ctx->request_failed = verdict == PW_CLOSE ? NGX_HTTP_CLOSE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
feed_one(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    bool              last;
    ngx_buf_t        *b;
    struct str        chunk;
    ngx_chain_t      *cl;
    enum pw_verdict   verdict;

    cl = ctx->request_held;
    ctx->request_held = cl->next;
    cl->next = NULL;

    b = cl->buf;
    last = b->last_buf;
    chunk = str_make(b->pos, b->last - b->pos);

    if (chunk.len != 0 || last) {
        ctx->request_fed += chunk.len;
        ctx->body_fed |= last;
        ctx->request_feeding = cl;

        ctx->calling = 1;
        verdict = pw_stream_on_request_body(ctx->stream, chunk, last);
        ctx->calling = 0;

        note_verdict(r, ctx, verdict);

        if (ctx->request_feeding == NULL) {
            return;     /* it went on */
        }

        ctx->request_feeding = NULL;
    }

    b->pos = b->last;
    ngx_free_chain(r->pool, cl);
}


static void
drop(ngx_http_request_t *r, ngx_chain_t **chain)
{
    ngx_chain_t  *cl;

    while (*chain != NULL) {
        cl = *chain;
        *chain = cl->next;
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
        ngx_free_chain(r->pool, cl);
    }
}


/* Give the chain what waits, as far as it takes it, and nginx what comes out. */

static ngx_int_t
feed(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_chain_t  *out, *none = NULL;

    ngx_chain_update_chains(r->pool, &ctx->request_free, &ctx->request_busy, &none,
                            (ngx_buf_tag_t) &ngx_http_weir_module);

    while (ctx->request_held != NULL && ctx->request_failed == 0 && !ctx->request_dropped
           && !pw_stream_request_blocked(ctx->stream)
           && (ctx->attached != NULL || waiting(ctx) < NGX_HTTP_WEIR_SPOOL))
    {
        feed_one(r, ctx);
    }

    if (ctx->request_dropped) {
        drop(r, &ctx->request_held);
        drop(r, &ctx->request_out);
        return NGX_OK;
    }

    if (ctx->request_failed == 0 && !keeps_promise(r, ctx)) {
        ctx->request_failed = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->request_failed != 0) {
        return ctx->request_failed;
    }

    out = ctx->request_out;
    ctx->request_out = NULL;

    rc = next_request_body_filter(r, out);

    ngx_chain_update_chains(r->pool, &ctx->request_free, &ctx->request_busy, &out,
                            (ngx_buf_tag_t) &ngx_http_weir_module);

    if (rc == NGX_OK && ctx->attached != NULL && !ctx->request_ended && waiting(ctx) > NGX_HTTP_WEIR_SPOOL) {
        rc = ngx_http_weir_attach_spill(r);
    }

    return rc;
}


static void
body_is_read_handler(ngx_event_t *ev)
{
    ngx_http_weir_ctx_t  *ctx = ev->data;
    ngx_http_request_t   *r = ctx->request;
    ngx_event_t          *rev = r->connection->read;

    if (rev->timer_set && (r->reading_body || ctx->buffering) && r->lingering_time == 0 && ctx->request_failed == 0) {
        ngx_del_timer(rev);
    }
}


/* nginx gives the client time for more after it called the filters, as long as these have not let go of all. The client
 * that has sent all of it needs none: the timer is taken away when nginx has set it. */

static void
end_client_time(ngx_http_weir_ctx_t *ctx)
{
    ngx_event_t  *ev = &ctx->body_is_read;

    if (!ev->posted) {
        ev->data = ctx;
        ev->handler = body_is_read_handler;
        ev->log = ctx->request->connection->log;
        ngx_post_event(ev, &ngx_posted_events);
    }
}


static ngx_int_t
request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t          *cl;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx != NULL && r == r->main && ctx->body_limit != 0) {

        for (cl = in; cl != NULL; cl = cl->next) {
            ctx->body_bytes += ngx_buf_size(cl->buf);
        }

        if (ctx->body_bytes > ctx->body_limit) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }
    }

    if (ctx == NULL || r != r->main || !ctx->reading_body || ctx->stream == NULL) {
        return next_request_body_filter(r, in);
    }

    r->request_body->filter_need_buffering = 1;

    for (cl = in; cl != NULL; cl = cl->next) {
        ctx->body_read |= cl->buf->last_buf;
    }

    if (ctx->body_read) {
        end_client_time(ctx);
    }

    if (ngx_chain_add_copy(r->pool, &ctx->request_held, in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->local != NULL && !ctx->response_started && ctx->request_failed == 0) {
        ctx->request_failed = NGX_HTTP_INTERNAL_SERVER_ERROR;   /* a callout answered meanwhile */
    }

    return feed(r, ctx);
}


/* ---- reading in the access phase ---- */

static void
read_handler(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx->body_read) {
        ngx_http_test_reading(r);      /* all is read; the client may leave */
        return;
    }

    ctx->paused = 0;
    ngx_http_core_run_phases(r);
}


static void
begun(ngx_http_request_t *r)
{
    /* ngx_http_weir_begin_body goes on by itself */
}


/* Nothing more comes from the client: then no timeout of its own runs while plugins hold the request. */

static void
settle_reading(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_event_t  *rev = r->connection->read;

    if (rev->timer_set && ctx->body_read) {
        ngx_del_timer(rev);
    }

    r->read_event_handler = read_handler;
    r->write_event_handler = ngx_http_core_run_phases;
}


/* A body that nginx did not have to read, of a request that might have had one. */

static void
end_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    ctx->body_fed = 1;

    ctx->calling = 1;
    verdict = pw_stream_on_request_body(ctx->stream, STR(""), true);
    ctx->calling = 0;

    note_verdict(r, ctx, verdict);
}


ngx_int_t
ngx_http_weir_begin_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->attached != NULL) {
        return ngx_http_weir_attach_read(r, ctx);
    }

    ctx->reading_body = 1;
    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, begun);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    r->main->count--;   /* the phases go on, nobody else holds the request */

    if (!r->reading_body && !ctx->body_fed) {
        end_body(r, ctx);
    }

    settle_reading(r, ctx);

    return ctx->request_failed;
}


ngx_int_t
ngx_http_weir_read_on(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->buffering) {
        ngx_post_event(r->connection->read, &ngx_posted_events);   /* nginx goes on where the chain held it */
        return ctx->request_failed;
    }

    if (r->reading_body) {
        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        settle_reading(r, ctx);
    }

    return ctx->request_failed;
}


bool
ngx_http_weir_body_may_leave(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (ctx->attached != NULL) {
        return !ctx->buffering;
    }

    if (!ctx->reading_body || (ctx->request_ended && !r->reading_body)) {
        return true;
    }

    if (!r->reading_body) {
        return false;   /* all of it is in the chain */
    }

    return r->headers_in.chunked || r->headers_in.content_length == NULL || ctx->request_passed != 0;
}


void
ngx_http_weir_settle_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (r->reading_body) {
        ngx_http_weir_stream_request(r, ctx);
        return;
    }

    if (ctx->request_passed != 0 || r->headers_in.content_length_n >= 0 || r->headers_in.chunked) {
        r->headers_in.content_length_n = ctx->request_passed;
        r->headers_in.chunked = 0;
    }
}


/* Plugins let go of a body on its way to the upstream. */

void
ngx_http_weir_resume_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    if (ctx->stream == NULL || !r->reading_body || ctx->request_failed != 0 || ctx->request_dropped) {
        return;
    }

    if (ctx->local == NULL) {
        ctx->calling = 1;
        verdict = pw_stream_resume_request(ctx->stream);
        ctx->calling = 0;

        note_verdict(r, ctx, verdict);
    }

    /* The upstream reads, and so finds what came out, or that the request failed. */

    r->read_event_handler(r);
}


void
ngx_http_weir_body_init(void)
{
    next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = request_body_filter;
}
