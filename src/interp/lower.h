/* interp/lower.h - lowering: one pass over a validated body, from stack code to internal code.
 *
 * A compile-time stack mirrors the operand stack.  An entry says where its value is: in a slot (its home,
 * given by its height, or the slot of a local that was only read: local.get costs nothing), a constant, or in
 * the accumulator of its class.  A value in an accumulator was made by an _A handler that has its home as
 * destination already; when the accumulator is needed for something else the handler is exchanged for its _S
 * twin and the value is in its home after all.  So no result is stored that is consumed at once.  `mirror`
 * tells which slot has the same value as an accumulator, so that it need not be loaded.
 *
 * Invariants.  At most one entry is in each accumulator.  At every label all entries below it are in their
 * homes or constants, and the accumulators are unknown.  An entry that reads a local is copied home before
 * the local changes.  Only entries at or above `settled` can be in an accumulator, a local, or deferred. */
#ifndef INTERP_LOWER_H
#define INTERP_LOWER_H

#include "base/vec.h"
#include "interp/code.h"
#include "wasm/instr.h"

#define LOWER_NONE UINT32_MAX

enum lower_class { LOWER_INT, LOWER_F32, LOWER_F64, LOWER_V128, LOWER_NCLASSES };

static inline enum lower_class lower_class_of(uint8_t type)
{
    return type == WASM_F32    ? LOWER_F32
           : type == WASM_F64  ? LOWER_F64
           : type == WASM_V128 ? LOWER_V128
                               : LOWER_INT;
}

enum lower_place { IN_SLOT, IN_CONST, IN_ACC };

struct lower_entry {
    uint8_t place; /* enum lower_place */
    uint8_t type;  /* enum wasm_valtype */
    bool wrap;     /* an i32 whose slot or accumulator has the i64 it is the low half of */
    uint16_t h; /* the handler that made it, at word `pos`; LOWER_NONE if its destination cannot be changed */
    uint32_t pos;
    uint32_t slot, home;
    uint64_t imm[2];
};

/* Forms in the order of handlers.h. */
enum lower_form { FORM_SS, FORM_SI, FORM_AS, FORM_AI, FORM_SA, FORM_IS, FORM_IA };

struct lower_acc {
    uint32_t owner;  /* index of the entry in this accumulator, or LOWER_NONE */
    uint32_t mirror; /* slot with the same value, or LOWER_NONE */
};

/* What the last instruction was, if it can still be taken back and made part of the next.  An ALU operation
 * and a LOAD leave an i32 in the accumulator. */
enum lower_last_kind { LAST_OTHER, LAST_ALU, LAST_LOAD, LAST_COMPARE, LAST_COPY, LAST_BRANCH };
struct lower_last {
    uint32_t pos; /* LOWER_NONE behind a label */
    uint8_t kind, form;
    bool stored; /* it writes its destination, too */
    uint16_t op; /* wasm opcode */
    uint32_t slot[2];
    uint64_t imm;
    uint32_t origin;        /* wasm offset */
    uint32_t memory_offset; /* of a LOAD */
    uint32_t mirror;        /* of the int accumulator before it */
};

enum lower_label_kind { LABEL_BLOCK, LABEL_LOOP, LABEL_IF, LABEL_FUNC };
struct lower_label {
    uint8_t kind;
    struct wasm_functype type;
    uint32_t nentries, height; /* of the stack below the parameters */
    uint32_t start;            /* of a loop */
    uint32_t fixups;           /* of the end; LOWER_NONE when nothing branches there */
    uint32_t else_fixup;
    uint32_t stub_of, stub; /* the br_table that last needed a stub for it, and the stub */
};

/* A conditional branch in two steps, so that entries can be settled between them: lower_branch_choose takes
 * the popped i32 (and perhaps the comparison that made it) and emits nothing; lower_branch_emit makes the
 * instruction, and takes in the one before it when that computes what is compared. */
struct lower_branch {
    uint32_t h, negated; /* the handlers that branch when it holds, and when it does not */
    uint64_t operands, imm;
    bool has_imm;
    bool of_acc; /* an i32 comparison of the accumulator with `other` */
    bool other_is_imm;
    uint8_t compare; /* index in IH_THEN_BR, when of_acc */
    uint32_t other;
    uint32_t pos, field; /* once emitted: the instruction, and its distance in 32-bit units of the code */
};

struct lower_fixup {
    uint32_t instr, field, next; /* field: index of the distance, in 32-bit units */
};

struct lower {
    const struct interp_module *mod;
    const struct wasm_module *m;
    const struct wasm_func *fn;
    struct wasm_reader reader;
    struct wasm_instr in;
    VEC(uint64_t) code;
    VEC(struct interp_origin) origins;
    VEC(struct lower_entry) stack;
    VEC(struct lower_label) labels;
    VEC(struct lower_fixup) fixups;
    uint32_t *local_slots;
    uint32_t base;      /* first slot of the operand stack */
    uint32_t height;    /* next free slot */
    uint32_t max_slots; /* of the frame */
    uint32_t settled;
    struct lower_acc accs[LOWER_NCLASSES];
    struct lower_last last, before_last;
    struct lower_branch last_branch; /* with LAST_BRANCH */
    bool dead;
    bool negate; /* an i32.eqz was left to the conditional branch that follows */
    uint32_t dead_depth;
};

/* ---- lower_emit.c: code, the stack, accumulators ---- */

static inline uint64_t lower_slots(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return (uint16_t)a | (uint64_t)(uint16_t)b << 16 | (uint64_t)(uint16_t)c << 32 |
           (uint64_t)(uint16_t)d << 48;
}
static inline uint64_t lower_slots_imm(uint32_t a, uint32_t b, uint32_t imm)
{
    return (uint16_t)a | (uint64_t)(uint16_t)b << 16 | (uint64_t)imm << 32;
}

uint32_t lower_emit(struct lower *l, uint32_t h, uint64_t operands);          /* returns its position */
uint32_t lower_emit_trapping(struct lower *l, uint32_t h, uint64_t operands); /* remembers the origin */
uint32_t lower_emit_trapping_at(struct lower *l, uint32_t h, uint64_t operands, uint32_t origin);
static inline void lower_emit_imm(struct lower *l, uint64_t imm)
{
    vec_push(&l->code, imm);
}
/* Take the last instruction back, which left its result in the int accumulator; then the one before it is
 * last. */
void lower_undo_last(struct lower *l);

struct lower_entry lower_pop(struct lower *l);
void lower_push_slot(struct lower *l, uint8_t type, uint32_t slot); /* of a local */
void lower_push_const(struct lower *l, uint8_t type, uint64_t low, uint64_t high);
void lower_push_home(struct lower *l, uint8_t type); /* already in its home */
void lower_push_made(struct lower *l, uint8_t type, uint32_t h,
                     uint32_t pos); /* in its home, made by a handler */
void lower_push_acc(struct lower *l, uint8_t type, uint32_t h, uint32_t pos);

/* Make room in an accumulator: its owner moves home. */
void lower_free_acc(struct lower *l, enum lower_class c);
void lower_free_accs(struct lower *l);
/* Nothing is known of the accumulators from here on. */
void lower_forget(struct lower *l);
void lower_slot_written(struct lower *l, uint32_t slot, uint32_t cells);

/* Put entry i of the stack home, or only into some slot, or only make it what its type says. */
void lower_home(struct lower *l, uint32_t i);
void lower_to_slot(struct lower *l, uint32_t i);
void lower_clean(struct lower *l, uint32_t i);
/* All entries: home or constant. */
void lower_settle(struct lower *l);
/* Is the value of `e` in accumulator `c`? */
bool lower_in_acc(const struct lower *l, const struct lower_entry *e, enum lower_class c);
/* Write a popped constant into the home it had. */
void lower_const_home(struct lower *l, struct lower_entry *e);
void lower_copy(struct lower *l, uint32_t dst, uint32_t src, uint8_t type);
/* Write entry e into slot dst, which no entry reads. */
void lower_move(struct lower *l, uint32_t dst, const struct lower_entry *e);
/* If the last instruction made `e`, let it write `slot` instead of the home. */
bool lower_retarget(struct lower *l, const struct lower_entry *e, uint32_t slot);
/* Pop a value into the slot of a local. */
void lower_set_local(struct lower *l, uint32_t slot);

/* ---- lower_ops.c: one instruction without control flow ---- */

void lower_op(struct lower *l);
void lower_branch_choose(struct lower *l, struct lower_entry *cond, bool nonzero, struct lower_branch *out);
void lower_branch_emit(struct lower *l, struct lower_branch *b);

/* ---- lower_fused.c: two operations in one instruction ---- */

/* The last instruction made the popped `a` of an i32 operation whose other operand `b` is a slot or constant:
 * make one instruction of both and push its result.  False: nothing was done. */
bool lower_fuse_alu(struct lower *l, uint16_t op, const struct lower_entry *a, const struct lower_entry *b);
/* The last instruction left in the accumulator what the branch compares.  False: nothing was done. */
bool lower_fuse_branch(struct lower *l, struct lower_branch *b);

#endif
