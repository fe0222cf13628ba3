/* LD_PRELOAD for `weir`: at the Nth call that changes the state folder, once the file KILL_AT_ARMED is there,
 * the process kills itself before the call (KILL_AT=N).  It is how a test ends an apply in each of its steps.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void step(void)
{
    static int calls;
    const char *at = getenv("KILL_AT"), *armed = getenv("KILL_AT_ARMED");

    if (at != NULL && armed != NULL && strcmp(program_invocation_short_name, "weir") == 0 &&
        access(armed, F_OK) == 0 && ++calls == atoi(at)) {
        kill(getpid(), SIGKILL);
    }
}

#define BEFORE(name, type, params, args)                                                                     \
    type name params;                                                                                        \
    type name params                                                                                         \
    {                                                                                                        \
        type(*real) params = (type(*) params)dlsym(RTLD_NEXT, #name);                                        \
        step();                                                                                              \
        return real args;                                                                                    \
    }

BEFORE(rename, int, (const char *a, const char *b), (a, b))
BEFORE(symlink, int, (const char *a, const char *b), (a, b))
BEFORE(unlink, int, (const char *a), (a))
BEFORE(fsync, int, (int fd), (fd))
BEFORE(write, ssize_t, (int fd, const void *p, size_t n), (fd, p, n))
BEFORE(send, ssize_t, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
