/* control/sources.h - modules that come over the network: what is wanted, what is there, what is tried again.
 *
 * Each distinct URL (with its sha256) is a source.  What was fetched last for it is remembered in the store
 * (store/sources), so that copy serves from the first moment of the next start.  Fetching happens in children
 * (control/fetcher.h), some at a time; one that fails is tried again with a growing, jittered delay, for as
 * long as a plugin wants it.  Nothing here blocks. */
#ifndef CONTROL_SOURCES_H
#define CONTROL_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "control/fetcher.h"
#include "control/store.h"
#include "control/sweep.h"
#include "gw/config.h"

enum {
    SOURCES_RUNNING_MAX = 4,
    SOURCES_STEP_MS = 500,
    SOURCES_RETRY_FIRST_MS = 500,
    SOURCES_RETRY_MAX_MS = 120000,
};

enum source_state {
    SOURCE_FETCHING, /* no try has ended yet */
    SOURCE_FAILED,   /* the last try failed; it is tried again */
    SOURCE_READY,    /* the last try brought it, or the copy that is there is good enough */
};

struct sources;

/* `store` must outlive it; strings of `opt` are copied. */
struct sources *sources_new(struct store *store, const struct confined_options *opt);
void sources_free(struct sources *s); /* NULL is fine; ends what runs */

/* A plugin wants its module: start a fetch if one is due by the pull policy.  `again`: even if the last one
 * failed and the next is not due.  True: `hex` names a module of the store, of this source. */
bool sources_want(struct sources *s, const struct gw_plugin *p, bool again, char hex[HASH_SHA256_HEX]);
/* Before and after the plugins of a configuration: those that nobody wanted meanwhile are given up. */
void sources_begin(struct sources *s);
void sources_end(struct sources *s);

/* Where a plugin's source stands, *cause (until the next call of sources_step) why it failed, else "". False:
 * it is not known. */
bool sources_state(const struct sources *s, const struct gw_plugin *p, enum source_state *state,
                   const char **cause);

/* What is wanted, and what is there of it: the store is to keep it. */
void sources_refer(const struct sources *s, struct sweep_refs *refs);

/* In the control process's loop, after SIGCHLD and when sources_when_ms says so.  True: a module has come. */
bool sources_step(struct sources *s, uint64_t now_ms);
uint64_t sources_when_ms(const struct sources *s, uint64_t now_ms); /* 0: nothing to wait for */

/* Does the URL need a fetch? */
bool sources_is_remote(const struct gw_plugin *p);

#endif
