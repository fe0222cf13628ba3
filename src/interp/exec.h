/* interp/exec.h - how handlers are written.
 *
 * A handler is a function of INTERP_PARAMS that ends in NEXT, a tail call of the next instruction's handler;
 * the machine's registers are its parameters.  Here macros do hide the return: that is the dispatch, and the
 * only place where they may.  Everything that calls C saves the registers in `run` first (SAVE), so that a
 * trap raised there finds its backtrace. */
#ifndef INTERP_EXEC_H
#define INTERP_EXEC_H

#include <string.h>

#include "interp/code.h"

#define HANDLER_ATTRIBUTES                                                                                   \
    INTERP_CONVENTION __attribute__((section("weir_interp_text"), no_sanitize("address", "undefined")))

#define HANDLER(name) HANDLER_ATTRIBUTES void interp_h_##name(INTERP_PARAMS)

#define DISPATCH() __attribute__((musttail)) return ((interp_handler *)(uintptr_t)ip[0])(INTERP_ARGS)
#define NEXT(words)                                                                                          \
    do {                                                                                                     \
        ip += (words);                                                                                       \
        DISPATCH();                                                                                          \
    } while (0)
#define TRAP_IF(cond, kind)                                                                                  \
    do {                                                                                                     \
        if (__builtin_expect(cond, 0)) __attribute__                                                         \
            ((musttail)) return interp_trap_##kind(INTERP_ARGS);                                             \
    } while (0)

#define X(name, text) interp_handler interp_trap_##name;
WEIR_TRAP_KINDS(X)
#undef X

#define SAVE() (run->ip = ip, run->fp = fp, run->sp = sp)

/* Operands. */
#define U16(i) (((const uint16_t *)(ip + 1))[i])
#define U32HI (((const uint32_t *)(ip + 1))[1])
#define U32LO (((const uint32_t *)(ip + 1))[0])
#define REL (((const int32_t *)(ip + 1))[1])
#define IMM64 (ip[2])
#define SLOT(i) (fp[U16(i)])
#define BRANCH(rel)                                                                                          \
    do {                                                                                                     \
        ip = (const uint64_t *)((const char *)ip + (rel));                                                   \
        DISPATCH();                                                                                          \
    } while (0)

/* Bits and numbers. */
static inline float interp_f32(uint64_t bits)
{
    uint32_t u = (uint32_t)bits;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline uint64_t interp_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline double interp_f64(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}
static inline uint64_t interp_f64_bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

#endif
