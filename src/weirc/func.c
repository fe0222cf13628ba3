/* weirc/func.c - translation of one function: its frame, locals, and helpers all emitters use.
 *
 * Locals are allocas that mem2reg turns into SSA values.  The entry block checks the native stack unless the
 * function calls nothing.  A check compares the frame address with the limit in vmctx; frames too big for
 * the room below the limit touch the guard page by LLVM's stack probes. */
#include "weirc/unit.h"

#include <string.h>

/* A line of the instruction cache: small functions that call each other are up to 15 % faster than with 16
 * bytes. */
enum { FUNCTION_ALIGN = 64 };

/* ---- helpers ------------------------------------------------------------------------------------ */

void fn_locate(struct fn *f)
{
    LLVMSetCurrentDebugLocation2(
        f->b, LLVMDIBuilderCreateDebugLocation(f->u->cx, f->offset, 0, f->subprogram, NULL));
}

LLVMValueRef fn_call_intrinsic(struct fn *f, enum unit_intrinsic id, LLVMTypeRef overload, LLVMValueRef *args,
                               unsigned nargs)
{
    LLVMTypeRef ft;
    LLVMValueRef fn = unit_intrinsic(f->u, id, &overload, overload == NULL ? 0 : 1, &ft);
    return LLVMBuildCall2(f->b, ft, fn, args, nargs, "");
}

/* The instruction carries kind + 1 (image.h): with 0 x86 has a shorter encoding. */
void fn_trap(struct fn *f, enum weir_trap_kind kind)
{
    LLVMValueRef call = fn_call_intrinsic(f, INTR_UBSANTRAP, NULL,
                                          (LLVMValueRef[]){LLVMConstInt(f->u->t_i8, kind + 1u, 0)}, 1);
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, f->u->attr_nomerge);
    LLVMBuildUnreachable(f->b);
}

void fn_trap_if(struct fn *f, LLVMValueRef bad, enum weir_trap_kind kind)
{
    if (LLVMIsAConstantInt(bad) && LLVMConstIntGetZExtValue(bad) == 0) {
        return;
    }
    LLVMBasicBlockRef trap = LLVMAppendBasicBlockInContext(f->u->cx, f->f, "");
    LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(f->u->cx, f->f, "");
    LLVMValueRef br = LLVMBuildCondBr(f->b, bad, trap, next);
    LLVMSetMetadata(br, f->u->md_prof, f->u->unlikely);
    LLVMPositionBuilderAtEnd(f->b, trap);
    fn_trap(f, kind);
    LLVMPositionBuilderAtEnd(f->b, next);
}

LLVMValueRef fn_condition(struct fn *f, LLVMValueRef v)
{
    if (LLVMIsAZExtInst(v)) {
        LLVMValueRef from = LLVMGetOperand(v, 0);
        if (LLVMTypeOf(from) == f->u->t_i1) {
            return from;
        }
    }
    return LLVMBuildICmp(f->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
}

LLVMValueRef fn_field(struct fn *f, LLVMValueRef base, uint64_t offset)
{
    LLVMValueRef at = unit_const_i64(f->u, offset);
    return LLVMBuildInBoundsGEP2(f->b, f->u->t_i8, base, &at, 1, "");
}

LLVMValueRef fn_load_field(struct fn *f, LLVMTypeRef type, LLVMValueRef base, uint64_t offset,
                           LLVMValueRef tag, bool invariant)
{
    LLVMValueRef load = LLVMBuildLoad2(f->b, type, fn_field(f, base, offset), "");
    LLVMSetMetadata(load, f->u->md_tbaa, tag);
    if (invariant) {
        LLVMSetMetadata(load, f->u->md_invariant, f->u->empty_node);
    }
    return load;
}

LLVMValueRef vec_as(struct fn *f, LLVMValueRef v, LLVMTypeRef type)
{
    return LLVMTypeOf(v) == type ? v : LLVMBuildBitCast(f->b, v, type, "");
}

LLVMValueRef fn_canonical(struct fn *f, LLVMValueRef v, uint8_t valtype)
{
    return valtype == WASM_V128 ? vec_as(f, v, f->u->v_i64) : v;
}

void fn_store_cell(struct fn *f, LLVMValueRef v, uint8_t valtype, LLVMValueRef base, uint64_t cell)
{
    struct unit *u = f->u;
    LLVMValueRef at = fn_field(f, base, cell * 8);
    if (valtype == WASM_F32) {
        v = LLVMBuildBitCast(f->b, v, u->t_i32, "");
    }
    if (valtype == WASM_F32 || valtype == WASM_I32) {
        v = LLVMBuildZExt(f->b, v, u->t_i64, "");
    }
    v = fn_canonical(f, v, valtype);
    LLVMSetAlignment(LLVMBuildStore(f->b, v, at), 8);
}

LLVMValueRef fn_load_cell(struct fn *f, uint8_t valtype, LLVMValueRef base, uint64_t cell)
{
    LLVMValueRef load = LLVMBuildLoad2(f->b, unit_type(f->u, valtype), fn_field(f, base, cell * 8), "");
    LLVMSetAlignment(load, 8);
    return load;
}

/* ---- helpers of the run time ----------------------------------------------------------------------------
 */

static const char *const helper_types[] = {
#define X(name, type) type,
    WEIR_VM_HELPER_LIST(X)
#undef X
};

LLVMValueRef fn_call_helper(struct fn *f, enum weir_vm_helper h, LLVMValueRef *args)
{
    struct unit *u = f->u;
    LLVMTypeRef params[8], result = u->t_void;
    LLVMValueRef all[8];
    unsigned n = 0;
    const char *c = helper_types[h];
    for (; *c != ':'; c++) {
        all[n] = n == 0 ? f->vmctx : args[n - 1];
        params[n++] = *c == 'p' ? u->t_ptr : *c == 'i' ? u->t_i32 : u->t_i64;
    }
    if (c[1] != 0) {
        result = c[1] == 'i' ? u->t_i32 : u->t_i64;
    }
    f->calls = true;
    fn_locate(f);
    LLVMValueRef table = fn_load_field(f, u->t_ptr, f->vmctx, WEIR_VM_HELPERS, u->tag_vm, true);
    LLVMValueRef code = fn_load_field(f, u->t_ptr, table, (uint64_t)h * 8, u->tag_vm, true);
    LLVMValueRef call = LLVMBuildCall2(f->b, LLVMFunctionType(result, params, n, 0), code, all, n, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    return result == u->t_void ? NULL : call;
}

/* ---- dispatch ------------------------------------------------------------------------------------- */

typedef void emitter(struct fn *f, const struct wasm_instr *in);

static void emit_const(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    switch (in->op) {
    case OP_I32_CONST:
        push(f, unit_const_i32(u, (uint32_t)in->bits));
        break;
    case OP_I64_CONST:
        push(f, unit_const_i64(u, in->bits));
        break;
    case OP_F32_CONST:
        push(f, LLVMConstBitCast(unit_const_i32(u, (uint32_t)in->bits), u->t_f32));
        break;
    default:
        push(f, LLVMConstBitCast(unit_const_i64(u, in->bits), u->t_f64));
        break;
    }
}

static void emit_parametric(struct fn *f, const struct wasm_instr *in)
{
    if (in->op == OP_DROP) {
        pop(f);
        return;
    }
    LLVMValueRef cond = fn_condition(f, pop(f));
    LLVMValueRef b = pop(f), a = pop(f);
    if (LLVMTypeOf(a) != LLVMTypeOf(b)) {
        a = vec_as(f, a, f->u->v_i64);
        b = vec_as(f, b, f->u->v_i64);
    }
    push(f, LLVMBuildSelect(f->b, cond, a, b, ""));
}

/* Ranges of opcodes, in order. */
static const struct {
    uint16_t first, last;
    emitter *emit;
} ranges[] = {
    {OP_CALL, OP_RETURN_CALL_INDIRECT, emit_call},
    {OP_DROP, OP_SELECT_T, emit_parametric},
    {OP_LOCAL_GET, OP_GLOBAL_SET, emit_variable},
    {OP_TABLE_GET, OP_TABLE_SET, emit_table},
    {OP_I32_LOAD, OP_I64_STORE32, emit_memory},
    {OP_MEMORY_SIZE, OP_MEMORY_GROW, emit_bulk},
    {OP_I32_CONST, OP_F64_CONST, emit_const},
    {OP_I32_EQZ, OP_I64_GE_U, emit_int},
    {OP_F32_EQ, OP_F64_GE, emit_float},
    {OP_I32_CLZ, OP_I64_ROTR, emit_int},
    {OP_F32_ABS, OP_F64_COPYSIGN, emit_float},
    {OP_I32_WRAP_I64, OP_F64_REINTERPRET_I64, emit_convert},
    {OP_I32_EXTEND8_S, OP_I64_EXTEND32_S, emit_int},
    {OP_REF_NULL, OP_REF_FUNC, emit_table},
    {OP_I32_TRUNC_SAT_F32_S, OP_I64_TRUNC_SAT_F64_U, emit_convert},
    {OP_MEMORY_INIT, OP_MEMORY_FILL, emit_bulk},
    {OP_TABLE_INIT, OP_TABLE_FILL, emit_table},
    {OP_V128_LOAD, OP_F64X2_CONVERT_LOW_I32X4_U, emit_simd},
};

static void emit_instr(struct fn *f, struct wasm_instr *in)
{
    static emitter *by_op[WASM_OP_LIMIT];
    if (by_op[OP_DROP] == NULL) {
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            for (unsigned op = ranges[i].first; op <= ranges[i].last; op++) {
                by_op[op] = ranges[i].emit;
            }
        }
    }
    if (by_op[in->op] != NULL) {
        by_op[in->op](f, in);
    } else {
        emit_control(f, in);
    }
}

/* In dead code only the ends of what encloses it matter. */
static bool skip_dead(struct fn *f, const struct wasm_instr *in)
{
    switch (in->op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
        f->skip++;
        return true;
    case OP_ELSE:
        return f->skip > 0;
    case OP_END:
        if (f->skip == 0) {
            return false;
        }
        f->skip--;
        return true;
    default:
        return true;
    }
}

/* ---- the function ------------------------------------------------------------------------------------ */

static void make_locals(struct fn *f)
{
    const struct wasm_func *wf = f->wf;
    f->locals = ARENA_ARRAY(&f->arena, LLVMValueRef, wf->nlocals + 1);
    unsigned param = f->results == NULL ? 1 : 2;
    for (uint32_t i = 0; i < wf->nlocals; i++) {
        LLVMTypeRef type = unit_type(f->u, wf->locals[i]);
        f->locals[i] = LLVMBuildAlloca(f->b, type, "");
        bool is_param = i < f->type->nparams;
        LLVMBuildStore(f->b, is_param ? LLVMGetParam(f->f, param + i) : LLVMConstNull(type), f->locals[i]);
    }
}

static void check_stack(struct fn *f, LLVMBasicBlockRef body)
{
    struct unit *u = f->u;
    LLVMValueRef last = LLVMGetBasicBlockTerminator(f->entry);
    LLVMInstructionEraseFromParent(last);
    LLVMPositionBuilderAtEnd(f->b, f->entry);
    if (f->calls) {
        f->offset = (uint32_t)(f->wf->body - u->m->bytes);
        fn_locate(f);
        LLVMValueRef fp =
            fn_call_intrinsic(f, INTR_FRAMEADDRESS, u->t_ptr, (LLVMValueRef[]){unit_const_i32(u, 0)}, 1);
        fp = LLVMBuildPtrToInt(f->b, fp, u->t_i64, "");
        if (f->wf->nlocals > 256) {
            fp = LLVMBuildSub(f->b, fp, unit_const_i64(u, (uint64_t)f->wf->nlocals * 16), "");
        }
        LLVMValueRef limit = fn_load_field(f, u->t_i64, f->vmctx, WEIR_VM_STACK_LIMIT, u->tag_vm, false);
        fn_trap_if(f, LLVMBuildICmp(f->b, LLVMIntULT, fp, limit, ""), WEIR_TRAP_STACK_EXHAUSTED);
    }
    LLVMBuildBr(f->b, body);
}

static void open_function(struct fn *f)
{
    struct unit *u = f->u;
    f->f = unit_func(u, f->idx);
    unit_add_attrs(u, f->f);
    if (u->opt->level == 3) {
        LLVMSetAlignment(f->f, FUNCTION_ALIGN);
    }
    LLVMAddAttributeAtIndex(f->f, 1, u->attr_noalias);
    LLVMAddAttributeAtIndex(f->f, 1, u->attr_nonnull);
    LLVMAddAttributeAtIndex(f->f, 1, u->attr_deref);
    LLVMAddAttributeAtIndex(f->f, 1, u->attr_align);
    f->vmctx = LLVMGetParam(f->f, 0);
    if (f->type->nresults > 1) {
        f->results = LLVMGetParam(f->f, 1);
        LLVMAddAttributeAtIndex(f->f, 2, u->attr_noalias);
    }
    struct str name = u->facts->names[f->idx];
    uint32_t at = (uint32_t)(f->wf->body - u->m->bytes);
    const char *symbol = u->facts->symbols[f->idx];
    if (name.len == 0) {
        name = str_of(symbol);
    }
    f->subprogram =
        LLVMDIBuilderCreateFunction(u->di, u->di_file, name.at, name.len, symbol, strlen(symbol), u->di_file,
                                    at, u->di_functype, 1, 1, at, 0, u->opt->level > 0);
    LLVMSetSubprogram(f->f, f->subprogram);
}

void fn_translate(struct unit *u, uint32_t funcidx)
{
    struct fn f = {
        .u = u, .idx = funcidx, .wf = &u->m->funcs[funcidx], .type = wasm_func_type(u->m, funcidx)};
    arena_init(&f.arena);
    vec_reserve(&f.stack, 64); /* so that the top of an empty stack is an address too */
    open_function(&f);
    f.b = LLVMCreateBuilderInContext(u->cx);
    f.entry = LLVMAppendBasicBlockInContext(u->cx, f.f, "entry");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(u->cx, f.f, "body");
    LLVMPositionBuilderAtEnd(f.b, f.entry);
    f.offset = (uint32_t)(f.wf->body - u->m->bytes);
    fn_locate(&f);
    make_locals(&f);
    f.bases = ARENA_ARRAY(&f.arena, LLVMValueRef, u->m->nmemories + 1);
    LLVMBuildBr(f.b, body);
    LLVMPositionBuilderAtEnd(f.b, body);

    struct frame outer = {.kind = FRAME_FUNC, .type = *f.type};
    outer.end = LLVMAppendBasicBlockInContext(u->cx, f.f, "return");
    outer.end_phis = ARENA_ARRAY(&f.arena, LLVMValueRef, f.type->nresults + 1);
    LLVMPositionBuilderAtEnd(f.b, outer.end);
    for (uint32_t i = 0; i < f.type->nresults; i++) {
        outer.end_phis[i] = LLVMBuildPhi(f.b, unit_type(u, f.type->results[i]), "");
    }
    LLVMPositionBuilderAtEnd(f.b, body);
    vec_push(&f.frames, outer);

    struct wasm_reader r = wasm_reader_of(u->m, f.wf->body, f.wf->body_end);
    while (r.at < r.end) {
        struct wasm_instr in;
        weir_status st = wasm_instr_read(&r, &in, NULL);
        WEIR_ASSERT(st == WEIR_OK); /* the body was validated */
        f.offset = in.offset;
        if (f.dead && skip_dead(&f, &in)) {
            continue;
        }
        emit_instr(&f, &in);
    }
    WEIR_ASSERT(f.frames.len == 0);
    check_stack(&f, body);
    LLVMDisposeBuilder(f.b);
    vec_fini(&f.stack);
    vec_fini(&f.frames);
    arena_fini(&f.arena);
}
