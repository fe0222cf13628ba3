/* rt/trap.h - guest calls, and how a trap leaves them.
 *
 * Every call from the host into a guest (rt_call) is a link in a chain of the thread.  A trap fills the
 * innermost link's struct weir_trap, then jumps back to it.  The frames between are guest frames and host
 * functions that own nothing.  Faults become traps in the signal handler, which allocates nothing:
 *   - in the reservation of a linear memory: MEMORY_BOUNDS;
 *   - in the instance's stack guard: STACK_EXHAUSTED;
 *   - pc in registered code: the kind executor->fault_kind says;
 *   - anything else is passed on, so that a crash stays a crash.
 *
 * A call of an instance with a CPU budget is watched by the thread's ticks: the first that finds the call
 * notes the time; the second asks for the next one when the budget may be used up, and for none before.  One
 * that finds the call over its budget ends it at once if the guest's code is interrupted.  Host code is never
 * interrupted: the instance's imports are bent to a function that traps, so that the next host call ends it,
 * unless a later tick or the call's return comes first.  Running code pays nothing.
 */
#ifndef RT_TRAP_H
#define RT_TRAP_H

#include "rt/guard.h"
#include "rt/rt.h"

/* A guest call of this thread. */
struct rt_call {
    struct rt_guard guard; /* all guest frames of the call are below its frame */
    struct rt_call *previous;
    struct rt_instance *inst; /* of the function that was called */
    void *exec_state;         /* the executor's own, NULL at first */
    weir_status status;       /* once it trapped */
    uint64_t seen_ns;         /* thread CPU time of the first tick in it; 0: none yet, RT_EXPIRED: over */
    struct weir_trap *trap;   /* never NULL */
    const struct rt_module *frame_modules[WEIR_TRAP_FRAMES]; /* whose function each frame is */
};

#define RT_EXPIRED UINT64_MAX

/* The innermost. */
extern _Thread_local struct rt_call *rt_calls __attribute__((tls_model("initial-exec")));

/* Which memory compiled code of this thread finds in its base register, as far as src/aot set it. */
extern _Thread_local uintptr_t rt_code_base __attribute__((tls_model("initial-exec")));

/* Call `f` from outside the guest: as weir_func_call says. */
weir_status rt_call_enter(struct rt_func *f, uint64_t *cells, struct weir_trap *trap);
/* From a host function: as weir_func_call_within says. */
void rt_call_within(struct rt_func *f, uint64_t *cells);

/* End the innermost guest call of this thread with a trap.  `message` NULL: the kind's own text. */
_Noreturn void rt_trap_raise(struct rt_instance *inst, enum weir_trap_kind kind, const char *message);
_Noreturn void rt_trap_exit(struct rt_instance *inst, int32_t code);

/* Be the first to see faults, also if somebody installed signal handlers since; done for every new instance.
 */
void rt_faults_watch(void);

/* For executor->backtrace: the next frame, from the innermost outwards; `offset` as in struct weir_frame. */
void rt_trap_add_frame(struct rt_call *call, struct rt_instance *inst, uint32_t funcidx, uint32_t offset);

/* Code whose faults are traps, [start, end).  Thread-safe; at most RT_CODE_RANGES. */
enum { RT_CODE_RANGES = 4096 };
bool rt_code_register(uintptr_t start, uintptr_t end);
void rt_code_unregister(uintptr_t start);
bool rt_code_contains(uintptr_t pc); /* async-signal-safe */

#endif
