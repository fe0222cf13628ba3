/* engine/linker.c - what imports can be resolved to, and the resolving.
 *
 * Host functions stand in a hash table over (module, name); instances are few and are searched newest first,
 * so that one registered later under the same name hides the earlier one.  Imports match by core spec 3.2
 * (limits and mutability of the thing as it is now). */
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "engine/engine.h"

struct host_entry {
    const struct weir_host_func *func;
    uint64_t hash;
    uint32_t next; /* of the same bucket, index + 1 */
};

struct offered {
    char *module;
    struct rt_instance *inst;
};

struct weir_linker {
    VEC(struct host_entry) host;
    uint32_t *buckets; /* index into host + 1 */
    uint32_t nbuckets; /* a power of two or 0 */
    VEC(struct offered) instances;
};

struct weir_linker *weir_linker_new(void)
{
    return mem_zalloc(sizeof(struct weir_linker));
}

void weir_linker_free(struct weir_linker *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->instances.len; i++) {
        mem_free(l->instances.at[i].module);
    }
    vec_fini(&l->instances);
    vec_fini(&l->host);
    mem_free(l->buckets);
    mem_free(l);
}

static uint64_t hash_name(struct str module, struct str name)
{
    return hash_bytes(name.at, name.len, hash_bytes(module.at, module.len, 0));
}

static void rebuild(struct weir_linker *l)
{
    uint32_t n = 64;
    while (n < 2 * l->host.len) {
        n *= 2;
    }
    mem_free(l->buckets);
    l->buckets = mem_zalloc_array(n, sizeof(uint32_t));
    l->nbuckets = n;
    for (uint32_t i = 0; i < l->host.len; i++) {
        uint32_t *b = &l->buckets[l->host.at[i].hash & (n - 1)];
        l->host.at[i].next = *b;
        *b = i + 1;
    }
}

void weir_linker_add_funcs(struct weir_linker *l, const struct weir_host_func *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = hash_name(str_of(table[i].module), str_of(table[i].name));
        vec_push(&l->host, ((struct host_entry){.func = &table[i], .hash = hash}));
    }
    rebuild(l);
}

void weir_linker_add_instance(struct weir_linker *l, const char *module, struct weir_instance *inst)
{
    vec_push(&l->instances, ((struct offered){mem_strndup(module, strlen(module)), rt_instance_of(inst)}));
}

/* ---- matching -------------------------------------------------------------------------------- */

static uint8_t letter_type(char c)
{
    switch (c) {
    case 'i':
        return WASM_I32;
    case 'I':
        return WASM_I64;
    case 'f':
        return WASM_F32;
    case 'F':
        return WASM_F64;
    case 'v':
        return WASM_V128;
    case 'r':
        return WASM_FUNCREF;
    case 'e':
        return WASM_EXTERNREF;
    default:
        return WASM_UNKNOWN;
    }
}

/* Does `spelled` ("ii:i") say the type `t`? */
static bool type_is(const struct wasm_functype *t, const char *spelled)
{
    const char *p = spelled;
    for (uint32_t i = 0; i < t->nparams; i++, p++) {
        if (letter_type(*p) != t->params[i]) {
            return false;
        }
    }
    if (*p++ != ':') {
        return false;
    }
    for (uint32_t i = 0; i < t->nresults; i++, p++) {
        if (letter_type(*p) != t->results[i]) {
            return false;
        }
    }
    return *p == '\0';
}

static bool limits_fit(struct wasm_limits want, uint64_t now, bool has_max, uint32_t max)
{
    return now >= want.min && (!want.has_max || (has_max && max <= want.max));
}

/* What looking for an import came to. */
enum found { FOUND_NOTHING, FOUND_OTHER_TYPE, FOUND };

static enum found find_host(const struct weir_linker *l, const struct wasm_import *im,
                            const struct rt_module *m, struct rt_import *out)
{
    if (l->nbuckets == 0) {
        return FOUND_NOTHING;
    }
    uint64_t hash = hash_name(im->module, im->name);
    enum found best = FOUND_NOTHING;
    for (uint32_t i = l->buckets[hash & (l->nbuckets - 1)]; i != 0; i = l->host.at[i - 1].next) {
        const struct host_entry *e = &l->host.at[i - 1];
        if (e->hash != hash || !str_eq(str_of(e->func->name), im->name) ||
            !str_eq(str_of(e->func->module), im->module)) {
            continue;
        }
        best = FOUND_OTHER_TYPE;
        if (im->kind == WASM_EXTERN_FUNC && type_is(&m->wasm->types[im->typeidx], e->func->type)) {
            out->host = e->func;
            return FOUND;
        }
    }
    return best;
}

static enum found take_export(struct rt_instance *from, const struct wasm_export *e,
                              const struct wasm_import *im, const struct rt_module *m, struct rt_import *out)
{
    const struct wasm_module *w = rt_instance_wasm(from);
    if (e->kind != im->kind) {
        return FOUND_OTHER_TYPE;
    }
    bool fits = false;
    switch (e->kind) {
    case WASM_EXTERN_FUNC:
        out->func = rt_func_at(from, e->index);
        fits = out->func->type_id == m->type_ids[im->typeidx];
        break;
    case WASM_EXTERN_TABLE:
        out->table = rt_table_at(from, e->index);
        fits = out->table->elem == im->table.elem &&
               limits_fit(im->table.limits, out->table->length, out->table->has_max, out->table->max);
        break;
    case WASM_EXTERN_MEMORY:
        out->memory = rt_memory_at(from, e->index);
        fits = limits_fit(im->memory, out->memory->bytes / WASM_PAGE_BYTES, out->memory->has_max,
                          out->memory->max_pages);
        break;
    case WASM_EXTERN_GLOBAL: {
        const struct wasm_globaltype *t = &w->globals[e->index].type;
        out->global = rt_global_at(from, e->index);
        fits = t->type == im->global.type && t->mutable == im->global.mutable;
        break;
    }
    }
    out->owner = from;
    return fits ? FOUND : FOUND_OTHER_TYPE;
}

static weir_status refuse(const struct wasm_import *im, const char *why, struct weir_report *rep)
{
    static const char *const kinds[] = {"function", "table", "memory", "global"};
    return weir_report_set(rep, WEIR_E_LINK, WEIR_NO_OFFSET, "import", "%s: %s \"%.*s\" \"%.*s\"", why,
                           kinds[im->kind], STR_ARG(im->module), STR_ARG(im->name));
}

static weir_status link_one(const struct weir_linker *l, const struct rt_module *m,
                            const struct wasm_import *im, const struct rt_executor *ex, struct rt_import *out,
                            struct weir_report *rep)
{
    enum found best = FOUND_NOTHING;
    for (size_t i = l->instances.len; i-- > 0 && best == FOUND_NOTHING;) {
        const struct offered *o = &l->instances.at[i];
        const struct wasm_export *e;
        if (!str_eq(str_of(o->module), im->module)) {
            continue;
        }
        e = wasm_module_find_export(rt_instance_wasm(o->inst), im->name);
        if (e == NULL) {
            continue;
        }
        if (o->inst->executor != ex) {
            return refuse(im, "the exporting instance runs on another tier", rep);
        }
        best = take_export(o->inst, e, im, m, out);
    }
    if (best == FOUND_NOTHING) {
        best = find_host(l, im, m, out);
    }
    if (best == FOUND_NOTHING) {
        return refuse(im, "unknown import", rep);
    }
    return best == FOUND ? WEIR_OK : refuse(im, "incompatible import type", rep);
}

weir_status engine_link(const struct weir_linker *l, const struct rt_module *m, const struct rt_executor *ex,
                        struct rt_import *imports, struct weir_report *rep)
{
    for (uint32_t i = 0; i < m->wasm->nimports; i++) {
        weir_status st = link_one(l, m, &m->wasm->imports[i], ex, &imports[i], rep);
        if (st != WEIR_OK) {
            return st;
        }
    }
    return WEIR_OK;
}
