/* wasm/decode_segments.c - the sections with content: elements, code, data, data count
 * (core spec 5.5.12 to 5.5.15). */
#include <string.h>

#include "base/str.h"
#include "wasm/decode.h"

/* ---- elements ---- */

/* The bits of an element segment's flags; all eight combinations exist. */
enum {
    ELEM_NOT_ACTIVE = 1,
    ELEM_TABLE_OR_DECLARED = 2, /* active: a table index follows; else: declared, not passive */
    ELEM_EXPRS = 4,
    ELEM_FLAGS = 7,
};

static void elem_items(struct wasm_decoder *d, struct wasm_elem *elem, bool exprs)
{
    struct arena *arena = &d->m->arena;

    elem->n = decode_count(d, "elements");
    if (exprs) {
        struct wasm_constexpr *list = ARENA_ARRAY(arena, struct wasm_constexpr, elem->n);
        for (uint32_t i = 0; decode_ok(d) && i < elem->n; i++) {
            list[i] = decode_constexpr(d);
        }
        elem->exprs = list;
    } else {
        uint32_t *list = ARENA_ARRAY(arena, uint32_t, elem->n);
        for (uint32_t i = 0; decode_ok(d) && i < elem->n; i++) {
            list[i] = decode_u32(d);
        }
        elem->funcs = list;
    }
}

void decode_element_section(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;

    m->nelems = decode_count(d, "element segments");
    m->elems = ARENA_ARRAY(&m->arena, struct wasm_elem, m->nelems);
    for (uint32_t i = 0; decode_ok(d) && i < m->nelems; i++) {
        struct wasm_elem *elem = &m->elems[i];
        const uint8_t *at = d->at;
        uint32_t flags = decode_u32(d);

        if (flags > ELEM_FLAGS) {
            decode_fail(d, WEIR_E_MALFORMED, at, "malformed elements segment kind");
            return;
        }
        elem->type = WASM_FUNCREF;
        if ((flags & ELEM_NOT_ACTIVE) == 0) {
            elem->mode = WASM_SEGMENT_ACTIVE;
            elem->tableidx = (flags & ELEM_TABLE_OR_DECLARED) != 0 ? decode_u32(d) : 0;
            elem->offset = decode_constexpr(d);
        } else {
            elem->mode = (flags & ELEM_TABLE_OR_DECLARED) != 0 ? WASM_SEGMENT_DECLARED : WASM_SEGMENT_PASSIVE;
        }
        if ((flags & (ELEM_NOT_ACTIVE | ELEM_TABLE_OR_DECLARED)) != 0) {
            at = d->at;
            if ((flags & ELEM_EXPRS) != 0) {
                elem->type = decode_reftype(d);
            } else if (decode_byte(d) != 0) {
                decode_fail(d, WEIR_E_MALFORMED, at, "malformed element kind");
            }
        }
        elem_items(d, elem, (flags & ELEM_EXPRS) != 0);
    }
}

/* ---- code ---- */

/* The local declarations at d->at: their number, with d->at after them.  They are only counted:
 * a few bytes may declare four thousand million. */
static uint64_t count_locals(struct wasm_decoder *d)
{
    const uint8_t *at = d->at;
    uint32_t groups = decode_count(d, "groups of locals");
    uint64_t n = 0;

    for (uint32_t i = 0; decode_ok(d) && i < groups; i++) {
        n += decode_u32(d);
        decode_valtype(d);
        if (n > UINT32_MAX) {
            decode_fail(d, WEIR_E_MALFORMED, at, "too many locals");
        }
    }
    return n;
}

static void decode_locals(struct wasm_decoder *d, struct wasm_func *func)
{
    static const struct wasm_functype no_type = {0}; /* an unknown index is validation's to refuse */
    const struct wasm_module *m = d->m;
    const struct wasm_functype *type = func->typeidx < m->ntypes ? &m->types[func->typeidx] : &no_type;
    const uint8_t *start = d->at;
    uint64_t n = count_locals(d) + type->nparams;

    if (!decode_ok(d)) {
        return;
    }
    d->locals += n;
    if (n > WASM_MAX_LOCALS || d->locals > WASM_MAX_LOCALS_TOTAL) {
        decode_fail(d, WEIR_E_LIMIT, start, "too many locals: at most %d in a function, %d in all",
                    WASM_MAX_LOCALS, WASM_MAX_LOCALS_TOTAL);
        return;
    }
    uint8_t *locals = arena_alloc(&d->m->arena, (size_t)n);
    uint8_t *next = locals;

    func->nlocals = (uint32_t)n;
    func->locals = locals;
    if (type->nparams != 0) {
        memcpy(next, type->params, type->nparams);
        next += type->nparams;
    }
    d->at = start;
    uint32_t groups = decode_u32(d);
    for (uint32_t i = 0; i < groups; i++) {
        uint32_t count = decode_u32(d);
        memset(next, decode_valtype(d), count);
        next += count;
    }
}

static void decode_body(struct wasm_decoder *d, struct wasm_func *func)
{
    const uint8_t *at = d->at;
    const uint8_t *section_end = d->end;
    uint32_t size = decode_u32(d);
    const uint8_t *start = decode_bytes(d, size);

    if (!decode_ok(d)) {
        return;
    }
    if (size > WASM_MAX_BODY_BYTES) {
        decode_fail(d, WEIR_E_LIMIT, at, "function body of %u bytes; at most %d are taken", size,
                    WASM_MAX_BODY_BYTES);
        return;
    }
    d->at = start;
    d->end = start + size;
    decode_locals(d, func);
    func->body = d->at;
    func->body_end = d->end;
    if (decode_ok(d)) {
        d->at = d->end;
    }
    d->end = section_end;
}

void decode_code_section(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;
    const uint8_t *at = d->at;
    uint32_t n = decode_count(d, "function bodies");

    if (m->funcs == NULL) { /* no function section */
        decode_func_space(d, 0);
    }
    if (decode_ok(d) && n != m->nfuncs - m->nimported_funcs) {
        decode_fail(d, WEIR_E_MALFORMED, at, "function and code section have inconsistent lengths");
    }
    for (uint32_t i = m->nimported_funcs; decode_ok(d) && i < m->nfuncs; i++) {
        decode_body(d, &m->funcs[i]);
    }
}

/* ---- data ---- */

void decode_data_count_section(struct wasm_decoder *d)
{
    d->data_count = decode_u32(d);
    d->m->has_data_count = true;
}

void decode_data_section(struct wasm_decoder *d)
{
    enum { DATA_ACTIVE, DATA_PASSIVE, DATA_ACTIVE_MEMORY };
    struct wasm_module *m = d->m;

    m->ndatas = decode_count(d, "data segments");
    m->datas = ARENA_ARRAY(&m->arena, struct wasm_data, m->ndatas);
    for (uint32_t i = 0; decode_ok(d) && i < m->ndatas; i++) {
        struct wasm_data *data = &m->datas[i];
        const uint8_t *at = d->at;
        uint32_t flags = decode_u32(d);

        if (flags > DATA_ACTIVE_MEMORY) {
            decode_fail(d, WEIR_E_MALFORMED, at, "malformed data segment kind");
            return;
        }
        data->mode = flags == DATA_PASSIVE ? WASM_SEGMENT_PASSIVE : WASM_SEGMENT_ACTIVE;
        data->memidx = flags == DATA_ACTIVE_MEMORY ? decode_u32(d) : 0;
        if (flags != DATA_PASSIVE) {
            data->offset = decode_constexpr(d);
        }
        data->len = decode_u32(d);
        data->at = decode_bytes(d, data->len);
    }
}
