/* cli/deploy_tries.h - plugins that are being started in children, inside of a deployment. */
#ifndef CLI_DEPLOY_TRIES_H
#define CLI_DEPLOY_TRIES_H

#include "cli/deploy.h"

/* The try of this version of the plugin, a new one if there is none.  NULL: too many at a time. */
struct deploy_try *deploy_try_of(struct deploy *d, const struct gw_plugin *p, uint64_t hash);
/* Of this version, if there is one. */
struct deploy_try *deploy_try_find(struct deploy *d, struct str name, uint64_t hash);
/* Look after all children; true: one more is known. */
bool deploy_tries_step(struct deploy *d);
/* Forget those that are known, and of those under way the ones that nothing wants any more. */
void deploy_tries_sweep(struct deploy *d, bool (*wanted)(void *ctx, const struct deploy_try *t), void *ctx);
void deploy_tries_fini(struct deploy *d);

#endif
