/* aot/aot.h - the executor of native images, as src/engine sees it.  It loads images and never compiles.
 *
 * An image (struct aot_image) is the file weirc writes, mapped once, then immutable; instances of its module
 * refer to it as their exec_module.  It keeps no pointer into the wasm bytes. */
#ifndef AOT_AOT_H
#define AOT_AOT_H

#include "rt/executor.h"
#include "weir/status.h"

struct aot_image;

/* Map the image at `path` and check that it was compiled from `m` (whose bytes have this SHA-256), by this
 * compiler, for this CPU.  Nothing of it runs before all checks passed. WEIR_OK: *out is the caller's.
 * WEIR_E_MALFORMED: truncated or damaged.  WEIR_E_MISMATCH: made for another module, CPU or compiler:
 * recompile, or interpret.  WEIR_E_CONFIG: others than its owner may write the file or its directory.
 * WEIR_E_IO: it cannot be read. On any error *out is untouched and `rep` says why.  Blocks on disk. */
weir_status aot_image_map(const char *path, const struct wasm_module *m, const uint8_t module_sha256[32],
                          struct aot_image **out, struct weir_report *rep);
/* The same for an image in memory (a module's custom section); copies it to an anonymous file first. */
weir_status aot_image_map_bytes(const uint8_t *at, size_t len, const struct wasm_module *m,
                                const uint8_t module_sha256[32], struct aot_image **out,
                                struct weir_report *rep);
void aot_image_unmap(struct aot_image *image); /* NULL is fine; no instance may be left */

/* Compiler build and CPU features, "weirc-...-1f00"; static. */
const char *aot_image_key(void);

extern const struct rt_executor aot_executor;

#endif
