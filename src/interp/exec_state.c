/* interp/exec_state.c - handlers of globals, memory size, bulk memory and tables.
 *
 * What is rare or long calls the run time's helpers, which check and trap by themselves. */
#include "interp/exec.h"

#define SIMPLE(name, words, action)                                                                          \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        action;                                                                                              \
        NEXT(words);                                                                                         \
    }

/* ---- globals: the upper half is their offset in the instance; an imported one is a pointer there ---- */

#define GLOBAL ((uint64_t *)rt_instance_at(inst, U32HI))
#define GLOBAL_IMPORT (*(uint64_t **)rt_instance_at(inst, U32HI))

SIMPLE(GLOBAL_GET_A, 2, acc = *GLOBAL)
SIMPLE(GLOBAL_GET_S, 2, acc = *GLOBAL; SLOT(0) = acc)
SIMPLE(GLOBAL_GET_IMPORT_A, 2, acc = *GLOBAL_IMPORT)
SIMPLE(GLOBAL_GET_IMPORT_S, 2, acc = *GLOBAL_IMPORT; SLOT(0) = acc)
SIMPLE(GLOBAL_GET128, 2, memcpy(&SLOT(0), GLOBAL, 16))
SIMPLE(GLOBAL_GET128_IMPORT, 2, memcpy(&SLOT(0), GLOBAL_IMPORT, 16))
SIMPLE(GLOBAL_SET_S, 2, *GLOBAL = SLOT(0))
SIMPLE(GLOBAL_SET_A, 2, *GLOBAL = acc)
SIMPLE(GLOBAL_SET_IMPORT, 2, *GLOBAL_IMPORT = SLOT(0))
SIMPLE(GLOBAL_SET128, 2, memcpy(GLOBAL, &SLOT(0), 16))
SIMPLE(GLOBAL_SET128_IMPORT, 2, memcpy(GLOBAL_IMPORT, &SLOT(0), 16))

/* ---- memory: the upper half is the index of the memory or segment, word 2 the second one ---- */

SIMPLE(MEMORY_SIZE_A, 2, acc = rt_memory_at(inst, U32HI)->bytes >> 16)
SIMPLE(MEMORY_SIZE_S, 2, acc = rt_memory_at(inst, U32HI)->bytes >> 16; SLOT(0) = acc)
SIMPLE(MEMORY_USE, 2, mem = rt_memory_at(inst, U32HI)->base)
SIMPLE(MEMORY_GROW, 2, SAVE(); acc = rt_memory_grow(inst, U32HI, (uint32_t)SLOT(1)); SLOT(0) = acc;
       mem = inst->pub.memory)

#define OPERANDS_32 (uint32_t)SLOT(0), (uint32_t)SLOT(1), (uint32_t)SLOT(2)
#define ELEM_OPERANDS (uint32_t)SLOT(0), SLOT(1), (uint32_t)SLOT(2)
#define FIRST ((uint32_t)IMM64)
#define SECOND ((uint32_t)(IMM64 >> 32))

SIMPLE(MEMORY_FILL, 3, SAVE(); rt_memory_fill(inst, FIRST, OPERANDS_32))
SIMPLE(MEMORY_COPY, 3, SAVE(); rt_memory_copy(inst, FIRST, SECOND, OPERANDS_32))
SIMPLE(MEMORY_INIT, 3, SAVE(); rt_memory_init(inst, FIRST, SECOND, OPERANDS_32))
SIMPLE(DATA_DROP, 3, rt_data_drop(inst, FIRST))

/* ---- tables and references ---- */

SIMPLE(REF_FUNC, 2, acc = (uintptr_t)rt_instance_at(inst, U32HI); SLOT(0) = acc)
SIMPLE(TABLE_GET, 3, SAVE(); acc = rt_table_get(inst, FIRST, (uint32_t)SLOT(1)); SLOT(0) = acc)
SIMPLE(TABLE_SET, 3, SAVE(); rt_table_set(inst, FIRST, (uint32_t)SLOT(0), SLOT(1)))
SIMPLE(TABLE_SIZE, 3, acc = rt_table_at(inst, FIRST)->length; SLOT(0) = acc)
SIMPLE(TABLE_GROW, 3, SAVE(); acc = rt_table_grow(inst, FIRST, SLOT(1), (uint32_t)SLOT(2)); SLOT(0) = acc)
SIMPLE(TABLE_FILL, 3, SAVE(); rt_table_fill(inst, FIRST, ELEM_OPERANDS))
SIMPLE(TABLE_COPY, 3, SAVE(); rt_table_copy(inst, FIRST, SECOND, OPERANDS_32))
SIMPLE(TABLE_INIT, 3, SAVE(); rt_table_init(inst, FIRST, SECOND, OPERANDS_32))
SIMPLE(ELEM_DROP, 3, rt_elem_drop(inst, FIRST))
