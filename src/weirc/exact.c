/* weirc/exact.c - keeping what LLVM would optimise away though WebAssembly can see it.
 *
 * Runs on SSA form, before the optimiser:
 *   - A load whose value nothing needs must still trap: it becomes volatile.
 *   - x * 1, x + -0, float->double->float and the like must still make a NaN quiet; LLVM folds them to x. */
#include "weirc/unit.h"

#include <math.h>

/* Quiet a NaN: the operation that LLVM would drop. */
static LLVMValueRef quieted(struct unit *u, LLVMBuilderRef b, LLVMValueRef v)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    bool vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
    LLVMTypeRef elem = vector ? LLVMGetElementType(type) : type;
    LLVMTypeRef ielem = elem == u->t_f32 ? u->t_i32 : u->t_i64;
    LLVMValueRef bit = LLVMConstInt(ielem, elem == u->t_f32 ? 0x400000 : 0x8000000000000, 0);
    LLVMTypeRef itype = ielem;
    if (vector) {
        unsigned n = LLVMGetVectorSize(type);
        LLVMValueRef lanes[4];
        for (unsigned i = 0; i < n; i++)
            lanes[i] = bit;
        bit = LLVMConstVector(lanes, n);
        itype = LLVMVectorType(ielem, n);
    }
    LLVMValueRef set = LLVMBuildBitCast(b, LLVMBuildOr(b, LLVMBuildBitCast(b, v, itype, ""), bit, ""), type, "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealUNO, v, v, ""), set, v, "");
}

/* The value of a constant float, or of all lanes of a constant vector. */
static bool constant_of(LLVMValueRef v, double *out)
{
    if (!LLVMIsConstant(v))
        return false;
    if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) {
        if (!LLVMIsAConstantDataVector(v) && !LLVMIsAConstantAggregateZero(v))
            return false;
        v = LLVMGetAggregateElement(v, 0); /* different lanes: the first decides, which is safe */
    }
    if (v == NULL || !LLVMIsAConstantFP(v))
        return false;
    LLVMBool lossy;
    *out = LLVMConstRealGetDouble(v, &lossy);
    return true;
}

/* What a fold of `i` with a constant operand would return, or NULL: x * 1, x / 1, x - 0, x + -0 give x; with
 * -1 and -0 - x they give -x. */
static LLVMValueRef folded(LLVMBuilderRef b, LLVMValueRef i, LLVMOpcode op)
{
    LLVMValueRef x = LLVMGetOperand(i, 0), y = LLVMGetOperand(i, 1);
    double c;
    if (constant_of(y, &c)) {
        bool minus = signbit(c) != 0;
        if ((op == LLVMFMul || op == LLVMFDiv) && fabs(c) == 1)
            return minus ? LLVMBuildFNeg(b, x, "") : x;
        if ((op == LLVMFSub && c == 0 && !minus) || (op == LLVMFAdd && c == 0 && minus))
            return x;
        return NULL;
    }
    if (!constant_of(x, &c))
        return NULL;
    bool minus = signbit(c) != 0;
    if (op == LLVMFMul && fabs(c) == 1)
        return minus ? LLVMBuildFNeg(b, y, "") : y;
    if (op == LLVMFAdd && c == 0 && minus)
        return y;
    if (op == LLVMFSub && c == 0 && minus)
        return LLVMBuildFNeg(b, y, "");
    return NULL;
}

/* Replace `i` if it needs it. */
static void fix(struct unit *u, LLVMBuilderRef b, LLVMValueRef i)
{
    LLVMOpcode op = LLVMGetInstructionOpcode(i);
    LLVMValueRef to = NULL;
    switch (op) {
    case LLVMFAdd:
    case LLVMFSub:
    case LLVMFMul:
    case LLVMFDiv:
        LLVMPositionBuilderBefore(b, i);
        to = folded(b, i, op);
        break;
    case LLVMFPTrunc:
        if (LLVMIsAFPExtInst(LLVMGetOperand(i, 0)) && LLVMTypeOf(LLVMGetOperand(LLVMGetOperand(i, 0), 0)) == LLVMTypeOf(i)) {
            LLVMPositionBuilderBefore(b, i);
            to = LLVMGetOperand(LLVMGetOperand(i, 0), 0);
        }
        break;
    case LLVMLoad:
        if (LLVMGetFirstUse(i) == NULL)
            LLVMSetVolatile(i, 1);
        break;
    default: break;
    }
    if (to != NULL) {
        LLVMReplaceAllUsesWith(i, quieted(u, b, to));
        LLVMInstructionEraseFromParent(i);
    }
}

void exact_fix(struct unit *u)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(u->cx);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb))
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb), next; i != NULL; i = next) {
                next = LLVMGetNextInstruction(i);
                fix(u, b, i);
            }
    LLVMDisposeBuilder(b);
}
