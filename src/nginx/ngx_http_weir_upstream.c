/*
 * ngx_http_weir_upstream.c - where a request goes: nginx's peer interface over services of the generation.
 *
 * One `upstream` of nginx serves all services; the request's context says which one it is. A
 * peer is an address; it belongs to the worker, so its idle connections and what is known about it survive
 * a change of the generation. Smooth weighted round robin over the peers of a service that neither failed
 * lately nor were tried for this request; when all failed lately, they are tried all the same.
 *
 * An idle connection is in the queue of its peer, with a timer and a handler that closes it when the
 * upstream does. The proxy's own conf is shared by all requests, so each gets a copy with its timeouts and its TLS.
 */

#include <netdb.h>

#include "ngx_http_weir_module.h"


#define FAIL_TIMEOUT_MS  10000


typedef struct {
    ngx_http_weir_service_t  *service;
    ngx_http_weir_peer_t     *peer;
    ngx_uint_t                current;      /* index of peer */
    uint64_t                  tried;        /* bit set over the service's peers */
    ngx_http_upstream_t      *upstream;
    ngx_str_t                 override;     /* the address a plugin wants, or empty */
} balance_t;


typedef struct {
    ngx_queue_t               queue;
    ngx_http_weir_peer_t     *peer;
    ngx_connection_t         *connection;
} idle_t;


static ngx_int_t init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us);
static ngx_int_t init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us);
static ngx_int_t get_peer(ngx_peer_connection_t *pc, void *data);
static void free_peer(ngx_peer_connection_t *pc, void *data, ngx_uint_t state);
static ngx_int_t set_session(ngx_peer_connection_t *pc, void *data);
static void save_session(ngx_peer_connection_t *pc, void *data);
static bool keep(ngx_peer_connection_t *pc, balance_t *b, ngx_uint_t state);
static void idle_handler(ngx_event_t *ev);
static void write_handler(ngx_event_t *ev);
static void close_idle(idle_t *idle);


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


static ngx_int_t
init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    balance_t                 *b;
    ngx_http_upstream_t       *u;
    ngx_http_weir_ctx_t       *ctx;
    const struct gw_route     *route;
    const struct gw_service   *service;
    ngx_http_upstream_conf_t  *conf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || ctx->service == NULL) {
        return NGX_ERROR;
    }

    b = ngx_pcalloc(r->pool, sizeof(balance_t));
    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));

    if (b == NULL || conf == NULL) {
        return NGX_ERROR;
    }

    u = r->upstream;
    route = &ctx->generation->config->routes[ctx->route];
    service = ctx->service->conf;

    *conf = *u->conf;
    conf->connect_timeout = service->connect_timeout_ms;
    conf->send_timeout = route->timeout_ms ? route->timeout_ms : service->send_timeout_ms;
    conf->read_timeout = route->timeout_ms ? route->timeout_ms
                         : ctx->deadline_ms ? ctx->deadline_ms : service->read_timeout_ms;

    /* Another endpoint is tried while the request's time is not over. */

    conf->next_upstream_timeout = conf->read_timeout;
    u->conf = conf;

    ngx_http_weir_stream_peer(r, ctx, conf);

    if (ctx->service->tls != NULL) {

        /* nginx does the handshake and asks for a session first: that is where names are set. */

        u->ssl = 1;
        conf->ssl = ngx_http_weir_tls_ssl(ctx->service->tls);
        conf->ssl_session_reuse = 1;
        ngx_str_set(&u->schema, "https://");
        if (service->protocol == GW_HTTP2) {
            ngx_str_set(&u->schema, "grpcs://");
        }
    }

    b->service = ctx->service;
    b->upstream = u;
    b->override = ctx->override;

    u->peer.data = b;
    u->peer.get = get_peer;
    u->peer.free = free_peer;
    u->peer.set_session = set_session;
    u->peer.save_session = save_session;
    u->peer.tries = ctx->service->npeers;

    return NGX_OK;
}


bool
ngx_http_weir_failed_lately(const ngx_http_weir_peer_t *peer)
{
    return peer->failed != 0 && ngx_current_msec - peer->failed < FAIL_TIMEOUT_MS;
}


void
ngx_http_weir_peer_failed(ngx_http_weir_peer_t *peer)
{
    peer->failed = ngx_current_msec ? ngx_current_msec : 1;
}


bool
ngx_http_weir_upstream_host(void *stream, size_t i, struct pw_upstream_host *out)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    if (ctx->service == NULL || i >= ctx->service->npeers) {
        return false;
    }

    out->address = ngx_http_weir_str(&ctx->service->peers[i]->name);
    out->healthy = !ngx_http_weir_failed_lately(ctx->service->peers[i]);

    return true;
}


void
ngx_http_weir_override_upstream(void *stream, struct str address)
{
    ngx_http_weir_ctx_t  *ctx = stream;

    (void) ngx_http_weir_copy(ctx->request->pool, address, &ctx->override);
}


/* The endpoint a plugin wants, if the service has it and it was not tried: -1 otherwise. */

static ngx_int_t
find_wanted(ngx_http_weir_service_t *s, ngx_str_t *wanted, uint64_t tried)
{
    ngx_uint_t  i;

    for (i = 0; wanted->len != 0 && i < s->npeers; i++) {

        if (str_eq(ngx_http_weir_str(wanted), ngx_http_weir_str(&s->peers[i]->name))) {
            return (tried & (uint64_t) 1 << i) ? -1 : (ngx_int_t) i;
        }
    }

    return -1;
}


static ngx_int_t
choose(ngx_http_weir_service_t *s, uint64_t tried, bool all)
{
    int64_t                   total;
    ngx_int_t                 best;
    ngx_uint_t                i;
    ngx_http_weir_peer_t     *peer;

    best = -1;
    total = 0;

    for (i = 0; i < s->npeers; i++) {
        peer = s->peers[i];

        if ((tried & (uint64_t) 1 << i)
            || (!all && ngx_http_weir_failed_lately(peer)))
        {
            continue;
        }

        s->state[i] += s->weights[i];
        total += s->weights[i];

        if (best == -1 || s->state[i] > s->state[best]) {
            best = i;
        }
    }

    if (best != -1) {
        s->state[best] -= total;
    }

    return best;
}


/* Those that work before those that failed lately; -1: all were tried. */

static ngx_int_t
next_peer(ngx_http_weir_service_t *s, ngx_str_t *wanted, uint64_t *tried)
{
    ngx_int_t  i;

    i = find_wanted(s, wanted, *tried);

    if (i == -1) {
        i = choose(s, *tried, false);
    }

    if (i == -1) {
        i = choose(s, *tried, true);
    }

    if (i != -1) {
        *tried |= (uint64_t) 1 << i;
    }

    return i;
}


static ngx_int_t
get_peer(ngx_peer_connection_t *pc, void *data)
{
    balance_t             *b = data;

    ngx_int_t              i;
    ngx_connection_t      *c;
    ngx_http_weir_peer_t  *peer;

    i = next_peer(b->service, &b->override, &b->tried);

    if (i == -1) {
        return NGX_BUSY;
    }

    peer = b->service->peers[i];

    b->peer = peer;
    b->current = i;

    pc->sockaddr = (struct sockaddr *) &peer->sockaddr;
    pc->socklen = peer->socklen;
    pc->name = &peer->name;
    pc->cached = 0;
    pc->connection = NULL;

    c = ngx_http_weir_take_idle(peer, pc->log);
    if (c == NULL) {
        return NGX_OK;
    }

    pc->cached = 1;
    pc->connection = c;

    return NGX_DONE;
}


ngx_http_weir_peer_t *
ngx_http_weir_next_peer(ngx_http_weir_service_t *s, ngx_str_t *wanted, uint64_t *tried)
{
    ngx_int_t  i;

    i = next_peer(s, wanted, tried);

    return i == -1 ? NULL : s->peers[i];
}


ngx_http_weir_peer_t *
ngx_http_weir_choose_peer(ngx_http_weir_service_t *s)
{
    uint64_t   tried = 0;
    ngx_str_t  none = ngx_null_string;

    return ngx_http_weir_next_peer(s, &none, &tried);
}


ngx_connection_t *
ngx_http_weir_take_idle(ngx_http_weir_peer_t *peer, ngx_log_t *log)
{
    idle_t            *idle;
    ngx_connection_t  *c;

    if (ngx_queue_empty(&peer->idle)) {
        return NULL;
    }

    idle = ngx_queue_data(ngx_queue_head(&peer->idle), idle_t, queue);
    c = idle->connection;

    ngx_queue_remove(&idle->queue);
    peer->nidle--;
    ngx_free(idle);

    c->idle = 0;
    c->sent = 0;
    c->data = NULL;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->pool->log = log;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    return c;
}


static void
free_peer(ngx_peer_connection_t *pc, void *data, ngx_uint_t state)
{
    balance_t  *b = data;

    if (b->peer != NULL) {

        if (!(state & NGX_PEER_FAILED)) {
            b->peer->failed = 0;

        } else if (pc->cached) {
            /* A kept connection that the upstream closed meanwhile says nothing about the upstream. */
            b->tried &= ~((uint64_t) 1 << b->current);

        } else {
            ngx_http_weir_peer_failed(b->peer);
        }

        if (keep(pc, b, state)) {
            pc->connection = NULL;
        }

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


static bool
keep(ngx_peer_connection_t *pc, balance_t *b, ngx_uint_t state)
{
    const struct gw_service  *conf = b->service->conf;

    if ((state & NGX_PEER_FAILED) || pc->connection == NULL
        || !b->upstream->keepalive || !b->upstream->request_body_sent)
    {
        return false;
    }

    return ngx_http_weir_keep_idle(b->peer, pc->connection, conf->keepalive, conf->keepalive_timeout_ms);
}


bool
ngx_http_weir_keep_idle(ngx_http_weir_peer_t *peer, ngx_connection_t *c, ngx_uint_t most,
    ngx_msec_t timeout)
{
    idle_t  *idle;

    if (most == 0
        || (c->ssl != NULL && SSL_pending(c->ssl->connection) != 0)
        || c->read->eof || c->read->error || c->read->timedout || c->write->error || c->write->timedout
        || ngx_terminate || ngx_exiting
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        return false;
    }

    idle = ngx_alloc(sizeof(idle_t), ngx_cycle->log);
    if (idle == NULL) {
        return false;
    }

    while (peer->nidle >= most) {
        close_idle(ngx_queue_data(ngx_queue_last(&peer->idle), idle_t, queue));
    }

    idle->peer = peer;
    idle->connection = c;
    ngx_queue_insert_head(&peer->idle, &idle->queue);
    peer->nidle++;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->delayed = 0;
    ngx_add_timer(c->read, timeout);

    c->read->handler = idle_handler;
    c->write->handler = write_handler;
    c->data = idle;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;
    c->pool->log = ngx_cycle->log;

    if (c->read->ready) {
        idle_handler(c->read);
    }

    return true;
}


static void
write_handler(ngx_event_t *ev)
{
    /* nothing is written to an idle connection */
}


/* The upstream has something to say on an idle connection: that it is closed, as a rule. */

static void
idle_handler(ngx_event_t *ev)
{
    u_char             buf[1];
    ngx_connection_t  *c;

    c = ev->data;

    if (!c->close && !ev->timedout
        && recv(c->fd, buf, 1, MSG_PEEK) == -1 && ngx_socket_errno == NGX_EAGAIN)
    {
        ev->ready = 0;

        if (ngx_handle_read_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    close_idle(c->data);
}


static void
close_idle(idle_t *idle)
{
    ngx_connection_t  *c = idle->connection;

    ngx_queue_remove(&idle->queue);
    idle->peer->nidle--;
    ngx_free(idle);

    ngx_http_weir_close_connection(c);
}


/* `host`: the endpoint's, as it was written. */

static ngx_http_weir_peer_t *
find_peer(ngx_http_weir_worker_t *w, const ngx_http_weir_service_t *s, struct str host, struct sockaddr *sa,
    socklen_t len)
{
    u_char                  text[NGX_SOCKADDR_STRLEN];
    size_t                  n;
    ngx_uint_t              i, tls_id;
    struct str              server_name;
    ngx_http_weir_peer_t  **peers, **slot, *peer;

    tls_id = ngx_http_weir_tls_id(s->tls);
    server_name = tls_id == 0 ? STR("") : s->conf->tls->server_name.at == NULL ? host : s->conf->tls->server_name;

    if (server_name.len > 1 && server_name.at[0] == '[') {
        server_name = str_slice(server_name, 1, server_name.len - 1);
    }

    n = ngx_sock_ntop(sa, len, text, sizeof(text), 1);
    peers = w->peers.elts;

    for (i = 0; i < w->peers.nelts; i++) {
        if (peers[i]->name.len == n && ngx_memcmp(peers[i]->name.data, text, n) == 0
            && peers[i]->tls_id == tls_id
            && peers[i]->http2 == (s->conf->protocol == GW_HTTP2)
            && str_eq(ngx_http_weir_str(&peers[i]->server_name), server_name))
        {
            return peers[i];
        }
    }

    peer = ngx_pcalloc(w->cycle->pool, sizeof(ngx_http_weir_peer_t));
    slot = ngx_array_push(&w->peers);

    if (peer == NULL || slot == NULL
        || ngx_http_weir_copy(w->cycle->pool, str_make(text, n), &peer->name) != NGX_OK
        || ngx_http_weir_copy(w->cycle->pool, server_name, &peer->server_name) != NGX_OK)
    {
        return NULL;
    }

    ngx_memcpy(&peer->sockaddr, sa, len);
    peer->socklen = len;
    peer->tls_id = tls_id;
    peer->http2 = s->conf->protocol == GW_HTTP2;
    ngx_queue_init(&peer->idle);

    *slot = peer;

    return peer;
}


static ngx_int_t
add_endpoint(ngx_http_weir_worker_t *w, ngx_http_weir_service_t *s, const struct gw_endpoint *e)
{
    int                    rc;
    char                   host[256], port[8];
    struct addrinfo        hints, *found, *ai;
    ngx_http_weir_peer_t  *peer;

    ngx_memzero(&hints, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    (void) ngx_snprintf((u_char *) host, sizeof(host), "%*s%Z", e->address.host.len, e->address.host.at);
    (void) ngx_snprintf((u_char *) port, sizeof(port), "%ud%Z", (unsigned) e->address.port);

    if (e->address.host.len >= sizeof(host)) {
        return NGX_OK;
    }

    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0) {
        ngx_log_error(NGX_LOG_ERR, w->cycle->log, 0, "[weir] service %*s: \"%s\" does not resolve: %s",
                      s->conf->name.len, s->conf->name.at, host, gai_strerror(rc));
        return NGX_OK;
    }

    for (ai = found; ai != NULL && s->npeers < NGX_HTTP_WEIR_MAX_PEERS; ai = ai->ai_next) {

        peer = find_peer(w, s, e->address.host, ai->ai_addr, ai->ai_addrlen);
        if (peer == NULL) {
            freeaddrinfo(found);
            return NGX_ERROR;
        }

        s->peers[s->npeers] = peer;
        s->weights[s->npeers] = e->weight;
        s->npeers++;
    }

    freeaddrinfo(found);

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_service_init(ngx_http_weir_worker_t *w, ngx_pool_t *pool, ngx_http_weir_service_t *s,
    const struct gw_service *conf)
{
    u_char              *p;
    uint32_t             i;
    ngx_pool_cleanup_t  *cln;

    s->conf = conf;

    if (conf->tls != NULL) {
        cln = ngx_pool_cleanup_add(pool, 0);
        s->tls = cln == NULL ? NULL : ngx_http_weir_tls_get(conf->tls);

        if (s->tls == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_weir_tls_unref;
        cln->data = s->tls;
    }

    s->peers = ngx_pcalloc(pool, NGX_HTTP_WEIR_MAX_PEERS * sizeof(ngx_http_weir_peer_t *));
    s->weights = ngx_pcalloc(pool, NGX_HTTP_WEIR_MAX_PEERS * sizeof(uint32_t));
    s->state = ngx_pcalloc(pool, NGX_HTTP_WEIR_MAX_PEERS * sizeof(int64_t));

    if (s->peers == NULL || s->weights == NULL || s->state == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < conf->nendpoints; i++) {
        if (add_endpoint(w, s, &conf->endpoints[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /* Plugins split Higress's form, outbound|PORT|SUBSET|FQDN; a service of ours is a static one there. */

    if (memchr(conf->name.at, '|', conf->name.len) != NULL) {
        s->cluster = ngx_http_weir_ngx_str(conf->name);
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, sizeof("outbound|65535||.static") + conf->name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    s->cluster.data = p;
    s->cluster.len = ngx_sprintf(p, "outbound|%ud||%*s%s", (unsigned) conf->endpoints[0].address.port,
                                 conf->name.len, conf->name.at,
                                 memchr(conf->name.at, '.', conf->name.len) != NULL ? "" : ".static") - p;

    return NGX_OK;
}
