/* interp/lower_fused.c - lowering of two operations to one handler; see interp/exec_fused.h. */
#include "interp/lower.h"

/* The order of IH_THEN_ALU; -1 for what is not among them. */
static int alu_index(uint16_t op)
{
    static const uint16_t ops[] = {OP_I32_ADD, OP_I32_SUB, OP_I32_MUL,   OP_I32_AND, OP_I32_OR,
                                   OP_I32_XOR, OP_I32_SHL, OP_I32_SHR_U, OP_I32_ROTL};
    for (int i = 0; i < (int)(sizeof ops / sizeof *ops); i++) {
        if (ops[i] == op) {
            return i;
        }
    }
    return -1;
}

enum { NALUS = 9, NCOMPARES = 10, NALU_FORMS = 4, NADDRESS_FORMS = 6 };

/* The first part as the first word of operands and the upper half of the second; its index among the
 * families' forms, or -1 if it is not fused. */
struct first {
    uint64_t operands;
    uint32_t upper;
    bool load, wide;
};

static uint32_t second_operand(const struct lower_last *last)
{
    switch (last->form) {
    case FORM_SS:
        return last->slot[1];
    case FORM_AS:
        return last->slot[0];
    default:
        return (uint32_t)last->imm;
    }
}

static struct first first_part(const struct lower_last *last, uint32_t dst)
{
    struct first f = {.load = last->kind == LAST_LOAD};
    if (f.load) {
        f.operands = lower_slots_imm(dst, last->slot[0], last->memory_offset);
        f.upper = (uint32_t)last->imm;
        f.wide = last->op == OP_I32_LOAD;
    } else {
        f.operands = lower_slots_imm(dst, last->slot[0], second_operand(last));
    }
    return f;
}

bool lower_fuse_alu(struct lower *l, uint16_t op, const struct lower_entry *a, const struct lower_entry *b)
{
    struct lower_last last = l->last;
    int second = alu_index(op), first = alu_index(last.op);
    if (a->place != IN_ACC || a->wrap || last.pos == LOWER_NONE || a->pos != last.pos || last.stored ||
        second < 0) {
        return false;
    }
    if (!(last.kind == LAST_LOAD || (last.kind == LAST_ALU && first >= 0 && last.form < NALU_FORMS))) {
        return false;
    }
    lower_undo_last(l);
    struct first f = first_part(&last, a->home < b->home ? a->home : b->home);
    bool imm = b->place == IN_CONST;
    uint32_t h = f.load ? H_LOADALU_32_S_ADD_S_A + ((f.wide ? 0u : NADDRESS_FORMS) + last.form) * NALUS * 4
                        : H_PAIR_ADD_SS_ADD_S_A + ((uint32_t)first * NALU_FORMS + last.form) * NALUS * 4;
    h += (uint32_t)second * 4 + (imm ? 2 : 0);
    uint32_t pos =
        f.load ? lower_emit_trapping_at(l, h, f.operands, last.origin) : lower_emit(l, h, f.operands);
    lower_emit_imm(l, (imm ? (uint32_t)b->imm[0] : b->slot) | (uint64_t)f.upper << 32);
    lower_push_acc(l, WASM_I32, h, pos);
    return true;
}

static uint32_t branch_handler(const struct lower_last *last, const struct first *f, uint32_t compare,
                               bool imm)
{
    uint32_t family = f->load ? (f->wide ? 0u : NADDRESS_FORMS) + last->form
                              : (last->op == OP_I32_ADD   ? 0u
                                 : last->op == OP_I32_SUB ? 1u
                                                          : 2u) *
                                        NALU_FORMS +
                                    last->form;
    return (f->load ? H_LOADBR_32_S_EQ_S_A : H_ALUBR_ADD_SS_EQ_S_A) + (family * NCOMPARES + compare) * 4 +
           (imm ? 2u : 0u) + (last->stored ? 1u : 0u);
}

bool lower_fuse_branch(struct lower *l, struct lower_branch *b)
{
    /* EQ NE LT_S LT_U GT_S GT_U LE_S LE_U GE_S GE_U */
    static const uint8_t opposite[NCOMPARES] = {1, 0, 8, 9, 6, 7, 4, 5, 2, 3};
    struct lower_last last = l->last;
    bool alu = last.kind == LAST_ALU && last.form < NALU_FORMS &&
               (last.op == OP_I32_ADD || last.op == OP_I32_SUB || last.op == OP_I32_AND);
    if (!b->of_acc || last.pos == LOWER_NONE || !(alu || last.kind == LAST_LOAD)) {
        return false;
    }
    uint32_t dst = (uint16_t)l->code.at[last.pos + 1];
    lower_undo_last(l);
    struct first f = first_part(&last, dst);
    b->h = branch_handler(&last, &f, b->compare, b->other_is_imm);
    b->negated = branch_handler(&last, &f, opposite[b->compare], b->other_is_imm);
    b->pos =
        f.load ? lower_emit_trapping_at(l, b->h, f.operands, last.origin) : lower_emit(l, b->h, f.operands);
    lower_emit_imm(l, b->other);
    if (f.load && last.form >= 2) {
        lower_emit_imm(l, f.upper);
    }
    b->field = (b->pos + 2) * 2 + 1;
    l->accs[LOWER_INT].mirror = last.stored ? dst : LOWER_NONE;
    return true;
}
