/* heal.c - how long a plugin is away after a trap, in this process, on the fake server of `weir try`:
 *
 *   heal MODULE.wasm IMAGE CONFIG N
 *
 * MODULE traps on the path /trap (trap.h).  Two ways in turn, each in wall and in CPU time, microseconds:
 *   heal      the trapping request and the one after it, which a VM from the snapshot serves
 *   start     what a host without snapshots does: a new instance, its start and configuration, and a request;
 *             the module stays compiled
 * Prints "NAME CLOCK MEDIAN P99 MAX" a line.  A request that fails, or a trap that does not, ends it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/fake_server.h"

enum { MAX_FILE_BYTES = 1 << 26, STARTS_PER_100 = 5 };

static struct fake_server server;
static struct fake_stream stream;
static struct fake_request good, trapping;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "heal: %s: %s\n", what, why);
    exit(1);
}

/* One figure of each clock. */
enum { WALL, CPU, CLOCKS };
struct spent {
    double us[CLOCKS];
};

static double now_us(int clock)
{
    struct timespec t;
    clock_gettime(clock == WALL ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void make_request(struct arena *a, struct fake_request *r, struct str path)
{
    const struct pw_header headers[] = {
        {STR(":authority"), STR("example.com")},
        {STR(":path"), path},
        {STR(":method"), STR("GET")},
        {STR(":scheme"), STR("http")},
        {STR("apikey"), STR("key-of-ann")},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        fake_headers_add(a, &r->request.headers, headers[i].name, headers[i].value);
    }
}

static struct weir_module *load(const char *path, const char *image)
{
    struct weir_module *m;
    struct weir_report rep;
    size_t len;
    char *bytes = cli_read_file(path, MAX_FILE_BYTES, &len);
    weir_report_init(&rep);
    if (bytes == NULL) {
        die(path, "cannot be read");
    }
    if (weir_module_new((const uint8_t *)bytes, len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK ||
        weir_module_load_image(m, image, &rep) != WEIR_OK) {
        die(path, rep.message);
    }
    free(bytes);
    return m;
}

static struct pw_plugin *start(struct weir_module *m, struct str config)
{
    struct pw_plugin *p;
    struct weir_report rep;
    const struct pw_plugin_options opt = {
        .name = STR("healed"), .configs = &config, .nconfigs = 1, .tier = WEIR_TIER_AOT};
    weir_report_init(&rep);
    if (pw_plugin_new(m, &opt, &fake_server_functions, &server, &p, &rep) != WEIR_OK ||
        pw_plugin_start(p, &rep) != WEIR_OK) {
        die("start", rep.message);
    }
    return p;
}

static void serve(struct pw_plugin *p, const struct fake_request *r, enum fake_action wanted)
{
    const struct pw_step step = {p, 0};
    if (fake_serve(&stream, r, &step, 1) != wanted) {
        die("a request", wanted == FAKE_TRAP ? "did not trap" : "was not let through");
    }
}

static struct spent begin(void)
{
    return (struct spent){{now_us(WALL), now_us(CPU)}};
}

static struct spent since(struct spent from)
{
    return (struct spent){{now_us(WALL) - from.us[WALL], now_us(CPU) - from.us[CPU]}};
}

static struct spent heal(struct pw_plugin *p)
{
    struct spent from = begin();
    serve(p, &trapping, FAKE_TRAP);
    serve(p, &good, FAKE_CONTINUE);
    return since(from);
}

static struct spent start_anew(struct weir_module *m, struct str config)
{
    struct spent from = begin();
    struct pw_plugin *p = start(m, config);
    serve(p, &good, FAKE_CONTINUE);
    struct spent spent = since(from);
    pw_plugin_free(p);
    return spent;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, const struct spent *spent, double *us, size_t n)
{
    static const char *const clocks[CLOCKS] = {[WALL] = "wall", [CPU] = "cpu"};
    for (int c = 0; c < CLOCKS; c++) {
        for (size_t i = 0; i < n; i++) {
            us[i] = spent[i].us[c];
        }
        qsort(us, n, sizeof *us, by_value);
        printf("%s %s %.1f %.1f %.1f\n", name, clocks[c], us[n / 2], us[n * 99 / 100], us[n - 1]);
    }
}

static void ignore_log(struct fake_server *s, enum pw_log_level level, struct str line)
{
    (void)s;
    (void)level;
    (void)line;
}

int main(int argc, char **argv)
{
    struct arena arena;
    size_t n = argc == 5 ? strtoul(argv[4], NULL, 10) : 0, nstarts = 0;
    if (n == 0 || n > 10000000) {
        die("usage", "MODULE.wasm IMAGE CONFIG N");
    }
    arena_init(&arena);
    make_request(&arena, &good, STR("/"));
    make_request(&arena, &trapping, STR("/trap"));
    server.level = PW_LOG_CRITICAL;
    server.drop_logs = true;
    server.log = ignore_log;
    if (!fake_server_init(&server)) {
        die("server", "no memory");
    }
    fake_stream_init(&stream, &server);

    struct weir_module *m = load(argv[1], argv[2]);
    struct str config = str_of(argv[3]);
    struct pw_plugin *p = start(m, config);
    struct spent *heals = calloc(n, sizeof *heals), *starts = calloc(n, sizeof *starts);
    double *us = calloc(n, sizeof *us);
    if (heals == NULL || starts == NULL || us == NULL) {
        die("figures", "no memory");
    }
    serve(p, &good, FAKE_CONTINUE);
    for (size_t i = 0; i < n; i++) {
        heals[i] = heal(p);
        if (i % 100 < STARTS_PER_100) {
            starts[nstarts++] = start_anew(m, config);
        }
    }
    print("heal", heals, us, n);
    print("start", starts, us, nstarts);
    pw_plugin_free(p);
    weir_module_unref(m);
    free(heals);
    free(starts);
    free(us);
    fake_stream_fini(&stream);
    fake_server_fini(&server);
    arena_fini(&arena);
    return 0;
}
