/* rt/instance.c - making and ending an instance.
 *
 * An instance is one zeroed block laid out by weir/vmctx.h plus its memories and tables.  Instances linked
 * with each other stand in a ring.  One that fails to start after its functions may have got into others'
 * tables is kept (`started` false) until nothing but such instances is left of the ring. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rt/executor.h"
#include "rt/rt.h"
#include "rt/trap.h"

enum { STACK_DEFAULT_BYTES = 1 << 20 };

void rt_host_invoke(struct rt_func *f, uint64_t *cells)
{
    rt_func_host(f)->thunk(&f->inst->pub, cells);
}

/* ---- helpers of compiled code ---------------------------------------------------------------- */

static void helper_trap(struct rt_instance *inst, uint32_t kind)
{
    rt_trap_raise(inst, (enum weir_trap_kind)kind, NULL);
}

#define rt_trap helper_trap
static void (*const helpers[WEIR_VM_NHELPERS])(void) = {
#define X(name, type) [WEIR_VM_HELPER_##name] = (void (*)(void))rt_##name,
    WEIR_VM_HELPER_LIST(X)
#undef X
};
#undef rt_trap

/* ---- the ring of linked instances ---------------------------------------------------------------- */

static bool ring_has(const struct rt_instance *a, const struct rt_instance *b)
{
    const struct rt_instance *i = a;
    do {
        if (i == b) {
            return true;
        }
        i = i->ring_next;
    } while (i != a);
    return false;
}

static void ring_join(struct rt_instance *a, struct rt_instance *b)
{
    if (ring_has(a, b)) {
        return;
    }
    struct rt_instance *an = a->ring_next, *bn = b->ring_next;
    a->ring_next = bn, bn->ring_prev = a;
    b->ring_next = an, an->ring_prev = b;
}

static void ring_leave(struct rt_instance *inst)
{
    inst->ring_prev->ring_next = inst->ring_next;
    inst->ring_next->ring_prev = inst->ring_prev;
    inst->ring_next = inst->ring_prev = inst;
}

/* ---- allocation -------------------------------------------------------------------------------------- */

static void set_memory_zero(struct rt_instance *inst, struct rt_memory *m)
{
    inst->pub.memory = m->base;
    inst->pub.memory_bytes = m->bytes;
    inst->memory_user = m->users;
    m->users = inst;
}

void rt_instance_bind(struct rt_instance *inst)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    struct rt_memory **memories = rt_instance_at(inst, inst->module->layout.memories);
    struct rt_table **tables = rt_instance_at(inst, inst->module->layout.tables);
    for (uint32_t i = w->nimported_memories; i < w->nmemories; i++) {
        memories[i] = &inst->own_memories[i - w->nimported_memories];
    }
    for (uint32_t i = w->nimported_tables; i < w->ntables; i++) {
        tables[i] = &inst->own_tables[i - w->nimported_tables];
    }
    if (w->nmemories > 0) {
        set_memory_zero(inst, memories[0]);
    }
}

static weir_status make_memories(struct rt_instance *inst, struct weir_report *rep)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    uint32_t n = w->nmemories - w->nimported_memories;
    for (uint32_t i = 0; i < n; i++) {
        struct rt_memory *m = &inst->own_memories[i];
        weir_status st =
            rt_memory_new(m, w->memories[w->nimported_memories + i].limits, inst->memory_limit_bytes, rep);
        if (st != WEIR_OK) {
            return st;
        }
        inst->held_bytes += m->bytes;
        if (!rt_instance_may_hold(inst, 0)) {
            return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "memory",
                                   "the initial memories together are over the limit");
        }
    }
    return WEIR_OK;
}

static weir_status make_tables(struct rt_instance *inst, struct weir_report *rep)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    uint32_t n = w->ntables - w->nimported_tables;
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct wasm_tabletype *type = &w->tables[w->nimported_tables + i].type;
        struct rt_table *t = &inst->own_tables[i];
        total += type->limits.min;
        if (total > WASM_MAX_TABLE) {
            return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "table",
                                   "the initial tables have more than %d elements", (int)WASM_MAX_TABLE);
        }
        inst->held_bytes += type->limits.min * sizeof(uint64_t);
        if (!rt_instance_may_hold(inst, 0)) {
            return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "table",
                                   "the initial memories and tables together are over the limit");
        }
        *t = (struct rt_table){.length = type->limits.min,
                               .max = type->limits.max,
                               .has_max = type->limits.has_max,
                               .elem = type->elem};
        t->elems = calloc(t->length, sizeof(uint64_t)); /* a size the module chose: may be refused */
        if (t->elems == NULL && t->length != 0) {
            return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "table",
                                   "the system gave no memory for a table");
        }
    }
    return WEIR_OK;
}

static void make_funcs(struct rt_instance *inst, const struct rt_import *imports)
{
    const struct rt_module *m = inst->module;
    for (uint32_t i = 0, k = 0; i < m->wasm->nimports; i++) {
        const struct wasm_import *im = &m->wasm->imports[i];
        if (im->kind != WASM_EXTERN_FUNC) {
            continue;
        }
        struct rt_func *f = rt_slot_at(inst, k++);
        if (imports[i].func != NULL) {
            *f = *imports[i].func;
            continue;
        }
        *f = (struct rt_func){.code = imports[i].host->native,
                              .inst = inst,
                              .type_id = m->type_ids[im->typeidx],
                              .funcidx = im->index,
                              .type = &m->wasm->types[im->typeidx],
                              .invoke = rt_host_invoke,
                              .exec = imports[i].host};
    }
    for (uint32_t slot = m->wasm->nimported_funcs; slot < m->nfunc_slots; slot++) {
        uint32_t funcidx = m->slot_funcs[slot], typeidx = m->wasm->funcs[funcidx].typeidx;
        *rt_slot_at(inst, slot) = (struct rt_func){.inst = inst,
                                                   .type_id = m->type_ids[typeidx],
                                                   .funcidx = funcidx,
                                                   .type = &m->wasm->types[typeidx]};
    }
}

static void take_imports(struct rt_instance *inst, const struct rt_import *imports)
{
    const struct weir_vm_layout *l = &inst->module->layout;
    const struct wasm_module *w = inst->module->wasm;
    for (uint32_t i = 0; i < w->nimports; i++) {
        const struct wasm_import *im = &w->imports[i];
        if (im->kind == WASM_EXTERN_TABLE) {
            ((struct rt_table **)rt_instance_at(inst, l->tables))[im->index] = imports[i].table;
        }
        if (im->kind == WASM_EXTERN_MEMORY) {
            ((struct rt_memory **)rt_instance_at(inst, l->memories))[im->index] = imports[i].memory;
        }
        if (im->kind == WASM_EXTERN_GLOBAL) {
            *(uint64_t **)rt_instance_at(inst, l->globals + (uint64_t)im->index * WEIR_VM_GLOBAL_BYTES) =
                imports[i].global;
        }
        if (imports[i].owner != NULL) {
            ring_join(inst, imports[i].owner);
        }
    }
}

void rt_instance_release(struct rt_instance *inst)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    inst->executor->instance_fini(inst);
    ring_leave(inst);
    if (w->nmemories > 0 && rt_memory_at(inst, 0) != NULL) {
        struct rt_instance **u = &rt_memory_at(inst, 0)->users;
        while (*u != NULL && *u != inst) {
            u = &(*u)->memory_user;
        }
        if (*u == inst) {
            *u = inst->memory_user;
        }
    }
    for (uint32_t i = 0; inst->own_memories != NULL && i < w->nmemories - w->nimported_memories; i++) {
        /* Importers still linked lose their memory 0; they will only be freed. */
        for (struct rt_instance *u = inst->own_memories[i].users, *next; u != NULL; u = next) {
            next = u->memory_user;
            u->pub.memory = NULL;
            u->pub.memory_bytes = 0;
            u->memory_user = NULL;
            *(struct rt_memory **)rt_instance_at(u, u->module->layout.memories) = NULL;
        }
        rt_memory_free(&inst->own_memories[i]);
    }
    for (uint32_t i = 0; inst->own_tables != NULL && i < w->ntables - w->nimported_tables; i++) {
        free(inst->own_tables[i].elems);
    }
    mem_free(inst->own_memories);
    mem_free(inst->own_tables);
    mem_free(inst->dropped);
    mem_free(inst);
}

/* ---- start -----------------------------------------------------------------------------------------------
 */

static void init_globals(struct rt_instance *inst)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    for (uint32_t i = w->nimported_globals; i < w->nglobals; i++) {
        uint64_t cells[2] = {0};
        rt_constexpr_eval(inst, w->globals[i].init, cells);
        memcpy(rt_global_at(inst, i), cells, sizeof cells);
    }
}

/* The part of instantiation that can trap (core spec 4.5.4), run as a guest call. */
static void start(struct rt_func *f, uint64_t *cells)
{
    struct rt_instance *inst = f->inst;
    const struct wasm_module *w = rt_instance_wasm(inst);
    (void)cells;
    for (uint32_t i = 0; i < w->nelems; i++) {
        const struct wasm_elem *e = &w->elems[i];
        uint64_t at[2] = {0};
        if (e->mode == WASM_SEGMENT_ACTIVE) {
            rt_constexpr_eval(inst, e->offset, at);
            rt_table_init(inst, i, e->tableidx, (uint32_t)at[0], 0, e->n);
        }
        if (e->mode != WASM_SEGMENT_PASSIVE) {
            rt_elem_drop(inst, i);
        }
    }
    for (uint32_t i = 0; i < w->ndatas; i++) {
        const struct wasm_data *d = &w->datas[i];
        uint64_t at[2] = {0};
        if (d->mode != WASM_SEGMENT_ACTIVE) {
            continue;
        }
        rt_constexpr_eval(inst, d->offset, at);
        rt_memory_init(inst, i, d->memidx, (uint32_t)at[0], 0, d->len);
        rt_data_drop(inst, i);
    }
    if (w->has_start) {
        struct rt_func *s = rt_func_at(inst, w->start);
        s->invoke(s, cells);
    }
}

struct rt_instance *rt_instance_alloc(const struct rt_module *m, const struct rt_executor *ex,
                                      const void *exec_module, const struct weir_instance_options *opt)
{
    const struct wasm_module *w = m->wasm;
    struct rt_instance *inst = mem_zalloc(m->layout.bytes);
    inst->module = m;
    inst->executor = ex;
    inst->exec_module = exec_module;
    inst->helpers = helpers;
    inst->pub.host = opt->host;
    inst->memory_limit_bytes = opt->memory_limit_bytes;
    inst->budget_ns = opt->budget_ns;
    inst->stack_bytes = opt->stack_bytes != 0 ? opt->stack_bytes : STACK_DEFAULT_BYTES;
    inst->ring_next = inst->ring_prev = inst;
    inst->dropped = mem_zalloc((size_t)w->nelems + w->ndatas);
    if (w->ntypes != 0) {
        memcpy(rt_instance_at(inst, m->layout.types), m->type_ids, w->ntypes * sizeof(uint32_t));
    }
    inst->own_memories = mem_zalloc_array(w->nmemories - w->nimported_memories, sizeof *inst->own_memories);
    inst->own_tables = mem_zalloc_array(w->ntables - w->nimported_tables, sizeof *inst->own_tables);
    return inst;
}

weir_status rt_instance_new(const struct rt_module *m, const struct rt_import *imports,
                            const struct rt_executor *ex, const void *exec_module,
                            const struct weir_instance_options *opt, struct rt_instance **out,
                            struct weir_trap *trap, struct weir_report *rep)
{
    struct rt_instance *inst = rt_instance_alloc(m, ex, exec_module, opt);
    take_imports(inst, imports);
    make_funcs(inst, imports);

    weir_status st = make_memories(inst, rep);
    if (st == WEIR_OK) {
        st = make_tables(inst, rep);
    }
    if (st == WEIR_OK) {
        rt_instance_bind(inst);
        init_globals(inst);
        st = ex->instance_init(inst, rep);
    }
    if (st != WEIR_OK) {
        rt_instance_release(inst);
        return st;
    }
    rt_faults_watch();
    struct rt_func starter = {.inst = inst, .invoke = start};
    uint64_t cells[2] = {0};
    struct weir_trap local;
    st = rt_call_enter(&starter, cells, trap != NULL ? trap : &local);
    if (st == WEIR_OK) {
        inst->started = true;
        *out = inst;
        return WEIR_OK;
    }
    weir_report_set(rep, st, WEIR_NO_OFFSET, "", "instantiation: %s",
                    (trap != NULL ? trap : &local)->message);
    *out = NULL;
    if (inst->ring_next != inst) {
        *out = inst; /* kept: see rt_instance_free */
    } else {
        rt_instance_release(inst);
    }
    return st;
}

void rt_instance_free(struct rt_instance *inst, void (*gone)(struct weir_module *m))
{
    struct rt_instance *next = inst->ring_next;
    struct weir_module *pub = inst->module->pub;
    bool last = next == inst;
    rt_instance_release(inst);
    if (gone != NULL) {
        gone(pub);
    }
    if (last) {
        return;
    }
    struct rt_instance *i = next;
    do {
        if (i->started) {
            return;
        }
        i = i->ring_next;
    } while (i != next);
    rt_instance_free(next, gone); /* the others follow it */
}
