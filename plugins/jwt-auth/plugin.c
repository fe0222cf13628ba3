/* jwt-auth - a request needs a signed token of a consumer who may come here.
 *
 * Configuration and verdicts are those of Higress's jwt_auth; README.md has the fields.
 *
 * Each consumer says where its tokens are looked for, which claims they have, and which keys sign them.
 * Consumers are tried in their order, and most look in the same places; so places are numbered across
 * consumers, and a request's token is fetched and parsed once per place.  What a token costs is bounded: its
 * length by JWT_MAX_BYTES, the keys tried on one request by VERIFY_BUDGET_US.
 *
 * Nothing of a token is used before all tokens of the consumer have been verified. */
#include "auth.h"
#include "bearer.h"
#include "jwks.h"
#include "strmap.h"
#include "token_place.h"

/* ---- configuration: what there is ------------------------------------------------------- */

struct claim_rule {
    struct wp_str name, value;
};

struct claim_header {
    struct wp_str claim, header;
    bool override;
};

struct consumer {
    struct wp_str name;
    struct jwks jwks;
    struct claim_rule *claims;
    size_t nclaims;
    uint32_t *places; /* indexes into jwt_auth.places */
    size_t nplaces;
    struct claim_header *headers;
    size_t nheaders;
    int64_t clock_skew_seconds;
    bool keep_token;
};

struct jwt_auth {
    struct wp_strs enable_headers;
    struct consumer *consumers;
    size_t nconsumers;
    struct token_place *places;
    size_t nplaces;
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct auth_config config;
};

struct stream {
    struct wp_stream wp;
};

WP_PLUGIN(struct root, struct stream)

/* Half of the time a callback has by default, so that no token can make one late. */
enum { VERIFY_BUDGET_US = 50000 };

/* ---- configuration: reading --------------------------------------------------------------- */

/* A string that must be there. */
static bool read_str(const json_t *object, const char *where, const char *key, bool may_be_empty,
                     struct wp_arena *arena, struct wp_str *out)
{
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    *out = WP_STR("");
    if (!wp_json_str(object, where, key, arena, out)) {
        return false;
    }
    if (!json_object_get(object, key) || (out->len == 0 && !may_be_empty)) {
        wp_json_complain(where, key, may_be_empty ? "is missing" : "is missing or empty");
        return false;
    }
    return true;
}

/* An array, if it is there at all. */
static bool read_array(const json_t *object, const char *where, const char *key, const json_t **out)
{
    *out = json_object_get(object, key);
    if (*out && !json_is_array(*out)) {
        wp_json_complain(where, key, "must be an array");
        return false;
    }
    return true;
}

/* The number of a place, which it gets if it has none; `all` has room. */
static uint32_t number_of(struct jwt_auth *all, const struct token_place *place)
{
    for (uint32_t i = 0; i < all->nplaces; i++) {
        if (token_place_eq(&all->places[i], place)) {
            return i;
        }
    }
    all->places[all->nplaces] = *place;
    return (uint32_t)all->nplaces++;
}

/* Each place once, in their order. */
static void add_place(struct jwt_auth *all, struct consumer *c, struct wp_arena *arena,
                      struct token_place place)
{
    token_place_init(&place, arena);
    uint32_t number = number_of(all, &place);
    size_t at = c->nplaces;
    for (size_t i = 0; i < c->nplaces; i++) {
        if (c->places[i] == number) {
            return;
        }
    }
    for (; at > 0 && token_place_before(&place, &all->places[c->places[at - 1]]); at--) {
        c->places[at] = c->places[at - 1];
    }
    c->places[at] = number;
    c->nplaces++;
}

enum { DEFAULT_PLACES = 2 };

/* How many places a consumer can name. */
static size_t count_places(const json_t *object)
{
    size_t n = json_array_size(json_object_get(object, "from_headers")) +
               json_array_size(json_object_get(object, "from_params")) +
               json_array_size(json_object_get(object, "from_cookies"));
    return n != 0 ? n : DEFAULT_PLACES;
}

static bool parse_header_places(const json_t *object, const char *where, struct wp_arena *arena,
                                struct jwt_auth *all, struct consumer *c)
{
    const json_t *headers;
    if (!read_array(object, where, "from_headers", &headers)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(headers); i++) {
        struct wp_str at = wp_format("%s.from_headers[%zu]", where, i);
        struct token_place place = {.kind = TOKEN_IN_HEADER};
        const json_t *header = json_array_get(headers, i);
        if (!read_str(header, at.at, "name", false, arena, &place.name) ||
            !read_str(header, at.at, "value_prefix", true, arena, &place.prefix)) {
            return false;
        }
        add_place(all, c, arena, place);
    }
    return true;
}

static bool parse_named_places(const json_t *object, const char *where, const char *key,
                               enum token_place_kind kind, struct wp_arena *arena, struct jwt_auth *all,
                               struct consumer *c)
{
    struct wp_strs names = {0};
    if (!wp_json_strs(object, where, key, arena, &names)) {
        return false;
    }
    for (size_t i = 0; i < names.n; i++) {
        if (names.at[i].len == 0) {
            wp_json_complain(where, key, "must not hold an empty name");
            return false;
        }
        add_place(all, c, arena,
                  (struct token_place){.kind = kind, .name = names.at[i], .prefix = WP_STR("")});
    }
    return true;
}

/* Naming any place leaves out the usual ones. */
static bool parse_places(const json_t *object, const char *where, struct wp_arena *arena,
                         struct jwt_auth *all, struct consumer *c)
{
    c->places = wp_arena_array(arena, count_places(object), sizeof *c->places);
    if (!parse_header_places(object, where, arena, all, c) ||
        !parse_named_places(object, where, "from_params", TOKEN_IN_PARAM, arena, all, c) ||
        !parse_named_places(object, where, "from_cookies", TOKEN_IN_COOKIE, arena, all, c)) {
        return false;
    }
    if (c->nplaces == 0) {
        add_place(all, c, arena,
                  (struct token_place){.name = WP_STR("Authorization"), .prefix = WP_STR("Bearer ")});
        add_place(all, c, arena,
                  (struct token_place){
                      .kind = TOKEN_IN_PARAM, .name = WP_STR("access_token"), .prefix = WP_STR("")});
    }
    return true;
}

static struct claim_rule *find_claim(const struct consumer *c, struct wp_str name)
{
    for (size_t i = 0; i < c->nclaims; i++) {
        if (wp_str_eq(c->claims[i].name, name)) {
            return &c->claims[i];
        }
    }
    return NULL;
}

/* `claims`, and `issuer` unless they have iss. */
static bool parse_claims(const json_t *object, const char *where, struct wp_arena *arena, struct consumer *c)
{
    const json_t *claims = json_object_get(object, "claims");
    const char *key;
    json_t *value;
    if (claims && !json_is_object(claims)) {
        wp_json_complain(where, "claims", "must be an object of strings");
        return false;
    }
    c->claims = wp_arena_array(arena, json_object_size(claims) + 1, sizeof *c->claims);
    struct wp_str at = wp_format("%s.claims", where), issuer = WP_STR("");
    json_object_foreach((json_t *)(uintptr_t)claims, key, value)
    {
        (void)value;
        struct claim_rule *rule = &c->claims[c->nclaims];
        if (!wp_json_str(claims, at.at, key, arena, &rule->value)) {
            return false;
        }
        rule->name = wp_arena_dup(arena, wp_str_of(key));
        rule->value = wp_str_trim(rule->value);
        c->nclaims++;
    }
    if (!wp_json_str(object, where, "issuer", arena, &issuer)) {
        return false;
    }
    if (json_object_get(object, "issuer") && !find_claim(c, WP_STR("iss"))) {
        c->claims[c->nclaims++] = (struct claim_rule){WP_STR("iss"), wp_str_trim(issuer)};
    }
    return true;
}

static bool parse_claim_headers(const json_t *object, const char *where, struct wp_arena *arena,
                                struct consumer *c)
{
    const json_t *array;
    if (!read_array(object, where, "claims_to_headers", &array)) {
        return false;
    }
    c->nheaders = json_array_size(array);
    c->headers = wp_arena_array(arena, c->nheaders, sizeof *c->headers);
    for (size_t i = 0; i < c->nheaders; i++) {
        struct wp_str at = wp_format("%s.claims_to_headers[%zu]", where, i);
        struct claim_header *h = &c->headers[i];
        const json_t *item = json_array_get(array, i);
        h->override = true;
        if (!read_str(item, at.at, "claim", false, arena, &h->claim) ||
            !read_str(item, at.at, "header", false, arena, &h->header) ||
            !wp_json_bool(item, at.at, "override", &h->override)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (wp_str_eq(c->headers[k].claim, h->claim)) {
                wp_json_complain(at.at, "claim", "is in this list already");
                return false;
            }
        }
    }
    return true;
}

static bool parse_consumer(const json_t *object, const char *where, struct wp_arena *arena,
                           struct jwt_auth *all, struct consumer *c)
{
    struct wp_str at = wp_format("%s.jwks", where);
    c->clock_skew_seconds = 60;
    c->keep_token = true;
    if (!read_str(object, where, "name", false, arena, &c->name) || !parse_claims(object, where, arena, c) ||
        !parse_places(object, where, arena, all, c) || !parse_claim_headers(object, where, arena, c) ||
        !wp_json_int(object, where, "clock_skew_seconds", &c->clock_skew_seconds) ||
        !wp_json_bool(object, where, "keep_token", &c->keep_token)) {
        return false;
    }
    if (c->clock_skew_seconds < 0) {
        wp_json_complain(where, "clock_skew_seconds", "must not be negative");
        return false;
    }
    return jwks_parse(json_object_get(object, "jwks"), at.at, arena, &c->jwks);
}

static bool parse_consumers(const json_t *object, const char *where, struct wp_arena *arena,
                            struct jwt_auth *all)
{
    const json_t *array;
    struct strmap names;
    size_t places = 0;
    if (!read_array(object, where, "consumers", &array)) {
        return false;
    }
    if (json_array_size(array) == 0) {
        wp_json_complain(where, "consumers", "must hold at least one consumer");
        return false;
    }
    strmap_init(&names, arena, json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        places += count_places(json_array_get(array, i));
    }
    all->places = wp_arena_array(arena, places, sizeof *all->places);
    all->consumers = wp_arena_array(arena, json_array_size(array), sizeof *all->consumers);
    for (; all->nconsumers < json_array_size(array); all->nconsumers++) {
        size_t i = all->nconsumers;
        struct wp_str at = wp_format("%s%sconsumers[%zu]", where, *where != '\0' ? "." : "", i);
        struct consumer *c = &all->consumers[i];
        if (!parse_consumer(json_array_get(array, i), at.at, arena, all, c)) {
            return false;
        }
        if (!strmap_add(&names, c->name, (uint32_t)i)) {
            wp_json_complain(at.at, "name", "is another consumer's, too");
            return false;
        }
    }
    return true;
}

static void *parse_jwt_auth(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct jwt_auth *c = wp_arena_array(arena, 1, sizeof *c);
    return wp_json_strs(object, where, "enable_headers", arena, &c->enable_headers) &&
                   parse_consumers(object, where, arena, c)
               ? c
               : NULL;
}

static bool configure(struct root *root, struct wp_str config)
{
    return auth_config_replace(config, parse_jwt_auth, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- tokens of a request -------------------------------------------------------------------- */

/* What is in one place. */
struct token {
    bool present;
    enum jwt_status status; /* of parsing */
    struct jwt jwt;
};

struct request {
    const struct jwt_auth *config;
    struct token **tokens; /* by place; NULL: not looked at yet */
    uint32_t budget_us;
    int64_t now_s;
};

static const struct token *token_at(struct request *r, uint32_t place)
{
    if (!r->tokens[place]) {
        struct token *token = wp_arena_array(wp_callback_arena(), 1, sizeof *token);
        struct wp_str text;
        token->present = token_place_find(&r->config->places[place], &text);
        if (token->present) {
            /* An empty one is there, but is none. */
            token->status = text.len != 0 ? jwt_parse(text, &token->jwt) : JWT_BAD_FORM;
        }
        r->tokens[place] = token;
    }
    return r->tokens[place];
}

/* A claim that is missing counts as empty; one of another type equals nothing. */
static bool claims_hold(const struct consumer *c, const struct claims *claims)
{
    for (size_t i = 0; i < c->nclaims; i++) {
        struct claim claim;
        struct wp_str value = WP_STR("");
        if (claims_find_path(claims, c->claims[i].name, &claim)) {
            if (claim.kind != CLAIM_STRING) {
                return false;
            }
            value = claim.text;
        }
        if (!wp_str_eq(value, c->claims[i].value)) {
            return false;
        }
    }
    return true;
}

static enum jwt_status check_token(struct request *r, const struct consumer *c, const struct token *token)
{
    if (token->status != JWT_OK) {
        return token->status;
    }
    if (!claims_hold(c, &token->jwt.claims)) {
        return JWT_NOT_VERIFIED;
    }
    enum jwt_status status = jwt_check_time(&token->jwt.claims, r->now_s, c->clock_skew_seconds, false);
    return status == JWT_OK ? jwks_verify(&c->jwks, &token->jwt, &r->budget_us) : status;
}

/* All tokens in the consumer's places must be its. */
static enum jwt_status check_consumer(struct request *r, const struct consumer *c)
{
    enum jwt_status result = JWT_MISSING;
    for (size_t i = 0; i < c->nplaces; i++) {
        const struct token *token = token_at(r, c->places[i]);
        if (!token->present) {
            continue;
        }
        result = check_token(r, c, token);
        if (result != JWT_OK) {
            wp_debug("consumer %.*s: %.*s", WP_ARG(c->name), WP_ARG(jwt_status_text(result)));
            break;
        }
    }
    return result;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static enum wp_action deny(enum jwt_status status)
{
    struct wp_str message = jwt_status_text(status), realm = bearer_realm();
    const char *error = status == JWT_MISSING ? "" : ", error=\"invalid_token\"";
    struct wp_header header = {WP_STR("WWW-Authenticate"),
                               wp_format("Bearer realm=\"%.*s\"%s", WP_ARG(realm), error)};
    wp_respond(&(struct wp_response){.status = 401,
                                     .details = bearer_details("jwt_authn_access_denied", message),
                                     .body = message,
                                     .headers = &header,
                                     .nheaders = 1});
    return WP_PAUSE;
}

static enum wp_action forbid(void)
{
    wp_respond(&(struct wp_response){
        .status = 403, .details = WP_STR("jwt_authn_access_denied"), .body = WP_STR("Access Denied")});
    return WP_PAUSE;
}

/* A claim as a header's value: a string or an integer.  Anything else, and what no header can hold, is empty;
 * so a header that the client made up never stands for a claim. */
static struct wp_str header_value(const struct claims *claims, struct wp_str name)
{
    struct claim claim;
    if (!claims_find_path(claims, name, &claim) ||
        (claim.kind != CLAIM_STRING && claim.kind != CLAIM_INTEGER)) {
        return WP_STR("");
    }
    for (size_t i = 0; i < claim.text.len; i++) {
        unsigned char byte = (unsigned char)claim.text.at[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return WP_STR("");
        }
    }
    return claim.text;
}

static void set_claim_headers(const struct consumer *c, const struct claims *claims)
{
    for (size_t i = 0; i < c->nheaders; i++) {
        const struct claim_header *h = &c->headers[i];
        struct wp_str value = header_value(claims, h->claim);
        if (h->override) {
            wp_header_replace(WP_REQUEST_HEADERS, h->header, value);
        } else {
            wp_header_add(WP_REQUEST_HEADERS, h->header, value);
        }
    }
}

/* Only the first header of a name was looked at: the upstream must not take another one for verified. */
static void settle_token_header(const struct consumer *c, struct wp_str name)
{
    if (c->keep_token) {
        wp_header_replace(WP_REQUEST_HEADERS, name, wp_request_header(name));
    } else {
        wp_header_remove(WP_REQUEST_HEADERS, name);
    }
}

static enum wp_action let_in(struct request *r, const struct consumer *c)
{
    for (size_t i = 0; i < c->nplaces; i++) {
        const struct token_place *place = &r->config->places[c->places[i]];
        if (place->kind == TOKEN_IN_HEADER && token_at(r, c->places[i])->present) {
            settle_token_header(c, place->name);
        }
    }
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("X-Mse-Consumer"), c->name);
    for (size_t i = 0; i < c->nplaces; i++) {
        const struct token *token = token_at(r, c->places[i]);
        if (token->present) {
            set_claim_headers(c, &token->jwt.claims);
        }
    }
    return WP_CONTINUE;
}

/* Without enable_headers, or with one of them in the request, tokens are asked for. */
static bool is_enabled(const struct jwt_auth *c)
{
    bool enabled = c->enable_headers.n == 0;
    for (size_t i = 0; i < c->enable_headers.n && !enabled; i++) {
        enabled = wp_request_header(c->enable_headers.at[i]).len != 0;
    }
    return enabled;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    struct auth_match match = auth_config_find(&wp_root_of(s)->config);
    const struct jwt_auth *config = match.config;
    if (!config || !is_enabled(config)) {
        return WP_CONTINUE;
    }
    struct request r = {.config = config,
                        .tokens = wp_arena_array(wp_callback_arena(), config->nplaces, sizeof *r.tokens),
                        .budget_us = VERIFY_BUDGET_US,
                        .now_s = (int64_t)(wp_now_ns() / 1000000000u)};
    enum jwt_status first = JWT_MISSING;
    bool verified = false;
    for (size_t i = 0; i < config->nconsumers; i++) {
        const struct consumer *c = &config->consumers[i];
        enum jwt_status status = check_consumer(&r, c);
        if (status == JWT_OK && auth_allows(match.allow, c->name)) {
            return let_in(&r, c);
        }
        verified = verified || status == JWT_OK;
        first = i == 0 ? status : first;
    }
    return verified ? forbid() : deny(first);
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
