/* wasm/source.h - source lines of a module that carries DWARF (its custom section ".debug_line"). */
#ifndef WASM_SOURCE_H
#define WASM_SOURCE_H

#include "wasm/module.h"

struct wasm_source_line {
    struct str file; /* its name without folders; the bytes are the module's */
    uint32_t line;
};

/* The line that the instruction at `offset` in the module's bytes was made from.  False: the module does not
 * say.  Linear in the section's size; for people who read traps, not for every call. */
bool wasm_source_find(const struct wasm_module *m, uint32_t offset, struct wasm_source_line *out);

/* Where the code section's content is in the module's bytes, which is where DWARF counts addresses from;
 * m->len if there is none. */
size_t wasm_code_content(const struct wasm_module *m);

#endif
