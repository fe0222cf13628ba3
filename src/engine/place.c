/* engine/place.c - where an offset of a module's bytes is in its program. */
#include "engine/engine.h"
#include "wasm/source.h"

bool weir_module_place(const struct weir_module *m, uint32_t offset, struct weir_place *out)
{
    const struct wasm_module *w = m->wasm;
    uint32_t low = w->nimported_funcs, high = w->nfuncs;

    if (offset >= m->len) {
        return false;
    }
    const uint8_t *at = m->bytes + offset;
    while (low < high) { /* bodies are in the order of their functions: the first that ends behind it */
        uint32_t mid = low + (high - low) / 2;
        if (w->funcs[mid].body_end <= at) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == w->nfuncs || w->funcs[low].body > at) {
        return false;
    }
    struct str name = wasm_func_name(w, low);
    *out = (struct weir_place){
        .funcidx = low,
        .name = name.at,
        .name_len = name.len,
        .code_offset = offset - (uint32_t)wasm_code_content(w),
    };
    return true;
}

const uint8_t *weir_module_code(const struct weir_module *m, size_t *len)
{
    const struct wasm_module *w = m->wasm;
    bool any = w->nfuncs > w->nimported_funcs;
    const uint8_t *at = any ? w->funcs[w->nimported_funcs].body : m->bytes;

    *len = any ? (size_t)(w->funcs[w->nfuncs - 1].body_end - at) : 0;
    return at;
}
