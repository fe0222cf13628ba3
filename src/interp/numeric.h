/* interp/numeric.h - floating point as the specification wants it, in plain C without libm.
 *
 * Core spec 4.3.3.  A NaN operand gives an arithmetic NaN: `x + x` makes a signalling one quiet.  Rounding
 * adds and subtracts 2^mantissa, which is exact in the default rounding mode. */
#ifndef INTERP_NUMERIC_H
#define INTERP_NUMERIC_H

#include <stdint.h>
#include <string.h>

#define NUMERIC_FLOAT(T, U, s, two_mantissa)                                                                 \
    static inline U numeric_bits_##s(T x)                                                                    \
    {                                                                                                        \
        U u;                                                                                                 \
        memcpy(&u, &x, sizeof u);                                                                            \
        return u;                                                                                            \
    }                                                                                                        \
    static inline T numeric_from_##s(U u)                                                                    \
    {                                                                                                        \
        T x;                                                                                                 \
        memcpy(&x, &u, sizeof x);                                                                            \
        return x;                                                                                            \
    }                                                                                                        \
    static inline T numeric_abs_##s(T x)                                                                     \
    {                                                                                                        \
        return numeric_from_##s(numeric_bits_##s(x) & ~(U)0 >> 1);                                           \
    }                                                                                                        \
    static inline T numeric_neg_##s(T x)                                                                     \
    {                                                                                                        \
        return numeric_from_##s(numeric_bits_##s(x) ^ ~(~(U)0 >> 1));                                        \
    }                                                                                                        \
    static inline T numeric_copysign_##s(T x, T y)                                                           \
    {                                                                                                        \
        const U mask = ~(U)0 >> 1;                                                                           \
        return numeric_from_##s((numeric_bits_##s(x) & mask) | (numeric_bits_##s(y) & ~mask));               \
    }                                                                                                        \
    /* |x| rounded to an integer, ties to even; x is below two_mantissa. */                                  \
    static inline T numeric_round_##s(T abs)                                                                 \
    {                                                                                                        \
        return (abs + (two_mantissa)) - (two_mantissa);                                                      \
    }                                                                                                        \
    static inline T numeric_nearest_##s(T x)                                                                 \
    {                                                                                                        \
        T abs = numeric_abs_##s(x);                                                                          \
        if (!(abs < (two_mantissa)))                                                                         \
            return x != x ? x + x : x;                                                                       \
        return numeric_copysign_##s(numeric_round_##s(abs), x);                                              \
    }                                                                                                        \
    static inline T numeric_trunc_##s(T x)                                                                   \
    {                                                                                                        \
        T abs = numeric_abs_##s(x), t;                                                                       \
        if (!(abs < (two_mantissa)))                                                                         \
            return x != x ? x + x : x;                                                                       \
        t = numeric_round_##s(abs);                                                                          \
        return numeric_copysign_##s(t > abs ? t - 1 : t, x);                                                 \
    }                                                                                                        \
    static inline T numeric_floor_##s(T x)                                                                   \
    {                                                                                                        \
        T t = numeric_nearest_##s(x);                                                                        \
        return t > x ? numeric_copysign_##s(t - 1, x) : t;                                                   \
    }                                                                                                        \
    static inline T numeric_ceil_##s(T x)                                                                    \
    {                                                                                                        \
        T t = numeric_nearest_##s(x);                                                                        \
        return t < x ? numeric_copysign_##s(t + 1, x) : t;                                                   \
    }                                                                                                        \
    static inline T numeric_min_##s(T a, T b)                                                                \
    {                                                                                                        \
        if (a < b)                                                                                           \
            return a;                                                                                        \
        if (b < a)                                                                                           \
            return b;                                                                                        \
        return a == b ? numeric_from_##s(numeric_bits_##s(a) | numeric_bits_##s(b)) : a + b;                 \
    }                                                                                                        \
    static inline T numeric_max_##s(T a, T b)                                                                \
    {                                                                                                        \
        if (a > b)                                                                                           \
            return a;                                                                                        \
        if (b > a)                                                                                           \
            return b;                                                                                        \
        return a == b ? numeric_from_##s(numeric_bits_##s(a) & numeric_bits_##s(b)) : a + b;                 \
    }

NUMERIC_FLOAT(float, uint32_t, f32, 8388608.0f)
NUMERIC_FLOAT(double, uint64_t, f64, 4503599627370496.0)

/* Saturating truncation: NaN is 0, out of range the nearest end. */
#define NUMERIC_TRUNC_SAT(name, T, I, low, high, min, max)                                                   \
    static inline I numeric_##name(T x)                                                                      \
    {                                                                                                        \
        if (x != x)                                                                                          \
            return 0;                                                                                        \
        if (x <= (low))                                                                                      \
            return (min);                                                                                    \
        return x >= (high) ? (max) : (I)x;                                                                   \
    }

NUMERIC_TRUNC_SAT(sat_i32_f32, float, int32_t, -2147483648.0f, 2147483648.0f, INT32_MIN, INT32_MAX)
NUMERIC_TRUNC_SAT(sat_u32_f32, float, uint32_t, 0.0f, 4294967296.0f, 0, UINT32_MAX)
NUMERIC_TRUNC_SAT(sat_i32_f64, double, int32_t, -2147483648.0, 2147483647.0, INT32_MIN, INT32_MAX)
NUMERIC_TRUNC_SAT(sat_u32_f64, double, uint32_t, 0.0, 4294967295.0, 0, UINT32_MAX)
NUMERIC_TRUNC_SAT(sat_i64_f32, float, int64_t, -9223372036854775808.0f, 9223372036854775808.0f, INT64_MIN,
                  INT64_MAX)
NUMERIC_TRUNC_SAT(sat_u64_f32, float, uint64_t, 0.0f, 18446744073709551616.0f, 0, UINT64_MAX)
NUMERIC_TRUNC_SAT(sat_i64_f64, double, int64_t, -9223372036854775808.0, 9223372036854775808.0, INT64_MIN,
                  INT64_MAX)
NUMERIC_TRUNC_SAT(sat_u64_f64, double, uint64_t, 0.0, 18446744073709551616.0, 0, UINT64_MAX)

#endif
