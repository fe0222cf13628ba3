/* cli/image.h - native images for verbs that run one module. */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "weir/engine.h"

/* Prepare `m`, read from `wasm_path`, for `tier`.  With `image` (may be NULL) that image is loaded; the
 * module itself as `image` means the one in its custom section.  Without, WEIR_TIER_AOT compiles the module
 * now with the weirc beside this program, into a folder that is removed again or, if it is set, into that of
 * $WEIR_IMAGE_CACHE, which is looked into first.  Other tiers need nothing.
 * Blocks; `rep` says why it failed. */
weir_status cli_prepare_image(struct weir_module *m, enum weir_tier tier, const char *wasm_path,
                              const char *image, struct weir_report *rep);

#endif
