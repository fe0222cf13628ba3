/* jwt-logout - logs out tokens that would count until they expire: what is revoked stands in Redis.
 *
 * README.md has the fields and docs/adr/0043 the reasons.  Three kinds of records, under a common prefix:
 *
 *     {PREFIX}:t:ID       this token is logged out; ends with the token
 *     {PREFIX}:s:SUBJECT  tokens of a subject issued before the time it holds are
 *     {PREFIX}:all        tokens of everybody issued before the time it holds are
 *
 * ID is a hash of issuer and jti, or of the signed part of a token without jti; SUBJECT one of issuer and
 * subject.  The braces keep all records on one node of a cluster, so that one MGET answers for a request.
 *
 * Invariants.  Nothing is recorded for a token whose signature has not been checked: by this plugin with its
 * `keys`, or by one that ran before (`verified_before`).  All tokens a request carries where tokens are
 * looked for are checked, whichever of them counts for others.  A token that cannot be read is refused, as
 * nothing can be known of it.  Only Redis's OK makes a logout succeed. */
#include "jwt.h"
#include "redis_service.h"
#include "rule_config.h"
#include "verdict_cache.h"

enum place_kind { IN_HEADER, IN_PARAM, IN_COOKIE };

struct place {
    enum place_kind kind;
    struct wp_str name, prefix; /* the token is what follows the prefix's first occurrence */
};

struct signer {
    struct jwt_key key;
    struct wp_str issuer; /* the only one whose tokens it signs; empty: any */
};

enum policy { POLICY_OPEN, POLICY_CLOSED, POLICY_CACHE_ONLY };

struct jwt_logout {
    struct redis_service redis;
    struct place *places;
    size_t nplaces;
    struct signer *signers;
    size_t nsigners;                                     /* 0: a plugin before this one verifies */
    struct wp_str logout_path, admin_path, admin_secret; /* empty: there is none */
    struct wp_str prefix;
    bool require_token;
    int64_t clock_skew_s, max_token_ttl_s;
    enum policy policy;
    uint64_t cache_ms, cache_only_ms;
    struct verdict_cache cache;
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct rule_config config;
    uint32_t generation; /* of config */
};

enum { MAX_TOKENS = 4 };

/* What must be known of a token once the callback that read it is over. */
struct check {
    unsigned char id[VERDICT_ID_BYTES];
    bool has_iat, has_exp, has_subject, fresh;
    int64_t iat_s, exp_s;
};

struct stream {
    struct wp_stream wp;
    struct jwt_logout *config; /* while generation is the root's */
    uint32_t generation;
    struct check checks[MAX_TOKENS];
    size_t nchecks;
    uint64_t asked_ms;
    size_t unanswered; /* records under way */
    bool unrecorded;   /* one of them failed */
};

WP_PLUGIN(struct root, struct stream)

enum { MIN_SECRET_BYTES = 16, MAX_CACHE_ENTRIES = 1 << 16, MIN_TTL_S = 60 };
#define MAX_TTL_S ((int64_t)10 * 366 * 86400)
#define MAX_CACHE_MS ((int64_t)86400 * 1000)
#define DETAILS(what) WP_STR("jwt_logout." what)

/* Cutoffs only grow.  ARGV[2] is the time to live, 0: none. */
#define CUTOFF_SCRIPT                                                                                        \
    WP_STR("local old=tonumber(redis.call('GET',KEYS[1]) or '0') or 0 "                                      \
           "if old>=tonumber(ARGV[1]) then return 0 end "                                                    \
           "if ARGV[2]=='0' then redis.call('SET',KEYS[1],ARGV[1]) "                                         \
           "else redis.call('SET',KEYS[1],ARGV[1],'EX',ARGV[2]) end return 1")

static uint64_t now_ms(void)
{
    return wp_now_ns() / 1000000u;
}

static int64_t now_s(void)
{
    return (int64_t)(wp_now_ns() / 1000000000u);
}

/* ---- configuration ---------------------------------------------------------------------- */

static bool parse_header_place(const json_t *v, const char *where, struct wp_arena *arena, struct place *out)
{
    if (!json_is_object(v)) {
        wp_json_complain(where, "", "must be an object with name and value_prefix");
        return false;
    }
    return wp_json_str(v, where, "name", arena, &out->name) &&
           wp_json_str(v, where, "value_prefix", arena, &out->prefix);
}

static bool parse_headers(const json_t *object, const char *where, struct wp_arena *arena,
                          struct jwt_logout *c)
{
    const json_t *headers = json_object_get(object, "from_headers");
    if (headers && !json_is_array(headers)) {
        wp_json_complain(where, "from_headers", "must be an array of objects");
        return false;
    }
    for (size_t i = 0; i < json_array_size(headers); i++) {
        struct place *p = &c->places[c->nplaces++];
        struct wp_str at = wp_format("%s%sfrom_headers[%zu]", where, *where != '\0' ? "." : "", i);
        *p = (struct place){IN_HEADER, {"", 0}, {"", 0}};
        if (!parse_header_place(json_array_get(headers, i), at.at, arena, p)) {
            return false;
        }
        if (p->name.len == 0) {
            wp_json_complain(at.at, "name", "is missing or empty");
            return false;
        }
    }
    return true;
}

static void add_places(struct jwt_logout *c, enum place_kind kind, struct wp_strs names)
{
    for (size_t i = 0; i < names.n; i++) {
        c->places[c->nplaces++] = (struct place){kind, names.at[i], {"", 0}};
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
    add_places(c, IN_PARAM, params);
    add_places(c, IN_COOKIE, cookies);
    if (c->nplaces == 0) {
        c->places[0] = (struct place){IN_HEADER, WP_STR("Authorization"), WP_STR("Bearer ")};
        c->places[1] = (struct place){IN_PARAM, WP_STR("access_token"), {"", 0}};
        c->nplaces = 2;
    }
    return true;
}

static bool parse_signer(const json_t *object, const char *where, struct wp_arena *arena, struct signer *out)
{
    struct wp_str secret = WP_STR(""), alg = WP_STR("");
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    out->issuer = WP_STR("");
    if (!wp_json_str(object, where, "secret", arena, &secret) ||
        !wp_json_str(object, where, "issuer", arena, &out->issuer) ||
        !wp_json_str(object, where, "alg", arena, &alg)) {
        return false;
    }
    if (secret.len == 0) {
        wp_json_complain(where, "secret", "is missing or empty");
        return false;
    }
    const struct jwt_alg *only = alg.len != 0 ? jwt_alg_find(alg) : NULL;
    if (alg.len != 0 && (!only || only->key != JWT_KEY_HMAC)) {
        wp_json_complain(where, "alg", "must be HS256, HS384 or HS512");
        return false;
    }
    jwt_key_init_hmac(&out->key, secret, only, arena);
    return true;
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

static void *parse_jwt_logout(const json_t *object, const char *where, struct wp_arena *arena, void *data)
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

static bool configure(struct root *root, struct wp_str text)
{
    const struct rule_shell shell = {.parse = parse_jwt_logout, .global = RULE_GLOBAL_MUST_HOLD};
    if (!rule_config_replace(text, &shell, &root->arena, &root->config)) {
        return false;
    }
    root->generation++;
    return true;
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* The configuration the stream began with, or NULL: it has been replaced since. */
static struct jwt_logout *config_of(const struct stream *s)
{
    return s->generation == wp_root_of(s)->generation ? s->config : NULL;
}

/* ---- answers -------------------------------------------------------------------------------- */

static enum wp_action answer(uint32_t status, struct wp_str details, struct wp_str body)
{
    struct wp_header headers[] = {{WP_STR("Cache-Control"), WP_STR("no-store")},
                                  {WP_STR("Allow"), WP_STR("POST")}};
    wp_respond(&(struct wp_response){.status = status,
                                     .details = details,
                                     .body = body,
                                     .headers = headers,
                                     .nheaders = status == 405 ? 2 : 1});
    return WP_PAUSE;
}

/* `why` is a text of ours, without quotes. */
static enum wp_action deny(struct wp_str details, struct wp_str why)
{
    struct wp_header header = {
        WP_STR("WWW-Authenticate"),
        wp_format("Bearer error=\"invalid_token\", error_description=\"%.*s\"", WP_ARG(why))};
    wp_debug("refused: %.*s", WP_ARG(why));
    wp_respond(&(struct wp_response){
        .status = 401, .details = details, .body = why, .headers = &header, .nheaders = 1});
    return WP_PAUSE;
}

static enum wp_action deny_revoked(void)
{
    return deny(DETAILS("revoked"), WP_STR("Jwt is revoked"));
}

static enum wp_action unavailable(void)
{
    return answer(503, DETAILS("unavailable"), WP_STR("Revoked tokens cannot be looked up"));
}

/* ---- records ---------------------------------------------------------------------------------- */

/* A hash of two texts; `kind` keeps different uses apart, and lengths keep the texts apart. */
static struct wp_str hash_of(const char *kind, struct wp_str a, struct wp_str b)
{
    struct wp_digest_state state;
    wp_digest_begin(&state, WP_SHA256);
    wp_digest_add(&state, wp_format("%s:%zu:", kind, a.len));
    wp_digest_add(&state, a);
    wp_digest_add(&state, b);
    return wp_digest_end(&state);
}

static struct wp_str token_key(const struct jwt_logout *c, struct wp_str id)
{
    return wp_format("%.*s:t:%.*s", WP_ARG(c->prefix), WP_ARG(wp_base64url_encode(id)));
}

static struct wp_str subject_key(const struct jwt_logout *c, struct wp_str issuer, struct wp_str subject)
{
    struct wp_str id = wp_base64url_encode(hash_of("sub", issuer, subject));
    return wp_format("%.*s:s:%.*s", WP_ARG(c->prefix), WP_ARG(id));
}

static struct wp_str everybody_key(const struct jwt_logout *c)
{
    return wp_format("%.*s:all", WP_ARG(c->prefix));
}

/* How long a record must stay that ends at `end_s`: never 0. */
static int64_t ttl_until(int64_t end_s, int64_t skew_s)
{
    int64_t ttl;
    if (__builtin_add_overflow(end_s, skew_s - now_s(), &ttl)) {
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

static bool find_after(struct wp_str text, struct wp_str prefix, struct wp_str *rest)
{
    for (size_t i = 0; i + prefix.len <= text.len; i++) {
        if (wp_bytes_eq(text.at + i, prefix.at, prefix.len)) {
            *rest = wp_str_slice(text, i + prefix.len, text.len);
            return true;
        }
    }
    return false;
}

static bool find_cookie(struct wp_str name, struct wp_str *value)
{
    struct wp_pairs all = wp_headers(WP_REQUEST_HEADERS);
    for (struct wp_header h; wp_pairs_next(&all, &h);) {
        struct wp_str rest = h.value, piece;
        while (wp_str_eq_nocase(h.name, WP_STR("cookie")) && wp_str_split(&rest, ';', &piece)) {
            ptrdiff_t equals = wp_str_find(piece, '=');
            if (equals >= 0 && wp_str_eq(wp_str_trim(wp_str_slice(piece, 0, (size_t)equals)), name)) {
                *value = wp_str_trim(wp_str_slice(piece, (size_t)equals + 1, piece.len));
                return true;
            }
        }
    }
    return false;
}

static bool place_find(const struct place *p, struct wp_str *out)
{
    switch (p->kind) {
    case IN_HEADER: {
        struct wp_str value = wp_request_header(p->name);
        return value.len != 0 && find_after(value, p->prefix, out);
    }
    case IN_PARAM:
        return wp_query_get(wp_query_of(wp_request_header(WP_STR(":path"))), p->name, out);
    case IN_COOKIE:
        return find_cookie(p->name, out);
    }
    return false;
}

/* With keys of our own: is it signed by one of them, and in time? */
static enum jwt_status verify(const struct jwt_logout *c, const struct jwt *jwt)
{
    struct wp_str issuer = claim_text(&jwt->claims, WP_STR("iss"));
    enum jwt_status status = JWT_NO_KEY;
    for (size_t i = 0; i < c->nsigners; i++) {
        const struct signer *signer = &c->signers[i];
        if ((signer->issuer.len != 0 && !wp_str_eq(signer->issuer, issuer)) ||
            !jwt_key_fits(&signer->key, jwt)) {
            continue;
        }
        if (jwt_verify(jwt, &signer->key)) {
            return jwt_check_time(&jwt->claims, now_s(), c->clock_skew_s, true);
        }
        status = JWT_NOT_VERIFIED;
    }
    return status;
}

static void read_check(const struct jwt *jwt, struct check *out)
{
    struct wp_str jti = claim_text(&jwt->claims, WP_STR("jti"));
    struct wp_str id = jti.len != 0 ? hash_of("jti", claim_text(&jwt->claims, WP_STR("iss")), jti)
                                    : hash_of("raw", jwt->signing_input, WP_STR(""));
    *out = (struct check){.fresh = false};
    memcpy(out->id, id.at, VERDICT_ID_BYTES);
    out->has_iat = jwt_time_get(&jwt->claims, WP_STR("iat"), &out->iat_s);
    out->has_exp = jwt_time_get(&jwt->claims, WP_STR("exp"), &out->exp_s);
    out->has_subject = claims_find(&jwt->claims, WP_STR("sub")) != NULL;
}

/* The tokens of the request, and their subjects' keys; anything but JWT_OK refuses it. */
static enum jwt_status read_tokens(struct stream *s, const struct jwt_logout *c,
                                   struct wp_str subjects[MAX_TOKENS])
{
    s->nchecks = 0;
    for (size_t i = 0; i < c->nplaces; i++) {
        struct wp_str token;
        struct jwt jwt;
        if (!place_find(&c->places[i], &token) || token.len == 0) {
            continue;
        }
        if (s->nchecks == MAX_TOKENS) {
            return JWT_TOO_LARGE;
        }
        enum jwt_status status = jwt_parse(token, &jwt);
        if (status == JWT_OK && c->nsigners != 0) {
            status = verify(c, &jwt);
        }
        if (status != JWT_OK) {
            return status;
        }
        struct check *check = &s->checks[s->nchecks];
        read_check(&jwt, check);
        subjects[s->nchecks++] = check->has_subject ? subject_key(c, claim_text(&jwt.claims, WP_STR("iss")),
                                                                  claim_text(&jwt.claims, WP_STR("sub")))
                                                    : WP_STR("");
    }
    return JWT_OK;
}

/* ---- checking ------------------------------------------------------------------------------------ */

/* A revoked token is known until nobody takes it any more. */
static void remember_revoked(struct jwt_logout *c, const struct check *check)
{
    uint64_t until = UINT64_MAX;
    if (check->has_exp) {
        int64_t ttl = ttl_until(check->exp_s, c->clock_skew_s);
        until = now_ms() + (uint64_t)(ttl < MAX_TTL_S ? ttl : MAX_TTL_S) * 1000u;
    }
    verdict_cache_put_revoked(&c->cache, check->id, until, now_ms());
}

static bool any_revoked(const struct stream *s, const struct jwt_logout *c)
{
    for (size_t i = 0; i < s->nchecks; i++) {
        if (verdict_cache_is_revoked(&c->cache, s->checks[i].id, now_ms())) {
            return true;
        }
    }
    return false;
}

static bool all_clean(const struct stream *s, const struct jwt_logout *c, uint64_t age_ms)
{
    for (size_t i = 0; i < s->nchecks; i++) {
        if (!verdict_cache_is_clean(&c->cache, s->checks[i].id, now_ms(), age_ms)) {
            return false;
        }
    }
    return true;
}

/* Without an answer of Redis: what the cache knows, and the policy.  A configuration that came meanwhile may
 * have another one; then the request does not pass. */
static enum wp_action decide_alone(const struct stream *s, struct jwt_logout *c,
                                   const struct wp_redis_reply *reply)
{
    if (!c) {
        return unavailable();
    }
    redis_service_complain(&c->redis, WP_STR("tokens are not looked up"), reply);
    if (any_revoked(s, c)) {
        return deny_revoked();
    }
    bool passes =
        c->policy == POLICY_OPEN || (c->policy == POLICY_CACHE_ONLY && all_clean(s, c, c->cache_only_ms));
    return passes ? WP_CONTINUE : unavailable();
}

/* A cutoff; 0 if there is none.  False: it is no number. */
static bool read_cutoff(const struct wp_redis_reply *reply, int64_t *out)
{
    *out = 0;
    if (reply->type == WP_REDIS_NIL) {
        return true;
    }
    if (reply->type != WP_REDIS_STRING || reply->text.len == 0 || reply->text.len > 18) {
        return false;
    }
    for (size_t i = 0; i < reply->text.len; i++) {
        char digit = reply->text.at[i];
        if (digit < '0' || digit > '9') {
            return false;
        }
        *out = *out * 10 + (digit - '0');
    }
    return true;
}

/* What MGET says of the token: its record, its subject's cutoff.  False: that cannot be read. */
static bool read_verdict(const struct check *check, const struct wp_redis_reply *token,
                         const struct wp_redis_reply *subject, int64_t everybody, bool *revoked)
{
    int64_t cutoff = 0;
    if ((token->type != WP_REDIS_NIL && token->type != WP_REDIS_STRING) ||
        (subject && !read_cutoff(subject, &cutoff))) {
        return false;
    }
    cutoff = everybody > cutoff ? everybody : cutoff;
    *revoked = token->type != WP_REDIS_NIL || (cutoff != 0 && (!check->has_iat || check->iat_s < cutoff));
    return true;
}

static size_t keys_of(const struct stream *s)
{
    size_t n = 1;
    for (size_t i = 0; i < s->nchecks; i++) {
        n += s->checks[i].has_subject ? 2 : 1;
    }
    return n;
}

/* The answer to MGET of the cutoff for everybody and of each token; false: it is none. */
static bool read_verdicts(const struct stream *s, const struct wp_redis_reply *reply, struct jwt_logout *c,
                          bool *revoked)
{
    int64_t everybody;
    bool verdicts[MAX_TOKENS];
    if (reply->type != WP_REDIS_ARRAY || reply->nelements != keys_of(s) ||
        !read_cutoff(&reply->elements[0], &everybody)) {
        return false;
    }
    const struct wp_redis_reply *next = reply->elements + 1;
    for (size_t i = 0; i < s->nchecks; i++) {
        const struct wp_redis_reply *token = next++;
        const struct wp_redis_reply *subject = s->checks[i].has_subject ? next++ : NULL;
        if (!read_verdict(&s->checks[i], token, subject, everybody, &verdicts[i])) {
            return false;
        }
    }
    *revoked = false;
    for (size_t i = 0; i < s->nchecks; i++) {
        *revoked |= verdicts[i];
        if (c && verdicts[i]) {
            remember_revoked(c, &s->checks[i]);
        } else if (c) {
            verdict_cache_put_clean(&c->cache, s->checks[i].id, s->asked_ms);
        }
    }
    return true;
}

static void checked(struct wp_root *root, struct wp_stream *stream, void *data,
                    const struct wp_redis_reply *reply)
{
    struct stream *s = (struct stream *)stream;
    struct jwt_logout *c = config_of(s);
    bool revoked;
    (void)root;
    (void)data;
    if (!read_verdicts(s, reply, c, &revoked)) {
        if (decide_alone(s, c, reply) == WP_CONTINUE) {
            wp_resume_request();
        }
    } else if (revoked || (c && any_revoked(s, c))) { /* logged out here while Redis was asked */
        deny_revoked();
    } else {
        wp_resume_request();
    }
}

static enum wp_action check(struct stream *s, struct jwt_logout *c)
{
    struct wp_str subjects[MAX_TOKENS];
    enum jwt_status status = read_tokens(s, c, subjects);
    if (status == JWT_OK && s->nchecks == 0) {
        status = JWT_MISSING;
    }
    if (status != JWT_OK) {
        bool passes = status == JWT_MISSING && !c->require_token;
        return passes ? WP_CONTINUE : deny(DETAILS("invalid"), jwt_status_text(status));
    }
    if (any_revoked(s, c)) {
        return deny_revoked();
    }
    if (all_clean(s, c, c->cache_ms)) {
        return WP_CONTINUE;
    }
    struct wp_str command[2 + 2 * MAX_TOKENS] = {WP_STR("MGET"), everybody_key(c)};
    size_t n = 2;
    for (size_t i = 0; i < s->nchecks; i++) {
        command[n++] = token_key(c, (struct wp_str){(const char *)s->checks[i].id, VERDICT_ID_BYTES});
        if (s->checks[i].has_subject) {
            command[n++] = subjects[i];
        }
    }
    s->asked_ms = now_ms();
    bool sent = redis_service_call(&c->redis, &s->wp, command, n, checked, NULL) == WP_OK;
    return sent ? WP_PAUSE : decide_alone(s, c, NULL);
}

/* ---- logging out ------------------------------------------------------------------------------------ */

/* Of the last record: it succeeds only if all are written. */
static enum wp_action finish_recording(const struct stream *s)
{
    if (s->unrecorded) {
        return answer(503, DETAILS("not_recorded"), WP_STR("The logout could not be recorded, try again"));
    }
    return answer(204, DETAILS("recorded"), WP_STR(""));
}

static bool is_recorded(const struct wp_redis_reply *reply)
{
    return reply->type == WP_REDIS_INTEGER ||
           (reply->type == WP_REDIS_STATUS && wp_str_eq(reply->text, WP_STR("OK")));
}

/* `data` is the check that was recorded, or NULL: a revocation by others than the token itself. */
static void recorded(struct wp_root *root, struct wp_stream *stream, void *data,
                     const struct wp_redis_reply *reply)
{
    struct stream *s = (struct stream *)stream;
    struct jwt_logout *c = config_of(s);
    (void)root;
    if (!is_recorded(reply)) {
        s->unrecorded = true;
        if (c) {
            redis_service_complain(&c->redis, WP_STR("a logout is not recorded"), reply);
        }
    } else if (c && data) {
        remember_revoked(c, data);
    } else if (c) {
        verdict_cache_drop_clean(&c->cache);
    }
    if (--s->unanswered == 0) {
        finish_recording(s);
    }
}

static void record(struct stream *s, struct jwt_logout *c, const struct wp_str *command, size_t n,
                   struct check *of)
{
    if (redis_service_call(&c->redis, &s->wp, command, n, recorded, of) == WP_OK) {
        s->unanswered++;
        return;
    }
    s->unrecorded = true;
    redis_service_complain(&c->redis, WP_STR("a logout is not recorded"), NULL);
}

/* A token's record; without end if the token has none, or one so far away. */
static void record_token(struct stream *s, struct jwt_logout *c, struct wp_str id, bool has_end,
                         int64_t ttl_s, struct check *of)
{
    const struct wp_str command[] = {WP_STR("SET"), token_key(c, id), WP_STR("1"), WP_STR("EX"),
                                     wp_format("%lld", (long long)ttl_s)};
    record(s, c, command, has_end && ttl_s < MAX_TTL_S ? 5 : 3, of);
}

static void record_cutoff(struct stream *s, struct jwt_logout *c, struct wp_str key, int64_t before_s)
{
    int64_t ttl = c->max_token_ttl_s == 0 ? 0 : ttl_until(before_s, c->max_token_ttl_s + c->clock_skew_s);
    const struct wp_str command[] = {WP_STR("EVAL"),
                                     CUTOFF_SCRIPT,
                                     WP_STR("1"),
                                     key,
                                     wp_format("%lld", (long long)before_s),
                                     wp_format("%lld", (long long)ttl)};
    record(s, c, command, 6, NULL);
}

static enum wp_action wait_for_records(const struct stream *s)
{
    return s->unanswered != 0 ? WP_PAUSE : finish_recording(s);
}

static bool is_post(void)
{
    return wp_str_eq(wp_request_header(WP_STR(":method")), WP_STR("POST"));
}

static enum wp_action logout(struct stream *s, struct jwt_logout *c)
{
    struct wp_str subjects[MAX_TOKENS];
    if (!is_post()) {
        return answer(405, DETAILS("method"), WP_STR("Log out with POST"));
    }
    enum jwt_status status = read_tokens(s, c, subjects);
    if (status != JWT_OK || s->nchecks == 0) {
        return deny(DETAILS("invalid"), jwt_status_text(status != JWT_OK ? status : JWT_MISSING));
    }
    for (size_t i = 0; i < s->nchecks; i++) {
        struct check *check = &s->checks[i];
        struct wp_str id = {(const char *)check->id, VERDICT_ID_BYTES};
        int64_t ttl = check->has_exp ? ttl_until(check->exp_s, c->clock_skew_s) : 0;
        record_token(s, c, id, check->has_exp, ttl, check);
    }
    return wait_for_records(s);
}

/* ---- the administrator -------------------------------------------------------------------------------- */

static enum wp_action bad_query(const char *why)
{
    return answer(400, DETAILS("query"), wp_str_of(why));
}

/* A time of the query; *out is untouched if there is none.  False: it is no number of seconds. */
static bool query_time(struct wp_str query, struct wp_str name, int64_t *out)
{
    struct wp_str text;
    if (!wp_query_get(query, name, &text)) {
        return true;
    }
    struct wp_redis_reply digits = {.type = WP_REDIS_STRING, .text = text};
    return read_cutoff(&digits, out);
}

static enum wp_action revoke_token(struct stream *s, struct jwt_logout *c, struct wp_str query,
                                   struct wp_str issuer, struct wp_str jti)
{
    int64_t exp = 0;
    if (!query_time(query, WP_STR("exp"), &exp)) {
        return bad_query("exp must be seconds since 1970");
    }
    int64_t ttl = exp != 0 ? ttl_until(exp, c->clock_skew_s) : c->max_token_ttl_s;
    record_token(s, c, hash_of("jti", issuer, jti), ttl != 0, ttl, NULL);
    return wait_for_records(s);
}

/* What the query asks for: one token, a subject's or everybody's. */
static enum wp_action revoke(struct stream *s, struct jwt_logout *c, struct wp_str query)
{
    struct wp_str jti, subject, all, issuer;
    int64_t before = now_s() + 1; /* what was issued until now */
    bool has_jti = wp_query_get(query, WP_STR("jti"), &jti),
         has_sub = wp_query_get(query, WP_STR("sub"), &subject),
         has_all = wp_query_get(query, WP_STR("all"), &all),
         has_iss = wp_query_get(query, WP_STR("iss"), &issuer);
    if (has_jti + has_sub + has_all != 1) {
        return bad_query("give one of jti, sub and all=true");
    }
    if (!has_all && !has_iss) {
        return bad_query("give iss, as tokens have it; empty if they have none");
    }
    if (has_jti) {
        return jti.len != 0 ? revoke_token(s, c, query, issuer, jti) : bad_query("jti is empty");
    }
    if (has_all && !wp_str_eq(all, WP_STR("true"))) {
        return bad_query("all must be true");
    }
    if (!query_time(query, WP_STR("before"), &before) || before == 0) {
        return bad_query("before must be seconds since 1970");
    }
    if (before > now_s() + 1 + c->clock_skew_s) {
        return bad_query("before lies in the future");
    }
    record_cutoff(s, c, has_all ? everybody_key(c) : subject_key(c, issuer, subject), before);
    return wait_for_records(s);
}

static enum wp_action admin(struct stream *s, struct jwt_logout *c)
{
    if (!wp_equal_secret(wp_request_header(WP_STR("x-admin-secret")), c->admin_secret)) {
        return answer(403, DETAILS("forbidden"), WP_STR("Forbidden"));
    }
    if (!is_post()) {
        return answer(405, DETAILS("method"), WP_STR("Revoke with POST"));
    }
    return revoke(s, c, wp_query_of(wp_request_header(WP_STR(":path"))));
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool is_path(struct wp_str configured, struct wp_str path)
{
    return configured.len != 0 && wp_str_eq(configured, path);
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    struct jwt_logout *c = rule_config_find(&wp_root_of(s)->config);
    if (!c) {
        return WP_CONTINUE;
    }
    s->config = c;
    s->generation = wp_root_of(s)->generation;
    struct wp_str path = wp_path_of(wp_request_header(WP_STR(":path")));
    if (is_path(c->admin_path, path)) {
        return admin(s, c);
    }
    return is_path(c->logout_path, path) ? logout(s, c) : check(s, c);
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
