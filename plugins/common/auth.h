/* auth.h - rule_config.h's shell as Higress's authentication plugins have it: with allow lists of consumers,
 * and `global_auth`.
 *
 * A plugin gives a parser for its own fields; this file decides which parsed configuration, and which allow
 * list, a request falls under.  A rule has a configuration of its own, or an allow list for the global one.
 */
#ifndef PLUGINS_AUTH_H
#define PLUGINS_AUTH_H

#include "rule_config.h"

enum auth_global { AUTH_GLOBAL_UNSET, AUTH_GLOBAL_ON, AUTH_GLOBAL_OFF };

struct auth_config {
    enum auth_global global_auth;
    struct rule_config rules; /* a rule's configuration is auth.c's */
};

/* The configure callback of a plugin whose parser is `parse`: on success what *config and *arena held is
 * replaced, on failure, having logged why, it stays in force.  An empty text is an empty configuration, under
 * which everything passes. */
bool auth_config_replace(struct wp_str text, rule_parse_fn *parse, struct wp_arena *arena,
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
