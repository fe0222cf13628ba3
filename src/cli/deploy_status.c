/* cli/deploy_status.c - a deployment as JSON, for people and programs. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "control/publish.h"
#include "gw/parts.h"
#include "gw/same.h"

/* ---- status ----------------------------------------------------------------------------------- */

/* Where the fetch of a plugin's module stands; READY where there is nothing to fetch. */
static enum source_state fetch_state(const struct deploy *d, struct str name, const char **cause)
{
    uint32_t i = d->wanted == NULL ? GW_NONE : gw_config_find_plugin(d->wanted, name);
    enum source_state state = SOURCE_READY;

    *cause = "";
    if (i != GW_NONE && sources_is_remote(&d->wanted->plugins[i])) {
        sources_state(d->sources, &d->wanted->plugins[i], &state, cause);
    }
    return state;
}

const char *deploy_plugin_state(struct deploy *d, uint32_t plugin, const char **cause, bool *kept)
{
    const struct gw_plugin *p = &d->published->plugins[plugin];
    const struct deploy_note *n = deploy_note_find(d, p->name);
    enum source_state fetch = fetch_state(d, p->name, cause);

    *kept = false;
    if (p->nconfigs == 0 && (n == NULL || n->state != DEPLOY_FAILED)) {
        return "disabled";
    }
    if (sources_is_remote(p)) { /* there is no module to run */
        return fetch == SOURCE_FAILED ? "failed" : "fetching";
    }
    if (fetch != SOURCE_READY) {
        *kept = true;
    } else if (n != NULL) {
        *kept = n->state == DEPLOY_KEPT;
        *cause = n->cause;
    }
    return fetch == SOURCE_FETCHING                 ? "fetching"
           : n != NULL && n->state == DEPLOY_FAILED ? "failed"
           : images_awaited(d->images, p)           ? "compiling"
                                                    : "ready";
}

void deploy_status_json(struct deploy *d, void (*healing)(void *ctx, struct str name, struct strbuf *pids),
                        void *ctx, struct strbuf *out)
{
    struct strbuf pids = {0};
    const struct channel *ch = images_channel(d->images);
    bool kept;
    const char *cause;

    strbuf_printf(out, "\"generation\":\"%s\",\"workers\":[", d->files.name);
    for (size_t i = 0; i < channel_nclients(ch); i++) {
        const struct channel_client *c = channel_client_at(ch, i);
        strbuf_printf(out, "%s{\"pid\":%d,\"generation\":%u}", i == 0 ? "" : ",", (int)c->pid, c->applied);
    }
    strbuf_printf(out, "],\"plugins\":[");
    for (uint32_t i = 0; i < d->published->nplugins; i++) {
        strbuf_printf(out, "%s{\"name\":", i == 0 ? "" : ",");
        strbuf_add_json(out, d->published->plugins[i].name);
        pids.len = 0;
        if (healing != NULL) {
            healing(ctx, d->published->plugins[i].name, &pids);
        }
        const char *state = deploy_plugin_state(d, i, &cause, &kept);
        strbuf_printf(out, ",\"state\":\"%s\"", pids.len != 0 ? "healing" : state);
        strbuf_printf(out, ",\"kept\":%s,\"healing\":[%.*s],\"cause\":", kept ? "true" : "false",
                      (int)pids.len, pids.len == 0 ? "" : pids.at);
        strbuf_add_json(out, str_of(cause));
        strbuf_printf(out, "}");
    }
    strbuf_printf(out, "]");
    strbuf_fini(&pids);
}

/* ---- generations ------------------------------------------------------------------------------ */

/* Does the worker say that it holds this one? */
static bool holds(const struct channel_client *c, unsigned number)
{
    struct str rest = str_of(c->holds);
    uint64_t n;

    while (rest.len != 0) {
        if (str_to_u64(str_cut(&rest, ' '), &n) && n == number) {
            return true;
        }
    }
    return false;
}

void deploy_generations_json(struct deploy *d, struct strbuf *out)
{
    const struct channel *ch = images_channel(d->images);

    strbuf_printf(out, "[");
    for (size_t i = d->past.len; i-- != 0;) {
        const struct deploy_past *p = &d->past.at[i];
        char when[32] = "";
        struct tm tm;
        time_t t = (time_t)p->time_s;
        bool first = true;

        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        strbuf_printf(out, "%s{\"number\":%u,\"published\":\"%s\",\"inForce\":%s,\"kept\":%s,\"workers\":[",
                      i + 1 == d->past.len ? "" : ",", p->number, when,
                      p->number == d->files.last ? "true" : "false", p->kept.at);
        for (size_t k = 0; k < channel_nclients(ch); k++) {
            const struct channel_client *c = channel_client_at(ch, k);
            if (holds(c, p->number)) {
                strbuf_printf(out, "%s%d", first ? "" : ",", (int)c->pid);
                first = false;
            }
        }
        strbuf_printf(out, "]}");
    }
    strbuf_printf(out, "]");
}

/* ---- differences ------------------------------------------------------------------------------ */

struct differ {
    struct deploy *d;
    struct gw_config *now;
    struct strbuf *out;
    bool any;
};

/* Would the plugin get a new VM?  *why: its module cannot be had. */
static bool new_vm(struct differ *f, uint32_t i, struct strbuf *why)
{
    struct gw_plugin p = f->now->plugins[i];
    uint32_t was = f->d->published == NULL ? GW_NONE : gw_config_find_plugin(f->d->published, p.name);
    const char *field;
    struct weir_report rep;

    weir_report_init(&rep);
    if (publish_module(f->d->store, f->now, &p, &field, &rep) != WEIR_OK) {
        strbuf_printf(why, "%s: %s", field, rep.message);
        return false;
    }
    uint32_t *indices = mem_zalloc_array((size_t)p.nconfigs + 1, sizeof *indices);
    bool same = was != GW_NONE && gw_plugin_same_vm(&f->d->published->plugins[was], &p, indices);
    mem_free(indices);
    return !same && p.nconfigs != 0;
}

static void add_change(void *ctx, enum gw_change change, unsigned kind, struct str name, uint32_t before,
                       uint32_t now)
{
    static const char *const words[] = {
        [GW_ADDED] = "added", [GW_REMOVED] = "removed", [GW_CHANGED] = "changed"};
    struct differ *f = ctx;
    struct strbuf why = {0};

    (void)before;
    strbuf_printf(f->out, "%s{\"change\":\"%s\",\"kind\":\"%s\",\"name\":", f->any ? "," : "", words[change],
                  gw_part_kind_name(kind));
    strbuf_add_json(f->out, name);
    if (change != GW_REMOVED && strcmp(gw_part_kind_name(kind), "plugins") == 0) {
        strbuf_printf(f->out, ",\"newVm\":%s", new_vm(f, now, &why) ? "true" : "false");
        if (why.len != 0) {
            strbuf_printf(f->out, ",\"problem\":");
            strbuf_add_json(f->out, strbuf_str(&why));
        }
    }
    strbuf_printf(f->out, "}");
    strbuf_fini(&why);
    f->any = true;
}

void deploy_diff_json(struct deploy *d, struct gw_config *config, struct strbuf *out)
{
    struct differ f = {d, config, out, false};

    strbuf_printf(out, "\"changes\":[");
    gw_parts_diff(d->wanted, config, add_change, &f);
    strbuf_printf(out, "]");
}
