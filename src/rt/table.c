/* rt/table.c - tables and element segments: the instructions on them, and constant expressions.
 *
 * Element segments are not kept per instance: their expressions read only constants and immutable globals
 * that exist before, so they give the same elements whenever they are evaluated. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rt/rt.h"
#include "rt/trap.h"
#include "wasm/instr.h"

static void check(struct rt_instance *inst, uint64_t at, uint64_t n, uint64_t length)
{
    if (at + n > length) {
        rt_trap_raise(inst, WEIR_TRAP_TABLE_BOUNDS, NULL);
    }
}

uint64_t rt_table_get(struct rt_instance *inst, uint32_t tableidx, uint32_t i)
{
    struct rt_table *t = rt_table_at(inst, tableidx);
    check(inst, i, 1, t->length);
    return t->elems[i];
}

void rt_table_set(struct rt_instance *inst, uint32_t tableidx, uint32_t i, uint64_t elem)
{
    struct rt_table *t = rt_table_at(inst, tableidx);
    check(inst, i, 1, t->length);
    t->elems[i] = elem;
}

uint32_t rt_table_grow(struct rt_instance *inst, uint32_t tableidx, uint64_t elem, uint32_t delta)
{
    struct rt_table *t = rt_table_at(inst, tableidx);
    uint64_t before = t->length, length = before + delta;
    uint64_t more = (uint64_t)delta * sizeof(uint64_t);
    if (length > WASM_MAX_TABLE || (t->has_max && length > t->max) || !rt_instance_may_hold(inst, more)) {
        return UINT32_MAX;
    }
    if (delta == 0) {
        return (uint32_t)before;
    }
    uint64_t *elems =
        realloc(t->elems, length * sizeof(uint64_t)); /* a size the guest chose: may be refused */
    if (elems == NULL) {
        return UINT32_MAX;
    }
    t->elems = elems;
    for (uint64_t i = before; i < length; i++) {
        t->elems[i] = elem;
    }
    t->length = length;
    inst->held_bytes += more;
    return (uint32_t)before;
}

void rt_table_fill(struct rt_instance *inst, uint32_t tableidx, uint32_t dst, uint64_t elem, uint32_t n)
{
    struct rt_table *t = rt_table_at(inst, tableidx);
    check(inst, dst, n, t->length);
    for (uint32_t i = 0; i < n; i++) {
        t->elems[dst + i] = elem;
    }
}

void rt_table_copy(struct rt_instance *inst, uint32_t dst_table, uint32_t src_table, uint32_t dst,
                   uint32_t src, uint32_t n)
{
    struct rt_table *d = rt_table_at(inst, dst_table), *s = rt_table_at(inst, src_table);
    check(inst, src, n, s->length);
    check(inst, dst, n, d->length);
    if (n != 0) {
        memmove(d->elems + dst, s->elems + src, (size_t)n * sizeof(uint64_t));
    }
}

static uint64_t segment_elem(const struct rt_instance *inst, const struct wasm_elem *seg, uint32_t i)
{
    if (seg->funcs != NULL) {
        return rt_func_cell(rt_func_at(inst, seg->funcs[i]));
    }
    uint64_t cells[2] = {0};
    rt_constexpr_eval(inst, seg->exprs[i], cells);
    return cells[0];
}

void rt_table_init(struct rt_instance *inst, uint32_t elemidx, uint32_t tableidx, uint32_t dst, uint32_t src,
                   uint32_t n)
{
    struct rt_table *t = rt_table_at(inst, tableidx);
    const struct wasm_elem *seg = &rt_instance_wasm(inst)->elems[elemidx];
    check(inst, src, n, inst->dropped[elemidx] ? 0 : seg->n);
    check(inst, dst, n, t->length);
    for (uint32_t i = 0; i < n; i++) {
        t->elems[dst + i] = segment_elem(inst, seg, src + i);
    }
}

void rt_elem_drop(struct rt_instance *inst, uint32_t elemidx)
{
    inst->dropped[elemidx] = 1;
}

/* Depth of a constant expression's operand stack that we keep; deeper ones (a chain of additions nested to
 * the right) are grown on the heap. */
enum { CONST_STACK = 16 };

void rt_constexpr_eval(const struct rt_instance *inst, struct wasm_constexpr e, uint64_t cells[2])
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    struct wasm_reader r = wasm_reader_of(w, e.at, e.end);
    struct cell {
        uint64_t bits[2];
    } room[CONST_STACK], *stack = room;
    size_t n = 0, cap = CONST_STACK;
    for (;;) {
        struct wasm_instr in;
        weir_status st = wasm_instr_read(&r, &in, NULL);
        WEIR_ASSERT(st == WEIR_OK);
        if (in.op == OP_END) {
            break;
        }
        if (n == cap) {
            struct cell *more = mem_alloc(2 * cap * sizeof *more);
            memcpy(more, stack, n * sizeof *more);
            if (stack != room) {
                mem_free(stack);
            }
            stack = more;
            cap *= 2;
        }
        struct cell *top = stack + n, *b = top - 1, *a = top - 2;
        switch (in.op) {
        case OP_I32_CONST:
        case OP_I64_CONST:
        case OP_F32_CONST:
        case OP_F64_CONST:
            *top = (struct cell){{in.bits, 0}}, n++;
            break;
        case OP_V128_CONST:
            memcpy(top->bits, in.v128, sizeof in.v128), n++;
            break;
        case OP_REF_NULL:
            *top = (struct cell){{0, 0}}, n++;
            break;
        case OP_REF_FUNC:
            *top = (struct cell){{rt_func_cell(rt_func_at(inst, in.index)), 0}}, n++;
            break;
        case OP_GLOBAL_GET: {
            const uint64_t *g = rt_global_at(inst, in.index);
            bool wide = w->globals[in.index].type.type == WASM_V128;
            *top = (struct cell){{g[0], wide ? g[1] : 0}}, n++;
            break;
        }
        case OP_I32_ADD:
            a->bits[0] = (uint32_t)(a->bits[0] + b->bits[0]), n--;
            break;
        case OP_I32_SUB:
            a->bits[0] = (uint32_t)(a->bits[0] - b->bits[0]), n--;
            break;
        case OP_I32_MUL:
            a->bits[0] = (uint32_t)(a->bits[0] * b->bits[0]), n--;
            break;
        case OP_I64_ADD:
            a->bits[0] += b->bits[0], n--;
            break;
        case OP_I64_SUB:
            a->bits[0] -= b->bits[0], n--;
            break;
        case OP_I64_MUL:
            a->bits[0] *= b->bits[0], n--;
            break;
        default:
            WEIR_ASSERT(!"instruction of a constant expression");
        }
    }
    WEIR_ASSERT(n == 1);
    cells[0] = stack[0].bits[0];
    cells[1] = stack[0].bits[1];
    if (stack != room) {
        mem_free(stack);
    }
}
