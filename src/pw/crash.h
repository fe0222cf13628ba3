/* pw/crash.h - what a VM's end is told with: the last lines of its log, and how often the server is told. */
#ifndef PW_CRASH_H
#define PW_CRASH_H

#include "base/str.h"
#include "weir/engine.h"

struct pw_stream;
struct pw_vm;

enum { PW_TAIL_LINES = 12, PW_TAIL_LINE_BYTES = 200 };

/* The last lines that a VM logged, cut to what fits; made with the first one. */
struct pw_tail {
    uint32_t next, count;
    uint8_t len[PW_TAIL_LINES];
    char text[PW_TAIL_LINES][PW_TAIL_LINE_BYTES];
};

/* `s`: the stream it is about, whose headers' values are left out (redact.h); or NULL. */
void pw_tail_add(struct pw_tail **tail, const struct pw_stream *s, struct str line);

/* At most this many reports a second of one plugin; the rest is counted and told with the next. */
enum { PW_CRASHES_PER_SECOND = 10 };

struct pw_crash_rate {
    uint64_t window_ns; /* monotonic: when the running second began */
    uint32_t sent;      /* in it */
    uint64_t dropped;
};

/* Tell the server that a call of `where` ended with `st`. */
void pw_crash_tell(struct pw_vm *vm, const char *where, weir_status st, const struct weir_trap *trap);

#endif
