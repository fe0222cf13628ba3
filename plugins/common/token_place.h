/* token_place.h - where in a request a token is looked for: a header, a parameter of the query, a cookie. */
#ifndef PLUGINS_TOKEN_PLACE_H
#define PLUGINS_TOKEN_PLACE_H

#include "weir_plugin.h"

enum token_place_kind { TOKEN_IN_HEADER, TOKEN_IN_PARAM, TOKEN_IN_COOKIE }; /* in their order */

struct token_place {
    enum token_place_kind kind;
    struct wp_str name;
    struct wp_str prefix; /* of a header's value: the token is what follows its first occurrence */
    struct wp_str order;  /* name and prefix: what places of a kind are sorted by */
};

/* Make what is missing of a place whose kind, name and prefix are set; `arena` holds it. */
void token_place_init(struct token_place *place, struct wp_arena *arena);
bool token_place_eq(const struct token_place *a, const struct token_place *b);
bool token_place_before(const struct token_place *a, const struct token_place *b);

/* What stands there, with escapes of a parameter and quotes of a cookie taken off; the first of several.
 * False: nothing, or a header without the prefix. */
bool token_place_find(const struct token_place *place, struct wp_str *out);

#endif
