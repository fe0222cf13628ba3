/* cli/api_workers.h - requests of the administration API that only the workers together can answer.
 *
 * Each worker judges endpoints, heals plugins and counts for itself (ADR 0060), so every one is asked
 * (control/gather.h).  A worker that is about to end, because listeners changed, is asked, too, but does not
 * count where all workers are summed up. */
#ifndef CLI_API_WORKERS_H
#define CLI_API_WORKERS_H

#include <jansson.h>
#include <sys/types.h>

#include "cli/api.h"

struct worker_said {
    pid_t pid;
    json_t *json; /* NULL: it did not answer in time */
    bool exiting;
};

struct workers_said {
    struct worker_said *at;
    size_t n;
};

enum api_view { API_STATUS, API_WORKERS, API_ENDPOINTS, API_METRICS };

/* Ask the workers and answer the client when they have answered, or too late. */
void api_workers_ask(struct api *a, uint64_t client, enum api_view view);

/* "silent":[12,13] */
void workers_silent_json(const struct workers_said *workers, struct strbuf *json);
/* For deploy_status_json; `ctx` is a struct workers_said. */
void workers_healing(void *ctx, struct str plugin, struct strbuf *pids);

#endif
