/* cluster-key-rate-limit - one limit for all gateways: requests are counted in Redis, in fixed windows.
 *
 * Configuration, keys and values in Redis are those of Higress's plugin, so gateways of both kinds count
 * together; README.md has the fields.
 *
 * A request falls under the first rule item that knows its value (a header's, a parameter's, ...) and under
 * the first limit of that item that fits.  One script takes one from the counter of the limit and the value:
 * atomic in Redis, so the limit holds exactly, however many gateways and workers ask.  The request waits for
 * the answer; if there is none, `on_failure` decides. */
#include "ip.h"
#include "redis_service.h"
#include "rule_config.h"
#include "strmap.h"
#include "weir_crypto.h"
#include "weir_regex.h"

enum item_kind { BY_HEADER, BY_PARAM, BY_COOKIE, BY_CONSUMER, BY_IP_HEADER, BY_IP_PEER };

/* What a limit's `key` is. */
enum limit_kind { LIMIT_EXACT, LIMIT_REGEXP, LIMIT_ALL, LIMIT_NET };

struct limit {
    enum limit_kind kind;
    struct wp_regex_set *pattern; /* a set of one */
    struct ip_net net;
    int64_t count;
    uint32_t window_s;
    struct wp_str prefix; /* of the key in Redis, up to the value */
    struct wp_str count_text, window_text;
};

struct item {
    enum item_kind kind;
    struct wp_str name; /* of the header, parameter or cookie */
    struct limit *limits;
    size_t nlimits;
    bool exact;           /* all limits are LIMIT_EXACT, found by by_key */
    struct strmap by_key; /* to the index of the limit */
};

struct rate_limit {
    struct redis_service redis;
    bool closed;          /* without Redis requests are refused */
    struct limit *global; /* or items */
    struct item *items;
    size_t nitems;
    bool show_quota;
    uint32_t rejected_code;
    struct wp_str rejected_msg;
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct rule_config config;
};

struct stream {
    struct wp_stream wp;
    /* Copies, as the configuration may be another one when Redis answers. */
    int64_t count, remaining, reset_s;
    bool counted, show_quota; /* the response gets quota headers */
};

WP_PLUGIN(struct root, struct stream)

enum { MAX_VALUE_BYTES = 128, MIN_STATUS = 200, MAX_STATUS = 599 };

#define CONSUMER WP_STR("x-mse-consumer")
#define REGEXP WP_STR("regexp:")
#define FROM_HEADER WP_STR("from-header-")

/* KEYS[1] holds what is left of the window.  Redis's clock stands still in a script, so the key cannot expire
 * between its lines; a key without a time to live would never be given back, and starts over. */
#define SCRIPT                                                                                               \
    WP_STR("local left=ARGV[1]-1 "                                                                           \
           "if redis.call('SET',KEYS[1],left,'EX',ARGV[2],'NX') then return{left,tonumber(ARGV[2])} end "    \
           "local ttl=redis.call('TTL',KEYS[1]) "                                                            \
           "if ttl<0 then redis.call('SET',KEYS[1],left,'EX',ARGV[2]) return{left,tonumber(ARGV[2])} end "   \
           "return{redis.call('DECR',KEYS[1]),ttl}")

/* ---- configuration ---------------------------------------------------------------------- */

static void pattern_free(void *set)
{
    wp_regex_set_free(set);
}

static bool parse_pattern(struct wp_str text, const char *where, struct wp_arena *arena, struct limit *out)
{
    struct wp_str why;
    out->kind = LIMIT_REGEXP;
    out->pattern = wp_regex_set_new(WP_REGEX_SEARCH);
    wp_arena_on_free(arena, pattern_free, out->pattern);
    if (wp_regex_set_add(out->pattern, text, &why) && wp_regex_set_compile(out->pattern, &why)) {
        return true;
    }
    wp_json_complain(where, "key", wp_format("is no regular expression: %.*s", WP_ARG(why)).at);
    return false;
}

static const struct window {
    const char *field;
    uint32_t seconds;
} windows[] = {
    {"query_per_second", 1}, {"query_per_minute", 60}, {"query_per_hour", 3600}, {"query_per_day", 86400}};

/* The one window of the object, and how many requests it takes. */
static bool parse_quota(const json_t *object, const char *where, struct wp_arena *arena, struct limit *out)
{
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        int64_t count = 0;
        if (!json_object_get(object, windows[i].field)) {
            continue;
        }
        if (!wp_json_int(object, where, windows[i].field, &count)) {
            return false;
        }
        if (count <= 0) {
            wp_json_complain(where, windows[i].field, "must be positive");
            return false;
        }
        if (out->window_s != 0) {
            wp_json_complain(where, windows[i].field, "is a second window; a limit has one");
            return false;
        }
        out->count = count;
        out->window_s = windows[i].seconds;
    }
    if (out->window_s == 0) {
        wp_json_complain(where, "",
                         "needs one of query_per_second, query_per_minute, query_per_hour and query_per_day");
        return false;
    }
    out->count_text = wp_arena_dup(arena, wp_format("%lld", (long long)out->count));
    out->window_text = wp_arena_dup(arena, wp_format("%u", out->window_s));
    return true;
}

/* The nine limit_by_ fields.  `per`: each value that fits a limit has a counter, and keys are patterns. */
static const struct item_field {
    const char *name;
    enum item_kind kind;
    bool per;
} item_fields[] = {
    {"limit_by_header", BY_HEADER, false},    {"limit_by_param", BY_PARAM, false},
    {"limit_by_cookie", BY_COOKIE, false},    {"limit_by_consumer", BY_CONSUMER, false},
    {"limit_by_per_header", BY_HEADER, true}, {"limit_by_per_param", BY_PARAM, true},
    {"limit_by_per_cookie", BY_COOKIE, true}, {"limit_by_per_consumer", BY_CONSUMER, true},
    {"limit_by_per_ip", BY_IP_PEER, true},
};

static bool parse_key(struct wp_str key, const struct item_field *field, const char *where,
                      struct wp_arena *arena, struct limit *out)
{
    if (field->kind == BY_IP_PEER) {
        out->kind = LIMIT_NET;
        if (!ip_net_parse(key, &out->net)) {
            wp_json_complain(where, "key", "must be an IP address or a network as 10.0.0.0/8");
            return false;
        }
        return true;
    }
    if (!field->per) {
        out->kind = LIMIT_EXACT;
        return true;
    }
    if (wp_str_eq(key, WP_STR("*"))) {
        out->kind = LIMIT_ALL;
        return true;
    }
    if (!wp_str_starts(key, REGEXP)) {
        wp_json_complain(where, "key", wp_format("must be * or begin with regexp: under %s", field->name).at);
        return false;
    }
    return parse_pattern(wp_str_slice(key, REGEXP.len, key.len), where, arena, out);
}

static bool parse_limit(const json_t *object, const char *where, const struct item_field *field,
                        struct wp_arena *arena, struct wp_str *key, struct limit *out)
{
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    *key = WP_STR("");
    if (!wp_json_str(object, where, "key", arena, key)) {
        return false;
    }
    if (key->len == 0) {
        wp_json_complain(where, "key", "is missing or empty");
        return false;
    }
    return parse_key(*key, field, where, arena, out) && parse_quota(object, where, arena, out);
}

/* Which of the fields the item has: exactly one, a name (which only consumers need not give). */
static const struct item_field *parse_item_field(const json_t *object, const char *where,
                                                 struct wp_arena *arena, struct wp_str *value)
{
    const struct item_field *found = NULL;
    for (size_t i = 0; i < sizeof item_fields / sizeof *item_fields; i++) {
        const struct item_field *f = &item_fields[i];
        struct wp_str text = WP_STR("");
        if (!json_object_get(object, f->name)) {
            continue;
        }
        if (!wp_json_str(object, where, f->name, arena, &text)) {
            return NULL;
        }
        if (text.len == 0 && f->kind != BY_CONSUMER) {
            continue;
        }
        if (found) {
            wp_json_complain(where, f->name, wp_format("cannot stand beside %s", found->name).at);
            return NULL;
        }
        found = f;
        *value = text;
    }
    if (!found) {
        wp_json_complain(where, "", "needs one of the limit_by_ fields, not empty");
    }
    return found;
}

/* Where the item's value comes from. */
static bool parse_item_source(const struct item_field *field, struct wp_str value, const char *where,
                              struct item *out)
{
    out->kind = field->kind;
    out->name = field->kind == BY_CONSUMER ? CONSUMER : value;
    if (field->kind != BY_IP_PEER || wp_str_eq(value, WP_STR("from-remote-addr"))) {
        return true;
    }
    if (!wp_str_starts(value, FROM_HEADER) || value.len == FROM_HEADER.len) {
        wp_json_complain(where, field->name, "must be from-remote-addr or from-header-NAME");
        return false;
    }
    out->kind = BY_IP_HEADER;
    out->name = wp_str_slice(value, FROM_HEADER.len, value.len);
    return true;
}

/* The parts of an item's keys in Redis; Higress's names. */
static struct wp_str key_prefix(struct wp_str rule_name, const struct item_field *field, struct wp_str name,
                                const struct limit *l, struct wp_arena *arena)
{
    return wp_arena_dup(arena,
                        wp_format("higress-cluster-key-rate-limit:%.*s:%s:%u:%lld:%.*s:", WP_ARG(rule_name),
                                  field->name, l->window_s, (long long)l->count, WP_ARG(name)));
}

static bool parse_item(const json_t *object, const char *where, struct wp_str rule_name,
                       struct wp_arena *arena, struct item *out)
{
    struct wp_str value = WP_STR("");
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    const struct item_field *field = parse_item_field(object, where, arena, &value);
    if (!field || !parse_item_source(field, value, where, out)) {
        return false;
    }
    const json_t *keys = json_object_get(object, "limit_keys");
    if (!json_is_array(keys) || json_array_size(keys) == 0) {
        wp_json_complain(where, "limit_keys", "must be an array of limits, not empty");
        return false;
    }
    out->nlimits = json_array_size(keys);
    out->limits = wp_arena_array(arena, out->nlimits, sizeof *out->limits);
    out->exact = !field->per;
    strmap_init(&out->by_key, arena, out->nlimits);
    for (uint32_t i = 0; i < out->nlimits; i++) {
        struct wp_str key, at = wp_format("%s.limit_keys[%u]", where, i);
        struct limit *l = &out->limits[i];
        if (!parse_limit(json_array_get(keys, i), at.at, field, arena, &key, l)) {
            return false;
        }
        if (!strmap_add(&out->by_key, key, i)) {
            wp_warn("configuration: %s: the key is there already, and the first counts", at.at);
        }
        struct wp_str name = field->kind == BY_CONSUMER ? CONSUMER : value;
        l->prefix = key_prefix(rule_name, field, name, l, arena);
    }
    return true;
}

static bool parse_items(const json_t *items, const char *where, struct wp_str rule_name,
                        struct wp_arena *arena, struct rate_limit *c)
{
    if (!json_is_array(items) || json_array_size(items) == 0) {
        wp_json_complain(where, "rule_items", "must be an array of items, not empty");
        return false;
    }
    c->nitems = json_array_size(items);
    c->items = wp_arena_array(arena, c->nitems, sizeof *c->items);
    for (size_t i = 0; i < c->nitems; i++) {
        struct wp_str at = wp_format("%s%srule_items[%zu]", where, *where != '\0' ? "." : "", i);
        if (!parse_item(json_array_get(items, i), at.at, rule_name, arena, &c->items[i])) {
            return false;
        }
    }
    return true;
}

static bool parse_global(const json_t *object, const char *where, struct wp_str rule_name,
                         struct wp_arena *arena, struct rate_limit *c)
{
    struct wp_str at = wp_format("%s%sglobal_threshold", where, *where != '\0' ? "." : "");
    if (!json_is_object(object)) {
        wp_json_complain(where, "global_threshold", "must be an object");
        return false;
    }
    c->global = wp_arena_array(arena, 1, sizeof *c->global);
    if (!parse_quota(object, at.at, arena, c->global)) {
        return false;
    }
    c->global->prefix =
        wp_arena_dup(arena, wp_format("higress-cluster-key-rate-limit:%.*s:global_threshold:%u:%lld",
                                      WP_ARG(rule_name), c->global->window_s, (long long)c->global->count));
    return true;
}

static bool parse_limits(const json_t *object, const char *where, struct wp_arena *arena,
                         struct rate_limit *c)
{
    struct wp_str rule_name = WP_STR("");
    const json_t *global = json_object_get(object, "global_threshold"),
                 *items = json_object_get(object, "rule_items");
    if (!wp_json_str(object, where, "rule_name", arena, &rule_name)) {
        return false;
    }
    if (rule_name.len == 0) {
        wp_json_complain(where, "rule_name", "is missing or empty");
        return false;
    }
    if (!global == !items) {
        wp_json_complain(where, "", "needs exactly one of global_threshold and rule_items");
        return false;
    }
    return global ? parse_global(global, where, rule_name, arena, c)
                  : parse_items(items, where, rule_name, arena, c);
}

static bool parse_answers(const json_t *object, const char *where, struct wp_arena *arena,
                          struct rate_limit *c)
{
    struct wp_str policy = WP_STR("open");
    int64_t code = 429;
    c->rejected_msg = WP_STR("Too many requests");
    if (!wp_json_bool(object, where, "show_limit_quota_header", &c->show_quota) ||
        !wp_json_int(object, where, "rejected_code", &code) ||
        !wp_json_str(object, where, "rejected_msg", arena, &c->rejected_msg) ||
        !wp_json_str(object, where, "on_failure", arena, &policy)) {
        return false;
    }
    if (code < MIN_STATUS || code > MAX_STATUS) {
        wp_json_complain(where, "rejected_code", "must be a status from 200 to 599");
        return false;
    }
    c->rejected_code = (uint32_t)code;
    c->closed = wp_str_eq(policy, WP_STR("closed"));
    if (!c->closed && !wp_str_eq(policy, WP_STR("open"))) {
        wp_json_complain(where, "on_failure", "must be open or closed");
        return false;
    }
    return true;
}

static void *parse_rate_limit(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct rate_limit *c = wp_arena_array(arena, 1, sizeof *c);
    return parse_limits(object, where, arena, c) && parse_answers(object, where, arena, c) &&
                   redis_service_parse(object, where, arena, &c->redis)
               ? c
               : NULL;
}

/* The old configuration stays in force if the new one is refused. */
static bool configure(struct root *root, struct wp_str text)
{
    const struct rule_shell shell = {.parse = parse_rate_limit, .global = RULE_GLOBAL_MUST_HOLD};
    return rule_config_replace(text, &shell, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- which limit --------------------------------------------------------------------------- */

static bool cookie_get(struct wp_str name, struct wp_str *value)
{
    struct wp_str rest = wp_request_header(WP_STR("cookie")), piece;
    while (wp_str_split(&rest, ';', &piece)) {
        piece = wp_str_trim(piece);
        ptrdiff_t equals = wp_str_find(piece, '=');
        if (equals >= 0 && wp_str_eq(wp_str_slice(piece, 0, (size_t)equals), name)) {
            *value = wp_str_slice(piece, (size_t)equals + 1, piece.len);
            return value->len != 0;
        }
    }
    return false;
}

/* The client's address: the peer's, or the first of a list in a header. */
static bool address_get(const struct item *item, struct ip *out)
{
    struct wp_str text, first;
    if (item->kind == BY_IP_PEER) {
        return wp_property_get(WP_STR("source\0address"), &text) && ip_parse(text, out);
    }
    return wp_header_get(WP_REQUEST_HEADERS, item->name, &text) && wp_str_split(&text, ',', &first) &&
           ip_parse(first, out);
}

/* False: the request has no such value. */
static bool value_get(const struct item *item, struct wp_str *value)
{
    switch (item->kind) {
    case BY_HEADER:
    case BY_CONSUMER:
        return wp_header_get(WP_REQUEST_HEADERS, item->name, value);
    case BY_PARAM:
        return wp_query_get(wp_query_of(wp_request_header(WP_STR(":path"))), item->name, value);
    case BY_COOKIE:
        return cookie_get(item->name, value);
    case BY_IP_HEADER:
    case BY_IP_PEER:
        break;
    }
    return false;
}

static const struct limit *limit_of_address(const struct item *item, struct wp_str *value)
{
    struct ip ip;
    if (!address_get(item, &ip)) {
        return NULL;
    }
    for (size_t i = 0; i < item->nlimits; i++) {
        if (ip_net_contains(&item->limits[i].net, &ip)) {
            *value = ip_format(&ip);
            return &item->limits[i];
        }
    }
    return NULL;
}

static const struct limit *limit_of_item(const struct item *item, struct wp_str *value)
{
    uint32_t index;
    if (item->kind == BY_IP_HEADER || item->kind == BY_IP_PEER) {
        return limit_of_address(item, value);
    }
    if (!value_get(item, value)) {
        return NULL;
    }
    if (item->exact) {
        return strmap_find(&item->by_key, *value, &index) ? &item->limits[index] : NULL;
    }
    for (size_t i = 0; i < item->nlimits; i++) {
        const struct limit *l = &item->limits[i];
        if (l->kind == LIMIT_ALL || wp_regex_set_matches(l->pattern, *value)) {
            return l;
        }
    }
    return NULL;
}

/* The limit the request falls under and its counter's key; NULL: none. */
static const struct limit *limit_find(const struct rate_limit *c, struct wp_str *key)
{
    if (c->global) {
        *key = c->global->prefix;
        return c->global;
    }
    for (size_t i = 0; i < c->nitems; i++) {
        struct wp_str value;
        const struct limit *l = limit_of_item(&c->items[i], &value);
        if (!l) {
            continue;
        }
        if (value.len > MAX_VALUE_BYTES) { /* a client must not fill Redis with long keys */
            value = wp_hex_encode(wp_digest_of(WP_SHA256, value));
        }
        *key = wp_format("%.*s%.*s", WP_ARG(l->prefix), WP_ARG(value));
        return l;
    }
    return NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

struct quota {
    struct wp_header at[3];
    size_t n;
};

static void quota_add(struct quota *q, struct wp_str name, int64_t value)
{
    q->at[q->n++] = (struct wp_header){name, wp_format("%lld", (long long)value)};
}

/* The headers that tell the client about its quota; the time until the window ends is always told to those
 * who are refused. */
static struct quota quota_of(const struct stream *s, bool show)
{
    struct quota q = {.n = 0};
    if (show) {
        quota_add(&q, WP_STR("X-RateLimit-Limit"), s->count);
        quota_add(&q, WP_STR("X-RateLimit-Remaining"), s->remaining < 0 ? 0 : s->remaining);
    }
    quota_add(&q, WP_STR("X-RateLimit-Reset"), s->reset_s);
    return q;
}

static void reject(const struct stream *s, const struct rate_limit *c)
{
    struct quota q = quota_of(s, s->show_quota);
    wp_respond(&(struct wp_response){.status = c ? c->rejected_code : 429,
                                     .details = WP_STR("cluster-key-rate-limit.rejected"),
                                     .body = c ? c->rejected_msg : WP_STR("Too many requests"),
                                     .headers = q.at,
                                     .nheaders = q.n});
}

/* Without an answer of Redis; true: the request may go on. */
static bool pass_uncounted(struct rate_limit *c, const struct wp_redis_reply *reply)
{
    if (!c) {
        return true;
    }
    redis_service_complain(&c->redis, WP_STR("not counted"), reply);
    if (!c->closed) {
        return true;
    }
    wp_respond(&(struct wp_response){.status = 503,
                                     .details = WP_STR("cluster-key-rate-limit.unavailable"),
                                     .body = WP_STR("Rate limit is not available")});
    return false;
}

/* What the script answers: what is left, and seconds until the window ends. */
static bool read_answer(const struct wp_redis_reply *reply, struct stream *s)
{
    if (reply->type != WP_REDIS_ARRAY || reply->nelements != 2 ||
        reply->elements[0].type != WP_REDIS_INTEGER || reply->elements[1].type != WP_REDIS_INTEGER) {
        return false;
    }
    s->remaining = reply->elements[0].integer;
    s->reset_s = reply->elements[1].integer;
    return true;
}

static void answered(struct wp_root *wp_root, struct wp_stream *wp_stream, void *data,
                     const struct wp_redis_reply *reply)
{
    struct root *root = (struct root *)wp_root;
    struct stream *s = (struct stream *)wp_stream;
    (void)data;
    /* The configuration may be another one by now, or none. */
    struct rate_limit *c = rule_config_find(&root->config);
    if (!read_answer(reply, s)) {
        if (pass_uncounted(c, reply)) {
            wp_resume_request();
        }
    } else if (s->remaining < 0) {
        reject(s, c);
    } else {
        s->counted = true;
        wp_resume_request();
    }
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    struct wp_str key;
    (void)count;
    (void)end_of_stream;
    struct rate_limit *c = rule_config_find(&wp_root_of(s)->config);
    const struct limit *l = c ? limit_find(c, &key) : NULL;
    if (!l) {
        return WP_CONTINUE;
    }
    s->count = l->count;
    s->show_quota = c->show_quota;
    const struct wp_str command[] = {WP_STR("EVAL"), SCRIPT, WP_STR("1"), key, l->count_text, l->window_text};
    enum wp_status status =
        redis_service_call(&c->redis, &s->wp, command, sizeof command / sizeof *command, answered, NULL);
    if (status == WP_OK) {
        return WP_PAUSE;
    }
    return pass_uncounted(c, NULL) ? WP_CONTINUE : WP_PAUSE;
}

static enum wp_action response_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    if (s->counted && s->show_quota) {
        struct quota q = quota_of(s, true);
        for (size_t i = 0; i < q.n; i++) {
            wp_header_replace(WP_RESPONSE_HEADERS, q.at[i].name, q.at[i].value);
        }
    }
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_RESPONSE_HEADERS(response_headers)
