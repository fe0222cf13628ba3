/* fetch/tar.h - the module in a layer of a Docker or OCI image: plugin.wasm in a tar archive (POSIX ustar,
 * and what GNU and pax add to it), gzipped or not. */
#ifndef FETCH_TAR_H
#define FETCH_TAR_H

#include <stddef.h>

#include "base/str.h"
#include "weir/status.h"

/* Replace a gzipped archive by what is in it; one that is not gzipped stays.
 * WEIR_E_MALFORMED; WEIR_E_LIMIT: it unpacks to more than `limit` bytes.  On an error *archive is what it
 * was.
 */
weir_status fetch_gunzip(struct strbuf *archive, size_t limit, struct weir_report *rep);

/* Find plugin.wasm at the top of the archive; without one, the only file whose name ends with .wasm.  *module
 * is a slice of the archive.  WEIR_E_NOT_FOUND; WEIR_E_MALFORMED. */
weir_status fetch_tar_find(struct str archive, struct str *module, struct weir_report *rep);

#endif
