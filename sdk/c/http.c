/* http.c - paths, queries, percent escapes, hosts. */
#include "internal.h"

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct wp_str wp_percent_decode(struct wp_str s)
{
    ptrdiff_t first = wp_str_find(s, '%');
    if (first < 0) {
        return s;
    }
    char *dst = wp_arena_alloc(wp_callback_arena(), s.len + 1);
    size_t len = (size_t)first;
    memcpy(dst, s.at, len);
    for (size_t i = len; i < s.len; i++) {
        int hi, lo;
        if (s.at[i] == '%' && (hi = hex_digit(wp_str_byte(s, i + 1))) >= 0 &&
            (lo = hex_digit(wp_str_byte(s, i + 2))) >= 0) {
            dst[len++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            dst[len++] = s.at[i];
        }
    }
    dst[len] = '\0';
    return (struct wp_str){dst, len};
}

struct wp_str wp_path_of(struct wp_str path_and_query)
{
    ptrdiff_t mark = wp_str_find(path_and_query, '?');
    return mark < 0 ? path_and_query : wp_str_slice(path_and_query, 0, (size_t)mark);
}

struct wp_str wp_query_of(struct wp_str path_and_query)
{
    ptrdiff_t mark = wp_str_find(path_and_query, '?');
    return mark < 0 ? WP_STR("") : wp_str_slice(path_and_query, (size_t)mark + 1, path_and_query.len);
}

bool wp_query_next(struct wp_str *query, struct wp_str *name, struct wp_str *value)
{
    struct wp_str piece;
    if (!wp_str_split(query, '&', &piece)) {
        return false;
    }
    ptrdiff_t equal = wp_str_find(piece, '=');
    *name = equal < 0 ? piece : wp_str_slice(piece, 0, (size_t)equal);
    *value = equal < 0 ? WP_STR("") : wp_str_slice(piece, (size_t)equal + 1, piece.len);
    return true;
}

bool wp_query_get(struct wp_str query, struct wp_str name, struct wp_str *value)
{
    struct wp_str n, v;
    *value = WP_STR("");
    while (wp_query_next(&query, &n, &v)) {
        /* What decoding changes gets shorter. */
        if (wp_str_eq(n, name) || (n.len > name.len && wp_str_eq(wp_percent_decode(n), name))) {
            *value = wp_percent_decode(v);
            return true;
        }
    }
    return false;
}

struct wp_str wp_host_without_port(struct wp_str host)
{
    ptrdiff_t colon = wp_str_find_last(host, ':');
    if (colon < 0 || wp_str_find_last(host, ']') > colon) {
        return host;
    }
    return wp_str_slice(host, 0, (size_t)colon);
}
