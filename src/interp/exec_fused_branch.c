/* interp/exec_fused_branch.c - an i32 operation or a load, then a comparison and a branch; see
 * interp/exec_fused.h. */
#include "interp/exec_fused.h"

#define EX_EQ(a, b) ((a) == (b))
#define EX_NE(a, b) ((a) != (b))
#define EX_LT_S(a, b) ((int32_t)(a) < (int32_t)(b))
#define EX_LT_U(a, b) ((a) < (b))
#define EX_GT_S(a, b) ((int32_t)(a) > (int32_t)(b))
#define EX_GT_U(a, b) ((a) > (b))
#define EX_LE_S(a, b) ((int32_t)(a) <= (int32_t)(b))
#define EX_LE_U(a, b) ((a) <= (b))
#define EX_GE_S(a, b) ((int32_t)(a) >= (int32_t)(b))
#define EX_GE_U(a, b) ((a) >= (b))

#define BR_ONE(name, first, op, from, put, words)                                                            \
    HANDLER(name##_##op##_##from##_##put)                                                                    \
    {                                                                                                        \
        uint32_t a;                                                                                          \
        first;                                                                                               \
        acc = a;                                                                                             \
        PUT_##put if (EX_##op(a, OTHER_##from)) BRANCH((int32_t)W2HI);                                       \
        NEXT(words);                                                                                         \
    }
#define BR_THEN(name, first, op, words)                                                                      \
    BR_ONE(name, first, op, S, A, words)                                                                     \
    BR_ONE(name, first, op, S, S, words)                                                                     \
    BR_ONE(name, first, op, I, A, words)                                                                     \
    BR_ONE(name, first, op, I, S, words)
#define THEN_BR(name, first, words)                                                                          \
    BR_THEN(name, first, EQ, words)                                                                          \
    BR_THEN(name, first, NE, words)                                                                          \
    BR_THEN(name, first, LT_S, words)                                                                        \
    BR_THEN(name, first, LT_U, words)                                                                        \
    BR_THEN(name, first, GT_S, words)                                                                        \
    BR_THEN(name, first, GT_U, words)                                                                        \
    BR_THEN(name, first, LE_S, words)                                                                        \
    BR_THEN(name, first, LE_U, words)                                                                        \
    BR_THEN(name, first, GE_S, words)                                                                        \
    BR_THEN(name, first, GE_U, words)

#define ALU_BR(op)                                                                                           \
    THEN_BR(ALUBR_##op##_SS, FIRST(op, SS), 3)                                                               \
    THEN_BR(ALUBR_##op##_SI, FIRST(op, SI), 3)                                                               \
    THEN_BR(ALUBR_##op##_AS, FIRST(op, AS), 3)                                                               \
    THEN_BR(ALUBR_##op##_AI, FIRST(op, AI), 3)
ALU_BR(ADD)
ALU_BR(SUB)
ALU_BR(AND)

#define LOAD_BR(name, C)                                                                                     \
    THEN_BR(name##_S, FETCH(C, ADDR_S(0)), 3)                                                                \
    THEN_BR(name##_A, FETCH(C, ADDR_A(0)), 3)                                                                \
    THEN_BR(name##_SS, FETCH(C, ADDR_SS(ip[3])), 4)                                                          \
    THEN_BR(name##_AS, FETCH(C, ADDR_AS(ip[3])), 4)                                                          \
    THEN_BR(name##_SI, FETCH(C, ADDR_SI(ip[3])), 4)                                                          \
    THEN_BR(name##_AI, FETCH(C, ADDR_AI(ip[3])), 4)
LOAD_BR(LOADBR_32, uint32_t)
LOAD_BR(LOADBR_8, uint8_t)
