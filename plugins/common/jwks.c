/* jwks.c - see jwks.h. */
#include "jwks.h"

/* A JWK while it is read. */
struct jwk {
    const json_t *object;
    const char *where; /* "consumers[0].jwks.keys[1]" */
    struct wp_arena *arena;
    const struct jwt_alg *alg; /* NULL: it names none */
};

enum outcome { USABLE, PASSED_OVER, BROKEN };

static enum outcome pass_over(const struct jwk *jwk, const char *why)
{
    wp_warn("configuration: %s: this key is not used: %s", jwk->where, why);
    return PASSED_OVER;
}

static enum outcome broken(const struct jwk *jwk, const char *key, const char *what)
{
    wp_json_complain(jwk->where, key, what);
    return BROKEN;
}

/* A member that is base64url; padding is let pass, as some tools write it. */
static bool read_bytes(const struct jwk *jwk, const char *key, struct wp_str *out)
{
    const json_t *v = json_object_get(jwk->object, key);
    struct wp_str text = {json_string_value(v), json_string_length(v)};
    if (!json_is_string(v)) {
        wp_json_complain(jwk->where, key, "is missing or no string");
        return false;
    }
    while (wp_str_byte(text, text.len - 1) == '=') {
        text.len--;
    }
    if (!wp_base64url_decode(text, out) || out->len == 0) {
        wp_json_complain(jwk->where, key, "must be base64url of at least one byte");
        return false;
    }
    return true;
}

static struct wp_str member(const struct jwk *jwk, const char *key)
{
    const json_t *v = json_object_get(jwk->object, key);
    return json_is_string(v) ? (struct wp_str){json_string_value(v), json_string_length(v)} : WP_STR("");
}

/* ---- kinds ------------------------------------------------------------------------------------------ */

/* What a key costs, measured on the compiled tier; an RSA key's grows with the square of its length. */
enum { COST_HMAC_US = 5, COST_RSA_2048_US = 160, COST_ED25519_US = 120 };

/* `alg` must be one for keys of this kind. */
static bool alg_is_for(const struct jwk *jwk, enum jwt_key_kind kind)
{
    if (jwk->alg && jwk->alg->key != kind) {
        broken(jwk, "alg", "is not an algorithm of this kind of key");
        return false;
    }
    return true;
}

static void free_public(void *key)
{
    wp_public_key_free(key);
}

static enum outcome take_public(const struct jwk *jwk, enum jwt_key_kind kind, struct wp_public_key *public,
                                const char *what, struct jwks_key *out)
{
    if (!jwt_key_init_public(&out->key, kind, public, jwk->alg)) {
        return broken(jwk, "", what);
    }
    wp_arena_on_free(jwk->arena, free_public, public);
    return USABLE;
}

static enum outcome read_oct(const struct jwk *jwk, struct jwks_key *out)
{
    struct wp_str k;
    if (!alg_is_for(jwk, JWT_KEY_HMAC) || !read_bytes(jwk, "k", &k)) {
        return BROKEN;
    }
    jwt_key_init_hmac(&out->key, k, jwk->alg, jwk->arena);
    out->cost_us = COST_HMAC_US;
    return USABLE;
}

static enum outcome read_rsa(const struct jwk *jwk, struct jwks_key *out)
{
    struct wp_str n, e;
    if (!alg_is_for(jwk, JWT_KEY_RSA) || !read_bytes(jwk, "n", &n) || !read_bytes(jwk, "e", &e)) {
        return BROKEN;
    }
    uint32_t scale = (uint32_t)((n.len + 255) / 256);
    out->cost_us = scale < 64 ? COST_RSA_2048_US * scale * scale : UINT32_MAX;
    return take_public(jwk, JWT_KEY_RSA, wp_rsa_key_new(n, e),
                       "is no RSA key of 2048 to 8192 bits with an odd exponent of 3 to 4294967295", out);
}

static const struct {
    struct wp_str crv;
    enum jwt_key_kind kind;
    enum wp_curve curve;
    uint32_t cost_us;
} curves[] = {
    {{"P-256", 5}, JWT_KEY_P256, WP_P256, 1500},
    {{"P-384", 5}, JWT_KEY_P384, WP_P384, 2700},
    {{"P-521", 5}, JWT_KEY_P521, WP_P521, 4500},
};

static enum outcome read_ec(const struct jwk *jwk, struct jwks_key *out)
{
    struct wp_str crv = member(jwk, "crv"), x, y;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        if (!wp_str_eq(curves[i].crv, crv)) {
            continue;
        }
        if (!alg_is_for(jwk, curves[i].kind) || !read_bytes(jwk, "x", &x) || !read_bytes(jwk, "y", &y)) {
            return BROKEN;
        }
        out->cost_us = curves[i].cost_us;
        return take_public(jwk, curves[i].kind, wp_ec_key_new(curves[i].curve, x, y),
                           "x and y are not a point of the curve, each in full length", out);
    }
    return crv.len == 0 ? broken(jwk, "crv", "is missing or no string")
                        : pass_over(jwk, "its curve is not known");
}

static enum outcome read_okp(const struct jwk *jwk, struct jwks_key *out)
{
    struct wp_str crv = member(jwk, "crv"), x;
    if (!wp_str_eq(crv, WP_STR("Ed25519"))) {
        return crv.len == 0 ? broken(jwk, "crv", "is missing or no string")
                            : pass_over(jwk, "its curve is not known");
    }
    if (!alg_is_for(jwk, JWT_KEY_ED25519) || !read_bytes(jwk, "x", &x)) {
        return BROKEN;
    }
    out->cost_us = COST_ED25519_US;
    return take_public(jwk, JWT_KEY_ED25519, wp_ed25519_key_new(x), "x must have 32 bytes", out);
}

static const struct {
    struct wp_str kty;
    enum outcome (*read)(const struct jwk *jwk, struct jwks_key *out);
} kinds[] = {
    {{"oct", 3}, read_oct},
    {{"RSA", 3}, read_rsa},
    {{"EC", 2}, read_ec},
    {{"OKP", 3}, read_okp},
};

/* ---- keys and sets ---------------------------------------------------------------------------------- */

/* May it verify, as `use` and `key_ops` have it? */
static bool is_for_signatures(const struct jwk *jwk)
{
    const json_t *use = json_object_get(jwk->object, "use");
    const json_t *ops = json_object_get(jwk->object, "key_ops");
    if (use && !wp_str_eq(member(jwk, "use"), WP_STR("sig"))) {
        return false;
    }
    bool verifies = !ops;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));
        verifies = verifies || (op && strcmp(op, "verify") == 0);
    }
    return verifies;
}

static enum outcome read_jwk(struct jwk *jwk, struct jwks_key *out)
{
    if (!json_is_object(jwk->object)) {
        return broken(jwk, "", "must be an object");
    }
    if (json_object_get(jwk->object, "kid") &&
        !wp_json_str(jwk->object, jwk->where, "kid", jwk->arena, &out->kid)) {
        return BROKEN;
    }
    out->has_kid = out->kid.len != 0;
    if (!is_for_signatures(jwk)) {
        return pass_over(jwk, "use or key_ops say that it is not for signatures");
    }
    if (json_object_get(jwk->object, "alg")) {
        jwk->alg = jwt_alg_find(member(jwk, "alg"));
        if (!jwk->alg) {
            return pass_over(jwk, "its alg is not known");
        }
    }
    struct wp_str kty = member(jwk, "kty");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (wp_str_eq(kinds[i].kty, kty)) {
            return kinds[i].read(jwk, out);
        }
    }
    return kty.len == 0 ? broken(jwk, "kty", "is missing or no string")
                        : pass_over(jwk, "its kty is not known");
}

static bool read_set(const json_t *set, const char *where, struct wp_arena *arena, struct jwks *out)
{
    const json_t *keys = json_object_get(set, "keys");
    if (!json_is_array(keys)) {
        wp_json_complain(where, "keys", "must be an array of keys");
        return false;
    }
    out->keys = wp_arena_array(arena, json_array_size(keys), sizeof *out->keys);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct wp_str at = wp_format("%s.keys[%zu]", where, i);
        struct jwk jwk = {.object = json_array_get(keys, i), .where = at.at, .arena = arena};
        struct jwks_key key = {0};
        enum outcome outcome = read_jwk(&jwk, &key);
        if (outcome == BROKEN) {
            return false;
        }
        if (outcome == USABLE) {
            out->keys[out->n++] = key;
        }
    }
    if (out->n == 0) {
        wp_json_complain(where, "keys", "holds no key that can be used");
    }
    return out->n != 0;
}

bool jwks_parse(const json_t *value, const char *where, struct wp_arena *arena, struct jwks *out)
{
    *out = (struct jwks){0};
    json_t *parsed = NULL;
    if (json_is_string(value)) {
        parsed = wp_json_parse((struct wp_str){json_string_value(value), json_string_length(value)});
        value = parsed;
    }
    bool ok = json_is_object(value) && read_set(value, where, arena, out);
    if (!json_is_object(value)) {
        wp_json_complain(where, "", "must be a key set, as an object or as a string of JSON");
    }
    if (!ok) {
        *out = (struct jwks){0};
    }
    json_decref(parsed);
    return ok;
}

void jwks_init_secret(struct jwks *out, struct wp_str secret, const struct jwt_alg *alg,
                      struct wp_arena *arena)
{
    struct jwks_key *key = wp_arena_array(arena, 1, sizeof *key);
    jwt_key_init_hmac(&key->key, secret, alg, arena);
    key->cost_us = COST_HMAC_US;
    *out = (struct jwks){key, 1};
}

static bool may_be_tried(const struct jwks_key *key, const struct jwt *jwt)
{
    bool kid = !key->has_kid || jwt->kid.len == 0 || wp_str_eq(key->kid, jwt->kid);
    return kid && (!key->key.alg || key->key.alg == jwt->alg);
}

enum jwt_status jwks_verify(const struct jwks *set, const struct jwt *jwt, uint32_t *budget_us)
{
    enum jwt_status status = JWT_NO_KEY;
    for (size_t i = 0; i < set->n; i++) {
        const struct jwks_key *key = &set->keys[i];
        if (!may_be_tried(key, jwt)) {
            continue;
        }
        status = JWT_NOT_VERIFIED;
        if (!jwt_key_fits(&key->key, jwt)) {
            continue;
        }
        if (*budget_us < key->cost_us) {
            wp_debug("too many keys fit this token; give tokens and keys a kid");
            return status;
        }
        *budget_us -= key->cost_us;
        if (jwt_verify(jwt, &key->key)) {
            return JWT_OK;
        }
    }
    return status;
}
