/* weirc/emit_table.c - tables and references (core spec 4.4.2, 4.4.6).  Bulk operations are the run time's.
 */
#include "weirc/unit.h"

static LLVMValueRef table_of(struct fn *f, uint32_t tableidx)
{
    struct unit *u = f->u;
    return fn_load_field(f, u->t_ptr, f->vmctx, u->layout.tables + (uint64_t)tableidx * WEIR_VM_TABLE_BYTES,
                         u->tag_vm, true);
}

/* Address of element `index`, checked. */
static LLVMValueRef element_at(struct fn *f, uint32_t tableidx, LLVMValueRef index)
{
    struct unit *u = f->u;
    fn_locate(f);
    LLVMValueRef table = table_of(f, tableidx);
    LLVMValueRef length = fn_load_field(f, u->t_i64, table, WEIR_VM_TABLE_LENGTH, u->tag_table, false);
    LLVMValueRef wide = LLVMBuildZExt(f->b, index, u->t_i64, "");
    fn_trap_if(f, LLVMBuildICmp(f->b, LLVMIntUGE, wide, length, ""), WEIR_TRAP_TABLE_BOUNDS);
    LLVMValueRef elems = fn_load_field(f, u->t_ptr, table, WEIR_VM_TABLE_ELEMS, u->tag_table, false);
    return LLVMBuildInBoundsGEP2(f->b, u->t_i64, elems, &wide, 1, "");
}

static void emit_bulk_table(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    LLVMValueRef first = unit_const_i32(u, in->index), second = unit_const_i32(u, in->index2);
    if (in->op == OP_ELEM_DROP) {
        fn_call_helper(f, WEIR_VM_HELPER_elem_drop, &first);
        return;
    }
    if (in->op == OP_TABLE_GROW) {
        LLVMValueRef delta = pop(f), elem = pop(f);
        push(f, fn_call_helper(f, WEIR_VM_HELPER_table_grow, (LLVMValueRef[]){first, elem, delta}));
        return;
    }
    LLVMValueRef n = pop(f), b = pop(f), a = pop(f);
    if (in->op == OP_TABLE_FILL) {
        fn_call_helper(f, WEIR_VM_HELPER_table_fill, (LLVMValueRef[]){first, a, b, n});
    } else {
        fn_call_helper(f, in->op == OP_TABLE_COPY ? WEIR_VM_HELPER_table_copy : WEIR_VM_HELPER_table_init,
                       (LLVMValueRef[]){first, second, a, b, n});
    }
}

void emit_table(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    LLVMValueRef v;
    switch (in->op) {
    case OP_TABLE_GET:
        v = LLVMBuildLoad2(f->b, u->t_i64, element_at(f, in->index, pop(f)), "");
        LLVMSetMetadata(v, u->md_tbaa, u->tag_table);
        push(f, v);
        break;
    case OP_TABLE_SET:
        v = pop(f);
        v = LLVMBuildStore(f->b, v, element_at(f, in->index, pop(f)));
        LLVMSetMetadata(v, u->md_tbaa, u->tag_table);
        break;
    case OP_TABLE_SIZE:
        v = fn_load_field(f, u->t_i64, table_of(f, in->index), WEIR_VM_TABLE_LENGTH, u->tag_table, false);
        push(f, LLVMBuildTrunc(f->b, v, u->t_i32, ""));
        break;
    case OP_REF_NULL:
        push(f, unit_const_i64(u, 0));
        break;
    case OP_REF_IS_NULL:
        v = LLVMBuildICmp(f->b, LLVMIntEQ, pop(f), unit_const_i64(u, 0), "");
        push(f, LLVMBuildZExt(f->b, v, u->t_i32, ""));
        break;
    case OP_REF_FUNC:
        v = fn_field(f, f->vmctx, u->layout.funcs + (uint64_t)u->slots[in->index] * WEIR_VM_FUNC_BYTES);
        push(f, LLVMBuildPtrToInt(f->b, v, u->t_i64, ""));
        break;
    default:
        emit_bulk_table(f, in);
        break;
    }
}
