/* control/crashes.h - reports of plugins' traps, grouped by stack and kept in the state folder.
 *
 * One file a group, crashes/ID.crash (observe/crash.h): the last report, how many there were, and the names
 * of its frames, which a child looks up once (control/crash_names.h): a report is there at once with the
 * offsets of its frames, and names come when they are known.  At most CRASHES_MOST groups are kept; past it
 * the one that was not seen for longest goes.  Files outlive the control process. */
#ifndef CONTROL_CRASHES_H
#define CONTROL_CRASHES_H

#include <sys/types.h>

#include "control/store.h"
#include "observe/crash.h"

enum { CRASHES_MOST = 200 };

struct crashes;

struct crashes_options {
    const char *dir; /* below the state folder; made if need be */
    struct store *store;
    bool change_user; /* look up lines as this user; takes root */
    uid_t uid;
    gid_t gid;
    /* The file that a module of the store came from, beside which its DWARF may be; NULL: unknown. */
    const char *(*origin)(void *ctx, const char *sha256);
    void *origin_ctx;
    /* Told of each crash once it is kept and its frames have names, if they get any; NULL: nobody is. */
    void (*on_crash)(void *ctx, const char *id, const struct crash *c);
    void *on_crash_ctx;
};

/* `store` must outlive it.  WEIR_E_IO: the folder cannot be made. */
weir_status crashes_open(const struct crashes_options *opt, struct crashes **out, struct weir_report *rep);
void crashes_close(struct crashes *cs); /* NULL is fine */

/* A report from worker `pid`: group it, keep it, and log a line.  What is no report is said and dropped. */
void crashes_take(struct crashes *cs, pid_t pid, struct str text);

/* In the control process's loop, when crashes_fd (-1: none) is readable and when crashes_when_ms (0: never)
 * has come: go on with the names of frames.  A group that gets them is logged once more. */
void crashes_step(struct crashes *cs);
int crashes_fd(const struct crashes *cs);
uint64_t crashes_when_ms(const struct crashes *cs);

/* ---- reading them, in any process ---------------------------------------------------------------------- */

struct crashes_entry {
    char id[CRASH_ID_DIGITS + 1];
    char *text; /* the crash's strings point here */
    struct crash crash;
};

/* All groups below `dir`, last seen first; the caller gives them back.  `damaged` counts files that are no
 * reports and were passed by.  WEIR_E_NOT_FOUND, WEIR_E_IO. */
weir_status crashes_list(const char *dir, struct crashes_entry **out, size_t *n, size_t *damaged,
                         struct weir_report *rep);
void crashes_list_free(struct crashes_entry *entries, size_t n);

#endif
