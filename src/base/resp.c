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
    *text = str_slice(*rest, 0, (size_t)len);
    *rest = str_slice(*rest, (size_t)len + 2, rest->len);
    return true;
}

/* The item whose type byte and first line these are. */
static bool read_item(char type, struct str line, struct str *rest, struct resp_item *out)
{
    static const char lines[] = {[RESP_STATUS] = '+', [RESP_ERROR] = '-'};

    for (enum resp_kind kind = RESP_STATUS; kind <= RESP_ERROR; kind++) {
        if (type == lines[kind]) {
            *out = (struct resp_item){.kind = kind, .text = line};
            return true;
        }
    }
    *out = (struct resp_item){.text = {"", 0}};
    if (!str_to_i64(line, &out->number)) {
        return false;
    }
    switch (type) {
    case ':':
        out->kind = RESP_INTEGER;
        return true;
    case '$':
        out->kind = out->number == -1 ? RESP_NULL : RESP_BULK;
        return out->number == -1 || cut_bulk(rest, out->number, &out->text);
    case '*':
        out->kind = out->number == -1 ? RESP_NULL : RESP_ARRAY;
        return out->number >= -1;
    default:
        return false;
    }
}

bool resp_cut(struct str *rest, struct resp_item *out)
{
    struct str left = str_slice(*rest, 1, rest->len), line;
    struct resp_item item;

    if (rest->len == 0 || !cut_line(&left, &line) || !read_item(rest->at[0], line, &left, &item)) {
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

bool resp_is_command(struct str query)
{
    struct resp_item item;

    if (!resp_cut(&query, &item) || item.kind != RESP_ARRAY || item.number == 0) {
        return false;
    }
    for (int64_t n = item.number; n != 0; n--) {
        if (!resp_cut(&query, &item) || item.kind != RESP_BULK) {
            return false;
        }
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
