/* control/compiler.c - a queue of modules and the one child that compiles the first of them. */
#include "control/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "os/confine.h"

struct job {
    char hex[HASH_SHA256_HEX];
};

struct compiler {
    struct store *store;
    struct compiler_options opt;
    VEC(struct job) queue; /* [0] is running when child != 0 */
    pid_t child;
    bool timed_out;
    struct timespec started;
};

struct compiler *compiler_new(struct store *store, const struct compiler_options *opt)
{
    struct compiler *c = mem_zalloc(sizeof *c);
    c->store = store;
    c->opt = *opt;
    return c;
}

void compiler_free(struct compiler *c)
{
    if (c->child != 0) {
        kill(-c->child, SIGKILL);
        waitpid(c->child, NULL, 0);
    }
    vec_fini(&c->queue);
    mem_free(c);
}

bool compiler_busy(const struct compiler *c)
{
    return c->child != 0;
}

/* The child's messages are in work/, which it cannot reach. */
static char *log_path(const struct compiler *c, const char *hex)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s.log", store_work_dir(c->store), hex);
    return b.at;
}

static void remove_from_compile_dir(const struct compiler *c, const char *hex, const char *suffix)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s%s", store_compile_dir(c->store), hex, suffix);
    unlink(b.at);
    strbuf_fini(&b);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void set_up_descriptors(const char *log)
{
    int null = open("/dev/null", O_RDONLY);
    int out = open(log, O_CREAT | O_TRUNC | O_NOFOLLOW | O_WRONLY, 0600);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(127);
    }
}

/* In the child: confined, in its folder, with its messages in a file. */
static _Noreturn void run_weirc(const struct compiler *c, pid_t parent, const char *module, const char *image,
                                const char *log)
{
    const char *weaker = NULL, *argv[] = {"weirc", module, "-o", image, NULL};
    struct weir_report rep;
    struct os_confinement confinement = {
        .writable_dir = store_compile_dir(c->store),
        .memory_limit_bytes = c->opt.memory_limit_bytes,
        .cpu_limit_s = c->opt.time_limit_s,
        .change_user = c->opt.change_user,
        .uid = c->opt.uid,
        .gid = c->opt.gid,
    };

    sigset_t none;

    weir_report_init(&rep);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the control process has some blocked */
    setpgid(0, 0);
    set_up_descriptors(log);
    /* Its user may reach neither the program nor the folder by their paths. */
    int program = open(c->opt.weirc, O_RDONLY);
    if (program < 0 || chdir(store_compile_dir(c->store)) != 0) {
        dprintf(2, "%s: %s\n", program < 0 ? c->opt.weirc : store_compile_dir(c->store), strerror(errno));
        _exit(127);
    }
    if (os_confine_self(&confinement, &weaker, &rep) != WEIR_OK) {
        dprintf(2, "cannot confine the compiler: %s\n", rep.message);
        _exit(126);
    }
    /* A compilation that nobody waits for would write where the next control process compiles.  A change of
     * user clears this, so it comes after that. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    /* The gateway goes first: compiling takes the processor that serving leaves. */
    if (nice(10) == -1 && errno != 0) {
        errno = 0;
    }
    setenv("TMPDIR", ".", 1); /* the one place it may write to */
#if __has_feature(address_sanitizer)
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0); /* confined, it cannot be traced by itself */
#endif
    execveat(program, "", (char *const *)(uintptr_t)argv, environ, AT_EMPTY_PATH);
    dprintf(2, "%s: %s\n", c->opt.weirc, strerror(errno));
    _exit(127);
}

static void start_next(struct compiler *c)
{
    struct weir_report rep;
    if (c->queue.len == 0 || c->child != 0) {
        return;
    }
    const char *hex = c->queue.at[0].hex;
    char module[HASH_SHA256_HEX + 8], image[HASH_SHA256_HEX + 8];
    char *log = log_path(c, hex);
    snprintf(module, sizeof module, "%s.wasm", hex);
    snprintf(image, sizeof image, "%s.aot", hex);
    weir_report_init(&rep);
    if (store_lend_module(c->store, hex, module, &rep) != WEIR_OK) {
        log_line(LOG_ERROR, "cannot start the compiler: %s", rep.message);
        vec_clear(&c->queue);
        mem_free(log);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &c->started);
    c->timed_out = false;
    pid_t self = getpid(), pid = fork();
    if (pid == 0) {
        run_weirc(c, self, module, image, log);
    }
    if (pid > 0) {
        setpgid(pid, pid); /* both sides, so that neither race loses */
        c->child = pid;
    } else {
        log_line(LOG_ERROR, "cannot start the compiler: %s", strerror(errno));
        vec_clear(&c->queue);
    }
    mem_free(log);
}

enum compiler_state compiler_want(struct compiler *c, const char *hex)
{
    struct job job;

    if (store_has_image(c->store, hex, c->opt.key)) {
        return COMPILER_HAS_IMAGE;
    }
    for (size_t i = 0; i < c->queue.len; i++) {
        if (strcmp(c->queue.at[i].hex, hex) == 0) {
            return COMPILER_PENDING;
        }
    }
    char *why = store_failure(c->store, hex, c->opt.key);
    if (why != NULL) {
        mem_free(why);
        return COMPILER_GAVE_UP;
    }
    snprintf(job.hex, sizeof job.hex, "%s", hex);
    vec_push(&c->queue, job);
    start_next(c);
    return COMPILER_PENDING;
}

/* What the child said last on its way out, or how it died. */
static void explain(const struct compiler *c, const char *log, int wait_status, char *why, size_t cap)
{
    uint8_t *bytes;
    size_t len;

    if (c->timed_out) {
        snprintf(why, cap, "timed out after %u s", c->opt.time_limit_s);
    } else if (WIFSIGNALED(wait_status)) {
        snprintf(why, cap, "the compiler was killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    } else if (store_read_file(log, 1 << 20, &bytes, &len, NULL) == WEIR_OK) {
        struct str text = str_trim(str_make(bytes, len)), line = text;
        while (text.len != 0) {
            line = str_cut(&text, '\n');
        }
        snprintf(why, cap, "%.*s", STR_ARG(line));
        mem_free(bytes);
    }
    if (why[0] == '\0') {
        snprintf(why, cap, "the compiler ended with status %d and said nothing", WEXITSTATUS(wait_status));
    }
}

/* The first of the queue has ended; the next one begins. */
static void take_result(struct compiler *c, int wait_status, struct compiler_result *result)
{
    struct weir_report rep;

    *result = (struct compiler_result){.outcome = COMPILER_FAILED, .seconds = seconds_since(&c->started)};
    memcpy(result->hex, c->queue.at[0].hex, sizeof result->hex);
    char *log = log_path(c, result->hex), image[HASH_SHA256_HEX + 8];
    snprintf(image, sizeof image, "%s.aot", result->hex);
    weir_report_init(&rep);
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0) {
        explain(c, log, wait_status, result->why, sizeof result->why);
        store_put_failure(c->store, result->hex, c->opt.key, result->why);
    } else if (store_put_image(c->store, result->hex, c->opt.key, image, &rep) != WEIR_OK) {
        snprintf(result->why, sizeof result->why, "%s", rep.message);
    } else {
        result->outcome = COMPILER_MADE;
    }
    remove_from_compile_dir(c, result->hex, ".wasm");
    remove_from_compile_dir(c, result->hex, ".aot");
    unlink(log);
    mem_free(log);

    c->child = 0;
    c->queue.len--;
    memmove(c->queue.at, c->queue.at + 1, c->queue.len * sizeof *c->queue.at);
    start_next(c);
}

bool compiler_step(struct compiler *c, struct compiler_result *result)
{
    int wait_status;

    if (c->child == 0) {
        return false;
    }
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)c->child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == c->child) {
        kill(-c->child,
             SIGKILL); /* what it started; the group is its own as long as nobody has waited for it */
        waitpid(c->child, &wait_status, 0);
        take_result(c, wait_status, result);
        return true;
    }
    if (!c->timed_out && seconds_since(&c->started) > c->opt.time_limit_s) {
        c->timed_out = true;
        kill(-c->child, SIGKILL);
    }
    return false;
}
