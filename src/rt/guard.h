/* rt/guard.h - the frame that a trap jumps back to.
 *
 * What setjmp and longjmp do, but the registers lie on the stack where an ordinary function saves them, so
 * that the caller keeps its own, and the guest is called from here: the way from the host into a guest is
 * short because nothing on it is saved twice.  The signal mask is left alone; leaving works in signal
 * handlers. */
#ifndef RT_GUARD_H
#define RT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct rt_func;
struct rt_instance;

#if defined(__x86_64__)
#define RT_GUARD_CODE 1 /* rt_guard_code is there */
#else
#define RT_GUARD_CODE 0
#include <setjmp.h>
#endif

struct rt_guard {
    uintptr_t frame; /* every frame of the guest call is below it */
#if !RT_GUARD_CODE
    jmp_buf jump;
#endif
};

/* Call invoke(f, cells).  False: it returned.  True: rt_guard_leave ended it. */
bool rt_guard_call(struct rt_guard *g, void (*invoke)(struct rt_func *f, uint64_t *cells), struct rt_func *f,
                   uint64_t *cells);

/* The same for compiled code that takes integers in registers, without a trampoline: vmctx where weirc has it
 * (weirc/unit.h), parameters and result as C.  `shape` says how many parameters there are in the cells and
 * what becomes of the result; the rest of it is not looked at. */
enum {
    RT_SHAPE_PARAMS = 0xff, /* at most RT_SHAPE_MAX_PARAMS */
    RT_SHAPE_RESULT = 0x100,
    RT_SHAPE_WIDE = 0x200, /* of 64 bits */
    RT_SHAPE_CODE = 0x400, /* never 0 */
    RT_SHAPE_BASE = 0x800, /* the code wants rt_code_base to be its memory's (rt/trap.h) */
    RT_SHAPE_MAX_PARAMS = 5,
};
#if RT_GUARD_CODE
bool rt_guard_code(struct rt_guard *g, void (*code)(void), struct rt_instance *inst, uint64_t *cells,
                   uint32_t shape);
#endif

/* End the call that `g` guards, which is on this thread's stack.  The frames between are gone. */
_Noreturn void rt_guard_leave(struct rt_guard *g);

#endif
