/* interp/exec_float.c - handlers of floating point arithmetic, comparison and conversion.
 *
 * f32 and f64 have an accumulator each.  Semantics are in interp/numeric.h; plain operators are IEEE 754 and
 * their NaN results are arithmetic NaNs already. */
#include "interp/exec.h"
#include "interp/numeric.h"

#define GET_f32(x) interp_f32(x)
#define GET_f64(x) interp_f64(x)
#define BITS_f32(x) interp_f32_bits(x)
#define BITS_f64(x) interp_f64_bits(x)
#define ACC_f32 facc
#define ACC_f64 dacc
#define T_f32 float
#define T_f64 double

#define ONE(name, s, lhs, rhs, put, words, expr)                                                             \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T_##s a = lhs, b = rhs;                                                                              \
        ACC_##s = expr;                                                                                      \
        put NEXT(words);                                                                                     \
    }
#define PUT(s) SLOT(0) = BITS_##s(ACC_##s);
#define BIN(op, s, expr)                                                                                     \
    ONE(op##_SS_A, s, GET_##s(SLOT(1)), GET_##s(SLOT(2)), , 2, expr)                                         \
    ONE(op##_SS_S, s, GET_##s(SLOT(1)), GET_##s(SLOT(2)), PUT(s), 2, expr)                                   \
    ONE(op##_SI_A, s, GET_##s(SLOT(1)), GET_##s(IMM64), , 3, expr)                                           \
    ONE(op##_SI_S, s, GET_##s(SLOT(1)), GET_##s(IMM64), PUT(s), 3, expr)                                     \
    ONE(op##_AS_A, s, ACC_##s, GET_##s(SLOT(1)), , 2, expr)                                                  \
    ONE(op##_AS_S, s, ACC_##s, GET_##s(SLOT(1)), PUT(s), 2, expr)                                            \
    ONE(op##_AI_A, s, ACC_##s, GET_##s(IMM64), , 3, expr)                                                    \
    ONE(op##_AI_S, s, ACC_##s, GET_##s(IMM64), PUT(s), 3, expr)                                              \
    ONE(op##_SA_A, s, GET_##s(SLOT(1)), ACC_##s, , 2, expr)                                                  \
    ONE(op##_SA_S, s, GET_##s(SLOT(1)), ACC_##s, PUT(s), 2, expr)                                            \
    ONE(op##_IS_A, s, GET_##s(IMM64), GET_##s(SLOT(1)), , 3, expr)                                           \
    ONE(op##_IS_S, s, GET_##s(IMM64), GET_##s(SLOT(1)), PUT(s), 3, expr)                                     \
    ONE(op##_IA_A, s, GET_##s(IMM64), ACC_##s, , 3, expr)                                                    \
    ONE(op##_IA_S, s, GET_##s(IMM64), ACC_##s, PUT(s), 3, expr)

BIN(F32_ADD, f32, a + b)
BIN(F32_SUB, f32, a - b)
BIN(F32_MUL, f32, a *b)
BIN(F32_DIV, f32, a / b)
BIN(F32_MIN, f32, numeric_min_f32(a, b))
BIN(F32_MAX, f32, numeric_max_f32(a, b))
BIN(F32_COPYSIGN, f32, numeric_copysign_f32(a, b))
BIN(F64_ADD, f64, a + b)
BIN(F64_SUB, f64, a - b)
BIN(F64_MUL, f64, a *b)
BIN(F64_DIV, f64, a / b)
BIN(F64_MIN, f64, numeric_min_f64(a, b))
BIN(F64_MAX, f64, numeric_max_f64(a, b))
BIN(F64_COPYSIGN, f64, numeric_copysign_f64(a, b))

#define UN_ONE(name, s, from, put, expr)                                                                     \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T_##s a = from;                                                                                      \
        ACC_##s = expr;                                                                                      \
        put NEXT(2);                                                                                         \
    }
#define UN(op, s, expr)                                                                                      \
    UN_ONE(op##_S_A, s, GET_##s(SLOT(1)), , expr)                                                            \
    UN_ONE(op##_S_S, s, GET_##s(SLOT(1)), PUT(s), expr)                                                      \
    UN_ONE(op##_A_A, s, ACC_##s, , expr)                                                                     \
    UN_ONE(op##_A_S, s, ACC_##s, PUT(s), expr)
#define UN_BOTH(op, fn) UN(F32_##op, f32, numeric_##fn##_f32(a)) UN(F64_##op, f64, numeric_##fn##_f64(a))

UN_BOTH(ABS, abs)
UN_BOTH(NEG, neg)
UN_BOTH(CEIL, ceil)
UN_BOTH(FLOOR, floor)
UN_BOTH(TRUNC, trunc)
UN_BOTH(NEAREST, nearest)
UN(F32_SQRT, f32, __builtin_sqrtf(a))
UN(F64_SQRT, f64, __builtin_sqrt(a))

/* ---- comparisons ---- */

#define CMP_ONE(name, s, lhs, rhs, put, words, expr)                                                         \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T_##s a = lhs, b = rhs;                                                                              \
        acc = (expr) ? 1 : 0;                                                                                \
        put NEXT(words);                                                                                     \
    }
#define BR_ONE(name, s, lhs, rhs, words, expr)                                                               \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T_##s a = lhs, b = rhs;                                                                              \
        if (expr)                                                                                            \
            BRANCH(REL);                                                                                     \
        NEXT(words);                                                                                         \
    }
#define CMP_BR(op, s, expr)                                                                                  \
    BR_ONE(op##_SS, s, GET_##s(SLOT(0)), GET_##s(SLOT(1)), 2, expr)                                          \
    BR_ONE(op##_SI, s, GET_##s(SLOT(0)), GET_##s(IMM64), 3, expr)                                            \
    BR_ONE(op##_AS, s, ACC_##s, GET_##s(SLOT(0)), 2, expr)                                                   \
    BR_ONE(op##_AI, s, ACC_##s, GET_##s(IMM64), 3, expr)
#define CMP(op, s, expr)                                                                                     \
    CMP_ONE(op##_SS_A, s, GET_##s(SLOT(1)), GET_##s(SLOT(2)), , 2, expr)                                     \
    CMP_ONE(op##_SS_S, s, GET_##s(SLOT(1)), GET_##s(SLOT(2)), SLOT(0) = acc;, 2, expr)                       \
    CMP_ONE(op##_SI_A, s, GET_##s(SLOT(1)), GET_##s(IMM64), , 3, expr)                                       \
    CMP_ONE(op##_SI_S, s, GET_##s(SLOT(1)), GET_##s(IMM64), SLOT(0) = acc;, 3, expr)                         \
    CMP_ONE(op##_AS_A, s, ACC_##s, GET_##s(SLOT(1)), , 2, expr)                                              \
    CMP_ONE(op##_AS_S, s, ACC_##s, GET_##s(SLOT(1)), SLOT(0) = acc;, 2, expr)                                \
    CMP_ONE(op##_AI_A, s, ACC_##s, GET_##s(IMM64), , 3, expr)                                                \
    CMP_ONE(op##_AI_S, s, ACC_##s, GET_##s(IMM64), SLOT(0) = acc;, 3, expr)                                  \
    CMP_BR(op##_BR, s, expr)                                                                                 \
    CMP_BR(op##_BRN, s, !(expr))

CMP(F32_EQ, f32, a == b)
CMP(F32_NE, f32, a != b)
CMP(F32_LT, f32, a < b)
CMP(F32_GT, f32, a > b)
CMP(F32_LE, f32, a <= b)
CMP(F32_GE, f32, a >= b)
CMP(F64_EQ, f64, a == b)
CMP(F64_NE, f64, a != b)
CMP(F64_LT, f64, a < b)
CMP(F64_GT, f64, a > b)
CMP(F64_LE, f64, a <= b)
CMP(F64_GE, f64, a >= b)

/* ---- to integers: NaN and out of range trap ---- */

#define TRUNC_ONE(name, s, from, low, high, put, expr)                                                       \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T_##s a = from;                                                                                      \
        TRAP_IF(a != a, INVALID_CONVERSION);                                                                 \
        TRAP_IF(!(a > (low) && a < (high)), INTEGER_OVERFLOW);                                               \
        acc = (expr);                                                                                        \
        put NEXT(2);                                                                                         \
    }
#define TRUNC(op, s, low, high, expr)                                                                        \
    TRUNC_ONE(op##_S_A, s, GET_##s(SLOT(1)), low, high, , expr)                                              \
    TRUNC_ONE(op##_S_S, s, GET_##s(SLOT(1)), low, high, SLOT(0) = acc;, expr)                                \
    TRUNC_ONE(op##_A_A, s, ACC_##s, low, high, , expr)                                                       \
    TRUNC_ONE(op##_A_S, s, ACC_##s, low, high, SLOT(0) = acc;, expr)

/* The open ranges; where the lower end is not representable the next number below the minimum is. */
TRUNC(I32_TRUNC_F32_S, f32, -2147483904.0f, 2147483648.0f, (uint32_t)(int32_t)a)
TRUNC(I32_TRUNC_F32_U, f32, -1.0f, 4294967296.0f, (uint32_t)a)
TRUNC(I32_TRUNC_F64_S, f64, -2147483649.0, 2147483648.0, (uint32_t)(int32_t)a)
TRUNC(I32_TRUNC_F64_U, f64, -1.0, 4294967296.0, (uint32_t)a)
TRUNC(I64_TRUNC_F32_S, f32, -9223373136366403584.0f, 9223372036854775808.0f, (uint64_t)(int64_t)a)
TRUNC(I64_TRUNC_F32_U, f32, -1.0f, 18446744073709551616.0f, (uint64_t)a)
TRUNC(I64_TRUNC_F64_S, f64, -9223372036854777856.0, 9223372036854775808.0, (uint64_t)(int64_t)a)
TRUNC(I64_TRUNC_F64_U, f64, -1.0, 18446744073709551616.0, (uint64_t)a)

/* ---- conversions that cannot fail: from one class of register to another ---- */

#define CONVERT_ONE(name, T, from, dst, put, expr)                                                           \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a = (T)(from);                                                                                     \
        dst = (expr);                                                                                        \
        put NEXT(2);                                                                                         \
    }
#define CONVERT(op, T, slot, accumulator, dst, bits, expr)                                                   \
    CONVERT_ONE(op##_S_A, T, slot, dst, , expr)                                                              \
    CONVERT_ONE(op##_S_S, T, slot, dst, SLOT(0) = bits;, expr)                                               \
    CONVERT_ONE(op##_A_A, T, accumulator, dst, , expr)                                                       \
    CONVERT_ONE(op##_A_S, T, accumulator, dst, SLOT(0) = bits;, expr)
#define TO_INT_f32(op, expr) CONVERT(op, float, interp_f32(SLOT(1)), facc, acc, acc, expr)
#define TO_INT_f64(op, expr) CONVERT(op, double, interp_f64(SLOT(1)), dacc, acc, acc, expr)
#define TO_F32(op, T) CONVERT(op, T, SLOT(1), acc, facc, interp_f32_bits(facc), (float)a)
#define TO_F64(op, T) CONVERT(op, T, SLOT(1), acc, dacc, interp_f64_bits(dacc), (double)a)

TO_INT_f32(I32_TRUNC_SAT_F32_S, (uint32_t)numeric_sat_i32_f32(a))
    TO_INT_f32(I32_TRUNC_SAT_F32_U, numeric_sat_u32_f32(a))
        TO_INT_f64(I32_TRUNC_SAT_F64_S, (uint32_t)numeric_sat_i32_f64(a))
            TO_INT_f64(I32_TRUNC_SAT_F64_U, numeric_sat_u32_f64(a))
                TO_INT_f32(I64_TRUNC_SAT_F32_S, (uint64_t)numeric_sat_i64_f32(a))
                    TO_INT_f32(I64_TRUNC_SAT_F32_U, numeric_sat_u64_f32(a))
                        TO_INT_f64(I64_TRUNC_SAT_F64_S, (uint64_t)numeric_sat_i64_f64(a))
                            TO_INT_f64(I64_TRUNC_SAT_F64_U, numeric_sat_u64_f64(a))
                                TO_F32(F32_CONVERT_I32_S, int32_t) TO_F32(F32_CONVERT_I32_U, uint32_t)
                                    TO_F32(F32_CONVERT_I64_S, int64_t) TO_F32(F32_CONVERT_I64_U, uint64_t)
                                        TO_F64(F64_CONVERT_I32_S, int32_t) TO_F64(F64_CONVERT_I32_U, uint32_t)
                                            TO_F64(F64_CONVERT_I64_S, int64_t)
                                                TO_F64(F64_CONVERT_I64_U, uint64_t)
                                                    CONVERT(F32_DEMOTE_F64, double, interp_f64(SLOT(1)), dacc,
                                                            facc, interp_f32_bits(facc), (float)a)
                                                        CONVERT(F64_PROMOTE_F32, float, interp_f32(SLOT(1)),
                                                                facc, dacc, interp_f64_bits(dacc), (double)a)
