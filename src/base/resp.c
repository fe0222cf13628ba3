/* base/resp.c - RESP2 items (redis.io, "Redis serialization protocol specification"). */
#include "base/resp.h"

/* What stands before the first CR LF, which is cut off with it. */
static bool cut_line(struct str *rest, struct str *line)
{
    size_t len = str_find_char(*rest, '\r');

    if (len + 1 >= rest->len || rest->at[len + 1] != '\n') {
        return false;
    }
    *line = str_slice(*rest, 0, len);
    *rest = str_slice(*rest, len + 2, rest->len);
    return true;
}

static bool cut_bulk(struct str *rest, int64_t len, struct str *text)
{
    if (len < 0 || (uint64_t)len > rest->len || rest->len - (size_t)len < 2 || rest->at[len] != '\r' ||
        rest->at[len + 1] != '\n') {
        return false;
    }
    *text = (struct str){rest->at, (size_t)len};
    *rest = (struct str){rest->at + len + 2, rest->len - (size_t)len - 2};
    return true;
}

/* A line that is a number, which is cut off with its end.  Most have a few digits; the others are left to
 * str_to_i64. */
static inline bool cut_number(struct str *rest, int64_t *out)
{
    enum { FEW_DIGITS = 18 };
    const char *at = rest->at, *end = at + rest->len;
    bool negative = at != end && *at == '-';
    const char *first = at + negative;
    uint64_t v = 0;

    for (at = first; at != end && (unsigned char)(*at - '0') <= 9; at++) {
        v = v * 10 + (unsigned char)(*at - '0');
    }
    if (at - first > FEW_DIGITS) {
        struct str line;
        return cut_line(rest, &line) && str_to_i64(line, out);
    }
    if (at == first || end - at < 2 || at[0] != '\r' || at[1] != '\n') {
        return false;
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    *rest = (struct str){at + 2, (size_t)(end - at - 2)};
    return true;
}

/* The item whose type byte this is, what follows it is `*rest`. */
static inline bool cut_item(char type, struct str *rest, struct resp_item *out)
{
    *out = (struct resp_item){.text = {"", 0}};
    if (type == '+' || type == '-') {
        out->kind = type == '+' ? RESP_STATUS : RESP_ERROR;
        return cut_line(rest, &out->text);
    }
    if ((type != '$' && type != '*' && type != ':') || !cut_number(rest, &out->number)) {
        return false;
    }
    if (type == ':') {
        out->kind = RESP_INTEGER;
        return true;
    }
    if (out->number == -1) {
        out->kind = RESP_NULL;
        return true;
    }
    out->kind = type == '$' ? RESP_BULK : RESP_ARRAY;
    return type == '$' ? cut_bulk(rest, out->number, &out->text) : out->number >= 0;
}

bool resp_cut(struct str *rest, struct resp_item *out)
{
    struct resp_item item;

    if (rest->len == 0) {
        return false;
    }
    struct str left = {rest->at + 1, rest->len - 1};
    if (!cut_item(rest->at[0], &left, &item)) {
        return false;
    }
    *out = item;
    *rest = left;
    return true;
}

bool resp_cut_reply(struct str *rest, struct str *out)
{
    struct str left = *rest;
    struct resp_item item;

    /* An item takes three bytes at least, so what cannot come is known before the numbers get too large. */
    for (uint64_t wanted = 1; wanted != 0; wanted--) {
        if (wanted > left.len || !resp_cut(&left, &item)) {
            return false;
        }
        wanted += item.kind == RESP_ARRAY ? (uint64_t)item.number : 0;
    }
    *out = str_slice(*rest, 0, rest->len - left.len);
    *rest = left;
    return true;
}

/* The head of a command's argument or of the command itself: its type, and a length as Redis writes it. */
static inline bool cut_head(struct str *rest, char type, int64_t *n)
{
    if (rest->len == 0 || rest->at[0] != type) {
        return false;
    }
    struct str left = {rest->at + 1, rest->len - 1};
    if (!cut_number(&left, n)) {
        return false;
    }
    bool plain = rest->at[1] != '-' && (rest->at[1] != '0' || rest->at[2] == '\r');
    *rest = left;
    return plain;
}

bool resp_read_command(struct str query, struct str *args, size_t most)
{
    int64_t n, len;

    if (!cut_head(&query, '*', &n) || n == 0) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        struct str text;
        if (!cut_head(&query, '$', &len) || !cut_bulk(&query, len, &text)) {
            return false;
        }
        if ((uint64_t)i < most) {
            args[i] = text;
        }
    }
    for (uint64_t i = (uint64_t)n; i < most; i++) {
        args[i] = (struct str){"", 0};
    }
    return query.len == 0;
}

bool resp_argument(struct str command, size_t i, struct str *out)
{
    struct resp_item item;

    if (!resp_cut(&command, &item)) {
        return false;
    }
    do {
        if (!resp_cut(&command, &item) || item.kind != RESP_BULK) {
            return false;
        }
    } while (i-- != 0);
    *out = item.text;
    return true;
}

void resp_add_bulk(struct strbuf *b, struct str text)
{
    strbuf_printf(b, "$%zu\r\n", text.len);
    strbuf_add(b, text);
    strbuf_add(b, STR("\r\n"));
}

void resp_add_command(struct strbuf *b, const struct str *args, size_t n)
{
    strbuf_printf(b, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        resp_add_bulk(b, args[i]);
    }
}
