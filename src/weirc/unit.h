/* weirc/unit.h - what the emitters share: one LLVM module (a unit), and one function being translated.
 *
 * A unit holds the functions of one partition of a WebAssembly module in its own LLVM context; it is
 * made, optimised and written by one process and knows nothing of the others: functions of other partitions
 * are hidden symbols that the linker resolves.
 *
 * A WebAssembly function becomes an LLVM function `R wN.name(ptr vmctx, params...)`.  Functions of two or
 * more results take `ptr results` behind vmctx and write cells there.  vmctx is passed as `swiftself`, in a
 * register that every function preserves, so it stays where it is; imports get it as C's first argument.  The
 * rest of the calling convention is C's; a module with tail calls uses LLVM's tailcc instead, whose callee
 * pops the stack, and calls all its imports by stubs, which get vmctx as guests do.  The host's way in
 * (rt/guard.c) relies on this convention for functions of few integers, and uses trampolines (stubs.c) for
 * all others.
 *
 * Values on the operand stack are LLVM values of the type of their valtype, except v128: any
 * 128-bit vector type, turned by vec_as() where it is used.  References are i64 cells. */
#ifndef WEIRC_UNIT_H
#define WEIRC_UNIT_H

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

#include "base/vec.h"
#include "wasm/instr.h"
#include "wasm/module.h"
#include "weir/engine.h"
#include "weir/image.h"
#include "weir/vmctx.h"
#include "weirc/weirc.h"

enum { UNIT_CCC = 0, UNIT_TAILCC = 18, UNIT_GS_SPACE = 256 };

/* LLVM intrinsics by a short name; unit.c has the table. */
/* clang-format off */
#define UNIT_INTRINSICS(X) \
    X(CTLZ, "llvm.ctlz") \
    X(CTTZ, "llvm.cttz") \
    X(CTPOP, "llvm.ctpop") \
    X(FSHL, "llvm.fshl") \
    X(FSHR, "llvm.fshr") \
    X(FABS, "llvm.fabs") \
    X(CEIL, "llvm.ceil") \
    X(FLOOR, "llvm.floor") \
    X(TRUNC, "llvm.trunc") \
    X(ROUNDEVEN, "llvm.roundeven") \
    X(SQRT, "llvm.sqrt") \
    X(COPYSIGN, "llvm.copysign") \
    X(MINIMUM, "llvm.minimum") \
    X(MAXIMUM, "llvm.maximum") \
    X(FPTOSI_SAT, "llvm.fptosi.sat") \
    X(FPTOUI_SAT, "llvm.fptoui.sat") \
    X(SADD_SAT, "llvm.sadd.sat") \
    X(UADD_SAT, "llvm.uadd.sat") \
    X(SSUB_SAT, "llvm.ssub.sat") \
    X(USUB_SAT, "llvm.usub.sat") \
    X(SMIN, "llvm.smin") \
    X(SMAX, "llvm.smax") \
    X(UMIN, "llvm.umin") \
    X(UMAX, "llvm.umax") \
    X(ABS, "llvm.abs") \
    X(REDUCE_AND, "llvm.vector.reduce.and") \
    X(UBSANTRAP, "llvm.ubsantrap") \
    X(FRAMEADDRESS, "llvm.frameaddress") \
    X(X86_PSHUFB, "llvm.x86.ssse3.pshuf.b.128") \
    X(X86_PACKSSWB, "llvm.x86.sse2.packsswb.128") \
    X(X86_PACKUSWB, "llvm.x86.sse2.packuswb.128") \
    X(X86_PACKSSDW, "llvm.x86.sse2.packssdw.128") \
    X(X86_PACKUSDW, "llvm.x86.sse41.packusdw") \
    X(X86_PMULHRSW, "llvm.x86.ssse3.pmul.hr.sw.128") \
    X(X86_PMADDWD, "llvm.x86.sse2.pmadd.wd") \
    X(X86_CVTTPS2DQ, "llvm.x86.sse2.cvttps2dq") \
    X(ARM_TBL1, "llvm.aarch64.neon.tbl1")
/* clang-format on */

enum unit_intrinsic {
#define X(id, name) INTR_##id,
    UNIT_INTRINSICS(X)
#undef X
        INTR_COUNT,
};

struct unit {
    const struct wasm_module *m;
    const struct weirc_options *opt;
    const struct weirc_facts *facts;
    bool x86, segue;
    unsigned cc; /* UNIT_CCC or UNIT_TAILCC */
    struct weir_vm_layout layout;
    const uint32_t *slots; /* funcidx to function slot */

    LLVMContextRef cx;
    LLVMModuleRef mod;
    LLVMTargetMachineRef tm;
    LLVMDIBuilderRef di;
    LLVMMetadataRef di_cu, di_file, di_functype;
    unsigned intrinsics[INTR_COUNT];

    LLVMTypeRef t_void, t_i1, t_i8, t_i16, t_i32, t_i64, t_i128, t_f32, t_f64, t_ptr, t_gsptr;
    LLVMTypeRef v_i8, v_i16, v_i32, v_i64, v_f32,
        v_f64;                /* 128-bit vectors; v_i64 stands for v128 across blocks */
    LLVMValueRef gs_base;     /* memory 0 in the GS segment, with Segue; else NULL */
    LLVMTypeRef *functypes;   /* per type index */
    LLVMValueRef *funcs;      /* per function index, NULL until asked for */
    LLVMValueRef *slow_calls; /* per type index: calls a function entry by cells */

    unsigned md_tbaa, md_invariant, md_prof;
    LLVMValueRef tag_memory0, tag_memory_shared, tag_vm, tag_table, tag_global_shared, unlikely, empty_node;
    LLVMMetadataRef tbaa_root;
    LLVMValueRef *tag_globals; /* per global, NULL until asked for */
    LLVMAttributeRef attrs[16];
    uint32_t nattrs;
    LLVMAttributeRef touch_attrs[8];
    uint32_t ntouch_attrs;
    struct {
        LLVMTypeRef type;
        LLVMValueRef fn;
    } touches[16]; /* exact.c */
    uint32_t ntouches;
    LLVMAttributeRef attr_noalias, attr_nonnull, attr_deref, attr_align, attr_self, attr_cold, attr_noinline,
        attr_nomerge, attr_noreturn, attr_hidden;
};

/* Make the LLVM module and everything that functions share. */
weir_status unit_init(struct unit *u, const struct wasm_module *m, const struct weirc_options *opt,
                      const struct weirc_facts *facts, struct weir_report *rep);
void unit_fini(struct unit *u);
/* Optimised: from now on memory 0 begins at address 0 of the GS segment. */
void unit_settle_base(struct unit *u);

LLVMTypeRef unit_type(const struct unit *u, uint8_t valtype);
LLVMTypeRef unit_functype(struct unit *u, uint32_t typeidx);
/* The LLVM function of a function defined in the module, declared if need be. */
LLVMValueRef unit_func(struct unit *u, uint32_t funcidx);
/* Make `call` one of a compiled function: calling convention and where vmctx goes. */
void unit_mark_guest_call(struct unit *u, LLVMValueRef call);
/* The same for a function. */
void unit_mark_guest(struct unit *u, LLVMValueRef fn);
/* The same for the code of an import: a C function, with tail calls a stub. */
void unit_mark_stub_call(struct unit *u, LLVMValueRef call);
void unit_mark_stub(struct unit *u, LLVMValueRef fn);
/* A function type may end with a parameter for padding (unit.c): give it to a call of n arguments.  `args`
 * has room for it; returns how many there are then. */
unsigned unit_pad_args(struct unit *u, LLVMTypeRef ft, LLVMValueRef *args, unsigned n);
/* An internal function (vmctx, [results,] params..., entry) that calls any function entry by its `invoke`. */
LLVMValueRef unit_slow_call(struct unit *u, uint32_t typeidx);
LLVMTypeRef unit_slow_call_type(struct unit *u, uint32_t typeidx);
/* Attributes that every function of an image has. */
void unit_add_attrs(struct unit *u, LLVMValueRef fn);
LLVMValueRef unit_const_i32(const struct unit *u, uint32_t v);
LLVMValueRef unit_const_i64(const struct unit *u, uint64_t v);
/* Host-to-guest trampoline of a type (symbol tN), and the stub of an imported function (symbol aN) that takes
 * parameters as guests pass them and calls the import by cells or, for a host function, in C. */
void unit_emit_trampoline(struct unit *u, uint32_t typeidx);
void unit_emit_import_stub(struct unit *u, uint32_t funcidx);
LLVMValueRef unit_intrinsic(struct unit *u, enum unit_intrinsic id, LLVMTypeRef *types, unsigned ntypes,
                            LLVMTypeRef *fntype);

/* ---- a function being translated --------------------------------------------------------------- */

enum frame_kind { FRAME_FUNC, FRAME_BLOCK, FRAME_LOOP, FRAME_IF, FRAME_ELSE };

struct frame {
    enum frame_kind kind;
    bool dead_on_entry;
    uint32_t height;           /* of the operand stack below the parameters */
    struct wasm_functype type; /* arrays are the module's or `one` */
    uint8_t one;
    LLVMBasicBlockRef end, loop, otherwise;
    LLVMValueRef *end_phis, *loop_phis; /* nresults, nparams */
    LLVMValueRef *params;               /* of an `if`, for its else */
};

struct fn {
    struct unit *u;
    LLVMBuilderRef b;
    uint32_t idx;
    const struct wasm_func *wf;
    const struct wasm_functype *type;
    LLVMValueRef f, vmctx, results;
    LLVMBasicBlockRef entry;
    LLVMValueRef *locals; /* allocas */
    LLVMValueRef *bases;  /* per memory: its base, loaded in the entry block; NULL until used */
    LLVMValueRef cells;   /* alloca for results of calls, NULL until used */
    uint32_t cells_len;
    LLVMMetadataRef subprogram;
    VEC(LLVMValueRef) stack;
    VEC(struct frame) frames;
    struct arena arena;
    bool dead;       /* the code read now cannot be reached */
    uint32_t skip;   /* nesting of blocks inside dead code */
    bool calls;      /* calls something: check the stack on entry */
    uint32_t offset; /* of the instruction being translated */
};

static inline void push(struct fn *f, LLVMValueRef v)
{
    vec_push(&f->stack, v);
}
static inline LLVMValueRef pop(struct fn *f)
{
    return vec_pop(&f->stack);
}

void fn_translate(struct unit *u, uint32_t funcidx);

/* Debug location of what is built from now on: this instruction.  Called for what can trap or call. */
void fn_locate(struct fn *f);
/* Go on only if `bad` (i1) is false. */
void fn_trap_if(struct fn *f, LLVMValueRef bad, enum weir_trap_kind kind);
/* Build a trap in the current block, which ends with it. */
void fn_trap(struct fn *f, enum weir_trap_kind kind);
/* i1 of an i32 condition. */
LLVMValueRef fn_condition(struct fn *f, LLVMValueRef v);
LLVMValueRef fn_call_intrinsic(struct fn *f, enum unit_intrinsic id, LLVMTypeRef overload, LLVMValueRef *args,
                               unsigned nargs);
/* A field of vmctx, or of what it points to: loads.  `tag` is the TBAA access tag; invariant: never changes.
 */
LLVMValueRef fn_load_field(struct fn *f, LLVMTypeRef type, LLVMValueRef base, uint64_t offset,
                           LLVMValueRef tag, bool invariant);
LLVMValueRef fn_field(struct fn *f, LLVMValueRef base, uint64_t offset);
/* Call helper `h` with the arguments after the instance; returns its value or NULL. */
LLVMValueRef fn_call_helper(struct fn *f, enum weir_vm_helper h, LLVMValueRef *args);
/* A value in the type it has across blocks, calls and locals. */
LLVMValueRef fn_canonical(struct fn *f, LLVMValueRef v, uint8_t valtype);
LLVMValueRef vec_as(struct fn *f, LLVMValueRef v, LLVMTypeRef type);

/* The code a call through a fixed table goes to; traps if there is none of that type. */
LLVMValueRef fixed_code(struct fn *f, uint32_t tableidx, uint32_t typeidx, LLVMValueRef index);
/* What fixed_code refers to; once per module. */
void fixed_define(struct unit *u);

/* Where the operand stack's top goes in memory: cells as in weir/engine.h. */
void fn_store_cell(struct fn *f, LLVMValueRef v, uint8_t valtype, LLVMValueRef base, uint64_t cell);
LLVMValueRef fn_load_cell(struct fn *f, uint8_t valtype, LLVMValueRef base, uint64_t cell);

/* One emitter per family; each takes exactly the opcodes named in its file. */
void emit_control(struct fn *f, struct wasm_instr *in);
void emit_call(struct fn *f, const struct wasm_instr *in);
void emit_variable(struct fn *f, const struct wasm_instr *in);
void emit_memory(struct fn *f, const struct wasm_instr *in);
void emit_bulk(struct fn *f, const struct wasm_instr *in);
void emit_table(struct fn *f, const struct wasm_instr *in);
void emit_int(struct fn *f, const struct wasm_instr *in);
void emit_float(struct fn *f, const struct wasm_instr *in);
void emit_convert(struct fn *f, const struct wasm_instr *in);
void emit_simd(struct fn *f, const struct wasm_instr *in);

/* f32.min and the like, also for vectors: a NaN operand gives a quiet NaN, -0 is less than 0. */
LLVMValueRef float_minmax(struct fn *f, enum unit_intrinsic id, LLVMValueRef a, LLVMValueRef b);

/* Address of a memory access; shared by scalar and vector accesses. */
LLVMValueRef memory_address(struct fn *f, LLVMValueRef addr, uint32_t memidx, uint64_t offset);
LLVMValueRef memory_load(struct fn *f, LLVMTypeRef type, LLVMValueRef address, uint32_t memidx);
void memory_store(struct fn *f, LLVMValueRef v, LLVMValueRef address, uint32_t memidx);

/* Leave the function with the values on top of the stack (terminates the block). */
void control_return(struct fn *f, LLVMValueRef *results);
/* Before the first passes, in SSA form; behind them, when the vectorisers run next or not; behind the
 * vectorisers: exact.c. */
void exact_begin(struct unit *u);
void exact_end(struct unit *u, bool vectorise);
void exact_settle(struct unit *u);
/* Counters that run from -n to 0 made to run from 0 to n: loops.c.  In SSA form. */
void loops_count_up(struct unit *u);
/* Products of 64 by 64 bits made of four: wide.c.  In SSA form. */
void wide_find(struct unit *u);
/* Around the SLP vectoriser: vectors.c. */
void vectors_hide_integers(struct unit *u);
void vectors_show_all(struct unit *u);
/* Is it a load of linear memory? */
bool exact_reads_memory(const struct unit *u, LLVMValueRef load);
/* Behind all passes: masked.c. */
void masked_prevent(struct unit *u);

#endif
