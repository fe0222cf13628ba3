/* interp/exec_memory.c - handlers of loads and stores.
 *
 * An address is 32 bits and so is the offset; their 64-bit sum stays inside the reservation of every memory,
 * so an access out of bounds faults and rt makes a trap of the fault (rt/trap.h). */
#include "interp/exec.h"

#define ADDR(x) ((uint64_t)(uint32_t)(x))

#define LOAD_ONE(name, C, addr, words, dst, put)                                                             \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        C v;                                                                                                 \
        memcpy(&v, mem + (addr) + U32HI, sizeof v);                                                          \
        dst;                                                                                                 \
        put NEXT(words);                                                                                     \
    }
#define LOAD(op, C, dst, val)                                                                                \
    LOAD_ONE(op##_S_A, C, ADDR(SLOT(1)), 2, dst, )                                                           \
    LOAD_ONE(op##_S_S, C, ADDR(SLOT(1)), 2, dst, SLOT(0) = val;)                                             \
    LOAD_ONE(op##_A_A, C, ADDR(acc), 2, dst, )                                                               \
    LOAD_ONE(op##_A_S, C, ADDR(acc), 2, dst, SLOT(0) = val;)                                                 \
    LOAD_ONE(op##_I_A, C, 0, 2, dst, )                                                                       \
    LOAD_ONE(op##_I_S, C, 0, 2, dst, SLOT(0) = val;)                                                         \
    LOAD_ONE(op##_SS_A, C, ADDR(SLOT(1) + fp[IMM64]), 3, dst, )                                              \
    LOAD_ONE(op##_SS_S, C, ADDR(SLOT(1) + fp[IMM64]), 3, dst, SLOT(0) = val;)                                \
    LOAD_ONE(op##_AS_A, C, ADDR(acc + SLOT(1)), 2, dst, )                                                    \
    LOAD_ONE(op##_AS_S, C, ADDR(acc + SLOT(1)), 2, dst, SLOT(0) = val;)                                      \
    LOAD_ONE(op##_SI_A, C, ADDR(SLOT(1) + IMM64), 3, dst, )                                                  \
    LOAD_ONE(op##_SI_S, C, ADDR(SLOT(1) + IMM64), 3, dst, SLOT(0) = val;)                                    \
    LOAD_ONE(op##_AI_A, C, ADDR(acc + IMM64), 3, dst, )                                                      \
    LOAD_ONE(op##_AI_S, C, ADDR(acc + IMM64), 3, dst, SLOT(0) = val;)

LOAD(I32_LOAD, uint32_t, acc = v, acc)
LOAD(I32_LOAD8_S, int8_t, acc = (uint32_t)v, acc)
LOAD(I32_LOAD8_U, uint8_t, acc = v, acc)
LOAD(I32_LOAD16_S, int16_t, acc = (uint32_t)v, acc)
LOAD(I32_LOAD16_U, uint16_t, acc = v, acc)
LOAD(I64_LOAD, uint64_t, acc = v, acc)
LOAD(I64_LOAD8_S, int8_t, acc = (uint64_t)(int64_t)v, acc)
LOAD(I64_LOAD16_S, int16_t, acc = (uint64_t)(int64_t)v, acc)
LOAD(I64_LOAD32_S, int32_t, acc = (uint64_t)(int64_t)v, acc)
LOAD(F32_LOAD, float, facc = v, interp_f32_bits(facc))
LOAD(F64_LOAD, double, dacc = v, interp_f64_bits(dacc))

#define STORE_ONE(name, C, addr, val, words)                                                                 \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        C v = (C)(val);                                                                                      \
        memcpy(mem + (addr) + U32HI, &v, sizeof v);                                                          \
        NEXT(words);                                                                                         \
    }
#define STORE(op, C)                                                                                         \
    STORE_ONE(op##_SS, C, ADDR(SLOT(1)), SLOT(0), 2)                                                         \
    STORE_ONE(op##_SA, C, ADDR(SLOT(1)), acc, 2)                                                             \
    STORE_ONE(op##_SI, C, ADDR(SLOT(1)), IMM64, 3)                                                           \
    STORE_ONE(op##_AS, C, ADDR(acc), SLOT(0), 2)                                                             \
    STORE_ONE(op##_AI, C, ADDR(acc), IMM64, 3)                                                               \
    STORE_ONE(op##_IS, C, 0, SLOT(0), 2)                                                                     \
    STORE_ONE(op##_IA, C, 0, acc, 2)                                                                         \
    STORE_ONE(op##_II, C, 0, IMM64, 3)                                                                       \
    STORE_ONE(op##_PSS, C, ADDR(SLOT(1) + fp[IMM64]), SLOT(0), 3)                                            \
    STORE_ONE(op##_PSI, C, ADDR(SLOT(1) + IMM64), SLOT(0), 3)

STORE(I32_STORE, uint32_t)
STORE(I32_STORE8, uint8_t)
STORE(I32_STORE16, uint16_t)
STORE(I64_STORE, uint64_t)
STORE_ONE(F32_STORE_SA, float, ADDR(SLOT(1)), facc, 2)
STORE_ONE(F32_STORE_AA, float, ADDR(acc), facc, 2)
STORE_ONE(F32_STORE_IA, float, 0, facc, 2)
STORE_ONE(F64_STORE_SA, double, ADDR(SLOT(1)), dacc, 2)
STORE_ONE(F64_STORE_AA, double, ADDR(acc), dacc, 2)
STORE_ONE(F64_STORE_IA, double, 0, dacc, 2)
