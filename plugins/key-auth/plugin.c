/* key-auth - lets a request through if it carries a known API key, in a header or in the query.
 *
 * Configuration and verdicts are those of Higress's key-auth; README.md has the fields.
 *
 * A place is one way a key can come: its name, and whether header and query are looked at.  The distinct
 * places of a configuration are looked at once per request; what is found there is looked up in a hash table
 * of all credentials.  With consumers, a credential counts only in a place its consumer listens to, and the
 * first consumer of the configuration wins; without, the first place that holds a known credential does. */
#include "auth.h"

struct place {
    struct wp_str key;
    bool in_header, in_query;
};

struct credential {
    struct wp_str text;
    uint64_t hash;
    uint32_t consumer; /* index, or NO_CONSUMER */
    bool used;
};

struct consumer {
    struct wp_str name;
    bool *listens; /* one per place */
};

enum { NO_CONSUMER = UINT32_MAX };

struct key_auth {
    struct wp_str realm;
    struct place *places;
    size_t nplaces;
    struct consumer *consumers; /* in their order */
    size_t nconsumers;          /* 0: `credentials` without names */
    struct credential *table;   /* open addressing, at most half full */
    size_t table_mask;
    uint64_t seed;
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

#define ORIGINAL_AUTH WP_STR("X-HI-ORIGINAL-AUTH")
#define DENIED "Request denied by Key Auth check. "

/* ---- configuration ---------------------------------------------------------------------- */

/* The table's place for a credential: its entry, or the free one where it would go.  Which entries are
 * compared depends on a seeded hash of the whole text, so timing tells nothing about a known key's first
 * bytes. */
static struct credential *credential_slot(const struct key_auth *c, struct wp_str text)
{
    uint64_t hash = wp_hash(text, c->seed);
    size_t i = (size_t)hash & c->table_mask;
    while (c->table[i].used && !(c->table[i].hash == hash && wp_equal_secret(c->table[i].text, text))) {
        i = (i + 1) & c->table_mask;
    }
    return &c->table[i];
}

/* False if the credential is there already. */
static bool credential_add(struct key_auth *c, struct wp_str text, uint32_t consumer)
{
    struct credential *slot = credential_slot(c, text);
    if (slot->used) {
        return false;
    }
    *slot = (struct credential){text, wp_hash(text, c->seed), consumer, true};
    return true;
}

static void table_init(struct key_auth *c, struct wp_arena *arena, size_t ncredentials)
{
    size_t slots = 8;
    while (slots < ncredentials * 2) {
        slots *= 2;
    }
    c->table = wp_arena_array(arena, slots, sizeof *c->table);
    c->table_mask = slots - 1;
    c->seed = wp_now_ns();
}

static size_t place_index(struct key_auth *c, struct place p)
{
    for (size_t i = 0; i < c->nplaces; i++) {
        struct place *q = &c->places[i];
        if (wp_str_eq(q->key, p.key) && q->in_header == p.in_header && q->in_query == p.in_query) {
            return i;
        }
    }
    c->places[c->nplaces] = p;
    return c->nplaces++;
}

/* The fields that say where keys are looked for; they are optional in `out` as it comes. */
struct sources {
    struct wp_strs keys;
    bool in_header, in_query;
};

static bool parse_sources(const json_t *object, const char *where, struct wp_arena *arena,
                          struct sources *out)
{
    return wp_json_strs(object, where, "keys", arena, &out->keys) &&
           wp_json_bool(object, where, "in_query", &out->in_query) &&
           wp_json_bool(object, where, "in_header", &out->in_header);
}

static bool check_sources(const struct sources *s, const char *where)
{
    if (s->in_query || s->in_header) {
        return true;
    }
    wp_json_complain(where, "", "one of in_query and in_header must be true");
    return false;
}

static bool parse_credentials(const json_t *object, const char *where, struct wp_arena *arena,
                              struct key_auth *c)
{
    struct wp_strs credentials = {0};
    struct sources sources = {.in_header = true, .in_query = true};
    if (!wp_json_strs(object, where, "credentials", arena, &credentials) ||
        !parse_sources(object, where, arena, &sources) ||
        !wp_json_str(object, where, "realm", arena, &c->realm) || !check_sources(&sources, where)) {
        return false;
    }
    if (sources.keys.n == 0) {
        wp_json_complain(where, "keys", "must name at least one header or query parameter");
        return false;
    }
    c->places = wp_arena_array(arena, sources.keys.n + 1, sizeof *c->places);
    for (size_t i = 0; i < sources.keys.n; i++) {
        place_index(c, (struct place){sources.keys.at[i], sources.in_header, sources.in_query});
    }
    place_index(c, (struct place){ORIGINAL_AUTH, sources.in_header, sources.in_query});
    table_init(c, arena, credentials.n);
    for (size_t i = 0; i < credentials.n; i++) {
        credential_add(c, credentials.at[i], NO_CONSUMER); /* twice the same is the same */
    }
    return true;
}

/* A consumer as it is written. */
struct consumer_fields {
    struct wp_str name;
    struct wp_strs credentials;
    struct sources sources;
    bool has_keys; /* else the global sources are used */
};

static bool parse_consumer(const json_t *object, const char *where, struct wp_arena *arena,
                           struct consumer_fields *out)
{
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    const json_t *one = json_object_get(object, "credential"), *many = json_object_get(object, "credentials");
    if (!json_object_get(object, "name")) {
        wp_json_complain(where, "name", "is missing");
        return false;
    }
    if (!one == !many) {
        wp_json_complain(where, "", "needs exactly one of credential and credentials");
        return false;
    }
    if (!wp_json_str(object, where, "name", arena, &out->name) ||
        !wp_json_strs(object, where, "credentials", arena, &out->credentials)) {
        return false;
    }
    if (one) {
        out->credentials = (struct wp_strs){wp_arena_array(arena, 1, sizeof(struct wp_str)), 1};
        if (!wp_json_str(object, where, "credential", arena, out->credentials.at)) {
            return false;
        }
    }
    out->has_keys = json_object_get(object, "keys") != NULL;
    if (!out->has_keys) {
        return true;
    }
    if (!parse_sources(object, where, arena, &out->sources)) {
        return false;
    }
    if (!out->sources.in_header && !out->sources.in_query) {
        wp_warn("configuration: %s: in_query and in_header are both false, so it cannot be found", where);
    }
    return true;
}

static void listen(struct key_auth *c, struct consumer *consumer, const struct sources *s, struct wp_str key)
{
    consumer->listens[place_index(c, (struct place){key, s->in_header, s->in_query})] = true;
}

static bool link_consumers(const struct consumer_fields *fields, size_t n, const struct sources *global,
                           struct wp_arena *arena, struct key_auth *c)
{
    size_t nplaces = 0, ncredentials = 0;
    for (size_t i = 0; i < n; i++) {
        nplaces += fields[i].has_keys ? fields[i].sources.keys.n + 1 : 0;
        ncredentials += fields[i].credentials.n;
    }
    nplaces += global->keys.n;
    c->places = wp_arena_array(arena, nplaces, sizeof *c->places);
    c->consumers = wp_arena_array(arena, n, sizeof *c->consumers);
    c->nconsumers = n;
    table_init(c, arena, ncredentials);
    for (size_t i = 0; i < n; i++) {
        const struct sources *s = fields[i].has_keys ? &fields[i].sources : global;
        c->consumers[i] = (struct consumer){fields[i].name, wp_arena_array(arena, nplaces, sizeof(bool))};
        if (fields[i].has_keys) {
            listen(c, &c->consumers[i], s, ORIGINAL_AUTH);
        }
        for (size_t k = 0; k < s->keys.n; k++) {
            listen(c, &c->consumers[i], s, s->keys.at[k]);
        }
        for (size_t k = 0; k < fields[i].credentials.n; k++) {
            if (!credential_add(c, fields[i].credentials.at[k], (uint32_t)i)) {
                wp_error("configuration: consumer %.*s: a credential of it is given twice",
                         WP_ARG(fields[i].name));
                return false;
            }
        }
    }
    return true;
}

static bool parse_consumers(const json_t *object, const char *where, struct wp_arena *arena,
                            struct key_auth *c)
{
    const json_t *array = json_object_get(object, "consumers");
    if (!json_is_array(array)) {
        wp_json_complain(where, "consumers", "must be an array of consumers");
        return false;
    }
    size_t n = json_array_size(array);
    struct sources global = {.in_header = true, .in_query = true};
    struct consumer_fields *fields = wp_arena_array(arena, n, sizeof *fields);
    bool needs_global = false;
    for (size_t i = 0; i < n; i++) {
        struct wp_str at = wp_format("%s%sconsumers[%zu]", where, *where != '\0' ? "." : "", i);
        fields[i].sources = global;
        if (!parse_consumer(json_array_get(array, i), at.at, arena, &fields[i])) {
            return false;
        }
        needs_global |= !fields[i].has_keys;
    }
    if (needs_global) {
        if (!parse_sources(object, where, arena, &global) || !check_sources(&global, where)) {
            return false;
        }
        if (global.keys.n == 0) {
            wp_warn("configuration: keys is empty, so consumers without keys of their own cannot be found");
        }
    }
    return link_consumers(fields, n, &global, arena, c);
}

static void *parse_key_auth(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct key_auth *c = wp_arena_array(arena, 1, sizeof *c);
    c->realm = WP_STR("MSE Gateway");
    bool credentials = json_object_get(object, "credentials") != NULL;
    bool consumers = json_object_get(object, "consumers") != NULL;
    if (credentials == consumers) {
        wp_json_complain(where, "", "needs exactly one of credentials and consumers");
        return NULL;
    }
    bool ok =
        credentials ? parse_credentials(object, where, arena, c) : parse_consumers(object, where, arena, c);
    return ok ? c : NULL;
}

static bool configure(struct root *root, struct wp_str text)
{
    return auth_config_replace(text, parse_key_auth, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What the client sent in a place, or an empty string.  *query is fetched at its first use. */
static struct wp_str look(const struct place *p, struct wp_str *query, bool *has_query)
{
    struct wp_str value = WP_STR("");
    if (p->in_header) {
        value = wp_request_header(p->key);
    }
    if (value.len != 0 || !p->in_query) {
        return value;
    }
    if (!*has_query) {
        *query = wp_query_of(wp_request_header(WP_STR(":path")));
        *has_query = true;
    }
    wp_query_get(*query, p->key, &value);
    return value;
}

/* The credential that authenticates the request, or NULL. */
static const struct credential *authenticate(const struct key_auth *c)
{
    const struct credential *best = NULL;
    struct wp_str query = {0};
    bool has_query = false;
    for (size_t i = 0; i < c->nplaces; i++) {
        struct wp_str text = look(&c->places[i], &query, &has_query);
        if (text.len == 0) {
            continue;
        }
        const struct credential *found = credential_slot(c, text);
        if (!found->used) {
            continue;
        }
        if (found->consumer == NO_CONSUMER) {
            return found;
        }
        if (c->consumers[found->consumer].listens[i] && (!best || found->consumer < best->consumer)) {
            best = found;
        }
        if (best && best->consumer == 0) {
            break;
        }
    }
    return best;
}

static enum wp_action deny(uint32_t status, struct wp_str details, const char *scheme, struct wp_str realm)
{
    struct wp_header header = {WP_STR("WWW-Authenticate"), wp_format("%s realm=%.*s", scheme, WP_ARG(realm))};
    wp_respond(
        &(struct wp_response){.status = status, .details = details, .headers = &header, .nheaders = 1});
    return WP_PAUSE;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    struct auth_match match = auth_config_find(&wp_root_of(s)->config);
    if (!match.config) {
        return WP_CONTINUE;
    }
    const struct key_auth *c = match.config;
    const struct credential *found = authenticate(c);
    if (!found) {
        wp_debug("no valid API key");
        return deny(401, WP_STR(DENIED "Invalid API key"), "Key", c->realm);
    }
    if (found->consumer == NO_CONSUMER) {
        return WP_CONTINUE;
    }
    struct wp_str name = c->consumers[found->consumer].name;
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("X-Mse-Consumer"), name);
    if (!auth_allows(match.allow, name)) {
        wp_debug("consumer %.*s is not allowed here", WP_ARG(name));
        return deny(403, WP_STR(DENIED "Unauthorized consumer"), "Basic", c->realm);
    }
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
