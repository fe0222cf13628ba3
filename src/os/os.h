/* os/os.h - what the engine asks of the operating system.
 *
 * One file per topic and platform behind it.  Sizes are bytes and multiples of the page unless said
 * otherwise. */
#ifndef OS_OS_H
#define OS_OS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/status.h"

size_t os_page_bytes(void);

/* ---- address space: memory.c ------------------------------------------------------------- */

/* Address space that cannot be touched until it is committed.  NULL: the system has none left. */
void *os_memory_reserve(size_t bytes);
void os_memory_release(void *at, size_t bytes);
/* Make [at, at + bytes) readable and writable; fresh pages read as zeros.  False: no memory. */
bool os_memory_commit(void *at, size_t bytes);
/* Give the pages back and make them untouchable again. */
void os_memory_decommit(void *at, size_t bytes);
/* Give the pages back; they stay accessible and read as zeros, or as their file if one is mapped there. */
void os_memory_zero(void *at, size_t bytes);
/* Make reserved address space of any state as os_memory_reserve left it.  False: no memory. */
bool os_memory_forget(void *at, size_t bytes);

/* An unnamed file in memory that holds the bytes; pages of zeros take no room.  -1: the system has none. */
int os_memory_file(const void *bytes, size_t len);
void os_memory_file_close(int file);
/* The bytes of such a file to read; released with os_memory_release.  NULL: the system has no address space.
 */
const void *os_memory_view(int file, size_t bytes);
/* Which of the pages at `at`, a private mapping, have been written to since they were mapped or given back:
 * their numbers, rising.  -1: that cannot be known, or they are more than `most`. */
enum { OS_PRIVATE_PAGES_MOST = 1024 /* that may be asked about at once */ };
int os_memory_private(const void *at, size_t pages, uint16_t *numbers, size_t most);
/* Map the beginning of a file over reserved address space, copied when written to.  False: no memory. */
bool os_memory_map_file(void *at, size_t bytes, int file);

/* ---- the calling thread's native stack: thread.c --------------------------------------------- */

/* Lowest address of this thread's stack that may be used (cached per thread). */
uintptr_t os_stack_low(void);
/* An alternate signal stack for this thread, once; freed when the thread ends. */
void os_thread_signal_stack(void);

/* ---- clocks and randomness: clock.c ------------------------------------------------------------- */

uint64_t os_now_ns(void);        /* since 1970, UTC */
uint64_t os_monotonic_ns(void);  /* never jumps */
uint64_t os_thread_cpu_ns(void); /* CPU time of this thread */
bool os_random(void *at, size_t bytes);

/* ---- faults: fault.c --------------------------------------------------------------------------------- */

/* A synchronous signal as its handler sees it. */
struct os_fault {
    int signal;        /* SIGSEGV, SIGBUS, SIGFPE, SIGILL; on aarch64 SIGTRAP, too */
    int code;          /* si_code */
    uintptr_t address; /* si_addr */
    uintptr_t pc, sp, fp;
    void *context; /* ucontext_t */
};

/* Called on the alternate signal stack; does not return if it takes the fault (it may longjmp: the
 * signals are not blocked), returns to pass it on to whoever had the signal before. */
typedef void os_fault_handler(const struct os_fault *fault);

/* Make sure `handler` gets the signals above first; cheap when it does already.  One handler per process. */
void os_fault_install(os_fault_handler *handler);
/* Where a signal found the program. */
void os_fault_registers(struct os_fault *f, void *context);

/* ---- ticks: tick.c ------------------------------------------------------------------------------------ */

/* Called in a signal handler on the alternate signal stack, every OS_TICK_NS in a thread that asked for it;
 * may leave by longjmp.  Only signal, pc, sp, fp and context are set. */
typedef void os_tick_handler(const struct os_fault *at);

enum { OS_TICK_NS = 4000000, OS_TICK_SIGNAL = SIGVTALRM };

/* Start the ticks of this thread.  They wake it when it sleeps: a handler with nothing to do stops them.  A
 * child after fork has to start its own.  One handler per process.  False: the system has no timer left. */
bool os_tick_start(os_tick_handler *handler);
/* Stop them; async-signal-safe. */
void os_tick_stop(void);
/* Have the next one after this time, less than a second, and the others after it; for the handler. */
void os_tick_soon(uint64_t ns);
/* The same, and no others: whoever needs them starts them, os_tick_on is false. */
void os_tick_once(uint64_t ns);
/* Do they come every OS_TICK_NS in this thread?  The handler may say no before it stops them. */
extern _Thread_local bool os_tick_on __attribute__((tls_model("initial-exec")));

#endif
