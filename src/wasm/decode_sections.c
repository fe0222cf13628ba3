/* wasm/decode_sections.c - the sections that declare: types, imports, functions, tables, memories,
 * globals, exports, start (core spec 5.5.4 to 5.5.11). */
#include "base/str.h"
#include "wasm/decode.h"

/* ---- types ---- */

static uint32_t type_list(struct wasm_decoder *d, uint32_t max, const char *what, const uint8_t **list,
                          uint32_t *cells)
{
    const uint8_t *at = d->at;
    uint32_t n = decode_count(d, what);

    *list = d->at; /* one byte a type: the list is used where it stands */
    *cells = 0;
    if (n > max) {
        decode_fail(d, WEIR_E_LIMIT, at, "%u %s; at most %u are taken", n, what, max);
    }
    for (uint32_t i = 0; decode_ok(d) && i < n; i++) {
        *cells += wasm_valtype_cells(decode_valtype(d));
    }
    return n;
}

void decode_type_section(struct wasm_decoder *d)
{
    enum {
        FORM_FUNC = 0x60,
        FORM_ARRAY = 0x5e,
        FORM_STRUCT = 0x5f,
        FORM_SUB = 0x50,
        FORM_SUB_FINAL = 0x4f,
        FORM_REC = 0x4e
    };
    struct wasm_module *m = d->m;

    m->ntypes = decode_count(d, "types");
    m->types = ARENA_ARRAY(&m->arena, struct wasm_functype, m->ntypes);
    for (uint32_t i = 0; decode_ok(d) && i < m->ntypes; i++) {
        const uint8_t *at = d->at;
        struct wasm_functype *type = &m->types[i];

        switch (decode_byte(d)) {
        case FORM_FUNC:
            type->nparams = type_list(d, WASM_MAX_PARAMS, "parameters", &type->params, &type->param_cells);
            type->nresults = type_list(d, WASM_MAX_RESULTS, "results", &type->results, &type->result_cells);
            break;
        case FORM_ARRAY:
        case FORM_STRUCT:
        case FORM_SUB:
        case FORM_SUB_FINAL:
        case FORM_REC:
            decode_fail(d, WEIR_E_UNSUPPORTED, at, "garbage collection");
            break;
        default:
            decode_fail(d, WEIR_E_MALFORMED, at, "malformed definition type");
        }
    }
}

/* Limits are read as 64 bits, as 3.0 does, so that a size too large is invalid, not malformed. */
static struct wasm_limits decode_limits(struct wasm_decoder *d, const char *too_large)
{
    enum { HAS_MAX = 1, IS_64 = 4 };
    const uint8_t *at = d->at;
    uint8_t flags = decode_byte(d);
    struct wasm_limits limits = {.max = UINT32_MAX, .has_max = (flags & HAS_MAX) != 0};

    if ((flags & ~HAS_MAX) == IS_64) {
        decode_fail(d, WEIR_E_UNSUPPORTED, at, "memory64");
    } else if (flags > HAS_MAX) {
        decode_fail(d, WEIR_E_MALFORMED, at, "malformed limits flags");
    }
    uint64_t min = decode_u64(d);
    uint64_t max = limits.has_max ? decode_u64(d) : UINT32_MAX;
    if (min > UINT32_MAX || max > UINT32_MAX) {
        decode_fail(d, WEIR_E_INVALID, at, "%s", too_large);
    }
    limits.min = (uint32_t)min;
    limits.max = (uint32_t)max;
    return limits;
}

static struct wasm_tabletype decode_tabletype(struct wasm_decoder *d)
{
    struct wasm_tabletype type = {.elem = decode_reftype(d)};

    type.limits = decode_limits(d, "table size must be at most 2^32-1");
    return type;
}

static struct wasm_limits decode_memtype(struct wasm_decoder *d)
{
    return decode_limits(d, "memory size must be at most 65536 pages (4GiB)");
}

static struct wasm_globaltype decode_globaltype(struct wasm_decoder *d)
{
    struct wasm_globaltype type = {.type = decode_valtype(d)};
    const uint8_t *at = d->at;
    uint8_t mutability = decode_byte(d);

    if (mutability > 1) {
        decode_fail(d, WEIR_E_MALFORMED, at, "malformed mutability");
    }
    type.mutable = mutability == 1;
    return type;
}

/* ---- imports and the index spaces ---- */

void decode_import_section(struct wasm_decoder *d)
{
    enum { EXTERN_TAG = 4 };
    struct wasm_module *m = d->m;

    m->nimports = decode_count(d, "imports");
    m->imports = ARENA_ARRAY(&m->arena, struct wasm_import, m->nimports);
    for (uint32_t i = 0; decode_ok(d) && i < m->nimports; i++) {
        struct wasm_import *import = &m->imports[i];

        import->module = decode_name(d);
        import->name = decode_name(d);
        const uint8_t *at = d->at;
        uint8_t kind = decode_byte(d);
        switch (kind) {
        case WASM_EXTERN_FUNC:
            import->typeidx = decode_u32(d);
            import->index = m->nimported_funcs++;
            break;
        case WASM_EXTERN_TABLE:
            import->table = decode_tabletype(d);
            import->index = m->nimported_tables++;
            break;
        case WASM_EXTERN_MEMORY:
            import->memory = decode_memtype(d);
            import->index = m->nimported_memories++;
            break;
        case WASM_EXTERN_GLOBAL:
            import->global = decode_globaltype(d);
            import->index = m->nimported_globals++;
            break;
        case EXTERN_TAG:
            decode_fail(d, WEIR_E_UNSUPPORTED, at, "exceptions");
            break;
        default:
            decode_fail(d, WEIR_E_MALFORMED, at, "malformed import kind");
        }
        import->kind = kind;
    }
}

void decode_func_space(struct wasm_decoder *d, uint32_t n)
{
    struct wasm_module *m = d->m;

    m->nfuncs = m->nimported_funcs + n;
    m->funcs = ARENA_ARRAY(&m->arena, struct wasm_func, m->nfuncs);
    for (uint32_t i = 0; i < m->nimports; i++) {
        const struct wasm_import *import = &m->imports[i];
        if (import->kind == WASM_EXTERN_FUNC) {
            m->funcs[import->index] = (struct wasm_func){.typeidx = import->typeidx, .imported = true};
        }
    }
}

void decode_table_space(struct wasm_decoder *d, uint32_t n)
{
    struct wasm_module *m = d->m;

    m->ntables = m->nimported_tables + n;
    m->tables = ARENA_ARRAY(&m->arena, struct wasm_table, m->ntables);
    for (uint32_t i = 0; i < m->nimports; i++) {
        const struct wasm_import *import = &m->imports[i];
        if (import->kind == WASM_EXTERN_TABLE) {
            m->tables[import->index] = (struct wasm_table){.type = import->table, .imported = true};
        }
    }
}

void decode_memory_space(struct wasm_decoder *d, uint32_t n)
{
    struct wasm_module *m = d->m;

    m->nmemories = m->nimported_memories + n;
    m->memories = ARENA_ARRAY(&m->arena, struct wasm_memory, m->nmemories);
    for (uint32_t i = 0; i < m->nimports; i++) {
        const struct wasm_import *import = &m->imports[i];
        if (import->kind == WASM_EXTERN_MEMORY) {
            m->memories[import->index] = (struct wasm_memory){.limits = import->memory, .imported = true};
        }
    }
}

void decode_global_space(struct wasm_decoder *d, uint32_t n)
{
    struct wasm_module *m = d->m;

    m->nglobals = m->nimported_globals + n;
    m->globals = ARENA_ARRAY(&m->arena, struct wasm_global, m->nglobals);
    for (uint32_t i = 0; i < m->nimports; i++) {
        const struct wasm_import *import = &m->imports[i];
        if (import->kind == WASM_EXTERN_GLOBAL) {
            m->globals[import->index] = (struct wasm_global){.type = import->global, .imported = true};
        }
    }
}

/* ---- definitions ---- */

void decode_function_section(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;

    decode_func_space(d, decode_count(d, "functions"));
    for (uint32_t i = m->nimported_funcs; decode_ok(d) && i < m->nfuncs; i++) {
        m->funcs[i].typeidx = decode_u32(d);
    }
}

void decode_table_section(struct wasm_decoder *d)
{
    enum { WITH_INIT = 0x40 };
    struct wasm_module *m = d->m;

    decode_table_space(d, decode_count(d, "tables"));
    for (uint32_t i = m->nimported_tables; decode_ok(d) && i < m->ntables; i++) {
        if (d->at != d->end && *d->at == WITH_INIT) {
            decode_fail(d, WEIR_E_UNSUPPORTED, d->at, "typed function references");
        }
        m->tables[i].type = decode_tabletype(d);
    }
}

void decode_memory_section(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;

    decode_memory_space(d, decode_count(d, "memories"));
    for (uint32_t i = m->nimported_memories; decode_ok(d) && i < m->nmemories; i++) {
        m->memories[i].limits = decode_memtype(d);
    }
}

void decode_global_section(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;

    decode_global_space(d, decode_count(d, "globals"));
    for (uint32_t i = m->nimported_globals; decode_ok(d) && i < m->nglobals; i++) {
        m->globals[i].type = decode_globaltype(d);
        m->globals[i].init = decode_constexpr(d);
    }
}

void decode_export_section(struct wasm_decoder *d)
{
    enum { EXTERN_TAG = 4 };
    struct wasm_module *m = d->m;

    m->nexports = decode_count(d, "exports");
    m->exports = ARENA_ARRAY(&m->arena, struct wasm_export, m->nexports);
    for (uint32_t i = 0; decode_ok(d) && i < m->nexports; i++) {
        struct wasm_export *export = &m->exports[i];

        export->name = decode_name(d);
        const uint8_t *at = d->at;
        uint8_t kind = decode_byte(d);
        if (kind == EXTERN_TAG) {
            decode_fail(d, WEIR_E_UNSUPPORTED, at, "exceptions");
        } else if (kind > EXTERN_TAG) {
            decode_fail(d, WEIR_E_MALFORMED, at, "malformed export kind");
        }
        export->kind = kind;
        export->index = decode_u32(d);
    }
}

void decode_start_section(struct wasm_decoder *d)
{
    d->m->start = decode_u32(d);
    d->m->has_start = true;
}
