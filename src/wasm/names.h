/* wasm/names.h - the names of functions, for backtraces and profiles.
 *
 * From the custom section "name" (core spec, appendix "Name Section").  That section is no part of the
 * program: where it is broken, what was read before the fault is kept, and nobody is told. */
#ifndef WASM_NAMES_H
#define WASM_NAMES_H

#include "wasm/module.h"

/* Names by function index; they point into the module's bytes. */
struct wasm_names {
    struct str module; /* length 0 if it has none */
    struct str *funcs; /* nfuncs of them, length 0 where there is none; NULL if no function has one */
    uint32_t nfuncs;
};

/* Index the names of `m`: the name section first, then exports, then the fields of imports.
 * Never fails.  Give it back with wasm_names_fini; the module must outlive it. */
void wasm_names_init(struct wasm_names *names, const struct wasm_module *m);
void wasm_names_fini(struct wasm_names *names);

/* Length 0 if there is none or the index is out of range. */
static inline struct str wasm_names_func(const struct wasm_names *names, uint32_t funcidx)
{
    return names->funcs != NULL && funcidx < names->nfuncs ? names->funcs[funcidx] : (struct str){"", 0};
}

#endif
