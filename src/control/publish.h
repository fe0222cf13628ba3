/* control/publish.h - a checked configuration becomes a generation file that workers can load.
 *
 * Modules are copied into the store and named by their hash, values from the environment are looked up, and
 * the model is written as JSON (docs/adr/0004).  After that nothing outside the state folder matters to a
 * worker. */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include "control/store.h"
#include "gw/config.h"
#include "gw/problems.h"
#include "weir/status.h"

/* Write `config` as `path`; plugin URLs in `config` are changed to files of the store.
 * WEIR_E_CONFIG: `problems` says which modules cannot be had.  WEIR_E_IO: `rep` says why the file could
 * not be written.  On any error no file was written. */
weir_status publish_generation(struct store *store, struct gw_config *config, const char *path,
                               struct gw_problems *problems, struct weir_report *rep);

/* Write a file so that readers see all of it or what was there before. */
weir_status publish_file(const char *path, struct str text, struct weir_report *rep);

#endif
