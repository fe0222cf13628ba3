/*
 * ngx_http_weir_certificate.c - certificates of listeners with TLS, which are data of the generation.
 *
 * nginx's context of an HTTPS listener has no certificate, and neither has that of tcp listeners
 * (ngx_stream_weir_tls.c). When a client's first message is there, and before anything
 * is chosen, a callback gives its connection what the generation in force says: the oldest version, the certificates
 * for the name asked for, and whose certificates the client may show. So a change counts for the next handshake, and
 * no connection notices.
 *
 * Certificates are parsed once and kept while a generation has them, by the hash of their text. Handshakes under way,
 * and sessions, hold references of OpenSSL's own.
 *
 * Sessions are resumed by tickets, whose key is made when nginx reads its configuration: all workers have it, until
 * nginx is reloaded. What was agreed on is part of a session: the listener's settings for clients' certificates and the
 * certificates shown. Where that has changed, the client has to do a full handshake.
 */

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "ngx_http_weir_module.h"

#include "gw/sni.h"


/* A certificate with its key, shared by the generations that have it. */

struct ngx_http_weir_certificate_s {
    ngx_str_node_t     node;        /* its digest; must be first */
    ngx_uint_t         refs;
    u_char             digest[HASH_SHA256_BYTES];
    X509              *leaf;
    STACK_OF(X509)    *chain;
    EVP_PKEY          *key;
};


/* A listener of a generation. */

struct ngx_http_weir_listener_s {
    int                        min_version;
    int                        verify;          /* of OpenSSL; 0: clients are not asked */
    X509_STORE                *authorities;     /* NULL: likewise */
    STACK_OF(X509_NAME)       *names;           /* of them, for the client */
    u_char                     digest[HASH_SHA256_BYTES]; /* of what the above is made from */
};


static ngx_rbtree_t       certificates;
static ngx_rbtree_node_t  sentinel;


/* ---- certificates ---- */

static void
certificate_unref(ngx_http_weir_certificate_t *cert)
{
    if (cert == NULL || --cert->refs != 0) {
        return;
    }

    if (cert->node.str.len != 0) {
        ngx_rbtree_delete(&certificates, &cert->node.node);
    }

    X509_free(cert->leaf);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);
    ngx_free(cert);
}


/* The texts were parsed when the configuration was read, so a failure here is one of memory. */

static bool
parse(ngx_http_weir_certificate_t *cert, const struct gw_certificate *conf)
{
    BIO   *bio;
    X509  *next;

    cert->chain = sk_X509_new_null();
    bio = BIO_new_mem_buf(conf->certificate.at, (int) conf->certificate.len);

    if (cert->chain == NULL || bio == NULL) {
        BIO_free(bio);
        return false;
    }

    cert->leaf = PEM_read_bio_X509(bio, NULL, NULL, (void *) "");

    while ((next = PEM_read_bio_X509(bio, NULL, NULL, (void *) "")) != NULL) {

        if (sk_X509_push(cert->chain, next) == 0) {
            X509_free(next);
            BIO_free(bio);
            return false;
        }
    }

    ERR_clear_error();      /* there is no further one */
    BIO_free(bio);

    bio = BIO_new_mem_buf(conf->key.at, (int) conf->key.len);
    cert->key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *) "");
    BIO_free(bio);

    return cert->leaf != NULL && cert->key != NULL;
}


/* Made or shared, with a reference. NULL: it cannot be made, logged. */

static ngx_http_weir_certificate_t *
certificate_get(const struct gw_certificate *conf)
{
    u_char                        digest[HASH_SHA256_BYTES];
    uint32_t                      hash;
    ngx_str_t                     name;
    struct hash_sha256            h;
    ngx_http_weir_certificate_t  *cert;

    if (certificates.root == NULL) {
        ngx_rbtree_init(&certificates, &sentinel, ngx_str_rbtree_insert_value);
    }

    hash_sha256_init(&h);
    hash_sha256_add(&h, &conf->certificate.len, sizeof(conf->certificate.len));
    hash_sha256_add(&h, conf->certificate.at, conf->certificate.len);
    hash_sha256_add(&h, conf->key.at, conf->key.len);
    hash_sha256_end(&h, digest);

    ngx_memcpy(&hash, digest, sizeof(hash));
    name.data = digest;
    name.len = sizeof(digest);
    cert = (ngx_http_weir_certificate_t *) ngx_str_rbtree_lookup(&certificates, &name, hash);

    if (cert != NULL) {
        cert->refs++;
        return cert;
    }

    cert = ngx_calloc(sizeof(ngx_http_weir_certificate_t), ngx_cycle->log);
    if (cert == NULL) {
        return NULL;
    }

    cert->refs = 1;

    if (!parse(cert, conf)) {
        ngx_ssl_error(NGX_LOG_EMERG, ngx_cycle->log, 0, "[weir] a certificate cannot be used");
        certificate_unref(cert);
        return NULL;
    }

    ngx_memcpy(cert->digest, digest, sizeof(digest));
    cert->node.str.data = cert->digest;
    cert->node.str.len = sizeof(cert->digest);
    cert->node.node.key = hash;
    ngx_rbtree_insert(&certificates, &cert->node.node);

    return cert;
}


/* ---- listeners ---- */

static void
listener_fini(ngx_http_weir_listener_t *l)
{
    X509_STORE_free(l->authorities);
    sk_X509_NAME_pop_free(l->names, X509_NAME_free);
}


static bool
add_authority(ngx_http_weir_listener_t *l, X509 *cert)
{
    X509_NAME  *name;

    name = X509_NAME_dup(X509_get_subject_name(cert));

    if (name == NULL || sk_X509_NAME_push(l->names, name) == 0) {
        X509_NAME_free(name);
        return false;
    }

    return X509_STORE_add_cert(l->authorities, cert) == 1;
}


static bool
read_authorities(ngx_http_weir_listener_t *l, struct str pem)
{
    bool   ok;
    BIO   *bio;
    X509  *cert;

    l->authorities = X509_STORE_new();
    l->names = sk_X509_NAME_new_null();
    bio = BIO_new_mem_buf(pem.at, (int) pem.len);
    ok = l->authorities != NULL && l->names != NULL && bio != NULL;

    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, (void *) "")) != NULL) {
        ok = add_authority(l, cert);
        X509_free(cert);
    }

    ERR_clear_error();
    BIO_free(bio);

    return ok;
}


static bool
listener_init(ngx_http_weir_listener_t *l, const struct gw_listener_tls *conf)
{
    struct hash_sha256  h;

    l->min_version = conf != NULL && conf->min_version == GW_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    hash_sha256_init(&h);

    if (conf != NULL && conf->client != NULL) {
        l->verify = SSL_VERIFY_PEER | (conf->client->required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
        hash_sha256_add(&h, &l->verify, sizeof(l->verify));
        hash_sha256_add(&h, conf->client->ca.at, conf->client->ca.len);
    }

    hash_sha256_end(&h, l->digest);

    return l->verify == 0 || read_authorities(l, conf->client->ca);
}


/* ---- of a generation ---- */

ngx_int_t
ngx_http_weir_certificates_init(ngx_http_weir_generation_t *g)
{
    uint32_t                 i;
    const struct gw_config  *config = g->config;

    g->certificates = ngx_pcalloc(g->pool, (config->ncertificates + 1) * sizeof(ngx_http_weir_certificate_t *));
    g->listeners = ngx_pcalloc(g->pool, (config->nlisteners + 1) * sizeof(ngx_http_weir_listener_t));

    if (g->certificates == NULL || g->listeners == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < config->ncertificates; i++) {
        g->certificates[i] = certificate_get(&config->certificates[i]);

        if (g->certificates[i] == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < config->nlisteners; i++) {

        if (gw_listener_has_tls(&config->listeners[i])
            && !listener_init(&g->listeners[i], config->listeners[i].tls))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_weir_certificates_fini(ngx_http_weir_generation_t *g)
{
    uint32_t  i;

    for (i = 0; g->certificates != NULL && i < g->config->ncertificates; i++) {
        certificate_unref(g->certificates[i]);
    }

    for (i = 0; g->listeners != NULL && i < g->config->nlisteners; i++) {
        listener_fini(&g->listeners[i]);
    }
}


/* ---- handshakes ---- */

static int
verify_callback(int ok, X509_STORE_CTX *store)
{
    char               subject[256];
    X509              *cert;
    ngx_ssl_conn_t    *ssl;
    ngx_connection_t  *c;

    if (ok) {
        return 1;
    }

    ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    c = ngx_ssl_get_connection(ssl);
    cert = X509_STORE_CTX_get_current_cert(store);
    subject[0] = '\0';

    if (cert != NULL) {
        (void) X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    }

    ngx_log_error(NGX_LOG_INFO, c->log, 0, "[weir] tls: the client's certificate is refused: %s (subject \"%s\")",
                  X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)), subject);

    return 0;
}


static ngx_int_t
ask_client(ngx_ssl_conn_t *ssl, const ngx_http_weir_listener_t *l)
{
    STACK_OF(X509_NAME)  *names;

    if (l->verify == 0) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return NGX_OK;
    }

    names = SSL_dup_CA_list(l->names);

    if (names == NULL || SSL_set1_verify_cert_store(ssl, l->authorities) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return NGX_ERROR;
    }

    SSL_set_client_CA_list(ssl, names);
    SSL_set_verify(ssl, l->verify, verify_callback);

    return NGX_OK;
}


static ngx_int_t
show(ngx_ssl_conn_t *ssl, ngx_http_weir_generation_t *g, const ngx_http_weir_listener_t *l,
    const uint32_t *found, uint32_t n)
{
    u_char                        session[HASH_SHA256_BYTES];
    uint32_t                      i;
    struct hash_sha256            h;
    ngx_http_weir_certificate_t  *cert;

    SSL_certs_clear(ssl);
    hash_sha256_init(&h);
    hash_sha256_add(&h, l->digest, sizeof(l->digest));

    for (i = 0; i < n; i++) {
        cert = g->certificates[found[i]];
        hash_sha256_add(&h, cert->digest, sizeof(cert->digest));

        if (SSL_use_cert_and_key(ssl, cert->leaf, cert->key, cert->chain, 1) != 1) {
            return NGX_ERROR;
        }
    }

    hash_sha256_end(&h, session);

    return SSL_set_session_id_context(ssl, session, sizeof(session)) == 1 ? NGX_OK : NGX_ERROR;
}


int
ngx_http_weir_certificates_hello(SSL *ssl, int *alert, ngx_http_weir_generation_t *g, uint32_t listener)
{
    size_t                     len;
    uint32_t                   n, found[GW_KEY_KINDS];
    struct str                 name = STR("");
    const u_char              *extension;
    ngx_connection_t          *c = ngx_ssl_get_connection(ssl);
    ngx_http_weir_listener_t  *l = &g->listeners[listener];

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &len) == 1) {
        name = gw_sni_host(str_make(extension, len));
    }

    n = gw_generation_certificates(g->gw, name, found);

    if (n == 0) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        ngx_log_error(NGX_LOG_INFO, c->log, 0, "[weir] tls: there is no certificate for \"%*s\"", name.len, name.at);
        return SSL_CLIENT_HELLO_ERROR;
    }

    if (SSL_set_min_proto_version(ssl, l->min_version) != 1 || ask_client(ssl, l) != NGX_OK
        || show(ssl, g, l, found, n) != NGX_OK)
    {
        *alert = SSL_AD_INTERNAL_ERROR;
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0, "[weir] tls: a handshake cannot be prepared");
        return SSL_CLIENT_HELLO_ERROR;
    }

    return SSL_CLIENT_HELLO_SUCCESS;
}


/* The listener may be gone, or speak another protocol: then nginx is about to be reloaded, and this worker to end. */

static int
client_hello(ngx_ssl_conn_t *ssl, int *alert, void *data)
{
    uint32_t                     index;
    ngx_http_weir_srv_conf_t    *scf = data;
    ngx_http_weir_generation_t  *g = ngx_http_weir_worker.generation;

    index = gw_generation_find_listener(g->gw, GW_HTTPS, ngx_http_weir_str(&scf->tls));

    if (index == GW_NONE) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }

    return ngx_http_weir_certificates_hello(ssl, alert, g, index);
}


/* nginx's own callback looks for the name among servers, and there is only one. */

static int
server_name(ngx_ssl_conn_t *ssl, int *alert, void *data)
{
    return SSL_TLSEXT_ERR_OK;
}


void
ngx_http_weir_certificates_use(SSL_CTX *ctx, ngx_http_weir_srv_conf_t *scf)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_client_hello_cb(ctx, client_hello, scf);
    SSL_CTX_set_tlsext_servername_callback(ctx, server_name);
}
