/* interp/exec_simd_int.c - vector handlers: moves of lanes, integers, bits. */
#include "interp/exec_simd.h"

/* ---- lanes in and out ---- */

HANDLER(I8X16_SHUFFLE)
{
    uint8_t both[32], r[16];
    const uint8_t *lanes = (const uint8_t *)(ip + 2);
    memcpy(both, &SLOT(1), 16);
    memcpy(both + 16, &SLOT(2), 16);
    for (int i = 0; i < 16; i++) {
        r[i] = both[lanes[i] & 31];
    }
    VPUT(r);
    NEXT(4);
}

HANDLER(I8X16_SWIZZLE)
{
    uint8_t a[16], s[16], r[16];
    memcpy(a, &SLOT(1), 16);
    memcpy(s, &SLOT(2), 16);
    for (int i = 0; i < 16; i++) {
        r[i] = s[i] < 16 ? a[s[i]] : 0;
    }
    VPUT(r);
    NEXT(2);
}

#define SPLAT(name, T, E)                                                                                    \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T r = (T){0} + (E)SLOT(1);                                                                           \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
SPLAT(I8X16_SPLAT, u8x16, uint8_t)
SPLAT(I16X8_SPLAT, u16x8, uint16_t)
SPLAT(I32X4_SPLAT, u32x4, uint32_t)
SPLAT(I64X2_SPLAT, u64x2, uint64_t)
SPLAT(F32X4_SPLAT, u32x4, uint32_t)
SPLAT(F64X2_SPLAT, u64x2, uint64_t)

#define EXTRACT(name, E, cast)                                                                               \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        E v;                                                                                                 \
        memcpy(&v, (const char *)&SLOT(1) + U16(3) * sizeof v, sizeof v);                                    \
        SLOT(0) = acc = (cast)v;                                                                             \
        NEXT(2);                                                                                             \
    }
EXTRACT(I8X16_EXTRACT_LANE_S, int8_t, uint32_t)
EXTRACT(I8X16_EXTRACT_LANE_U, uint8_t, uint32_t)
EXTRACT(I16X8_EXTRACT_LANE_S, int16_t, uint32_t)
EXTRACT(I16X8_EXTRACT_LANE_U, uint16_t, uint32_t)
EXTRACT(I32X4_EXTRACT_LANE, uint32_t, uint32_t)
EXTRACT(I64X2_EXTRACT_LANE, uint64_t, uint64_t)

/* The same for floats, which must leave the int accumulator alone. */
#define EXTRACT_BITS(name, E)                                                                                \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        E v;                                                                                                 \
        memcpy(&v, (const char *)&SLOT(1) + U16(3) * sizeof v, sizeof v);                                    \
        SLOT(0) = v;                                                                                         \
        NEXT(2);                                                                                             \
    }
EXTRACT_BITS(F32X4_EXTRACT_LANE, uint32_t)
EXTRACT_BITS(F64X2_EXTRACT_LANE, uint64_t)

#define REPLACE(name, E)                                                                                     \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        u8x16 r;                                                                                             \
        E v = (E)SLOT(2);                                                                                    \
        memcpy(&r, &SLOT(1), sizeof r);                                                                      \
        memcpy((char *)&r + U16(3) * sizeof v, &v, sizeof v);                                                \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
REPLACE(I8X16_REPLACE_LANE, uint8_t)
REPLACE(I16X8_REPLACE_LANE, uint16_t)
REPLACE(I32X4_REPLACE_LANE, uint32_t)
REPLACE(I64X2_REPLACE_LANE, uint64_t)
REPLACE(F32X4_REPLACE_LANE, uint32_t)
REPLACE(F64X2_REPLACE_LANE, uint64_t)

/* ---- memory ---- */

#define ADDRESS (mem + (uint64_t)(uint32_t)SLOT(1) + U32HI)

#define LOAD(name, T, R, expr)                                                                               \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a;                                                                                                 \
        memcpy(&a, ADDRESS, sizeof a);                                                                       \
        R r = (expr);                                                                                        \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
#define WIDEN(T, R) __builtin_convertvector(T, R)
LOAD(V128_LOAD, u64x2, u64x2, a)
LOAD(V128_LOAD8X8_S, i8x8, i16x8, WIDEN(a, i16x8))
LOAD(V128_LOAD8X8_U, u8x8, u16x8, WIDEN(a, u16x8))
LOAD(V128_LOAD16X4_S, i16x4, i32x4, WIDEN(a, i32x4))
LOAD(V128_LOAD16X4_U, u16x4, u32x4, WIDEN(a, u32x4))
LOAD(V128_LOAD32X2_S, i32x2, i64x2, WIDEN(a, i64x2))
LOAD(V128_LOAD32X2_U, u32x2, u64x2, WIDEN(a, u64x2))
LOAD(V128_LOAD8_SPLAT, uint8_t, u8x16, (u8x16){0} + a)
LOAD(V128_LOAD16_SPLAT, uint16_t, u16x8, (u16x8){0} + a)
LOAD(V128_LOAD32_SPLAT, uint32_t, u32x4, (u32x4){0} + a)
LOAD(V128_LOAD64_SPLAT, uint64_t, u64x2, (u64x2){0} + a)
LOAD(V128_LOAD32_ZERO, uint32_t, u32x4, ((u32x4){a, 0, 0, 0}))
LOAD(V128_LOAD64_ZERO, uint64_t, u64x2, ((u64x2){a, 0}))

HANDLER(V128_STORE)
{
    memcpy(ADDRESS, &SLOT(0), 16);
    NEXT(2);
}

/* Word 2: the lane, then the slot of the vector. */
#define LANE (((const uint16_t *)(ip + 2))[0])
#define LANE_VECTOR (fp[((const uint16_t *)(ip + 2))[1]])
#define LOAD_LANE(name, E)                                                                                   \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        E v;                                                                                                 \
        u8x16 r;                                                                                             \
        memcpy(&v, ADDRESS, sizeof v);                                                                       \
        memcpy(&r, &LANE_VECTOR, sizeof r);                                                                  \
        memcpy((char *)&r + LANE * sizeof v, &v, sizeof v);                                                  \
        VPUT(r);                                                                                             \
        NEXT(3);                                                                                             \
    }
LOAD_LANE(V128_LOAD8_LANE, uint8_t)
LOAD_LANE(V128_LOAD16_LANE, uint16_t)
LOAD_LANE(V128_LOAD32_LANE, uint32_t)
LOAD_LANE(V128_LOAD64_LANE, uint64_t)
#define STORE_LANE(name, E)                                                                                  \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        memcpy(ADDRESS, (const char *)&SLOT(0) + LANE * sizeof(E), sizeof(E));                               \
        NEXT(3);                                                                                             \
    }
STORE_LANE(V128_STORE8_LANE, uint8_t)
STORE_LANE(V128_STORE16_LANE, uint16_t)
STORE_LANE(V128_STORE32_LANE, uint32_t)
STORE_LANE(V128_STORE64_LANE, uint64_t)

/* ---- bits ---- */

V_UNARY(V128_NOT, u64x2, u64x2, ~a)
V_BINARY(V128_AND, u64x2, u64x2, a &b)
V_BINARY(V128_ANDNOT, u64x2, u64x2, a & ~b)
V_BINARY(V128_OR, u64x2, u64x2, a | b)
V_BINARY(V128_XOR, u64x2, u64x2, a ^ b)

HANDLER(V128_BITSELECT)
{
    VGET(u64x2, a, 1);
    VGET(u64x2, b, 2);
    VGET(u64x2, mask, 3);
    u64x2 r = (a & mask) | (b & ~mask);
    VPUT(r);
    NEXT(2);
}

#define REDUCE(name, T, expr)                                                                                \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        SLOT(0) = acc = (uint32_t)(expr);                                                                    \
        NEXT(2);                                                                                             \
    }
#define ALL_TRUE(name, T) REDUCE(name, T, __builtin_reduce_and((a != 0)) != 0)
REDUCE(V128_ANY_TRUE, u64x2, (a[0] | a[1]) != 0)
ALL_TRUE(I8X16_ALL_TRUE, i8x16)
ALL_TRUE(I16X8_ALL_TRUE, i16x8)
ALL_TRUE(I32X4_ALL_TRUE, i32x4)
ALL_TRUE(I64X2_ALL_TRUE, i64x2)

#define BITMASK(name, T, n)                                                                                  \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        uint32_t bits = 0;                                                                                   \
        for (int i = 0; i < (n); i++)                                                                        \
            bits |= (uint32_t)(a[i] < 0) << i;                                                               \
        SLOT(0) = acc = bits;                                                                                \
        NEXT(2);                                                                                             \
    }
BITMASK(I8X16_BITMASK, i8x16, 16)
BITMASK(I16X8_BITMASK, i16x8, 8)
BITMASK(I32X4_BITMASK, i32x4, 4)
BITMASK(I64X2_BITMASK, i64x2, 2)

/* ---- comparisons: all ones or zero ---- */

#define COMPARE_SIGNED(name, T)                                                                              \
    V_BINARY(name##_EQ, T, T, a == b)                                                                        \
    V_BINARY(name##_NE, T, T, a != b)                                                                        \
    V_BINARY(name##_LT_S, T, T, a < b)                                                                       \
    V_BINARY(name##_GT_S, T, T, a > b)                                                                       \
    V_BINARY(name##_LE_S, T, T, a <= b)                                                                      \
    V_BINARY(name##_GE_S, T, T, a >= b)
#define COMPARE_UNSIGNED(name, T)                                                                            \
    V_BINARY(name##_LT_U, T, T, a < b)                                                                       \
    V_BINARY(name##_GT_U, T, T, a > b)                                                                       \
    V_BINARY(name##_LE_U, T, T, a <= b)                                                                      \
    V_BINARY(name##_GE_U, T, T, a >= b)
COMPARE_SIGNED(I8X16, i8x16)
COMPARE_SIGNED(I16X8, i16x8)
COMPARE_SIGNED(I32X4, i32x4)
COMPARE_SIGNED(I64X2, i64x2)
COMPARE_UNSIGNED(I8X16, u8x16)
COMPARE_UNSIGNED(I16X8, u16x8)
COMPARE_UNSIGNED(I32X4, u32x4)

/* ---- arithmetic ---- */

#define ADD_SUB_NEG(name, T)                                                                                 \
    V_BINARY(name##_ADD, T, T, a + b)                                                                        \
    V_BINARY(name##_SUB, T, T, a - b)                                                                        \
    V_UNARY(name##_NEG, T, T, -a)
ADD_SUB_NEG(I8X16, u8x16)
ADD_SUB_NEG(I16X8, u16x8)
ADD_SUB_NEG(I32X4, u32x4)
ADD_SUB_NEG(I64X2, u64x2)
V_BINARY(I16X8_MUL, u16x8, u16x8, a *b)
V_BINARY(I32X4_MUL, u32x4, u32x4, a *b)
V_BINARY(I64X2_MUL, u64x2, u64x2, a *b)
V_UNARY(I8X16_ABS, i8x16, i8x16, __builtin_elementwise_abs(a))
V_UNARY(I16X8_ABS, i16x8, i16x8, __builtin_elementwise_abs(a))
V_UNARY(I32X4_ABS, i32x4, i32x4, __builtin_elementwise_abs(a))
V_UNARY(I64X2_ABS, i64x2, i64x2, __builtin_elementwise_abs(a))

#define SATURATING(name, S, U)                                                                               \
    V_BINARY(name##_ADD_SAT_S, S, S, __builtin_elementwise_add_sat(a, b))                                    \
    V_BINARY(name##_ADD_SAT_U, U, U, __builtin_elementwise_add_sat(a, b))                                    \
    V_BINARY(name##_SUB_SAT_S, S, S, __builtin_elementwise_sub_sat(a, b))                                    \
    V_BINARY(name##_SUB_SAT_U, U, U, __builtin_elementwise_sub_sat(a, b))
SATURATING(I8X16, i8x16, u8x16)
SATURATING(I16X8, i16x8, u16x8)

#define MIN_MAX(name, S, U)                                                                                  \
    V_BINARY(name##_MIN_S, S, S, __builtin_elementwise_min(a, b))                                            \
    V_BINARY(name##_MIN_U, U, U, __builtin_elementwise_min(a, b))                                            \
    V_BINARY(name##_MAX_S, S, S, __builtin_elementwise_max(a, b))                                            \
    V_BINARY(name##_MAX_U, U, U, __builtin_elementwise_max(a, b))
MIN_MAX(I8X16, i8x16, u8x16)
MIN_MAX(I16X8, i16x8, u16x8)
MIN_MAX(I32X4, i32x4, u32x4)

V_LANES2(I8X16_AVGR_U, u8x16, u8x16, 16, (uint8_t)((a + b + 1) >> 1))
V_LANES2(I16X8_AVGR_U, u16x8, u16x8, 8, (uint16_t)((a + b + 1) >> 1))
V_LANES1(I8X16_POPCNT, u8x16, u8x16, 16, (uint8_t)__builtin_popcount((unsigned)a))

static inline int16_t q15mulr(int32_t a, int32_t b)
{
    int32_t r = (a * b + 0x4000) >> 15;
    return r > INT16_MAX ? INT16_MAX : (int16_t)r; /* only -1 * -1 is too large */
}
V_LANES2(I16X8_Q15MULR_SAT_S, i16x8, i16x8, 8, q15mulr(a, b))

#define SHIFT_BY(name, T, E, bits, op)                                                                       \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        T n = (T){0} + (E)(SLOT(2) & ((bits) - 1)), r = a op n;                                              \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
#define SHIFTS(name, S, SE, U, UE, bits)                                                                     \
    SHIFT_BY(name##_SHL, U, UE, bits, <<)                                                                    \
    SHIFT_BY(name##_SHR_S, S, SE, bits, >>)                                                                  \
    SHIFT_BY(name##_SHR_U, U, UE, bits, >>)
SHIFTS(I8X16, i8x16, int8_t, u8x16, uint8_t, 8)
SHIFTS(I16X8, i16x8, int16_t, u16x8, uint16_t, 16)
SHIFTS(I32X4, i32x4, int32_t, u32x4, uint32_t, 32)
SHIFTS(I64X2, i64x2, int64_t, u64x2, uint64_t, 64)

/* ---- widening and narrowing ---- */

/* The low or high half of a vector, every lane widened to type R. */
#define HALF8(v, k) __builtin_shufflevector(v, v, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7)
#define HALF4(v, k) __builtin_shufflevector(v, v, k, k + 1, k + 2, k + 3)
#define HALF2(v, k) __builtin_shufflevector(v, v, k, k + 1)
#define EXTEND(to, from, HALF, n, S, SR, U, UR)                                                              \
    V_UNARY(to##_EXTEND_LOW_##from##_S, S, SR, __builtin_convertvector(HALF(a, 0), SR))                      \
    V_UNARY(to##_EXTEND_HIGH_##from##_S, S, SR, __builtin_convertvector(HALF(a, n), SR))                     \
    V_UNARY(to##_EXTEND_LOW_##from##_U, U, UR, __builtin_convertvector(HALF(a, 0), UR))                      \
    V_UNARY(to##_EXTEND_HIGH_##from##_U, U, UR, __builtin_convertvector(HALF(a, n), UR))
EXTEND(I16X8, I8X16, HALF8, 8, i8x16, i16x8, u8x16, u16x8)
EXTEND(I32X4, I16X8, HALF4, 4, i16x8, i32x4, u16x8, u32x4)
EXTEND(I64X2, I32X4, HALF2, 2, i32x4, i64x2, u32x4, u64x2)

#define PRODUCT(HALF, k, R) (__builtin_convertvector(HALF(a, k), R) * __builtin_convertvector(HALF(b, k), R))
#define EXTMUL(to, from, HALF, n, S, SR, U, UR)                                                              \
    V_BINARY(to##_EXTMUL_LOW_##from##_S, S, SR, PRODUCT(HALF, 0, SR))                                        \
    V_BINARY(to##_EXTMUL_HIGH_##from##_S, S, SR, PRODUCT(HALF, n, SR))                                       \
    V_BINARY(to##_EXTMUL_LOW_##from##_U, U, UR, PRODUCT(HALF, 0, UR))                                        \
    V_BINARY(to##_EXTMUL_HIGH_##from##_U, U, UR, PRODUCT(HALF, n, UR))
EXTMUL(I16X8, I8X16, HALF8, 8, i8x16, i16x8, u8x16, u16x8)
EXTMUL(I32X4, I16X8, HALF4, 4, i16x8, i32x4, u16x8, u32x4)
EXTMUL(I64X2, I32X4, HALF2, 2, i32x4, i64x2, u32x4, u64x2)

/* Sums of neighbours: the even lanes and the odd ones, widened by shifting inside the wider lane. */
#define PAIRWISE(to, from, S, U, bits)                                                                       \
    V_UNARY(to##_EXTADD_PAIRWISE_##from##_S, S, S, ((S)((U)a << bits) >> bits) + (a >> bits))                \
    V_UNARY(to##_EXTADD_PAIRWISE_##from##_U, U, U, ((a << bits) >> bits) + (a >> bits))
PAIRWISE(I16X8, I8X16, i16x8, u16x8, 8)
PAIRWISE(I32X4, I16X8, i32x4, u32x4, 16)

HANDLER(I32X4_DOT_I16X8_S)
{
    VGET(i16x8, a, 1);
    VGET(i16x8, b, 2);
    u32x4 r;
    for (int i = 0; i < 4; i++) {
        r[i] = (uint32_t)(a[2 * i] * b[2 * i]) + (uint32_t)(a[2 * i + 1] * b[2 * i + 1]);
    }
    VPUT(r);
    NEXT(2);
}

#define CLAMP(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))
#define NARROW(name, T, R, n, low, high)                                                                     \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        VGET(T, b, 2);                                                                                       \
        R r;                                                                                                 \
        for (int i = 0; i < (n); i++) {                                                                      \
            r[i] = CLAMP(a[i], low, high);                                                                   \
            r[i + (n)] = CLAMP(b[i], low, high);                                                             \
        }                                                                                                    \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
NARROW(I8X16_NARROW_I16X8_S, i16x8, i8x16, 8, INT8_MIN, INT8_MAX)
NARROW(I8X16_NARROW_I16X8_U, i16x8, u8x16, 8, 0, UINT8_MAX)
NARROW(I16X8_NARROW_I32X4_S, i32x4, i16x8, 4, INT16_MIN, INT16_MAX)
NARROW(I16X8_NARROW_I32X4_U, i32x4, u16x8, 4, 0, UINT16_MAX)
