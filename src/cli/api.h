/* cli/api.h - what the administration API's requests do (docs/api.md, docs/openapi.yaml).
 *
 * Paths are a table in api.c.  A request that changes something is checked against what is wanted now, which
 * has all requests before it; it is answered when its generation is in force in all workers.  Requests come
 * one at a time, so who says If-Match overwrites nothing it has not seen. */
#ifndef CLI_API_H
#define CLI_API_H

#include <jansson.h>

#include "cli/deploy.h"
#include "control/admin.h"
#include "gw/sources.h"

/* What only the process around it can do. */
struct api_host {
    bool (*all_have_it)(void *ctx); /* do all workers have the generation in force, and nginx.conf? */
    bool (*watch)(void *ctx, const char *path); /* the configuration is there from now on; false: it cannot */
    void (*drain)(void *ctx);                   /* finish and end */
    bool (*half_written)(void *ctx);            /* is a file of the configuration being written? */
    void *ctx;
};

struct api_waiter {
    uint64_t client;
    unsigned status; /* to answer with when all is well */
    char *headers;
    bool tries; /* wait for plugins that are late, too */
    bool changed;
    uint64_t deadline_ms;
};

struct api {
    struct deploy *deploy;
    struct admin *admin; /* NULL until it listens */
    const char *state_dir;
    const char *crashes_dir;
    char *config;              /* the path of the configuration */
    struct gw_sources sources; /* its files as they last were without errors */
    struct gw_pieces pieces;   /* of the files */
    json_t *overlay;
    bool stopping;
    const struct api_host *host;
    VEC(struct api_waiter) waiters;
};

/* WEIR_E_CONFIG: what the API wrote before is damaged, `rep` says how. */
weir_status api_init(struct api *a, struct deploy *d, const char *state_dir, const char *config,
                     const struct api_host *host, struct weir_report *rep);
void api_fini(struct api *a);

/* Read the configuration's files, at `path`, and take it over if it has no errors.  See deploy_take.
 * WEIR_E_IO: they cannot be read, or one of them is half written. */
weir_status api_read(struct api *a, const char *path, bool again, struct gw_problems *problems);

/* admin_on_request; `ctx` is the api. */
void api_request(void *ctx, uint64_t client, const struct http_request *r);
/* Answer who waits; call it after deploy_step, which said `changed`, and when workers have said something. */
void api_step(struct api *a, bool changed);
/* Does anybody wait for workers to have a generation? */
bool api_waiting(const struct api *a);
/* When api_step has something to do though nothing happened, 0: never. */
uint64_t api_when_ms(const struct api *a);

/* Appends the answer of GET /v1/status.  `workers`: what they said (cli/api_workers.h), or NULL: they were
 * not asked. */
struct workers_said;
void api_status_json(struct api *a, const struct workers_said *workers, const char *error, bool changed,
                     struct strbuf *json);

#endif
