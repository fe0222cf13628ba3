/* weirc/emit_int.c - integer arithmetic and comparisons (core spec 4.3.2). */
#include "weirc/unit.h"

static void push_bool(struct fn *f, LLVMValueRef i1)
{
    push(f, LLVMBuildZExt(f->b, i1, f->u->t_i32, ""));
}

static LLVMValueRef shift_count(struct fn *f, LLVMValueRef n, LLVMTypeRef type)
{
    unsigned bits = LLVMGetIntTypeWidth(type);
    return LLVMBuildAnd(f->b, n, LLVMConstInt(type, bits - 1, 0), "");
}

/* Division traps by zero; the signed quotient also overflows. */
static void emit_division(struct fn *f, LLVMOpcode op)
{
    LLVMValueRef b = pop(f), a = pop(f);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef minus_one = LLVMConstAllOnes(type);
    unsigned bits = LLVMGetIntTypeWidth(type);
    fn_locate(f);
    fn_trap_if(f, LLVMBuildICmp(f->b, LLVMIntEQ, b, LLVMConstNull(type), ""), WEIR_TRAP_DIVIDE_BY_ZERO);
    if (op == LLVMSDiv) {
        LLVMValueRef least = LLVMConstInt(type, 1ull << (bits - 1), 0);
        LLVMValueRef both = LLVMBuildAnd(f->b, LLVMBuildICmp(f->b, LLVMIntEQ, a, least, ""),
                                         LLVMBuildICmp(f->b, LLVMIntEQ, b, minus_one, ""), "");
        fn_trap_if(f, both, WEIR_TRAP_INTEGER_OVERFLOW);
    } else if (op == LLVMSRem) { /* x % -1 is x % 1, which cannot overflow */
        LLVMValueRef is = LLVMBuildICmp(f->b, LLVMIntEQ, b, minus_one, "");
        b = LLVMBuildSelect(f->b, is, LLVMConstInt(type, 1, 0), b, "");
    }
    push(f, LLVMBuildBinOp(f->b, op, a, b, ""));
}

static void emit_compare(struct fn *f, LLVMIntPredicate pred)
{
    LLVMValueRef b = pop(f), a = pop(f);
    push_bool(f, LLVMBuildICmp(f->b, pred, a, b, ""));
}

static void emit_binary(struct fn *f, LLVMOpcode op)
{
    LLVMValueRef b = pop(f), a = pop(f);
    if (op == LLVMShl || op == LLVMLShr || op == LLVMAShr) {
        b = shift_count(f, b, LLVMTypeOf(a));
    }
    push(f, LLVMBuildBinOp(f->b, op, a, b, ""));
}

static void emit_rotate(struct fn *f, enum unit_intrinsic id)
{
    LLVMValueRef n = pop(f), a = pop(f);
    push(f, fn_call_intrinsic(f, id, LLVMTypeOf(a), (LLVMValueRef[]){a, a, n}, 3));
}

static void emit_count(struct fn *f, enum unit_intrinsic id)
{
    LLVMValueRef a = pop(f);
    LLVMValueRef zero_is_fine = LLVMConstInt(f->u->t_i1, 0, 0);
    push(f, fn_call_intrinsic(f, id, LLVMTypeOf(a), (LLVMValueRef[]){a, zero_is_fine},
                              id == INTR_CTPOP ? 1 : 2));
}

static void emit_extend(struct fn *f, LLVMTypeRef from)
{
    LLVMValueRef a = pop(f);
    push(f, LLVMBuildSExt(f->b, LLVMBuildTrunc(f->b, a, from, ""), LLVMTypeOf(a), ""));
}

/* i32 and i64 have the same order of comparisons and operators. */
static const LLVMIntPredicate compares[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT, LLVMIntULT, LLVMIntSGT,
                                            LLVMIntUGT, LLVMIntSLE, LLVMIntULE, LLVMIntSGE, LLVMIntUGE};

static void emit_operator(struct fn *f, unsigned n)
{
    switch (n) { /* from clz on */
    case 0:
        emit_count(f, INTR_CTLZ);
        break;
    case 1:
        emit_count(f, INTR_CTTZ);
        break;
    case 2:
        emit_count(f, INTR_CTPOP);
        break;
    case 3:
        emit_binary(f, LLVMAdd);
        break;
    case 4:
        emit_binary(f, LLVMSub);
        break;
    case 5:
        emit_binary(f, LLVMMul);
        break;
    case 6:
        emit_division(f, LLVMSDiv);
        break;
    case 7:
        emit_division(f, LLVMUDiv);
        break;
    case 8:
        emit_division(f, LLVMSRem);
        break;
    case 9:
        emit_division(f, LLVMURem);
        break;
    case 10:
        emit_binary(f, LLVMAnd);
        break;
    case 11:
        emit_binary(f, LLVMOr);
        break;
    case 12:
        emit_binary(f, LLVMXor);
        break;
    case 13:
        emit_binary(f, LLVMShl);
        break;
    case 14:
        emit_binary(f, LLVMAShr);
        break;
    case 15:
        emit_binary(f, LLVMLShr);
        break;
    case 16:
        emit_rotate(f, INTR_FSHL);
        break;
    default:
        emit_rotate(f, INTR_FSHR);
        break;
    }
}

void emit_int(struct fn *f, const struct wasm_instr *in)
{
    uint16_t op = in->op;
    if (op == OP_I32_EQZ || op == OP_I64_EQZ) {
        LLVMValueRef a = pop(f);
        push_bool(f, LLVMBuildICmp(f->b, LLVMIntEQ, a, LLVMConstNull(LLVMTypeOf(a)), ""));
    } else if (op <= OP_I32_GE_U) {
        emit_compare(f, compares[op - OP_I32_EQ]);
    } else if (op <= OP_I64_GE_U) {
        emit_compare(f, compares[op - OP_I64_EQ]);
    } else if (op <= OP_I32_ROTR) {
        emit_operator(f, op - OP_I32_CLZ);
    } else if (op <= OP_I64_ROTR) {
        emit_operator(f, op - OP_I64_CLZ);
    } else {
        bool byte = op == OP_I32_EXTEND8_S || op == OP_I64_EXTEND8_S;
        emit_extend(f, byte ? f->u->t_i8 : op == OP_I64_EXTEND32_S ? f->u->t_i32 : f->u->t_i16);
    }
}
