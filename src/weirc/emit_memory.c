/* weirc/emit_memory.c - loads, stores, bulk memory, locals and globals (core spec 4.4.5, 4.4.7).
 *
 * An address is base + zero-extended operand + offset: below 8 GiB, which the reservation covers, so there
 * are no checks: what is outside faults.  Memory 0's base is the GS base with Segue (unit.c), otherwise, and
 * for other memories, a value loaded once per function (it never changes).  Alignment hints promise nothing.
 */
#include "weirc/unit.h"

static bool in_gs(const struct fn *f, uint32_t memidx)
{
    return memidx == 0 && f->u->segue;
}

static LLVMValueRef base_of(struct fn *f, uint32_t memidx)
{
    struct unit *u = f->u;
    if (in_gs(f, memidx)) {
        return u->gs_base;
    }
    if (f->bases[memidx] == NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
        LLVMPositionBuilderBefore(f->b, LLVMGetBasicBlockTerminator(f->entry));
        LLVMValueRef at = f->vmctx;
        uint64_t offset = WEIR_VM_MEMORY;
        if (memidx != 0) {
            at = fn_load_field(f, u->t_ptr, f->vmctx,
                               u->layout.memories + (uint64_t)memidx * WEIR_VM_MEM_BYTES, u->tag_vm, true);
            offset = WEIR_VM_MEM_BASE;
        }
        f->bases[memidx] = fn_load_field(f, u->t_ptr, at, offset, u->tag_vm, true);
        LLVMPositionBuilderAtEnd(f->b, here);
    }
    return f->bases[memidx];
}

LLVMValueRef memory_address(struct fn *f, LLVMValueRef addr, uint32_t memidx, uint64_t offset)
{
    struct unit *u = f->u;
    enum { NO_WRAP = LLVMGEPFlagNUSW | LLVMGEPFlagNUW };
    LLVMValueRef wide = LLVMBuildZExt(f->b, addr, u->t_i64, "");
    LLVMValueRef at = LLVMBuildGEPWithNoWrapFlags(f->b, u->t_i8, base_of(f, memidx), &wide, 1, "", NO_WRAP);
    if (offset == 0) {
        return at;
    }
    LLVMValueRef more = unit_const_i64(u, offset);
    return LLVMBuildGEPWithNoWrapFlags(f->b, u->t_i8, at, &more, 1, "", NO_WRAP);
}

/* Imported memories may be one and the same. */
static void tag(struct fn *f, LLVMValueRef access, uint32_t memidx)
{
    struct unit *u = f->u;
    bool alone = memidx == 0 && (u->m->nimported_memories == 0 || u->m->nmemories == 1);
    LLVMSetMetadata(access, u->md_tbaa, alone ? u->tag_memory0 : u->tag_memory_shared);
    LLVMSetAlignment(access, 1);
}

LLVMValueRef memory_load(struct fn *f, LLVMTypeRef type, LLVMValueRef address, uint32_t memidx)
{
    fn_locate(f);
    LLVMValueRef v = LLVMBuildLoad2(f->b, type, address, "");
    tag(f, v, memidx);
    return v;
}

void memory_store(struct fn *f, LLVMValueRef v, LLVMValueRef address, uint32_t memidx)
{
    fn_locate(f);
    tag(f, LLVMBuildStore(f->b, v, address), memidx);
}

/* How many bits travel (0: all), and whether a load extends the sign. */
static void width_of(uint16_t op, unsigned *bits, bool *is_signed)
{
    *bits = 0;
    *is_signed = false;
    switch (op) {
    case OP_I32_LOAD8_S:
    case OP_I64_LOAD8_S:
        *is_signed = true; /* fall through */
    case OP_I32_LOAD8_U:
    case OP_I64_LOAD8_U:
    case OP_I32_STORE8:
    case OP_I64_STORE8:
        *bits = 8;
        break;
    case OP_I32_LOAD16_S:
    case OP_I64_LOAD16_S:
        *is_signed = true; /* fall through */
    case OP_I32_LOAD16_U:
    case OP_I64_LOAD16_U:
    case OP_I32_STORE16:
    case OP_I64_STORE16:
        *bits = 16;
        break;
    case OP_I64_LOAD32_S:
        *is_signed = true; /* fall through */
    case OP_I64_LOAD32_U:
    case OP_I64_STORE32:
        *bits = 32;
        break;
    default:
        break;
    }
}

void emit_memory(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    const char *sig = wasm_op_info(in->op)->sig; /* "i:I", "iI:" */
    unsigned bits;
    bool is_signed;
    width_of(in->op, &bits, &is_signed);
    LLVMTypeRef narrow = bits == 8 ? u->t_i8 : bits == 16 ? u->t_i16 : u->t_i32;
    if (sig[1] == ':') {
        LLVMTypeRef type = sig[2] == 'i'   ? u->t_i32
                           : sig[2] == 'I' ? u->t_i64
                           : sig[2] == 'f' ? u->t_f32
                                           : u->t_f64;
        LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
        LLVMValueRef v = memory_load(f, bits == 0 ? type : narrow, at, in->mem.memory);
        if (bits != 0) {
            v = is_signed ? LLVMBuildSExt(f->b, v, type, "") : LLVMBuildZExt(f->b, v, type, "");
        }
        push(f, v);
        return;
    }
    LLVMValueRef v = pop(f);
    LLVMValueRef at = memory_address(f, pop(f), in->mem.memory, in->mem.offset);
    if (bits != 0) {
        v = LLVMBuildTrunc(f->b, v, narrow, "");
    }
    memory_store(f, v, at, in->mem.memory);
}

/* ---- size, grow, bulk -----------------------------------------------------------------------------------
 */

static LLVMValueRef memory_size(struct fn *f, uint32_t memidx)
{
    struct unit *u = f->u;
    LLVMValueRef at = f->vmctx;
    uint64_t offset = WEIR_VM_MEMORY_BYTES;
    if (memidx != 0) {
        at = fn_load_field(f, u->t_ptr, f->vmctx, u->layout.memories + (uint64_t)memidx * WEIR_VM_MEM_BYTES,
                           u->tag_vm, true);
        offset = WEIR_VM_MEM_SIZE;
    }
    LLVMValueRef bytes = fn_load_field(f, u->t_i64, at, offset, u->tag_vm, false);
    return LLVMBuildTrunc(f->b, LLVMBuildLShr(f->b, bytes, unit_const_i64(u, 16), ""), u->t_i32, "");
}

void emit_bulk(struct fn *f, const struct wasm_instr *in)
{
    struct unit *u = f->u;
    if (in->op == OP_MEMORY_SIZE) {
        push(f, memory_size(f, in->index));
        return;
    }
    if (in->op == OP_MEMORY_GROW) {
        LLVMValueRef delta = pop(f);
        push(f, fn_call_helper(f, WEIR_VM_HELPER_memory_grow,
                               (LLVMValueRef[]){unit_const_i32(u, in->index), delta}));
        return;
    }
    LLVMValueRef first = unit_const_i32(u, in->index), second = unit_const_i32(u, in->index2);
    if (in->op == OP_DATA_DROP) {
        fn_call_helper(f, WEIR_VM_HELPER_data_drop, (LLVMValueRef[]){first});
        return;
    }
    LLVMValueRef n = pop(f), b = pop(f), a = pop(f);
    if (in->op == OP_MEMORY_FILL) {
        fn_call_helper(f, WEIR_VM_HELPER_memory_fill, (LLVMValueRef[]){first, a, b, n});
    } else {
        fn_call_helper(f, in->op == OP_MEMORY_COPY ? WEIR_VM_HELPER_memory_copy : WEIR_VM_HELPER_memory_init,
                       (LLVMValueRef[]){first, second, a, b, n});
    }
}

/* ---- locals and globals
 * ------------------------------------------------------------------------------------ */

static LLVMValueRef global_tag(struct unit *u, uint32_t idx)
{
    if (idx < u->m->nimported_globals) {
        return u->tag_global_shared;
    }
    if (u->tag_globals[idx] == NULL) {
        char name[32];
        int len = snprintf(name, sizeof name, "global %u", idx);
        LLVMMetadataRef zero = LLVMValueAsMetadata(unit_const_i64(u, 0));
        LLVMMetadataRef type = LLVMMDNodeInContext2(
            u->cx, (LLVMMetadataRef[]){LLVMMDStringInContext2(u->cx, name, (size_t)len), u->tbaa_root, zero},
            3);
        u->tag_globals[idx] =
            LLVMMetadataAsValue(u->cx, LLVMMDNodeInContext2(u->cx, (LLVMMetadataRef[]){type, type, zero}, 3));
    }
    return u->tag_globals[idx];
}

static void emit_global(struct fn *f, uint32_t idx, bool set)
{
    struct unit *u = f->u;
    const struct wasm_global *g = &u->m->globals[idx];
    LLVMValueRef at = f->vmctx;
    uint64_t offset = u->layout.globals + (uint64_t)idx * WEIR_VM_GLOBAL_BYTES;
    if (g->imported) {
        at = fn_load_field(f, u->t_ptr, f->vmctx, offset, u->tag_vm, true);
        offset = 0;
    }
    if (set) {
        LLVMValueRef v = fn_canonical(f, pop(f), g->type.type);
        LLVMValueRef store = LLVMBuildStore(f->b, v, fn_field(f, at, offset));
        LLVMSetMetadata(store, u->md_tbaa, global_tag(u, idx));
        return;
    }
    push(f, fn_load_field(f, unit_type(u, g->type.type), at, offset, global_tag(u, idx), !g->type.mutable));
}

void emit_variable(struct fn *f, const struct wasm_instr *in)
{
    uint32_t i = in->index;
    switch (in->op) {
    case OP_LOCAL_GET:
        push(f, LLVMBuildLoad2(f->b, unit_type(f->u, f->wf->locals[i]), f->locals[i], ""));
        break;
    case OP_LOCAL_SET:
        LLVMBuildStore(f->b, fn_canonical(f, pop(f), f->wf->locals[i]), f->locals[i]);
        break;
    case OP_LOCAL_TEE:
        LLVMBuildStore(f->b, fn_canonical(f, vec_last(&f->stack), f->wf->locals[i]), f->locals[i]);
        break;
    default:
        emit_global(f, i, in->op == OP_GLOBAL_SET);
        break;
    }
}
