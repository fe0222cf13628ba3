/* diff/gen.h - what the parts of the generator share: a module being made, and the bytes it becomes.
 *
 * Code is grown by the type it must leave on the stack (generate_expr.c) or as statements that leave nothing
 * (generate_stmt.c), products of 64 by 64 bits as weirc finds them (generate_wide.c); generate.c makes the
 * sections around it.  Every choice is taken from one random number, so a seed always gives the same module.
 */
#ifndef DIFF_GEN_H
#define DIFF_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "wasm/instr.h"

enum {
    MAX_FUNCS = 8,
    NTYPES = 8,          /* random function types; behind them the fixed ones */
    TYPE_PLAIN = NTYPES, /* () -> (): refuel, start */
    TYPE_MIX,            /* host: (i64, f64) -> i64 */
    TYPE_NOTE,           /* host: (i32) -> () */
    TYPE_SUM,            /* () -> (i64) */
    TYPES_ALL,
    MAX_PARAMS = 14,
    MAX_RESULTS = 4,
    NVALTYPES = 5,
    NGLOBALS = 1 + NVALTYPES + 2, /* the fuel, one of each type, two constant ones (i32, i64) */
    NSCRATCH = NVALTYPES,         /* locals behind the parameters: two of each type, one scratch of each, */
    NREFS = 2,                    /* then a funcref and an externref, */
    NPARTS = 3,                   /* and i64s for the parts of a wide product */
    TABLE_SIZE = 16,              /* table 0, of functions */
    SECOND_TABLE_SIZE = 6,        /* table 1, of functions; grows to SECOND_TABLE_MOST */
    SECOND_TABLE_MOST = 10,
    EXTERN_TABLE_SIZE = 5, /* table 2, of externref */
    NHOST = 2,             /* imported functions, if the module has any */
    EXPR_DEPTH = 5,
    STMT_DEPTH = 3,
    LABELS_MOST = 64,
};

struct signature {
    uint8_t nparams, nresults, params[MAX_PARAMS], results[MAX_RESULTS]; /* indices into gen_valtypes */
};

struct gen {
    uint64_t random;
    struct strbuf *out;
    struct signature types[TYPES_ALL];
    uint32_t nimports; /* 0 or NHOST; function indices begin with them */
    uint32_t nfuncs, func_type[MAX_FUNCS + 1];
    const struct signature *sig; /* of the function being made */
    uint32_t nlabels;
    bool plain[LABELS_MOST]; /* per label: a branch to it takes no operands */
    int budget;              /* instructions left for this function */
    bool two_memories, more_tables, start;
    bool fixed_table; /* no instruction changes table 0 */
    bool tame;        /* leave out most of what traps, so that the rest is reached */
};

extern const uint8_t gen_valtypes[NVALTYPES];
extern const char gen_letters[NVALTYPES + 1];

uint32_t gen_below(struct gen *g, uint32_t n);
bool gen_chance(struct gen *g, uint32_t percent);
void gen_byte(struct gen *g, uint8_t byte);
void gen_u32(struct strbuf *b, uint32_t v);
void gen_s64(struct gen *g, int64_t v);
/* An opcode, and one with an immediate index. */
void gen_op(struct gen *g, uint32_t op);
void gen_op_u32(struct gen *g, uint32_t op, uint32_t imm);
void gen_i32_const(struct gen *g, uint32_t v);
/* A block, loop or if; `type` is an encoded block type below 64.  Its end. */
void gen_open(struct gen *g, uint32_t op, uint32_t type, bool plain);
void gen_close(struct gen *g);

enum { GEN_NO_RESULT = 0x40 };

/* The index of the k-th function with a body. */
static inline uint32_t gen_func(const struct gen *g, uint32_t k)
{
    return g->nimports + k;
}

/* ---- generate_expr.c */

uint32_t gen_local_of_type(struct gen *g, uint32_t type);
uint32_t gen_ref_local(const struct gen *g, bool is_extern);
void gen_const(struct gen *g, uint32_t type);
void gen_expr(struct gen *g, uint32_t type, int depth);
/* The float on the stack (a lane of `bits`), with a canonical NaN if it is one. */
void gen_canonical(struct gen *g, uint32_t type, uint32_t bits);
void gen_args(struct gen *g, const struct signature *s, int depth);
void gen_fuel_check(struct gen *g);
void gen_address(struct gen *g, int depth);
uint32_t gen_some_memory(struct gen *g);
/* An opcode of a fixed signature whose result is `letter` ('\0': none), and its operands and itself. */
uint32_t gen_some_op(struct gen *g, char letter);
void gen_plain(struct gen *g, uint32_t op, int depth);

/* ---- generate_wide.c */

/* An i64 that is, or nearly is, a half of a product of 64 by 64 bits made of four narrow ones. */
void gen_wide(struct gen *g);

/* ---- generate_stmt.c */

void gen_stmts(struct gen *g, int depth);

#endif
