/* control/fetcher.c - a child, its two nameless files, and what they hold at its end. */
#include "control/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "os/os.h"

enum { MODULE_BYTES_MAX = 256 << 20, MEMORY_LIMIT_GIB = 2, SAID_BYTES_MAX = 4096 };

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

static weir_status io_error(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, errno == ENOENT ? WEIR_E_NOT_FOUND : WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s",
                           what, strerror(errno));
}

weir_status fetcher_open_secret(const char *path, int *fd, struct weir_report *rep)
{
    struct stat info;
    int at = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (at >= 0 && fstat(at, &info) == 0 && S_ISDIR(info.st_mode)) {
        int dir = at;
        at = openat(dir, ".dockerconfigjson", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        close(dir);
    }
    if (at < 0) {
        struct strbuf what = {0};
        strbuf_printf(&what, "imagePullSecret \"%s\"", path);
        weir_status st = io_error(rep, what.at);
        strbuf_fini(&what);
        return st;
    }
    *fd = at;
    return WEIR_OK;
}

static pid_t start_pull(const struct fetcher *f, const struct confined_options *opt,
                        const struct fetcher_job *job, int secret)
{
    const struct confined_limits limits = {FETCHER_TIME_LIMIT_S, MEMORY_LIMIT_GIB, MODULE_BYTES_MAX};
    const char *argv[16] = {"weir", "pull", "-o", "-", "--secret", "-"};
    size_t n = 6;

    if (job->sha256 != NULL) {
        argv[n++] = "--sha256";
        argv[n++] = job->sha256;
    }
    if (job->known != NULL) {
        argv[n++] = "--known";
        argv[n++] = job->known;
    }
    argv[n++] = "--";
    argv[n++] = job->url;
    return confined_start(opt, &limits, argv, secret, f->module, f->said);
}

static void close_files(struct fetcher *f)
{
    close(f->module);
    close(f->said);
    *f = (struct fetcher){.child = 0};
}

weir_status fetcher_start(struct fetcher *f, const struct confined_options *opt,
                          const struct fetcher_job *job, struct weir_report *rep)
{
    int secret = -1;
    weir_status st = job->secret != NULL ? fetcher_open_secret(job->secret, &secret, rep) : WEIR_OK;

    if (st != WEIR_OK) {
        return st;
    }
    if (job->secret == NULL) {
        secret = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    f->module = confined_file(opt->work_dir);
    f->said = confined_file(opt->work_dir);
    pid_t pid = start_pull(f, opt, job, secret);
    if (pid < 0) {
        st = io_error(rep, opt->work_dir);
        close_files(f);
    } else {
        f->child = pid;
        f->deadline_ms = now_ms() + FETCHER_TIME_LIMIT_S * UINT64_C(1000);
    }
    close(secret);
    return st;
}

static weir_status read_back(int fd, size_t limit, uint8_t **bytes, size_t *len)
{
    struct stat info;
    size_t got = 0;
    ssize_t n = 1;

    if (fstat(fd, &info) != 0 || (uint64_t)info.st_size > limit) {
        return WEIR_E_LIMIT;
    }
    *bytes = mem_zalloc((size_t)info.st_size + 1);
    while (got < (size_t)info.st_size &&
           (n = pread(fd, *bytes + got, (size_t)info.st_size - got, (off_t)got)) > 0) {
        got += (size_t)n;
    }
    *len = got;
    return WEIR_OK;
}

/* The last line that was said, without the program's name. */
static struct str last_line(struct str text)
{
    struct str rest = str_trim(text), line = rest;

    while (rest.len != 0) {
        line = str_cut(&rest, '\n');
    }
    return str_starts_with(line, STR("weir: ")) ? str_slice(line, 6, line.len) : line;
}

static enum fetcher_outcome take_result(struct fetcher *f, int status, bool late, struct fetcher_result *out)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum fetcher_outcome outcome = FETCHER_FAILED;

    read_back(f->said, SAID_BYTES_MAX, &bytes, &len);
    struct str line = last_line(str_make(bytes, len));
    if (WIFEXITED(status) && WEXITSTATUS(status) == FETCHER_EXIT_UNCHANGED) {
        outcome = FETCHER_UNCHANGED;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && str_starts_with(line, STR(FETCHER_VERSION)) &&
               read_back(f->module, MODULE_BYTES_MAX, &out->bytes, &out->len) == WEIR_OK) {
        struct str version = str_slice(line, sizeof FETCHER_VERSION - 1, line.len);
        snprintf(out->version, sizeof out->version, "%.*s", STR_ARG(version));
        outcome = FETCHER_MADE;
    } else if (late) {
        snprintf(out->why, sizeof out->why, "it took longer than %d s", FETCHER_TIME_LIMIT_S);
    } else if (WIFSIGNALED(status)) {
        snprintf(out->why, sizeof out->why, "the process that fetches was ended by signal %d",
                 WTERMSIG(status));
    } else {
        snprintf(out->why, sizeof out->why, "%.*s", STR_ARG(line));
    }
    mem_free(bytes);
    close_files(f);
    return outcome;
}

enum fetcher_outcome fetcher_poll(struct fetcher *f, struct fetcher_result *out)
{
    siginfo_t info = {.si_pid = 0};
    bool late = now_ms() >= f->deadline_ms;
    int status;

    *out = (struct fetcher_result){.bytes = NULL};
    if (late) {
        kill(-f->child, SIGKILL);
    }
    if (waitid(P_PID, (id_t)f->child, &info, WEXITED | WNOWAIT | (late ? 0 : WNOHANG)) != 0 ||
        info.si_pid != f->child) {
        return FETCHER_RUNS;
    }
    kill(-f->child, SIGKILL); /* what it started */
    waitpid(f->child, &status, 0);
    return take_result(f, status, late, out);
}

enum fetcher_outcome fetcher_wait(struct fetcher *f, struct fetcher_result *out)
{
    enum fetcher_outcome outcome;

    while ((outcome = fetcher_poll(f, out)) == FETCHER_RUNS) {
        poll(NULL, 0, 20);
    }
    return outcome;
}

void fetcher_stop(struct fetcher *f)
{
    if (f->child != 0) {
        kill(-f->child, SIGKILL);
        waitpid(f->child, NULL, 0);
        close_files(f);
    }
}
