/* rt/trap.h - guest calls, and how a trap leaves them.
 *
 * Every call from the host into a guest (rt_call) is a link in a chain of the thread.  A trap fills the innermost
 * link's struct weir_trap, then jumps back to it.  The frames between are guest frames and host functions that
 * own nothing.  Faults become traps in the signal handler, which allocates nothing:
 *   - in the reservation of a linear memory: MEMORY_BOUNDS;
 *   - in the instance's stack guard: STACK_EXHAUSTED;
 *   - pc in registered code: the kind executor->fault_kind says;
 *   - anything else is passed on, so that a crash stays a crash. */
#ifndef RT_TRAP_H
#define RT_TRAP_H

#include "rt/rt.h"

/* The innermost guest call of this thread. */
struct rt_call {
    void *jump[5]; /* __builtin_setjmp's */
    struct rt_call *previous;
    struct rt_instance *inst;   /* of the function that was called */
    void *exec_frame;           /* the executor's own: where its frames begin, for example */
    weir_status status;
    struct weir_trap *trap;     /* never NULL */
    struct rt_instance **frame_insts; /* WEIR_TRAP_FRAMES: whose function each frame is */
};

extern _Thread_local struct rt_call *rt_calls __attribute__((tls_model("initial-exec")));

/* Call `f` from outside the guest: as weir_func_call says. */
weir_status rt_call_enter(struct rt_func *f, uint64_t *cells, struct weir_trap *trap);

/* End the innermost guest call of this thread with a trap.  `message` NULL: the kind's own text. */
_Noreturn void rt_trap_raise(struct rt_instance *inst, enum weir_trap_kind kind, const char *message);
_Noreturn void rt_trap_exit(struct rt_instance *inst, int32_t code);

/* For executor->backtrace: the next frame, from the innermost outwards; `offset` as in struct weir_frame. */
void rt_trap_add_frame(struct rt_call *call, struct rt_instance *inst, uint32_t funcidx, uint32_t offset);

/* Code whose faults are traps, [start, end).  Thread-safe; at most RT_CODE_RANGES. */
enum { RT_CODE_RANGES = 4096 };
bool rt_code_register(uintptr_t start, uintptr_t end);
void rt_code_unregister(uintptr_t start);

#endif
