/* weirc/stubs.c - the small functions between calling conventions.
 *
 * Trampolines take the host's cells apart for compiled code.  Import stubs and slow calls go the other way:
 * they gather parameters in cells and let the run time's `invoke` call functions of other instances. */
#include "weirc/unit.h"

#include <stddef.h>
#include <stdio.h>

/* A struct fn that is enough to build straight-line code in `fn`. */
static struct fn stub_open(struct unit *u, LLVMValueRef fn)
{
    struct fn f = {.u = u, .f = fn, .vmctx = LLVMGetParam(fn, 0)};
    unit_add_attrs(u, fn);
    f.b = LLVMCreateBuilderInContext(u->cx);
    f.entry = LLVMAppendBasicBlockInContext(u->cx, fn, "");
    LLVMPositionBuilderAtEnd(f.b, f.entry);
    return f;
}

void unit_emit_trampoline(struct unit *u, uint32_t typeidx)
{
    const struct wasm_functype *t = &u->m->types[typeidx];
    char name[32];
    snprintf(name, sizeof name, "t%u", typeidx);
    LLVMTypeRef ft = LLVMFunctionType(u->t_void, (LLVMTypeRef[]){u->t_ptr, u->t_ptr, u->t_ptr}, 3, 0);
    LLVMValueRef fn = LLVMAddFunction(u->mod, name, ft);
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
    struct fn f = stub_open(u, fn);
    LLVMValueRef code = LLVMGetParam(fn, 0), vmctx = LLVMGetParam(fn, 1), cells = LLVMGetParam(fn, 2);
    LLVMValueRef *args = mem_alloc((t->nparams + 3) * sizeof *args);
    unsigned n = 0;
    args[n++] = vmctx;
    if (t->nresults > 1) {
        args[n++] = cells;
    }
    uint64_t cell = 0;
    for (uint32_t i = 0; i < t->nparams; i++) {
        args[n++] = fn_load_cell(&f, t->params[i], cells, cell);
        cell += wasm_valtype_cells(t->params[i]);
    }
    LLVMTypeRef guest = unit_functype(u, typeidx);
    LLVMValueRef call = LLVMBuildCall2(f.b, guest, code, args, unit_pad_args(u, guest, args, n), "");
    unit_mark_guest_call(u, call);
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    if (t->nresults == 1) {
        fn_store_cell(&f, call, t->results[0], cells, 0);
    }
    LLVMBuildRetVoid(f.b);
    LLVMDisposeBuilder(f.b);
    mem_free(args);
}

/* Call `entry` by its invoke with the parameters of the function being built, and return what it returns. */
static void call_by_cells(struct fn *f, const struct wasm_functype *t, LLVMValueRef entry)
{
    struct unit *u = f->u;
    uint32_t ncells = t->param_cells > t->result_cells ? t->param_cells : t->result_cells;
    LLVMTypeRef array = LLVMArrayType2(u->t_i64, ncells == 0 ? 1 : ncells);
    LLVMValueRef cells = LLVMBuildAlloca(f->b, array, "");
    LLVMSetAlignment(cells, 16);
    unsigned param = t->nresults > 1 ? 2 : 1;
    uint64_t cell = 0;
    for (uint32_t i = 0; i < t->nparams; i++) {
        fn_store_cell(f, LLVMGetParam(f->f, param++), t->params[i], cells, cell);
        cell += wasm_valtype_cells(t->params[i]);
    }
    LLVMTypeRef ft = LLVMFunctionType(u->t_void, (LLVMTypeRef[]){u->t_ptr, u->t_ptr}, 2, 0);
    LLVMValueRef invoke = fn_load_field(f, u->t_ptr, entry, WEIR_VM_FUNC_INVOKE, u->tag_vm, false);
    LLVMValueRef call = LLVMBuildCall2(f->b, ft, invoke, (LLVMValueRef[]){entry, cells}, 2, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    cell = 0;
    for (uint32_t i = 0; i < t->nresults && t->nresults > 1; i++) {
        LLVMValueRef v = fn_load_cell(f, t->results[i], cells, cell);
        fn_store_cell(f, v, t->results[i], LLVMGetParam(f->f, 1), cell);
        cell += wasm_valtype_cells(t->results[i]);
    }
    if (t->nresults == 1) {
        LLVMBuildRet(f->b, fn_load_cell(f, t->results[0], cells, 0));
    } else {
        LLVMBuildRetVoid(f->b);
    }
}

LLVMValueRef unit_slow_call(struct unit *u, uint32_t typeidx)
{
    if (u->slow_calls[typeidx] != NULL) {
        return u->slow_calls[typeidx];
    }
    LLVMValueRef fn = LLVMAddFunction(u->mod, "", unit_slow_call_type(u, typeidx));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    unit_mark_guest(u, fn);
    struct fn f = stub_open(u, fn);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attr_cold);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attr_noinline);
    const struct wasm_functype *t = &u->m->types[typeidx];
    call_by_cells(&f, t, LLVMGetParam(fn, t->nparams + (t->nresults > 1 ? 2 : 1)));
    LLVMDisposeBuilder(f.b);
    return u->slow_calls[typeidx] = fn;
}

/* The stub of import N runs in the importing instance: vmctx's slot N holds in `exec` what is behind it
 * (src/aot): the struct weir_host_func of a host function, or the function entry in the exporting instance
 * with bit 0 set. */
void unit_emit_import_stub(struct unit *u, uint32_t funcidx)
{
    uint32_t typeidx = u->m->funcs[funcidx].typeidx;
    const struct wasm_functype *t = &u->m->types[typeidx];
    char name[32];
    snprintf(name, sizeof name, "a%u", funcidx);
    LLVMValueRef fn = LLVMAddFunction(u->mod, name, unit_functype(u, typeidx));
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
    unit_mark_stub(u, fn);
    struct fn f = stub_open(u, fn);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attr_noinline);
    LLVMValueRef exec = fn_load_field(
        &f, u->t_i64, f.vmctx, u->layout.funcs + (uint64_t)funcidx * WEIR_VM_FUNC_BYTES + WEIR_VM_FUNC_EXEC,
        u->tag_vm, false);
    if (t->nresults > 1) { /* no host function has that type */
        LLVMValueRef entry =
            LLVMBuildIntToPtr(f.b, LLVMBuildAnd(f.b, exec, unit_const_i64(u, ~1ull), ""), u->t_ptr, "");
        call_by_cells(&f, t, entry);
        LLVMDisposeBuilder(f.b);
        return;
    }
    LLVMBasicBlockRef guest = LLVMAppendBasicBlockInContext(u->cx, fn, "");
    LLVMBasicBlockRef host = LLVMAppendBasicBlockInContext(u->cx, fn, "");
    LLVMValueRef bit = LLVMBuildTrunc(f.b, exec, u->t_i1, "");
    LLVMBuildCondBr(f.b, bit, guest, host);
    LLVMPositionBuilderAtEnd(f.b, guest);
    LLVMValueRef entry =
        LLVMBuildIntToPtr(f.b, LLVMBuildAnd(f.b, exec, unit_const_i64(u, ~1ull), ""), u->t_ptr, "");
    call_by_cells(&f, t, entry);
    LLVMPositionBuilderAtEnd(f.b, host);
    LLVMValueRef hf = LLVMBuildIntToPtr(f.b, exec, u->t_ptr, "");
    LLVMValueRef native =
        fn_load_field(&f, u->t_ptr, hf, offsetof(struct weir_host_func, native), u->tag_vm, false);
    unsigned n = LLVMCountParams(fn);
    LLVMValueRef *args = mem_alloc(n * sizeof *args);
    LLVMGetParams(fn, args);
    LLVMValueRef call = LLVMBuildCall2(f.b, unit_functype(u, typeidx), native, args, n, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    mem_free(args);
    if (t->nresults == 1) {
        LLVMBuildRet(f.b, call);
    } else {
        LLVMBuildRetVoid(f.b);
    }
    LLVMDisposeBuilder(f.b);
}
