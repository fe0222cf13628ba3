/* weirc/unit.c - the LLVM module of one partition: types, metadata, declarations.
 *
 * Alias information: linear memories, vmctx, tables and every global have TBAA types of their own, because no
 * guest store can reach the run time's data: the memory reservation holds nothing else.
 *
 * Memory 0 in the GS segment begins at its address 0.  LLVM knows nothing of two accesses to constant
 * addresses that are not parts of one object, though, so until everything is optimised the memory is a
 * made-up global variable of unknown size, and then null. */
#include "weirc/unit.h"

#include <stdio.h>
#include <string.h>

#include <llvm-c/Target.h>

#include "base/mem.h"

static const char *const intrinsic_names[] = {
#define X(id, name) [INTR_##id] = name,
    UNIT_INTRINSICS(X)
#undef X
};

/* ---- set-up ------------------------------------------------------------------------------- */

static void make_types(struct unit *u)
{
    LLVMContextRef cx = u->cx;
    u->t_void = LLVMVoidTypeInContext(cx);
    u->t_i1 = LLVMInt1TypeInContext(cx);
    u->t_i8 = LLVMInt8TypeInContext(cx);
    u->t_i16 = LLVMInt16TypeInContext(cx);
    u->t_i32 = LLVMInt32TypeInContext(cx);
    u->t_i64 = LLVMInt64TypeInContext(cx);
    u->t_i128 = LLVMInt128TypeInContext(cx);
    u->t_f32 = LLVMFloatTypeInContext(cx);
    u->t_f64 = LLVMDoubleTypeInContext(cx);
    u->t_ptr = LLVMPointerTypeInContext(cx, 0);
    u->t_gsptr = LLVMPointerTypeInContext(cx, UNIT_GS_SPACE);
    u->v_i8 = LLVMVectorType(u->t_i8, 16);
    u->v_i16 = LLVMVectorType(u->t_i16, 8);
    u->v_i32 = LLVMVectorType(u->t_i32, 4);
    u->v_i64 = LLVMVectorType(u->t_i64, 2);
    u->v_f32 = LLVMVectorType(u->t_f32, 4);
    u->v_f64 = LLVMVectorType(u->t_f64, 2);
}

static LLVMMetadataRef md_string(struct unit *u, const char *s)
{
    return LLVMMDStringInContext2(u->cx, s, strlen(s));
}

static LLVMMetadataRef md_node(struct unit *u, LLVMMetadataRef *at, size_t n)
{
    return LLVMMDNodeInContext2(u->cx, at, n);
}

/* An access tag of a fresh scalar TBAA type under the root. */
static LLVMValueRef make_tag(struct unit *u, const char *name)
{
    LLVMMetadataRef zero = LLVMValueAsMetadata(unit_const_i64(u, 0));
    LLVMMetadataRef type = md_node(u, (LLVMMetadataRef[]){md_string(u, name), u->tbaa_root, zero}, 3);
    return LLVMMetadataAsValue(u->cx, md_node(u, (LLVMMetadataRef[]){type, type, zero}, 3));
}

static void make_metadata(struct unit *u)
{
    u->md_tbaa = LLVMGetMDKindIDInContext(u->cx, "tbaa", 4);
    u->md_invariant = LLVMGetMDKindIDInContext(u->cx, "invariant.load", 14);
    u->md_prof = LLVMGetMDKindIDInContext(u->cx, "prof", 4);
    u->tbaa_root = md_node(u, (LLVMMetadataRef[]){md_string(u, "weir")}, 1);
    u->tag_memory0 = make_tag(u, "memory 0");
    u->tag_memory_shared = make_tag(u, "memories");
    u->tag_vm = make_tag(u, "vm");
    u->tag_table = make_tag(u, "table");
    u->tag_global_shared = make_tag(u, "imported globals");
    u->tag_globals = mem_zalloc_array(u->m->nglobals + 1, sizeof *u->tag_globals);
    LLVMMetadataRef weights[] = {
        md_string(u, "branch_weights"),
        LLVMValueAsMetadata(unit_const_i32(u, 1)),
        LLVMValueAsMetadata(unit_const_i32(u, 1u << 20)),
    };
    u->unlikely = LLVMMetadataAsValue(u->cx, md_node(u, weights, 3));
    u->empty_node = LLVMMetadataAsValue(u->cx, md_node(u, NULL, 0));
}

static LLVMAttributeRef enum_attr(struct unit *u, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    WEIR_ASSERT(kind != 0);
    return LLVMCreateEnumAttribute(u->cx, kind, value);
}

static LLVMAttributeRef string_attr(struct unit *u, const char *name, const char *value)
{
    return LLVMCreateStringAttribute(u->cx, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
}

static void make_attrs(struct unit *u)
{
    u->attrs[u->nattrs++] = enum_attr(u, "nounwind", 0);
    u->attrs[u->nattrs++] = string_attr(u, "frame-pointer", "all");
    u->attrs[u->nattrs++] = string_attr(u, "no-builtins", "");
    u->attrs[u->nattrs++] = string_attr(u, "no-trapping-math", "true");
    u->attrs[u->nattrs++] = string_attr(u, "probe-stack", "inline-asm");
    u->attrs[u->nattrs++] = string_attr(u, "target-cpu", u->opt->base_cpu);
    u->attrs[u->nattrs++] = string_attr(u, "target-features", u->opt->features);
    if (u->opt->tune_cpu != NULL) {
        u->attrs[u->nattrs++] = string_attr(u, "tune-cpu", u->opt->tune_cpu);
    }
    static const char *const harmless[] = {"nounwind", "willreturn", "nofree", "nosync", "nocallback"};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        u->touch_attrs[u->ntouch_attrs++] = enum_attr(u, harmless[i], 0);
    }
    u->touch_attrs[u->ntouch_attrs++] =
        enum_attr(u, "memory", 3 << 2); /* inaccessible memory, read and written */
    u->attr_noalias = enum_attr(u, "noalias", 0);
    u->attr_nonnull = enum_attr(u, "nonnull", 0);
    u->attr_align = enum_attr(u, "align", 16);
    u->attr_deref = enum_attr(u, "dereferenceable", u->layout.bytes);
    u->attr_self = enum_attr(u, "swiftself", 0);
    u->attr_cold = enum_attr(u, "cold", 0);
    u->attr_noinline = enum_attr(u, "noinline", 0);
    u->attr_nomerge = enum_attr(u, "nomerge", 0);
    u->attr_hidden = enum_attr(u, "noimplicitfloat", 0);
    u->attr_noreturn = enum_attr(u, "noreturn", 0);
}

static void make_gs_base(struct unit *u)
{
    LLVMTypeRef unknown = LLVMStructCreateNamed(u->cx, "memory");
    u->gs_base = LLVMAddGlobalInAddressSpace(u->mod, unknown, "memory", UNIT_GS_SPACE);
    LLVMSetAlignment(u->gs_base, 1);
}

void unit_settle_base(struct unit *u)
{
    if (u->gs_base != NULL) {
        LLVMReplaceAllUsesWith(u->gs_base, LLVMConstNull(u->t_gsptr));
        LLVMDeleteGlobal(u->gs_base);
        u->gs_base = NULL;
    }
}

/* Slots of functions that can be referenced, as weir/vmctx.h numbers them. */
static uint32_t *make_slots(const struct wasm_module *m, uint32_t *nslots)
{
    uint32_t *slots = mem_zalloc_array(m->nfuncs + 1, sizeof *slots);
    uint32_t n = m->nimported_funcs;
    for (uint32_t i = 0; i < m->nfuncs; i++) {
        if (i < m->nimported_funcs) {
            slots[i] = i;
        } else if (m->funcs[i].referenced || (m->has_start && m->start == i)) {
            slots[i] = n++;
        } else {
            slots[i] = UINT32_MAX;
        }
    }
    *nslots = n;
    return slots;
}

static void make_debug_info(struct unit *u)
{
    static const char flag[] = "Debug Info Version";
    LLVMAddModuleFlag(u->mod, LLVMModuleFlagBehaviorWarning, flag, sizeof flag - 1,
                      LLVMValueAsMetadata(unit_const_i32(u, LLVMDebugMetadataVersion())));
    const char *slash = strrchr(u->opt->input, '/');
    const char *file = slash == NULL ? u->opt->input : slash + 1;
    u->di = LLVMCreateDIBuilder(u->mod);
    u->di_file = LLVMDIBuilderCreateFile(u->di, file, strlen(file), ".", 1);
    u->di_cu = LLVMDIBuilderCreateCompileUnit(u->di, LLVMDWARFSourceLanguageC99, u->di_file, "weirc", 5,
                                              u->opt->level > 0, "", 0, 0, "", 0,
                                              LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
    u->di_functype = LLVMDIBuilderCreateSubroutineType(u->di, u->di_file, NULL, 0, 0);
}

weir_status unit_init(struct unit *u, const struct wasm_module *m, const struct weirc_options *opt,
                      const struct weirc_facts *facts, struct weir_report *rep)
{
    *u = (struct unit){.m = m,
                       .opt = opt,
                       .facts = facts,
                       .x86 = !opt->aarch64,
                       .segue = opt->segue && !opt->aarch64,
                       .cc = facts->tail_calls ? UNIT_TAILCC : UNIT_CCC};
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(opt->triple, &target, &message) != 0) {
        weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "target", "%s", message);
        LLVMDisposeMessage(message);
        return WEIR_E_CONFIG;
    }
    static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                                 LLVMCodeGenLevelDefault, LLVMCodeGenLevelAggressive};
    u->tm = LLVMCreateTargetMachine(target, opt->triple, opt->base_cpu, opt->features, levels[opt->level],
                                    LLVMRelocPIC, LLVMCodeModelSmall);
    u->cx = LLVMContextCreate();
    u->mod = LLVMModuleCreateWithNameInContext("weir", u->cx);
    LLVMSetTarget(u->mod, opt->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(u->tm);
    LLVMSetModuleDataLayout(u->mod, layout);
    LLVMDisposeTargetData(layout);

    make_types(u);
    uint32_t nslots;
    u->slots = make_slots(m, &nslots);
    u->layout = weir_vm_layout_of(m->nglobals, m->ntables, m->nmemories, m->ntypes, nslots);
    make_metadata(u);
    make_attrs(u);
    if (u->segue) {
        make_gs_base(u);
    }
    make_debug_info(u);
    for (size_t i = 0; i < INTR_COUNT; i++) {
        u->intrinsics[i] = LLVMLookupIntrinsicID(intrinsic_names[i], strlen(intrinsic_names[i]));
    }
    u->functypes = mem_zalloc_array(m->ntypes + 1, sizeof *u->functypes);
    u->slow_calls = mem_zalloc_array(m->ntypes + 1, sizeof *u->slow_calls);
    u->funcs = mem_zalloc_array(m->nfuncs + 1, sizeof *u->funcs);
    return WEIR_OK;
}

void unit_fini(struct unit *u)
{
    LLVMDisposeDIBuilder(u->di);
    LLVMDisposeModule(u->mod);
    LLVMContextDispose(u->cx);
    LLVMDisposeTargetMachine(u->tm);
    mem_free(u->functypes);
    mem_free(u->slow_calls);
    mem_free(u->funcs);
    mem_free(u->tag_globals);
    mem_free((void *)(uintptr_t)u->slots);
}

/* ---- types and declarations ------------------------------------------------------------------------ */

LLVMValueRef unit_const_i32(const struct unit *u, uint32_t v)
{
    return LLVMConstInt(u->t_i32, v, 0);
}

LLVMValueRef unit_const_i64(const struct unit *u, uint64_t v)
{
    return LLVMConstInt(u->t_i64, v, 0);
}

LLVMTypeRef unit_type(const struct unit *u, uint8_t valtype)
{
    switch (valtype) {
    case WASM_I32:
        return u->t_i32;
    case WASM_F32:
        return u->t_f32;
    case WASM_F64:
        return u->t_f64;
    case WASM_V128:
        return u->v_i64;
    default:
        return u->t_i64; /* i64 and references */
    }
}

/* LLVM's caller and callee disagree on what a callee of tailcc pops (x86-64) if there are vectors on the
 * stack and an odd number of 8 bytes behind them: the caller has rounded up.  One more parameter makes it
 * even. params[0] is vmctx, which has a register of its own. */
static bool needs_padding(const struct unit *u, LLVMTypeRef *params, unsigned n)
{
    enum { INT_REGISTERS = 6, FLOAT_REGISTERS = 8 };
    unsigned ints = 0, floats = 0, bytes = 0;
    bool vectors = false;
    if (u->cc != UNIT_TAILCC || !u->x86) {
        return false;
    }
    for (unsigned i = 1; i < n; i++) {
        bool vector = LLVMGetTypeKind(params[i]) == LLVMVectorTypeKind;
        bool in_float = vector || params[i] == u->t_f32 || params[i] == u->t_f64;
        if (in_float ? floats++ < FLOAT_REGISTERS : ints++ < INT_REGISTERS) {
            continue;
        }
        vectors = vectors || vector;
        bytes = vector ? (bytes + 15) / 16 * 16 + 16 : bytes + 8;
    }
    return vectors && bytes % 16 != 0;
}

/* (vmctx, [results,] params..., [entry], [padding]). */
static LLVMTypeRef make_functype(struct unit *u, const struct wasm_functype *t, bool entry)
{
    LLVMTypeRef *params = mem_alloc((t->nparams + 4) * sizeof *params);
    unsigned n = 0;
    params[n++] = u->t_ptr;
    if (t->nresults > 1) {
        params[n++] = u->t_ptr;
    }
    for (uint32_t i = 0; i < t->nparams; i++) {
        params[n++] = unit_type(u, t->params[i]);
    }
    if (entry) {
        params[n++] = u->t_ptr;
    }
    if (needs_padding(u, params, n)) {
        params[n++] = u->t_f64;
    }
    LLVMTypeRef result = t->nresults == 1 ? unit_type(u, t->results[0]) : u->t_void;
    LLVMTypeRef ft = LLVMFunctionType(result, params, n, 0);
    mem_free(params);
    return ft;
}

LLVMTypeRef unit_functype(struct unit *u, uint32_t typeidx)
{
    if (u->functypes[typeidx] == NULL) {
        u->functypes[typeidx] = make_functype(u, &u->m->types[typeidx], false);
    }
    return u->functypes[typeidx];
}

LLVMTypeRef unit_slow_call_type(struct unit *u, uint32_t typeidx)
{
    return make_functype(u, &u->m->types[typeidx], true);
}

void unit_add_attrs(struct unit *u, LLVMValueRef fn)
{
    for (uint32_t i = 0; i < u->nattrs; i++) {
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attrs[i]);
    }
}

void unit_mark_guest(struct unit *u, LLVMValueRef fn)
{
    LLVMSetFunctionCallConv(fn, u->cc);
    LLVMAddAttributeAtIndex(fn, 1, u->attr_self);
}

void unit_mark_guest_call(struct unit *u, LLVMValueRef call)
{
    LLVMSetInstructionCallConv(call, u->cc);
    LLVMAddCallSiteAttribute(call, 1, u->attr_self);
}

void unit_mark_stub(struct unit *u, LLVMValueRef fn)
{
    LLVMSetFunctionCallConv(fn, u->cc);
    if (u->cc == UNIT_TAILCC) {
        unit_mark_guest(u, fn);
    }
}

void unit_mark_stub_call(struct unit *u, LLVMValueRef call)
{
    LLVMSetInstructionCallConv(call, u->cc);
    if (u->cc == UNIT_TAILCC) {
        unit_mark_guest_call(u, call);
    }
}

unsigned unit_pad_args(struct unit *u, LLVMTypeRef ft, LLVMValueRef *args, unsigned n)
{
    if (n < LLVMCountParamTypes(ft)) {
        args[n++] = LLVMGetPoison(u->t_f64);
    }
    WEIR_ASSERT(n == LLVMCountParamTypes(ft));
    return n;
}

LLVMValueRef unit_func(struct unit *u, uint32_t funcidx)
{
    if (u->funcs[funcidx] != NULL) {
        return u->funcs[funcidx];
    }
    LLVMValueRef fn =
        LLVMAddFunction(u->mod, u->facts->symbols[funcidx], unit_functype(u, u->m->funcs[funcidx].typeidx));
    unit_mark_guest(u, fn);
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, u->attrs[0]);
    u->funcs[funcidx] = fn;
    return fn;
}

LLVMValueRef unit_intrinsic(struct unit *u, enum unit_intrinsic id, LLVMTypeRef *types, unsigned ntypes,
                            LLVMTypeRef *fntype)
{
    *fntype = LLVMIntrinsicGetType(u->cx, u->intrinsics[id], types, ntypes);
    return LLVMGetIntrinsicDeclaration(u->mod, u->intrinsics[id], types, ntypes);
}
