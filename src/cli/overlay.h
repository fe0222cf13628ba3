/* cli/overlay.h - the parts of the configuration that were written by the administration API.
 *
 * They are kept in one file of the state folder, a document like the operator's own, and go over it
 * (gw/parts.h, docs/adr/0066).  The file is replaced as a whole before the generation is published that has
 * the change in it, so what was answered for is never lost, and what was not is whole. */
#ifndef CLI_OVERLAY_H
#define CLI_OVERLAY_H

#include <jansson.h>

#include "base/str.h"
#include "weir/status.h"

#define OVERLAY_FILE "parts.json"

/* A JSON object: kinds to lists of parts.  Owned by the caller, json_decref. */

/* Read it from the state folder; an empty one if there is none.  WEIR_E_CONFIG: the file is damaged, `rep`
 * says how. */
weir_status overlay_read(const char *state_dir, json_t **out, struct weir_report *rep);
/* Replace the file and have it on disk.  WEIR_E_IO: the one before stays. */
weir_status overlay_write(const char *state_dir, const json_t *overlay, struct weir_report *rep);

/* A copy in which the part (a reference to which is kept) is called `name`, in the place of one of that name
 * or at the end. */
json_t *overlay_with(const json_t *overlay, const char *kind, const char *name, json_t *part);
/* A copy without the part; NULL: it has none of that name. */
json_t *overlay_without(const json_t *overlay, const char *kind, const char *name);
/* As text, to be loaded over the files; "" if there are no parts. */
void overlay_text(const json_t *overlay, struct strbuf *out);
/* Has it the part? */
bool overlay_has(const json_t *overlay, const char *kind, const char *name);

#endif
