/* jwt.c - see jwt.h. */
#include "jwt.h"

double wp_strtod(const char *s, char **end); /* of the SDK's JSON library */

static const struct wp_str status_texts[] = {
    [JWT_OK] = {"OK", 2},
#define TEXT(status, text) [status] = {text, sizeof text - 1}
    TEXT(JWT_MISSING, "Jwt is missing"),
    TEXT(JWT_TOO_LARGE, "Jwt is too large"),
    TEXT(JWT_BAD_FORM, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
    TEXT(JWT_HEADER_NOT_BASE64, "Jwt header is an invalid Base64url encoded"),
    TEXT(JWT_HEADER_NOT_JSON, "Jwt header is an invalid JSON"),
    TEXT(JWT_ALG_NOT_STRING, "Jwt header [alg] field is required and must be a string"),
    TEXT(JWT_ALG_UNKNOWN, "Jwt header [alg] is not supported"),
    TEXT(JWT_KID_NOT_STRING, "Jwt header [kid] field is not a string"),
    TEXT(JWT_CRIT, "Jwt header [crit] is not supported"),
    TEXT(JWT_PAYLOAD_NOT_BASE64, "Jwt payload is an invalid Base64url encoded"),
    TEXT(JWT_PAYLOAD_NOT_JSON, "Jwt payload is an invalid JSON"),
    TEXT(JWT_SIGNATURE_NOT_BASE64, "Jwt signature is an invalid Base64url encoded"),
    TEXT(JWT_TIME_NOT_NUMBER, "Jwt payload [exp], [nbf] or [iat] field is not a number"),
    TEXT(JWT_EXPIRED, "Jwt is expired"),
    TEXT(JWT_NOT_YET_VALID, "Jwt not yet valid"),
    TEXT(JWT_NO_KEY, "Jwks doesn't have key to match kid or alg from Jwt"),
    TEXT(JWT_NOT_VERIFIED, "Jwt verification fails"),
};

struct wp_str jwt_status_text(enum jwt_status status)
{
    return status_texts[status];
}

/* Ed25519 hashes for itself. */
static const struct jwt_alg algs[] = {
    {{"HS256", 5}, JWT_KEY_HMAC, 0, WP_SHA256},
    {{"HS384", 5}, JWT_KEY_HMAC, 0, WP_SHA384},
    {{"HS512", 5}, JWT_KEY_HMAC, 0, WP_SHA512},
    {{"RS256", 5}, JWT_KEY_RSA, WP_RSA_PKCS1, WP_SHA256},
    {{"RS384", 5}, JWT_KEY_RSA, WP_RSA_PKCS1, WP_SHA384},
    {{"RS512", 5}, JWT_KEY_RSA, WP_RSA_PKCS1, WP_SHA512},
    {{"PS256", 5}, JWT_KEY_RSA, WP_RSA_PSS, WP_SHA256},
    {{"PS384", 5}, JWT_KEY_RSA, WP_RSA_PSS, WP_SHA384},
    {{"PS512", 5}, JWT_KEY_RSA, WP_RSA_PSS, WP_SHA512},
    {{"ES256", 5}, JWT_KEY_P256, WP_ECDSA, WP_SHA256},
    {{"ES384", 5}, JWT_KEY_P384, WP_ECDSA, WP_SHA384},
    {{"ES512", 5}, JWT_KEY_P521, WP_ECDSA, WP_SHA512},
    {{"EdDSA", 5}, JWT_KEY_ED25519, WP_ED25519, WP_SHA512},
};

const struct jwt_alg *jwt_alg_find(struct wp_str name)
{
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
        if (wp_str_eq(algs[i].name, name)) {
            return &algs[i];
        }
    }
    return NULL;
}

/* ---- parsing ------------------------------------------------------------------------------------ */

static enum jwt_status read_header(struct wp_str text, struct jwt *out)
{
    struct wp_str json, alg;
    if (!wp_base64url_decode(text, &json)) {
        return JWT_HEADER_NOT_BASE64;
    }
    if (!claims_parse(json, &out->header)) {
        return JWT_HEADER_NOT_JSON;
    }
    if (!claims_str(&out->header, WP_STR("alg"), &alg)) {
        return JWT_ALG_NOT_STRING;
    }
    out->alg = jwt_alg_find(alg);
    if (!out->alg) {
        return JWT_ALG_UNKNOWN;
    }
    out->has_kid = claims_str(&out->header, WP_STR("kid"), &out->kid);
    if (!out->has_kid && claims_find(&out->header, WP_STR("kid"))) {
        return JWT_KID_NOT_STRING;
    }
    return claims_find(&out->header, WP_STR("crit")) ? JWT_CRIT : JWT_OK;
}

enum jwt_status jwt_parse(struct wp_str token, struct jwt *out)
{
    if (token.len == 0) {
        return JWT_MISSING;
    }
    if (token.len > JWT_MAX_BYTES) {
        return JWT_TOO_LARGE;
    }
    ptrdiff_t dot = wp_str_find(token, '.');
    if (dot < 0) {
        return JWT_BAD_FORM;
    }
    struct wp_str header = wp_str_slice(token, 0, (size_t)dot);
    struct wp_str rest = wp_str_slice(token, (size_t)dot + 1, token.len);
    ptrdiff_t second = wp_str_find(rest, '.');
    if (second < 0 || wp_str_find(wp_str_slice(rest, (size_t)second + 1, rest.len), '.') >= 0) {
        return JWT_BAD_FORM;
    }
    enum jwt_status status = read_header(header, out);
    if (status != JWT_OK) {
        return status;
    }
    struct wp_str json;
    if (!wp_base64url_decode(wp_str_slice(rest, 0, (size_t)second), &json)) {
        return JWT_PAYLOAD_NOT_BASE64;
    }
    if (!claims_parse(json, &out->claims)) {
        return JWT_PAYLOAD_NOT_JSON;
    }
    if (!wp_base64url_decode(wp_str_slice(rest, (size_t)second + 1, rest.len), &out->signature)) {
        return JWT_SIGNATURE_NOT_BASE64;
    }
    out->signing_input = wp_str_slice(token, 0, (size_t)dot + 1 + (size_t)second);
    return JWT_OK;
}

/* ---- keys --------------------------------------------------------------------------------------- */

static const enum wp_digest hmac_digests[] = {WP_SHA256, WP_SHA384, WP_SHA512};
enum { HMAC_DIGESTS = sizeof hmac_digests / sizeof *hmac_digests };

static bool verify_hmac(const struct jwt *jwt, const struct jwt_key *key)
{
    const struct wp_hmac_key *hmac = &key->hmac[jwt->alg->digest - WP_SHA256];
    return wp_hmac_verify(hmac, &jwt->signing_input, 1, jwt->signature);
}

void jwt_key_init_hmac(struct jwt_key *key, struct wp_str secret, const struct jwt_alg *alg,
                       struct wp_arena *arena)
{
    *key = (struct jwt_key){.kind = JWT_KEY_HMAC, .alg = alg, .verify = verify_hmac};
    key->hmac = wp_arena_array(arena, HMAC_DIGESTS, sizeof *key->hmac);
    for (size_t i = 0; i < HMAC_DIGESTS; i++) {
        wp_hmac_key_init(&key->hmac[i], hmac_digests[i], secret);
    }
}

bool jwt_key_fits(const struct jwt_key *key, const struct jwt *jwt)
{
    return key->kind == jwt->alg->key && (!key->alg || key->alg == jwt->alg);
}

bool jwt_verify(const struct jwt *jwt, const struct jwt_key *key)
{
    return jwt_key_fits(key, jwt) && key->verify(jwt, key);
}

struct wp_str jwt_sign_hs256(struct wp_str header, struct wp_str payload, const struct wp_hmac_key *key)
{
    struct wp_str h = wp_base64url_encode(header), p = wp_base64url_encode(payload);
    struct wp_str signing_input = wp_format("%.*s.%.*s", WP_ARG(h), WP_ARG(p));
    struct wp_str signature = wp_base64url_encode(wp_hmac(key, &signing_input, 1));
    return wp_format("%.*s.%.*s", WP_ARG(signing_input), WP_ARG(signature));
}

/* ---- time --------------------------------------------------------------------------------------- */

/* Whole seconds of a number; false if it is none or fits no 64 bits. */
static bool seconds_of(const struct claim *c, int64_t *out)
{
    if (c->kind == CLAIM_INTEGER) {
        *out = c->integer;
        return true;
    }
    if (c->kind != CLAIM_REAL) {
        return false;
    }
    double v = wp_strtod(wp_arena_dup(wp_callback_arena(), c->text).at, NULL);
    if (!(v > -9e18 && v < 9e18)) {
        return false;
    }
    *out = (int64_t)v;
    return true;
}

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* JWT_OK and *found false if there is no such claim. */
static enum jwt_status read_time(const struct claims *claims, struct wp_str name, bool *found, int64_t *out)
{
    const struct claim *c = claims_find(claims, name);
    *found = c != NULL;
    return !c || seconds_of(c, out) ? JWT_OK : JWT_TIME_NOT_NUMBER;
}

static enum jwt_status check_not_before(const struct claims *claims, struct wp_str name, int64_t latest_s)
{
    bool found;
    int64_t from = 0;
    enum jwt_status status = read_time(claims, name, &found, &from);
    if (status != JWT_OK) {
        return status;
    }
    return found && from > latest_s ? JWT_NOT_YET_VALID : JWT_OK;
}

enum jwt_status jwt_check_time(const struct claims *claims, int64_t now_s, int64_t skew_s, bool iat)
{
    bool found;
    int64_t exp = 0, latest_s = add(now_s, skew_s);
    enum jwt_status status = check_not_before(claims, WP_STR("nbf"), latest_s);
    if (status == JWT_OK && iat) {
        status = check_not_before(claims, WP_STR("iat"), latest_s);
    }
    if (status != JWT_OK) {
        return status;
    }
    status = read_time(claims, WP_STR("exp"), &found, &exp);
    if (status != JWT_OK) {
        return status;
    }
    return found && now_s > add(exp, skew_s) ? JWT_EXPIRED : JWT_OK;
}

bool jwt_time_get(const struct claims *claims, struct wp_str name, int64_t *out)
{
    const struct claim *c = claims_find(claims, name);
    return c && seconds_of(c, out);
}
