/* os/confine_linux.c - confinement by rlimits, Landlock (files), seccomp (network, tracing) and, for root,
 * another user.
 *
 * The first three work without privileges once no_new_privs is set, and are inherited by fork and exec. */
#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
#else
#error "name this machine's audit architecture"
#endif

/* A sanitizer reserves terabytes of address space for its shadow, so a sanitizer build cannot limit it. */
#if __has_feature(address_sanitizer)
static const bool limits_address_space = false;
#else
static const bool limits_address_space = true;
#endif

static weir_status refuse(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "confinement", "%s: %s", what, strerror(errno));
}

static weir_status set_limit(int resource, rlim_t soft, rlim_t hard, struct weir_report *rep)
{
    struct rlimit limit = {soft, hard};
    return setrlimit(resource, &limit) == 0 ? WEIR_OK : refuse(rep, "setrlimit");
}

static weir_status set_limits(const struct os_confinement *c, struct weir_report *rep)
{
    weir_status st = set_limit(RLIMIT_CORE, 0, 0, rep);
    if (st == WEIR_OK && c->memory_limit_bytes != 0 && limits_address_space) {
        st = set_limit(RLIMIT_AS, c->memory_limit_bytes, c->memory_limit_bytes, rep);
    }
    if (st == WEIR_OK && c->cpu_limit_s != 0) {
        st = set_limit(RLIMIT_CPU, c->cpu_limit_s, c->cpu_limit_s + 1, rep);
    }
    if (st == WEIR_OK && c->file_limit_bytes != 0) {
        st = set_limit(RLIMIT_FSIZE, c->file_limit_bytes, c->file_limit_bytes, rep);
    }
    return st;
}

/* Every way of changing the file system that Landlock's first version knows. */
static const uint64_t write_rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

static weir_status allow_below(int ruleset, const char *path, uint64_t rights, struct weir_report *rep)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return refuse(rep, path);
    }
    long done = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return done == 0 ? WEIR_OK : refuse(rep, "landlock_add_rule");
}

static weir_status restrict_writes(const char *writable_dir, const char **weaker, struct weir_report *rep)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = write_rights};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0) {
        *weaker = "this kernel has no Landlock: writing to files is not confined";
        return errno == ENOSYS || errno == EOPNOTSUPP ? WEIR_OK : refuse(rep, "landlock_create_ruleset");
    }
    weir_status st = allow_below(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE, rep);
    if (st == WEIR_OK && writable_dir != NULL) {
        st = allow_below(ruleset, writable_dir, write_rights, rep);
    }
    if (st == WEIR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        st = refuse(rep, "landlock_restrict_self");
    }
    close(ruleset);
    return st;
}

#define DENY(nr)                                                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static weir_status change_user(const struct os_confinement *c, struct weir_report *rep)
{
    if (setgroups(0, NULL) != 0 || setresgid(c->gid, c->gid, c->gid) != 0 ||
        setresuid(c->uid, c->uid, c->uid) != 0) {
        return refuse(rep, "changing the user");
    }
    return WEIR_OK;
}

/* Nothing but IPv4 and IPv6 sockets; a pair of sockets, with which a resolver's thread wakes its caller,
 * reaches nobody. */
#define INTERNET_SOCKETS_ONLY                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5),                                                   \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),                          \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0),                                                  \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0),                                                 \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),                                                \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

#define FOR_THIS_MACHINE                                                                                     \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),                                 \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 1, 0),                                          \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),                                                 \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* No looking into other processes, no io_uring around the filter, no way out of the process group: whoever
 * waits can end all of it. */
#define NOTHING_OF_OTHERS                                                                                    \
    DENY(SYS_io_uring_setup), DENY(SYS_ptrace), DENY(SYS_process_vm_readv), DENY(SYS_process_vm_writev),     \
        DENY(SYS_bpf), DENY(SYS_mount), DENY(SYS_unshare), DENY(SYS_setsid), DENY(SYS_setpgid),              \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static weir_status deny_calls(bool network, struct weir_report *rep)
{
    static struct sock_filter alone[] = {FOR_THIS_MACHINE, DENY(SYS_socket), DENY(SYS_socketpair),
                                         NOTHING_OF_OTHERS};
    static struct sock_filter connected[] = {FOR_THIS_MACHINE, INTERNET_SOCKETS_ONLY, NOTHING_OF_OTHERS};
    struct sock_fprog program = network ? (struct sock_fprog){sizeof connected / sizeof *connected, connected}
                                        : (struct sock_fprog){sizeof alone / sizeof *alone, alone};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? WEIR_OK : refuse(rep, "seccomp");
}

weir_status os_confine_self(const struct os_confinement *c, const char **weaker, struct weir_report *rep)
{
    *weaker = NULL;
    weir_status st = set_limits(c, rep);
    if (st == WEIR_OK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        st = refuse(rep, "no_new_privs");
    }
    if (st == WEIR_OK) {
        st = restrict_writes(c->writable_dir, weaker, rep);
    }
    if (st == WEIR_OK && c->change_user) {
        st = change_user(c, rep);
    }
    if (st == WEIR_OK) {
        st = deny_calls(c->network, rep);
    }
    return st;
}
