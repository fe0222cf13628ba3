/* gw/load.h - from YAML (or JSON, which is YAML) to the checked model, and back to JSON.
 *
 * Used by the control process and `weir check` on what people wrote, and by workers on the generation file
 * the control process publishes.  YAML 1.2 core schema; limits on size, depth and alias expansion are in
 * gw/yaml.h. */
#ifndef GW_LOAD_H
#define GW_LOAD_H

#include "gw/config.h"
#include "gw/pieces.h"
#include "gw/problems.h"
#include "gw/sources.h"
#include "weir/status.h"

/* Read a file, or all *.yaml and *.yml of a directory (by name; names that begin with a dot are
 * left out) as one configuration.  Blocks on disk.
 * WEIR_OK: *out is the caller's; `problems` may hold warnings.
 * WEIR_E_CONFIG: `problems` has every error.  WEIR_E_NOT_FOUND, WEIR_E_IO: something could not be read;
 * `problems` says what.  On any error *out is untouched. */
weir_status gw_config_load(const char *path, struct gw_config **out, struct gw_problems *problems);

/* The same from files that were read before, with parts over it (gw/parts.h): `over` is a document, which
 * stands for the file `over_name` in messages; empty: none.  `cache` (may be NULL) makes reading what was
 * read before quick.  WEIR_OK, WEIR_E_CONFIG. */
weir_status gw_config_load_sources(const struct gw_sources *sources, const char *over_name, struct str over,
                                   struct gw_pieces *cache, struct gw_config **out,
                                   struct gw_problems *problems);

/* gw_config_load for text in memory; `name` stands for the file in messages. */
weir_status gw_config_load_text(const char *name, struct str text, struct gw_config **out,
                                struct gw_problems *problems);

/* gw_config_load_sources for one text without parts over it. */
weir_status gw_config_load_cached(const char *name, struct str text, struct gw_pieces *cache,
                                  struct gw_config **out, struct gw_problems *problems);

/* The whole model as JSON in a canonical form: fields in the order of the tables, names resolved, defaults
 * written out, each part in a line.  gw_config_load reads it back to the same model (places apart), so
 * writing that gives the same bytes. */
void gw_config_write(const struct gw_config *c, struct strbuf *out);

/* The tables of all fields as Markdown: docs/configuration.md holds this text. */
void gw_config_write_reference(struct strbuf *out);

#endif
