/* weirc/wide.c - products of 64 by 64 bits, which WebAssembly must put together from four of 32 by 32 bits.
 *
 * The machine has them in one instruction.  With a0 the low and a1 the high half of a, and all sums modulo
 * 2^64:
 *
 *     p = a0 * b0
 *     t = (p >> 32) + a1 * b0                  or     t = a1 * b0
 *     u = (t & mask) + a0 * b1                        u = (p >> 32) + (t & mask) + a0 * b1
 *     high = (u >> 32) + (t >> 32) + a1 * b1
 *     low  = (u << 32) | (p & mask)
 *
 * None of the sums wraps, whatever a and b are, so high and low are those of the product of 128 bits.  This
 * is how compilers' libraries (__multi3), Go and hash functions write it.  a and b change places, and so do
 * the operands of sums and products.
 *
 * A producer adds what it likes to the sums `high` and `low` (carries, another product) and orders the terms
 * as it likes.  So a sum is taken as the set of its terms: what is below an addition that nothing else reads.
 * Where all terms of `high` are in one sum, one of them becomes the high half of the wide product, the others
 * 0; the sum is the same.  Nothing is changed that is not shown to be such a product, term by term.  In SSA
 * form, before the first passes, so that it depends on nothing but the module; what is not read any more,
 * they remove. */
#include "weirc/unit.h"

enum { TERMS_MOST = 24, CLIMB_MOST = 24 };

/* Where a value is read. */
struct slot {
    LLVMValueRef user;
    unsigned operand;
};

struct product {
    LLVMValueRef a, b, p, t, u;
};

static bool is_op(LLVMValueRef v, LLVMOpcode op)
{
    return LLVMIsAInstruction(v) && LLVMGetInstructionOpcode(v) == op;
}

static bool is_const(LLVMValueRef v, uint64_t n)
{
    return LLVMIsAConstantInt(v) && LLVMConstIntGetZExtValue(v) == n;
}

/* x of x >> 32 or x << 32, else NULL. */
static LLVMValueRef shifted(LLVMValueRef v, LLVMOpcode op)
{
    return is_op(v, op) && is_const(LLVMGetOperand(v, 1), 32) ? LLVMGetOperand(v, 0) : NULL;
}

/* x of x & mask, else NULL. */
static LLVMValueRef masked(LLVMValueRef v, uint64_t mask)
{
    if (!is_op(v, LLVMAnd)) {
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (is_const(LLVMGetOperand(v, i), mask)) {
            return LLVMGetOperand(v, 1 - i);
        }
    }
    return NULL;
}

/* x where v is its low half, else NULL. */
static LLVMValueRef low_of(struct unit *u, LLVMValueRef v)
{
    if (is_op(v, LLVMZExt) && is_op(LLVMGetOperand(v, 0), LLVMTrunc)) {
        LLVMValueRef narrow = LLVMGetOperand(v, 0), x = LLVMGetOperand(narrow, 0);
        return LLVMTypeOf(narrow) == u->t_i32 && LLVMTypeOf(x) == u->t_i64 ? x : NULL;
    }
    return masked(v, UINT32_MAX);
}

/* v is the half (low or high) of x. */
static bool is_half(struct unit *u, LLVMValueRef v, LLVMValueRef x, bool high)
{
    return (high ? shifted(v, LLVMLShr) : low_of(u, v)) == x;
}

/* v is the product of a half of a and a half of b. */
static bool is_partial(struct unit *u, LLVMValueRef v, LLVMValueRef a, bool a_high, LLVMValueRef b,
                       bool b_high)
{
    if (!is_op(v, LLVMMul)) {
        return false;
    }
    LLVMValueRef x = LLVMGetOperand(v, 0), y = LLVMGetOperand(v, 1);
    return (is_half(u, x, a, a_high) && is_half(u, y, b, b_high)) ||
           (is_half(u, y, a, a_high) && is_half(u, x, b, b_high));
}

/* With p known: the products in t and u are the two mixed ones, in either order. */
static bool is_crossed(struct unit *u, struct product *w, LLVMValueRef in_t, LLVMValueRef in_u)
{
    if (is_partial(u, in_t, w->a, false, w->b, true) && is_partial(u, in_u, w->a, true, w->b, false)) {
        return true;
    }
    return is_partial(u, in_t, w->a, true, w->b, false) && is_partial(u, in_u, w->a, false, w->b, true);
}

/* `carry` is p >> 32. */
static bool take_lowest(struct unit *u, struct product *w, LLVMValueRef carry)
{
    w->p = shifted(carry, LLVMLShr);
    if (w->p == NULL || !is_op(w->p, LLVMMul)) {
        return false;
    }
    w->a = low_of(u, LLVMGetOperand(w->p, 0));
    w->b = low_of(u, LLVMGetOperand(w->p, 1));
    return w->a != NULL && w->b != NULL;
}

/* The two operands of an addition, first `i` and then the other. */
static void take_operands(LLVMValueRef sum, unsigned i, LLVMValueRef out[2])
{
    out[0] = LLVMGetOperand(sum, i);
    out[1] = LLVMGetOperand(sum, 1 - i);
}

/* u is (t & mask) + a product, and t is (p >> 32) + a product. */
static bool match_two(struct unit *u, LLVMValueRef sum, struct product *w)
{
    for (unsigned i = 0; i < 4; i++) {
        LLVMValueRef at[2], below[2];
        take_operands(sum, i & 1, at);
        w->t = low_of(u, at[0]);
        if (w->t == NULL || !is_op(w->t, LLVMAdd)) {
            continue;
        }
        take_operands(w->t, i >> 1, below);
        if (take_lowest(u, w, below[0]) && is_crossed(u, w, below[1], at[1])) {
            return true;
        }
    }
    return false;
}

/* u is (p >> 32) + (t & mask) + a product, and t is a product. */
static bool match_three(struct unit *u, LLVMValueRef sum, struct product *w)
{
    static const unsigned char orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                              {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 2; i++) {
        LLVMValueRef at[2], terms[3];
        take_operands(sum, i, at);
        if (!is_op(at[0], LLVMAdd)) {
            continue;
        }
        take_operands(at[0], 0, terms);
        terms[2] = at[1];
        for (unsigned k = 0; k < 6; k++) {
            w->t = low_of(u, terms[orders[k][1]]);
            if (w->t != NULL && take_lowest(u, w, terms[orders[k][0]]) &&
                is_crossed(u, w, w->t, terms[orders[k][2]])) {
                return true;
            }
        }
    }
    return false;
}

/* ---- sums as sets of terms ------------------------------------------------------------------------------
 */

static bool read_once(LLVMValueRef v)
{
    LLVMUseRef use = LLVMGetFirstUse(v);
    return use != NULL && LLVMGetNextUse(use) == NULL;
}

static unsigned add_terms(LLVMValueRef sum, struct slot *out, unsigned n)
{
    for (unsigned i = 0; i < 2; i++) {
        LLVMValueRef v = LLVMGetOperand(sum, i);
        if (n < TERMS_MOST && is_op(v, LLVMAdd) && read_once(v)) {
            n = add_terms(v, out, n);
        } else if (n < TERMS_MOST) {
            out[n++] = (struct slot){sum, i};
        }
    }
    return n;
}

/* All terms of the sum that `term` is in; 0 if it is read more than once or in no sum. */
static unsigned terms_around(LLVMValueRef term, struct slot *out)
{
    LLVMValueRef top = term;
    for (unsigned i = 0; i < CLIMB_MOST && read_once(top); i++) {
        LLVMValueRef user = LLVMGetUser(LLVMGetFirstUse(top));
        if (!is_op(user, LLVMAdd)) {
            break;
        }
        top = user;
    }
    return top == term ? 0 : add_terms(top, out, 0);
}

static LLVMValueRef value_in(struct slot s)
{
    return LLVMGetOperand(s.user, s.operand);
}

static void put(struct slot s, LLVMValueRef v)
{
    LLVMSetOperand(s.user, s.operand, v);
}

/* ---- the product ------------------------------------------------------------------------------------------
 */

struct high {
    struct slot u, t, top; /* u >> 32, t >> 32, a1 * b1 */
};

/* The terms of the high half in the sum that `term`, u >> 32, is in. */
static bool find_high(struct unit *u, const struct product *w, LLVMValueRef term, struct high *h)
{
    struct slot terms[TERMS_MOST];
    *h = (struct high){0};
    for (unsigned n = terms_around(term, terms), i = 0; i < n; i++) {
        LLVMValueRef v = value_in(terms[i]);
        if (v == term) {
            h->u = terms[i];
        } else if (h->t.user == NULL && shifted(v, LLVMLShr) == w->t) {
            h->t = terms[i];
        } else if (h->top.user == NULL && is_partial(u, v, w->a, true, w->b, true)) {
            h->top = terms[i];
        }
    }
    return h->u.user != NULL && h->t.user != NULL && h->top.user != NULL;
}

/* v is the low half of p.  Bit 1 of a square is 0, and producers leave it out of the mask. */
static bool is_low_of_lowest(struct unit *u, const struct product *w, LLVMValueRef v)
{
    return low_of(u, v) == w->p || (w->a == w->b && masked(v, UINT32_MAX - 2) == w->p);
}

/* Replace u << 32, read once, and the low half of p in the same sum or `or`. */
static void replace_low(struct unit *u, const struct product *w, LLVMValueRef term, LLVMValueRef low)
{
    struct slot terms[TERMS_MOST];
    LLVMValueRef user = read_once(term) ? LLVMGetUser(LLVMGetFirstUse(term)) : NULL;
    if (user != NULL && is_op(user, LLVMOr)) {
        unsigned i = LLVMGetOperand(user, 0) == term ? 1 : 0;
        if (is_low_of_lowest(u, w, LLVMGetOperand(user, i))) {
            LLVMReplaceAllUsesWith(user, low);
        }
        return;
    }
    struct slot at = {0}, rest = {0};
    for (unsigned n = terms_around(term, terms), i = 0; i < n; i++) {
        if (value_in(terms[i]) == term) {
            at = terms[i];
        } else if (is_low_of_lowest(u, w, value_in(terms[i]))) {
            rest = terms[i];
        }
    }
    if (at.user != NULL && rest.user != NULL) {
        put(at, low);
        put(rest, unit_const_i64(u, 0));
    }
}

/* a * b in the block of p, else NULL. */
static LLVMValueRef find_narrow(const struct product *w)
{
    for (LLVMUseRef use = LLVMGetFirstUse(w->a); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef v = LLVMGetUser(use);
        if (is_op(v, LLVMMul) && LLVMGetInstructionParent(v) == LLVMGetInstructionParent(w->p) &&
            ((LLVMGetOperand(v, 0) == w->a && LLVMGetOperand(v, 1) == w->b) ||
             (LLVMGetOperand(v, 0) == w->b && LLVMGetOperand(v, 1) == w->a))) {
            return v;
        }
    }
    return NULL;
}

/* Of two instructions of a block. */
static LLVMValueRef first_of(LLVMValueRef a, LLVMValueRef b)
{
    for (LLVMValueRef i = a; i != NULL; i = LLVMGetNextInstruction(i)) {
        if (i == b) {
            return a;
        }
    }
    return b;
}

static void build_wide(struct unit *u, LLVMBuilderRef b, const struct product *w, const struct high *h)
{
    LLVMValueRef narrow = find_narrow(w);
    LLVMPositionBuilderBefore(b, narrow != NULL ? first_of(narrow, w->p) : w->p);
    LLVMValueRef wide =
        LLVMBuildMul(b, LLVMBuildZExt(b, w->a, u->t_i128, ""), LLVMBuildZExt(b, w->b, u->t_i128, ""), "");
    LLVMValueRef low = LLVMBuildTrunc(b, wide, u->t_i64, "");
    LLVMValueRef high = LLVMBuildLShr(b, wide, LLVMConstInt(u->t_i128, 64, 0), "");
    put(h->u, LLVMBuildTrunc(b, high, u->t_i64, ""));
    put(h->t, unit_const_i64(u, 0));
    put(h->top, unit_const_i64(u, 0));
    if (narrow != NULL) {
        LLVMReplaceAllUsesWith(narrow, low);
    }
    for (LLVMUseRef use = LLVMGetFirstUse(w->u), next; use != NULL; use = next) {
        next = LLVMGetNextUse(use);
        LLVMValueRef term = LLVMGetUser(use);
        if (shifted(term, LLVMShl) == w->u) {
            replace_low(u, w, term, low);
        }
    }
}

/* If `sum` is u of a product, replace it wherever its high half is read. */
static void widen(struct unit *u, LLVMBuilderRef b, LLVMValueRef sum)
{
    struct product w = {.u = sum};
    struct high h;
    for (LLVMUseRef use = LLVMGetFirstUse(sum); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef term = LLVMGetUser(use);
        if (shifted(term, LLVMLShr) == sum && (match_two(u, sum, &w) || match_three(u, sum, &w)) &&
            find_high(u, &w, term, &h)) {
            build_wide(u, b, &w, &h);
            return;
        }
    }
}

void wide_find(struct unit *u)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(u->cx);
    for (LLVMValueRef f = LLVMGetFirstFunction(u->mod); f != NULL; f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(f); bb != NULL; bb = LLVMGetNextBasicBlock(bb)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(bb); i != NULL; i = LLVMGetNextInstruction(i)) {
                if (is_op(i, LLVMAdd) && LLVMTypeOf(i) == u->t_i64) {
                    widen(u, b, i);
                }
            }
        }
    }
    LLVMDisposeBuilder(b);
}
