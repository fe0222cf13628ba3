/* interp/lower.c - the pass over a body: control flow, calls, returns; see interp/lower.h. */
#include "interp/lower.h"

enum { MAX_UNSETTLED = 64 }; /* bounds the search for entries that read a local */

/* ---- labels and fixups ---- */

static void set_distance(struct lower *l, uint32_t field, uint32_t instr, uint32_t target)
{
    ((int32_t *)(void *)l->code.at)[field] = ((int32_t)target - (int32_t)instr) * 8;
}

/* The distance at `field` (a 32-bit unit of the code) of the branch at `instr` shall lead to a place known
 * later. */
static void add_fixup(struct lower *l, uint32_t *chain, uint32_t instr, uint32_t field)
{
    struct lower_fixup f = {instr, field, *chain};
    *chain = (uint32_t)l->fixups.len;
    vec_push(&l->fixups, f);
}

static uint32_t branch_field(uint32_t instr)
{
    return (instr + 1) * 2 + 1;
}

static void bind(struct lower *l, uint32_t chain)
{
    for (; chain != LOWER_NONE; chain = l->fixups.at[chain].next) {
        set_distance(l, l->fixups.at[chain].field, l->fixups.at[chain].instr, (uint32_t)l->code.len);
    }
    lower_forget(l);
}

static struct lower_label *label_at(struct lower *l, uint32_t depth)
{
    return &l->labels.at[l->labels.len - 1 - depth];
}

/* How many values a branch to the label carries. */
static uint32_t label_arity(const struct lower_label *b)
{
    return b->kind == LABEL_LOOP ? b->type.nparams : b->type.nresults;
}

static void branch_to(struct lower *l, struct lower_label *b, uint32_t instr, uint32_t field)
{
    if (b->kind == LABEL_LOOP) {
        set_distance(l, field, instr, b->start);
    } else {
        add_fixup(l, &b->fixups, instr, field);
    }
}

/* Values on top of the stack are in their homes and these are where the label wants them. */
static bool values_in_place(const struct lower *l, const struct lower_label *b, uint32_t arity)
{
    return arity == 0 || l->stack.at[l->stack.len - arity].home == b->height;
}

static void home_values(struct lower *l, uint32_t n)
{
    for (uint32_t i = (uint32_t)l->stack.len - n; i < l->stack.len; i++) {
        lower_home(l, i);
    }
}

/* The top n values are in their homes, which are in a row: copy them to another row further down. */
static void copy_row(struct lower *l, uint32_t dst, uint32_t n)
{
    uint32_t src = l->stack.at[l->stack.len - n].home, cells = l->height - src;
    lower_emit(l, H_COPY_CELLS, lower_slots_imm(dst, src, cells));
    lower_slot_written(l, dst, cells);
}

/* To where the label wants them. */
static void move_values(struct lower *l, const struct lower_label *b, uint32_t arity)
{
    if (arity == 0) {
        return;
    }
    if (arity > 1) {
        home_values(l, arity);
        if (!values_in_place(l, b, arity)) {
            copy_row(l, b->height, arity);
        }
        return;
    }
    uint32_t i = (uint32_t)l->stack.len - 1;
    lower_clean(l, i);
    struct lower_entry e = l->stack.at[i];
    if (!lower_retarget(l, &e, b->height) && !(e.place == IN_SLOT && e.slot == b->height)) {
        lower_move(l, b->height, &e);
    }
}

/* Cleaning needs the accumulator; do it before the condition is popped from there. */
static void clean_below_top(struct lower *l)
{
    for (uint32_t i = l->settled; i + 1 < l->stack.len; i++) {
        lower_clean(l, i);
    }
}

/* What follows cannot be reached. */
static void die(struct lower *l)
{
    l->dead = true;
    l->dead_depth = 0;
}

/* ---- return ---- */

static void emit_return_one(struct lower *l, uint8_t type)
{
    uint32_t top = (uint32_t)l->stack.len - 1;
    enum lower_class c = lower_class_of(type);
    lower_clean(l, top);
    struct lower_entry *e = &l->stack.at[top];
    if (c == LOWER_V128) {
        lower_to_slot(l, top);
        lower_copy(l, 0, e->slot, type);
        lower_emit(l, H_RETURN, 0);
        return;
    }
    static const uint16_t handlers[] = {H_RETURN_S, H_RETURN_F32_S, H_RETURN_F64_S};
    if (c == LOWER_INT && e->place == IN_CONST) {
        lower_emit(l, H_RETURN_I, 0);
        lower_emit_imm(l, e->imm[0]);
        return;
    }
    if (e->place == IN_CONST) {
        lower_to_slot(l, top);
    }
    lower_emit(l, handlers[c] + (lower_in_acc(l, e, c) ? 1u : 0u), lower_slots(e->slot, 0, 0, 0));
}

/* Return the values on top of the stack, which stays as it is. */
static void emit_return(struct lower *l)
{
    const struct wasm_functype *t = &l->labels.at[0].type;
    if (t->nresults == 1) {
        emit_return_one(l, t->results[0]);
        return;
    }
    if (t->nresults > 1) {
        home_values(l, t->nresults);
        copy_row(l, 0, t->nresults);
    }
    lower_emit(l, H_RETURN, 0);
}

/* ---- blocks ---- */

static const uint8_t *single_type(uint8_t type)
{
    static const uint8_t types[] = {WASM_I32,  WASM_I64,     WASM_F32,      WASM_F64,
                                    WASM_V128, WASM_FUNCREF, WASM_EXTERNREF};
    for (unsigned i = 0; i < sizeof types; i++) {
        if (types[i] == type) {
            return &types[i];
        }
    }
    WEIR_ASSERT(!"a value type");
    return types;
}

static void push_label(struct lower *l, uint8_t kind, int64_t block_type)
{
    struct lower_label b = {
        .kind = kind, .fixups = LOWER_NONE, .else_fixup = LOWER_NONE, .stub_of = LOWER_NONE};
    uint8_t one = 0;
    wasm_block_type(l->m, block_type, &b.type, &one);
    if (b.type.results == &one) {
        b.type.results = single_type(one);
    }
    b.nentries = (uint32_t)l->stack.len - b.type.nparams;
    b.height = b.type.nparams ? l->stack.at[b.nentries].home : l->height;
    b.start = (uint32_t)l->code.len;
    vec_push(&l->labels, b);
}

static void begin_block(struct lower *l)
{
    lower_settle(l);
    push_label(l, LABEL_BLOCK, l->in.block_type);
}

/* Entries that are constants must be in their homes, too: a label inside changes them. */
static void home_params(struct lower *l, int64_t block_type)
{
    struct wasm_functype t;
    uint8_t one;
    wasm_block_type(l->m, block_type, &t, &one);
    home_values(l, t.nparams);
}

static void begin_loop(struct lower *l)
{
    home_params(l, l->in.block_type);
    lower_settle(l);
    lower_forget(l);
    push_label(l, LABEL_LOOP, l->in.block_type);
}

static void begin_if(struct lower *l)
{
    clean_below_top(l);
    struct lower_entry cond = lower_pop(l);
    struct lower_branch br;
    lower_branch_choose(l, &cond, false, &br);
    home_params(l, l->in.block_type);
    lower_settle(l);
    push_label(l, LABEL_IF, l->in.block_type);
    lower_branch_emit(l, &br);
    add_fixup(l, &vec_last(&l->labels).else_fixup, br.pos, br.field);
}

/* The stack as it is behind a label: `n` values of `types` in their homes. */
static void reset_stack(struct lower *l, const struct lower_label *b, uint32_t n, const uint8_t *types)
{
    l->stack.len = b->nentries;
    l->height = b->height;
    l->settled = b->nentries;
    for (unsigned c = 0; c < LOWER_V128; c++) {
        l->accs[c].owner = LOWER_NONE;
    }
    for (uint32_t i = 0; i < n; i++) {
        lower_push_home(l, types[i]);
    }
}

static void begin_else(struct lower *l)
{
    struct lower_label *b = &vec_last(&l->labels);
    if (!l->dead) {
        home_values(l, b->type.nresults);
        uint32_t pos = lower_emit(l, H_BR, 0);
        add_fixup(l, &b->fixups, pos, branch_field(pos));
    }
    bind(l, b->else_fixup);
    b->else_fixup = LOWER_NONE;
    l->dead = false;
    reset_stack(l, b, b->type.nparams, b->type.params);
}

static void end_function(struct lower *l, const struct lower_label *b)
{
    if (b->fixups != LOWER_NONE) {
        if (!l->dead) {
            home_values(l, b->type.nresults);
        }
        bind(l, b->fixups);
        reset_stack(l, b, b->type.nresults, b->type.results);
        l->dead = false;
    }
    if (!l->dead) {
        emit_return(l);
    }
}

static void end_block(struct lower *l)
{
    struct lower_label b = vec_pop(&l->labels);
    if (b.kind == LABEL_FUNC) {
        vec_push(&l->labels, b);
        end_function(l, &b);
        (void)vec_pop(&l->labels);
        return;
    }
    bool merges = b.fixups != LOWER_NONE || b.else_fixup != LOWER_NONE;
    if (!merges && !l->dead) {
        return; /* control and values come from above only */
    }
    if (!l->dead) {
        home_values(l, b.type.nresults);
    }
    if (merges) {
        bind(l, b.fixups);
        bind(l, b.else_fixup);
        l->dead = false;
    }
    reset_stack(l, &b, b.type.nresults, b.type.results);
}

/* ---- branches ---- */

/* `br_if out; br loop`: exchange the two, so that staying in the loop takes one branch. */
static bool rotate_branches(struct lower *l, const struct lower_label *loop)
{
    if (l->last.pos == LOWER_NONE || l->last.kind != LAST_BRANCH || l->fixups.len == 0) {
        return false;
    }
    struct lower_fixup *f = &vec_last(&l->fixups);
    if (f->instr != l->last.pos || vec_last(&l->labels).else_fixup == l->fixups.len - 1) {
        return false;
    }
    l->code.at[f->instr] = (uintptr_t)interp_handlers[l->last_branch.negated];
    set_distance(l, f->field, f->instr, loop->start);
    f->instr = lower_emit(l, H_BR, 0);
    f->field = branch_field(f->instr);
    return true;
}

static void lower_br(struct lower *l)
{
    struct lower_label *b = label_at(l, l->in.index);
    uint32_t arity = label_arity(b);
    if (b->kind == LABEL_FUNC) {
        emit_return(l);
    } else if (!(b->kind == LABEL_LOOP && arity == 0 && rotate_branches(l, b))) {
        move_values(l, b, arity);
        uint32_t pos = lower_emit(l, H_BR, 0);
        branch_to(l, b, pos, branch_field(pos));
    }
    die(l);
}

static void lower_br_if(struct lower *l)
{
    uint32_t arity = label_arity(label_at(l, l->in.index));
    clean_below_top(l);
    struct lower_entry cond = lower_pop(l);
    struct lower_branch br;
    struct lower_label *b = label_at(l, l->in.index);
    bool direct = values_in_place(l, b, arity);
    lower_branch_choose(l, &cond, direct, &br);
    home_values(l, arity);
    lower_branch_emit(l, &br);
    if (direct) {
        branch_to(l, b, br.pos, br.field);
        return;
    }
    uint32_t skip = LOWER_NONE;
    add_fixup(l, &skip, br.pos, br.field);
    struct lower_acc accs[LOWER_NCLASSES];
    memcpy(accs, l->accs, sizeof accs);
    if (b->kind == LABEL_FUNC) {
        emit_return(l);
    } else {
        move_values(l, b, arity);
        uint32_t pos = lower_emit(l, H_BR, 0);
        branch_to(l, b, pos, branch_field(pos));
    }
    bind(l, skip);
    memcpy(l->accs, accs, sizeof accs); /* the moves were jumped over */
}

/* Where an entry of a br_table at `table` cannot go directly because values must move: a stub behind the
 * table, one for each label. */
static uint32_t table_stub(struct lower *l, uint32_t table, struct lower_label *b, uint32_t arity)
{
    if (b->stub_of == table) {
        return b->stub;
    }
    b->stub_of = table;
    b->stub = (uint32_t)l->code.len;
    lower_forget(l);
    if (b->kind == LABEL_FUNC) {
        emit_return(l);
    } else {
        move_values(l, b, arity);
        uint32_t br = lower_emit(l, H_BR, 0);
        branch_to(l, b, br, branch_field(br));
    }
    return b->stub;
}

static void lower_br_table(struct lower *l)
{
    clean_below_top(l);
    struct lower_entry index = lower_pop(l);
    if (index.place == IN_CONST) {
        lower_const_home(l, &index);
    }
    struct wasm_instr in = l->in, first = l->in;
    uint32_t arity = label_arity(label_at(l, wasm_br_table_next(&first))); /* all have the same */
    bool acc = lower_in_acc(l, &index, LOWER_INT);
    home_values(l, arity);
    uint32_t pos = lower_emit(l, acc ? H_BR_TABLE_A : H_BR_TABLE_S, lower_slots_imm(index.slot, 0, in.count));
    uint32_t field = (pos + 2) * 2;
    for (uint32_t i = 0; i <= in.count; i += 2) {
        lower_emit_imm(l, 0);
    }
    for (uint32_t i = 0; i <= in.count; i++, field++) {
        struct lower_label *b = label_at(l, wasm_br_table_next(&in));
        if (b->kind != LABEL_FUNC && values_in_place(l, b, arity)) {
            branch_to(l, b, pos, field);
        } else {
            set_distance(l, field, pos, table_stub(l, pos, b, arity));
        }
    }
    die(l);
}

/* ---- calls ---- */

/* The arguments go to their homes and leave the stack; returns where they begin. */
static uint32_t pop_arguments(struct lower *l, const struct wasm_functype *t)
{
    home_values(l, t->nparams);
    for (uint32_t i = 0; i < t->nparams; i++) {
        lower_pop(l);
    }
    lower_free_accs(l);
    return l->height;
}

static uint32_t larger(const struct wasm_functype *t)
{
    return t->param_cells > t->result_cells ? t->param_cells : t->result_cells;
}

static void push_results(struct lower *l, const struct wasm_functype *t)
{
    lower_forget(l);
    if (l->height + larger(t) > l->max_slots) {
        l->max_slots = l->height + larger(t);
    }
    uint32_t home = l->height;
    for (uint32_t i = 0; i < t->nresults; i++) {
        lower_push_home(l, t->results[i]);
    }
    if (t->nresults == 1 && t->results[0] != WASM_V128) {
        l->accs[lower_class_of(t->results[0])].mirror = home;
    }
}

static uint64_t import_offset(const struct lower *l, uint32_t funcidx)
{
    return l->mod->rt->layout.funcs + (uint64_t)funcidx * WEIR_VM_FUNC_BYTES;
}

static void lower_call(struct lower *l)
{
    uint32_t idx = l->in.index;
    const struct wasm_functype *t = wasm_func_type(l->m, idx);
    uint32_t base = pop_arguments(l, t);
    if (idx < l->m->nimported_funcs) {
        lower_emit_trapping(l, H_CALL_IMPORT, lower_slots_imm(base, 0, larger(t)));
        lower_emit_imm(l, import_offset(l, idx));
    } else {
        lower_emit_trapping(l, H_CALL, lower_slots(base, 0, 0, 0));
        lower_emit_imm(l, (uintptr_t)&l->mod->funcs[idx - l->m->nimported_funcs]);
    }
    push_results(l, t);
}

static uint32_t table_offset(const struct lower *l, uint32_t tableidx)
{
    return (uint32_t)(l->mod->rt->layout.tables + (uint64_t)tableidx * WEIR_VM_TABLE_BYTES);
}

static void lower_call_indirect(struct lower *l)
{
    uint32_t type = l->in.index, table = l->in.index2;
    const struct wasm_functype *t = &l->m->types[type];
    lower_to_slot(l, (uint32_t)l->stack.len - 1);
    struct lower_entry index = lower_pop(l);
    uint32_t base = pop_arguments(l, t);
    lower_emit_trapping(l, H_CALL_INDIRECT, lower_slots_imm(base, index.slot, table_offset(l, table)));
    lower_emit_imm(l, l->mod->rt->type_ids[type] | (uint64_t)larger(t) << 32);
    push_results(l, t);
}

static void reserve(struct lower *l, const struct wasm_functype *t)
{
    if (l->height + larger(t) > l->max_slots) {
        l->max_slots = l->height + larger(t);
    }
}

static void lower_return_call(struct lower *l)
{
    uint32_t idx = l->in.index;
    const struct wasm_functype *t = wasm_func_type(l->m, idx);
    uint32_t base = pop_arguments(l, t);
    reserve(l, t);
    if (idx < l->m->nimported_funcs) {
        lower_emit_trapping(l, H_TAIL_CALL_IMPORT, lower_slots_imm(base, t->result_cells, larger(t)));
        lower_emit_imm(l, import_offset(l, idx));
    } else {
        lower_emit_trapping(l, H_TAIL_CALL, lower_slots_imm(base, 0, t->param_cells));
        lower_emit_imm(l, (uintptr_t)&l->mod->funcs[idx - l->m->nimported_funcs]);
    }
    die(l);
}

static void lower_return_call_indirect(struct lower *l)
{
    uint32_t type = l->in.index, table = l->in.index2;
    const struct wasm_functype *t = &l->m->types[type];
    lower_to_slot(l, (uint32_t)l->stack.len - 1);
    struct lower_entry index = lower_pop(l);
    uint32_t base = pop_arguments(l, t);
    reserve(l, t);
    lower_emit_trapping(l, H_TAIL_CALL_INDIRECT, lower_slots_imm(base, index.slot, table_offset(l, table)));
    lower_emit_imm(l, l->mod->rt->type_ids[type] | (uint64_t)t->param_cells << 32);
    lower_emit_imm(l, t->result_cells | (uint64_t)larger(t) << 32);
    die(l);
}

/* ---- the pass ---- */

static void skip_dead(struct lower *l)
{
    switch (l->in.op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
        l->dead_depth++;
        break;
    case OP_ELSE:
        if (l->dead_depth == 0) {
            begin_else(l);
        }
        break;
    case OP_END:
        if (l->dead_depth == 0) {
            end_block(l);
        } else {
            l->dead_depth--;
        }
        break;
    default:
        break;
    }
}

static void lower_instr(struct lower *l)
{
    if (l->stack.len - l->settled > MAX_UNSETTLED) {
        lower_settle(l);
    }
    switch (l->in.op) {
    case OP_UNREACHABLE:
        lower_emit_trapping(l, H_UNREACHABLE, 0);
        die(l);
        break;
    case OP_BLOCK:
        begin_block(l);
        break;
    case OP_LOOP:
        begin_loop(l);
        break;
    case OP_IF:
        begin_if(l);
        break;
    case OP_ELSE:
        begin_else(l);
        break;
    case OP_END:
        end_block(l);
        break;
    case OP_BR:
        lower_br(l);
        break;
    case OP_BR_IF:
        lower_br_if(l);
        break;
    case OP_BR_TABLE:
        lower_br_table(l);
        break;
    case OP_RETURN:
        emit_return(l);
        die(l);
        break;
    case OP_CALL:
        lower_call(l);
        break;
    case OP_CALL_INDIRECT:
        lower_call_indirect(l);
        break;
    case OP_RETURN_CALL:
        lower_return_call(l);
        break;
    case OP_RETURN_CALL_INDIRECT:
        lower_return_call_indirect(l);
        break;
    default:
        lower_op(l);
    }
}

/* The first instruction; patched when the frame's size is known. */
static void begin_function(struct lower *l, const struct wasm_functype *t)
{
    uint32_t slot = 0;
    l->local_slots = mem_alloc((l->fn->nlocals + 1) * sizeof *l->local_slots);
    for (uint32_t i = 0; i < l->fn->nlocals; i++) {
        l->local_slots[i] = slot;
        slot += wasm_valtype_cells(l->fn->locals[i]);
    }
    l->base = l->height = slot;
    l->max_slots = slot > t->result_cells ? slot : t->result_cells;
    for (unsigned c = 0; c < LOWER_NCLASSES; c++) {
        l->accs[c] = (struct lower_acc){LOWER_NONE, LOWER_NONE};
    }
    struct lower_label b = {.kind = LABEL_FUNC,
                            .type = *t,
                            .height = slot,
                            .fixups = LOWER_NONE,
                            .else_fixup = LOWER_NONE,
                            .stub_of = LOWER_NONE};
    vec_push(&l->labels, b);
    l->in.offset = (uint32_t)(l->fn->body - l->m->bytes);
    lower_emit_trapping(l, H_ENTER_0, 0);
    lower_forget(l);
}

static void finish_function(struct lower *l, const struct wasm_functype *t)
{
    enum { SPARE = 8 + 2 }; /* what ENTER zeroes too much, and one more return address */
    uint32_t first = t->param_cells, n = l->base - first;
    uint32_t h = n == 0   ? H_ENTER_0
                 : n <= 2 ? H_ENTER_2
                 : n <= 4 ? H_ENTER_4
                 : n <= 8 ? H_ENTER_8
                          : H_ENTER_N;
    if (l->max_slots > INTERP_MAX_SLOTS) {
        l->code.len = l->origins.len = 0;
        l->in.offset = (uint32_t)(l->fn->body - l->m->bytes);
        lower_emit_trapping(l, H_ENTER_HUGE, 0);
        return;
    }
    l->code.at[0] = (uintptr_t)interp_handlers[h];
    l->code.at[1] = lower_slots_imm(first, n, l->max_slots + SPARE);
}

void interp_lower(const struct interp_module *mod, uint32_t funcidx, struct interp_lowered *out)
{
    const struct wasm_module *m = mod->rt->wasm;
    struct lower l = {.mod = mod, .m = m, .fn = &m->funcs[funcidx]};
    const struct wasm_functype *t = wasm_func_type(m, funcidx);
    l.reader = wasm_reader_of(m, l.fn->body, l.fn->body_end);
    begin_function(&l, t);
    while (l.reader.at < l.reader.end) {
        weir_status st = wasm_instr_read(&l.reader, &l.in, NULL);
        WEIR_ASSERT(st == WEIR_OK);
        if (l.dead) {
            skip_dead(&l);
        } else {
            lower_instr(&l);
        }
    }
    finish_function(&l, t);
    out->words = mem_realloc(l.code.at, l.code.len * sizeof *l.code.at);
    out->nwords = (uint32_t)l.code.len;
    out->origins = mem_realloc(l.origins.at, l.origins.len * sizeof *l.origins.at);
    out->norigins = (uint32_t)l.origins.len;
    vec_fini(&l.stack);
    vec_fini(&l.labels);
    vec_fini(&l.fixups);
    mem_free(l.local_slots);
}
