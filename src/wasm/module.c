/* wasm/module.c - questions to a decoded module. */
#include "wasm/module.h"

#include <string.h>

bool wasm_functype_eq(const struct wasm_functype *a, const struct wasm_functype *b)
{
    return a->nparams == b->nparams && a->nresults == b->nresults &&
           (a->nparams == 0 || memcmp(a->params, b->params, a->nparams) == 0) &&
           (a->nresults == 0 || memcmp(a->results, b->results, a->nresults) == 0);
}

const struct wasm_export *wasm_module_find_export(const struct wasm_module *m, struct str name)
{
    for (uint32_t i = 0; i < m->nexports; i++) {
        if (str_eq(m->exports[i].name, name)) {
            return &m->exports[i];
        }
    }
    return NULL;
}

const struct wasm_custom *wasm_module_find_custom(const struct wasm_module *m, struct str name)
{
    for (uint32_t i = 0; i < m->ncustoms; i++) {
        if (str_eq(m->customs[i].name, name)) {
            return &m->customs[i];
        }
    }
    return NULL;
}
