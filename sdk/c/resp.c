/* resp.c - RESP2, Redis's wire format: commands out, replies in.
 *
 * Replies are hostile.  An array's count is believed only as far as the bytes that are left could hold, at
 * three bytes an element, so memory stays within a fixed multiple of the reply; depth is bounded. */
#include "internal.h"
#include "weir_redis.h"

enum { WP_HEAD_BYTES = 24 };

/* "$12\r\n" */
static char *write_head(char *out, char kind, size_t n)
{
    char digits[WP_HEAD_BYTES], *end = digits + sizeof digits, *first = end;
    do {
        *--first = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    *out++ = kind;
    while (first != end) {
        *out++ = *first++;
    }
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

struct wp_str wp_redis_encode(const struct wp_str *argv, size_t argc)
{
    size_t cap = WP_HEAD_BYTES;
    for (size_t i = 0; i < argc; i++) {
        cap += argv[i].len + WP_HEAD_BYTES;
    }
    char *out = wp_arena_alloc(wp_callback_arena(), cap), *at = write_head(out, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        at = write_head(at, '$', argv[i].len);
        if (argv[i].len != 0) {
            memcpy(at, argv[i].at, argv[i].len);
        }
        at += argv[i].len;
        memcpy(at, "\r\n", 2);
        at += 2;
    }
    return (struct wp_str){out, (size_t)(at - out)};
}

/* What stands before the next CR LF, which is taken too. */
static bool take_line(struct wp_str *rest, struct wp_str *line)
{
    ptrdiff_t end = wp_str_find(*rest, '\r');
    if (end < 0 || wp_str_byte(*rest, (size_t)end + 1) != '\n') {
        return false;
    }
    *line = wp_str_slice(*rest, 0, (size_t)end);
    *rest = wp_str_slice(*rest, (size_t)end + 2, rest->len);
    return true;
}

static bool parse_int64(struct wp_str s, int64_t *out)
{
    bool negative = wp_str_byte(s, 0) == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative, v = 0;
    size_t i = negative ? 1 : 0;
    if (i == s.len) {
        return false;
    }
    for (; i < s.len; i++) {
        unsigned d = (unsigned)(unsigned char)s.at[i] - '0';
        if (d > 9 || v > (limit - d) / 10) {
            return false;
        }
        v = v * 10 + d;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static bool take_bulk(struct wp_str *rest, int64_t len, struct wp_redis_reply *out)
{
    if (len < 0 || (uint64_t)len > rest->len) {
        return false;
    }
    size_t n = (size_t)len;
    if (wp_str_byte(*rest, n) != '\r' || wp_str_byte(*rest, n + 1) != '\n') {
        return false;
    }
    out->type = WP_REDIS_STRING;
    out->text = wp_str_slice(*rest, 0, n);
    *rest = wp_str_slice(*rest, n + 2, rest->len);
    return true;
}

static bool take_reply(struct wp_str *rest, unsigned depth, struct wp_redis_reply *out);

static bool take_array(struct wp_str *rest, int64_t count, unsigned depth, struct wp_redis_reply *out)
{
    if (count < 0 || (uint64_t)count > rest->len / 3 || depth == WP_REDIS_MAX_DEPTH) {
        return false;
    }
    size_t n = (size_t)count;
    struct wp_redis_reply *elements = wp_arena_array(wp_callback_arena(), n, sizeof *elements);
    for (size_t i = 0; i < n; i++) {
        if (!take_reply(rest, depth + 1, &elements[i])) {
            return false;
        }
    }
    out->type = WP_REDIS_ARRAY;
    out->elements = elements;
    out->nelements = n;
    return true;
}

static bool take_reply(struct wp_str *rest, unsigned depth, struct wp_redis_reply *out)
{
    *out = (struct wp_redis_reply){.text = WP_STR("")};
    int kind = wp_str_byte(*rest, 0);
    struct wp_str line;
    if (kind < 0 || !take_line(rest, &line)) {
        return false;
    }
    line = wp_str_slice(line, 1, line.len);
    if (kind == '+' || kind == '-') {
        out->type = kind == '+' ? WP_REDIS_STATUS : WP_REDIS_ERROR;
        out->text = line;
        return true;
    }
    int64_t number;
    if ((kind != ':' && kind != '$' && kind != '*') || !parse_int64(line, &number)) {
        return false;
    }
    if (kind == ':') {
        out->type = WP_REDIS_INTEGER;
        out->integer = number;
        return true;
    }
    if (number == -1) {
        out->type = WP_REDIS_NIL;
        return true;
    }
    return kind == '$' ? take_bulk(rest, number, out) : take_array(rest, number, depth, out);
}

bool wp_redis_decode(struct wp_str bytes, struct wp_redis_reply *out)
{
    if (take_reply(&bytes, 1, out) && bytes.len == 0) {
        return true;
    }
    *out = (struct wp_redis_reply){.type = WP_REDIS_FAILED, .text = WP_STR("malformed reply")};
    return false;
}
