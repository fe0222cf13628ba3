/* control/publish.h - what a generation refers to goes where workers can read it.
 *
 * Modules are copied into the store and named by their hash; the model is then written as JSON
 * (docs/adr/0004).  After that nothing outside the state folder matters to a worker. */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include "control/store.h"
#include "gw/config.h"
#include "weir/status.h"

/* Copy a plugin's module into the store and change its URL to that file.
 * On any error it stays as it is, `rep` says why and *field which field is to blame (static). */
weir_status publish_module(struct store *store, struct gw_config *config, struct gw_plugin *p,
                           const char **field, struct weir_report *rep);

/* Write a file so that readers see all of it or what was there before. */
weir_status publish_file(const char *path, struct str text, struct weir_report *rep);
/* The same, and its text is on disk before the name is. */
weir_status publish_file_durably(const char *path, struct str text, struct weir_report *rep);

#endif
