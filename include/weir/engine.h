/* weir/engine.h - the WebAssembly engine: modules, instances, calls, traps.
 *
 * A module is immutable and reference counted; any thread may read it.  An instance
 * belongs to one thread at a time.  Values travel in cells of 64 bits: i32 (zero-extended), i64,
 * f32 (bits, zero-extended), f64 and references take one cell, v128 takes two (low half first).  A null
 * reference is 0; an externref is any other number, the embedder's. */
#ifndef WEIR_ENGINE_H
#define WEIR_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/status.h"

/* ---- types ------------------------------------------------------------------------- */

/* The numbers are the binary format's own (core spec 5.3). */
enum weir_valtype {
    WEIR_I32 = 0x7f,
    WEIR_I64 = 0x7e,
    WEIR_F32 = 0x7d,
    WEIR_F64 = 0x7c,
    WEIR_V128 = 0x7b,
    WEIR_FUNCREF = 0x70,
    WEIR_EXTERNREF = 0x6f,
};

enum weir_externkind { WEIR_EXTERN_FUNC, WEIR_EXTERN_TABLE, WEIR_EXTERN_MEMORY, WEIR_EXTERN_GLOBAL };

struct weir_functype {
    uint32_t nparams, nresults;
    const uint8_t *params, *results; /* enum weir_valtype */
    uint32_t param_cells, result_cells;
};

/* Proposals that decoding and validation may accept; everything later follows. */
enum weir_feature {
    WEIR_FEATURE_SIMD = 1 << 0,
    WEIR_FEATURE_TAIL_CALL = 1 << 1,
    WEIR_FEATURE_EXTENDED_CONST = 1 << 2,
    WEIR_FEATURE_MULTI_MEMORY = 1 << 3,
    WEIR_FEATURES_ALL = (1 << 4) - 1,
};

/* ---- modules ----------------------------------------------------------------------- */

struct weir_module;

/* Decode and validate.  The bytes are copied.  WEIR_OK: *out holds one reference.
 * WEIR_E_MALFORMED, WEIR_E_INVALID, WEIR_E_UNSUPPORTED: `rep` says where. */
weir_status weir_module_new(const uint8_t *bytes, size_t len, uint32_t features, struct weir_module **out,
                            struct weir_report *rep);
void weir_module_ref(struct weir_module *m);
void weir_module_unref(struct weir_module *m); /* NULL is fine */

struct weir_export {
    const char *name; /* NUL-terminated; name_len counts embedded NULs too */
    size_t name_len;
    enum weir_externkind kind;
    const struct weir_functype *type; /* of a function, else NULL */
};

struct weir_import {
    const char *module, *name;
    size_t module_len, name_len;
    enum weir_externkind kind;
    const struct weir_functype *type; /* of a function, else NULL */
};

/* In the order of the binary; false past the end.  The strings live as long as the module. */
bool weir_module_export(const struct weir_module *m, size_t i, struct weir_export *out);
bool weir_module_import(const struct weir_module *m, size_t i, struct weir_import *out);
/* The first custom section of that name; NULL if there is none. */
const uint8_t *weir_module_custom_section(const struct weir_module *m, const char *name, size_t *len);
/* SHA-256 of the bytes given to weir_module_new, 32 bytes. */
const uint8_t *weir_module_sha256(const struct weir_module *m);
/* The module's bytes as they were given. */
const uint8_t *weir_module_bytes(const struct weir_module *m, size_t *len);

/* Which function an instruction is in, for people. */
struct weir_place {
    uint32_t funcidx;
    const char
        *name;       /* from the name section or an export, not NUL-terminated; lives as long as the module */
    size_t name_len; /* 0: it has none */
    uint32_t code_offset; /* of the instruction from the code section's content: an address in DWARF */
};
/* False: `offset` in the module's bytes is in no function's body. */
bool weir_module_place(const struct weir_module *m, uint32_t offset, struct weir_place *out);
/* The code section's content, from the first function's body to the end of the last; *len 0: there is none.
 */
const uint8_t *weir_module_code(const struct weir_module *m, size_t *len);

/* Give the module the native image at `path`, made from it by weirc; instances made from then on may run it.
 * WEIR_OK, also if the module has an image already.  WEIR_E_MALFORMED: truncated or damaged. WEIR_E_MISMATCH:
 * made for another module, CPU or compiler.  WEIR_E_CONFIG: others may write the file or its directory.
 * WEIR_E_IO. Nothing of the file runs unless all checks passed; `rep` says what refused it.  Blocks on disk.
 */
weir_status weir_module_load_image(struct weir_module *m, const char *path, struct weir_report *rep);
/* The same with the image in the module's own custom section "weir.aot": native code from whoever made the
 * module. WEIR_E_NOT_FOUND: there is none. */
weir_status weir_module_load_own_image(struct weir_module *m, struct weir_report *rep);
bool weir_module_has_image(const struct weir_module *m);
/* What images must match to run here: this build's compiler and this machine's CPU, fit for a file name;
 * static. */
const char *weir_image_key(void);

/* ---- host functions and linking -------------------------------------------------------- */

/* An instance as host functions see it: this much is public, the rest is the engine's.
 * `memory` and `memory_bytes` are memory 0 (NULL, 0 without one) and are current at every
 * moment host code runs; they change by any call into the guest. */
struct weir_instance {
    uint8_t *memory;
    uint64_t memory_bytes;
    void *host; /* the embedder's, from weir_instance_options */
};

/* Address `len` bytes of guest memory 0, or NULL if they are not all inside it.
 * A length of 0 is inside up to and including the end. */
static inline void *weir_memory_at(const struct weir_instance *inst, uint32_t addr, uint32_t len)
{
    return (uint64_t)addr + len <= inst->memory_bytes ? inst->memory + addr : NULL;
}

/* A function of the host.  `type` spells parameters, a colon and at most one result:
 * i = i32, I = i64, f = f32, F = f64, v = v128, r = funcref, e = externref; "ii:i".
 *
 * `native` is called by compiled code with the C types: (struct weir_instance *, int32_t or uint32_t,
 * int64_t or uint64_t, float, double, ...).  `thunk` is called by the interpreter: it reads its parameters
 * from `cells` and leaves the result in cells[0].  Both must do the same; macros that make the thunk from the
 * type are in weir/host_thunk.h.  Several entries of one name with different types may stand in a table: the
 * linker takes the one the import asks for.
 *
 * Host code may call weir_trap_raise; it then must hold nothing that needs freeing. */
struct weir_host_func {
    const char *module, *name, *type;
    void (*native)(void);
    void (*thunk)(struct weir_instance *inst, uint64_t *cells);
};

struct weir_linker;

struct weir_linker *weir_linker_new(void);
void weir_linker_free(struct weir_linker *l);
/* The table must outlive the linker and every instance made with it. */
void weir_linker_add_funcs(struct weir_linker *l, const struct weir_host_func *table, size_t n);
/* Offer every export of `inst` under `module`; the instance must outlive the linker's users. */
void weir_linker_add_instance(struct weir_linker *l, const char *module, struct weir_instance *inst);

/* ---- traps --------------------------------------------------------------------------- */

/* X(NAME, text): the texts are the spec suite's, so that they can be compared. */
#define WEIR_TRAP_KINDS(X)                                                                                   \
    X(UNREACHABLE, "unreachable")                                                                            \
    X(MEMORY_BOUNDS, "out of bounds memory access")                                                          \
    X(TABLE_BOUNDS, "out of bounds table access")                                                            \
    X(UNDEFINED_ELEMENT, "undefined element")                                                                \
    X(UNINITIALIZED_ELEMENT, "uninitialized element")                                                        \
    X(INDIRECT_TYPE, "indirect call type mismatch")                                                          \
    X(DIVIDE_BY_ZERO, "integer divide by zero")                                                              \
    X(INTEGER_OVERFLOW, "integer overflow")                                                                  \
    X(INVALID_CONVERSION, "invalid conversion to integer")                                                   \
    X(STACK_EXHAUSTED, "call stack exhausted")                                                               \
    X(DEADLINE, "deadline exceeded")                                                                         \
    X(HOST, "host function failed")                                                                          \
    X(EXIT, "exit")

enum weir_trap_kind {
#define X(name, text) WEIR_TRAP_##name,
    WEIR_TRAP_KINDS(X)
#undef X
};

/* The spec suite's text for a kind; static. */
const char *weir_trap_text(enum weir_trap_kind kind);

enum { WEIR_TRAP_FRAMES = 32 };

struct weir_frame {
    uint32_t funcidx; /* in the module's function index space */
    uint32_t offset;  /* of the instruction in the module's bytes */
    const char
        *name; /* from the name section or an export, NULL if it has none; lives as long as the module */
    const void *module; /* for weir_trap_format, which looks up source lines in it */
};

struct weir_trap {
    enum weir_trap_kind kind;
    int32_t exit_code; /* of WEIR_TRAP_EXIT */
    char message[128]; /* weir_trap_text, or the host's own */
    uint32_t nframes;  /* innermost first; the rest is cut, nskipped says how many */
    uint32_t nskipped;
    struct weir_frame frames[WEIR_TRAP_FRAMES];
};

/* End the running guest call with a trap; for host functions only.  Does not return. */
_Noreturn void weir_trap_raise(struct weir_instance *inst, enum weir_trap_kind kind, const char *message);
/* The guest asked to end: the call returns WEIR_E_EXIT. */
_Noreturn void weir_trap_exit(struct weir_instance *inst, int32_t code);

/* The trap with its frames for people, several lines:
 * "out of bounds memory access\n    0: parse_header (offset 0x1a2b, parse.c:71)\n ...", the source line where
 * the module has DWARF.  The modules of the frames must be alive.  As snprintf. */
size_t weir_trap_format(const struct weir_trap *trap, char *dst, size_t cap);

/* ---- instances ------------------------------------------------------------------------- */

enum weir_tier {
    WEIR_TIER_AUTO, /* compiled if the module has an image, else interpreted */
    WEIR_TIER_INTERP,
    WEIR_TIER_AOT, /* WEIR_E_NOT_FOUND without an image */
};

struct weir_instance_options {
    enum weir_tier tier;
    uint64_t memory_limit_bytes; /* of all memories and tables (8 bytes an element) together: growth beyond
                                    it fails as the spec says; 0: what the module allows */
    uint32_t stack_bytes;        /* of the guest; 0: 1 MiB */
    uint64_t budget_ns;          /* see weir_instance_set_budget; 0: none */
    void *host;
};

/* Link, allocate, initialise, run the start function.  Takes a reference to `m`.
 * WEIR_OK: *out is the caller's.  WEIR_E_LINK: an import is missing or of another type.
 * WEIR_E_TRAP: initialisation or the start function trapped, `trap` (may be NULL) says how.
 * WEIR_E_LIMIT: the initial memories and tables are over the limit.  WEIR_E_NOMEM. */
weir_status weir_instance_new(struct weir_module *m, struct weir_linker *l,
                              const struct weir_instance_options *opt, struct weir_instance **out,
                              struct weir_trap *trap, struct weir_report *rep);
/* Memory goes back to the system.  References to its functions are dead from then on. */
void weir_instance_free(struct weir_instance *inst);

/* CPU time (of the thread) that a call from outside may take with all host calls in it; from the next call
 * on. 0: as much as it likes.  Past it, and up to some 10 ms later, the call ends with WEIR_TRAP_DEADLINE: at
 * once in guest code, else at the return of the host function it is in or soon after.  Running code pays
 * nothing: the thread gets SIGVTALRM every few milliseconds while guests with a budget run in it.
 * The process must leave that signal to the engine, host functions must bear EINTR. */
void weir_instance_set_budget(struct weir_instance *inst, uint64_t budget_ns);

/* ---- snapshots -------------------------------------------------------------------------- */

/* The state of an instance between calls: memories, globals, tables, segments; immutable, counted, for any
 * thread. Instances share the pages of its memories until they write to them.  What the host keeps for the
 * instance is not in it. */
struct weir_snapshot;

/* No call of the instance may be on a stack, and its last one must not have trapped.  The instance goes on
 * unchanged.  WEIR_OK: *out holds one reference. WEIR_E_UNSUPPORTED: it imports a memory, table or global, or
 * is linked with another instance.  WEIR_E_NOMEM. */
weir_status weir_instance_snapshot(struct weir_instance *inst, struct weir_snapshot **out,
                                   struct weir_report *rep);
void weir_snapshot_ref(struct weir_snapshot *snap);
void weir_snapshot_unref(struct weir_snapshot *snap); /* NULL is fine */

/* Back to the snapshot, also after a trap; the cost goes with the pages written since.  No call of the
 * instance may be on a stack.  Its functions, options and host pointer stay.  WEIR_E_MISMATCH: the snapshot
 * is of another module or tier; nothing changed. WEIR_E_NOMEM: the instance can only be freed. */
weir_status weir_instance_reset(struct weir_instance *inst, struct weir_snapshot *snap);
/* A new instance in that state, on the snapshot's tier (opt->tier is not looked at) with the host functions
 * that the first one was linked with.  No guest code runs.  WEIR_E_LIMIT, WEIR_E_NOMEM. */
weir_status weir_instance_new_from(struct weir_snapshot *snap, const struct weir_instance_options *opt,
                                   struct weir_instance **out, struct weir_report *rep);

struct weir_module *weir_instance_module(const struct weir_instance *inst);
/* What its memories and tables have now. */
uint64_t weir_instance_bytes(const struct weir_instance *inst);
/* The tier that runs it: INTERP or AOT. */
enum weir_tier weir_instance_tier(const struct weir_instance *inst);

struct weir_func; /* lives as long as its instance */

/* An exported function, NULL if there is none of that name. */
struct weir_func *weir_instance_find_func(struct weir_instance *inst, const char *name, size_t name_len);
/* The funcref in a cell, NULL for a null reference. */
struct weir_func *weir_func_of_cell(uint64_t cell);
const struct weir_functype *weir_func_type(const struct weir_func *f);
/* The bits and the type of an exported global; false if there is none of that name. */
bool weir_instance_get_global(struct weir_instance *inst, const char *name, size_t name_len,
                              uint64_t cells[2], enum weir_valtype *type);

/* Call a function.  `cells` holds the parameters and takes the results; it has room for the larger of
 * both.  May be nested in a host function.  WEIR_OK; WEIR_E_TRAP: `trap` (may be NULL) says how, the cells
 * are undefined and the instance should be thrown away or reset: its memories, tables and globals are what
 * the program left only if it is interpreted or its image was made with -O0; other images may lack stores
 * from just before the trap.  WEIR_E_EXIT: `trap->exit_code`. */
weir_status weir_func_call(struct weir_func *f, uint64_t *cells, struct weir_trap *trap);
/* For host functions: call a function of the instance that called the host, as a part of the call that runs.
 * It costs less than a call of its own.  A trap in it ends the running call with all its frames, the host
 * function's too: that one must own nothing meanwhile. */
void weir_func_call_within(struct weir_func *f, uint64_t *cells);

#endif
