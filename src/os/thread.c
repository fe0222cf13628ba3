/* os/thread.c - where the calling thread's stack ends, and the stack its signals run on.
 *
 * The alternate stack is one per thread, made at the first guest call.  An alternate stack that is already
 * there and large enough (a sanitizer's, an embedder's) stays. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "os/os.h"

enum {
    SIGNAL_STACK_BYTES = 64 * 1024,
    SIGNAL_STACK_LEAST = 16 * 1024,
    /* The main thread's stack can be "unlimited"; more than this is never counted on. */
    STACK_MOST_BYTES = 64 << 20,
};

static _Thread_local uintptr_t stack_low;
static pthread_key_t signal_stack_key;
static pthread_once_t signal_stack_once = PTHREAD_ONCE_INIT;

uintptr_t os_stack_low(void)
{
    if (stack_low != 0) {
        return stack_low;
    }
    pthread_attr_t attr;
    void *at = NULL;
    size_t bytes = 0, guard = 0;
    int rc = pthread_getattr_np(pthread_self(), &attr);
    WEIR_ASSERT(rc == 0);
    pthread_attr_getstack(&attr, &at, &bytes);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_destroy(&attr);
    uintptr_t low = (uintptr_t)at + guard, here = (uintptr_t)__builtin_frame_address(0);
    if (here > low && here - low > STACK_MOST_BYTES) {
        low = here - STACK_MOST_BYTES;
    }
    return stack_low = low;
}

static void free_signal_stack(void *at)
{
    stack_t off = {.ss_flags = SS_DISABLE};
    sigaltstack(&off, NULL);
    munmap(at, SIGNAL_STACK_BYTES);
}

static void make_signal_stack_key(void)
{
    int rc = pthread_key_create(&signal_stack_key, free_signal_stack);
    WEIR_ASSERT(rc == 0);
}

void os_thread_signal_stack(void)
{
    stack_t now;
    int rc = sigaltstack(NULL, &now);
    WEIR_ASSERT(rc == 0);
    if (!(now.ss_flags & SS_DISABLE) && now.ss_size >= SIGNAL_STACK_LEAST) {
        return;
    }
    pthread_once(&signal_stack_once, make_signal_stack_key);
    void *at = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    WEIR_ASSERT(at != MAP_FAILED);
    stack_t mine = {.ss_sp = at, .ss_size = SIGNAL_STACK_BYTES};
    rc = sigaltstack(&mine, NULL);
    WEIR_ASSERT(rc == 0);
    pthread_setspecific(signal_stack_key, at);
}
