/* Recursion that nothing can inline away: the cost of a direct call. */
#include "kernel.h"

static __attribute__((noinline)) uint32_t fib(uint32_t n)
{
    __asm__ volatile("" : "+r"(n)); /* one call for each call written */
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

KERNEL uint32_t run(void)
{
    return fib(37);
}
