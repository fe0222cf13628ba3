/* cli/deploy.h - from what an operator wrote to what the workers have.
 *
 * A change is loaded and checked as a whole: one error, and nothing happens.  Plugins are transactional one
 * by one: one whose module cannot be had, or that does not start, keeps its last good version, rules and all,
 * or fails by its failStrategy if there never was one; the rest goes ahead.  What comes of it is written as
 * the next generation and told to the workers, who answer (control/channel.h).
 *
 * Nothing here waits.  Plugins that would get a new VM are tried in children while the caller does other
 * things; the change is published when all of them are known, or after DEPLOY_PATIENCE_MS: a plugin that is
 * still not known then counts as one that does not start, and gets a generation of its own when it does.  A
 * change that comes meanwhile takes the place of the one under way; tries of the same plugin go on.
 *
 * A plugin that runs only compiled (`runtime: aot`) and has a good version keeps it until its image is there.
 *
 * A module that comes over the network is not waited for: until it is there, its plugin keeps its last good
 * version, or fails by its failStrategy; deploy_fetched goes on with it when it has come.
 *
 * The last good version of a plugin is the one in the generation in force, so it outlives this process. */
#ifndef CLI_DEPLOY_H
#define CLI_DEPLOY_H

#include <poll.h>

#include "base/vec.h"
#include "control/gather.h"
#include "control/generations.h"
#include "control/images.h"
#include "control/sources.h"
#include "control/store.h"
#include "gw/pieces.h"
#include "gw/problems.h"

enum { DEPLOY_PATIENCE_MS = 500, DEPLOY_HISTORY = 32, DEPLOY_MAX_TRIES = 64 };

enum deploy_state { DEPLOY_READY, DEPLOY_KEPT, DEPLOY_FAILED };

/* What is known of a plugin that is not simply ready. */
struct deploy_note {
    char *name;
    enum deploy_state state;
    char *cause;
    uint64_t refused; /* gw_plugin_vm_hash of the version that was kept out, 0: none */
};

/* A version of a plugin that is tried, or was while the change under way is not published. */
struct deploy_try {
    char *name;
    uint64_t hash; /* gw_plugin_vm_hash */
    uint64_t since_ms;
    struct start_try *child; /* NULL: it is known */
    bool good;
    bool harmful; /* it hung or crashed */
    struct strbuf why;
};

/* A generation that was published. */
struct deploy_past {
    unsigned number;
    int64_t time_s;     /* since 1970 */
    struct strbuf kept; /* JSON: a list of plugins that were not taken as they were asked for, and why */
};

struct deploy {
    struct store *store;
    struct sources *sources;
    struct images *images;   /* NULL until workers can be told */
    struct gathers *gathers; /* likewise: asks them */
    const char *state_dir;
    struct generations files;
    struct gw_config *wanted; /* what was asked for last, as it was written; or NULL */
    struct gw_pieces pieces;  /* of generation files */
    struct gw_plugin *asked;  /* its plugins, with modules of the store; in its arena */
    const char **unfetched;   /* by plugin: why its module cannot be had, or NULL; there, too */
    struct strbuf text;       /* of the generation in force, as far as this process published it */
    bool unsettled;           /* `wanted`, or what is known of its plugins, is not published yet */
    bool again;               /* with it, plugins that were refused are tried once more */
    bool awaits_images;       /* a plugin cannot be published, or served, before its image is there */
    uint64_t nimages;         /* images_nresults, as of the last step */
    VEC(struct deploy_try) tries;
    VEC(struct deploy_past) past; /* oldest first, at most DEPLOY_HISTORY */
    struct gw_config *published;  /* the model in force, or NULL */
    struct gw_config *previous;   /* the one before, for plugins that workers decline; or NULL */
    VEC(struct deploy_note) notes;
    VEC(const char *)
    files_read;      /* paths of the modules of `wanted` that are files, then of its certificates
                        and keys */
    unsigned nreads; /* how often they were read */
};

void deploy_init(struct deploy *d, struct store *store, struct sources *sources, const char *state_dir);
void deploy_fini(struct deploy *d);

/* Take over a checked model as what is wanted now, and begin with it.  `again`: try plugins that were refused
 * before once more, though nothing of them changed.  Where there is no generation in force yet, modules must
 * be there: WEIR_E_CONFIG otherwise, `problems` says so, and it is the caller's still.  Reads modules' files.
 */
weir_status deploy_take(struct deploy *d, struct gw_config *config, bool again, struct gw_problems *problems);

/* Modules have come that `wanted` waits for. */
void deploy_fetched(struct deploy *d);

/* Go on as far as possible.  WEIR_OK, *changed: there is a new generation or not; WEIR_E_IO: it cannot be
 * written, `rep` says why, what was in force stays. */
weir_status deploy_step(struct deploy *d, bool *changed, struct weir_report *rep);
/* Is what was taken last, plugins that are late apart, in the generation in force? */
bool deploy_settled(const struct deploy *d);
/* Are plugins being tried? */
bool deploy_trying(const struct deploy *d);
/* For poll: descriptors whose readiness is a reason for deploy_step (room for DEPLOY_MAX_TRIES); and when
 * there is another reason, 0: never. */
size_t deploy_poll_fds(const struct deploy *d, struct pollfd *fds);
uint64_t deploy_when_ms(const struct deploy *d);

/* What is known of a plugin, or NULL. */
struct deploy_note *deploy_note_find(struct deploy *d, struct str name);

/* The file that a module of the store was read from for what is wanted now, until the next change; NULL:
 * none. `ctx`: the deploy. */
const char *deploy_module_origin(void *ctx, const char *sha256);

/* Modules of the store that a worker may be told to run, or to go on with. */
void deploy_refer(const struct deploy *d, struct sweep_refs *refs);

/* How `config` differs from what is wanted now, appended as JSON: {"changes":[{"change":"added","kind":...,
 * "name":...,"newVm":true}],...}.  Reads modules' files. */
void deploy_diff_json(struct deploy *d, struct gw_config *config, struct strbuf *out);

/* Workers can be told from now on. */
void deploy_connect(struct deploy *d, struct images *images);
/* How many workers have the generation in force. */
size_t deploy_napplied(const struct deploy *d);
/* How many said that they cannot use it. */
size_t deploy_nrefused(const struct deploy *d);

/* "ready", "compiling", "fetching", "failed" or "disabled"; *cause: why, or why it is not the version that
 * was asked for,
 * "" if there is nothing to say. */
const char *deploy_plugin_state(struct deploy *d, uint32_t plugin, const char **cause, bool *kept);

/* Members of a JSON object, without its braces: generation, workers, plugins.  `healing` (may be NULL) says
 * what only workers know: it appends the numbers of the processes, with commas, where the plugin's VM waits
 * after failures in a row. */
void deploy_status_json(struct deploy *d, void (*healing)(void *ctx, struct str name, struct strbuf *pids),
                        void *ctx, struct strbuf *out);

/* A JSON list: number, time, what was kept, and the workers (pids) that still hold it. */
void deploy_generations_json(struct deploy *d, struct strbuf *out);

#endif
