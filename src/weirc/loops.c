/* weirc/loops.c - counters of loops in the form that LLVM understands best, before the first passes.
 *
 * Producers like to count from -n up to 0 and to address arrays from their ends: comparing with 0 is free.
 * Zero-extended to 64 bits such a counter begins just below 2^32, and what LLVM could know about addresses is
 * lost: nothing shows any more that end + counter does not wrap.  So the counter is replaced by one that
 * begins at 0:
 *
 *     i = phi [start], [i + step]     becomes     up = phi [0], [up + step]  and  i = up + start
 *
 * which holds modulo 2^32 whatever start is; i + step is compared with 0 where up + step is with -start. */
#include "weirc/unit.h"

static bool is_add_of_constant(LLVMValueRef v, LLVMValueRef to)
{
    return LLVMIsAInstruction(v) && LLVMGetInstructionOpcode(v) == LLVMAdd && LLVMGetOperand(v, 0) == to &&
           LLVMIsAConstantInt(LLVMGetOperand(v, 1));
}

static bool is_zero(LLVMValueRef v)
{
    return LLVMIsAConstantInt(v) && LLVMConstIntGetZExtValue(v) == 0;
}

/* -v if v is a negative constant or 0 - n, else NULL. */
static LLVMValueRef negated(LLVMValueRef v)
{
    if (LLVMIsAConstantInt(v)) {
        return LLVMConstIntGetSExtValue(v) < 0 ? LLVMConstNeg(v) : NULL;
    }
    bool sub = LLVMIsAInstruction(v) && LLVMGetInstructionOpcode(v) == LLVMSub;
    return sub && is_zero(LLVMGetOperand(v, 0)) ? LLVMGetOperand(v, 1) : NULL;
}

/* The comparison of `v` with 0, or NULL. */
static LLVMValueRef test_of(LLVMValueRef v)
{
    for (LLVMUseRef use = LLVMGetFirstUse(v); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef cmp = LLVMGetUser(use);
        if (LLVMIsAICmpInst(cmp) && is_zero(LLVMGetOperand(cmp, 1)) &&
            (LLVMGetICmpPredicate(cmp) == LLVMIntEQ || LLVMGetICmpPredicate(cmp) == LLVMIntNE)) {
            return cmp;
        }
    }
    return NULL;
}

static LLVMValueRef first_behind_phis(LLVMBasicBlockRef bb)
{
    LLVMValueRef i = LLVMGetFirstInstruction(bb);
    while (LLVMIsAPHINode(i)) {
        i = LLVMGetNextInstruction(i);
    }
    return i;
}

/* Replace the phi if it counts from -n to 0. */
static void count_up(struct unit *u, LLVMBuilderRef b, LLVMValueRef phi)
{
    if (LLVMTypeOf(phi) != u->t_i32 || LLVMCountIncoming(phi) != 2) {
        return;
    }
    unsigned round = is_add_of_constant(LLVMGetIncomingValue(phi, 0), phi) ? 0 : 1;
    LLVMValueRef next = LLVMGetIncomingValue(phi, round), start = LLVMGetIncomingValue(phi, 1 - round);
    LLVMValueRef end = negated(start);
    LLVMValueRef test = is_add_of_constant(next, phi) && end != NULL ? test_of(next) : NULL;
    if (test == NULL) {
        return;
    }
    LLVMPositionBuilderBefore(b, phi);
    LLVMValueRef up = LLVMBuildPhi(b, u->t_i32, "");
    LLVMPositionBuilderBefore(b, first_behind_phis(LLVMGetInstructionParent(phi)));
    LLVMReplaceAllUsesWith(phi, LLVMBuildAdd(b, up, start, ""));
    LLVMPositionBuilderBefore(b, next);
    LLVMValueRef up_next = LLVMBuildAdd(b, up, LLVMGetOperand(next, 1), "");
    LLVMAddIncoming(
        up, (LLVMValueRef[]){up_next, LLVMConstNull(u->t_i32)},
        (LLVMBasicBlockRef[]){LLVMGetIncomingBlock(phi, round), LLVMGetIncomingBlock(phi, 1 - round)}, 2);
    LLVMSetOperand(test, 0, up_next);
    LLVMSetOperand(test, 1, end);
    LLVMInstructionEraseFromParent(phi);
}

void loops_count_up(struct unit *u)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(u->cx);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb), next; i != NULL && LLVMIsAPHINode(i);
                 i = next) {
                next = LLVMGetNextInstruction(i);
                count_up(u, b, i);
            }
        }
    }
    LLVMDisposeBuilder(b);
}
