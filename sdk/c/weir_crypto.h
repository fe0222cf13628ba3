/* weir_crypto.h - digests, MACs, verifying signatures, base64.
 *
 * The algorithms are Mbed TLS's, and libsodium's for Ed25519, whose sources `make` fetches; link
 * -lweir_crypto before -lweir_plugin.  What is linked is what is used: a plugin that only makes HMACs is
 * some 10 KB larger for it.
 *
 * Secrets.  MACs and digests take time by the length of the data, not by its content; compare them with
 * wp_hmac_verify or wp_equal_secret.  There is nothing here that uses a private key. */
#ifndef WEIR_CRYPTO_H
#define WEIR_CRYPTO_H

#include "weir_plugin.h"

/* ---- digests ------------------------------------------------------------------------------- */

/* MD5 and SHA-1 are for old protocols that ask for them. */
enum wp_digest { WP_MD5, WP_SHA1, WP_SHA256, WP_SHA384, WP_SHA512 };
enum { WP_DIGEST_MAX = 64 };

size_t wp_digest_bytes(enum wp_digest d);

/* Of data that comes in pieces: begin, add as often as needed, end once. */
struct wp_digest_state {
    enum wp_digest digest;
    _Alignas(8) unsigned char opaque[224];
};
void wp_digest_begin(struct wp_digest_state *s, enum wp_digest d);
void wp_digest_add(struct wp_digest_state *s, struct wp_str data);
/* The digest, in the callback's arena. */
struct wp_str wp_digest_end(struct wp_digest_state *s);
struct wp_str wp_digest_of(enum wp_digest d, struct wp_str data);

/* ---- HMAC ---------------------------------------------------------------------------------- */

/* A secret made ready: what its two blocks leave behind is kept, so that a short message costs two blocks of
 * the hash and not four.  Plain data: it may be copied and dropped. */
struct wp_hmac_key {
    struct wp_digest_state inner, outer;
};
void wp_hmac_key_init(struct wp_hmac_key *key, enum wp_digest d, struct wp_str secret);
/* The MAC of the pieces, one after the other, in the callback's arena. */
struct wp_str wp_hmac(const struct wp_hmac_key *key, const struct wp_str *pieces, size_t n);
/* Is `mac` the whole MAC of them?  In time that does not depend on where it differs. */
bool wp_hmac_verify(const struct wp_hmac_key *key, const struct wp_str *pieces, size_t n, struct wp_str mac);

/* ---- signatures ------------------------------------------------------------------------------ */

enum wp_curve { WP_P256, WP_P384, WP_P521 };

/* A public key, checked.  It belongs to whoever made it, until wp_public_key_free; making one allocates, so
 * do it in configure.  NULL: not a key of this kind, or one too weak (RSA under 2048 bits) or too large (RSA
 * over 8192, an exponent over 32 bits) to be used. */
struct wp_public_key;
struct wp_public_key *wp_rsa_key_new(struct wp_str modulus, struct wp_str exponent);        /* big-endian */
struct wp_public_key *wp_ec_key_new(enum wp_curve curve, struct wp_str x, struct wp_str y); /* full length */
struct wp_public_key *wp_ed25519_key_new(struct wp_str x);                                  /* 32 bytes */
void wp_public_key_free(struct wp_public_key *key);                                         /* NULL is fine */

enum wp_scheme {
    WP_RSA_PKCS1, /* RSASSA-PKCS1-v1_5 */
    WP_RSA_PSS,   /* MGF1 with the same digest, a salt of its length */
    WP_ECDSA,     /* the signature is r and s, each as long as the curve's field */
    WP_ED25519,   /* the digest is not looked at */
};
/* Does the signature fit the message?  False also for a key of another kind. */
bool wp_signature_verify(struct wp_public_key *key, enum wp_scheme scheme, enum wp_digest d,
                         struct wp_str message, struct wp_str signature);

/* ---- base64 ---------------------------------------------------------------------------------- */

/* RFC 4648, in the callback's arena.  Decoding is strict: no white space, nothing outside the alphabet, no
 * set bits behind the last byte, so that a value has one text only.  False: *out is empty.
 * base64 has padding; base64url has none, as JOSE wants it. */
struct wp_str wp_base64_encode(struct wp_str data);
struct wp_str wp_base64url_encode(struct wp_str data);
bool wp_base64_decode(struct wp_str text, struct wp_str *out);
bool wp_base64url_decode(struct wp_str text, struct wp_str *out);
struct wp_str wp_hex_encode(struct wp_str data); /* lower-case */

/* ---- random numbers ----------------------------------------------------------------------------- */

/* From the host's generator (WASI's random_get: the only function here that imports something); traps if
 * there is none. */
void wp_random(void *dst, size_t n);

#endif
