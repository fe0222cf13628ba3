/* interp/lower_emit.c - the compile-time stack and what it costs to move values; see interp/lower.h. */
#include "interp/lower.h"

static uint64_t handler_word(uint32_t h)
{
    return (uint64_t)(uintptr_t)interp_handlers[h];
}

uint32_t lower_emit(struct lower *l, uint32_t h, uint64_t operands)
{
    uint32_t pos = (uint32_t)l->code.len;
    vec_push(&l->code, handler_word(h));
    vec_push(&l->code, operands);
    l->before_last = l->last;
    l->last = (struct lower_last){.pos = pos, .origin = l->in.offset};
    return pos;
}

uint32_t lower_emit_trapping_at(struct lower *l, uint32_t h, uint64_t operands, uint32_t origin)
{
    struct interp_origin o = {(uint32_t)l->code.len, origin};
    if (l->origins.len && vec_last(&l->origins).word == o.word) {
        vec_last(&l->origins) = o;
    } else {
        vec_push(&l->origins, o);
    }
    return lower_emit(l, h, operands);
}

uint32_t lower_emit_trapping(struct lower *l, uint32_t h, uint64_t operands)
{
    return lower_emit_trapping_at(l, h, operands, l->in.offset);
}

void lower_undo_last(struct lower *l)
{
    l->code.len = l->last.pos;
    while (l->origins.len && vec_last(&l->origins).word >= l->last.pos) {
        l->origins.len--;
    }
    l->accs[LOWER_INT] = (struct lower_acc){LOWER_NONE, l->last.mirror};
    l->last = l->before_last;
    l->before_last.pos = LOWER_NONE;
}

/* ---- the stack ---- */

struct lower_entry lower_pop(struct lower *l)
{
    struct lower_entry e = vec_pop(&l->stack);
    l->height = e.home;
    if (l->stack.len < l->settled) {
        l->settled = (uint32_t)l->stack.len;
    }
    if (e.place == IN_ACC) {
        l->accs[lower_class_of(e.type)].owner = LOWER_NONE;
    }
    return e;
}

static struct lower_entry *push(struct lower *l, uint8_t type, uint8_t place)
{
    struct lower_entry e = {
        .place = place, .type = type, .pos = LOWER_NONE, .slot = l->height, .home = l->height};
    l->height += wasm_valtype_cells(type);
    if (l->height > l->max_slots) {
        l->max_slots = l->height;
    }
    vec_push(&l->stack, e);
    return &vec_last(&l->stack);
}

void lower_push_slot(struct lower *l, uint8_t type, uint32_t slot)
{
    push(l, type, IN_SLOT)->slot = slot;
}

void lower_push_const(struct lower *l, uint8_t type, uint64_t low, uint64_t high)
{
    struct lower_entry *e = push(l, type, IN_CONST);
    e->imm[0] = low;
    e->imm[1] = high;
}

void lower_push_home(struct lower *l, uint8_t type)
{
    push(l, type, IN_SLOT);
}

void lower_push_made(struct lower *l, uint8_t type, uint32_t h, uint32_t pos)
{
    struct lower_entry *e = push(l, type, IN_SLOT);
    e->h = (uint16_t)h;
    e->pos = pos;
}

void lower_push_acc(struct lower *l, uint8_t type, uint32_t h, uint32_t pos)
{
    struct lower_entry *e = push(l, type, IN_ACC);
    struct lower_acc *acc = &l->accs[lower_class_of(type)];
    e->h = (uint16_t)h;
    e->pos = pos;
    acc->owner = (uint32_t)l->stack.len - 1;
    acc->mirror = LOWER_NONE;
}

/* ---- accumulators ---- */

void lower_slot_written(struct lower *l, uint32_t slot, uint32_t cells)
{
    for (unsigned c = 0; c < LOWER_V128; c++) {
        if (l->accs[c].mirror - slot < cells) {
            l->accs[c].mirror = LOWER_NONE;
        }
    }
}

void lower_free_acc(struct lower *l, enum lower_class c)
{
    if (c >= LOWER_V128 || l->accs[c].owner == LOWER_NONE) {
        return;
    }
    struct lower_entry *e = &l->stack.at[l->accs[c].owner];
    l->code.at[e->pos] = handler_word(e->h + 1u);
    lower_slot_written(l, e->home, 1);
    if (l->last.pos == e->pos) {
        l->last.stored = true;
    }
    if (l->before_last.pos == e->pos) {
        l->before_last.stored = true;
    }
    e->place = IN_SLOT;
    e->slot = e->home;
    e->pos = LOWER_NONE;
    l->accs[c].owner = LOWER_NONE;
    l->accs[c].mirror = e->home;
}

void lower_free_accs(struct lower *l)
{
    for (unsigned c = 0; c < LOWER_V128; c++) {
        lower_free_acc(l, c);
    }
}

void lower_forget(struct lower *l)
{
    for (unsigned c = 0; c < LOWER_V128; c++) {
        l->accs[c].mirror = LOWER_NONE;
    }
    l->last.pos = l->before_last.pos = LOWER_NONE;
}

bool lower_in_acc(const struct lower *l, const struct lower_entry *e, enum lower_class c)
{
    if (e->place == IN_ACC) {
        return lower_class_of(e->type) == c;
    }
    return e->place == IN_SLOT && l->accs[c].mirror == e->slot;
}

/* ---- moves ---- */

static void emit_const(struct lower *l, uint32_t dst, const struct lower_entry *e)
{
    if (e->type == WASM_V128) {
        lower_emit(l, H_SET_I128, lower_slots(dst, 0, 0, 0));
        lower_emit_imm(l, e->imm[0]);
        lower_emit_imm(l, e->imm[1]);
    } else if (e->imm[0] <= UINT32_MAX) {
        lower_emit(l, H_SET_I32, lower_slots_imm(dst, 0, (uint32_t)e->imm[0]));
    } else {
        lower_emit(l, H_SET_I, lower_slots(dst, 0, 0, 0));
        lower_emit_imm(l, e->imm[0]);
    }
    lower_slot_written(l, dst, wasm_valtype_cells(e->type));
}

void lower_copy(struct lower *l, uint32_t dst, uint32_t src, uint8_t type)
{
    if (dst == src) {
        return;
    }
    if (type == WASM_V128) {
        lower_emit(l, H_COPY128, lower_slots(dst, src, 0, 0));
        lower_slot_written(l, dst, 2);
        return;
    }
    static const uint16_t set[] = {H_SET_A, H_SET_F32, H_SET_F64};
    for (unsigned c = 0; c < LOWER_V128; c++) {
        if (l->accs[c].mirror == src && lower_class_of(type) == c) {
            lower_emit(l, set[c], lower_slots(dst, 0, 0, 0));
            lower_slot_written(l, dst, 1);
            return;
        }
    }
    if (l->last.pos != LOWER_NONE && l->last.kind == LAST_COPY) {
        uint32_t dst0 = l->last.slot[0], src0 = l->last.slot[1];
        l->code.len = l->last.pos;
        l->last = l->before_last;
        lower_emit(l, H_COPY2, lower_slots(dst0, src0, dst, src));
    } else {
        lower_emit(l, H_COPY, lower_slots(dst, src, 0, 0));
        l->last.kind = LAST_COPY;
        l->last.slot[0] = dst;
        l->last.slot[1] = src;
    }
    lower_slot_written(l, dst, 1);
}

void lower_const_home(struct lower *l, struct lower_entry *e)
{
    emit_const(l, e->home, e);
    e->place = IN_SLOT;
    e->slot = e->home;
}

void lower_move(struct lower *l, uint32_t dst, const struct lower_entry *e)
{
    static const uint16_t set[] = {H_SET_A, H_SET_F32, H_SET_F64};
    if (e->place == IN_CONST) {
        emit_const(l, dst, e);
    } else if (e->place == IN_ACC) {
        lower_emit(l, set[lower_class_of(e->type)], lower_slots(dst, 0, 0, 0));
        lower_slot_written(l, dst, 1);
    } else {
        lower_copy(l, dst, e->slot, e->type);
    }
}

/* Narrow an i64 that stands for an i32. */
void lower_clean(struct lower *l, uint32_t i)
{
    struct lower_entry *e = &l->stack.at[i];
    if (!e->wrap) {
        return;
    }
    bool acc = lower_in_acc(l, e, LOWER_INT);
    if (e->place == IN_ACC) {
        l->accs[LOWER_INT].owner = LOWER_NONE;
    }
    lower_free_acc(l, LOWER_INT);
    e->h = acc ? H_I32_WRAP_I64_A_A : H_I32_WRAP_I64_S_A;
    e->pos = lower_emit(l, e->h, lower_slots(e->home, e->slot, 0, 0));
    e->place = IN_ACC;
    e->slot = e->home;
    e->wrap = false;
    l->accs[LOWER_INT] = (struct lower_acc){i, LOWER_NONE};
}

void lower_to_slot(struct lower *l, uint32_t i)
{
    lower_clean(l, i);
    struct lower_entry *e = &l->stack.at[i];
    if (e->place == IN_ACC) {
        lower_free_acc(l, lower_class_of(e->type));
    } else if (e->place == IN_CONST) {
        lower_const_home(l, e);
    }
}

void lower_home(struct lower *l, uint32_t i)
{
    lower_to_slot(l, i);
    struct lower_entry *e = &l->stack.at[i];
    lower_copy(l, e->home, e->slot, e->type);
    e->slot = e->home;
    e->pos = LOWER_NONE;
}

void lower_settle(struct lower *l)
{
    for (uint32_t i = l->settled; i < l->stack.len; i++) {
        if (l->stack.at[i].place != IN_CONST) {
            lower_home(l, i);
        }
    }
    l->settled = (uint32_t)l->stack.len;
}

bool lower_retarget(struct lower *l, const struct lower_entry *e, uint32_t slot)
{
    if (e->pos == LOWER_NONE || e->pos != l->last.pos) {
        return false;
    }
    bool acc = e->place == IN_ACC, mirrored = !acc && l->accs[LOWER_INT].mirror == e->home;
    l->code.at[e->pos] = handler_word(e->h + (acc ? 1u : 0u));
    l->code.at[e->pos + 1] = (l->code.at[e->pos + 1] & ~(uint64_t)UINT16_MAX) | (uint16_t)slot;
    l->last.stored = true;
    lower_slot_written(l, slot, wasm_valtype_cells(e->type));
    if (mirrored) {
        l->accs[LOWER_INT].mirror = slot;
    }
    return true;
}

void lower_set_local(struct lower *l, uint32_t slot)
{
    uint32_t top = (uint32_t)l->stack.len - 1;
    lower_clean(l, top);
    for (uint32_t i = l->settled; i < top; i++) {
        if (l->stack.at[i].place == IN_SLOT && l->stack.at[i].slot == slot) {
            lower_home(l, i);
        }
    }
    struct lower_entry e = lower_pop(l);
    if (!lower_retarget(l, &e, slot)) {
        lower_move(l, slot, &e);
    }
    if (e.place == IN_ACC) {
        l->accs[lower_class_of(e.type)].mirror = slot;
    }
}
