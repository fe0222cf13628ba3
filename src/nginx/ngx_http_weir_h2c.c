/*
 * ngx_http_weir_h2c.c - HTTP/2 with prior knowledge beside HTTP/1.1 on one clear-text port.
 *
 * nginx of this version speaks one or the other on such a port. Here the first bytes of a connection decide,
 * looked at without taking them: those of the client's preface (RFC 9113, 3.4) begin no HTTP/1.1 request. A header of the
 * PROXY protocol in front of them is read here, by nginx's parser.
 */

#include "ngx_http_weir_module.h"


static u_char  preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#define PREFACE_LEN       (sizeof(preface) - 1)
#define PROXY_HEADER_MAX  4096

static ngx_event_handler_pt  http1_handler;


/* NGX_AGAIN: nothing is there. NGX_DECLINED: nor will be; that is nginx's handler's to find. NGX_ERROR: broken, logged. */

static ngx_int_t
read_proxy_header(ngx_connection_t *c)
{
    u_char                 buf[PROXY_HEADER_MAX], *end;
    ssize_t                n;
    ngx_http_connection_t  *hc = c->data;

    n = recv(c->fd, buf, sizeof(buf), MSG_PEEK);

    if (n <= 0) {
        return n == -1 && ngx_socket_errno == NGX_EAGAIN ? NGX_AGAIN : NGX_DECLINED;
    }

    c->log->action = "reading PROXY protocol";
    end = ngx_proxy_protocol_read(c, buf, buf + n);

    if (end == NULL || c->recv(c, buf, end - buf) != end - buf) {
        return NGX_ERROR;
    }

    c->log->action = "waiting for request";
    hc->proxy_protocol = 0;

    return NGX_OK;
}


static void
first_bytes_handler(ngx_event_t *rev)
{
    u_char                  buf[PREFACE_LEN];
    ssize_t                 n;
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_http_connection_t  *hc;

    c = rev->data;
    hc = c->data;

    if (hc->proxy_protocol && !rev->timedout && !c->close) {
        rc = read_proxy_header(c);

        if (rc == NGX_ERROR || (rc == NGX_AGAIN && ngx_handle_read_event(rev, 0) != NGX_OK)) {
            ngx_http_close_connection(c);
            return;
        }

        if (rc == NGX_AGAIN) {
            return;
        }
    }

    if (!rev->timedout && !c->close && !hc->proxy_protocol) {

        n = recv(c->fd, buf, sizeof(buf), MSG_PEEK);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_http_close_connection(c);
            }

            return;
        }

        if (n > 0 && ngx_memcmp(buf, preface, n) == 0) {

            if ((size_t) n < PREFACE_LEN) {
                return;     /* more bytes bring another event; the timer is running */
            }

            ngx_http_v2_init(rev);
            return;
        }
    }

    rev->handler = http1_handler;
    rev->handler(rev);
}


static void
init_connection(ngx_connection_t *c)
{
    ngx_http_connection_t     *hc;
    ngx_http_weir_srv_conf_t  *scf;

    ngx_http_init_connection(c);

    if (c->destroyed || c->fd == (ngx_socket_t) -1 || c->read->handler == NULL) {
        return;
    }

    hc = c->data;
    scf = hc->conf_ctx->srv_conf[ngx_http_weir_module.ctx_index];

    /* A listener that speaks only HTTP/2, or TLS, decides by itself. */

    if (!scf->http2 || hc->addr_conf->http2 || hc->ssl || c->read->handler == ngx_http_v2_init) {
        return;
    }

    http1_handler = c->read->handler;
    c->read->handler = first_bytes_handler;
}


void
ngx_http_weir_h2c_init(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler == ngx_http_init_connection && ls[i].sockaddr->sa_family != AF_UNIX) {
            ls[i].handler = init_connection;
        }
    }
}
