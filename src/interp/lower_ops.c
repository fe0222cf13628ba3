/* interp/lower_ops.c - lowering of everything but control flow: which handler, in which form.
 *
 * A table gives each wasm opcode a shape and the first handler of its family.  Operands of type i32 may be
 * deferred i32.wrap_i64s (lower_entry.wrap): handlers of i32 operations look at the low half only. */
#include "base/bytes.h"
#include "interp/lower.h"

enum shape {
    SHAPE_NONE,
    SHAPE_BINARY,
    SHAPE_BINARY_ORDERED,
    SHAPE_COMPARE,
    SHAPE_UNARY,
    SHAPE_LOAD,
    SHAPE_STORE,
    SHAPE_GENERIC,
    SHAPE_GENERIC_LOAD,
    SHAPE_GENERIC_STORE,
    SHAPE_GENERIC_LANE
};

struct row {
    uint8_t shape;
    uint16_t h;      /* first handler of the family */
    uint16_t swap;   /* of a comparison: the opcode with its operands exchanged */
    uint16_t negate; /* of an integer comparison: the opcode that holds when it does not; 0 for floats */
};

#define ROW_BINARY(X, op) [OP_##op] = {SHAPE_BINARY, H_##op##_SS_A, 0, 0},
#define ROW_ORDERED(X, op) [OP_##op] = {SHAPE_BINARY_ORDERED, H_##op##_SS_A, 0, 0},
#define ROW_UNARY(X, op) [OP_##op] = {SHAPE_UNARY, H_##op##_S_A, 0, 0},
#define ROW_CMP(op, swapped, negated)                                                                        \
    [OP_I32_##op] = {SHAPE_COMPARE, H_I32_##op##_SS_A, OP_I32_##swapped, OP_I32_##negated},                  \
    [OP_I64_##op] = {SHAPE_COMPARE, H_I64_##op##_SS_A, OP_I64_##swapped, OP_I64_##negated}
#define ROW_FCMP(op, swapped)                                                                                \
    [OP_F32_##op] = {SHAPE_COMPARE, H_F32_##op##_SS_A, OP_F32_##swapped, 0},                                 \
    [OP_F64_##op] = {SHAPE_COMPARE, H_F64_##op##_SS_A, OP_F64_##swapped, 0}
#define ROW_LOAD(op, h) [OP_##op] = {SHAPE_LOAD, H_##h##_S_A, 0, 0}
#define ROW_STORE(op, h) [OP_##op] = {SHAPE_STORE, H_##h##_SS, 0, 0}
#define ROW_GENERIC(op) [OP_##op] = {SHAPE_GENERIC, H_##op, 0, 0},
#define ROW_GENERIC_LOAD(op) [OP_##op] = {SHAPE_GENERIC_LOAD, H_##op, 0, 0},
#define ROW_GENERIC_STORE(op) [OP_##op] = {SHAPE_GENERIC_STORE, H_##op, 0, 0},
#define ROW_GENERIC_LANE(op) [OP_##op] = {SHAPE_GENERIC_LANE, H_##op, 0, 0},

static const struct row rows[WASM_OP_LIMIT] = {
    IH_I32_COMMUTATIVE(ROW_BINARY, ) IH_I64_COMMUTATIVE(ROW_BINARY, ) IH_I32_ORDERED(ROW_ORDERED, )
        IH_I64_ORDERED(ROW_ORDERED, ) IH_FLOAT_BINARY(ROW_ORDERED, ) IH_INT_UNARY(ROW_UNARY, )
            IH_FLOAT_UNARY(ROW_UNARY, ) IH_CONVERT(ROW_UNARY, ) ROW_CMP(EQ, EQ, NE),
    ROW_CMP(NE, NE, EQ),
    ROW_CMP(LT_S, GT_S, GE_S),
    ROW_CMP(LT_U, GT_U, GE_U),
    ROW_CMP(GT_S, LT_S, LE_S),
    ROW_CMP(GT_U, LT_U, LE_U),
    ROW_CMP(LE_S, GE_S, GT_S),
    ROW_CMP(LE_U, GE_U, GT_U),
    ROW_CMP(GE_S, LE_S, LT_S),
    ROW_CMP(GE_U, LE_U, LT_U),
    ROW_FCMP(EQ, EQ),
    ROW_FCMP(NE, NE),
    ROW_FCMP(LT, GT),
    ROW_FCMP(GT, LT),
    ROW_FCMP(LE, GE),
    ROW_FCMP(GE, LE),
    ROW_LOAD(I32_LOAD, I32_LOAD),
    ROW_LOAD(I32_LOAD8_S, I32_LOAD8_S),
    ROW_LOAD(I32_LOAD8_U, I32_LOAD8_U),
    ROW_LOAD(I32_LOAD16_S, I32_LOAD16_S),
    ROW_LOAD(I32_LOAD16_U, I32_LOAD16_U),
    ROW_LOAD(I64_LOAD, I64_LOAD),
    ROW_LOAD(I64_LOAD8_S, I64_LOAD8_S),
    ROW_LOAD(I64_LOAD8_U, I32_LOAD8_U),
    ROW_LOAD(I64_LOAD16_S, I64_LOAD16_S),
    ROW_LOAD(I64_LOAD16_U, I32_LOAD16_U),
    ROW_LOAD(I64_LOAD32_S, I64_LOAD32_S),
    ROW_LOAD(I64_LOAD32_U, I32_LOAD),
    ROW_LOAD(F32_LOAD, F32_LOAD),
    ROW_LOAD(F64_LOAD, F64_LOAD),
    ROW_STORE(I32_STORE, I32_STORE),
    ROW_STORE(I32_STORE8, I32_STORE8),
    ROW_STORE(I32_STORE16, I32_STORE16),
    ROW_STORE(I64_STORE, I64_STORE),
    ROW_STORE(I64_STORE8, I32_STORE8),
    ROW_STORE(I64_STORE16, I32_STORE16),
    ROW_STORE(I64_STORE32, I32_STORE),
    ROW_STORE(F32_STORE, I32_STORE),
    ROW_STORE(F64_STORE, I64_STORE),
    IH_SIMD_LOADS(ROW_GENERIC_LOAD) IH_SIMD_LANE_LOADS(ROW_GENERIC_LOAD)
        IH_SIMD_LANE_STORES(ROW_GENERIC_STORE) ROW_GENERIC_STORE(V128_STORE) IH_SIMD_SPLATS(ROW_GENERIC)
            IH_SIMD_EXTRACT(ROW_GENERIC_LANE) IH_SIMD_REPLACE(ROW_GENERIC_LANE) IH_SIMD_COMPARE(ROW_GENERIC)
                IH_SIMD_UNARY(ROW_GENERIC) IH_SIMD_REDUCE(ROW_GENERIC) IH_SIMD_SHIFT(ROW_GENERIC)
                    IH_SIMD_BINARY(ROW_GENERIC) ROW_GENERIC(V128_BITSELECT)};

static uint8_t type_of_letter(char c)
{
    return c == 'i' ? WASM_I32 : c == 'I' ? WASM_I64 : c == 'f' ? WASM_F32 : c == 'F' ? WASM_F64 : WASM_V128;
}

static const char *sig_of(const struct lower *l)
{
    return wasm_op_info(l->in.op)->sig;
}
static uint8_t result_type(const struct lower *l)
{
    return type_of_letter(strchr(sig_of(l), ':')[1]);
}

/* ---- operands ---- */

static char place_letter(const struct lower *l, const struct lower_entry *e, enum lower_class c)
{
    return e->place == IN_CONST ? 'I' : lower_in_acc(l, e, c) ? 'A' : 'S';
}

/* The form of two operands and which of them are slots or immediates.  `commutes`: 0 not, else they may be
 * exchanged (and *swapped tells).  Only the first four forms exist then. */
static enum lower_form form_of(struct lower *l, struct lower_entry *a, struct lower_entry *b,
                               enum lower_class c, bool commutes, bool *swapped)
{
    if (a->place == IN_CONST && b->place == IN_CONST) {
        lower_const_home(l, a);
    }
    char la = place_letter(l, a, c), lb = place_letter(l, b, c);
    if (la == 'A' && lb == 'A') {
        if (b->place == IN_ACC) {
            la = 'S';
        } else {
            lb = 'S';
        }
    }
    *swapped = commutes && (la == 'I' || (la == 'S' && lb == 'A'));
    if (*swapped) {
        struct lower_entry t = *a;
        char tl = la;
        *a = *b;
        *b = t;
        la = lb;
        lb = tl;
    }
    if (la == 'S') {
        return lb == 'S' ? FORM_SS : lb == 'I' ? FORM_SI : FORM_SA;
    }
    if (la == 'A') {
        return lb == 'S' ? FORM_AS : FORM_AI;
    }
    return lb == 'S' ? FORM_IS : FORM_IA;
}

static uint64_t form_imm(enum lower_form f, const struct lower_entry *a, const struct lower_entry *b)
{
    return f == FORM_SI || f == FORM_AI ? b->imm[0] : a->imm[0];
}

static bool form_has_imm(enum lower_form f)
{
    return f == FORM_SI || f == FORM_AI || f == FORM_IS || f == FORM_IA;
}

/* Operand word (destination first) and perhaps an immediate behind it. */
static uint32_t emit_form(struct lower *l, uint32_t h, enum lower_form f, uint32_t dst,
                          const struct lower_entry *a, const struct lower_entry *b, bool narrow,
                          bool trapping)
{
    uint32_t s1 = f == FORM_SS || f == FORM_SI || f == FORM_SA ? a->slot : b->slot;
    bool imm = form_has_imm(f);
    uint64_t w = imm && narrow ? lower_slots_imm(dst, s1, (uint32_t)form_imm(f, a, b))
                               : lower_slots(dst, s1, b->slot, 0);
    uint32_t pos = trapping ? lower_emit_trapping(l, h + 2u * f, w) : lower_emit(l, h + 2u * f, w);
    if (imm && !narrow) {
        lower_emit_imm(l, form_imm(f, a, b));
    }
    return pos;
}

static void remember(struct lower *l, uint8_t kind, uint16_t op, enum lower_form f,
                     const struct lower_entry *a, const struct lower_entry *b, uint32_t mirror)
{
    l->last.kind = kind;
    l->last.op = op;
    l->last.form = (uint8_t)f;
    l->last.slot[0] = f == FORM_AS || f == FORM_IS ? b->slot : a->slot;
    l->last.slot[1] = b->slot;
    l->last.imm = form_has_imm(f) ? form_imm(f, a, b) : 0;
    l->last.mirror = mirror;
}

static bool op_traps(uint16_t op)
{
    return (op >= OP_I32_DIV_S && op <= OP_I32_REM_U) || (op >= OP_I64_DIV_S && op <= OP_I64_REM_U) ||
           (op >= OP_I32_TRUNC_F32_S && op <= OP_I32_TRUNC_F64_U) ||
           (op >= OP_I64_TRUNC_F32_S && op <= OP_I64_TRUNC_F64_U);
}

static void lower_binary(struct lower *l, const struct row *row)
{
    uint16_t op = l->in.op;
    uint8_t type = type_of_letter(sig_of(l)[0]);
    enum lower_class c = lower_class_of(type);
    bool swapped, commutes = row->shape == SHAPE_BINARY;
    struct lower_entry b = lower_pop(l), a = lower_pop(l);
    if (lower_fuse_alu(l, op, &a, &b) || (commutes && lower_fuse_alu(l, op, &b, &a))) {
        return;
    }
    uint32_t home = a.home;
    enum lower_form f = form_of(l, &a, &b, c, commutes, &swapped);
    lower_free_acc(l, c);
    uint32_t mirror = l->accs[LOWER_INT].mirror;
    uint32_t pos = emit_form(l, row->h, f, home, &a, &b, type == WASM_I32, op_traps(op));
    if (type == WASM_I32 && !op_traps(op)) {
        remember(l, LAST_ALU, op, f, &a, &b, mirror);
    }
    lower_push_acc(l, type, row->h + 2u * f, pos);
}

static void compare(struct lower *l, uint16_t op)
{
    const struct row *row = &rows[op];
    uint8_t type = type_of_letter(wasm_op_info(op)->sig[0]);
    enum lower_class c = lower_class_of(type);
    bool swapped;
    struct lower_entry b = lower_pop(l), a = lower_pop(l);
    uint32_t home = a.home;
    enum lower_form f = form_of(l, &a, &b, c, true, &swapped);
    if (swapped) {
        op = row->swap;
        row = &rows[op];
    }
    lower_free_acc(l, LOWER_INT);
    uint32_t mirror = l->accs[LOWER_INT].mirror;
    uint32_t pos = emit_form(l, row->h, f, home, &a, &b, type == WASM_I32, false);
    remember(l, LAST_COMPARE, op, f, &a, &b, mirror);
    lower_push_acc(l, WASM_I32, row->h + 2u * f, pos);
}

static void lower_unary(struct lower *l, const struct row *row)
{
    uint8_t from = type_of_letter(sig_of(l)[0]), to = result_type(l);
    uint32_t i = (uint32_t)l->stack.len - 1;
    if (l->stack.at[i].place == IN_CONST) {
        lower_to_slot(l, i);
    }
    struct lower_entry e = lower_pop(l);
    bool acc = lower_in_acc(l, &e, lower_class_of(from));
    lower_free_acc(l, lower_class_of(to));
    uint32_t h = row->h + (acc ? 2u : 0u);
    uint64_t w = lower_slots(e.home, e.slot, 0, 0);
    lower_push_acc(l, to, h, op_traps(l->in.op) ? lower_emit_trapping(l, h, w) : lower_emit(l, h, w));
}

/* ---- loads and stores ---- */

static void use_memory(struct lower *l, uint32_t memory)
{
    if (memory) {
        lower_emit(l, H_MEMORY_USE, lower_slots_imm(0, 0, memory));
    }
}
static void use_memory_0(struct lower *l, uint32_t memory)
{
    if (memory) {
        lower_emit(l, H_MEMORY_USE, 0);
        l->last.pos = LOWER_NONE;
    }
}

/* Is the popped address the sum the last instruction made? */
static bool is_last_sum(const struct lower *l, const struct lower_entry *e)
{
    return e->place == IN_ACC && e->pos == l->last.pos && l->last.kind == LAST_ALU &&
           l->last.op == OP_I32_ADD;
}

/* A constant address and offset in 32 bits; a constant that does not fit goes into a slot. */
static bool const_address(struct lower *l, struct lower_entry *e, uint64_t offset)
{
    if (e->place != IN_CONST) {
        return false;
    }
    if ((uint32_t)e->imm[0] + offset <= UINT32_MAX) {
        return true;
    }
    lower_const_home(l, e);
    return false;
}

static void lower_load(struct lower *l, const struct row *row)
{
    enum { S, A, SS, AS, SI, AI, I }; /* forms of addresses, in the order of the fused families */
    static const uint8_t sums[] = {[FORM_SS] = SS, [FORM_AS] = AS, [FORM_SI] = SI, [FORM_AI] = AI};
    static const uint8_t handlers[] = {[S] = 0, [A] = 2, [I] = 4, [SS] = 6, [AS] = 8, [SI] = 10, [AI] = 12};
    uint8_t type = result_type(l), form;
    uint32_t memory = l->in.mem.memory, offset = (uint32_t)l->in.mem.offset, slot, mirror;
    uint64_t extra = 0;
    struct lower_entry e = lower_pop(l);
    if (is_last_sum(l, &e)) {
        const struct lower_last sum = l->last;
        lower_undo_last(l);
        form = sums[sum.form];
        slot = sum.slot[0];
        extra = form == SS ? sum.slot[1] : form == AS ? slot : sum.imm;
    } else {
        bool constant = const_address(l, &e, offset);
        form = constant ? I : lower_in_acc(l, &e, LOWER_INT) ? A : S;
        slot = e.slot;
        offset += constant ? (uint32_t)e.imm[0] : 0;
    }
    lower_free_acc(l, lower_class_of(type));
    mirror = l->accs[LOWER_INT].mirror;
    use_memory(l, memory);
    uint32_t h = row->h + handlers[form],
             pos = lower_emit_trapping(l, h, lower_slots_imm(e.home, slot, offset));
    if (form == SS || form == SI || form == AI) {
        lower_emit_imm(l, extra);
    }
    use_memory_0(l, memory);
    if (!memory && form != I && (l->in.op == OP_I32_LOAD || l->in.op == OP_I32_LOAD8_U)) {
        l->last.kind = LAST_LOAD;
        l->last.op = l->in.op;
        l->last.form = form;
        l->last.slot[0] = slot;
        l->last.imm = extra;
        l->last.memory_offset = offset;
        l->last.mirror = mirror;
    }
    lower_push_acc(l, type, h, pos);
}

/* Offsets in IH_STORE. */
enum { STORE_SS, STORE_SA, STORE_SI, STORE_AS, STORE_AI, STORE_IS, STORE_IA, STORE_II, STORE_PSS, STORE_PSI };

static void emit_store(struct lower *l, uint32_t h, uint64_t w, bool has_imm, uint64_t imm)
{
    uint32_t memory = l->in.mem.memory;
    use_memory(l, memory);
    lower_emit_trapping(l, h, w);
    if (has_imm) {
        lower_emit_imm(l, imm);
    }
    use_memory_0(l, memory);
}

static void lower_float_store(struct lower *l, struct lower_entry *addr, bool constant, uint32_t offset,
                              enum lower_class c)
{
    uint32_t h = c == LOWER_F32 ? H_F32_STORE_SA : H_F64_STORE_SA;
    bool acc = lower_in_acc(l, addr, LOWER_INT);
    h += constant ? 2 : acc ? 1 : 0;
    emit_store(l, h, lower_slots_imm(0, addr->slot, constant ? (uint32_t)addr->imm[0] + offset : offset),
               false, 0);
}

static void lower_store(struct lower *l, const struct row *row)
{
    uint32_t offset = (uint32_t)l->in.mem.offset;
    uint8_t type = type_of_letter(sig_of(l)[1]);
    enum lower_class c = lower_class_of(type);
    struct lower_entry val = lower_pop(l), addr = lower_pop(l);
    if (val.place == IN_SLOT && is_last_sum(l, &addr) &&
        (l->last.form == FORM_SS || l->last.form == FORM_SI)) {
        const struct lower_last sum = l->last;
        lower_undo_last(l);
        emit_store(l, row->h + (sum.form == FORM_SS ? STORE_PSS : STORE_PSI),
                   lower_slots_imm(val.slot, sum.slot[0], offset), true,
                   sum.form == FORM_SS ? sum.slot[1] : sum.imm);
        return;
    }
    bool constant = const_address(l, &addr, offset);
    if (c != LOWER_INT && lower_in_acc(l, &val, c)) {
        lower_float_store(l, &addr, constant, offset, c);
        return;
    }
    char la = constant ? 'I' : lower_in_acc(l, &addr, LOWER_INT) ? 'A' : 'S';
    char lv = val.place == IN_CONST ? 'I' : c == LOWER_INT && lower_in_acc(l, &val, c) ? 'A' : 'S';
    if (la == 'A' && lv == 'A') {
        if (val.place == IN_ACC) {
            la = 'S';
        } else {
            lv = 'S';
        }
    }
    static const uint8_t forms[3][3] = {
        {STORE_SS, STORE_SA, STORE_SI}, {STORE_AS, STORE_AS, STORE_AI}, {STORE_IS, STORE_IA, STORE_II}};
    unsigned i = la == 'S' ? 0 : la == 'A' ? 1 : 2, j = lv == 'S' ? 0 : lv == 'A' ? 1 : 2;
    emit_store(l, row->h + forms[i][j],
               lower_slots_imm(val.slot, addr.slot, constant ? (uint32_t)addr.imm[0] + offset : offset),
               lv == 'I', val.imm[0]);
}

/* ---- vectors and other instructions whose operands are slots ---- */

/* Pop n operands that are in slots: their slots, the home of the first. */
static uint32_t pop_slots(struct lower *l, uint32_t n, uint32_t slots[4])
{
    uint32_t len = (uint32_t)l->stack.len;
    for (uint32_t i = 0; i < n; i++) {
        lower_to_slot(l, len - n + i);
    }
    for (uint32_t i = n; i-- > 0;) {
        slots[i] = lower_pop(l).slot;
    }
    return l->height;
}

/* Push what a handler leaves in its destination; an integer is in the accumulator, too. */
static void push_made(struct lower *l, uint8_t type, uint32_t h, uint32_t pos)
{
    uint32_t home = l->height;
    lower_slot_written(l, home, wasm_valtype_cells(type));
    lower_push_made(l, type, h, pos);
    if (lower_class_of(type) == LOWER_INT) {
        l->accs[LOWER_INT].mirror = home;
    }
}

static void lower_generic(struct lower *l, const struct row *row)
{
    const char *sig = sig_of(l);
    uint32_t n = (uint32_t)(strchr(sig, ':') - sig), s[4] = {0}, dst = pop_slots(l, n, s);
    uint8_t type = type_of_letter(sig[n + 1]);
    if (lower_class_of(type) == LOWER_INT) {
        lower_free_acc(l, LOWER_INT);
    }
    uint32_t third = row->shape == SHAPE_GENERIC_LANE ? l->in.lane : s[2];
    push_made(l, type, row->h, lower_emit(l, row->h, lower_slots(dst, s[0], s[1], third)));
}

static void lower_generic_memory(struct lower *l, const struct row *row, bool store)
{
    const char *sig = sig_of(l);
    uint32_t n = (uint32_t)(strchr(sig, ':') - sig), s[4] = {0}, dst = pop_slots(l, n, s);
    bool lane = wasm_op_info(l->in.op)->imm == IMM_MEMARG_LANE;
    use_memory(l, l->in.mem.memory);
    uint32_t pos =
        lower_emit_trapping(l, row->h, lower_slots_imm(store ? s[1] : dst, s[0], (uint32_t)l->in.mem.offset));
    if (lane) {
        lower_emit_imm(l, lower_slots(l->in.mem.lane, s[1], 0, 0));
    }
    use_memory_0(l, l->in.mem.memory);
    if (!store) {
        push_made(l, WASM_V128, row->h, pos);
    }
}

static void lower_shuffle(struct lower *l)
{
    uint32_t s[4], dst = pop_slots(l, 2, s);
    uint64_t lanes[2];
    memcpy(lanes, l->in.v128, sizeof lanes);
    uint32_t pos = lower_emit(l, H_I8X16_SHUFFLE, lower_slots(dst, s[0], s[1], 0));
    lower_emit_imm(l, lanes[0]);
    lower_emit_imm(l, lanes[1]);
    push_made(l, WASM_V128, H_I8X16_SHUFFLE, pos);
}

/* Instructions of memory and tables that are C calls: slot operands, numbers in word 2, perhaps a result. */
static void lower_helper_op(struct lower *l)
{
    static const struct {
        uint16_t op, h;
        uint8_t operands, result; /* result: 0 none; WASM_FUNCREF: the table's type */
        bool second;              /* index2 is a number, too */
    } table[] = {
        {OP_MEMORY_FILL, H_MEMORY_FILL, 3, 0, false},
        {OP_MEMORY_COPY, H_MEMORY_COPY, 3, 0, true},
        {OP_MEMORY_INIT, H_MEMORY_INIT, 3, 0, true},
        {OP_DATA_DROP, H_DATA_DROP, 0, 0, false},
        {OP_TABLE_GET, H_TABLE_GET, 1, WASM_FUNCREF, false},
        {OP_TABLE_SET, H_TABLE_SET, 2, 0, false},
        {OP_TABLE_SIZE, H_TABLE_SIZE, 0, WASM_I32, false},
        {OP_TABLE_GROW, H_TABLE_GROW, 2, WASM_I32, false},
        {OP_TABLE_FILL, H_TABLE_FILL, 3, 0, false},
        {OP_TABLE_COPY, H_TABLE_COPY, 3, 0, true},
        {OP_TABLE_INIT, H_TABLE_INIT, 3, 0, true},
        {OP_ELEM_DROP, H_ELEM_DROP, 0, 0, false},
    };
    unsigned i = 0;
    while (i < sizeof table / sizeof *table && table[i].op != l->in.op) {
        i++;
    }
    WEIR_ASSERT(i < sizeof table / sizeof *table);
    uint32_t s[4] = {0}, dst = pop_slots(l, table[i].operands, s);
    uint8_t type = table[i].result == WASM_FUNCREF ? l->m->tables[l->in.index].type.elem : table[i].result;
    uint64_t w = type ? lower_slots(dst, s[0], s[1], 0) : lower_slots(s[0], s[1], s[2], 0);
    if (type) {
        lower_free_acc(l, LOWER_INT);
    }
    uint32_t pos = lower_emit_trapping(l, table[i].h, w);
    lower_emit_imm(l, l->in.index | (table[i].second ? (uint64_t)l->in.index2 << 32 : 0));
    if (type) {
        push_made(l, type, table[i].h, pos);
    }
}

/* ---- select ---- */

static void lower_select(struct lower *l)
{
    uint32_t len = (uint32_t)l->stack.len;
    for (uint32_t i = len - 3; i < len - 1; i++) {
        lower_clean(l, i);
        if (l->stack.at[i].place == IN_ACC) {
            lower_to_slot(l, i);
        }
    }
    uint8_t type = l->stack.at[len - 2].type;
    struct lower_entry *cond = &l->stack.at[len - 1];
    if (type == WASM_V128) {
        uint32_t s[4], dst = pop_slots(l, 3, s);
        push_made(l, type, H_SELECT128, lower_emit(l, H_SELECT128, lower_slots(dst, s[0], s[1], s[2])));
        return;
    }
    if (cond->place == IN_CONST) {
        lower_to_slot(l, len - 1);
    }
    struct lower_entry c = lower_pop(l), b = lower_pop(l), a = lower_pop(l);
    bool acc = lower_in_acc(l, &c, LOWER_INT), ia = a.place == IN_CONST, ib = b.place == IN_CONST;
    uint32_t h = (ia   ? ib ? H_SELECT_II_S_A : H_SELECT_IS_S_A
                  : ib ? H_SELECT_SI_S_A
                       : H_SELECT_SS_S_A) +
                 (acc ? 2 : 0);
    lower_free_acc(l, LOWER_INT);
    bool is_int = lower_class_of(type) == LOWER_INT;
    uint32_t pos = lower_emit(l, is_int ? h : h + 1, lower_slots(a.home, a.slot, b.slot, c.slot));
    if (ia) {
        lower_emit_imm(l, a.imm[0]);
    }
    if (ib) {
        lower_emit_imm(l, b.imm[0]);
    }
    if (is_int) {
        lower_push_acc(l, type, h, pos);
    } else {
        l->accs[LOWER_INT].mirror = LOWER_NONE;
        push_made(l, type, h + 1, pos);
    }
}

/* ---- conditional branches ---- */

/* A branch on a slot or accumulator being zero or not. */
static void choose_zero(struct lower_branch *out, bool wide, bool nonzero, bool acc, uint32_t slot)
{
    uint32_t nz = (wide ? H_BR_NZ64_S : H_BR_NZ_S) + (acc ? 1u : 0u),
             z = (wide ? H_BR_Z64_S : H_BR_Z_S) + (acc ? 1u : 0u);
    *out = (struct lower_branch){.h = nonzero ? nz : z,
                                 .negated = nonzero ? z : nz,
                                 .operands = lower_slots(slot, 0, 0, 0),
                                 .of_acc = acc && !wide,
                                 .other_is_imm = true,
                                 .compare = nonzero ? OP_I32_NE - OP_I32_EQ : 0};
}

/* The comparison or i32.and that made the condition is the last instruction: make the branch of it. */
static void choose_fused(struct lower *l, bool nonzero, struct lower_branch *out)
{
    const struct lower_last last = l->last;
    lower_undo_last(l);
    const struct row *row = &rows[last.op];
    bool wide = wasm_op_info(last.op)->sig[0] != 'i', imm = last.form == FORM_SI || last.form == FORM_AI;
    bool acc = last.form == FORM_AS || last.form == FORM_AI;
    bool eq = last.op == OP_I32_EQ || last.op == OP_I64_EQ, ne = last.op == OP_I32_NE || last.op == OP_I64_NE;
    if ((eq || ne) && imm && last.imm == 0) {
        choose_zero(out, wide, ne == nonzero, acc, last.slot[0]);
        return;
    }
    *out = (struct lower_branch){.operands = lower_slots(last.slot[0], last.slot[1], 0, 0)};
    uint32_t yes, no;
    if (last.kind == LAST_ALU) {
        yes = H_I32_TEST_BR_SS;
        no = H_I32_TESTN_BR_SS;
    } else {
        yes = row->h + 8u;
        no = row->negate ? rows[row->negate].h + 8u : row->h + 12u;
        out->of_acc = acc && last.op >= OP_I32_EQ && last.op <= OP_I32_GE_U;
        out->compare = out->of_acc ? (uint8_t)((nonzero ? last.op : row->negate) - OP_I32_EQ) : 0;
        out->other_is_imm = imm;
        out->other = imm ? (uint32_t)last.imm : last.slot[0];
    }
    out->h = (nonzero ? yes : no) + last.form;
    out->negated = (nonzero ? no : yes) + last.form;
    if (imm && !wide && last.form == FORM_AI) {
        out->operands = (uint32_t)last.imm;
    } else if (imm) {
        out->has_imm = true;
        out->imm = last.imm;
    }
}

void lower_branch_choose(struct lower *l, struct lower_entry *cond, bool nonzero, struct lower_branch *out)
{
    if (l->negate) {
        nonzero = !nonzero;
    }
    l->negate = false;
    bool made_last = cond->place == IN_ACC && cond->pos == l->last.pos && !cond->wrap;
    bool is_and = l->last.kind == LAST_ALU && l->last.op == OP_I32_AND && l->last.form < FORM_SA;
    if (made_last && (l->last.kind == LAST_COMPARE || is_and)) {
        choose_fused(l, nonzero, out);
        return;
    }
    if (cond->place == IN_CONST) {
        lower_const_home(l, cond);
    }
    choose_zero(out, false, nonzero, lower_in_acc(l, cond, LOWER_INT), cond->slot);
}

void lower_branch_emit(struct lower *l, struct lower_branch *b)
{
    if (!lower_fuse_branch(l, b)) {
        b->pos = lower_emit(l, b->h, b->operands);
        b->field = (b->pos + 1) * 2 + 1;
        if (b->has_imm) {
            lower_emit_imm(l, b->imm);
        }
    }
    l->last.kind = LAST_BRANCH;
    l->last_branch = *b;
}

/* ---- the rest ---- */

static void lower_eqz(struct lower *l)
{
    bool next_branches =
        l->reader.at < l->reader.end && (*l->reader.at == OP_BR_IF || *l->reader.at == OP_IF);
    if (l->in.op == OP_I32_EQZ && next_branches) {
        l->negate = true;
        return;
    }
    bool wide = l->in.op != OP_I32_EQZ;
    lower_push_const(l, wide ? WASM_I64 : WASM_I32, 0, 0);
    compare(l, wide ? OP_I64_EQ : OP_I32_EQ);
}

/* The same bits as another type. */
static void retype(struct lower *l, uint8_t type)
{
    uint32_t i = (uint32_t)l->stack.len - 1;
    lower_clean(l, i);
    if (l->stack.at[i].place == IN_ACC && lower_class_of(l->stack.at[i].type) != lower_class_of(type)) {
        lower_to_slot(l, i);
    }
    l->stack.at[i].type = type;
}

static void lower_wrap(struct lower *l)
{
    struct lower_entry *e = &vec_last(&l->stack);
    e->type = WASM_I32;
    if (e->place == IN_CONST) {
        e->imm[0] = (uint32_t)e->imm[0];
    } else {
        e->wrap = true;
    }
}

static void lower_global_get(struct lower *l)
{
    uint32_t i = l->in.index;
    uint8_t type = l->m->globals[i].type.type;
    bool imported = i < l->m->nimported_globals;
    uint32_t offset = (uint32_t)(l->mod->rt->layout.globals + (uint64_t)i * WEIR_VM_GLOBAL_BYTES);
    uint64_t w = lower_slots_imm(l->height, 0, offset);
    if (type == WASM_V128) {
        uint32_t h = imported ? H_GLOBAL_GET128_IMPORT : H_GLOBAL_GET128;
        push_made(l, type, h, lower_emit(l, h, w));
        return;
    }
    lower_free_acc(l, LOWER_INT);
    uint32_t h = imported ? H_GLOBAL_GET_IMPORT_A : H_GLOBAL_GET_A;
    if (lower_class_of(type) == LOWER_INT) {
        lower_push_acc(l, type, h, lower_emit(l, h, w));
    } else {
        l->accs[LOWER_INT].mirror = LOWER_NONE;
        push_made(l, type, h + 1, lower_emit(l, h + 1, w));
    }
}

static void lower_global_set(struct lower *l)
{
    uint32_t i = l->in.index, top = (uint32_t)l->stack.len - 1;
    uint8_t type = l->m->globals[i].type.type;
    bool imported = i < l->m->nimported_globals;
    uint32_t offset = (uint32_t)(l->mod->rt->layout.globals + (uint64_t)i * WEIR_VM_GLOBAL_BYTES);
    lower_clean(l, top);
    bool acc =
        !imported && lower_class_of(type) == LOWER_INT && lower_in_acc(l, &l->stack.at[top], LOWER_INT);
    if (!acc) {
        lower_to_slot(l, top);
    }
    struct lower_entry e = lower_pop(l);
    uint32_t h = type == WASM_V128 ? (imported ? H_GLOBAL_SET128_IMPORT : H_GLOBAL_SET128)
                 : imported        ? H_GLOBAL_SET_IMPORT
                 : acc             ? H_GLOBAL_SET_A
                                   : H_GLOBAL_SET_S;
    lower_emit(l, h, lower_slots_imm(e.slot, 0, offset));
}

static void lower_memory_size(struct lower *l)
{
    lower_free_acc(l, LOWER_INT);
    uint32_t pos = lower_emit(l, H_MEMORY_SIZE_A, lower_slots_imm(l->height, 0, l->in.index));
    lower_push_acc(l, WASM_I32, H_MEMORY_SIZE_A, pos);
}

static void lower_memory_grow(struct lower *l)
{
    uint32_t s[4], dst = pop_slots(l, 1, s);
    lower_free_acc(l, LOWER_INT);
    uint32_t pos = lower_emit_trapping(l, H_MEMORY_GROW, lower_slots_imm(dst, s[0], l->in.index));
    push_made(l, WASM_I32, H_MEMORY_GROW, pos);
}

static void lower_ref_func(struct lower *l)
{
    uint64_t offset =
        l->mod->rt->layout.funcs + (uint64_t)l->mod->rt->func_slots[l->in.index] * WEIR_VM_FUNC_BYTES;
    lower_free_acc(l, LOWER_INT);
    uint32_t pos = lower_emit(l, H_REF_FUNC, lower_slots_imm(l->height, 0, (uint32_t)offset));
    push_made(l, WASM_FUNCREF, H_REF_FUNC, pos);
}

static void lower_local(struct lower *l)
{
    uint32_t i = l->in.index, slot = l->local_slots[i];
    if (l->in.op != OP_LOCAL_GET) {
        lower_set_local(l, slot);
    }
    if (l->in.op != OP_LOCAL_SET) {
        lower_push_slot(l, l->fn->locals[i], slot);
    }
}

static void lower_other(struct lower *l)
{
    const struct wasm_instr *in = &l->in;
    switch (in->op) {
    case OP_NOP:
        break;
    case OP_DROP:
        lower_pop(l);
        break;
    case OP_SELECT:
    case OP_SELECT_T:
        lower_select(l);
        break;
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        lower_local(l);
        break;
    case OP_GLOBAL_GET:
        lower_global_get(l);
        break;
    case OP_GLOBAL_SET:
        lower_global_set(l);
        break;
    case OP_I32_CONST:
        lower_push_const(l, WASM_I32, (uint32_t)in->bits, 0);
        break;
    case OP_I64_CONST:
        lower_push_const(l, WASM_I64, in->bits, 0);
        break;
    case OP_F32_CONST:
        lower_push_const(l, WASM_F32, (uint32_t)in->bits, 0);
        break;
    case OP_F64_CONST:
        lower_push_const(l, WASM_F64, in->bits, 0);
        break;
    case OP_V128_CONST:
        lower_push_const(l, WASM_V128, bytes_get_u64(in->v128), bytes_get_u64(in->v128 + 8));
        break;
    case OP_I8X16_SHUFFLE:
        lower_shuffle(l);
        break;
    case OP_I32_EQZ:
    case OP_I64_EQZ:
    case OP_REF_IS_NULL:
        lower_eqz(l);
        break;
    case OP_I32_REINTERPRET_F32:
        retype(l, WASM_I32);
        break;
    case OP_I64_REINTERPRET_F64:
    case OP_I64_EXTEND_I32_U:
        retype(l, WASM_I64);
        break;
    case OP_F32_REINTERPRET_I32:
        retype(l, WASM_F32);
        break;
    case OP_F64_REINTERPRET_I64:
        retype(l, WASM_F64);
        break;
    case OP_I32_WRAP_I64:
        lower_wrap(l);
        break;
    case OP_REF_NULL:
        lower_push_const(l, in->type, 0, 0);
        break;
    case OP_REF_FUNC:
        lower_ref_func(l);
        break;
    case OP_MEMORY_SIZE:
        lower_memory_size(l);
        break;
    case OP_MEMORY_GROW:
        lower_memory_grow(l);
        break;
    default:
        lower_helper_op(l);
    }
}

void lower_op(struct lower *l)
{
    const struct row *row = &rows[l->in.op];
    switch ((enum shape)row->shape) {
    case SHAPE_NONE:
        lower_other(l);
        break;
    case SHAPE_BINARY:
    case SHAPE_BINARY_ORDERED:
        lower_binary(l, row);
        break;
    case SHAPE_COMPARE:
        compare(l, l->in.op);
        break;
    case SHAPE_UNARY:
        if (l->in.op == OP_I32_WRAP_I64) {
            lower_wrap(l);
        } else {
            lower_unary(l, row);
        }
        break;
    case SHAPE_LOAD:
        lower_load(l, row);
        break;
    case SHAPE_STORE:
        lower_store(l, row);
        break;
    case SHAPE_GENERIC:
    case SHAPE_GENERIC_LANE:
        lower_generic(l, row);
        break;
    case SHAPE_GENERIC_LOAD:
        lower_generic_memory(l, row, false);
        break;
    case SHAPE_GENERIC_STORE:
        lower_generic_memory(l, row, true);
        break;
    }
}
