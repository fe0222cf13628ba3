/* tokens.c - the tokens of a request, and the records that stand for them in Redis. */
#include "logout.h"

enum { MIN_TTL_S = 60 };

/* Half of the time a callback has by default, so that no token can make one late. */
enum { VERIFY_BUDGET_US = 50000 };

int64_t jwt_logout_now_s(void)
{
    return (int64_t)(wp_now_ns() / 1000000000u);
}

/* ---- records ---------------------------------------------------------------------------------- */

struct wp_str record_hash(const char *kind, struct wp_str a, struct wp_str b)
{
    struct wp_digest_state state;
    wp_digest_begin(&state, WP_SHA256);
    wp_digest_add(&state, wp_format("%s:%zu:", kind, a.len));
    wp_digest_add(&state, a);
    wp_digest_add(&state, b);
    return wp_digest_end(&state);
}

struct wp_str record_of_token(const struct jwt_logout *c, struct wp_str id)
{
    return wp_format("%.*s:t:%.*s", WP_ARG(c->prefix), WP_ARG(wp_base64url_encode(id)));
}

struct wp_str record_of_subject(const struct jwt_logout *c, struct wp_str issuer, struct wp_str subject)
{
    struct wp_str id = wp_base64url_encode(record_hash("sub", issuer, subject));
    return wp_format("%.*s:s:%.*s", WP_ARG(c->prefix), WP_ARG(id));
}

struct wp_str record_of_everybody(const struct jwt_logout *c)
{
    return wp_format("%.*s:all", WP_ARG(c->prefix));
}

int64_t record_ttl_s(int64_t end_s, int64_t skew_s)
{
    int64_t ttl;
    if (__builtin_add_overflow(end_s, skew_s - jwt_logout_now_s(), &ttl)) {
        return MAX_TTL_S;
    }
    return ttl < MIN_TTL_S ? MIN_TTL_S : ttl;
}

/* ---- tokens ------------------------------------------------------------------------------------ */

/* The text of a claim of any type, as it was written if it is no string. */
static struct wp_str claim_text(const struct claims *claims, struct wp_str name)
{
    const struct claim *c = claims_find(claims, name);
    return c ? c->text : WP_STR("");
}

/* With keys of our own: is it signed by one of them, and in time? */
static enum jwt_status verify(const struct jwt_logout *c, const struct jwt *jwt, uint32_t *budget_us)
{
    struct wp_str issuer = claim_text(&jwt->claims, WP_STR("iss"));
    enum jwt_status status = JWT_NO_KEY;
    for (size_t i = 0; i < c->nsigners; i++) {
        const struct signer *signer = &c->signers[i];
        if (signer->issuer.len != 0 && !wp_str_eq(signer->issuer, issuer)) {
            continue;
        }
        enum jwt_status by_these = jwks_verify(&signer->keys, jwt, budget_us);
        if (by_these == JWT_OK) {
            return jwt_check_time(&jwt->claims, jwt_logout_now_s(), c->clock_skew_s, true);
        }
        status = by_these == JWT_NOT_VERIFIED ? JWT_NOT_VERIFIED : status;
    }
    return status;
}

static void read_check(const struct jwt *jwt, struct check *out)
{
    struct wp_str jti = claim_text(&jwt->claims, WP_STR("jti"));
    struct wp_str id = jti.len != 0 ? record_hash("jti", claim_text(&jwt->claims, WP_STR("iss")), jti)
                                    : record_hash("raw", jwt->signing_input, WP_STR(""));
    *out = (struct check){.fresh = false};
    memcpy(out->id, id.at, VERDICT_ID_BYTES);
    out->has_iat = jwt_time_get(&jwt->claims, WP_STR("iat"), &out->iat_s);
    out->has_exp = jwt_time_get(&jwt->claims, WP_STR("exp"), &out->exp_s);
    out->has_subject = claims_find(&jwt->claims, WP_STR("sub")) != NULL;
}

enum jwt_status tokens_read(const struct jwt_logout *c, struct check checks[MAX_TOKENS], size_t *n,
                            struct wp_str subjects[MAX_TOKENS])
{
    uint32_t budget_us = VERIFY_BUDGET_US;
    *n = 0;
    for (size_t i = 0; i < c->nplaces; i++) {
        struct wp_str token;
        struct jwt jwt;
        if (!token_place_find(&c->places[i], &token) || token.len == 0) {
            continue;
        }
        if (*n == MAX_TOKENS) {
            return JWT_TOO_LARGE;
        }
        enum jwt_status status = jwt_parse(token, &jwt);
        if (status == JWT_OK && c->nsigners != 0) {
            status = verify(c, &jwt, &budget_us);
        }
        if (status != JWT_OK) {
            return status;
        }
        struct check *check = &checks[*n];
        read_check(&jwt, check);
        subjects[(*n)++] = check->has_subject ? record_of_subject(c, claim_text(&jwt.claims, WP_STR("iss")),
                                                                  claim_text(&jwt.claims, WP_STR("sub")))
                                              : WP_STR("");
    }
    return JWT_OK;
}
