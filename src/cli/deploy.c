/* cli/deploy.c - one change at a time. */
#include "cli/deploy.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/start_check.h"
#include "control/publish.h"
#include "gw/load.h"
#include "gw/same.h"

/* What a plugin without a module is published with: workers find nothing there. */
#define NO_MODULE "file:store/modules/unavailable.wasm"

enum { START_TIMEOUT_S = 5 };

void deploy_init(struct deploy *d, struct store *store, struct sources *sources, const char *state_dir)
{
    *d = (struct deploy){.store = store, .sources = sources, .state_dir = state_dir};
    generations_init(&d->files, state_dir);
    d->published = generations_read(&d->files);
}

/* ---- notes ---------------------------------------------------------------------------------- */

static struct deploy_note *find_note(struct deploy *d, struct str name)
{
    for (size_t i = 0; i < d->notes.len; i++) {
        if (str_eq(str_of(d->notes.at[i].name), name)) {
            return &d->notes.at[i];
        }
    }
    return NULL;
}

static void drop_note(struct deploy *d, struct str name)
{
    struct deploy_note *n = find_note(d, name);

    if (n != NULL) {
        mem_free(n->name);
        mem_free(n->cause);
        *n = d->notes.at[--d->notes.len];
    }
}

static void note(struct deploy *d, const struct gw_plugin *p, enum deploy_state state, uint64_t refused,
                 struct str cause)
{
    struct deploy_note n = {mem_strndup(p->name.at, p->name.len), state, mem_strndup(cause.at, cause.len),
                            refused};

    drop_note(d, p->name);
    vec_push(&d->notes, n);
    log_line(LOG_ERROR,
             state == DEPLOY_KEPT ? "plugin %.*s keeps its last good version: %.*s"
                                  : "plugin %.*s does not run: %.*s",
             STR_ARG(p->name), STR_ARG(cause));
}

/* ---- where modules are ---------------------------------------------------------------------- */

static char *copy(struct str s)
{
    return s.at == NULL ? NULL : mem_strndup(s.at, s.len);
}

static void forget_wanted(struct deploy *d)
{
    for (size_t i = 0; i < d->wanted.len; i++) {
        mem_free(d->wanted.at[i].name);
        mem_free(d->wanted.at[i].url);
        mem_free(d->wanted.at[i].sha256);
    }
    for (size_t i = 0; i < d->module_files.len; i++) {
        mem_free((char *)(uintptr_t)d->module_files.at[i]);
    }
    vec_clear(&d->wanted);
    vec_clear(&d->module_files);
}

static void keep_wanted(struct deploy *d, const struct gw_config *config)
{
    struct str file;

    forget_wanted(d);
    for (uint32_t i = 0; i < config->nplugins; i++) {
        const struct gw_plugin *p = &config->plugins[i];
        struct deploy_wanted w = {copy(p->name), copy(p->url), copy(p->sha256)};
        vec_push(&d->wanted, w);
        if (gw_plugin_file(p, &file)) {
            vec_push(&d->module_files, copy(file));
        }
    }
}

/* Where the fetch of a plugin's module stands; false: it is no remote one. */
static bool fetch_state(const struct deploy *d, struct str name, enum source_state *state, const char **cause)
{
    for (size_t i = 0; i < d->wanted.len; i++) {
        const struct deploy_wanted *w = &d->wanted.at[i];
        if (str_eq(str_of(w->name), name)) {
            struct gw_plugin p = {.url = str_of(w->url), .sha256 = str_of(w->sha256)};
            return sources_is_remote(&p) && sources_state(d->sources, &p, state, cause);
        }
    }
    return false;
}

/* A version that can run. */
static bool has_module(const struct gw_plugin *p)
{
    return p != NULL && !sources_is_remote(p) && !str_eq(p->url, STR(NO_MODULE));
}

/* Put the store's copy of a remote module in the place of its URL; false: it is not there yet. */
static bool take_fetched(struct deploy *d, struct gw_config *config, struct gw_plugin *p, bool again)
{
    char hex[HASH_SHA256_HEX];

    if (!sources_want(d->sources, p, again, hex)) {
        return false;
    }
    p->url = str_of(arena_printf(&config->arena, "file:store/modules/%s.wasm", hex));
    return true;
}

void deploy_fini(struct deploy *d)
{
    forget_wanted(d);
    vec_fini(&d->wanted);
    vec_fini(&d->module_files);
    while (d->notes.len != 0) {
        drop_note(d, str_of(d->notes.at[0].name));
    }
    vec_fini(&d->notes);
    gw_config_free(d->published);
    gw_config_free(d->previous);
}

/* ---- plugins -------------------------------------------------------------------------------- */

static const struct gw_plugin *find_plugin(const struct gw_config *c, struct str name)
{
    uint32_t i = c == NULL ? GW_NONE : gw_config_find_plugin(c, name);
    return i == GW_NONE ? NULL : &c->plugins[i];
}

static bool same_vm(const struct gw_plugin *before, const struct gw_plugin *now)
{
    uint32_t *indices = mem_zalloc_array((size_t)now->nconfigs + 1, sizeof *indices);
    bool same = gw_plugin_same_vm(before, now, indices);
    mem_free(indices);
    return same;
}

/* Does the plugin, whose URL is a file of the store, start?  If not, `why` says so. */
static bool starts(struct deploy *d, const struct gw_plugin *p, struct strbuf *why)
{
    struct str file;
    struct strbuf path = {0};

    if (p->nconfigs == 0 || !gw_plugin_file(p, &file)) {
        return true;
    }
    char *image = d->images == NULL ? NULL : images_path(d->images, p);
    strbuf_printf(&path, "%s/%.*s", d->state_dir, STR_ARG(file));
    enum start_outcome o = start_check(p, strbuf_str(&path), image, 0, p->nconfigs, START_TIMEOUT_S, why);
    strbuf_fini(&path);
    mem_free(image);
    return o == START_OK;
}

/* The plugin cannot be had as it was asked for: take the last good version, if there is one. */
static void fall_back(struct deploy *d, struct gw_plugin *p, const struct gw_plugin *before, uint64_t hash,
                      struct str why)
{
    const struct deploy_note *known = find_note(d, p->name);

    if (!has_module(before) || (known != NULL && known->state == DEPLOY_FAILED)) {
        note(d, p, DEPLOY_FAILED, hash, why);
        return;
    }
    note(d, p, DEPLOY_KEPT, hash, why);
    *p = *before;
}

static void settle_plugin(struct deploy *d, struct gw_config *config, struct gw_plugin *p, bool again)
{
    const struct gw_plugin *before = find_plugin(d->published, p->name);
    const struct deploy_note *known = find_note(d, p->name);
    const char *field;
    struct weir_report rep;
    struct strbuf why = {0};

    bool remote = sources_is_remote(p);
    if (remote && !take_fetched(d, config, p, again)) {
        drop_note(d, p->name); /* what there is to say of it, its source says */
        if (has_module(before)) {
            *p = *before;
        }
        return;
    }
    weir_report_init(&rep);
    bool fetched = remote || publish_module(d->store, config, p, &field, &rep) == WEIR_OK;
    uint64_t hash = gw_plugin_vm_hash(p);
    if (!fetched) {
        strbuf_printf(&why, "%s: %s", field, rep.message);
        p->url = STR(NO_MODULE);
        fall_back(d, p, before, hash, strbuf_str(&why));
    } else if (before != NULL && same_vm(before, p)) {
        if (known != NULL && known->state == DEPLOY_KEPT) { /* it was taken back */
            drop_note(d, p->name);
        }
    } else if (known != NULL && known->refused == hash && !again) {
        strbuf_printf(&why, "%s", known->cause);
        fall_back(d, p, before, hash, strbuf_str(&why));
    } else if (starts(d, p, &why)) {
        drop_note(d, p->name);
    } else {
        fall_back(d, p, before, hash, strbuf_str(&why));
    }
    strbuf_fini(&why);
}

/* At the very first start there is nothing to keep: modules that are files must be there.  Whether they
 * start, workers say. */
static weir_status require_modules(struct deploy *d, struct gw_config *config, struct gw_problems *problems)
{
    for (uint32_t i = 0; i < config->nplugins; i++) {
        const char *field;
        struct weir_report rep;
        weir_report_init(&rep);
        if (sources_is_remote(&config->plugins[i])) {
            take_fetched(d, config, &config->plugins[i], true);
        } else if (publish_module(d->store, config, &config->plugins[i], &field, &rep) != WEIR_OK) {
            gw_problems_add(problems, false, config->plugins[i].at, field, "cannot read the module: %s",
                            rep.message);
        }
    }
    return problems->nerrors == 0 ? WEIR_OK : WEIR_E_CONFIG;
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void tell(struct deploy *d)
{
    if (d->images != NULL) {
        images_want(d->images, d->published);
        channel_broadcast(images_channel(d->images), "generation %s", d->files.name);
    }
}

/* Write `config`, which may refer to the models in force, and read it back: what is in force then is what a
 * worker reads. */
static weir_status publish(struct deploy *d, const struct gw_config *config, bool *changed,
                           struct gw_problems *problems, struct weir_report *rep)
{
    struct strbuf text = {0}, now = {0};
    struct gw_config *model = NULL;

    gw_config_write(config, &text);
    if (d->published != NULL) {
        gw_config_write(d->published, &now);
    }
    *changed = !str_eq(strbuf_str(&text), strbuf_str(&now));
    weir_status st =
        !*changed ? WEIR_OK : gw_config_load_text("the new generation", strbuf_str(&text), &model, problems);
    if (st == WEIR_OK && *changed) {
        st = generations_publish(&d->files, strbuf_str(&text), rep);
    }
    if (st == WEIR_OK && *changed) {
        gw_config_free(d->previous);
        d->previous = d->published;
        d->published = model;
        model = NULL;
        tell(d);
    }
    gw_config_free(model);
    strbuf_fini(&text);
    strbuf_fini(&now);
    return st;
}

/* Plugins that are gone have nothing to say. */
static void drop_old_notes(struct deploy *d, const struct gw_config *config)
{
    for (size_t i = d->notes.len; i-- != 0;) {
        struct str name = str_of(d->notes.at[i].name);
        if (find_plugin(config, name) == NULL) {
            drop_note(d, name);
        }
    }
}

weir_status deploy_change(struct deploy *d, const char *path, bool again, bool *changed,
                          struct gw_problems *problems, struct weir_report *rep)
{
    struct gw_config *config = NULL;

    *changed = false;
    weir_status st = gw_config_load(path, &config, problems);
    if (st != WEIR_OK) {
        return st;
    }
    gw_config_resolve_env(config);
    keep_wanted(d, config);
    sources_begin(d->sources);
    if (d->published == NULL) {
        st = require_modules(d, config, problems);
    } else {
        for (uint32_t i = 0; i < config->nplugins; i++) {
            settle_plugin(d, config, &config->plugins[i], again);
        }
        drop_old_notes(d, config);
    }
    sources_end(d->sources);
    if (st == WEIR_OK) {
        st = publish(d, config, changed, problems, rep);
    }
    gw_config_free(config);
    return st;
}

/* ---- workers -------------------------------------------------------------------------------- */

/* A worker could not start a plugin that started in the check: everywhere back to the version before. */
static void take_back(struct deploy *d, uint32_t index, struct str why)
{
    const struct gw_plugin *p = &d->published->plugins[index], *before = find_plugin(d->previous, p->name);
    struct gw_config config = *d->published; /* refers to the arenas of both */
    struct gw_problems problems;
    struct weir_report rep;
    bool changed;

    if (!has_module(before) || same_vm(before, p)) {
        note(d, p, DEPLOY_FAILED, gw_plugin_vm_hash(p), why);
        return;
    }
    weir_report_init(&rep);
    gw_problems_init(&problems);
    config.plugins = mem_zalloc_array(config.nplugins, sizeof *config.plugins);
    memcpy(config.plugins, d->published->plugins, config.nplugins * sizeof *config.plugins);
    config.plugins[index] = *before;
    note(d, p, DEPLOY_KEPT, gw_plugin_vm_hash(p), why);
    if (publish(d, &config, &changed, &problems, &rep) != WEIR_OK) {
        log_line(LOG_ERROR, "its last good version cannot be published: %s", rep.message);
    }
    mem_free(config.plugins);
    gw_problems_fini(&problems);
}

static void on_message(void *ctx, struct channel_client *from, struct str text)
{
    struct deploy *d = ctx;
    struct str rest = text, verb = str_cut(&rest, ' '), file = str_cut(&rest, ' ');
    unsigned number = generations_number(file), last = generations_number(str_of(d->files.name));
    uint64_t index;

    if (str_eq(verb, STR("hello"))) {
        channel_send(images_channel(d->images), from, "generation %s", d->files.name);
    } else if (str_eq(verb, STR("applied"))) {
        from->applied = number;
    } else if (str_eq(verb, STR("unusable"))) {
        from->refused = number;
        log_line(LOG_ERROR, "worker %d cannot use %.*s; logs/error.log says why", (int)from->pid,
                 STR_ARG(file));
    } else if (!str_eq(verb, STR("declined")) && !str_eq(verb, STR("failed"))) {
        log_line(LOG_WARN, "worker %d said something unknown: %.*s", (int)from->pid, STR_ARG(text));
    } else if (number == last && str_to_u64(str_cut(&rest, ' '), &index) && index < d->published->nplugins) {
        const struct gw_plugin *p = &d->published->plugins[index];
        const struct deploy_note *known = find_note(d, p->name);
        if (str_eq(verb, STR("declined"))) {
            take_back(d, (uint32_t)index, rest);
        } else if (!sources_is_remote(p) &&
                   (known == NULL || known->state != DEPLOY_FAILED)) { /* every worker says so */
            note(d, p, DEPLOY_FAILED, 0, rest);
        }
    }
}

void deploy_connect(struct deploy *d, struct images *images)
{
    d->images = images;
    images_set_listener(images, on_message, d);
    images_want(images, d->published);
}

size_t deploy_napplied(const struct deploy *d)
{
    const struct channel *ch = images_channel(d->images);
    unsigned last = generations_number(str_of(d->files.name));
    size_t n = 0;

    for (size_t i = 0; i < channel_nclients(ch); i++) {
        n += channel_client_at(ch, i)->applied >= last;
    }
    return n;
}

size_t deploy_nrefused(const struct deploy *d)
{
    const struct channel *ch = images_channel(d->images);
    unsigned last = generations_number(str_of(d->files.name));
    size_t n = 0;

    for (size_t i = 0; i < channel_nclients(ch); i++) {
        n += channel_client_at(ch, i)->refused == last;
    }
    return n;
}

const char *deploy_plugin_state(struct deploy *d, uint32_t plugin, const char **cause, bool *kept)
{
    const struct gw_plugin *p = &d->published->plugins[plugin];
    const struct deploy_note *n = find_note(d, p->name);
    enum source_state fetch = SOURCE_READY;
    const char *why = "";

    fetch_state(d, p->name, &fetch, &why);
    *kept = false;
    *cause = why;
    if (p->nconfigs == 0) {
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

void deploy_status_json(struct deploy *d, struct strbuf *out)
{
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
        strbuf_printf(out, ",\"state\":\"%s\"", deploy_plugin_state(d, i, &cause, &kept));
        strbuf_printf(out, ",\"kept\":%s,\"cause\":", kept ? "true" : "false");
        strbuf_add_json(out, str_of(cause));
        strbuf_printf(out, "}");
    }
    strbuf_printf(out, "]");
}
