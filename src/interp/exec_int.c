/* interp/exec_int.c - handlers of integer arithmetic, comparison and branches on comparisons.
 *
 * Each operation is written once, as an expression of `a` and `b`; the macros make its forms. */
#include "interp/exec.h"

#define PUT_A(d)
#define PUT_S(d) SLOT(d) = acc;

/* NAME_form_dst for operands read by A and B, of type T; the result is zero-extended from type T. */
#define ONE(name, T, lhs, rhs, put, words, pre, expr)                                                        \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a = (T)(lhs), b = (T)(rhs);                                                                        \
        pre acc = (T)(expr);                                                                                 \
        put NEXT(words);                                                                                     \
    }

#define BIN4(op, T, iw, immd, imma, pre, expr)                                                               \
    ONE(op##_SS_A, T, SLOT(1), SLOT(2), PUT_A(0), 2, pre, expr)                                              \
    ONE(op##_SS_S, T, SLOT(1), SLOT(2), PUT_S(0), 2, pre, expr)                                              \
    ONE(op##_SI_A, T, SLOT(1), immd, PUT_A(0), iw, pre, expr)                                                \
    ONE(op##_SI_S, T, SLOT(1), immd, PUT_S(0), iw, pre, expr)                                                \
    ONE(op##_AS_A, T, acc, SLOT(1), PUT_A(0), 2, pre, expr)                                                  \
    ONE(op##_AS_S, T, acc, SLOT(1), PUT_S(0), 2, pre, expr)                                                  \
    ONE(op##_AI_A, T, acc, imma, PUT_A(0), iw, pre, expr)                                                    \
    ONE(op##_AI_S, T, acc, imma, PUT_S(0), iw, pre, expr)
#define BIN7(op, T, iw, immd, imma, pre, expr)                                                               \
    BIN4(op, T, iw, immd, imma, pre, expr)                                                                   \
    ONE(op##_SA_A, T, SLOT(1), acc, PUT_A(0), 2, pre, expr)                                                  \
    ONE(op##_SA_S, T, SLOT(1), acc, PUT_S(0), 2, pre, expr)                                                  \
    ONE(op##_IS_A, T, immd, SLOT(1), PUT_A(0), iw, pre, expr)                                                \
    ONE(op##_IS_S, T, immd, SLOT(1), PUT_S(0), iw, pre, expr)                                                \
    ONE(op##_IA_A, T, imma, acc, PUT_A(0), iw, pre, expr)                                                    \
    ONE(op##_IA_S, T, imma, acc, PUT_S(0), iw, pre, expr)

/* i32 immediates are in the word of operands, i64 immediates behind it. */
#define BIN4_32(op, expr) BIN4(op, uint32_t, 2, U32HI, U32HI, , expr)
#define BIN7_32(op, pre, expr) BIN7(op, uint32_t, 2, U32HI, U32HI, pre, expr)
#define BIN4_64(op, expr) BIN4(op, uint64_t, 3, IMM64, IMM64, , expr)
#define BIN7_64(op, pre, expr) BIN7(op, uint64_t, 3, IMM64, IMM64, pre, expr)

BIN4_32(I32_ADD, a + b)
BIN4_32(I32_MUL, a *b)
BIN4_32(I32_AND, a &b)
BIN4_32(I32_OR, a | b)
BIN4_32(I32_XOR, a ^ b)
BIN7_32(I32_SUB, , a - b)
BIN7_32(I32_SHL, , a << (b & 31))
BIN7_32(I32_SHR_S, , (int32_t)a >> (b & 31))
BIN7_32(I32_SHR_U, , a >> (b & 31))
BIN7_32(I32_ROTL, , a << (b & 31) | a >> (-b & 31))
BIN7_32(I32_ROTR, , a >> (b & 31) | a << (-b & 31))

BIN4_64(I64_ADD, a + b)
BIN4_64(I64_MUL, a *b)
BIN4_64(I64_AND, a &b)
BIN4_64(I64_OR, a | b)
BIN4_64(I64_XOR, a ^ b)
BIN7_64(I64_SUB, , a - b)
BIN7_64(I64_SHL, , a << (b & 63))
BIN7_64(I64_SHR_S, , (uint64_t)((int64_t)a >> (b & 63)))
BIN7_64(I64_SHR_U, , a >> (b & 63))
BIN7_64(I64_ROTL, , a << (b & 63) | a >> (-b & 63))
BIN7_64(I64_ROTR, , a >> (b & 63) | a << (-b & 63))

#define NOT_ZERO TRAP_IF(b == 0, DIVIDE_BY_ZERO);
#define NOT_ZERO_32 NOT_ZERO TRAP_IF(a == 0x80000000u && b == UINT32_MAX, INTEGER_OVERFLOW);
#define NOT_ZERO_64 NOT_ZERO TRAP_IF(a == 1ull << 63 && b == UINT64_MAX, INTEGER_OVERFLOW);
BIN7_32(I32_DIV_S, NOT_ZERO_32, (int32_t)a / (int32_t)b)
BIN7_32(I32_DIV_U, NOT_ZERO, a / b)
BIN7_32(I32_REM_S, NOT_ZERO, b == UINT32_MAX ? 0 : (int32_t)a % (int32_t)b)
BIN7_32(I32_REM_U, NOT_ZERO, a % b)
BIN7_64(I64_DIV_S, NOT_ZERO_64, (uint64_t)((int64_t)a / (int64_t)b))
BIN7_64(I64_DIV_U, NOT_ZERO, a / b)
BIN7_64(I64_REM_S, NOT_ZERO, b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b))
BIN7_64(I64_REM_U, NOT_ZERO, a % b)

/* ---- one operand ---- */

#define UN_ONE(name, T, from, put, expr)                                                                     \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a = (T)(from);                                                                                     \
        acc = (expr);                                                                                        \
        put NEXT(2);                                                                                         \
    }
#define UN(op, T, expr)                                                                                      \
    UN_ONE(op##_S_A, T, SLOT(1), PUT_A(0), expr)                                                             \
    UN_ONE(op##_S_S, T, SLOT(1), PUT_S(0), expr)                                                             \
    UN_ONE(op##_A_A, T, acc, PUT_A(0), expr)                                                                 \
    UN_ONE(op##_A_S, T, acc, PUT_S(0), expr)

UN(I32_CLZ, uint32_t, a ? (uint32_t)__builtin_clz(a) : 32)
UN(I32_CTZ, uint32_t, a ? (uint32_t)__builtin_ctz(a) : 32)
UN(I32_POPCNT, uint32_t, (uint32_t)__builtin_popcount(a))
UN(I32_EXTEND8_S, uint32_t, (uint32_t)(int8_t)a)
UN(I32_EXTEND16_S, uint32_t, (uint32_t)(int16_t)a)
UN(I32_WRAP_I64, uint32_t, a)
UN(I64_CLZ, uint64_t, a ? (uint64_t)__builtin_clzll(a) : 64)
UN(I64_CTZ, uint64_t, a ? (uint64_t)__builtin_ctzll(a) : 64)
UN(I64_POPCNT, uint64_t, (uint64_t)__builtin_popcountll(a))
UN(I64_EXTEND8_S, uint64_t, (uint64_t)(int64_t)(int8_t)a)
UN(I64_EXTEND16_S, uint64_t, (uint64_t)(int64_t)(int16_t)a)
UN(I64_EXTEND32_S, uint64_t, (uint64_t)(int64_t)(int32_t)a)
UN(I64_EXTEND_I32_S, uint32_t, (uint64_t)(int64_t)(int32_t)a)

/* ---- comparisons: a value, or a branch; the branch leaves the accumulator alone ---- */

#define CMP_BR_ONE(name, T, lhs, rhs, words, expr)                                                           \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a = (T)(lhs), b = (T)(rhs);                                                                        \
        if (expr)                                                                                            \
            BRANCH(REL);                                                                                     \
        NEXT(words);                                                                                         \
    }
#define CMP_BR(op, T, iw, imma, expr)                                                                        \
    CMP_BR_ONE(op##_BR_SS, T, SLOT(0), SLOT(1), 2, expr)                                                     \
    CMP_BR_ONE(op##_BR_SI, T, SLOT(0), IMM64, 3, expr)                                                       \
    CMP_BR_ONE(op##_BR_AS, T, acc, SLOT(0), 2, expr)                                                         \
    CMP_BR_ONE(op##_BR_AI, T, acc, imma, iw, expr)

#define VAL_ONE(name, T, lhs, rhs, put, words, expr)                                                         \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        T a = (T)(lhs), b = (T)(rhs);                                                                        \
        acc = (expr) ? 1 : 0;                                                                                \
        put NEXT(words);                                                                                     \
    }
#define CMP(op, T, iw, immd, imma, expr)                                                                     \
    VAL_ONE(op##_SS_A, T, SLOT(1), SLOT(2), PUT_A(0), 2, expr)                                               \
    VAL_ONE(op##_SS_S, T, SLOT(1), SLOT(2), PUT_S(0), 2, expr)                                               \
    VAL_ONE(op##_SI_A, T, SLOT(1), immd, PUT_A(0), iw, expr)                                                 \
    VAL_ONE(op##_SI_S, T, SLOT(1), immd, PUT_S(0), iw, expr)                                                 \
    VAL_ONE(op##_AS_A, T, acc, SLOT(1), PUT_A(0), 2, expr)                                                   \
    VAL_ONE(op##_AS_S, T, acc, SLOT(1), PUT_S(0), 2, expr)                                                   \
    VAL_ONE(op##_AI_A, T, acc, imma, PUT_A(0), iw, expr)                                                     \
    VAL_ONE(op##_AI_S, T, acc, imma, PUT_S(0), iw, expr)

#define CMP_32(op, T, expr) CMP(op, T, 2, U32HI, U32HI, expr) CMP_BR(op, T, 2, U32LO, expr)
#define CMP_64(op, T, expr) CMP(op, T, 3, IMM64, IMM64, expr) CMP_BR(op, T, 3, IMM64, expr)

CMP_32(I32_EQ, uint32_t, a == b)
CMP_32(I32_NE, uint32_t, a != b)
CMP_32(I32_LT_S, int32_t, a < b)
CMP_32(I32_LT_U, uint32_t, a < b)
CMP_32(I32_GT_S, int32_t, a > b)
CMP_32(I32_GT_U, uint32_t, a > b)
CMP_32(I32_LE_S, int32_t, a <= b)
CMP_32(I32_LE_U, uint32_t, a <= b)
CMP_32(I32_GE_S, int32_t, a >= b)
CMP_32(I32_GE_U, uint32_t, a >= b)
CMP_64(I64_EQ, uint64_t, a == b)
CMP_64(I64_NE, uint64_t, a != b)
CMP_64(I64_LT_S, int64_t, a < b)
CMP_64(I64_LT_U, uint64_t, a < b)
CMP_64(I64_GT_S, int64_t, a > b)
CMP_64(I64_GT_U, uint64_t, a > b)
CMP_64(I64_LE_S, int64_t, a <= b)
CMP_64(I64_LE_U, uint64_t, a <= b)
CMP_64(I64_GE_S, int64_t, a >= b)
CMP_64(I64_GE_U, uint64_t, a >= b)

CMP_BR(I32_TEST, uint32_t, 2, U32LO, (a & b) != 0)
CMP_BR(I32_TESTN, uint32_t, 2, U32LO, (a & b) == 0)
CMP_BR(I64_TEST, uint64_t, 3, IMM64, (a & b) != 0)
CMP_BR(I64_TESTN, uint64_t, 3, IMM64, (a & b) == 0)

#define BR_ONE(name, cond)                                                                                   \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        if (cond)                                                                                            \
            BRANCH(REL);                                                                                     \
        NEXT(2);                                                                                             \
    }
BR_ONE(BR_NZ_S, (uint32_t)SLOT(0) != 0)
BR_ONE(BR_NZ_A, (uint32_t)acc != 0)
BR_ONE(BR_Z_S, (uint32_t)SLOT(0) == 0)
BR_ONE(BR_Z_A, (uint32_t)acc == 0)
BR_ONE(BR_NZ64_S, SLOT(0) != 0)
BR_ONE(BR_NZ64_A, acc != 0)
BR_ONE(BR_Z64_S, SLOT(0) == 0)
BR_ONE(BR_Z64_A, acc == 0)
