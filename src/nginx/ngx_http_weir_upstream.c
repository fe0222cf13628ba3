/*
 * ngx_http_weir_upstream.c - where a request goes: nginx's peer interface over services of the generation.
 *
 * One `upstream` of nginx serves all services; the request's context says which one it is. The proxy's own conf is
 * shared by all requests, so each gets a copy with its timeouts, its TLS and what nginx may try again.
 *
 * Retries: nginx tries again what its peer interface leaves tries for (peer.tries), if conf->next_upstream has the
 * kind. So decide() says for each failure whether another try is due, and takes all tries away where none is.
 * For an answer whose status is to be tried again, the reader of its headers says that they are invalid, the only
 * way nginx has to drop an answer of any status; that is done only when the other try is sure to happen.
 */

#include "ngx_http_weir_module.h"


typedef struct {
    ngx_http_request_t       *request;
    ngx_http_weir_ctx_t      *ctx;
    ngx_http_weir_service_t  *service;
    ngx_http_weir_peer_t     *peer;
    ngx_http_weir_tried_t     tried;
    ngx_http_upstream_conf_t *conf;         /* this request's copy */
    const struct gw_retries  *retries;
    ngx_event_t               try_timer;
    ngx_uint_t                status;       /* of an answer that is tried again */
    uint64_t                  key;

    ngx_int_t               (*process_header)(ngx_http_request_t *r); /* the proxy module's */
    ngx_int_t               (*reinit_request)(ngx_http_request_t *r);

    unsigned                  has_key:1;
    unsigned                  again:1;      /* decided: the answer is tried again */
} balance_t;


static ngx_int_t init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us);
static ngx_int_t init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us);
static ngx_int_t get_peer(ngx_peer_connection_t *pc, void *data);
static void free_peer(ngx_peer_connection_t *pc, void *data, ngx_uint_t state);
static ngx_int_t set_session(ngx_peer_connection_t *pc, void *data);
static void save_session(ngx_peer_connection_t *pc, void *data);
static ngx_int_t process_header(ngx_http_request_t *r);
static ngx_int_t reinit_request(ngx_http_request_t *r);
static void try_timer_handler(ngx_event_t *ev);


static const struct gw_retries  unanswered = {
    .attempts = NGX_HTTP_WEIR_MAX_TRIES - 1,
    .conditions = GW_RETRY_CONNECT | GW_RETRY_RESET | GW_RETRY_TIMEOUT,
};


char *
ngx_http_weir_balancer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_upstream_srv_conf_t  *uscf;

    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    uscf->peer.init_upstream = init_upstream;
    uscf->flags = NGX_HTTP_UPSTREAM_CREATE;

    return NGX_CONF_OK;
}


static ngx_int_t
init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    us->peer.init = init_peer;

    return NGX_OK;
}


/* Pool cleanup: the request may be freed without nginx having ended its upstream. */

static void
forget(void *data)
{
    balance_t  *b = data;

    if (b->try_timer.timer_set) {
        ngx_del_timer(&b->try_timer);
    }

    ngx_http_weir_peer_release(b->peer);
    b->peer = NULL;
}


static void
set_conf(ngx_http_request_t *r, balance_t *b, const struct gw_route *route)
{
    ngx_http_upstream_t       *u = r->upstream;
    ngx_http_upstream_conf_t  *conf = b->conf;
    const struct gw_service   *service = b->service->conf;

    *conf = *u->conf;
    conf->connect_timeout = service->connect_timeout_ms;
    conf->send_timeout = route->timeout_ms ? route->timeout_ms : service->send_timeout_ms;
    conf->read_timeout = route->timeout_ms ? route->timeout_ms
                         : b->ctx->deadline_ms ? b->ctx->deadline_ms : service->read_timeout_ms;

    /* Another endpoint is tried while the request's time is not over. */

    conf->next_upstream_timeout = conf->read_timeout;
    conf->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR | NGX_HTTP_UPSTREAM_FT_TIMEOUT;

    if (b->retries->any_method) {
        conf->next_upstream |= NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;
    }

    u->conf = conf;
}


static ngx_int_t
init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    balance_t              *b;
    ngx_pool_cleanup_t     *cln;
    ngx_http_upstream_t    *u;
    ngx_http_weir_ctx_t    *ctx;
    const struct gw_route  *route;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || ctx->service == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(balance_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    b = cln->data;
    ngx_memzero(b, sizeof(balance_t));
    cln->handler = forget;

    b->conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (b->conf == NULL) {
        return NGX_ERROR;
    }

    u = r->upstream;
    route = &ctx->generation->config->routes[ctx->route];

    b->request = r;
    b->ctx = ctx;
    b->service = ctx->service;
    b->retries = route->retries != NULL ? route->retries : b->service->conf->retries;
    b->try_timer.data = b;
    b->try_timer.handler = try_timer_handler;
    b->try_timer.log = r->connection->log;
    b->has_key = ngx_http_weir_hash_key(r, ctx, &b->key);

    u->peer.tries = b->retries == NULL ? ngx_min(b->service->npeers, NGX_HTTP_WEIR_MAX_TRIES)
                                       : b->retries->attempts + 1;

    if (b->retries == NULL) {
        b->retries = &unanswered;
    }

    set_conf(r, b, route);

    ngx_http_weir_stream_peer(r, ctx, b->conf);

    if (b->service->tls != NULL) {

        /* nginx does the handshake and asks for a session first: that is where names are set. */

        u->ssl = 1;
        b->conf->ssl = ngx_http_weir_tls_ssl(b->service->tls);
        b->conf->ssl_session_reuse = 1;
        ngx_str_set(&u->schema, "https://");

        if (b->service->conf->protocol == GW_HTTP2) {
            ngx_str_set(&u->schema, "grpcs://");
        }
    }

    u->peer.data = b;
    u->peer.get = get_peer;
    u->peer.free = free_peer;
    u->peer.set_session = set_session;
    u->peer.save_session = save_session;

    b->process_header = u->process_header;
    b->reinit_request = u->reinit_request;
    u->process_header = process_header;
    u->reinit_request = reinit_request;

    return NGX_OK;
}


/* ---- for plugins ---- */

bool
ngx_http_weir_upstream_host(void *stream, size_t i, struct pw_upstream_host *out)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    if (ctx->service == NULL || i >= ctx->service->npeers) {
        return false;
    }

    out->address = ngx_http_weir_str(&ctx->service->peers[i]->name);
    out->healthy = ngx_http_weir_peer_usable(ctx->service->peers[i]);

    return true;
}


void
ngx_http_weir_override_upstream(void *stream, struct str address)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    (void) ngx_http_weir_copy(ctx->request->pool, address, &ctx->override);
}


/* ---- nginx's peer interface ---- */

static ngx_int_t
get_peer(ngx_peer_connection_t *pc, void *data)
{
    balance_t                  *b = data;

    ngx_str_t                  *name;
    ngx_array_t                *states;
    ngx_connection_t           *c;
    ngx_http_weir_peer_t       *peer;
    ngx_http_upstream_state_t  *state;

    if (b->status != 0) {       /* nginx noted the answer that was dropped as 502 */
        states = b->request->upstream_states;

        if (states != NULL && states->nelts >= 2) {
            state = states->elts;
            state[states->nelts - 2].status = b->status;
        }

        b->status = 0;
    }

    b->again = 0;
    b->conf->next_upstream &= ~NGX_HTTP_UPSTREAM_FT_INVALID_HEADER;

    peer = ngx_http_weir_next_peer(b->service, &b->ctx->override, &b->tried, b->has_key ? &b->key : NULL);

    if (peer == NULL) {
        b->ctx->no_upstream = 1;
        return NGX_BUSY;
    }

    b->peer = peer;
    b->ctx->tries++;

    /* nginx's log names it when the peer may be gone. */

    name = ngx_palloc(b->request->pool, sizeof(ngx_str_t));

    if (name == NULL || ngx_http_weir_copy(b->request->pool, ngx_http_weir_str(&peer->name), name) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_weir_admission_placed(b->ctx, true);

    pc->sockaddr = (struct sockaddr *) &peer->sockaddr;
    pc->socklen = peer->socklen;
    pc->name = name;
    pc->cached = 0;
    pc->connection = NULL;

    if (b->retries->per_try_ms != 0) {
        ngx_add_timer(&b->try_timer, b->retries->per_try_ms);
    }

    c = ngx_http_weir_take_idle(peer, pc->log);
    if (c == NULL) {
        return NGX_OK;
    }

    pc->cached = 1;
    pc->connection = c;

    return NGX_DONE;
}


/* Would nginx try again what failed so? It asks itself, too; this is for what must be known before. */

static bool
can_be_sent_again(balance_t *b)
{
    ngx_http_request_t   *r = b->request;
    ngx_http_upstream_t  *u = r->upstream;

    if (u->peer.tries <= 1 || r->connection->error
        || (u->request_sent && r->request_body_no_buffering)
        || (b->conf->next_upstream_timeout
            && ngx_current_msec - u->peer.start_time >= b->conf->next_upstream_timeout))
    {
        return false;
    }

    return b->retries->any_method || !u->request_sent
           || !(r->method & (NGX_HTTP_POST|NGX_HTTP_LOCK|NGX_HTTP_PATCH));
}


static uint32_t
cause(ngx_peer_connection_t *pc, balance_t *b)
{
    ngx_connection_t  *c = pc->connection;

    if (c == NULL || !b->request->upstream->request_sent) {
        return GW_RETRY_CONNECT;
    }

    return c->read->timedout || c->write->timedout ? GW_RETRY_TIMEOUT : GW_RETRY_RESET;
}


static const char *
reason(ngx_peer_connection_t *pc, balance_t *b)
{
    if (b->request->upstream->request_sent) {
        return cause(pc, b) == GW_RETRY_TIMEOUT ? "it did not answer in time" : "it broke off";
    }

    return "it cannot be reached";
}


static void
forget_try(ngx_http_weir_tried_t *tried, ngx_http_weir_peer_t *peer)
{
    if (tried->n != 0 && tried->peers[tried->n - 1] == peer) {
        tried->n--;
    }
}


/* It failed. */

static void
decide(ngx_peer_connection_t *pc, balance_t *b)
{
    if (b->again) {
        return;
    }

    if (pc->cached && cause(pc, b) != GW_RETRY_TIMEOUT) {

        /* A kept connection that the upstream closed meanwhile says nothing about the upstream, and nginx gives one
         * try more. */

        forget_try(&b->tried, b->peer);
        b->ctx->tries--;
        return;
    }

    ngx_http_weir_peer_failed(b->peer, reason(pc, b));

    if (!(b->retries->conditions & cause(pc, b)) || !can_be_sent_again(b) || !ngx_http_weir_admission_retry(b->ctx)) {
        pc->tries = 0;
    }
}


static bool
keep(ngx_peer_connection_t *pc, balance_t *b, ngx_uint_t state)
{
    ngx_http_upstream_t      *u = b->request->upstream;
    const struct gw_service  *conf = b->service->conf;

    if ((state & NGX_PEER_FAILED) || pc->connection == NULL || !u->keepalive || !u->request_body_sent) {
        return false;
    }

    return ngx_http_weir_keep_idle(b->peer, pc->connection, conf->keepalive, conf->keepalive_timeout_ms);
}


static void
free_peer(ngx_peer_connection_t *pc, void *data, ngx_uint_t state)
{
    balance_t  *b = data;

    if (b->try_timer.timer_set) {
        ngx_del_timer(&b->try_timer);
    }

    if (b->peer != NULL) {

        if (state & NGX_PEER_FAILED) {
            decide(pc, b);
        }

        if (keep(pc, b, state)) {
            pc->connection = NULL;

        } else if (pc->connection != NULL) {
            ngx_http_weir_tls_forget(pc->connection);
        }

        ngx_http_weir_admission_placed(b->ctx, false);
        ngx_http_weir_peer_release(b->peer);
        b->peer = NULL;
    }

    if (pc->tries) {
        pc->tries--;
    }
}


static ngx_int_t
set_session(ngx_peer_connection_t *pc, void *data)
{
    balance_t  *b = data;

    return ngx_http_weir_tls_prepare(b->service->tls, pc->connection, b->peer, b->peer->http2 ? "h2" : "http/1.1");
}


static void
save_session(ngx_peer_connection_t *pc, void *data)
{
    /* the context gives it to the peer */
}


/* ---- tries ---- */

/* A try took too long: as if the upstream's own timeouts were over, at whatever nginx waits for. */

static void
try_timer_handler(ngx_event_t *ev)
{
    balance_t         *b = ev->data;
    ngx_connection_t  *c = b->request->upstream->peer.connection;

    if (c == NULL) {
        return;
    }

    c->read->timedout = 1;
    c->write->timedout = 1;
    c->read->handler(c->read);      /* the request may be gone after it */
}


static ngx_int_t
headers_came(ngx_http_request_t *r, balance_t *b)
{
    ngx_http_upstream_t  *u = r->upstream;

    if (b->try_timer.timer_set) {
        ngx_del_timer(&b->try_timer);
    }

    if (b->peer == NULL) {
        return NGX_OK;
    }

    ngx_http_weir_peer_answered(b->peer, u->headers_in.status_n);

    if (!gw_retries_status(b->retries, u->headers_in.status_n) || !can_be_sent_again(b)
        || !ngx_http_weir_admission_retry(b->ctx))
    {
        return NGX_OK;
    }

    b->again = 1;
    b->status = u->headers_in.status_n;
    b->conf->next_upstream |= NGX_HTTP_UPSTREAM_FT_INVALID_HEADER;

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


/* An interim answer is not the answer: as if nothing had come, but what is in the buffer behind it. The buffer does not grow,
 * so there are no more of them than it has room for. */

static ngx_int_t
forget_interim(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u = r->upstream;

    u->keepalive = 0;
    ngx_memzero(&u->headers_in, sizeof(ngx_http_upstream_headers_in_t));
    u->headers_in.content_length_n = -1;
    u->headers_in.last_modified_time = -1;

    if (ngx_list_init(&u->headers_in.headers, r->pool, 8, sizeof(ngx_table_elt_t)) != NGX_OK
        || ngx_list_init(&u->headers_in.trailers, r->pool, 2, sizeof(ngx_table_elt_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return u->reinit_request(r);
}


/* HTTP/1.1 knows 100 to 199; what 101 means is the upgrade's matter. */

static bool
is_interim(ngx_http_request_t *r, balance_t *b)
{
    ngx_uint_t  status = r->upstream->headers_in.status_n;

    return b->peer != NULL && !b->peer->http2 && status >= 100 && status < 200 && status != NGX_HTTP_SWITCHING_PROTOCOLS;
}


/* The proxy module changes its reader of headers on the way. */

static ngx_int_t
process_header(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    balance_t            *b = r->upstream->peer.data;
    ngx_http_upstream_t  *u = r->upstream;

    for ( ;; ) {
        rc = b->process_header(r);

        if (u->process_header != process_header) {
            b->process_header = u->process_header;
            u->process_header = process_header;
        }

        if (rc != NGX_OK || !is_interim(r, b)) {
            return rc == NGX_OK ? headers_came(r, b) : rc;
        }

        if (forget_interim(r) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
reinit_request(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    balance_t            *b = r->upstream->peer.data;
    ngx_http_upstream_t  *u = r->upstream;

    rc = b->reinit_request(r);

    b->process_header = u->process_header;
    u->process_header = process_header;

    return rc;
}
