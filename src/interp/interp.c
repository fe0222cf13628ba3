/* interp/interp.c - the interpreter as an executor: modules, instances, activations, backtraces.
 *
 * An instance has one stack of stack_bytes: slots grow up from its beginning, return addresses down from its
 * end.  An activation inside another one of the same instance (a host function that calls back) begins where
 * the outer one said its slots end. */
#include "interp/interp.h"

#include <string.h>
#include <ucontext.h>

#include "base/mem.h"
#include "interp/code.h"

enum { SPARE_SLOTS = 16 };

struct interp_stack {
    uint64_t *low;
    struct interp_ctl *high;
    size_t bytes;
};

/* ---- modules ---- */

static weir_status module_prepare(const struct rt_module *m, void **out, struct weir_report *rep)
{
    (void)rep;
    const struct wasm_module *w = m->wasm;
    struct interp_module *mod = mem_zalloc(sizeof *mod);
    mod->rt = m;
    mod->nfuncs = w->nfuncs - w->nimported_funcs;
    mod->funcs = mem_zalloc_array(mod->nfuncs, sizeof *mod->funcs);
    pthread_mutex_init(&mod->lock, NULL);
    for (uint32_t i = 0; i < mod->nfuncs; i++) {
        struct interp_func *f = &mod->funcs[i];
        f->module = mod;
        f->funcidx = w->nimported_funcs + i;
        f->stub[0] = (uintptr_t)interp_handlers[H_LAZY];
        f->stub[1] = (uintptr_t)f;
        f->code = f->stub;
    }
    *out = mod;
    return WEIR_OK;
}

static void module_free(void *exec_module)
{
    struct interp_module *mod = exec_module;
    if (!mod) {
        return;
    }
    for (uint32_t i = 0; i < mod->nfuncs; i++) {
        mem_free(mod->funcs[i].words);
        mem_free(mod->funcs[i].origins);
    }
    pthread_mutex_destroy(&mod->lock);
    mem_free(mod->funcs);
    mem_free(mod);
}

void interp_func_lower(struct interp_func *f)
{
    pthread_mutex_lock(&f->module->lock);
    if (f->code == f->stub) {
        struct interp_lowered out;
        interp_lower(f->module, f->funcidx, &out);
        f->words = out.words;
        f->nwords = out.nwords;
        f->origins = out.origins;
        f->norigins = out.norigins;
        __atomic_store_n(&f->code, f->words, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&f->module->lock);
}

bool interp_origin_find(const struct interp_module *mod, const uint64_t *ip, uint32_t *funcidx,
                        uint32_t *offset)
{
    for (uint32_t i = 0; i < mod->nfuncs; i++) {
        const struct interp_func *f = &mod->funcs[i];
        if (!f->words || ip < f->words || ip >= f->words + f->nwords) {
            continue;
        }
        uint32_t word = (uint32_t)(ip - f->words), low = 0, high = f->norigins;
        while (high - low > 1) {
            uint32_t mid = low + (high - low) / 2;
            if (f->origins[mid].word <= word) {
                low = mid;
            } else {
                high = mid;
            }
        }
        *funcidx = f->funcidx;
        *offset = f->origins[low].offset;
        return true;
    }
    return false;
}

/* ---- instances ---- */

static weir_status instance_init(struct rt_instance *inst, struct weir_report *rep)
{
    const struct interp_module *mod = inst->exec_module;
    const struct wasm_module *w = rt_instance_wasm(inst);
    for (uint32_t s = w->nimported_funcs; s < inst->module->nfunc_slots; s++) {
        struct rt_func *f = rt_slot_at(inst, s);
        f->invoke = interp_invoke;
        f->exec = &mod->funcs[f->funcidx - w->nimported_funcs];
    }
    size_t page = os_page_bytes(), want = inst->stack_bytes;
    want = (want + page - 1) / page * page;
    void *at = os_memory_reserve(want);
    if (!at || !os_memory_commit(at, want)) {
        if (at) {
            os_memory_release(at, want);
        }
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "", "no memory for a stack of %zu bytes",
                               want);
    }
    struct interp_stack *stack = mem_alloc(sizeof *stack);
    stack->low = at;
    stack->high = (struct interp_ctl *)(void *)((char *)at + want);
    stack->bytes = want;
    inst->exec = stack;
    return WEIR_OK;
}

static void instance_fini(struct rt_instance *inst)
{
    struct interp_stack *stack = inst->exec;
    if (!stack) {
        return;
    }
    os_memory_release(stack->low, stack->bytes);
    mem_free(stack);
    inst->exec = NULL;
}

/* ---- activations ---- */

/* The code every activation returns to. */
static const uint64_t *exit_word(void)
{
    static interp_handler *const code[1] = {interp_h_EXIT};
    return (const uint64_t *)(const void *)code;
}

/* The innermost activation of an instance on this thread, NULL if it is not running. */
static struct interp_run *running(const struct rt_instance *inst)
{
    for (struct rt_call *call = rt_calls; call; call = call->previous) {
        for (struct interp_run *run = call->exec_state; run; run = run->previous) {
            if (run->inst == inst) {
                return run;
            }
        }
    }
    return NULL;
}

static void normalize(uint64_t *cells, const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nresults; i++) {
        if (t->results[i] == WASM_I32 || t->results[i] == WASM_F32) {
            *cells = (uint32_t)*cells;
        }
        cells += wasm_valtype_cells(t->results[i]);
    }
}

/* Apart from interp_invoke because the sanitizer realigns the frame of a function with watched locals and
 * addresses it through rbx, which a preserve_none call does not preserve. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static void
run_code(const uint64_t *ip, uint64_t *fp, struct interp_ctl *sp, struct rt_instance *inst,
         struct interp_run *run)
{
    ((interp_handler *)(uintptr_t)ip[0])(fp, ip, inst->pub.memory, inst, 0, sp, run, 0, 0);
}

void interp_invoke(struct rt_func *f, uint64_t *cells)
{
    struct rt_instance *inst = f->inst;
    const struct interp_stack *stack = inst->exec;
    const struct interp_run *outer = running(inst);
    struct interp_run run = {.previous = rt_calls->exec_state, .inst = inst};
    uint64_t *fp = outer ? outer->top : stack->low;
    struct interp_ctl *sp = outer ? outer->sp : stack->high;
    uintptr_t native = (uintptr_t)__builtin_frame_address(0);
    uint32_t most =
        f->type->param_cells > f->type->result_cells ? f->type->param_cells : f->type->result_cells;
    if (native < inst->stack_limit || (uintptr_t)(fp + most + SPARE_SLOTS) > (uintptr_t)sp) {
        rt_trap_raise(inst, WEIR_TRAP_STACK_EXHAUSTED, NULL);
    }
    memcpy(fp, cells, f->type->param_cells * sizeof *cells);
    *--sp = (struct interp_ctl){exit_word(), fp};
    run.base = run.sp = sp;
    run.top = run.fp = fp;
    rt_calls->exec_state = &run;
    const uint64_t *ip = __atomic_load_n(&((const struct interp_func *)f->exec)->code, __ATOMIC_ACQUIRE);
    run_code(ip, fp, sp, inst, &run);
    rt_calls->exec_state = run.previous;
    memcpy(cells, fp, f->type->result_cells * sizeof *cells);
    normalize(cells, f->type);
}

/* ---- backtraces ---- */

extern const char __start_weir_interp_text[] __attribute__((visibility("hidden")));
extern const char __stop_weir_interp_text[] __attribute__((visibility("hidden")));

/* The registers preserve_none gives `ip` and `sp`; they hold them all through a handler that can fault. */
static void fault_registers(const struct os_fault *fault, uintptr_t *ip, uintptr_t *sp)
{
    const ucontext_t *u = fault->context;
#if defined(__x86_64__)
    *ip = (uintptr_t)u->uc_mcontext.gregs[REG_R13];
    *sp = (uintptr_t)u->uc_mcontext.gregs[REG_RSI];
#elif defined(__aarch64__)
    *ip = u->uc_mcontext.regs[21];
    *sp = u->uc_mcontext.regs[25];
#else
#error "which registers does preserve_none use?"
#endif
}

/* Has the handler that faulted moved on to the next instruction already? */
static bool is_past(uintptr_t pc, const uint64_t *ip)
{
    uintptr_t best = 0;
    for (unsigned h = 0; h < H_COUNT; h++) {
        uintptr_t start = (uintptr_t)interp_handlers[h];
        if (start <= pc && start > best) {
            best = start;
        }
    }
    return best != (uintptr_t)ip[0];
}

static void add_frame(struct rt_call *call, struct rt_instance *inst, const uint64_t *ip)
{
    uint32_t funcidx, offset;
    if (ip && interp_origin_find(inst->exec_module, ip, &funcidx, &offset)) {
        rt_trap_add_frame(call, inst, funcidx, offset);
    }
}

static bool is_guest_pc(uintptr_t pc)
{
    return pc >= (uintptr_t)__start_weir_interp_text && pc < (uintptr_t)__stop_weir_interp_text;
}

/* A tick can interrupt a handler where these registers hold something else. */
static bool are_registers(const struct interp_run *run, uintptr_t ip, uintptr_t sp)
{
    const struct interp_stack *stack = run->inst->exec;
    uint32_t funcidx, offset;
    return ip % sizeof(uint64_t) == 0 && sp % sizeof(uint64_t) == 0 && sp >= (uintptr_t)stack->low &&
           sp <= (uintptr_t)run->base &&
           interp_origin_find(run->inst->exec_module, (const uint64_t *)ip, &funcidx, &offset);
}

/* Between a call and its first instruction the registers do not say where the guest is. */
static bool may_leave(const struct rt_call *call, const struct os_fault *at)
{
    uintptr_t ip, sp;
    fault_registers(at, &ip, &sp);
    return is_guest_pc(at->pc) && call->exec_state != NULL && are_registers(call->exec_state, ip, sp);
}

static void backtrace(struct rt_call *call, const struct os_fault *fault)
{
    for (struct interp_run *run = call->exec_state; run; run = run->previous) {
        const uint64_t *ip = run->ip;
        const struct interp_ctl *ctl = run->sp;
        if (fault && is_guest_pc(fault->pc)) {
            uintptr_t reg_ip, reg_sp;
            fault_registers(fault, &reg_ip, &reg_sp);
            if (are_registers(run, reg_ip, reg_sp)) {
                ip = (const uint64_t *)reg_ip;
                ctl = (const struct interp_ctl *)reg_sp;
                if (is_past(fault->pc, ip)) {
                    ip--;
                }
            }
            fault = NULL; /* the other activations are in C code */
        }
        add_frame(call, run->inst, ip);
        for (; ctl < run->base; ctl++) {
            add_frame(call, run->inst, ctl->ip - 1);
        }
    }
}

const struct rt_executor interp_executor = {
    .name = "interp",
    .tier = WEIR_TIER_INTERP,
    .module_prepare = module_prepare,
    .module_free = module_free,
    .instance_init = instance_init,
    .instance_fini = instance_fini,
    .backtrace = backtrace,
    .may_leave = may_leave,
};
