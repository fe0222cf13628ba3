/* weirc/emit_control.c - blocks, branches, returns (core spec 4.4.8).
 *
 * Every frame owns the block its `end` continues in, with a phi per result; a loop also owns its header, with
 * a phi per parameter.  A branch adds its operands to the phis of its target.  After an unconditional branch
 * the rest up to the frame's `else` or `end` is dead and not translated. */
#include "weirc/unit.h"

static LLVMBasicBlockRef new_block(struct fn *f)
{
    return LLVMAppendBasicBlockInContext(f->u->cx, f->f, "");
}

static LLVMValueRef *make_phis(struct fn *f, LLVMBasicBlockRef bb, const uint8_t *types, uint32_t n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
    LLVMValueRef *phis = ARENA_ARRAY(&f->arena, LLVMValueRef, n + 1);
    LLVMPositionBuilderAtEnd(f->b, bb);
    for (uint32_t i = 0; i < n; i++) {
        phis[i] = LLVMBuildPhi(f->b, unit_type(f->u, types[i]), "");
    }
    LLVMPositionBuilderAtEnd(f->b, here);
    return phis;
}

/* The phis and types a branch to `fr` gives values to, and where it goes. */
static LLVMBasicBlockRef target_of(const struct frame *fr, LLVMValueRef **phis, const uint8_t **types,
                                   uint32_t *n)
{
    bool loop = fr->kind == FRAME_LOOP;
    *phis = loop ? fr->loop_phis : fr->end_phis;
    *types = loop ? fr->type.params : fr->type.results;
    *n = loop ? fr->type.nparams : fr->type.nresults;
    return loop ? fr->loop : fr->end;
}

/* Turn the top n values into the types they cross blocks in. */
static void canonicalize_top(struct fn *f, const uint8_t *types, uint32_t n)
{
    LLVMValueRef *top = f->stack.at + f->stack.len - n;
    for (uint32_t i = 0; i < n; i++) {
        top[i] = fn_canonical(f, top[i], types[i]);
    }
}

/* Make the top of the stack what label `depth` receives from the current block; returns the block to branch
 * to. */
static LLVMBasicBlockRef prepare_branch(struct fn *f, uint32_t depth)
{
    struct frame *fr = &f->frames.at[f->frames.len - 1 - depth];
    LLVMValueRef *phis;
    const uint8_t *types;
    uint32_t n;
    LLVMBasicBlockRef to = target_of(fr, &phis, &types, &n), here = LLVMGetInsertBlock(f->b);
    canonicalize_top(f, types, n);
    LLVMValueRef *top = f->stack.at + f->stack.len - n;
    for (uint32_t i = 0; i < n; i++) {
        LLVMAddIncoming(phis[i], &top[i], &here, 1);
    }
    return to;
}

static void go_dead(struct fn *f)
{
    f->dead = true;
    f->skip = 0;
}

static void open_frame(struct fn *f, const struct wasm_instr *in, enum frame_kind kind)
{
    struct frame fr = {.kind = kind};
    LLVMValueRef cond = kind == FRAME_IF ? fn_condition(f, pop(f)) : NULL;
    uint8_t *one = ARENA_NEW(&f->arena, uint8_t);
    bool ok = wasm_block_type(f->u->m, in->block_type, &fr.type, one);
    WEIR_ASSERT(ok);
    fr.height = (uint32_t)f->stack.len - fr.type.nparams;
    fr.end = new_block(f);
    fr.end_phis = make_phis(f, fr.end, fr.type.results, fr.type.nresults);
    canonicalize_top(f, fr.type.params, fr.type.nparams);
    LLVMValueRef *params = f->stack.at + fr.height;
    if (kind == FRAME_LOOP) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
        fr.loop = new_block(f);
        fr.loop_phis = make_phis(f, fr.loop, fr.type.params, fr.type.nparams);
        LLVMBuildBr(f->b, fr.loop);
        LLVMPositionBuilderAtEnd(f->b, fr.loop);
        for (uint32_t i = 0; i < fr.type.nparams; i++) {
            LLVMAddIncoming(fr.loop_phis[i], &params[i], &here, 1);
            params[i] = fr.loop_phis[i];
        }
    } else if (kind == FRAME_IF) {
        fr.otherwise = new_block(f);
        fr.params = ARENA_ARRAY(&f->arena, LLVMValueRef, fr.type.nparams + 1);
        for (uint32_t i = 0; i < fr.type.nparams; i++) {
            fr.params[i] = params[i];
        }
        LLVMBasicBlockRef then = new_block(f);
        LLVMBuildCondBr(f->b, cond, then, fr.otherwise);
        LLVMPositionBuilderAtEnd(f->b, then);
    }
    vec_push(&f->frames, fr);
}

/* The current block, if alive, continues behind the innermost frame. */
static void fall_through(struct fn *f)
{
    if (!f->dead) {
        struct frame *fr = &vec_last(&f->frames);
        enum frame_kind kind = fr->kind;
        fr->kind = FRAME_BLOCK; /* the end, also of a loop */
        LLVMBasicBlockRef to = prepare_branch(f, 0);
        LLVMBuildBr(f->b, to);
        fr->kind = kind;
    }
    f->dead = false;
}

static void begin_else(struct fn *f)
{
    fall_through(f);
    struct frame *fr = &vec_last(&f->frames);
    LLVMPositionBuilderAtEnd(f->b, fr->otherwise);
    fr->kind = FRAME_ELSE;
    f->stack.len = fr->height;
    for (uint32_t i = 0; i < fr->type.nparams; i++) {
        push(f, fr->params[i]);
    }
}

void control_return(struct fn *f, LLVMValueRef *results)
{
    uint32_t n = f->type->nresults;
    if (n == 1) {
        LLVMBuildRet(f->b, results[0]);
        return;
    }
    uint64_t cell = 0;
    for (uint32_t i = 0; i < n; i++) {
        fn_store_cell(f, results[i], f->type->results[i], f->results, cell);
        cell += wasm_valtype_cells(f->type->results[i]);
    }
    LLVMBuildRetVoid(f->b);
}

static void end_frame(struct fn *f)
{
    if (vec_last(&f->frames).kind == FRAME_IF) {
        begin_else(f); /* without an else: parameters are the results */
    }
    fall_through(f);
    struct frame fr = vec_pop(&f->frames);
    bool reached = LLVMGetFirstUse(LLVMBasicBlockAsValue(fr.end)) != NULL;
    if (!reached) {
        LLVMDeleteBasicBlock(fr.end);
        go_dead(f);
        if (f->frames.len == 0) {
            f->dead = false;
        }
        return;
    }
    LLVMBasicBlockRef last = LLVMGetLastBasicBlock(f->f);
    if (last != fr.end) {
        LLVMMoveBasicBlockAfter(fr.end, last);
    }
    LLVMPositionBuilderAtEnd(f->b, fr.end);
    if (fr.kind == FRAME_FUNC) {
        fn_locate(f);
        control_return(f, fr.end_phis);
        return;
    }
    f->stack.len = fr.height;
    for (uint32_t i = 0; i < fr.type.nresults; i++) {
        push(f, fr.end_phis[i]);
    }
}

static void branch_if(struct fn *f, uint32_t depth)
{
    LLVMValueRef cond = fn_condition(f, pop(f));
    LLVMBasicBlockRef to = prepare_branch(f, depth);
    LLVMBasicBlockRef next = new_block(f);
    LLVMBuildCondBr(f->b, cond, to, next);
    LLVMPositionBuilderAtEnd(f->b, next);
}

static void branch_table(struct fn *f, struct wasm_instr *in)
{
    LLVMValueRef index = pop(f);
    uint32_t n = in->count;
    uint32_t *labels = mem_alloc((n + 1) * sizeof *labels);
    for (uint32_t i = 0; i <= n; i++) {
        labels[i] = wasm_br_table_next(in);
    }
    LLVMBasicBlockRef otherwise = prepare_branch(f, labels[n]);
    LLVMValueRef sw = LLVMBuildSwitch(f->b, index, otherwise, n);
    for (uint32_t i = 0; i < n; i++) {
        if (labels[i] == labels[n]) {
            continue; /* the default goes there too */
        }
        LLVMAddCase(sw, unit_const_i32(f->u, i), prepare_branch(f, labels[i]));
    }
    mem_free(labels);
    go_dead(f);
}

void emit_control(struct fn *f, struct wasm_instr *in)
{
    switch (in->op) {
    case OP_UNREACHABLE:
        fn_locate(f);
        fn_trap(f, WEIR_TRAP_UNREACHABLE);
        go_dead(f);
        break;
    case OP_BLOCK:
        open_frame(f, in, FRAME_BLOCK);
        break;
    case OP_LOOP:
        open_frame(f, in, FRAME_LOOP);
        break;
    case OP_IF:
        open_frame(f, in, FRAME_IF);
        break;
    case OP_ELSE:
        begin_else(f);
        break;
    case OP_END:
        end_frame(f);
        break;
    case OP_BR:
        LLVMBuildBr(f->b, prepare_branch(f, in->index));
        go_dead(f);
        break;
    case OP_BR_IF:
        branch_if(f, in->index);
        break;
    case OP_BR_TABLE:
        branch_table(f, in);
        break;
    case OP_RETURN:
        LLVMBuildBr(f->b, prepare_branch(f, (uint32_t)f->frames.len - 1));
        go_dead(f);
        break;
    default: /* nop */
        break;
    }
}
