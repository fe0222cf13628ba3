/* weirc/exact.c - keeping what LLVM would optimise away though WebAssembly can see it.
 *
 *   - A load traps even if nobody needs its value, and all of its bytes count.  exact_begin hands every
 * loaded value to a made-up function with an effect, so that the first passes keep all loads while they find
 * out what is dead. exact_end removes these calls and makes loads volatile; only loads of floats whose whole
 * value is needed stay ordinary for the vectorisers, and exact_settle fixes what they left and what they
 * made.
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
        for (unsigned i = 0; i < n; i++) {
            lanes[i] = bit;
        }
        bit = LLVMConstVector(lanes, n);
        itype = LLVMVectorType(ielem, n);
    }
    LLVMValueRef set =
        LLVMBuildBitCast(b, LLVMBuildOr(b, LLVMBuildBitCast(b, v, itype, ""), bit, ""), type, "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealUNO, v, v, ""), set, v, "");
}

/* The value of a constant float, or of all lanes of a constant vector. */
static bool constant_of(LLVMValueRef v, double *out)
{
    if (!LLVMIsConstant(v)) {
        return false;
    }
    if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) {
        if (!LLVMIsAConstantDataVector(v) && !LLVMIsAConstantAggregateZero(v)) {
            return false;
        }
        v = LLVMGetAggregateElement(v, 0); /* different lanes: the first decides, which is safe */
    }
    if (v == NULL || !LLVMIsAConstantFP(v)) {
        return false;
    }
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
        if ((op == LLVMFMul || op == LLVMFDiv) && fabs(c) == 1) {
            return minus ? LLVMBuildFNeg(b, x, "") : x;
        }
        if ((op == LLVMFSub && c == 0 && !minus) || (op == LLVMFAdd && c == 0 && minus)) {
            return x;
        }
        return NULL;
    }
    if (!constant_of(x, &c)) {
        return NULL;
    }
    bool minus = signbit(c) != 0;
    if (op == LLVMFMul && fabs(c) == 1) {
        return minus ? LLVMBuildFNeg(b, y, "") : y;
    }
    if (op == LLVMFAdd && c == 0 && minus) {
        return y;
    }
    if (op == LLVMFSub && c == 0 && minus) {
        return LLVMBuildFNeg(b, y, "");
    }
    return NULL;
}

/* The replacement of `i` if it needs one, else NULL. */
static LLVMValueRef unfolded(LLVMBuilderRef b, LLVMValueRef i)
{
    LLVMOpcode op = LLVMGetInstructionOpcode(i);
    switch (op) {
    case LLVMFAdd:
    case LLVMFSub:
    case LLVMFMul:
    case LLVMFDiv:
        LLVMPositionBuilderBefore(b, i);
        return folded(b, i, op);
    case LLVMFPTrunc: {
        LLVMValueRef from = LLVMGetOperand(i, 0);
        if (!LLVMIsAFPExtInst(from) || LLVMTypeOf(LLVMGetOperand(from, 0)) != LLVMTypeOf(i)) {
            return NULL;
        }
        LLVMPositionBuilderBefore(b, i);
        return LLVMGetOperand(from, 0);
    }
    default:
        return NULL;
    }
}

/* ---- what is needed of a value ------------------------------------------------------------------------
 *
 * A backward analysis: NOTHING, LOW (bits below the top byte only: LLVM may narrow a load that is needed so,
 * and a narrower load does not trap at the end of memory), or ALL. */

enum need { NOTHING, LOW, ALL };

struct needs {
    const struct unit *u;
    struct {
        LLVMValueRef v;
        enum need need;
    } *slots; /* open addressing */
    size_t cap, len;
    VEC(LLVMValueRef) work;
};

static size_t slot_of(const struct needs *n, LLVMValueRef v)
{
    size_t i = ((uintptr_t)v >> 4) * 0x9e3779b97f4a7c15ull >> 20 & (n->cap - 1);
    while (n->slots[i].v != NULL && n->slots[i].v != v) {
        i = (i + 1) & (n->cap - 1);
    }
    return i;
}

static void grow(struct needs *n)
{
    struct needs old = *n;
    n->cap = old.cap == 0 ? 4096 : old.cap * 2;
    n->slots = mem_zalloc_array(n->cap, sizeof *n->slots);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].v != NULL) {
            n->slots[slot_of(n, old.slots[i].v)] = old.slots[i];
        }
    }
    mem_free(old.slots);
}

static void demand(struct needs *n, LLVMValueRef v, enum need need)
{
    if (need == NOTHING || !LLVMIsAInstruction(v)) {
        return;
    }
    if (n->len * 2 >= n->cap) {
        grow(n);
    }
    size_t i = slot_of(n, v);
    if (n->slots[i].v == NULL) {
        n->len++;
    } else if (n->slots[i].need >= need) {
        return;
    }
    n->slots[i].v = v;
    n->slots[i].need = need;
    vec_push(&n->work, v);
}

static enum need need_of(const struct needs *n, LLVMValueRef v)
{
    size_t i = slot_of(n, v);
    return n->slots[i].v == NULL ? NOTHING : n->slots[i].need;
}

static unsigned int_bits(LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);
    return LLVMGetTypeKind(t) == LLVMIntegerTypeKind ? LLVMGetIntTypeWidth(t) : 0;
}

/* Does the constant have no bit in the top byte of its type? */
static bool lacks_top_byte(LLVMValueRef c)
{
    unsigned bits = int_bits(c);
    return LLVMIsAConstantInt(c) && bits >= 16 && bits <= 64 &&
           LLVMConstIntGetZExtValue(c) >> (bits - 8) == 0;
}

static bool shifts_out_a_byte(LLVMValueRef c)
{
    return !LLVMIsAConstantInt(c) || LLVMConstIntGetZExtValue(c) >= 8;
}

/* Does the shuffle take the top lane of operand `which`? */
static bool takes_top_lane(LLVMValueRef shuffle, unsigned which)
{
    int n = (int)LLVMGetVectorSize(LLVMTypeOf(LLVMGetOperand(shuffle, 0)));
    unsigned len = LLVMGetNumMaskElements(shuffle);
    for (unsigned i = 0; i < len; i++) {
        if (LLVMGetMaskValue(shuffle, i) == n - 1 + (which == 1 ? n : 0)) {
            return true;
        }
    }
    return false;
}

/* What instruction `i`, needed as `need` says, needs of its operand `k`. */
static enum need operand_need(LLVMValueRef i, unsigned k, enum need need)
{
    LLVMValueRef other;
    switch (LLVMGetInstructionOpcode(i)) {
    case LLVMAdd:
    case LLVMOr:
    case LLVMPHI:
    case LLVMZExt:
    case LLVMSExt:
        return need;
    case LLVMSub:
    case LLVMXor:
        return LLVMGetOperand(i, 0) == LLVMGetOperand(i, 1) ? NOTHING : need;
    case LLVMMul:
        other = LLVMGetOperand(i, 1 - k);
        return LLVMIsAConstantInt(other) && LLVMConstIntGetZExtValue(other) == 0 ? NOTHING
               : LLVMIsConstant(other)                                           ? LOW
                                                                                 : need;
    case LLVMAnd:
        other = LLVMGetOperand(i, 1 - k);
        return lacks_top_byte(other) ? LOW : need;
    case LLVMSelect:
        return k == 0 ? ALL : need;
    case LLVMTrunc:
        return LOW;
    case LLVMShl:
        return k == 0 && shifts_out_a_byte(LLVMGetOperand(i, 1)) ? LOW : k == 0 ? need : ALL;
    case LLVMExtractElement:
        other = LLVMGetOperand(i, 1);
        return k == 0 && LLVMIsAConstantInt(other) &&
                       LLVMConstIntGetZExtValue(other) + 1 <
                           LLVMGetVectorSize(LLVMTypeOf(LLVMGetOperand(i, 0)))
                   ? LOW
                   : ALL;
    case LLVMShuffleVector:
        return k < 2 && takes_top_lane(i, k) ? need : LOW;
    case LLVMInsertElement: /* a lane put into others may turn out to be the one that is dropped */
        other = LLVMGetOperand(i, 0);
        return k == 1 && !LLVMIsConstant(other) ? NOTHING : k == 2 ? ALL : need;
    case LLVMBitCast:
        return need;
    default:
        return ALL;
    }
}

static bool is_touch(const struct unit *u, LLVMValueRef i);

static bool is_root(const struct unit *u, LLVMValueRef i)
{
    if (is_touch(u, i)) {
        return false;
    }
    switch (LLVMGetInstructionOpcode(i)) {
    case LLVMStore:
    case LLVMRet:
    case LLVMBr:
    case LLVMSwitch:
        return true;
    case LLVMCall: { /* intrinsics that only compute are no roots; what has no result has effects */
        LLVMValueRef callee = LLVMGetCalledValue(i);
        return LLVMGetTypeKind(LLVMTypeOf(i)) == LLVMVoidTypeKind || !LLVMIsAFunction(callee) ||
               LLVMGetIntrinsicID(callee) == 0;
    }
    default:
        return false;
    }
}

static void mark_needs(struct needs *n, LLVMValueRef fn)
{
    for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(fn); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(bb); i != NULL; i = LLVMGetNextInstruction(i)) {
            if (is_root(n->u, i)) {
                demand(n, i, ALL);
            }
        }
    }
    while (n->work.len > 0) {
        LLVMValueRef i = vec_pop(&n->work);
        enum need need = need_of(n, i);
        int operands = LLVMGetNumOperands(i);
        for (int k = 0; k < operands; k++) {
            demand(n, LLVMGetOperand(i, (unsigned)k), operand_need(i, (unsigned)k, need));
        }
    }
}

/* ---- the two walks ------------------------------------------------------------------------------------- */

static LLVMValueRef touch_of(struct unit *u, LLVMTypeRef type)
{
    for (uint32_t i = 0; i < u->ntouches; i++) {
        if (u->touches[i].type == type) {
            return u->touches[i].fn;
        }
    }
    if (u->ntouches == sizeof u->touches / sizeof *u->touches) {
        return NULL;
    }
    LLVMValueRef fn = LLVMAddFunction(u->mod, "touch", LLVMFunctionType(u->t_void, &type, 1, 0));
    for (uint32_t i = 0; i < u->ntouch_attrs; i++) {
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->touch_attrs[i]);
    }
    u->touches[u->ntouches].type = type;
    return u->touches[u->ntouches++].fn = fn;
}

static bool is_touch(const struct unit *u, LLVMValueRef i)
{
    if (!LLVMIsACallInst(i)) {
        return false;
    }
    LLVMValueRef callee = LLVMGetCalledValue(i);
    for (uint32_t k = 0; k < u->ntouches; k++) {
        if (u->touches[k].fn == callee) {
            return true;
        }
    }
    return false;
}

/* What reads the run time's data has a tag of its own; passes may drop the tag where they merge loads. */
bool exact_reads_memory(const struct unit *u, LLVMValueRef load)
{
    LLVMValueRef tag = LLVMGetMetadata(load, u->md_tbaa);
    return tag == NULL || tag == u->tag_memory0 || tag == u->tag_memory_shared;
}

static void touch_load(struct unit *u, LLVMBuilderRef b, LLVMValueRef load, LLVMValueRef next)
{
    LLVMValueRef touch = touch_of(u, LLVMTypeOf(load));
    if (touch == NULL) {
        LLVMSetVolatile(load, 1);
        return;
    }
    LLVMPositionBuilderBefore(b, next);
    LLVMBuildCall2(b, LLVMGlobalGetValueType(touch), touch, &load, 1, "");
}

void exact_begin(struct unit *u)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(u->cx);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb), next; i != NULL; i = next) {
                next = LLVMGetNextInstruction(i);
                if (LLVMIsALoadInst(i) && exact_reads_memory(u, i)) {
                    touch_load(u, b, i, next);
                }
                LLVMValueRef to = unfolded(b, i);
                if (to != NULL) {
                    LLVMReplaceAllUsesWith(i, quieted(u, b, to));
                    LLVMInstructionEraseFromParent(i);
                }
            }
        }
    }
    LLVMDisposeBuilder(b);
}

static bool is_float(const struct unit *u, LLVMValueRef v)
{
    return LLVMTypeOf(v) == u->t_f32 || LLVMTypeOf(v) == u->t_f64;
}

static void end_function(struct unit *u, LLVMValueRef fn, bool vectorise)
{
    struct needs n = {.u = u};
    grow(&n);
    mark_needs(&n, fn);
    for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(fn); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(bb), next; i != NULL; i = next) {
            next = LLVMGetNextInstruction(i);
            if (is_touch(u, i)) {
                LLVMInstructionEraseFromParent(i);
            } else if (LLVMIsALoadInst(i) && exact_reads_memory(u, i)) {
                enum need need = need_of(&n, i);
                /* A later pass may find that a value is not needed after all, and drop its load, or move it
                 * behind another trap.  The vectorisers do neither. */
                if (!vectorise || need != ALL || !is_float(u, i)) {
                    LLVMSetVolatile(i, 1);
                }
            }
        }
    }
    mem_free(n.slots);
    vec_fini(&n.work);
}

void exact_end(struct unit *u, bool vectorise)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f)) {
            end_function(u, f, vectorise);
        }
    }
    for (uint32_t i = 0; i < u->ntouches; i++) {
        LLVMDeleteFunction(u->touches[i].fn);
    }
    u->ntouches = 0;
}

void exact_settle(struct unit *u)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb); i != NULL; i = LLVMGetNextInstruction(i)) {
                if (LLVMIsALoadInst(i) && exact_reads_memory(u, i)) {
                    LLVMSetVolatile(i, 1);
                }
            }
        }
    }
}
