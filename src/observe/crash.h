/* observe/crash.h - what is told of a plugin's trap, as text: worker to control process, and on disk.
 *
 * A report is lines of a key, a space and a value; values hold no control characters.  The first line is
 * "weir-crash 1".  A worker's report fits one packet of the channel (control/channel.h).  On disk stand also
 * what the control process adds: count, first and the names of the frames.  Readers believe nothing: the
 * worker ran the plugin, and files get damaged. */
#ifndef OBSERVE_CRASH_H
#define OBSERVE_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "weir/engine.h"

enum {
    CRASH_PACKET_BYTES = 3800,
    CRASH_FILE_BYTES = 64 << 10,
    CRASH_MOST_LINES = 16,
    CRASH_MOST_NAMES = 128,
    CRASH_VALUE_BYTES = 256, /* a longer value is cut */
    CRASH_ID_DIGITS = 16,
};

struct crash_name { /* of a frame, or of a function inlined there; a frame has one or more, innermost first */
    uint32_t frame;
    struct str function, place; /* place: "FILE:LINE:COLUMN" or empty */
};

struct crash {
    struct str plugin;
    struct str sha256;   /* of the module, 64 hexadecimal digits */
    struct str callback; /* the export that was called */
    struct str trap;
    struct str route, request; /* name and x-request-id; empty outside of requests */
    uint64_t memory_bytes;
    uint64_t time_ms; /* since 1970 */
    uint64_t dropped; /* reports of the plugin that were not sent before this one */
    uint64_t skipped; /* frames that are not in offsets */
    uint32_t offsets[WEIR_TRAP_FRAMES];
    size_t noffsets;
    struct str lines[CRASH_MOST_LINES]; /* of the VM's log, oldest first */
    size_t nlines;

    uint64_t count, first_ms; /* on disk: how often, and time_ms of the first; dropped is their sum */
    struct crash_name names[CRASH_MOST_NAMES];
    size_t nnames;
};

/* Append the report to `b`, at most `limit` bytes of it: log lines that do not fit are left out, oldest
 * first. */
void crash_write(const struct crash *c, size_t limit, struct strbuf *b);
/* False: it is no report.  The strings point into `text`. */
bool crash_read(struct str text, struct crash *c);

/* What groups reports: module, trap and stack.  Where a deadline or a full stack ended the call, only its
 * outermost frame counts, because the others are chance.  `id` gets hexadecimal digits and a NUL. */
void crash_id(const struct crash *c, char id[CRASH_ID_DIGITS + 1]);

#endif
