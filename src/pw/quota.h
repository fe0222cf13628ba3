/* pw/quota.h - what a plugin has of what its quotas bound, and what becomes of those who want more.
 *
 * Each place that gives something asks pw_quota_allows first and counts itself; here is the asking, the
 * operator's log line and the counter.  One thread runs a plugin, so these are plain numbers; shared data and
 * queues are counted in the shared block. */
#ifndef PW_QUOTA_H
#define PW_QUOTA_H

#include "weir/proxy_wasm.h"

struct pw_stream;
struct pw_stream_step;

struct pw_quotas {
    uint64_t contexts, timers, body_bytes; /* at the moment */
    uint64_t log_window_ns, log_lines;     /* when the running second began, lines in it */
    struct {
        uint64_t hits, told_ns; /* told_ns: monotonic, of the last log line; 0: none */
    } of[PW_QUOTA_COUNT];
};

/* May it have `more` beside the `have` it has?  False: that was counted, and perhaps logged. */
bool pw_quota_allows(struct pw_plugin *p, enum pw_quota q, uint64_t have, uint64_t more);
/* It hit the quota, as somebody else found. */
void pw_quota_hit(struct pw_plugin *p, enum pw_quota q);
/* One more line of log. */
bool pw_quota_allows_line(struct pw_plugin *p);
/* May the step hold `more` bytes of bodies beside what it holds now? */
bool pw_quota_allows_body(struct pw_stream_step *st, uint64_t more);
/* Count what the steps of a stream hold; after every call that may have changed it. */
void pw_quota_count_bodies(struct pw_stream *s);

/* The defaults in the place of zeros. */
void pw_quota_defaults(uint64_t quotas[PW_QUOTA_COUNT]);

#endif
