/* control/confined.h - this program again, as a child with few rights that speaks with the network.
 *
 * It reads answers of anybody, so it may reach the network and nothing else: it writes to no file but those
 * it is given as standard output and error, started by root it is another user, and it dies with the process
 * that started it. */
#ifndef CONTROL_CONFINED_H
#define CONTROL_CONFINED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/status.h"

struct confined_options {
    const char *program;  /* of `weir` */
    const char *work_dir; /* for nameless files */
    bool change_user;     /* run as this user; takes root */
    uid_t uid;
    gid_t gid;
};

struct confined_limits {
    uint32_t cpu_s, memory_gib;
    uint64_t file_bytes;
};

/* A file without a name, for reading and writing; -1: errno says why. */
int confined_file(const char *dir);

/* Run `argv` (argv[0] is a name only) with these as descriptors 0, 1 and 2, which stay the caller's.  The
 * child leads a process group of its own.  Its pid, or -1: errno says why.  Does not block. */
pid_t confined_start(const struct confined_options *opt, const struct confined_limits *limits,
                     const char *const *argv, int in, int out, int err);

#endif
