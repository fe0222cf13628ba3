/* weir/vmctx.h - the layout that compiled code and the run time agree on.
 *
 * Compiled code sees an instance ("vmctx") as one block of memory: a header of WEIR_VM_HEADER_BYTES, then
 * arrays whose places follow from the module alone (weir_vm_layout_of).  weirc reads only this file; src/rt
 * has the same things as C structs and asserts that they agree.  Whoever changes a number here raises
 * WEIR_VM_ABI, so that images made before are refused. */
#ifndef WEIR_VMCTX_H
#define WEIR_VMCTX_H

#include <stdint.h>

enum {
    WEIR_VM_ABI = 3,

    /* The header: byte offsets from the instance. */
    WEIR_VM_MEMORY = 0, /* u8 *: base of memory 0, never moves while the instance lives; NULL without one */
    WEIR_VM_MEMORY_BYTES = 8, /* u64: its size now; memory.size is this >> 16 */
    WEIR_VM_HOST = 16,        /* the embedder's pointer */
    WEIR_VM_STACK_LIMIT = 24, /* the native stack pointer must stay above; below: trap STACK_EXHAUSTED */
    WEIR_VM_HELPERS = 32,     /* pointer to the table of helpers, WEIR_VM_HELPER_LIST */
    WEIR_VM_EXEC = 40,        /* pointer: the executor's own, of this instance */
    WEIR_VM_SCRATCH =
        48, /* four u64 for compiled code (the GS base of the caller, for example), 0 at first */
    WEIR_VM_HEADER_BYTES = 256, /* what is between belongs to the run time */

    /* The arrays behind the header; their element sizes. */
    WEIR_VM_GLOBAL_BYTES = 16, /* one slot per global of the index space: the value when it is defined here
                                  (low bytes first, 16-byte aligned), a pointer to the slot when imported */
    WEIR_VM_TABLE_BYTES = 8,   /* one pointer to a table per table of the index space */
    WEIR_VM_MEM_BYTES = 8,     /* one pointer to a memory per memory of the index space, memory 0 included */
    WEIR_VM_TYPE_BYTES =
        4, /* one u32 per type of the module: its id in this process, equal for equal types */
    WEIR_VM_FUNC_BYTES = 64, /* one function entry per slot, see below */

    /* A table: elements are cells of 64 bits; 0 is null, a funcref is the address of a function entry,
       an externref whatever the host made it (never 0).  `elems` and `length` change when it grows. */
    WEIR_VM_TABLE_ELEMS = 0,  /* u64 * */
    WEIR_VM_TABLE_LENGTH = 8, /* u64, at most 10,000,000 */

    /* A memory.  The base never moves; bytes past `bytes` fault up to any 32-bit address + 32-bit offset
       + 16. */
    WEIR_VM_MEM_BASE = 0, /* u8 * */
    WEIR_VM_MEM_SIZE = 8, /* u64 bytes */

    /* A function entry: what a funcref points to. */
    WEIR_VM_FUNC_CODE = 0, /* code(inst, parameters...): a host function in C, or compiled code */
    WEIR_VM_FUNC_INST = 8, /* what to pass as `inst`; for host functions the instance that imported them */
    WEIR_VM_FUNC_TYPE_ID = 16, /* u32: compare with the slot in the type array for call_indirect */
    WEIR_VM_FUNC_INDEX = 20,   /* u32: function index in the module of `inst` that defines it */
    WEIR_VM_FUNC_TYPE = 24,    /* pointer to struct weir_functype */
    WEIR_VM_FUNC_INVOKE = 32,  /* invoke(function entry, cells): any function, by cells */
    WEIR_VM_FUNC_GUEST =
        48, /* the instance that compiled code may call `code` for as its own kind, else NULL */
    WEIR_VM_FUNC_EXEC = 40, /* pointer: the executor's own, of this function */
    /* 56: the run time's own */
};

/* Function slots: slot i < imported functions is import i.  Behind them every function defined here that can
 * be referenced (struct wasm_func.referenced after validation, or the start function), in index order. */

/* Byte offsets of the arrays and the size of the whole, from the sizes of the module's index spaces. */
struct weir_vm_layout {
    uint64_t globals, tables, memories, types, funcs, bytes;
};

static inline struct weir_vm_layout weir_vm_layout_of(uint32_t nglobals, uint32_t ntables, uint32_t nmemories,
                                                      uint32_t ntypes, uint32_t nfunc_slots)
{
    struct weir_vm_layout l;
    l.globals = WEIR_VM_HEADER_BYTES;
    l.tables = l.globals + (uint64_t)nglobals * WEIR_VM_GLOBAL_BYTES;
    l.memories = l.tables + (uint64_t)ntables * WEIR_VM_TABLE_BYTES;
    l.funcs = l.memories + (uint64_t)nmemories * WEIR_VM_MEM_BYTES;
    l.types = l.funcs + (uint64_t)nfunc_slots * WEIR_VM_FUNC_BYTES;
    l.bytes = (l.types + (uint64_t)ntypes * WEIR_VM_TYPE_BYTES + 15) & ~(uint64_t)15;
    return l;
}

/* Helpers compiled code calls through the table at WEIR_VM_HELPERS (C calling convention; entry i at 8 * i).
 * X(name, type): p = the instance, i = u32, I = u64; "piI:i".  They trap by themselves; `trap` takes an
 * enum weir_trap_kind.  Indices come before operands, operands in the order of the stack. */
#define WEIR_VM_HELPER_LIST(X)                                                                               \
    X(trap, "pi:")            /* kind; does not return */                                                    \
    X(memory_grow, "pii:i")   /* memory, delta pages */                                                      \
    X(memory_fill, "piiii:")  /* memory, destination, value, n */                                            \
    X(memory_copy, "piiiii:") /* destination memory, source memory, destination, source, n */                \
    X(memory_init, "piiiii:") /* data segment, memory, destination, source, n */                             \
    X(data_drop, "pi:")       /* data segment */                                                             \
    X(table_grow, "piIi:i")   /* table, initial element, delta */                                            \
    X(table_fill, "piiIi:")   /* table, start, element, n */                                                 \
    X(table_copy, "piiiii:")  /* destination table, source table, destination, source, n */                  \
    X(table_init, "piiiii:")  /* element segment, table, destination, source, n */                           \
    X(elem_drop, "pi:")       /* element segment */                                                          \
    X(table_get, "pii:I")     /* table, index */                                                             \
    X(table_set, "piiI:")     /* table, index, element */

enum weir_vm_helper {
#define X(name, type) WEIR_VM_HELPER_##name,
    WEIR_VM_HELPER_LIST(X)
#undef X
        WEIR_VM_NHELPERS,
};

#endif
