/*
 * ngx_http_weir_body.c - a request's body through the plugins, before the upstream is asked.
 *
 * Only if a plugin wants it: nginx reads the body in the access phase, its request body filter gives every chunk to
 * the chain, and what comes out gathers here, in memory up to NGX_HTTP_WEIR_SPOOL bytes and then in a temporary
 * file. When all of it came out, it becomes the request's body, with its length, and the request goes on to the
 * upstream. So a body callback can still change headers, the route, or answer.
 *
 * The filter tells nginx that all is read as soon as the client has sent it, whatever the chain still holds: a
 * request that waits for a plugin then waits like one whose headers are held. While the chain asks for
 * back-pressure the filter keeps nginx's buffers, so that nginx stops reading when they are full.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_SPOOL  65536


static ngx_http_request_body_filter_pt  next_request_body_filter;


static void
body_read(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    ctx->body_read = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


ngx_int_t
ngx_http_weir_read_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->reading_body = 1;

    rc = ngx_http_read_client_request_body(r, body_read);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


/* ---- what comes out of the chain ---- */

static ngx_int_t
spool_flush(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ssize_t                    n;
    ngx_chain_t                cl;
    ngx_temp_file_t           *tf = ctx->spool_file;
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

    cl.buf = ctx->spool;
    cl.next = NULL;

    n = ngx_write_chain_to_temp_file(tf, &cl);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    tf->offset += n;
    ctx->spool->pos = ctx->spool->start;
    ctx->spool->last = ctx->spool->start;

    return NGX_OK;
}


void
ngx_http_weir_spool(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream)
{
    off_t                known;
    size_t               n, size;
    ngx_buf_t           *b;
    ngx_http_request_t  *r = ctx->request;

    if (ctx->spool == NULL && chunk.len != 0) {
        known = r->headers_in.content_length_n;
        size = end_of_stream ? chunk.len : (known > 0 ? ngx_max((size_t) known, chunk.len) : NGX_HTTP_WEIR_SPOOL);

        ctx->spool = ngx_create_temp_buf(r->pool, ngx_min(size, NGX_HTTP_WEIR_SPOOL));
        if (ctx->spool == NULL) {
            ctx->spool_failed = 1;
            return;
        }
    }

    while (chunk.len != 0 && !ctx->spool_failed) {
        b = ctx->spool;

        if (b->last == b->end && spool_flush(r, ctx) != NGX_OK) {
            ctx->spool_failed = 1;
            return;
        }

        n = ngx_min(chunk.len, (size_t) (b->end - b->last));
        b->last = ngx_cpymem(b->last, chunk.at, n);
        chunk.at += n;
        chunk.len -= n;
    }

    ctx->request_ended |= end_of_stream;
}


/* The spooled body is the request's. */

ngx_int_t
ngx_http_weir_set_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    off_t         total;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, **ll;

    if (ctx->spool_failed) {
        return NGX_ERROR;
    }

    total = 0;
    ll = &r->request_body->bufs;
    *ll = NULL;

    if (ctx->spool_file != NULL) {
        b = ngx_calloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->in_file = 1;
        b->file = &ctx->spool_file->file;
        b->file_last = ctx->spool_file->offset;

        cl->buf = b;
        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
        total += b->file_last;
    }

    if (ctx->spool != NULL && ctx->spool->last != ctx->spool->pos) {
        cl = ngx_alloc_chain_link(r->pool);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->buf = ctx->spool;
        cl->next = NULL;
        *ll = cl;
        total += ctx->spool->last - ctx->spool->pos;
    }

    if (total != 0 || r->headers_in.content_length_n >= 0 || r->headers_in.chunked) {
        r->headers_in.content_length_n = total;
        r->headers_in.chunked = 0;
    }

    return NGX_OK;
}


/* ---- into the chain ---- */

static ngx_int_t
feed(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    bool              last;
    ngx_buf_t        *b;
    struct str        chunk;
    ngx_chain_t      *cl, out;
    enum pw_verdict   verdict;

    while (ctx->request_held != NULL && !pw_stream_request_blocked(ctx->stream)) {
        cl = ctx->request_held;
        ctx->request_held = cl->next;

        b = cl->buf;
        last = b->last_buf;
        chunk = str_make(b->pos, b->last - b->pos);
        ngx_free_chain(r->pool, cl);

        if (chunk.len != 0 || last) {
            ctx->calling = 1;
            verdict = pw_stream_on_request_body(ctx->stream, chunk, last);
            ctx->calling = 0;

            b->pos = b->last;

            if (ngx_http_weir_request_verdict(r, ctx, verdict) != NGX_OK || ctx->spool_failed) {
                return verdict == PW_CLOSE ? NGX_HTTP_CLOSE : NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
        }

        if (last) {
            ctx->body_fed = 1;

            b = ngx_calloc_buf(r->pool);
            if (b == NULL) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            b->last_buf = 1;
            out.buf = b;
            out.next = NULL;

            return next_request_body_filter(r, &out);
        }
    }

    return NGX_OK;
}


static ngx_int_t
request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || r != r->main || !ctx->reading_body || ctx->stream == NULL) {
        return next_request_body_filter(r, in);
    }

    r->request_body->filter_need_buffering = 1;

    if (ngx_chain_add_copy(r->pool, &ctx->request_held, in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return feed(r, ctx);
}


/* A body that nginx did not have to read, of a request that might have had one. */

ngx_int_t
ngx_http_weir_end_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    if (ctx->body_fed) {
        return NGX_OK;
    }

    ctx->body_fed = 1;

    ctx->calling = 1;
    verdict = pw_stream_on_request_body(ctx->stream, STR(""), true);
    ctx->calling = 0;

    return ngx_http_weir_request_verdict(r, ctx, verdict);
}


/* Plugins let go of a body that is still being read. */

void
ngx_http_weir_resume_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t         rc;
    enum pw_verdict   verdict;

    if (ctx->local != NULL) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;   /* the response filter puts the plugin's answer in its place */

    } else {
        ctx->calling = 1;
        verdict = pw_stream_resume_request(ctx->stream);
        ctx->calling = 0;

        rc = ngx_http_weir_request_verdict(r, ctx, verdict);

        if (rc != NGX_OK) {
            rc = verdict == PW_CLOSE ? NGX_HTTP_CLOSE : NGX_HTTP_INTERNAL_SERVER_ERROR;

        } else if (ctx->request_held != NULL) {
            rc = feed(r, ctx);
        }
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
#if (NGX_HTTP_V2)
        if (r->stream) {
            r->stream->skip_data = 1;
        }
#endif
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->read_event_handler(r);
}


void
ngx_http_weir_body_init(void)
{
    next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = request_body_filter;
}
