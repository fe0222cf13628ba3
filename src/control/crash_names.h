/* control/crash_names.h - functions and source lines of a crash's frames, looked up by a child.
 *
 * Looking a module up reads all of it, and its DWARF, and may take as long as the symbolizer is patient
 * (control/symbolizer.h): so a child does it, and says what it found by a pipe, as a report of its own.  The
 * child has the rights of the control process; the symbolizer that it starts has none. */
#ifndef CONTROL_CRASH_NAMES_H
#define CONTROL_CRASH_NAMES_H

#include <sys/types.h>

#include "control/store.h"
#include "observe/crash.h"

enum { CRASH_NAMES_PATIENCE_MS = 20000 }; /* past it, the child is ended */

struct crash_names_options {
    struct store *store;
    bool change_user; /* run the symbolizer as this user; takes root */
    uid_t uid;
    gid_t gid;
    /* The file that a module of the store came from, beside which its DWARF may be; NULL: unknown. */
    const char *(*origin)(void *ctx, const char *sha256);
    void *origin_ctx;
};

/* A child at work; zeroed: there is none. */
struct crash_names {
    pid_t child;
    int fd; /* readable: call crash_names_step */
    uint64_t deadline_ms;
    struct strbuf said;
};

/* Does not block.  False: there is no child, errno says why. */
bool crash_names_start(struct crash_names *n, const struct crash_names_options *opt, const struct crash *c);
/* False: it goes on.  True: it has ended, and *c is the crash with the names of its frames, or without any;
 * its strings live until the next start, or stop. */
bool crash_names_step(struct crash_names *n, struct crash *c);
void crash_names_stop(struct crash_names *n); /* ends the child if there is one */

#endif
