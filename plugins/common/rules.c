/* rules.c - see rules.h. */
#include "rules.h"

static const char *const match_keys[] = {"_match_route_", "_match_route_prefix_", "_match_service_",
                                         "_match_domain_", "_disable_"};

bool rule_is_match_key(const char *key)
{
    for (size_t i = 0; i < sizeof match_keys / sizeof *match_keys; i++) {
        if (strcmp(key, match_keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool rule_match_parse(const json_t *rule, const char *where, struct wp_arena *arena, struct rule_match *out)
{
    struct rule_match m = {0};
    if (!wp_json_strs(rule, where, "_match_route_", arena, &m.routes) ||
        !wp_json_strs(rule, where, "_match_route_prefix_", arena, &m.route_prefixes) ||
        !wp_json_strs(rule, where, "_match_service_", arena, &m.services) ||
        !wp_json_strs(rule, where, "_match_domain_", arena, &m.domains)) {
        return false;
    }
    if (m.routes.n != 0 && m.services.n != 0) {
        m.kind = RULE_ROUTE_AND_SERVICE;
    } else if (m.routes.n != 0) {
        m.kind = RULE_ROUTE;
    } else if (m.route_prefixes.n != 0) {
        m.kind = RULE_ROUTE_PREFIX;
    } else if (m.services.n != 0) {
        m.kind = RULE_SERVICE;
    } else if (m.domains.n != 0) {
        m.kind = RULE_DOMAIN;
    } else {
        wp_json_complain(where, "",
                         "needs a non-empty _match_route_, _match_route_prefix_, _match_service_ or "
                         "_match_domain_");
        return false;
    }
    /* Higress ignores a value of another type here, so this is no reason to refuse. */
    if (!wp_json_bool(rule, where, "_disable_", &m.disabled)) {
        wp_warn("configuration: %s: _disable_ is ignored", where);
    }
    *out = m;
    return true;
}

static void load_route(struct rule_request *r)
{
    if (!r->has_route) {
        wp_property_get(WP_STR("route_name"), &r->route);
    }
    r->has_route = true;
}

/* Cluster names have the shape direction|port|subset|service. */
static void load_service(struct rule_request *r)
{
    if (r->has_service) {
        return;
    }
    r->has_service = true;
    struct wp_str rest, parts[4];
    wp_property_get(WP_STR("cluster_name"), &rest);
    for (int i = 0; i < 3; i++) {
        ptrdiff_t bar = wp_str_find(rest, '|');
        if (bar < 0) {
            return;
        }
        parts[i] = wp_str_slice(rest, 0, (size_t)bar);
        rest = wp_str_slice(rest, (size_t)bar + 1, rest.len);
    }
    if (wp_str_find(rest, '|') >= 0) {
        return;
    }
    r->service = rest;
    r->service_with_port = wp_format("%.*s:%.*s", WP_ARG(rest), WP_ARG(parts[1]));
}

static void load_domain(struct rule_request *r)
{
    if (!r->has_domain) {
        r->domain = wp_host_without_port(wp_request_header(WP_STR(":authority")));
    }
    r->has_domain = true;
}

bool rule_domain_matches(struct wp_str pattern, struct wp_str domain)
{
    if (wp_str_byte(pattern, 0) == '*') {
        return wp_str_ends(domain, wp_str_slice(pattern, 1, pattern.len));
    }
    if (wp_str_ends(pattern, WP_STR("*"))) {
        return wp_str_starts(domain, wp_str_slice(pattern, 0, pattern.len - 1));
    }
    return wp_str_eq(pattern, domain);
}

static bool route_matches(const struct rule_match *m, struct rule_request *r)
{
    load_route(r);
    for (size_t i = 0; i < m->routes.n; i++) {
        if (wp_str_eq(m->routes.at[i], r->route)) {
            return true;
        }
    }
    return false;
}

static bool route_prefix_matches(const struct rule_match *m, struct rule_request *r)
{
    load_route(r);
    for (size_t i = 0; i < m->route_prefixes.n; i++) {
        if (wp_str_starts(r->route, m->route_prefixes.at[i])) {
            return true;
        }
    }
    return false;
}

static bool service_matches(const struct rule_match *m, struct rule_request *r)
{
    load_service(r);
    if (r->service_with_port.len == 0) {
        return false;
    }
    for (size_t i = 0; i < m->services.n; i++) {
        if (wp_str_eq(m->services.at[i], r->service) || wp_str_eq(m->services.at[i], r->service_with_port)) {
            return true;
        }
    }
    return false;
}

static bool domain_matches(const struct rule_match *m, struct rule_request *r)
{
    load_domain(r);
    for (size_t i = 0; i < m->domains.n; i++) {
        if (rule_domain_matches(m->domains.at[i], r->domain)) {
            return true;
        }
    }
    return false;
}

bool rule_matches(const struct rule_match *m, struct rule_request *r)
{
    switch (m->kind) {
    case RULE_ROUTE_AND_SERVICE:
        return route_matches(m, r) && service_matches(m, r);
    case RULE_ROUTE:
        return route_matches(m, r);
    case RULE_ROUTE_PREFIX:
        return route_prefix_matches(m, r);
    case RULE_SERVICE:
        return service_matches(m, r);
    case RULE_DOMAIN:
        return domain_matches(m, r);
    }
    return false;
}
