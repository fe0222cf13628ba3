/* signature.c - public keys, and whether a signature fits: Mbed TLS for RSA and ECDSA, libsodium for Ed25519.
 *
 * A key carries what verifying computes once and keeps (RSA's Montgomery constant, the multiples of a curve's
 * generator), so it is not const.  An algorithm is bound to a key: a key of another kind verifies nothing. */
#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/rsa.h>
#include <stdlib.h>

#include "weir_crypto.h"

/* libsodium's, from crypto_sign_ed25519.h. */
int crypto_sign_ed25519_verify_detached(const unsigned char *sig, const unsigned char *m,
                                        unsigned long long mlen, const unsigned char *pk);
/* And what it needs of its utils.c, which brings an allocator of its own. */
void sodium_memzero(void *at, size_t len);
int sodium_memcmp(const void *a, const void *b, size_t len);
int sodium_is_zero(const unsigned char *at, size_t len);

enum key_kind { KEY_RSA, KEY_EC, KEY_ED25519 };
enum { ED25519_KEY_BYTES = 32, ED25519_SIGNATURE_BYTES = 64 };
enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192, RSA_EXPONENT_MAX_BITS = 32 };

struct wp_public_key {
    enum key_kind kind;
    union {
        mbedtls_rsa_context rsa;
        struct {
            mbedtls_ecp_group group;
            mbedtls_ecp_point point;
        } ec;
        unsigned char ed25519[ED25519_KEY_BYTES];
    };
};

static const struct {
    mbedtls_ecp_group_id id;
    size_t bytes;
} curves[] = {
    [WP_P256] = {MBEDTLS_ECP_DP_SECP256R1, 32},
    [WP_P384] = {MBEDTLS_ECP_DP_SECP384R1, 48},
    [WP_P521] = {MBEDTLS_ECP_DP_SECP521R1, 66},
};

static const mbedtls_md_type_t md_types[] = {
    [WP_MD5] = MBEDTLS_MD_MD5,       [WP_SHA1] = MBEDTLS_MD_SHA1,     [WP_SHA256] = MBEDTLS_MD_SHA256,
    [WP_SHA384] = MBEDTLS_MD_SHA384, [WP_SHA512] = MBEDTLS_MD_SHA512,
};

void sodium_memzero(void *at, size_t len)
{
    memset(at, 0, len);
}

int sodium_memcmp(const void *a, const void *b, size_t len)
{
    return wp_equal_secret((struct wp_str){a, len}, (struct wp_str){b, len}) ? 0 : -1;
}

int sodium_is_zero(const unsigned char *at, size_t len)
{
    unsigned any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= at[i];
    }
    return any == 0;
}

static const unsigned char *bytes(struct wp_str s)
{
    return (const unsigned char *)s.at;
}

static struct wp_public_key *key_new(enum key_kind kind)
{
    struct wp_public_key *key = calloc(1, sizeof *key);
    if (!key) {
        __builtin_trap();
    }
    key->kind = kind;
    return key;
}

static bool rsa_is_usable(const mbedtls_rsa_context *rsa)
{
    size_t bits = mbedtls_mpi_bitlen(&rsa->N), exponent_bits = mbedtls_mpi_bitlen(&rsa->E);
    return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && exponent_bits >= 2 &&
           exponent_bits <= RSA_EXPONENT_MAX_BITS && mbedtls_mpi_get_bit(&rsa->E, 0) == 1 &&
           mbedtls_rsa_check_pubkey(rsa) == 0;
}

struct wp_public_key *wp_rsa_key_new(struct wp_str modulus, struct wp_str exponent)
{
    struct wp_public_key *key = key_new(KEY_RSA);
    mbedtls_rsa_init(&key->rsa, MBEDTLS_RSA_PKCS_V15, 0);
    if (modulus.len <= RSA_MAX_BITS / 8 + 1 && exponent.len <= RSA_MAX_BITS / 8 &&
        mbedtls_rsa_import_raw(&key->rsa, bytes(modulus), modulus.len, NULL, 0, NULL, 0, NULL, 0,
                               bytes(exponent), exponent.len) == 0 &&
        mbedtls_rsa_complete(&key->rsa) == 0 && rsa_is_usable(&key->rsa)) {
        return key;
    }
    wp_public_key_free(key);
    return NULL;
}

struct wp_public_key *wp_ec_key_new(enum wp_curve curve, struct wp_str x, struct wp_str y)
{
    struct wp_public_key *key = key_new(KEY_EC);
    mbedtls_ecp_group_init(&key->ec.group);
    mbedtls_ecp_point_init(&key->ec.point);
    size_t n = curves[curve].bytes;
    if (x.len == n && y.len == n && mbedtls_ecp_group_load(&key->ec.group, curves[curve].id) == 0 &&
        mbedtls_mpi_read_binary(&key->ec.point.X, bytes(x), n) == 0 &&
        mbedtls_mpi_read_binary(&key->ec.point.Y, bytes(y), n) == 0 &&
        mbedtls_mpi_lset(&key->ec.point.Z, 1) == 0 &&
        mbedtls_ecp_check_pubkey(&key->ec.group, &key->ec.point) == 0) {
        return key;
    }
    wp_public_key_free(key);
    return NULL;
}

/* Points that are none, or of small order, are refused by each verification. */
struct wp_public_key *wp_ed25519_key_new(struct wp_str x)
{
    if (x.len != ED25519_KEY_BYTES) {
        return NULL;
    }
    struct wp_public_key *key = key_new(KEY_ED25519);
    memcpy(key->ed25519, x.at, x.len);
    return key;
}

void wp_public_key_free(struct wp_public_key *key)
{
    if (key && key->kind == KEY_RSA) {
        mbedtls_rsa_free(&key->rsa);
    } else if (key && key->kind == KEY_EC) {
        mbedtls_ecp_point_free(&key->ec.point);
        mbedtls_ecp_group_free(&key->ec.group);
    }
    free(key);
}

static bool verify_rsa(mbedtls_rsa_context *rsa, bool pss, enum wp_digest d, struct wp_str message,
                       struct wp_str signature)
{
    if (signature.len != mbedtls_rsa_get_len(rsa)) {
        return false;
    }
    struct wp_str digest = wp_digest_of(d, message);
    mbedtls_md_type_t md = md_types[d];
    if (pss) {
        mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, (int)md);
        return mbedtls_rsa_rsassa_pss_verify_ext(rsa, NULL, NULL, MBEDTLS_RSA_PUBLIC, md,
                                                 (unsigned)digest.len, bytes(digest), md, (int)digest.len,
                                                 bytes(signature)) == 0;
    }
    mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V15, 0);
    return mbedtls_rsa_rsassa_pkcs1_v15_verify(rsa, NULL, NULL, MBEDTLS_RSA_PUBLIC, md, (unsigned)digest.len,
                                               bytes(digest), bytes(signature)) == 0;
}

static bool verify_ecdsa(struct wp_public_key *key, enum wp_digest d, struct wp_str message,
                         struct wp_str signature)
{
    size_t n = (key->ec.group.pbits + 7) / 8;
    if (signature.len != 2 * n) {
        return false;
    }
    struct wp_str digest = wp_digest_of(d, message);
    mbedtls_mpi r, s;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    bool ok = mbedtls_mpi_read_binary(&r, bytes(signature), n) == 0 &&
              mbedtls_mpi_read_binary(&s, bytes(signature) + n, n) == 0 &&
              mbedtls_ecdsa_verify(&key->ec.group, bytes(digest), digest.len, &key->ec.point, &r, &s) == 0;
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return ok;
}

bool wp_signature_verify(struct wp_public_key *key, enum wp_scheme scheme, enum wp_digest d,
                         struct wp_str message, struct wp_str signature)
{
    switch (scheme) {
    case WP_RSA_PKCS1:
    case WP_RSA_PSS:
        return key->kind == KEY_RSA && verify_rsa(&key->rsa, scheme == WP_RSA_PSS, d, message, signature);
    case WP_ECDSA:
        return key->kind == KEY_EC && verify_ecdsa(key, d, message, signature);
    case WP_ED25519:
        return key->kind == KEY_ED25519 && signature.len == ED25519_SIGNATURE_BYTES &&
               crypto_sign_ed25519_verify_detached(bytes(signature), bytes(message), message.len,
                                                   key->ed25519) == 0;
    }
    return false;
}
