/* gw/config.c - the model as a whole. */
#include "gw/config.h"

#include "base/mem.h"

void gw_config_free(struct gw_config *c)
{
    if (c != NULL) {
        arena_fini(&c->arena);
        mem_free(c);
    }
}

uint32_t gw_config_find_service(const struct gw_config *c, struct str name)
{
    for (uint32_t i = 0; i < c->nservices; i++) {
        if (str_eq(c->services[i].name, name)) {
            return i;
        }
    }
    return GW_NONE;
}

uint32_t gw_config_find_route(const struct gw_config *c, struct str name)
{
    for (uint32_t i = 0; i < c->nroutes; i++) {
        if (str_eq(c->routes[i].name, name)) {
            return i;
        }
    }
    return GW_NONE;
}

uint32_t gw_config_find_plugin(const struct gw_config *c, struct str name)
{
    for (uint32_t i = 0; i < c->nplugins; i++) {
        if (str_eq(c->plugins[i].name, name)) {
            return i;
        }
    }
    return GW_NONE;
}
