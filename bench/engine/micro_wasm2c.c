/* The figures of bench/engine/micro.c for C made by wasm2c, compiled with it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "micro_wasm2c.h"

enum { BATCHES = 9, CALLS = 500000, INSTANCES = 1000 };

struct Z_env_instance_t {
    int unused;
};

__attribute__((noinline)) u32 Z_envZ_add(struct Z_env_instance_t *env, u32 a, u32 b)
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
    struct Z_env_instance_t env;
    Z_micro_instance_t m;
    double into_host[BATCHES], into_guest[BATCHES], instances[BATCHES];
    u32 (*volatile twice)(Z_micro_instance_t *, u32, u32) =
        Z_microZ_twice; /* as a host that loads it would */
    wasm_rt_init();
    Z_micro_init_module();
    Z_micro_instantiate(&m, &env);
    for (int b = 0; b < BATCHES; b++) {
        double start = cpu_ns();
        Z_microZ_call_host(&m, CALLS);
        into_host[b] = (cpu_ns() - start) / CALLS;
        start = cpu_ns();
        for (u32 i = 0; i < CALLS; i++) {
            twice(&m, i, (u32)b);
        }
        into_guest[b] = (cpu_ns() - start) / CALLS;
        start = cpu_ns();
        for (int i = 0; i < INSTANCES; i++) {
            Z_micro_instance_t one;
            Z_micro_instantiate(&one, &env);
            Z_micro_free(&one);
        }
        instances[b] = (cpu_ns() - start) / INSTANCES / 1e3;
    }
    printf("guest->host call (i32,i32)->i32\t%.2f\tns\n", median(into_host));
    printf("host->guest call (i32,i32)->i32\t%.2f\tns\n", median(into_guest));
    printf("instantiate and free\t%.2f\tus\n", median(instances));
    Z_micro_free(&m);
    return 0;
}
