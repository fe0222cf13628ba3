/* diff/generate_expr.c - expressions: operands are grown by type, then the opcode that takes them. */
#include <string.h>

#include "base/bytes.h"
#include "diff/gen.h"
#include "diff/generate.h"

static uint32_t type_of_letter(char c)
{
    return (uint32_t)(strchr(gen_letters, c) - gen_letters);
}

/* ---- locals: parameters, two of each type, one scratch of each type */

uint32_t gen_local_of_type(struct gen *g, uint32_t type)
{
    uint32_t candidates[MAX_PARAMS + 2], n = 0;
    for (uint32_t i = 0; i < g->sig->nparams; i++) {
        if (g->sig->params[i] == type) {
            candidates[n++] = i;
        }
    }
    candidates[n++] = g->sig->nparams + 2 * type;
    candidates[n++] = g->sig->nparams + 2 * type + 1;
    return candidates[gen_below(g, n)];
}

static uint32_t scratch_of_type(const struct gen *g, uint32_t type)
{
    return g->sig->nparams + 2 * NVALTYPES + type;
}

uint32_t gen_ref_local(const struct gen *g, bool is_extern)
{
    return g->sig->nparams + 2 * NVALTYPES + NSCRATCH + (is_extern ? 1 : 0);
}

/* ---- constants */

void gen_const(struct gen *g, uint32_t type)
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
    bool known = gen_chance(g, 70);
    uint8_t bytes[16];

    switch (type) {
    case 0:
        gen_op(g, OP_I32_CONST);
        gen_s64(g, (int32_t)(known ? ints[random % 14] : (int64_t)random));
        return;
    case 1:
        gen_op(g, OP_I64_CONST);
        gen_s64(g, known ? ints[random % 16] : (int64_t)random);
        return;
    case 2:
        gen_op(g, OP_F32_CONST);
        bytes_put_u32(bytes, known ? floats[random % 12] : (uint32_t)random);
        strbuf_add_bytes(g->out, bytes, 4);
        return;
    case 3:
        gen_op(g, OP_F64_CONST);
        bytes_put_u64(bytes, known ? doubles[random % 12] : random);
        strbuf_add_bytes(g->out, bytes, 8);
        return;
    default:
        gen_op(g, OP_V128_CONST);
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
void gen_canonical(struct gen *g, uint32_t type, uint32_t bits)
{
    uint32_t s = scratch_of_type(g, type);
    uint8_t nan[16];

    gen_op_u32(g, OP_LOCAL_SET, s);
    gen_op_u32(g, OP_LOCAL_GET, s);
    for (uint32_t at = 0; at < 16; at += bits / 8) {
        bits == 32 ? bytes_put_u32(nan + at, 0x7fc00000) : bytes_put_u64(nan + at, 0x7ff8000000000000);
    }
    gen_op(g, type == 2 ? OP_F32_CONST : type == 3 ? OP_F64_CONST : OP_V128_CONST);
    strbuf_add_bytes(g->out, nan, type == 4 ? 16 : bits / 8);
    gen_op_u32(g, OP_LOCAL_GET, s);
    gen_op_u32(g, OP_LOCAL_GET, s);
    if (type == 4) {
        gen_op(g, bits == 32 ? OP_F32X4_EQ : OP_F64X2_EQ);
        gen_op(g, OP_V128_BITSELECT);
    } else {
        gen_op(g, bits == 32 ? OP_F32_EQ : OP_F64_EQ);
        gen_op(g, OP_SELECT);
    }
}

/* ---- expressions */

void gen_fuel_check(struct gen *g)
{
    gen_op_u32(g, OP_GLOBAL_GET, 0);
    gen_i32_const(g, 1);
    gen_op(g, OP_I32_SUB);
    gen_op_u32(g, OP_GLOBAL_SET, 0);
    gen_op_u32(g, OP_GLOBAL_GET, 0);
    gen_i32_const(g, 0);
    gen_op(g, OP_I32_LT_S);
    gen_open(g, OP_IF, GEN_NO_RESULT, true);
    if (g->tame) {
        for (uint32_t i = 0; i < g->sig->nresults; i++) {
            gen_const(g, g->sig->results[i]);
        }
        gen_op(g, OP_RETURN);
    } else {
        gen_op(g, OP_UNREACHABLE);
    }
    gen_close(g);
}

/* Usually inside of the first page. */
void gen_address(struct gen *g, int depth)
{
    gen_expr(g, 0, depth - 1);
    if (g->tame || !gen_chance(g, 3)) {
        gen_op(g, OP_I32_CONST);
        gen_s64(g, 0xffff);
        gen_op(g, OP_I32_AND);
    }
}

uint32_t gen_some_memory(struct gen *g)
{
    return g->two_memories && gen_chance(g, 25) ? 1 : 0;
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
    uint32_t align = gen_below(g, natural_align(text) + 1), memory = gen_some_memory(g);
    uint32_t offset =
        g->tame || gen_chance(g, 95) ? gen_below(g, 300) : (uint32_t)generate_random(&g->random);
    gen_u32(g->out, memory != 0 ? align | 0x40 : align);
    if (memory != 0) {
        gen_u32(g->out, memory);
    }
    gen_u32(g->out, offset);
}

static uint32_t lanes_of(const char *text)
{
    const char *x = strchr(text, 'x');
    if (starts(text, "v128.")) { /* v128.load16_lane */
        return 16 >> natural_align(text);
    }
    return (uint32_t)(x[1] == '1' ? 16 : x[1] - '0');
}

/* Make a divisor odd, so that it is not 0. */
static void put_odd(struct gen *g, uint32_t op)
{
    bool wide = op >= OP_I64_DIV_S;
    gen_op(g, wide ? OP_I64_CONST : OP_I32_CONST);
    gen_s64(g, 1);
    gen_op(g, wide ? OP_I64_OR : OP_I32_OR);
}

static bool divides(uint32_t op)
{
    return (op >= OP_I32_DIV_S && op <= OP_I32_REM_U) || (op >= OP_I64_DIV_S && op <= OP_I64_REM_U);
}

/* Operands, opcode and immediates of an opcode with a fixed signature. */
void gen_plain(struct gen *g, uint32_t op, int depth)
{
    const struct wasm_op_info *info = wasm_op_info((uint16_t)op);
    const char *sig = info->sig;
    bool memory = info->imm == IMM_MEMARG || info->imm == IMM_MEMARG_LANE;

    for (const char *p = sig; *p != ':'; p++) {
        if (memory && p == sig) {
            gen_address(g, depth);
        } else {
            gen_expr(g, type_of_letter(*p), depth - 1);
        }
    }
    if (g->tame && divides(op)) {
        put_odd(g, op);
    }
    gen_op(g, op);
    if (memory) {
        put_memarg(g, info->text);
    }
    if (info->imm == IMM_LANE || info->imm == IMM_MEMARG_LANE) {
        gen_byte(g, (uint8_t)gen_below(g, lanes_of(info->text)));
    }
    for (int i = 0; info->imm == IMM_SHUFFLE && i < 16; i++) {
        gen_byte(g, (uint8_t)gen_below(g, 32));
    }
    char result = strchr(sig, ':')[1];
    uint32_t nan_bits = result == '\0' ? 0 : open_nan_bits(info->text);
    if (nan_bits != 0 && strchr("fFv", result) != NULL) {
        gen_canonical(g, type_of_letter(result), nan_bits);
    }
}

static bool has_plain_shape(const struct wasm_op_info *info)
{
    return info->text != NULL && info->sig != NULL &&
           (info->imm == IMM_NONE || info->imm == IMM_LANE || info->imm == IMM_SHUFFLE ||
            info->imm == IMM_MEMARG || info->imm == IMM_MEMARG_LANE);
}

/* A random opcode whose result is `letter` ('\0': none). */
uint32_t gen_some_op(struct gen *g, char letter)
{
    for (;;) {
        uint32_t op = gen_chance(g, 50) ? gen_below(g, 0x100) : 0x200 + gen_below(g, 0x100);
        if (gen_chance(g, 5)) {
            op = 0x100 + gen_below(g, 8);
        }
        const struct wasm_op_info *info = wasm_op_info((uint16_t)op);
        if (g->tame && op >= OP_I32_TRUNC_F32_S && op <= OP_I64_TRUNC_F64_U &&
            starts(strchr(info->text, '.'), ".trunc")) {
            continue; /* they trap on half of all numbers; the saturating ones are left */
        }
        if (has_plain_shape(info) && strchr(info->sig, ':')[1] == letter) {
            return op;
        }
    }
}

void gen_args(struct gen *g, const struct signature *s, int depth)
{
    for (uint32_t i = 0; i < s->nparams; i++) {
        gen_expr(g, s->params[i], depth - 1);
    }
}

/* Call some function whose first result is of `type`, and drop the others. */
static bool put_call(struct gen *g, uint32_t type, int depth)
{
    uint32_t f = gen_below(g, g->nfuncs);
    const struct signature *s = &g->types[g->func_type[f]];
    if (g->nimports != 0 && type == 1 && gen_chance(g, 30)) {
        gen_args(g, &g->types[TYPE_MIX], depth);
        gen_op_u32(g, OP_CALL, 0);
        return true;
    }
    if (s->nresults == 0 || s->results[0] != type) {
        return false;
    }
    gen_args(g, s, depth);
    if (gen_chance(g, 50)) {
        uint32_t table = g->more_tables && gen_chance(g, 30) ? 1 : 0;
        if (!g->tame && gen_chance(g, 10)) {
            gen_expr(g, 0, 1);
            gen_i32_const(g, TABLE_SIZE - 1);
            gen_op(g, OP_I32_AND);
        } else {
            table = g->tame && !g->fixed_table ? 0 : table;
            gen_i32_const(g, g->tame || gen_chance(g, 90) ? gen_func(g, f) : gen_below(g, TABLE_SIZE + 2));
        }
        gen_op_u32(g, OP_CALL_INDIRECT, g->func_type[f]);
        gen_u32(g->out, table);
    } else {
        gen_op_u32(g, OP_CALL, gen_func(g, f));
    }
    for (uint32_t i = 1; i < s->nresults; i++) {
        gen_op(g, OP_DROP);
    }
    return true;
}

/* Two blocks, and a jump out of one of them with a value. */
static void put_value_switch(struct gen *g, uint32_t type, int depth)
{
    gen_open(g, OP_BLOCK, gen_valtypes[type], false);
    gen_open(g, OP_BLOCK, gen_valtypes[type], false);
    gen_expr(g, type, depth - 1);
    gen_expr(g, 0, depth - 1);
    gen_op_u32(g, OP_BR_TABLE, 3);
    for (int i = 0; i < 4; i++) {
        gen_u32(g->out, gen_below(g, 2));
    }
    gen_close(g);
    gen_op(g, OP_DROP);
    gen_expr(g, type, depth - 1);
    gen_close(g);
}

static void put_choice(struct gen *g, uint32_t type, int depth)
{
    switch (gen_below(g, 6)) {
    case 0: /* if with a result */
        gen_expr(g, 0, depth - 1);
        gen_open(g, OP_IF, gen_valtypes[type], false);
        gen_expr(g, type, depth - 1);
        gen_op(g, OP_ELSE);
        gen_expr(g, type, depth - 1);
        gen_close(g);
        return;
    case 1: /* leave a block early with a value */
        gen_open(g, OP_BLOCK, gen_valtypes[type], false);
        gen_expr(g, type, depth - 1);
        gen_expr(g, 0, depth - 1);
        gen_op_u32(g, OP_BR_IF, 0);
        gen_op(g, OP_DROP);
        gen_expr(g, type, depth - 1);
        gen_close(g);
        return;
    case 2:
        gen_expr(g, type, depth - 1);
        gen_op_u32(g, OP_LOCAL_TEE, gen_local_of_type(g, type));
        return;
    case 3:
        put_value_switch(g, type, depth);
        return;
    default:
        gen_expr(g, type, depth - 1);
        gen_expr(g, type, depth - 1);
        gen_expr(g, 0, depth - 1);
        if (gen_chance(g, 50) || type == 4) {
            gen_op(g, OP_SELECT_T);
            gen_byte(g, 1);
            gen_byte(g, gen_valtypes[type]);
        } else {
            gen_op(g, OP_SELECT);
        }
    }
}

/* An i32 out of tables and memories. */
static void put_size(struct gen *g)
{
    uint32_t table = g->more_tables ? gen_below(g, 3) : 0;
    switch (gen_below(g, 6)) {
    case 0:
        gen_i32_const(g, gen_below(g, 3));
        gen_op_u32(g, OP_MEMORY_GROW, gen_some_memory(g));
        return;
    case 1:
        gen_op_u32(g, OP_TABLE_SIZE, table);
        return;
    case 2: /* rarely out of bounds */
        gen_i32_const(g, gen_below(g, table == 0 ? TABLE_SIZE : EXTERN_TABLE_SIZE));
        gen_op_u32(g, OP_TABLE_GET, table);
        gen_op(g, OP_REF_IS_NULL);
        return;
    case 3:
        if (table != 0) {
            gen_op_u32(g, OP_LOCAL_GET, gen_ref_local(g, table == 2));
            gen_i32_const(g, gen_below(g, 4));
            gen_op_u32(g, OP_TABLE_GROW, table);
            return;
        }
        gen_op_u32(g, OP_LOCAL_GET, gen_ref_local(g, gen_chance(g, 50)));
        gen_op(g, OP_REF_IS_NULL);
        return;
    default:
        gen_op_u32(g, OP_MEMORY_SIZE, gen_some_memory(g));
    }
}

void gen_expr(struct gen *g, uint32_t type, int depth)
{
    if (depth <= 0 || g->budget <= 0) {
        switch (gen_below(g, 4)) {
        case 0:
            gen_const(g, type);
            return;
        case 1:
            gen_op_u32(g, OP_GLOBAL_GET, type < 2 && gen_chance(g, 20) ? 1 + NVALTYPES + type : 1 + type);
            return;
        default:
            gen_op_u32(g, OP_LOCAL_GET, gen_local_of_type(g, type));
            return;
        }
    }
    uint32_t kind = gen_below(g, 100);
    if (kind < 10 && put_call(g, type, depth)) {
        return;
    }
    if (kind < 25) {
        put_choice(g, type, depth);
    } else if (kind < 32 && type == 0) {
        put_size(g);
    } else if (kind < 32 && type == 1) {
        gen_wide(g);
    } else {
        gen_plain(g, gen_some_op(g, gen_letters[type]), depth);
    }
}
