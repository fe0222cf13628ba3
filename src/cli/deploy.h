/* cli/deploy.h - from what an operator wrote to what the workers have.
 *
 * A change is loaded and checked as a whole: one error, and nothing happens.  Plugins are transactional one
 * by one: one whose module cannot be had, or that does not start, keeps its last good version, rules and all,
 * or fails by its failStrategy if there never was one; the rest goes ahead.  What comes of it is written as
 * the next generation and told to the workers, who answer (control/channel.h).
 *
 * A module that comes over the network is not waited for: until it is there, its plugin keeps its last good
 * version, or fails by its failStrategy; the caller has the configuration read again once it has come.
 *
 * The last good version of a plugin is the one in the generation in force, so it outlives this process. */
#ifndef CLI_DEPLOY_H
#define CLI_DEPLOY_H

#include "base/vec.h"
#include "control/generations.h"
#include "control/images.h"
#include "control/sources.h"
#include "control/store.h"
#include "gw/problems.h"

enum deploy_state { DEPLOY_READY, DEPLOY_KEPT, DEPLOY_FAILED };

/* What is known of a plugin that is not simply ready. */
struct deploy_note {
    char *name;
    enum deploy_state state;
    char *cause;
    uint64_t refused; /* gw_plugin_vm_hash of the version that was kept out, 0: none */
};

/* Where the configuration says that a plugin's module is. */
struct deploy_wanted {
    char *name, *url, *sha256; /* sha256: NULL if there is none */
};

struct deploy {
    struct store *store;
    struct sources *sources;
    struct images *images; /* NULL until workers can be told */
    const char *state_dir;
    struct generations files;
    struct gw_config *published; /* the model in force, or NULL */
    struct gw_config *previous;  /* the one before, for plugins that workers decline; or NULL */
    VEC(struct deploy_note) notes;
    VEC(struct deploy_wanted) wanted;
    VEC(const char *) module_files; /* paths of modules that are files, of the configuration read last */
};

void deploy_init(struct deploy *d, struct store *store, struct sources *sources, const char *state_dir);
void deploy_fini(struct deploy *d);

/* Read the configuration at `path` and publish it.  `again`: try plugins that were refused before once more,
 * though nothing of them changed.  *changed: there is a new generation.
 * WEIR_OK; WEIR_E_CONFIG, WEIR_E_NOT_FOUND, WEIR_E_IO: nothing changed, `problems` or `rep` says why.
 * Where there is no generation in force yet, a module that cannot be had is such an error, too.  Blocks for
 * as long as changed plugins take to start. */
weir_status deploy_change(struct deploy *d, const char *path, bool again, bool *changed,
                          struct gw_problems *problems, struct weir_report *rep);

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

/* Members of a JSON object, without its braces: generation, workers, plugins. */
void deploy_status_json(struct deploy *d, struct strbuf *out);

#endif
