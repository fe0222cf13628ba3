/* wasm/instr.c - reading one instruction: its opcode, then its immediates by their shape.
 *
 * Everything known about an opcode comes from opcodes.def and the table of memory and lane
 * instructions below; nothing here knows what an instruction does. */
#include "wasm/instr.h"

#include <string.h>

#include "base/leb.h"
#include "wasm/types.h"

#define ACCESS(id, bytes) [OP_##id].access_bytes = (bytes)
#define LANES(id, n) [OP_##id].lanes = (n)
#define ACCESS_LANE(id, bytes) ACCESS(id, bytes), LANES(id, 16 / (bytes))

static const struct wasm_op_info op_table[WASM_OP_LIMIT] = {
#define OP(code, id, name, shape, types, bits)                                                               \
    [code].text = (name), [code].imm = (shape), [code].sig = (types), [code].feature = (bits),
#include "wasm/opcodes.def"
#undef OP
    /* clang-format off */
    ACCESS(I32_LOAD, 4), ACCESS(I64_LOAD, 8), ACCESS(F32_LOAD, 4), ACCESS(F64_LOAD, 8),
    ACCESS(I32_LOAD8_S, 1), ACCESS(I32_LOAD8_U, 1), ACCESS(I32_LOAD16_S, 2), ACCESS(I32_LOAD16_U, 2),
    ACCESS(I64_LOAD8_S, 1), ACCESS(I64_LOAD8_U, 1), ACCESS(I64_LOAD16_S, 2), ACCESS(I64_LOAD16_U, 2),
    ACCESS(I64_LOAD32_S, 4), ACCESS(I64_LOAD32_U, 4),
    ACCESS(I32_STORE, 4), ACCESS(I64_STORE, 8), ACCESS(F32_STORE, 4), ACCESS(F64_STORE, 8),
    ACCESS(I32_STORE8, 1), ACCESS(I32_STORE16, 2),
    ACCESS(I64_STORE8, 1), ACCESS(I64_STORE16, 2), ACCESS(I64_STORE32, 4),
    ACCESS(V128_LOAD, 16), ACCESS(V128_STORE, 16),
    ACCESS(V128_LOAD8X8_S, 8), ACCESS(V128_LOAD8X8_U, 8), ACCESS(V128_LOAD16X4_S, 8),
    ACCESS(V128_LOAD16X4_U, 8), ACCESS(V128_LOAD32X2_S, 8), ACCESS(V128_LOAD32X2_U, 8),
    ACCESS(V128_LOAD8_SPLAT, 1), ACCESS(V128_LOAD16_SPLAT, 2), ACCESS(V128_LOAD32_SPLAT, 4),
    ACCESS(V128_LOAD64_SPLAT, 8), ACCESS(V128_LOAD32_ZERO, 4), ACCESS(V128_LOAD64_ZERO, 8),
    ACCESS_LANE(V128_LOAD8_LANE, 1), ACCESS_LANE(V128_LOAD16_LANE, 2),
    ACCESS_LANE(V128_LOAD32_LANE, 4), ACCESS_LANE(V128_LOAD64_LANE, 8),
    ACCESS_LANE(V128_STORE8_LANE, 1), ACCESS_LANE(V128_STORE16_LANE, 2),
    ACCESS_LANE(V128_STORE32_LANE, 4), ACCESS_LANE(V128_STORE64_LANE, 8),
    LANES(I8X16_SHUFFLE, 32),
    LANES(I8X16_EXTRACT_LANE_S, 16), LANES(I8X16_EXTRACT_LANE_U, 16), LANES(I8X16_REPLACE_LANE, 16),
    LANES(I16X8_EXTRACT_LANE_S, 8), LANES(I16X8_EXTRACT_LANE_U, 8), LANES(I16X8_REPLACE_LANE, 8),
    LANES(I32X4_EXTRACT_LANE, 4), LANES(I32X4_REPLACE_LANE, 4),
    LANES(I64X2_EXTRACT_LANE, 2), LANES(I64X2_REPLACE_LANE, 2),
    LANES(F32X4_EXTRACT_LANE, 4), LANES(F32X4_REPLACE_LANE, 4),
    LANES(F64X2_EXTRACT_LANE, 2), LANES(F64X2_REPLACE_LANE, 2),
    /* clang-format on */
};

#undef ACCESS
#undef LANES
#undef ACCESS_LANE

/* Opcodes of proposals that this engine does not have, so that a refusal can name them. */
static const struct {
    uint16_t first, last; /* of a one-byte opcode or of a prefixed one, numbered as enum wasm_op */
    const char *proposal;
} later_ops[] = {
    {0x06, 0x07, "legacy exceptions"},
    {0x08, 0x08, "exceptions"},
    {0x09, 0x09, "legacy exceptions"},
    {0x0a, 0x0a, "exceptions"},
    {0x14, 0x15, "typed function references"},
    {0x18, 0x19, "legacy exceptions"},
    {0x1f, 0x1f, "exceptions"},
    {0xd3, 0xd3, "garbage collection"},
    {0xd4, 0xd6, "typed function references"},
    {0xfb, 0xfb, "garbage collection"},
    {0xfe, 0xfe, "threads"},
    {0x300, 0x313, "relaxed SIMD"},
};

const struct wasm_op_info *wasm_op_info(uint16_t op)
{
    static const struct wasm_op_info none = {0};
    return op < WASM_OP_LIMIT ? &op_table[op] : &none;
}

static weir_status refuse(const struct wasm_reader *r, const uint8_t *at, weir_status st, const char *text,
                          struct weir_report *rep)
{
    return weir_report_set(rep, st, (uint64_t)(at - r->m->bytes), r->section, "%s", text);
}

static weir_status refuse_leb(const struct wasm_reader *r, const uint8_t *at, unsigned bits,
                              struct weir_report *rep)
{
    return refuse(r, at, WEIR_E_MALFORMED, leb_error(at, r->end, bits), rep);
}

static weir_status refuse_end(const struct wasm_reader *r, struct weir_report *rep)
{
    return refuse(r, r->end, WEIR_E_MALFORMED, "unexpected end", rep);
}

static weir_status refuse_type(const struct wasm_reader *r, const uint8_t *at, weir_status st,
                               bool ref_expected, struct weir_report *rep)
{
    return refuse(r, at, st, wasm_type_refusal(*at, ref_expected), rep);
}

/* No row for this opcode: a later proposal's, or nobody's. */
static weir_status refuse_op(const struct wasm_reader *r, const uint8_t *at, uint32_t op,
                             struct weir_report *rep)
{
    uint64_t offset = (uint64_t)(at - r->m->bytes);
    for (size_t i = 0; i < sizeof later_ops / sizeof *later_ops; i++) {
        if (op >= later_ops[i].first && op <= later_ops[i].last) {
            return weir_report_set(rep, WEIR_E_UNSUPPORTED, offset, r->section,
                                   "illegal opcode %02x: %s is not supported", *at, later_ops[i].proposal);
        }
    }
    if (op >= 0x100) {
        return weir_report_set(rep, WEIR_E_MALFORMED, offset, r->section, "illegal opcode %02x %02x", *at,
                               op - (*at == 0xfc ? 0x100 : 0x200));
    }
    return weir_report_set(rep, WEIR_E_MALFORMED, offset, r->section, "illegal opcode %02x", *at);
}

static weir_status refuse_feature(const struct wasm_reader *r, const uint8_t *at, const char *text,
                                  struct weir_report *rep)
{
    return weir_report_set(rep, WEIR_E_UNSUPPORTED, (uint64_t)(at - r->m->bytes), r->section,
                           "%s needs a feature that is off", text);
}

static weir_status read_u32(struct wasm_reader *r, uint32_t *out, struct weir_report *rep)
{
    const uint8_t *next = leb_u32(r->at, r->end, out);
    if (next == NULL) {
        return refuse_leb(r, r->at, 32, rep);
    }
    r->at = next;
    return WEIR_OK;
}

static weir_status read_byte(struct wasm_reader *r, uint8_t *out, struct weir_report *rep)
{
    if (r->at == r->end) {
        return refuse_end(r, rep);
    }
    *out = *r->at++;
    return WEIR_OK;
}

static weir_status read_u32_pair(struct wasm_reader *r, uint32_t *first, uint32_t *second,
                                 struct weir_report *rep)
{
    weir_status st = read_u32(r, first, rep);
    return st != WEIR_OK ? st : read_u32(r, second, rep);
}

/* A memory index; with one memory only it is a zero byte (2.0). */
static weir_status read_memory(struct wasm_reader *r, uint32_t *out, struct weir_report *rep)
{
    if ((r->m->features & WASM_FEATURE_MULTI_MEMORY) != 0) {
        return read_u32(r, out, rep);
    }
    uint8_t byte;
    weir_status st = read_byte(r, &byte, rep);
    if (st == WEIR_OK && byte != 0) {
        return refuse(r, r->at - 1, WEIR_E_MALFORMED, "zero byte expected", rep);
    }
    *out = 0;
    return st;
}

static weir_status read_memarg(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    enum { HAS_MEMORY = 0x40, FLAGS_LIMIT = 0x80 };
    const uint8_t *at = r->at;
    uint32_t flags;
    weir_status st = read_u32(r, &flags, rep);

    if (st != WEIR_OK) {
        return st;
    }
    if (flags >= FLAGS_LIMIT) {
        return refuse(r, at, WEIR_E_MALFORMED, "malformed memop flags", rep);
    }
    in->mem.memory = 0;
    if ((flags & HAS_MEMORY) != 0) {
        if ((r->m->features & WASM_FEATURE_MULTI_MEMORY) == 0) {
            return refuse(r, at, WEIR_E_UNSUPPORTED, "malformed memop flags: multiple memories are off", rep);
        }
        st = read_u32(r, &in->mem.memory, rep);
        if (st != WEIR_OK) {
            return st;
        }
    }
    in->mem.align = flags & ~(uint32_t)HAS_MEMORY;
    const uint8_t *next = leb_u64(r->at, r->end, &in->mem.offset);
    if (next == NULL) {
        return refuse_leb(r, r->at, 64, rep);
    }
    r->at = next;
    return WEIR_OK;
}

/* Core spec 5.4.1: empty and value types are one byte, a type index is an s33 that is not negative. */
static weir_status read_block_type(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    const uint8_t *at = r->at;
    int64_t type;

    if (at == r->end) {
        return refuse_end(r, rep);
    }
    if ((*at & 0xc0) == 0x40) {
        weir_status st = *at == 0x40 ? WEIR_OK : wasm_valtype_check(*at, r->m->features);
        if (st != WEIR_OK) {
            return refuse_type(r, at, st, false, rep);
        }
        in->block_type = (int64_t)*at - 0x80;
        r->at = at + 1;
        return WEIR_OK;
    }
    const uint8_t *next = leb_s33(at, r->end, &type);
    if (next == NULL) {
        return refuse_leb(r, at, 33, rep);
    }
    if (type < 0) {
        return refuse(r, at, WEIR_E_MALFORMED, "malformed block type", rep);
    }
    in->block_type = type;
    r->at = next;
    return WEIR_OK;
}

static weir_status read_br_table(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    uint32_t label;
    weir_status st = read_u32(r, &in->count, rep);

    if (st != WEIR_OK) {
        return st;
    }
    in->labels = r->at;
    for (uint64_t i = 0; i <= in->count; i++) { /* ends at the latest with the bytes */
        st = read_u32(r, &label, rep);
        if (st != WEIR_OK) {
            return st;
        }
    }
    in->labels_end = r->at;
    return WEIR_OK;
}

static weir_status read_reftype(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    const uint8_t *at = r->at;
    weir_status st = read_byte(r, &in->type, rep);

    if (st != WEIR_OK) {
        return st;
    }
    st = wasm_reftype_check(*at);
    if (st == WEIR_E_MALFORMED && (*at & 0xc0) != 0x40) { /* no negative byte: a type index */
        return refuse(r, at, WEIR_E_UNSUPPORTED, "typed function references", rep);
    }
    return st == WEIR_OK ? WEIR_OK : refuse_type(r, at, st, true, rep);
}

static weir_status read_select(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    weir_status st = read_u32(r, &in->count, rep);

    in->type = WASM_UNKNOWN;
    for (uint32_t i = 0; st == WEIR_OK && i < in->count; i++) {
        const uint8_t *at = r->at;
        st = read_byte(r, &in->type, rep);
        if (st == WEIR_OK) {
            st = wasm_valtype_check(*at, r->m->features);
            if (st != WEIR_OK) {
                return refuse_type(r, at, st, false, rep);
            }
        }
    }
    return st;
}

static weir_status read_fixed(struct wasm_reader *r, void *out, size_t bytes, struct weir_report *rep)
{
    if ((size_t)(r->end - r->at) < bytes) {
        return refuse_end(r, rep);
    }
    memcpy(out, r->at, bytes);
    r->at += bytes;
    return WEIR_OK;
}

static weir_status read_i32(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    int32_t value;
    const uint8_t *next = leb_s32(r->at, r->end, &value);
    if (next == NULL) {
        return refuse_leb(r, r->at, 32, rep);
    }
    in->bits = (uint32_t)value;
    r->at = next;
    return WEIR_OK;
}

static weir_status read_i64(struct wasm_reader *r, struct wasm_instr *in, struct weir_report *rep)
{
    int64_t value;
    const uint8_t *next = leb_s64(r->at, r->end, &value);
    if (next == NULL) {
        return refuse_leb(r, r->at, 64, rep);
    }
    in->bits = (uint64_t)value;
    r->at = next;
    return WEIR_OK;
}

static weir_status read_immediates(struct wasm_reader *r, enum wasm_imm imm, struct wasm_instr *in,
                                   struct weir_report *rep)
{
    weir_status st;

    switch (imm) {
    case IMM_NONE:
        return WEIR_OK;
    case IMM_BLOCK:
        return read_block_type(r, in, rep);
    case IMM_LABEL:
    case IMM_FUNC:
    case IMM_LOCAL:
    case IMM_GLOBAL:
    case IMM_TABLE:
    case IMM_ELEM:
    case IMM_DATA:
        return read_u32(r, &in->index, rep);
    case IMM_CALL_INDIRECT:
    case IMM_TABLE_TABLE:
    case IMM_ELEM_TABLE:
        return read_u32_pair(r, &in->index, &in->index2, rep);
    case IMM_MEMORY:
        return read_memory(r, &in->index, rep);
    case IMM_MEMORY_MEMORY:
        st = read_memory(r, &in->index, rep);
        return st != WEIR_OK ? st : read_memory(r, &in->index2, rep);
    case IMM_DATA_MEMORY:
        st = read_u32(r, &in->index, rep);
        return st != WEIR_OK ? st : read_memory(r, &in->index2, rep);
    case IMM_MEMARG:
        return read_memarg(r, in, rep);
    case IMM_MEMARG_LANE:
        st = read_memarg(r, in, rep);
        return st != WEIR_OK ? st : read_byte(r, &in->mem.lane, rep);
    case IMM_I32:
        return read_i32(r, in, rep);
    case IMM_I64:
        return read_i64(r, in, rep);
    case IMM_F32:
        in->bits = 0;
        return read_fixed(r, &in->bits, 4, rep);
    case IMM_F64:
        return read_fixed(r, &in->bits, 8, rep);
    case IMM_V128:
    case IMM_SHUFFLE:
        return read_fixed(r, in->v128, 16, rep);
    case IMM_LANE:
        return read_byte(r, &in->lane, rep);
    case IMM_REFTYPE:
        return read_reftype(r, in, rep);
    case IMM_SELECT:
        return read_select(r, in, rep);
    case IMM_BR_TABLE:
        return read_br_table(r, in, rep);
    }
    return WEIR_E_MALFORMED;
}

/* The number after a prefix byte, as enum wasm_op counts; WASM_OP_LIMIT for what is beyond every table. */
static weir_status read_prefixed(struct wasm_reader *r, uint8_t prefix, uint32_t *op, struct weir_report *rep)
{
    uint32_t n;
    weir_status st = read_u32(r, &n, rep);

    if (st == WEIR_OK) {
        uint32_t base = prefix == 0xfc ? 0x100 : 0x200;
        uint32_t limit = prefix == 0xfc ? 0x200 : WASM_OP_LIMIT;
        *op = n < limit - base ? base + n : WASM_OP_LIMIT;
    }
    return st;
}

weir_status wasm_instr_read(struct wasm_reader *r, struct wasm_instr *out, struct weir_report *rep)
{
    const uint8_t *at = r->at;
    uint32_t op;

    if (at == r->end) {
        return refuse_end(r, rep);
    }
    op = *at;
    r->at = at + 1;
    if (op == 0xfc || op == 0xfd) {
        weir_status st = read_prefixed(r, *at, &op, rep);
        if (st != WEIR_OK) {
            return st;
        }
    }
    const struct wasm_op_info *info = wasm_op_info((uint16_t)op);
    if (info->text == NULL) {
        return refuse_op(r, at, op, rep);
    }
    if ((info->feature & ~r->m->features) != 0) {
        return refuse_feature(r, at, info->text, rep);
    }
    out->op = (uint16_t)op;
    out->offset = (uint32_t)(at - r->m->bytes);
    return read_immediates(r, info->imm, out, rep);
}

uint32_t wasm_br_table_next(struct wasm_instr *in)
{
    uint32_t label = 0;
    const uint8_t *next = leb_u32(in->labels, in->labels_end, &label);

    if (next != NULL) { /* wasm_instr_read checked every label */
        in->labels = next;
    }
    return label;
}

bool wasm_block_type(const struct wasm_module *m, int64_t block_type, struct wasm_functype *out, uint8_t *one)
{
    enum { EMPTY = -64 };

    if (block_type >= 0) {
        if (block_type >= m->ntypes) {
            return false;
        }
        *out = m->types[block_type];
        return true;
    }
    *out = (struct wasm_functype){0};
    if (block_type == EMPTY) {
        return true;
    }
    uint8_t type = (uint8_t)(block_type + 0x80);
    if (block_type < EMPTY || wasm_valtype_check(type, m->features) != WEIR_OK) {
        return false;
    }
    *one = type;
    out->nresults = 1;
    out->results = one;
    out->result_cells = wasm_valtype_cells(type);
    return true;
}
