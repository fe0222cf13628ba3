/* diff/generate.c - the sections of a generated module, and the bytes everything is put together from. */
#include "diff/generate.h"

#include <stdio.h>

#include "base/mem.h"
#include "diff/gen.h"

const uint8_t gen_valtypes[NVALTYPES] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_V128};
const char gen_letters[NVALTYPES + 1] = "iIfFv";

uint64_t generate_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t gen_below(struct gen *g, uint32_t n)
{
    return (uint32_t)(generate_random(&g->random) % n);
}

bool gen_chance(struct gen *g, uint32_t percent)
{
    return gen_below(g, 100) < percent;
}

void gen_byte(struct gen *g, uint8_t byte)
{
    strbuf_add_char(g->out, (char)byte);
}

void gen_u32(struct strbuf *b, uint32_t v)
{
    do {
        strbuf_add_char(b, (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0)));
        v >>= 7;
    } while (v != 0);
}

void gen_s64(struct gen *g, int64_t v)
{
    for (;;) {
        uint8_t byte = v & 0x7f;
        v >>= 7;
        if ((v == 0 && (byte & 0x40) == 0) || (v == -1 && (byte & 0x40) != 0)) {
            gen_byte(g, byte);
            return;
        }
        gen_byte(g, byte | 0x80);
    }
}

void gen_op(struct gen *g, uint32_t op)
{
    g->budget--;
    if (op < 0x100) {
        gen_byte(g, (uint8_t)op);
    } else {
        gen_byte(g, op < 0x200 ? 0xfc : 0xfd);
        gen_u32(g->out, op & 0xff);
    }
}

void gen_op_u32(struct gen *g, uint32_t op, uint32_t imm)
{
    gen_op(g, op);
    gen_u32(g->out, imm);
}

void gen_i32_const(struct gen *g, uint32_t v)
{
    gen_op(g, OP_I32_CONST);
    gen_s64(g, (int32_t)v);
}

void gen_open(struct gen *g, uint32_t op, uint32_t type, bool plain)
{
    gen_op(g, op);
    gen_byte(g, (uint8_t)type);
    WEIR_ASSERT(g->nlabels < LABELS_MOST);
    g->plain[g->nlabels++] = plain;
}

void gen_close(struct gen *g)
{
    gen_op(g, OP_END);
    g->nlabels--;
}

/* ---- sections */

static void put_section(struct strbuf *out, uint8_t id, struct strbuf *body)
{
    strbuf_add_char(out, (char)id);
    gen_u32(out, (uint32_t)body->len);
    strbuf_add(out, strbuf_str(body));
    body->len = 0;
}

static void put_name(struct strbuf *b, const char *prefix, uint32_t number)
{
    char name[16];
    int len = snprintf(name, sizeof name, "%s%u", prefix, number);
    gen_u32(b, (uint32_t)len);
    strbuf_add_bytes(b, name, (size_t)len);
}

/* Locals of a function of type `type`; what is generated next goes into `body`. */
static void open_body(struct gen *g, uint32_t type, struct strbuf *body)
{
    g->out = body;
    g->sig = &g->types[type];
    g->nlabels = 0;
    gen_u32(body, 2 * NVALTYPES + NREFS + 1);
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        gen_u32(body, 2);
        gen_byte(g, gen_valtypes[t]);
    }
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        gen_u32(body, 1);
        gen_byte(g, gen_valtypes[t]);
    }
    strbuf_add_bytes(body, "\1\x70\1\x6f", 4); /* references */
    gen_u32(body, NPARTS);
    gen_byte(g, gen_valtypes[1]);
}

static void close_body(struct gen *g, struct strbuf *body, struct strbuf *section)
{
    gen_op(g, OP_END);
    gen_u32(section, (uint32_t)body->len);
    strbuf_add(section, strbuf_str(body));
    strbuf_fini(body);
}

static void put_body(struct gen *g, uint32_t f, struct strbuf *section)
{
    struct strbuf body = {0};
    open_body(g, g->func_type[f], &body);
    g->budget = 400;
    gen_fuel_check(g);
    gen_stmts(g, STMT_DEPTH);
    gen_stmts(g, STMT_DEPTH);
    for (uint32_t i = 0; i < g->sig->nresults; i++) {
        gen_expr(g, g->sig->results[i], EXPR_DEPTH);
    }
    close_body(g, &body, section);
}

/* Mostly few parameters; some signatures have more than there are registers. */
static void random_signature(struct gen *g, struct signature *t, bool one_result)
{
    t->nparams = (uint8_t)gen_below(g, gen_chance(g, 12) ? MAX_PARAMS + 1 : 5);
    t->nresults = (uint8_t)(one_result ? 1 : gen_below(g, gen_chance(g, 15) ? MAX_RESULTS + 1 : 3));
    for (uint32_t k = 0; k < t->nparams; k++) {
        t->params[k] = (uint8_t)gen_below(g, NVALTYPES);
    }
    for (uint32_t k = 0; k < t->nresults; k++) {
        t->results[k] = (uint8_t)gen_below(g, NVALTYPES);
    }
}

static void put_types(struct gen *g, struct strbuf *s)
{
    g->types[TYPE_MIX] = (struct signature){.nparams = 2, .params = {1, 3}, .nresults = 1, .results = {1}};
    g->types[TYPE_SUM] = (struct signature){.nresults = 1, .results = {1}};
    g->types[TYPE_NOTE] = (struct signature){.nparams = 1, .params = {0}};
    gen_u32(s, TYPES_ALL);
    for (uint32_t i = 0; i < TYPES_ALL; i++) {
        struct signature *t = &g->types[i];
        if (i < NTYPES) {
            random_signature(g, t, i == 0);
        }
        strbuf_add_char(s, 0x60);
        gen_u32(s, t->nparams);
        for (uint32_t k = 0; k < t->nparams; k++) {
            strbuf_add_char(s, (char)gen_valtypes[t->params[k]]);
        }
        gen_u32(s, t->nresults);
        for (uint32_t k = 0; k < t->nresults; k++) {
            strbuf_add_char(s, (char)gen_valtypes[t->results[k]]);
        }
    }
}

static void put_imports(struct strbuf *s)
{
    gen_u32(s, NHOST);
    strbuf_add_bytes(s, "\4host\3mix\0", 10);
    gen_u32(s, TYPE_MIX);
    strbuf_add_bytes(s, "\4host\4note\0", 11);
    gen_u32(s, TYPE_NOTE);
}

static void put_tables(const struct gen *g, struct strbuf *s)
{
    gen_u32(s, g->more_tables ? 3 : 1);
    strbuf_add_bytes(s, "\x70\x00", 2);
    gen_u32(s, TABLE_SIZE);
    if (g->more_tables) {
        strbuf_add_bytes(s, "\x70\x01", 2);
        gen_u32(s, SECOND_TABLE_SIZE);
        gen_u32(s, SECOND_TABLE_MOST);
        strbuf_add_bytes(s, "\x6f\x00", 2);
        gen_u32(s, EXTERN_TABLE_SIZE);
    }
}

static void put_globals(struct gen *g, struct strbuf *s)
{
    struct strbuf *outer = g->out;
    g->out = s;
    gen_u32(s, NGLOBALS);
    strbuf_add_bytes(s, "\x7f\x01\x41\x00\x0b", 5);
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        gen_byte(g, gen_valtypes[t]);
        gen_byte(g, 1);
        gen_const(g, t);
        gen_byte(g, OP_END);
    }
    for (uint32_t t = 0; t < 2; t++) { /* of a sum */
        gen_byte(g, gen_valtypes[t]);
        gen_byte(g, 0);
        gen_const(g, t);
        gen_const(g, t);
        gen_byte(g, t == 0 ? OP_I32_ADD : OP_I64_ADD);
        gen_byte(g, OP_END);
    }
    g->out = outer;
}

/* f0.., refuel, the start function, the sum. */
static uint32_t nbodies(const struct gen *g)
{
    return g->nfuncs + 1 + g->start + g->two_memories;
}

static void put_exports(const struct gen *g, struct strbuf *s)
{
    gen_u32(s, g->nfuncs + 2 + g->two_memories + NGLOBALS);
    for (uint32_t i = 0; i < g->nfuncs; i++) {
        put_name(s, "f", i);
        strbuf_add_char(s, 0);
        gen_u32(s, gen_func(g, i));
    }
    strbuf_add_bytes(s, "\x06refuel\x00", 8);
    gen_u32(s, gen_func(g, g->nfuncs));
    strbuf_add_bytes(s, "\x01m\x02\x00", 4);
    if (g->two_memories) {
        strbuf_add_bytes(s, "\x03sum\x00", 5);
        gen_u32(s, gen_func(g, nbodies(g) - 1));
    }
    for (uint32_t i = 0; i < NGLOBALS; i++) {
        put_name(s, "g", i);
        strbuf_add_char(s, 3);
        gen_u32(s, i);
    }
}

/* Functions in their order: the imported ones first. */
static void put_func_indices(struct strbuf *s, uint32_t n)
{
    gen_u32(s, n);
    for (uint32_t i = 0; i < n; i++) {
        gen_u32(s, i);
    }
}

static void put_elements(const struct gen *g, struct strbuf *s)
{
    gen_u32(s, g->more_tables ? 3 : 2);
    strbuf_add_bytes(s, "\x00\x41\x00\x0b", 4);
    put_func_indices(s, g->nimports + g->nfuncs);
    strbuf_add_bytes(s, "\x01\x00", 2); /* passive */
    put_func_indices(s, g->nfuncs < 4 ? g->nfuncs : 4);
    if (g->more_tables) {
        strbuf_add_bytes(s, "\x02\x01\x41\x01\x0b\x00", 6); /* table 1 from element 1 on */
        put_func_indices(s, g->nfuncs < 4 ? g->nfuncs : 4);
    }
}

static void put_data(struct gen *g, struct strbuf *s)
{
    gen_u32(s, 3);
    for (int i = 0; i < 3; i++) { /* one active, two passive */
        strbuf_add_bytes(s, i == 0 ? "\x00\x41\x10\x0b" : "\x01", i == 0 ? 4 : 1);
        gen_u32(s, 64);
        for (int k = 0; k < 8; k++) {
            uint64_t word = generate_random(&g->random);
            strbuf_add_bytes(s, &word, 8);
        }
    }
}

/* Refuel: g0 = GENERATE_FUEL.  Start: the same, and some statements. */
static void put_plain_bodies(struct gen *g, struct strbuf *s)
{
    strbuf_add_bytes(s, "\x07\x00\x41\xd0\x0f\x24\x00\x0b", 8);
    if (g->start) {
        struct strbuf body = {0};
        open_body(g, TYPE_PLAIN, &body);
        g->budget = 60;
        strbuf_add_bytes(&body, "\x41\xd0\x0f\x24\x00", 5);
        gen_stmts(g, 1);
        gen_stmts(g, 1);
        close_body(g, &body, s);
    }
}

/* (result i64): a hash of memory 1, which the embedder cannot see. */
static void put_sum(struct gen *g, struct strbuf *section)
{
    enum { AT, HASH };
    struct strbuf body = {0};
    g->out = &body;
    strbuf_add_bytes(&body, "\2\1\x7f\1\x7e", 5);
    gen_open(g, OP_LOOP, GEN_NO_RESULT, true);
    gen_op_u32(g, OP_LOCAL_GET, HASH);
    gen_op_u32(g, OP_LOCAL_GET, AT);
    gen_op_u32(g, OP_I64_LOAD, 0x40);
    gen_u32(&body, 1);
    gen_u32(&body, 0);
    gen_op(g, OP_I64_XOR);
    gen_op(g, OP_I64_CONST);
    gen_s64(g, 0x100000001b3);
    gen_op(g, OP_I64_MUL);
    gen_op(g, OP_I64_CONST);
    gen_s64(g, 23);
    gen_op(g, OP_I64_ROTL);
    gen_op_u32(g, OP_LOCAL_SET, HASH);
    gen_op_u32(g, OP_LOCAL_GET, AT);
    gen_i32_const(g, 8);
    gen_op(g, OP_I32_ADD);
    gen_op_u32(g, OP_LOCAL_TEE, AT);
    gen_op_u32(g, OP_MEMORY_SIZE, 1);
    gen_i32_const(g, 16);
    gen_op(g, OP_I32_SHL);
    gen_op(g, OP_I32_LT_U);
    gen_op_u32(g, OP_BR_IF, 0);
    gen_close(g);
    gen_op_u32(g, OP_LOCAL_GET, HASH);
    close_body(g, &body, section);
}

static void put_functions(struct gen *g, struct strbuf *s)
{
    gen_u32(s, nbodies(g));
    for (uint32_t i = 0; i < g->nfuncs; i++) {
        g->func_type[i] = i == 0 ? 0 : gen_below(g, NTYPES);
        gen_u32(s, g->func_type[i]);
    }
    for (uint32_t i = 0; i < 1u + g->start; i++) {
        gen_u32(s, TYPE_PLAIN);
    }
    if (g->two_memories) {
        gen_u32(s, TYPE_SUM);
    }
}

static void choose(struct gen *g)
{
    g->nfuncs = 1 + gen_below(g, MAX_FUNCS);
    g->two_memories = gen_chance(g, 30);
    g->more_tables = gen_chance(g, 35);
    g->fixed_table = gen_chance(g, 40);
    g->nimports = gen_chance(g, 40) ? NHOST : 0;
    g->start = gen_chance(g, 20);
    g->tame = gen_chance(g, 65);
}

void generate_module(uint64_t seed, struct strbuf *out)
{
    struct gen g = {.random = seed};
    struct strbuf s = {0};

    choose(&g);
    strbuf_add_bytes(out, "\0asm\1\0\0\0", 8);
    put_types(&g, &s);
    put_section(out, 1, &s);
    if (g.nimports != 0) {
        put_imports(&s);
        put_section(out, 2, &s);
    }
    put_functions(&g, &s);
    put_section(out, 3, &s);
    put_tables(&g, &s);
    put_section(out, 4, &s);
    strbuf_add_bytes(&s, g.two_memories ? "\x02\x01\x01\x03\x01\x01\x02" : "\x01\x01\x01\x03",
                     g.two_memories ? 7 : 4);
    put_section(out, 5, &s);
    put_globals(&g, &s);
    put_section(out, 6, &s);
    put_exports(&g, &s);
    put_section(out, 7, &s);
    if (g.start) {
        gen_u32(&s, gen_func(&g, g.nfuncs + 1));
        put_section(out, 8, &s);
    }
    put_elements(&g, &s);
    put_section(out, 9, &s);
    gen_u32(&s, 3);
    put_section(out, 12, &s);
    gen_u32(&s, nbodies(&g));
    for (uint32_t i = 0; i < g.nfuncs; i++) {
        put_body(&g, i, &s);
    }
    put_plain_bodies(&g, &s);
    if (g.two_memories) {
        put_sum(&g, &s);
    }
    put_section(out, 10, &s);
    put_data(&g, &s);
    put_section(out, 11, &s);
    strbuf_fini(&s);
}
