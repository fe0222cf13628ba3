/* control/symbolizer.h - source lines of a module's offsets, by LLVM's symbolizer.
 *
 * The symbolizer reads DWARF that anybody made, so it is a child without rights: no network, no file to
 * write, bounded in memory and time.  It never runs in a worker.  DWARF counts from the code section's
 * content, offsets from the start of the module; the difference is taken here. */
#ifndef CONTROL_SYMBOLIZER_H
#define CONTROL_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "weir/engine.h"

enum { SYMBOLIZER_MOST_OFFSETS = 256, SYMBOLIZER_MODULE_BYTES = 256 << 20 };

struct symbolizer_options {
    const char *program;    /* NULL: llvm-symbolizer-19 on the PATH */
    const char *debug;      /* file with the module's DWARF; NULL: the module, or what it names beside it */
    const char *debug_name; /* what messages call `debug`; NULL: by its path */
    bool module_alone;      /* do not open the file that the module names: the module is not trusted */
    bool change_user;       /* the child becomes this user; takes root */
    uid_t uid;
    gid_t gid;
};

/* A module without DWARF may name a file that has it (external_debug_info), which lies beside where the
 * module came from: `origin`, a path.  True: its path, below the folder of `origin`, is in `path` (PATH_MAX
 * bytes), whether there is such a file or not; what is in it counts only once symbolizer_run has compared the
 * code. False: the module carries its DWARF, or names no such file.  Blocks on disk. */
bool symbolizer_debug_file(const char *module_path, const char *origin, char *path);

typedef void symbolizer_take(void *ctx, size_t i, struct str function, struct str place);

/* Say of offsets[i], for each i in turn, what it is: one call of `take` for each function that was inlined
 * there, innermost first, and one for the function itself; `place` is "FILE:LINE:COLUMN", or empty where
 * there is no DWARF.  An offset in no function gives one call with both empty. The strings live until `take`
 * returns. WEIR_OK: all offsets were named, and if `rep` has a message, it says why there are no lines.
 * WEIR_E_...: the module cannot be read.  Blocks for some seconds at most. */
weir_status symbolizer_run(const char *module_path, const struct symbolizer_options *opt,
                           const uint32_t *offsets, size_t n, symbolizer_take *take, void *ctx,
                           struct weir_report *rep);

#endif
