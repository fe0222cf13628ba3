/* Runs a kernel N times in this process and prints its checksum and the CPU seconds of the best repetition.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef WASM2C
#include "kernel_wasm2c.h"
static Z_kernel_instance_t instance;
static void prepare(void)
{
    wasm_rt_init();
    Z_kernel_init_module();
    Z_kernel_instantiate(&instance);
    Z_kernelZ__initialize(&instance);
}
static uint32_t run_once(void)
{
    return Z_kernelZ_run(&instance);
}
#else
uint32_t run(void);
static void prepare(void)
{
}
static uint32_t run_once(void)
{
    return run();
}
#endif

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int repeat = argc > 1 ? atoi(argv[1]) : 3;
    double best = 1e9;
    uint32_t sum = 0;

    prepare();
    for (int i = 0; i < repeat; i++) {
        double start = cpu_s();
        sum = run_once();
        double took = cpu_s() - start;
        best = took < best ? took : best;
    }
    printf("%u\ncpu_s %.6f\n", sum, best);
    return 0;
}
