/* diff/generate_stmt.c - statements: they take nothing from the stack and leave nothing there. */
#include <string.h>

#include "diff/gen.h"

/* Small bulk operations on memories, usually in range. */
static void put_memory_bulk(struct gen *g, int depth)
{
    uint32_t which = gen_below(g, 5);
    if (which < 4) {
        gen_address(g, depth);
    }
    switch (which) {
    case 0:
        gen_expr(g, 0, 1);
        gen_i32_const(g, gen_below(g, 64));
        gen_op_u32(g, OP_MEMORY_FILL, gen_some_memory(g));
        return;
    case 1:
    case 2:
        gen_address(g, depth);
        gen_i32_const(g, gen_below(g, 64));
        gen_op_u32(g, OP_MEMORY_COPY, gen_some_memory(g));
        gen_u32(g->out, gen_some_memory(g));
        return;
    case 3:
        gen_i32_const(g, gen_below(g, 40));
        gen_i32_const(g, gen_below(g, 40));
        gen_op_u32(g, OP_MEMORY_INIT, 1);
        gen_u32(g->out, gen_some_memory(g));
        return;
    default:
        gen_op_u32(g, OP_DATA_DROP, !g->tame && gen_chance(g, 10) ? 1 : 2);
    }
}

/* A table that may be written, and a valid index of it. */
static uint32_t some_table(struct gen *g, bool functions_only, uint32_t *size)
{
    uint32_t table = !g->more_tables || (!g->fixed_table && gen_chance(g, 40)) ? 0 : 1;
    if (table == 1 && !functions_only && gen_chance(g, 50)) {
        table = 2;
    }
    *size = table == 0 ? TABLE_SIZE : table == 1 ? SECOND_TABLE_SIZE : EXTERN_TABLE_SIZE;
    return table;
}

static void put_ref(struct gen *g, bool is_extern)
{
    if (gen_chance(g, 50)) {
        gen_op_u32(g, OP_LOCAL_GET, gen_ref_local(g, is_extern));
    } else if (is_extern || gen_chance(g, 15)) {
        gen_op(g, OP_REF_NULL);
        gen_byte(g, is_extern ? WASM_EXTERNREF : WASM_FUNCREF);
    } else {
        gen_op_u32(g, OP_REF_FUNC, gen_below(g, g->nimports + g->nfuncs));
    }
}

static void put_table_bulk(struct gen *g)
{
    uint32_t size, table = some_table(g, false, &size);
    switch (gen_below(g, 6)) {
    case 0:
        gen_i32_const(g, gen_below(g, size + (gen_chance(g, 3) ? 3 : 0)));
        put_ref(g, table == 2);
        gen_op_u32(g, OP_TABLE_SET, table);
        return;
    case 1: /* from any table of functions */
        table = some_table(g, true, &size);
        gen_i32_const(g, gen_below(g, size));
        gen_i32_const(g, gen_below(g, size));
        gen_i32_const(g, gen_below(g, 3));
        gen_op_u32(g, OP_TABLE_COPY, table);
        gen_u32(g->out, g->more_tables ? gen_below(g, 2) : 0);
        return;
    case 2:
        gen_i32_const(g, gen_below(g, size));
        put_ref(g, table == 2);
        gen_i32_const(g, gen_below(g, 3));
        gen_op_u32(g, OP_TABLE_FILL, table);
        return;
    case 3: /* segment 1 is passive */
        table = some_table(g, true, &size);
        gen_i32_const(g, gen_below(g, size));
        gen_i32_const(g, gen_below(g, 2));
        gen_i32_const(g, gen_below(g, 3));
        gen_op_u32(g, OP_TABLE_INIT, 1);
        gen_u32(g->out, table);
        return;
    case 4:
        if (!g->tame && gen_chance(g, 10)) {
            gen_op_u32(g, OP_ELEM_DROP, 1);
            return;
        } /* fall through */
    default:
        gen_i32_const(g, gen_below(g, size));
        gen_op_u32(g, OP_TABLE_GET, table);
        gen_op_u32(g, OP_LOCAL_SET, gen_ref_local(g, table == 2));
    }
}

static void put_bulk(struct gen *g, int depth)
{
    if (gen_chance(g, 60) || (g->fixed_table && !g->more_tables)) {
        put_memory_bulk(g, depth);
    } else {
        put_table_bulk(g);
    }
}

static void put_loop(struct gen *g, int depth)
{
    gen_open(g, OP_LOOP, GEN_NO_RESULT, true);
    gen_fuel_check(g);
    gen_stmts(g, depth - 1);
    gen_expr(g, 0, 2);
    gen_op_u32(g, OP_BR_IF, 0);
    gen_close(g);
}

/* A short loop over floats or integers in memory, as a vectoriser likes them. */
static void put_array_loop(struct gen *g)
{
    static const struct {
        uint16_t load, op, store;
        uint8_t log2;
    } kinds[] = {{OP_F32_LOAD, OP_F32_ADD, OP_F32_STORE, 2},
                 {OP_F64_LOAD, OP_F64_MUL, OP_F64_STORE, 3},
                 {OP_I32_LOAD, OP_I32_MUL, OP_I32_STORE, 2},
                 {OP_I64_LOAD, OP_I64_ADD, OP_I64_STORE, 3},
                 {OP_I32_LOAD8_U, OP_I32_XOR, OP_I32_STORE8, 0}};
    uint32_t k = gen_below(g, sizeof kinds / sizeof *kinds), i = g->sig->nparams, n = 1 + gen_below(g, 40);
    uint32_t from = gen_below(g, 512), to = gen_below(g, 512);
    bool floats = k < 2;
    gen_i32_const(g, g->tame || gen_chance(g, 95) ? 0 : 0xff00 >> kinds[k].log2);
    gen_op_u32(g, OP_LOCAL_SET, i);
    gen_open(g, OP_LOOP, GEN_NO_RESULT, true);
    gen_fuel_check(g);
    for (int side = 0; side < 3; side++) { /* the address to store at, two to load from */
        gen_op_u32(g, OP_LOCAL_GET, i);
        gen_i32_const(g, kinds[k].log2);
        gen_op(g, OP_I32_SHL);
        if (side > 0) {
            gen_op_u32(g, kinds[k].load, 0);
            gen_u32(g->out, side == 1 ? from : to);
        }
    }
    gen_op(g, kinds[k].op);
    if (floats) {
        gen_canonical(g, k == 0 ? 2 : 3, k == 0 ? 32 : 64);
    }
    gen_op_u32(g, kinds[k].store, 0);
    gen_u32(g->out, to);
    gen_op_u32(g, OP_LOCAL_GET, i);
    gen_i32_const(g, 1);
    gen_op(g, OP_I32_ADD);
    gen_op_u32(g, OP_LOCAL_TEE, i);
    gen_i32_const(g, n);
    gen_op(g, OP_I32_LT_U);
    gen_op_u32(g, OP_BR_IF, 0);
    gen_close(g);
}

/* A block or loop with parameters and results. */
static void put_typed_block(struct gen *g, int depth)
{
    uint32_t type = gen_below(g, NTYPES);
    const struct signature *s = &g->types[type];
    bool loop = gen_chance(g, 40);
    gen_args(g, s, 2);
    gen_open(g, loop ? OP_LOOP : OP_BLOCK, type, loop ? s->nparams == 0 : s->nresults == 0);
    for (uint32_t i = s->nparams; i-- > 0;) {
        gen_op_u32(g, OP_LOCAL_SET, gen_local_of_type(g, s->params[i]));
    }
    if (loop) {
        gen_fuel_check(g);
    }
    gen_stmts(g, depth - 1);
    if (loop) {
        gen_args(g, s, 2);
        gen_expr(g, 0, 2);
        gen_op_u32(g, OP_BR_IF, 0);
        for (uint32_t i = 0; i < s->nparams; i++) {
            gen_op(g, OP_DROP);
        }
    }
    for (uint32_t i = 0; i < s->nresults; i++) {
        gen_expr(g, s->results[i], 2);
    }
    if (!loop) {
        gen_expr(g, 0, 2);
        gen_op_u32(g, OP_BR_IF, 0);
    }
    gen_close(g);
    for (uint32_t i = s->nresults; i-- > 0;) {
        gen_op_u32(g, OP_LOCAL_SET, gen_local_of_type(g, s->results[i]));
    }
}

/* Nested blocks and a jump out of one of them by number. */
static void put_switch(struct gen *g, int depth)
{
    uint32_t arms = 2 + gen_below(g, 4);
    for (uint32_t i = 0; i < arms; i++) {
        gen_open(g, OP_BLOCK, GEN_NO_RESULT, true);
    }
    gen_expr(g, 0, depth);
    gen_op(g, OP_BR_TABLE);
    gen_u32(g->out, arms - 1);
    for (uint32_t i = 0; i < arms; i++) {
        gen_u32(g->out, gen_below(g, arms));
    }
    for (uint32_t i = 0; i < arms; i++) {
        gen_close(g);
        gen_stmts(g, depth - 1);
    }
}

static bool same_results(const struct signature *a, const struct signature *b)
{
    return a->nresults == b->nresults && memcmp(a->results, b->results, a->nresults) == 0;
}

static void put_tail_call(struct gen *g, uint32_t f, int depth)
{
    gen_args(g, &g->types[g->func_type[f]], depth);
    if (gen_chance(g, 50)) {
        gen_op_u32(g, OP_RETURN_CALL, gen_func(g, f));
        return;
    }
    gen_i32_const(g, gen_func(g, f));
    gen_op_u32(g, OP_RETURN_CALL_INDIRECT, g->func_type[f]);
    gen_u32(g->out, g->more_tables && gen_chance(g, 30) ? 1 : 0);
}

static void put_return(struct gen *g, int depth)
{
    const struct signature *s = g->sig;
    uint32_t f = gen_below(g, g->nfuncs);
    gen_expr(g, 0, 2);
    gen_open(g, OP_IF, GEN_NO_RESULT, true);
    if (same_results(&g->types[g->func_type[f]], s) && gen_chance(g, 60)) {
        put_tail_call(g, f, depth);
    } else if (g->nimports != 0 && same_results(&g->types[TYPE_MIX], s) && gen_chance(g, 50)) {
        gen_args(g, &g->types[TYPE_MIX], depth);
        gen_op_u32(g, OP_RETURN_CALL, 0);
    } else {
        for (uint32_t i = 0; i < s->nresults; i++) {
            gen_expr(g, s->results[i], depth - 1);
        }
        gen_op(g, OP_RETURN);
    }
    gen_close(g);
}

/* Leave some block whose label takes nothing. */
static void put_leave(struct gen *g)
{
    uint32_t plain[LABELS_MOST], n = 0;
    for (uint32_t i = 0; i < g->nlabels; i++) {
        if (g->plain[i]) {
            plain[n++] = g->nlabels - 1 - i;
        }
    }
    if (n > 0) {
        gen_expr(g, 0, 2);
        gen_op_u32(g, OP_BR_IF, plain[gen_below(g, n)]);
    }
}

static void put_if(struct gen *g, int depth)
{
    gen_expr(g, 0, 3);
    gen_open(g, OP_IF, GEN_NO_RESULT, true);
    gen_stmts(g, depth - 1);
    if (gen_chance(g, 30)) {
        gen_op_u32(g, OP_BR, 0);
        if (gen_chance(g, 50)) {
            gen_stmts(g, depth - 1); /* dead */
        }
    }
    gen_op(g, OP_ELSE);
    gen_stmts(g, depth - 1);
    gen_close(g);
}

static void put_call_for_effect(struct gen *g)
{
    uint32_t f = gen_below(g, g->nfuncs);
    const struct signature *s = &g->types[g->func_type[f]];
    if (g->nimports != 0 && gen_chance(g, 50)) {
        gen_expr(g, 0, 2);
        if (g->tame) { /* not what makes the host trap */
            gen_i32_const(g, 62);
            gen_op(g, OP_I32_AND);
        }
        gen_op_u32(g, OP_CALL, 1);
        return;
    }
    gen_args(g, s, 2);
    gen_op_u32(g, OP_CALL, gen_func(g, f));
    for (uint32_t i = s->nresults; i-- > 0;) {
        gen_op_u32(g, OP_LOCAL_SET, gen_local_of_type(g, s->results[i]));
    }
}

static void put_stmt(struct gen *g, int depth)
{
    uint32_t kind = gen_below(g, 100), type = gen_below(g, NVALTYPES);
    if (kind < 28) {
        gen_expr(g, type, EXPR_DEPTH);
        gen_op_u32(g, OP_LOCAL_SET, gen_local_of_type(g, type));
    } else if (kind < 37) {
        gen_expr(g, type, EXPR_DEPTH);
        gen_op_u32(g, OP_GLOBAL_SET, 1 + type);
    } else if (kind < 58) {
        gen_plain(g, gen_some_op(g, '\0'), EXPR_DEPTH - 1);
    } else if (kind < 67) {
        put_bulk(g, 2);
    } else if (kind < 70) {
        gen_expr(g, type, EXPR_DEPTH);
        gen_op(g, OP_DROP);
    } else if (kind < 74) {
        put_return(g, 2);
    } else if (kind < 78) {
        put_call_for_effect(g);
    } else if (kind < 80) {
        put_leave(g);
    } else if (kind < 81) {
        put_array_loop(g);
    } else if (depth > 0 && kind < 87) {
        put_loop(g, depth);
    } else if (depth > 0 && kind < 91) {
        put_switch(g, depth);
    } else if (depth > 0 && kind < 94) {
        put_typed_block(g, depth);
    } else if (depth > 0) {
        put_if(g, depth);
    }
}

void gen_stmts(struct gen *g, int depth)
{
    uint32_t n = 1 + gen_below(g, 4);
    for (uint32_t i = 0; i < n && g->budget > 0; i++) {
        put_stmt(g, depth);
    }
}
