/* gw/pem.c - certificates and keys of the configuration: PEM text, or a file that holds it.
 *
 * A file is read where the configuration is, by whoever reads that, and its text takes the place of its name:
 * workers run as another user and may not be able to read keys.  Each text is parsed here once, so that what
 * is wrong with it is said with the field's place; those who use it later may rely on it.  A file is a plain
 * one of at most PEM_MAX_BYTES: nothing that a configuration can name makes reading hang. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gw/values.h"

enum { PEM_MAX_BYTES = 1 << 20 };

/* NULL, or what is wrong. */
static const char *read_fd(int fd, struct strbuf *out)
{
    struct stat st;
    char chunk[16384];
    ssize_t n = 0;

    if (fstat(fd, &st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return "it is not a plain file";
    }
    while (out->len <= PEM_MAX_BYTES && (n = read(fd, chunk, sizeof chunk)) > 0) {
        strbuf_add_bytes(out, chunk, (size_t)n);
    }
    return n < 0 ? strerror(errno) : out->len > PEM_MAX_BYTES ? "it is larger than 1 MiB" : NULL;
}

static bool read_file(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                      struct strbuf *out)
{
    char *name = arena_strndup(r->arena, node->text.at, node->text.len);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *wrong = fd < 0 ? strerror(errno) : read_fd(fd, out);

    if (fd >= 0) {
        close(fd);
    }
    if (wrong != NULL) {
        gw_problem_at(r, node, path,
                      "the file \"%s\" cannot be read: %s; give a file, or the PEM text itself", name, wrong);
    }
    return wrong == NULL;
}

bool gw_pem_read(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, struct str *out)
{
    struct strbuf text = {0};
    bool ok;

    if (memmem(node->text.at, node->text.len, "-----BEGIN ", 11) != NULL) {
        strbuf_add(&text, node->text);
        ok = text.len <= PEM_MAX_BYTES;
        if (!ok) {
            gw_problem_at(r, node, path, "is larger than 1 MiB");
        }
    } else {
        struct gw_outside *o = ARENA_NEW(r->arena, struct gw_outside);
        *o = (struct gw_outside){r->outside, arena_strndup(r->arena, node->text.at, node->text.len)};
        r->outside = o;
        ok = read_file(r, node, path, &text);
    }
    if (ok && !str_is_utf8(strbuf_str(&text))) {
        gw_problem_at(r, node, path, "is not PEM text; convert it, like `openssl x509 -inform der -in FILE`");
        ok = false;
    }
    if (ok) {
        *out = str_make(arena_strndup(r->arena, text.len == 0 ? "" : text.at, text.len), text.len);
    }
    strbuf_fini(&text);
    return ok;
}

/* Nobody is there to be asked for a password. */
static int no_password(char *buf, int size, int writing, void *data)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

static BIO *bio_of(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    WEIR_ASSERT(bio != NULL);
    return bio;
}

static EVP_PKEY *key_of(struct str pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

bool gw_check_certificates(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                           struct str *value)
{
    BIO *bio = bio_of(*value);
    X509 *cert;
    uint32_t n = 0;

    while ((cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        X509_free(cert);
        n++;
    }
    unsigned long err = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(err) == ERR_LIB_PEM && ERR_GET_REASON(err) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (n == 0 && at_end) {
        gw_problem_at(r, node, path, "has no certificate; PEM text with BEGIN CERTIFICATE is wanted");
    } else if (!at_end) {
        gw_problem_at(r, node, path, "its certificate number %u is damaged", n + 1);
    }
    return n != 0 && at_end;
}

bool gw_check_private_key(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                          struct str *value)
{
    EVP_PKEY *key = key_of(*value);

    if (key == NULL) {
        gw_problem_at(
            r, node, path,
            "has no private key that can be used: PEM text with BEGIN PRIVATE KEY and without a password "
            "is wanted");
    }
    EVP_PKEY_free(key);
    return key != NULL;
}

X509 *gw_pem_certificate(struct str pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

bool gw_pem_key_fits(struct str certificate, struct str private_key)
{
    X509 *cert = gw_pem_certificate(certificate);
    EVP_PKEY *key = key_of(private_key);
    bool fits = cert != NULL && key != NULL && X509_check_private_key(cert, key) == 1;

    ERR_clear_error();
    X509_free(cert);
    EVP_PKEY_free(key);
    return fits;
}

void gw_check_tls(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object)
{
    struct gw_tls *tls = object;
    struct gw_path key = {path, "key", 0};

    if ((tls->certificate.at == NULL) != (tls->key.at == NULL)) {
        gw_problem_at(r, node, path, "certificate and key go together; give both or neither");
    } else if (tls->key.at != NULL && !gw_pem_key_fits(tls->certificate, tls->key)) {
        const struct gw_node *at = gw_node_find(node, "key");
        gw_problem_at(r, at == NULL ? node : at, &key,
                      "is not the key of the first certificate in certificate");
    }
    if (!tls->verify && tls->ca.at != NULL) {
        gw_warning_at(r, node, path, "ca has no use with verify: false; remove one of them");
    }
}
