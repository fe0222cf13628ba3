/* weirc/link.c - running lld, and whole files in and out. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "weirc/weirc.h"

extern char **environ;

weir_status weirc_link(const struct weirc_options *opt, char *const *objs, size_t nobjs, const char *out,
                       struct weir_report *rep)
{
    static const char *const fixed[] = {"ld.lld-19",
                                        "-shared",
                                        "--no-undefined",
                                        "--hash-style=gnu",
                                        "--build-id=none",
                                        "-z",
                                        "now",
                                        "-z",
                                        "separate-code",
                                        "--threads=1",
                                        "-m"};
    enum { NFIXED = sizeof fixed / sizeof *fixed };
    char **argv = mem_alloc((NFIXED + nobjs + 4) * sizeof *argv);
    size_t n = 0;
    for (; n < NFIXED; n++) {
        argv[n] = (char *)(uintptr_t)fixed[n];
    }
    argv[n++] = (char *)(uintptr_t)(opt->aarch64 ? "aarch64linux" : "elf_x86_64");
    argv[n++] = (char *)(uintptr_t)"-o";
    argv[n++] = (char *)(uintptr_t)out;
    for (size_t i = 0; i < nobjs; i++) {
        argv[n++] = objs[i];
    }
    argv[n] = NULL;
    pid_t pid;
    int err = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ), status = 0;
    mem_free(argv);
    if (err != 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "link",
                               "ld.lld-19: %s (Debian package lld-19)", strerror(err));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "link", "ld.lld-19 failed");
    }
    return WEIR_OK;
}

weir_status weirc_read_file(const char *path, struct strbuf *out, struct weir_report *rep)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", path, strerror(errno));
    }
    char buf[65536];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        strbuf_add_bytes(out, buf, (size_t)n);
    }
    int err = errno;
    close(fd);
    if (n < 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", path, strerror(err));
    }
    return WEIR_OK;
}

static bool write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

weir_status weirc_write_file(const char *path, const void *at, size_t len, struct weir_report *rep)
{
    struct strbuf temp = {0};
    strbuf_printf(&temp, "%s.%ld.tmp", path, (long)getpid());
    weir_status st = WEIR_OK;
    int fd = open(temp.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write_all(fd, at, len);
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok || rename(temp.at, path) != 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", path, strerror(errno));
        unlink(temp.at);
    }
    strbuf_fini(&temp);
    return st;
}
