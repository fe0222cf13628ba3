/* control/symbolizer.c - one confined child for each module asked about, its answer read within a deadline.
 */
#include "control/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/store.h"
#include "os/confine.h"

enum {
    CHILD_MEMORY_GIB = 4,
    CHILD_CPU_S = 5,
    PATIENCE_MS = 8000,
    MOST_OUTPUT = 4 << 20,
    OFFSET_TEXT = 16,
};

#define PROGRAM "llvm-symbolizer-19"

/* ---- where the DWARF is --------------------------------------------------------------------------- */

static weir_status load(const char *path, struct weir_module **out, struct weir_report *rep)
{
    uint8_t *bytes;
    size_t len;
    weir_status st = store_read_file(path, SYMBOLIZER_MODULE_BYTES, &bytes, &len, rep);

    if (st == WEIR_OK) {
        st = weir_module_new(bytes, len, WEIR_FEATURES_ALL, out, rep);
        mem_free(bytes);
    }
    return st;
}

static bool has_dwarf(const struct weir_module *m)
{
    size_t len;
    return weir_module_custom_section(m, ".debug_line", &len) != NULL;
}

/* DWARF of another build names wrong lines. */
static bool same_code(const struct weir_module *a, const struct weir_module *b)
{
    size_t alen, blen;
    const uint8_t *acode = weir_module_code(a, &alen), *bcode = weir_module_code(b, &blen);
    return str_eq(str_make(acode, alen), str_make(bcode, blen));
}

/* The name in section external_debug_info, a length and the bytes, as a path beside the module.  It must stay
 * below the module's folder: the module is anybody's. */
static bool named_file(const struct weir_module *m, const char *module_path, char path[PATH_MAX],
                       struct weir_report *rep)
{
    size_t len;
    const uint8_t *at = weir_module_custom_section(m, "external_debug_info", &len);
    if (at == NULL) {
        weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "",
                        "%s carries no DWARF and names no file that does: build it with -g, or give --debug",
                        module_path);
        return false;
    }
    uint64_t size = 0;
    unsigned shift = 0;
    size_t i = 0;
    do {
        if (i == len || shift > 28) {
            size = UINT64_MAX;
            break;
        }
        size |= (uint64_t)(at[i] & 0x7f) << shift;
        shift += 7;
    } while ((at[i++] & 0x80) != 0);
    struct str name = size <= len - i ? str_make(at + i, size) : STR("");
    struct str rest = name;
    bool inside = name.len != 0 && name.at[0] != '/' && memchr(name.at, '\0', name.len) == NULL;
    while (inside && rest.len != 0) {
        inside = !str_eq(str_cut(&rest, '/'), STR(".."));
    }
    const char *slash = strrchr(module_path, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - module_path);
    if (!inside || snprintf(path, PATH_MAX, "%.*s%.*s", folder, module_path, STR_ARG(name)) >= PATH_MAX) {
        weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "",
                        "the file that %s says has its DWARF is not below its folder: give it with --debug",
                        module_path);
        return false;
    }
    return true;
}

bool symbolizer_debug_file(const char *module_path, const char *origin, char *path)
{
    struct weir_report rep;
    struct weir_module *m;

    weir_report_init(&rep);
    if (load(module_path, &m, &rep) != WEIR_OK) {
        return false;
    }
    bool named = !has_dwarf(m) && named_file(m, origin, path, &rep);
    weir_module_unref(m);
    return named;
}

/* The file to read DWARF from, into `path`; false: there is none, `rep` says why. */
static bool find_dwarf(const struct weir_module *m, const char *module_path,
                       const struct symbolizer_options *opt, char path[PATH_MAX], struct weir_report *rep)
{
    struct weir_module *debug;

    if (opt->debug == NULL && has_dwarf(m)) {
        return snprintf(path, PATH_MAX, "%s", module_path) < PATH_MAX;
    }
    if (opt->debug == NULL && opt->module_alone) {
        weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "", "the module carries no DWARF");
        return false;
    }
    if (opt->debug != NULL) {
        snprintf(path, PATH_MAX, "%s", opt->debug);
    } else if (!named_file(m, module_path, path, rep)) {
        return false;
    }
    const char *called = opt->debug_name != NULL ? opt->debug_name : path;
    if (load(path, &debug, rep) != WEIR_OK) {
        char why[256];
        weir_report_format(rep, why, sizeof why);
        weir_report_init(rep);
        weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "", "no lines: %s: %s", called, why);
        return false;
    }
    bool fits = has_dwarf(debug) && same_code(m, debug);
    if (!fits) {
        weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "", "no lines: %s %s", called,
                        has_dwarf(debug) ? "is of another build of the module: its code differs"
                                         : "carries no DWARF");
    }
    weir_module_unref(debug);
    return fits;
}

/* ---- the child --------------------------------------------------------------------------------------- */

/* Another user may be let into the last folder of a path alone: the child stands in it. */
static bool enter_folder(const struct symbolizer_options *opt, const char *folder)
{
    return !opt->change_user || chdir(folder) == 0;
}

static _Noreturn void child(const struct symbolizer_options *opt, const char *folder, char **argv, int out)
{
    struct os_confinement rights = {
        .memory_limit_bytes = (uint64_t)CHILD_MEMORY_GIB << 30,
        .cpu_limit_s = CHILD_CPU_S,
        .change_user = opt->change_user,
        .uid = opt->uid,
        .gid = opt->gid,
    };
    struct weir_report rep;
    const char *weaker;
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    weir_report_init(&rep);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 ||
        !enter_folder(opt, folder) || os_confine_self(&rights, &weaker, &rep) != WEIR_OK) {
        _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], argv);
    _exit(127);
}

static int64_t ms_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* All that comes until the end of the pipe; false: too much or too late. */
static bool read_all(int fd, struct strbuf *out)
{
    char chunk[65536];
    int64_t deadline = ms_now() + PATIENCE_MS;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - ms_now();
        if (left <= 0) {
            return false;
        }
        if (poll(&p, 1, (int)left) <= 0) {
            continue;
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0;
        }
        if (out->len + (size_t)n > MOST_OUTPUT) {
            return false;
        }
        strbuf_add_bytes(out, chunk, (size_t)n);
    }
}

static bool run_child(const struct symbolizer_options *opt, const char *folder, char **argv,
                      struct strbuf *out, struct weir_report *rep)
{
    int fds[2], status = 0;
    pid_t pid = -1;

    if (pipe2(fds, O_CLOEXEC) == 0) {
        pid = fork();
        if (pid == 0) {
            child(opt, folder, argv, fds[1]);
        }
        close(fds[1]);
    }
    if (pid < 0) {
        weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "no lines: %s: %s", argv[0], strerror(errno));
        return false;
    }
    bool whole = read_all(fds[0], out);
    close(fds[0]);
    if (!whole) {
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    const char *why = WIFEXITED(status) && WEXITSTATUS(status) == 127
                          ? "is not there; install the package llvm-19"
                          : "did not answer within its limits";
    weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "no lines: %s %s", argv[0], why);
    return false;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

/* One offset as the module alone tells it. */
static void take_name(const struct weir_module *m, uint32_t offset, size_t i, symbolizer_take *take,
                      void *ctx)
{
    struct weir_place place;
    char number[32];

    if (!weir_module_place(m, offset, &place)) {
        take(ctx, i, STR(""), STR(""));
    } else if (place.name_len != 0) {
        take(ctx, i, str_make(place.name, place.name_len), STR(""));
    } else {
        snprintf(number, sizeof number, "func[%u]", place.funcidx);
        take(ctx, i, str_of(number), STR(""));
    }
}

/* The block of one offset: lines of function and place in turn, then an empty line.  The last is the function
 * itself, not inlined: it is called what the module calls it, if it does, because the symbolizer takes the
 * name of whatever export is before it.  False: it says nothing that the names of the module do not. */
static bool take_block(struct str *text, size_t i, struct str own_name, symbolizer_take *take, void *ctx)
{
    bool known = false;

    for (;;) {
        struct str function = str_cut(text, '\n');
        if (function.len == 0) {
            return known;
        }
        struct str place = str_cut(text, '\n');
        if (!str_starts_with(place, STR("??:"))) {
            bool last = text->len == 0 || text->at[0] == '\n';
            take(ctx, i, last && own_name.len != 0 ? own_name : function, place);
            known = true;
        }
    }
}

weir_status symbolizer_run(const char *module_path, const struct symbolizer_options *opt,
                           const uint32_t *offsets, size_t n, symbolizer_take *take, void *ctx,
                           struct weir_report *rep)
{
    static char numbers[SYMBOLIZER_MOST_OFFSETS][OFFSET_TEXT];
    char dwarf[PATH_MAX], obj[PATH_MAX + 8];
    char *argv[SYMBOLIZER_MOST_OFFSETS + 4], names[] = "--functions=linkage";
    struct weir_module *m;
    struct weir_place place;
    struct strbuf out = {0};
    size_t argc = 0;
    bool nameless = false;

    WEIR_ASSERT(n <= SYMBOLIZER_MOST_OFFSETS);
    weir_status st = load(module_path, &m, rep);
    if (st != WEIR_OK) {
        return st;
    }
    argv[argc++] = (char *)(uintptr_t)(opt->program != NULL ? opt->program : PROGRAM);
    argv[argc++] = obj;
    argv[argc++] = names;
    for (size_t i = 0; i < n; i++) {
        if (weir_module_place(m, offsets[i], &place)) {
            snprintf(numbers[i], OFFSET_TEXT, "0x%x", place.code_offset);
            argv[argc++] = numbers[i];
            nameless = nameless || place.name_len == 0;
        }
    }
    if (nameless) { /* DWARF's short names, which no export's takes the place of */
        snprintf(names, sizeof names, "--functions=short");
    }
    argv[argc] = NULL;
    struct str text = {0};
    if (argc > 3 && find_dwarf(m, module_path, opt, dwarf, rep)) {
        char *slash = opt->change_user ? strrchr(dwarf, '/') : NULL;
        snprintf(obj, sizeof obj, "--obj=%s", slash == NULL ? dwarf : slash + 1);
        if (slash != NULL) {
            *slash = '\0';
        }
        if (run_child(opt, dwarf, argv, &out, rep)) {
            text = strbuf_str(&out);
        }
    }
    for (size_t i = 0; i < n; i++) {
        bool inside = weir_module_place(m, offsets[i], &place);
        struct str own_name = inside ? str_make(place.name, place.name_len) : STR("");
        if (!inside || !take_block(&text, i, own_name, take, ctx)) {
            take_name(m, offsets[i], i, take, ctx);
        }
    }
    strbuf_fini(&out);
    weir_module_unref(m);
    return WEIR_OK;
}
