/* rt/rt.h - a module running: instances, functions, memories, tables, and the chain of guest calls.
 *
 * An instance is one block of memory laid out as weir/vmctx.h says, so that both executors and
 * compiled code use the same objects.  It belongs to one thread at a time.  Instances that are linked with
 * each other form a ring, run on the same tier, and are used by one thread at a time together.  A memory or
 * table belongs to the instance that defines it; importers borrow it. */
#ifndef RT_RT_H
#define RT_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/os.h"
#include "wasm/module.h"
#include "weir/engine.h"
#include "weir/vmctx.h"

struct rt_instance;
struct rt_executor;

/* ---- functions ------------------------------------------------------------------------------- */

/* What a funcref points to; also the public struct weir_func.  It lives inside its instance. */
struct rt_func {
    void (*code)(void);       /* compiled tier: code(inst, typed parameters...) */
    struct rt_instance *inst; /* for host functions the instance that imported them */
    uint32_t type_id;         /* rt_type_id: equal for equal types in this process */
    uint32_t funcidx;         /* in the module of `inst` */
    const struct wasm_functype *type;
    /* Call it inside a running guest call: `cells` holds the parameters and takes the results.  Traps
     * leave by rt_trap_raise. */
    void (*invoke)(struct rt_func *f, uint64_t *cells);
    const void *exec;          /* the executor's; of a host function its struct weir_host_func */
    struct rt_instance *guest; /* compiled tier: `inst` where `code` is compiled code, else NULL */
    uint32_t shape;            /* compiled tier: how a call from outside may call `code` (rt/guard.h), or 0 */
};

static inline uint64_t rt_func_cell(const struct rt_func *f)
{
    return (uint64_t)(uintptr_t)f;
}
static inline struct rt_func *rt_cell_func(uint64_t cell)
{
    return (struct rt_func *)(uintptr_t)cell;
}

/* `invoke` of every host function: calls the thunk. */
void rt_host_invoke(struct rt_func *f, uint64_t *cells);
static inline bool rt_func_is_host(const struct rt_func *f)
{
    return f->invoke == rt_host_invoke;
}
static inline const struct weir_host_func *rt_func_host(const struct rt_func *f)
{
    return f->exec;
}

/* ---- memories and tables ------------------------------------------------------------------------- */

/* A linear memory in a reservation of RT_MEMORY_RESERVED bytes: any 32-bit address plus any 32-bit offset
 * plus an access of 16 bytes is inside it, and faults past `bytes`. */
struct rt_memory {
    uint8_t *base;
    uint64_t bytes;
    uint64_t limit_bytes;     /* the smallest of the declared maximum, the embedder's limit and 4 GiB */
    uint64_t committed_bytes; /* accessible: at least `bytes` rounded to the page */
    uint64_t mapped_bytes;    /* [0, mapped_bytes) is a private mapping of the saved memory `saved_id` */
    uint64_t saved_id;        /* 0: none */
    uint32_t max_pages;       /* as declared; meaningful with has_max */
    bool has_max;
    struct rt_instance *users; /* whose memory 0 it is, chained by memory_user: their pub is kept current */
};

/* Elements are cells: 0 null; a funcref is a struct rt_func *; an externref what the host made it. */
struct rt_table {
    uint64_t *elems;
    uint64_t length;
    uint32_t max; /* as declared; meaningful with has_max */
    bool has_max;
    uint8_t elem; /* enum wasm_valtype */
};

#define RT_MEMORY_RESERVED ((uint64_t)(8ull << 30) + (64u << 10))

/* The contents of a memory in a file, which memories map and copy where they write. */
struct rt_saved_memory {
    int file;
    const uint8_t *view; /* its bytes to read, for memories of few pages; or NULL */
    uint64_t bytes;
    uint64_t id; /* of this process, never used again */
};

/* WEIR_E_LIMIT: `min_pages` is over the limit (0: none).  WEIR_E_NOMEM.  On failure *m is untouched. */
weir_status rt_memory_new(struct rt_memory *m, struct wasm_limits pages, uint64_t limit_bytes,
                          struct weir_report *rep);
/* The same with what was saved from a memory of that type. */
weir_status rt_memory_new_saved(struct rt_memory *m, struct wasm_limits pages, uint64_t limit_bytes,
                                const struct rt_saved_memory *saved, struct weir_report *rep);
void rt_memory_free(struct rt_memory *m);

weir_status rt_memory_save(const struct rt_memory *m, struct rt_saved_memory *out, struct weir_report *rep);
void rt_saved_memory_free(struct rt_saved_memory *saved);
/* Make a memory what was saved from one of the same type: its own writes are forgotten, growth is undone.
 * What it costs goes with the pages that were written since.  False: the system has no memory; *m must be
 * freed. */
bool rt_memory_restore(struct rt_memory *m, const struct rt_saved_memory *saved);
/* Is the address in any reservation of linear memory of this process?  For signal handlers. */
bool rt_memory_reserved(uintptr_t address);

/* ---- modules --------------------------------------------------------------------------------------- */

/* What every instance of a module shares; immutable.  The engine's struct weir_module owns it. */
struct rt_module {
    const struct wasm_module *wasm;
    struct weir_vm_layout layout;
    uint32_t *type_ids;   /* one per type */
    uint32_t *func_slots; /* funcidx to slot; RT_NO_SLOT where none can be referenced */
    uint32_t *slot_funcs; /* slot to funcidx */
    uint32_t nfunc_slots;
    struct weir_module *pub;
    char **names; /* by funcidx, made when asked for; rt_module_func_name */
};
#define RT_NO_SLOT UINT32_MAX

void rt_module_init(struct rt_module *m, const struct wasm_module *wasm, struct weir_module *pub);
void rt_module_fini(struct rt_module *m);

/* The name of a function for people, NUL-terminated, as long as the module; NULL if it has none. Thread-safe.
 */
const char *rt_module_func_name(const struct rt_module *m, uint32_t funcidx);

/* The id of a function type in this process: equal types, equal ids.  Thread-safe; ids are never given back.
 */
uint32_t rt_type_id(const struct wasm_functype *t);

/* ---- instances --------------------------------------------------------------------------------------- */

/* At most WEIR_VM_HEADER_BYTES; the arrays of weir/vmctx.h follow. */
struct rt_instance {
    /* The part compiled code knows. */
    struct weir_instance pub;
    uintptr_t stack_limit;
    const void *helpers; /* array of function pointers, enum weir_vm_helper */
    void *exec;          /* the executor's, of this instance */
    uint64_t scratch[4];
    /* The run time's own. */
    const struct rt_module *module;
    const struct rt_executor *executor;
    const void *exec_module; /* what executor->module_prepare made */
    uintptr_t guard_low,
        guard_high; /* a fault in [low, high) is STACK_EXHAUSTED: the executor's stack guard, or 0, 0 */
    uint64_t memory_limit_bytes; /* of held_bytes; 0: none */
    uint64_t held_bytes;         /* in its memories and tables, and what it made imported ones grow by */
    uint64_t budget_ns;          /* of CPU time for a call from outside; 0: none */
    uint32_t stack_bytes;        /* never 0 */
    bool bent;                   /* the imports were bent to a trap (trap.c) */
    bool started;     /* false: it failed to start and lives on for its functions in others' tables */
    uint8_t *dropped; /* one byte per element segment, then one per data segment: 1 once dropped */
    struct rt_memory *own_memories;
    struct rt_table *own_tables;
    struct rt_instance *memory_user; /* next in rt_memory.users */
    struct rt_instance *ring_next, *ring_prev;
};

static inline struct rt_instance *rt_instance_of(struct weir_instance *pub)
{
    return (struct rt_instance *)pub;
}
static inline void *rt_instance_at(const struct rt_instance *inst, uint64_t offset)
{
    return (char *)(uintptr_t)inst + offset;
}
static inline const struct wasm_module *rt_instance_wasm(const struct rt_instance *inst)
{
    return inst->module->wasm;
}

/* May its memories and tables have so many bytes more? */
static inline bool rt_instance_may_hold(const struct rt_instance *inst, uint64_t bytes)
{
    return inst->memory_limit_bytes == 0 || inst->held_bytes + bytes <= inst->memory_limit_bytes;
}

/* The bits of a global, wherever it lives. */
static inline uint64_t *rt_global_at(const struct rt_instance *inst, uint32_t globalidx)
{
    char *slot =
        rt_instance_at(inst, inst->module->layout.globals + (uint64_t)globalidx * WEIR_VM_GLOBAL_BYTES);
    return globalidx < inst->module->wasm->nimported_globals ? *(uint64_t **)(void *)slot
                                                             : (uint64_t *)(void *)slot;
}
static inline struct rt_table *rt_table_at(const struct rt_instance *inst, uint32_t tableidx)
{
    return ((struct rt_table **)rt_instance_at(inst, inst->module->layout.tables))[tableidx];
}
static inline struct rt_memory *rt_memory_at(const struct rt_instance *inst, uint32_t memidx)
{
    return ((struct rt_memory **)rt_instance_at(inst, inst->module->layout.memories))[memidx];
}
static inline struct rt_func *rt_slot_at(const struct rt_instance *inst, uint32_t slot)
{
    return (struct rt_func *)rt_instance_at(inst, inst->module->layout.funcs) + slot;
}
/* An imported function, or a defined one that can be referenced (exported, in a segment, ref.func). */
static inline struct rt_func *rt_func_at(const struct rt_instance *inst, uint32_t funcidx)
{
    return rt_slot_at(inst, inst->module->func_slots[funcidx]);
}

/* What an import is resolved to; of the kind the import has. */
struct rt_import {
    const struct rt_func *func;        /* of another instance, or */
    const struct weir_host_func *host; /* of the host */
    struct rt_table *table;
    struct rt_memory *memory;
    uint64_t *global;
    struct rt_instance *owner; /* whose it is; NULL for the host */
};

/* Make an instance of `m`, its imports resolved and type-checked by the caller, run by `ex`; initialise and
 * start it.  Outcomes as weir_instance_new; the caller keeps the module for as long as the instance lives. On
 * failure *out is NULL, or an instance that others may hold functions of: the caller keeps its module too,
 * and leaves it alone until rt_instance_free of one of the others reports it gone. */
weir_status rt_instance_new(const struct rt_module *m, const struct rt_import *imports,
                            const struct rt_executor *ex, const void *exec_module,
                            const struct weir_instance_options *opt, struct rt_instance **out,
                            struct weir_trap *trap, struct weir_report *rep);
/* The parts of it that snapshots share. An instance without memories, tables, functions; its slots of its own
 * tables and memories and memory 0, once own_tables and own_memories are filled in; the end, at any stage. */
struct rt_instance *rt_instance_alloc(const struct rt_module *m, const struct rt_executor *ex,
                                      const void *exec_module, const struct weir_instance_options *opt);
void rt_instance_bind(struct rt_instance *inst);
void rt_instance_release(struct rt_instance *inst);
/* `gone` (may be NULL) is called for each module whose instance went: for this one and for those that failed
 * to start but were kept because others held their functions. */
void rt_instance_free(struct rt_instance *inst, void (*gone)(struct weir_module *m));

/* Everything of an instance that guest code can change, and its function entries. Immutable;
 * src/rt/snapshot.c. An instance can be saved and restored while none of its calls is on a stack. */
struct rt_snapshot;

/* WEIR_E_UNSUPPORTED: the instance is linked with others.  WEIR_E_NOMEM.  The instance goes on as a copy of
 * the snapshot.  The caller keeps the module for as long as the snapshot lives. */
weir_status rt_snapshot_new(struct rt_instance *inst, struct rt_snapshot **out, struct weir_report *rep);
void rt_snapshot_free(struct rt_snapshot *s);
const struct rt_module *rt_snapshot_module(const struct rt_snapshot *s);
/* WEIR_E_NOMEM: the instance can only be freed.  WEIR_E_MISMATCH: of another module or tier; untouched. */
weir_status rt_instance_reset(struct rt_instance *inst, const struct rt_snapshot *s);
/* A new instance in that state.  WEIR_E_NOMEM, WEIR_E_LIMIT. */
weir_status rt_instance_new_from(const struct rt_snapshot *s, const struct weir_instance_options *opt,
                                 struct rt_instance **out, struct weir_report *rep);

/* The value of a validated constant expression. */
void rt_constexpr_eval(const struct rt_instance *inst, struct wasm_constexpr e, uint64_t cells[2]);

/* ---- bulk operations ---------------------------------------------------------------------------------
 * What the instructions of the same names do; they check bounds and trap by themselves.  Indices come before
 * operands, operands in the order of the stack.  Both executors use them (compiled code by inst->helpers). */

uint32_t rt_memory_grow(struct rt_instance *inst, uint32_t memidx,
                        uint32_t delta_pages); /* UINT32_MAX: refused */
void rt_memory_fill(struct rt_instance *inst, uint32_t memidx, uint32_t dst, uint32_t value, uint32_t n);
void rt_memory_copy(struct rt_instance *inst, uint32_t dst_mem, uint32_t src_mem, uint32_t dst, uint32_t src,
                    uint32_t n);
void rt_memory_init(struct rt_instance *inst, uint32_t dataidx, uint32_t memidx, uint32_t dst, uint32_t src,
                    uint32_t n);
void rt_data_drop(struct rt_instance *inst, uint32_t dataidx);
uint32_t rt_table_grow(struct rt_instance *inst, uint32_t tableidx, uint64_t elem,
                       uint32_t delta); /* UINT32_MAX: refused */
void rt_table_fill(struct rt_instance *inst, uint32_t tableidx, uint32_t dst, uint64_t elem, uint32_t n);
void rt_table_copy(struct rt_instance *inst, uint32_t dst_table, uint32_t src_table, uint32_t dst,
                   uint32_t src, uint32_t n);
void rt_table_init(struct rt_instance *inst, uint32_t elemidx, uint32_t tableidx, uint32_t dst, uint32_t src,
                   uint32_t n);
void rt_elem_drop(struct rt_instance *inst, uint32_t elemidx);
uint64_t rt_table_get(struct rt_instance *inst, uint32_t tableidx, uint32_t i);
void rt_table_set(struct rt_instance *inst, uint32_t tableidx, uint32_t i, uint64_t elem);

#endif
