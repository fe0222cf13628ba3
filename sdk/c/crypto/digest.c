/* digest.c - digests and HMAC over Mbed TLS's hashes.
 *
 * A state is the hash's own context, which is plain data, inside wp_digest_state.  HMAC is made here of two
 * such states rather than with mbedtls_md_hmac: that hashes the key's blocks again for each message, which
 * doubles the cost of a short one. */
#include <mbedtls/md5.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include "weir_crypto.h"

static void wipe(void *at, size_t len)
{
    memset(at, 0, len);
    __asm__ volatile("" : : "r"(at) : "memory"); /* so that the bytes are really written */
}

/* Mbed TLS's functions fail for bad arguments only. */
#define DIGEST_FUNCTIONS(name, hash, start)                                                                  \
    _Static_assert(sizeof(mbedtls_##hash##_context) <= sizeof(((struct wp_digest_state *)0)->opaque),        \
                   "the state has room");                                                                    \
    static void name##_begin(void *c)                                                                        \
    {                                                                                                        \
        mbedtls_##hash##_init(c);                                                                            \
        start;                                                                                               \
    }                                                                                                        \
    static void name##_add(void *c, struct wp_str data)                                                      \
    {                                                                                                        \
        mbedtls_##hash##_update_ret(c, (const unsigned char *)data.at, data.len);                            \
    }                                                                                                        \
    static void name##_end(void *c, unsigned char *out)                                                      \
    {                                                                                                        \
        mbedtls_##hash##_finish_ret(c, out);                                                                 \
    }

DIGEST_FUNCTIONS(md5, md5, mbedtls_md5_starts_ret(c))
DIGEST_FUNCTIONS(sha1, sha1, mbedtls_sha1_starts_ret(c))
DIGEST_FUNCTIONS(sha256, sha256, mbedtls_sha256_starts_ret(c, 0))
DIGEST_FUNCTIONS(sha384, sha512, mbedtls_sha512_starts_ret(c, 1))
DIGEST_FUNCTIONS(sha512, sha512, mbedtls_sha512_starts_ret(c, 0))

static const struct {
    size_t bytes, block_bytes;
    void (*begin)(void *);
    void (*add)(void *, struct wp_str);
    void (*end)(void *, unsigned char *out); /* writes 64 bytes for SHA-384, too */
} digests[] = {
    [WP_MD5] = {16, 64, md5_begin, md5_add, md5_end},
    [WP_SHA1] = {20, 64, sha1_begin, sha1_add, sha1_end},
    [WP_SHA256] = {32, 64, sha256_begin, sha256_add, sha256_end},
    [WP_SHA384] = {48, 128, sha384_begin, sha384_add, sha384_end},
    [WP_SHA512] = {64, 128, sha512_begin, sha512_add, sha512_end},
};
enum { BLOCK_MAX = 128 };

size_t wp_digest_bytes(enum wp_digest d)
{
    return digests[d].bytes;
}

void wp_digest_begin(struct wp_digest_state *s, enum wp_digest d)
{
    s->digest = d;
    digests[d].begin(s->opaque);
}

void wp_digest_add(struct wp_digest_state *s, struct wp_str data)
{
    if (data.len != 0) {
        digests[s->digest].add(s->opaque, data);
    }
}

static size_t finish(struct wp_digest_state *s, unsigned char out[WP_DIGEST_MAX])
{
    digests[s->digest].end(s->opaque, out);
    return digests[s->digest].bytes;
}

struct wp_str wp_digest_end(struct wp_digest_state *s)
{
    unsigned char out[WP_DIGEST_MAX];
    size_t len = finish(s, out);
    return wp_arena_dup(wp_callback_arena(), (struct wp_str){(const char *)out, len});
}

struct wp_str wp_digest_of(enum wp_digest d, struct wp_str data)
{
    struct wp_digest_state s;
    wp_digest_begin(&s, d);
    wp_digest_add(&s, data);
    return wp_digest_end(&s);
}

static void begin_with(struct wp_digest_state *s, enum wp_digest d, const unsigned char *key,
                       unsigned char pad)
{
    char block[BLOCK_MAX];
    for (size_t i = 0; i < digests[d].block_bytes; i++) {
        block[i] = (char)(key[i] ^ pad);
    }
    wp_digest_begin(s, d);
    wp_digest_add(s, (struct wp_str){block, digests[d].block_bytes});
    wipe(block, sizeof block);
}

void wp_hmac_key_init(struct wp_hmac_key *key, enum wp_digest d, struct wp_str secret)
{
    unsigned char block[BLOCK_MAX] = {0};
    if (secret.len > digests[d].block_bytes) {
        wp_digest_begin(&key->inner, d);
        wp_digest_add(&key->inner, secret);
        finish(&key->inner, block);
        memset(block + digests[d].bytes, 0, sizeof block - digests[d].bytes);
    } else if (secret.len != 0) {
        memcpy(block, secret.at, secret.len);
    }
    begin_with(&key->inner, d, block, 0x36);
    begin_with(&key->outer, d, block, 0x5c);
    wipe(block, sizeof block);
}

static size_t mac_of(const struct wp_hmac_key *key, const struct wp_str *pieces, size_t n,
                     unsigned char out[WP_DIGEST_MAX])
{
    struct wp_digest_state s = key->inner;
    for (size_t i = 0; i < n; i++) {
        wp_digest_add(&s, pieces[i]);
    }
    size_t len = finish(&s, out);
    s = key->outer;
    wp_digest_add(&s, (struct wp_str){(const char *)out, len});
    return finish(&s, out);
}

struct wp_str wp_hmac(const struct wp_hmac_key *key, const struct wp_str *pieces, size_t n)
{
    unsigned char out[WP_DIGEST_MAX];
    size_t len = mac_of(key, pieces, n, out);
    return wp_arena_dup(wp_callback_arena(), (struct wp_str){(const char *)out, len});
}

bool wp_hmac_verify(const struct wp_hmac_key *key, const struct wp_str *pieces, size_t n, struct wp_str mac)
{
    unsigned char out[WP_DIGEST_MAX];
    size_t len = mac_of(key, pieces, n, out);
    return wp_equal_secret((struct wp_str){(const char *)out, len}, mac);
}
