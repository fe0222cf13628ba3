/* hmac-auth - lets a request through if it is signed with a known key's secret.
 *
 * Configuration, what is signed and the verdicts are those of Higress's hmac-auth; README.md has the fields.
 *
 * The string to sign is built from headers, path and parameters.  Parameters of a form come from the body
 * too, so a form is held until it is there, and so is any body that Content-MD5 speaks of: with ABI 0.2.100 a
 * paused headers callback still gets body callbacks, and the upstream hears nothing before the verdict.  The
 * body is hashed as it arrives; only a form is read as a whole, within MAX_FORM_BYTES. */
#include <stdlib.h>

#include "auth.h"
#include "http_date.h"
#include "strmap.h"
#include "weir_crypto.h"

enum digest { SHA1, SHA256, NDIGESTS };

struct credential {
    struct wp_str name; /* empty: one of `credentials` */
    struct wp_hmac_key keys[NDIGESTS];
};

struct hmac_auth {
    struct credential *credentials;
    struct strmap by_key;
    int64_t date_offset; /* seconds; not positive: dates are not looked at */
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct auth_config config;
};

/* What a held request waits for. */
struct stream {
    struct wp_stream wp;
    bool waits, is_form, has_md5;
    size_t hashed; /* bytes of the body in md5 */
    struct wp_digest_state md5;
};

WP_PLUGIN_HIGRESS(struct root, struct stream)

enum {
    MAX_BODY_BYTES = 32 * 1024 * 1024,
    MAX_FORM_BYTES = 1024 * 1024,
    MAX_PARAMETERS = 10000,
    MAX_SIGNED_HEADERS = 64,
    MAX_TOLD_BYTES = 900, /* of a string to sign in an answer */
    BODY_PART_BYTES = 64 * 1024,
    MILLISECONDS_DIGITS = 13,
};

/* ---- configuration ---------------------------------------------------------------------- */

static bool parse_credential(const json_t *object, const char *where, bool named, struct wp_arena *arena,
                             struct wp_str *key, struct credential *out)
{
    struct wp_str secret = WP_STR("");
    const struct {
        const char *name;
        struct wp_str *value;
    } fields[] = {{"key", key}, {"secret", &secret}, {"name", &out->name}};
    if (!json_is_object(object)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    *key = WP_STR("");
    for (size_t i = 0; i < (named ? 3 : 2); i++) {
        if (!wp_json_str(object, where, fields[i].name, arena, fields[i].value)) {
            return false;
        }
        if (fields[i].value->len == 0) {
            wp_json_complain(where, fields[i].name, "is missing or empty");
            return false;
        }
    }
    wp_hmac_key_init(&out->keys[SHA1], WP_SHA1, secret);
    wp_hmac_key_init(&out->keys[SHA256], WP_SHA256, secret);
    return true;
}

static bool parse_credentials(const json_t *array, const char *where, const char *field, bool named,
                              struct wp_arena *arena, struct hmac_auth *c)
{
    size_t n = json_array_size(array);
    if (n == 0) {
        wp_json_complain(where, field, "must be an array of at least one");
        return false;
    }
    strmap_init(&c->by_key, arena, n);
    c->credentials = wp_arena_array(arena, n, sizeof *c->credentials);
    for (uint32_t i = 0; i < n; i++) {
        struct wp_str at = wp_format("%s%s%s[%u]", where, *where != '\0' ? "." : "", field, i), key;
        if (!parse_credential(json_array_get(array, i), at.at, named, arena, &key, &c->credentials[i])) {
            return false;
        }
        if (!strmap_add(&c->by_key, key, i)) {
            wp_json_complain(at.at, "key", "is given twice");
            return false;
        }
    }
    return true;
}

static void *parse_hmac_auth(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    (void)data;
    struct hmac_auth *c = wp_arena_array(arena, 1, sizeof *c);
    const json_t *credentials = json_object_get(object, "credentials");
    const json_t *consumers = json_object_get(object, "consumers");
    if (!credentials == !consumers) {
        wp_json_complain(where, "", "needs exactly one of credentials and consumers");
        return NULL;
    }
    bool ok = consumers ? parse_credentials(consumers, where, "consumers", true, arena, c)
                        : parse_credentials(credentials, where, "credentials", false, arena, c);
    return ok && wp_json_int(object, where, "date_offset", &c->date_offset) ? c : NULL;
}

static bool configure(struct root *root, struct wp_str config)
{
    return auth_config_replace(config, parse_hmac_auth, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- answers -------------------------------------------------------------------------------- */

static enum wp_action deny(uint32_t status, struct wp_str message, const struct wp_header *header)
{
    wp_debug("refused: %.*s", WP_ARG(message));
    wp_respond(&(struct wp_response){.status = status,
                                     .details = message,
                                     .body = message,
                                     .headers = header,
                                     .nheaders = header ? 1 : 0});
    return WP_PAUSE;
}

/* The string to sign as a header can carry it. */
static enum wp_action deny_signature(struct wp_str signed_text)
{
    struct wp_str told =
        wp_format("Server StringToSign:`%.*s`", WP_ARG(wp_str_slice(signed_text, 0, MAX_TOLD_BYTES)));
    for (char *c = (char *)told.at; c < told.at + told.len; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '#' : *c;
    }
    return deny(400, WP_STR("Invalid Signature"), &(struct wp_header){WP_STR("x-ca-error-message"), told});
}

/* ---- the string to sign ----------------------------------------------------------------------- */

/* Text that grows in the callback's arena. */
struct text {
    char *at;
    size_t len, cap;
};

static void put(struct text *t, struct wp_str s)
{
    if (t->cap - t->len < s.len) {
        size_t cap = t->cap + s.len > 2 * t->cap ? t->cap + s.len : 2 * t->cap;
        cap = cap > 1024 ? cap : 1024;
        char *at = wp_arena_alloc(wp_callback_arena(), cap);
        if (t->len != 0) {
            memcpy(at, t->at, t->len);
        }
        t->at = at;
        t->cap = cap;
    }
    if (s.len != 0) {
        memcpy(t->at + t->len, s.at, s.len);
        t->len += s.len;
    }
}

static int compare(struct wp_str a, struct wp_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n != 0 ? memcmp(a.at, b.at, n) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static const struct wp_str fixed_headers[] = {
    {":method", 7}, {"accept", 6}, {"content-md5", 11}, {"content-type", 12}, {"date", 4},
};
enum { METHOD, ACCEPT, CONTENT_MD5, CONTENT_TYPE, DATE, NFIXED };
_Static_assert(sizeof fixed_headers / sizeof *fixed_headers == NFIXED, "one each");

/* Their values, asked for once in a callback. */
struct fixed {
    struct wp_str at[NFIXED];
};

static void load_fixed(struct fixed *f)
{
    for (size_t i = 0; i < NFIXED; i++) {
        f->at[i] = wp_request_header(fixed_headers[i]);
    }
}

static bool is_signed_by_name(struct wp_str name)
{
    for (size_t i = 0; i < NFIXED; i++) {
        if (wp_str_eq(name, fixed_headers[i])) {
            return false;
        }
    }
    return name.len != 0 && !wp_str_eq(name, WP_STR("x-ca-signature")) &&
           !wp_str_eq(name, WP_STR("x-ca-signature-headers"));
}

static struct wp_str lower_case(struct wp_str s)
{
    s = wp_arena_dup(wp_callback_arena(), s);
    for (char *c = (char *)s.at; c < s.at + s.len; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    return s;
}

/* The names in x-ca-signature-headers that count, sorted by insertion; false: too many. */
static bool signed_names(struct wp_str list, struct wp_str names[MAX_SIGNED_HEADERS], size_t *n)
{
    struct wp_str name;
    *n = 0;
    while (wp_str_split(&list, ',', &name)) {
        name = lower_case(wp_str_trim(name));
        if (!is_signed_by_name(name)) {
            continue;
        }
        if (*n == MAX_SIGNED_HEADERS) {
            return false;
        }
        size_t i = (*n)++;
        for (; i > 0 && compare(names[i - 1], name) > 0; i--) {
            names[i] = names[i - 1];
        }
        names[i] = name;
    }
    return true;
}

static bool put_headers(struct text *t, const struct fixed *f)
{
    struct wp_str names[MAX_SIGNED_HEADERS];
    size_t n;
    for (size_t i = 0; i < NFIXED; i++) {
        put(t, f->at[i]);
        put(t, WP_STR("\n"));
    }
    if (!signed_names(wp_request_header(WP_STR("x-ca-signature-headers")), names, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        put(t, names[i]);
        put(t, WP_STR(":"));
        put(t, wp_request_header(names[i]));
        put(t, WP_STR("\n"));
    }
    return true;
}

struct parameter {
    struct wp_str name, value;
    uint32_t order;
};

/* Of equal names the first stays first. */
static int compare_parameters(const void *a, const void *b)
{
    const struct parameter *p = a, *q = b;
    int c = compare(p->name, q->name);
    return c != 0 ? c : (p->order > q->order) - (p->order < q->order);
}

static size_t count_parameters(struct wp_str query)
{
    size_t n = 0;
    struct wp_str piece;
    while (wp_str_split(&query, '&', &piece)) {
        n++;
    }
    return n;
}

static bool put_parameters(struct text *t, struct wp_str query, struct wp_str form)
{
    size_t room = count_parameters(query) + count_parameters(form), n = 0;
    if (room > MAX_PARAMETERS) {
        return false;
    }
    struct parameter *all = wp_arena_array(wp_callback_arena(), room, sizeof *all);
    struct wp_str sources[] = {query, form}, name, value;
    for (size_t i = 0; i < 2; i++) {
        while (wp_query_next(&sources[i], &name, &value)) {
            all[n] = (struct parameter){wp_percent_decode(name), wp_percent_decode(value), (uint32_t)n};
            n++;
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, compare_parameters);
    }
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && wp_str_eq(all[i].name, all[i - 1].name)) {
            continue;
        }
        put(t, i == 0 ? WP_STR("?") : WP_STR("&"));
        put(t, all[i].name);
        put(t, WP_STR("="));
        put(t, all[i].value);
    }
    return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };
static const int64_t seconds_max = INT64_MAX / NS_PER_S;

/* Whole seconds, or milliseconds if it is long enough, as nanoseconds. */
static bool parse_timestamp(struct wp_str text, int64_t *ns)
{
    enum { DIGITS_MAX = 18 }; /* more fit no 64 bits */
    int64_t v = 0, unit = text.len >= MILLISECONDS_DIGITS ? NS_PER_MS : NS_PER_S;
    if (text.len == 0 || text.len > DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.at[i] - '0';
        if (digit < 0 || digit > 9) {
            return false;
        }
        v = v * 10 + digit;
    }
    if (v > INT64_MAX / unit) {
        return false;
    }
    *ns = v * unit;
    return true;
}

static bool parse_date(struct wp_str date, int64_t *ns)
{
    int64_t seconds;
    if (date.len == 0) {
        return parse_timestamp(wp_request_header(WP_STR("x-ca-timestamp")), ns);
    }
    if (!http_date_parse(date, &seconds) || llabs(seconds) > seconds_max) {
        return false;
    }
    *ns = seconds * NS_PER_S;
    return true;
}

static bool is_fresh(const struct hmac_auth *c, struct wp_str date)
{
    int64_t ns, offset;
    if (c->date_offset <= 0) {
        return true;
    }
    if (!parse_date(date, &ns) || __builtin_sub_overflow(ns, (int64_t)wp_now_ns(), &offset) ||
        offset == INT64_MIN) {
        return false;
    }
    return c->date_offset > seconds_max || llabs(offset) <= c->date_offset * NS_PER_S;
}

static const struct credential *find_credential(const struct hmac_auth *c)
{
    uint32_t index;
    return strmap_find(&c->by_key, wp_request_header(WP_STR("x-ca-key")), &index) ? &c->credentials[index]
                                                                                  : NULL;
}

/* Signature and date; WP_PAUSE having answered. */
static enum wp_action check_signature(const struct hmac_auth *c, const struct credential *credential,
                                      const struct fixed *f, struct wp_str form)
{
    struct wp_str signature = wp_request_header(WP_STR("x-ca-signature"));
    if (signature.len == 0) {
        return deny(401, WP_STR("Empty Signature"), NULL);
    }
    if (!is_fresh(c, f->at[DATE])) {
        return deny(400, WP_STR("Invalid Date"), NULL);
    }
    struct text t = {0};
    struct wp_str path = wp_request_header(WP_STR(":path"));
    bool bounded = put_headers(&t, f);
    put(&t, wp_path_of(path));
    if (!bounded || !put_parameters(&t, wp_query_of(path), form)) {
        return deny(400, WP_STR("Invalid Signature"), NULL);
    }
    struct wp_str signed_text = {t.at, t.len};
    bool sha1 = wp_str_eq(wp_request_header(WP_STR("x-ca-signature-method")), WP_STR("HmacSHA1"));
    struct wp_str mac = wp_hmac(&credential->keys[sha1 ? SHA1 : SHA256], &signed_text, 1);
    return wp_equal_secret(wp_base64_encode(mac), signature) ? WP_CONTINUE : deny_signature(signed_text);
}

static enum wp_action pass(const struct credential *credential)
{
    if (credential->name.len != 0) {
        wp_header_replace(WP_REQUEST_HEADERS, WP_STR("X-Mse-Consumer"), credential->name);
    }
    return WP_CONTINUE;
}

static bool is_form(struct wp_str content_type)
{
    struct wp_str type = lower_case(content_type);
    return strstr(type.at, "application/x-www-form-urlencoded") != NULL;
}

/* The MD5 is of the body that was read; nothing was, if there is none. */
static bool md5_fits(struct stream *s, struct wp_str wanted)
{
    return wp_equal_secret(wp_base64_encode(wp_digest_end(&s->md5)), wanted);
}

/* The whole body is there, or there is none. */
static enum wp_action check_body(struct stream *s, const struct hmac_auth *c,
                                 const struct credential *credential, const struct fixed *f,
                                 struct wp_str form)
{
    if (s->has_md5 && !md5_fits(s, f->at[CONTENT_MD5])) {
        return deny(400, WP_STR("Invalid Content-MD5"), NULL);
    }
    if (s->is_form && check_signature(c, credential, f, form) != WP_CONTINUE) {
        return WP_PAUSE;
    }
    return pass(credential);
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    struct auth_match match = auth_config_find_enforced(&wp_root_of(s)->config);
    if (!match.config) {
        return WP_CONTINUE;
    }
    const struct credential *credential = find_credential(match.config);
    if (!credential) {
        return deny(401, WP_STR("Invalid Key"), NULL);
    }
    if (credential->name.len != 0 && !auth_allows(match.allow, credential->name)) {
        return deny(403, WP_STR("Unauthorized Consumer"), NULL);
    }
    struct fixed f;
    load_fixed(&f);
    s->is_form = is_form(f.at[CONTENT_TYPE]);
    s->has_md5 = f.at[CONTENT_MD5].len != 0;
    if (s->has_md5) {
        wp_digest_begin(&s->md5, WP_MD5);
    }
    if (!s->is_form && check_signature(match.config, credential, &f, WP_STR("")) != WP_CONTINUE) {
        return WP_PAUSE;
    }
    if (end_of_stream) {
        return check_body(s, match.config, credential, &f, WP_STR(""));
    }
    s->waits = s->is_form || s->has_md5;
    return s->waits ? WP_PAUSE : pass(credential);
}

/* Hash what has come since the last time, in parts that are dropped again. */
static void hash_body(struct stream *s, size_t size)
{
    struct wp_mark mark = wp_arena_mark(wp_callback_arena());
    while (s->hashed < size) {
        struct wp_str part;
        wp_buffer_get(WP_REQUEST_BODY, s->hashed, BODY_PART_BYTES, &part);
        if (part.len == 0) {
            return;
        }
        wp_digest_add(&s->md5, part);
        s->hashed += part.len;
        wp_arena_rewind(wp_callback_arena(), mark);
    }
}

/* The configuration may be another one by now, so everything about it is looked up again. */
static enum wp_action finish(struct stream *s)
{
    struct auth_match match = auth_config_find_enforced(&wp_root_of(s)->config);
    const struct credential *credential = match.config ? find_credential(match.config) : NULL;
    struct wp_str form = WP_STR("");
    s->waits = false;
    if (!credential) {
        return deny(401, WP_STR("Invalid Key"), NULL);
    }
    if (s->is_form) {
        wp_buffer_get(WP_REQUEST_BODY, 0, MAX_FORM_BYTES, &form);
    }
    struct fixed f;
    load_fixed(&f);
    return check_body(s, match.config, credential, &f, form);
}

static enum wp_action request_body(struct stream *s, uint32_t size, bool end_of_stream)
{
    if (!s->waits) {
        return WP_CONTINUE;
    }
    if (size > (s->is_form ? (uint32_t)MAX_FORM_BYTES : (uint32_t)MAX_BODY_BYTES)) {
        s->waits = false;
        return deny(413, WP_STR("Request Body Too Large"), NULL);
    }
    if (s->has_md5) {
        hash_body(s, size);
    }
    return end_of_stream ? finish(s) : WP_PAUSE;
}

/* A body with trailers ends here. */
static enum wp_action request_trailers(struct stream *s, uint32_t count)
{
    (void)count;
    return s->waits ? finish(s) : WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_REQUEST_BODY(request_body)
WP_ON_REQUEST_TRAILERS(request_trailers)
