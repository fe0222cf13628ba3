/*
 * ngx_stream_weir_proxy.c - a TCP session: two connections, the chain of plugins between them, two flows of bytes.
 *
 * With TLS to the client its handshake is first (ngx_stream_weir_tls.c). Then everything that happens (bytes, room to
 * write, a resumption, a close asked for) ends in run(), which goes on until
 * nothing more can be done; only finish() ends a session. The upstream is connected once the chain has let
 * the connection through. An end of one direction is passed on as such (half-close); the session ends when both
 * are, when a side breaks, when a plugin closes it (what was let through is written first), or when
 * nothing was read or written for the service's readTimeout.
 *
 * It takes the place of nginx's own proxy module, whose timeouts and peers come from nginx.conf (ADR 0030).
 */

#include "ngx_stream_weir_module.h"


#define PIECE_BYTES  65536
#define MAX_ROUNDS   16         /* pieces of one session before others have their turn */


/* What is being read: the chain is done with it, or has copied it, when its call returns. */
static u_char  piece[PIECE_BYTES];


static void shake_hands(ngx_stream_weir_ctx_t *ctx);
static ngx_int_t make_stream(ngx_stream_weir_ctx_t *ctx);
static void run(ngx_stream_weir_ctx_t *ctx);
static void finish(ngx_stream_weir_ctx_t *ctx);
static void connect_upstream(ngx_stream_weir_ctx_t *ctx);
static void tls_handler(ngx_connection_t *c);
static void client_handler(ngx_event_t *ev);
static void upstream_handler(ngx_event_t *ev);
static void wake_handler(ngx_event_t *ev);
static void idle_handler(ngx_event_t *ev);
static void resolved_handler(ngx_event_t *ev);


/* ---- the two ends ---- */

static bool
drained(const ngx_stream_weir_flow_t *flow)
{
    return flow->out_at == flow->out.len;
}


static ngx_connection_t *
upstream_of(ngx_stream_weir_ctx_t *ctx)
{
    return ctx->connecting ? NULL : ctx->upstream;
}


static ngx_connection_t *
source(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    return d == PW_REQUEST ? ctx->session->connection : upstream_of(ctx);
}


static ngx_connection_t *
sink(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    return d == PW_REQUEST ? upstream_of(ctx) : ctx->session->connection;
}


static void
close_early(ngx_stream_weir_ctx_t *ctx, ngx_uint_t status, const char *why)
{
    ctx->closing = 1;

    if (ctx->details.len == 0) {
        ctx->status = status;
        ctx->details.data = (u_char *) why;
        ctx->details.len = ngx_strlen(why);
    }
}


static void
side_gone(ngx_stream_weir_ctx_t *ctx, ngx_connection_t *c)
{
    if (c == ctx->session->connection) {
        ctx->client_gone = 1;
        ctx->flow[PW_RESPONSE].failed = 1;
        close_early(ctx, NGX_STREAM_OK, "downstream_reset");

    } else {
        ctx->upstream_gone = 1;
        ctx->flow[PW_REQUEST].failed = 1;
        close_early(ctx, NGX_STREAM_OK, "upstream_reset");
    }
}


static bool
has_error(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1 || err != 0;
}


/* ---- the chain ---- */

void
ngx_stream_weir_post(ngx_stream_weir_ctx_t *ctx)
{
    ngx_post_event(&ctx->wake, &ngx_posted_events);
}


/* What of the bytes could be sent; -1: the sink is gone. */

static ssize_t
send_some(ngx_stream_weir_ctx_t *ctx, enum pw_direction d, const char *at, size_t len)
{
    size_t             done;
    ssize_t            n;
    ngx_connection_t  *c = sink(ctx, d);

    if (c == NULL) {
        return 0;
    }

    for (done = 0; done < len && c->write->ready; done += n) {

        n = c->send(c, (u_char *) at + done, len - done);

        if (n == NGX_ERROR) {
            return -1;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        ctx->active = ngx_current_msec;
    }

    return done;
}


/* An upstream that takes no more may still have something to say; a client that does not is gone. */

static void
sink_failed(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    ngx_stream_weir_flow_t  *flow = &ctx->flow[d];

    strbuf_fini(&flow->out);
    flow->out_at = 0;
    flow->failed = 1;
    flow->shut = 1;

    if (d == PW_RESPONSE) {
        side_gone(ctx, ctx->session->connection);
    }
}


void
ngx_stream_weir_write(ngx_stream_weir_ctx_t *ctx, enum pw_direction direction, struct str chunk,
    bool end_of_stream)
{
    ssize_t                  n = 0;
    ngx_stream_weir_flow_t  *flow = &ctx->flow[direction];

    flow->ended_out |= end_of_stream;

    if (flow->failed) {
        return;
    }

    if (drained(flow)) {
        n = send_some(ctx, direction, chunk.at, chunk.len);

        if (n == -1) {
            sink_failed(ctx, direction);
            return;
        }
    }

    strbuf_add(&flow->out, str_slice(chunk, n, chunk.len));
}


static void
take_verdict(ngx_stream_weir_ctx_t *ctx, enum pw_direction d, enum pw_verdict verdict)
{
    if (verdict == PW_CLOSE) {
        ctx->closing = 1;

    } else if (verdict == PW_CONTINUE && d == PW_REQUEST && ctx->tries == 0 && !ctx->closing) {
        connect_upstream(ctx);
    }
}


/* ---- one step of a flow: true, if something was done ---- */

static bool
resume(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    if (!ctx->flow[d].resume || ctx->closing) {
        return false;
    }

    ctx->flow[d].resume = 0;
    take_verdict(ctx, d, d == PW_REQUEST ? pw_stream_resume_request(ctx->stream)
                                         : pw_stream_resume_response(ctx->stream));

    return true;
}


/* TLS has an end of its own; without it, the other side takes the socket's for an attack. NGX_AGAIN: there is no room
 * for it yet. */

static ngx_int_t
end_writing(ngx_connection_t *c)
{
    int  rc;

    if (c->ssl != NULL) {
        ERR_clear_error();
        rc = SSL_shutdown(c->ssl->connection);

        if (rc < 0 && SSL_get_error(c->ssl->connection, rc) == SSL_ERROR_WANT_WRITE) {
            c->write->ready = 0;
            return NGX_AGAIN;
        }

        if (rc < 0) {
            return NGX_ERROR;
        }
    }

    return ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1 ? NGX_ERROR : NGX_OK;
}


static bool
flush(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    ssize_t                  n;
    ngx_int_t                rc;
    ngx_connection_t        *c = sink(ctx, d);
    ngx_stream_weir_flow_t  *flow = &ctx->flow[d];

    if (c == NULL || flow->failed) {
        return false;
    }

    n = drained(flow) ? 0 : send_some(ctx, d, flow->out.at + flow->out_at, flow->out.len - flow->out_at);

    if (n == -1) {
        sink_failed(ctx, d);
        return true;
    }

    flow->out_at += n;

    if (!drained(flow)) {
        return false;
    }

    strbuf_fini(&flow->out);
    flow->out_at = 0;

    if (flow->ended_out && !flow->shut && !ctx->closing) {
        rc = end_writing(c);
        flow->shut = rc != NGX_AGAIN;

        if (rc == NGX_ERROR) {
            side_gone(ctx, c);
        }

        return flow->shut;
    }

    return n != 0;
}


static bool
may_read(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    ngx_stream_weir_flow_t  *flow = &ctx->flow[d];

    if (ctx->closing || flow->ended_in || flow->failed || !drained(flow)) {
        return false;
    }

    return ctx->stream == NULL
           || !(d == PW_REQUEST ? pw_stream_request_blocked(ctx->stream) : pw_stream_response_blocked(ctx->stream));
}


static bool
read_piece(ngx_stream_weir_ctx_t *ctx, enum pw_direction d)
{
    ssize_t            n;
    struct str         chunk;
    ngx_connection_t  *c = source(ctx, d);

    if (c == NULL || !c->read->ready || !may_read(ctx, d)) {
        return false;
    }

    n = c->recv(c, piece, PIECE_BYTES);

    if (n == NGX_AGAIN) {
        return false;
    }

    if (n == NGX_ERROR) {
        side_gone(ctx, c);
        return true;
    }

    ctx->active = ngx_current_msec;
    ctx->flow[d].ended_in = n == 0;

    if (d == PW_REQUEST) {
        ctx->session->received += n;
    }

    chunk = str_make(piece, n);

    if (ctx->stream == NULL) {
        ngx_stream_weir_write(ctx, d, chunk, n == 0);
        return true;
    }

    take_verdict(ctx, d, pw_connection_on_data(ctx->stream, d, chunk, n == 0));

    if (n == 0 && d == PW_RESPONSE) {
        pw_connection_on_close(ctx->stream, PW_RESPONSE, PW_PEER_REMOTE);
    }

    return true;
}


static bool
is_over(ngx_stream_weir_ctx_t *ctx)
{
    ngx_stream_weir_flow_t  *up = &ctx->flow[PW_REQUEST], *down = &ctx->flow[PW_RESPONSE];

    if (ctx->closing) {
        return (drained(up) || up->failed || sink(ctx, PW_REQUEST) == NULL) && (drained(down) || down->failed);
    }

    return up->shut && down->shut;
}


static ngx_int_t
listen_to(ngx_connection_t *c)
{
    if (c == NULL) {
        return NGX_OK;
    }

    return ngx_handle_read_event(c->read, 0) == NGX_OK && ngx_handle_write_event(c->write, 0) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


static void
run(ngx_stream_weir_ctx_t *ctx)
{
    bool                more;
    ngx_uint_t          rounds;
    enum pw_direction   d;

    for (rounds = 0; rounds < MAX_ROUNDS; rounds++) {
        more = false;

        for (d = PW_REQUEST; d <= PW_RESPONSE; d++) {
            more |= resume(ctx, d);
            more |= flush(ctx, d);
            more |= read_piece(ctx, d);
        }

        if (is_over(ctx)) {
            finish(ctx);
            return;
        }

        if (!more) {
            break;
        }
    }

    if (rounds == MAX_ROUNDS) {
        ngx_post_event(&ctx->wake, &ngx_posted_next_events);
    }

    if (listen_to(ctx->session->connection) != NGX_OK || listen_to(ctx->upstream) != NGX_OK) {
        close_early(ctx, NGX_STREAM_INTERNAL_SERVER_ERROR, "internal_error");
        finish(ctx);
    }
}


/* ---- the upstream ---- */

static void
close_upstream(ngx_stream_weir_ctx_t *ctx)
{
    if (ctx->upstream != NULL) {
        ngx_http_weir_close_connection(ctx->upstream);
        ctx->upstream = NULL;
    }

    ctx->connecting = 0;
}


static void
connected(ngx_stream_weir_ctx_t *ctx)
{
    ngx_connection_t  *c = ctx->upstream;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->handler = upstream_handler;
    c->write->handler = upstream_handler;

    if (c->ssl != NULL) {
        ngx_stream_weir_tls_relay(c);
    }

    ctx->connecting = 0;
    ctx->connected = 1;
    ctx->service->group->counts.connections++;
    ngx_http_weir_peer_answered(ctx->peer, 0);
    ctx->active = ngx_current_msec;
}


/* This endpoint is no good: on to the next one. */

static void
connect_failed(ngx_stream_weir_ctx_t *ctx, const char *why)
{
    ngx_log_error(NGX_LOG_ERR, ctx->session->connection->log, 0, "[weir] upstream %V: %s", &ctx->peer->name, why);

    close_upstream(ctx);
    ngx_http_weir_peer_failed(ctx->peer, why);
    connect_upstream(ctx);
}


/* The socket is connected.  NGX_AGAIN: the handshake goes on in its handler; NGX_ERROR: it failed. */

static ngx_int_t
begin_tls(ngx_stream_weir_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_connection_t  *c = ctx->upstream;

    (void) ngx_tcp_nodelay(c);

    if (ctx->service->tls == NULL) {
        connected(ctx);
        return NGX_OK;
    }

    ctx->connecting = 1;
    rc = ngx_http_weir_tls_start(ctx->service->tls, c, ctx->peer, NULL, tls_handler);

    if (rc == NGX_OK) {
        connected(ctx);

    } else if (rc == NGX_AGAIN) {
        ngx_add_timer(c->write, ctx->service->conf->connect_timeout_ms);
    }

    return rc;
}


static void
tls_handler(ngx_connection_t *c)
{
    ngx_stream_weir_ctx_t  *ctx = c->data;

    if (c->ssl->handshaked) {
        connected(ctx);

    } else {
        connect_failed(ctx, c->write->timedout ? "the TLS handshake takes too long" : "the TLS handshake failed");
    }

    run(ctx);
}


/* No address of the service is known yet: wait for the first one, for as long as connecting may take. */

static void
stop_waiting(ngx_stream_weir_ctx_t *ctx)
{
    ngx_http_weir_wait_end(&ctx->waiter);

    if (ctx->resolved.timer_set) {
        ngx_del_timer(&ctx->resolved);
    }

    if (ctx->resolved.posted) {
        ngx_delete_posted_event(&ctx->resolved);
    }
}


static bool
wait_for_address(ngx_stream_weir_ctx_t *ctx)
{
    if (ctx->waited || !ngx_http_weir_service_resolving(ctx->service)) {
        stop_waiting(ctx);
        return false;
    }

    ngx_http_weir_wait(ctx->service, &ctx->waiter, &ctx->resolved);

    if (!ctx->resolved.timer_set) {
        ngx_add_timer(&ctx->resolved, ctx->service->conf->connect_timeout_ms);
    }

    return true;
}


/* One endpoint after the other, until one answers or is on the way. */

static void
connect_upstream(ngx_stream_weir_ctx_t *ctx)
{
    bool                    has_key;
    uint64_t                key;
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_http_weir_peer_t   *peer;
    ngx_peer_connection_t   pc;

    if (wait_for_address(ctx)) {
        return;
    }

    has_key = ctx->service->conf->hash != NULL && ctx->service->conf->hash->address;
    key = hash_bytes(ctx->session->connection->addr_text.data, ctx->session->connection->addr_text.len, 0);

    for ( ;; ) {

        peer = ctx->tries++ < ngx_min(ctx->service->npeers, NGX_HTTP_WEIR_MAX_TRIES)
               ? ngx_http_weir_next_peer(ctx->service, &ctx->override, &ctx->tried, has_key ? &key : NULL) : NULL;

        if (peer == NULL) {
            ngx_log_error(NGX_LOG_ERR, ctx->session->connection->log, 0, "[weir] no endpoint of service %*s can be reached",
                          ctx->service->conf->name.len, ctx->service->conf->name.at);
            close_early(ctx, NGX_STREAM_BAD_GATEWAY, "no_healthy_upstream");
            return;
        }

        ngx_http_weir_peer_release(ctx->peer);
        ctx->peer = peer;

        ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

        pc.sockaddr = (struct sockaddr *) &ctx->peer->sockaddr;
        pc.socklen = ctx->peer->socklen;
        pc.name = &ctx->peer->name;
        pc.get = ngx_event_get_peer;
        pc.log = ctx->session->connection->log;
        pc.log_error = NGX_ERROR_ERR;
        pc.so_keepalive = 1;

        rc = ngx_event_connect_peer(&pc);
        c = pc.connection;
        ctx->upstream = c;

        if (rc == NGX_OK || rc == NGX_AGAIN) {
            c->data = ctx;
            c->log = ctx->session->connection->log;
            c->read->log = c->log;
            c->write->log = c->log;
            c->read->handler = upstream_handler;
            c->write->handler = upstream_handler;
            c->pool = ngx_create_pool(128, c->log);    /* of its TLS */
        }

        if (rc == NGX_AGAIN && c->pool != NULL) {
            ctx->connecting = 1;
            ngx_add_timer(c->write, ctx->service->conf->connect_timeout_ms);
            return;
        }

        if (rc == NGX_OK && c->pool != NULL && begin_tls(ctx) != NGX_ERROR) {
            return;
        }

        close_upstream(ctx);
        ngx_http_weir_peer_failed(ctx->peer, "cannot be reached");
    }
}


/* ---- events ---- */

static void
resolved_handler(ngx_event_t *ev)
{
    ngx_stream_weir_ctx_t  *ctx = ev->data;

    if (ev->timedout) {
        ev->timedout = 0;
        ctx->waited = 1;
    }

    if (!ctx->closing) {
        connect_upstream(ctx);
    }

    run(ctx);
}


static void
client_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c = ev->data;
    ngx_stream_session_t   *s = c->data;
    ngx_stream_weir_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_weir_module);

    if (c->close) {
        close_early(ctx, NGX_STREAM_OK, "shutdown");
        finish(ctx);
        return;
    }

    if (ctx->shaking) {
        shake_hands(ctx);
        return;
    }

    /* Where nothing is read, a client that broke off would not be missed. */

    if (!may_read(ctx, PW_REQUEST) && has_error(c)) {
        side_gone(ctx, c);
    }

    run(ctx);
}


static void
upstream_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c = ev->data;
    ngx_stream_weir_ctx_t  *ctx = c->data;

    if (c->close) {
        close_early(ctx, NGX_STREAM_OK, "shutdown");
        finish(ctx);
        return;
    }

    if (!ctx->connecting) {

        if (!may_read(ctx, PW_RESPONSE) && has_error(c)) {
            side_gone(ctx, c);
        }

        run(ctx);
        return;
    }

    if (ev->timedout || has_error(c)) {
        connect_failed(ctx, "cannot be reached");

    } else if (ev->write) {

        if (c->write->timer_set) {
            ngx_del_timer(c->write);
        }

        if (begin_tls(ctx) == NGX_ERROR) {
            connect_failed(ctx, "the TLS handshake failed");
        }
    }

    run(ctx);
}


static void
wake_handler(ngx_event_t *ev)
{
    run(ev->data);
}


static void
idle_handler(ngx_event_t *ev)
{
    ngx_msec_t              limit, idle;
    ngx_stream_weir_ctx_t  *ctx = ev->data;

    limit = ctx->service->conf->read_timeout_ms;
    idle = ngx_current_msec - ctx->active;

    if (idle < limit) {
        ngx_add_timer(ev, limit - idle);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, ctx->session->connection->log, NGX_ETIMEDOUT, "[weir] no traffic for too long");
    close_early(ctx, NGX_STREAM_OK, "idle_timeout");
    finish(ctx);
}


/* ---- beginning and end ---- */

bool
ngx_stream_weir_take_generation(ngx_stream_weir_ctx_t *ctx, struct str listener)
{
    uint32_t                     index;
    ngx_http_weir_generation_t  *g = ngx_http_weir_worker.generation, *before = ctx->generation;

    index = g == NULL ? GW_NONE : gw_generation_find_listener(g->gw, GW_TCP, listener);

    if (index == GW_NONE) {
        return false;
    }

    g->refs++;
    ctx->generation = g;
    ctx->listener = &g->config->listeners[index];
    ctx->service = &g->services[ctx->listener->service];

    if (before != NULL) {
        ngx_http_weir_generation_unref(before);
    }

    return true;
}


/* What comes from the client from here on is for the plugins and the upstream. */

static void
begin(ngx_stream_weir_ctx_t *ctx)
{
    ctx->active = ngx_current_msec;
    ctx->session->connection->log->action = "proxying a connection";
    ngx_add_timer(&ctx->idle, ctx->service->conf->read_timeout_ms);

    if (make_stream(ctx) == NGX_OK) {
        take_verdict(ctx, PW_REQUEST, ctx->stream == NULL ? PW_CONTINUE : pw_connection_on_new(ctx->stream));
    }

    run(ctx);
}


static void
shake_hands(ngx_stream_weir_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_connection_t  *c = ctx->session->connection;

    ctx->shaking = 1;
    rc = ngx_stream_weir_tls_handshake(ctx, ctx->ssl);

    c->read->handler = client_handler;      /* nginx put its own ones there */
    c->write->handler = client_handler;

    if (rc == NGX_AGAIN) {
        return;
    }

    ctx->shaking = 0;

    if (rc == NGX_OK) {
        begin(ctx);
        return;
    }

    close_early(ctx, NGX_STREAM_BAD_REQUEST, c->timedout ? "tls_handshake_timeout" : "tls_handshake_failed");
    finish(ctx);
}


void
ngx_stream_weir_start(ngx_stream_session_t *s, ngx_str_t *listener, ngx_ssl_t *ssl)
{
    ngx_connection_t       *c = s->connection;
    ngx_stream_weir_ctx_t  *ctx;

    ctx = ngx_pcalloc(c->pool, sizeof(ngx_stream_weir_ctx_t));
    if (ctx == NULL) {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    if (!ngx_stream_weir_take_generation(ctx, ngx_http_weir_str(listener))) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0, "[weir] the generation has no tcp listener %V", listener);
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->session = s;
    ctx->ssl = ssl;
    ctx->status = NGX_STREAM_OK;
    ctx->wake.handler = wake_handler;
    ctx->wake.data = ctx;
    ctx->wake.log = c->log;
    ctx->idle.handler = idle_handler;
    ctx->idle.data = ctx;
    ctx->idle.log = c->log;
    ctx->resolved.handler = resolved_handler;
    ctx->resolved.data = ctx;
    ctx->resolved.log = c->log;
    ngx_http_weir_worker.connections++;
    ngx_stream_set_ctx(s, ctx, ngx_stream_weir_module);

    c->read->handler = client_handler;
    c->write->handler = client_handler;
    (void) ngx_tcp_nodelay(c);

    if (ngx_http_weir_find_tcp_client(c, ctx->generation) != NGX_OK) {
        close_early(ctx, NGX_STREAM_BAD_REQUEST, "bad_proxy_header");
        finish(ctx);
        return;
    }

    if (ctx->listener->tls != NULL) {
        shake_hands(ctx);

    } else {
        begin(ctx);
    }
}


/* A plugin that does not run fails the connection, or is passed by. */

static ngx_int_t
make_stream(ngx_stream_weir_ctx_t *ctx)
{
    uint32_t                 i, n, nsteps, listener;
    ngx_pool_t              *pool = ctx->session->connection->pool;
    struct pw_step          *steps;
    const struct gw_step    *found;
    ngx_http_weir_plugin_t  *plugin;

    listener = (uint32_t) (ctx->listener - ctx->generation->config->listeners);
    found = gw_generation_connection_plugins(ctx->generation->gw, listener, &n);

    steps = ngx_pcalloc(pool, (n + 1) * sizeof(struct pw_step));
    ctx->steps = ngx_pcalloc(pool, (n + 1) * sizeof(ngx_http_weir_plugin_t *));
    ctx->chain = ngx_pcalloc(pool, (n + 1) * sizeof(ngx_http_weir_link_t));

    if (steps == NULL || ctx->steps == NULL || ctx->chain == NULL) {
        close_early(ctx, NGX_STREAM_INTERNAL_SERVER_ERROR, "internal_error");
        return NGX_ERROR;
    }

    for (i = 0, nsteps = 0; i < n; i++) {
        plugin = &ctx->generation->plugins[found[i].plugin];
        ctx->chain[ctx->nchain].plugin = plugin;
        ctx->chain[ctx->nchain++].step = plugin->plugin == NULL ? -1 : (ngx_int_t) nsteps;

        if (plugin->plugin != NULL) {
            steps[nsteps].plugin = plugin->plugin;
            steps[nsteps].config = plugin->roots[found[i].config];
            ctx->steps[nsteps] = plugin;
            nsteps++;

        } else if (plugin->conf->fail_strategy != GW_FAIL_OPEN) {
            ctx->plugin = ngx_http_weir_ngx_str(plugin->conf->name);
            close_early(ctx, NGX_STREAM_SERVICE_UNAVAILABLE, "wasm_fail_stream");
            return NGX_ERROR;
        }
    }

    if (nsteps != 0) {
        ctx->stream = pw_connection_new(steps, nsteps, ctx);
    }

    return NGX_OK;
}


/* The last callbacks, and which plugin ended the connection, if one did. */

static void
end_stream(ngx_stream_weir_ctx_t *ctx)
{
    int                step;
    bool               trapped;
    struct pw_stream  *stream = ctx->stream;

    if (ctx->connected) {
        pw_connection_on_close(stream, PW_RESPONSE, ctx->upstream_gone ? PW_PEER_REMOTE : PW_PEER_LOCAL);
    }

    pw_connection_on_close(stream, PW_REQUEST, ctx->client_gone || ctx->flow[PW_REQUEST].ended_in
                                                   ? PW_PEER_REMOTE : PW_PEER_LOCAL);

    step = pw_stream_local_step(stream);

    if (step >= 0) {
        trapped = pw_stream_trapped(stream) && ctx->steps[step]->conf->fail_strategy != GW_FAIL_OPEN;
        ctx->plugin = ngx_http_weir_ngx_str(ctx->steps[step]->conf->name);
        close_early(ctx, trapped ? NGX_STREAM_SERVICE_UNAVAILABLE : NGX_STREAM_OK,
                    trapped ? "wasm_fail_stream" : "wasm_close_stream");
    }

    ctx->stream = NULL;
    pw_stream_finish(stream);
    ctx->steps_log = ngx_http_weir_steps_log(ctx->session->connection->pool, ctx->chain, ctx->nchain, stream);
    pw_stream_end(stream);
}


static void
finish(ngx_stream_weir_ctx_t *ctx)
{
    ngx_http_weir_peer_t        *peer;
    ngx_http_weir_generation_t  *g = ctx->generation;

    if (ctx->stream != NULL) {
        end_stream(ctx);

    } else {
        ctx->steps_log = ngx_http_weir_steps_log(ctx->session->connection->pool, ctx->chain, ctx->nchain, NULL);
    }

    close_upstream(ctx);
    stop_waiting(ctx);

    if (ctx->idle.timer_set) {
        ngx_del_timer(&ctx->idle);
    }

    if (ctx->wake.posted) {
        ngx_delete_posted_event(&ctx->wake);
    }

    strbuf_fini(&ctx->flow[PW_REQUEST].out);
    strbuf_fini(&ctx->flow[PW_RESPONSE].out);

    ngx_http_weir_worker.connections--;
    peer = ctx->peer;           /* the log names it */
    ngx_stream_finalize_session(ctx->session, ctx->status);
    ngx_http_weir_peer_release(peer);
    ngx_http_weir_generation_unref(g);
}
