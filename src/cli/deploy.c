/* cli/deploy.c - one change at a time. */
#include "cli/deploy.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/deploy_tries.h"
#include "control/publish.h"
#include "gw/load.h"
#include "gw/same.h"
#include "os/os.h"

/* What a plugin without a module is published with: workers find nothing there. */
#define NO_MODULE "file:store/modules/unavailable.wasm"

void deploy_init(struct deploy *d, struct store *store, struct sources *sources, const char *state_dir)
{
    *d = (struct deploy){.store = store, .sources = sources, .state_dir = state_dir};
    generations_init(&d->files, state_dir);
    d->published = generations_read(&d->files);
}

/* ---- notes ---------------------------------------------------------------------------------- */

struct deploy_note *deploy_note_find(struct deploy *d, struct str name)
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
    struct deploy_note *n = deploy_note_find(d, name);

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

static void forget_files(struct deploy *d)
{
    for (size_t i = 0; i < d->files_read.len; i++) {
        mem_free((char *)(uintptr_t)d->files_read.at[i]);
    }
    vec_clear(&d->files_read);
}

void deploy_fini(struct deploy *d)
{
    forget_files(d);
    vec_fini(&d->files_read);
    while (d->notes.len != 0) {
        drop_note(d, str_of(d->notes.at[0].name));
    }
    vec_fini(&d->notes);
    gathers_free(d->gathers);
    deploy_tries_fini(d);
    while (d->past.len != 0) {
        strbuf_fini(&vec_pop(&d->past).kept);
    }
    vec_fini(&d->past);
    strbuf_fini(&d->text);
    gw_pieces_fini(&d->pieces);
    gw_config_free(d->wanted);
    gw_config_free(d->published);
    gw_config_free(d->previous);
}

/* ---- plugins -------------------------------------------------------------------------------- */

static const struct gw_plugin *find_plugin(const struct gw_config *c, struct str name)
{
    uint32_t i = c == NULL ? GW_NONE : gw_config_find_plugin(c, name);
    return i == GW_NONE ? NULL : &c->plugins[i];
}

/* A version that ran is one that can be kept. */
static bool has_module(const struct gw_plugin *p)
{
    return p != NULL && !sources_is_remote(p) && !str_eq(p->url, STR(NO_MODULE));
}

static bool same_vm(const struct gw_plugin *before, const struct gw_plugin *now)
{
    uint32_t *indices = mem_zalloc_array((size_t)now->nconfigs + 1, sizeof *indices);
    bool same = gw_plugin_same_vm(before, now, indices);
    mem_free(indices);
    return same;
}

/* The plugin cannot be had as it was asked for: take the last good version, if there is one.  If not, workers
 * may try for themselves, but not what hung or crashed. */
static void fall_back(struct deploy *d, struct gw_plugin *p, const struct gw_plugin *before, uint64_t hash,
                      struct str why)
{
    const struct deploy_note *known = deploy_note_find(d, p->name);

    if (!has_module(before) || (known != NULL && known->state == DEPLOY_FAILED)) {
        note(d, p, DEPLOY_FAILED, hash, why);
        return;
    }
    note(d, p, DEPLOY_KEPT, hash, why);
    *p = *before;
}

/* No worker is to start this one. */
static void keep_out(struct deploy *d, struct gw_plugin *p)
{
    const struct deploy_note *n = deploy_note_find(d, p->name);

    if (n != NULL && n->state == DEPLOY_FAILED) {
        p->url = STR(NO_MODULE);
    }
}

/* Is there something to find out about this version of the plugin before it is published?  *t: what is known.
 */
static bool needs_try(struct deploy *d, const struct gw_plugin *p, struct deploy_try **t)
{
    const struct gw_plugin *before = find_plugin(d->published, p->name);
    const struct deploy_note *known = deploy_note_find(d, p->name);
    uint64_t hash = gw_plugin_vm_hash(p);

    *t = NULL;
    if (before != NULL && same_vm(before, p)) {
        return false;
    }
    *t = deploy_try_find(d, p->name, hash);
    if (*t == NULL && (d->again || known == NULL || known->refused != hash)) {
        *t = deploy_try_of(d, p, hash);
    }
    return *t != NULL;
}

/* Can the plugin run as it wants to?  False: only compiled, and there is no image; then the version of before
 * goes on.  One that has none is published, and fails by its policy until the image is there. */
static bool settle_image(struct deploy *d, struct gw_plugin *p, const struct gw_plugin *before, uint64_t hash)
{
    if (p->runtime != GW_RUNTIME_AOT || d->images == NULL || p->nconfigs == 0) {
        return true;
    }
    images_want_one(d->images, p);
    char *why = images_failure(d->images, p);
    bool awaited = why == NULL && images_awaited(d->images, p);
    d->awaits_images = d->awaits_images || awaited;
    if (why == NULL && (!awaited || !has_module(before))) {
        return true;
    }
    struct strbuf line = {0};
    strbuf_printf(&line, why == NULL ? "it is being compiled" : "it does not compile: %s", why);
    fall_back(d, p, before, why == NULL ? 0 : hash, strbuf_str(&line));
    strbuf_fini(&line);
    mem_free(why);
    return false;
}

/* A plugin in force that runs only compiled: it will not, if its module does not compile. */
static void note_image(struct deploy *d, const struct gw_plugin *p)
{
    if (p->runtime != GW_RUNTIME_AOT || d->images == NULL || p->nconfigs == 0) {
        return;
    }
    char *why = images_failure(d->images, p);
    d->awaits_images = d->awaits_images || (why == NULL && images_awaited(d->images, p));
    if (why != NULL && deploy_note_find(d, p->name) == NULL) {
        struct strbuf line = {0};
        strbuf_printf(&line, "it does not compile: %s", why);
        note(d, p, DEPLOY_FAILED, 0, strbuf_str(&line));
        strbuf_fini(&line);
    }
    mem_free(why);
}

/* `p`, of what is to be published, becomes what can be published of it. */
static void settle_plugin(struct deploy *d, struct gw_plugin *p, const char *unfetched)
{
    const struct gw_plugin *before = find_plugin(d->published, p->name);
    const struct deploy_note *known = deploy_note_find(d, p->name);
    struct deploy_try *t;
    uint64_t hash = gw_plugin_vm_hash(p);

    if (unfetched != NULL && sources_is_remote(p)) {
        drop_note(d, p->name); /* what there is to say of it, its source says */
        if (has_module(before)) {
            *p = *before;
        }
    } else if (unfetched != NULL) {
        fall_back(d, p, before, hash, str_of(unfetched));
    } else if (before != NULL && same_vm(before, p)) {
        if (known != NULL && known->state == DEPLOY_KEPT) { /* it was taken back */
            drop_note(d, p->name);
        }
        note_image(d, p);
    } else if (needs_try(d, p, &t)) {
        if (t->child != NULL) {
            fall_back(d, p, before, 0, STR("it is still being started"));
            keep_out(d, p);
        } else if (t->good) {
            if (settle_image(d, p, before, hash)) {
                drop_note(d, p->name);
            }
        } else {
            fall_back(d, p, before, hash, strbuf_str(&t->why));
            if (t->harmful) {
                keep_out(d, p);
            }
        }
    } else {
        struct strbuf why = {0};
        strbuf_printf(&why, "%s", known == NULL ? "too many plugins are started at a time" : known->cause);
        fall_back(d, p, before, known == NULL ? 0 : hash, strbuf_str(&why));
        strbuf_fini(&why);
    }
}

/* Put the store's copy of a remote module in the place of its URL; false: it is not there yet. */
static bool take_fetched(struct deploy *d, struct gw_config *c, struct gw_plugin *p, bool again)
{
    char hex[HASH_SHA256_HEX];

    if (!sources_want(d->sources, p, again, hex)) {
        return false;
    }
    p->url = str_of(arena_printf(&c->arena, "file:store/modules/%s.wasm", hex));
    return true;
}

/* Copy modules to the store, and have `d->asked` name them there.  `d->wanted` stays as it was written. */
static void fetch(struct deploy *d, bool again)
{
    struct gw_config *c = d->wanted;
    struct gw_plugin *written = c->plugins;

    d->asked = ARENA_ARRAY(&c->arena, struct gw_plugin, c->nplugins);
    d->unfetched = ARENA_ARRAY(&c->arena, const char *, c->nplugins);
    forget_files(d);
    d->nreads++;
    sources_begin(d->sources);
    for (uint32_t i = 0; i < c->nplugins; i++) {
        const char *field;
        struct str file;
        struct weir_report rep;
        struct gw_plugin *p = &d->asked[i];

        *p = written[i];
        p->env = ARENA_ARRAY(&c->arena, struct gw_env, p->nenv);
        if (p->nenv != 0) {
            memcpy(p->env, written[i].env, p->nenv * sizeof *p->env);
        }
        weir_report_init(&rep);
        if (gw_plugin_file(p, &file)) {
            vec_push(&d->files_read, mem_strndup(file.at, file.len));
        }
        if (sources_is_remote(p)) {
            d->unfetched[i] = take_fetched(d, c, p, again) ? NULL : "url: it is being fetched";
        } else if (publish_module(d->store, c, p, &field, &rep) != WEIR_OK) {
            d->unfetched[i] = arena_printf(&c->arena, "%s: %s", field, rep.message);
            p->url = STR(NO_MODULE);
        }
    }
    sources_end(d->sources);
    for (const struct gw_outside *o = c->outside; o != NULL; o = o->next) {
        vec_push(&d->files_read, mem_strndup(o->path, strlen(o->path)));
    }
    c->plugins = d->asked;
    gw_config_resolve_env(c);
    c->plugins = written;
}

const char *deploy_module_origin(void *ctx, const char *sha256)
{
    const struct deploy *d = ctx;
    struct strbuf url = {0};
    const char *found = NULL;
    struct str file;
    size_t k = 0; /* of files_read, which begins with those of `wanted` that are files */

    strbuf_printf(&url, "file:store/modules/%s.wasm", sha256);
    for (uint32_t i = 0; d->wanted != NULL && i < d->wanted->nplugins && found == NULL; i++) {
        if (gw_plugin_file(&d->wanted->plugins[i], &file)) {
            found = str_eq(d->asked[i].url, strbuf_str(&url)) ? d->files_read.at[k] : NULL;
            k++;
        }
    }
    strbuf_fini(&url);
    return found;
}

static void refer(const struct gw_plugin *plugins, const struct gw_config *c, struct sweep_refs *refs)
{
    for (uint32_t i = 0; c != NULL && plugins != NULL && i < c->nplugins; i++) {
        sweep_refs_add_text(refs, plugins[i].url);
    }
}

void deploy_refer(const struct deploy *d, struct sweep_refs *refs)
{
    refer(d->asked, d->wanted, refs);
    refer(d->published == NULL ? NULL : d->published->plugins, d->published, refs);
    refer(d->previous == NULL ? NULL : d->previous->plugins, d->previous, refs);
    sources_refer(d->sources, refs);
}

/* At the very first start there is nothing to keep: modules that are files must be there.  Whether they
 * start, workers say.
 */
static weir_status require_modules(struct deploy *d, struct gw_problems *problems)
{
    for (uint32_t i = 0; i < d->wanted->nplugins; i++) {
        const char *why = d->unfetched[i];
        if (why != NULL && !sources_is_remote(&d->wanted->plugins[i])) {
            struct str rest = str_of(why), field = str_cut(&rest, ':');
            char *name = mem_strndup(field.at, field.len);
            gw_problems_add(problems, false, d->wanted->plugins[i].at, name, "cannot read the module:%.*s",
                            STR_ARG(rest));
            mem_free(name);
        }
    }
    return problems->nerrors == 0 ? WEIR_OK : WEIR_E_CONFIG;
}

/* ---- publishing ----------------------------------------------------------------------------- */

/* Workers hear of it first: what this process has to do for itself can wait. */
static void tell(struct deploy *d)
{
    if (d->images != NULL) {
        channel_broadcast(images_channel(d->images), "generation %s", d->files.name);
    }
}

static void remember(struct deploy *d)
{
    struct deploy_past p = {.number = d->files.last, .time_s = time(NULL)};

    strbuf_printf(&p.kept, "[");
    for (size_t i = 0; i < d->notes.len; i++) {
        const struct deploy_note *n = &d->notes.at[i];
        strbuf_printf(&p.kept, "%s{\"name\":", i == 0 ? "" : ",");
        strbuf_add_json(&p.kept, str_of(n->name));
        strbuf_printf(&p.kept, ",\"kept\":%s,\"cause\":", n->state == DEPLOY_KEPT ? "true" : "false");
        strbuf_add_json(&p.kept, str_of(n->cause));
        strbuf_printf(&p.kept, "}");
    }
    strbuf_printf(&p.kept, "]");
    if (d->past.len == DEPLOY_HISTORY) {
        strbuf_fini(&d->past.at[0].kept);
        memmove(d->past.at, d->past.at + 1, --d->past.len * sizeof *d->past.at);
    }
    vec_push(&d->past, p);
}

/* The model that a worker reads.  What was written is free of errors, and its warnings have been given
 * already. */
static weir_status read_back(struct deploy *d, struct str text, struct gw_config **model,
                             struct gw_problems *problems)
{
    struct gw_problems found;

    gw_problems_init(&found);
    weir_status st = gw_config_load_cached("the new generation", text, &d->pieces, model, &found);
    for (size_t i = 0; i < found.list.len; i++) {
        const struct gw_problem *p = &found.list.at[i];
        if (!p->warning) {
            gw_problems_add(problems, false, p->at, p->field, "%s", p->message);
        }
    }
    gw_problems_fini(&found);
    return st;
}

static void take_model(struct deploy *d, struct gw_config *model)
{
    gw_config_free(d->previous);
    d->previous = d->published;
    d->published = model;
    if (d->images != NULL) {
        images_want(d->images, d->published);
    }
}

/* Write `config`, which may refer to the models in force, and read it back: what is in force then is what a
 * worker reads.  `mixed`: its parts are of several versions, so whether they go together is seen first. */
static weir_status publish(struct deploy *d, const struct gw_config *config, bool mixed, bool *changed,
                           struct gw_problems *problems, struct weir_report *rep)
{
    struct strbuf text = {0};
    struct gw_config *model = NULL;

    if (d->text.len == 0 && d->published != NULL) {
        gw_config_write(d->published, &d->text);
    }
    struct gw_config served = *config;
    served.nalerts = 0; /* workers send none, and need not know where to */
    gw_config_write(&served, &text);
    *changed = !str_eq(strbuf_str(&text), strbuf_str(&d->text));
    weir_status st = !*changed || !mixed ? WEIR_OK : read_back(d, strbuf_str(&text), &model, problems);
    if (st == WEIR_OK && *changed) {
        st = generations_publish(&d->files, strbuf_str(&text), rep);
    }
    if (st == WEIR_OK && *changed) {
        tell(d);
        if (model == NULL) { /* what was written is the checked model, but for its plugins' modules */
            model = gw_config_view(d->wanted);
            model->plugins = d->asked;
        }
        take_model(d, model);
        model = NULL;
        strbuf_fini(&d->text);
        d->text = text;
        text = (struct strbuf){0};
        remember(d);
    }
    *changed = *changed && st == WEIR_OK;
    gw_config_free(model);
    strbuf_fini(&text);
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

/* ---- a change ------------------------------------------------------------------------------- */

weir_status deploy_take(struct deploy *d, struct gw_config *config, bool again, struct gw_problems *problems)
{
    struct gw_config *before = d->wanted;

    d->wanted = config;
    fetch(d, again);
    if (d->published == NULL && require_modules(d, problems) != WEIR_OK) {
        d->wanted = before;
        return WEIR_E_CONFIG;
    }
    gw_config_free(before);
    d->again = d->again || again;
    d->unsettled = true;
    return WEIR_OK;
}

void deploy_fetched(struct deploy *d)
{
    if (d->wanted != NULL) {
        fetch(d, false);
        d->unsettled = true;
    }
}

/* Begin with what is to be found out.  False: something is worth waiting for. */
static bool all_known(struct deploy *d)
{
    uint64_t now = os_monotonic_ns() / 1000000;
    bool known = true;

    for (uint32_t i = 0; i < d->wanted->nplugins; i++) {
        struct deploy_try *t;
        if (d->unfetched[i] == NULL && needs_try(d, &d->asked[i], &t)) {
            known = known && (t->child == NULL || now >= t->since_ms + DEPLOY_PATIENCE_MS);
        }
    }
    return known;
}

static bool still_wanted(void *ctx, const struct deploy_try *t)
{
    struct deploy *d = ctx;

    for (uint32_t i = 0; i < d->wanted->nplugins; i++) {
        if (str_eq(d->asked[i].name, str_of(t->name)) && gw_plugin_vm_hash(&d->asked[i]) == t->hash) {
            return true;
        }
    }
    return false;
}

static weir_status settle(struct deploy *d, bool *changed, struct weir_report *rep)
{
    struct gw_config config = *d->wanted; /* refers to its arena, and to that of the model in force */
    struct gw_problems problems;
    bool mixed = false;

    d->awaits_images = false;
    config.plugins = mem_zalloc_array((size_t)config.nplugins + 1, sizeof *config.plugins);
    for (uint32_t i = 0; i < config.nplugins; i++) {
        config.plugins[i] = d->asked[i];
        if (d->published != NULL) {
            settle_plugin(d, &config.plugins[i], d->unfetched[i]);
        }
        mixed = mixed || memcmp(&config.plugins[i], &d->asked[i], sizeof *config.plugins) != 0;
    }
    drop_old_notes(d, &config);
    d->awaits_images = d->awaits_images || d->published == NULL;
    gw_problems_init(&problems);
    weir_status st = publish(d, &config, mixed, changed, &problems, rep);
    if (st == WEIR_E_CONFIG && problems.list.len != 0) { /* parts of two versions that do not go together */
        struct strbuf line = {0};
        gw_problem_format(&problems.list.at[0], &line);
        weir_report_set(rep, st, WEIR_NO_OFFSET, "", "what is kept does not fit the rest: %s", line.at);
        strbuf_fini(&line);
    }
    gw_problems_fini(&problems);
    mem_free(config.plugins);
    deploy_tries_sweep(d, still_wanted, d);
    return st;
}

weir_status deploy_step(struct deploy *d, bool *changed, struct weir_report *rep)
{
    *changed = false;
    if (d->images != NULL && d->nimages != images_nresults(d->images)) {
        d->nimages = images_nresults(d->images);
        d->unsettled = d->unsettled || (d->awaits_images && d->wanted != NULL);
    }
    if (deploy_tries_step(d)) {
        d->unsettled = true;
    }
    if (!d->unsettled || (d->published != NULL && !all_known(d))) {
        return WEIR_OK;
    }
    d->unsettled = false;
    weir_status st = settle(d, changed, rep);
    d->again = d->again && deploy_trying(d);
    return st;
}

bool deploy_settled(const struct deploy *d)
{
    return !d->unsettled;
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

    if (before == NULL || same_vm(before, p)) {
        note(d, p, DEPLOY_FAILED, gw_plugin_vm_hash(p), why);
        return;
    }
    weir_report_init(&rep);
    gw_problems_init(&problems);
    config.plugins = mem_zalloc_array(config.nplugins, sizeof *config.plugins);
    memcpy(config.plugins, d->published->plugins, config.nplugins * sizeof *config.plugins);
    config.plugins[index] = *before;
    note(d, p, DEPLOY_KEPT, gw_plugin_vm_hash(p), why);
    if (publish(d, &config, true, &changed, &problems, &rep) != WEIR_OK) {
        log_line(LOG_ERROR, "its last good version cannot be published: %s", rep.message);
    }
    mem_free(config.plugins);
    gw_problems_fini(&problems);
}

/* It does not run yet, and nothing is wrong: its image was not there when the worker looked. */
static bool awaits_image(struct deploy *d, const struct gw_plugin *p, struct str said)
{
    if (p->runtime != GW_RUNTIME_AOT ||
        !str_starts_with(said, STR("not found: the module has no native image"))) {
        return false;
    }
    char *why = images_failure(d->images, p);
    mem_free(why);
    return why == NULL;
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
    } else if (str_eq(verb, STR("holds"))) {
        snprintf(from->holds, sizeof from->holds, "%.*s %.*s", STR_ARG(file), STR_ARG(rest));
    } else if (str_eq(verb, STR("reported"))) {
        gathers_take(d->gathers, from, file);
    } else if (str_eq(verb, STR("unusable"))) {
        from->refused = number;
        log_line(LOG_ERROR, "worker %d cannot use %.*s; logs/error.log says why", (int)from->pid,
                 STR_ARG(file));
    } else if (!str_eq(verb, STR("declined")) && !str_eq(verb, STR("failed"))) {
        log_line(LOG_WARN, "worker %d said something unknown: %.*s", (int)from->pid, STR_ARG(text));
    } else if (number == last && str_to_u64(str_cut(&rest, ' '), &index) && index < d->published->nplugins) {
        const struct gw_plugin *p = &d->published->plugins[index];
        const struct deploy_note *known = deploy_note_find(d, p->name);
        if (str_eq(verb, STR("declined"))) {
            take_back(d, (uint32_t)index, rest);
        } else if (!sources_is_remote(p) && !awaits_image(d, p, rest) &&
                   (known == NULL || known->state != DEPLOY_FAILED)) { /* every worker says so */
            note(d, p, DEPLOY_FAILED, 0, rest);
        }
    }
}

void deploy_connect(struct deploy *d, struct images *images)
{
    d->images = images;
    d->gathers = gathers_new(images_channel(images));
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
