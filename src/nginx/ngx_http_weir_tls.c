/*
 * ngx_http_weir_tls.c - TLS to services, for proxied requests and for plugins' calls alike.
 *
 * Services whose settings are the same share a context; each service, and each call under way, holds a reference.
 * A peer that is reached by TLS belongs to one context and one server name, so neither its idle connections nor its
 * session (for resumption) are ever used under other settings.
 *
 * OpenSSL verifies chain and name within the handshake, so nothing is sent to a server that is refused; the verify
 * callback says why in the log. nginx does the handshakes. A new session goes to the peer, not by way of
 * nginx's save_session: a ticket may come while the connection is a plugin's call or idle.
 */

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "ngx_http_weir_module.h"


struct ngx_http_weir_tls_s {
    ngx_queue_t  queue;
    ngx_uint_t   refs;
    ngx_uint_t   id;
    u_char       key[HASH_SHA256_BYTES];    /* of what the context is made from */
    ngx_uint_t   verify;
    ngx_ssl_t    ssl;
};


static ngx_queue_t  contexts;
static int          peer_index = -1;        /* of SSL: its peer */


static void
add_to_hash(struct hash_sha256 *h, struct str s)
{
    uint64_t  len = s.at == NULL ? UINT64_MAX : s.len;

    hash_sha256_add(h, &len, sizeof(len));
    hash_sha256_add(h, s.at == NULL ? "" : s.at, s.len);
}


static void
hash_settings(const struct gw_tls *conf, u_char out[HASH_SHA256_BYTES])
{
    uint8_t             verify = conf->verify;
    struct hash_sha256  h;

    hash_sha256_init(&h);
    hash_sha256_add(&h, &verify, 1);
    add_to_hash(&h, conf->ca);
    add_to_hash(&h, conf->certificate);
    add_to_hash(&h, conf->key);
    hash_sha256_end(&h, out);
}


/* The texts were parsed when the configuration was read, so a failure here is one of memory. */

static ngx_int_t
add_authorities(SSL_CTX *ctx, struct str pem)
{
    BIO   *bio;
    X509  *cert;

    if (pem.at == NULL) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? NGX_OK : NGX_ERROR;
    }

    bio = BIO_new_mem_buf(pem.at, (int) pem.len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, (void *) "")) != NULL) {

        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1) {
            X509_free(cert);
            BIO_free(bio);
            return NGX_ERROR;
        }

        X509_free(cert);
    }

    ERR_clear_error();      /* there is no further one */
    BIO_free(bio);

    return NGX_OK;
}


static ngx_int_t
use_certificate(SSL_CTX *ctx, const struct gw_tls *conf)
{
    BIO        *bio;
    X509       *cert;
    EVP_PKEY   *key;
    ngx_int_t   rc;

    if (conf->certificate.at == NULL) {
        return NGX_OK;
    }

    rc = NGX_ERROR;
    key = NULL;
    bio = BIO_new_mem_buf(conf->certificate.at, (int) conf->certificate.len);
    cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, (void *) "");

    if (cert == NULL || SSL_CTX_use_certificate(ctx, cert) != 1) {
        goto done;
    }

    X509_free(cert);

    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, (void *) "")) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
            goto done;
        }
    }

    ERR_clear_error();
    BIO_free(bio);

    bio = BIO_new_mem_buf(conf->key.at, (int) conf->key.len);
    key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *) "");

    if (key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1) {
        rc = NGX_OK;
    }

done:

    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(bio);

    return rc;
}


/* Called for each certificate of the chain, and once more for each thing that is wrong. */

static int
verify_callback(int ok, X509_STORE_CTX *store)
{
    int                    err;
    char                   subject[256];
    X509                  *cert;
    ngx_ssl_conn_t        *conn;
    ngx_connection_t      *c;
    ngx_http_weir_peer_t  *peer;

    if (ok) {
        return 1;
    }

    conn = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    c = ngx_ssl_get_connection(conn);
    peer = SSL_get_ex_data(conn, peer_index);
    err = X509_STORE_CTX_get_error(store);
    cert = X509_STORE_CTX_get_current_cert(store);

    subject[0] = '\0';

    if (cert != NULL) {
        (void) X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    }

    if (err == X509_V_ERR_HOSTNAME_MISMATCH || err == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0, "[weir] tls: the certificate of %V is refused: it is not for \"%V\" "
                      "(subject \"%s\")", &peer->name, &peer->server_name, subject);

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0, "[weir] tls: the certificate of %V is refused: %s (subject \"%s\")",
                      &peer->name, X509_verify_cert_error_string(err), subject);
    }

    return 0;
}


static int
new_session(ngx_ssl_conn_t *conn, ngx_ssl_session_t *session)
{
    ngx_http_weir_peer_t  *peer;

    peer = SSL_get_ex_data(conn, peer_index);

    if (peer == NULL) {
        return 0;
    }

    if (peer->session != NULL) {
        ngx_ssl_free_session(peer->session);
    }

    peer->session = session;    /* with its reference */

    return 1;
}


static ngx_http_weir_tls_t *
create(const struct gw_tls *conf, const u_char *key)
{
    SSL_CTX              *ctx;
    ngx_http_weir_tls_t  *tls;
    static ngx_uint_t     last_id;

    tls = ngx_calloc(sizeof(ngx_http_weir_tls_t), ngx_cycle->log);
    if (tls == NULL) {
        return NULL;
    }

    tls->ssl.log = ngx_cycle->log;

    if (ngx_ssl_create(&tls->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        ngx_free(tls);
        return NULL;
    }

    ctx = tls->ssl.ctx;

    if ((conf->verify && add_authorities(ctx, conf->ca) != NGX_OK) || use_certificate(ctx, conf) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_EMERG, ngx_cycle->log, 0, "[weir] a TLS context cannot be made");
        SSL_CTX_free(ctx);
        ngx_free(tls);
        return NULL;
    }

    if (conf->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, verify_callback);
    }

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT|SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, new_session);

    tls->id = ++last_id;
    tls->verify = conf->verify;
    ngx_memcpy(tls->key, key, sizeof(tls->key));
    ngx_queue_insert_tail(&contexts, &tls->queue);

    return tls;
}


ngx_http_weir_tls_t *
ngx_http_weir_tls_get(const struct gw_tls *conf)
{
    u_char                key[HASH_SHA256_BYTES];
    ngx_queue_t          *q;
    ngx_http_weir_tls_t  *tls;

    if (peer_index == -1) {
        peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        ngx_queue_init(&contexts);
    }

    hash_settings(conf, key);
    tls = NULL;

    for (q = ngx_queue_head(&contexts); q != ngx_queue_sentinel(&contexts) && tls == NULL; q = ngx_queue_next(q)) {
        tls = ngx_queue_data(q, ngx_http_weir_tls_t, queue);

        if (ngx_memcmp(tls->key, key, sizeof(key)) != 0) {
            tls = NULL;
        }
    }

    if (tls == NULL) {
        tls = create(conf, key);
    }

    return ngx_http_weir_tls_ref(tls);
}


ngx_http_weir_tls_t *
ngx_http_weir_tls_ref(ngx_http_weir_tls_t *tls)
{
    if (tls != NULL) {
        tls->refs++;
    }

    return tls;
}


void
ngx_http_weir_tls_unref(void *data)
{
    ngx_http_weir_tls_t  *tls = data;

    if (tls == NULL || --tls->refs != 0) {
        return;
    }

    ngx_queue_remove(&tls->queue);
    SSL_CTX_free(tls->ssl.ctx);     /* connections hold it while they last */
    ngx_free(tls);
}


ngx_uint_t
ngx_http_weir_tls_id(const ngx_http_weir_tls_t *tls)
{
    return tls == NULL ? 0 : tls->id;
}


ngx_ssl_t *
ngx_http_weir_tls_ssl(ngx_http_weir_tls_t *tls)
{
    return &tls->ssl;
}


void
ngx_http_weir_tls_forget(ngx_connection_t *c)
{
    if (c->ssl != NULL) {
        (void) SSL_set_ex_data(c->ssl->connection, peer_index, NULL);
    }
}


ngx_int_t
ngx_http_weir_tls_prepare(ngx_http_weir_tls_t *tls, ngx_connection_t *c, ngx_http_weir_peer_t *peer,
    const char *alpn)
{
    char               *name = (char *) peer->server_name.data;
    bool                is_address;
    u_char              address[16], protocols[16];
    size_t              len;
    ngx_ssl_conn_t     *conn = c->ssl->connection;
    X509_VERIFY_PARAM  *param;

    is_address = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    param = SSL_get0_param(conn);

    if (SSL_set_ex_data(conn, peer_index, peer) != 1) {
        return NGX_ERROR;
    }

    if (is_address) {
        if (tls->verify && X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1) {
            return NGX_ERROR;
        }

    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

        if (SSL_set_tlsext_host_name(conn, name) != 1
            || (tls->verify && X509_VERIFY_PARAM_set1_host(param, name, 0) != 1))
        {
            return NGX_ERROR;
        }
    }

    if (alpn != NULL) {
        len = ngx_strlen(alpn);
        protocols[0] = (u_char) len;
        ngx_memcpy(protocols + 1, alpn, len);

        if (SSL_set_alpn_protos(conn, protocols, (unsigned) len + 1) != 0) {
            return NGX_ERROR;
        }
    }

    return peer->session == NULL ? NGX_OK : ngx_ssl_set_session(c, peer->session);
}


ngx_int_t
ngx_http_weir_tls_start(ngx_http_weir_tls_t *tls, ngx_connection_t *c, ngx_http_weir_peer_t *peer,
    const char *alpn, ngx_connection_handler_pt handler)
{
    ngx_int_t  rc;

    if (ngx_ssl_create_connection(&tls->ssl, c, NGX_SSL_CLIENT) != NGX_OK
        || ngx_http_weir_tls_prepare(tls, c, peer, alpn) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = handler;
    }

    return rc;
}


void
ngx_http_weir_close_connection(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    if (c->ssl != NULL) {

        /* The other side's goodbye is not waited for; if ours does not fit into the socket, it is left out. */

        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->no_send_shutdown = 1;
            (void) ngx_ssl_shutdown(c);
        }
    }

    pool = c->pool;

    ngx_close_connection(c);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }
}
