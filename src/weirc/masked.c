/* weirc/masked.c - keeping loads out of AVX-512's masked instructions.
 *
 * Instruction selection folds a load that only a select or a masked operation uses into one masked
 * instruction, also a volatile load.  Such an instruction does not fault in the lanes its mask leaves out, so
 * a trap would be lost.  A load that could end so goes through an empty piece of assembly, which costs
 * nothing but the fold.  Only a value of one use is ever folded, so only chains of single uses matter. */
#include <string.h>

#include "base/cpu.h"
#include "weirc/unit.h"

enum { CHAIN_MOST = 12 };

static bool is_vector(LLVMValueRef v)
{
    return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;
}

static bool may_become_masked(LLVMValueRef v)
{
    for (int i = 0; i < CHAIN_MOST; i++) {
        LLVMUseRef use = LLVMGetFirstUse(v);
        if (use == NULL || LLVMGetNextUse(use) != NULL) {
            return false;
        }
        LLVMValueRef user = LLVMGetUser(use);
        switch (LLVMGetInstructionOpcode(user)) {
        case LLVMSelect:
            return is_vector(user) || LLVMGetTypeKind(LLVMTypeOf(user)) != LLVMIntegerTypeKind;
        case LLVMAnd:
        case LLVMOr:
        case LLVMXor:
        case LLVMMul:
            if (is_vector(user)) { /* with a comparison's lanes as the other operand: a mask */
                return true;
            }
            break;
        case LLVMStore:
        case LLVMPHI:
        case LLVMRet:
        case LLVMBr:
        case LLVMSwitch:
            return false;
        default:
            break;
        }
        v = user;
    }
    return true;
}

static void hide(struct unit *u, LLVMBuilderRef b, LLVMValueRef load, LLVMValueRef next)
{
    LLVMTypeRef type = LLVMTypeOf(load);
    bool integer = LLVMGetTypeKind(type) == LLVMIntegerTypeKind;
    const char *constraints = integer ? "=r,0" : "=x,0";
    LLVMTypeRef ft = LLVMFunctionType(type, &type, 1, 0);
    LLVMValueRef nothing =
        LLVMGetInlineAsm(ft, "", 0, constraints, strlen(constraints), 0, 0, LLVMInlineAsmDialectATT, 0);
    LLVMPositionBuilderBefore(b, next);
    LLVMValueRef arg = LLVMGetUndef(type);
    LLVMValueRef hidden = LLVMBuildCall2(b, ft, nothing, &arg, 1, "");
    LLVMAddCallSiteAttribute(hidden, LLVMAttributeFunctionIndex, u->attrs[0]);
    LLVMReplaceAllUsesWith(load, hidden);
    LLVMSetOperand(hidden, 0, load);
}

/* Types of whole registers; others are split or widened first. */
static bool fits_register(const struct unit *u, LLVMTypeRef type)
{
    if (LLVMGetTypeKind(type) == LLVMIntegerTypeKind) {
        return LLVMGetIntTypeWidth(type) <= 64;
    }
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) {
        return type == u->t_f32 || type == u->t_f64;
    }
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(u->mod);
    unsigned long long bits = LLVMSizeOfTypeInBits(layout, type);
    return bits == 128 || bits == 256 || bits == 512;
}

void masked_prevent(struct unit *u)
{
    if (!u->x86 || u->opt->level == 0 || (u->opt->needs & CPU_BIT(AVX512F)) == 0) {
        return;
    }
    LLVMBuilderRef b = LLVMCreateBuilderInContext(u->cx);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb), next; i != NULL; i = next) {
                next = LLVMGetNextInstruction(i);
                if (LLVMIsALoadInst(i) && exact_reads_memory(u, i) && fits_register(u, LLVMTypeOf(i)) &&
                    may_become_masked(i)) {
                    hide(u, b, i, next);
                }
            }
        }
    }
    LLVMDisposeBuilder(b);
}
