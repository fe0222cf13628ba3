/* rule_config.h - the configuration shell of Higress's plugins: a global part, and others for what `_rules_`
 * match.
 *
 * A plugin gives a parser for its own fields; this file decides which parsed configuration a request falls
 * under: that of the first matching rule, whole and instead of the global one, or else the global one.
 * Plugins with consumers lay auth.h over it.
 *
 * Everything lies in the arena of the configuration and is immutable afterwards.  What a parser owns
 * elsewhere it gives to wp_arena_on_free, so freeing the arena frees all of a configuration. */
#ifndef PLUGINS_RULE_CONFIG_H
#define PLUGINS_RULE_CONFIG_H

#include "rules.h"

/* The plugin's own fields of `object`: what they mean, in `arena`, or NULL after logging why not.  `where`
 * does not outlive the call; `data` is the shell's. */
typedef void *rule_parse_fn(const json_t *object, const char *where, struct wp_arena *arena, void *data);

/* What is done about a global part that the plugin's parser refuses. */
enum rule_global {
    RULE_GLOBAL_MUST_HOLD, /* the configuration is refused */
    RULE_GLOBAL_MAY_FAIL,  /* the rules still count, if there are any: the way of Higress's C++ plugins */
};

struct rule_shell {
    rule_parse_fn *parse;      /* of the global part */
    rule_parse_fn *parse_rule; /* of a rule that is not disabled; NULL: the same */
    enum rule_global global;
    const char *const *fields; /* of a shell around this one, ended by NULL: no fields of the plugin */
    void *data;
};

struct rule_entry {
    struct rule_match match;
    void *config; /* NULL: `_disable_` */
};

struct rule_config {
    void *global; /* NULL: there is none */
    struct rule_entry *rules;
    size_t nrules;
};

/* An object with no field of the plugin beside `_rules_` has no global part.  False, having logged why: *out
 * is untouched. */
bool rule_config_read(const json_t *object, const struct rule_shell *shell, struct wp_arena *arena,
                      struct rule_config *out);

/* The configure callback of a plugin: on success what *config and *arena held is replaced, on failure it
 * stays in force.  An empty text is a configuration under which nothing applies. */
bool rule_config_replace(struct wp_str text, const struct rule_shell *shell, struct wp_arena *arena,
                         struct rule_config *config);

/* Has the object a field that is neither the shell's nor for matching? */
bool rule_has_own_fields(const json_t *object, const struct rule_shell *shell);

/* The rule that matches this request; NULL: none does. */
const struct rule_entry *rule_config_match(const struct rule_config *c);
/* What applies to this request; NULL: nothing does. */
void *rule_config_find(const struct rule_config *c);

#endif
