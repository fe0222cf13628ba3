/* base/ticks.h - how long something took, for a few nanoseconds a reading.
 *
 * A tick is one of the processor's counter of constant rate, or a nanosecond of the monotonic clock where the
 * processor promises none.  Only differences mean something.  Time on the clock: what the thread waited for a
 * core is in it. */
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

extern bool ticks_are_ns; /* no counter can be used */

/* Before the first reading; again does nothing. */
void ticks_start(void);
/* The longer ago ticks_start was, the better the rate is known: from a millisecond on to 0.1 %. */
uint64_t ticks_to_ns(uint64_t ticks);
uint64_t ticks_clock_ns(void); /* the monotonic clock */

static inline uint64_t ticks_now(void)
{
    if (ticks_are_ns) {
        return ticks_clock_ns();
    }
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
#else
    return ticks_clock_ns();
#endif
}

#endif
