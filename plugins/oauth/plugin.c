/* oauth - gives out access tokens for client credentials, and lets requests through that carry one.
 *
 * Configuration and verdicts are those of Higress's oauth; README.md has the fields.
 *
 * A path that ends with auth_path is the token endpoint (GET and POST); the plugin answers there itself.  Any
 * other request needs a bearer token: a JWT signed with HS256 and the client's secret.  Which secret is known
 * from the token's client_id, so claims are read before they are believed; nothing is done with them until
 * the signature has been checked.
 *
 * A POST to the token endpoint is held until its body is there: with ABI 0.2.100 a paused headers callback
 * still gets body callbacks, and the upstream hears nothing. */
#include "auth.h"
#include "bearer.h"
#include "jwt.h"
#include "strmap.h"

struct consumer {
    struct wp_str name, client_id, client_secret;
    struct jwt_key key;
};

struct oauth {
    struct wp_str issuer, auth_header, auth_path;
    bool global_credentials, keep_token;
    int64_t token_ttl, clock_skew_seconds;
    struct consumer *consumers;
    size_t nconsumers;
    struct strmap by_client_id;
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct auth_config config;
};

struct stream {
    struct wp_stream wp;
    bool waits; /* a POST to the token endpoint, for its body */
};

WP_PLUGIN_HIGRESS(struct root, struct stream)

enum { MAX_FORM_BYTES = 64 * 1024, UUID_BYTES = 16 };

#define TOKEN_TYPE WP_STR("application/at+jwt")
#define FORM_TYPE WP_STR("application/x-www-form-urlencoded")
#define TOKEN_HEADER WP_STR("{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}")

/* ---- configuration ---------------------------------------------------------------------- */

static bool parse_consumer(const json_t *object, const char *where, struct wp_arena *arena,
                           struct consumer *out)
{
    static const char *const names[] = {"name", "client_id", "client_secret"};
    struct wp_str *const fields[] = {&out->name, &out->client_id, &out->client_secret};
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!wp_json_str(object, where, names[i], arena, fields[i])) {
            return false;
        }
        if (fields[i]->len == 0) {
            wp_json_complain(where, names[i], "is missing or empty");
            return false;
        }
    }
    jwt_key_init_hmac(&out->key, out->client_secret, jwt_alg_find(WP_STR("HS256")), arena);
    return true;
}

static bool parse_consumers(const json_t *object, const char *where, struct wp_arena *arena, struct oauth *c)
{
    const json_t *array = json_object_get(object, "consumers");
    if (array && !json_is_array(array)) {
        wp_json_complain(where, "consumers", "must be an array of consumers");
        return false;
    }
    size_t n = json_array_size(array);
    struct strmap names;
    strmap_init(&names, arena, n);
    strmap_init(&c->by_client_id, arena, n);
    c->consumers = wp_arena_array(arena, n, sizeof *c->consumers);
    c->nconsumers = n;
    for (uint32_t i = 0; i < n; i++) {
        struct wp_str at = wp_format("%s%sconsumers[%u]", where, *where != '\0' ? "." : "", i);
        struct consumer *consumer = &c->consumers[i];
        if (!parse_consumer(json_array_get(array, i), at.at, arena, consumer)) {
            return false;
        }
        if (!strmap_add(&names, consumer->name, i)) {
            wp_json_complain(at.at, "name", "is another consumer's, too");
            return false;
        }
        if (!strmap_add(&c->by_client_id, consumer->client_id, i)) {
            wp_json_complain(at.at, "client_id", "is another consumer's, too");
            return false;
        }
    }
    return true;
}

static bool parse_seconds(const json_t *object, const char *where, const char *key, int64_t least,
                          int64_t *out)
{
    if (!wp_json_int(object, where, key, out)) {
        return false;
    }
    if (*out < least) {
        wp_json_complain(where, key, least == 0 ? "must not be negative" : "must be positive");
        return false;
    }
    return true;
}

static void *parse_oauth(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct oauth *c = wp_arena_array(arena, 1, sizeof *c);
    *c = (struct oauth){.issuer = WP_STR("Higress-Gateway"),
                        .auth_header = WP_STR("Authorization"),
                        .auth_path = WP_STR("/oauth2/token"),
                        .global_credentials = true,
                        .keep_token = true,
                        .token_ttl = 7200,
                        .clock_skew_seconds = 60};
    if (!wp_json_str(object, where, "issuer", arena, &c->issuer) ||
        !wp_json_str(object, where, "auth_header", arena, &c->auth_header) ||
        !wp_json_str(object, where, "auth_path", arena, &c->auth_path) ||
        !wp_json_bool(object, where, "global_credentials", &c->global_credentials) ||
        !wp_json_bool(object, where, "keep_token", &c->keep_token) ||
        !parse_seconds(object, where, "token_ttl", 1, &c->token_ttl) ||
        !parse_seconds(object, where, "clock_skew_seconds", 0, &c->clock_skew_seconds) ||
        !parse_consumers(object, where, arena, c)) {
        return NULL;
    }
    if (c->auth_header.len == 0) {
        wp_json_complain(where, "auth_header", "must not be empty");
        return NULL;
    }
    if (wp_str_byte(c->auth_path, 0) != '/') {
        c->auth_path = wp_arena_dup(arena, wp_format("/%.*s", WP_ARG(c->auth_path)));
    }
    return c;
}

static bool configure(struct root *root, struct wp_str config)
{
    return auth_config_replace(config, parse_oauth, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- answers -------------------------------------------------------------------------------- */

static enum wp_action deny(uint32_t status, struct wp_str message, struct wp_str bearer_realm)
{
    struct wp_header header = {WP_STR("WWW-Authenticate"),
                               wp_format("Bearer realm=\"%.*s\"", WP_ARG(bearer_realm))};
    wp_respond(&(struct wp_response){.status = status,
                                     .details = bearer_details("oauth_access_denied", message),
                                     .body = message,
                                     .headers = &header,
                                     .nheaders = bearer_realm.len != 0 ? 1 : 0});
    return WP_PAUSE;
}

static enum wp_action deny_form(struct wp_str message)
{
    wp_debug("no token: %.*s", WP_ARG(message));
    return deny(400, message, WP_STR(""));
}

static enum wp_action deny_token(const char *why)
{
    wp_debug("token refused: %s", why);
    return deny(401, WP_STR("Invalid Jwt token"), bearer_realm());
}

/* ---- the token endpoint ---------------------------------------------------------------------- */

static struct wp_str uuid(void)
{
    unsigned char b[UUID_BYTES];
    wp_random(b, sizeof b);
    b[6] = (b[6] & 0x0f) | 0x40; /* version 4 */
    b[8] = (b[8] & 0x3f) | 0x80;
    struct wp_str h = wp_hex_encode((struct wp_str){(const char *)b, sizeof b});
    return wp_format("%.8s-%.4s-%.4s-%.4s-%.12s", h.at, h.at + 8, h.at + 12, h.at + 16, h.at + 20);
}

static json_t *json_of(struct wp_str s)
{
    return json_stringn(s.at, s.len); /* NULL: not UTF-8; setting it fails */
}

static struct wp_str route_name(void)
{
    struct wp_str name;
    wp_property_get(WP_STR("route_name"), &name);
    return name;
}

/* The claims as JSON; false: something in them is not UTF-8. */
static bool write_claims(const struct oauth *c, const struct consumer *consumer, struct wp_str scope,
                         struct wp_str *out)
{
    int64_t now = (int64_t)(wp_now_ns() / 1000000000u), exp;
    if (__builtin_add_overflow(now, c->token_ttl, &exp)) {
        exp = INT64_MAX;
    }
    json_t *o = json_object();
    struct wp_str aud = c->global_credentials ? WP_STR("default") : route_name();
    bool ok = json_object_set_new(o, "iss", json_of(c->issuer)) == 0 &&
              json_object_set_new(o, "sub", json_of(consumer->name)) == 0 &&
              json_object_set_new(o, "aud", json_of(aud)) == 0 &&
              json_object_set_new(o, "iat", json_integer(now)) == 0 &&
              json_object_set_new(o, "exp", json_integer(exp)) == 0 &&
              json_object_set_new(o, "client_id", json_of(consumer->client_id)) == 0 &&
              json_object_set_new(o, "jti", json_of(uuid())) == 0 &&
              (scope.len == 0 || json_object_set_new(o, "scope", json_of(scope)) == 0);
    char *text = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text) {
        *out = wp_arena_dup(wp_callback_arena(), wp_str_of(text));
    }
    free(text);
    json_decref(o);
    return text != NULL;
}

static enum wp_action give_token(const struct oauth *c, const struct consumer *consumer, struct wp_str scope)
{
    struct wp_str claims;
    if (!write_claims(c, consumer, scope, &claims)) {
        return deny_form(WP_STR("scope is not UTF-8"));
    }
    struct wp_str token = jwt_sign_hs256(TOKEN_HEADER, claims, &consumer->key.hmac[0]);
    struct wp_header headers[] = {{WP_STR("Content-Type"), WP_STR("application/json")},
                                  {WP_STR("Cache-Control"), WP_STR("no-store")}};
    struct wp_str body = wp_format("\n{\n  \"token_type\": \"bearer\",\n  \"access_token\": \"%.*s\",\n"
                                   "  \"expires_in\": %lld\n}",
                                   WP_ARG(token), (long long)c->token_ttl);
    wp_respond(&(struct wp_response){.status = 200, .body = body, .headers = headers, .nheaders = 2});
    return WP_PAUSE;
}

static enum wp_action answer_form(const struct oauth *c, struct wp_str form)
{
    struct wp_str grant, id, secret, scope;
    uint32_t index;
    if (form.len == 0) {
        return deny_form(WP_STR("Authorize parameters are missing"));
    }
    if (!wp_query_get(form, WP_STR("grant_type"), &grant)) {
        return deny_form(WP_STR("grant_type is missing"));
    }
    if (!wp_str_eq(grant, WP_STR("client_credentials"))) {
        return deny_form(wp_format("grant_type:%.*s is not support", WP_ARG(grant)));
    }
    if (!wp_query_get(form, WP_STR("client_id"), &id)) {
        return deny_form(WP_STR("client_id is missing"));
    }
    if (!strmap_find(&c->by_client_id, id, &index)) {
        return deny_form(WP_STR("invalid client_id or client_secret"));
    }
    if (!wp_query_get(form, WP_STR("client_secret"), &secret)) {
        return deny_form(WP_STR("client_secret is missing"));
    }
    const struct consumer *consumer = &c->consumers[index];
    if (!wp_equal_secret(secret, consumer->client_secret)) {
        return deny_form(WP_STR("invalid client_id or client_secret"));
    }
    wp_query_get(form, WP_STR("scope"), &scope);
    return give_token(c, consumer, scope);
}

/* The end of a POST to the token endpoint.  The configuration may be another one by now. */
static enum wp_action answer_body(struct stream *s)
{
    struct auth_match match = auth_config_find(&wp_root_of(s)->config);
    struct wp_str body;
    s->waits = false;
    if (!match.config) {
        return deny_form(WP_STR("no tokens are given out here"));
    }
    wp_buffer_get(WP_REQUEST_BODY, 0, MAX_FORM_BYTES + 1, &body);
    if (body.len > MAX_FORM_BYTES) {
        return deny(413, WP_STR("Request Body Too Large"), WP_STR(""));
    }
    return answer_form(match.config, body);
}

static bool has_form(void)
{
    struct wp_str type = wp_request_header(WP_STR("content-type"));
    for (size_t i = 0; i < type.len; i++) {
        if (wp_str_eq_nocase(wp_str_slice(type, i, i + FORM_TYPE.len), FORM_TYPE)) {
            return true;
        }
    }
    return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct wp_str bearer_token(struct wp_str header)
{
    static const char prefix[] = "Bearer ";
    for (size_t i = 0; i + sizeof prefix - 1 <= header.len; i++) {
        if (memcmp(header.at + i, prefix, sizeof prefix - 1) == 0) {
            return wp_str_slice(header, i + sizeof prefix - 1, header.len);
        }
    }
    return WP_STR("");
}

static bool is_integer(const struct claims *claims, struct wp_str name)
{
    const struct claim *c = claims_find(claims, name);
    return c && c->kind == CLAIM_INTEGER;
}

/* The consumer whose token this is, and its audience; or NULL and *why not. */
static const struct consumer *verify_token(const struct oauth *c, struct wp_str token, struct wp_str *aud,
                                           const char **why)
{
    struct jwt jwt;
    struct wp_str id, iss, sub, typ;
    uint32_t index;
    enum jwt_status status = jwt_parse(token, &jwt);
    *why = jwt_status_text(status).at;
    if (status != JWT_OK) {
        return NULL;
    }
    if (!claims_str(&jwt.claims, WP_STR("client_id"), &id) || !claims_str(&jwt.claims, WP_STR("iss"), &iss) ||
        !claims_str(&jwt.claims, WP_STR("sub"), &sub) || !claims_str(&jwt.claims, WP_STR("aud"), aud) ||
        !is_integer(&jwt.claims, WP_STR("exp")) || !is_integer(&jwt.claims, WP_STR("iat"))) {
        *why = "a claim is missing or of another type";
        return NULL;
    }
    if (!strmap_find(&c->by_client_id, id, &index)) {
        *why = "client_id is not known";
        return NULL;
    }
    const struct consumer *consumer = &c->consumers[index];
    if (!jwt_verify(&jwt, &consumer->key)) {
        *why = "the signature does not fit";
        return NULL;
    }
    claims_str(&jwt.header, WP_STR("typ"), &typ);
    if (!wp_str_eq(iss, c->issuer) || !wp_str_eq(sub, consumer->name) || !wp_str_eq_nocase(typ, TOKEN_TYPE)) {
        *why = "iss, sub or typ is not ours";
        return NULL;
    }
    status = jwt_check_time(&jwt.claims, (int64_t)(wp_now_ns() / 1000000000u), c->clock_skew_seconds, true);
    *why = jwt_status_text(status).at;
    return status == JWT_OK ? consumer : NULL;
}

static enum wp_action check_token(const struct auth_match *match)
{
    const struct oauth *c = match->config;
    struct wp_str aud;
    const char *why;
    const struct consumer *consumer =
        verify_token(c, bearer_token(wp_request_header(c->auth_header)), &aud, &why);
    if (!consumer) {
        return deny_token(why);
    }
    if (!auth_allows(match->allow, consumer->name) ||
        (!c->global_credentials && !wp_str_eq(aud, route_name()))) {
        wp_debug("consumer %.*s is not allowed here", WP_ARG(consumer->name));
        return deny(403, WP_STR("Access Denied"), WP_STR(""));
    }
    if (!c->keep_token) {
        wp_header_remove(WP_REQUEST_HEADERS, c->auth_header);
    }
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("X-Mse-Consumer"), consumer->name);
    return WP_CONTINUE;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    struct auth_match match = auth_config_find(&wp_root_of(s)->config);
    if (!match.config) {
        return WP_CONTINUE;
    }
    const struct oauth *c = match.config;
    struct wp_str path = wp_request_header(WP_STR(":path"));
    if (!wp_str_ends(wp_path_of(path), c->auth_path)) {
        return check_token(&match);
    }
    struct wp_str method = wp_request_header(WP_STR(":method"));
    if (wp_str_eq(method, WP_STR("GET"))) {
        return answer_form(c, wp_query_of(path));
    }
    if (!wp_str_eq(method, WP_STR("POST"))) {
        return check_token(&match);
    }
    if (!has_form()) {
        return deny_form(WP_STR("Invalid content-type"));
    }
    s->waits = !end_of_stream;
    return end_of_stream ? answer_form(c, WP_STR("")) : WP_PAUSE;
}

static enum wp_action request_body(struct stream *s, uint32_t size, bool end_of_stream)
{
    if (!s->waits) {
        return WP_CONTINUE;
    }
    return end_of_stream || size > MAX_FORM_BYTES ? answer_body(s) : WP_PAUSE;
}

/* A body with trailers ends here. */
static enum wp_action request_trailers(struct stream *s, uint32_t count)
{
    (void)count;
    return s->waits ? answer_body(s) : WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_REQUEST_BODY(request_body)
WP_ON_REQUEST_TRAILERS(request_trailers)
