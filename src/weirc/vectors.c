/* weirc/vectors.c - which functions LLVM's vectoriser of straight-line code (SLP) gets to see.
 *
 * It pays for floating point.  For integers it does not: it judges the exchange between scalar and vector
 * registers too cheap, and hash functions (SHA-256's message schedule) become a tenth slower, whoever the
 * producer of the module is.  So functions without scalar floating-point arithmetic are hidden from it. */
#include "weirc/unit.h"

static bool computes_floats(const struct unit *u, LLVMValueRef fn)
{
    for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(fn); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(bb); i != NULL; i = LLVMGetNextInstruction(i)) {
            LLVMTypeRef type = LLVMTypeOf(i);
            if ((type == u->t_f64 || type == u->t_f32) && LLVMIsABinaryOperator(i)) {
                return true;
            }
        }
    }
    return false;
}

void vectors_hide_integers(struct unit *u)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f) && !computes_floats(u, f)) {
            LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex, u->attr_hidden);
        }
    }
}

void vectors_show_all(struct unit *u)
{
    unsigned kind = LLVMGetEnumAttributeKind(u->attr_hidden);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        LLVMRemoveEnumAttributeAtIndex(f, LLVMAttributeFunctionIndex, kind);
    }
}
