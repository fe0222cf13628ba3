/* gw/connections.c - which plugins a TCP connection passes, and with which configuration.
 *
 * Nothing of a connection but its listener decides, so the steps of every listener are known in advance.  The
 * rules are in gw/generation.h. */
#include "gw/tables.h"

static bool names_listener(const struct gw_rule *r, const struct gw_listener *l)
{
    for (uint32_t i = 0; i < r->nlisteners; i++) {
        if (str_eq(r->listeners[i], l->text) || (l->name.at != NULL && str_eq(r->listeners[i], l->name))) {
            return true;
        }
    }
    return r->nlisteners == 0;
}

static bool names_service(const struct gw_rule *r, uint32_t service, const struct gw_names *services)
{
    for (uint32_t i = 0; i < r->nservices; i++) {
        struct str found;
        size_t at = gw_names_first_service(services, r->services[i], &found);
        for (; at < services->list.len && str_eq(services->list.at[at].text, found); at++) {
            if (services->list.at[at].id == service) {
                return true;
            }
        }
    }
    return r->nservices == 0;
}

/* Of the plugin, for connections to this listener; GW_NONE: it does not run. */
static uint32_t config_for(const struct gw_plugin *p, const struct gw_listener *l,
                           const struct gw_names *services)
{
    for (uint32_t i = 0; i < p->nrules && !p->ignore_rules; i++) {
        if (names_listener(&p->rules[i], l) && names_service(&p->rules[i], l->service, services)) {
            return p->rules[i].config_index;
        }
    }
    return p->default_index;
}

struct gw_connections *gw_connections_build(struct arena *a, const struct gw_config *c, const uint32_t *order,
                                            const struct gw_names *services)
{
    struct gw_connections *all = ARENA_ARRAY(a, struct gw_connections, c->nlisteners);

    for (uint32_t i = 0; i < c->nlisteners; i++) {
        if (c->listeners[i].protocol != GW_TCP) {
            continue;
        }
        all[i].steps = ARENA_ARRAY(a, struct gw_step, c->nplugins);
        for (uint32_t k = 0; k < c->nplugins; k++) {
            const struct gw_plugin *p = &c->plugins[order[k]];
            uint32_t config =
                p->type == GW_PLUGIN_NETWORK ? config_for(p, &c->listeners[i], services) : GW_NONE;
            if (config != GW_NONE) {
                all[i].steps[all[i].nsteps++] = (struct gw_step){order[k], config};
            }
        }
    }
    return all;
}
