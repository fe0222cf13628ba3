/* weir/wasi.h - WASI preview 1 for guests without a file system.
 *
 * Arguments, environment, clocks, random numbers, standard output and error, exit; every other function
 * links and answers with an errno, as plugin toolchains expect of a gateway.  Offered under
 * wasi_snapshot_preview1 and wasi_unstable.
 *
 * How the functions find the embedder: inst->host must point to an object whose first field is a
 * `struct weir_wasi *`, not NULL. */
#ifndef WEIR_WASI_H
#define WEIR_WASI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/engine.h"
#include "weir/str.h"

/* Everything is borrowed and must live as long as the instances that use it. */
struct weir_wasi {
    const struct str *args;
    size_t nargs;
    const struct str *env; /* "NAME=value" */
    size_t nenv;
    void *data; /* for the functions below */
    /* The guest wrote `text` to fd 1 or 2; the pieces of one write come one after another.  NULL: dropped. */
    void (*write)(void *data, struct weir_instance *inst, int fd, struct str text);
    /* Nanoseconds since 1970, and of a clock that never jumps.  NULL: the system's. */
    uint64_t (*now_ns)(void *data);
    uint64_t (*monotonic_ns)(void *data);
    /* Fill with random bytes; false: it failed.  NULL: the system's. */
    bool (*random)(void *data, void *at, size_t bytes);
};

/* Offer all functions to `l`.  proc_exit ends the running call with WEIR_E_EXIT. */
void weir_wasi_link(struct weir_linker *l);

#endif
