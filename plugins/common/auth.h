/* auth.h - the configuration shell of Higress's authentication plugins: global part, `_rules_`, allow lists.
 *
 * A plugin gives a parser for its own fields; this file decides which parsed configuration, and which allow
 * list, a request falls under.  Everything lies in the arena given to auth_config_parse and is immutable
 * afterwards. */
#ifndef PLUGINS_AUTH_H
#define PLUGINS_AUTH_H

#include "rules.h"

/* The plugin's own fields of `object`: the parsed configuration in `arena`, or NULL after logging why not. */
typedef void *auth_parse_fn(const json_t *object, const char *where, struct wp_arena *arena);

struct auth_rule {
    struct rule_match match;
    void *local; /* the rule's own configuration, or NULL: the global one with `allow` */
    struct wp_strs allow;
};

enum auth_global { AUTH_GLOBAL_UNSET, AUTH_GLOBAL_ON, AUTH_GLOBAL_OFF };

struct auth_config {
    void *global; /* NULL: there is none */
    enum auth_global global_auth;
    struct auth_rule *rules;
    size_t nrules;
};

/* Parse a configuration's text; an empty text is an empty configuration, under which everything passes.
 * False, having logged why: *out is untouched. */
bool auth_config_parse(struct wp_str text, auth_parse_fn *parse, struct wp_arena *arena,
                       struct auth_config *out);

/* The same as the configure callback of a plugin: on success what *config and *arena held is replaced, on
 * failure it stays in force. */
bool auth_config_replace(struct wp_str text, auth_parse_fn *parse, struct wp_arena *arena,
                         struct auth_config *config);

/* What applies to a request. */
struct auth_match {
    const void *config;          /* NULL: the request passes unchecked */
    const struct wp_strs *allow; /* NULL: every consumer; an empty list: none */
};
struct auth_match auth_config_find(const struct auth_config *c);
/* The same where `global_auth: false` only lets through what no rule matches: hmac-auth's way. */
struct auth_match auth_config_find_enforced(const struct auth_config *c);

bool auth_allows(const struct wp_strs *allow, struct wp_str consumer);

#endif
