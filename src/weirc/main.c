/* weirc/main.c - the command line of the compiler.
 *
 * Exit codes: 0 compiled; 1 the module or the system refused; 2 wrong use. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "weir_compiler_id.h"
#include "weirc/weirc.h"

static const char usage[] =
    "usage: weirc MODULE.wasm -o IMAGE [options]\n"
    "       weirc MODULE.wasm --append IMAGE -o MODULE.aot.wasm\n"
    "       weirc --batch [options]\n"
    "\n"
    "Compile a WebAssembly module to native code.  An output named *.wasm is the module with\n"
    "the image in its custom section \"weir.aot\".\n"
    "\n"
    "  -o FILE            where to write\n"
    "  -O0 -O1 -O2 -O3    how much to optimise (default 3)\n"
    "  --cpu CPU          native (default), x86-64-v2, x86-64-v3 or x86-64-v4; aarch64: generic\n"
    "  --target ARCH      x86_64 or aarch64 (default: this machine)\n"
    "  --jobs N           compile in N processes (default: one per CPU)\n"
    "  --segue            address memory by the GS base (x86-64)\n"
    "  --no-segue         address memory by a base register\n"
    "  --open             other modules may import its tables\n"
    "  --append IMAGE     put an image made earlier into the module\n"
    "  --emit-llvm        also write LLVM IR beside the output (.ll; .early.ll before optimisation)\n"
    "  --emit-asm         also write assembly beside the output (.s)\n"
    "  --passes LIST      LLVM passes instead of the level's own\n"
    "  --stats            times on standard error\n"
    "  --verify           have LLVM check the translation, and what it became\n"
    "  --quiet            no progress\n"
    "  --batch            read lines \"MODULE<TAB>IMAGE\", answer each with \"ok\" or \"error: why\"\n"
    "  --version          the build id that images carry\n"
    "  --help             this text\n";

enum {
    OPT_CPU = 256,
    OPT_TARGET,
    OPT_JOBS,
    OPT_SEGUE,
    OPT_NO_SEGUE,
    OPT_APPEND,
    OPT_OPEN,
    OPT_LLVM,
    OPT_ASM,
    OPT_PASSES,
    OPT_STATS,
    OPT_VERIFY,
    OPT_QUIET,
    OPT_BATCH,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"cpu", required_argument, NULL, OPT_CPU},
    {"target", required_argument, NULL, OPT_TARGET},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"segue", no_argument, NULL, OPT_SEGUE},
    {"no-segue", no_argument, NULL, OPT_NO_SEGUE},
    {"append", required_argument, NULL, OPT_APPEND},
    {"open", no_argument, NULL, OPT_OPEN},
    {"emit-llvm", no_argument, NULL, OPT_LLVM},
    {"emit-asm", no_argument, NULL, OPT_ASM},
    {"passes", required_argument, NULL, OPT_PASSES},
    {"stats", no_argument, NULL, OPT_STATS},
    {"verify", no_argument, NULL, OPT_VERIFY},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"batch", no_argument, NULL, OPT_BATCH},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "weirc: %s%s\nTry weirc --help.\n", what, value);
    return 2;
}

static int report(const struct weirc_options *opt, const struct weir_report *rep)
{
    char line[512];
    weir_report_format(rep, line, sizeof line);
    fprintf(stderr, "weirc: %s: %s\n", opt->input, line);
    return 1;
}

static int run_batch(struct weirc_options *opt)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, stdin)) > 0) {
        if (line[len - 1] == '\n') {
            line[--len] = '\0';
        }
        char *tab = strchr(line, '\t');
        if (tab == NULL) {
            printf("error: no tab in the request\n");
        } else {
            *tab = '\0';
            opt->input = line;
            opt->output = tab + 1;
            struct weir_report rep;
            weir_report_init(&rep);
            if (weirc_compile(opt, &rep) == WEIR_OK) {
                printf("ok\n");
            } else {
                char text[512];
                weir_report_format(&rep, text, sizeof text);
                printf("error: %s\n", text);
            }
        }
        fflush(stdout);
    }
    free(line);
    return 0;
}

/* Returns -1 to go on, else an exit code. */
static int parse(struct weirc_options *opt, bool *batch, int argc, char **argv)
{
    int c;
    char *end;
    while ((c = getopt_long(argc, argv, ":o:O:", long_options, NULL)) != -1) {
        switch (c) {
        case 'o':
            opt->output = optarg;
            break;
        case 'O':
            if (strlen(optarg) != 1 || *optarg < '0' || *optarg > '3') {
                return wrong("no such level: -O", optarg);
            }
            opt->level = *optarg - '0';
            break;
        case OPT_CPU:
            opt->cpu = optarg;
            break;
        case OPT_TARGET:
            opt->aarch64 = strcmp(optarg, "aarch64") == 0;
            if (!opt->aarch64 && strcmp(optarg, "x86_64") != 0) {
                return wrong("no such target: ", optarg);
            }
            break;
        case OPT_JOBS:
            opt->jobs = (unsigned)strtoul(optarg, &end, 10);
            if (*end != '\0' || opt->jobs == 0 || opt->jobs > 256) {
                return wrong("--jobs takes 1 to 256, not ", optarg);
            }
            break;
        case OPT_SEGUE:
            opt->segue = true;
            break;
        case OPT_NO_SEGUE:
            opt->segue = false;
            break;
        case OPT_APPEND:
            opt->append = optarg;
            break;
        case OPT_OPEN:
            opt->open = true;
            break;
        case OPT_LLVM:
            opt->emit_llvm = true;
            break;
        case OPT_ASM:
            opt->emit_asm = true;
            break;
        case OPT_PASSES:
            opt->passes = optarg;
            break;
        case OPT_STATS:
            opt->stats = true;
            break;
        case OPT_VERIFY:
            opt->verify = true;
            break;
        case OPT_QUIET:
            opt->quiet = true;
            break;
        case OPT_BATCH:
            *batch = true;
            break;
        case OPT_VERSION:
            printf("%s\n", WEIR_COMPILER_ID);
            return 0;
        case OPT_HELP:
            fputs(usage, stdout);
            return 0;
        case ':':
            return wrong("an argument is missing: ", argv[optind - 1]);
        default:
            return wrong("unknown option: ", argv[optind - 1]);
        }
    }
    if (*batch) {
        return optind < argc ? wrong("--batch takes no module: ", argv[optind]) : -1;
    }
    if (optind + 1 != argc) {
        return wrong("one module, please", "");
    }
    opt->input = argv[optind];
    return opt->output == NULL ? wrong("-o is missing", "") : -1;
}

int main(int argc, char **argv)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct weirc_options opt = {
        .level = 3, .cpu = "native", .segue = true, .jobs = cpus > 0 ? (unsigned)cpus : 1};
#ifdef __aarch64__
    opt.aarch64 = true;
#endif
    bool batch = false;
    int code = parse(&opt, &batch, argc, argv);
    if (code >= 0) {
        return code;
    }
    struct weir_report rep;
    weir_report_init(&rep);
    if (opt.append != NULL) {
        return weirc_append(&opt, &rep) == WEIR_OK ? 0 : report(&opt, &rep);
    }
    if (weirc_cpu_resolve(&opt, &rep) != WEIR_OK) {
        code = report(&opt, &rep);
    } else if (batch) {
        code = run_batch(&opt);
    } else {
        code = weirc_compile(&opt, &rep) == WEIR_OK ? 0 : report(&opt, &rep);
    }
    weirc_cpu_fini(&opt);
    return code;
}
