/* control/alerts.h - webhooks that are told of plugins' crashes.
 *
 * A crash is grouped (observe/crash.h) and queued for each webhook; what comes while its group waits, or was
 * sent not long ago, is counted in one alert.  Each webhook sends one at a time, by a confined child
 * (`weir post`), a bounded number a minute, and tries one that fails again with a growing, jittered delay.
 * Nothing here blocks, and nothing is kept over the end of this process: reports on disk are
 * (control/crashes.h).  An alert has no header, no body and no log line of a request. */
#ifndef CONTROL_ALERTS_H
#define CONTROL_ALERTS_H

#include "control/confined.h"
#include "gw/config.h"
#include "observe/crash.h"

enum {
    ALERTS_GROUPS_MAX = 64, /* that a webhook knows; past it the one that is longest known goes */
    ALERTS_TRIES_MAX = 8,
    ALERTS_RETRY_FIRST_MS = 500,
    ALERTS_RETRY_MAX_MS = 60000,
    ALERTS_EXIT_REFUSED = 3, /* of `weir post`: an answer that another try will not change */
};

struct alerts;

struct alerts *alerts_new(const struct confined_options *opt); /* strings of `opt` are copied */
void alerts_free(struct alerts *a);                            /* NULL is fine; ends what runs */

/* What a configuration says; webhooks that are as before go on with what they have queued. */
void alerts_set(struct alerts *a, const struct gw_config *config);
/* `ctx` is a struct alerts: a crash of group `id` was kept. */
void alerts_crash(void *ctx, const char *id, const struct crash *c);

/* In the control process's loop: after SIGCHLD, and when alerts_when_ms says so (0: nothing to wait for). */
void alerts_step(struct alerts *a, uint64_t now_ms);
uint64_t alerts_when_ms(const struct alerts *a, uint64_t now_ms);

#endif
