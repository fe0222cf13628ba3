/* The figures of bench/engine/micro.c for C made by wasm2c, compiled with it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "micro_wasm2c.h"

enum { BATCHES = 9, CALLS = 500000, INSTANCES = 1000 };

struct w2c_env {
    int unused;
};

__attribute__((noinline)) u32 w2c_env_add(struct w2c_env *env, u32 a, u32 b)
{
    (void)env;
    return a + b;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, BATCHES, sizeof *values, by_value);
    return values[BATCHES / 2];
}

int main(void)
{
    struct w2c_env env;
    w2c_micro m;
    double into_host[BATCHES], into_guest[BATCHES], instances[BATCHES];
    u32 (*volatile twice)(w2c_micro *, u32, u32) = w2c_micro_twice; /* as a host that loads it would */
    wasm_rt_init();
    wasm2c_micro_instantiate(&m, &env);
    for (int b = 0; b < BATCHES; b++) {
        double start = cpu_ns();
        w2c_micro_call_host(&m, CALLS);
        into_host[b] = (cpu_ns() - start) / CALLS;
        start = cpu_ns();
        for (u32 i = 0; i < CALLS; i++) {
            twice(&m, i, (u32)b);
        }
        into_guest[b] = (cpu_ns() - start) / CALLS;
        start = cpu_ns();
        for (int i = 0; i < INSTANCES; i++) {
            w2c_micro one;
            wasm2c_micro_instantiate(&one, &env);
            wasm2c_micro_free(&one);
        }
        instances[b] = (cpu_ns() - start) / INSTANCES / 1e3;
    }
    printf("guest->host call (i32,i32)->i32\t%.2f\tns\n", median(into_host));
    printf("host->guest call (i32,i32)->i32\t%.2f\tns\n", median(into_guest));
    printf("instantiate and free\t%.2f\tus\n", median(instances));
    wasm2c_micro_free(&m);
    return 0;
}
