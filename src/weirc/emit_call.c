/* weirc/emit_call.c - calls: direct, imported, through tables, and in tail position (core
 * spec 4.4.8, 4.4.10).
 *
 * Whatever a call goes to inside this instance gets this vmctx.  A function entry of another instance is
 * called by a slow call, because its instance needs its own GS base, and so is a host function in a table; an
 * import of another instance has a stub that does the same (stubs.c).  Ordinary calls are `notail`, so that
 * recursion without end meets the stack limit and backtraces are whole. */
#include "weirc/unit.h"

/* Room for the results of a call, in the entry block. */
static LLVMValueRef result_cells(struct fn *f, uint32_t n)
{
    if (f->cells == NULL || n > f->cells_len) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
        LLVMPositionBuilderBefore(f->b, LLVMGetFirstInstruction(f->entry));
        f->cells = LLVMBuildAlloca(f->b, LLVMArrayType2(f->u->t_i64, n), "");
        LLVMSetAlignment(f->cells, 16);
        f->cells_len = n;
        LLVMPositionBuilderAtEnd(f->b, here);
    }
    return f->cells;
}

struct call {
    const struct wasm_functype *type;
    LLVMTypeRef ft;
    LLVMValueRef *args;
    unsigned nargs;
    LLVMValueRef cells; /* of two or more results */
};

/* Pop the arguments. */
static struct call begin_call(struct fn *f, uint32_t typeidx, bool tail)
{
    struct call c = {.type = &f->u->m->types[typeidx], .ft = unit_functype(f->u, typeidx)};
    uint32_t n = c.type->nparams;
    c.args = mem_alloc((n + 4) * sizeof *c.args);
    c.args[c.nargs++] = f->vmctx;
    if (c.type->nresults > 1) {
        c.args[c.nargs++] = c.cells = tail ? f->results : result_cells(f, c.type->result_cells);
    }
    LLVMValueRef *top = f->stack.at + f->stack.len - n;
    for (uint32_t i = 0; i < n; i++) {
        c.args[c.nargs++] = fn_canonical(f, top[i], c.type->params[i]);
    }
    f->stack.len -= n;
    f->calls = f->calls || !tail;
    fn_locate(f);
    return c;
}

static LLVMValueRef build_call(struct fn *f, struct call *c, LLVMTypeRef ft, LLVMValueRef code,
                               unsigned nargs, LLVMTailCallKind kind)
{
    nargs = unit_pad_args(f->u, ft, c->args, nargs);
    LLVMValueRef call = LLVMBuildCall2(f->b, ft, code, c->args, nargs, "");
    unit_mark_guest_call(f->u, call);
    LLVMSetTailCallKind(call, kind);
    return call;
}

static void push_results(struct fn *f, const struct call *c, LLVMValueRef result)
{
    if (c->type->nresults == 1) {
        push(f, result);
    }
    uint64_t cell = 0;
    for (uint32_t i = 0; i < c->type->nresults && c->type->nresults > 1; i++) {
        push(f, fn_load_cell(f, c->type->results[i], c->cells, cell));
        cell += wasm_valtype_cells(c->type->results[i]);
    }
}

static void return_result(struct fn *f, const struct call *c, LLVMValueRef result)
{
    if (c->type->nresults == 1) {
        LLVMBuildRet(f->b, result);
    } else {
        LLVMBuildRetVoid(f->b);
    }
}

/* The code of a function that is called directly. */
static LLVMValueRef code_of(struct fn *f, uint32_t funcidx)
{
    struct unit *u = f->u;
    if (!u->m->funcs[funcidx].imported) {
        return unit_func(u, funcidx);
    }
    /* Loaded anew for every call: a deadline changes it (src/rt/trap.c). */
    return fn_load_field(f, u->t_ptr, f->vmctx,
                         u->layout.funcs + (uint64_t)funcidx * WEIR_VM_FUNC_BYTES + WEIR_VM_FUNC_CODE,
                         u->tag_vm, false);
}

static void call_direct(struct fn *f, uint32_t funcidx, bool tail)
{
    /* A host function knows nothing of tail calls; its frame is the same either way. */
    bool must = tail && !f->u->m->funcs[funcidx].imported;
    struct call c = begin_call(f, f->u->m->funcs[funcidx].typeidx, tail);
    f->calls = f->calls || !must;
    LLVMValueRef code = code_of(f, funcidx), r;
    if (f->u->m->funcs[funcidx].imported) {
        r = LLVMBuildCall2(f->b, c.ft, code, c.args, unit_pad_args(f->u, c.ft, c.args, c.nargs), "");
        unit_mark_stub_call(f->u, r);
        LLVMSetTailCallKind(r, LLVMTailCallKindNoTail);
    } else {
        r = build_call(f, &c, c.ft, code, c.nargs, must ? LLVMTailCallKindMustTail : LLVMTailCallKindNoTail);
    }
    if (tail) {
        return_result(f, &c, r);
        f->dead = true;
        f->skip = 0;
    } else {
        push_results(f, &c, r);
    }
    mem_free(c.args);
}

/* The function entry at table[index], checked for `typeidx`. */
static LLVMValueRef checked_entry(struct fn *f, uint32_t tableidx, LLVMValueRef index, uint32_t typeidx)
{
    struct unit *u = f->u;
    fn_locate(f);
    LLVMValueRef table = fn_load_field(
        f, u->t_ptr, f->vmctx, u->layout.tables + (uint64_t)tableidx * WEIR_VM_TABLE_BYTES, u->tag_vm, true);
    LLVMValueRef length = fn_load_field(f, u->t_i64, table, WEIR_VM_TABLE_LENGTH, u->tag_table, false);
    LLVMValueRef wide = LLVMBuildZExt(f->b, index, u->t_i64, "");
    fn_trap_if(f, LLVMBuildICmp(f->b, LLVMIntUGE, wide, length, ""), WEIR_TRAP_UNDEFINED_ELEMENT);
    LLVMValueRef elems = fn_load_field(f, u->t_ptr, table, WEIR_VM_TABLE_ELEMS, u->tag_table, false);
    LLVMValueRef at = LLVMBuildInBoundsGEP2(f->b, u->t_ptr, elems, &wide, 1, "");
    LLVMValueRef entry = LLVMBuildLoad2(f->b, u->t_ptr, at, "");
    LLVMSetMetadata(entry, u->md_tbaa, u->tag_table);
    fn_trap_if(f, LLVMBuildIsNull(f->b, entry, ""), WEIR_TRAP_UNINITIALIZED_ELEMENT);
    LLVMValueRef have = fn_load_field(f, u->t_i32, entry, WEIR_VM_FUNC_TYPE_ID, u->tag_vm, false);
    LLVMValueRef want = fn_load_field(
        f, u->t_i32, f->vmctx, u->layout.types + (uint64_t)typeidx * WEIR_VM_TYPE_BYTES, u->tag_vm, true);
    fn_trap_if(f, LLVMBuildICmp(f->b, LLVMIntNE, have, want, ""), WEIR_TRAP_INDIRECT_TYPE);
    return entry;
}

static void call_indirect(struct fn *f, uint32_t typeidx, uint32_t tableidx, bool tail)
{
    struct unit *u = f->u;
    if (u->facts->tables[tableidx].fixed) {
        LLVMValueRef fixed = fixed_code(f, tableidx, typeidx, pop(f));
        struct call c = begin_call(f, typeidx, tail);
        LLVMValueRef r =
            build_call(f, &c, c.ft, fixed, c.nargs, tail ? LLVMTailCallKindMustTail : LLVMTailCallKindNoTail);
        if (tail) {
            return_result(f, &c, r);
            f->dead = true;
            f->skip = 0;
        } else {
            push_results(f, &c, r);
        }
        mem_free(c.args);
        return;
    }
    LLVMValueRef entry = checked_entry(f, tableidx, pop(f), typeidx);
    struct call c = begin_call(f, typeidx, tail);
    LLVMValueRef inst = fn_load_field(f, u->t_ptr, entry, WEIR_VM_FUNC_GUEST, u->tag_vm, false);
    LLVMValueRef code = fn_load_field(f, u->t_ptr, entry, WEIR_VM_FUNC_CODE, u->tag_vm, false);
    LLVMBasicBlockRef near = LLVMAppendBasicBlockInContext(u->cx, f->f, "");
    LLVMBasicBlockRef far = LLVMAppendBasicBlockInContext(u->cx, f->f, "");
    LLVMBasicBlockRef next = tail ? NULL : LLVMAppendBasicBlockInContext(u->cx, f->f, "");
    LLVMValueRef br = LLVMBuildCondBr(f->b, LLVMBuildICmp(f->b, LLVMIntNE, inst, f->vmctx, ""), far, near);
    LLVMSetMetadata(br, u->md_prof, u->unlikely);

    LLVMPositionBuilderAtEnd(f->b, near);
    LLVMValueRef r1 =
        build_call(f, &c, c.ft, code, c.nargs, tail ? LLVMTailCallKindMustTail : LLVMTailCallKindNoTail);
    if (tail) {
        return_result(f, &c, r1);
    } else {
        LLVMBuildBr(f->b, next);
    }

    LLVMPositionBuilderAtEnd(f->b, far);
    c.args[c.nargs] = entry;
    LLVMValueRef r2 = build_call(f, &c, unit_slow_call_type(u, typeidx), unit_slow_call(u, typeidx),
                                 c.nargs + 1, LLVMTailCallKindNoTail);
    if (tail) {
        return_result(f, &c, r2);
        f->calls = true;
        f->dead = true;
        f->skip = 0;
    } else {
        LLVMBuildBr(f->b, next);
        LLVMPositionBuilderAtEnd(f->b, next);
        LLVMValueRef result = NULL;
        if (c.type->nresults == 1) {
            result = LLVMBuildPhi(f->b, unit_type(u, c.type->results[0]), "");
            LLVMAddIncoming(result, (LLVMValueRef[]){r1, r2}, (LLVMBasicBlockRef[]){near, far}, 2);
        }
        push_results(f, &c, result);
    }
    mem_free(c.args);
}

void emit_call(struct fn *f, const struct wasm_instr *in)
{
    switch (in->op) {
    case OP_CALL:
        call_direct(f, in->index, false);
        break;
    case OP_RETURN_CALL:
        call_direct(f, in->index, true);
        break;
    case OP_CALL_INDIRECT:
        call_indirect(f, in->index, in->index2, false);
        break;
    default:
        call_indirect(f, in->index, in->index2, true);
        break;
    }
}
