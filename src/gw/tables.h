/* gw/tables.h - inside of a generation: hash tables over strings, and the tables for routes and for rules. */
#ifndef GW_TABLES_H
#define GW_TABLES_H

#include "gw/generation.h"
#include "gw/names.h"
#include "gw/pattern.h"

/* ---- a hash table that is filled once ------------------------------------------------------- */

/* Keys are a string and a number (which vhost, which kind). */
struct gw_slot {
    struct str key; /* at NULL: empty */
    uint32_t space, value;
};

struct gw_table {
    struct gw_slot *slots;
    size_t mask;
};

void gw_table_init(struct gw_table *t, struct arena *a, size_t entries);
/* The value under the key: the one that is there, or `value`, which is then put there. */
uint32_t gw_table_put(struct gw_table *t, struct str key, uint32_t space, uint32_t value);
/* GW_NONE: not there. */
uint32_t gw_table_find(const struct gw_table *t, struct str key, uint32_t space);

/* ---- routes --------------------------------------------------------------------------------- */

/* Routes under one key in the order in which they are tried. */
struct gw_group {
    uint32_t first, n; /* of gw_routes.candidates */
};

/* Routes of a host with the same exact path, or the same prefix. */
struct gw_path_group {
    struct str path;
    struct gw_group group;
    bool prefix;
};

/* All routes for one host pattern. */
struct gw_vhost {
    struct gw_group regexes, all; /* `all`: prefix "/" */
    uint32_t first, n;            /* of gw_routes.paths */
    uint32_t max_segments;        /* of its prefixes */
};

struct gw_header_check {
    struct str name;
    struct gw_matcher value;
    struct gw_pattern *pattern;
};

struct gw_route_checks {
    const struct gw_header_check *headers;
    struct gw_pattern *path;    /* REGEX */
    struct gw_pattern *rewrite; /* of the path, or NULL */
};

struct gw_routes {
    struct gw_table hosts; /* "shop.example" and ".shop.example" (a suffix, space 1) to vhosts */
    uint32_t any_host;     /* vhost, or GW_NONE */
    size_t max_suffix;     /* bytes of the longest suffix */
    struct gw_vhost *vhosts;
    struct gw_path_group *paths;
    uint32_t *hashes;               /* of them: of path and prefix */
    struct gw_table many_paths;     /* of vhosts with many: to `paths`; space: 2 * vhost + (prefix) */
    uint32_t *candidates;           /* route indices */
    struct gw_route_checks *checks; /* by route */
};

void gw_routes_build(struct gw_routes *t, struct arena *a, const struct gw_config *c);
void gw_routes_fini(struct gw_routes *t,
                    const struct gw_config *c); /* the patterns; the rest is the arena's */
uint32_t gw_routes_find(const struct gw_routes *t, const struct gw_config *c, const struct gw_request *r);

/* ---- rules ---------------------------------------------------------------------------------- */

/* A rule with domains and services: looked at one by one. */
struct gw_mixed {
    uint32_t rule;
    const uint32_t *services; /* indices, sorted */
    uint32_t nservices;
};

struct gw_lengths {
    uint16_t *at; /* distinct lengths of patterns, growing */
    uint32_t n;
};

struct gw_plan {
    uint32_t plugin;
    bool domains;          /* has rules by domain alone */
    struct gw_table table; /* their patterns to the first rule with it; space: enum in rules.c */
    struct gw_lengths suffixes, prefixes;
    const struct gw_mixed *mixed;
    uint32_t nmixed;
};

struct gw_rules {
    uint32_t *order;       /* plugin indices in the order they run */
    struct gw_plan *plans; /* in that order */
    uint32_t n;
    uint32_t *first_binding; /* by route; one binding per backend, at least one; then one for "no route" */
    uint32_t *row_of;        /* by binding */
    uint32_t *rows;          /* row x plan: first rule that route and service match, or GW_NONE */
};

void gw_rules_build(struct gw_rules *t, struct arena *a, const struct gw_config *c,
                    const struct gw_names *routes, const struct gw_names *services);
uint32_t gw_rules_steps(const struct gw_rules *t, const struct gw_config *c, uint32_t route, uint32_t backend,
                        struct str host, struct gw_step *steps);
/* The row of a place that is no route of the configuration, and the steps there. */
void gw_rules_locate(const struct gw_rules *t, const struct gw_config *c, const struct gw_names *services,
                     struct str route, uint32_t service, uint32_t *row);
uint32_t gw_rules_located_steps(const struct gw_rules *t, const struct gw_config *c, const uint32_t *row,
                                uint32_t service, struct str host, struct gw_step *steps);

/* ---- certificates ----------------------------------------------------------------------------- */

struct gw_certificate_set {
    uint32_t by_kind[GW_KEY_KINDS]; /* into config->certificates, or GW_NONE */
};

struct gw_certificates {
    struct gw_table hosts;           /* "shop.example" and ".shop.example" (a suffix, space 1) to sets */
    size_t max_suffix;               /* bytes of the longest suffix */
    struct gw_certificate_set *sets; /* the first is the default's */
};

void gw_certificates_build(struct gw_certificates *t, struct arena *a, const struct gw_config *c);
const struct gw_certificate_set *gw_certificates_find(const struct gw_certificates *t, struct str name);

/* ---- connections ------------------------------------------------------------------------------ */

/* What connections to one TCP listener pass. */
struct gw_connections {
    struct gw_step *steps;
    uint32_t nsteps;
};

/* By listener; `order` is that of the plugins.  Everything is the arena's. */
struct gw_connections *gw_connections_build(struct arena *a, const struct gw_config *c, const uint32_t *order,
                                            const struct gw_names *services);

#endif
