/* interp/exec_fused_alu.c - an i32 operation or a load, then another i32 operation; see interp/exec_fused.h.
 */
#include "interp/exec_fused.h"

#define ALU_ONE(name, first, op, from, put, words)                                                           \
    HANDLER(name##_##op##_##from##_##put)                                                                    \
    {                                                                                                        \
        uint32_t a, b = OTHER_##from;                                                                        \
        first;                                                                                               \
        acc = EX_##op(a, b);                                                                                 \
        PUT_##put NEXT(words);                                                                               \
    }
#define ALU_THEN(name, first, op, words)                                                                     \
    ALU_ONE(name, first, op, S, A, words)                                                                    \
    ALU_ONE(name, first, op, S, S, words)                                                                    \
    ALU_ONE(name, first, op, I, A, words)                                                                    \
    ALU_ONE(name, first, op, I, S, words)
#define THEN_ALU(name, first, words)                                                                         \
    ALU_THEN(name, first, ADD, words)                                                                        \
    ALU_THEN(name, first, SUB, words)                                                                        \
    ALU_THEN(name, first, MUL, words)                                                                        \
    ALU_THEN(name, first, AND, words)                                                                        \
    ALU_THEN(name, first, OR, words)                                                                         \
    ALU_THEN(name, first, XOR, words)                                                                        \
    ALU_THEN(name, first, SHL, words)                                                                        \
    ALU_THEN(name, first, SHR_U, words)                                                                      \
    ALU_THEN(name, first, ROTL, words)

#define PAIR(op)                                                                                             \
    THEN_ALU(PAIR_##op##_SS, FIRST(op, SS), 3)                                                               \
    THEN_ALU(PAIR_##op##_SI, FIRST(op, SI), 3)                                                               \
    THEN_ALU(PAIR_##op##_AS, FIRST(op, AS), 3)                                                               \
    THEN_ALU(PAIR_##op##_AI, FIRST(op, AI), 3)
PAIR(ADD)
PAIR(SUB)
PAIR(MUL)
PAIR(AND)
PAIR(OR)
PAIR(XOR)
PAIR(SHL)
PAIR(SHR_U)
PAIR(ROTL)

#define LOAD_ALU(name, C)                                                                                    \
    THEN_ALU(name##_S, FETCH(C, ADDR_S(0)), 3)                                                               \
    THEN_ALU(name##_A, FETCH(C, ADDR_A(0)), 3)                                                               \
    THEN_ALU(name##_SS, FETCH(C, ADDR_SS(W2HI)), 3)                                                          \
    THEN_ALU(name##_AS, FETCH(C, ADDR_AS(W2HI)), 3)                                                          \
    THEN_ALU(name##_SI, FETCH(C, ADDR_SI(W2HI)), 3)                                                          \
    THEN_ALU(name##_AI, FETCH(C, ADDR_AI(W2HI)), 3)
LOAD_ALU(LOADALU_32, uint32_t)
LOAD_ALU(LOADALU_8, uint8_t)
