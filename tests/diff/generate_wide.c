/* diff/generate_wide.c - products of 64 by 64 bits made of four of 32 by 32 (weirc/wide.c), and near misses.
 *
 * The factors are two locals, sometimes the same one.  Operands and terms change places at random, and now
 * and then a constant or a part is another one, so that the compiler is asked as often to leave alone what is
 * no product. */
#include "diff/gen.h"

struct wide {
    uint32_t a, b;    /* locals */
    uint32_t parts;   /* the first of NPARTS locals: p, t, u */
    bool three_terms; /* u is a sum of three, else of two */
    bool swapped;     /* the mixed products change places */
};

enum part { PART_P, PART_T, PART_U };

static void put_get(struct gen *g, uint32_t local)
{
    gen_op_u32(g, OP_LOCAL_GET, local);
}

static void put_const(struct gen *g, int64_t n)
{
    gen_op(g, OP_I64_CONST);
    gen_s64(g, n);
}

static void put_low(struct gen *g, uint32_t local)
{
    put_get(g, local);
    if (gen_chance(g, 15)) {
        gen_op(g, OP_I32_WRAP_I64);
        gen_op(g, OP_I64_EXTEND_I32_U);
        return;
    }
    put_const(g, gen_chance(g, 2) ? INT32_MAX : gen_chance(g, 2) ? UINT32_MAX - 2 : UINT32_MAX);
    gen_op(g, OP_I64_AND);
}

static void put_shifted(struct gen *g, uint32_t local, uint32_t op)
{
    put_get(g, local);
    put_const(g, gen_chance(g, 2) ? 31 : 32);
    gen_op(g, gen_chance(g, 2) ? OP_I64_SHR_S : op);
}

static void put_half(struct gen *g, uint32_t local, bool high)
{
    if (high) {
        put_shifted(g, local, OP_I64_SHR_U);
    } else {
        put_low(g, local);
    }
}

static void put_partial(struct gen *g, const struct wide *w, bool a_high, bool b_high)
{
    if (gen_chance(g, 2)) {
        a_high = !a_high;
    }
    bool b_first = gen_chance(g, 50);
    put_half(g, b_first ? w->b : w->a, b_first ? b_high : a_high);
    put_half(g, b_first ? w->a : w->b, b_first ? a_high : b_high);
    gen_op(g, OP_I64_MUL);
}

/* Terms of the three sums: what each puts on the stack. */
enum term {
    TERM_P_HIGH,
    TERM_T_LOW,
    TERM_T_HIGH,
    TERM_U_HIGH,
    TERM_MIXED_T,
    TERM_MIXED_U,
    TERM_TOP,
    TERM_ANY
};

static void put_term(struct gen *g, const struct wide *w, enum term t)
{
    switch (t) {
    case TERM_P_HIGH:
        put_shifted(g, w->parts + PART_P, OP_I64_SHR_U);
        return;
    case TERM_T_LOW:
        put_low(g, w->parts + PART_T);
        return;
    case TERM_T_HIGH:
        put_shifted(g, w->parts + PART_T, OP_I64_SHR_U);
        return;
    case TERM_U_HIGH:
        put_shifted(g, w->parts + PART_U, OP_I64_SHR_U);
        return;
    case TERM_MIXED_T:
        put_partial(g, w, !w->swapped, w->swapped);
        return;
    case TERM_MIXED_U:
        put_partial(g, w, w->swapped, !w->swapped);
        return;
    case TERM_TOP:
        put_partial(g, w, true, true);
        return;
    case TERM_ANY:
        put_get(g, gen_local_of_type(g, 1));
        return;
    }
}

/* The sum of up to four terms, in some order, to the left or to the right. */
static void put_sum(struct gen *g, const struct wide *w, const enum term *terms, uint32_t n)
{
    enum term order[4];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = gen_below(g, i + 1);
        order[i] = order[at];
        order[at] = terms[i];
    }
    bool right = gen_chance(g, 40);
    for (uint32_t i = 0; i < n; i++) {
        put_term(g, w, order[i]);
        if (!right && i > 0) {
            gen_op(g, OP_I64_ADD);
        }
    }
    for (uint32_t i = 1; right && i < n; i++) {
        gen_op(g, OP_I64_ADD);
    }
}

static void put_parts(struct gen *g, const struct wide *w)
{
    static const enum term t_two[] = {TERM_P_HIGH, TERM_MIXED_T}, u_two[] = {TERM_T_LOW, TERM_MIXED_U},
                           t_one[] = {TERM_MIXED_T}, u_three[] = {TERM_P_HIGH, TERM_T_LOW, TERM_MIXED_U};
    put_partial(g, w, false, false);
    gen_op_u32(g, OP_LOCAL_SET, w->parts + PART_P);
    put_sum(g, w, w->three_terms ? t_one : t_two, w->three_terms ? 1 : 2);
    gen_op_u32(g, OP_LOCAL_SET, w->parts + PART_T);
    put_sum(g, w, w->three_terms ? u_three : u_two, w->three_terms ? 3 : 2);
    gen_op_u32(g, OP_LOCAL_SET, w->parts + PART_U);
}

static void put_low_result(struct gen *g, const struct wide *w)
{
    if (gen_chance(g, 30)) {
        put_get(g, w->a);
        put_get(g, w->b);
        gen_op(g, OP_I64_MUL);
        return;
    }
    put_shifted(g, w->parts + PART_U, OP_I64_SHL);
    put_low(g, w->parts + PART_P);
    if (gen_chance(g, 50)) {
        gen_op(g, OP_I64_OR);
        return;
    }
    put_term(g, w, TERM_ANY);
    gen_op(g, OP_I64_ADD);
    gen_op(g, OP_I64_ADD);
}

void gen_wide(struct gen *g)
{
    static const enum term high[] = {TERM_T_HIGH, TERM_U_HIGH, TERM_TOP, TERM_ANY};
    struct wide w = {.a = gen_local_of_type(g, 1),
                     .b = gen_local_of_type(g, 1),
                     .parts = gen_ref_local(g, true) + 1,
                     .three_terms = gen_chance(g, 40),
                     .swapped = gen_chance(g, 50)};
    g->budget -= 30;
    put_parts(g, &w);
    if (gen_chance(g, 70)) {
        put_sum(g, &w, high, gen_chance(g, 30) ? 4 : 3);
        put_low_result(g, &w);
        gen_op(g, gen_chance(g, 50) ? OP_I64_XOR : OP_I64_ADD);
    } else {
        put_sum(g, &w, high, 3);
    }
}
