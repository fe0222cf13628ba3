/* engine/instance.c - instances, functions and traps of the public API; chooses the tier.
 *
 * An instance holds a reference to its module.  struct weir_instance and struct weir_func are the run time's
 * rt_instance and rt_func under their public names. */
#include <stdio.h>

#include "aot/aot.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "interp/interp.h"
#include "wasm/source.h"

const struct rt_executor *engine_executor(enum weir_tier tier)
{
    return tier == WEIR_TIER_INTERP ? &interp_executor : &aot_executor;
}

static weir_status choose_tier(struct weir_module *m, enum weir_tier want, const struct rt_executor **ex,
                               const void **prepared, struct weir_report *rep)
{
    if (want == WEIR_TIER_AUTO) {
        want = weir_module_has_image(m) ? WEIR_TIER_AOT : WEIR_TIER_INTERP;
    }
    *ex = engine_executor(want);
    return engine_module_prepare(m, *ex, prepared, rep);
}

weir_status weir_instance_new(struct weir_module *m, struct weir_linker *l,
                              const struct weir_instance_options *opt, struct weir_instance **out,
                              struct weir_trap *trap, struct weir_report *rep)
{
    static const struct weir_instance_options defaults;
    const struct rt_executor *ex;
    const void *prepared = NULL;
    struct weir_linker *empty = NULL;
    if (opt == NULL) {
        opt = &defaults;
    }
    weir_status st = choose_tier(m, opt->tier, &ex, &prepared, rep);
    if (st != WEIR_OK) {
        return st;
    }
    if (l == NULL) {
        l = empty = weir_linker_new();
    }
    struct rt_import *imports = mem_zalloc_array(m->wasm->nimports, sizeof *imports);
    struct rt_instance *inst = NULL;
    st = engine_link(l, &m->rt, ex, imports, rep);
    if (st == WEIR_OK) {
        st = rt_instance_new(&m->rt, imports, ex, prepared, opt, &inst, trap, rep);
    }
    mem_free(imports);
    weir_linker_free(empty);
    if (inst != NULL) {
        weir_module_ref(m); /* also of one that failed and is kept */
    }
    if (st == WEIR_OK) {
        *out = &inst->pub;
    }
    return st;
}

void weir_instance_free(struct weir_instance *inst)
{
    if (inst != NULL) {
        rt_instance_free(rt_instance_of(inst), weir_module_unref);
    }
}

void weir_instance_set_budget(struct weir_instance *inst, uint64_t budget_ns)
{
    rt_instance_of(inst)->budget_ns = budget_ns;
}

struct weir_module *weir_instance_module(const struct weir_instance *inst)
{
    return ((const struct rt_instance *)inst)->module->pub;
}

uint64_t weir_instance_bytes(const struct weir_instance *inst)
{
    return ((const struct rt_instance *)inst)->held_bytes;
}

enum weir_tier weir_instance_tier(const struct weir_instance *inst)
{
    return ((const struct rt_instance *)inst)->executor->tier;
}

struct weir_func *weir_instance_find_func(struct weir_instance *inst, const char *name, size_t name_len)
{
    struct rt_instance *i = rt_instance_of(inst);
    const struct wasm_export *e = wasm_module_find_export(rt_instance_wasm(i), str_make(name, name_len));
    return e != NULL && e->kind == WASM_EXTERN_FUNC ? (struct weir_func *)rt_func_at(i, e->index) : NULL;
}

struct weir_func *weir_func_of_cell(uint64_t cell)
{
    return (struct weir_func *)rt_cell_func(cell);
}

const struct weir_functype *weir_func_type(const struct weir_func *f)
{
    return (const struct weir_functype *)((const struct rt_func *)f)->type;
}

bool weir_instance_get_global(struct weir_instance *inst, const char *name, size_t name_len,
                              uint64_t cells[2], enum weir_valtype *type)
{
    struct rt_instance *i = rt_instance_of(inst);
    const struct wasm_module *w = rt_instance_wasm(i);
    const struct wasm_export *e = wasm_module_find_export(w, str_make(name, name_len));
    if (e == NULL || e->kind != WASM_EXTERN_GLOBAL) {
        return false;
    }
    const uint64_t *bits = rt_global_at(i, e->index);
    *type = (enum weir_valtype)w->globals[e->index].type.type;
    cells[0] = bits[0];
    cells[1] = *type == WEIR_V128 ? bits[1] : 0;
    return true;
}

weir_status weir_func_call(struct weir_func *f, uint64_t *cells, struct weir_trap *trap)
{
    return rt_call_enter((struct rt_func *)f, cells, trap);
}

void weir_func_call_within(struct weir_func *f, uint64_t *cells)
{
    rt_call_within((struct rt_func *)f, cells);
}

/* ---- traps ------------------------------------------------------------------------------------ */

void weir_trap_raise(struct weir_instance *inst, enum weir_trap_kind kind, const char *message)
{
    rt_trap_raise(rt_instance_of(inst), kind, message);
}

void weir_trap_exit(struct weir_instance *inst, int32_t code)
{
    rt_trap_exit(rt_instance_of(inst), code);
}

size_t weir_trap_format(const struct weir_trap *trap, char *dst, size_t cap)
{
    struct strbuf b = {0};
    if (trap->kind == WEIR_TRAP_EXIT) {
        strbuf_printf(&b, "exit with code %d\n", trap->exit_code);
    } else {
        strbuf_printf(&b, "%s\n", trap->message);
    }
    for (uint32_t i = 0; i < trap->nframes; i++) {
        const struct weir_frame *f = &trap->frames[i];
        struct wasm_source_line line;
        if (f->name != NULL) {
            strbuf_printf(&b, "%5u: %s (offset 0x%x", i, f->name, f->offset);
        } else {
            strbuf_printf(&b, "%5u: func[%u] (offset 0x%x", i, f->funcidx, f->offset);
        }
        if (f->module != NULL && wasm_source_find(f->module, f->offset, &line)) {
            strbuf_printf(&b, ", %.*s:%u", STR_ARG(line.file), line.line);
        }
        strbuf_printf(&b, ")\n");
    }
    if (trap->nskipped != 0) {
        strbuf_printf(&b, "       and %u more\n", trap->nskipped);
    }
    int n = snprintf(dst, cap, "%s", b.at);
    strbuf_fini(&b);
    return (size_t)n;
}
