/* gw/config.c - the model as a whole. */
#include "gw/config.h"

#include <stdlib.h>

#include "base/mem.h"
#include "gw/pieces.h"

static void drop(struct gw_config *c)
{
    for (uint32_t i = 0; i < c->npieces; i++) {
        if (i + 8 < c->npieces) {
            gw_fetch_ahead(c->pieces[i + 8], 1);
        }
        gw_piece_unref(c->pieces[i]);
    }
    mem_free(c->pieces);
    arena_fini(&c->arena);
    mem_free(c);
}

/* `others` counts views, and stays above 0 for one that is freed while there are views: then it is theirs. */
void gw_config_free(struct gw_config *c)
{
    if (c == NULL) {
        return;
    }
    struct gw_config *whole = c->whole;
    if (c->others != 0) {
        c->others--;
        return;
    }
    drop(c);
    gw_config_free(whole);
}

struct gw_config *gw_config_view(struct gw_config *c)
{
    struct gw_config *v = mem_alloc(sizeof *v);

    *v = *c;
    arena_init(&v->arena);
    v->others = 0;
    v->pieces = NULL;
    v->npieces = 0;
    v->whole = c;
    c->others++;
    return v;
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

static bool resolve(struct gw_config *c, struct gw_env *e)
{
    char *name = arena_strndup(&c->arena, e->name.at, e->name.len);
    const char *value = getenv(name);
    if (value == NULL || !str_is_utf8(str_of(value))) {
        return false;
    }
    e->value = str_of(arena_strndup(&c->arena, value, strlen(value)));
    e->from = GW_ENV_INLINE;
    return true;
}

void gw_config_resolve_env(struct gw_config *c)
{
    for (uint32_t i = 0; i < c->nplugins; i++) {
        struct gw_plugin *p = &c->plugins[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < p->nenv; k++) {
            struct gw_env e = p->env[k];
            if (e.from == GW_ENV_INLINE || resolve(c, &e)) {
                p->env[kept++] = e;
            }
        }
        p->nenv = kept;
    }
}

bool gw_listener_has_tls(const struct gw_listener *l)
{
    return l->protocol == GW_HTTPS || l->tls != NULL;
}
