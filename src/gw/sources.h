/* gw/sources.h - the files of a configuration, read but not looked at.
 *
 * Apart from loading, so that a configuration can be put together anew from the files as they last were. */
#ifndef GW_SOURCES_H
#define GW_SOURCES_H

#include "base/str.h"
#include "base/vec.h"
#include "gw/problems.h"
#include "weir/status.h"

struct gw_source {
    char *name; /* its path, for messages */
    struct str text;
};

/* On the heap, its strings too. */
struct gw_sources {
    VEC(struct gw_source) list;
};

/* Append a file, or all *.yaml and *.yml of a directory (by name; names that begin with a dot are left out).
 * Blocks on disk.  WEIR_OK; WEIR_E_CONFIG: the directory has none, or too many; WEIR_E_NOT_FOUND, WEIR_E_IO:
 * something could not be read.  `problems` says what; what could be read is there all the same. */
weir_status gw_sources_read(const char *path, struct gw_sources *out, struct gw_problems *problems);
void gw_sources_fini(struct gw_sources *s);

#endif
