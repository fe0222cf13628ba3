/* aot/image.h - a mapped image and its tables.  Private to src/aot. */
#ifndef AOT_IMAGE_H
#define AOT_IMAGE_H

#include "aot/aot.h"
#include "weir/image.h"

struct aot_image {
    void *handle;   /* dlopen's */
    uintptr_t base; /* where the object is loaded; table addresses are relative to it */
    uintptr_t text, text_end;
    const uint8_t *file; /* the whole file, read-only */
    size_t file_bytes;
    struct weir_image_footer footer;
    const struct weir_image_range *funcs;
    const uint32_t *stubs, *tramps, *lines;
    const uint8_t *rows;
};

/* Check a file's bytes against the format, this process and the module; fills in everything but handle and
 * base, with text relative to the load address.  Reads nothing outside of `file`. */
weir_status aot_image_check(struct aot_image *image, const struct wasm_module *m,
                            const uint8_t module_sha256[32], struct weir_report *rep);

/* The function (counted from the first that is defined) whose code has `pc`, or UINT32_MAX.
 * Async-signal-safe. */
uint32_t aot_image_find_func(const struct aot_image *image, uintptr_t pc);
/* The module offset of the instruction that `pc` in function `func` belongs to; 0 unknown. Async-signal-safe.
 */
uint32_t aot_image_find_offset(const struct aot_image *image, uint32_t func, uintptr_t pc);

#endif
