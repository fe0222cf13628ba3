/* control/compiler.h - images made in the background, one confined weirc child at a time.
 *
 * The control process asks for the image of a module in the store and goes on; when the child has ended
 * the image is in the store or the reason why not is.  A compilation that failed is not tried again with the
 * same compiler and CPU.  Nothing here blocks.
 *
 * The child reads hostile bytes, so it is confined (os/confine.h): it sees a copy of the module in a folder
 * of its own, the store's compile/, and reaches nothing else of ours; started by root it is another user.
 * Before its image is taken everything it started is dead. */
#ifndef CONTROL_COMPILER_H
#define CONTROL_COMPILER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "control/store.h"

struct compiler_options {
    const char *weirc;           /* path of the program */
    const char *key;             /* of images made here, weir/image.h */
    uint64_t memory_limit_bytes; /* of the child's address space */
    uint32_t time_limit_s;       /* wall clock; the same in CPU seconds a core */
    bool change_user;            /* run as this user; takes root */
    uid_t uid;
    gid_t gid;
};

enum compiler_outcome {
    COMPILER_MADE,   /* the image is in the store */
    COMPILER_FAILED, /* `why` says what the child said or how it died */
};

struct compiler_result {
    enum compiler_outcome outcome;
    char hex[HASH_SHA256_HEX];
    double seconds;
    char why[512];
};

struct compiler;

/* `store` and the strings of `opt` must outlive it. */
struct compiler *compiler_new(struct store *store, const struct compiler_options *opt);
/* Kills the running child and waits for it. */
void compiler_free(struct compiler *c);

enum compiler_state { COMPILER_HAS_IMAGE, COMPILER_PENDING, COMPILER_GAVE_UP };
/* See to it that there is an image of module `hex`.  HAS_IMAGE: it is there.  PENDING: queued or being
 * compiled now.  GAVE_UP: it failed before; store_failure says why. */
enum compiler_state compiler_want(struct compiler *c, const char *hex);

/* See what became of the child: call it when a child of this process may have ended (SIGCHLD), and about once
 * a second while compiler_busy, to end one that is over its time.  True: a compilation has ended, *result
 * says what came of it, and the next one, if any, has begun. */
bool compiler_step(struct compiler *c, struct compiler_result *result);
bool compiler_busy(const struct compiler *c);

#endif
