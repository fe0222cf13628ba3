/* pw/redact.c - finding headers' values in a line.
 *
 * Header maps are gone through for each line, because they change.  Most lines have nothing of any header: a
 * filter of all places of the line says so of each value and word by its first bytes. */
#include "pw/redact.h"

#include <string.h>

#include "base/bytes.h"
#include "pw/stream.h"

enum { FOUND_MOST = 64, FILTER_BITS = 2048 };

struct secret {
    struct str text, name;
};

struct search {
    struct str line;
    size_t places;                     /* only secrets that begin before this one matter */
    uint64_t filter[FILTER_BITS / 64]; /* by the hash of the first PW_REDACT_LEAST_VALUE bytes at a place */
    size_t n;
    bool too_many;
    struct secret found[FOUND_MOST];
};

/* Headers whose values are no secrets. */
static const struct str shown[] = {
    STR(":authority"),
    STR(":method"),
    STR(":scheme"),
    STR(":status"),
    STR("accept"),
    STR("accept-encoding"),
    STR("accept-language"),
    STR("accept-ranges"),
    STR("age"),
    STR("allow"),
    STR("cache-control"),
    STR("connection"),
    STR("content-encoding"),
    STR("content-language"),
    STR("content-length"),
    STR("content-range"),
    STR("content-type"),
    STR("date"),
    STR("expect"),
    STR("host"),
    STR("keep-alive"),
    STR("last-modified"),
    STR("range"),
    STR("retry-after"),
    STR("server"),
    STR("te"),
    STR("trailer"),
    STR("transfer-encoding"),
    STR("upgrade"),
    STR("user-agent"),
    STR("vary"),
    STR("via"),
    STR("x-request-id"),
};

static bool is_shown(struct str name)
{
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        if (str_eq(shown[i], name)) {
            return true;
        }
    }
    return false;
}

static uint32_t filter_bit(const char *at)
{
    return bytes_get_u32((const uint8_t *)at) * 2654435761u >> 21;
}

static void set_filter(struct search *f)
{
    for (size_t i = 0; i < f->places; i++) {
        uint32_t bit = filter_bit(f->line.at + i);
        f->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static bool may_have(const struct search *f, const char *at)
{
    uint32_t bit = filter_bit(at);
    return (f->filter[bit / 64] >> bit % 64 & 1) != 0;
}

static void look_for(struct search *f, struct str text, struct str name)
{
    if (!may_have(f, text.at) || memmem(f->line.at, f->line.len, text.at, text.len) == NULL ||
        is_shown(name)) {
        return;
    }
    if (f->n == FOUND_MOST) {
        f->too_many = true;
        return;
    }
    f->found[f->n++] = (struct secret){text, name};
}

static const bool ends_word[256] = {
    [' '] = true, ['\t'] = true, [';'] = true, [','] = true, ['='] = true, ['&'] = true, ['"'] = true};

static void look_for_value(struct search *f, struct str value, struct str name)
{
    if (name.len == 5 && str_eq(name, STR(":path"))) {
        value = str_slice(value, str_find_char(value, '?') + 1, value.len);
    }
    if (value.len < PW_REDACT_LEAST_VALUE) {
        return;
    }
    look_for(f, value, name);
    for (size_t i = 0, from = 0; i <= value.len; i++) {
        if (i == value.len || ends_word[(unsigned char)value.at[i]]) {
            if (i - from >= PW_REDACT_LEAST_WORD && i - from < value.len) {
                look_for(f, str_slice(value, from, i), name);
            }
            from = i + 1;
        }
    }
}

static void look_in(struct search *f, const struct pw_stream *s, enum pw_map map)
{
    struct pw_header h;

    if (!s->server->map_available(s->server_stream, map)) {
        return;
    }
    size_t n = s->server->map_count(s->server_stream, map);
    for (size_t i = 0; i < n && !f->too_many; i++) {
        if (s->server->map_at(s->server_stream, map, i, &h)) {
            look_for_value(f, h.value, h.name);
        }
    }
}

/* The longest secret that the line has at `i`, or NULL. */
static const struct secret *secret_at(const struct search *f, size_t i)
{
    const struct secret *longest = NULL;

    for (size_t k = 0; k < f->n; k++) {
        struct str text = f->found[k].text;
        if (text.len <= f->line.len - i && memcmp(text.at, f->line.at + i, text.len) == 0 &&
            (longest == NULL || text.len > longest->text.len)) {
            longest = &f->found[k];
        }
    }
    return longest;
}

static size_t put(char *dst, size_t cap, struct str s)
{
    size_t n = s.len < cap ? s.len : cap;
    memcpy(dst, s.at, n);
    return n;
}

static size_t write_line(const struct search *f, char *dst, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < f->line.len && n < cap;) {
        const struct secret *found = secret_at(f, i);
        if (found == NULL) {
            dst[n++] = f->line.at[i++];
            continue;
        }
        n += put(dst + n, cap - n, STR("[redacted: "));
        n += put(dst + n, cap - n, found->name);
        n += put(dst + n, cap - n, STR("]"));
        i += found->text.len;
    }
    return n;
}

size_t pw_redact(const struct pw_stream *s, struct str line, char *dst, size_t cap)
{
    if (s == NULL || s->connection || line.len < PW_REDACT_LEAST_VALUE) {
        return put(dst, cap, line);
    }
    struct search f;
    f.line = line;
    f.places = line.len - PW_REDACT_LEAST_VALUE + 1;
    f.places = f.places < cap ? f.places : cap;
    memset(f.filter, 0, sizeof f.filter);
    f.n = 0;
    f.too_many = false;
    set_filter(&f);
    look_in(&f, s, PW_MAP_REQUEST_HEADERS);
    look_in(&f, s, PW_MAP_RESPONSE_HEADERS);
    if (f.too_many) {
        return put(dst, cap, STR("[redacted: values of too many headers]"));
    }
    return f.n == 0 ? put(dst, cap, line) : write_line(&f, dst, cap);
}
