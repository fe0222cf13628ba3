/* pw/vm.h - one running instance of a plugin: its exports, its root contexts, calls into it.
 *
 * A VM is reference counted: the plugin holds one reference while the VM is its current one, every step of a
 * stream another.  The last reference ends the roots and frees it.  A VM whose guest trapped is dead: nothing
 * calls it any more, its memory is given back as soon as no call is on the stack, and whoever finds it dead
 * fails by the plugin's policy. */
#ifndef PW_VM_H
#define PW_VM_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "pw/context.h"
#include "weir/proxy_wasm.h"
#include "weir/wasi.h"

enum pw_export_id {
#define PW_EXPORT(id, name, least, most) PW_EXPORT_##id,
#include "pw/exports.def"
    PW_EXPORT_COUNT,
};

enum { PW_EXPORT_MAX_PARAMS = 5 };

struct pw_export_func {
    struct weir_func *func; /* NULL: not exported */
    uint8_t nparams;
    bool has_result;
};

/* Which root call runs; the configuration buffers depend on it. */
enum pw_moment { PW_MOMENT_NONE, PW_MOMENT_ROOT_CREATE, PW_MOMENT_VM_START, PW_MOMENT_CONFIGURE };

struct pw_vm {
    struct weir_wasi *wasi;     /* must be first: weir/wasi.h */
    struct weir_instance *inst; /* NULL once a dead VM gave it back */
    struct pw_plugin *plugin;
    struct weir_module *module;
    enum pw_abi abi;
    uint32_t refs;
    bool dead;
    bool died_late;              /* past its deadline */
    uint32_t died_in;            /* id of the context it was called for */
    const struct pw_saved *from; /* of a stream's own: what it is a copy of; else NULL */
    bool own;                    /* of one stream */
    bool draining;               /* replaced: it ends with its streams */
    uint64_t most_bytes;         /* with more memory it is worn out */
    uint64_t streams_left;       /* after so many it is */
    bool wants_rebuild;          /* property wasm_need_rebuild */
    /* A host call left something with the host that belongs to this VM and pw_vm_save does not take (a
       callout, a queue): a VM made from what was saved would lack it. */
    bool holds_host_state;
    enum pw_moment moment;

    struct pw_tick *ticks;    /* one per root (timer.h) */
    VEC(uint32_t) metrics[3]; /* by type: metrics by id (hostcalls_shared.c) */
    struct strbuf result;     /* copied out of shared memory, on its way into the guest */

    uint32_t depth;               /* calls into the guest on the stack */
    struct pw_context *effective; /* whom host calls act for; never NULL */
    struct pw_stream *deferred;   /* not running, with actions to apply once the outermost call returned */
    struct pw_delivery *delivery; /* what the running callback of a callout may look at, or NULL */
    uint32_t last_callout;        /* number of the last token */
    uint32_t last_dns;            /* token of the last name that was to be resolved */

    struct pw_context self;   /* id 0 */
    struct pw_context *roots; /* one per configuration */
    struct pw_context_table contexts;
    struct pw_export_func exports[PW_EXPORT_COUNT];
    struct weir_func *allocator; /* one of them */
    bool has_stream_callbacks;

    struct weir_wasi wasi_table;
    struct strbuf output[2]; /* unfinished lines of fd 1 and 2 */
    struct pw_tail *tail;    /* of the log, for crash reports; NULL before the first line (crash.h) */
};

/* Instantiate, start, create and configure the roots.  On WEIR_OK the caller holds one reference. */
weir_status pw_vm_new(struct pw_plugin *p, struct weir_module *m, struct pw_vm **out,
                      struct weir_report *rep);
/* It should serve no new stream: it grew too much, or served too many. */
static inline bool pw_vm_worn(const struct pw_vm *vm)
{
    return vm->streams_left == 0 || (vm->inst != NULL && weir_instance_bytes(vm->inst) > vm->most_bytes);
}

/* What a VM is after its start: its memory, metrics and ticks.  NULL: something of it cannot be saved. */
struct pw_saved;
struct pw_saved *pw_vm_save(struct pw_vm *vm);
void pw_saved_free(struct pw_saved *s); /* NULL is fine */
/* A VM as pw_vm_new left the one that was saved, without running the guest; `own`: of one stream, without
 * ticks. With its last reference such a one becomes the plugin's spare VM, as it was. */
weir_status pw_vm_new_from(struct pw_plugin *p, struct weir_module *m, const struct pw_saved *s, bool own,
                           struct pw_vm **out, struct weir_report *rep);
void pw_vm_ref(struct pw_vm *vm);
void pw_vm_unref(struct pw_vm *vm); /* NULL is fine */

static inline bool pw_vm_exports(const struct pw_vm *vm, enum pw_export_id id)
{
    return vm->exports[id].func != NULL;
}

/* Call an export for `ctx` with as many of the arguments as it takes.  True: it returned, or is not exported;
 * *result (may be NULL) is set if it has one.  False: the VM is dead now.
 * pw_vm_call_cells takes the arguments as the engine does, and overwrites them. */
bool pw_vm_call_cells(struct pw_vm *vm, struct pw_context *ctx, enum pw_export_id id,
                      uint64_t cells[PW_EXPORT_MAX_PARAMS], uint32_t *result);

static inline bool pw_vm_call(struct pw_vm *vm, struct pw_context *ctx, enum pw_export_id id,
                              const uint32_t args[PW_EXPORT_MAX_PARAMS], uint32_t *result)
{
    /* Inline, so that the arguments are written once, in the width in which they are read. */
    uint64_t cells[PW_EXPORT_MAX_PARAMS] = {args[0], args[1], args[2], args[3], args[4]};
    return pw_vm_call_cells(vm, ctx, id, cells, result);
}

/* Memory the guest allocates, for a host call's result; 0 if it has none to give.  A trap of the allocator is
 * one of the running call.  `bytes` is not 0. */
uint32_t pw_vm_guest_alloc(struct pw_vm *vm, uint32_t bytes);

/* A line of the plugin's log, with what the guest wrote to fd 1 and 2 before it. */
void pw_vm_log(struct pw_vm *vm, enum pw_log_level level, struct str line);

#endif
