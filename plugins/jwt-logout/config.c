/* config.c - the fields of a configuration; README.md has them. */
#include "logout.h"

enum { MIN_SECRET_BYTES = 16, MAX_CACHE_ENTRIES = 1 << 16 };
#define MAX_CACHE_MS ((int64_t)86400 * 1000)

/* ---- where tokens are looked for -------------------------------------------------------- */

static bool parse_headers(const json_t *object, const char *where, struct wp_arena *arena,
                          struct jwt_logout *c)
{
    const json_t *headers = json_object_get(object, "from_headers");
    if (headers && !json_is_array(headers)) {
        wp_json_complain(where, "from_headers", "must be an array of objects");
        return false;
    }
    for (size_t i = 0; i < json_array_size(headers); i++) {
        const json_t *header = json_array_get(headers, i);
        struct token_place *p = &c->places[c->nplaces++];
        struct wp_str at = wp_format("%s%sfrom_headers[%zu]", where, *where != '\0' ? "." : "", i);
        *p = (struct token_place){TOKEN_IN_HEADER, .name = {"", 0}, .prefix = {"", 0}};
        if (!json_is_object(header)) {
            wp_json_complain(at.at, "", "must be an object with name and value_prefix");
            return false;
        }
        if (!wp_json_str(header, at.at, "name", arena, &p->name) ||
            !wp_json_str(header, at.at, "value_prefix", arena, &p->prefix)) {
            return false;
        }
        if (p->name.len == 0) {
            wp_json_complain(at.at, "name", "is missing or empty");
            return false;
        }
    }
    return true;
}

static void add_places(struct jwt_logout *c, enum token_place_kind kind, struct wp_strs names)
{
    for (size_t i = 0; i < names.n; i++) {
        c->places[c->nplaces++] = (struct token_place){kind, .name = names.at[i], .prefix = {"", 0}};
    }
}

/* Where tokens are looked for; with none of the fields as Higress's jwt-auth looks for them. */
static bool parse_places(const json_t *object, const char *where, struct wp_arena *arena,
                         struct jwt_logout *c)
{
    struct wp_strs params = {0}, cookies = {0};
    if (!wp_json_strs(object, where, "from_params", arena, &params) ||
        !wp_json_strs(object, where, "from_cookies", arena, &cookies)) {
        return false;
    }
    size_t headers = json_array_size(json_object_get(object, "from_headers"));
    c->places = wp_arena_array(arena, headers + params.n + cookies.n + 2, sizeof *c->places);
    if (!parse_headers(object, where, arena, c)) {
        return false;
    }
    add_places(c, TOKEN_IN_PARAM, params);
    add_places(c, TOKEN_IN_COOKIE, cookies);
    if (c->nplaces == 0) {
        c->places[0] = (struct token_place){TOKEN_IN_HEADER, .name = WP_STR("Authorization"),
                                            .prefix = WP_STR("Bearer ")};
        c->places[1] =
            (struct token_place){TOKEN_IN_PARAM, .name = WP_STR("access_token"), .prefix = {"", 0}};
        c->nplaces = 2;
    }
    return true;
}

/* ---- keys --------------------------------------------------------------------------------- */

static bool parse_secret(const json_t *object, const char *where, struct wp_arena *arena, struct signer *out)
{
    struct wp_str secret = WP_STR(""), alg = WP_STR("");
    if (!wp_json_str(object, where, "secret", arena, &secret) ||
        !wp_json_str(object, where, "alg", arena, &alg)) {
        return false;
    }
    if (secret.len == 0) {
        wp_json_complain(where, "secret", "is empty");
        return false;
    }
    const struct jwt_alg *only = alg.len != 0 ? jwt_alg_find(alg) : NULL;
    if (alg.len != 0 && (!only || only->key != JWT_KEY_HMAC)) {
        wp_json_complain(where, "alg", "must be HS256, HS384 or HS512");
        return false;
    }
    jwks_init_secret(&out->keys, secret, only, arena);
    return true;
}

static bool parse_signer(const json_t *object, const char *where, struct wp_arena *arena, struct signer *out)
{
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    const json_t *secret = json_object_get(object, "secret"), *jwks = json_object_get(object, "jwks");
    if (!secret == !jwks) {
        wp_json_complain(where, "", "needs exactly one of secret and jwks");
        return false;
    }
    out->issuer = WP_STR("");
    if (!wp_json_str(object, where, "issuer", arena, &out->issuer)) {
        return false;
    }
    if (secret) {
        return parse_secret(object, where, arena, out);
    }
    if (json_object_get(object, "alg")) {
        wp_json_complain(where, "alg", "belongs beside secret; a key of a set has its own");
        return false;
    }
    return jwks_parse(jwks, wp_format("%s.jwks", where).at, arena, &out->keys);
}

/* Who verifies: this plugin, or one before it.  That must be said, as an endpoint that believes forged tokens
 * lets anybody log out anybody. */
static bool parse_signers(const json_t *object, const char *where, struct wp_arena *arena,
                          struct jwt_logout *c)
{
    const json_t *keys = json_object_get(object, "keys");
    bool before = false;
    if (!wp_json_bool(object, where, "verified_before", &before)) {
        return false;
    }
    if ((keys != NULL) == before) {
        wp_json_complain(where, "", "needs exactly one of keys and verified_before: true");
        return false;
    }
    if (before) {
        return true;
    }
    if (!json_is_array(keys) || json_array_size(keys) == 0) {
        wp_json_complain(where, "keys", "must be an array of keys, not empty");
        return false;
    }
    c->nsigners = json_array_size(keys);
    c->signers = wp_arena_array(arena, c->nsigners, sizeof *c->signers);
    for (size_t i = 0; i < c->nsigners; i++) {
        struct wp_str at = wp_format("%s%skeys[%zu]", where, *where != '\0' ? "." : "", i);
        if (!parse_signer(json_array_get(keys, i), at.at, arena, &c->signers[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the other fields ----------------------------------------------------------------------- */

static bool parse_path(const json_t *object, const char *where, const char *key, struct wp_arena *arena,
                       struct wp_str *out)
{
    if (!wp_json_str(object, where, key, arena, out)) {
        return false;
    }
    if (out->len != 0 && out->at[0] != '/') {
        wp_json_complain(where, key, "must begin with /");
        return false;
    }
    return true;
}

static bool parse_endpoints(const json_t *object, const char *where, struct wp_arena *arena,
                            struct jwt_logout *c)
{
    c->logout_path = c->admin_path = c->admin_secret = WP_STR("");
    if (!parse_path(object, where, "logout_path", arena, &c->logout_path) ||
        !parse_path(object, where, "admin_path", arena, &c->admin_path) ||
        !wp_json_str(object, where, "admin_secret", arena, &c->admin_secret)) {
        return false;
    }
    if ((c->admin_path.len != 0) != (c->admin_secret.len != 0)) {
        wp_json_complain(where, "", "admin_path and admin_secret go together");
        return false;
    }
    if (c->admin_path.len != 0 && c->admin_secret.len < MIN_SECRET_BYTES) {
        wp_json_complain(where, "admin_secret", "must have 16 bytes at least");
        return false;
    }
    if (c->admin_path.len != 0 && wp_str_eq(c->admin_path, c->logout_path)) {
        wp_json_complain(where, "admin_path", "must be another than logout_path");
        return false;
    }
    return true;
}

static bool parse_bounded(const json_t *object, const char *where, const char *key, int64_t max, int64_t *out)
{
    if (!wp_json_int(object, where, key, out)) {
        return false;
    }
    if (*out < 0 || *out > max) {
        wp_json_complain(where, key, wp_format("must be from 0 to %lld", (long long)max).at);
        return false;
    }
    return true;
}

static bool parse_policy(const json_t *object, const char *where, struct wp_arena *arena, enum policy *out)
{
    static const char *const names[] = {"open", "closed", "cache-only"};
    struct wp_str text = WP_STR("closed");
    if (!wp_json_str(object, where, "on_failure", arena, &text)) {
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (wp_str_eq(text, wp_str_of(names[i]))) {
            *out = (enum policy)i;
            return true;
        }
    }
    wp_json_complain(where, "on_failure", "must be open, closed or cache-only");
    return false;
}

static bool parse_bounds(const json_t *object, const char *where, struct wp_arena *arena,
                         struct jwt_logout *c)
{
    int64_t entries = 4096, cache_ms = 0, cache_only_ms = 60000;
    c->clock_skew_s = 60;
    c->max_token_ttl_s = (int64_t)30 * 86400;
    if (!parse_bounded(object, where, "clock_skew_seconds", MAX_TTL_S, &c->clock_skew_s) ||
        !parse_bounded(object, where, "max_token_ttl", MAX_TTL_S, &c->max_token_ttl_s) ||
        !parse_bounded(object, where, "cache_entries", MAX_CACHE_ENTRIES, &entries) ||
        !parse_bounded(object, where, "cache_ms", MAX_CACHE_MS, &cache_ms) ||
        !parse_bounded(object, where, "cache_only_ms", MAX_CACHE_MS, &cache_only_ms)) {
        return false;
    }
    c->cache_ms = (uint64_t)cache_ms;
    c->cache_only_ms = (uint64_t)cache_only_ms;
    verdict_cache_init(&c->cache, arena, (size_t)entries);
    return true;
}

void *jwt_logout_parse(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct jwt_logout *c = wp_arena_array(arena, 1, sizeof *c);
    struct wp_str prefix = WP_STR("jwt-logout");
    c->require_token = true;
    if (!parse_places(object, where, arena, c) || !parse_signers(object, where, arena, c) ||
        !parse_endpoints(object, where, arena, c) || !parse_bounds(object, where, arena, c) ||
        !parse_policy(object, where, arena, &c->policy) ||
        !wp_json_bool(object, where, "require_token", &c->require_token) ||
        !wp_json_str(object, where, "prefix", arena, &prefix)) {
        return NULL;
    }
    if (prefix.len == 0 || wp_str_find(prefix, '{') >= 0 || wp_str_find(prefix, '}') >= 0) {
        wp_json_complain(where, "prefix", "must not be empty, and have no braces");
        return NULL;
    }
    c->prefix = wp_arena_dup(arena, wp_format("{%.*s}", WP_ARG(prefix)));
    return redis_service_parse(object, where, arena, &c->redis) ? c : NULL;
}
