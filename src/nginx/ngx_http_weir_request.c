/*
 * ngx_http_weir_request.c - a request up to the upstream: the access phase.
 *
 * Route, then plugins, then what the route does: a redirect, or the path and Host for the upstream.
 * Matching looks at nginx's normalised path.  Plugins and the upstream get the path as the client wrote it if
 * decoding it is all that normalising did; where segments went or came, they get the normalised one, escaped
 * again, so that nobody sees another resource than the one that was matched (ADR 0018).  A rewritten path is made
 * of the normalised one, too.
 *
 * The handler runs again after a plugin's pause: ctx->paused says whether it still waits. It runs again, too, while
 * the body is read through the plugins and the headers are held (ngx_http_weir_body.c).
 */

#include "ngx_http_weir_module.h"


#define MAX_LOGGED_BYTES  16384
#define FOR_EVER_MS       (24 * 3600 * 1000)     /* again and again */


static ngx_int_t begin(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static ngx_int_t forwarded(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static uint32_t find_route(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static bool route_header(void *data, struct str name, struct str *value);
static ngx_int_t make_stream(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, uint32_t backend);
static ngx_int_t run(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static bool has_body(ngx_http_request_t *r);
static ngx_int_t finish(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static ngx_int_t refuse(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const char *details, const char *text);
static ngx_int_t redirect(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const struct gw_route *route);
static ngx_int_t settle_path(ngx_http_request_t *r);
static bool as_matched(ngx_http_request_t *r, u_char *end);
static ngx_int_t plain_path(ngx_http_request_t *r, ngx_str_t *path, ngx_str_t *query);
static ngx_int_t answer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *details, const char *body);
static ngx_int_t respond(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static void resume_handler(ngx_event_t *ev);
static void resume_body_handler(ngx_event_t *ev);
static void go_on(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
static void cleanup(void *data);


static void
busy_handler(ngx_event_t *ev)
{
    ngx_add_timer(ev, FOR_EVER_MS);
}


/* A worker that shuts down waits for timers only, and a request that plugins hold may have none: one for all of them. */

static void
count(int n)
{
    static ngx_event_t  busy;

    ngx_http_weir_worker.requests += n;

    if (ngx_http_weir_worker.requests == 0) {
        ngx_del_timer(&busy);

    } else if (!busy.timer_set) {
        busy.handler = busy_handler;
        busy.log = ngx_cycle->log;
        ngx_add_timer(&busy, FOR_EVER_MS);
    }
}


ngx_http_weir_ctx_t *
ngx_http_weir_ctx_new(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_weir_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_weir_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_weir_ctx_t));
    cln->handler = cleanup;

    ctx->request = r;
    ctx->route = GW_NONE;
    ctx->client_path = r->unparsed_uri;
    ctx->http_version = r->http_version;
    ctx->generation = ngx_http_weir_worker.generation;
    ctx->generation->refs++;
    count(1);
    ctx->resume.data = ctx;
    ctx->resume.handler = resume_handler;
    ctx->resume.log = r->connection->log;
    ctx->resume_body.data = ctx;
    ctx->resume_body.handler = resume_body_handler;
    ctx->resume_body.log = r->connection->log;
    ctx->request_promised = -1;

    ngx_http_set_ctx(r, ctx, ngx_http_weir_module);

    return ctx;
}


ngx_http_weir_ctx_t *
ngx_http_weir_ctx_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx != NULL || r != r->main || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
        if (cln->handler == cleanup) {
            ngx_http_set_ctx(r, cln->data, ngx_http_weir_module);
            return cln->data;
        }
    }

    return NULL;
}


struct str
ngx_http_weir_route_name(const ngx_http_weir_ctx_t *ctx)
{
    if (ctx->attached != NULL) {
        return (struct str) { (const char *) ctx->attached->route.data, ctx->attached->route.len };
    }

    return ctx->route == GW_NONE ? STR("") : ctx->generation->config->routes[ctx->route].name;
}


ngx_int_t
ngx_http_weir_access_handler(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL) {

        ctx = ngx_http_weir_ctx_new(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_weir_deadline_start(r, ctx);

        if (begin(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_weir_proceed(r, ctx);
}


ngx_int_t
ngx_http_weir_proceed(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (ctx->request_done) {
        return NGX_DECLINED;
    }

    if (ctx->paused) {
        return NGX_AGAIN;
    }

    return ctx->admitting && ctx->local == NULL ? finish(r, ctx) : run(r, ctx);
}


static ngx_int_t
begin(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    uint32_t    backend;
    ngx_int_t   rc;
    ngx_uint_t  status;

    ngx_http_weir_measure_headers(r, ctx);

    rc = ngx_http_weir_find_client(r, ctx);

    if (rc == NGX_DECLINED) {
        r->keepalive = 0;
        return answer(r, ctx, NGX_HTTP_BAD_REQUEST, "bad_proxy_header", "the PROXY header has no address\n");
    }

    if (rc != NGX_OK || settle_path(r) != NGX_OK || forwarded(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    backend = find_route(r, ctx);

    if (ctx->route == GW_NONE) {
        return answer(r, ctx, NGX_HTTP_NOT_FOUND, "route_not_found", "no route matches this request\n");
    }

    status = ngx_http_weir_too_large(r, ctx);

    if (status != 0) {
        return answer(r, ctx, status, "request_too_large", status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE
                      ? "the body of the request is too large\n" : "the headers of the request are too large\n");
    }

    return make_stream(r, ctx, backend);
}


/* What a proxy tells about the client; plugins see it too. */

static ngx_int_t
forwarded(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    u_char            *p;
    size_t             len;
    struct str         value;
    ngx_str_t         *peer = &ctx->peer, chain;
    ngx_uint_t         i;
    ngx_table_elt_t  **h;

    chain = *peer;

    if (r->headers_in.x_forwarded_for.nelts != 0) {
        h = r->headers_in.x_forwarded_for.elts;
        len = peer->len;

        for (i = 0; i < r->headers_in.x_forwarded_for.nelts; i++) {
            len += h[i]->value.len + 2;
        }

        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        chain.data = p;
        chain.len = len;

        for (i = 0; i < r->headers_in.x_forwarded_for.nelts; i++) {
            p = ngx_cpymem(p, h[i]->value.data, h[i]->value.len);
            p = ngx_cpymem(p, ", ", 2);
        }

        ngx_memcpy(p, peer->data, peer->len);
    }

    if (!ngx_http_weir_in_replace(ctx, STR("x-forwarded-for"), ngx_http_weir_str(&chain))) {
        return NGX_ERROR;
    }

    /* How the client came to a trusted proxy, that one knows. */

    if (!ctx->peer_trusted || !ngx_http_weir_in_get(ctx, STR("x-forwarded-proto"), &value)
        || (!str_eq(value, STR("https")) && !str_eq(value, STR("http"))))
    {
        value = r->connection->ssl ? STR("https") : STR("http");

        if (!ngx_http_weir_in_replace(ctx, STR("x-forwarded-proto"), value)) {
            return NGX_ERROR;
        }
    }

    if (!ngx_http_weir_in_get(ctx, STR("x-request-id"), &value)) {
        u_char  id[NGX_INT64_LEN * 2];

        p = ngx_sprintf(id, "%08xD%08xD%08xD%08xD", (uint32_t) ngx_random(), (uint32_t) ngx_random(),
                        (uint32_t) ngx_random(), (uint32_t) ngx_random());

        if (!ngx_http_weir_in_add(ctx, STR("x-request-id"), str_make(id, p - id))) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static bool
route_header(void *data, struct str name, struct str *value)
{
    return ngx_http_weir_in_get(data, name, value);
}


/* Sets ctx->route and ctx->service; returns the backend chosen, or GW_NONE. */

static uint32_t
find_route(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    uint32_t                     backend;
    uint64_t                     number;
    struct str                   host;
    struct gw_request            q;
    const struct gw_route       *route;
    ngx_http_weir_generation_t  *g = ctx->generation;

    (void) ngx_http_weir_in_get(ctx, STR(":authority"), &host);

    q.host = host;
    q.path = ngx_http_weir_str(&r->uri);
    q.method = ngx_http_weir_str(&r->method_name);
    q.header = route_header;
    q.ctx = ctx;

    ctx->stale_route = 0;
    ctx->service = NULL;
    ctx->route = gw_generation_route(g->gw, &q);

    if (ctx->route == GW_NONE) {
        return GW_NONE;
    }

    route = &g->config->routes[ctx->route];
    number = (uint64_t) ngx_random() << 31 | (uint64_t) ngx_random();

    backend = gw_route_pick_backend(route, number);

    if (backend != GW_NONE) {
        ctx->service = &g->services[route->backends[backend].service];
    }

    return backend;
}


/* The plugins of this request. One whose module did not load fails by its policy here. */

ngx_int_t
ngx_http_weir_make_stream(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const struct gw_step *found, uint32_t n)
{
    uint32_t                     i;
    size_t                       nsteps;
    struct pw_step              *steps;
    ngx_http_weir_plugin_t      *plugin;
    ngx_http_weir_generation_t  *g = ctx->generation;

    steps = ngx_palloc(r->pool, (n + 1) * sizeof(struct pw_step));
    ctx->steps = ngx_palloc(r->pool, (n + 1) * sizeof(ngx_http_weir_plugin_t *));
    ctx->chain = ngx_palloc(r->pool, (n + 1) * sizeof(ngx_http_weir_link_t));
    ctx->nchain = 0;

    if (steps == NULL || ctx->steps == NULL || ctx->chain == NULL) {
        return NGX_ERROR;
    }

    nsteps = 0;

    for (i = 0; i < n; i++) {
        plugin = &g->plugins[found[i].plugin];
        ctx->chain[ctx->nchain].plugin = plugin;
        ctx->chain[ctx->nchain++].step = plugin->plugin == NULL ? -1 : (ngx_int_t) nsteps;

        if (plugin->plugin == NULL) {
            if (plugin->conf->fail_strategy == GW_FAIL_OPEN) {
                continue;
            }

            ctx->plugin = ngx_http_weir_ngx_str(plugin->conf->name);

            return answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "wasm_fail_stream", "");
        }

        steps[nsteps].plugin = plugin->plugin;
        steps[nsteps].config = plugin->roots[found[i].config];
        ctx->steps[nsteps] = plugin;
        nsteps++;
    }

    if (nsteps != 0) {
        ctx->stream = pw_stream_new(steps, nsteps, ctx);
    }

    return NGX_OK;
}


static ngx_int_t
make_stream(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, uint32_t backend)
{
    ngx_int_t                    rc;
    struct str                   host;
    struct gw_step              *found;
    ngx_http_weir_generation_t  *g = ctx->generation;

    if (g->config->nplugins == 0) {
        return NGX_OK;
    }

    (void) ngx_http_weir_in_get(ctx, STR(":authority"), &host);

    found = ngx_palloc(r->pool, g->config->nplugins * sizeof(struct gw_step));
    if (found == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_weir_make_stream(r, ctx, found, gw_generation_plugins(g->gw, ctx->route, backend, host, found));

    if (ctx->stream != NULL) {
        pw_stream_limit_bodies(ctx->stream, g->config->routes[ctx->route].body_limit_bytes);
    }

    return rc;
}


ngx_int_t
ngx_http_weir_request_verdict(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, enum pw_verdict verdict)
{
    switch (verdict) {

    case PW_CONTINUE:
        ctx->request_through = 1;
        return NGX_OK;

    case PW_PAUSE:
        return NGX_OK;

    default:
        r->keepalive = 0;
        r->lingering_close = 1;
        return NGX_ERROR;
    }
}


static ngx_int_t
hold(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ctx->paused = 1;

    if (!r->reading_body && !ctx->buffering) {
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_AGAIN;
}


/* The chain has the headers, or goes on with what it held; then the body, as far as that is there. */

static ngx_int_t
run_chain(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t        rc;
    enum pw_verdict  verdict;

    ctx->calling = 1;

    if (ctx->begun) {
        verdict = pw_stream_resume_request(ctx->stream);

    } else {
        ctx->begun = 1;
        ctx->has_body = has_body(r);
        verdict = pw_stream_on_request_headers(ctx->stream, !ctx->has_body);
    }

    ctx->calling = 0;

    if (verdict == PW_CLOSE) {
        return NGX_HTTP_CLOSE;
    }

    if (verdict == PW_LOCAL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;  /* if it could not be kept */
    }

    if (verdict == PW_CONTINUE) {
        ctx->request_through = 1;
    }

    rc = NGX_OK;

    if (ctx->reading_body) {
        rc = ngx_http_weir_read_on(r, ctx);

    } else if (ctx->has_body && pw_stream_wants_request_body(ctx->stream)
               && !pw_stream_request_blocked(ctx->stream))
    {
        rc = ngx_http_weir_begin_body(r, ctx);
    }

    return rc;
}


static ngx_int_t
run(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc = NGX_OK;

    if (ctx->local == NULL && ctx->stream != NULL) {
        rc = run_chain(r, ctx);
    }

    if (ctx->local != NULL && rc != NGX_HTTP_CLOSE) {
        return respond(r, ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->stream != NULL && (!ctx->request_through || !ngx_http_weir_body_may_leave(r, ctx))) {
        return hold(r, ctx);
    }

    if (ctx->reading_body && ctx->attached == NULL) {
        ngx_http_weir_settle_body(r, ctx);
    }

    return finish(r, ctx);
}


static bool
has_body(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)
    if (r->stream) {
        return !r->stream->in_closed;
    }
#endif

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked || ngx_http_weir_upgrades(r);
}


/* Its path becomes the one that the route makes of it. */

static ngx_int_t
rewrite_path(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_str_t *path, ngx_str_t *query)
{
    bool           changed;
    ngx_str_t      uri;
    struct strbuf  rewritten = { 0 };

    changed = gw_generation_rewrite_path(ctx->generation->gw, ctx->route, ngx_http_weir_str(path), &rewritten);

    if (changed) {

        if (query->data != NULL) {
            strbuf_add_char(&rewritten, '?');
            strbuf_add(&rewritten, ngx_http_weir_str(query));
        }

        if (ngx_http_weir_copy(r->pool, strbuf_str(&rewritten), &uri) != NGX_OK) {
            strbuf_fini(&rewritten);
            return NGX_ERROR;
        }

        r->unparsed_uri = uri;
        r->valid_unparsed_uri = 1;
    }

    strbuf_fini(&rewritten);

    return NGX_OK;
}


/* The plugins let it through: prepare what the proxy module will do. */

static ngx_int_t
finish(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    uint32_t                  before;
    ngx_str_t                 path, query;
    struct str                host;
    const char               *details, *text;
    const struct gw_route    *route;
    ngx_http_weir_service_t  *service;

    if (ctx->attached != NULL) {
        ctx->request_done = 1;
        r->read_event_handler = ngx_http_block_reading;

        return ctx->reading_body && ngx_http_weir_attach_settle(r, ctx) != NGX_OK
               ? NGX_HTTP_INTERNAL_SERVER_ERROR : NGX_DECLINED;
    }

    if (ctx->stale_route) {
        before = ctx->route;
        service = ctx->service;
        (void) find_route(r, ctx);

        if (ctx->route == before) {
            ctx->service = service;     /* the one the plugins were chosen for, not another draw of the lot */
        }

        if (ctx->route == GW_NONE) {
            if (answer(r, ctx, NGX_HTTP_NOT_FOUND, "route_not_found", "no route matches this request\n")
                != NGX_OK)
            {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            return respond(r, ctx);
        }
    }

    route = &ctx->generation->config->routes[ctx->route];

    if (route->redirect != NULL) {
        return redirect(r, ctx, route);
    }

    ctx->admitting = 1;

    switch (ngx_http_weir_admit(r, ctx, &details, &text)) {

    case NGX_OK:
        break;

    case NGX_AGAIN:
        return hold(r, ctx);

    case NGX_DECLINED:
        return refuse(r, ctx, details, text);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (settle_path(r) != NGX_OK || plain_path(r, &path, &query) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->service->conf->protocol == GW_HTTP2) {
        ngx_http_weir_stream_request(r, ctx);
    }

    if (!ngx_http_weir_upgrades(r) || ctx->service->conf->protocol == GW_HTTP2) {
        r->headers_in.upgrade = NULL;       /* nginx would make a tunnel if the upstream said 101 */
    }

    if (rewrite_path(r, ctx, &path, &query) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_weir_change_request(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_weir_in_get(ctx, STR(":authority"), &host);

    if (route->rewrite.host.at != NULL) {
        host = route->rewrite.host;

    } else if (host.len == 0) {
        host = ctx->service->conf->name;    /* HTTP/1.0 */
    }

    ctx->host = ngx_http_weir_ngx_str(host);
    ctx->request_done = 1;
    r->read_event_handler = ngx_http_block_reading;

    return NGX_DECLINED;
}


/* The service has no endpoint, or no room. */

static ngx_int_t
refuse(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const char *details, const char *text)
{
    static struct pw_header  later[] = { { STR("retry-after"), STR("1") } };

    if (answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE, details, text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->local->headers = later;
    ctx->local->nheaders = 1;

    return respond(r, ctx);
}


static ngx_int_t
redirect(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const struct gw_route *route)
{
    ngx_str_t          path, query, where;
    struct str         host;
    struct strbuf      location = { 0 };
    struct pw_header  *h;

    if (plain_path(r, &path, &query) != NGX_OK
        || answer(r, ctx, route->redirect->status, "redirect", "") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_weir_in_get(ctx, STR(":authority"), &host);

    gw_route_redirect_location(route, r->connection->ssl ? STR("https") : STR("http"), host,
                               ngx_http_weir_str(&path), ngx_http_weir_str(&query), &location);

    h = ngx_palloc(r->pool, sizeof(struct pw_header));

    if (h == NULL || ngx_http_weir_copy(r->pool, strbuf_str(&location), &where) != NGX_OK) {
        strbuf_fini(&location);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    strbuf_fini(&location);

    h->name = STR("location");
    h->value = ngx_http_weir_str(&where);
    ctx->local->headers = h;
    ctx->local->nheaders = 1;

    return respond(r, ctx);
}


/* Does the raw path, up to `end`, differ from the normalised one by its escapes only? */

static bool
as_matched(ngx_http_request_t *r, u_char *end)
{
    u_char      c;
    u_char     *p;
    size_t      n;
    ngx_int_t   hex;

    n = 0;

    for (p = r->unparsed_uri.data; p < end; p++) {
        c = *p;

        if (c == '%' && end - p > 2) {
            hex = ngx_hextoi(p + 1, 2);

            if (hex == NGX_ERROR) {
                return false;
            }

            c = (u_char) hex;
            p += 2;
        }

        if (n == r->uri.len || r->uri.data[n++] != c) {
            return false;
        }
    }

    return n == r->uri.len;
}


/* Let what is sent on and what plugins see be what was matched. */

static ngx_int_t
settle_path(ngx_http_request_t *r)
{
    u_char     *p, *end, *query;
    size_t      len;
    uintptr_t   escape;

    end = r->unparsed_uri.data + r->unparsed_uri.len;
    query = ngx_strlchr(r->unparsed_uri.data, end, '?');

    if (as_matched(r, query != NULL ? query : end)) {
        return NGX_OK;
    }

    escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
    len = r->uri.len + escape + (r->args.len != 0 ? r->args.len + 1 : 0);

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->unparsed_uri.data = p;
    r->unparsed_uri.len = len;
    r->valid_unparsed_uri = 1;

    p = (u_char *) ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    if (r->args.len != 0) {
        *p++ = '?';
        ngx_memcpy(p, r->args.data, r->args.len);
    }

    return NGX_OK;
}


/* The path to rewrite: as the client wrote it if that is what was matched. query.data NULL: there is none. */

static ngx_int_t
plain_path(ngx_http_request_t *r, ngx_str_t *path, ngx_str_t *query)
{
    u_char     *p, *end;
    uintptr_t   escape;

    path->data = r->unparsed_uri.data;
    end = r->unparsed_uri.data + r->unparsed_uri.len;
    p = ngx_strlchr(path->data, end, '?');

    ngx_str_null(query);

    if (p != NULL) {
        query->data = p + 1;
        query->len = end - query->data;
        end = p;
    }

    path->len = end - path->data;

    if (path->len == r->uri.len && ngx_memcmp(path->data, r->uri.data, r->uri.len) == 0) {
        return NGX_OK;
    }

    escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    p = ngx_pnalloc(r->pool, r->uri.len + escape + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    path->data = p;
    path->len = r->uri.len + escape;
    ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    return NGX_OK;
}


/* Prepare a response of our own. */

static ngx_int_t
answer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_uint_t status, const char *details,
    const char *body)
{
    ngx_http_weir_local_t  *local;

    local = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_local_t));
    if (local == NULL) {
        return NGX_ERROR;
    }

    local->status = status;
    local->details = ngx_http_weir_ngx_str(str_of(details));
    local->body = ngx_http_weir_ngx_str(str_of(body));

    ctx->local = local;

    return NGX_OK;
}


static ngx_int_t
respond(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ctx->request_done = 1;
    r->read_event_handler = ngx_http_block_reading;

    if (r->reading_body || ctx->buffering) {      /* nobody wants the rest of it */
        r->keepalive = 0;
        r->lingering_close = 1;

        if (r->connection->read->timer_set) {
            ngx_del_timer(r->connection->read);
        }

#if (NGX_HTTP_V2)
        if (r->stream) {
            r->stream->skip_data = 1;
        }
#endif
    }

    ngx_http_finalize_request(r, ngx_http_weir_send_local(r, ctx));

    return NGX_DONE;
}


/* End a request that waits, and its connection. One that belongs to the upstream module must be ended there. */

void
ngx_http_weir_abort(ngx_http_request_t *r)
{
    r->keepalive = 0;
    r->lingering_close = 0;

    if (r->upstream != NULL && r->upstream->cleanup != NULL && *r->upstream->cleanup != NULL) {
        (*r->upstream->cleanup)(r);
        return;
    }

    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
}


void
ngx_http_weir_post(ngx_http_weir_ctx_t *ctx)
{
    ngx_post_event(&ctx->resume, &ngx_posted_events);
}


void
ngx_http_weir_answer_now(ngx_http_weir_ctx_t *ctx, ngx_uint_t status, const char *details, const char *body)
{
    if (ctx->local == NULL && answer(ctx->request, ctx, status, details, body) == NGX_OK) {
        ngx_http_weir_admission_end(ctx);
        go_on(ctx->request, ctx);
    }
}


/* The access phase, after a pause. */

static void
go_on(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    if (ctx->paused) {
        ctx->paused = 0;

        if (!ctx->buffering) {
            r->read_event_handler = ngx_http_block_reading;
        }

        ngx_http_core_run_phases(r);
    }
}


static void
resume_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->closing) {
        ngx_http_weir_abort(r);

    } else if (ctx->response_started) {
        ngx_http_weir_resume_response(r, ctx);

    } else {
        go_on(r, ctx);
    }

    ngx_http_run_posted_requests(c);
}


static void
resume_body_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->request_done) {
        ngx_http_weir_resume_body(r, ctx);

    } else {
        go_on(r, ctx);
    }

    ngx_http_run_posted_requests(c);
}


/* What plugins left for the access log, on_log included; a line has room for so much of it. */

static void
keep_for_log(ngx_http_weir_ctx_t *ctx, struct pw_stream *stream, struct str name, ngx_str_t *out)
{
    struct str  value;

    if (pw_stream_get_property(stream, name, &value)) {
        (void) ngx_http_weir_copy(ctx->request->pool, str_slice(value, 0, MAX_LOGGED_BYTES), out);
    }
}


void
ngx_http_weir_end(ngx_http_weir_ctx_t *ctx)
{
    int                i;
    struct pw_stream  *stream = ctx->stream;

    if (stream == NULL) {

        if (ctx->steps_log == NULL) {       /* no plugin got to run */
            ctx->steps_log = ngx_http_weir_steps_log(ctx->request->pool, ctx->chain, ctx->nchain, NULL);
        }

        return;
    }

    i = pw_stream_local_step(stream);

    if (i >= 0) {
        ctx->plugin = ngx_http_weir_ngx_str(ctx->steps[i]->conf->name);
    }

    if (pw_stream_trapped(stream) && ctx->details.len == 0) {
        ngx_str_set(&ctx->details, "wasm_trap");
    }

    ctx->stream = NULL;
    pw_stream_finish(stream);
    ctx->steps_log = ngx_http_weir_steps_log(ctx->request->pool, ctx->chain, ctx->nchain, stream);

    keep_for_log(ctx, stream, STR("custom_log"), &ctx->custom_log);
    keep_for_log(ctx, stream, STR("ai_log"), &ctx->ai_log);

    pw_stream_end(stream);
}


static void
cleanup(void *data)
{
    ngx_http_weir_ctx_t  *ctx = data;

    if (ctx->resume.posted) {
        ngx_delete_posted_event(&ctx->resume);
    }

    if (ctx->resume_body.posted) {
        ngx_delete_posted_event(&ctx->resume_body);
    }

    if (ctx->body_is_read.posted) {
        ngx_delete_posted_event(&ctx->body_is_read);
    }

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    ngx_http_weir_end(ctx);
    ngx_http_weir_admission_end(ctx);
    count(-1);
    ngx_http_weir_generation_unref(ctx->generation);
}
