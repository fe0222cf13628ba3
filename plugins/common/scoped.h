/* scoped.h - a whole configuration for all requests, and others for what `_rules_` match: how Higress's Go
 * plugins read theirs.
 *
 * A plugin gives a parser for its own fields; this file decides which parsed configuration a request falls
 * under: that of the first rule that matches, or else the global one.  A rule is complete by itself and
 * inherits nothing.  Everything lies in the arena given to scoped_config_parse and is immutable afterwards.
 */
#ifndef PLUGINS_SCOPED_H
#define PLUGINS_SCOPED_H

#include "rules.h"

/* The plugin's own fields of `object`: the parsed configuration in `arena`, or NULL after logging why not.
 * `where` does not outlive the call. */
typedef void *scoped_parse_fn(const json_t *object, const char *where, struct wp_arena *arena);

struct scoped_rule {
    struct rule_match match;
    void *config; /* NULL: `_disable_` */
};

struct scoped_config {
    void *global; /* NULL: there is none */
    struct scoped_rule *rules;
    size_t nrules;
};

/* False, having logged why: *out is untouched.  An empty text is an empty configuration. */
bool scoped_config_parse(struct wp_str text, scoped_parse_fn *parse, struct wp_arena *arena,
                         struct scoped_config *out);

/* What applies to this request; NULL: nothing does. */
void *scoped_config_find(const struct scoped_config *c);

#endif
