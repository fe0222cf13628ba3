/*
 * ngx_http_weir_redis_tls.c - a connection to Redis over TLS.
 *
 * hiredis 0.14 knows no TLS: it makes the connection, and from then on nginx handshakes, reads and writes, while hiredis
 * keeps the output, the reader and the pipeline. For that its redisProcessCallbacks is called, which the
 * library exports and async.h does not declare.
 */

#include "ngx_http_weir_redis.h"


extern void redisProcessCallbacks(redisAsyncContext *ac);

static void handshake_handler(ngx_connection_t *c);
static void through(redis_conn_t *conn);
static void read_handler(ngx_event_t *ev);
static void write_handler(ngx_event_t *ev);


void
ngx_http_weir_redis_handshake(redis_conn_t *conn)
{
    switch (ngx_http_weir_tls_start(conn->tls, conn->connection, conn->tls_peer, NULL, handshake_handler)) {

    case NGX_OK:
        through(conn);
        break;

    case NGX_AGAIN:
        break;      /* the connection's timer runs */

    default:
        ngx_http_weir_redis_close(conn, "TLS handshake failed");
    }
}


static void
handshake_handler(ngx_connection_t *c)
{
    redis_conn_t  *conn = c->data;

    if (c->ssl->handshaked) {
        through(conn);

    } else {
        ngx_http_weir_redis_close(conn, "TLS handshake failed");
    }
}


static void
through(redis_conn_t *conn)
{
    ngx_connection_t  *c = conn->connection;

    c->read->handler = read_handler;
    c->write->handler = write_handler;

    /* What a write left over may have moved, and grown, when it is tried again. */

    SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE|SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    ngx_http_weir_redis_login(conn);
    ngx_post_event(c->read, &ngx_posted_events);
}


static void
read_handler(ngx_event_t *ev)
{
    char               piece[16384];
    ssize_t            n;
    ngx_connection_t  *c = ev->data;
    redis_conn_t      *conn = c->data;

    while (conn->ac != NULL && !conn->lost) {

        if (ngx_http_weir_redis_is_too_much(conn)) {
            ngx_http_weir_redis_close(conn, "a reply is too large");
            return;
        }

        n = c->recv(c, (u_char *) piece, sizeof(piece));

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(ev, 0) != NGX_OK) {
                ngx_http_weir_redis_close(conn, "no event");
            }

            return;
        }

        if (n <= 0) {
            ngx_http_weir_redis_close(conn, n == 0 ? "Server closed the connection" : "the connection broke");
            return;
        }

        conn->reads++;

        if (redisReaderFeed(conn->ac->c.reader, piece, n) != REDIS_OK) {
            ngx_http_weir_redis_close(conn, "no memory");
            return;
        }

        redisProcessCallbacks(conn->ac);
    }
}


void
ngx_http_weir_redis_tls_write(redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c = conn->connection;

    while (sdslen(conn->ac->c.obuf) != 0) {

        n = c->send(c, (u_char *) conn->ac->c.obuf, sdslen(conn->ac->c.obuf));

        if (n == NGX_ERROR) {
            ngx_http_weir_redis_close(conn, "the connection broke");
            return;
        }

        if (n == NGX_AGAIN || n == 0) {
            conn->blocked = 1;

            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                ngx_http_weir_redis_close(conn, "no event");
            }

            return;
        }

        sdsrange(conn->ac->c.obuf, n, -1);
        conn->written += n;
    }
}


static void
write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c = ev->data;
    redis_conn_t      *conn = c->data;

    if (conn->blocked) {
        conn->blocked = 0;
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }
}
