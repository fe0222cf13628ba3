/* diff/diff.c - generated modules, interpreted and compiled, must do the same:
 *
 *     diff [--seconds N] [--seed S] [--count N] [--keep DIR] [--weirc PROGRAM]
 *
 * For each seed a module is generated (diff/generate.h), compiled by weirc, and each of its functions is
 * called with the same arguments on both executors.  Results, kinds of traps, globals and memory must agree
 * after every call.  After a trap both instances are replaced: compiled code may have left out or moved
 * stores that only a dead instance could show (docs/adr).  A module that shows a difference is kept in DIR
 * with its seed.  Ends with `N passed, N failed, 0 skipped`. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/str.h"
#include "diff/generate.h"
#include "weir/engine.h"

struct options {
    double seconds;
    uint64_t seed, count;
    const char *keep, *weirc;
};

enum { ROUNDS = 6, MAX_CELLS = 16, GUEST_STACK_BYTES = 64 << 20 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const struct weir_report *rep)
{
    char line[512];
    weir_report_format(rep, line, sizeof line);
    fprintf(stderr, "diff: %s: %s\n", what, line);
    exit(2);
}

static void write_file(const char *path, struct str bytes)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes.at, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
        fprintf(stderr, "diff: %s: %s\n", path, strerror(errno));
        exit(2);
    }
}

/* Run weirc; false: it failed, which is a difference too. */
static bool compile(const struct options *opt, const char *wasm, const char *image, uint64_t seed)
{
    static const char *const levels[] = {"-O3", "-O3", "-O2", "-O1", "-O0"};
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl(opt->weirc, "weirc", levels[seed % 5], wasm, "-o", image, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static struct weir_instance *instantiate(struct weir_module *m, struct weir_linker *l, enum weir_tier tier)
{
    struct weir_instance_options opt = {.tier = tier, .stack_bytes = GUEST_STACK_BYTES};
    struct weir_instance *inst;
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_instance_new(m, l, &opt, &inst, NULL, &rep) != WEIR_OK) {
        die("instantiate", &rep);
    }
    return inst;
}

static uint64_t random_cell(uint8_t type, uint64_t *state)
{
    static const uint64_t known[] = {
        0, 1, 0xffffffff, 0x80000000, 0x7fffffff, 0x7ff0000000000000, 0x8000000000000000, UINT64_MAX};
    uint64_t v = generate_random(state);
    if (v % 3 == 0) {
        v = known[v / 3 % 8];
    }
    return type == WEIR_I32 || type == WEIR_F32 ? (uint32_t)v : v;
}

/* Everything that can be seen of an instance, as one number. */
static uint64_t state_of(struct weir_instance *inst)
{
    uint64_t h = hash_bytes(inst->memory, inst->memory_bytes, inst->memory_bytes);
    for (unsigned i = 0; i < 6; i++) {
        char name[8];
        uint64_t cells[2] = {0, 0};
        enum weir_valtype type;
        int len = snprintf(name, sizeof name, "g%u", i);
        if (!weir_instance_get_global(inst, name, (size_t)len, cells, &type)) {
            abort();
        }
        h = hash_bytes(cells, sizeof cells, h);
    }
    return h;
}

struct outcome {
    weir_status status;
    enum weir_trap_kind trap;
    uint64_t cells[MAX_CELLS];
    uint64_t state;  /* 0 after a trap: see compare */
    uint32_t offset; /* of the trap; not compared */
};

static bool differ(const struct outcome *a, const struct outcome *b)
{
    return a->status != b->status || a->trap != b->trap || a->state != b->state ||
           memcmp(a->cells, b->cells, sizeof a->cells) != 0;
}

static void call(struct weir_instance *inst, const char *name, uint64_t arg_seed, struct outcome *out)
{
    uint64_t none[1] = {0}, random = arg_seed;
    struct weir_trap trap = {0};
    struct weir_func *f = weir_instance_find_func(inst, name, strlen(name));
    const struct weir_functype *type = weir_func_type(f);

    memset(out, 0, sizeof *out);
    weir_func_call(weir_instance_find_func(inst, "refuel", 6), none, NULL);
    for (uint32_t i = 0, cell = 0; i < type->nparams; i++) {
        out->cells[cell++] = random_cell(type->params[i], &random);
        if (type->params[i] == WEIR_V128) {
            out->cells[cell++] = random_cell(WEIR_I64, &random);
        }
    }
    out->status = weir_func_call(f, out->cells, &trap);
    out->trap = out->status == WEIR_OK ? 0 : trap.kind;
    if (out->status != WEIR_OK) {
        memset(out->cells, 0, sizeof out->cells);
    } else {
        memset(out->cells + type->result_cells, 0, (MAX_CELLS - type->result_cells) * sizeof *out->cells);
    }
    out->offset = out->status == WEIR_OK || trap.nframes == 0 ? 0 : trap.frames[0].offset;
    out->state = out->status == WEIR_OK ? state_of(inst) : 0;
}

static void describe(const char *tier, const struct outcome *o)
{
    fprintf(stderr, "  %-7s %s%s%s at 0x%x, results %016llx %016llx %016llx %016llx, state %016llx\n", tier,
            weir_status_name(o->status), o->status == WEIR_OK ? "" : ": ",
            o->status == WEIR_OK ? "" : weir_trap_text(o->trap), o->offset, (unsigned long long)o->cells[0],
            (unsigned long long)o->cells[1], (unsigned long long)o->cells[2], (unsigned long long)o->cells[3],
            (unsigned long long)o->state);
}

/* Call every function of both instances; false: they differ. */
static bool compare(struct weir_module *m, struct weir_linker *l, uint64_t seed)
{
    struct weir_instance *interp = instantiate(m, l, WEIR_TIER_INTERP),
                         *aot = instantiate(m, l, WEIR_TIER_AOT);
    struct weir_export export;
    struct outcome a, b;
    bool same = true;

    for (uint64_t round = 0; round < ROUNDS && same; round++) {
        for (size_t i = 0; weir_module_export(m, i, &export) && same; i++) {
            if (export.kind != WEIR_EXTERN_FUNC || export.name[0] != 'f') {
                continue;
            }
            uint64_t arg_seed = seed * 1000003 + round * 101 + i;
            call(interp, export.name, arg_seed, &a);
            call(aot, export.name, arg_seed, &b);
            same = !differ(&a, &b);
            if (same && a.status != WEIR_OK) {
                weir_instance_free(interp);
                weir_instance_free(aot);
                interp = instantiate(m, l, WEIR_TIER_INTERP);
                aot = instantiate(m, l, WEIR_TIER_AOT);
            }
            if (!same) {
                fprintf(stderr, "diff: seed %llu, function %s, round %llu differs:\n",
                        (unsigned long long)seed, export.name, (unsigned long long)round);
                describe("interp", &a);
                describe("aot", &b);
            }
        }
    }
    weir_instance_free(interp);
    weir_instance_free(aot);
    return same;
}

static bool one_seed(const struct options *opt, struct weir_linker *l, uint64_t seed)
{
    struct strbuf bytes = {0};
    struct weir_module *m;
    struct weir_report rep;
    char wasm[512], image[512];

    snprintf(wasm, sizeof wasm, "%s/current.wasm", opt->keep);
    snprintf(image, sizeof image, "%s/current.aot", opt->keep);
    generate_module(seed, &bytes);
    write_file(wasm, strbuf_str(&bytes));
    weir_report_init(&rep);
    if (weir_module_new((uint8_t *)bytes.at, bytes.len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        die("a generated module is not valid", &rep);
    }
    bool same = compile(opt, wasm, image, seed);
    if (!same) {
        fprintf(stderr, "diff: seed %llu does not compile\n", (unsigned long long)seed);
    } else if (weir_module_load_image(m, image, &rep) != WEIR_OK) {
        die(image, &rep);
    } else {
        same = compare(m, l, seed);
    }
    weir_module_unref(m);
    strbuf_fini(&bytes);
    if (!same) {
        char kept[600];
        snprintf(kept, sizeof kept, "%s/seed-%llu.wasm", opt->keep, (unsigned long long)seed);
        if (rename(wasm, kept) == 0) {
            fprintf(stderr, "diff: kept %s\n", kept);
        }
    }
    return same;
}

static void parse(int argc, char **argv, struct options *opt)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--seconds") == 0) {
            opt->seconds = atof(value);
        } else if (strcmp(argv[i], "--seed") == 0) {
            opt->seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--count") == 0) {
            opt->count = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--keep") == 0) {
            opt->keep = value;
        } else if (strcmp(argv[i], "--weirc") == 0) {
            opt->weirc = value;
        } else {
            fprintf(stderr,
                    "usage: diff [--seconds N] [--seed S] [--count N] [--keep DIR] [--weirc PROGRAM]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options opt = {
        .seconds = 600, .seed = 1, .count = UINT64_MAX, .keep = "build/diff", .weirc = "build/weirc"};
    uint64_t passed = 0, failed = 0;

    parse(argc, argv, &opt);
    if (mkdir(opt.keep, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "diff: %s: %s\n", opt.keep, strerror(errno));
        return 2;
    }
    struct weir_linker *l = weir_linker_new();
    double end = now_s() + opt.seconds;
    for (uint64_t i = 0; i < opt.count && now_s() < end; i++) {
        if (one_seed(&opt, l, opt.seed + i)) {
            passed++;
        } else {
            failed++;
        }
        if (isatty(2)) {
            fprintf(stderr, "\r%llu modules agree, %llu differ", (unsigned long long)passed,
                    (unsigned long long)failed);
        }
    }
    weir_linker_free(l);
    printf("%llu passed, %llu failed, 0 skipped\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed != 0;
}
