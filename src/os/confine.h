/* os/confine.h - take a process its rights before it works on somebody else's bytes.
 *
 * For children that compile or start modules: whatever a hostile module makes them do, they reach no network
 * (but those that fetch modules do), write nowhere but into one folder, cannot leave their process group, and
 * end within their limits.  Started by root they are another user besides. */
#ifndef OS_CONFINE_H
#define OS_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/status.h"

struct os_confinement {
    const char *writable_dir;    /* the only folder it may write below; NULL: none */
    uint64_t memory_limit_bytes; /* of address space; 0: no limit */
    uint32_t cpu_limit_s;        /* SIGXCPU, a second later SIGKILL; 0: no limit */
    uint64_t file_limit_bytes;   /* of a file it writes to; 0: no limit */
    bool network;                /* it may reach hosts, but no sockets of this machine's file system */
    bool change_user;            /* become this user, without other groups; takes root */
    uid_t uid;
    gid_t gid;
};

/* Confine the calling process, its threads and everything it starts, for good.  Call it in a child before
 * exec, with one thread.  WEIR_OK; WEIR_E_IO: a right could not be taken, `rep` says which, and some may be
 * gone. A kernel without Landlock (before 5.13) keeps the right to write: *weaker is then set to what is
 * missing (static), else to NULL. */
weir_status os_confine_self(const struct os_confinement *c, const char **weaker, struct weir_report *rep);

#endif
