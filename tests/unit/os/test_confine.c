/* A confined child reaches no network and writes only where it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/confine.h"

static char allowed_dir[] = "/tmp/weir-confine-XXXXXX", other_dir[] = "/tmp/weir-outside-XXXXXX";

static int can_create(const char *dir)
{
    char path[64];
    snprintf(path, sizeof path, "%s/file", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

enum {
    CANNOT_CONFINE = 1,
    CAN_SOCKET = 2,
    CANNOT_WRITE_INSIDE = 4,
    CAN_WRITE_OUTSIDE = 8,
    IS_WEAKER = 16,
    CAN_LEAVE = 32
};

static int in_child(void)
{
    const char *weaker;
    struct os_confinement c = {.writable_dir = allowed_dir, .cpu_limit_s = 10};
    if (os_confine_self(&c, &weaker, NULL) != WEIR_OK) {
        return CANNOT_CONFINE;
    }
    int found = weaker != NULL ? IS_WEAKER : 0;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) {
        found |= CAN_SOCKET;
    }
    if (setpgid(0, 0) == 0 || setsid() >= 0) {
        found |= CAN_LEAVE;
    }
    return found | (can_create(allowed_dir) ? 0 : CANNOT_WRITE_INSIDE) |
           (can_create(other_dir) ? CAN_WRITE_OUTSIDE : 0);
}

/* With the network: hosts, not sockets of this machine; files up to a size. */
static int connected_child(int fd)
{
    const char *weaker;
    struct os_confinement c = {.network = true, .file_limit_bytes = 4096};
    char bytes[8192] = {0};

    if (os_confine_self(&c, &weaker, NULL) != WEIR_OK) {
        return CANNOT_CONFINE;
    }
    signal(SIGXFSZ, SIG_IGN);
    bool internet = socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0;
    bool local = socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
    return (weaker != NULL ? IS_WEAKER : 0) | (internet && !local ? 0 : CAN_SOCKET) |
           (write(fd, bytes, sizeof bytes) == 4096 ? 0 : CANNOT_WRITE_INSIDE) |
           (can_create(other_dir) ? CAN_WRITE_OUTSIDE : 0) | (setpgid(0, 0) == 0 ? CAN_LEAVE : 0);
}

static void test_a_network_and_nothing_else(void **state)
{
    char path[] = "/tmp/weir-confine-file-XXXXXX";
    int status, fd = mkstemp(path);
    (void)state;

    unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(connected_child(fd));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fd);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status) & ~IS_WEAKER, 0);
}

static void test_rights_are_gone(void **state)
{
    int wstatus;
    (void)state;
    assert_non_null(mkdtemp(allowed_dir));
    assert_non_null(mkdtemp(other_dir));
    pid_t pid = fork();
    if (pid == 0) {
        _exit(in_child());
    }
    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
    assert_true(WIFEXITED(wstatus));
    int found = WEXITSTATUS(wstatus);
    if ((found & IS_WEAKER) != 0) {
        found &= ~(IS_WEAKER | CAN_WRITE_OUTSIDE);
    }
    assert_int_equal(found, 0);
}

static void test_memory_limit(void **state)
{
    int wstatus;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        const char *weaker;
        struct os_confinement c = {.memory_limit_bytes = 64 << 20};
        if (os_confine_self(&c, &weaker, NULL) != WEIR_OK) {
            _exit(1);
        }
        void *p = mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(p == MAP_FAILED ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
#if defined(__has_feature) && __has_feature(address_sanitizer)
    skip(); /* its shadow alone is over any limit */
#else
    assert_true(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_are_gone),
        cmocka_unit_test(test_a_network_and_nothing_else),
        cmocka_unit_test(test_memory_limit),
    };
    return cmocka_run_group_tests_name("os/confine", tests, NULL, NULL);
}
