/* rt/snapshot.c - the state of an instance, to return to and to make more instances of.
 *
 * What guest code can change is in it: globals, memories, tables, dropped segments; and the function entries,
 * as the linker and the executor left them.  References are addresses of function entries: those into the
 * saved instance become the same entries of the instance that takes the state.  An instance linked with
 * others shares state with them and cannot be saved. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rt/executor.h"
#include "rt/rt.h"
#include "rt/trap.h"

struct saved_table {
    uint64_t *elems;
    uint64_t length;
};

struct rt_snapshot {
    const struct rt_module *module;
    const struct rt_executor *executor;
    const void *exec_module;
    uintptr_t origin; /* where the saved instance was: references into it move with the instance */
    uint64_t scratch[4];
    uint64_t held_bytes; /* of its memories and tables */
    uint8_t *globals;    /* layout.globals .. layout.tables */
    struct rt_func *funcs;
    uint8_t *dropped;
    struct rt_saved_memory *memories;
    struct saved_table *tables;
};

static uint32_t own_memories(const struct wasm_module *w)
{
    return w->nmemories - w->nimported_memories;
}

static uint32_t own_tables(const struct wasm_module *w)
{
    return w->ntables - w->nimported_tables;
}

static size_t globals_bytes(const struct rt_module *m)
{
    return m->layout.tables - m->layout.globals;
}

static void *copy(const void *from, size_t bytes)
{
    void *to = mem_alloc(bytes);
    if (bytes != 0) {
        memcpy(to, from, bytes);
    }
    return to;
}

static bool is_running(const struct rt_instance *inst)
{
    for (const struct rt_call *c = rt_calls; c != NULL; c = c->previous) {
        if (c->inst == inst) {
            return true;
        }
    }
    return false;
}

/* ---- saving ------------------------------------------------------------------------------------- */

static weir_status check(const struct rt_instance *inst, struct weir_report *rep)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    WEIR_ASSERT(!is_running(inst) && !inst->bent);
    if (inst->ring_next != inst || w->nimported_memories + w->nimported_tables + w->nimported_globals != 0) {
        return weir_report_set(rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "",
                               "an instance linked with others cannot be saved");
    }
    return WEIR_OK;
}

weir_status rt_snapshot_new(struct rt_instance *inst, struct rt_snapshot **out, struct weir_report *rep)
{
    const struct rt_module *m = inst->module;
    const struct wasm_module *w = m->wasm;
    weir_status st = check(inst, rep);
    if (st != WEIR_OK) {
        return st;
    }
    struct rt_snapshot *s = mem_zalloc(sizeof *s);
    s->module = m;
    s->executor = inst->executor;
    s->exec_module = inst->exec_module;
    s->origin = (uintptr_t)inst;
    memcpy(s->scratch, inst->scratch, sizeof s->scratch);
    s->held_bytes = inst->held_bytes;
    s->globals = copy(rt_instance_at(inst, m->layout.globals), globals_bytes(m));
    s->funcs = copy(rt_slot_at(inst, 0), m->nfunc_slots * sizeof(struct rt_func));
    s->dropped = copy(inst->dropped, (size_t)w->nelems + w->ndatas);
    s->memories = mem_zalloc_array(own_memories(w), sizeof *s->memories);
    s->tables = mem_zalloc_array(own_tables(w), sizeof *s->tables);
    for (uint32_t i = 0; st == WEIR_OK && i < own_tables(w); i++) {
        const struct rt_table *t = &inst->own_tables[i];
        s->tables[i] = (struct saved_table){calloc(t->length, sizeof(uint64_t)), t->length};
        if (s->tables[i].elems == NULL && t->length != 0) { /* a size the guest chose: may be refused */
            st = weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "table",
                                 "the system gave no memory to save a table");
        } else if (t->length != 0) {
            memcpy(s->tables[i].elems, t->elems, t->length * sizeof(uint64_t));
        }
    }
    for (uint32_t i = 0; st == WEIR_OK && i < own_memories(w); i++) {
        st = rt_memory_save(&inst->own_memories[i], &s->memories[i], rep);
    }
    if (st != WEIR_OK) {
        rt_snapshot_free(s);
        return st;
    }
    /* Its pages are in the file now; without this they would be there twice. */
    for (uint32_t i = 0; i < own_memories(w); i++) {
        bool ok = rt_memory_restore(&inst->own_memories[i], &s->memories[i]);
        WEIR_ASSERT(ok); /* a mapping in address space that is reserved already */
    }
    *out = s;
    return WEIR_OK;
}

void rt_snapshot_free(struct rt_snapshot *s)
{
    const struct wasm_module *w = s->module->wasm;
    for (uint32_t i = 0; i < own_memories(w); i++) {
        rt_saved_memory_free(&s->memories[i]);
    }
    for (uint32_t i = 0; i < own_tables(w); i++) {
        free(s->tables[i].elems);
    }
    mem_free(s->globals);
    mem_free(s->funcs);
    mem_free(s->dropped);
    mem_free(s->memories);
    mem_free(s->tables);
    mem_free(s);
}

const struct rt_module *rt_snapshot_module(const struct rt_snapshot *s)
{
    return s->module;
}

/* ---- restoring ------------------------------------------------------------------------------------ */

/* A funcref saved from the origin, for `inst`. */
static uint64_t moved(const struct rt_snapshot *s, const struct rt_instance *inst, uint64_t cell)
{
    return cell - s->origin < s->module->layout.bytes ? cell - s->origin + (uintptr_t)inst : cell;
}

static void put_globals(struct rt_instance *inst, const struct rt_snapshot *s)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    if (w->nglobals == 0) {
        return;
    }
    memcpy(rt_instance_at(inst, s->module->layout.globals), s->globals, globals_bytes(s->module));
    for (uint32_t i = 0; s->origin != (uintptr_t)inst && i < w->nglobals; i++) {
        if (w->globals[i].type.type == WASM_FUNCREF) {
            *rt_global_at(inst, i) = moved(s, inst, *rt_global_at(inst, i));
        }
    }
}

static bool put_table(struct rt_instance *inst, const struct rt_snapshot *s, uint32_t i)
{
    struct rt_table *t = &inst->own_tables[i];
    const struct saved_table *from = &s->tables[i];
    if (t->length != from->length) {
        uint64_t *elems = calloc(from->length, sizeof(uint64_t)); /* a size the guest chose: may be refused */
        if (elems == NULL && from->length != 0) {
            return false;
        }
        free(t->elems);
        t->elems = elems;
        t->length = from->length;
    }
    if (from->length == 0) {
        return true;
    }
    memcpy(t->elems, from->elems, from->length * sizeof(uint64_t));
    for (uint64_t k = 0; s->origin != (uintptr_t)inst && t->elem == WASM_FUNCREF && k < t->length; k++) {
        t->elems[k] = moved(s, inst, t->elems[k]);
    }
    return true;
}

static void put_funcs(struct rt_instance *inst, const struct rt_snapshot *s)
{
    if (s->module->nfunc_slots == 0) {
        return;
    }
    memcpy(rt_slot_at(inst, 0), s->funcs, s->module->nfunc_slots * sizeof(struct rt_func));
    for (uint32_t i = 0; s->origin != (uintptr_t)inst && i < s->module->nfunc_slots; i++) {
        struct rt_func *f = rt_slot_at(inst, i);
        f->inst = inst;
        f->guest = f->guest != NULL ? inst : NULL;
    }
    inst->bent = false;
}

/* All but the function entries and memories. */
static bool put_state(struct rt_instance *inst, const struct rt_snapshot *s)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    size_t nsegments = (size_t)w->nelems + w->ndatas;
    put_globals(inst, s);
    if (nsegments != 0) {
        memcpy(inst->dropped, s->dropped, nsegments);
    }
    memcpy(inst->scratch, s->scratch, sizeof s->scratch);
    inst->held_bytes = s->held_bytes;
    for (uint32_t i = 0; i < own_tables(w); i++) {
        if (!put_table(inst, s, i)) {
            return false;
        }
    }
    return true;
}

weir_status rt_instance_reset(struct rt_instance *inst, const struct rt_snapshot *s)
{
    if (inst->module != s->module || inst->executor != s->executor) {
        return WEIR_E_MISMATCH;
    }
    WEIR_ASSERT(!is_running(inst));
    if (inst->bent) {
        put_funcs(inst, s); /* nothing else changes them */
    }
    bool ok = put_state(inst, s);
    for (uint32_t i = 0; ok && i < own_memories(s->module->wasm); i++) {
        ok = rt_memory_restore(&inst->own_memories[i], &s->memories[i]);
    }
    return ok ? WEIR_OK : WEIR_E_NOMEM;
}

/* ---- instances ------------------------------------------------------------------------------------- */

weir_status rt_instance_new_from(const struct rt_snapshot *s, const struct weir_instance_options *opt,
                                 struct rt_instance **out, struct weir_report *rep)
{
    const struct rt_module *m = s->module;
    const struct wasm_module *w = m->wasm;
    struct rt_instance *inst = rt_instance_alloc(m, s->executor, s->exec_module, opt);
    weir_status st = WEIR_OK;

    for (uint32_t i = 0; i < own_tables(w); i++) {
        const struct wasm_tabletype *type = &w->tables[i].type;
        inst->own_tables[i] =
            (struct rt_table){.max = type->limits.max, .has_max = type->limits.has_max, .elem = type->elem};
    }
    put_funcs(inst, s);
    if (!put_state(inst, s)) {
        st = weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "table",
                             "the system gave no memory for a table");
    }
    for (uint32_t i = 0; st == WEIR_OK && i < own_memories(w); i++) {
        st = rt_memory_new_saved(&inst->own_memories[i], w->memories[i].limits, inst->memory_limit_bytes,
                                 &s->memories[i], rep);
    }
    if (st == WEIR_OK && !rt_instance_may_hold(inst, 0)) {
        st = weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "memory",
                             "the saved memories and tables together are over the limit");
    }
    if (st == WEIR_OK) {
        rt_instance_bind(inst);
        st = s->executor->instance_init(inst, rep);
    }
    if (st != WEIR_OK) {
        rt_instance_release(inst);
        return st;
    }
    rt_faults_watch();
    inst->started = true;
    *out = inst;
    return WEIR_OK;
}
