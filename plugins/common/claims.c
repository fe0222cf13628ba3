/* claims.c - see claims.h. */
#include "claims.h"

struct reader {
    const char *at, *end;
};

/* What a byte may do inside a string. */
enum { PLAIN = 0, QUOTE, ESCAPE, CONTROL, HIGH };
static uint8_t byte_class(unsigned char c)
{
    return c == '"' ? QUOTE : c == '\\' ? ESCAPE : c < 0x20 ? CONTROL : c >= 0x80 ? HIGH : PLAIN;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

static bool take(struct reader *r, char c)
{
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

/* ---- strings ---------------------------------------------------------------------------------- */

static bool is_continuation(const char *p)
{
    return ((unsigned char)*p & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence at `at`, whose first byte is not ASCII; 0: it is none. */
static size_t utf8_length(const char *at, const char *end)
{
    unsigned char a = (unsigned char)at[0];
    size_t n = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
    if (a < 0xc2 || a > 0xf4 || (size_t)(end - at) < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(at + i)) {
            return 0;
        }
    }
    unsigned char b = (unsigned char)at[1];
    bool overlong = (a == 0xe0 && b < 0xa0) || (a == 0xf0 && b < 0x90);
    bool surrogate = a == 0xed && b > 0x9f, beyond = a == 0xf4 && b > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

static bool take_hex4(struct reader *r, uint32_t *out)
{
    uint32_t v = 0;
    if (r->end - r->at < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)*r->at++, low = c | 0x20;
        if (c - '0' < 10) {
            v = v * 16 + (c - '0');
        } else if (low - 'a' < 6) {
            v = v * 16 + (low - 'a' + 10);
        } else {
            return false;
        }
    }
    *out = v;
    return true;
}

/* What follows \u, with its second half if it is the first of a pair. */
static bool take_code_point(struct reader *r, uint32_t *out)
{
    uint32_t low;
    if (!take_hex4(r, out) || *out == 0) {
        return false;
    }
    if (*out < 0xd800 || *out > 0xdfff) {
        return true;
    }
    if (*out > 0xdbff || !take(r, '\\') || !take(r, 'u') || !take_hex4(r, &low) || low < 0xdc00 ||
        low > 0xdfff) {
        return false;
    }
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static char *put_utf8(char *dst, uint32_t c)
{
    if (c < 0x80) {
        *dst++ = (char)c;
    } else if (c < 0x800) {
        *dst++ = (char)(0xc0 | c >> 6);
        *dst++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *dst++ = (char)(0xe0 | c >> 12);
        *dst++ = (char)(0x80 | (c >> 6 & 63));
        *dst++ = (char)(0x80 | (c & 63));
    } else {
        *dst++ = (char)(0xf0 | c >> 18);
        *dst++ = (char)(0x80 | (c >> 12 & 63));
        *dst++ = (char)(0x80 | (c >> 6 & 63));
        *dst++ = (char)(0x80 | (c & 63));
    }
    return dst;
}

/* An escape behind its backslash; *dst is moved on.  Never longer than what it was written with. */
static bool take_escape(struct reader *r, char **dst)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (take(r, 'u')) {
        uint32_t c;
        if (!take_code_point(r, &c)) {
            return false;
        }
        *dst = put_utf8(*dst, c);
        return true;
    }
    const char *name = r->at < r->end && *r->at != '\0' ? strchr(names, *r->at) : NULL;
    if (!name) {
        return false;
    }
    r->at++;
    *(*dst)++ = values[name - names];
    return true;
}

/* The rest of a string that has an escape, behind `start`, its first byte. */
static bool take_escaped(struct reader *r, const char *start, struct wp_str *out)
{
    size_t room = (size_t)(r->end - start);
    char *text = wp_arena_alloc(wp_callback_arena(), room + 1), *dst = text;
    memcpy(dst, start, (size_t)(r->at - start));
    dst += r->at - start;
    while (r->at < r->end) {
        size_t n = 1;
        switch (byte_class((unsigned char)*r->at)) {
        case QUOTE:
            r->at++;
            *dst = '\0';
            *out = (struct wp_str){text, (size_t)(dst - text)};
            return true;
        case ESCAPE:
            r->at++;
            if (!take_escape(r, &dst)) {
                return false;
            }
            continue;
        case CONTROL:
            return false;
        case HIGH:
            n = utf8_length(r->at, r->end);
            if (n == 0) {
                return false;
            }
            break;
        default:
            break;
        }
        memcpy(dst, r->at, n);
        dst += n;
        r->at += n;
    }
    return false;
}

/* Behind the opening quote.  Without escapes it is a view of the text. */
static bool take_string(struct reader *r, struct wp_str *out)
{
    const char *start = r->at, *p = start;
    while (p < r->end) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            p++;
        } else if (c == '"') {
            r->at = p + 1;
            *out = (struct wp_str){start, (size_t)(p - start)};
            return true;
        } else if (c == '\\') {
            r->at = p;
            return take_escaped(r, start, out);
        } else {
            size_t n = c >= 0x80 ? utf8_length(p, r->end) : 0;
            if (n == 0) {
                return false;
            }
            p += n;
        }
    }
    return false;
}

/* ---- numbers and literals --------------------------------------------------------------------- */

static bool is_digit(const struct reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool take_digits(struct reader *r)
{
    if (!is_digit(r)) {
        return false;
    }
    while (is_digit(r)) {
        r->at++;
    }
    return true;
}

static bool take_integer(struct reader *r, int64_t *out)
{
    bool negative = take(r, '-');
    uint64_t limit = (uint64_t)INT64_MAX + negative, v = 0;
    bool fits = true, leading_zero = r->at < r->end && *r->at == '0';
    const char *first = r->at;
    while (is_digit(r)) {
        unsigned d = (unsigned)(*r->at++ - '0');
        fits = fits && v <= (limit - d) / 10;
        v = v * 10 + d;
    }
    if (r->at == first || (leading_zero && r->at - first > 1)) {
        return false;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    bool goes_on = r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E');
    return fits || goes_on;
}

static bool take_number(struct reader *r, struct claim *out)
{
    out->kind = CLAIM_INTEGER;
    if (!take_integer(r, &out->integer)) {
        return false;
    }
    if (take(r, '.')) {
        out->kind = CLAIM_REAL;
        if (!take_digits(r)) {
            return false;
        }
    }
    if (take(r, 'e') || take(r, 'E')) {
        out->kind = CLAIM_REAL;
        if (!take(r, '+')) {
            take(r, '-');
        }
        return take_digits(r);
    }
    return true;
}

static const struct {
    struct wp_str text;
    enum claim_kind kind;
} literals[] = {
    {{"true", 4}, CLAIM_TRUE},
    {{"false", 5}, CLAIM_FALSE},
    {{"null", 4}, CLAIM_NULL},
};

static bool take_literal(struct reader *r, enum claim_kind *kind)
{
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t n = literals[i].text.len;
        if ((size_t)(r->end - r->at) >= n && memcmp(r->at, literals[i].text.at, n) == 0) {
            r->at += n;
            *kind = literals[i].kind;
            return true;
        }
    }
    return false;
}

/* ---- values ------------------------------------------------------------------------------------ */

static bool take_object(struct reader *r, unsigned depth, struct claims *out);
static bool take_array(struct reader *r, unsigned depth);

static bool take_value(struct reader *r, unsigned depth, struct claim *out)
{
    const char *start = r->at;
    bool ok;
    if (take(r, '"')) {
        out->kind = CLAIM_STRING;
        return take_string(r, &out->text);
    }
    if (take(r, '{')) {
        struct claims inner; /* kept for nothing, but a member twice is wrong at every depth */
        out->kind = CLAIM_OBJECT;
        ok = depth < CLAIMS_MAX_DEPTH && take_object(r, depth + 1, &inner);
    } else if (take(r, '[')) {
        out->kind = CLAIM_ARRAY;
        ok = depth < CLAIMS_MAX_DEPTH && take_array(r, depth + 1);
    } else if (is_digit(r) || (r->at < r->end && *r->at == '-')) {
        ok = take_number(r, out);
    } else {
        ok = take_literal(r, &out->kind);
    }
    out->text = (struct wp_str){start, (size_t)(r->at - start)};
    return ok;
}

/* Behind its bracket. */
static bool take_array(struct reader *r, unsigned depth)
{
    struct claim element;
    skip_space(r);
    if (take(r, ']')) {
        return true;
    }
    do {
        skip_space(r);
        if (!take_value(r, depth, &element)) {
            return false;
        }
        skip_space(r);
    } while (take(r, ','));
    return take(r, ']');
}

/* Room for one more: 8, 16, ... */
static bool reserve(struct claims *c)
{
    enum { FIRST = 8 };
    if (c->n == CLAIMS_MAX) {
        return false;
    }
    if (c->n != 0 && (c->n < FIRST || (c->n & (c->n - 1)) != 0)) {
        return true;
    }
    size_t room = c->n != 0 ? c->n * 2 : FIRST;
    struct claim *at = wp_arena_alloc(wp_callback_arena(), room * sizeof *at);
    if (c->n != 0) {
        memcpy(at, c->at, c->n * sizeof *at);
    }
    c->at = at;
    return true;
}

static bool take_member(struct reader *r, unsigned depth, struct claims *c)
{
    struct wp_str name;
    skip_space(r);
    if (!take(r, '"') || !take_string(r, &name) || claims_find(c, name) || !reserve(c)) {
        return false;
    }
    skip_space(r);
    if (!take(r, ':')) {
        return false;
    }
    skip_space(r);
    struct claim *claim = &c->at[c->n];
    *claim = (struct claim){.name = name};
    if (!take_value(r, depth, claim)) {
        return false;
    }
    c->n++;
    skip_space(r);
    return true;
}

/* Behind its brace. */
static bool take_object(struct reader *r, unsigned depth, struct claims *out)
{
    *out = (struct claims){0};
    skip_space(r);
    if (take(r, '}')) {
        return true;
    }
    do {
        if (!take_member(r, depth, out)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, '}');
}

bool claims_parse(struct wp_str json, struct claims *out)
{
    struct reader r = {json.at, json.at + json.len};
    skip_space(&r);
    bool ok = take(&r, '{') && take_object(&r, 1, out);
    skip_space(&r);
    if (!ok || r.at != r.end) {
        *out = (struct claims){0};
        return false;
    }
    return true;
}

const struct claim *claims_find(const struct claims *c, struct wp_str name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (wp_str_eq(c->at[i].name, name)) {
            return &c->at[i];
        }
    }
    return NULL;
}

bool claims_find_path(const struct claims *c, struct wp_str path, struct claim *out)
{
    struct claims level = *c;
    while (true) {
        const struct claim *found = claims_find(&level, path);
        if (found) {
            *out = *found;
            return true;
        }
        ptrdiff_t dot = wp_str_find(path, '.');
        found = dot < 0 ? NULL : claims_find(&level, wp_str_slice(path, 0, (size_t)dot));
        if (!found || found->kind != CLAIM_OBJECT || !claims_parse(found->text, &level)) {
            return false;
        }
        path = wp_str_slice(path, (size_t)dot + 1, path.len);
    }
}

bool claims_str(const struct claims *c, struct wp_str name, struct wp_str *out)
{
    const struct claim *found = claims_find(c, name);
    bool is_string = found && found->kind == CLAIM_STRING;
    *out = is_string ? found->text : WP_STR("");
    return is_string;
}

bool claim_array_next(const struct claim *array, size_t *at, struct wp_str *out)
{
    *out = WP_STR("");
    if (array->kind != CLAIM_ARRAY) {
        return false;
    }
    struct reader r = {array->text.at + *at, array->text.at + array->text.len};
    if (*at == 0) {
        take(&r, '[');
    } else {
        skip_space(&r);
        if (!take(&r, ',')) {
            return false;
        }
    }
    skip_space(&r);
    if (!take(&r, '"') || !take_string(&r, out)) {
        return false;
    }
    *at = (size_t)(r.at - array->text.at);
    return true;
}
