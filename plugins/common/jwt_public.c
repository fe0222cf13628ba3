/* jwt_public.c - public keys of tokens, apart from jwt.c so that plugins without them link none of their
 * arithmetic. */
#include "jwt.h"

static bool verify_public(const struct jwt *jwt, const struct jwt_key *key)
{
    return wp_signature_verify(key->public, jwt->alg->scheme, jwt->alg->digest, jwt->signing_input,
                               jwt->signature);
}

bool jwt_key_init_public(struct jwt_key *key, enum jwt_key_kind kind, struct wp_public_key *public,
                         const struct jwt_alg *alg)
{
    *key = (struct jwt_key){.kind = kind, .alg = alg, .public = public, .verify = verify_public};
    return public != NULL;
}

void jwt_key_fini(struct jwt_key *key)
{
    wp_public_key_free(key->public);
    *key = (struct jwt_key){0};
}
