/*
 * ngx_http_weir_h2c.c - HTTP/2 with prior knowledge beside HTTP/1.1 on one clear-text port.
 *
 * nginx of this version speaks one or the other on such a port. Here the first bytes of a connection decide,
 * looked at without taking them: those of the client's preface (RFC 9113, 3.4) begin no HTTP/1.1 request.
 */

#include "ngx_http_weir_module.h"


static u_char  preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#define PREFACE_LEN  (sizeof(preface) - 1)

static ngx_event_handler_pt  http1_handler;


static void
first_bytes_handler(ngx_event_t *rev)
{
    u_char             buf[PREFACE_LEN];
    ssize_t            n;
    ngx_connection_t  *c;

    c = rev->data;

    if (!rev->timedout && !c->close) {

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
