/* gw/check.c - names that must be there, and be there once. */
#include "gw/check.h"

#include <stdio.h>
#include <string.h>

#include "gw/certificates.h"
#include "gw/names.h"
#include "gw/schema.h"

struct checker {
    struct gw_config *c;
    struct gw_problems *problems;
    struct gw_names routes, services; /* by name; services also by their other names */
    struct gw_names listeners;        /* of TCP, by name and by address */
};

/* At a field of what stands at `at`; `fmt` has one %.*s, for `name`. */
static void complain(struct checker *k, struct gw_place at, const char *member, const char *fmt,
                     struct str name)
{
    char field[256], message[512];
    snprintf(field, sizeof field, "%s%s", at.field, member);
    snprintf(message, sizeof message, fmt, STR_ARG(name));
    gw_problems_add(k->problems, false, at, field, "%s", message);
}

/* Names of one kind, which must differ. */
static void check_unique(struct checker *k, const struct gw_names *names,
                         struct gw_place (*place)(const struct gw_config *c, uint32_t id))
{
    for (size_t i = 1; i < names->list.len; i++) {
        struct gw_name a = names->list.at[i - 1], b = names->list.at[i];
        if (str_eq(a.text, b.text) && a.text.len != 0) {
            struct gw_place first = place(k->c, a.id), at = place(k->c, b.id);
            gw_problems_add(k->problems, false, at, at.field,
                            "the name '%.*s' is taken, at %s:%u; rename one of the two", STR_ARG(b.text),
                            first.file, first.line);
        }
    }
}

static struct gw_place route_place(const struct gw_config *c, uint32_t id)
{
    return c->routes[id].at;
}

static struct gw_place service_place(const struct gw_config *c, uint32_t id)
{
    return c->services[id].at;
}

static struct gw_place plugin_place(const struct gw_config *c, uint32_t id)
{
    return c->plugins[id].at;
}

static struct gw_place listener_place(const struct gw_config *c, uint32_t id)
{
    return c->listeners[id].at;
}

static void check_names(struct checker *k)
{
    const struct gw_config *c = k->c;
    struct gw_names services = {0}, plugins = {0}, listeners = {0};

    for (uint32_t i = 0; i < c->nlisteners; i++) {
        if (c->listeners[i].name.at != NULL) {
            gw_names_add(&listeners, c->listeners[i].name, i);
        }
    }
    gw_names_sort(&listeners);
    check_unique(k, &listeners, listener_place);
    gw_names_fini(&listeners);

    for (uint32_t i = 0; i < c->nroutes; i++) {
        gw_names_add(&k->routes, c->routes[i].name, i);
    }
    for (uint32_t i = 0; i < c->nservices; i++) {
        gw_names_add(&services, c->services[i].name, i);
    }
    for (uint32_t i = 0; i < c->nplugins; i++) {
        gw_names_add(&plugins, c->plugins[i].name, i);
    }
    gw_names_add_services(&k->services, &k->c->arena, c);
    gw_names_sort(&k->routes);
    gw_names_sort(&k->services);
    gw_names_sort(&services);
    gw_names_sort(&plugins);
    check_unique(k, &k->routes, route_place);
    check_unique(k, &services, service_place);
    check_unique(k, &plugins, plugin_place);
    for (uint32_t i = 0; i < c->nlisteners; i++) {
        struct gw_listener *l = &c->listeners[i];
        l->service = l->service_name.at == NULL ? GW_NONE : gw_names_find(&services, l->service_name);
    }
    for (uint32_t i = 0; i < c->nroutes; i++) {
        for (uint32_t b = 0; b < c->routes[i].nbackends; b++) {
            c->routes[i].backends[b].service = gw_names_find(&services, c->routes[i].backends[b].name);
        }
    }
    gw_names_fini(&services);
    gw_names_fini(&plugins);
}

static void check_listeners(struct checker *k)
{
    struct gw_config *c = k->c;
    struct gw_names addresses = {0};
    struct strbuf text = {0};

    for (uint32_t i = 0; i < c->nlisteners; i++) {
        struct gw_listener *l = &c->listeners[i];
        if (l->address.port == 0) {
            continue; /* could not be read */
        }
        text.len = 0;
        gw_address_format(&l->address, &text);
        l->text = str_of(arena_strndup(&c->arena, text.at, text.len));
        gw_names_add(&addresses, l->text, i);
        if (l->protocol == GW_TCP) {
            gw_names_add(&k->listeners, l->text, i);
        }
        if (l->protocol == GW_TCP && l->name.at != NULL) {
            gw_names_add(&k->listeners, l->name, i);
        }
        if (l->proxy_protocol && c->client_address == NULL) {
            complain(k, l->at, ".proxyProtocol",
                     "%.*s needs clientAddress beside it, which says whose word about clients counts",
                     l->text);
        }
        if (l->service == GW_NONE && l->service_name.at != NULL) {
            complain(k, l->at, ".service",
                     "there is no service '%.*s'; add it to services or correct the name", l->service_name);
        }
    }
    gw_names_sort(&k->listeners);
    gw_names_sort(&addresses);
    for (size_t i = 1; i < addresses.list.len; i++) {
        struct gw_name a = addresses.list.at[i - 1], b = addresses.list.at[i];
        if (str_eq(a.text, b.text)) {
            complain(k, c->listeners[b.id].at, ".address", "%.*s is listened on twice; remove one", b.text);
        }
    }
    gw_names_fini(&addresses);
    strbuf_fini(&text);
}

static void check_routes(struct checker *k)
{
    for (uint32_t i = 0; i < k->c->nroutes; i++) {
        const struct gw_route *r = &k->c->routes[i];
        for (uint32_t b = 0; b < r->nbackends; b++) {
            if (r->backends[b].service == GW_NONE && r->backends[b].name.len != 0) {
                complain(k, r->backends[b].at, "",
                         "there is no service '%.*s'; add it to services or correct the name",
                         r->backends[b].name);
            }
        }
    }
}

static void check_rule(struct checker *k, const struct gw_rule *rule)
{
    struct str found;

    for (uint32_t i = 0; i < rule->nlisteners; i++) {
        if (gw_names_find(&k->listeners, rule->listeners[i]) == GW_NONE) {
            complain(k, rule->at, ".listener",
                     "there is no tcp listener '%.*s'; name it in listeners or correct the name",
                     rule->listeners[i]);
        }
    }

    /* Without listeners and routes it is for an nginx that routes by itself, and knows the names. */
    bool routes_elsewhere = k->c->nroutes == 0 && k->c->nlisteners == 0;
    for (uint32_t i = 0; i < rule->nroutes && !routes_elsewhere; i++) {
        if (gw_names_find(&k->routes, rule->routes[i]) == GW_NONE) {
            complain(k, rule->at, ".route", "there is no route '%.*s'; add it to routes or correct the name",
                     rule->routes[i]);
        }
    }
    for (uint32_t i = 0; i < rule->nservices; i++) {
        if (gw_names_first_service(&k->services, rule->services[i], &found) == k->services.list.len) {
            complain(k, rule->at, ".service",
                     "there is no service '%.*s'; add it to services or correct the name", rule->services[i]);
        }
    }
}

static void *copy_of(struct gw_config *c, const void *items, size_t n, size_t size)
{
    void *copy = arena_alloc(&c->arena, n * size);
    if (n != 0) {
        memcpy(copy, items, n * size);
    }
    return copy;
}

void gw_check_unshare(struct gw_config *c)
{
    for (uint32_t i = 0; i < c->nroutes; i++) {
        struct gw_route *r = &c->routes[i];
        r->backends = copy_of(c, r->backends, r->nbackends, sizeof *r->backends);
    }
    for (uint32_t i = 0; i < c->nplugins; i++) {
        struct gw_plugin *p = &c->plugins[i];
        p->rules = copy_of(c, p->rules, p->nrules, sizeof *p->rules);
    }
}

void gw_check_config(struct gw_config *c, struct gw_problems *problems)
{
    struct checker k = {.c = c, .problems = problems};

    check_names(&k);
    check_listeners(&k);
    check_routes(&k);
    gw_certificates_check(c, problems);
    for (uint32_t i = 0; i < c->nplugins; i++) {
        for (uint32_t r = 0; r < c->plugins[i].nrules; r++) {
            check_rule(&k, &c->plugins[i].rules[r]);
        }
        gw_plugin_set_configs(c, &c->plugins[i]);
    }
    gw_names_fini(&k.routes);
    gw_names_fini(&k.services);
    gw_names_fini(&k.listeners);
}
