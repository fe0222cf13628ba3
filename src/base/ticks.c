/* base/ticks.c - the rate of the counter, from the clock's time since the start. */
#include "base/ticks.h"

#include <time.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

enum { SETTLED_NS = 1000000000 }; /* after so long the rate is not measured again */

bool ticks_are_ns;

static uint64_t start_ns, start_ticks;
static double ns_per_tick; /* 0: not settled */

uint64_t ticks_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Does the counter run at one rate, whatever the core does? */
static bool counter_is_constant(void)
{
#if defined(__x86_64__)
    uint32_t a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

void ticks_start(void)
{
    if (start_ns == 0) {
        ticks_are_ns = !counter_is_constant();
        start_ns = ticks_clock_ns();
        start_ticks = ticks_now();
    }
}

uint64_t ticks_to_ns(uint64_t ticks)
{
    double rate = ticks_are_ns ? 1 : ns_per_tick;

    if (rate == 0) {
        uint64_t ns = ticks_clock_ns() - start_ns, counted = ticks_now() - start_ticks;
        rate = counted == 0 ? 1 : (double)ns / (double)counted;
        if (ns >= SETTLED_NS) {
            ns_per_tick = rate;
        }
    }
    return (uint64_t)((double)ticks * rate + 0.5);
}
