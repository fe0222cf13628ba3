/* wasm/instr.h - one instruction after another out of a function body.
 *
 * The decoder of immediates that validation, the interpreter's lowering and weirc share.  Which
 * immediates an opcode has, its operand types and its feature stand in wasm/opcodes.def, one row an opcode.
 */
#ifndef WASM_INSTR_H
#define WASM_INSTR_H

#include <stdbool.h>
#include <stdint.h>

#include "wasm/module.h"

/* Opcodes: one-byte ones are themselves; 0xfc-prefixed are 0x100 + n, 0xfd-prefixed (SIMD) 0x200 + n.
 * OP_I32_ADD and so on, from opcodes.def. */
enum wasm_op {
#define OP(code, id, text, imm, sig, feature) OP_##id = code,
#include "wasm/opcodes.def"
#undef OP
    WASM_OP_LIMIT = 0x400, /* every opcode is below */
};

/* Shapes of immediates; the fields of struct wasm_instr they fill. */
enum wasm_imm {
    IMM_NONE,
    IMM_BLOCK,         /* block: block_type */
    IMM_LABEL,         /* index: br, br_if */
    IMM_BR_TABLE,      /* br_table: count (labels before the default); read them with wasm_br_table_next */
    IMM_FUNC,          /* index: call, return_call, ref.func */
    IMM_CALL_INDIRECT, /* index = type, index2 = table */
    IMM_LOCAL,         /* index */
    IMM_GLOBAL,        /* index */
    IMM_TABLE,         /* index */
    IMM_TABLE_TABLE,   /* table.copy: index = destination, index2 = source */
    IMM_ELEM,          /* elem.drop: index */
    IMM_ELEM_TABLE,    /* table.init: index = element segment, index2 = table */
    IMM_MEMARG,        /* mem: align, offset, memory */
    IMM_MEMORY,        /* memory.size/grow/fill: index */
    IMM_MEMORY_MEMORY, /* memory.copy: index = destination, index2 = source */
    IMM_DATA,          /* data.drop: index */
    IMM_DATA_MEMORY,   /* memory.init: index = data segment, index2 = memory */
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,         /* bits: zero-extended */
    IMM_V128,        /* v128 */
    IMM_SHUFFLE,     /* v128: 16 lane numbers */
    IMM_LANE,        /* lane */
    IMM_MEMARG_LANE, /* mem and lane */
    IMM_REFTYPE,     /* type: ref.null */
    IMM_SELECT,      /* select t: count, type (count must be 1 to validate) */
};

struct wasm_instr {
    uint16_t op;     /* enum wasm_op */
    uint32_t offset; /* of the opcode in the module's bytes */
    union {
        struct {
            uint32_t index, index2;
        };
        struct {
            uint32_t align, memory;
            uint64_t offset;
            uint8_t lane;
        } mem; /* align is log2 */
        struct {
            uint32_t count;
            const uint8_t *labels, *labels_end;
            uint8_t type;
        };
        struct {
            int64_t block_type;
        }; /* -64: empty; negative: a value type, see wasm_block_type; else a type index */
        uint64_t bits;
        uint8_t v128[16];
        uint8_t lane;
    };
};

/* Static properties of an opcode, a row of opcodes.def. */
struct wasm_op_info {
    const char *text; /* "i32.add"; NULL where there is no such opcode */
    enum wasm_imm imm;
    const char *sig;      /* "ii:i" with the letters i I f F v, or NULL where it depends on the context */
    uint32_t feature;     /* enum wasm_feature that must be on, or 0 */
    uint8_t access_bytes; /* of a memory instruction with a memarg: bytes it touches, its natural alignment */
    uint8_t lanes;        /* of an instruction with a lane or shuffle immediate: lane numbers are below */
};

const struct wasm_op_info *wasm_op_info(uint16_t op); /* never NULL */

struct wasm_reader {
    const struct wasm_module *m;
    const uint8_t *at, *end;
    const char *section; /* for reports; "code" unless set otherwise */
};

static inline struct wasm_reader wasm_reader_of(const struct wasm_module *m, const uint8_t *at,
                                                const uint8_t *end)
{
    return (struct wasm_reader){m, at, end, "code"};
}

/* Read one instruction and step over it.  WEIR_E_MALFORMED: no such opcode, or its immediates are
 * cut short or ill-formed.  WEIR_E_UNSUPPORTED: its feature is off.  On a validated body it cannot fail. */
weir_status wasm_instr_read(struct wasm_reader *r, struct wasm_instr *out, struct weir_report *rep);

/* The next label of a br_table; call count + 1 times, the last is the default. */
uint32_t wasm_br_table_next(struct wasm_instr *in);

/* Parameters and results of a block: `*one` is room for a single result type.
 * False if the type index is out of range or the value type unknown. */
bool wasm_block_type(const struct wasm_module *m, int64_t block_type, struct wasm_functype *out,
                     uint8_t *one);

#endif
