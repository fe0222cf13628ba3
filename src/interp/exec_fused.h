/* interp/exec_fused.h - two operations in one handler: the second consumes the first one's result.
 *
 * Word 1 is that of the first operation (destination, slot, then slot, immediate or offset); the lower half
 * of word 2 is the second operation's slot or immediate, the upper half the branch distance, or the second
 * part of a load's address. */
#ifndef INTERP_EXEC_FUSED_H
#define INTERP_EXEC_FUSED_H

#include "interp/exec.h"

#define EX_ADD(a, b) ((a) + (b))
#define EX_SUB(a, b) ((a) - (b))
#define EX_MUL(a, b) ((a) * (b))
#define EX_AND(a, b) ((a) & (b))
#define EX_OR(a, b) ((a) | (b))
#define EX_XOR(a, b) ((a) ^ (b))
#define EX_SHL(a, b) ((a) << ((b) & 31))
#define EX_SHR_U(a, b) ((a) >> ((b) & 31))
#define EX_ROTL(a, b) ((a) << ((b) & 31) | (a) >> (-(b) & 31))

/* The operands of the first operation, and the other one of the second. */
#define W2LO ((uint32_t)ip[2])
#define W2HI ((uint32_t)(ip[2] >> 32))
#define LHS_SS ((uint32_t)SLOT(1))
#define LHS_SI ((uint32_t)SLOT(1))
#define LHS_AS ((uint32_t)acc)
#define LHS_AI ((uint32_t)acc)
#define RHS_SS ((uint32_t)fp[U32HI])
#define RHS_SI U32HI
#define RHS_AS ((uint32_t)fp[U32HI])
#define RHS_AI U32HI
#define OTHER_S (uint32_t)fp[W2LO]
#define OTHER_I W2LO
#define PUT_A
#define PUT_S SLOT(0) = acc;

/* Where a load's second address part is: word 2, or word 3 when the branch distance is there. */
#define ADDR_S(extra) (uint32_t)SLOT(1)
#define ADDR_A(extra) (uint32_t)acc
#define ADDR_SS(extra) (uint32_t)(SLOT(1) + fp[extra])
#define ADDR_AS(extra) (uint32_t)(acc + fp[extra])
#define ADDR_SI(extra) (uint32_t)(SLOT(1) + (extra))
#define ADDR_AI(extra) (uint32_t)(acc + (extra))

/* No comma outside parentheses: these are macro arguments. */
#define FIRST(op, form) a = EX_##op(LHS_##form, RHS_##form)
#define FETCH(C, address)                                                                                    \
    do {                                                                                                     \
        C v;                                                                                                 \
        memcpy(&v, mem + (uint64_t)(address) + U32HI, sizeof v);                                             \
        a = v;                                                                                               \
    } while (0)

#endif
