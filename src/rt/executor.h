/* rt/executor.h - what runs functions: the interpreter, or compiled code.
 *
 * rt knows the executors only by this table; src/engine hands it in.  All functions may be called from any
 * thread unless they concern an instance. */
#ifndef RT_EXECUTOR_H
#define RT_EXECUTOR_H

#include "rt/rt.h"
#include "rt/trap.h"

struct rt_executor {
    const char *name; /* "interp" */
    enum weir_tier tier;

    /* Make what all instances of a module share; called once per module, before its first instance. */
    weir_status (*module_prepare)(const struct rt_module *m, void **out, struct weir_report *rep);
    void (*module_free)(void *exec_module);

    /* The instance is allocated, its imports are linked, its memories, tables and globals exist; no
     * guest code ran.  inst->exec_module is set.  For every slot of a function defined here (slots
     * nimported_funcs and up) inst, type, type_id and funcidx are filled in; fill in code, invoke, exec.  May
     * set inst->exec, and guard_low and guard_high. */
    weir_status (*instance_init)(struct rt_instance *inst, struct weir_report *rep);
    /* Also called after instance_init failed, so exec may be NULL. */
    void (*instance_fini)(struct rt_instance *inst);

    /* As `invoke` of a compiled function (rt_func.guest is set), but for the first one of a guest call. */
    void (*enter)(struct rt_func *f, uint64_t *cells);

    /* The call of `call` is about to end in a trap: report its guest frames with rt_trap_add_frame.
     * `fault` is NULL when C code raised the trap; otherwise this runs in the signal handler. */
    void (*backtrace)(struct rt_call *call, const struct os_fault *fault);

    /* May the innermost call be left where it was interrupted: in the guest's code, never in C code, at an
     * instruction where backtrace finds the frames?  In a signal handler.  NULL: nowhere. */
    bool (*may_leave)(const struct rt_call *call, const struct os_fault *at);

    /* The call ended in a trap and its frames are gone; restore what compiled code keeps outside of memory.
     * May be NULL. */
    void (*unwound)(struct rt_call *call);

    /* Is a fault with a pc in registered code a trap, and which?  `memory` tells that the address is in a
     * reservation of linear memory.  In the signal handler.  NULL: only memory faults are traps. */
    bool (*fault_kind)(const struct os_fault *fault, bool memory, enum weir_trap_kind *kind);
};

#endif
