/* foreign/signature.c - sign and verify_signature, with the protobuf messages of Envoy:
 *
 *   SignArguments             hash_function 1, private_key 2 (DER), text 3, private_key_pem 4
 *   SignResult                result 1, signature 2, error 3
 *   VerifySignatureArguments  hash_function 1, public_key 2 (DER), signature 3, text 4, public_key_pem 5
 *   VerifySignatureResult     result 1, error 2
 *
 * A failure is a result with its error; only a message that does not parse is a BAD_ARGUMENT.  RSA signatures
 * are PKCS #1 v1.5, ECDSA ones DER. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/protobuf.h"
#include "foreign/foreign.h"

enum { MAX_FIELDS = 5 };

struct message {
    struct str field[MAX_FIELDS + 1]; /* by number; those that are bytes */
};

static bool parse(struct str text, struct message *out)
{
    struct protobuf_field f;
    enum protobuf_next next;

    *out = (struct message){0};
    while ((next = protobuf_next(&text, &f)) == PROTOBUF_FIELD) {
        if (f.is_bytes && f.number <= MAX_FIELDS) {
            out->field[f.number] = f.bytes;
        }
    }
    return next == PROTOBUF_END;
}

static const EVP_MD *hash_of(struct str name)
{
    static const struct {
        struct str name;
        const EVP_MD *(*hash)(void);
    } hashes[] = {{STR("sha1"), EVP_sha1},
                  {STR("sha224"), EVP_sha224},
                  {STR("sha256"), EVP_sha256},
                  {STR("sha384"), EVP_sha384},
                  {STR("sha512"), EVP_sha512}};

    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        if (str_ieq(hashes[i].name, name)) {
            return hashes[i].hash();
        }
    }
    return NULL;
}

/* A key that is encrypted is refused, not asked for at a terminal. */
static int no_password(char *buf, int size, int writing, void *data)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

static EVP_PKEY *pem_key(struct str pem, bool private)
{
    EVP_PKEY *key = NULL;
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;

    if (bio != NULL) {
        key = private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                      : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
        BIO_free(bio);
    }
    return key;
}

static EVP_PKEY *der_key(struct str der, bool private)
{
    const unsigned char *at = (const unsigned char *)der.at;
    long len = (long)der.len;

    return private ? d2i_AutoPrivateKey(NULL, &at, len) : d2i_PUBKEY(NULL, &at, len);
}

static enum pw_status answer(struct pw_output *out, bool ok, struct str signature, uint32_t error_field,
                             const char *error)
{
    struct strbuf b = {0};

    protobuf_add_number(&b, 1, ok);
    protobuf_add_bytes(&b, 2, signature);
    protobuf_add_bytes(&b, error_field, str_of(error));
    out->write(out, b.at, b.len);
    strbuf_fini(&b);
    return PW_OK;
}

enum pw_status foreign_verify_signature(struct str arguments, struct pw_output *out)
{
    struct message m;

    if (!parse(arguments, &m)) {
        return PW_BAD_ARGUMENT;
    }
    const struct str none = {"", 0}, signature = m.field[3], text = m.field[4];
    const EVP_MD *hash = hash_of(m.field[1]);
    if (hash == NULL) {
        return answer(out, false, none, 2, "the hash function is not supported");
    }
    EVP_PKEY *key = m.field[5].len != 0 ? pem_key(m.field[5], false) : der_key(m.field[2], false);
    if (key == NULL) {
        return answer(out, false, none, 2, "the public key cannot be read");
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, hash, NULL, key) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.at, signature.len,
                               (const unsigned char *)text.at, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return answer(out, ok, none, 2, ok ? "" : "the signature does not match");
}

enum pw_status foreign_sign(struct str arguments, struct pw_output *out)
{
    struct message m;

    if (!parse(arguments, &m)) {
        return PW_BAD_ARGUMENT;
    }
    const struct str none = {"", 0}, text = m.field[3];
    const EVP_MD *hash = hash_of(m.field[1]);
    if (hash == NULL) {
        return answer(out, false, none, 3, "the hash function is not supported");
    }
    EVP_PKEY *key = m.field[4].len != 0 ? pem_key(m.field[4], true) : der_key(m.field[2], true);
    if (key == NULL) {
        return answer(out, false, none, 3, "the private key cannot be read");
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[2048]; /* RSA of 16,384 bits */
    size_t len = sizeof signature;
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, hash, NULL, key) == 1 &&
              EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text.at, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return answer(out, ok, ok ? str_make(signature, len) : none, 3, ok ? "" : "the key does not sign");
}
