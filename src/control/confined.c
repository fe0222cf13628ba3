/* control/confined.c - fork, confine, execute. */
#include "control/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/str.h"
#include "os/confine.h"

int confined_file(const char *dir)
{
    struct strbuf path = {0};

    strbuf_printf(&path, "%s/child-XXXXXX", dir);
    int fd = mkostemp(path.at, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path.at);
    }
    strbuf_fini(&path);
    return fd;
}

static _Noreturn void child(const struct confined_options *opt, const struct confined_limits *limits,
                            const char *const *argv, const int fds[3], pid_t parent)
{
    const char *weaker = NULL;
    struct weir_report rep;
    struct os_confinement confinement = {
        .memory_limit_bytes = (uint64_t)limits->memory_gib << 30,
        .cpu_limit_s = limits->cpu_s,
        .file_limit_bytes = limits->file_bytes,
        .network = true,
        .change_user = opt->change_user,
        .uid = opt->uid,
        .gid = opt->gid,
    };
    sigset_t none;

    weir_report_init(&rep);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if (dup2(fds[0], 0) < 0 || dup2(fds[1], 1) < 0 || dup2(fds[2], 2) < 0) {
        _exit(127);
    }
    int program = open(opt->program, O_RDONLY); /* its user may not come there by the path */
    if (program < 0 || chdir("/") != 0) {
        dprintf(2, "%s: %s\n", opt->program, strerror(errno));
        _exit(127);
    }
    if (os_confine_self(&confinement, &weaker, &rep) != WEIR_OK) {
        dprintf(2, "cannot confine the child: %s\n", rep.message);
        _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
#if __has_feature(address_sanitizer)
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0); /* confined, it cannot be traced by itself */
#endif
    execveat(program, "", (char *const *)(uintptr_t)argv, environ, AT_EMPTY_PATH);
    dprintf(2, "%s: %s\n", opt->program, strerror(errno));
    _exit(127);
}

pid_t confined_start(const struct confined_options *opt, const struct confined_limits *limits,
                     const char *const *argv, int in, int out, int err)
{
    const int fds[] = {in, out, err};
    pid_t self = getpid(), pid = in < 0 || out < 0 || err < 0 ? -1 : fork();

    if (pid == 0) {
        child(opt, limits, argv, fds, self);
    }
    if (pid > 0) {
        setpgid(pid, pid);
    }
    return pid;
}
