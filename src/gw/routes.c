/* gw/routes.c - which route a request takes (the order is in gw/generation.h).
 *
 * Host patterns lead to vhosts by a hash table: the host itself, then each of its suffixes that begins with a
 * dot, longest first.  In a vhost, exact paths and prefixes are found by their hashes: a few of them by
 * looking at all, many in one more hash table.  For prefixes each segment boundary of the path is a key,
 * deepest first. Under a key stand the routes that differ by method and headers only, in the order to try
 * them. */
#include <stdlib.h>

#include "base/hash.h"
#include "gw/tables.h"
#include "gw/values.h"

/* ---- building --------------------------------------------------------------------------- */

enum { FEW_PATHS = 32 }; /* whose hashes are in two cache lines */

enum path_class { CLASS_EXACT, CLASS_PREFIX, CLASS_REGEX, CLASS_ALL };

/* A route under one of its hosts. */
struct entry {
    uint32_t vhost, route;
    enum path_class class;
    struct str path; /* "" for REGEX and ALL, which each are one group */
    bool methods;
    uint32_t nheaders;
};

/* Of one vhost. */
static int compare_entries(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->class != b->class) {
        return a->class < b->class ? -1 : 1;
    }
    int c = str_cmp(a->path, b->path);
    if (c != 0) {
        return c;
    }
    if (a->class != CLASS_REGEX && a->methods != b->methods) {
        return a->methods ? -1 : 1;
    }
    if (a->class != CLASS_REGEX && a->nheaders != b->nheaders) {
        return a->nheaders > b->nheaders ? -1 : 1;
    }
    return a->route < b->route ? -1 : a->route > b->route;
}

static enum path_class class_of(const struct gw_matcher *path)
{
    switch (path->kind) {
    case GW_MATCH_EXACT:
        return CLASS_EXACT;
    case GW_MATCH_REGEX:
        return CLASS_REGEX;
    default:
        return path->text.len > 1 ? CLASS_PREFIX : CLASS_ALL;
    }
}

/* Is it the host of the route before?  Routes of a host often stand together. */
static bool same_host(const struct gw_config *c, uint32_t route, uint32_t host)
{
    const struct gw_match *m = &c->routes[route].match, *before = m;

    if (route != 0) {
        before = &c->routes[route - 1].match;
    }
    return before != m && host < m->nhosts && host < before->nhosts &&
           str_eq(m->hosts[host], before->hosts[host]);
}

/* *nfound: how many hosts are looked for in the table. */
static size_t count_hosts(const struct gw_config *c, size_t *nfound)
{
    size_t n = 0;

    *nfound = 0;
    for (uint32_t i = 0; i < c->nroutes; i++) {
        n += c->routes[i].match.nhosts == 0 ? 1 : c->routes[i].match.nhosts;
        for (uint32_t h = 0; h < c->routes[i].match.nhosts; h++) {
            *nfound += !same_host(c, i, h);
        }
    }
    return n;
}

/* The vhost of a host pattern, a new one (*nvhosts) if it has none. */
static uint32_t vhost_of(struct gw_routes *t, struct str host, uint32_t *nvhosts)
{
    uint32_t v;
    if (str_eq(host, STR("*"))) {
        t->any_host = t->any_host == GW_NONE ? (*nvhosts)++ : t->any_host;
        return t->any_host;
    }
    bool suffix = host.at[0] == '*';
    if (suffix) {
        host = str_slice(host, 1, host.len);
        t->max_suffix = host.len > t->max_suffix ? host.len : t->max_suffix;
    }
    v = gw_table_put(&t->hosts, host, suffix, *nvhosts);
    *nvhosts += v == *nvhosts;
    return v;
}

static size_t collect(struct gw_routes *t, const struct gw_config *c, struct entry *entries,
                      uint32_t *nvhosts)
{
    size_t n = 0, before = 0;
    for (uint32_t i = 0; i < c->nroutes; i++) {
        const struct gw_match *m = &c->routes[i].match;
        size_t from = n;
        enum path_class class = class_of(&m->path);
        struct str path = class == CLASS_EXACT || class == CLASS_PREFIX ? m->path.text : STR("");
        for (uint32_t h = 0; h < m->nhosts || (h == 0 && m->nhosts == 0); h++) {
            uint32_t vhost = same_host(c, i, h)
                                 ? entries[before + h].vhost
                                 : vhost_of(t, m->nhosts == 0 ? STR("*") : m->hosts[h], nvhosts);
            entries[n++] = (struct entry){vhost, i, class, path, m->nmethods != 0, m->nheaders};
        }
        before = from;
    }
    return n;
}

static bool in_order(const struct entry *at, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (compare_entries(&at[i - 1], &at[i]) > 0) {
            return false;
        }
    }
    return true;
}

/* By vhost, and then as compare_entries has it.  Vhosts are many and have few entries each, so they are told
 * apart by counting. */
static void sort_entries(struct entry **entries, size_t n, uint32_t nvhosts)
{
    size_t *ends = mem_zalloc_array((size_t)nvhosts + 1, sizeof *ends);
    struct entry *sorted = mem_alloc((n + 1) * sizeof *sorted);

    for (size_t i = 0; i < n; i++) {
        ends[(*entries)[i].vhost + 1]++;
    }
    for (uint32_t v = 0; v < nvhosts; v++) {
        ends[v + 1] += ends[v];
    }
    for (size_t i = 0; i < n; i++) {
        sorted[ends[(*entries)[i].vhost]++] = (*entries)[i];
    }
    for (size_t v = 0, from = 0; v < nvhosts; from = ends[v++]) {
        if (!in_order(sorted + from, ends[v] - from)) {
            qsort(sorted + from, ends[v] - from, sizeof *sorted, compare_entries);
        }
    }
    mem_free(ends);
    mem_free(*entries);
    *entries = sorted;
}

static uint32_t count_segments(struct str prefix)
{
    uint32_t n = 0;
    for (size_t i = 0; i < prefix.len; i++) {
        n += prefix.at[i] == '/';
    }
    return n;
}

static uint32_t hash_path(struct str path, bool prefix)
{
    return (uint32_t)hash_bytes(path.at, path.len, prefix);
}

static void add_group(struct gw_routes *t, const struct entry *e, struct gw_group g, uint32_t *npaths)
{
    bool prefix = e->class == CLASS_PREFIX;
    struct gw_vhost *v = &t->vhosts[e->vhost];

    switch (e->class) {
    case CLASS_REGEX:
        v->regexes = g;
        return;
    case CLASS_ALL:
        v->all = g;
        return;
    case CLASS_PREFIX: {
        uint32_t segments = count_segments(e->path);
        v->max_segments = segments > v->max_segments ? segments : v->max_segments;
        break;
    }
    case CLASS_EXACT:
        break;
    }
    v->first = v->n == 0 ? *npaths : v->first;
    v->n++;
    t->hashes[*npaths] = hash_path(e->path, prefix);
    t->paths[(*npaths)++] = (struct gw_path_group){e->path, g, prefix};
}

static void build_many(struct gw_routes *t, struct arena *a, uint32_t nvhosts)
{
    size_t n = 0;

    for (uint32_t v = 0; v < nvhosts; v++) {
        n += t->vhosts[v].n > FEW_PATHS ? t->vhosts[v].n : 0;
    }
    gw_table_init(&t->many_paths, a, n);
    for (uint32_t v = 0; v < nvhosts; v++) {
        for (uint32_t i = 0; t->vhosts[v].n > FEW_PATHS && i < t->vhosts[v].n; i++) {
            uint32_t at = t->vhosts[v].first + i;
            gw_table_put(&t->many_paths, t->paths[at].path, 2 * v + t->paths[at].prefix, at);
        }
    }
}

static struct gw_pattern *compile(const struct gw_matcher *m)
{
    char error[8];
    struct gw_pattern *p = NULL;
    if (m->kind == GW_MATCH_REGEX) {
        p = gw_pattern_new(m->text, error, sizeof error);
        WEIR_ASSERT(p != NULL); /* the loader compiled it */
    }
    return p;
}

static void build_checks(struct gw_routes *t, struct arena *a, const struct gw_config *c)
{
    t->checks = ARENA_ARRAY(a, struct gw_route_checks, c->nroutes);
    for (uint32_t i = 0; i < c->nroutes; i++) {
        const struct gw_match *m = &c->routes[i].match;
        struct str regex = c->routes[i].rewrite.regex;
        struct gw_matcher rewrite = {regex.at == NULL ? GW_MATCH_NONE : GW_MATCH_REGEX, regex};
        struct gw_header_check *headers =
            m->nheaders == 0 ? NULL : ARENA_ARRAY(a, struct gw_header_check, m->nheaders);
        for (uint32_t k = 0; k < m->nheaders; k++) {
            headers[k] = (struct gw_header_check){m->headers[k].name, m->headers[k].value,
                                                  compile(&m->headers[k].value)};
        }
        t->checks[i] = (struct gw_route_checks){headers, compile(&m->path), compile(&rewrite)};
    }
}

void gw_routes_build(struct gw_routes *t, struct arena *a, const struct gw_config *c)
{
    size_t nfound, max = count_hosts(c, &nfound);
    struct entry *entries = mem_alloc((max + 1) * sizeof *entries);
    uint32_t nvhosts = 0, npaths = 0;

    *t = (struct gw_routes){.any_host = GW_NONE};
    gw_table_init(&t->hosts, a, nfound);
    size_t n = collect(t, c, entries, &nvhosts);
    t->vhosts = ARENA_ARRAY(a, struct gw_vhost, nvhosts);
    t->paths = ARENA_ARRAY(a, struct gw_path_group, n);
    t->hashes = ARENA_ARRAY(a, uint32_t, n);
    t->candidates = ARENA_ARRAY(a, uint32_t, n);
    sort_entries(&entries, n, nvhosts);
    for (size_t i = 0, from = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        t->candidates[i] = e->route;
        if (i + 1 == n || e[1].vhost != e->vhost || e[1].class != e->class || !str_eq(e[1].path, e->path)) {
            add_group(t, e, (struct gw_group){(uint32_t)from, (uint32_t)(i + 1 - from)}, &npaths);
            from = i + 1;
        }
    }
    build_many(t, a, nvhosts);
    build_checks(t, a, c);
    mem_free(entries);
}

void gw_routes_fini(struct gw_routes *t, const struct gw_config *c)
{
    for (uint32_t i = 0; i < c->nroutes; i++) {
        gw_pattern_free(t->checks[i].path);
        gw_pattern_free(t->checks[i].rewrite);
        for (uint32_t k = 0; k < c->routes[i].match.nheaders; k++) {
            gw_pattern_free(t->checks[i].headers[k].pattern);
        }
    }
}

/* ---- finding ---------------------------------------------------------------------------- */

struct finder {
    const struct gw_routes *t;
    const struct gw_config *c;
    const struct gw_request *r;
    uint16_t boundary[GW_MAX_SEGMENTS]; /* lengths of the path's first segments, growing */
    uint32_t nboundaries;
    bool
        undecided; /* an expression of the route found had no answer: neither it nor one behind it is taken */
};

static bool method_holds(const struct gw_match *m, struct str method)
{
    for (uint32_t i = 0; i < m->nmethods; i++) {
        if (str_eq(m->methods[i], method)) {
            return true;
        }
    }
    return m->nmethods == 0;
}

static bool pattern_holds(const struct gw_pattern *p, struct str subject, bool *undecided)
{
    enum gw_answer answer = gw_pattern_match(p, subject);
    *undecided |= answer == GW_UNKNOWN;
    return answer != GW_NO;
}

static bool header_holds(const struct gw_header_check *h, const struct gw_request *r, bool *undecided)
{
    struct str value;
    if (r->header == NULL || !r->header(r->ctx, h->name, &value)) {
        return false;
    }
    switch (h->value.kind) {
    case GW_MATCH_EXACT:
        return str_eq(value, h->value.text);
    case GW_MATCH_PREFIX:
        return str_starts_with(value, h->value.text);
    case GW_MATCH_REGEX:
        return pattern_holds(h->pattern, value, undecided);
    default:
        return true;
    }
}

static bool route_holds(struct finder *f, uint32_t route)
{
    bool undecided = false;
    const struct gw_match *m = &f->c->routes[route].match;
    const struct gw_route_checks *checks = &f->t->checks[route];

    if (!method_holds(m, f->r->method) ||
        (checks->path != NULL && !pattern_holds(checks->path, f->r->path, &undecided))) {
        return false;
    }
    for (uint32_t i = 0; i < m->nheaders; i++) {
        if (!header_holds(&checks->headers[i], f->r, &undecided)) {
            return false;
        }
    }
    f->undecided |= undecided;
    return true;
}

static uint32_t find_in_group(struct finder *f, struct gw_group g)
{
    for (uint32_t i = 0; i < g.n; i++) {
        if (route_holds(f, f->t->candidates[g.first + i])) {
            return f->t->candidates[g.first + i];
        }
    }
    return GW_NONE;
}

static uint32_t find_by_path(struct finder *f, uint32_t vhost, struct str path, bool prefix)
{
    const struct gw_routes *t = f->t;
    const struct gw_vhost *v = &t->vhosts[vhost];

    if (v->n > FEW_PATHS) {
        uint32_t at = gw_table_find(&t->many_paths, path, 2 * vhost + prefix);
        return at == GW_NONE ? GW_NONE : find_in_group(f, t->paths[at].group);
    }
    uint32_t hash = hash_path(path, prefix);
    for (uint32_t i = v->first; i < v->first + v->n; i++) {
        if (t->hashes[i] == hash && t->paths[i].prefix == prefix && str_eq(t->paths[i].path, path)) {
            return find_in_group(f, t->paths[i].group);
        }
    }
    return GW_NONE;
}

static uint32_t find_in_vhost(struct finder *f, uint32_t vhost)
{
    const struct gw_vhost *v = &f->t->vhosts[vhost];
    uint32_t route = find_by_path(f, vhost, f->r->path, false);
    uint32_t depth = v->max_segments < f->nboundaries ? v->max_segments : f->nboundaries;

    while (route == GW_NONE && depth-- > 0) {
        route = find_by_path(f, vhost, str_slice(f->r->path, 0, f->boundary[depth]), true);
    }
    if (route == GW_NONE) {
        route = find_in_group(f, v->regexes);
    }
    return route == GW_NONE ? find_in_group(f, v->all) : route;
}

/* Where the first segments end: before each '/' but the first, and at the end. */
static void find_boundaries(struct finder *f)
{
    struct str path = f->r->path;
    for (size_t i = 1; i <= path.len && i <= UINT16_MAX && f->nboundaries < GW_MAX_SEGMENTS; i++) {
        if (i == path.len || path.at[i] == '/') {
            f->boundary[f->nboundaries++] = (uint16_t)i;
        }
    }
}

uint32_t gw_routes_find(const struct gw_routes *t, const struct gw_config *c, const struct gw_request *r)
{
    char buf[GW_MAX_HOST + 1];
    struct str host;
    struct finder f = {.t = t, .c = c, .r = r};
    uint32_t route;

    if (!gw_host_normalise(r->host, buf, &host)) {
        return GW_NONE;
    }
    find_boundaries(&f);
    uint32_t vhost = gw_table_find(&t->hosts, host, 0);
    route = vhost == GW_NONE ? GW_NONE : find_in_vhost(&f, vhost);
    size_t from = host.len > t->max_suffix ? host.len - t->max_suffix : 1;
    for (size_t i = from; i < host.len && route == GW_NONE && t->max_suffix != 0; i++) {
        vhost = host.at[i] == '.' ? gw_table_find(&t->hosts, str_slice(host, i, host.len), 1) : GW_NONE;
        route = vhost == GW_NONE ? GW_NONE : find_in_vhost(&f, vhost);
    }
    if (route == GW_NONE && t->any_host != GW_NONE) {
        route = find_in_vhost(&f, t->any_host);
    }
    return f.undecided ? GW_NONE : route;
}
