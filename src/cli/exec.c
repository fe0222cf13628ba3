/* cli/exec.c - `weir exec`: runs a module by itself, without gateway or plugin interface.
 *
 * Either a WASI command (its export `_start`, in a fresh instance for every repetition) or one export with
 * numbers as arguments (called again in the same instance).  Only the last repetition's output is shown, and
 * its CPU time measured. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/image.h"
#include "os/os.h"
#include "weir/engine.h"
#include "weir/wasi.h"

enum {
    EXIT_TRAP = 134, /* what a shell shows for an aborted program */
    MODULE_MOST_BYTES = 1 << 30,
    TRAP_TEXT_BYTES = 8192,
};

static const char *invoke, *image;
static bool show_time;
static uint64_t repeat = 1, budget_ms;
static int tier = WEIR_TIER_AUTO;
static struct cli_texts env;

static const struct cli_option options[] = {
    {.name = "invoke",
     .kind = CLI_TEXT,
     .value = &invoke,
     .arg = "EXPORT",
     .help = "call this function with the arguments"},
    {.name = "repeat",
     .kind = CLI_NUMBER,
     .value = &repeat,
     .arg = "N",
     .help = "run N times; output is the last one's"},
    {.name = "time",
     .kind = CLI_FLAG,
     .value = &show_time,
     .help = "print a last line `cpu_s SECONDS` of the last repetition"},
    {.name = "cpu-budget",
     .kind = CLI_NUMBER,
     .value = &budget_ms,
     .arg = "MS",
     .help = "most CPU time of a call; past it, it traps (default 0: none)"},
    {.name = "tier",
     .kind = CLI_CHOICE,
     .value = &tier,
     .arg = "TIER",
     .help = "what runs it",
     .choices = "auto|interp|aot"},
    {.name = "image",
     .kind = CLI_TEXT,
     .value = &image,
     .arg = "FILE",
     .help = "native image made by weirc; the module itself for the one it carries"},
    {.name = "env",
     .kind = CLI_TEXTS,
     .value = &env,
     .arg = "NAME=VALUE",
     .help = "an environment variable of the guest"},
};

static const struct cli_exit_code exits[] = {
    {0, "done"},
    {1, "the module cannot be read, loaded or linked, or there is no such export"},
    {EXIT_TRAP, "the guest trapped; the trap and its frames are on standard error"},
};

static const struct cli_usage usage = {
    .synopsis = "exec MODULE.wasm [--invoke EXPORT] [ARG...] [--repeat N] [--time] [--tier auto|interp|aot]",
    .about = "Run a WebAssembly module: a WASI command (arguments, environment, clocks, random numbers,\n"
             "standard output and error; no files), or with --invoke one exported function, whose\n"
             "results are printed one a line.  Arguments that begin with -- go behind a `--`.\n"
             "A WASI command that exits by itself gives its exit code.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

/* ---- the guest's world ------------------------------------------------------------------------- */

struct host {
    struct weir_wasi *wasi; /* first: weir/wasi.h */
    struct weir_wasi world;
    VEC(struct str) args, env;
    bool mute;
};

static void write_output(void *data, struct weir_instance *inst, int fd, struct str text)
{
    const struct host *h = data;
    (void)inst;
    if (!h->mute) {
        fwrite(text.at, 1, text.len, fd == 1 ? stdout : stderr);
    }
}

static void host_init(struct host *h, const struct cli_operands *operands)
{
    *h = (struct host){0};
    for (size_t i = 0; i < operands->len; i++) {
        vec_push(&h->args, str_of(operands->at[i]));
    }
    for (size_t i = 0; i < env.len; i++) {
        vec_push(&h->env, str_of(env.at[i]));
    }
    h->world = (struct weir_wasi){.args = h->args.at,
                                  .nargs = h->args.len,
                                  .env = h->env.at,
                                  .nenv = h->env.len,
                                  .data = h,
                                  .write = write_output};
    h->wasi = &h->world;
}

static void host_fini(struct host *h)
{
    vec_fini(&h->args);
    vec_fini(&h->env);
}

/* ---- values ---------------------------------------------------------------------------------------- */

static bool parse_integer(const char *s, unsigned bits, uint64_t *out)
{
    char *end;
    errno = 0;
    if (*s == '-') {
        long long v = strtoll(s, &end, 0);
        *out = (uint64_t)v;
        if (bits == 32 && v < INT32_MIN) {
            return false;
        }
    } else {
        *out = strtoull(s, &end, 0);
        if (bits == 32 && *out > UINT32_MAX) {
            return false;
        }
    }
    if (bits == 32) {
        *out = (uint32_t)*out;
    }
    return errno == 0 && end != s && *end == '\0';
}

static bool parse_vector(const char *s, uint64_t cells[2])
{
    if (strncmp(s, "0x", 2) != 0 || strlen(s) != 34 || strspn(s + 2, "0123456789abcdefABCDEF") != 32) {
        return false;
    }
    char high[17] = {0};
    memcpy(high, s + 2, 16);
    cells[1] = strtoull(high, NULL, 16);
    cells[0] = strtoull(s + 18, NULL, 16);
    return true;
}

static bool parse_value(const char *s, uint8_t type, uint64_t cells[2])
{
    char *end = NULL;
    switch (type) {
    case WEIR_I32:
        return parse_integer(s, 32, cells);
    case WEIR_I64:
        return parse_integer(s, 64, cells);
    case WEIR_F32: {
        float v = strtof(s, &end);
        cells[0] = 0;
        memcpy(cells, &v, sizeof v);
        return end != s && *end == '\0';
    }
    case WEIR_F64: {
        double v = strtod(s, &end);
        memcpy(cells, &v, sizeof v);
        return end != s && *end == '\0';
    }
    case WEIR_V128:
        return parse_vector(s, cells);
    default:
        cells[0] = 0;
        return strcmp(s, "null") == 0;
    }
}

/* The fewest digits that read back as the same number. */
static void print_float(double v, bool single)
{
    char text[64];
    if (isnan(v)) {
        puts("nan");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) {
            break;
        }
    }
    puts(text);
}

static void print_value(uint8_t type, const uint64_t *cells)
{
    float f;
    double d;
    switch (type) {
    case WEIR_I32:
        printf("%d\n", (int32_t)cells[0]);
        break;
    case WEIR_I64:
        printf("%lld\n", (long long)cells[0]);
        break;
    case WEIR_F32:
        memcpy(&f, cells, sizeof f), print_float((double)f, true);
        break;
    case WEIR_F64:
        memcpy(&d, cells, sizeof d), print_float(d, false);
        break;
    case WEIR_V128:
        printf("0x%016llx%016llx\n", (unsigned long long)cells[1], (unsigned long long)cells[0]);
        break;
    default:
        puts(cells[0] == 0 ? "null" : "reference");
        break;
    }
}

/* ---- running ------------------------------------------------------------------------------------------ */

struct run {
    struct weir_module *module;
    struct weir_linker *linker;
    struct weir_instance_options options;
    struct host host;
    double cpu_s; /* of the last call */
    bool ended;   /* the last call returned or the guest exited by itself: there is a time to show */
};

/* What a call came to, as an exit code. */
static int outcome(weir_status st, const struct weir_trap *trap, const struct weir_report *rep)
{
    char text[TRAP_TEXT_BYTES];
    if (st == WEIR_OK) {
        return 0;
    }
    fflush(stdout);
    if (st == WEIR_E_EXIT) {
        return (uint8_t)trap->exit_code;
    }
    if (st == WEIR_E_TRAP) {
        weir_trap_format(trap, text, sizeof text);
        fprintf(stderr, "weir: trap: %s", text);
        return EXIT_TRAP;
    }
    weir_report_format(rep, text, sizeof text);
    return cli_fail("%s", text);
}

static weir_status timed_call(struct run *r, struct weir_func *f, uint64_t *cells, struct weir_trap *trap)
{
    uint64_t before_ns = os_thread_cpu_ns();
    weir_status st = weir_func_call(f, cells, trap);
    r->cpu_s = (double)(os_thread_cpu_ns() - before_ns) * 1e-9;
    r->ended = st == WEIR_OK || st == WEIR_E_EXIT;
    return st;
}

static struct weir_func *find_export(struct weir_instance *inst, const char *name)
{
    return weir_instance_find_func(inst, name, strlen(name));
}

static int run_command(struct run *r)
{
    struct weir_trap trap;
    struct weir_report rep;
    int code = 0;
    for (uint64_t i = 0; i < repeat && (i == 0 || r->ended); i++) {
        struct weir_instance *inst = NULL;
        uint64_t cells[2] = {0};
        r->host.mute = i + 1 < repeat;
        r->ended = false;
        weir_report_init(&rep);
        weir_status st = weir_instance_new(r->module, r->linker, &r->options, &inst, &trap, &rep);
        if (st == WEIR_OK) {
            struct weir_func *f = find_export(inst, "_start");
            if (f == NULL || weir_func_type(f)->nparams != 0 || weir_func_type(f)->nresults != 0) {
                weir_instance_free(inst);
                return cli_fail("the module is no WASI command (it has no function _start); name an export "
                                "with --invoke");
            }
            st = timed_call(r, f, cells, &trap);
        }
        code = outcome(st, &trap, &rep);
        weir_instance_free(inst);
    }
    return code;
}

static int read_arguments(const struct weir_functype *type, const struct cli_operands *operands,
                          uint64_t *cells)
{
    if (operands->len - 1 != type->nparams) {
        return cli_fail("%s takes %u arguments, %zu given", invoke, type->nparams, operands->len - 1);
    }
    for (uint32_t i = 0, at = 0; i < type->nparams; i++) {
        if (!parse_value(operands->at[i + 1], type->params[i], &cells[at])) {
            return cli_fail("argument %u, '%s', is no value of the parameter's type", i + 1,
                            operands->at[i + 1]);
        }
        at += type->params[i] == WEIR_V128 ? 2 : 1;
    }
    return 0;
}

static int call_export(struct run *r, struct weir_instance *inst, const struct cli_operands *operands)
{
    struct weir_trap trap;
    struct weir_func *f = find_export(inst, invoke), *init = find_export(inst, "_initialize");
    uint64_t none[2] = {0};
    if (f == NULL) {
        return cli_fail("the module exports no function '%s'", invoke);
    }
    const struct weir_functype *type = weir_func_type(f);
    uint32_t ncells = type->param_cells > type->result_cells ? type->param_cells : type->result_cells;
    size_t bytes = ((size_t)ncells + 1) * sizeof(uint64_t);
    uint64_t *given = mem_zalloc(bytes), *cells = mem_zalloc(bytes);
    int code = read_arguments(type, operands, given);
    if (code == 0 && init != NULL && init != f && weir_func_type(init)->nparams == 0) {
        code = outcome(weir_func_call(init, none, &trap), &trap, NULL);
    }
    for (uint64_t i = 0; i < repeat && code == 0; i++) {
        r->host.mute = i + 1 < repeat;
        memcpy(cells, given, bytes);
        code = outcome(timed_call(r, f, cells, &trap), &trap, NULL);
    }
    for (uint32_t i = 0, at = 0; code == 0 && i < type->nresults; i++) {
        print_value(type->results[i], &cells[at]);
        at += type->results[i] == WEIR_V128 ? 2 : 1;
    }
    mem_free(given);
    mem_free(cells);
    return code;
}

static int run_export(struct run *r, const struct cli_operands *operands)
{
    struct weir_trap trap;
    struct weir_report rep;
    struct weir_instance *inst = NULL;
    weir_report_init(&rep);
    weir_status st = weir_instance_new(r->module, r->linker, &r->options, &inst, &trap, &rep);
    int code = st == WEIR_OK ? call_export(r, inst, operands) : outcome(st, &trap, &rep);
    weir_instance_free(inst);
    return code;
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct run r = {0};
    struct weir_report rep;
    int code = cli_parse(&usage, argc, argv, &operands);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (repeat == 0) {
        return cli_usage_error(&usage, "--repeat must be at least 1");
    }
    if (budget_ms > UINT32_MAX) {
        return cli_usage_error(&usage, "--cpu-budget must be at most %u", UINT32_MAX);
    }
    size_t len;
    char *bytes = cli_read_file(operands.at[0], MODULE_MOST_BYTES, &len);
    if (bytes == NULL) {
        return CLI_EXIT_FAILED;
    }
    weir_report_init(&rep);
    weir_status st = weir_module_new((const uint8_t *)bytes, len, WEIR_FEATURES_ALL, &r.module, &rep);
    mem_free(bytes);
    if (st == WEIR_OK) {
        st = cli_prepare_image(r.module, (enum weir_tier)tier, operands.at[0], image, &rep);
    }
    if (st != WEIR_OK) {
        return outcome(st, NULL, &rep);
    }
    r.linker = weir_linker_new();
    weir_wasi_link(r.linker);
    host_init(&r.host, &operands);
    r.options = (struct weir_instance_options){
        .tier = (enum weir_tier)tier, .budget_ns = budget_ms * 1000000, .host = &r.host};
    code = invoke != NULL ? run_export(&r, &operands) : run_command(&r);
    if (r.ended && show_time) {
        printf("cpu_s %.6f\n", r.cpu_s);
    }
    host_fini(&r.host);
    weir_linker_free(r.linker);
    weir_module_unref(r.module);
    return code;
}

const struct cli_verb cli_verb_exec = {"exec", "run a WebAssembly module by itself", run};
