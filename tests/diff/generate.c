/* diff/generate.c - random but valid: expressions are grown by the type they must leave on the stack. */
#include "diff/generate.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/vec.h"
#include "wasm/instr.h"

enum {
    MAX_FUNCS = 8,
    NTYPES = 8, /* function types; the last is refuel's: () -> () */
    NVALTYPES = 5,
    NGLOBALS = 1 + NVALTYPES, /* the fuel, then one of each type */
    SCRATCH = NVALTYPES, /* locals behind the parameters: two of each type, then one scratch of each type */
    TABLE_SIZE = 16,
    EXPR_DEPTH = 5,
    STMT_DEPTH = 3,
};

static const uint8_t valtypes[NVALTYPES] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_V128};
static const char letters[NVALTYPES + 1] = "iIfFv";

struct signature {
    uint8_t nparams, nresults, params[4], results[2]; /* indices into valtypes */
};

struct gen {
    uint64_t random;
    struct strbuf *out;
    struct signature types[NTYPES];
    uint32_t nfuncs, func_type[MAX_FUNCS + 1];
    const struct signature *sig; /* of the function being made */
    uint32_t labels;             /* depth of blocks around */
    int budget;                  /* instructions left for this function */
    bool two_memories;
};

uint64_t generate_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(struct gen *g, uint32_t n)
{
    return (uint32_t)(generate_random(&g->random) % n);
}

static bool chance(struct gen *g, uint32_t percent)
{
    return below(g, 100) < percent;
}

static void put(struct gen *g, uint8_t byte)
{
    strbuf_add_char(g->out, (char)byte);
}

static void put_u32(struct strbuf *b, uint32_t v)
{
    do {
        strbuf_add_char(b, (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0)));
        v >>= 7;
    } while (v != 0);
}

static void put_s64(struct gen *g, int64_t v)
{
    for (;;) {
        uint8_t byte = v & 0x7f;
        v >>= 7;
        if ((v == 0 && (byte & 0x40) == 0) || (v == -1 && (byte & 0x40) != 0)) {
            put(g, byte);
            return;
        }
        put(g, byte | 0x80);
    }
}

static void put_op(struct gen *g, uint32_t op)
{
    g->budget--;
    if (op < 0x100) {
        put(g, (uint8_t)op);
    } else {
        put(g, op < 0x200 ? 0xfc : 0xfd);
        put_u32(g->out, op & 0xff);
    }
}

static void op_u32(struct gen *g, uint32_t op, uint32_t imm)
{
    put_op(g, op);
    put_u32(g->out, imm);
}

static uint32_t type_of_letter(char c)
{
    return (uint32_t)(strchr(letters, c) - letters);
}

/* ---- locals: parameters, two of each type, one scratch of each type */

static uint32_t local_of_type(struct gen *g, uint32_t type)
{
    uint32_t candidates[6], n = 0;
    for (uint32_t i = 0; i < g->sig->nparams; i++) {
        if (g->sig->params[i] == type) {
            candidates[n++] = i;
        }
    }
    candidates[n++] = g->sig->nparams + 2 * type;
    candidates[n++] = g->sig->nparams + 2 * type + 1;
    return candidates[below(g, n)];
}

static uint32_t scratch_of_type(const struct gen *g, uint32_t type)
{
    return g->sig->nparams + 2 * NVALTYPES + type;
}

/* ---- constants */

static void put_const(struct gen *g, uint32_t type)
{
    static const int64_t ints[] = {0,  1,   -1,    2,     7,         31,        32,        63,
                                   64, 255, 65535, 65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    static const uint64_t doubles[] = {0,
                                       1ull << 63,
                                       0x3ff0000000000000,
                                       0xbff0000000000000,
                                       0x7ff0000000000000,
                                       0xfff0000000000000,
                                       0x7ff8000000000000,
                                       0x41e0000000000000,
                                       0xc1e0000000200000,
                                       0x43e0000000000000,
                                       0x0000000000000001,
                                       0x3fe0000000000000};
    static const uint32_t floats[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                      0x7fc00000, 0x4f000000, 0xcf000000, 0x5f000000, 0x00000001, 0x3f000000};
    uint64_t random = generate_random(&g->random);
    bool known = chance(g, 70);
    uint8_t bytes[16];

    switch (type) {
    case 0:
        put_op(g, OP_I32_CONST);
        put_s64(g, (int32_t)(known ? ints[random % 14] : (int64_t)random));
        return;
    case 1:
        put_op(g, OP_I64_CONST);
        put_s64(g, known ? ints[random % 16] : (int64_t)random);
        return;
    case 2:
        put_op(g, OP_F32_CONST);
        bytes_put_u32(bytes, known ? floats[random % 12] : (uint32_t)random);
        strbuf_add_bytes(g->out, bytes, 4);
        return;
    case 3:
        put_op(g, OP_F64_CONST);
        bytes_put_u64(bytes, known ? doubles[random % 12] : random);
        strbuf_add_bytes(g->out, bytes, 8);
        return;
    default:
        put_op(g, OP_V128_CONST);
        bytes_put_u64(bytes, known ? doubles[random % 12] : random);
        bytes_put_u64(bytes + 8,
                      known ? floats[random / 16 % 12] * 0x100000001ull : generate_random(&g->random));
        strbuf_add_bytes(g->out, bytes, 16);
    }
}

/* ---- canonical NaNs */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Lanes of float whose NaN bits the specification leaves open: 32, 64, or 0. */
static uint32_t open_nan_bits(const char *text)
{
    static const char *const open[] = {"add",  "sub",   "mul",   "div",     "sqrt",    "min",     "max",
                                       "ceil", "floor", "trunc", "nearest", "demote_", "promote_"};
    if (text[0] != 'f') {
        return 0;
    }
    const char *verb = strchr(text, '.') + 1;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        if (starts(verb, open[i])) {
            return starts(text, "f32") ? 32 : 64;
        }
    }
    return 0;
}

/* The value on the stack, with a canonical NaN where it (or a lane) is one. */
static void put_canonical(struct gen *g, uint32_t type, uint32_t bits)
{
    uint32_t s = scratch_of_type(g, type);
    uint8_t nan[16];

    op_u32(g, OP_LOCAL_SET, s);
    op_u32(g, OP_LOCAL_GET, s);
    for (uint32_t at = 0; at < 16; at += bits / 8) {
        bits == 32 ? bytes_put_u32(nan + at, 0x7fc00000) : bytes_put_u64(nan + at, 0x7ff8000000000000);
    }
    put_op(g, type == 2 ? OP_F32_CONST : type == 3 ? OP_F64_CONST : OP_V128_CONST);
    strbuf_add_bytes(g->out, nan, type == 4 ? 16 : bits / 8);
    op_u32(g, OP_LOCAL_GET, s);
    op_u32(g, OP_LOCAL_GET, s);
    if (type == 4) {
        put_op(g, bits == 32 ? OP_F32X4_EQ : OP_F64X2_EQ);
        put_op(g, OP_V128_BITSELECT);
    } else {
        put_op(g, bits == 32 ? OP_F32_EQ : OP_F64_EQ);
        put_op(g, OP_SELECT);
    }
}

/* ---- expressions */

static void put_expr(struct gen *g, uint32_t type, int depth);

static void put_fuel_check(struct gen *g)
{
    op_u32(g, OP_GLOBAL_GET, 0);
    op_u32(g, OP_I32_CONST, 1);
    put_op(g, OP_I32_SUB);
    op_u32(g, OP_GLOBAL_SET, 0);
    op_u32(g, OP_GLOBAL_GET, 0);
    op_u32(g, OP_I32_CONST, 0);
    put_op(g, OP_I32_LT_S);
    put_op(g, OP_IF);
    put(g, 0x40);
    put_op(g, OP_UNREACHABLE);
    put_op(g, OP_END);
}

/* Usually inside of the first page. */
static void put_address(struct gen *g, int depth)
{
    put_expr(g, 0, depth - 1);
    if (!chance(g, 3)) {
        put_op(g, OP_I32_CONST);
        put_s64(g, 0xffff);
        put_op(g, OP_I32_AND);
    }
}

static uint32_t some_memory(struct gen *g)
{
    return g->two_memories && chance(g, 25) ? 1 : 0;
}

/* Bytes an access of this opcode touches, as log2: alignment may not be larger. */
static uint32_t natural_align(const char *text)
{
    static const struct {
        const char *part;
        uint8_t log2;
    } parts[] = {{"load8x8", 3}, {"load16x4", 3}, {"load32x2", 3}, {"load8", 0},
                 {"load16", 1},  {"load32", 2},   {"load64", 3},   {"store8", 0},
                 {"store16", 1}, {"store32", 2},  {"store64", 3}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(text, parts[i].part) != NULL) {
            return parts[i].log2;
        }
    }
    return text[0] == 'v' ? 4 : text[1] == '3' ? 2 : 3;
}

static void put_memarg(struct gen *g, const char *text)
{
    uint32_t align = below(g, natural_align(text) + 1), memory = some_memory(g);
    uint32_t offset = chance(g, 95) ? below(g, 300) : (uint32_t)generate_random(&g->random);
    put_u32(g->out, memory != 0 ? align | 0x40 : align);
    if (memory != 0) {
        put_u32(g->out, memory);
    }
    put_u32(g->out, offset);
}

static uint32_t lanes_of(const char *text)
{
    const char *x = strchr(text, 'x');
    if (starts(text, "v128.")) { /* v128.load16_lane */
        return 16 >> natural_align(text);
    }
    return (uint32_t)(x[1] == '1' ? 16 : x[1] - '0');
}

/* Operands, opcode and immediates of an opcode with a fixed signature. */
static void put_plain(struct gen *g, uint32_t op, int depth)
{
    const struct wasm_op_info *info = wasm_op_info((uint16_t)op);
    const char *sig = info->sig;
    bool memory = info->imm == IMM_MEMARG || info->imm == IMM_MEMARG_LANE;

    for (const char *p = sig; *p != ':'; p++) {
        if (memory && p == sig) {
            put_address(g, depth);
        } else {
            put_expr(g, type_of_letter(*p), depth - 1);
        }
    }
    put_op(g, op);
    if (memory) {
        put_memarg(g, info->text);
    }
    if (info->imm == IMM_LANE || info->imm == IMM_MEMARG_LANE) {
        put(g, (uint8_t)below(g, lanes_of(info->text)));
    }
    for (int i = 0; info->imm == IMM_SHUFFLE && i < 16; i++) {
        put(g, (uint8_t)below(g, 32));
    }
    char result = strchr(sig, ':')[1];
    uint32_t nan_bits = result == '\0' ? 0 : open_nan_bits(info->text);
    if (nan_bits != 0 && strchr("fFv", result) != NULL) {
        put_canonical(g, type_of_letter(result), nan_bits);
    }
}

static bool has_plain_shape(const struct wasm_op_info *info)
{
    return info->text != NULL && info->sig != NULL &&
           (info->imm == IMM_NONE || info->imm == IMM_LANE || info->imm == IMM_SHUFFLE ||
            info->imm == IMM_MEMARG || info->imm == IMM_MEMARG_LANE);
}

/* A random opcode whose result is `letter` ('\0': none). */
static uint32_t some_op(struct gen *g, char letter)
{
    for (;;) {
        uint32_t op = chance(g, 50) ? below(g, 0x100) : 0x200 + below(g, 0x100);
        if (chance(g, 5)) {
            op = 0x100 + below(g, 8);
        }
        const struct wasm_op_info *info = wasm_op_info((uint16_t)op);
        if (has_plain_shape(info) && strchr(info->sig, ':')[1] == letter) {
            return op;
        }
    }
}

static void put_args(struct gen *g, const struct signature *s, int depth)
{
    for (uint32_t i = 0; i < s->nparams; i++) {
        put_expr(g, s->params[i], depth - 1);
    }
}

/* Call some function whose first result is of `type`, and drop a second one. */
static bool put_call(struct gen *g, uint32_t type, int depth)
{
    uint32_t f = below(g, g->nfuncs);
    const struct signature *s = &g->types[g->func_type[f]];
    if (s->nresults == 0 || s->results[0] != type) {
        return false;
    }
    put_args(g, s, depth);
    if (chance(g, 40)) {
        put_op(g, OP_I32_CONST);
        put_s64(g, chance(g, 90) ? (int64_t)f : (int64_t)below(g, TABLE_SIZE + 2));
        op_u32(g, OP_CALL_INDIRECT, g->func_type[f]);
        put_u32(g->out, 0);
    } else {
        op_u32(g, OP_CALL, f);
    }
    if (s->nresults == 2) {
        put_op(g, OP_DROP);
    }
    return true;
}

static void put_choice(struct gen *g, uint32_t type, int depth)
{
    switch (below(g, 5)) {
    case 0: /* if with a result */
        put_expr(g, 0, depth - 1);
        put_op(g, OP_IF);
        put(g, valtypes[type]);
        g->labels++;
        put_expr(g, type, depth - 1);
        put_op(g, OP_ELSE);
        put_expr(g, type, depth - 1);
        put_op(g, OP_END);
        g->labels--;
        return;
    case 1: /* leave a block early with a value */
        put_op(g, OP_BLOCK);
        put(g, valtypes[type]);
        g->labels++;
        put_expr(g, type, depth - 1);
        put_expr(g, 0, depth - 1);
        op_u32(g, OP_BR_IF, 0);
        put_op(g, OP_DROP);
        put_expr(g, type, depth - 1);
        put_op(g, OP_END);
        g->labels--;
        return;
    case 2:
        put_expr(g, type, depth - 1);
        op_u32(g, OP_LOCAL_TEE, local_of_type(g, type));
        return;
    default:
        put_expr(g, type, depth - 1);
        put_expr(g, type, depth - 1);
        put_expr(g, 0, depth - 1);
        if (chance(g, 50) || type == 4) {
            put_op(g, OP_SELECT_T);
            put(g, 1);
            put(g, valtypes[type]);
        } else {
            put_op(g, OP_SELECT);
        }
    }
}

static void put_expr(struct gen *g, uint32_t type, int depth)
{
    if (depth <= 0 || g->budget <= 0) {
        switch (below(g, 4)) {
        case 0:
            put_const(g, type);
            return;
        case 1:
            op_u32(g, OP_GLOBAL_GET, 1 + type);
            return;
        default:
            op_u32(g, OP_LOCAL_GET, local_of_type(g, type));
            return;
        }
    }
    uint32_t kind = below(g, 100);
    if (kind < 10 && put_call(g, type, depth)) {
        return;
    }
    if (kind < 25) {
        put_choice(g, type, depth);
    } else if (kind < 28 && type == 0) {
        op_u32(g, OP_MEMORY_SIZE, some_memory(g));
    } else if (kind < 30 && type == 0) {
        op_u32(g, OP_I32_CONST, below(g, 3));
        op_u32(g, OP_MEMORY_GROW, some_memory(g));
    } else if (kind < 32 && type == 0) {
        op_u32(g, OP_I32_CONST, below(g, TABLE_SIZE));
        op_u32(g, OP_TABLE_GET, 0);
        put_op(g, OP_REF_IS_NULL);
    } else {
        put_plain(g, some_op(g, letters[type]), depth);
    }
}

/* ---- statements */

static void put_stmts(struct gen *g, int depth);

/* Small bulk operations, usually in range. */
static void put_bulk(struct gen *g, int depth)
{
    uint32_t which = below(g, 7);
    if (which < 4) {
        put_address(g, depth);
    }
    switch (which) {
    case 0:
        put_expr(g, 0, 1);
        op_u32(g, OP_I32_CONST, below(g, 64));
        op_u32(g, OP_MEMORY_FILL, some_memory(g));
        return;
    case 1:
    case 2:
        put_address(g, depth);
        op_u32(g, OP_I32_CONST, below(g, 64));
        op_u32(g, OP_MEMORY_COPY, some_memory(g));
        put_u32(g->out, some_memory(g));
        return;
    case 3:
        op_u32(g, OP_I32_CONST, below(g, 40));
        op_u32(g, OP_I32_CONST, below(g, 40));
        op_u32(g, OP_MEMORY_INIT, 1);
        put_u32(g->out, some_memory(g));
        return;
    case 4:
        op_u32(g, OP_I32_CONST, below(g, TABLE_SIZE + 1));
        op_u32(g, OP_REF_FUNC, below(g, g->nfuncs));
        op_u32(g, OP_TABLE_SET, 0);
        return;
    case 5:
        op_u32(g, OP_I32_CONST, below(g, TABLE_SIZE));
        op_u32(g, OP_I32_CONST, below(g, TABLE_SIZE));
        op_u32(g, OP_I32_CONST, below(g, 4));
        op_u32(g, OP_TABLE_COPY, 0);
        put_u32(g->out, 0);
        return;
    default:
        op_u32(g, OP_DATA_DROP, 2);
    }
}

static void put_loop(struct gen *g, int depth)
{
    put_op(g, OP_LOOP);
    put(g, 0x40);
    g->labels++;
    put_fuel_check(g);
    put_stmts(g, depth - 1);
    put_expr(g, 0, 2);
    op_u32(g, OP_BR_IF, 0);
    put_op(g, OP_END);
    g->labels--;
}

/* Nested blocks and a jump out of one of them by number. */
static void put_switch(struct gen *g, int depth)
{
    uint32_t arms = 2 + below(g, 4);
    for (uint32_t i = 0; i < arms; i++) {
        put_op(g, OP_BLOCK);
        put(g, 0x40);
    }
    g->labels += arms;
    put_expr(g, 0, depth);
    put_op(g, OP_BR_TABLE);
    put_u32(g->out, arms - 1);
    for (uint32_t i = 0; i < arms; i++) {
        put_u32(g->out, below(g, arms));
    }
    for (uint32_t i = 0; i < arms; i++) {
        put_op(g, OP_END);
        g->labels--;
        put_stmts(g, depth - 1);
    }
}

static void put_return(struct gen *g, int depth)
{
    const struct signature *s = g->sig;
    uint32_t f = below(g, g->nfuncs);
    put_expr(g, 0, 2);
    put_op(g, OP_IF);
    put(g, 0x40);
    g->labels++;
    if (g->types[g->func_type[f]].nresults == s->nresults &&
        memcmp(g->types[g->func_type[f]].results, s->results, s->nresults) == 0 && chance(g, 60)) {
        put_args(g, &g->types[g->func_type[f]], depth);
        if (chance(g, 50)) {
            op_u32(g, OP_RETURN_CALL, f);
        } else {
            op_u32(g, OP_I32_CONST, f);
            op_u32(g, OP_RETURN_CALL_INDIRECT, g->func_type[f]);
            put_u32(g->out, 0);
        }
    } else {
        for (uint32_t i = 0; i < s->nresults; i++) {
            put_expr(g, s->results[i], depth - 1);
        }
        put_op(g, OP_RETURN);
    }
    put_op(g, OP_END);
    g->labels--;
}

static void put_stmt(struct gen *g, int depth)
{
    uint32_t kind = below(g, 100), type = below(g, NVALTYPES);
    if (kind < 30) {
        put_expr(g, type, EXPR_DEPTH);
        op_u32(g, OP_LOCAL_SET, local_of_type(g, type));
    } else if (kind < 40) {
        put_expr(g, type, EXPR_DEPTH);
        op_u32(g, OP_GLOBAL_SET, 1 + type);
    } else if (kind < 62) {
        put_plain(g, some_op(g, '\0'), EXPR_DEPTH - 1);
    } else if (kind < 70) {
        put_bulk(g, 2);
    } else if (kind < 74) {
        put_expr(g, type, EXPR_DEPTH);
        put_op(g, OP_DROP);
    } else if (kind < 80) {
        put_return(g, 2);
    } else if (depth > 0 && kind < 88) {
        put_loop(g, depth);
    } else if (depth > 0 && kind < 93) {
        put_switch(g, depth);
    } else if (depth > 0) {
        put_expr(g, 0, 3);
        put_op(g, OP_IF);
        put(g, 0x40);
        g->labels++;
        put_stmts(g, depth - 1);
        if (chance(g, 30)) {
            op_u32(g, OP_BR, below(g, 1));
        }
        put_op(g, OP_ELSE);
        put_stmts(g, depth - 1);
        put_op(g, OP_END);
        g->labels--;
    }
}

static void put_stmts(struct gen *g, int depth)
{
    uint32_t n = 1 + below(g, 4);
    for (uint32_t i = 0; i < n && g->budget > 0; i++) {
        put_stmt(g, depth);
    }
}

/* ---- sections */

static void put_section(struct strbuf *out, uint8_t id, struct strbuf *body)
{
    strbuf_add_char(out, (char)id);
    put_u32(out, (uint32_t)body->len);
    strbuf_add(out, strbuf_str(body));
    body->len = 0;
}

static void put_name(struct strbuf *b, const char *prefix, uint32_t number)
{
    char name[16];
    int len = snprintf(name, sizeof name, "%s%u", prefix, number);
    put_u32(b, (uint32_t)len);
    strbuf_add_bytes(b, name, (size_t)len);
}

static void put_body(struct gen *g, uint32_t f, struct strbuf *section)
{
    struct strbuf body = {0};
    struct strbuf *outer = g->out;
    g->out = &body;
    g->sig = &g->types[g->func_type[f]];
    g->budget = 400;
    g->labels = 0;
    put_u32(&body, 2 * NVALTYPES);
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        put_u32(&body, 2);
        put(g, valtypes[t]);
    }
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        put_u32(&body, 1);
        put(g, valtypes[t]);
    }
    put_fuel_check(g);
    put_stmts(g, STMT_DEPTH);
    put_stmts(g, STMT_DEPTH);
    for (uint32_t i = 0; i < g->sig->nresults; i++) {
        put_expr(g, g->sig->results[i], EXPR_DEPTH);
    }
    put_op(g, OP_END);
    put_u32(section, (uint32_t)body.len);
    strbuf_add(section, strbuf_str(&body));
    strbuf_fini(&body);
    g->out = outer;
}

static void put_types(struct gen *g, struct strbuf *s)
{
    put_u32(s, NTYPES);
    for (uint32_t i = 0; i < NTYPES; i++) {
        struct signature *t = &g->types[i];
        bool refuel = i == NTYPES - 1;
        t->nparams = refuel ? 0 : (uint8_t)below(g, 5);
        t->nresults = refuel ? 0 : (uint8_t)(i == 0 ? 1 : below(g, 3));
        strbuf_add_char(s, 0x60);
        put_u32(s, t->nparams);
        for (uint32_t k = 0; k < t->nparams; k++) {
            t->params[k] = (uint8_t)below(g, NVALTYPES);
            strbuf_add_char(s, (char)valtypes[t->params[k]]);
        }
        put_u32(s, t->nresults);
        for (uint32_t k = 0; k < t->nresults; k++) {
            t->results[k] = (uint8_t)below(g, NVALTYPES);
            strbuf_add_char(s, (char)valtypes[t->results[k]]);
        }
    }
}

static void put_globals(struct gen *g, struct strbuf *s)
{
    struct strbuf *outer = g->out;
    g->out = s;
    put_u32(s, NGLOBALS);
    strbuf_add_bytes(s, "\x7f\x01\x41\x00\x0b", 5);
    for (uint32_t t = 0; t < NVALTYPES; t++) {
        put(g, valtypes[t]);
        put(g, 1);
        put_const(g, t);
        put(g, OP_END);
    }
    g->out = outer;
}

static void put_exports(const struct gen *g, struct strbuf *s)
{
    put_u32(s, g->nfuncs + 2 + NGLOBALS);
    for (uint32_t i = 0; i < g->nfuncs; i++) {
        put_name(s, "f", i);
        strbuf_add_char(s, 0);
        put_u32(s, i);
    }
    strbuf_add_bytes(s, "\x06refuel\x00", 8);
    put_u32(s, g->nfuncs);
    strbuf_add_bytes(s, "\x01m\x02\x00", 4);
    for (uint32_t i = 0; i < NGLOBALS; i++) {
        put_name(s, "g", i);
        strbuf_add_char(s, 3);
        put_u32(s, i);
    }
}

static void put_segments(struct gen *g, struct strbuf *s)
{
    put_u32(s, 3);
    for (int i = 0; i < 3; i++) { /* one active, two passive */
        strbuf_add_bytes(s, i == 0 ? "\x00\x41\x10\x0b" : "\x01", i == 0 ? 4 : 1);
        put_u32(s, 64);
        for (int k = 0; k < 8; k++) {
            uint64_t word = generate_random(&g->random);
            strbuf_add_bytes(s, &word, 8);
        }
    }
}

void generate_module(uint64_t seed, struct strbuf *out)
{
    struct gen g = {.random = seed};
    struct strbuf s = {0};

    g.nfuncs = 1 + below(&g, MAX_FUNCS);
    g.two_memories = chance(&g, 30);
    strbuf_add_bytes(out, "\0asm\1\0\0\0", 8);
    put_types(&g, &s);
    put_section(out, 1, &s);

    put_u32(&s, g.nfuncs + 1);
    for (uint32_t i = 0; i < g.nfuncs; i++) {
        g.func_type[i] = i == 0 ? 0 : below(&g, NTYPES);
        put_u32(&s, g.func_type[i]);
    }
    g.func_type[g.nfuncs] = NTYPES - 1;
    put_u32(&s, NTYPES - 1);
    put_section(out, 3, &s);

    strbuf_add_bytes(&s, "\x01\x70\x00", 3);
    put_u32(&s, TABLE_SIZE);
    put_section(out, 4, &s);

    strbuf_add_bytes(&s, g.two_memories ? "\x02\x01\x01\x03\x01\x01\x02" : "\x01\x01\x01\x03",
                     g.two_memories ? 7 : 4);
    put_section(out, 5, &s);
    put_globals(&g, &s);
    put_section(out, 6, &s);
    put_exports(&g, &s);
    put_section(out, 7, &s);

    strbuf_add_bytes(&s, "\x01\x00\x41\x00\x0b", 5);
    put_u32(&s, g.nfuncs);
    for (uint32_t i = 0; i < g.nfuncs; i++) {
        put_u32(&s, i);
    }
    put_section(out, 9, &s);
    put_u32(&s, 3);
    put_section(out, 12, &s);

    put_u32(&s, g.nfuncs + 1);
    for (uint32_t i = 0; i < g.nfuncs; i++) {
        put_body(&g, i, &s);
    }
    /* refuel: g0 = GENERATE_FUEL */
    strbuf_add_bytes(&s, "\x07\x00\x41\xd0\x0f\x24\x00\x0b", 8);
    put_section(out, 10, &s);
    put_segments(&g, &s);
    put_section(out, 11, &s);
    strbuf_fini(&s);
}
