/* jwt-logout - logs out tokens that would count until they expire: what is revoked stands in Redis.
 *
 * README.md has the fields and docs/adr/0043 the reasons; config.c
 * reads the fields, tokens.c the tokens of a request.  Three kinds of records, under a common prefix:
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
#include "logout.h"

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct rule_config config;
    uint32_t generation; /* of config */
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

/* ---- configuration ---------------------------------------------------------------------- */

static bool configure(struct root *root, struct wp_str text)
{
    const struct rule_shell shell = {.parse = jwt_logout_parse, .global = RULE_GLOBAL_MUST_HOLD};
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

/* ---- checking ------------------------------------------------------------------------------------ */

/* A revoked token is known until nobody takes it any more. */
static void remember_revoked(struct jwt_logout *c, const struct check *check)
{
    uint64_t until = UINT64_MAX;
    if (check->has_exp) {
        int64_t ttl = record_ttl_s(check->exp_s, c->clock_skew_s);
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
    enum jwt_status status = tokens_read(c, s->checks, &s->nchecks, subjects);
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
    struct wp_str command[2 + 2 * MAX_TOKENS] = {WP_STR("MGET"), record_of_everybody(c)};
    size_t n = 2;
    for (size_t i = 0; i < s->nchecks; i++) {
        command[n++] = record_of_token(c, (struct wp_str){(const char *)s->checks[i].id, VERDICT_ID_BYTES});
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
    const struct wp_str command[] = {WP_STR("SET"), record_of_token(c, id), WP_STR("1"), WP_STR("EX"),
                                     wp_format("%lld", (long long)ttl_s)};
    record(s, c, command, has_end && ttl_s < MAX_TTL_S ? 5 : 3, of);
}

static void record_cutoff(struct stream *s, struct jwt_logout *c, struct wp_str key, int64_t before_s)
{
    int64_t ttl = c->max_token_ttl_s == 0 ? 0 : record_ttl_s(before_s, c->max_token_ttl_s + c->clock_skew_s);
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
    enum jwt_status status = tokens_read(c, s->checks, &s->nchecks, subjects);
    if (status != JWT_OK || s->nchecks == 0) {
        return deny(DETAILS("invalid"), jwt_status_text(status != JWT_OK ? status : JWT_MISSING));
    }
    for (size_t i = 0; i < s->nchecks; i++) {
        struct check *check = &s->checks[i];
        struct wp_str id = {(const char *)check->id, VERDICT_ID_BYTES};
        int64_t ttl = check->has_exp ? record_ttl_s(check->exp_s, c->clock_skew_s) : 0;
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
    int64_t ttl = exp != 0 ? record_ttl_s(exp, c->clock_skew_s) : c->max_token_ttl_s;
    record_token(s, c, record_hash("jti", issuer, jti), ttl != 0, ttl, NULL);
    return wait_for_records(s);
}

/* What the query asks for: one token, a subject's or everybody's. */
static enum wp_action revoke(struct stream *s, struct jwt_logout *c, struct wp_str query)
{
    struct wp_str jti, subject, all, issuer;
    int64_t before = jwt_logout_now_s() + 1; /* what was issued until now */
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
    if (before > jwt_logout_now_s() + 1 + c->clock_skew_s) {
        return bad_query("before lies in the future");
    }
    record_cutoff(s, c, has_all ? record_of_everybody(c) : record_of_subject(c, issuer, subject), before);
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
