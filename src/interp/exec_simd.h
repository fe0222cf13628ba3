/* interp/exec_simd.h - vectors for the handlers of the 0xfd opcodes: clang's vector extensions, no
 * intrinsics.
 *
 * A v128 is two slots, low half first; lane 0 is at the lowest address. */
#ifndef INTERP_EXEC_SIMD_H
#define INTERP_EXEC_SIMD_H

#include "interp/exec.h"

#define VECTOR(T, bytes) __attribute__((vector_size(bytes))) T
typedef VECTOR(int8_t, 16) i8x16;
typedef VECTOR(uint8_t, 16) u8x16;
typedef VECTOR(int16_t, 16) i16x8;
typedef VECTOR(uint16_t, 16) u16x8;
typedef VECTOR(int32_t, 16) i32x4;
typedef VECTOR(uint32_t, 16) u32x4;
typedef VECTOR(int64_t, 16) i64x2;
typedef VECTOR(uint64_t, 16) u64x2;
typedef VECTOR(float, 16) f32x4;
typedef VECTOR(double, 16) f64x2;
typedef VECTOR(int8_t, 8) i8x8;
typedef VECTOR(uint8_t, 8) u8x8;
typedef VECTOR(int16_t, 8) i16x4;
typedef VECTOR(uint16_t, 8) u16x4;
typedef VECTOR(int32_t, 8) i32x2;
typedef VECTOR(uint32_t, 8) u32x2;
typedef VECTOR(float, 8) f32x2;
typedef VECTOR(int16_t, 32) i16x16;
typedef VECTOR(uint16_t, 32) u16x16;
typedef VECTOR(int32_t, 32) i32x8;
typedef VECTOR(uint32_t, 32) u32x8;

/* Declare a variable of a vector type with the value of a slot. */
#define VGET(T, name, i)                                                                                     \
    T name;                                                                                                  \
    memcpy(&name, &SLOT(i), sizeof name)
#define VPUT(v) memcpy(&SLOT(0), &(v), 16)

/* A result of type R from one or two operands of type T named a and b. */
#define V_UNARY(name, T, R, expr)                                                                            \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        R r = (R)(expr);                                                                                     \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
#define V_BINARY(name, T, R, expr)                                                                           \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, a, 1);                                                                                       \
        VGET(T, b, 2);                                                                                       \
        R r = (R)(expr);                                                                                     \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
/* The same, lane by lane. */
#define V_LANES1(name, T, R, n, expr)                                                                        \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, va, 1);                                                                                      \
        R r = {0};                                                                                           \
        for (int i = 0; i < (n); i++) {                                                                      \
            __typeof__(va[0] + 0) a = va[i];                                                                 \
            r[i] = (expr);                                                                                   \
        }                                                                                                    \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }
#define V_LANES2(name, T, R, n, expr)                                                                        \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        VGET(T, va, 1);                                                                                      \
        VGET(T, vb, 2);                                                                                      \
        R r;                                                                                                 \
        for (int i = 0; i < (n); i++) {                                                                      \
            __typeof__(va[0] + 0) a = va[i], b = vb[i];                                                      \
            r[i] = (expr);                                                                                   \
        }                                                                                                    \
        VPUT(r);                                                                                             \
        NEXT(2);                                                                                             \
    }

#endif
