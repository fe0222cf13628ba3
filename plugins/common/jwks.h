/* jwks.h - key sets (RFC 7517): the keys that may have signed a token.
 *
 * Keys: oct, RSA, EC on P-256, P-384 and P-521, OKP Ed25519.  A key of another kind, of another algorithm, or
 * for something else than signatures is passed over with a warning, as a set from an identity provider also
 * holds those; a key of a known kind that is broken refuses the set, and so does a set without a usable key.
 *
 * A set is immutable and lies in the arena it is read into; what its public keys hold outside goes when the
 * arena is freed. */
#ifndef PLUGINS_JWKS_H
#define PLUGINS_JWKS_H

#include "jwt.h"
#include "weir_json.h"

struct jwks_key {
    bool has_kid;
    struct wp_str kid;
    struct jwt_key key;
    uint32_t cost_us; /* about what one verification takes, compiled */
};

struct jwks {
    struct jwks_key *keys;
    size_t n;
};

/* `value` is the set, or a string that holds its text.  False, having logged why: *out is empty. */
bool jwks_parse(const json_t *value, const char *where, struct wp_arena *arena, struct jwks *out);

/* A set of one HMAC key without a kid; with `alg` it is for this one only. */
void jwks_init_secret(struct jwks *out, struct wp_str secret, const struct jwt_alg *alg,
                      struct wp_arena *arena);

/* Which key verifies the token: one whose kid is the token's, if both have one, and whose algorithm is the
 * token's, if it names one.  JWT_NO_KEY: none may be tried.  JWT_NOT_VERIFIED: none of those fits.
 *
 * Each key tried is paid for from *budget_us, and once it is used up no other is: a token without a kid must
 * not make a gateway try a thousand keys. */
enum jwt_status jwks_verify(const struct jwks *set, const struct jwt *jwt, uint32_t *budget_us);

#endif
