/* rt/layout_check.c - the structs of rt/rt.h are what weir/vmctx.h promises to compiled code. */
#include "rt/rt.h"

#define SAME(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

SAME(rt_instance, pub.memory, WEIR_VM_MEMORY);
SAME(rt_instance, pub.memory_bytes, WEIR_VM_MEMORY_BYTES);
SAME(rt_instance, pub.host, WEIR_VM_HOST);
SAME(rt_instance, stack_limit, WEIR_VM_STACK_LIMIT);
SAME(rt_instance, helpers, WEIR_VM_HELPERS);
SAME(rt_instance, exec, WEIR_VM_EXEC);
SAME(rt_instance, scratch, WEIR_VM_SCRATCH);
_Static_assert(sizeof(struct rt_instance) <= WEIR_VM_HEADER_BYTES, "the header is full: raise WEIR_VM_ABI");

SAME(rt_table, elems, WEIR_VM_TABLE_ELEMS);
SAME(rt_table, length, WEIR_VM_TABLE_LENGTH);
SAME(rt_memory, base, WEIR_VM_MEM_BASE);
SAME(rt_memory, bytes, WEIR_VM_MEM_SIZE);

SAME(rt_func, code, WEIR_VM_FUNC_CODE);
SAME(rt_func, inst, WEIR_VM_FUNC_INST);
SAME(rt_func, type_id, WEIR_VM_FUNC_TYPE_ID);
SAME(rt_func, funcidx, WEIR_VM_FUNC_INDEX);
SAME(rt_func, type, WEIR_VM_FUNC_TYPE);
SAME(rt_func, invoke, WEIR_VM_FUNC_INVOKE);
SAME(rt_func, exec, WEIR_VM_FUNC_EXEC);
SAME(rt_func, guest, WEIR_VM_FUNC_GUEST);
_Static_assert(sizeof(struct rt_func) == WEIR_VM_FUNC_BYTES, "function entry");
