/* gw/load.c - from texts to the model.
 *
 * Each document is read into a part of its own; the parts' lists are appended to the whole, in which
 * names are then resolved.  What is read lives in the arena of the configuration under construction, YAML
 * trees only until their file is read. */
#include "gw/load.h"

#include <string.h>

#include "gw/check.h"
#include "gw/parts.h"
#include "gw/singles.h"
#include "gw/values.h"
#include "gw/yaml.h"

struct loader {
    struct gw_config *c;
    struct arena trees; /* of YAML nodes, of one file at a time */
    struct gw_problems *problems;
    VEC(struct gw_listener) listeners;
    VEC(struct gw_certificate) certificates;
    VEC(struct gw_service) services;
    VEC(struct gw_route) routes;
    VEC(struct gw_plugin) plugins;
    struct gw_config singles; /* the other fields */
    VEC(struct gw_alert) alerts;
};

/* ---- documents -------------------------------------------------------------------------- */

#define APPEND(vec, items, n)                                                                                \
    for (uint32_t k_ = 0; k_ < (n); k_++)                                                                    \
    vec_push((vec), (items)[k_])

static void append_part(struct loader *l, const struct gw_config *part)
{
    APPEND(&l->listeners, part->listeners, part->nlisteners);
    APPEND(&l->certificates, part->certificates, part->ncertificates);
    APPEND(&l->services, part->services, part->nservices);
    APPEND(&l->routes, part->routes, part->nroutes);
    APPEND(&l->plugins, part->plugins, part->nplugins);
    APPEND(&l->alerts, part->alerts, part->nalerts);
}

/* The paths live in the arena of `c`, or in a piece of it. */
static void add_outside(struct gw_config *c, const struct gw_outside *list)
{
    for (; list != NULL; list = list->next) {
        struct gw_outside *o = ARENA_NEW(&c->arena, struct gw_outside);
        *o = (struct gw_outside){c->outside, list->path};
        c->outside = o;
    }
}

static bool is_text(const struct gw_node *n, const char *text)
{
    return n != NULL && n->kind == GW_NODE_STRING && str_eq(n->text, str_of(text));
}

/* Higress's resource: its spec is a plugin, metadata.name the name; the rest is Kubernetes' own. */
static void read_wasm_plugin(struct loader *l, struct gw_reader *r, const struct gw_node *doc)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status"};
    const struct gw_node *metadata = gw_node_find(doc, "metadata"), *spec = gw_node_find(doc, "spec");
    const struct gw_node *name = metadata == NULL ? NULL : gw_node_find(metadata, "name");
    struct gw_path at_name = {&(struct gw_path){NULL, "metadata", 0}, "name", 0}, at_spec = {NULL, "spec", 0};
    struct gw_plugin p = {0};

    for (uint32_t i = 0; i < doc->n; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            found = found || str_eq(doc->keys[i]->text, str_of(known[k]));
        }
        if (!found) {
            struct gw_path at = {NULL, doc->keys[i]->text.at, 0};
            gw_problem_at(r, doc->keys[i], &at,
                          "no such field in a WasmPlugin; fields of the plugin go under spec");
        }
    }
    if (spec == NULL) {
        gw_problem_at(r, doc, &at_spec, "is missing; add it");
    } else {
        gw_type_read(r, &gw_type_plugin, spec, &at_spec, "name", &p);
    }
    if (name == NULL || name->kind != GW_NODE_STRING) {
        gw_problem_at(r, name == NULL ? doc : name, &at_name,
                      "is missing or no string; it is the plugin's name");
        return;
    }
    p.name = str_make(arena_strndup(r->arena, name->text.at, name->text.len), name->text.len);
    p.at = name->at;
    p.at.field = "spec";
    if (gw_check_name(r, name, &at_name, &p.name)) {
        vec_push(&l->plugins, p);
    }
}

static void read_document(struct loader *l, const struct gw_node *doc)
{
    struct gw_reader r = {.arena = &l->c->arena, .problems = l->problems};
    const struct gw_node *version = gw_node_find(doc, "apiVersion"), *kind = gw_node_find(doc, "kind");
    struct gw_config part = {0};

    if (version == NULL && kind == NULL) {
        gw_type_read(&r, &gw_type_config, doc, NULL, NULL, &part);
        append_part(l, &part);
        gw_singles_add(&l->singles, &part, &r, doc);
    } else if (is_text(version, "extensions.higress.io/v1alpha1") && is_text(kind, "WasmPlugin")) {
        read_wasm_plugin(l, &r, doc);
    } else {
        gw_problem_at(
            &r, doc, &(struct gw_path){NULL, kind == NULL ? "apiVersion" : "kind", 0},
            "only apiVersion: extensions.higress.io/v1alpha1 with kind: WasmPlugin can be read beside "
            "weir's own documents, which have neither");
    }
    add_outside(l->c, r.outside);
}

static void read_text(struct loader *l, const char *file, struct str text)
{
    gw_node_vec docs = {0};

    gw_yaml_parse(&l->trees, file, text, &docs, l->problems);
    for (size_t i = 0; i < docs.len; i++) {
        read_document(l, docs.at[i]);
    }
    vec_fini(&docs);
    arena_fini(&l->trees);
}

/* ---- the whole -------------------------------------------------------------------------- */

#define MOVE(l, c, member, type)                                                                             \
    do {                                                                                                     \
        (c)->member = ARENA_ARRAY(&(l)->c->arena, struct type, (l)->member.len);                             \
        (c)->n##member = (uint32_t)(l)->member.len;                                                          \
        if ((l)->member.len != 0) {                                                                          \
            memcpy((c)->member, (l)->member.at, (l)->member.len * sizeof(struct type));                      \
        }                                                                                                    \
        vec_fini(&(l)->member);                                                                              \
    } while (0)

static void begin(struct loader *l, struct gw_problems *problems)
{
    *l = (struct loader){.c = mem_zalloc(sizeof *l->c), .problems = problems};
    arena_init(&l->c->arena);
    arena_init(&l->trees);
}

/* What was read so far becomes the lists and single values of `c`, in the arena of the configuration under
 * construction. */
static void move_all(struct loader *l, struct gw_config *c)
{
    MOVE(l, c, listeners, gw_listener);
    MOVE(l, c, certificates, gw_certificate);
    MOVE(l, c, services, gw_service);
    MOVE(l, c, routes, gw_route);
    MOVE(l, c, plugins, gw_plugin);
    gw_singles_overlay(c, &l->singles);
    l->singles = (struct gw_config){0};
    MOVE(l, c, alerts, gw_alert);
}

static void read_over(struct loader *l, const char *name, struct str text)
{
    struct gw_config over = {0};

    read_text(l, arena_strndup(&l->c->arena, name, strlen(name)), text);
    move_all(l, &over);
    gw_parts_overlay(l->c, &over);
    gw_singles_overlay(l->c, &over);
}

/* Errors found before this call do not keep the rest from being checked. */
static weir_status end(struct loader *l, uint32_t errors_before, struct gw_config **out)
{
    struct gw_config *c = l->c;

    gw_check_config(c, l->problems);
    gw_problems_sort(l->problems);
    if (l->problems->nerrors != errors_before) {
        for (const struct gw_outside *o = c->outside; o != NULL; o = o->next) {
            gw_problems_add_file(l->problems, o->path);
        }
        gw_config_free(c);
        return WEIR_E_CONFIG;
    }
    *out = c;
    return WEIR_OK;
}

/* ---- with pieces ------------------------------------------------------------------------ */

/* The configuration, made of what was found in the sources.  False: a single value was given twice. */
static bool assemble(struct gw_config *c, const gw_found_vec *found, const struct gw_sources *sources,
                     const size_t *ends)
{
    size_t source = 0;
    const char *name = NULL;
    bool twice = false;
    uint32_t counts[GW_PIECE_SINGLES + 1] = {0};

    c->pieces = mem_zalloc_array(found->len + 1, sizeof *c->pieces);
    for (size_t i = 0; i < found->len; i++) {
        counts[found->at[i].piece->kind]++;
    }
    for (unsigned k = 0; k < gw_part_nkinds(); k++) {
        if (counts[k] != 0) {
            gw_part_reserve(c, k, counts[k]);
        }
    }
    for (size_t i = 0; i < found->len; i++) {
        struct gw_piece *p = found->at[i].piece;
        for (; source < sources->list.len && i >= ends[source]; source++) {
            name = NULL;
        }
        if (name == NULL) {
            const char *own = sources->list.at[source].name;
            name = arena_strndup(&c->arena, own, strlen(own));
        }
        struct gw_place at = {.file = name, .line = found->at[i].line};
        c->pieces[c->npieces++] = p;
        add_outside(c, p->outside);
        if (p->kind == GW_PIECE_SINGLES) {
            twice = twice || gw_singles_both(c, p->object);
            gw_singles_overlay(c, p->object);
        } else {
            gw_part_append(c, p->kind, p->object, at, p);
        }
    }
    return !twice;
}

/* False: something is not as usual, or there is something to say: read it all instead. */
static bool load_pieces(const struct gw_sources *sources, const char *over_name, struct str over,
                        struct gw_pieces *cache, struct gw_config **out)
{
    gw_found_vec found = {0};
    struct gw_problems problems;
    struct loader l;
    size_t *ends = mem_zalloc_array(sources->list.len + 1, sizeof *ends);
    bool ok = true;

    for (size_t i = 0; ok && i < sources->list.len; i++) {
        ok = gw_pieces_cut(cache, sources->list.at[i].text, &found);
        ends[i] = found.len;
    }
    if (ok && found.len != 0) {
        gw_problems_init(&problems);
        begin(&l, &problems);
        ok = assemble(l.c, &found, sources, ends);
        if (over.len != 0) {
            read_over(&l, over_name, over);
        }
        gw_check_unshare(l.c);
        gw_check_config(l.c, &problems);
        ok = ok && problems.list.len == 0;
        if (ok) {
            gw_pieces_keep(cache, &found);
            *out = l.c;
        } else {
            gw_config_free(l.c);
        }
        gw_problems_fini(&problems);
    } else {
        for (size_t i = 0; i < found.len; i++) {
            gw_piece_unref(found.at[i].piece);
        }
        ok = false;
    }
    vec_fini(&found);
    mem_free(ends);
    return ok;
}

weir_status gw_config_load_sources(const struct gw_sources *sources, const char *over_name, struct str over,
                                   struct gw_pieces *cache, struct gw_config **out,
                                   struct gw_problems *problems)
{
    struct loader l;
    uint32_t errors = problems->nerrors;

    if (cache != NULL && load_pieces(sources, over_name, over, cache, out)) {
        return WEIR_OK;
    }
    begin(&l, problems);
    for (size_t i = 0; i < sources->list.len; i++) {
        const struct gw_source *s = &sources->list.at[i];
        read_text(&l, arena_strndup(&l.c->arena, s->name, strlen(s->name)), s->text);
    }
    move_all(&l, l.c);
    if (over.len != 0) {
        read_over(&l, over_name, over);
    }
    return end(&l, errors, out);
}

weir_status gw_config_load_cached(const char *name, struct str text, struct gw_pieces *cache,
                                  struct gw_config **out, struct gw_problems *problems)
{
    struct gw_source one = {(char *)(uintptr_t)name, text};
    struct gw_sources sources = {{&one, 1, 1}};
    return gw_config_load_sources(&sources, "", STR(""), cache, out, problems);
}

weir_status gw_config_load(const char *path, struct gw_config **out, struct gw_problems *problems)
{
    struct gw_sources sources = {0};
    struct gw_config *config = NULL;

    weir_status missing = gw_sources_read(path, &sources, problems);
    weir_status st = gw_config_load_sources(&sources, "", STR(""), NULL, &config, problems);
    gw_sources_fini(&sources);
    if (missing == WEIR_OK && st == WEIR_OK) {
        *out = config;
    } else {
        gw_config_free(config);
    }
    return missing != WEIR_OK ? missing : st;
}

weir_status gw_config_load_text(const char *name, struct str text, struct gw_config **out,
                                struct gw_problems *problems)
{
    struct loader l;
    uint32_t errors = problems->nerrors;

    begin(&l, problems);
    read_text(&l, arena_strndup(&l.c->arena, name, strlen(name)), text);
    move_all(&l, l.c);
    return end(&l, errors, out);
}

/* Parts as they were read are written once; of plugins, their owner changes the URL. */
static void write_part(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out)
{
    struct gw_piece *piece = c->piece_of[kind] == NULL ? NULL : c->piece_of[kind][i];

    struct str json = piece == NULL ? (struct str){0}
                      : gw_type_config.fields[kind].type == &gw_type_plugin
                          ? gw_piece_plugin_json(piece, &c->plugins[i])
                          : gw_piece_json(piece);

    if (json.at != NULL) {
        strbuf_add(out, json);
    } else {
        gw_part_write(c, kind, i, out);
    }
}

static void write_singles(const struct gw_config *c, bool any, struct strbuf *out)
{
    for (size_t i = 0; i < gw_type_config.nfields; i++) {
        const struct gw_field *f = &gw_type_config.fields[i];
        if (gw_single_given(c, f)) {
            strbuf_printf(out, "%s\"%s\":", any ? "," : "", f->name);
            any = gw_field_write(f, c, out);
        }
    }
}

void gw_config_write(const struct gw_config *c, struct strbuf *out)
{
    bool any = false;

    for (unsigned kind = 0; kind < gw_part_nkinds(); kind++) {
        uint32_t n = gw_part_count(c, kind);
        for (uint32_t i = 0; i < n; i++) {
            if (i == 0) {
                strbuf_printf(out, "%s\"%s\":[\n", any ? "]," : "{", gw_part_kind_name(kind));
            }
            write_part(c, kind, i, out);
            strbuf_add(out, i + 1 == n ? STR("\n") : STR(",\n"));
        }
        any = any || n != 0;
    }
    strbuf_add_char(out, any ? ']' : '{');
    write_singles(c, any, out);
    strbuf_add(out, STR("}\n"));
}
