/* os/fault.c - synchronous signals, offered to one handler and otherwise passed on.
 *
 * The handler runs on the alternate stack with nothing blocked, so that it may leave by longjmp.  Signals
 * that it does not take go to whoever had them before us; where that was the default, the default is put back
 * and the instruction runs again, so that the process dies as it would have without us. */
#include <pthread.h>
#include <ucontext.h>

#include "base/mem.h"
#include "os/os.h"

static const int signals[] = {
    SIGSEGV, SIGBUS, SIGFPE, SIGILL,
#ifdef __aarch64__
    SIGTRAP, /* its trap instruction is brk */
#endif
};
enum { NSIGNALS = sizeof signals / sizeof signals[0] };

static os_fault_handler *fault_handler;
static struct sigaction before[NSIGNALS];
static _Thread_local bool passing_on
    __attribute__((tls_model("initial-exec"))); /* whoever was before may hand it back to us */

void os_fault_registers(struct os_fault *f, void *context)
{
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    f->pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    f->sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    f->fp = (uintptr_t)uc->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    f->pc = uc->uc_mcontext.pc;
    f->sp = uc->uc_mcontext.sp;
    f->fp = uc->uc_mcontext.regs[29];
#else
#error "os/fault.c: registers of this CPU"
#endif
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
    static const struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int i = 0; i < NSIGNALS; i++) {
        if (signals[i] != sig) {
            continue;
        }
        const struct sigaction *b = passing_on ? &by_default : &before[i];
        passing_on = true;
        if (b->sa_flags & SA_SIGINFO) {
            b->sa_sigaction(sig, info, context);
        } else if (b->sa_handler != SIG_DFL && b->sa_handler != SIG_IGN) {
            b->sa_handler(sig);
        } else if (b->sa_handler == SIG_DFL || info->si_code > 0) {
            signal(sig, SIG_DFL);
            if (info->si_code <= 0) { /* sent by a process: no instruction will run again */
                raise(sig);
            }
        }
        passing_on = false;
    }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    if (info->si_code > 0) {
        struct os_fault f = {
            .signal = sig, .code = info->si_code, .address = (uintptr_t)info->si_addr, .context = context};
        os_fault_registers(&f, context);
        fault_handler(&f);
    }
    pass_on(sig, info, context);
}

static bool is_ours(const struct sigaction *act)
{
    return (act->sa_flags & SA_SIGINFO) && act->sa_sigaction == on_signal;
}

void os_fault_install(os_fault_handler *handler)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction now, act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaction(SIGSEGV, NULL, &now);
    if (is_ours(&now)) {
        return;
    }
    pthread_mutex_lock(&lock);
    fault_handler = handler;
    sigemptyset(&act.sa_mask);
    for (int i = 0; i < NSIGNALS; i++) {
        int rc = sigaction(signals[i], NULL, &now);
        WEIR_ASSERT(rc == 0);
        if (is_ours(&now)) {
            continue;
        }
        before[i] = now;
        rc = sigaction(signals[i], &act, NULL);
        WEIR_ASSERT(rc == 0);
    }
    pthread_mutex_unlock(&lock);
}
