/* token_place.c - see token_place.h. */
#include "token_place.h"

void token_place_init(struct token_place *place, struct wp_arena *arena)
{
    place->order = wp_arena_dup(arena, wp_format("%.*s%.*s", WP_ARG(place->name), WP_ARG(place->prefix)));
}

bool token_place_eq(const struct token_place *a, const struct token_place *b)
{
    return a->kind == b->kind && wp_str_eq(a->name, b->name) && wp_str_eq(a->prefix, b->prefix);
}

bool token_place_before(const struct token_place *a, const struct token_place *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }
    size_t n = a->order.len < b->order.len ? a->order.len : b->order.len;
    int order = memcmp(a->order.at, b->order.at, n);
    return order != 0 ? order < 0 : a->order.len < b->order.len;
}

static bool find_after(struct wp_str text, struct wp_str prefix, struct wp_str *rest)
{
    for (size_t i = 0; i + prefix.len <= text.len; i++) {
        if (wp_bytes_eq(text.at + i, prefix.at, prefix.len)) {
            *rest = wp_str_slice(text, i + prefix.len, text.len);
            return true;
        }
    }
    return false;
}

static struct wp_str unquoted(struct wp_str s)
{
    bool quoted = s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"';
    return quoted ? wp_str_slice(s, 1, s.len - 1) : s;
}

/* The first cookie of a name, over all Cookie headers. */
static bool find_cookie(struct wp_str name, struct wp_str *value)
{
    struct wp_pairs all = wp_headers(WP_REQUEST_HEADERS);
    for (struct wp_header h; wp_pairs_next(&all, &h);) {
        struct wp_str rest = h.value, piece;
        if (!wp_str_eq_nocase(h.name, WP_STR("cookie"))) {
            continue;
        }
        while (wp_str_split(&rest, ';', &piece)) {
            ptrdiff_t equal = wp_str_find(piece, '=');
            if (equal >= 0 && wp_str_eq(wp_str_trim(wp_str_slice(piece, 0, (size_t)equal)), name)) {
                *value = unquoted(wp_str_trim(wp_str_slice(piece, (size_t)equal + 1, piece.len)));
                return true;
            }
        }
    }
    return false;
}

bool token_place_find(const struct token_place *place, struct wp_str *out)
{
    switch (place->kind) {
    case TOKEN_IN_HEADER: {
        struct wp_str value = wp_request_header(place->name);
        return value.len != 0 && find_after(value, place->prefix, out);
    }
    case TOKEN_IN_PARAM:
        return wp_query_get(wp_query_of(wp_request_header(WP_STR(":path"))), place->name, out);
    case TOKEN_IN_COOKIE:
        return find_cookie(place->name, out);
    }
    return false;
}
