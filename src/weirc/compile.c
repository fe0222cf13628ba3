/* weirc/compile.c - from a module to objects: partitions, passes, child processes.
 *
 * Functions are dealt out in index order to partitions of about the same size.  With one job, or a
 * small module, one unit is compiled in this process; otherwise every child compiles one partition at a time,
 * and only object files come back.  Stubs and trampolines are partition 0's. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "base/mem.h"
#include "weirc/unit.h"
#include "weirc/weirc.h"

enum {
    PARTITION_BYTES = 24 * 1024, /* of bodies; smaller ones cost more in set-up than they win */
    PARTITIONS_A_JOB = 8,        /* so that no job is left alone with the last ones for long */
    PARTITIONS_MAX = 256,
    MALLOC_STEP_BYTES = 16 << 20,
};

struct partition {
    uint32_t first, last;    /* functions [first, last) */
    uint64_t bytes, largest; /* of all bodies, of the largest one */
    char *object;
    pid_t pid;
};

struct job {
    const struct weirc_options *opt;
    const struct wasm_module *m;
    struct weirc_facts facts;
    char *dir;
    struct partition *parts;
    uint32_t nparts;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- a unit ------------------------------------------------------------------------------------------ */

/* Passes per -O.  `exact` ones run between exact_begin and exact_end and keep every trap in its place; they
 * are all that moves or removes memory accesses one by one.  `vectors` and `floats` find the loads of floats
 * free, to be made loads of vectors; `floats` are for functions that compute with floating point.  `free`
 * ones run afterwards, and every load is fixed.
 *
 * Functions are optimised one by one: whoever made the module has inlined, and frames of a backtrace stay
 * functions of the module.  Not among the passes, because measured to cost more than they bring:
 * reassociation (it undoes the addressing the producer chose), and idioms of memset and memcpy, which cannot
 * be called in the GS segment. */
#define COMBINE "instcombine<no-verify-fixpoint>"
#define EARLY                                                                                                \
    "early-cse<memssa>,simplifycfg," COMBINE                                                                 \
    ",jump-threading,correlated-propagation,simplifycfg,constraint-elimination,"
#define LOOPS                                                                                                \
    "loop-mssa(loop-instsimplify,loop-simplifycfg,licm,loop-rotate,licm,simple-loop-unswitch<trivial>),"     \
    "simplifycfg," COMBINE                                                                                   \
    ",loop(indvars,loop-deletion,loop-unroll-full),sroa,vector-combine,gvn<no-load-pre>,sccp,bdce," COMBINE  \
    ",jump-threading,adce,dse,loop-mssa(licm),simplifycfg"
#define VECTORS "loop-vectorize"
#define FLOATS "slp-vectorizer"
#define LATE                                                                                                 \
    "loop-load-elim," COMBINE                                                                                \
    ",simplifycfg<sink-common-insts>,vector-combine,loop-unroll<O3;no-peeling>," COMBINE                     \
    ",alignment-from-assumptions,instsimplify,div-rem-pairs,"                                                \
    "simplifycfg"
static const struct {
    const char *exact, *vectors, *floats, *free; /* NULL: none */
} pipelines[] = {
    {0},
    {"function(early-cse<memssa>,simplifycfg," COMBINE
     ",loop-mssa(licm),gvn<no-load-pre>,dse,adce,simplifycfg)",
     NULL, NULL, "function(" COMBINE ",simplifycfg)"},
    {"function(" EARLY LOOPS ")", NULL, NULL, "function(" COMBINE ",instsimplify,div-rem-pairs,simplifycfg)"},
    {"function(" EARLY LOOPS ")", "function(" VECTORS ")", "function(" FLOATS ")", "function(" LATE ")"},
};

static weir_status run_passes(struct unit *u, const char *passes, struct weir_report *rep)
{
    LLVMPassBuilderOptionsRef po = LLVMCreatePassBuilderOptions();
    LLVMErrorRef err = LLVMRunPasses(u->mod, passes, u->tm, po);
    LLVMDisposePassBuilderOptions(po);
    if (err == NULL) {
        return WEIR_OK;
    }
    char *text = LLVMGetErrorMessage(err);
    weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "passes", "%s", text);
    LLVMDisposeErrorMessage(text);
    return WEIR_E_CONFIG;
}

/* Trampolines for the types of functions the host can reach, stubs for every import. */
static void emit_stubs(struct unit *u)
{
    const struct wasm_module *m = u->m;
    uint8_t *done = mem_zalloc(m->ntypes + 1);
    for (uint32_t i = 0; i < m->nfuncs; i++) {
        if (i < m->nimported_funcs) {
            unit_emit_import_stub(u, i);
        } else if (u->slots[i] != UINT32_MAX && !done[m->funcs[i].typeidx]) {
            done[m->funcs[i].typeidx] = 1;
            unit_emit_trampoline(u, m->funcs[i].typeidx);
        }
    }
    mem_free(done);
}

static void dump_ir(struct unit *u, const char *suffix)
{
    struct strbuf path = {0};
    strbuf_printf(&path, "%s%s.ll", u->opt->output, suffix);
    char *message = NULL;
    if (LLVMPrintModuleToFile(u->mod, path.at, &message) != 0) {
        fprintf(stderr, "weirc: %s: %s\n", path.at, message);
        LLVMDisposeMessage(message);
    }
    strbuf_fini(&path);
}

static weir_status emit_file(struct unit *u, const char *path, LLVMCodeGenFileType type,
                             struct weir_report *rep)
{
    char *message = NULL;
    if (LLVMTargetMachineEmitToFile(u->tm, u->mod, (char *)(uintptr_t)path, type, &message) == 0) {
        return WEIR_OK;
    }
    weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "object", "%s", message);
    LLVMDisposeMessage(message);
    return WEIR_E_IO;
}

static weir_status vectorise(struct unit *u, struct weir_report *rep)
{
    weir_status st = run_passes(u, pipelines[u->opt->level].vectors, rep);
    if (st == WEIR_OK) {
        vectors_hide_integers(u);
        st = run_passes(u, pipelines[u->opt->level].floats, rep);
        vectors_show_all(u);
    }
    exact_settle(u);
    return st;
}

static weir_status optimise(struct unit *u, struct weir_report *rep)
{
    if (u->opt->level == 0) {
        exact_end(u, false);
        return WEIR_OK;
    }
    weir_status st = run_passes(u, "function(mem2reg)", rep);
    if (st != WEIR_OK) {
        return st;
    }
    loops_count_up(u);
    wide_find(u);
    exact_begin(u);
    st = run_passes(u, pipelines[u->opt->level].exact, rep);
    bool vectors = pipelines[u->opt->level].vectors != NULL;
    exact_end(u, vectors);
    if (st == WEIR_OK && vectors) {
        st = vectorise(u, rep);
    }
    const char *passes = u->opt->passes != NULL ? u->opt->passes : pipelines[u->opt->level].free;
    if (st == WEIR_OK) {
        st = run_passes(u, passes, rep);
    }
    masked_prevent(u);
    return st;
}

/* With --verify: `what` of the module is well-formed. */
static weir_status verify(struct unit *u, const char *what, struct weir_report *rep)
{
    char *message = NULL;
    weir_status st = WEIR_OK;
    if (u->opt->verify && LLVMVerifyModule(u->mod, LLVMReturnStatusAction, &message) != 0) {
        st = weir_report_set(rep, WEIR_E_INVALID, WEIR_NO_OFFSET, "", "internal: LLVM refuses the %s: %.200s",
                             what, message);
    }
    LLVMDisposeMessage(message);
    return st;
}

static weir_status compile_partition(const struct job *j, const struct partition *p, struct weir_report *rep)
{
    double t0 = now_s();
    struct unit u;
    weir_status st = unit_init(&u, j->m, j->opt, &j->facts, rep);
    if (st != WEIR_OK) {
        return st;
    }
    for (uint32_t i = p->first; i < p->last; i++) {
        unit_func(&u, i); /* in the order their code shall have */
    }
    for (uint32_t i = p->first; i < p->last; i++) {
        fn_translate(&u, i);
    }
    if (p->first == j->m->nimported_funcs) {
        emit_stubs(&u);
        fixed_define(&u);
    }
    LLVMDIBuilderFinalize(u.di);
    bool one = j->nparts == 1;
    char suffix[24] = "";
    if (!one) {
        snprintf(suffix, sizeof suffix, ".%u", (unsigned)(p - j->parts));
    }
    if (j->opt->emit_llvm) {
        char early[40];
        snprintf(early, sizeof early, "%s.early", suffix);
        dump_ir(&u, early);
    }
    st = verify(&u, "translation", rep);
    double t1 = now_s();
    if (st == WEIR_OK) {
        st = optimise(&u, rep);
    }
    if (st == WEIR_OK) {
        st = verify(&u, "optimised form", rep);
    }
    unit_settle_base(&u);
    if (j->opt->emit_llvm) {
        dump_ir(&u, suffix);
    }
    if (st == WEIR_OK && j->opt->emit_asm) {
        struct strbuf path = {0};
        strbuf_printf(&path, "%s%s.s", j->opt->output, suffix);
        LLVMModuleRef copy = LLVMCloneModule(u.mod), mod = u.mod;
        u.mod = copy;
        st = emit_file(&u, path.at, LLVMAssemblyFile, rep);
        u.mod = mod;
        LLVMDisposeModule(copy);
        strbuf_fini(&path);
    }
    double t2 = now_s();
    if (st == WEIR_OK) {
        st = emit_file(&u, p->object, LLVMObjectFile, rep);
    }
    double t3 = now_s();
    if (j->opt->stats) {
        fprintf(stderr,
                "weirc: functions %u..%u (%llu bytes): translate %.3f s, optimise %.3f s, generate %.3f s\n",
                p->first, p->last, (unsigned long long)p->bytes, t1 - t0, t2 - t1, t3 - t2);
    }
    if (one) {
        unit_fini(&u);
    } /* else this child ends, and the system takes its memory at once */
    return st;
}

/* ---- partitions ---------------------------------------------------------------------------------------- */

static void make_partitions(struct job *j)
{
    const struct wasm_module *m = j->m;
    uint64_t total = 0;
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
        total += (uint64_t)(m->funcs[i].body_end - m->funcs[i].body);
    }
    uint64_t want = total / PARTITION_BYTES;
    uint64_t most = j->opt->jobs <= 1 ? 1 : (uint64_t)j->opt->jobs * PARTITIONS_A_JOB;
    if (want > most) {
        want = most;
    }
    if (want < 1) {
        want = 1;
    }
    if (want > PARTITIONS_MAX) {
        want = PARTITIONS_MAX;
    }
    uint64_t size = total / want + 1;
    j->parts = mem_zalloc_array(want + 1, sizeof *j->parts);
    uint32_t i = m->nimported_funcs;
    do {
        struct partition *p = &j->parts[j->nparts++];
        p->first = i;
        while (i < m->nfuncs && (p->bytes < size || j->nparts == want)) {
            uint64_t bytes = (uint64_t)(m->funcs[i].body_end - m->funcs[i].body);
            p->bytes += bytes;
            p->largest = bytes > p->largest ? bytes : p->largest;
            i++;
        }
        p->last = i;
        struct strbuf path = {0};
        strbuf_printf(&path, "%s/%u.o", j->dir, j->nparts - 1);
        p->object = path.at;
    } while (i < m->nfuncs && j->nparts < want);
}

/* A child says what went wrong on standard error. */
static _Noreturn void child_main(const struct job *j, const struct partition *p)
{
    struct weir_report rep;
    weir_report_init(&rep);
    weir_status st = compile_partition(j, p, &rep);
    if (st != WEIR_OK) {
        char line[512];
        weir_report_format(&rep, line, sizeof line);
        fprintf(stderr, "weirc: %s\n", line);
    }
    _exit(st == WEIR_OK ? 0 : 1);
}

static void show_progress(const struct job *j, uint32_t done, uint32_t total)
{
    if (!j->opt->quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rweirc: %u of %u parts%s", done, total, done == total ? "\n" : "");
    }
}

static int compare_cost(const void *a, const void *b)
{
    const struct partition *x = *(struct partition *const *)a, *y = *(struct partition *const *)b;
    uint64_t cx = x->bytes + x->largest, cy = y->bytes + y->largest;
    return cx != cy ? (cx < cy ? 1 : -1) : x < y ? -1 : x > y;
}

/* The dearest first: bytes cost, and large functions cost more than their share. */
static struct partition **order_partitions(struct job *j)
{
    struct partition **order = mem_alloc((j->nparts + 1) * sizeof *order);
    for (uint32_t i = 0; i < j->nparts; i++) {
        order[i] = &j->parts[i];
    }
    qsort(order, j->nparts, sizeof *order, compare_cost);
    return order;
}

static weir_status compile_in_children(struct job *j, struct weir_report *rep)
{
    weir_status st = WEIR_OK;
    struct partition **order = order_partitions(j);
    uint32_t next = 0, running = 0, done = 0;
    while (running > 0 || (next < j->nparts && st == WEIR_OK)) {
        if (running < j->opt->jobs && next < j->nparts && st == WEIR_OK) {
            fflush(NULL);
            struct partition *p = order[next];
            p->pid = fork();
            if (p->pid == 0) {
                child_main(j, p);
            }
            if (p->pid < 0) {
                st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "fork: %s", strerror(errno));
                continue;
            }
            next++;
            running++;
            continue;
        }
        int status;
        pid_t pid = wait(&status);
        if (pid < 0 && errno == EINTR) {
            continue;
        }
        running--;
        show_progress(j, ++done, j->nparts);
        if (WIFSIGNALED(status)) {
            st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "",
                                 "a compiling child was ended by signal %d", WTERMSIG(status));
        } else if (WEXITSTATUS(status) != 0) {
            st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "a compiling child failed");
        }
    }
    mem_free(order);
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------
 */

static void init_targets(void)
{
    /* A load that moves behind another trap changes which of the two is seen; one that a conditional move
     * takes from memory may become a branch around it. */
    static const char *const options[] = {
        "weirc", "-instcombine-code-sinking=false", "-disable-machine-sink",
        "-x86-cmov-converter-force-mem-operand=false",
        /* as far as clang does for native code with 300: here a load is three or four instructions */
        "-unroll-threshold=600",
        /* there are no variables: the analysis that follows them is for nothing */
        "-experimental-debug-variable-locations=false"};
    LLVMParseCommandLineOptions(sizeof options / sizeof *options, options, "");
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
}

static void remove_dir(struct job *j)
{
    for (uint32_t i = 0; i < j->nparts; i++) {
        unlink(j->parts[i].object);
    }
    rmdir(j->dir);
}

static weir_status link_and_write(struct job *j, struct weir_report *rep)
{
    char **objs = mem_alloc((j->nparts + 1) * sizeof *objs);
    for (uint32_t i = 0; i < j->nparts; i++) {
        objs[i] = j->parts[i].object;
    }
    struct strbuf elf = {0};
    strbuf_printf(&elf, "%s/image.so", j->dir);
    weir_status st = weirc_link(j->opt, objs, j->nparts, elf.at, rep);
    if (st == WEIR_OK) {
        st = weirc_image_write(j->opt, j->m, j->facts.tail_calls, elf.at, rep);
    }
    unlink(elf.at);
    strbuf_fini(&elf);
    mem_free(objs);
    return st;
}

static weir_status make_temp_dir(struct job *j, struct weir_report *rep)
{
    const char *base = getenv("TMPDIR");
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/weirc-XXXXXX", base != NULL && base[0] != '\0' ? base : "/tmp");
    if (mkdtemp(b.at) == NULL) {
        weir_status st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", b.at, strerror(errno));
        strbuf_fini(&b);
        return st;
    }
    j->dir = b.at;
    return WEIR_OK;
}

static weir_status compile_module(const struct weirc_options *opt, const struct wasm_module *m,
                                  struct weir_report *rep)
{
    struct job j = {.opt = opt, .m = m};
    weir_status st = make_temp_dir(&j, rep);
    if (st != WEIR_OK) {
        return st;
    }
    weirc_facts_init(&j.facts, m, opt);
    make_partitions(&j);
    double t0 = now_s();
    if (j.nparts == 1) {
        st = compile_partition(&j, &j.parts[0], rep);
    } else {
        st = compile_in_children(&j, rep);
    }
    double t1 = now_s();
    if (st == WEIR_OK) {
        st = link_and_write(&j, rep);
    }
    if (opt->stats && st == WEIR_OK) {
        struct rusage self, children;
        getrusage(RUSAGE_SELF, &self);
        getrusage(RUSAGE_CHILDREN, &children);
        double cpu = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
                              children.ru_stime.tv_sec) +
                     (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + children.ru_utime.tv_usec +
                              children.ru_stime.tv_usec) *
                         1e-6;
        long kib = self.ru_maxrss > children.ru_maxrss ? self.ru_maxrss : children.ru_maxrss;
        fprintf(
            stderr,
            "weirc: compile %.3f s, link and write %.3f s, %.3f CPU s, %u parts, largest process %ld KiB\n",
            t1 - t0, now_s() - t1, cpu, j.nparts, kib);
    }
    remove_dir(&j);
    for (uint32_t i = 0; i < j.nparts; i++) {
        mem_free(j.parts[i].object);
    }
    mem_free(j.parts);
    weirc_facts_fini(&j.facts, m);
    mem_free(j.dir);
    return st;
}

weir_status weirc_compile(const struct weirc_options *opt, struct weir_report *rep)
{
    static bool ready;
    if (!ready) {
        mallopt(M_TOP_PAD, MALLOC_STEP_BYTES); /* LLVM allocates and frees all the time */
        mallopt(M_TRIM_THRESHOLD, 8 * MALLOC_STEP_BYTES);
        init_targets();
        ready = true;
    }
    struct strbuf bytes = {0};
    struct wasm_module *m = NULL;
    weir_status st = weirc_read_file(opt->input, &bytes, rep);
    if (st == WEIR_OK) {
        st = wasm_module_decode((const uint8_t *)bytes.at, bytes.len, WASM_FEATURES_ALL, &m, rep);
    }
    if (st == WEIR_OK) {
        st = wasm_module_validate(m, rep);
    }
    if (st == WEIR_OK) {
        st = compile_module(opt, m, rep);
    }
    wasm_module_free(m);
    strbuf_fini(&bytes);
    return st;
}
