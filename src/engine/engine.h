/* engine/engine.h - what the files of this folder share: a module as the public API hands it out. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <pthread.h>

#include "base/hash.h"
#include "rt/executor.h"
#include "rt/rt.h"

enum { ENGINE_NTIERS = 2 }; /* INTERP and AOT */

struct weir_module {
    uint32_t refs; /* atomic */
    uint8_t *bytes;
    size_t len;
    struct wasm_module *wasm;
    struct rt_module rt;
    struct arena arena;        /* the names below */
    const char **export_names; /* NUL-terminated, one per export */
    const char **import_modules, **import_names;
    pthread_mutex_t lock; /* of what is made when first asked for: */
    bool has_sha256;
    uint8_t sha256[HASH_SHA256_BYTES];
    void *prepared[ENGINE_NTIERS]; /* by the tier's executor; NULL: not yet */
};

/* The executor of INTERP or AOT. */
const struct rt_executor *engine_executor(enum weir_tier tier);

/* What `executor` makes of the module, made now if it was not yet. */
weir_status engine_module_prepare(struct weir_module *m, const struct rt_executor *ex, const void **out,
                                  struct weir_report *rep);

/* Find every import of `m`: `imports` has room for all.  WEIR_E_LINK. */
weir_status engine_link(const struct weir_linker *l, const struct rt_module *m, const struct rt_executor *ex,
                        struct rt_import *imports, struct weir_report *rep);

#endif
