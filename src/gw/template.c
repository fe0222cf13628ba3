/* gw/template.c - one walk over the text, for checking and for expanding. */
#include "gw/template.h"

static const char *const names[] = {
    [GW_VAR_CLIENT] = "client",         [GW_VAR_HOST] = "host",
    [GW_VAR_METHOD] = "method",         [GW_VAR_PATH] = "path",
    [GW_VAR_REQUEST_ID] = "request_id", [GW_VAR_ROUTE] = "route",
    [GW_VAR_SCHEME] = "scheme",         [GW_VAR_SERVICE] = "service",
};

enum { NVARIABLES = sizeof names / sizeof names[0] };

static size_t find_variable(struct str name)
{
    size_t v = 0;
    while (v < NVARIABLES && !str_eq(name, str_of(names[v]))) {
        v++;
    }
    return v;
}

/* The next piece of the text: plain text, or the name of a variable.  False: the end. */
static bool next_piece(struct str *text, struct str *piece, bool *is_name)
{
    size_t n = 0;

    if (text->len == 0) {
        return false;
    }
    *is_name = str_starts_with(*text, STR("${"));
    if (*is_name) {
        n = str_find_char(*text, '}');
        *piece = str_slice(*text, 2, n);
        *text = str_slice(*text, n + 1, text->len);
        return true;
    }
    if (str_starts_with(*text, STR("$${"))) {
        *piece = STR("${");
        *text = str_slice(*text, 3, text->len);
        return true;
    }
    do {
        n++;
    } while (n < text->len && text->at[n] != '$');
    *piece = str_slice(*text, 0, n);
    *text = str_slice(*text, n, text->len);
    return true;
}

bool gw_template_check(struct str text, struct str *unknown)
{
    struct str piece;
    bool is_name;

    while (next_piece(&text, &piece, &is_name)) {
        if (is_name && find_variable(piece) == NVARIABLES) {
            *unknown = piece;
            return false;
        }
    }
    return true;
}

void gw_template_expand(struct str text, struct str (*value)(void *ctx, enum gw_variable v), void *ctx,
                        struct strbuf *out)
{
    struct str piece;
    bool is_name;

    while (next_piece(&text, &piece, &is_name)) {
        size_t v = is_name ? find_variable(piece) : NVARIABLES;
        strbuf_add(out, v == NVARIABLES ? piece : value(ctx, (enum gw_variable)v));
    }
}
