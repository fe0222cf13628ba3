/* gw/rules.c - which plugins a request passes, and with which configuration (the rules are in
 * gw/generation.h).
 *
 * For each plugin, the first rule that matches is the least of three numbers: the first rule that route and
 * service match (known in advance for every backend of every route: a binding), the first that the host
 * matches by domain alone (a few hash lookups), and the first of the rules with domains and services both
 * (looked at one by one; they are rare). */
#include "base/hash.h"
#include "gw/tables.h"
#include "gw/values.h"

#include <stdlib.h>

enum domain_kind { DOMAIN_EXACT, DOMAIN_SUFFIX, DOMAIN_PREFIX };

/* "*x" is the suffix x, "x*" the prefix x, "*" the suffix of nothing. */
static enum domain_kind cut_domain(struct str pattern, struct str *text)
{
    *text = pattern;
    if (pattern.at[0] == '*') {
        *text = str_slice(pattern, 1, pattern.len);
        return DOMAIN_SUFFIX;
    }
    if (pattern.at[pattern.len - 1] == '*') {
        *text = str_slice(pattern, 0, pattern.len - 1);
        return DOMAIN_PREFIX;
    }
    return DOMAIN_EXACT;
}

static bool domain_matches(struct str pattern, struct str host)
{
    struct str text;
    switch (cut_domain(pattern, &text)) {
    case DOMAIN_SUFFIX:
        return str_ends_with(host, text);
    case DOMAIN_PREFIX:
        return str_starts_with(host, text);
    default:
        return str_eq(host, text);
    }
}

/* ---- order ------------------------------------------------------------------------------ */

static int compare_plugins(const void *x, const void *y, void *ctx)
{
    const struct gw_config *c = ctx;
    const struct gw_plugin *a = &c->plugins[*(const uint32_t *)x], *b = &c->plugins[*(const uint32_t *)y];

    if (a->phase != b->phase) {
        return a->phase < b->phase ? -1 : 1;
    }
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return str_cmp(a->name, b->name);
}

/* ---- domains ---------------------------------------------------------------------------- */

static bool by_domain_alone(const struct gw_rule *r)
{
    return r->nroutes == 0 && r->nservices == 0;
}

static void set_lengths(struct gw_lengths *l, struct arena *a, const bool *seen)
{
    l->at = ARENA_ARRAY(a, uint16_t, GW_MAX_HOST + 1);
    for (uint32_t i = 0; i <= GW_MAX_HOST; i++) {
        if (seen[i]) {
            l->at[l->n++] = (uint16_t)i;
        }
    }
}

static void build_domains(struct gw_plan *plan, struct arena *a, const struct gw_plugin *p)
{
    bool seen[3][GW_MAX_HOST + 1] = {0};
    size_t n = 0;

    for (uint32_t i = 0; i < p->nrules; i++) {
        n += by_domain_alone(&p->rules[i]) ? p->rules[i].ndomains : 0;
    }
    if (n == 0) {
        return;
    }
    plan->domains = true;
    gw_table_init(&plan->table, a, n);
    for (uint32_t i = 0; i < p->nrules; i++) {
        for (uint32_t k = 0; by_domain_alone(&p->rules[i]) && k < p->rules[i].ndomains; k++) {
            struct str text;
            enum domain_kind kind = cut_domain(p->rules[i].domains[k], &text);
            if (text.len <= GW_MAX_HOST) { /* a longer one matches no host */
                seen[kind][text.len] = true;
                gw_table_put(&plan->table, text, kind, i);
            }
        }
    }
    set_lengths(&plan->suffixes, a, seen[DOMAIN_SUFFIX]);
    set_lengths(&plan->prefixes, a, seen[DOMAIN_PREFIX]);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b; /* GW_NONE is greater than any */
}

static uint32_t find_domain(const struct gw_plan *plan, struct str host)
{
    uint32_t rule = gw_table_find(&plan->table, host, DOMAIN_EXACT);

    for (uint32_t i = 0; i < plan->suffixes.n && plan->suffixes.at[i] <= host.len; i++) {
        struct str suffix = str_slice(host, host.len - plan->suffixes.at[i], host.len);
        rule = least(rule, gw_table_find(&plan->table, suffix, DOMAIN_SUFFIX));
    }
    for (uint32_t i = 0; i < plan->prefixes.n && plan->prefixes.at[i] <= host.len; i++) {
        struct str prefix = str_slice(host, 0, plan->prefixes.at[i]);
        rule = least(rule, gw_table_find(&plan->table, prefix, DOMAIN_PREFIX));
    }
    return rule;
}

/* ---- routes and services ---------------------------------------------------------------- */

/* The services a rule's words mean, sorted, without doubles; in the arena. */
static uint32_t *resolve_services(struct arena *a, const struct gw_rule *r, const struct gw_names *services,
                                  uint32_t *n)
{
    struct gw_names ids = {0};

    for (uint32_t i = 0; i < r->nservices; i++) {
        struct str found;
        size_t at = gw_names_first_service(services, r->services[i], &found);
        for (; at < services->list.len && str_eq(services->list.at[at].text, found); at++) {
            gw_names_add(&ids, STR(""), services->list.at[at].id);
        }
    }
    gw_names_sort(&ids);
    uint32_t *out = ARENA_ARRAY(a, uint32_t, ids.list.len);
    for (size_t i = 0; i < ids.list.len; i++) {
        out[i] = ids.list.at[i].id;
    }
    *n = (uint32_t)ids.list.len;
    gw_names_fini(&ids);
    return out;
}

static bool has_service(const uint32_t *services, uint32_t n, uint32_t service)
{
    for (uint32_t low = 0, high = n; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (services[mid] == service) {
            return true;
        }
        if (services[mid] < service) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

/* One plugin's first rule by route and by service, while its column of bindings is made. */
struct column {
    const struct gw_config *c;
    uint32_t *by_service;                       /* first rule with the service alone */
    uint32_t *binding;                          /* result: by binding */
    const uint32_t *first_binding, *service_of; /* by binding, GW_NONE: it has none */
    uint32_t nbindings;
};

/* Rules come in order: the first to reach a place stays. */
static void claim(uint32_t *place, uint32_t rule)
{
    *place = *place == GW_NONE ? rule : *place;
}

static void claim_route(struct column *col, uint32_t rule, uint32_t route, const uint32_t *services,
                        uint32_t n, bool any_service)
{
    const struct gw_route *r = &col->c->routes[route];
    uint32_t *binding = col->binding + col->first_binding[route];

    if (any_service && r->nbackends == 0) {
        claim(binding, rule);
    }
    for (uint32_t b = 0; b < r->nbackends; b++) {
        if (any_service || has_service(services, n, r->backends[b].service)) {
            claim(&binding[b], rule);
        }
    }
}

static void build_column(struct column *col, struct gw_plan *plan, struct arena *a, const struct gw_plugin *p,
                         const struct gw_names *routes, const struct gw_names *services)
{
    struct gw_mixed *mixed = ARENA_ARRAY(a, struct gw_mixed, p->nrules);

    bool by_service = false;

    plan->mixed = mixed;
    for (uint32_t i = 0; i < p->nrules; i++) {
        const struct gw_rule *r = &p->rules[i];
        uint32_t n;
        if (by_domain_alone(r)) {
            continue;
        }
        uint32_t *ids = resolve_services(a, r, services, &n);
        for (uint32_t k = 0; k < r->nroutes; k++) {
            uint32_t route = gw_names_find(routes, r->routes[k]);
            if (route != GW_NONE) {
                claim_route(col, i, route, ids, n, r->nservices == 0);
            }
        }
        if (r->nroutes == 0 && r->ndomains != 0) {
            mixed[plan->nmixed++] = (struct gw_mixed){i, ids, n};
        }
        for (uint32_t k = 0; r->nroutes == 0 && r->ndomains == 0 && k < n; k++) {
            claim(&col->by_service[ids[k]], i);
            by_service = true;
        }
    }
    for (uint32_t b = 0; by_service && b < col->nbindings; b++) {
        if (col->service_of[b] != GW_NONE) {
            col->binding[b] = least(col->binding[b], col->by_service[col->service_of[b]]);
        }
    }
}

/* Most bindings have the same row: keep each row once. */
static void share_rows(struct gw_rules *t, struct arena *a, const uint32_t *cells, uint32_t nbindings)
{
    struct arena scratch;
    struct gw_table seen;
    size_t row_bytes = (size_t)t->n * sizeof *cells;
    uint32_t nrows = 0, before = 0;

    t->row_of = ARENA_ARRAY(a, uint32_t, nbindings);
    arena_init(&scratch);
    gw_table_init(&seen, &scratch, nbindings);
    for (uint32_t i = 0; i < nbindings; i++) {
        struct str row = str_make(cells + (size_t)i * t->n, row_bytes);
        /* Rules are for routes here and there: most rows are as the one before. */
        before = nrows != 0 && memcmp(cells + (size_t)before * t->n, row.at, row_bytes) == 0 ? before : i;
        t->row_of[i] = before != i ? t->row_of[before] : gw_table_put(&seen, row, 0, nrows);
        nrows += t->row_of[i] == nrows;
    }
    t->rows = ARENA_ARRAY(a, uint32_t, (size_t)nrows * t->n);
    for (uint32_t i = 0; i < nbindings; i++) {
        memcpy(t->rows + (size_t)t->row_of[i] * t->n, cells + (size_t)i * t->n, row_bytes);
    }
    arena_fini(&scratch);
}

void gw_rules_build(struct gw_rules *t, struct arena *a, const struct gw_config *c,
                    const struct gw_names *routes, const struct gw_names *services)
{
    uint32_t nbindings = 0;

    *t = (struct gw_rules){.n = c->nplugins};
    t->order = ARENA_ARRAY(a, uint32_t, c->nplugins);
    t->plans = ARENA_ARRAY(a, struct gw_plan, c->nplugins);
    t->first_binding = ARENA_ARRAY(a, uint32_t, (size_t)c->nroutes + 1);
    for (uint32_t i = 0; i < c->nplugins; i++) {
        t->order[i] = i;
    }
    if (c->nplugins == 0) {
        return;
    }
    qsort_r(t->order, c->nplugins, sizeof *t->order, compare_plugins, (void *)c);
    for (uint32_t i = 0; i < c->nroutes; i++) {
        t->first_binding[i] = nbindings;
        nbindings += c->routes[i].nbackends == 0 ? 1 : c->routes[i].nbackends;
    }
    t->first_binding[c->nroutes] = nbindings++; /* no route: no rule by route or service */
    uint32_t *service_of = mem_alloc(nbindings * sizeof *service_of);
    memset(service_of, 0xff, nbindings * sizeof *service_of); /* GW_NONE */
    for (uint32_t i = 0; i < c->nroutes; i++) {
        for (uint32_t b = 0; b < c->routes[i].nbackends; b++) {
            service_of[t->first_binding[i] + b] = c->routes[i].backends[b].service;
        }
    }

    uint32_t *cells = mem_alloc((size_t)nbindings * t->n * sizeof *cells);
    struct column col = {
        .c = c, .first_binding = t->first_binding, .service_of = service_of, .nbindings = nbindings};
    col.binding = mem_alloc(nbindings * sizeof *col.binding);
    col.by_service = mem_alloc(c->nservices * sizeof *col.by_service);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct gw_plugin *p = &c->plugins[t->order[i]];
        t->plans[i].plugin = t->order[i];
        memset(col.binding, 0xff, nbindings * sizeof *col.binding); /* GW_NONE */
        memset(col.by_service, 0xff, c->nservices * sizeof *col.by_service);
        if (!p->ignore_rules) {
            build_domains(&t->plans[i], a, p);
            build_column(&col, &t->plans[i], a, p, routes, services);
        }
        for (uint32_t b = 0; b < nbindings; b++) {
            cells[(size_t)b * t->n + i] = col.binding[b];
        }
    }
    share_rows(t, a, cells, nbindings);
    mem_free(cells);
    mem_free(col.binding);
    mem_free(col.by_service);
    mem_free(service_of);
}

/* ---- finding ---------------------------------------------------------------------------- */

static uint32_t find_mixed(const struct gw_plan *plan, const struct gw_plugin *p, uint32_t service,
                           struct str host, uint32_t before)
{
    for (uint32_t i = 0; i < plan->nmixed && plan->mixed[i].rule < before; i++) {
        const struct gw_mixed *m = &plan->mixed[i];
        const struct gw_rule *r = &p->rules[m->rule];
        if (!has_service(m->services, m->nservices, service)) {
            continue;
        }
        for (uint32_t k = 0; k < r->ndomains; k++) {
            if (domain_matches(r->domains[k], host)) {
                return m->rule;
            }
        }
    }
    return before;
}

/* `row`: for each plan the first rule that route and service match. */
static uint32_t steps_of_row(const struct gw_rules *t, const struct gw_config *c, const uint32_t *row,
                             uint32_t service, struct str host, struct gw_step *steps)
{
    char buf[GW_MAX_HOST + 1];
    struct str normal = STR("");
    uint32_t n = 0;

    gw_host_normalise(host, buf, &normal); /* one that is too long is "": patterns for every host match it */
    for (uint32_t i = 0; i < t->n; i++) {
        const struct gw_plan *plan = &t->plans[i];
        const struct gw_plugin *p = &c->plugins[plan->plugin];
        uint32_t rule = row[i];
        if (plan->domains) {
            rule = least(rule, find_domain(plan, normal));
        }
        if (plan->nmixed != 0 && service != GW_NONE) {
            rule = find_mixed(plan, p, service, normal, rule);
        }
        uint32_t config = rule == GW_NONE ? p->default_index : p->rules[rule].config_index;
        if (config != GW_NONE && p->type == GW_PLUGIN_HTTP) {
            steps[n++] = (struct gw_step){plan->plugin, config};
        }
    }
    return n;
}

uint32_t gw_rules_steps(const struct gw_rules *t, const struct gw_config *c, uint32_t route, uint32_t backend,
                        struct str host, struct gw_step *steps)
{
    uint32_t service = GW_NONE;

    if (t->n == 0) {
        return 0;
    }
    uint32_t binding = t->first_binding[route == GW_NONE ? c->nroutes : route];
    if (route != GW_NONE && c->routes[route].nbackends != 0) {
        WEIR_ASSERT(backend < c->routes[route].nbackends);
        binding += backend;
        service = c->routes[route].backends[backend].service;
    }
    return steps_of_row(t, c, t->rows + (size_t)t->row_of[binding] * t->n, service, host, steps);
}

/* ---- places outside of the configuration ------------------------------------------------- */

static bool names_route(const struct gw_rule *r, struct str route)
{
    for (uint32_t i = 0; i < r->nroutes; i++) {
        if (str_eq(r->routes[i], route)) {
            return true;
        }
    }
    return false;
}

static bool names_service(const struct gw_rule *r, const struct gw_names *services, uint32_t service)
{
    struct str found;

    for (uint32_t i = 0; i < r->nservices; i++) {
        size_t at = gw_names_first_service(services, r->services[i], &found);
        for (; at < services->list.len && str_eq(services->list.at[at].text, found); at++) {
            if (services->list.at[at].id == service) {
                return true;
            }
        }
    }
    return false;
}

void gw_rules_locate(const struct gw_rules *t, const struct gw_config *c, const struct gw_names *services,
                     struct str route, uint32_t service, uint32_t *row)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct gw_plugin *p = &c->plugins[t->plans[i].plugin];
        row[i] = GW_NONE;
        for (uint32_t k = 0; k < p->nrules && !p->ignore_rules && row[i] == GW_NONE; k++) {
            const struct gw_rule *r = &p->rules[k];
            bool by_route = r->nroutes != 0 && names_route(r, route);
            bool by_service = r->nroutes == 0 && r->nservices != 0 && r->ndomains == 0;
            if ((by_route || by_service) &&
                (r->nservices == 0 || (service != GW_NONE && names_service(r, services, service)))) {
                row[i] = k;
            }
        }
    }
}

uint32_t gw_rules_located_steps(const struct gw_rules *t, const struct gw_config *c, const uint32_t *row,
                                uint32_t service, struct str host, struct gw_step *steps)
{
    return steps_of_row(t, c, row, service, host, steps);
}
