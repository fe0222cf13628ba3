/*
 * ngx_http_weir_attach.c - the chain of plugins in a location of somebody's own nginx.conf (docs/nginx.md).
 *
 * nginx routes, and nginx's handler of the location answers: proxy_pass, files, return, fastcgi. Ours is what lies
 * between: the request's headers and body pass the chain before the handler has them, the response passes it in the
 * filters, which are those of all requests (ngx_http_weir_filter.c). Rules find the location by the names that
 * weir_route and weir_service give it; which rules these are is worked out once for a location and a generation.
 *
 * Handlers expect a body that is there. So nginx reads it whole, as it would itself, into memory or its temporary file,
 * and what the chain lets through is what it keeps. While the chain holds something back, nginx's reader waits
 * (filter_need_buffering); ctx->buffering says that it is not done.
 *
 * A redirect inside of nginx (index, try_files, error_page, X-Accel-Redirect) keeps the context, so a request passes
 * the chain once, whatever locations it comes by.
 */

#include "ngx_http_weir_module.h"


/* NULL: no memory. */

static const struct gw_location *
find_location(ngx_http_weir_generation_t *g, const ngx_http_weir_loc_conf_t *lcf)
{
    ngx_str_t            route = lcf->route, service = lcf->service;
    struct gw_location  *where;

    if (g->locations[lcf->index] != NULL) {
        return g->locations[lcf->index];
    }

    where = ngx_palloc(g->pool, sizeof(struct gw_location));
    if (where == NULL) {
        return NULL;
    }

    where->rules = ngx_palloc(g->pool, (g->config->nplugins + 1) * sizeof(uint32_t));
    if (where->rules == NULL) {
        return NULL;
    }

    gw_generation_locate(g->gw, ngx_http_weir_str(&route), ngx_http_weir_str(&service), where);
    g->locations[lcf->index] = where;

    return where;
}


static ngx_int_t
begin(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    uint32_t                     n;
    struct str                   host;
    struct gw_step              *found;
    const struct gw_location    *where;
    ngx_http_weir_generation_t  *g = ctx->generation;

    ngx_http_weir_measure_headers(r, ctx);

    if (g->config->nplugins == 0) {
        return NGX_OK;
    }

    found = ngx_palloc(r->pool, g->config->nplugins * sizeof(struct gw_step));
    where = find_location(g, ctx->attached);

    if (found == NULL || where == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_weir_in_get(ctx, STR(":authority"), &host);
    n = gw_generation_located_plugins(g->gw, where, host, found);

    return ngx_http_weir_make_stream(r, ctx, found, n);
}


void
ngx_http_weir_attach_answered(ngx_http_weir_ctx_t *ctx)
{
    ctx->request_done = 1;
    ctx->paused = 0;
    ctx->buffering = 0;
}


ngx_int_t
ngx_http_weir_attach_handler(ngx_http_request_t *r, const ngx_http_weir_loc_conf_t *lcf)
{
    bool                  lost;
    ngx_http_weir_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    lost = ngx_http_get_module_ctx(r, ngx_http_weir_module) == NULL;
    ctx = ngx_http_weir_ctx_find(r);

    if (ctx != NULL && lost) {      /* redirected: to a page of an error, if the chain was not done */
        ngx_http_weir_attach_answered(ctx);
    }

    if (ctx == NULL) {

        if (ngx_http_weir_worker.generation == NULL) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "[weir] refused: there is no configuration of plugins "
                          "in \"%V\", start `weir run --attach -c FILE --state %V`",
                          &ngx_http_weir_worker.folder, &ngx_http_weir_worker.folder);
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        ctx = ngx_http_weir_ctx_new(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->attached = lcf;

        if (begin(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_weir_proceed(r, ctx);
}


/* ---- the request's body ---- */

/* nginx has all that came out of the chain. */

static void
whole(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);
    ctx->buffering = 0;

    if (!ctx->calling && ctx->paused) {
        ctx->paused = 0;
        ngx_http_core_run_phases(r);
    }
}


/* A request that might have had a body, and has none. */

static void
end_empty(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    enum pw_verdict  verdict;

    ctx->body_fed = 1;

    ctx->calling = 1;
    verdict = pw_stream_on_request_body(ctx->stream, STR(""), true);
    ctx->calling = 0;

    if (ngx_http_weir_request_verdict(r, ctx, verdict) != NGX_OK) {
        ctx->request_failed = verdict == PW_CLOSE ? NGX_HTTP_CLOSE : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


ngx_int_t
ngx_http_weir_attach_read(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->reading_body = 1;
    ctx->buffering = 1;

    rc = ngx_http_read_client_request_body(r, whole);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    r->main->count--;   /* the phases go on, nobody else holds the request */
    r->write_event_handler = ngx_http_core_run_phases;

    if (!ctx->buffering && !ctx->body_fed) {
        end_empty(r, ctx);
    }

    return ctx->request_failed;
}


ngx_int_t
ngx_http_weir_attach_settle(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_table_elt_t  *h = r->headers_in.content_length;

    if (ctx->request_passed == 0 && r->headers_in.content_length_n < 0 && !r->headers_in.chunked) {
        return NGX_OK;
    }

    r->headers_in.content_length_n = ctx->request_passed;
    r->headers_in.chunked = 0;

    if (h != NULL && ctx->request_passed != ctx->request_fed) {     /* fastcgi and $content_length look at the text */

        h->value.data = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
        if (h->value.data == NULL) {
            return NGX_ERROR;
        }

        h->value.len = ngx_sprintf(h->value.data, "%O", ctx->request_passed) - h->value.data;
    }

    return NGX_OK;
}


/* As nginx does when its buffer is full: what it keeps of a body beside that buffer has no bound of its own. Not after
 * the end of the body came: by then nginx has put together what handlers read. */

ngx_int_t
ngx_http_weir_attach_spill(ngx_http_request_t *r)
{
    ssize_t                    n;
    ngx_chain_t               *cl;
    ngx_temp_file_t           *tf;
    ngx_http_request_body_t   *rb = r->request_body;
    ngx_http_core_loc_conf_t  *clcf;

    if (rb->bufs == NULL) {
        return NGX_OK;
    }

    tf = rb->temp_file;

    if (tf == NULL) {

        tf = ngx_pcalloc(r->pool, sizeof(ngx_temp_file_t));
        if (tf == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        tf->file.fd = NGX_INVALID_FILE;
        tf->file.log = r->connection->log;
        tf->path = clcf->client_body_temp_path;
        tf->pool = r->pool;
        tf->warn = "a client request body is buffered to a temporary file";
        tf->log_level = r->request_body_file_log_level;
        tf->persistent = r->request_body_in_persistent_file;
        tf->clean = r->request_body_in_clean_file;

        rb->temp_file = tf;
    }

    n = ngx_write_chain_to_temp_file(tf, rb->bufs);
    if (n == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    tf->offset += n;

    while (rb->bufs != NULL) {
        cl = rb->bufs;
        rb->bufs = cl->next;
        cl->buf->pos = cl->buf->last;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}
