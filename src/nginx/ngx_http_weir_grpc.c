/*
 * ngx_http_weir_grpc.c - gRPC calls of plugins: HTTP/2 by nghttp2 over a connection of nginx.
 *
 * Each call has a connection and a session of its own, with one stream. nghttp2's callbacks only note what came, in
 * the order it came; deliver() tells the plugin, from an event handler, when nghttp2 is done. The plugin may
 * cancel the call meanwhile: while `busy` it is only marked as gone, and freed by deliver().
 */

#include <nghttp2/nghttp2.h>

#include "ngx_http_weir_module.h"

#include "base/arena.h"
#include "base/vec.h"


#define MAX_MESSAGE_BYTES  (16 * 1024 * 1024)
#define MAX_HEADERS        256
#define MAX_HEADER_BYTES   (64 * 1024)
#define FOR_EVER_MS        (24 * 3600 * 1000)

enum {
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};


typedef VEC(struct pw_header) header_list_t;

typedef struct {
    enum { INITIAL, MESSAGE, TRAILING } kind;
    struct strbuf          message;
} came_t;


typedef struct {
    struct pw_callout     *callout;
    ngx_http_weir_peer_t  *peer;
    ngx_http_weir_tls_t   *tls;             /* with a reference; NULL: clear text */
    ngx_http_weir_waiter_t waiter;          /* for the service's first address */
    ngx_event_t            resolved;
    ngx_msec_t             connect_timeout;
    ngx_connection_t      *connection;
    nghttp2_session       *session;
    int32_t                id;              /* of the stream */
    ngx_event_t            timer;           /* of the whole call; or something to deliver, posted */
    ngx_msec_t             timeout;
    struct arena           arena;           /* of headers */

    struct strbuf          out;             /* messages for the upstream, from out_at on */
    size_t                 out_at;
    const uint8_t         *wire;            /* what nghttp2 wants sent and was not taken yet */
    size_t                 wire_len;

    u_char                 prefix[5];       /* of the message that comes */
    size_t                 nprefix;
    struct strbuf          in;
    size_t                 left;            /* of it */

    header_list_t          initial, trailing;
    VEC(came_t)            came;
    size_t                 header_bytes;
    uint32_t               http_status;
    uint32_t               status;          /* of the call, once it is known */
    struct str             text;
    unsigned               has_status:1;
    unsigned               out_end:1;       /* out is all there will be */
    unsigned               connected:1;     /* with TLS, if it is asked for */
    unsigned               got_head:1;
    unsigned               over:1;          /* to be told by pw_grpc_done */
    unsigned               busy:1;
    unsigned               gone:1;
} grpc_t;


static ngx_int_t begin(grpc_t *g, ngx_http_weir_service_t *service, const struct pw_grpc_call *what);
static ngx_int_t connect_peer(grpc_t *g);
static void resolved_handler(ngx_event_t *ev);
static void connected(grpc_t *g);
static void tls_handler(ngx_connection_t *c);
static void flush(grpc_t *g);
static void write_handler(ngx_event_t *ev);
static void read_handler(ngx_event_t *ev);
static void timer_handler(ngx_event_t *ev);
static void fail(grpc_t *g, uint32_t status, const char *text);
static void deliver(grpc_t *g);
static void free_call(grpc_t *g);


static void
add_message(grpc_t *g, struct str message)
{
    char  prefix[5];

    if (g->out_at == g->out.len) {
        g->out_at = 0;
        g->out.len = 0;
    }

    prefix[0] = 0;      /* not compressed */
    prefix[1] = (char) (message.len >> 24);
    prefix[2] = (char) (message.len >> 16);
    prefix[3] = (char) (message.len >> 8);
    prefix[4] = (char) message.len;

    strbuf_add_bytes(&g->out, prefix, 5);
    strbuf_add(&g->out, message);
}


enum pw_call_start
ngx_http_weir_grpc_open(void *server, void *stream, const struct pw_grpc_call *what, void **handle)
{
    grpc_t                   *g;
    ngx_http_weir_worker_t   *w = server;
    ngx_http_weir_service_t  *service;

    service = ngx_http_weir_find_service(w, stream, what->service);
    if (service == NULL) {
        return PW_CALL_NO_SERVICE;
    }

    g = mem_zalloc(sizeof(grpc_t));
    g->callout = what->callout;
    g->timer.data = g;
    g->timer.handler = timer_handler;
    g->timer.log = w->cycle->log;
    g->timeout = what->timeout_ms;
    g->connect_timeout = service->conf->connect_timeout_ms;
    g->tls = ngx_http_weir_tls_ref(service->tls);
    arena_init(&g->arena);

    if (what->unary) {
        add_message(g, what->message);
        g->out_end = 1;
    }

    if (begin(g, service, what) != NGX_OK) {
        free_call(g);
        return PW_CALL_FAILED;
    }

    g->peer = ngx_http_weir_choose_peer(service);

    if (g->peer == NULL && ngx_http_weir_service_resolving(service)) {
        g->resolved.data = g;
        g->resolved.handler = resolved_handler;
        g->resolved.log = w->cycle->log;
        ngx_http_weir_wait(service, &g->waiter, &g->resolved);

    } else if (g->peer == NULL) {
        fail(g, GRPC_UNAVAILABLE, "no healthy upstream");

    } else if (connect_peer(g) != NGX_OK) {
        fail(g, GRPC_UNAVAILABLE, "the upstream cannot be reached");
    }

    if (g->over) {
        ngx_post_event(&g->timer, &ngx_posted_next_events);

    } else {
        ngx_add_timer(&g->timer, g->timeout ? g->timeout : FOR_EVER_MS);
    }

    *handle = g;

    return PW_CALL_STARTED;
}


void
ngx_http_weir_grpc_send(void *server, void *handle, struct str message, bool end)
{
    grpc_t  *g = handle;

    if (message.at != NULL) {
        add_message(g, message);
    }

    g->out_end |= end;

    if (g->connection == NULL || g->over) {
        return;
    }

    (void) nghttp2_session_resume_data(g->session, g->id);

    if (g->connected) {
        flush(g);
    }

    if (g->over && !g->busy) {
        ngx_post_event(&g->timer, &ngx_posted_next_events);
    }
}


void
ngx_http_weir_grpc_cancel(void *server, void *handle)
{
    grpc_t  *g = handle;

    if (g->busy) {
        g->gone = 1;
        return;
    }

    free_call(g);
}


/* ---- the session ---- */

/* A copy; false: too many or too large. */

static bool
add_header(grpc_t *g, header_list_t *list, struct str name, struct str value)
{
    struct pw_header  h;

    g->header_bytes += name.len + value.len;

    if (list->len >= MAX_HEADERS || g->header_bytes > MAX_HEADER_BYTES) {
        return false;
    }

    h.name = str_make(arena_strndup(&g->arena, name.at, name.len), name.len);
    h.value = str_make(arena_strndup(&g->arena, value.at, value.len), value.len);
    vec_push(list, h);

    return true;
}


static int
hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}


/* grpc-message is percent-encoded. */

static struct str
decode_text(grpc_t *g, struct str s)
{
    char    *p;
    size_t   i, n;

    p = arena_strndup(&g->arena, s.at, s.len);
    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.at[i] == '%' && i + 2 < s.len && hex_digit(s.at[i + 1]) >= 0 && hex_digit(s.at[i + 2]) >= 0) {
            p[n++] = (char) (hex_digit(s.at[i + 1]) << 4 | hex_digit(s.at[i + 2]));
            i += 2;

        } else {
            p[n++] = s.at[i];
        }
    }

    return str_make(p, n);
}


static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
    const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
    grpc_t      *g = data;
    uint64_t     number;
    struct str   n = str_make(name, name_len), v = str_make(value, value_len);

    if (frame->hd.type != NGHTTP2_HEADERS || frame->hd.stream_id != g->id) {
        return 0;
    }

    if (str_eq(n, STR(":status")) && str_to_u64(v, &number)) {
        g->http_status = (uint32_t) number;

        if (number < 200) {
            return 0;
        }

    } else if (g->http_status < 200 && g->http_status != 0) {
        return 0;       /* of an interim response */
    }

    if (str_eq(n, STR("grpc-status")) && str_to_u64(v, &number)) {
        g->status = number <= 16 ? (uint32_t) number : GRPC_UNKNOWN;
        g->has_status = 1;

    } else if (str_eq(n, STR("grpc-message"))) {
        g->text = decode_text(g, v);
    }

    return add_header(g, g->got_head ? &g->trailing : &g->initial, n, v)
           ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}


static void
note(grpc_t *g, int kind, struct strbuf message)
{
    came_t  c;

    c.kind = kind;
    c.message = message;
    vec_push(&g->came, c);
}


/* What an HTTP status means where there is no gRPC status. */

static uint32_t
status_of_http(uint32_t status)
{
    switch (status) {
    case 200:
        return GRPC_UNKNOWN;
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429: case 502: case 503: case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}


/* The upstream will say no more: what came of it? */

static void
settle(grpc_t *g, uint32_t error)
{
    if (g->over) {
        return;
    }

    if (g->has_status) {
        g->over = 1;

    } else if (error != NGHTTP2_NO_ERROR) {
        fail(g, GRPC_UNAVAILABLE, "reset");

    } else if (g->nprefix != 0) {
        fail(g, GRPC_INTERNAL, "the stream ended within a message");

    } else {
        fail(g, status_of_http(g->http_status), "no grpc-status");
    }
}


static int
on_close(nghttp2_session *session, int32_t id, uint32_t error, void *data)
{
    settle(data, error);

    return 0;
}


static void
take_headers(grpc_t *g, bool end)
{
    size_t          i;
    struct strbuf   none = { 0 };

    if (g->http_status != 0 && g->http_status < 200) {
        return;
    }

    if (!g->got_head && !end) {
        g->got_head = 1;
        ngx_http_weir_peer_answered(g->peer, 0);
        note(g, INITIAL, none);
        return;
    }

    if (!g->got_head) {     /* trailers only */
        for (i = 0; i < g->initial.len; i++) {
            vec_push(&g->trailing, g->initial.at[i]);
        }
    }

    note(g, TRAILING, none);
}


static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    bool     end;
    grpc_t  *g = data;

    if (frame->hd.stream_id != g->id
        || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
    {
        return 0;
    }

    end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type == NGHTTP2_HEADERS) {
        take_headers(g, end);
    }

    if (end) {
        settle(g, NGHTTP2_NO_ERROR);    /* though this side may go on */
    }

    return 0;
}


/* Messages out of DATA frames, wherever their bounds are. */

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t len, void *data)
{
    size_t   n;
    grpc_t  *g = data;

    while (!g->over && g->http_status == 200) {

        if (g->nprefix < 5) {

            if (len == 0) {
                break;
            }

            g->prefix[g->nprefix++] = *at++;
            len--;

            if (g->nprefix < 5) {
                continue;
            }

            g->left = (size_t) g->prefix[1] << 24 | (size_t) g->prefix[2] << 16
                      | (size_t) g->prefix[3] << 8 | g->prefix[4];

            if (g->prefix[0] != 0) {
                fail(g, GRPC_UNIMPLEMENTED, "a compressed message");
                break;
            }

            if (g->left > MAX_MESSAGE_BYTES) {
                fail(g, GRPC_INTERNAL, "the message is too large");
                break;
            }
        }

        n = ngx_min(len, g->left);
        strbuf_add_bytes(&g->in, at, n);
        at += n;
        len -= n;
        g->left -= n;

        if (g->left != 0) {
            break;
        }

        note(g, MESSAGE, g->in);
        ngx_memzero(&g->in, sizeof(struct strbuf));
        g->nprefix = 0;
    }

    return 0;
}


static ssize_t
read_out(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
    nghttp2_data_source *source, void *data)
{
    size_t   n;
    grpc_t  *g = data;

    n = ngx_min(len, g->out.len - g->out_at);

    if (n == 0 && !g->out_end) {
        return NGHTTP2_ERR_DEFERRED;
    }

    ngx_memcpy(buf, g->out.at + g->out_at, n);
    g->out_at += n;

    if (g->out_end && g->out_at == g->out.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }

    return (ssize_t) n;
}


static nghttp2_nv
nv(struct str name, struct str value)
{
    nghttp2_nv  h;

    h.name = (uint8_t *) name.at;
    h.namelen = name.len;
    h.value = (uint8_t *) value.at;
    h.valuelen = value.len;
    h.flags = NGHTTP2_NV_FLAG_NONE;

    return h;
}


static bool
is_own(struct str name)
{
    return name.at[0] == ':' || str_eq(name, STR("te")) || str_eq(name, STR("content-type"))
           || str_eq(name, STR("connection")) || str_eq(name, STR("transfer-encoding"))
           || str_eq(name, STR("keep-alive")) || str_eq(name, STR("upgrade")) || str_eq(name, STR("host"))
           || str_eq(name, STR("proxy-connection")) || str_eq(name, STR("content-length"));
}


static ngx_int_t
begin(grpc_t *g, ngx_http_weir_service_t *service, const struct pw_grpc_call *what)
{
    int                          rc;
    char                         timeout[24];
    size_t                       i, n;
    nghttp2_nv                  *h;
    nghttp2_data_provider        provider = { { 0 }, read_out };
    nghttp2_session_callbacks   *callbacks;
    nghttp2_settings_entry       settings[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };

    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NGX_ERROR;
    }

    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);

    rc = nghttp2_session_client_new(&g->session, callbacks, g);
    nghttp2_session_callbacks_del(callbacks);

    if (rc != 0) {
        return NGX_ERROR;
    }

    h = ARENA_ARRAY(&g->arena, nghttp2_nv, what->nmetadata + 8);
    n = 0;
    h[n++] = nv(STR(":method"), STR("POST"));
    h[n++] = nv(STR(":scheme"), service->tls == NULL ? STR("http") : STR("https"));
    h[n++] = nv(STR(":path"), what->path);
    h[n++] = nv(STR(":authority"), service->conf->name);
    h[n++] = nv(STR("te"), STR("trailers"));
    h[n++] = nv(STR("content-type"), STR("application/grpc"));

    if (what->timeout_ms != 0) {
        (void) snprintf(timeout, sizeof(timeout), "%um", (unsigned) ngx_min(what->timeout_ms, 99999999));
        h[n++] = nv(STR("grpc-timeout"), str_of(timeout));
    }

    for (i = 0; i < what->nmetadata; i++) {
        if (!is_own(what->metadata[i].name)) {
            h[n++] = nv(what->metadata[i].name, what->metadata[i].value);
        }
    }

    if (nghttp2_submit_settings(g->session, NGHTTP2_FLAG_NONE, settings, 1) != 0) {
        return NGX_ERROR;
    }

    g->id = nghttp2_submit_request(g->session, NULL, h, n, &provider, NULL);    /* copies the headers */

    return g->id < 0 ? NGX_ERROR : NGX_OK;
}


/* ---- the connection ---- */

static void
resolved_handler(ngx_event_t *ev)
{
    grpc_t  *g = ev->data;

    g->peer = ngx_http_weir_wait_peer(&g->waiter);

    if (g->peer == NULL) {
        fail(g, GRPC_UNAVAILABLE, "no healthy upstream");

    } else if (connect_peer(g) != NGX_OK) {
        fail(g, GRPC_UNAVAILABLE, "the upstream cannot be reached");
    }

    deliver(g);
}


static ngx_int_t
connect_peer(grpc_t *g)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_peer_connection_t   pc;

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

    pc.sockaddr = (struct sockaddr *) &g->peer->sockaddr;
    pc.socklen = g->peer->socklen;
    pc.name = &g->peer->name;
    pc.get = ngx_event_get_peer;
    pc.log = ngx_cycle->log;
    pc.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&pc);
    c = pc.connection;

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        if (c != NULL) {
            ngx_close_connection(c);
        }

        return NGX_ERROR;
    }

    c->pool = ngx_create_pool(128, pc.log);
    if (c->pool == NULL) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    g->connection = c;

    c->data = g;
    c->log = pc.log;
    c->read->log = pc.log;
    c->write->log = pc.log;
    c->read->handler = read_handler;
    c->write->handler = write_handler;

    if (rc == NGX_AGAIN) {
        ngx_add_timer(c->write, g->connect_timeout);
        return NGX_OK;
    }

    connected(g);

    return NGX_OK;
}


/* On with TLS, or with what there is to send. As flush. */

static void
connected(grpc_t *g)
{
    ngx_int_t          rc;
    ngx_connection_t  *c = g->connection;

    if (g->tls != NULL && c->ssl == NULL) {
        rc = ngx_http_weir_tls_start(g->tls, c, g->peer, "h2", tls_handler);

        if (rc == NGX_AGAIN) {
            ngx_add_timer(c->write, g->connect_timeout);
            return;
        }

        if (rc != NGX_OK) {
            fail(g, GRPC_UNAVAILABLE, "the TLS handshake failed");
            return;
        }
    }

    g->connected = 1;
    flush(g);

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static void
tls_handler(ngx_connection_t *c)
{
    grpc_t  *g;

    g = c->data;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->handler = read_handler;
    c->write->handler = write_handler;

    if (c->ssl->handshaked) {
        connected(g);

    } else if (c->write->timedout) {
        fail(g, GRPC_UNAVAILABLE, "the upstream does not end the TLS handshake");

    } else {
        fail(g, GRPC_UNAVAILABLE, "the TLS handshake failed");
    }

    deliver(g);
}


/* Send what nghttp2 has. Tells nobody: a failure is left in g->over. */

static void
flush(grpc_t *g)
{
    ssize_t            n;
    ngx_connection_t  *c = g->connection;

    for ( ;; ) {

        if (g->wire_len == 0) {
            n = nghttp2_session_mem_send(g->session, &g->wire);

            if (n < 0) {
                fail(g, GRPC_INTERNAL, nghttp2_strerror((int) n));
                return;
            }

            if (n == 0) {
                break;
            }

            g->wire_len = (size_t) n;
        }

        n = c->send(c, (u_char *) g->wire, g->wire_len);

        if (n == NGX_ERROR) {
            fail(g, GRPC_UNAVAILABLE, "the connection broke");
            return;
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        g->wire += n;
        g->wire_len -= (size_t) n;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        fail(g, GRPC_UNAVAILABLE, "the connection broke");
    }
}


static void
write_handler(ngx_event_t *ev)
{
    grpc_t            *g;
    ngx_connection_t  *c;

    c = ev->data;
    g = c->data;

    if (ev->timedout) {
        fail(g, GRPC_UNAVAILABLE, "the upstream cannot be reached");

    } else if (ev->timer_set) {
        ngx_del_timer(ev);

        if (ngx_http_weir_test_connect(c) != NGX_OK) {
            fail(g, GRPC_UNAVAILABLE, "the upstream cannot be reached");

        } else {
            connected(g);
        }
    }

    if (!g->over && g->connected) {
        flush(g);
    }

    deliver(g);
}


static void
read_handler(ngx_event_t *ev)
{
    grpc_t            *g;
    u_char             piece[16384];
    ssize_t            n;
    ngx_connection_t  *c;

    c = ev->data;
    g = c->data;

    if (c->close || c->write->timer_set) {

        if (c->close || ngx_http_weir_test_connect(c) != NGX_OK) {
            fail(g, GRPC_UNAVAILABLE, "the upstream cannot be reached");
            deliver(g);
        }

        return;
    }

    while (!g->over) {

        n = c->recv(c, piece, sizeof(piece));

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(ev, 0) != NGX_OK) {
                fail(g, GRPC_UNAVAILABLE, "the connection broke");
            }

            break;
        }

        if (n == NGX_ERROR || n == 0) {
            fail(g, GRPC_UNAVAILABLE, "the connection broke");
            break;
        }

        n = nghttp2_session_mem_recv(g->session, piece, (size_t) n);

        if (n < 0) {
            fail(g, GRPC_INTERNAL, nghttp2_strerror((int) n));
        }
    }

    if (!g->over) {
        flush(g);
    }

    deliver(g);
}


static void
timer_handler(ngx_event_t *ev)
{
    grpc_t  *g;

    g = ev->data;

    if (!g->over && g->timeout == 0) {
        ngx_add_timer(ev, FOR_EVER_MS);
        return;
    }

    if (!g->over) {
        fail(g, GRPC_DEADLINE_EXCEEDED, "the deadline is over");
    }

    deliver(g);
}


/* ---- the plugin ---- */

static void
fail(grpc_t *g, uint32_t status, const char *text)
{
    if (!g->over) {

        if (status == GRPC_UNAVAILABLE && !g->got_head && g->peer != NULL) {
            ngx_http_weir_peer_failed(g->peer, text);
        }

        g->over = 1;
        g->status = status;
        g->text = str_of(text);
    }
}


/* Tell what came; the guest may send on this call, or cancel it. The call may be gone afterwards. */

static void
deliver(grpc_t *g)
{
    size_t  i;
    came_t  c;

    g->busy = 1;

    for (i = 0; i < g->came.len; i++) {
        c = g->came.at[i];

        if (!g->gone) {

            switch (c.kind) {

            case INITIAL:
                pw_grpc_initial(g->callout, g->initial.at, g->initial.len);
                break;

            case MESSAGE:
                pw_grpc_message(g->callout, c.message.len == 0 ? STR("") : strbuf_str(&c.message));
                break;

            case TRAILING:
                pw_grpc_trailing(g->callout, g->trailing.at, g->trailing.len);
                break;
            }
        }

        strbuf_fini(&c.message);
    }

    vec_clear(&g->came);
    g->busy = 0;

    if (g->gone) {
        free_call(g);

    } else if (g->over) {

        if (g->connection != NULL) {
            ngx_http_weir_close_connection(g->connection);
            g->connection = NULL;
        }

        pw_grpc_done(g->callout, g->status, g->text.len == 0 ? STR("") : g->text);
        free_call(g);
    }
}


static void
free_call(grpc_t *g)
{
    size_t  i;

    if (g->connection != NULL) {
        ngx_http_weir_close_connection(g->connection);
    }

    if (g->resolved.posted) {
        ngx_delete_posted_event(&g->resolved);
    }

    ngx_http_weir_wait_end(&g->waiter);
    ngx_http_weir_peer_release(g->peer);
    ngx_http_weir_tls_unref(g->tls);

    if (g->timer.timer_set) {
        ngx_del_timer(&g->timer);
    }

    if (g->timer.posted) {
        ngx_delete_posted_event(&g->timer);
    }

    for (i = 0; i < g->came.len; i++) {
        strbuf_fini(&g->came.at[i].message);
    }

    nghttp2_session_del(g->session);
    vec_fini(&g->came);
    vec_fini(&g->initial);
    vec_fini(&g->trailing);
    strbuf_fini(&g->out);
    strbuf_fini(&g->in);
    arena_fini(&g->arena);
    mem_free(g);
}
