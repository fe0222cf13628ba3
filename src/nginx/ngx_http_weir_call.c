/*
 * ngx_http_weir_call.c - callouts: an HTTP/1.1 client in the event loop, for plugins.
 *
 * A call takes a peer of its service as the proxy does, and one of the connections kept for that peer. It
 * owns its request's bytes, its answer and its connection, not its service: that may go meanwhile. It ends by
 * pw_callout_done, from an event handler only, or by cancel_call; both free it.
 *
 * A kept connection that breaks before the first byte of an answer says nothing about the upstream: the request is
 * sent again on a new one, unless it was sent and must not be sent twice. What fails inside http_call is told
 * by an event after the guest's call.
 */

#include "http/response.h"

#include "ngx_http_weir_module.h"


#define MAX_BODY_BYTES  (16 * 1024 * 1024)
#define FOR_EVER_MS     (24 * 3600 * 1000)     /* again and again: a worker that shuts down waits for timers */


typedef struct {
    struct pw_callout     *callout;
    ngx_pool_t            *pool;
    ngx_http_weir_peer_t  *peer;
    ngx_http_weir_tls_t   *tls;             /* with a reference; NULL: clear text */
    ngx_connection_t      *connection;
    ngx_buf_t             *request;
    ngx_event_t            timer;           /* of the whole call; or its failure, posted */
    ngx_http_weir_waiter_t waiter;          /* for the service's first address */
    ngx_event_t            resolved;
    ngx_msec_t             connect_timeout;
    ngx_uint_t             keepalive;       /* connections kept for the peer */
    ngx_msec_t             keepalive_timeout;
    struct http_response   response;
    unsigned               cached:1;        /* the connection was a kept one */
    unsigned               repeatable:1;    /* the method is idempotent */
    unsigned               answered:1;      /* the first byte is there */
    unsigned               failed:1;        /* inside http_call */
    unsigned               no_endpoint:1;
    unsigned               unlimited:1;     /* no timeout */
} call_t;


static ngx_int_t make_request(call_t *call, const struct pw_http_call *what);
static ngx_int_t connect_peer(call_t *call, bool fresh);
static void resolved_handler(ngx_event_t *ev);
static ngx_int_t connected(call_t *call);
static void tls_handler(ngx_connection_t *c);
static ngx_int_t write_request(call_t *call);
static void write_handler(ngx_event_t *ev);
static void idle_write_handler(ngx_event_t *ev);
static void read_handler(ngx_event_t *ev);
static void timer_handler(ngx_event_t *ev);
static void broke(call_t *call);
static void complete(call_t *call);
static void answer(call_t *call, const char *status, const char *body);
static void finish(call_t *call, const struct pw_call_response *response);
static void drop_connection(call_t *call);
static void free_call(call_t *call);


enum pw_call_start
ngx_http_weir_call(void *server, void *stream, const struct pw_http_call *what, void **handle)
{
    call_t                   *call;
    ngx_pool_t               *pool;
    ngx_http_weir_worker_t   *w = server;
    ngx_http_weir_service_t  *service;

    service = ngx_http_weir_find_service(w, stream, what->service);
    if (service == NULL) {
        return PW_CALL_NO_SERVICE;
    }

    pool = ngx_create_pool(1024, w->cycle->log);
    if (pool == NULL) {
        return PW_CALL_FAILED;
    }

    call = ngx_pcalloc(pool, sizeof(call_t));
    if (call == NULL) {
        ngx_destroy_pool(pool);
        return PW_CALL_FAILED;
    }

    call->pool = pool;
    call->callout = what->callout;
    call->tls = ngx_http_weir_tls_ref(service->tls);
    call->connect_timeout = service->conf->connect_timeout_ms;
    call->keepalive = service->conf->protocol == GW_HTTP2 ? 0 : service->conf->keepalive; /* those speak HTTP/2 */
    call->keepalive_timeout = service->conf->keepalive_timeout_ms;
    call->timer.data = call;
    call->timer.handler = timer_handler;
    call->timer.log = w->cycle->log;
    http_response_init(&call->response, str_eq(what->method, STR("HEAD")), MAX_BODY_BYTES);

    if (make_request(call, what) != NGX_OK) {
        free_call(call);
        return PW_CALL_FAILED;
    }

    call->peer = ngx_http_weir_choose_peer(service);
    call->no_endpoint = call->peer == NULL && !ngx_http_weir_service_resolving(service);

    if (call->no_endpoint || (call->peer != NULL && connect_peer(call, false) != NGX_OK)) {
        call->failed = 1;
        ngx_post_event(&call->timer, &ngx_posted_next_events);

    } else {
        call->unlimited = what->timeout_ms == 0;
        ngx_add_timer(&call->timer, call->unlimited ? FOR_EVER_MS : what->timeout_ms);

        if (call->peer == NULL) {
            call->resolved.data = call;
            call->resolved.handler = resolved_handler;
            call->resolved.log = w->cycle->log;
            ngx_http_weir_wait(service, &call->waiter, &call->resolved);
        }
    }

    *handle = call;

    return PW_CALL_STARTED;
}


void
ngx_http_weir_cancel_call(void *server, void *handle)
{
    free_call(handle);
}


ngx_http_weir_service_t *
ngx_http_weir_find_service(ngx_http_weir_worker_t *w, void *stream, struct str name)
{
    uint32_t                     i;
    ngx_http_weir_generation_t  *g, **of = stream;

    g = of != NULL ? *of : w->loading != NULL ? w->loading : w->generation;

    if (g == NULL) {
        return NULL;
    }

    i = gw_generation_find_service(g->gw, name);

    return i == GW_NONE ? NULL : &g->services[i];
}


/* What the client says itself, or what is about the connection. */

static bool
is_own(struct str name)
{
    size_t                    i;
    static const struct str   own[] = {
        STR("host"), STR("content-length"), STR("transfer-encoding"), STR("connection"), STR("keep-alive"),
        STR("proxy-connection"), STR("upgrade"), STR("te"), STR("trailer"), STR("expect"),
    };

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (str_eq(name, own[i])) {
            return true;
        }
    }

    return name.at[0] == ':';
}


static void
add_headers(struct strbuf *b, const struct pw_header *at, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (!is_own(at[i].name)) {
            strbuf_add(b, at[i].name);
            strbuf_add(b, STR(": "));
            strbuf_add(b, at[i].value);
            strbuf_add(b, STR("\r\n"));
        }
    }
}


static bool
is_one_of(struct str s, const struct str *list, size_t n)
{
    size_t  i;

    for (i = 0; i < n && !str_eq(s, list[i]); i++) { /* void */ }

    return i < n;
}


/* With trailers the body goes as one chunk. */

static ngx_int_t
make_request(call_t *call, const struct pw_http_call *what)
{
    u_char         *p;
    struct strbuf   b = { 0 };

    static const struct str  repeatable[] = {
        STR("GET"), STR("HEAD"), STR("OPTIONS"), STR("PUT"), STR("DELETE")
    };
    static const struct str  with_body[] = { STR("POST"), STR("PUT"), STR("PATCH") };

    call->repeatable = is_one_of(what->method, repeatable, 5);

    strbuf_printf(&b, "%.*s %.*s HTTP/1.1\r\nhost: %.*s\r\n", STR_ARG(what->method), STR_ARG(what->path),
                  STR_ARG(what->authority));
    add_headers(&b, what->headers, what->nheaders);

    if (what->ntrailers != 0) {
        strbuf_printf(&b, "transfer-encoding: chunked\r\n\r\n");

        if (what->body.len != 0) {
            strbuf_printf(&b, "%zx\r\n", what->body.len);
            strbuf_add(&b, what->body);
            strbuf_add(&b, STR("\r\n"));
        }

        strbuf_add(&b, STR("0\r\n"));
        add_headers(&b, what->trailers, what->ntrailers);
        strbuf_add(&b, STR("\r\n"));

    } else {
        if (what->body.len != 0 || is_one_of(what->method, with_body, 3)) {
            strbuf_printf(&b, "content-length: %zu\r\n", what->body.len);
        }

        strbuf_add(&b, STR("\r\n"));
        strbuf_add(&b, what->body);
    }

    call->request = ngx_calloc_buf(call->pool);
    p = ngx_pnalloc(call->pool, b.len);

    if (call->request == NULL || p == NULL) {
        strbuf_fini(&b);
        return NGX_ERROR;
    }

    ngx_memcpy(p, b.at, b.len);
    call->request->start = p;
    call->request->pos = p;
    call->request->last = p + b.len;

    strbuf_fini(&b);

    return NGX_OK;
}


static void
resolved_handler(ngx_event_t *ev)
{
    call_t  *call = ev->data;

    call->peer = ngx_http_weir_wait_peer(&call->waiter);

    if (call->peer == NULL) {
        answer(call, "503", "no healthy upstream");

    } else if (connect_peer(call, false) != NGX_OK) {
        finish(call, NULL);
    }
}


static ngx_int_t
connect_peer(call_t *call, bool fresh)
{
    ngx_int_t               rc;
    ngx_log_t              *log;
    ngx_connection_t       *c;
    ngx_peer_connection_t   pc;

    log = ngx_cycle->log;
    call->request->pos = call->request->start;

    c = fresh || call->peer->http2 ? NULL : ngx_http_weir_take_idle(call->peer, log);
    call->cached = c != NULL;
    rc = NGX_OK;

    if (c == NULL) {
        ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

        pc.sockaddr = (struct sockaddr *) &call->peer->sockaddr;
        pc.socklen = call->peer->socklen;
        pc.name = &call->peer->name;
        pc.get = ngx_event_get_peer;
        pc.log = log;
        pc.log_error = NGX_ERROR_ERR;

        rc = ngx_event_connect_peer(&pc);
        c = pc.connection;

        if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
            call->connection = c;
            drop_connection(call);
            ngx_http_weir_peer_failed(call->peer, "it cannot be reached");
            return NGX_ERROR;
        }

        c->pool = ngx_create_pool(128, log);
        if (c->pool == NULL) {
            ngx_close_connection(c);
            return NGX_ERROR;
        }
    }

    call->connection = c;

    c->data = call;
    c->sendfile = 0;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = read_handler;
    c->write->handler = write_handler;

    if (rc == NGX_AGAIN) {
        ngx_add_timer(c->write, call->connect_timeout);
        return NGX_OK;
    }

    if ((call->cached ? write_request(call) : connected(call)) == NGX_ERROR) {
        drop_connection(call);
        return call->cached ? connect_peer(call, true) : NGX_ERROR;
    }

    return NGX_OK;
}


/* The connection is made: on with TLS, or with the request. As write_request. */

static ngx_int_t
connected(call_t *call)
{
    ngx_int_t  rc;

    if (call->tls == NULL) {
        return write_request(call);
    }

    rc = ngx_http_weir_tls_start(call->tls, call->connection, call->peer, "http/1.1", tls_handler);

    if (rc == NGX_AGAIN) {
        ngx_add_timer(call->connection->write, call->connect_timeout);
    }

    return rc == NGX_OK ? write_request(call) : rc;
}


static void
tls_handler(ngx_connection_t *c)
{
    call_t  *call;

    call = c->data;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    if (!c->ssl->handshaked) {

        if (c->write->timedout) {
            ngx_log_error(NGX_LOG_ERR, c->log, NGX_ETIMEDOUT, "[weir] callout: %V does not end the TLS handshake",
                          &call->peer->name);
        }

        broke(call);
        return;
    }

    c->read->handler = read_handler;
    c->write->handler = write_handler;
    write_handler(c->write);
}


/* NGX_OK: all of it; NGX_AGAIN: the handler goes on. */

static ngx_int_t
write_request(call_t *call)
{
    ssize_t            n;
    ngx_buf_t         *b = call->request;
    ngx_connection_t  *c = call->connection;

    while (b->pos < b->last) {

        n = c->send(c, b->pos, b->last - b->pos);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN || n == 0) {
            return ngx_handle_write_event(c->write, 0) == NGX_OK ? NGX_AGAIN : NGX_ERROR;
        }

        b->pos += n;
    }

    c->write->handler = idle_write_handler;

    return ngx_handle_write_event(c->write, 0);
}


ngx_int_t
ngx_http_weir_test_connect(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err != 0) {
        ngx_log_error(NGX_LOG_ERR, c->log, err, "[weir] callout: connect() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
write_handler(ngx_event_t *ev)
{
    call_t            *call;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = ev->data;
    call = c->data;

    if (ev->timedout) {
        ngx_log_error(NGX_LOG_ERR, c->log, NGX_ETIMEDOUT, "[weir] callout: %V cannot be reached",
                      &call->peer->name);
        broke(call);
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);

        if (ngx_http_weir_test_connect(c) != NGX_OK) {
            broke(call);
            return;
        }

        rc = connected(call);

    } else {
        rc = write_request(call);
    }

    if (rc == NGX_ERROR) {
        broke(call);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);    /* what came while it was not connected yet */
    }
}


static void
idle_write_handler(ngx_event_t *ev)
{
    /* the request is on its way */
}


static void
read_handler(ngx_event_t *ev)
{
    size_t              used;
    call_t             *call;
    u_char              piece[16384];
    ssize_t             n;
    ngx_connection_t   *c;
    enum http_progress  progress;

    c = ev->data;
    call = c->data;

    if (c->close || c->write->timer_set) {

        /* the worker ends; or there is no connection yet, and this event is its failure */

        if (c->close || ngx_http_weir_test_connect(c) != NGX_OK) {
            broke(call);
        }

        return;
    }

    for ( ;; ) {

        n = c->recv(c, piece, sizeof(piece));

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(ev, 0) != NGX_OK) {
                broke(call);
            }

            return;
        }

        if (n == NGX_ERROR) {
            broke(call);
            return;
        }

        if (n == 0) {
            progress = http_response_end(&call->response);
            used = 0;

        } else {
            call->answered = 1;
            progress = http_response_feed(&call->response, piece, n, &used);
        }

        switch (progress) {

        case HTTP_MORE:
            continue;

        case HTTP_DONE:

            if (n == 0 || used < (size_t) n) {
                call->response.keepalive = false;
            }

            complete(call);
            return;

        case HTTP_BAD:

            if (call->answered) {
                ngx_log_error(NGX_LOG_ERR, c->log, 0, "[weir] callout: %V: %s", &call->peer->name,
                              call->response.error);
            }

            broke(call);
            return;
        }
    }
}


static void
timer_handler(ngx_event_t *ev)
{
    call_t  *call;

    call = ev->data;

    if (call->no_endpoint) {
        answer(call, "503", "no healthy upstream");

    } else if (call->unlimited) {
        ngx_add_timer(ev, FOR_EVER_MS);

    } else if (call->failed || http_response_has_head(&call->response)) {
        finish(call, NULL);

    } else {
        ngx_log_error(NGX_LOG_ERR, ev->log, NGX_ETIMEDOUT, "[weir] callout: %V did not answer in time",
                      call->peer == NULL ? &call->waiter.group->node.str : &call->peer->name);
        answer(call, "504", "upstream request timeout");
    }
}


/* The connection is no good. */

static void
broke(call_t *call)
{
    bool  again;

    again = call->cached && !call->answered && !call->connection->close
            && (call->repeatable || call->request->pos == call->request->start);

    if (!call->cached && !call->answered && !call->connection->close) {
        ngx_http_weir_peer_failed(call->peer, "it broke off");
    }

    drop_connection(call);

    if (!again) {
        finish(call, NULL);
        return;
    }

    http_response_fini(&call->response);
    http_response_init(&call->response, call->response.no_body, MAX_BODY_BYTES);

    if (connect_peer(call, true) != NGX_OK) {
        finish(call, NULL);
    }
}


static void
complete(call_t *call)
{
    ngx_connection_t         *c = call->connection;
    struct http_response     *r = &call->response;
    struct pw_call_response   response;

    ngx_http_weir_peer_answered(call->peer, r->status);

    /* An answer before the end of the request leaves the connection in the middle of it. */

    if (r->keepalive && call->request->pos == call->request->last
        && ngx_http_weir_keep_idle(call->peer, c, call->keepalive, call->keepalive_timeout))
    {
        call->connection = NULL;
    }

    response.headers = r->headers.at;
    response.nheaders = r->headers.len;
    response.trailers = r->trailers.at;
    response.ntrailers = r->trailers.len;
    response.body = r->body.len == 0 ? STR("") : strbuf_str(&r->body);

    finish(call, &response);
}


/* An answer of our own, as Envoy gives it. */

static void
answer(call_t *call, const char *status, const char *body)
{
    char                     length[24];
    struct pw_header         headers[3];
    struct pw_call_response  response = { .headers = headers, .nheaders = 3, .body = str_of(body) };

    (void) snprintf(length, sizeof(length), "%zu", response.body.len);

    headers[0] = (struct pw_header) { STR(":status"), str_of(status) };
    headers[1] = (struct pw_header) { STR("content-length"), str_of(length) };
    headers[2] = (struct pw_header) { STR("content-type"), STR("text/plain") };

    finish(call, &response);
}


/* The guest runs in here; it may send other calls. */

static void
finish(call_t *call, const struct pw_call_response *response)
{
    drop_connection(call);

    if (call->timer.timer_set) {
        ngx_del_timer(&call->timer);
    }

    pw_callout_done(call->callout, response);
    free_call(call);
}


static void
drop_connection(call_t *call)
{
    ngx_connection_t  *c = call->connection;

    if (c == NULL) {
        return;
    }

    call->connection = NULL;

    ngx_http_weir_close_connection(c);
}


static void
free_call(call_t *call)
{
    drop_connection(call);

    if (call->timer.timer_set) {
        ngx_del_timer(&call->timer);
    }

    if (call->timer.posted) {
        ngx_delete_posted_event(&call->timer);
    }

    if (call->resolved.posted) {
        ngx_delete_posted_event(&call->resolved);
    }

    ngx_http_weir_wait_end(&call->waiter);
    http_response_fini(&call->response);
    ngx_http_weir_peer_release(call->peer);
    ngx_http_weir_tls_unref(call->tls);
    ngx_destroy_pool(call->pool);
}
