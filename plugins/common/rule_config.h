/* rule_config.h - the configuration shell of Higress's plugins that do not authenticate: global part and
 * `_rules_`.
 *
 * A plugin gives a parser for its own fields; this file decides which parsed configuration a request falls
 * under: that of the first matching rule, whole and instead of the global one, or else the global one.
 * auth.h is the same for plugins with consumers. */
#ifndef PLUGINS_RULE_CONFIG_H
#define PLUGINS_RULE_CONFIG_H

#include "rules.h"

/* The plugin's own fields of `object`: the parsed configuration in `arena`, or NULL after logging why not. */
typedef void *rule_parse_fn(const json_t *object, const char *where, struct wp_arena *arena);

struct rule_entry {
    struct rule_match match;
    void *config; /* NULL if the rule is disabled */
};

struct rule_config {
    void *global; /* NULL: there is none */
    struct rule_entry *rules;
    size_t nrules;
};

/* Parse a configuration's text; everything lies in `arena` and is immutable afterwards.  An object with
 * nothing but `_rules_` has no global part; in any other the plugin's parser reads it, and if it refuses,
 * the rules still count, as in Higress.  False, having logged why: *out is untouched. */
bool rule_config_parse(struct wp_str text, rule_parse_fn *parse, struct wp_arena *arena,
                       struct rule_config *out);

/* What applies to this request; NULL: nothing does. */
const void *rule_config_find(const struct rule_config *c);

#endif
