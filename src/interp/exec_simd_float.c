/* interp/exec_simd_float.c - vector handlers of floating point; the scalar semantics lane by lane. */
#include "interp/exec_simd.h"
#include "interp/numeric.h"

#define COMPARE(name, T, R)                                                                                  \
    V_BINARY(name##_EQ, T, R, a == b)                                                                        \
    V_BINARY(name##_NE, T, R, a != b)                                                                        \
    V_BINARY(name##_LT, T, R, a < b)                                                                         \
    V_BINARY(name##_GT, T, R, a > b)                                                                         \
    V_BINARY(name##_LE, T, R, a <= b)                                                                        \
    V_BINARY(name##_GE, T, R, a >= b)
COMPARE(F32X4, f32x4, i32x4)
COMPARE(F64X2, f64x2, i64x2)

#define ARITHMETIC(name, T, I, n, s)                                                                         \
    V_BINARY(name##_ADD, T, T, a + b)                                                                        \
    V_BINARY(name##_SUB, T, T, a - b)                                                                        \
    V_BINARY(name##_MUL, T, T, a *b)                                                                         \
    V_BINARY(name##_DIV, T, T, a / b)                                                                        \
    V_LANES2(name##_MIN, T, T, n, numeric_min_##s(a, b))                                                     \
    V_LANES2(name##_MAX, T, T, n, numeric_max_##s(a, b))                                                     \
    V_BINARY(name##_PMIN, T, T, ((T)(((I)(b < a) & (I)b) | (~(I)(b < a) & (I)a))))                           \
    V_BINARY(name##_PMAX, T, T, ((T)(((I)(a < b) & (I)b) | (~(I)(a < b) & (I)a))))                           \
    V_LANES1(name##_ABS, T, T, n, numeric_abs_##s(a))                                                        \
    V_LANES1(name##_NEG, T, T, n, numeric_neg_##s(a))                                                        \
    V_LANES1(name##_CEIL, T, T, n, numeric_ceil_##s(a))                                                      \
    V_LANES1(name##_FLOOR, T, T, n, numeric_floor_##s(a))                                                    \
    V_LANES1(name##_TRUNC, T, T, n, numeric_trunc_##s(a))                                                    \
    V_LANES1(name##_NEAREST, T, T, n, numeric_nearest_##s(a))                                                \
    V_UNARY(name##_SQRT, T, T, __builtin_elementwise_sqrt(a))
ARITHMETIC(F32X4, f32x4, i32x4, 4, f32)
ARITHMETIC(F64X2, f64x2, i64x2, 2, f64)

/* ---- conversions; those that end in _ZERO leave the upper lanes zero ---- */

V_LANES1(I32X4_TRUNC_SAT_F32X4_S, f32x4, i32x4, 4, numeric_sat_i32_f32(a))
V_LANES1(I32X4_TRUNC_SAT_F32X4_U, f32x4, u32x4, 4, numeric_sat_u32_f32(a))
V_LANES1(I32X4_TRUNC_SAT_F64X2_S_ZERO, f64x2, i32x4, 2, numeric_sat_i32_f64(a))
V_LANES1(I32X4_TRUNC_SAT_F64X2_U_ZERO, f64x2, u32x4, 2, numeric_sat_u32_f64(a))
V_LANES1(F32X4_CONVERT_I32X4_S, i32x4, f32x4, 4, (float)a)
V_LANES1(F32X4_CONVERT_I32X4_U, u32x4, f32x4, 4, (float)a)
V_LANES1(F64X2_CONVERT_LOW_I32X4_S, i32x4, f64x2, 2, (double)a)
V_LANES1(F64X2_CONVERT_LOW_I32X4_U, u32x4, f64x2, 2, (double)a)
V_LANES1(F32X4_DEMOTE_F64X2_ZERO, f64x2, f32x4, 2, (float)a)
V_LANES1(F64X2_PROMOTE_LOW_F32X4, f32x4, f64x2, 2, (double)a)
