/* jwt.h - signed tokens: compact JWS (RFC 7515) whose payload is a JSON object (RFC 7519).
 *
 * Parsing is strict and bounded: three parts of canonical base64url, JSON objects without a member twice, an
 * algorithm that is known, no `crit`.  Nothing of a parsed token is to be believed before jwt_verify. */
#ifndef PLUGINS_JWT_H
#define PLUGINS_JWT_H

#include "claims.h"
#include "weir_crypto.h"

enum { JWT_MAX_BYTES = 32 * 1024 };

enum jwt_status {
    JWT_OK,
    JWT_MISSING,
    JWT_TOO_LARGE,
    JWT_BAD_FORM,
    JWT_HEADER_NOT_BASE64,
    JWT_HEADER_NOT_JSON,
    JWT_ALG_NOT_STRING,
    JWT_ALG_UNKNOWN, /* "none", too */
    JWT_KID_NOT_STRING,
    JWT_CRIT,
    JWT_PAYLOAD_NOT_BASE64,
    JWT_PAYLOAD_NOT_JSON,
    JWT_SIGNATURE_NOT_BASE64,
    JWT_TIME_NOT_NUMBER, /* exp, nbf or iat */
    JWT_EXPIRED,
    JWT_NOT_YET_VALID,
    JWT_NO_KEY, /* that fits kid and alg */
    JWT_NOT_VERIFIED,
};
/* What clients are told, as Envoy's and Higress's filters say it: "Jwt is expired". */
struct wp_str jwt_status_text(enum jwt_status status);

/* Which key an algorithm takes.  A key verifies only the algorithms of its kind, so that a public key can
 * never serve as an HMAC secret. */
enum jwt_key_kind { JWT_KEY_HMAC, JWT_KEY_RSA, JWT_KEY_P256, JWT_KEY_P384, JWT_KEY_P521, JWT_KEY_ED25519 };

struct jwt_alg {
    struct wp_str name; /* "HS256" */
    enum jwt_key_kind key;
    enum wp_scheme scheme; /* not of HMAC */
    enum wp_digest digest;
};
const struct jwt_alg *jwt_alg_find(struct wp_str name); /* NULL: not known */

struct jwt {
    struct wp_str signing_input; /* the token up to its last dot */
    struct wp_str signature;     /* decoded */
    const struct jwt_alg *alg;
    struct wp_str kid; /* empty if there is none */
    bool has_kid;
    struct claims header, claims;
};

/* Valid until the callback returns.  On failure *out is not to be read. */
enum jwt_status jwt_parse(struct wp_str token, struct jwt *out);

/* ---- keys ---- */

struct jwt_key {
    enum jwt_key_kind kind;
    const struct jwt_alg *alg;    /* the only one it is for; NULL: any of its kind */
    struct wp_hmac_key *hmac;     /* JWT_KEY_HMAC: by digest, of SHA-256, 384, 512; in an arena */
    struct wp_public_key *public; /* else; owned by the key */
    bool (*verify)(const struct jwt *jwt, const struct jwt_key *key); /* so that HMAC alone links no RSA */
};

/* From a secret's bytes; `arena` holds what is made of it.  With `alg` it is for this one only. */
void jwt_key_init_hmac(struct jwt_key *key, struct wp_str secret, const struct jwt_alg *alg,
                       struct wp_arena *arena);
/* Take a public key; NULL is refused with false. */
bool jwt_key_init_public(struct jwt_key *key, enum jwt_key_kind kind, struct wp_public_key *public,
                         const struct jwt_alg *alg);
void jwt_key_fini(struct jwt_key *key); /* of a public one; an HMAC key is its arena's */

/* May this key be tried on this token? */
bool jwt_key_fits(const struct jwt_key *key, const struct jwt *jwt);
/* Does the signature hold?  False also for a key that does not fit. */
bool jwt_verify(const struct jwt *jwt, const struct jwt_key *key);

/* HS256 with a secret's key: the whole token of a header and a payload, both JSON; in the callback's arena.
 */
struct wp_str jwt_sign_hs256(struct wp_str header, struct wp_str payload, const struct wp_hmac_key *key);

/* ---- time ---- */

/* exp, nbf and (with `iat`) iat against a clock that may be wrong by `skew_s` in either direction; all in
 * seconds, and sums that do not fit 64 bits are as good as infinite.  Fractions are cut off.  A token without
 * exp never expires. */
enum jwt_status jwt_check_time(const struct claims *claims, int64_t now_s, int64_t skew_s, bool iat);

/* Whole seconds of such a claim.  False: there is none, or it is no number; *out is untouched. */
bool jwt_time_get(const struct claims *claims, struct wp_str name, int64_t *out);

#endif
