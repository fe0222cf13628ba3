/* What crossing the boundary and making instances costs:
 *
 *     micro MODULE.wasm [IMAGE]
 *
 * MODULE is micro_guest.c.  Prints one line a figure: name, value, unit.  With IMAGE the compiled tier is
 * measured, else the interpreter.  Each figure is the median of several batches, in CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "weir/engine.h"
#include "weir/host_thunk.h"

enum { BATCHES = 9, CALLS = 500000, INSTANCES = 1000, IDLE = 1000 };

static uint32_t host_add(struct weir_instance *inst, uint32_t a, uint32_t b)
{
    (void)inst;
    return a + b;
}
WEIR_HOST_THUNK2(host_add, i, i, i)

static const struct weir_host_func host[] = {
    WEIR_HOST_FUNC("env", "add", "ii:i", host_add),
};

static _Noreturn void die(const char *what, const struct weir_report *rep)
{
    fprintf(stderr, "micro: %s: %s\n", what, rep->message);
    exit(1);
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

static uint64_t call(struct weir_func *f, uint64_t a, uint64_t b)
{
    uint64_t cells[2] = {a, b};
    if (weir_func_call(f, cells, NULL) != WEIR_OK) {
        fprintf(stderr, "micro: the guest trapped\n");
        exit(1);
    }
    return cells[0];
}

static struct weir_func *find(struct weir_instance *inst, const char *name)
{
    struct weir_func *f = weir_instance_find_func(inst, name, strlen(name));
    if (f == NULL) {
        fprintf(stderr, "micro: the module exports no %s\n", name);
        exit(1);
    }
    return f;
}

static void measure_calls(struct weir_instance *inst, const char *how)
{
    struct weir_func *call_host = find(inst, "call_host"), *twice = find(inst, "twice");
    double into_host[BATCHES], into_guest[BATCHES];

    for (int b = 0; b < BATCHES; b++) {
        double start = cpu_ns();
        call(call_host, CALLS, 0);
        into_host[b] = (cpu_ns() - start) / CALLS;
        start = cpu_ns();
        for (uint32_t i = 0; i < CALLS; i++) {
            call(twice, i, b);
        }
        into_guest[b] = (cpu_ns() - start) / CALLS;
    }
    printf("guest->host call (i32,i32)->i32%s\t%.2f\tns\n", how, median(into_host));
    printf("host->guest call (i32,i32)->i32%s\t%.2f\tns\n", how, median(into_guest));
}

static struct weir_instance *instantiate(struct weir_module *m, struct weir_linker *l,
                                         const struct weir_instance_options *opt)
{
    struct weir_instance *inst;
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_instance_new(m, l, opt, &inst, NULL, &rep) != WEIR_OK) {
        die("instantiate", &rep);
    }
    return inst;
}

static void measure_instances(struct weir_module *m, struct weir_linker *l,
                              const struct weir_instance_options *opt)
{
    double each[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        double start = cpu_ns();
        for (int i = 0; i < INSTANCES; i++) {
            weir_instance_free(instantiate(m, l, opt));
        }
        each[b] = (cpu_ns() - start) / INSTANCES / 1e3;
    }
    printf("instantiate and free\t%.2f\tus\n", median(each));
}

/* One page is written between two resets, as a request would. */
static void measure_resets(struct weir_module *m, struct weir_linker *l,
                           const struct weir_instance_options *opt)
{
    double reset[BATCHES], copy[BATCHES];
    struct weir_instance *inst = instantiate(m, l, opt);
    struct weir_func *touch = find(inst, "touch");
    struct weir_snapshot *snap;
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_instance_snapshot(inst, &snap, &rep) != WEIR_OK) {
        die("snapshot", &rep);
    }
    for (int b = 0; b < BATCHES; b++) {
        double spent = 0;
        for (int i = 0; i < INSTANCES; i++) {
            call(touch, 0, 0);
            double start = cpu_ns();
            if (weir_instance_reset(inst, snap) != WEIR_OK) {
                exit(1);
            }
            spent += cpu_ns() - start;
        }
        reset[b] = spent / INSTANCES / 1e3;
        double start = cpu_ns();
        for (int i = 0; i < INSTANCES; i++) {
            struct weir_instance *one;
            if (weir_instance_new_from(snap, opt, &one, &rep) != WEIR_OK) {
                die("instance of a snapshot", &rep);
            }
            weir_instance_free(one);
        }
        copy[b] = (cpu_ns() - start) / INSTANCES / 1e3;
    }
    printf("reset from snapshot, one page written\t%.2f\tus\n", median(reset));
    printf("instantiate from snapshot and free\t%.2f\tus\n", median(copy));
    weir_snapshot_unref(snap);
    weir_instance_free(inst);
}

static double resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;
    if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2) {
        exit(1);
    }
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void measure_memory(struct weir_module *m, struct weir_linker *l,
                           const struct weir_instance_options *opt)
{
    static struct weir_instance *idle[IDLE];
    double before = resident_kib();
    for (int i = 0; i < IDLE; i++) {
        idle[i] = instantiate(m, l, opt);
        call(find(idle[i], "touch"), 0, 0);
    }
    printf("resident memory per idle instance, one page touched\t%.1f\tKiB\n",
           (resident_kib() - before) / IDLE);
    for (int i = 0; i < IDLE; i++) {
        weir_instance_free(idle[i]);
    }
}

int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 20];
    struct weir_module *m;
    struct weir_report rep;
    struct weir_instance_options opt = {.tier = argc > 2 ? WEIR_TIER_AOT : WEIR_TIER_INTERP,
                                        .stack_bytes = 64 << 10};

    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (f == NULL) {
        fprintf(stderr, "usage: micro MODULE.wasm [IMAGE]\n");
        return 2;
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    weir_report_init(&rep);
    if (weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        die(argv[1], &rep);
    }
    if (argc > 2 && weir_module_load_image(m, argv[2], &rep) != WEIR_OK) {
        die(argv[2], &rep);
    }
    struct weir_linker *l = weir_linker_new();
    weir_linker_add_funcs(l, host, sizeof host / sizeof *host);
    struct weir_instance *inst = instantiate(m, l, &opt);
    measure_calls(inst, "");
    weir_instance_set_budget(inst, 1000000000);
    measure_calls(inst, " with a CPU budget");
    weir_instance_free(inst);
    measure_instances(m, l, &opt);
    measure_resets(m, l, &opt);
    measure_memory(m, l, &opt);
    weir_linker_free(l);
    weir_module_unref(m);
    return 0;
}
