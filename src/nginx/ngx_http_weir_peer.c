/*
 * ngx_http_weir_peer.c - peers: addresses of a group, and the connections kept for them.
 *
 * An idle connection is in the queue of its peer, with a timer and a handler that closes it when the upstream does, and
 * holds a reference to the peer. The peer goes with its last reference (ngx_http_weir_service.h says whose there are).
 */

#include "ngx_http_weir_module.h"


typedef struct {
    ngx_queue_t               queue;
    ngx_http_weir_peer_t     *peer;
    ngx_connection_t         *connection;
} idle_t;


static void idle_handler(ngx_event_t *ev);
static void write_handler(ngx_event_t *ev);
static void close_idle(idle_t *idle);


ngx_uint_t  ngx_http_weir_npeers;


/* ---- peers ---- */

static struct str
server_name(const ngx_http_weir_service_t *s, struct str host)
{
    struct str  name;

    if (s->tls == NULL) {
        return STR("");
    }

    name = s->conf->tls->server_name.at == NULL ? host : s->conf->tls->server_name;

    return name.len > 1 && name.at[0] == '[' ? str_slice(name, 1, name.len - 1) : name;
}


ngx_http_weir_peer_t *
ngx_http_weir_peer_get(ngx_http_weir_service_t *s, struct str host, const struct sockaddr *sa, socklen_t len)
{
    u_char                 *p;
    u_char                  text[NGX_SOCKADDR_STRLEN];
    size_t                  n;
    ngx_str_t               key;
    struct str              server = server_name(s, host);
    struct strbuf           b = { 0 };
    ngx_http_weir_peer_t   *peer;

    n = ngx_sock_ntop((struct sockaddr *) sa, len, text, sizeof(text), 1);

    strbuf_add_bytes(&b, (char *) text, n);
    strbuf_printf(&b, " %d %zu %.*s", (int) s->conf->protocol, (size_t) ngx_http_weir_tls_id(s->tls),
                  STR_ARG(server));

    key = ngx_http_weir_ngx_str(strbuf_str(&b));
    peer = (ngx_http_weir_peer_t *) ngx_str_rbtree_lookup(&s->group->peers, &key, ngx_crc32_long(key.data, key.len));

    if (peer != NULL) {
        strbuf_fini(&b);
        peer->refs++;
        return peer;
    }

    peer = ngx_calloc(sizeof(ngx_http_weir_peer_t) + key.len + 1, ngx_cycle->log);

    if (peer == NULL) {
        strbuf_fini(&b);
        return NULL;
    }

    /* The key ends with the server's name, and begins with the address. */

    p = (u_char *) (peer + 1);
    ngx_memcpy(p, key.data, key.len);
    strbuf_fini(&b);

    peer->node.str.data = p;
    peer->node.str.len = key.len;
    peer->node.node.key = ngx_crc32_long(p, key.len);
    peer->name.data = p;
    peer->name.len = n;
    peer->server_name.data = p + key.len - server.len;
    peer->server_name.len = server.len;
    peer->tls_id = ngx_http_weir_tls_id(s->tls);
    peer->http2 = s->conf->protocol == GW_HTTP2;
    peer->target.hash = hash_bytes(p, n, 0);

    ngx_memcpy(&peer->sockaddr, sa, len);
    peer->socklen = len;
    ngx_queue_init(&peer->idle);

    peer->group = s->group;
    ngx_http_weir_group_ref(s->group);
    ngx_rbtree_insert(&s->group->peers, &peer->node.node);
    peer->refs = 1;
    ngx_http_weir_npeers++;

    if (s->group->begun) {
        ngx_http_weir_peer_begin_slowly(peer);
    }

    return peer;
}


void
ngx_http_weir_peer_unref(ngx_http_weir_peer_t *peer)
{
    ngx_http_weir_group_t  *g = peer->group;

    if (--peer->refs != 0) {
        return;
    }

    if (peer->session != NULL) {
        ngx_ssl_free_session(peer->session);
    }

    ngx_rbtree_delete(&g->peers, &peer->node.node);
    ngx_http_weir_npeers--;
    ngx_free(peer);

    ngx_http_weir_group_unref(g);
}


void
ngx_http_weir_peer_join(ngx_http_weir_peer_t *peer)
{
    peer->refs++;
    peer->services++;
}


void
ngx_http_weir_peer_leave(ngx_http_weir_peer_t *peer)
{
    if (--peer->services == 0) {

        ngx_http_weir_check_set(peer, NULL);

        while (!ngx_queue_empty(&peer->idle)) {
            close_idle(ngx_queue_data(ngx_queue_head(&peer->idle), idle_t, queue));
        }
    }

    ngx_http_weir_peer_unref(peer);
}


void
ngx_http_weir_peer_acquire(ngx_http_weir_peer_t *peer)
{
    peer->refs++;
    peer->requests++;
    peer->target.active++;
}


void
ngx_http_weir_peer_release(ngx_http_weir_peer_t *peer)
{
    ngx_http_weir_group_t  *g;

    if (peer == NULL) {
        return;
    }

    g = peer->group;
    ngx_http_weir_group_ref(g);

    peer->target.active--;
    ngx_http_weir_peer_unref(peer);

    ngx_http_weir_group_room(g);
    ngx_http_weir_group_unref(g);
}


/* ---- idle connections ---- */

static void
remove_idle(idle_t *idle)
{
    ngx_http_weir_peer_t  *peer = idle->peer;

    ngx_queue_remove(&idle->queue);
    ngx_free(idle);
    peer->nidle--;
    ngx_http_weir_peer_unref(peer);
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

    remove_idle(idle);

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


bool
ngx_http_weir_keep_idle(ngx_http_weir_peer_t *peer, ngx_connection_t *c, ngx_uint_t most,
    ngx_msec_t timeout)
{
    idle_t  *idle;

    if (most == 0 || peer->services == 0
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
    peer->refs++;

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
    ngx_connection_t      *c = idle->connection;
    ngx_http_weir_peer_t  *peer = idle->peer;

    peer->refs++;
    remove_idle(idle);
    ngx_http_weir_close_connection(c);
    ngx_http_weir_peer_unref(peer);
}
