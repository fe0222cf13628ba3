/* diff/diff.c - generated modules, interpreted and compiled, must do the same:
 *
 *     diff [--seconds N] [--seed S] [--count N] [--keep DIR] [--weirc PROGRAM] [--corpus DIR]
 *
 * For each seed a module is generated (diff/generate.h), compiled by weirc in one of several ways, and each
 * of its functions is called with the same arguments on both executors.  Results, kinds of traps, what the
 * host was told, globals and memories must agree after every call; after a trap memories and globals must
 * where nothing was optimised (docs/adr/0026), and both instances are replaced.  weirc must do with
 * COMPILE_SECONDS and COMPILE_BYTES.  A module that shows a difference is kept in DIR with its seed.  The
 * modules of a corpus, which differed once, come first, each in all of the ways.  Ends with `N passed, N
 * failed, 0 skipped`. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/str.h"
#include "diff/generate.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"

struct options {
    double seconds;
    uint64_t seed, count;
    const char *keep, *weirc, *corpus;
};

enum {
    ROUNDS = 6,
    MAX_CELLS = 32,
    GUEST_STACK_BYTES = 64 << 20,
    COMPILE_SECONDS = 60, /* of CPU */
};
static const uint64_t compile_bytes = 2ull << 30;

/* Ways to compile.  Those of -O0 come first: they keep what a trap leaves behind. */
enum { UNOPTIMISED = 2 };
static const char *const ways[][5] = {
    {"-O0"},
    {"-O0", "--no-segue"},
    {"-O1"},
    {"-O2"},
    {"-O3"},
    {"-O3", "--no-segue"},
    {"-O3", "--open"},
#if defined(__x86_64__)
    {"-O3", "--cpu", "x86-64-v2"},
    {"-O2", "--cpu", "x86-64-v3", "--no-segue"},
    {"-O1", "--cpu", "x86-64-v2", "--no-segue"},
#endif
};
enum { NWAYS = sizeof ways / sizeof *ways, WAY_WORDS = sizeof *ways / sizeof **ways };

/* ---- the host's side */

/* What a guest told the host, of one instance. */
struct host {
    uint64_t hash;
};

static void tell(struct weir_instance *inst, uint64_t v)
{
    struct host *h = inst->host;
    h->hash = (h->hash ^ v) * 0x9e3779b97f4a7c15u;
    h->hash ^= h->hash >> 29;
}

/* Changes memory behind compiled code's back. */
static uint64_t host_mix(struct weir_instance *inst, uint64_t a, double b)
{
    tell(inst, a ^ weir_f64_to_cell(b != b ? 0 : b));
    uint8_t *at = weir_memory_at(inst, (uint32_t)a & 0xfff, 1);
    *at ^= (uint8_t)((struct host *)inst->host)->hash;
    return ((struct host *)inst->host)->hash;
}

static void host_note(struct weir_instance *inst, uint32_t v)
{
    tell(inst, v);
    if (v % 64 == 63) {
        weir_trap_raise(inst, WEIR_TRAP_HOST, "as the guest asked");
    }
}

WEIR_HOST_THUNK2(host_mix, I, F, I)
WEIR_HOST_THUNK1(host_note, i, n)
static const struct weir_host_func host_funcs[] = {
    WEIR_HOST_FUNC("host", "mix", "IF:I", host_mix),
    WEIR_HOST_FUNC("host", "note", "i:", host_note),
};

/* ---- the two instances */

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
static bool compile(const struct options *opt, const char *wasm, const char *image, size_t way)
{
    const char *argv[WAY_WORDS + 6] = {"weirc", wasm, "-o", image};
    struct rlimit bytes = {compile_bytes, compile_bytes}, seconds = {COMPILE_SECONDS, COMPILE_SECONDS};
    int status;
    for (size_t i = 0; i < WAY_WORDS; i++) {
        argv[4 + i] = ways[way][i]; /* NULL behind the last one */
    }
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_AS, &bytes);
        setrlimit(RLIMIT_CPU, &seconds);
        execv(opt->weirc, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* NULL: the start function trapped, *kind says how. */
static struct weir_instance *instantiate(struct weir_module *m, struct weir_linker *l, enum weir_tier tier,
                                         struct host *host, enum weir_trap_kind *kind)
{
    struct weir_instance_options opt = {.tier = tier, .stack_bytes = GUEST_STACK_BYTES, .host = host};
    struct weir_instance *inst;
    struct weir_trap trap = {0};
    struct weir_report rep;
    weir_report_init(&rep);
    host->hash = 0;
    weir_status st = weir_instance_new(m, l, &opt, &inst, &trap, &rep);
    *kind = trap.kind;
    if (st != WEIR_OK && st != WEIR_E_TRAP) {
        die("instantiate", &rep);
    }
    return st == WEIR_OK ? inst : NULL;
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
    for (unsigned i = 0;; i++) {
        char name[16];
        uint64_t cells[2] = {0, 0};
        enum weir_valtype type;
        int len = snprintf(name, sizeof name, "g%u", i);
        if (!weir_instance_get_global(inst, name, (size_t)len, cells, &type)) {
            break;
        }
        h = hash_bytes(cells, sizeof cells, h);
    }
    struct weir_func *sum = weir_instance_find_func(inst, "sum", 3);
    uint64_t cell = 0;
    if (sum != NULL && weir_func_call(sum, &cell, NULL) != WEIR_OK) {
        abort();
    }
    h = hash_bytes(&cell, sizeof cell, h);
    return hash_bytes(inst->host, sizeof(struct host), h);
}

struct outcome {
    weir_status status;
    enum weir_trap_kind trap;
    uint64_t cells[MAX_CELLS];
    uint64_t state;  /* after a trap in optimised code: of the host alone */
    uint32_t offset; /* of the trap; not compared */
};

static bool differ(const struct outcome *a, const struct outcome *b)
{
    return a->status != b->status || a->trap != b->trap || a->state != b->state ||
           memcmp(a->cells, b->cells, sizeof a->cells) != 0;
}

static void call(struct weir_instance *inst, const char *name, uint64_t arg_seed, bool exact,
                 struct outcome *out)
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
    out->state = out->status == WEIR_OK || exact ? state_of(inst) : ((struct host *)inst->host)->hash;
}

static void describe(const char *tier, const struct outcome *o)
{
    fprintf(stderr, "  %-7s %s%s%s at 0x%x, results %016llx %016llx %016llx %016llx, state %016llx\n", tier,
            weir_status_name(o->status), o->status == WEIR_OK ? "" : ": ",
            o->status == WEIR_OK ? "" : weir_trap_text(o->trap), o->offset, (unsigned long long)o->cells[0],
            (unsigned long long)o->cells[1], (unsigned long long)o->cells[2], (unsigned long long)o->cells[3],
            (unsigned long long)o->state);
}

/* The same module on both executors. */
struct pair {
    struct weir_module *m;
    struct weir_linker *l;
    uint64_t seed;
    size_t way;
    struct weir_instance *interp, *aot; /* both or neither */
    struct host hosts[2];
};

static void pair_close(struct pair *p)
{
    weir_instance_free(p->interp);
    weir_instance_free(p->aot);
    p->interp = p->aot = NULL;
}

/* False: they differ already. */
static bool pair_open(struct pair *p)
{
    enum weir_trap_kind kinds[2];
    p->interp = instantiate(p->m, p->l, WEIR_TIER_INTERP, &p->hosts[0], &kinds[0]);
    p->aot = instantiate(p->m, p->l, WEIR_TIER_AOT, &p->hosts[1], &kinds[1]);
    bool same = (p->interp == NULL) == (p->aot == NULL) &&
                (p->interp != NULL || (kinds[0] == kinds[1] && p->hosts[0].hash == p->hosts[1].hash));
    if (!same) {
        fprintf(stderr, "diff: seed %llu differs in its start function: interp %s, aot %s\n",
                (unsigned long long)p->seed, p->interp == NULL ? weir_trap_text(kinds[0]) : "returns",
                p->aot == NULL ? weir_trap_text(kinds[1]) : "returns");
    }
    if (p->interp == NULL || p->aot == NULL) {
        pair_close(p);
    }
    return same;
}

/* How the calls ended, for the last line. */
static uint64_t returned, trapped;

static bool compare_call(struct pair *p, const char *name, uint64_t round, uint64_t arg_seed)
{
    struct outcome a, b;
    bool exact = p->way < UNOPTIMISED;
    call(p->interp, name, arg_seed, exact, &a);
    call(p->aot, name, arg_seed, exact, &b);
    if (differ(&a, &b)) {
        fprintf(stderr, "diff: seed %llu, function %s, round %llu differs:\n", (unsigned long long)p->seed,
                name, (unsigned long long)round);
        describe("interp", &a);
        describe("aot", &b);
        return false;
    }
    a.status == WEIR_OK ? returned++ : trapped++;
    if (a.status != WEIR_OK) {
        pair_close(p);
        return pair_open(p);
    }
    return true;
}

/* Call every function of both instances; false: they differ. */
static bool compare(struct weir_module *m, struct weir_linker *l, uint64_t seed, size_t way)
{
    struct pair p = {.m = m, .l = l, .seed = seed, .way = way};
    struct weir_export export;
    bool same = pair_open(&p);

    for (uint64_t round = 0; round < ROUNDS && same && p.interp != NULL; round++) {
        for (size_t i = 0; weir_module_export(m, i, &export) && same && p.interp != NULL; i++) {
            if (export.kind == WEIR_EXTERN_FUNC && export.name[0] == 'f') {
                same = compare_call(&p, export.name, round, seed * 1000003 + round * 101 + i);
            }
        }
    }
    pair_close(&p);
    return same;
}

/* `path` holds `bytes`.  False: a difference. */
static bool one_module(const struct options *opt, struct weir_linker *l, const char *path, struct str bytes,
                       uint64_t seed, size_t way)
{
    struct weir_module *m;
    struct weir_report rep;
    char image[512];

    snprintf(image, sizeof image, "%s/current.aot", opt->keep);
    weir_report_init(&rep);
    if (weir_module_new((const uint8_t *)bytes.at, bytes.len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        die("the module is not valid", &rep);
    }
    bool same = compile(opt, path, image, way);
    if (!same) {
        fprintf(stderr, "diff: seed %llu does not compile\n", (unsigned long long)seed);
    } else if (weir_module_load_image(m, image, &rep) != WEIR_OK) {
        die(image, &rep);
    } else {
        same = compare(m, l, seed, way);
    }
    weir_module_unref(m);
    if (!same) {
        fprintf(stderr, "diff: compiled with");
        for (size_t i = 0; i < WAY_WORDS && ways[way][i] != NULL; i++) {
            fprintf(stderr, " %s", ways[way][i]);
        }
        fprintf(stderr, "\n");
    }
    return same;
}

static bool one_seed(const struct options *opt, struct weir_linker *l, uint64_t seed)
{
    struct strbuf bytes = {0};
    char wasm[512];

    snprintf(wasm, sizeof wasm, "%s/current.wasm", opt->keep);
    generate_module(seed, &bytes);
    write_file(wasm, strbuf_str(&bytes));
    bool same = one_module(opt, l, wasm, strbuf_str(&bytes), seed, seed % NWAYS);
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

/* Compare the module at `path` in every way; returns how many differ. */
static uint64_t kept_module(const struct options *opt, struct weir_linker *l, const char *path, uint64_t seed)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    uint64_t failed = 0;
    if (f == NULL) {
        fprintf(stderr, "diff: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t way = 0; way < NWAYS; way++) {
        failed += !one_module(opt, l, path, str_make(bytes, len), seed, way);
    }
    return failed;
}

/* Modules that differed once: SEED-WHY.wasm or seed-SEED.wasm. */
static void corpus(const struct options *opt, struct weir_linker *l, uint64_t *passed, uint64_t *failed)
{
    DIR *dir = opendir(opt->corpus);
    struct dirent *e;
    if (dir == NULL) {
        fprintf(stderr, "diff: %s: %s\n", opt->corpus, strerror(errno));
        exit(2);
    }
    while ((e = readdir(dir)) != NULL) {
        char path[600];
        size_t number = strcspn(e->d_name, "0123456789");
        if (str_ends_with(str_of(e->d_name), STR(".wasm"))) {
            snprintf(path, sizeof path, "%s/%s", opt->corpus, e->d_name);
            uint64_t bad = kept_module(opt, l, path, strtoull(e->d_name + number, NULL, 10));
            *failed += bad;
            *passed += NWAYS - bad;
        }
    }
    closedir(dir);
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
        } else if (strcmp(argv[i], "--corpus") == 0) {
            opt->corpus = value;
        } else {
            fprintf(stderr, "usage: diff [--seconds N] [--seed S] [--count N] [--keep DIR] [--weirc PROGRAM] "
                            "[--corpus DIR]\n");
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
    weir_linker_add_funcs(l, host_funcs, sizeof host_funcs / sizeof *host_funcs);
    double end = now_s() + opt.seconds;
    if (opt.corpus != NULL) {
        corpus(&opt, l, &passed, &failed);
    }
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
    printf("%llu calls returned, %llu trapped\n", (unsigned long long)returned, (unsigned long long)trapped);
    printf("%llu passed, %llu failed, 0 skipped\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed != 0;
}
