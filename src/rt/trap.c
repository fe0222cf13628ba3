/* rt/trap.c - entering a guest, leaving it by a trap, and faults that become traps.
 *
 * A trap is filled in while the guest's frames still stand, then rt_call_enter is jumped back to; what needs
 * memory (the functions' names) is looked up there, because a fault is handled in a signal handler.  The
 * native stack is watched by a limit: every entry sets it for the instance and those linked with it, compiled
 * code and nested entries compare with it. */
#include "rt/trap.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "rt/executor.h"

#if __has_feature(address_sanitizer)
void __asan_handle_no_return(void);
#else
#define __asan_handle_no_return() ((void)0)
#endif

enum {
    /* Left below the limit for host functions, helpers, and the frames of functions too small to check. */
    STACK_HOST_BYTES = 128 * 1024,
};

_Thread_local struct rt_call *rt_calls __attribute__((tls_model("initial-exec")));
_Thread_local uintptr_t rt_code_base __attribute__((tls_model("initial-exec")));
/* The lowest address guests may let this thread's stack come to; 0 until the thread is prepared. */
static _Thread_local uintptr_t stack_least __attribute__((tls_model("initial-exec")));

/* ---- code that may fault ------------------------------------------------------------------ */

static struct {
    pthread_mutex_t lock;
    struct {
        uintptr_t start, end;
    } ranges[RT_CODE_RANGES]; /* start 0: free; the end is written first */
    uint32_t used;
} code = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool rt_code_register(uintptr_t start, uintptr_t end)
{
    pthread_mutex_lock(&code.lock);
    uint32_t i = 0;
    while (i < code.used && code.ranges[i].start != 0) {
        i++;
    }
    bool ok = i < RT_CODE_RANGES;
    if (ok) {
        __atomic_store_n(&code.ranges[i].end, end, __ATOMIC_RELAXED);
        __atomic_store_n(&code.ranges[i].start, start, __ATOMIC_RELEASE);
        if (i == code.used) {
            __atomic_store_n(&code.used, i + 1, __ATOMIC_RELEASE);
        }
    }
    pthread_mutex_unlock(&code.lock);
    return ok;
}

void rt_code_unregister(uintptr_t start)
{
    pthread_mutex_lock(&code.lock);
    for (uint32_t i = 0; i < code.used; i++) {
        if (code.ranges[i].start == start) {
            __atomic_store_n(&code.ranges[i].start, 0, __ATOMIC_RELEASE);
            break; /* an object that is loaded twice lies in one place, registered twice */
        }
    }
    pthread_mutex_unlock(&code.lock);
}

bool rt_code_contains(uintptr_t pc)
{
    uint32_t n = __atomic_load_n(&code.used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < n; i++) {
        uintptr_t start = __atomic_load_n(&code.ranges[i].start, __ATOMIC_ACQUIRE);
        if (start != 0 && pc >= start && pc < __atomic_load_n(&code.ranges[i].end, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

/* ---- leaving ---------------------------------------------------------------------------------- */

const char *weir_trap_text(enum weir_trap_kind kind)
{
    static const char *const texts[] = {
#define X(name, text) text,
        WEIR_TRAP_KINDS(X)
#undef X
    };
    return texts[kind];
}

void rt_trap_add_frame(struct rt_call *call, struct rt_instance *inst, uint32_t funcidx, uint32_t offset)
{
    struct weir_trap *t = call->trap;
    if (t->nframes == WEIR_TRAP_FRAMES) {
        t->nskipped++;
        return;
    }
    call->frame_modules[t->nframes] = inst->module;
    t->frames[t->nframes++] = (struct weir_frame){.funcidx = funcidx, .offset = offset};
}

/* Also runs in the signal handler. */
static _Noreturn void leave(struct rt_call *call, enum weir_trap_kind kind, int32_t exit_code,
                            const char *message, const struct os_fault *fault)
{
    struct weir_trap *t = call->trap;
    t->kind = kind;
    t->exit_code = exit_code;
    t->nframes = t->nskipped = 0;
    if (message == NULL) {
        message = weir_trap_text(kind);
    }
    size_t len = strnlen(message, sizeof t->message - 1);
    memcpy(t->message, message, len);
    t->message[len] = '\0';
    call->status = kind == WEIR_TRAP_EXIT ? WEIR_E_EXIT : WEIR_E_TRAP;
    if (kind != WEIR_TRAP_EXIT && call->inst->executor->backtrace != NULL) {
        call->inst->executor->backtrace(call, fault);
    }
    __asan_handle_no_return();
    rt_guard_leave(&call->guard);
}

void rt_trap_raise(struct rt_instance *inst, enum weir_trap_kind kind, const char *message)
{
    (void)inst; /* the innermost call is the one that ends, whichever of its linked instances it was in */
    WEIR_ASSERT(rt_calls != NULL);
    leave(rt_calls, kind, 0, message, NULL);
}

void rt_trap_exit(struct rt_instance *inst, int32_t exit_code)
{
    (void)inst;
    WEIR_ASSERT(rt_calls != NULL);
    leave(rt_calls, WEIR_TRAP_EXIT, exit_code, NULL, NULL);
}

/* ---- faults -------------------------------------------------------------------------------------- */

static bool in_stack_guard(struct rt_instance *inst, uintptr_t address)
{
    struct rt_instance *i = inst;
    do {
        if (address - i->guard_low < i->guard_high - i->guard_low) {
            return true;
        }
        i = i->ring_next;
    } while (i != inst);
    return false;
}

static void on_fault(const struct os_fault *f)
{
    struct rt_call *call = rt_calls;
    if (call == NULL) {
        return;
    }
    struct rt_instance *inst = call->inst;
    bool access = f->signal == SIGSEGV || f->signal == SIGBUS;
    bool memory = access && rt_memory_reserved(f->address);
    enum weir_trap_kind kind = WEIR_TRAP_MEMORY_BOUNDS;
    bool trap;
    if (rt_code_contains(f->pc) && inst->executor->fault_kind != NULL) {
        trap = inst->executor->fault_kind(f, memory, &kind);
    } else {
        trap = memory;
    }
    if (!trap && access && in_stack_guard(inst, f->address)) {
        trap = true;
        kind = WEIR_TRAP_STACK_EXHAUSTED;
    }
    if (trap) {
        leave(call, kind, 0, NULL, f);
    }
}

/* ---- deadlines ---------------------------------------------------------------------------------- */

enum {
    IDLE_TICKS = 8, /* in a row without a guest call; then the ticks stop */
    AGAIN_NS =
        500000, /* until a call that is over its budget, but cannot be left there, is looked at again */
    LEAST_WAIT_NS = 50000,    /* before looking at a budget again that is not used up yet */
    MOST_WAIT_NS = 500000000, /* a timer's field holds less than a second */
};

static void late_native(struct rt_instance *inst)
{
    rt_trap_raise(inst, WEIR_TRAP_DEADLINE, NULL);
}

static void late_thunk(struct weir_instance *inst, uint64_t *cells)
{
    (void)cells;
    rt_trap_raise(rt_instance_of(inst), WEIR_TRAP_DEADLINE, NULL);
}

/* In the signal handler: every host function of these instances traps from now on. */
static void bend_imports(struct rt_instance *inst)
{
    static const struct weir_host_func late = {.native = (void (*)(void))late_native, .thunk = late_thunk};
    struct rt_instance *i = inst;
    do {
        for (uint32_t k = 0; !i->bent && k < rt_instance_wasm(i)->nimported_funcs; k++) {
            struct rt_func *f = rt_slot_at(i, k);
            if (rt_func_is_host(f)) {
                f->exec = &late;
                f->code = late.native;
            }
        }
        i->bent = true;
        i = i->ring_next;
    } while (i != inst);
}

/* The outermost call that is over its budget; NULL: none, *left_ns is what the next one may still take, and
 * *all_seen whether an earlier tick had found every one of them. */
static struct rt_call *find_late(uint64_t *left_ns, bool *all_seen)
{
    uint64_t now = os_thread_cpu_ns();
    struct rt_call *over = NULL;
    for (struct rt_call *c = rt_calls; c != NULL; c = c->previous) {
        uint64_t budget = c->inst->budget_ns, seen = c->seen_ns;
        if (seen == 0) {
            c->seen_ns = seen = now;
            *all_seen = false;
        }
        uint64_t spent = seen < now ? now - seen : 0; /* a tick in this handler may have seen it later */
        if (seen == RT_EXPIRED || (budget != 0 && spent >= budget)) {
            over = c;
        } else if (budget != 0 && budget - spent < *left_ns) {
            *left_ns = budget - spent;
        }
    }
    return over;
}

static _Thread_local uint32_t idle_ticks __attribute__((tls_model("initial-exec"))); /* in a row */

/* A call that looked whether the ticks are on, and is not in the chain yet, is found by the tick after the
 * one that said no. */
static void on_idle_tick(void)
{
    if (!os_tick_on) {
        os_tick_stop();
    } else if (++idle_ticks >= IDLE_TICKS) {
        idle_ticks = 0; /* the next call may start them again without one of them ever finding it */
        os_tick_on = false;
    }
}

/* CPU time goes no faster than the clock: a tick after what is left is never early, and halves it where
 * others use the core, too.  While one call goes on nothing but its end is of interest; the next call starts
 * the ticks. */
static void next_tick(uint64_t left_ns, bool all_seen)
{
    left_ns = left_ns < LEAST_WAIT_NS ? LEAST_WAIT_NS : left_ns;
    if (all_seen) {
        os_tick_once(left_ns < MOST_WAIT_NS ? left_ns : MOST_WAIT_NS);
    } else if (left_ns < OS_TICK_NS || !os_tick_on) {
        os_tick_soon(left_ns < OS_TICK_NS ? left_ns : OS_TICK_NS);
    }
}

static void on_tick(const struct os_fault *f)
{
    if (rt_calls == NULL) {
        on_idle_tick();
        return;
    }
    idle_ticks = 0;
    uint64_t left_ns = UINT64_MAX;
    bool all_seen = true;
    struct rt_call *over = find_late(&left_ns, &all_seen);
    if (over == NULL) {
        next_tick(left_ns, all_seen);
        return;
    }
    for (struct rt_call *c = rt_calls; c != over->previous; c = c->previous) {
        c->seen_ns = RT_EXPIRED;
        bend_imports(c->inst);
    }
    const struct rt_executor *ex = rt_calls->inst->executor;
    if (ex->may_leave != NULL && ex->may_leave(rt_calls, f)) {
        os_tick_on =
            false; /* what this left half done, of an earlier tick, is started anew by the next call */
        leave(rt_calls, WEIR_TRAP_DEADLINE, 0, NULL, f);
    }
    os_tick_soon(AGAIN_NS);
}

/* ---- entering --------------------------------------------------------------------------------------- */

void rt_faults_watch(void)
{
    os_fault_install(on_fault);
}

static void thread_prepare(void)
{
    rt_faults_watch();
    os_thread_signal_stack();
    stack_least = os_stack_low() + STACK_HOST_BYTES;
}

/* An instance may use `stack_bytes` from here on, but never what the host needs at the end of the thread's.
 */
static inline uintptr_t set_stack_limit(struct rt_instance *inst, uintptr_t here)
{
    uintptr_t limit = here - inst->stack_bytes;
    if ((intptr_t)limit < (intptr_t)stack_least) { /* signed: also where `here` is less than the bytes */
        limit = stack_least;
    }
    inst->stack_limit = limit;
    for (struct rt_instance *i = inst->ring_next; i != inst; i = i->ring_next) {
        i->stack_limit = limit;
    }
    return limit;
}

/* After a trap, in plain memory again. */
static __attribute__((noinline)) weir_status landed(struct rt_call *call)
{
    struct weir_trap *t = call->trap;
    for (uint32_t i = 0; i < t->nframes; i++) {
        t->frames[i].name = rt_module_func_name(call->frame_modules[i], t->frames[i].funcidx);
        t->frames[i].module = call->frame_modules[i]->wasm;
    }
    if (call->inst->executor->unwound != NULL) {
        call->inst->executor->unwound(call);
    }
    return call->status;
}

static __attribute__((noinline)) weir_status no_stack(struct weir_trap *trap)
{
    if (trap != NULL) {
        *trap = (struct weir_trap){.kind = WEIR_TRAP_STACK_EXHAUSTED};
        strcpy(trap->message, weir_trap_text(WEIR_TRAP_STACK_EXHAUSTED));
    }
    return WEIR_E_TRAP;
}

/* The call came back by itself, but too late. */
static __attribute__((noinline)) weir_status too_late(struct rt_call *call)
{
    *call->trap = (struct weir_trap){.kind = WEIR_TRAP_DEADLINE};
    strcpy(call->trap->message, weir_trap_text(WEIR_TRAP_DEADLINE));
    return WEIR_E_TRAP;
}

static inline bool guarded(struct rt_call *call, struct rt_func *f, uint64_t *cells)
{
#if RT_GUARD_CODE
    bool ready = f->shape != 0 &&
                 ((f->shape & RT_SHAPE_BASE) == 0 || (uintptr_t)call->inst->pub.memory == rt_code_base);
    if (__builtin_expect(ready, 1)) {
        return rt_guard_code(&call->guard, f->code, call->inst, cells, f->shape);
    }
#endif
    return rt_guard_call(&call->guard, f->guest != NULL ? call->inst->executor->enter : f->invoke, f, cells);
}

/* Nothing but what lies in `call` is needed once the guest returned: so no register need be saved twice. */
static inline __attribute__((always_inline)) weir_status call_guarded(struct rt_func *f, uint64_t *cells,
                                                                      struct weir_trap *trap)
{
    struct rt_instance *inst = f->inst;
    struct rt_call call;
    struct weir_trap scratch;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    call.previous = rt_calls;
    call.inst = inst;
    call.exec_state = NULL;
    call.seen_ns = 0;
    call.trap = trap != NULL ? trap : &scratch;
    bool inner = call.previous != NULL && call.previous->inst == inst;
    uintptr_t limit = inner ? inst->stack_limit : set_stack_limit(inst, here);
    if (__builtin_expect(here <= limit, 0)) {
        return no_stack(trap);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a tick sees the call only when it is filled in */
    rt_calls = &call;
    bool trapped = guarded(&call, f, cells);
    rt_calls = call.previous;
    if (__builtin_expect(trapped, 0)) {
        return landed(&call);
    }
    return __builtin_expect(call.seen_ns == RT_EXPIRED, 0) ? too_late(&call) : WEIR_OK;
}

/* The thread's first call, or the first one with a budget since the ticks stopped. */
static __attribute__((noinline)) weir_status call_prepared(struct rt_func *f, uint64_t *cells,
                                                           struct weir_trap *trap)
{
    if (stack_least == 0) {
        thread_prepare();
    }
    if (!os_tick_on && f->inst->budget_ns != 0) {
        os_tick_start(on_tick);
    }
    return call_guarded(f, cells, trap);
}

void rt_call_within(struct rt_func *f, uint64_t *cells)
{
    WEIR_ASSERT(rt_calls != NULL);
    if (__builtin_expect((uintptr_t)__builtin_frame_address(0) <= f->inst->stack_limit, 0)) {
        rt_trap_raise(f->inst, WEIR_TRAP_STACK_EXHAUSTED, NULL);
    }
    f->invoke(f, cells);
}

weir_status rt_call_enter(struct rt_func *f, uint64_t *cells, struct weir_trap *trap)
{
    if (__builtin_expect(stack_least == 0 || (!os_tick_on && f->inst->budget_ns != 0), 0)) {
        return call_prepared(f, cells, trap);
    }
    return call_guarded(f, cells, trap);
}
