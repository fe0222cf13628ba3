/* control/fetcher.h - one module being fetched, by a confined `weir pull`.
 *
 * The child reads answers of anybody's registry, so it may reach the network and nothing else: it writes to
 * no file but the nameless one that it is given, started by root it is another user, and it dies with the
 * process that started it.  Nothing of it is in the store until it is whole; a fetch that is ended leaves
 * nothing. */
#ifndef CONTROL_FETCHER_H
#define CONTROL_FETCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/confined.h"

/* What the child says, see cli/pull.c. */
#define FETCHER_VERSION "version:"

enum {
    FETCHER_EXIT_UNCHANGED = 3,
    FETCHER_SECRET_BYTES_MAX = 64 << 10,
    FETCHER_TIME_LIMIT_S = 600,
};

struct fetcher_job {
    const char *url;
    const char *secret; /* a path; NULL: none */
    const char *sha256; /* NULL: not pinned */
    const char *known;  /* version that is there; NULL: none */
};

struct fetcher {
    pid_t child; /* 0: none */
    int module, said;
    uint64_t deadline_ms; /* of the monotonic clock */
};

enum fetcher_outcome { FETCHER_RUNS, FETCHER_MADE, FETCHER_UNCHANGED, FETCHER_FAILED };

struct fetcher_result {
    uint8_t *bytes; /* MADE: the module; the caller frees it */
    size_t len;
    char version[300]; /* MADE: "" if it has none */
    char why[400];     /* FAILED */
};

/* Open a pull secret: a file, or a folder as Kubernetes mounts it, with .dockerconfigjson in it.
 * WEIR_E_NOT_FOUND, WEIR_E_IO: `rep` says why. */
weir_status fetcher_open_secret(const char *path, int *fd, struct weir_report *rep);

/* Start a fetch; does not block.  WEIR_E_IO, WEIR_E_NOT_FOUND: there is no child, `rep` says why. */
weir_status fetcher_start(struct fetcher *f, const struct confined_options *opt,
                          const struct fetcher_job *job, struct weir_report *rep);
/* See what became of it: after SIGCHLD, and now and then, to end one that is over its time.  Once it is not
 * RUNS the fetcher is free for another. */
enum fetcher_outcome fetcher_poll(struct fetcher *f, struct fetcher_result *out);
/* Wait until it has ended. */
enum fetcher_outcome fetcher_wait(struct fetcher *f, struct fetcher_result *out);
void fetcher_stop(struct fetcher *f); /* without a child, nothing */

#endif
