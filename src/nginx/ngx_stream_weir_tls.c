/*
 * ngx_stream_weir_tls.c - TLS between clients and tcp listeners.
 *
 * Whether a listener has it, and with which certificates, is data of the generation, as for HTTPS listeners
 * (ngx_http_weir_certificate.c): so nginx.conf says nothing of it, and it comes, changes and goes without a reload. All
 * listeners share one context of OpenSSL, made when nginx reads its configuration, so that every worker has the key of
 * its tickets. A connection takes the generation that is in force when the client's first message is there.
 *
 * The handshake comes before the first callback of a plugin: plugins see the clear bytes, and what was agreed on.
 */

#include "ngx_stream_weir_module.h"


#define HANDSHAKE_MS  60000     /* nginx's own time for it */
#define SESSION_S     3600


static int client_hello(ngx_ssl_conn_t *ssl, int *alert, void *data);


ngx_int_t
ngx_stream_weir_tls_create(ngx_conf_t *cf, ngx_ssl_t *ssl)
{
    ngx_str_t            ciphers = ngx_string("HIGH:!aNULL:!MD5");
    ngx_pool_cleanup_t  *cln;

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_ssl_ciphers(cf, ssl, &ciphers, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    SSL_CTX_set_mode(ssl->ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_timeout(ssl->ctx, SESSION_S);
    SSL_CTX_set_session_cache_mode(ssl->ctx, SSL_SESS_CACHE_SERVER|SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_client_hello_cb(ssl->ctx, client_hello, NULL);

    return NGX_OK;
}


static int
client_hello(ngx_ssl_conn_t *ssl, int *alert, void *data)
{
    ngx_connection_t       *c = ngx_ssl_get_connection(ssl);
    ngx_stream_session_t   *s = c->data;
    ngx_stream_weir_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_weir_module);
    *alert = SSL_AD_INTERNAL_ERROR;

    /* The listener may be gone, or have no TLS any more. */

    if (!ngx_stream_weir_take_generation(ctx, ctx->listener->text) || ctx->listener->tls == NULL) {
        return SSL_CLIENT_HELLO_ERROR;
    }

    return ngx_http_weir_certificates_hello(ssl, alert, ctx->generation,
                                            (uint32_t) (ctx->listener - ctx->generation->config->listeners));
}


ngx_int_t
ngx_stream_weir_tls_handshake(ngx_stream_weir_ctx_t *ctx, ngx_ssl_t *ssl)
{
    ngx_int_t          rc;
    ngx_connection_t  *c = ctx->session->connection;

    if (c->ssl == NULL) {

        if (ngx_ssl_create_connection(ssl, c, NGX_SSL_BUFFER) != NGX_OK) {
            return NGX_ERROR;
        }

        c->log->action = "SSL handshaking";
        c->ssl->no_wait_shutdown = 1;
        ngx_add_timer(c->read, HANDSHAKE_MS);
    }

    if (c->read->timedout) {
        c->timedout = 1;
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc != NGX_AGAIN && c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (rc == NGX_OK) {
        ngx_stream_weir_tls_relay(c);
    }

    return rc;
}


void
ngx_stream_weir_tls_relay(ngx_connection_t *c)
{
    SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE|SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}
