/* control/nginx_process.c - fork, pidfd, signals, and one HTTP request over a Unix socket. */
#include "control/nginx_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_BYTES_MAX = 1 << 20 };

void nginx_process_init(struct nginx_process *p, const char *program, const char *state_dir,
                        const char *preload)
{
    *p = (struct nginx_process){.program = program, .state_dir = state_dir, .preload = preload, .pidfd = -1};
}

/* The start of a small file, NUL-terminated; its length, 0 if it cannot be read. */
static size_t read_start(const char *path, char *dst, size_t cap)
{
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t got = read(fd, dst, cap - 1);
        n = got > 0 ? (size_t)got : 0;
        close(fd);
    }
    dst[n] = '\0';
    return n;
}

/* nginx's title of a process, with blanks for NULs; "" if there is no such process. */
static void read_title(pid_t pid, char *dst, size_t cap)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    size_t n = read_start(path, dst, cap);
    for (size_t i = 0; i < n; i++) {
        dst[i] = dst[i] == '\0' ? ' ' : dst[i];
    }
}

bool nginx_process_find(struct nginx_process *p)
{
    char path[4096], text[4096];

    snprintf(path, sizeof path, "%s/nginx.pid", p->state_dir);
    if (read_start(path, text, sizeof text) == 0) {
        return false;
    }
    pid_t pid = (pid_t)atoi(text);
    if (pid <= 1) {
        return false;
    }
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return false;
    }

    /* A pid may be somebody else's by now; nginx's title holds the command line, with our folder. */
    read_title(pid, text, sizeof text);
    snprintf(path, sizeof path, "%s/nginx.conf", p->state_dir);
    if (strstr(text, "nginx: master process") == NULL || strstr(text, path) == NULL) {
        close(fd);
        return false;
    }
    p->pid = pid;
    p->pidfd = fd;
    return true;
}

/* In the child. */
static _Noreturn void become_nginx(const struct nginx_process *p, const char *conf, const char *log)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
    }
    if (p->preload != NULL) {
        struct strbuf asan = {0};
        strbuf_printf(&asan, "detect_leaks=0:quarantine_size_mb=8:log_path=%s/logs/sanitizer", p->state_dir);
        setenv("LD_PRELOAD", p->preload, 1);
        setenv("ASAN_OPTIONS", asan.at, 0);
        setenv("UBSAN_OPTIONS", "print_stacktrace=1", 0);
    }
    if (chdir(p->state_dir) ==
        0) { /* nginx.conf names the status socket relative to it: paths of sockets are short */
        execl(p->program, p->program, "-p", p->state_dir, "-e", log, "-c", conf, (char *)NULL);
    }
    fprintf(stderr, "weir: cannot run %s: %s\n", p->program, strerror(errno));
    _exit(127);
}

weir_status nginx_process_start(struct nginx_process *p, struct weir_report *rep)
{
    struct strbuf conf = {0}, log = {0}, sock = {0};
    weir_status st = WEIR_OK;

    strbuf_printf(&conf, "%s/nginx.conf", p->state_dir);
    strbuf_printf(&log, "%s/logs/error.log", p->state_dir);
    strbuf_printf(&sock, "%s/status.sock", p->state_dir);
    unlink(sock.at); /* left by a master that was killed */

    pid_t pid = fork();
    if (pid == 0) {
        become_nginx(p, conf.at, log.at);
    }
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd < 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "cannot start a process: %s",
                             strerror(errno));
    } else {
        p->pid = pid;
        p->pidfd = fd;
    }
    strbuf_fini(&conf);
    strbuf_fini(&log);
    strbuf_fini(&sock);
    return st;
}

static bool is_serving_worker(pid_t pid)
{
    char title[256];

    read_title(pid, title, sizeof title);
    return strstr(title, "worker process") != NULL && strstr(title, "shutting down") == NULL;
}

static size_t serving_workers(const struct nginx_process *p, pid_t pids[NGINX_WORKERS_MAX])
{
    char path[64], list[16384];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)p->pid, (int)p->pid);
    read_start(path, list, sizeof list);
    for (char *at = list, *end; n < NGINX_WORKERS_MAX; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        if (is_serving_worker((pid_t)pid)) {
            pids[n++] = (pid_t)pid;
        }
    }
    return n;
}

size_t nginx_process_nworkers(const struct nginx_process *p)
{
    pid_t pids[NGINX_WORKERS_MAX];
    return serving_workers(p, pids);
}

void nginx_process_reload(struct nginx_process *p)
{
    p->nold = serving_workers(p, p->old_workers);
    nginx_process_signal(p, SIGHUP);
}

bool nginx_process_old_workers_serve(const struct nginx_process *p)
{
    for (size_t i = 0; i < p->nold; i++) {
        if (is_serving_worker(p->old_workers[i])) {
            return true;
        }
    }
    return false;
}

void nginx_process_signal(const struct nginx_process *p, int signal_number)
{
    if (p->pidfd >= 0) {
        pidfd_send_signal(p->pidfd, signal_number, NULL, 0);
    }
}

void nginx_process_ended(struct nginx_process *p, int *wait_status)
{
    *wait_status = 0;
    waitpid(p->pid, wait_status, WNOHANG);

    /* A master that was killed leaves its workers, which hold the listening sockets.  nginx is the leader of
     * its session, so its process group is all of them. */
    kill(-p->pid, SIGQUIT);
    close(p->pidfd);
    p->pid = 0;
    p->pidfd = -1;
}

static int connect_status(const struct nginx_process *p)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval second = {.tv_sec = 1};

    int dir = open(p->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return -1;
    }
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/status.sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
        if (connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
            close(fd);
            fd = -1;
        }
    }
    close(dir);
    return fd;
}

bool nginx_process_status(const struct nginx_process *p, struct strbuf *out)
{
    static const char request[] = "GET / HTTP/1.0\r\nHost: weir\r\n\r\n";
    char part[4096];
    struct strbuf all = {0};
    ssize_t n = -1;

    int fd = connect_status(p);
    if (fd < 0) {
        return false;
    }
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1) {
        while ((n = recv(fd, part, sizeof part, 0)) > 0 && all.len < STATUS_BYTES_MAX) {
            strbuf_add_bytes(&all, part, (size_t)n);
        }
    }
    close(fd);

    const char *body = all.len != 0 ? strstr(all.at, "\r\n\r\n") : NULL;
    bool ok = n == 0 && body != NULL && strncmp(all.at, "HTTP/1.1 200 ", 13) == 0;
    if (ok) {
        strbuf_add(out, str_of(body + 4));
    }
    strbuf_fini(&all);
    return ok;
}
