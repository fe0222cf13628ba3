/* wasm/module.h - a WebAssembly module as data: what decoding produces, what everything later reads.
 *
 * A decoded module points into the bytes it was decoded from (names, bodies, data); the caller keeps
 * them alive.  All arrays live in the module's arena.  It is immutable once validated.  Function bodies stay
 * bytecode: walk them with wasm/instr.h.  Index spaces put imports first (core spec 2.5.1). */
#ifndef WASM_MODULE_H
#define WASM_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "weir/status.h"

/* Value types are one byte, as in the binary format (core spec 5.3); see enum weir_valtype. */
enum wasm_valtype {
    WASM_I32 = 0x7f,
    WASM_I64 = 0x7e,
    WASM_F32 = 0x7d,
    WASM_F64 = 0x7c,
    WASM_V128 = 0x7b,
    WASM_FUNCREF = 0x70,
    WASM_EXTERNREF = 0x6f,
    WASM_UNKNOWN = 0x00, /* validation's bottom type: any operand of unreachable code */
};

/* Bits of `features`, the same as enum weir_feature. */
enum wasm_feature {
    WASM_FEATURE_SIMD = 1 << 0,
    WASM_FEATURE_TAIL_CALL = 1 << 1,
    WASM_FEATURE_EXTENDED_CONST = 1 << 2,
    WASM_FEATURE_MULTI_MEMORY = 1 << 3,
    WASM_FEATURES_ALL = (1 << 4) - 1,
};

/* What the implementation takes at most; over it is WEIR_E_LIMIT (docs/lexicon.md). */
enum {
    WASM_MAX_PAGES = 65536,
    WASM_PAGE_BYTES = 65536,
    WASM_MAX_TABLE = 10000000,       /* elements; checked when an instance is made */
    WASM_MAX_LOCALS = 50000,         /* of one function, parameters included */
    WASM_MAX_LOCALS_TOTAL = 1 << 24, /* of all functions: three bytes may declare WASM_MAX_LOCALS */
    WASM_MAX_OPERANDS = 1 << 20,     /* values on the operand stack of a function */
    WASM_MAX_BLOCKS = 1 << 16,       /* blocks inside each other */
    WASM_MAX_BODY_BYTES = 8 << 20,
    WASM_MAX_PARAMS = 1000,
    WASM_MAX_RESULTS = 1000,
    WASM_MAX_ITEMS = 1000000, /* functions, types, globals, segments, exports, imports, each */
};

/* Cells (64 bits) a value of this type takes: 2 for v128, else 1. */
static inline uint32_t wasm_valtype_cells(uint8_t type)
{
    return type == WASM_V128 ? 2 : 1;
}

/* Layout-compatible with struct weir_functype. */
struct wasm_functype {
    uint32_t nparams, nresults;
    const uint8_t *params, *results; /* enum wasm_valtype */
    uint32_t param_cells, result_cells;
};

struct wasm_limits {
    uint32_t min;
    uint32_t max; /* UINT32_MAX when absent; has_max tells */
    bool has_max;
};

struct wasm_tabletype {
    uint8_t elem; /* WASM_FUNCREF or WASM_EXTERNREF */
    struct wasm_limits limits;
};

struct wasm_globaltype {
    uint8_t type;
    bool mutable;
};

enum wasm_externkind { WASM_EXTERN_FUNC, WASM_EXTERN_TABLE, WASM_EXTERN_MEMORY, WASM_EXTERN_GLOBAL };

struct wasm_import {
    struct str module, name;
    enum wasm_externkind kind;
    uint32_t typeidx; /* of a function */
    union {
        struct wasm_tabletype table;
        struct wasm_limits memory; /* pages */
        struct wasm_globaltype global;
    };
    uint32_t index; /* in the index space of its kind */
};

struct wasm_export {
    struct str name;
    enum wasm_externkind kind;
    uint32_t index;
};

/* A constant expression: the bytes from its first opcode to its `end`, inclusive. */
struct wasm_constexpr {
    const uint8_t *at, *end;
};

struct wasm_func {
    uint32_t typeidx;
    bool imported;
    bool referenced; /* by an element segment, an export, a ref.func in a global: C.refs */
    /* the rest only when defined here: */
    const uint8_t *body, *body_end; /* first opcode after the local declarations .. after the final end */
    uint32_t nlocals;               /* parameters included */
    const uint8_t *locals;          /* nlocals value types, parameters first */
};

struct wasm_table {
    struct wasm_tabletype type;
    bool imported;
};

struct wasm_memory {
    struct wasm_limits limits; /* pages */
    bool imported;
};

struct wasm_global {
    struct wasm_globaltype type;
    bool imported;
    struct wasm_constexpr init; /* when defined here */
};

enum wasm_segment_mode { WASM_SEGMENT_ACTIVE, WASM_SEGMENT_PASSIVE, WASM_SEGMENT_DECLARED };

struct wasm_elem {
    enum wasm_segment_mode mode;
    uint8_t type;      /* WASM_FUNCREF or WASM_EXTERNREF */
    uint32_t tableidx; /* active */
    struct wasm_constexpr offset;
    uint32_t n;
    const uint32_t *funcs;              /* n function indices, or */
    const struct wasm_constexpr *exprs; /* n expressions; one of the two is NULL */
};

struct wasm_data {
    enum wasm_segment_mode mode;
    uint32_t memidx;
    struct wasm_constexpr offset;
    const uint8_t *at;
    uint32_t len;
};

struct wasm_custom {
    struct str name;
    const uint8_t *at;
    size_t len;
};

struct wasm_module {
    struct arena arena;
    const uint8_t *bytes;
    size_t len;
    uint32_t features;

    uint32_t ntypes, nimports, nfuncs, ntables, nmemories, nglobals, nexports, nelems, ndatas, ncustoms;
    uint32_t nimported_funcs, nimported_tables, nimported_memories, nimported_globals;
    struct wasm_functype *types;
    struct wasm_import *imports;
    struct wasm_func *funcs;
    struct wasm_table *tables;
    struct wasm_memory *memories;
    struct wasm_global *globals;
    struct wasm_export *exports;
    struct wasm_elem *elems;
    struct wasm_data *datas;
    struct wasm_custom *customs;

    bool has_start, has_data_count;
    uint32_t start; /* function index */
};

/* Decode `bytes` (which must outlive the module).  WEIR_OK: *out is the caller's, not yet validated.
 * WEIR_E_MALFORMED; WEIR_E_UNSUPPORTED: needs a feature that is off or absent; WEIR_E_LIMIT; WEIR_E_INVALID:
 * a table or memory whose size does not fit 32 bits. */
weir_status wasm_module_decode(const uint8_t *bytes, size_t len, uint32_t features, struct wasm_module **out,
                               struct weir_report *rep);

/* Validate the whole module (core spec 3).  WEIR_E_INVALID, or where a body's bytes are no instructions
 * WEIR_E_MALFORMED or WEIR_E_UNSUPPORTED; WEIR_E_LIMIT.  Marks `referenced` functions.  Linear in the
 * module's size. */
weir_status wasm_module_validate(struct wasm_module *m, struct weir_report *rep);

void wasm_module_free(struct wasm_module *m); /* NULL is fine */

static inline const struct wasm_functype *wasm_func_type(const struct wasm_module *m, uint32_t funcidx)
{
    return &m->types[m->funcs[funcidx].typeidx];
}

bool wasm_functype_eq(const struct wasm_functype *a, const struct wasm_functype *b);
const struct wasm_export *wasm_module_find_export(const struct wasm_module *m, struct str name);
const struct wasm_custom *wasm_module_find_custom(const struct wasm_module *m, struct str name);

/* A function's name from the name section, else from an export, else an import's field; the
 * bytes are the module's.  Length 0 if it has none.  Linear in the name section: wasm/names.h indexes it. */
struct str wasm_func_name(const struct wasm_module *m, uint32_t funcidx);

#endif
