/* wasm/validate.h - the state of one validation, shared by validate*.c.
 *
 * One checker serves all functions of a module, so that its two stacks grow once.  Private to validate*.c. */
#ifndef WASM_VALIDATE_H
#define WASM_VALIDATE_H

#include "base/vec.h"
#include "wasm/instr.h"

/* An entry of the control stack: the function itself, a block, a loop or an if (core spec, appendix
 * "Validation Algorithm"). */
struct validate_frame {
    const uint8_t *params, *results;
    uint32_t nparams, nresults;
    uint32_t height;  /* of the operand stack where it began, its parameters taken off */
    uint32_t stamp;   /* the br_table that checked this label latest */
    uint16_t op;      /* OP_BLOCK, also for the function; OP_LOOP, OP_IF, OP_ELSE */
    bool unreachable; /* after an unconditional branch: operands below `height` are of any type */
};

struct wasm_checker {
    struct wasm_module *m;
    struct weir_report *rep;
    struct wasm_reader reader;
    struct wasm_instr in;
    const struct wasm_op_info *info; /* of `in` */
    const struct wasm_func *func;    /* whose body is checked; NULL in a constant expression */
    uint32_t nbr_tables;             /* of this body so far */

    /* Operand types, WASM_UNKNOWN included. */
    uint8_t *operands;
    uint32_t noperands;
    size_t operands_cap;
    VEC(struct validate_frame) frames;
};

/* Record a failure at the current instruction; returns `st`. */
weir_status validate_fail(struct wasm_checker *c, weir_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Room for `n` more operands; WEIR_E_LIMIT beyond WASM_MAX_OPERANDS. */
weir_status validate_reserve(struct wasm_checker *c, uint32_t n);

/* The body of a function defined in the module, whose type index is in range. */
weir_status validate_func(struct wasm_checker *c, const struct wasm_func *func);

/* An expression that must be constant and leave one value of `type`; globals below `nglobals` are in
 * scope.  Marks the functions of ref.func. */
weir_status validate_constexpr(struct wasm_checker *c, const struct wasm_constexpr *expr, uint8_t type,
                               uint32_t nglobals, const char *section);

#endif
