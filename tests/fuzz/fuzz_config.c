/* Any text as a configuration: loading comes back with a status and problems that name the file; a model it
 * accepts reads back from its own JSON to the same bytes, and makes a generation that answers requests. */
#include <stddef.h>
#include <stdint.h>

#include "gw/generation.h"
#include "gw/load.h"

static struct str header_text;

static bool find_header(void *ctx, struct str name, struct str *value)
{
    (void)ctx;
    *value = header_text;
    return name.len % 2 == 1;
}

/* Ask for every route by its own words, and for each what it leads to. */
static void ask(const struct gw_generation *g, struct str host, struct str path)
{
    const struct gw_config *c = gw_generation_config(g);
    struct gw_request r = {host, path, STR("GET"), find_header, NULL};
    struct gw_step *steps = mem_zalloc_array((size_t)c->nplugins + 1, sizeof *steps);
    struct strbuf out = {0};
    uint32_t route = gw_generation_route(g, &r), backend = GW_NONE;

    WEIR_ASSERT(route == GW_NONE || route < c->nroutes);
    if (route != GW_NONE) {
        backend = gw_route_pick_backend(&c->routes[route], path.len);
        WEIR_ASSERT((backend == GW_NONE) == (c->routes[route].redirect != NULL));
        gw_generation_rewrite_path(g, route, path, &out);
        if (backend == GW_NONE) {
            gw_route_redirect_location(&c->routes[route], STR("http"), host, path, STR("q"), &out);
        }
    }
    uint32_t n = gw_generation_plugins(g, route, backend, host, steps);
    WEIR_ASSERT(n <= c->nplugins);
    for (uint32_t i = 0; i < n; i++) {
        WEIR_ASSERT(steps[i].config < c->plugins[steps[i].plugin].nconfigs);
    }
    strbuf_fini(&out);
    mem_free(steps);
}

/* What connections to a listener lead to. */
static void ask_listener(const struct gw_generation *g, uint32_t listener)
{
    const struct gw_config *c = gw_generation_config(g);
    const struct gw_listener *l = &c->listeners[listener];
    bool tcp = l->protocol == GW_TCP;
    uint32_t n;
    const struct gw_step *steps = gw_generation_connection_plugins(g, listener, &n);

    WEIR_ASSERT(n <= c->nplugins && (tcp || n == 0));
    WEIR_ASSERT(tcp ? l->service < c->nservices : l->service == GW_NONE);
    WEIR_ASSERT(gw_generation_find_listener(g, l->protocol, l->text) == listener);
    for (uint32_t i = 0; i < n; i++) {
        WEIR_ASSERT(c->plugins[steps[i].plugin].type == GW_PLUGIN_NETWORK);
        WEIR_ASSERT(steps[i].config < c->plugins[steps[i].plugin].nconfigs);
    }
}

static void use(struct gw_generation *g)
{
    const struct gw_config *c = gw_generation_config(g);

    ask(g, STR(""), STR(""));
    ask(g, STR("Shop.Example:80"), STR("/orders/1"));
    for (uint32_t i = 0; i < c->nlisteners && i < 16; i++) {
        ask_listener(g, i);
    }
    for (uint32_t i = 0; i < c->nroutes && i < 16; i++) {
        const struct gw_match *m = &c->routes[i].match;
        header_text = m->nheaders == 0 ? STR("") : m->headers[0].value.text;
        ask(g, m->nhosts == 0 ? STR("h") : m->hosts[0], m->path.text);
        WEIR_ASSERT(gw_generation_find_route(g, c->routes[i].name) == i);
    }
    for (uint32_t i = 0; i < c->nplugins && i < 16; i++) {
        for (uint32_t k = 0; k < c->plugins[i].nrules && k < 16; k++) {
            const struct gw_rule *rule = &c->plugins[i].rules[k];
            ask(g, rule->ndomains == 0 ? STR("x") : rule->domains[0], STR("/"));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;
    struct strbuf first = {0}, second = {0};

    gw_problems_init(&problems);
    weir_status st = gw_config_load_text("f", str_make(data, size), &c, &problems);
    WEIR_ASSERT((st == WEIR_OK) == (problems.nerrors == 0));
    WEIR_ASSERT(st == WEIR_OK || st == WEIR_E_CONFIG);
    for (size_t i = 0; i < problems.list.len; i++) {
        gw_problem_format(&problems.list.at[i], &second);
    }
    second.len = 0;
    if (st == WEIR_OK) {
        gw_config_write(c, &first);
        gw_config_free(c);
        WEIR_ASSERT(gw_config_load_text("f", strbuf_str(&first), &c, &problems) == WEIR_OK);
        gw_config_write(c, &second);
        WEIR_ASSERT(str_eq(strbuf_str(&first), strbuf_str(&second)));
        struct gw_generation *g = gw_generation_build(c);
        use(g);
        gw_generation_unref(g);
    }
    gw_problems_fini(&problems);
    strbuf_fini(&first);
    strbuf_fini(&second);
    return 0;
}
