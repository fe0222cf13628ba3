/* gw/json.c - YAML trees as compact JSON.
 *
 * What is written here is read again as YAML (the generation file) and must then be the same text. */
#include <inttypes.h>
#include <stdlib.h>

#include "gw/yaml.h"

/* One UTF-8 sequence of well-formed text. */
static uint32_t next_char(struct str *s)
{
    const uint8_t *p = (const uint8_t *)s->at;
    uint32_t c = p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (n != 1) {
        c &= 0x7fu >> n;
        for (size_t i = 1; i < n; i++) {
            c = c << 6 | (p[i] & 0x3f);
        }
    }
    *s = str_slice(*s, n, s->len);
    return c;
}

/* Characters that YAML refuses (control characters, U+FEFF, U+FFFE, U+FFFF) or takes for line
 * breaks (U+0085, U+2028, U+2029) when they stand for themselves. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           (c >= 0xfffe && c <= 0xffff);
}

static void add_escaped(struct strbuf *out, uint32_t c)
{
    static const char letters[] = {'b', 't', 'n', 0, 'f', 'r'}; /* from U+0008 on */
    if (c >= 8 && c <= 13 && letters[c - 8] != 0) {
        strbuf_add_char(out, '\\');
        strbuf_add_char(out, letters[c - 8]);
    } else {
        strbuf_printf(out, "\\u%04x", c);
    }
}

void gw_json_string(struct strbuf *out, struct str s)
{
    WEIR_ASSERT(str_is_utf8(s));
    strbuf_add_char(out, '"');
    while (s.len != 0) {
        struct str from = s;
        uint32_t c = next_char(&s);
        if (needs_escape(c)) {
            add_escaped(out, c);
            continue;
        }
        if (c == '"' || c == '\\') {
            strbuf_add_char(out, '\\');
        }
        strbuf_add_bytes(out, from.at, from.len - s.len);
    }
    strbuf_add_char(out, '"');
}

/* 0x and 0o integers as decimal; false: more than 64 bits. */
static bool radix_to_json(struct str text, struct strbuf *out)
{
    uint64_t v = 0;
    unsigned shift = text.at[1] == 'x' ? 4 : 3;

    for (size_t i = 2; i < text.len; i++) {
        char c = text.at[i];
        unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        if (v >> (64 - shift) != 0) {
            return false;
        }
        v = v << shift | digit;
    }
    strbuf_printf(out, "%" PRIu64, v);
    return true;
}

static size_t digits(struct str s)
{
    size_t n = 0;
    while (n < s.len && s.at[n] >= '0' && s.at[n] <= '9') {
        n++;
    }
    return n;
}

/* A decimal number: as written, but JSON wants no '+', no leading zeros and digits around the point. */
static void decimal_to_json(struct str text, struct strbuf *out)
{
    if (text.at[0] == '-') {
        strbuf_add_char(out, '-');
    }
    if (text.at[0] == '-' || text.at[0] == '+') {
        text = str_slice(text, 1, text.len);
    }
    size_t whole = digits(text), zeros = 0;
    while (zeros + 1 < whole && text.at[zeros] == '0') {
        zeros++;
    }
    strbuf_add(out, whole == 0 ? STR("0") : str_slice(text, zeros, whole));
    text = str_slice(text, whole, text.len);
    if (text.len != 0 && text.at[0] == '.') {
        text = str_slice(text, 1, text.len);
        size_t fraction = digits(text);
        strbuf_add_char(out, '.');
        strbuf_add(out, fraction == 0 ? STR("0") : str_slice(text, 0, fraction));
        text = str_slice(text, fraction, text.len);
    }
    strbuf_add(out, text);
}

static bool number_to_json(struct str text, struct strbuf *out)
{
    if (text.len > 2 && text.at[0] == '0' && (text.at[1] == 'x' || text.at[1] == 'o')) {
        return radix_to_json(text, out);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == 'n' || text.at[i] == 'N') { /* .inf, .nan */
            return false;
        }
    }
    decimal_to_json(text, out);
    return true;
}

static const struct gw_node *collection_to_json(const struct gw_node *n, struct strbuf *out)
{
    bool map = n->kind == GW_NODE_MAP;
    const struct gw_node *bad = NULL;

    strbuf_add_char(out, map ? '{' : '[');
    for (uint32_t i = 0; i < n->n && bad == NULL; i++) {
        if (i != 0) {
            strbuf_add_char(out, ',');
        }
        if (map) {
            gw_json_string(out, n->keys[i]->text);
            strbuf_add_char(out, ':');
        }
        bad = gw_node_to_json(n->values[i], out);
    }
    strbuf_add_char(out, map ? '}' : ']');
    return bad;
}

/* Recursion is bounded by GW_YAML_MAX_DEPTH, the work by GW_YAML_MAX_NODES. */
const struct gw_node *gw_node_to_json(const struct gw_node *n, struct strbuf *out)
{
    switch (n->kind) {
    case GW_NODE_NULL:
        strbuf_add(out, STR("null"));
        return NULL;
    case GW_NODE_BOOL:
        strbuf_add(out, (n->text.at[0] | 0x20) == 't' ? STR("true") : STR("false"));
        return NULL;
    case GW_NODE_INT:
    case GW_NODE_FLOAT:
        return number_to_json(n->text, out) ? NULL : n;
    case GW_NODE_STRING:
        gw_json_string(out, n->text);
        return NULL;
    case GW_NODE_LIST:
    case GW_NODE_MAP:
        return collection_to_json(n, out);
    }
    return NULL;
}
