/* weirc/emit_float.c - floating-point arithmetic and conversions (core spec 4.3.3, 4.3.4).
 *
 * LLVM's operations round to nearest and produce what the hardware does for NaN, which is what WebAssembly
 * allows; exact.c undoes the foldings that would let a signalling NaN through. */
#include "weirc/unit.h"

static void emit_unary(struct fn *f, enum unit_intrinsic id)
{
    LLVMValueRef a = pop(f);
    push(f, fn_call_intrinsic(f, id, LLVMTypeOf(a), &a, 1));
}

static void emit_two(struct fn *f, enum unit_intrinsic id)
{
    LLVMValueRef b = pop(f), a = pop(f);
    push(f, fn_call_intrinsic(f, id, LLVMTypeOf(a), (LLVMValueRef[]){a, b}, 2));
}

LLVMValueRef float_minmax(struct fn *f, enum unit_intrinsic id, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef nan = LLVMBuildFCmp(f->b, LLVMRealUNO, a, b, "");
    LLVMValueRef quiet =
        LLVMBuildFAdd(f->b, a, b, ""); /* what LLVM makes of a NaN alone may stay signalling */
    LLVMValueRef r = fn_call_intrinsic(f, id, LLVMTypeOf(a), (LLVMValueRef[]){a, b}, 2);
    LLVMSetFastMathFlags(r, LLVMFastMathNoNaNs);
    return LLVMBuildSelect(f->b, nan, quiet, r, "");
}

static void emit_minmax(struct fn *f, enum unit_intrinsic id)
{
    LLVMValueRef b = pop(f), a = pop(f);
    push(f, float_minmax(f, id, a, b));
}

static void emit_binary(struct fn *f, LLVMOpcode op)
{
    LLVMValueRef b = pop(f), a = pop(f);
    push(f, LLVMBuildBinOp(f->b, op, a, b, ""));
}

static void emit_compare(struct fn *f, unsigned n)
{
    static const LLVMRealPredicate preds[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT,
                                              LLVMRealOGT, LLVMRealOLE, LLVMRealOGE};
    LLVMValueRef b = pop(f), a = pop(f);
    push(f, LLVMBuildZExt(f->b, LLVMBuildFCmp(f->b, preds[n], a, b, ""), f->u->t_i32, ""));
}

void emit_float(struct fn *f, const struct wasm_instr *in)
{
    if (in->op <= OP_F64_GE) {
        emit_compare(f, in->op >= OP_F64_EQ ? in->op - OP_F64_EQ : in->op - OP_F32_EQ);
        return;
    }
    switch (in->op >= OP_F64_ABS ? in->op - OP_F64_ABS : in->op - OP_F32_ABS) {
    case 0:
        emit_unary(f, INTR_FABS);
        break;
    case 1:
        push(f, LLVMBuildFNeg(f->b, pop(f), ""));
        break;
    case 2:
        emit_unary(f, INTR_CEIL);
        break;
    case 3:
        emit_unary(f, INTR_FLOOR);
        break;
    case 4:
        emit_unary(f, INTR_TRUNC);
        break;
    case 5:
        emit_unary(f, INTR_ROUNDEVEN);
        break;
    case 6:
        emit_unary(f, INTR_SQRT);
        break;
    case 7:
        emit_binary(f, LLVMFAdd);
        break;
    case 8:
        emit_binary(f, LLVMFSub);
        break;
    case 9:
        emit_binary(f, LLVMFMul);
        break;
    case 10:
        emit_binary(f, LLVMFDiv);
        break;
    case 11:
        emit_minmax(f, INTR_MINIMUM);
        break;
    case 12:
        emit_minmax(f, INTR_MAXIMUM);
        break;
    default:
        emit_two(f, INTR_COPYSIGN);
        break;
    }
}

/* ---- conversions ---------------------------------------------------------------------------------- */

/* A value truncates to the type if it is above `low` (at least `low` where the bound itself is
 * representable) and below `high`. */
static const struct bounds {
    double low;
    bool low_inclusive;
    double high;
} bounds_of[] = {
    /* f32: i32 s, u; i64 s, u */
    {-2147483648.0, true, 2147483648.0},
    {-1.0, false, 4294967296.0},
    {-9223372036854775808.0, true, 9223372036854775808.0},
    {-1.0, false, 18446744073709551616.0},
    /* f64 */
    {-2147483649.0, false, 2147483648.0},
    {-1.0, false, 4294967296.0},
    {-9223372036854775808.0, true, 9223372036854775808.0},
    {-1.0, false, 18446744073709551616.0},
};

static void emit_trunc(struct fn *f, bool from_f64, bool to_i64, bool is_unsigned)
{
    LLVMValueRef a = pop(f);
    LLVMTypeRef from = LLVMTypeOf(a), to = to_i64 ? f->u->t_i64 : f->u->t_i32;
    const struct bounds *b = &bounds_of[(from_f64 ? 4 : 0) + (to_i64 ? 2 : 0) + (is_unsigned ? 1 : 0)];
    fn_locate(f);
    fn_trap_if(f, LLVMBuildFCmp(f->b, LLVMRealUNO, a, a, ""), WEIR_TRAP_INVALID_CONVERSION);
    LLVMValueRef low =
        LLVMBuildFCmp(f->b, b->low_inclusive ? LLVMRealOGE : LLVMRealOGT, a, LLVMConstReal(from, b->low), "");
    LLVMValueRef high = LLVMBuildFCmp(f->b, LLVMRealOLT, a, LLVMConstReal(from, b->high), "");
    LLVMValueRef inside = LLVMBuildAnd(f->b, low, high, "");
    fn_trap_if(f, LLVMBuildNot(f->b, inside, ""), WEIR_TRAP_INTEGER_OVERFLOW);
    push(f, is_unsigned ? LLVMBuildFPToUI(f->b, a, to, "") : LLVMBuildFPToSI(f->b, a, to, ""));
}

static void emit_trunc_sat(struct fn *f, bool to_i64, bool is_unsigned)
{
    LLVMValueRef a = pop(f);
    LLVMTypeRef types[] = {to_i64 ? f->u->t_i64 : f->u->t_i32, LLVMTypeOf(a)}, ft;
    LLVMValueRef fn = unit_intrinsic(f->u, is_unsigned ? INTR_FPTOUI_SAT : INTR_FPTOSI_SAT, types, 2, &ft);
    push(f, LLVMBuildCall2(f->b, ft, fn, &a, 1, ""));
}

void emit_convert(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    LLVMBuilderRef b = f->b;
    switch (in->op) {
    case OP_I32_WRAP_I64:
        push(f, LLVMBuildTrunc(b, pop(f), u->t_i32, ""));
        break;
    case OP_I64_EXTEND_I32_S:
        push(f, LLVMBuildSExt(b, pop(f), u->t_i64, ""));
        break;
    case OP_I64_EXTEND_I32_U:
        push(f, LLVMBuildZExt(b, pop(f), u->t_i64, ""));
        break;
    case OP_I32_TRUNC_F32_S:
        emit_trunc(f, false, false, false);
        break;
    case OP_I32_TRUNC_F32_U:
        emit_trunc(f, false, false, true);
        break;
    case OP_I32_TRUNC_F64_S:
        emit_trunc(f, true, false, false);
        break;
    case OP_I32_TRUNC_F64_U:
        emit_trunc(f, true, false, true);
        break;
    case OP_I64_TRUNC_F32_S:
        emit_trunc(f, false, true, false);
        break;
    case OP_I64_TRUNC_F32_U:
        emit_trunc(f, false, true, true);
        break;
    case OP_I64_TRUNC_F64_S:
        emit_trunc(f, true, true, false);
        break;
    case OP_I64_TRUNC_F64_U:
        emit_trunc(f, true, true, true);
        break;
    case OP_F32_CONVERT_I32_S:
    case OP_F32_CONVERT_I64_S:
        push(f, LLVMBuildSIToFP(b, pop(f), u->t_f32, ""));
        break;
    case OP_F32_CONVERT_I32_U:
    case OP_F32_CONVERT_I64_U:
        push(f, LLVMBuildUIToFP(b, pop(f), u->t_f32, ""));
        break;
    case OP_F32_DEMOTE_F64:
        push(f, LLVMBuildFPTrunc(b, pop(f), u->t_f32, ""));
        break;
    case OP_F64_CONVERT_I32_S:
    case OP_F64_CONVERT_I64_S:
        push(f, LLVMBuildSIToFP(b, pop(f), u->t_f64, ""));
        break;
    case OP_F64_CONVERT_I32_U:
    case OP_F64_CONVERT_I64_U:
        push(f, LLVMBuildUIToFP(b, pop(f), u->t_f64, ""));
        break;
    case OP_F64_PROMOTE_F32:
        push(f, LLVMBuildFPExt(b, pop(f), u->t_f64, ""));
        break;
    case OP_I32_REINTERPRET_F32:
        push(f, LLVMBuildBitCast(b, pop(f), u->t_i32, ""));
        break;
    case OP_I64_REINTERPRET_F64:
        push(f, LLVMBuildBitCast(b, pop(f), u->t_i64, ""));
        break;
    case OP_F32_REINTERPRET_I32:
        push(f, LLVMBuildBitCast(b, pop(f), u->t_f32, ""));
        break;
    case OP_F64_REINTERPRET_I64:
        push(f, LLVMBuildBitCast(b, pop(f), u->t_f64, ""));
        break;
    default: { /* trunc_sat: bit 0 unsigned, bit 2 to i64; the operand has its type */
        unsigned n = in->op - OP_I32_TRUNC_SAT_F32_S;
        emit_trunc_sat(f, n >= 4, n & 1);
        break;
    }
    }
}
