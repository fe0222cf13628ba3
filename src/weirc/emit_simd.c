/* weirc/emit_simd.c - vectors (core spec 4.4.3): every operation as LLVM vector IR with WebAssembly's exact
 * meaning.
 *
 * Where x86-64 has the very instruction (pshufb, packs, pmulhrsw, pmaddwd, cvttps2dq) and LLVM's generic form
 * would not always find it, the intrinsic is used; the generic form serves aarch64. */
#include "weirc/unit.h"

/* ---- small tools --------------------------------------------------------------------------------- */

static LLVMValueRef pop_as(struct fn *f, LLVMTypeRef type)
{
    return vec_as(f, pop(f), type);
}

static LLVMValueRef splat(struct fn *f, LLVMValueRef lane, LLVMTypeRef type)
{
    LLVMValueRef one = LLVMBuildInsertElement(f->b, LLVMGetPoison(type), lane, unit_const_i32(f->u, 0), "");
    LLVMTypeRef mask = LLVMVectorType(f->u->t_i32, LLVMGetVectorSize(type));
    return LLVMBuildShuffleVector(f->b, one, LLVMGetPoison(type), LLVMConstNull(mask), "");
}

static LLVMValueRef const_splat(LLVMTypeRef type, LLVMValueRef lane)
{
    LLVMValueRef lanes[16];
    unsigned n = LLVMGetVectorSize(type);
    for (unsigned i = 0; i < n; i++) {
        lanes[i] = lane;
    }
    return LLVMConstVector(lanes, n);
}

static LLVMValueRef const_int_splat(LLVMTypeRef type, uint64_t v)
{
    return const_splat(type, LLVMConstInt(LLVMGetElementType(type), v, 0));
}

static LLVMValueRef const_real_splat(LLVMTypeRef type, double v)
{
    return const_splat(type, LLVMConstReal(LLVMGetElementType(type), v));
}

/* Lanes first, first + step, ... (n of them) of the two vectors side by side. */
static LLVMValueRef pick(struct fn *f, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned step,
                         unsigned n)
{
    LLVMValueRef lanes[16];
    for (unsigned i = 0; i < n; i++) {
        lanes[i] = unit_const_i32(f->u, first + i * step);
    }
    return LLVMBuildShuffleVector(f->b, a, b, LLVMConstVector(lanes, n), "");
}

static LLVMValueRef call1(struct fn *f, enum unit_intrinsic id, LLVMValueRef a)
{
    return fn_call_intrinsic(f, id, LLVMTypeOf(a), &a, 1);
}

static LLVMValueRef call2(struct fn *f, enum unit_intrinsic id, LLVMValueRef a, LLVMValueRef b)
{
    return fn_call_intrinsic(f, id, LLVMTypeOf(a), (LLVMValueRef[]){a, b}, 2);
}

/* An intrinsic that is not overloaded. */
static LLVMValueRef x86_call(struct fn *f, enum unit_intrinsic id, LLVMValueRef a, LLVMValueRef b)
{
    return fn_call_intrinsic(f, id, NULL, (LLVMValueRef[]){a, b}, b == NULL ? 1 : 2);
}

static LLVMTypeRef lanes_of(LLVMTypeRef elem, unsigned n)
{
    return LLVMVectorType(elem, n);
}

static LLVMTypeRef half_width(const struct unit *u, LLVMTypeRef wide) /* element type of half the width */
{
    return wide == u->v_i16 ? u->t_i8 : wide == u->v_i32 ? u->t_i16 : u->t_i32;
}

static LLVMTypeRef narrow_of(const struct unit *u, LLVMTypeRef wide)
{
    return wide == u->v_i16 ? u->v_i8 : wide == u->v_i32 ? u->v_i16 : u->v_i32;
}

static LLVMValueRef extend(struct fn *f, LLVMValueRef v, LLVMTypeRef to, bool is_signed)
{
    return is_signed ? LLVMBuildSExt(f->b, v, to, "") : LLVMBuildZExt(f->b, v, to, "");
}

/* The low or high half of a vector of narrow lanes, each lane extended. */
static LLVMValueRef extend_half(struct fn *f, LLVMValueRef v, LLVMTypeRef wide, bool high, bool is_signed)
{
    unsigned n = LLVMGetVectorSize(wide);
    LLVMValueRef half = pick(f, v, LLVMGetPoison(LLVMTypeOf(v)), high ? n : 0, 1, n);
    return extend(f, half, wide, is_signed);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static void load_extend(struct fn *f, const struct wasm_instr *in, LLVMTypeRef wide, bool is_signed)
{
    LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
    LLVMTypeRef type = lanes_of(half_width(f->u, wide), LLVMGetVectorSize(wide));
    push(f, extend(f, memory_load(f, type, at, in->mem.memory), wide, is_signed));
}

static void load_splat(struct fn *f, const struct wasm_instr *in, LLVMTypeRef type)
{
    LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
    push(f, splat(f, memory_load(f, LLVMGetElementType(type), at, in->mem.memory), type));
}

static void load_zero(struct fn *f, const struct wasm_instr *in, LLVMTypeRef type)
{
    LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
    LLVMValueRef v = memory_load(f, LLVMGetElementType(type), at, in->mem.memory);
    push(f, LLVMBuildInsertElement(f->b, LLVMConstNull(type), v, unit_const_i32(f->u, 0), ""));
}

static void lane_access(struct fn *f, const struct wasm_instr *in, LLVMTypeRef type, bool store)
{
    LLVMValueRef v = pop_as(f, type), lane = unit_const_i32(f->u, in->mem.lane);
    LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
    if (store) {
        memory_store(f, LLVMBuildExtractElement(f->b, v, lane, ""), at, in->mem.memory);
        return;
    }
    LLVMValueRef elem = memory_load(f, LLVMGetElementType(type), at, in->mem.memory);
    push(f, LLVMBuildInsertElement(f->b, v, elem, lane, ""));
}

static void emit_vector_memory(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    LLVMTypeRef const by_width[] = {u->v_i8, u->v_i16, u->v_i32, u->v_i64};
    LLVMValueRef v, at;
    switch (in->op) {
    case OP_V128_LOAD:
        at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
        push(f, memory_load(f, u->v_i64, at, in->mem.memory));
        break;
    case OP_V128_STORE:
        v = pop_as(f, u->v_i64);
        at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
        memory_store(f, v, at, in->mem.memory);
        break;
    case OP_V128_LOAD8X8_S:
        load_extend(f, in, u->v_i16, true);
        break;
    case OP_V128_LOAD8X8_U:
        load_extend(f, in, u->v_i16, false);
        break;
    case OP_V128_LOAD16X4_S:
        load_extend(f, in, u->v_i32, true);
        break;
    case OP_V128_LOAD16X4_U:
        load_extend(f, in, u->v_i32, false);
        break;
    case OP_V128_LOAD32X2_S:
        load_extend(f, in, u->v_i64, true);
        break;
    case OP_V128_LOAD32X2_U:
        load_extend(f, in, u->v_i64, false);
        break;
    case OP_V128_LOAD8_SPLAT:
    case OP_V128_LOAD16_SPLAT:
    case OP_V128_LOAD32_SPLAT:
    case OP_V128_LOAD64_SPLAT:
        load_splat(f, in, by_width[in->op - OP_V128_LOAD8_SPLAT]);
        break;
    case OP_V128_LOAD8_LANE:
    case OP_V128_LOAD16_LANE:
    case OP_V128_LOAD32_LANE:
    case OP_V128_LOAD64_LANE:
        lane_access(f, in, by_width[in->op - OP_V128_LOAD8_LANE], false);
        break;
    case OP_V128_STORE8_LANE:
    case OP_V128_STORE16_LANE:
    case OP_V128_STORE32_LANE:
    case OP_V128_STORE64_LANE:
        lane_access(f, in, by_width[in->op - OP_V128_STORE8_LANE], true);
        break;
    case OP_V128_LOAD32_ZERO:
        load_zero(f, in, u->v_i32);
        break;
    default:
        load_zero(f, in, u->v_i64);
        break;
    }
}

/* ---- lanes -------------------------------------------------------------------------------------------- */

static void emit_const(struct fn *f, const struct wasm_instr *in)
{
    LLVMValueRef lanes[16];
    for (unsigned i = 0; i < 16; i++) {
        lanes[i] = LLVMConstInt(f->u->t_i8, in->v128[i], 0);
    }
    push(f, LLVMConstBitCast(LLVMConstVector(lanes, 16), f->u->v_i64));
}

static void emit_shuffle(struct fn *f, const struct wasm_instr *in)
{
    LLVMValueRef b = pop_as(f, f->u->v_i8), a = pop_as(f, f->u->v_i8), lanes[16];
    for (unsigned i = 0; i < 16; i++) {
        lanes[i] = unit_const_i32(f->u, in->v128[i]);
    }
    push(f, LLVMBuildShuffleVector(f->b, a, b, LLVMConstVector(lanes, 16), ""));
}

/* Lane numbers from 16 on give 0; pshufb does that for those of 128 on. */
static void emit_swizzle(struct fn *f)
{
    struct unit *u = f->u;
    LLVMValueRef which = pop_as(f, u->v_i8), a = pop_as(f, u->v_i8);
    if (u->x86) {
        which = call2(f, INTR_UADD_SAT, which, const_int_splat(u->v_i8, 0x70));
        push(f, x86_call(f, INTR_X86_PSHUFB, a, which));
    } else {
        push(f, fn_call_intrinsic(f, INTR_ARM_TBL1, u->v_i8, (LLVMValueRef[]){a, which}, 2));
    }
}

static void emit_extract(struct fn *f, const struct wasm_instr *in, LLVMTypeRef type, int sign)
{
    LLVMValueRef v = pop_as(f, type);
    v = LLVMBuildExtractElement(f->b, v, unit_const_i32(f->u, in->lane), "");
    if (sign != 0) {
        v = extend(f, v, f->u->t_i32, sign > 0);
    }
    push(f, v);
}

static void emit_replace(struct fn *f, const struct wasm_instr *in, LLVMTypeRef type)
{
    LLVMValueRef lane = pop(f), v = pop_as(f, type);
    if (LLVMTypeOf(lane) != LLVMGetElementType(type)) {
        lane = LLVMBuildTrunc(f->b, lane, LLVMGetElementType(type), "");
    }
    push(f, LLVMBuildInsertElement(f->b, v, lane, unit_const_i32(f->u, in->lane), ""));
}

static void emit_splat(struct fn *f, LLVMTypeRef type)
{
    LLVMValueRef lane = pop(f);
    if (LLVMTypeOf(lane) != LLVMGetElementType(type)) {
        lane = LLVMBuildTrunc(f->b, lane, LLVMGetElementType(type), "");
    }
    push(f, splat(f, lane, type));
}

static void emit_lanes(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    switch (in->op) {
    case OP_V128_CONST:
        emit_const(f, in);
        break;
    case OP_I8X16_SHUFFLE:
        emit_shuffle(f, in);
        break;
    case OP_I8X16_SWIZZLE:
        emit_swizzle(f);
        break;
    case OP_I8X16_SPLAT:
        emit_splat(f, u->v_i8);
        break;
    case OP_I16X8_SPLAT:
        emit_splat(f, u->v_i16);
        break;
    case OP_I32X4_SPLAT:
        emit_splat(f, u->v_i32);
        break;
    case OP_I64X2_SPLAT:
        emit_splat(f, u->v_i64);
        break;
    case OP_F32X4_SPLAT:
        emit_splat(f, u->v_f32);
        break;
    case OP_F64X2_SPLAT:
        emit_splat(f, u->v_f64);
        break;
    case OP_I8X16_EXTRACT_LANE_S:
        emit_extract(f, in, u->v_i8, 1);
        break;
    case OP_I8X16_EXTRACT_LANE_U:
        emit_extract(f, in, u->v_i8, -1);
        break;
    case OP_I16X8_EXTRACT_LANE_S:
        emit_extract(f, in, u->v_i16, 1);
        break;
    case OP_I16X8_EXTRACT_LANE_U:
        emit_extract(f, in, u->v_i16, -1);
        break;
    case OP_I32X4_EXTRACT_LANE:
        emit_extract(f, in, u->v_i32, 0);
        break;
    case OP_I64X2_EXTRACT_LANE:
        emit_extract(f, in, u->v_i64, 0);
        break;
    case OP_F32X4_EXTRACT_LANE:
        emit_extract(f, in, u->v_f32, 0);
        break;
    case OP_F64X2_EXTRACT_LANE:
        emit_extract(f, in, u->v_f64, 0);
        break;
    case OP_I8X16_REPLACE_LANE:
        emit_replace(f, in, u->v_i8);
        break;
    case OP_I16X8_REPLACE_LANE:
        emit_replace(f, in, u->v_i16);
        break;
    case OP_I32X4_REPLACE_LANE:
        emit_replace(f, in, u->v_i32);
        break;
    case OP_I64X2_REPLACE_LANE:
        emit_replace(f, in, u->v_i64);
        break;
    case OP_F32X4_REPLACE_LANE:
        emit_replace(f, in, u->v_f32);
        break;
    default:
        emit_replace(f, in, u->v_f64);
        break;
    }
}

/* ---- comparisons and bits ---------------------------------------------------------------------------------
 */

static void push_mask(struct fn *f, LLVMValueRef lanes_i1, LLVMTypeRef type)
{
    push(f, LLVMBuildSExt(f->b, lanes_i1, type, ""));
}

static void emit_int_compare(struct fn *f, LLVMTypeRef type, LLVMIntPredicate pred)
{
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    push_mask(f, LLVMBuildICmp(f->b, pred, a, b, ""), type);
}

static void emit_float_compare(struct fn *f, LLVMTypeRef type, LLVMTypeRef mask, unsigned n)
{
    static const LLVMRealPredicate preds[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT,
                                              LLVMRealOGT, LLVMRealOLE, LLVMRealOGE};
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    push_mask(f, LLVMBuildFCmp(f->b, preds[n], a, b, ""), mask);
}

static void emit_vector_compare(struct fn *f, uint16_t op)
{
    static const LLVMIntPredicate preds[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT, LLVMIntULT, LLVMIntSGT,
                                             LLVMIntUGT, LLVMIntSLE, LLVMIntULE, LLVMIntSGE, LLVMIntUGE};
    static const LLVMIntPredicate wide[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT,
                                            LLVMIntSGT, LLVMIntSLE, LLVMIntSGE};
    struct unit *u = f->u;
    if (op >= OP_I64X2_EQ) {
        emit_int_compare(f, u->v_i64, wide[op - OP_I64X2_EQ]);
    } else if (op >= OP_F64X2_EQ) {
        emit_float_compare(f, u->v_f64, u->v_i64, op - OP_F64X2_EQ);
    } else if (op >= OP_F32X4_EQ) {
        emit_float_compare(f, u->v_f32, u->v_i32, op - OP_F32X4_EQ);
    } else if (op >= OP_I32X4_EQ) {
        emit_int_compare(f, u->v_i32, preds[op - OP_I32X4_EQ]);
    } else if (op >= OP_I16X8_EQ) {
        emit_int_compare(f, u->v_i16, preds[op - OP_I16X8_EQ]);
    } else {
        emit_int_compare(f, u->v_i8, preds[op - OP_I8X16_EQ]);
    }
}

static void emit_bits(struct fn *f, uint16_t op)
{
    struct unit *u = f->u;
    if (op == OP_V128_ANY_TRUE) {
        LLVMValueRef all = LLVMBuildBitCast(f->b, pop(f), u->t_i128, "");
        LLVMValueRef any = LLVMBuildICmp(f->b, LLVMIntNE, all, LLVMConstNull(u->t_i128), "");
        push(f, LLVMBuildZExt(f->b, any, u->t_i32, ""));
        return;
    }
    LLVMValueRef c = op == OP_V128_BITSELECT ? pop_as(f, u->v_i64) : NULL;
    LLVMValueRef b = op == OP_V128_NOT ? NULL : pop_as(f, u->v_i64), a = pop_as(f, u->v_i64);
    switch (op) {
    case OP_V128_NOT:
        push(f, LLVMBuildNot(f->b, a, ""));
        break;
    case OP_V128_AND:
        push(f, LLVMBuildAnd(f->b, a, b, ""));
        break;
    case OP_V128_ANDNOT:
        push(f, LLVMBuildAnd(f->b, a, LLVMBuildNot(f->b, b, ""), ""));
        break;
    case OP_V128_OR:
        push(f, LLVMBuildOr(f->b, a, b, ""));
        break;
    case OP_V128_XOR:
        push(f, LLVMBuildXor(f->b, a, b, ""));
        break;
    default:
        a = LLVMBuildAnd(f->b, a, c, "");
        b = LLVMBuildAnd(f->b, b, LLVMBuildNot(f->b, c, ""), "");
        push(f, LLVMBuildOr(f->b, a, b, ""));
        break;
    }
}

static void emit_all_true(struct fn *f, LLVMTypeRef type)
{
    LLVMValueRef set = LLVMBuildICmp(f->b, LLVMIntNE, pop_as(f, type), LLVMConstNull(type), "");
    push(f, LLVMBuildZExt(f->b, call1(f, INTR_REDUCE_AND, set), f->u->t_i32, ""));
}

static void emit_bitmask(struct fn *f, LLVMTypeRef type)
{
    LLVMValueRef signs = LLVMBuildICmp(f->b, LLVMIntSLT, pop_as(f, type), LLVMConstNull(type), "");
    LLVMTypeRef bits = LLVMIntTypeInContext(f->u->cx, LLVMGetVectorSize(type));
    push(f, LLVMBuildZExt(f->b, LLVMBuildBitCast(f->b, signs, bits, ""), f->u->t_i32, ""));
}

/* ---- integer arithmetic
 * ------------------------------------------------------------------------------------ */

static void emit_vector_binary(struct fn *f, LLVMTypeRef type, LLVMOpcode op)
{
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    push(f, LLVMBuildBinOp(f->b, op, a, b, ""));
}

static void emit_vector_two(struct fn *f, LLVMTypeRef type, enum unit_intrinsic id)
{
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    push(f, call2(f, id, a, b));
}

static void emit_vector_one(struct fn *f, LLVMTypeRef type, enum unit_intrinsic id)
{
    push(f, call1(f, id, pop_as(f, type)));
}

static void emit_shift(struct fn *f, LLVMTypeRef type, LLVMOpcode op)
{
    struct unit *u = f->u;
    LLVMValueRef n = pop(f), a = pop_as(f, type);
    LLVMTypeRef elem = LLVMGetElementType(type);
    n = LLVMBuildAnd(f->b, n, unit_const_i32(u, LLVMGetIntTypeWidth(elem) - 1), "");
    if (elem == u->t_i64) {
        n = LLVMBuildZExt(f->b, n, elem, "");
    } else if (elem != u->t_i32) {
        n = LLVMBuildTrunc(f->b, n, elem, "");
    }
    push(f, LLVMBuildBinOp(f->b, op, a, splat(f, n, type), ""));
}

static void emit_int_abs(struct fn *f, LLVMTypeRef type)
{
    LLVMValueRef args[] = {pop_as(f, type), LLVMConstInt(f->u->t_i1, 0, 0)};
    push(f, fn_call_intrinsic(f, INTR_ABS, type, args, 2));
}

static void emit_neg(struct fn *f, LLVMTypeRef type)
{
    push(f, LLVMBuildNeg(f->b, pop_as(f, type), ""));
}

/* (a + b + 1) / 2 without overflow. */
static void emit_average(struct fn *f, LLVMTypeRef type)
{
    struct unit *u = f->u;
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    LLVMTypeRef wide = lanes_of(type == u->v_i8 ? u->t_i16 : u->t_i32, LLVMGetVectorSize(type));
    LLVMValueRef sum = LLVMBuildAdd(f->b, extend(f, a, wide, false), extend(f, b, wide, false), "");
    sum = LLVMBuildAdd(f->b, sum, const_int_splat(wide, 1), "");
    push(f, LLVMBuildTrunc(f->b, LLVMBuildLShr(f->b, sum, const_int_splat(wide, 1), ""), type, ""));
}

/* Saturate lanes of `from` (signed) into half their width, a's lanes low. */
static void emit_narrow(struct fn *f, LLVMTypeRef from, bool is_signed)
{
    struct unit *u = f->u;
    LLVMValueRef b = pop_as(f, from), a = pop_as(f, from);
    bool bytes = from == u->v_i16;
    if (u->x86) {
        enum unit_intrinsic id = bytes ? (is_signed ? INTR_X86_PACKSSWB : INTR_X86_PACKUSWB)
                                       : (is_signed ? INTR_X86_PACKSSDW : INTR_X86_PACKUSDW);
        push(f, x86_call(f, id, a, b));
        return;
    }
    int64_t low = !is_signed ? 0 : bytes ? -128 : -32768;
    int64_t high = is_signed ? (bytes ? 127 : 32767) : (bytes ? 255 : 65535);
    unsigned n = LLVMGetVectorSize(from);
    LLVMValueRef both = pick(f, a, b, 0, 1, 2 * n);
    LLVMTypeRef wide = LLVMTypeOf(both);
    both = call2(f, INTR_SMIN, call2(f, INTR_SMAX, both, const_int_splat(wide, (uint64_t)low)),
                 const_int_splat(wide, (uint64_t)high));
    push(f, LLVMBuildTrunc(f->b, both, narrow_of(u, from), ""));
}

static void emit_extend_half(struct fn *f, LLVMTypeRef wide, unsigned n) /* low s, high s, low u, high u */
{
    push(f, extend_half(f, pop_as(f, narrow_of(f->u, wide)), wide, n & 1, n < 2));
}

static void emit_extmul(struct fn *f, LLVMTypeRef wide, unsigned n)
{
    LLVMTypeRef narrow = narrow_of(f->u, wide);
    LLVMValueRef b = extend_half(f, pop_as(f, narrow), wide, n & 1, n < 2);
    LLVMValueRef a = extend_half(f, pop_as(f, narrow), wide, n & 1, n < 2);
    push(f, LLVMBuildMul(f->b, a, b, ""));
}

static void emit_extadd_pairwise(struct fn *f, LLVMTypeRef wide, bool is_signed)
{
    LLVMTypeRef narrow = narrow_of(f->u, wide);
    unsigned n = LLVMGetVectorSize(wide);
    LLVMValueRef v = pop_as(f, narrow), none = LLVMGetPoison(narrow);
    LLVMValueRef even = extend(f, pick(f, v, none, 0, 2, n), wide, is_signed);
    LLVMValueRef odd = extend(f, pick(f, v, none, 1, 2, n), wide, is_signed);
    push(f, LLVMBuildAdd(f->b, even, odd, ""));
}

static void emit_dot(struct fn *f)
{
    struct unit *u = f->u;
    LLVMValueRef b = pop_as(f, u->v_i16), a = pop_as(f, u->v_i16);
    if (u->x86) {
        push(f, x86_call(f, INTR_X86_PMADDWD, a, b));
        return;
    }
    LLVMValueRef none = LLVMGetPoison(u->v_i16), sum = NULL;
    for (unsigned odd = 0; odd < 2; odd++) {
        LLVMValueRef x = extend(f, pick(f, a, none, odd, 2, 4), u->v_i32, true);
        LLVMValueRef y = extend(f, pick(f, b, none, odd, 2, 4), u->v_i32, true);
        LLVMValueRef product = LLVMBuildMul(f->b, x, y, "");
        sum = sum == NULL ? product : LLVMBuildAdd(f->b, sum, product, "");
    }
    push(f, sum);
}

/* pmulhrsw does all but saturate -1 * -1. */
static void emit_q15mulr(struct fn *f)
{
    struct unit *u = f->u;
    LLVMValueRef b = pop_as(f, u->v_i16), a = pop_as(f, u->v_i16);
    if (u->x86) {
        LLVMValueRef r = x86_call(f, INTR_X86_PMULHRSW, a, b);
        LLVMValueRef over = LLVMBuildICmp(f->b, LLVMIntEQ, r, const_int_splat(u->v_i16, 0x8000), "");
        push(f, LLVMBuildXor(f->b, r, LLVMBuildSExt(f->b, over, u->v_i16, ""), ""));
        return;
    }
    LLVMTypeRef wide = lanes_of(u->t_i32, 8);
    LLVMValueRef r = LLVMBuildMul(f->b, extend(f, a, wide, true), extend(f, b, wide, true), "");
    r = LLVMBuildAdd(f->b, r, const_int_splat(wide, 0x4000), "");
    r = LLVMBuildAShr(f->b, r, const_int_splat(wide, 15), "");
    r = call2(f, INTR_SMIN, r, const_int_splat(wide, 0x7fff));
    push(f, LLVMBuildTrunc(f->b, r, u->v_i16, ""));
}

/* ---- floating point
 * ---------------------------------------------------------------------------------------- */

static void emit_vector_minmax(struct fn *f, LLVMTypeRef type, enum unit_intrinsic id)
{
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    push(f, float_minmax(f, id, a, b));
}

/* b < a ? b : a, and a < b ? b : a: C's idea of minimum and maximum. */
static void emit_pseudo_minmax(struct fn *f, LLVMTypeRef type, bool max)
{
    LLVMValueRef b = pop_as(f, type), a = pop_as(f, type);
    LLVMValueRef take =
        max ? LLVMBuildFCmp(f->b, LLVMRealOLT, a, b, "") : LLVMBuildFCmp(f->b, LLVMRealOLT, b, a, "");
    push(f, LLVMBuildSelect(f->b, take, b, a, ""));
}

/* At -O0 a mask of all but the sign bits: LLVM's code generator for x86-64 may never end for llvm.fabs of a
 * vector of constants that no pass has folded (docs/adr/0052).  Above, llvm.fabs reads memory itself. */
static void emit_float_abs(struct fn *f, LLVMTypeRef type)
{
    struct unit *u = f->u;
    if (u->opt->level > 0) {
        emit_vector_one(f, type, INTR_FABS);
        return;
    }
    LLVMTypeRef bits = type == u->v_f32 ? u->v_i32 : u->v_i64;
    uint64_t mask = type == u->v_f32 ? INT32_MAX : INT64_MAX;
    push(f, LLVMBuildAnd(f->b, pop_as(f, bits), const_int_splat(bits, mask), ""));
}

static void emit_float_arith(struct fn *f, LLVMTypeRef type,
                             unsigned n) /* abs neg - sqrt add sub mul div min max pmin pmax */
{
    switch (n) {
    case 0:
        emit_float_abs(f, type);
        break;
    case 1:
        push(f, LLVMBuildFNeg(f->b, pop_as(f, type), ""));
        break;
    case 3:
        emit_vector_one(f, type, INTR_SQRT);
        break;
    case 4:
        emit_vector_binary(f, type, LLVMFAdd);
        break;
    case 5:
        emit_vector_binary(f, type, LLVMFSub);
        break;
    case 6:
        emit_vector_binary(f, type, LLVMFMul);
        break;
    case 7:
        emit_vector_binary(f, type, LLVMFDiv);
        break;
    case 8:
        emit_vector_minmax(f, type, INTR_MINIMUM);
        break;
    case 9:
        emit_vector_minmax(f, type, INTR_MAXIMUM);
        break;
    default:
        emit_pseudo_minmax(f, type, n == 11);
        break;
    }
}

/* Lanes that are NaN become 0. */
static LLVMValueRef without_nan(struct fn *f, LLVMValueRef v)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    return LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, LLVMRealORD, v, v, ""), v, LLVMConstNull(type), "");
}

/* cvttps2dq gives 0x80000000 for what does not fit. */
static void emit_trunc_sat_f32(struct fn *f, bool is_unsigned)
{
    struct unit *u = f->u;
    LLVMValueRef v = pop_as(f, u->v_f32);
    if (!u->x86) {
        LLVMTypeRef types[] = {u->v_i32, u->v_f32}, ft;
        LLVMValueRef fn = unit_intrinsic(u, is_unsigned ? INTR_FPTOUI_SAT : INTR_FPTOSI_SAT, types, 2, &ft);
        push(f, LLVMBuildCall2(f->b, ft, fn, &v, 1, ""));
        return;
    }
    LLVMValueRef two31 = const_real_splat(u->v_f32, 2147483648.0);
    if (!is_unsigned) {
        v = without_nan(f, v);
        LLVMValueRef over = LLVMBuildSExt(f->b, LLVMBuildFCmp(f->b, LLVMRealOGE, v, two31, ""), u->v_i32, "");
        push(f, LLVMBuildXor(f->b, x86_call(f, INTR_X86_CVTTPS2DQ, v, NULL), over, ""));
        return;
    }
    LLVMValueRef positive = LLVMBuildFCmp(f->b, LLVMRealOGT, v, LLVMConstNull(u->v_f32), "");
    v = LLVMBuildSelect(f->b, positive, v, LLVMConstNull(u->v_f32), "");
    LLVMValueRef small = x86_call(f, INTR_X86_CVTTPS2DQ, v, NULL);
    LLVMValueRef big = x86_call(f, INTR_X86_CVTTPS2DQ, LLVMBuildFSub(f->b, v, two31, ""), NULL);
    big = LLVMBuildXor(f->b, big, const_int_splat(u->v_i32, 0x80000000u), "");
    LLVMValueRef r = LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, LLVMRealOGE, v, two31, ""), big, small, "");
    LLVMValueRef over = LLVMBuildFCmp(f->b, LLVMRealOGE, v, const_real_splat(u->v_f32, 4294967296.0), "");
    push(f, LLVMBuildSelect(f->b, over, LLVMConstAllOnes(u->v_i32), r, ""));
}

static void emit_trunc_sat_f64(struct fn *f, bool is_unsigned)
{
    struct unit *u = f->u;
    LLVMValueRef v = without_nan(f, pop_as(f, u->v_f64));
    LLVMValueRef low = const_real_splat(u->v_f64, is_unsigned ? 0.0 : -2147483648.0);
    LLVMValueRef high = const_real_splat(u->v_f64, is_unsigned ? 4294967295.0 : 2147483647.0);
    v = LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, LLVMRealOLT, v, low, ""), low, v, "");
    v = LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, LLVMRealOGT, v, high, ""), high, v, "");
    LLVMTypeRef half = lanes_of(u->t_i32, 2);
    LLVMValueRef r = is_unsigned ? LLVMBuildFPToUI(f->b, v, half, "") : LLVMBuildFPToSI(f->b, v, half, "");
    push(f, pick(f, r, LLVMConstNull(half), 0, 1, 4));
}

static void emit_vector_convert(struct fn *f, uint16_t op)
{
    struct unit *u = f->u;
    LLVMTypeRef half_f32 = lanes_of(u->t_f32, 2);
    LLVMValueRef v;
    switch (op) {
    case OP_F32X4_DEMOTE_F64X2_ZERO:
        v = LLVMBuildFPTrunc(f->b, pop_as(f, u->v_f64), half_f32, "");
        push(f, pick(f, v, LLVMConstNull(half_f32), 0, 1, 4));
        break;
    case OP_F64X2_PROMOTE_LOW_F32X4:
        v = pop_as(f, u->v_f32);
        push(f, LLVMBuildFPExt(f->b, pick(f, v, LLVMGetPoison(u->v_f32), 0, 1, 2), u->v_f64, ""));
        break;
    case OP_I32X4_TRUNC_SAT_F32X4_S:
        emit_trunc_sat_f32(f, false);
        break;
    case OP_I32X4_TRUNC_SAT_F32X4_U:
        emit_trunc_sat_f32(f, true);
        break;
    case OP_F32X4_CONVERT_I32X4_S:
        push(f, LLVMBuildSIToFP(f->b, pop_as(f, u->v_i32), u->v_f32, ""));
        break;
    case OP_F32X4_CONVERT_I32X4_U:
        push(f, LLVMBuildUIToFP(f->b, pop_as(f, u->v_i32), u->v_f32, ""));
        break;
    case OP_I32X4_TRUNC_SAT_F64X2_S_ZERO:
        emit_trunc_sat_f64(f, false);
        break;
    case OP_I32X4_TRUNC_SAT_F64X2_U_ZERO:
        emit_trunc_sat_f64(f, true);
        break;
    default: /* f64x2.convert_low_i32x4_s, _u */
        v = pick(f, pop_as(f, u->v_i32), LLVMGetPoison(u->v_i32), 0, 1, 2);
        push(f, op == OP_F64X2_CONVERT_LOW_I32X4_S ? LLVMBuildSIToFP(f->b, v, u->v_f64, "")
                                                   : LLVMBuildUIToFP(f->b, v, u->v_f64, ""));
        break;
    }
}

/* ---- dispatch
 * ------------------------------------------------------------------------------------------------ */

static void emit_round(struct fn *f, uint16_t op)
{
    struct unit *u = f->u;
    switch (op) {
    case OP_F32X4_CEIL:
        emit_vector_one(f, u->v_f32, INTR_CEIL);
        break;
    case OP_F32X4_FLOOR:
        emit_vector_one(f, u->v_f32, INTR_FLOOR);
        break;
    case OP_F32X4_TRUNC:
        emit_vector_one(f, u->v_f32, INTR_TRUNC);
        break;
    case OP_F32X4_NEAREST:
        emit_vector_one(f, u->v_f32, INTR_ROUNDEVEN);
        break;
    case OP_F64X2_CEIL:
        emit_vector_one(f, u->v_f64, INTR_CEIL);
        break;
    case OP_F64X2_FLOOR:
        emit_vector_one(f, u->v_f64, INTR_FLOOR);
        break;
    case OP_F64X2_TRUNC:
        emit_vector_one(f, u->v_f64, INTR_TRUNC);
        break;
    default:
        emit_vector_one(f, u->v_f64, INTR_ROUNDEVEN);
        break;
    }
}

/* The blocks 0x60.., 0x80.., 0xa0.., 0xc0.. hold the integer operations of the four widths in the same order.
 */
static void emit_int_arith(struct fn *f, uint16_t op)
{
    struct unit *u = f->u;
    LLVMTypeRef const types[] = {u->v_i8, u->v_i16, u->v_i32, u->v_i64};
    unsigned width = (op - OP_I8X16_ABS) >> 5;
    LLVMTypeRef type = types[width];
    switch ((op - OP_I8X16_ABS) & 0x1f) {
    case 0x00:
        emit_int_abs(f, type);
        break;
    case 0x01:
        emit_neg(f, type);
        break;
    case 0x02:
        width == 0 ? emit_vector_one(f, type, INTR_CTPOP) : emit_q15mulr(f);
        break;
    case 0x03:
        emit_all_true(f, type);
        break;
    case 0x04:
        emit_bitmask(f, type);
        break;
    case 0x05:
        emit_narrow(f, types[width + 1], true);
        break;
    case 0x06:
        emit_narrow(f, types[width + 1], false);
        break;
    case 0x07:
        emit_extend_half(f, type, 0);
        break;
    case 0x08:
        emit_extend_half(f, type, 1);
        break;
    case 0x09:
        emit_extend_half(f, type, 2);
        break;
    case 0x0a:
        emit_extend_half(f, type, 3);
        break;
    case 0x0b:
        emit_shift(f, type, LLVMShl);
        break;
    case 0x0c:
        emit_shift(f, type, LLVMAShr);
        break;
    case 0x0d:
        emit_shift(f, type, LLVMLShr);
        break;
    case 0x0e:
        emit_vector_binary(f, type, LLVMAdd);
        break;
    case 0x0f:
        emit_vector_two(f, type, INTR_SADD_SAT);
        break;
    case 0x10:
        emit_vector_two(f, type, INTR_UADD_SAT);
        break;
    case 0x11:
        emit_vector_binary(f, type, LLVMSub);
        break;
    case 0x12:
        emit_vector_two(f, type, INTR_SSUB_SAT);
        break;
    case 0x13:
        emit_vector_two(f, type, INTR_USUB_SAT);
        break;
    case 0x15:
        emit_vector_binary(f, type, LLVMMul);
        break;
    case 0x16:
        emit_vector_two(f, type, INTR_SMIN);
        break;
    case 0x17:
        emit_vector_two(f, type, INTR_UMIN);
        break;
    case 0x18:
        emit_vector_two(f, type, INTR_SMAX);
        break;
    case 0x19:
        emit_vector_two(f, type, INTR_UMAX);
        break;
    case 0x1a:
        emit_dot(f);
        break;
    case 0x1b:
        emit_average(f, type);
        break;
    default:
        emit_extmul(f, type, op & 3);
        break;
    }
}

void emit_simd(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    uint16_t op = in->op;
    if (op <= OP_V128_STORE || (op >= OP_V128_LOAD8_LANE && op <= OP_V128_LOAD64_ZERO)) {
        emit_vector_memory(f, in);
    } else if (op <= OP_F64X2_REPLACE_LANE) {
        emit_lanes(f, in);
    } else if (op <= OP_F64X2_GE || (op >= OP_I64X2_EQ && op <= OP_I64X2_GE_S)) {
        emit_vector_compare(f, op);
    } else if (op <= OP_V128_ANY_TRUE) {
        emit_bits(f, op);
    } else if (op == OP_F32X4_DEMOTE_F64X2_ZERO || op == OP_F64X2_PROMOTE_LOW_F32X4 ||
               op >= OP_I32X4_TRUNC_SAT_F32X4_S) {
        emit_vector_convert(f, op);
    } else if (op >= OP_F64X2_ABS) {
        emit_float_arith(f, u->v_f64, op - OP_F64X2_ABS);
    } else if (op >= OP_F32X4_ABS) {
        emit_float_arith(f, u->v_f32, op - OP_F32X4_ABS);
    } else if ((op >= OP_F32X4_CEIL && op <= OP_F32X4_NEAREST) || op == OP_F64X2_CEIL ||
               op == OP_F64X2_FLOOR || op == OP_F64X2_TRUNC || op == OP_F64X2_NEAREST) {
        emit_round(f, op);
    } else if (op >= OP_I16X8_EXTADD_PAIRWISE_I8X16_S && op <= OP_I32X4_EXTADD_PAIRWISE_I16X8_U) {
        emit_extadd_pairwise(f, op <= OP_I16X8_EXTADD_PAIRWISE_I8X16_U ? u->v_i16 : u->v_i32,
                             !((op - OP_I16X8_EXTADD_PAIRWISE_I8X16_S) & 1));
    } else {
        emit_int_arith(f, op);
    }
}
