/* rules.h - Higress's `_rules_`: which rule of a configuration a request falls under.
 *
 * A rule carries lists of what it matches.  One kind of list counts, the first present of: route and service
 * together (both must match), route, route prefix, service, domain; the others are ignored.  The first
 * matching rule in the order of the array wins; nothing is more specific than anything. */
#ifndef PLUGINS_RULES_H
#define PLUGINS_RULES_H

#include "weir_json.h"

enum rule_kind { RULE_ROUTE_AND_SERVICE, RULE_ROUTE, RULE_ROUTE_PREFIX, RULE_SERVICE, RULE_DOMAIN };

struct rule_match {
    enum rule_kind kind;
    bool disabled; /* `_disable_`: the rule matches, and means that no configuration applies */
    struct wp_strs routes, route_prefixes, services, domains;
};

/* Is this key of a rule about matching (and no field of the plugin)? */
bool rule_is_match_key(const char *key);
/* False, having logged why, if the rule matches on nothing or a list is malformed. */
bool rule_match_parse(const json_t *rule, const char *where, struct wp_arena *arena, struct rule_match *out);

/* What a request is matched by, asked from the host when a rule first needs it.  Zero-initialise. */
struct rule_request {
    bool has_route, has_service, has_domain;
    struct wp_str route;
    struct wp_str service, service_with_port; /* of a cluster name dir|port|subset|service, else empty */
    struct wp_str domain;                     /* :authority without its port */
};

bool rule_matches(const struct rule_match *m, struct rule_request *request);

/* One pattern of `_match_domain_`: "*tail", "head*" or the whole, case-sensitive. */
bool rule_domain_matches(struct wp_str pattern, struct wp_str domain);

#endif
