/* gw/generation.c - a model and its tables, counted as one; and what concerns a single route or service. */
#include "gw/generation.h"

#include "base/hash.h"
#include "gw/tables.h"

struct gw_generation {
    uint32_t refs;
    struct gw_config *config;
    struct arena arena; /* of the tables */
    struct gw_routes routes;
    struct gw_rules rules;
    struct gw_connections *connections; /* by listener */
    struct gw_certificates certificates;
    struct gw_names route_names, service_names;
};

/* ---- tables ----------------------------------------------------------------------------- */

void gw_table_init(struct gw_table *t, struct arena *a, size_t entries)
{
    size_t n = 4;
    while (n < 2 * entries) {
        n *= 2;
    }
    t->slots = ARENA_ARRAY(a, struct gw_slot, n);
    t->mask = n - 1;
}

static struct gw_slot *find_slot(const struct gw_table *t, struct str key, uint32_t space)
{
    size_t i = hash_bytes(key.at, key.len, space) & t->mask;
    while (t->slots[i].key.at != NULL && (t->slots[i].space != space || !str_eq(t->slots[i].key, key))) {
        i = (i + 1) & t->mask;
    }
    return &t->slots[i];
}

uint32_t gw_table_put(struct gw_table *t, struct str key, uint32_t space, uint32_t value)
{
    struct gw_slot *s = find_slot(t, key, space);
    if (s->key.at == NULL) {
        *s = (struct gw_slot){key.at == NULL ? STR("") : key, space, value};
    }
    return s->value;
}

uint32_t gw_table_find(const struct gw_table *t, struct str key, uint32_t space)
{
    const struct gw_slot *s = find_slot(t, key, space);
    return s->key.at == NULL ? GW_NONE : s->value;
}

/* ---- lifecycle -------------------------------------------------------------------------- */

struct gw_generation *gw_generation_build(struct gw_config *take)
{
    struct gw_generation *g = mem_zalloc(sizeof *g);

    g->refs = 1;
    g->config = take;
    arena_init(&g->arena);
    for (uint32_t i = 0; i < take->nroutes; i++) {
        gw_names_add(&g->route_names, take->routes[i].name, i);
    }
    gw_names_sort(&g->route_names);
    gw_names_add_services(&g->service_names, &g->arena, take);
    gw_names_sort(&g->service_names);
    gw_routes_build(&g->routes, &g->arena, take);
    gw_rules_build(&g->rules, &g->arena, take, &g->route_names, &g->service_names);
    g->connections = gw_connections_build(&g->arena, take, g->rules.order, &g->service_names);
    gw_certificates_build(&g->certificates, &g->arena, take);
    return g;
}

void gw_generation_ref(struct gw_generation *g)
{
    g->refs++;
}

void gw_generation_unref(struct gw_generation *g)
{
    if (g == NULL || --g->refs != 0) {
        return;
    }
    gw_routes_fini(&g->routes, g->config);
    gw_names_fini(&g->route_names);
    gw_names_fini(&g->service_names);
    arena_fini(&g->arena);
    gw_config_free(g->config);
    mem_free(g);
}

const struct gw_config *gw_generation_config(const struct gw_generation *g)
{
    return g->config;
}

size_t gw_generation_bytes(const struct gw_generation *g)
{
    return sizeof *g + g->arena.bytes + g->config->arena.bytes +
           (g->route_names.list.cap + g->service_names.list.cap) *
               (sizeof(struct gw_name) + sizeof *g->route_names.starts);
}

/* ---- lookups ---------------------------------------------------------------------------- */

uint32_t gw_generation_route(const struct gw_generation *g, const struct gw_request *r)
{
    return gw_routes_find(&g->routes, g->config, r);
}

uint32_t gw_generation_find_route(const struct gw_generation *g, struct str name)
{
    return gw_names_find(&g->route_names, name);
}

uint32_t gw_generation_find_service(const struct gw_generation *g, struct str name)
{
    struct str found;
    size_t i = gw_names_first_service(&g->service_names, name, &found);
    return i == g->service_names.list.len ? GW_NONE : g->service_names.list.at[i].id;
}

const uint32_t *gw_generation_plugin_order(const struct gw_generation *g)
{
    return g->rules.order;
}

uint32_t gw_generation_plugins(const struct gw_generation *g, uint32_t route, uint32_t backend,
                               struct str host, struct gw_step *steps)
{
    return gw_rules_steps(&g->rules, g->config, route, backend, host, steps);
}

void gw_generation_locate(const struct gw_generation *g, struct str route, struct str service,
                          struct gw_location *out)
{
    out->service = gw_generation_find_service(g, service);
    gw_rules_locate(&g->rules, g->config, &g->service_names, route, out->service, out->rules);
}

uint32_t gw_generation_located_plugins(const struct gw_generation *g, const struct gw_location *where,
                                       struct str host, struct gw_step *steps)
{
    return gw_rules_located_steps(&g->rules, g->config, where->rules, where->service, host, steps);
}

const struct gw_step *gw_generation_connection_plugins(const struct gw_generation *g, uint32_t listener,
                                                       uint32_t *n)
{
    *n = g->connections[listener].nsteps;
    return g->connections[listener].steps;
}

uint32_t gw_generation_find_listener(const struct gw_generation *g, enum gw_protocol protocol,
                                     struct str text)
{
    for (uint32_t i = 0; i < g->config->nlisteners; i++) {
        if (g->config->listeners[i].protocol == protocol && str_eq(g->config->listeners[i].text, text)) {
            return i;
        }
    }
    return GW_NONE;
}

uint32_t gw_generation_certificates(const struct gw_generation *g, struct str name,
                                    uint32_t found[GW_KEY_KINDS])
{
    const struct gw_certificate_set *set = gw_certificates_find(&g->certificates, name);
    uint32_t n = 0;

    for (uint32_t kind = 0; kind < GW_KEY_KINDS; kind++) {
        if (set->by_kind[kind] != GW_NONE) {
            found[n++] = set->by_kind[kind];
        }
    }
    return n;
}

/* ---- one route, one service ------------------------------------------------------------- */

uint32_t gw_route_pick_backend(const struct gw_route *route, uint64_t random)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < route->nbackends; i++) {
        total += route->backends[i].weight;
    }
    if (total == 0) {
        return GW_NONE;
    }
    random %= total;
    for (uint32_t i = 0;; i++) {
        if (random < route->backends[i].weight) {
            return i;
        }
        random -= route->backends[i].weight;
    }
}

/* `path` with the route's matched prefix replaced by `prefix`. */
static void add_replaced(const struct gw_route *route, struct str path, struct str prefix, struct strbuf *out)
{
    size_t cut = route->match.path.text.len;
    if (cut == 1) { /* "/" matches what comes before its slash: all of the path stays */
        cut = 0;
    }
    struct str rest = str_slice(path, cut, path.len);
    if (prefix.len == 1) { /* "/" and what follows has its own slash */
        prefix.len = rest.len != 0 && rest.at[0] == '/' ? 0 : 1;
    }
    strbuf_add(out, prefix);
    strbuf_add(out, rest);
}

static bool rewrite_by_regex(const struct gw_generation *g, uint32_t route, struct str path,
                             struct strbuf *out)
{
    const struct gw_pattern *p = g->routes.checks[route].rewrite;
    struct str text = g->config->routes[route].rewrite.replacement;

    if (gw_pattern_match(p, path) != GW_YES) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '$') {
            strbuf_add_char(out, text.at[i]);
        } else if (text.at[++i] == '$') {
            strbuf_add_char(out, '$');
        } else {
            strbuf_add(out, gw_pattern_group(p, path, (uint32_t)(text.at[i] - '0')));
        }
    }
    return true;
}

bool gw_generation_rewrite_path(const struct gw_generation *g, uint32_t route, struct str path,
                                struct strbuf *out)
{
    const struct gw_route *r = &g->config->routes[route];

    if (r->rewrite.regex.at != NULL) {
        return rewrite_by_regex(g, route, path, out);
    }
    if (r->rewrite.path.at != NULL) {
        strbuf_add(out, r->rewrite.path);
        return true;
    }
    if (r->rewrite.prefix.at == NULL) {
        return false;
    }
    add_replaced(r, path, r->rewrite.prefix, out);
    return true;
}

static struct str host_without_port(struct str host)
{
    size_t close = str_find_char(host, ']');
    size_t from = close == host.len ? 0 : close;
    return str_slice(host, 0, from + str_find_char(str_slice(host, from, host.len), ':'));
}

void gw_route_redirect_location(const struct gw_route *route, struct str scheme, struct str host,
                                struct str path, struct str query, struct strbuf *out)
{
    const struct gw_redirect *d = route->redirect;
    bool moved = d->scheme.at != NULL || d->host.at != NULL || d->port != 0;

    strbuf_add(out, d->scheme.at == NULL ? scheme : d->scheme);
    strbuf_add(out, STR("://"));
    strbuf_add(out, d->host.at != NULL ? d->host : moved ? host_without_port(host) : host);
    if (d->port != 0) {
        strbuf_printf(out, ":%u", d->port);
    }
    if (d->path.at != NULL) {
        strbuf_add(out, d->path);
    } else if (d->prefix.at != NULL) {
        add_replaced(route, path, d->prefix, out);
    } else {
        strbuf_add(out, path);
    }
    if (query.len != 0) {
        strbuf_add_char(out, '?');
        strbuf_add(out, query);
    }
}
