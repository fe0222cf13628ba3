/*
 * ngx_http_weir_connection.c - properties of a client's connection, for plugins of requests and of TCP connections.
 *
 * Who is at the other end, behind trusted proxies, too, and what TLS agreed on with it. What a certificate says is
 * there only for certificates that were verified in the handshake: others have no connection. An empty string is what
 * Envoy gives for the subject and the digest of a client without one; names that it does not have are NOT_FOUND.
 *
 * What has to be written first is written into one place, and is there until the next property is asked for: the host
 * copies a value before the call of the plugin returns, and asking takes no memory, however often.
 */

#include <openssl/x509v3.h>

#include "ngx_http_weir_module.h"


typedef bool (*get_pt)(ngx_connection_t *c, struct pw_value *out);


static u_char  scratch[4096];   /* what is longer is cut */


bool
ngx_http_weir_is_string(struct pw_value *out, struct str s)
{
    out->kind = PW_VALUE_STRING;
    out->string = s;

    return true;
}


bool
ngx_http_weir_is_int(struct pw_value *out, int64_t n)
{
    out->kind = PW_VALUE_INT;
    out->integer = n;

    return true;
}


/* ---- addresses ---- */

static bool
is_address(struct sockaddr *sa, socklen_t len, struct pw_value *out)
{
    return ngx_http_weir_is_string(out, str_make(scratch, ngx_sock_ntop(sa, len, scratch, sizeof(scratch), 1)));
}


static bool
source_address(ngx_connection_t *c, struct pw_value *out)
{
    return is_address(c->sockaddr, c->socklen, out);
}


static bool
source_port(ngx_connection_t *c, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, ngx_inet_get_port(c->sockaddr));
}


static bool
destination_address(ngx_connection_t *c, struct pw_value *out)
{
    return ngx_connection_local_sockaddr(c, NULL, 0) == NGX_OK
           && is_address(c->local_sockaddr, c->local_socklen, out);
}


static bool
destination_port(ngx_connection_t *c, struct pw_value *out)
{
    return ngx_connection_local_sockaddr(c, NULL, 0) == NGX_OK
           && ngx_http_weir_is_int(out, ngx_inet_get_port(c->local_sockaddr));
}


static bool
connection_id(ngx_connection_t *c, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, (int64_t) c->number);
}


static bool
listener_direction(ngx_connection_t *c, struct pw_value *out)
{
    return ngx_http_weir_is_int(out, 2);    /* Envoy's OUTBOUND, a gateway's */
}


/* ---- TLS ---- */

static bool
requested_server_name(ngx_connection_t *c, struct pw_value *out)
{
    const char  *name;

    name = c->ssl == NULL ? NULL : SSL_get_servername(c->ssl->connection, TLSEXT_NAMETYPE_host_name);

    return ngx_http_weir_is_string(out, str_of(name == NULL ? "" : name));
}


static bool
tls_version(ngx_connection_t *c, struct pw_value *out)
{
    return c->ssl != NULL && ngx_http_weir_is_string(out, str_of(SSL_get_version(c->ssl->connection)));
}


static X509 *
peer_certificate(ngx_connection_t *c)
{
    return c->ssl == NULL ? NULL : SSL_get0_peer_certificate(c->ssl->connection);
}


static X509 *
local_certificate(ngx_connection_t *c)
{
    return c->ssl == NULL ? NULL : SSL_get_certificate(c->ssl->connection);
}


static bool
connection_mtls(ngx_connection_t *c, struct pw_value *out)
{
    out->kind = PW_VALUE_BOOL;
    out->boolean = peer_certificate(c) != NULL;

    return true;
}


/* ---- what a certificate says ---- */

/* The subject as RFC 2253 writes it. */

static bool
subject(ngx_connection_t *c, X509 *cert, struct pw_value *out)
{
    int    len;
    BIO   *bio;
    char  *at;

    if (cert == NULL) {
        return c->ssl != NULL && ngx_http_weir_is_string(out, STR(""));
    }

    bio = BIO_new(BIO_s_mem());

    if (bio == NULL || X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(bio);
        return false;
    }

    len = ngx_min((int) BIO_get_mem_data(bio, &at), (int) sizeof(scratch));
    ngx_memcpy(scratch, at, len);
    BIO_free(bio);

    return ngx_http_weir_is_string(out, str_make(scratch, len));
}


/* The first alternative name of a kind; it may have any bytes. */

static bool
alternative_name(X509 *cert, int kind, struct pw_value *out)
{
    int             i, len = -1;
    ASN1_STRING    *s;
    GENERAL_NAME   *name;
    GENERAL_NAMES  *all;

    all = cert == NULL ? NULL : X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (i = 0; i < sk_GENERAL_NAME_num(all) && len == -1; i++) {
        name = sk_GENERAL_NAME_value(all, i);

        if (name->type == kind) {
            s = kind == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
            len = ngx_min(ASN1_STRING_length(s), (int) sizeof(scratch));
            ngx_memcpy(scratch, ASN1_STRING_get0_data(s), len);
        }
    }

    GENERAL_NAMES_free(all);
    ERR_clear_error();      /* an extension that cannot be read is one without names */

    return len != -1 && ngx_http_weir_is_string(out, str_make(scratch, len));
}


static bool
subject_peer(ngx_connection_t *c, struct pw_value *out)
{
    return subject(c, peer_certificate(c), out);
}


static bool
subject_local(ngx_connection_t *c, struct pw_value *out)
{
    return subject(c, local_certificate(c), out);
}


static bool
dns_san_peer(ngx_connection_t *c, struct pw_value *out)
{
    return alternative_name(peer_certificate(c), GEN_DNS, out);
}


static bool
dns_san_local(ngx_connection_t *c, struct pw_value *out)
{
    return alternative_name(local_certificate(c), GEN_DNS, out);
}


static bool
uri_san_peer(ngx_connection_t *c, struct pw_value *out)
{
    return alternative_name(peer_certificate(c), GEN_URI, out);
}


static bool
uri_san_local(ngx_connection_t *c, struct pw_value *out)
{
    return alternative_name(local_certificate(c), GEN_URI, out);
}


static bool
sha256_peer(ngx_connection_t *c, struct pw_value *out)
{
    u_char         digest[EVP_MAX_MD_SIZE];
    unsigned int   len = 0;
    X509          *cert = peer_certificate(c);

    if (c->ssl == NULL || (cert != NULL && X509_digest(cert, EVP_sha256(), digest, &len) != 1)) {
        return false;
    }

    return ngx_http_weir_is_string(out, str_make(scratch, ngx_hex_dump(scratch, digest, len) - scratch));
}


static const struct {
    ngx_http_weir_property_name_t   name;
    get_pt                          get;
} properties[] = {
    { { "source", "address" }, source_address },
    { { "source", "port" }, source_port },
    { { "destination", "address" }, destination_address },
    { { "destination", "port" }, destination_port },
    { { "connection", "id" }, connection_id },
    { { "connection", "mtls" }, connection_mtls },
    { { "connection", "requested_server_name" }, requested_server_name },
    { { "connection", "tls_version" }, tls_version },
    { { "connection", "subject_peer_certificate" }, subject_peer },
    { { "connection", "subject_local_certificate" }, subject_local },
    { { "connection", "dns_san_peer_certificate" }, dns_san_peer },
    { { "connection", "dns_san_local_certificate" }, dns_san_local },
    { { "connection", "uri_san_peer_certificate" }, uri_san_peer },
    { { "connection", "uri_san_local_certificate" }, uri_san_local },
    { { "connection", "sha256_peer_certificate_digest" }, sha256_peer },
    { { "xds", "listener_direction" }, listener_direction },
    { { "listener_direction", NULL }, listener_direction },
    { { "connection_id", NULL }, connection_id },
};


bool
ngx_http_weir_property_is(const ngx_http_weir_property_name_t *name, const struct str *path, size_t segments)
{
    return segments == (name->child == NULL ? 1 : 2) && str_eq(path[0], str_of(name->root))
           && (segments == 1 || str_eq(path[1], str_of(name->child)));
}


bool
ngx_http_weir_connection_property(ngx_connection_t *c, const struct str *path, size_t segments,
    struct pw_value *out)
{
    size_t  i;

    for (i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {

        if (ngx_http_weir_property_is(&properties[i].name, path, segments)) {
            return properties[i].get(c, out);
        }
    }

    return false;
}
