/* interp/code.h - the internal code: what lowering writes and handlers execute.
 *
 * A function's code is an array of 64-bit words.  An instruction is the address of its handler, then one
 * word of operands, then up to two words of immediates or a table.  The word of operands holds four 16-bit
 * slot numbers (0 is the destination where there is one), or two and a 32-bit offset, immediate or branch
 * distance in its upper half.  Branch distances are bytes from the instruction's first word.
 *
 * A frame is an array of 64-bit slots: the parameters, the other locals, then the operand stack, every stack
 * entry at the place its height gives it (v128 takes two slots).  The arguments of a call are the top of the
 * caller's operand stack and become the first slots of the callee's frame; results come back in the same
 * place. Invariant: a slot or accumulator of type i32 or f32 is zero-extended to 64 bits.
 *
 * Code belongs to the module, not to an instance: it names globals and imports by their offset in the
 * instance (weir/vmctx.h), so instances of one module on several threads run the same code.  A function is
 * lowered at its first call, under the module's lock, and published by one atomic store of interp_func.code.
 */
#ifndef INTERP_CODE_H
#define INTERP_CODE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "interp/handlers.h"
#include "rt/executor.h"

/* A return address: the caller's frame and where it goes on.  They grow down from the stack's end. */
struct interp_ctl {
    const uint64_t *ip;
    uint64_t *fp;
};

/* One activation of the interpreter: from a call out of C until it comes back.  It lives on the C stack;
 * activations of a guest call form a chain from rt_call.exec_state.  ip, fp, sp and top are current only
 * while the activation is inside C code that may trap or call back. */
struct interp_run {
    struct interp_run *previous;
    struct rt_instance *inst;
    struct interp_ctl *base; /* the return address that ends the activation */
    const uint64_t *ip;      /* of the instruction being executed */
    uint64_t *fp;
    struct interp_ctl *sp;
    uint64_t *top; /* slots from here on are free */
};

/* The registers of the machine.  preserve_none keeps the first four in registers that C calls preserve. */
#define INTERP_PARAMS                                                                                        \
    uint64_t *fp, const uint64_t *ip, uint8_t *mem, struct rt_instance *inst, uint64_t acc,                  \
        struct interp_ctl *sp, struct interp_run *run, float facc, double dacc
#define INTERP_ARGS fp, ip, mem, inst, acc, sp, run, facc, dacc

#define INTERP_CONVENTION __attribute__((preserve_none))
typedef INTERP_CONVENTION void interp_handler(INTERP_PARAMS);

enum interp_h {
#define X(name) H_##name,
    INTERP_HANDLERS(X)
#undef X
        H_COUNT
};

#define X(name) interp_handler interp_h_##name;
INTERP_HANDLERS(X)
#undef X

extern interp_handler *const interp_handlers[H_COUNT];

/* From a word of code to the wasm byte offset of the instruction it was made from. */
struct interp_origin {
    uint32_t word, offset;
};

struct interp_func {
    const uint64_t *code; /* the stub until the function is lowered */
    struct interp_module *module;
    uint32_t funcidx;
    uint32_t nwords, norigins;
    uint64_t *words;
    struct interp_origin *origins; /* ascending; only instructions that can trap or call */
    uint64_t stub[2];              /* LAZY, this function */
};

struct interp_module {
    const struct rt_module *rt;
    pthread_mutex_t lock;
    uint32_t nfuncs; /* defined functions */
    struct interp_func *funcs;
};

/* A frame has at most this many slots; a function that needs more traps STACK_EXHAUSTED when called. */
#define INTERP_MAX_SLOTS 65000u

/* So does one whose code would grow out of proportion to its body: a branch of four bytes can move a thousand
 * values.  The most keeps distances, in bytes, within 32 bits. */
#define INTERP_WORDS_PER_BYTE 16u
#define INTERP_WORDS_FREE 65536u
#define INTERP_MAX_WORDS (1u << 27)

/* Lower `f` unless it is; safe from several threads. */
void interp_func_lower(struct interp_func *f);

/* rt_func.invoke of a function defined in a module. */
void interp_invoke(struct rt_func *f, uint64_t *cells);

/* The code of a function that is being lowered; the parts of struct lower that outlive it. */
struct interp_lowered {
    uint64_t *words;
    uint32_t nwords;
    struct interp_origin *origins;
    uint32_t norigins;
};

/* Lower a validated function into heap memory that the caller owns. */
void interp_lower(const struct interp_module *mod, uint32_t funcidx, struct interp_lowered *out);

/* Offset in the module's bytes of the instruction at `ip`; false if `ip` is not in this module's code. */
bool interp_origin_find(const struct interp_module *mod, const uint64_t *ip, uint32_t *funcidx,
                        uint32_t *offset);

#endif
