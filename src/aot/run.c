/* aot/run.c - running compiled code: binding instances, entering, traps and backtraces.
 *
 * Memory 0 of a Segue image is addressed by the GS base of the thread.  It is written only when another VM is
 * entered, and put back when a nested call returns or traps; the outermost call leaves it, so that
 * the next call of the same VM need not write it.
 *
 * An imported function of another instance is hidden behind this instance's stub: its slot keeps a copy of
 * the entry (`far`), which the stub calls by cells. */
#include <string.h>

#include "aot/image.h"
#include "base/mem.h"

#ifdef __x86_64__
static inline void set_gs_base(uintptr_t base)
{
    __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory"); /* the image needed the feature */
    rt_code_base = base;
}
#else
static inline void set_gs_base(uintptr_t base)
{
    rt_code_base = base;
}
#endif

enum { GS_KEPT = 1 }; /* in rt_call.exec_state, so that a base of 0 is told from none */

typedef void trampoline(void (*code)(void), struct rt_instance *inst, uint64_t *cells);

static inline void run(struct rt_func *f, uint64_t *cells)
{
    ((trampoline *)(uintptr_t)f->exec)(f->code, f->inst, cells);
}

static void invoke_plain(struct rt_func *f, uint64_t *cells)
{
    run(f, cells);
}

/* Another VM: what the base was when the call began is kept for the case that the call traps. */
static void switch_to(const struct rt_instance *inst)
{
    struct rt_call *call = rt_calls;
    if (call->exec_state == NULL) {
        call->exec_state = (void *)(rt_code_base | GS_KEPT);
    }
    set_gs_base((uintptr_t)inst->pub.memory);
}

static __attribute__((noinline)) void invoke_switched(struct rt_func *f, uint64_t *cells)
{
    uintptr_t before = rt_code_base;
    switch_to(f->inst);
    run(f, cells);
    set_gs_base(before);
}

static void invoke_segue(struct rt_func *f, uint64_t *cells)
{
    if (__builtin_expect((uintptr_t)f->inst->pub.memory == rt_code_base, 1)) {
        run(f, cells);
    } else {
        invoke_switched(f, cells);
    }
}

/* The first function of a call: the outermost call leaves the base as it is. */
static __attribute__((noinline)) void enter_switched(struct rt_func *f, uint64_t *cells)
{
    if (rt_calls->previous != NULL) {
        invoke_switched(f, cells);
        return;
    }
    set_gs_base((uintptr_t)f->inst->pub.memory);
    run(f, cells);
}

static void enter(struct rt_func *f, uint64_t *cells)
{
    if (__builtin_expect((uintptr_t)f->inst->pub.memory == rt_code_base || f->invoke == invoke_plain, 1)) {
        run(f, cells);
    } else {
        enter_switched(f, cells);
    }
}

static void unwound(struct rt_call *call)
{
    if (call->previous != NULL && call->exec_state != NULL) {
        set_gs_base((uintptr_t)call->exec_state & ~(uintptr_t)GS_KEPT);
    }
}

/* ---- instances ------------------------------------------------------------------------------------- */

static void invoke_far(struct rt_func *f, uint64_t *cells)
{
    struct rt_func *far = (struct rt_func *)((uintptr_t)f->exec & ~(uintptr_t)1);
    far->invoke(far, cells);
}

static bool is_integer(uint8_t type)
{
    return type != WASM_F32 && type != WASM_F64 && type != WASM_V128;
}

/* Do the parameters of a C function fit into registers, so that it can be called as if it were compiled code?
 */
static bool in_registers(const struct wasm_functype *t)
{
#ifdef __x86_64__
    enum { INTS = 5, FLOATS = 8 }; /* the instance takes one */
#else
    enum { INTS = 7, FLOATS = 8 };
#endif
    uint32_t floats = 0;
    for (uint32_t i = 0; i < t->nparams; i++) {
        floats += !is_integer(t->params[i]);
    }
    return floats <= FLOATS && t->nparams - floats <= INTS;
}

static void bind_imports(struct rt_instance *inst, const struct aot_image *im)
{
    uint32_t n = rt_instance_wasm(inst)->nimported_funcs, nfar = 0;
    for (uint32_t i = 0; i < n; i++) {
        nfar += rt_slot_at(inst, i)->inst != inst;
    }
    struct rt_func *far = nfar == 0 ? NULL : mem_zalloc_array(nfar, sizeof *far);
    inst->exec = far;
    for (uint32_t i = 0; i < n; i++) {
        struct rt_func *f = rt_slot_at(inst, i);
        void (*stub)(void) = (void (*)(void))(im->base + im->stubs[i]);
        if (f->inst != inst) {
            *far = *f;
            f->inst = inst;
            f->guest = NULL;
            f->shape = 0;
            f->code = stub;
            f->exec = (void *)((uintptr_t)far++ | 1);
            f->invoke = invoke_far;
        } else if ((im->footer.flags & WEIR_IMAGE_STUBS) != 0 || !in_registers(f->type)) {
            f->code = stub;
        }
    }
}

/* How a call from outside may call compiled code of this type; 0: by a trampoline. */
static uint32_t shape_of(const struct wasm_functype *t)
{
    if (t->nparams > RT_SHAPE_MAX_PARAMS || t->nresults > 1) {
        return 0;
    }
    for (uint32_t i = 0; i < t->nparams; i++) {
        if (!is_integer(t->params[i])) {
            return 0;
        }
    }
    uint32_t shape = RT_SHAPE_CODE | t->nparams;
    if (t->nresults == 1) {
        if (!is_integer(t->results[0])) {
            return 0;
        }
        shape |= RT_SHAPE_RESULT | (t->results[0] == WASM_I32 ? 0 : RT_SHAPE_WIDE);
    }
    return shape;
}

/* Does `t` belong to an instance whose code relies on being alone with it? */
static bool is_closed(struct rt_instance *inst, const struct rt_table *t)
{
    for (struct rt_instance *i = inst->ring_next; i != inst; i = i->ring_next) {
        const struct aot_image *im = i->exec_module;
        uint32_t n = rt_instance_wasm(i)->ntables - rt_instance_wasm(i)->nimported_tables;
        if (i->executor == &aot_executor && (im->footer.flags & WEIR_IMAGE_CLOSED) != 0 &&
            t >= i->own_tables && t < i->own_tables + n) {
            return true;
        }
    }
    return false;
}

static weir_status check_tables(struct rt_instance *inst, struct weir_report *rep)
{
    for (uint32_t i = 0; i < rt_instance_wasm(inst)->nimported_tables; i++) {
        if (is_closed(inst, rt_table_at(inst, i))) {
            return weir_report_set(
                rep, WEIR_E_LINK, WEIR_NO_OFFSET, "import",
                "a table of a module that was not compiled with weirc --open cannot be imported");
        }
    }
    return WEIR_OK;
}

static weir_status instance_init(struct rt_instance *inst, struct weir_report *rep)
{
    weir_status st = check_tables(inst, rep);
    if (st != WEIR_OK) {
        return st;
    }
    const struct aot_image *im = inst->exec_module;
    const struct rt_module *m = inst->module;
    bool segue = (im->footer.flags & WEIR_IMAGE_SEGUE) != 0 && m->wasm->nmemories > 0;
    bool trampolines = !RT_GUARD_CODE || (im->footer.flags & WEIR_IMAGE_STUBS) != 0; /* another convention */
    bind_imports(inst, im);
    for (uint32_t slot = m->wasm->nimported_funcs; slot < m->nfunc_slots; slot++) {
        struct rt_func *f = rt_slot_at(inst, slot);
        f->code = (void (*)(void))(im->base + im->funcs[f->funcidx - m->wasm->nimported_funcs].start);
        f->exec = (void *)(im->base + im->tramps[m->wasm->funcs[f->funcidx].typeidx]);
        f->invoke = segue ? invoke_segue : invoke_plain;
        f->guest = inst;
        f->shape = trampolines ? 0 : shape_of(f->type);
        f->shape |= f->shape != 0 && segue ? RT_SHAPE_BASE : 0;
    }
    return WEIR_OK;
}

static void instance_fini(struct rt_instance *inst)
{
    mem_free(inst->exec);
    inst->exec = NULL;
}

static weir_status module_prepare(const struct rt_module *m, void **out, struct weir_report *rep)
{
    (void)m;
    (void)out;
    return weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "", "the module has no native image");
}

static void module_free(void *exec_module)
{
    aot_image_unmap(exec_module);
}

/* ---- traps -------------------------------------------------------------------------------------------- */

/* An explicit trap is an undefined instruction that carries its kind + 1 (weirc's llvm.ubsantrap). */
static bool explicit_trap(const struct os_fault *f, uint8_t *kind)
{
#ifdef __x86_64__
    static const uint8_t ud1[] = {0x67, 0x0f, 0xb9, 0x40}; /* ud1l kind(%eax), %eax */
    if (f->signal != SIGILL || memcmp((const void *)f->pc, ud1, sizeof ud1) != 0) {
        return false;
    }
    *kind = ((const uint8_t *)f->pc)[sizeof ud1];
#else
    uint32_t insn;
    memcpy(&insn, (const void *)f->pc, sizeof insn);
    if (f->signal != SIGTRAP || (insn & 0xffe0001f) != 0xd4200000) { /* brk #0x55kk */
        return false;
    }
    *kind = (uint8_t)(insn >> 5);
#endif
    *kind -= 1;
    return *kind <= WEIR_TRAP_EXIT;
}

/* Frames that are too big for the room below the limit touch every page on their way down. */
static bool probed_stack(const struct os_fault *f)
{
    enum { NEAR_BYTES = 1 << 20 };
    return f->signal == SIGSEGV && f->address < os_stack_low() + (64u << 10) &&
           f->address + NEAR_BYTES > f->sp && f->address <= f->sp + 4096;
}

static bool fault_kind(const struct os_fault *f, bool memory, enum weir_trap_kind *kind)
{
    uint8_t k;
    if (memory) {
        *kind = WEIR_TRAP_MEMORY_BOUNDS;
    } else if (explicit_trap(f, &k)) {
        *kind = (enum weir_trap_kind)k;
    } else if (probed_stack(f)) {
        *kind = WEIR_TRAP_STACK_EXHAUSTED;
    } else {
        return false;
    }
    return true;
}

/* The instance among those linked with `inst` whose code has `pc`. */
static struct rt_instance *instance_at(struct rt_instance *inst, uintptr_t pc)
{
    struct rt_instance *i = inst;
    do {
        const struct aot_image *im = i->exec_module;
        if (i->executor == &aot_executor && pc - im->text < im->text_end - im->text) {
            return i;
        }
        i = i->ring_next;
    } while (i != inst);
    return NULL;
}

static void add_frame(struct rt_call *call, uintptr_t pc)
{
    struct rt_instance *inst = instance_at(call->inst, pc);
    if (inst == NULL) {
        return;
    }
    const struct aot_image *im = inst->exec_module;
    uint32_t func = aot_image_find_func(im, pc);
    if (func == UINT32_MAX) {
        return; /* a stub or trampoline */
    }
    bool room = call->trap->nframes < WEIR_TRAP_FRAMES;
    rt_trap_add_frame(call, inst, func + rt_instance_wasm(inst)->nimported_funcs,
                      room ? aot_image_find_offset(im, func, pc) : 0);
}

/* Walks the chain of frame pointers, which all compiled code and all of Weir keeps; a frame of foreign code
 * without one is skipped together with its caller. */
static void backtrace(struct rt_call *call, const struct os_fault *fault)
{
    const uintptr_t *fp = fault != NULL ? (const uintptr_t *)fault->fp : __builtin_frame_address(0);
    const uintptr_t *low = fault != NULL ? (const uintptr_t *)fault->sp : fp;
    const uintptr_t *end = (const uintptr_t *)call->guard.frame;
    if (fault != NULL) {
        add_frame(call, fault->pc);
    }
    while (fp >= low && fp < end && (uintptr_t)fp % sizeof *fp == 0) {
        add_frame(call, fp[1] - 1); /* inside the call instruction */
        low = fp + 2;
        fp = (const uintptr_t *)fp[0];
    }
}

static bool may_leave(const struct rt_call *call, const struct os_fault *at)
{
    (void)call;
    return rt_code_contains(at->pc);
}

const struct rt_executor aot_executor = {
    .name = "aot",
    .tier = WEIR_TIER_AOT,
    .module_prepare = module_prepare,
    .module_free = module_free,
    .instance_init = instance_init,
    .instance_fini = instance_fini,
    .enter = enter,
    .backtrace = backtrace,
    .unwound = unwound,
    .fault_kind = fault_kind,
    .may_leave = may_leave,
};
