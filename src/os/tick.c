/* os/tick.c - a signal every few milliseconds.
 *
 * One POSIX timer per thread, made at its first start, deleted when the thread ends.  It is on the monotonic
 * clock: timers on a thread's CPU clock are looked at only at the kernel's own ticks (4 ms, or 10), and a
 * thread that makes many system calls on a busy machine may give its core away before every one of them.  The
 * handler runs on the alternate stack with nothing blocked, so that it may leave by longjmp.  A forked child
 * inherits no timers; its thread is told so. */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/os.h"

_Thread_local bool os_tick_on __attribute__((tls_model("initial-exec")));

static _Thread_local struct {
    bool made;
    timer_t timer;
} own __attribute__((tls_model("initial-exec")));

static os_tick_handler *tick_handler;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    struct os_fault f = {.signal = sig, .code = info->si_code, .context = context};
    os_fault_registers(&f, context);
    tick_handler(&f);
    errno = saved;
}

static void on_thread_end(void *unused)
{
    (void)unused;
    os_tick_on = false;
    if (own.made) {
        timer_delete(own.timer);
        own.made = false;
    }
}

static void after_fork(void)
{
    os_tick_on = false;
    own.made = false;
}

static void prepare(void)
{
    struct sigaction act = {.sa_sigaction = on_signal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    sigemptyset(&act.sa_mask);
    int rc = sigaction(OS_TICK_SIGNAL, &act, NULL);
    WEIR_ASSERT(rc == 0);
    rc = pthread_key_create(&key, on_thread_end);
    WEIR_ASSERT(rc == 0);
    pthread_atfork(NULL, NULL, after_fork);
}

static bool set_timer(uint64_t first_ns, uint64_t period_ns)
{
    struct itimerspec spec = {.it_interval = {.tv_nsec = (long)period_ns},
                              .it_value = {.tv_nsec = (long)first_ns}};
    return timer_settime(own.timer, 0, &spec, NULL) == 0;
}

/* A handler may run between any two lines that change the flag or the timer, of a thread or of another
 * handler, and may leave that one.  The order is such that once all are through, a flag that says they come
 * every OS_TICK_NS is true; one that says no may be wrong, which costs a call of the system. */
static bool tick_every(uint64_t first_ns)
{
    os_tick_on = true;
    if (!set_timer(first_ns, OS_TICK_NS)) {
        os_tick_on = false;
        return false;
    }
    return true;
}

bool os_tick_start(os_tick_handler *handler)
{
    tick_handler = handler; /* every caller gives the same */
    pthread_once(&once, prepare);
    if (!own.made) {
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = OS_TICK_SIGNAL};
        event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
        if (timer_create(CLOCK_MONOTONIC, &event, &own.timer) != 0) {
            return false;
        }
        own.made = true;
        pthread_setspecific(key, &own);
        sigset_t ours;
        sigemptyset(&ours);
        sigaddset(&ours, OS_TICK_SIGNAL);
        pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    }
    return tick_every(OS_TICK_NS);
}

void os_tick_stop(void)
{
    os_tick_on = false;
    set_timer(0, 0);
}

void os_tick_soon(uint64_t ns)
{
    tick_every(ns);
}

void os_tick_once(uint64_t ns)
{
    set_timer(ns, 0);
    os_tick_on = false;
}
