/*
 * ngx_http_weir_check.c - ask a peer again and again whether it works: a connection, TLS if the service has it, and
 * a GET if it names a path. Each worker asks for itself (ADR 0060).
 *
 * A check belongs to its peer, as long as the service of the generation in force has that peer and these settings. The
 * settings are read where they are, in the service, so a change of them counts from the next check on. So many
 * results in a row turn the verdict; the first of all decides alone.
 */

#include "http/response.h"

#include "ngx_http_weir_module.h"


#define MAX_BODY_BYTES  (1024 * 1024)


struct ngx_http_weir_check_s {
    ngx_http_weir_peer_t     *peer;
    ngx_http_weir_service_t  *service;      /* the group's current one */
    ngx_event_t               next;         /* the next check, or the end of the time for this one */
    ngx_connection_t         *connection;   /* NULL: none is under way */
    ngx_http_weir_tls_t      *tls;
    struct http_response      response;
    struct strbuf             request;
    size_t                    sent;
    ngx_uint_t                same;         /* results in a row that speak against the verdict */

    unsigned                  known:1;      /* there was a result */
    unsigned                  connected:1;
};


static void next_handler(ngx_event_t *ev);
static void event_handler(ngx_event_t *ev);
static void tls_handler(ngx_connection_t *c);


static const struct gw_active *
settings(ngx_http_weir_check_t *check)
{
    return check->service->conf->health.active;
}


static void
hang_up(ngx_http_weir_check_t *check)
{
    ngx_connection_t  *c = check->connection;

    if (c == NULL) {
        return;
    }

    check->connection = NULL;
    check->connected = 0;
    ngx_http_weir_tls_forget(c);
    ngx_http_weir_close_connection(c);
    ngx_http_weir_tls_unref(check->tls);
    check->tls = NULL;
    http_response_fini(&check->response);
    strbuf_fini(&check->request);
}


static void
plan(ngx_http_weir_check_t *check)
{
    ngx_msec_t  interval = settings(check)->interval_ms;

    ngx_add_timer(&check->next, interval - interval / 10 + (ngx_msec_t) ngx_random() % (interval / 5 + 1));
}


static void
result(ngx_http_weir_check_t *check, bool good, const char *why)
{
    ngx_uint_t                need;
    ngx_http_weir_peer_t     *peer = check->peer;
    const struct gw_active   *conf = settings(check);

    if (!good) {
        ngx_http_weir_peer_check_failed(peer, why, check->connection != NULL && http_response_has_head(&check->response)
                                               ? check->response.status : 0);
    }

    hang_up(check);
    plan(check);

    if (good == !peer->unhealthy) {
        check->same = 0;
        check->known = 1;
        return;
    }

    check->same++;
    need = !check->known ? 1 : good ? conf->healthy : conf->unhealthy;
    check->known = 1;

    if (check->same < need) {
        return;
    }

    check->same = 0;
    peer->unhealthy = !good;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "[weir] service %V: endpoint %V is %s: %s",
                  &peer->group->node.str, &peer->name, good ? "healthy" : "unhealthy", why);

    if (good) {
        ngx_http_weir_peer_begin_slowly(peer);
    }
}


static void
judge(ngx_http_weir_check_t *check)
{
    uint32_t  status = check->response.status, want = settings(check)->status;

    if (want != 0 ? status == want : status >= 200 && status < 400) {
        result(check, true, "it answers well");

    } else {
        result(check, false, "it answers with another status");
    }
}


/* ---- one check ---- */

static ngx_int_t
send_request(ngx_http_weir_check_t *check)
{
    ssize_t            n;
    ngx_connection_t  *c = check->connection;

    while (check->sent < check->request.len) {
        n = c->send(c, (u_char *) check->request.at + check->sent, check->request.len - check->sent);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN || n == 0) {
            return ngx_handle_write_event(c->write, 0);
        }

        check->sent += n;
    }

    return NGX_OK;
}


static void
receive(ngx_http_weir_check_t *check)
{
    u_char              piece[4096];
    size_t              used;
    ssize_t             n;
    ngx_connection_t   *c = check->connection;
    enum http_progress  progress;

    for ( ;; ) {
        n = c->recv(c, piece, sizeof(piece));

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                result(check, false, "it cannot be read");
            }

            return;
        }

        progress = n == NGX_ERROR ? HTTP_BAD : n == 0 ? http_response_end(&check->response)
                   : http_response_feed(&check->response, piece, n, &used);

        if (http_response_has_head(&check->response)) {
            judge(check);       /* whatever the body is */
            return;
        }

        if (progress != HTTP_MORE) {
            result(check, false, "it does not answer with HTTP");
            return;
        }
    }
}


/* Connected, with TLS if there is any. */

static void
speak(ngx_http_weir_check_t *check)
{
    check->connected = 1;

    if (settings(check)->path.at == NULL) {
        result(check, true, "it accepts connections");
        return;
    }

    check->connection->read->handler = event_handler;
    check->connection->write->handler = event_handler;

    if (send_request(check) != NGX_OK) {
        result(check, false, "it broke off");
        return;
    }

    receive(check);
}


static void
begin_tls(ngx_http_weir_check_t *check)
{
    ngx_int_t  rc;

    if (check->tls == NULL) {
        speak(check);
        return;
    }

    rc = ngx_http_weir_tls_start(check->tls, check->connection, check->peer, "http/1.1", tls_handler);

    if (rc == NGX_OK) {
        speak(check);

    } else if (rc == NGX_ERROR) {
        result(check, false, "the TLS handshake failed");
    }
}


static void
tls_handler(ngx_connection_t *c)
{
    ngx_http_weir_check_t  *check = c->data;

    if (c->ssl->handshaked) {
        speak(check);

    } else {
        result(check, false, "the TLS handshake failed");
    }
}


static bool
is_refused(ngx_connection_t *c)
{
    int        err = 0;
    socklen_t  len = sizeof(int);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1 || err != 0;
}


static void
event_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c = ev->data;
    ngx_http_weir_check_t  *check = c->data;

    if (check->connected) {

        if (ev->write && send_request(check) != NGX_OK) {
            result(check, false, "it broke off");

        } else if (!ev->write) {
            receive(check);
        }

    } else if (is_refused(c)) {
        result(check, false, "it cannot be reached");

    } else if (ev->write) {
        begin_tls(check);
    }
}


static void
ask(ngx_http_weir_check_t *check)
{
    ngx_int_t                rc;
    ngx_connection_t        *c;
    const struct gw_active  *conf = settings(check);
    ngx_peer_connection_t    pc;
    struct str               host = conf->host.at != NULL ? conf->host : check->service->conf->name;

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));
    pc.sockaddr = (struct sockaddr *) &check->peer->sockaddr;
    pc.socklen = check->peer->socklen;
    pc.name = &check->peer->name;
    pc.get = ngx_event_get_peer;
    pc.log = ngx_cycle->log;
    pc.log_error = NGX_ERROR_INFO;

    rc = ngx_event_connect_peer(&pc);
    c = pc.connection;

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        c->pool = ngx_create_pool(128, ngx_cycle->log);    /* of its TLS */
    }

    if ((rc != NGX_OK && rc != NGX_AGAIN) || c->pool == NULL) {

        if (c != NULL) {
            ngx_close_connection(c);
        }

        result(check, false, "it cannot be reached");
        return;
    }

    c->data = check;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = event_handler;
    c->write->handler = event_handler;

    check->connection = c;
    check->tls = ngx_http_weir_tls_ref(check->service->tls);
    check->sent = 0;
    http_response_init(&check->response, false, MAX_BODY_BYTES);

    if (conf->path.at != NULL) {
        strbuf_printf(&check->request, "GET %.*s HTTP/1.1\r\nhost: %.*s\r\nuser-agent: weir-health-check\r\n"
                      "connection: close\r\n\r\n", STR_ARG(conf->path), STR_ARG(host));
    }

    ngx_add_timer(&check->next, conf->timeout_ms);

    if (rc == NGX_OK) {
        begin_tls(check);
    }
}


static void
next_handler(ngx_event_t *ev)
{
    ngx_http_weir_check_t  *check = ev->data;

    if (check->connection != NULL) {
        result(check, false, "it takes too long");

    } else if (!ngx_exiting && !ngx_terminate) {
        ask(check);
    }
}


/* ---- begin, end ---- */

static void
stop(ngx_http_weir_peer_t *peer)
{
    ngx_http_weir_check_t  *check = peer->check;

    if (check == NULL) {
        return;
    }

    peer->check = NULL;
    peer->unhealthy = 0;        /* nobody would find out that it works again */
    hang_up(check);

    if (check->next.timer_set) {
        ngx_del_timer(&check->next);
    }

    mem_free(check);
}


void
ngx_http_weir_check_set(ngx_http_weir_peer_t *peer, ngx_http_weir_service_t *s)
{
    ngx_http_weir_check_t  *check = peer->check;

    if (s == NULL || s->conf->health.active == NULL) {
        stop(peer);
        return;
    }

    if (check == NULL) {
        check = mem_zalloc(sizeof(ngx_http_weir_check_t));
        check->peer = peer;
        check->next.data = check;
        check->next.handler = next_handler;
        check->next.log = ngx_cycle->log;
        check->next.cancelable = 1;
        peer->check = check;

        ngx_add_timer(&check->next, 1);
    }

    check->service = s;
}
