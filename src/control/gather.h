/* control/gather.h - what every worker says of itself, at once.
 *
 * A request goes to all workers that are on the line (control/channel.h), each with an unnamed file in memory
 * that it writes its report into; when all have, or after GATHER_PATIENCE_MS, whoever asked is called with
 * what came. Nothing blocks, and a report may be of any size up to GATHER_BYTES_MAX.  A worker that ends
 * meanwhile is left out; one that is busy for so long is named without a report.  What they wrote is theirs:
 * workers run plugins, and a reader believes nothing. */
#ifndef CONTROL_GATHER_H
#define CONTROL_GATHER_H

#include "control/channel.h"

enum { GATHER_PATIENCE_MS = 2000, GATHER_BYTES_MAX = 256 << 20 };

struct gather_report {
    pid_t pid;
    struct str text; /* JSON, as the worker wrote it; at NULL: it did not answer in time */
};

/* `reports` live until the function returns. */
typedef void gather_done(void *ctx, uint64_t client, const struct gather_report *reports, size_t n);

struct gathers;

struct gathers *gathers_new(struct channel *ch);
void gathers_free(struct gathers *g); /* NULL is fine; who still waits is not called */

/* `what`: "plugins", "services" or "all" (ngx_http_weir_status.c).  `done` is called by a later gathers_step,
 * once. */
void gathers_ask(struct gathers *g, const char *what, gather_done *done, void *ctx, uint64_t client);

/* A worker said "reported NUMBER". */
void gathers_take(struct gathers *g, const struct channel_client *from, struct str number);

/* Call those whose reports are complete, or late. */
void gathers_step(struct gathers *g, uint64_t now_ms);
/* When there is a reason for the next step besides messages, 0: none. */
uint64_t gathers_when_ms(const struct gathers *g);

#endif
