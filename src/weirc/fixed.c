/* weirc/fixed.c - calls through tables that nothing can change (facts.c).
 *
 * Every type that is called through such a table has an array of code addresses that covers the table's
 * elements of that type, from the first to the last: a call checks the index against the array and jumps.
 * Elements in between that are null or of another type are the addresses of functions that trap; an index
 * outside of the array is judged by a cold function.  All of this belongs to partition 0, hidden symbols to
 * the others. */
#include "weirc/unit.h"

#include <stdio.h>

static LLVMValueRef hidden_function(struct unit *u, const char *name, LLVMTypeRef type)
{
    LLVMValueRef fn = LLVMGetNamedFunction(u->mod, name);
    if (fn != NULL) {
        return fn;
    }
    fn = LLVMAddFunction(u->mod, name, type);
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attrs[0]);
    return fn;
}

static const struct weirc_fixed_call *find_call(const struct unit *u, uint32_t tableidx, uint32_t typeidx)
{
    for (size_t i = 0; i < u->facts->ncalls; i++) {
        const struct weirc_fixed_call *c = &u->facts->calls[i];
        if (c->table == tableidx && c->type == u->facts->canonical[typeidx]) {
            return c;
        }
    }
    mem_assert_failed("the call was noted", __FILE__, __LINE__);
}

static LLVMValueRef array_of(struct unit *u, const struct weirc_fixed_call *c)
{
    char name[40];
    snprintf(name, sizeof name, "d%u.%u", c->table, c->type);
    LLVMValueRef array = LLVMGetNamedGlobal(u->mod, name);
    if (array != NULL) {
        return array;
    }
    array = LLVMAddGlobal(u->mod, LLVMArrayType2(u->t_ptr, c->n), name);
    LLVMSetVisibility(array, LLVMHiddenVisibility);
    LLVMSetGlobalConstant(array, 1);
    return array;
}

/* (vmctx, index): does not return. */
static LLVMValueRef judge_of(struct unit *u, uint32_t tableidx)
{
    char name[40];
    snprintf(name, sizeof name, "m%u", tableidx);
    LLVMTypeRef type = LLVMFunctionType(u->t_void, (LLVMTypeRef[]){u->t_ptr, u->t_i32}, 2, 0);
    LLVMValueRef fn = hidden_function(u, name, type);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attr_noreturn);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attr_cold);
    return fn;
}

LLVMValueRef fixed_code(struct fn *f, uint32_t tableidx, uint32_t typeidx, LLVMValueRef index)
{
    struct unit *u = f->u;
    const struct weirc_fixed_call *c = find_call(u, tableidx, typeidx);
    LLVMValueRef at = LLVMBuildSub(f->b, index, unit_const_i32(u, c->first), "");
    LLVMBasicBlockRef bad = LLVMAppendBasicBlockInContext(u->cx, f->f, "");
    LLVMBasicBlockRef good = LLVMAppendBasicBlockInContext(u->cx, f->f, "");
    fn_locate(f);
    LLVMValueRef inside = LLVMBuildICmp(f->b, LLVMIntULT, at, unit_const_i32(u, c->n), "");
    LLVMBuildCondBr(f->b, inside, good, bad);
    LLVMPositionBuilderAtEnd(f->b, bad);
    LLVMValueRef judge = judge_of(u, tableidx);
    LLVMValueRef call =
        LLVMBuildCall2(f->b, LLVMGlobalGetValueType(judge), judge, (LLVMValueRef[]){f->vmctx, index}, 2, "");
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, u->attr_nomerge);
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    LLVMBuildUnreachable(f->b);
    LLVMPositionBuilderAtEnd(f->b, good);
    if (c->n == 0) {
        return LLVMGetPoison(u->t_ptr);
    }
    const struct weirc_table *t = &u->facts->tables[tableidx];
    if (c->n == 1 && !u->m->funcs[t->funcs[c->first]].imported) {
        return unit_func(u, t->funcs[c->first]);
    }
    LLVMValueRef wide = LLVMBuildZExt(f->b, at, u->t_i64, "");
    LLVMValueRef slot = LLVMBuildInBoundsGEP2(f->b, u->t_ptr, array_of(u, c), &wide, 1, "");
    LLVMValueRef code = LLVMBuildLoad2(f->b, u->t_ptr, slot, "");
    LLVMSetMetadata(code, u->md_invariant, u->empty_node);
    return code;
}

/* ---- what partition 0 defines ------------------------------------------------------------------------ */

static struct fn open_stub(struct unit *u, LLVMValueRef fn)
{
    struct fn f = {.u = u, .f = fn};
    unit_add_attrs(u, fn);
    f.b = LLVMCreateBuilderInContext(u->cx);
    f.entry = LLVMAppendBasicBlockInContext(u->cx, fn, "");
    LLVMPositionBuilderAtEnd(f.b, f.entry);
    return f;
}

static LLVMValueRef trap_function(struct unit *u, const char *name, enum weir_trap_kind kind)
{
    LLVMValueRef fn = LLVMGetNamedFunction(u->mod, name);
    if (fn != NULL) {
        return fn;
    }
    fn = hidden_function(u, name, LLVMFunctionType(u->t_void, NULL, 0, 0));
    struct fn f = open_stub(u, fn);
    fn_trap(&f, kind);
    LLVMDisposeBuilder(f.b);
    return fn;
}

/* An import as an element: its code is in vmctx. */
static LLVMValueRef import_thunk(struct unit *u, uint32_t funcidx)
{
    char name[32];
    snprintf(name, sizeof name, "i%u", funcidx);
    LLVMValueRef fn = LLVMGetNamedFunction(u->mod, name);
    if (fn != NULL) {
        return fn;
    }
    LLVMTypeRef type = unit_functype(u, u->m->funcs[funcidx].typeidx);
    fn = hidden_function(u, name, type);
    unit_mark_guest(u, fn);
    struct fn f = open_stub(u, fn);
    unsigned n = LLVMCountParams(fn);
    LLVMValueRef *args = mem_alloc(n * sizeof *args);
    LLVMGetParams(fn, args);
    LLVMValueRef code = fn_load_field(
        &f, u->t_ptr, args[0], u->layout.funcs + (uint64_t)funcidx * WEIR_VM_FUNC_BYTES + WEIR_VM_FUNC_CODE,
        u->tag_vm, true);
    LLVMValueRef call = LLVMBuildCall2(f.b, type, code, args, n, "");
    unit_mark_stub_call(u, call);
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    if (LLVMGetReturnType(type) == u->t_void) {
        LLVMBuildRetVoid(f.b);
    } else {
        LLVMBuildRet(f.b, call);
    }
    LLVMDisposeBuilder(f.b);
    mem_free(args);
    return fn;
}

static void define_array(struct unit *u, const struct weirc_fixed_call *c)
{
    const struct weirc_table *t = &u->facts->tables[c->table];
    LLVMValueRef *codes = mem_alloc(c->n * sizeof *codes);
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t func = t->funcs[c->first + i];
        if (func == UINT32_MAX) {
            codes[i] = trap_function(u, "x.null", WEIR_TRAP_UNINITIALIZED_ELEMENT);
        } else if (u->facts->canonical[u->m->funcs[func].typeidx] != c->type) {
            codes[i] = trap_function(u, "x.type", WEIR_TRAP_INDIRECT_TYPE);
        } else {
            codes[i] = u->m->funcs[func].imported ? import_thunk(u, func) : unit_func(u, func);
        }
    }
    LLVMSetInitializer(array_of(u, c), LLVMConstArray2(u->t_ptr, codes, c->n));
    /* Opaque: a call of constant index must go through the array, because to LLVM a direct call of a trap
     * function in another calling convention is undefined. */
    LLVMSetExternallyInitialized(array_of(u, c), 1);
    mem_free(codes);
}

/* An index outside of an array: beyond the table, or an element that is null or of another type. */
static void define_judge(struct unit *u, uint32_t tableidx)
{
    LLVMValueRef fn = judge_of(u, tableidx);
    struct fn f = open_stub(u, fn);
    f.vmctx = LLVMGetParam(fn, 0);
    LLVMValueRef index = LLVMGetParam(fn, 1);
    LLVMValueRef beyond =
        LLVMBuildICmp(f.b, LLVMIntUGE, index, unit_const_i32(u, u->facts->tables[tableidx].len), "");
    fn_trap_if(&f, beyond, WEIR_TRAP_UNDEFINED_ELEMENT);
    LLVMValueRef table = fn_load_field(
        &f, u->t_ptr, f.vmctx, u->layout.tables + (uint64_t)tableidx * WEIR_VM_TABLE_BYTES, u->tag_vm, true);
    LLVMValueRef elems = fn_load_field(&f, u->t_ptr, table, WEIR_VM_TABLE_ELEMS, u->tag_table, false);
    LLVMValueRef wide = LLVMBuildZExt(f.b, index, u->t_i64, "");
    LLVMValueRef entry =
        LLVMBuildLoad2(f.b, u->t_ptr, LLVMBuildInBoundsGEP2(f.b, u->t_ptr, elems, &wide, 1, ""), "");
    fn_trap_if(&f, LLVMBuildIsNull(f.b, entry, ""), WEIR_TRAP_UNINITIALIZED_ELEMENT);
    fn_trap(&f, WEIR_TRAP_INDIRECT_TYPE);
    LLVMDisposeBuilder(f.b);
}

void fixed_define(struct unit *u)
{
    for (uint32_t i = 0; i < u->m->ntables; i++) {
        if (u->facts->tables[i].fixed) {
            define_judge(u, i);
        }
    }
    for (size_t i = 0; i < u->facts->ncalls; i++) {
        if (u->facts->tables[u->facts->calls[i].table].fixed && u->facts->calls[i].n > 0) {
            define_array(u, &u->facts->calls[i]);
        }
    }
}
