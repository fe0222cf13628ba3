/* interp/handlers.h - the names of all handlers of the internal code, in families.
 *
 * INTERP_HANDLERS(X) applies X to every name; enum interp_h numbers them, exec_*.c defines them, exec_table.c
 * collects them.  A family has one operation in several forms, in a fixed order, so that lowering computes a
 * handler as `first + form`.  The letters of a form say where an operand comes from, left to right:
 *     S  a slot of the frame          A  the accumulator of the operand's class (int, f32 or f64)
 *     I  an immediate in the code
 * and the last letter where the result goes: _A only the accumulator, _S the accumulator and a slot.  The _S
 * handler always follows its _A handler: lowering turns one into the other when the value must survive. */
#ifndef INTERP_HANDLERS_H
#define INTERP_HANDLERS_H

/* Two operands; the first four forms are all a commutative operation needs. */
#define IH_BIN4(X, op)                                                                                       \
    X(op##_SS_A) X(op##_SS_S) X(op##_SI_A) X(op##_SI_S) X(op##_AS_A) X(op##_AS_S) X(op##_AI_A) X(op##_AI_S)
#define IH_BIN7(X, op)                                                                                       \
    IH_BIN4(X, op) X(op##_SA_A) X(op##_SA_S) X(op##_IS_A) X(op##_IS_S) X(op##_IA_A) X(op##_IA_S)
#define IH_UN(X, op) X(op##_S_A) X(op##_S_S) X(op##_A_A) X(op##_A_S)

/* Comparisons: the value, then the branch taken when it holds (and, of floats, when it does not hold). */
#define IH_CMP_BR(X, op) X(op##_BR_SS) X(op##_BR_SI) X(op##_BR_AS) X(op##_BR_AI)
#define IH_CMP_BRN(X, op) X(op##_BRN_SS) X(op##_BRN_SI) X(op##_BRN_AS) X(op##_BRN_AI)
#define IH_ICMP(X, op) IH_BIN4(X, op) IH_CMP_BR(X, op)
#define IH_FCMP(X, op) IH_BIN4(X, op) IH_CMP_BR(X, op) IH_CMP_BRN(X, op)

/* Loads: the address is a slot, the accumulator, an immediate, or the sum of two of them. */
#define IH_LOAD(X, op)                                                                                       \
    X(op##_S_A)                                                                                              \
    X(op##_S_S)                                                                                              \
    X(op##_A_A)                                                                                              \
    X(op##_A_S)                                                                                              \
    X(op##_I_A)                                                                                              \
    X(op##_I_S)                                                                                              \
    X(op##_SS_A) X(op##_SS_S) X(op##_AS_A) X(op##_AS_S) X(op##_SI_A) X(op##_SI_S) X(op##_AI_A) X(op##_AI_S)

/* Stores: address, then value; PSS and PSI have the sum of two slots, or a slot and an immediate, as address.
 */
#define IH_STORE(X, op)                                                                                      \
    X(op##_SS)                                                                                               \
    X(op##_SA) X(op##_SI) X(op##_AS) X(op##_AI) X(op##_IS) X(op##_IA) X(op##_II) X(op##_PSS) X(op##_PSI)
#define IH_FSTORE(X, op) X(op##_SA) X(op##_AA) X(op##_IA)

#define IH_I32_COMMUTATIVE(F, X) F(X, I32_ADD) F(X, I32_MUL) F(X, I32_AND) F(X, I32_OR) F(X, I32_XOR)
#define IH_I32_ORDERED(F, X)                                                                                 \
    F(X, I32_SUB)                                                                                            \
    F(X, I32_SHL)                                                                                            \
    F(X, I32_SHR_S)                                                                                          \
    F(X, I32_SHR_U)                                                                                          \
    F(X, I32_ROTL) F(X, I32_ROTR) F(X, I32_DIV_S) F(X, I32_DIV_U) F(X, I32_REM_S) F(X, I32_REM_U)
#define IH_I64_COMMUTATIVE(F, X) F(X, I64_ADD) F(X, I64_MUL) F(X, I64_AND) F(X, I64_OR) F(X, I64_XOR)
#define IH_I64_ORDERED(F, X)                                                                                 \
    F(X, I64_SUB)                                                                                            \
    F(X, I64_SHL)                                                                                            \
    F(X, I64_SHR_S)                                                                                          \
    F(X, I64_SHR_U)                                                                                          \
    F(X, I64_ROTL) F(X, I64_ROTR) F(X, I64_DIV_S) F(X, I64_DIV_U) F(X, I64_REM_S) F(X, I64_REM_U)
#define IH_FLOAT_BINARY(F, X)                                                                                \
    F(X, F32_ADD)                                                                                            \
    F(X, F32_SUB)                                                                                            \
    F(X, F32_MUL)                                                                                            \
    F(X, F32_DIV)                                                                                            \
    F(X, F32_MIN)                                                                                            \
    F(X, F32_MAX)                                                                                            \
    F(X, F32_COPYSIGN) F(X, F64_ADD) F(X, F64_SUB) F(X, F64_MUL) F(X, F64_DIV) F(X, F64_MIN) F(X, F64_MAX)   \
        F(X, F64_COPYSIGN)
/* TEST: is a & b not zero; TESTN: is it zero.  Only their branches are used. */
#define IH_INT_COMPARE(F, X)                                                                                 \
    F(X, I32_EQ)                                                                                             \
    F(X, I32_NE)                                                                                             \
    F(X, I32_LT_S)                                                                                           \
    F(X, I32_LT_U)                                                                                           \
    F(X, I32_GT_S)                                                                                           \
    F(X, I32_GT_U)                                                                                           \
    F(X, I32_LE_S) F(X, I32_LE_U) F(X, I32_GE_S) F(X, I32_GE_U) F(X, I64_EQ) F(X, I64_NE) F(X, I64_LT_S)     \
        F(X, I64_LT_U) F(X, I64_GT_S) F(X, I64_GT_U) F(X, I64_LE_S) F(X, I64_LE_U) F(X, I64_GE_S)            \
            F(X, I64_GE_U)
#define IH_TESTS(F, X) F(X, I32_TEST) F(X, I32_TESTN) F(X, I64_TEST) F(X, I64_TESTN)
#define IH_FLOAT_COMPARE(F, X)                                                                               \
    F(X, F32_EQ)                                                                                             \
    F(X, F32_NE)                                                                                             \
    F(X, F32_LT)                                                                                             \
    F(X, F32_GT)                                                                                             \
    F(X, F32_LE) F(X, F32_GE) F(X, F64_EQ) F(X, F64_NE) F(X, F64_LT) F(X, F64_GT) F(X, F64_LE) F(X, F64_GE)
#define IH_INT_UNARY(F, X)                                                                                   \
    F(X, I32_CLZ)                                                                                            \
    F(X, I32_CTZ)                                                                                            \
    F(X, I32_POPCNT)                                                                                         \
    F(X, I32_EXTEND8_S)                                                                                      \
    F(X, I32_EXTEND16_S)                                                                                     \
    F(X, I32_WRAP_I64)                                                                                       \
    F(X, I64_CLZ) F(X, I64_CTZ) F(X, I64_POPCNT) F(X, I64_EXTEND8_S) F(X, I64_EXTEND16_S)                    \
        F(X, I64_EXTEND32_S) F(X, I64_EXTEND_I32_S)
#define IH_FLOAT_UNARY(F, X)                                                                                 \
    F(X, F32_ABS)                                                                                            \
    F(X, F32_NEG)                                                                                            \
    F(X, F32_CEIL)                                                                                           \
    F(X, F32_FLOOR)                                                                                          \
    F(X, F32_TRUNC)                                                                                          \
    F(X, F32_NEAREST)                                                                                        \
    F(X, F32_SQRT) F(X, F64_ABS) F(X, F64_NEG) F(X, F64_CEIL) F(X, F64_FLOOR) F(X, F64_TRUNC)                \
        F(X, F64_NEAREST) F(X, F64_SQRT)
#define IH_CONVERT(F, X)                                                                                     \
    F(X, I32_TRUNC_F32_S)                                                                                    \
    F(X, I32_TRUNC_F32_U)                                                                                    \
    F(X, I32_TRUNC_F64_S)                                                                                    \
    F(X, I32_TRUNC_F64_U)                                                                                    \
    F(X, I64_TRUNC_F32_S)                                                                                    \
    F(X, I64_TRUNC_F32_U)                                                                                    \
    F(X, I64_TRUNC_F64_S) F(X, I64_TRUNC_F64_U) F(X, I32_TRUNC_SAT_F32_S) F(X, I32_TRUNC_SAT_F32_U)          \
        F(X, I32_TRUNC_SAT_F64_S) F(X, I32_TRUNC_SAT_F64_U) F(X, I64_TRUNC_SAT_F32_S)                        \
            F(X, I64_TRUNC_SAT_F32_U) F(X, I64_TRUNC_SAT_F64_S) F(X, I64_TRUNC_SAT_F64_U)                    \
                F(X, F32_CONVERT_I32_S) F(X, F32_CONVERT_I32_U) F(X, F32_CONVERT_I64_S)                      \
                    F(X, F32_CONVERT_I64_U) F(X, F64_CONVERT_I32_S) F(X, F64_CONVERT_I32_U)                  \
                        F(X, F64_CONVERT_I64_S) F(X, F64_CONVERT_I64_U) F(X, F32_DEMOTE_F64)                 \
                            F(X, F64_PROMOTE_F32)
#define IH_LOADS(F, X)                                                                                       \
    F(X, I32_LOAD)                                                                                           \
    F(X, I32_LOAD8_S)                                                                                        \
    F(X, I32_LOAD8_U)                                                                                        \
    F(X, I32_LOAD16_S)                                                                                       \
    F(X, I32_LOAD16_U)                                                                                       \
    F(X, I64_LOAD) F(X, I64_LOAD8_S) F(X, I64_LOAD16_S) F(X, I64_LOAD32_S) F(X, F32_LOAD) F(X, F64_LOAD)
#define IH_STORES(F, X) F(X, I32_STORE) F(X, I32_STORE8) F(X, I32_STORE16) F(X, I64_STORE)
#define IH_FSTORES(F, X) F(X, F32_STORE) F(X, F64_STORE)

/* One handler each. */
#define IH_CONTROL(X)                                                                                        \
    X(LAZY)                                                                                                  \
    X(ENTER_0)                                                                                               \
    X(ENTER_2)                                                                                               \
    X(ENTER_4)                                                                                               \
    X(ENTER_8)                                                                                               \
    X(ENTER_N)                                                                                               \
    X(ENTER_HUGE) X(EXIT) X(UNREACHABLE) X(BR) X(BR_NZ_S) X(BR_NZ_A) X(BR_Z_S) X(BR_Z_A) X(BR_NZ64_S)        \
        X(BR_NZ64_A) X(BR_Z64_S) X(BR_Z64_A) X(BR_TABLE_S) X(BR_TABLE_A) X(RETURN) X(RETURN_S) X(RETURN_A)   \
            X(RETURN_I) X(RETURN_F32_S) X(RETURN_F32_A) X(RETURN_F64_S) X(RETURN_F64_A) X(CALL)              \
                X(CALL_IMPORT) X(CALL_INDIRECT) X(TAIL_CALL) X(TAIL_CALL_IMPORT) X(TAIL_CALL_INDIRECT)
#define IH_MOVES(X) X(COPY) X(COPY128) X(COPY2) X(SET_A) X(SET_F32) X(SET_F64) X(SET_I) X(SET_I32) X(SET_I128)
#define IH_SELECT(X)                                                                                         \
    X(SELECT_SS_S_A)                                                                                         \
    X(SELECT_SS_S_S)                                                                                         \
    X(SELECT_SS_A_A)                                                                                         \
    X(SELECT_SS_A_S)                                                                                         \
    X(SELECT_SI_S_A)                                                                                         \
    X(SELECT_SI_S_S)                                                                                         \
    X(SELECT_SI_A_A) X(SELECT_SI_A_S) X(SELECT_IS_S_A) X(SELECT_IS_S_S) X(SELECT_IS_A_A) X(SELECT_IS_A_S)    \
        X(SELECT_II_S_A) X(SELECT_II_S_S) X(SELECT_II_A_A) X(SELECT_II_A_S) X(SELECT128)
#define IH_STATE(X)                                                                                          \
    X(GLOBAL_GET_A)                                                                                          \
    X(GLOBAL_GET_S)                                                                                          \
    X(GLOBAL_GET_IMPORT_A)                                                                                   \
    X(GLOBAL_GET_IMPORT_S)                                                                                   \
    X(GLOBAL_GET128)                                                                                         \
    X(GLOBAL_GET128_IMPORT)                                                                                  \
    X(GLOBAL_SET_S) X(GLOBAL_SET_A) X(GLOBAL_SET_IMPORT) X(GLOBAL_SET128) X(GLOBAL_SET128_IMPORT)            \
        X(MEMORY_SIZE_A) X(MEMORY_SIZE_S) X(MEMORY_GROW) X(MEMORY_FILL) X(MEMORY_COPY) X(MEMORY_INIT)        \
            X(DATA_DROP) X(MEMORY_USE) X(REF_FUNC) X(TABLE_GET) X(TABLE_SET) X(TABLE_SIZE) X(TABLE_GROW)     \
                X(TABLE_FILL) X(TABLE_COPY) X(TABLE_INIT) X(ELEM_DROP)

/* Vectors: one handler an opcode, named as in wasm/opcodes.def; operands and result in slots. */
#define IH_SIMD_LOADS(X)                                                                                     \
    X(V128_LOAD)                                                                                             \
    X(V128_LOAD8X8_S)                                                                                        \
    X(V128_LOAD8X8_U)                                                                                        \
    X(V128_LOAD16X4_S)                                                                                       \
    X(V128_LOAD16X4_U)                                                                                       \
    X(V128_LOAD32X2_S)                                                                                       \
    X(V128_LOAD32X2_U) X(V128_LOAD8_SPLAT) X(V128_LOAD16_SPLAT) X(V128_LOAD32_SPLAT) X(V128_LOAD64_SPLAT)    \
        X(V128_LOAD32_ZERO) X(V128_LOAD64_ZERO)
#define IH_SIMD_LANE_LOADS(X) X(V128_LOAD8_LANE) X(V128_LOAD16_LANE) X(V128_LOAD32_LANE) X(V128_LOAD64_LANE)
#define IH_SIMD_LANE_STORES(X)                                                                               \
    X(V128_STORE8_LANE) X(V128_STORE16_LANE) X(V128_STORE32_LANE) X(V128_STORE64_LANE)
#define IH_SIMD_SPLATS(X)                                                                                    \
    X(I8X16_SPLAT) X(I16X8_SPLAT) X(I32X4_SPLAT) X(I64X2_SPLAT) X(F32X4_SPLAT) X(F64X2_SPLAT)
#define IH_SIMD_EXTRACT(X)                                                                                   \
    X(I8X16_EXTRACT_LANE_S)                                                                                  \
    X(I8X16_EXTRACT_LANE_U)                                                                                  \
    X(I16X8_EXTRACT_LANE_S)                                                                                  \
    X(I16X8_EXTRACT_LANE_U)                                                                                  \
    X(I32X4_EXTRACT_LANE) X(I64X2_EXTRACT_LANE) X(F32X4_EXTRACT_LANE) X(F64X2_EXTRACT_LANE)
#define IH_SIMD_REPLACE(X)                                                                                   \
    X(I8X16_REPLACE_LANE)                                                                                    \
    X(I16X8_REPLACE_LANE)                                                                                    \
    X(I32X4_REPLACE_LANE) X(I64X2_REPLACE_LANE) X(F32X4_REPLACE_LANE) X(F64X2_REPLACE_LANE)
#define IH_SIMD_COMPARE(X)                                                                                   \
    X(I8X16_EQ)                                                                                              \
    X(I8X16_NE)                                                                                              \
    X(I8X16_LT_S)                                                                                            \
    X(I8X16_LT_U)                                                                                            \
    X(I8X16_GT_S)                                                                                            \
    X(I8X16_GT_U)                                                                                            \
    X(I8X16_LE_S) X(I8X16_LE_U) X(I8X16_GE_S) X(I8X16_GE_U) X(I16X8_EQ) X(I16X8_NE) X(I16X8_LT_S)            \
        X(I16X8_LT_U) X(I16X8_GT_S) X(I16X8_GT_U) X(I16X8_LE_S) X(I16X8_LE_U) X(I16X8_GE_S) X(I16X8_GE_U)    \
            X(I32X4_EQ) X(I32X4_NE) X(I32X4_LT_S) X(I32X4_LT_U) X(I32X4_GT_S) X(I32X4_GT_U) X(I32X4_LE_S)    \
                X(I32X4_LE_U) X(I32X4_GE_S) X(I32X4_GE_U) X(I64X2_EQ) X(I64X2_NE) X(I64X2_LT_S)              \
                    X(I64X2_GT_S) X(I64X2_LE_S) X(I64X2_GE_S) X(F32X4_EQ) X(F32X4_NE) X(F32X4_LT)            \
                        X(F32X4_GT) X(F32X4_LE) X(F32X4_GE) X(F64X2_EQ) X(F64X2_NE) X(F64X2_LT) X(F64X2_GT)  \
                            X(F64X2_LE) X(F64X2_GE)
#define IH_SIMD_UNARY(X)                                                                                     \
    X(V128_NOT)                                                                                              \
    X(F32X4_DEMOTE_F64X2_ZERO)                                                                               \
    X(F64X2_PROMOTE_LOW_F32X4)                                                                               \
    X(I8X16_ABS)                                                                                             \
    X(I8X16_NEG)                                                                                             \
    X(I8X16_POPCNT)                                                                                          \
    X(I16X8_ABS) X(I16X8_NEG) X(I32X4_ABS) X(I32X4_NEG) X(I64X2_ABS) X(I64X2_NEG)                            \
        X(I16X8_EXTADD_PAIRWISE_I8X16_S) X(I16X8_EXTADD_PAIRWISE_I8X16_U) X(I32X4_EXTADD_PAIRWISE_I16X8_S)   \
            X(I32X4_EXTADD_PAIRWISE_I16X8_U) X(I16X8_EXTEND_LOW_I8X16_S) X(I16X8_EXTEND_HIGH_I8X16_S)        \
                X(I16X8_EXTEND_LOW_I8X16_U) X(I16X8_EXTEND_HIGH_I8X16_U) X(I32X4_EXTEND_LOW_I16X8_S)         \
                    X(I32X4_EXTEND_HIGH_I16X8_S) X(I32X4_EXTEND_LOW_I16X8_U) X(I32X4_EXTEND_HIGH_I16X8_U)    \
                        X(I64X2_EXTEND_LOW_I32X4_S) X(I64X2_EXTEND_HIGH_I32X4_S) X(I64X2_EXTEND_LOW_I32X4_U) \
                            X(I64X2_EXTEND_HIGH_I32X4_U) X(F32X4_CEIL) X(F32X4_FLOOR) X(F32X4_TRUNC)         \
                                X(F32X4_NEAREST) X(F64X2_CEIL) X(F64X2_FLOOR) X(F64X2_TRUNC)                 \
                                    X(F64X2_NEAREST) X(F32X4_ABS) X(F32X4_NEG) X(F32X4_SQRT) X(F64X2_ABS)    \
                                        X(F64X2_NEG) X(F64X2_SQRT) X(I32X4_TRUNC_SAT_F32X4_S)                \
                                            X(I32X4_TRUNC_SAT_F32X4_U) X(F32X4_CONVERT_I32X4_S)              \
                                                X(F32X4_CONVERT_I32X4_U) X(I32X4_TRUNC_SAT_F64X2_S_ZERO)     \
                                                    X(I32X4_TRUNC_SAT_F64X2_U_ZERO)                          \
                                                        X(F64X2_CONVERT_LOW_I32X4_S)                         \
                                                            X(F64X2_CONVERT_LOW_I32X4_U)
#define IH_SIMD_REDUCE(X)                                                                                    \
    X(V128_ANY_TRUE)                                                                                         \
    X(I8X16_ALL_TRUE)                                                                                        \
    X(I16X8_ALL_TRUE)                                                                                        \
    X(I32X4_ALL_TRUE) X(I64X2_ALL_TRUE) X(I8X16_BITMASK) X(I16X8_BITMASK) X(I32X4_BITMASK) X(I64X2_BITMASK)
#define IH_SIMD_SHIFT(X)                                                                                     \
    X(I8X16_SHL)                                                                                             \
    X(I8X16_SHR_S)                                                                                           \
    X(I8X16_SHR_U)                                                                                           \
    X(I16X8_SHL)                                                                                             \
    X(I16X8_SHR_S)                                                                                           \
    X(I16X8_SHR_U) X(I32X4_SHL) X(I32X4_SHR_S) X(I32X4_SHR_U) X(I64X2_SHL) X(I64X2_SHR_S) X(I64X2_SHR_U)
#define IH_SIMD_BINARY(X)                                                                                    \
    X(I8X16_SWIZZLE)                                                                                         \
    X(V128_AND)                                                                                              \
    X(V128_ANDNOT)                                                                                           \
    X(V128_OR)                                                                                               \
    X(V128_XOR)                                                                                              \
    X(I8X16_NARROW_I16X8_S)                                                                                  \
    X(I8X16_NARROW_I16X8_U) X(I16X8_NARROW_I32X4_S) X(I16X8_NARROW_I32X4_U) X(I8X16_ADD) X(I8X16_ADD_SAT_S)  \
        X(I8X16_ADD_SAT_U) X(I8X16_SUB) X(I8X16_SUB_SAT_S) X(I8X16_SUB_SAT_U) X(I8X16_MIN_S) X(I8X16_MIN_U)  \
            X(I8X16_MAX_S) X(I8X16_MAX_U) X(I8X16_AVGR_U) X(I16X8_Q15MULR_SAT_S) X(I16X8_ADD)                \
                X(I16X8_ADD_SAT_S) X(I16X8_ADD_SAT_U) X(I16X8_SUB) X(I16X8_SUB_SAT_S) X(I16X8_SUB_SAT_U)     \
                    X(I16X8_MUL) X(I16X8_MIN_S) X(I16X8_MIN_U) X(I16X8_MAX_S) X(I16X8_MAX_U) X(I16X8_AVGR_U) \
                        X(I16X8_EXTMUL_LOW_I8X16_S) X(I16X8_EXTMUL_HIGH_I8X16_S) X(I16X8_EXTMUL_LOW_I8X16_U) \
                            X(I16X8_EXTMUL_HIGH_I8X16_U) X(I32X4_ADD) X(I32X4_SUB) X(I32X4_MUL)              \
                                X(I32X4_MIN_S) X(I32X4_MIN_U) X(I32X4_MAX_S) X(I32X4_MAX_U)                  \
                                    X(I32X4_DOT_I16X8_S) X(I32X4_EXTMUL_LOW_I16X8_S)                         \
                                        X(I32X4_EXTMUL_HIGH_I16X8_S) X(I32X4_EXTMUL_LOW_I16X8_U)             \
                                            X(I32X4_EXTMUL_HIGH_I16X8_U) X(I64X2_ADD) X(I64X2_SUB)           \
                                                X(I64X2_MUL) X(I64X2_EXTMUL_LOW_I32X4_S)                     \
                                                    X(I64X2_EXTMUL_HIGH_I32X4_S) X(I64X2_EXTMUL_LOW_I32X4_U) \
                                                        X(I64X2_EXTMUL_HIGH_I32X4_U) X(F32X4_ADD)            \
                                                            X(F32X4_SUB) X(F32X4_MUL) X(F32X4_DIV)           \
                                                                X(F32X4_MIN) X(F32X4_MAX) X(F32X4_PMIN)      \
                                                                    X(F32X4_PMAX) X(F64X2_ADD) X(F64X2_SUB)  \
                                                                        X(F64X2_MUL) X(F64X2_DIV)            \
                                                                            X(F64X2_MIN) X(F64X2_MAX)        \
                                                                                X(F64X2_PMIN) X(F64X2_PMAX)
#define IH_SIMD(X)                                                                                           \
    IH_SIMD_LOADS(X)                                                                                         \
    IH_SIMD_LANE_LOADS(X)                                                                                    \
    IH_SIMD_LANE_STORES(X)                                                                                   \
    IH_SIMD_SPLATS(X)                                                                                        \
    IH_SIMD_EXTRACT(X)                                                                                       \
    IH_SIMD_REPLACE(X)                                                                                       \
    IH_SIMD_COMPARE(X) IH_SIMD_UNARY(X) IH_SIMD_REDUCE(X) IH_SIMD_SHIFT(X) IH_SIMD_BINARY(X) X(V128_STORE)   \
        X(I8X16_SHUFFLE) X(V128_BITSELECT)

/* Fused instructions: an i32 operation or a load, and what consumes its result at once.  The form of the
 * first part, then the second operation and where its other operand is from (S or I), then where the result
 * goes. */
#define IH_THEN(X, p) X(p##_S_A) X(p##_S_S) X(p##_I_A) X(p##_I_S)
#define IH_THEN_ALU(X, p)                                                                                    \
    IH_THEN(X, p##_ADD)                                                                                      \
    IH_THEN(X, p##_SUB)                                                                                      \
    IH_THEN(X, p##_MUL)                                                                                      \
    IH_THEN(X, p##_AND)                                                                                      \
    IH_THEN(X, p##_OR) IH_THEN(X, p##_XOR) IH_THEN(X, p##_SHL) IH_THEN(X, p##_SHR_U) IH_THEN(X, p##_ROTL)
#define IH_THEN_BR(X, p)                                                                                     \
    IH_THEN(X, p##_EQ)                                                                                       \
    IH_THEN(X, p##_NE)                                                                                       \
    IH_THEN(X, p##_LT_S)                                                                                     \
    IH_THEN(X, p##_LT_U)                                                                                     \
    IH_THEN(X, p##_GT_S)                                                                                     \
    IH_THEN(X, p##_GT_U) IH_THEN(X, p##_LE_S) IH_THEN(X, p##_LE_U) IH_THEN(X, p##_GE_S) IH_THEN(X, p##_GE_U)
#define IH_PAIR(X, op)                                                                                       \
    IH_THEN_ALU(X, PAIR_##op##_SS)                                                                           \
    IH_THEN_ALU(X, PAIR_##op##_SI) IH_THEN_ALU(X, PAIR_##op##_AS) IH_THEN_ALU(X, PAIR_##op##_AI)
#define IH_PAIRS(X)                                                                                          \
    IH_PAIR(X, ADD)                                                                                          \
    IH_PAIR(X, SUB)                                                                                          \
    IH_PAIR(X, MUL)                                                                                          \
    IH_PAIR(X, AND) IH_PAIR(X, OR) IH_PAIR(X, XOR) IH_PAIR(X, SHL) IH_PAIR(X, SHR_U) IH_PAIR(X, ROTL)
#define IH_LOAD_ALU(X, load)                                                                                 \
    IH_THEN_ALU(X, load##_S)                                                                                 \
    IH_THEN_ALU(X, load##_A)                                                                                 \
    IH_THEN_ALU(X, load##_SS) IH_THEN_ALU(X, load##_AS) IH_THEN_ALU(X, load##_SI) IH_THEN_ALU(X, load##_AI)
#define IH_LOAD_BR(X, load)                                                                                  \
    IH_THEN_BR(X, load##_S)                                                                                  \
    IH_THEN_BR(X, load##_A)                                                                                  \
    IH_THEN_BR(X, load##_SS) IH_THEN_BR(X, load##_AS) IH_THEN_BR(X, load##_SI) IH_THEN_BR(X, load##_AI)
#define IH_ALU_BR(X, op)                                                                                     \
    IH_THEN_BR(X, ALUBR_##op##_SS)                                                                           \
    IH_THEN_BR(X, ALUBR_##op##_SI) IH_THEN_BR(X, ALUBR_##op##_AS) IH_THEN_BR(X, ALUBR_##op##_AI)
#define IH_FUSED(X)                                                                                          \
    IH_PAIRS(X)                                                                                              \
    IH_LOAD_ALU(X, LOADALU_32)                                                                               \
    IH_LOAD_ALU(X, LOADALU_8)                                                                                \
    IH_LOAD_BR(X, LOADBR_32) IH_LOAD_BR(X, LOADBR_8) IH_ALU_BR(X, ADD) IH_ALU_BR(X, SUB) IH_ALU_BR(X, AND)

#define INTERP_HANDLERS(X)                                                                                   \
    IH_CONTROL(X)                                                                                            \
    IH_MOVES(X)                                                                                              \
    IH_SELECT(X)                                                                                             \
    IH_STATE(X)                                                                                              \
    IH_I32_COMMUTATIVE(IH_BIN4, X)                                                                           \
    IH_I32_ORDERED(IH_BIN7, X)                                                                               \
    IH_I64_COMMUTATIVE(IH_BIN4, X) IH_I64_ORDERED(IH_BIN7, X) IH_FLOAT_BINARY(IH_BIN7, X)                    \
        IH_INT_COMPARE(IH_ICMP, X) IH_TESTS(IH_CMP_BR, X) IH_FLOAT_COMPARE(IH_FCMP, X)                       \
            IH_INT_UNARY(IH_UN, X) IH_FLOAT_UNARY(IH_UN, X) IH_CONVERT(IH_UN, X) IH_LOADS(IH_LOAD, X)        \
                IH_STORES(IH_STORE, X) IH_FSTORES(IH_FSTORE, X) IH_SIMD(X) IH_FUSED(X)

#endif
