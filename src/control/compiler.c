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

static char *work_path(const struct compiler *c, const char *hex, const char *suffix)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s%s", store_work_dir(c->store), hex, suffix);
    return b.at;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* In the child: confined, with its messages in a file of the work folder. */
static _Noreturn void run_weirc(const struct compiler *c, pid_t parent, const char *module, const char *image,
                                const char *log)
{
    const char *weaker = NULL;
    struct weir_report rep;
    struct os_confinement confinement = {
        .writable_dir = store_work_dir(c->store),
        .memory_limit_bytes = c->opt.memory_limit_bytes,
        .cpu_limit_s = c->opt.time_limit_s,
    };

    sigset_t none;

    weir_report_init(&rep);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the control process has some blocked */
    setpgid(0, 0);
    /* A compilation that nobody waits for would write where the next control process compiles. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    int null = open("/dev/null", O_RDONLY);
    unlink(log); /* an earlier compiler may have put a link there */
    int out = open(log, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0600);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(127);
    }
    if (os_confine_self(&confinement, &weaker, &rep) != WEIR_OK) {
        dprintf(2, "cannot confine the compiler: %s\n", rep.message);
        _exit(126);
    }
    /* The gateway goes first: compiling takes the processor that serving leaves. */
    if (nice(10) == -1 && errno != 0) {
        errno = 0;
    }
    setenv("TMPDIR", store_work_dir(c->store), 1); /* the one place it may write to */
#if __has_feature(address_sanitizer)
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0); /* confined, it cannot be traced by itself */
#endif
    execl(c->opt.weirc, "weirc", module, "-o", image, (char *)NULL);
    dprintf(2, "%s: %s\n", c->opt.weirc, strerror(errno));
    _exit(127);
}

static void start_next(struct compiler *c)
{
    if (c->queue.len == 0 || c->child != 0) {
        return;
    }
    const char *hex = c->queue.at[0].hex;
    char *module = store_module_path(c->store, hex), *image = work_path(c, hex, ".aot"),
         *log = work_path(c, hex, ".log");

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
    mem_free(module);
    mem_free(image);
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
    struct stat info;
    uint8_t *bytes;
    size_t len;

    if (c->timed_out) {
        snprintf(why, cap, "timed out after %u s", c->opt.time_limit_s);
    } else if (WIFSIGNALED(wait_status)) {
        snprintf(why, cap, "the compiler was killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    } else if (lstat(log, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 &&
               store_read_file(log, 1 << 20, &bytes, &len, NULL) == WEIR_OK) {
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
    char *image = work_path(c, result->hex, ".aot"), *log = work_path(c, result->hex, ".log");
    weir_report_init(&rep);
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0) {
        explain(c, log, wait_status, result->why, sizeof result->why);
        store_put_failure(c->store, result->hex, c->opt.key, result->why);
    } else if (store_put_image(c->store, result->hex, c->opt.key, image, &rep) != WEIR_OK) {
        snprintf(result->why, sizeof result->why, "%s", rep.message);
    } else {
        result->outcome = COMPILER_MADE;
    }
    unlink(image);
    unlink(log);
    mem_free(image);
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
    if (waitpid(c->child, &wait_status, WNOHANG) == c->child) {
        take_result(c, wait_status, result);
        return true;
    }
    if (!c->timed_out && seconds_since(&c->started) > c->opt.time_limit_s) {
        c->timed_out = true;
        kill(-c->child, SIGKILL);
    }
    return false;
}
