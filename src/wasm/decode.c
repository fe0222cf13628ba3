/* wasm/decode.c - from bytes to struct wasm_module: the header, the order of sections, and the reads
 * that all sections are made of (core spec 5.5).
 *
 * The input is hostile: every count is held against the bytes that are left before anything is
 * allocated for it, so that the memory a module takes is linear in its size.  Indices are not looked at here;
 * that is validation. */
#include "wasm/decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/leb.h"
#include "wasm/instr.h"
#include "wasm/types.h"

enum section_id {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_LIMIT,
};

static const struct section_kind {
    const char *name;
    uint8_t order; /* a section must come after all of a lower order; data count is before code */
    void (*decode)(struct wasm_decoder *d);
} sections[SECTION_LIMIT] = {
    [SECTION_CUSTOM] = {"custom", 0, NULL},
    [SECTION_TYPE] = {"type", 1, decode_type_section},
    [SECTION_IMPORT] = {"import", 2, decode_import_section},
    [SECTION_FUNCTION] = {"function", 3, decode_function_section},
    [SECTION_TABLE] = {"table", 4, decode_table_section},
    [SECTION_MEMORY] = {"memory", 5, decode_memory_section},
    [SECTION_TAG] = {"tag", 6, NULL},
    [SECTION_GLOBAL] = {"global", 7, decode_global_section},
    [SECTION_EXPORT] = {"export", 8, decode_export_section},
    [SECTION_START] = {"start", 9, decode_start_section},
    [SECTION_ELEMENT] = {"element", 10, decode_element_section},
    [SECTION_DATA_COUNT] = {"data count", 11, decode_data_count_section},
    [SECTION_CODE] = {"code", 12, decode_code_section},
    [SECTION_DATA] = {"data", 13, decode_data_section},
};

void decode_fail(struct wasm_decoder *d, weir_status st, const uint8_t *at, const char *fmt, ...)
{
    char message[200];

    if (d->st != WEIR_OK) {
        return;
    }
    d->st = st;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    weir_report_set(d->rep, st, (uint64_t)(at - d->m->bytes), d->section, "%s", message);
}

uint8_t decode_byte(struct wasm_decoder *d)
{
    if (!decode_ok(d)) {
        return 0;
    }
    if (d->at == d->end) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "unexpected end of section or function");
        return 0;
    }
    return *d->at++;
}

uint32_t decode_u32(struct wasm_decoder *d)
{
    uint32_t value = 0;

    if (!decode_ok(d)) {
        return 0;
    }
    const uint8_t *next = leb_u32(d->at, d->end, &value);
    if (next == NULL) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "%s", leb_error(d->at, d->end, 32));
        return 0;
    }
    d->at = next;
    return value;
}

uint64_t decode_u64(struct wasm_decoder *d)
{
    uint64_t value = 0;

    if (!decode_ok(d)) {
        return 0;
    }
    const uint8_t *next = leb_u64(d->at, d->end, &value);
    if (next == NULL) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "%s", leb_error(d->at, d->end, 64));
        return 0;
    }
    d->at = next;
    return value;
}

const uint8_t *decode_bytes(struct wasm_decoder *d, uint32_t n)
{
    if (!decode_ok(d)) {
        return NULL;
    }
    if (n > (size_t)(d->end - d->at)) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "length out of bounds");
        return NULL;
    }
    const uint8_t *at = d->at;
    d->at += n;
    return at;
}

struct str decode_name(struct wasm_decoder *d)
{
    uint32_t len = decode_u32(d);
    const uint8_t *at = decode_bytes(d, len);

    if (at == NULL) {
        return STR("");
    }
    struct str name = str_make(at, len);
    if (!str_is_utf8(name)) {
        decode_fail(d, WEIR_E_MALFORMED, at, "malformed UTF-8 encoding");
        return STR("");
    }
    return name;
}

uint32_t decode_count(struct wasm_decoder *d, const char *what)
{
    const uint8_t *at = d->at;
    uint32_t n = decode_u32(d);

    if (n > (size_t)(d->end - d->at)) {
        decode_fail(d, WEIR_E_MALFORMED, at, "length out of bounds");
        return 0;
    }
    if (n > WASM_MAX_ITEMS) {
        decode_fail(d, WEIR_E_LIMIT, at, "%u %s; at most %d are taken", n, what, WASM_MAX_ITEMS);
        return 0;
    }
    return n;
}

static uint8_t decode_type(struct wasm_decoder *d, bool ref)
{
    const uint8_t *at = d->at;
    uint8_t type = decode_byte(d);

    if (!decode_ok(d)) {
        return 0;
    }
    weir_status st = ref ? wasm_reftype_check(type) : wasm_valtype_check(type, d->m->features);
    if (st != WEIR_OK) {
        decode_fail(d, st, at, "%s", wasm_type_refusal(type, ref));
        return 0;
    }
    return type;
}

uint8_t decode_valtype(struct wasm_decoder *d)
{
    return decode_type(d, false);
}

uint8_t decode_reftype(struct wasm_decoder *d)
{
    return decode_type(d, true);
}

struct wasm_constexpr decode_constexpr(struct wasm_decoder *d)
{
    struct wasm_constexpr expr = {d->at, d->at};
    struct wasm_reader r = wasm_reader_of(d->m, d->at, d->end);
    struct wasm_instr in;
    uint32_t depth = 1; /* blocks are well-formed here, though never valid */

    r.section = d->section;
    while (decode_ok(d) && depth != 0) {
        d->st = wasm_instr_read(&r, &in, d->rep);
        if (!decode_ok(d)) {
            break;
        }
        switch (in.op) {
        case OP_BLOCK:
        case OP_LOOP:
        case OP_IF:
            depth++;
            break;
        case OP_END:
            depth--;
            break;
        default:
            break;
        }
    }
    if (decode_ok(d)) {
        d->at = r.at;
        expr.end = r.at;
    }
    return expr;
}

static void decode_custom_section(struct wasm_decoder *d)
{
    struct wasm_custom custom = {.name = decode_name(d)};

    if (decode_ok(d) && d->customs.len == WASM_MAX_ITEMS) {
        decode_fail(d, WEIR_E_LIMIT, d->at, "more than %d custom sections", WASM_MAX_ITEMS);
    }
    if (decode_ok(d)) {
        custom.at = d->at;
        custom.len = (size_t)(d->end - d->at);
        d->at = d->end;
        vec_push(&d->customs, custom);
    }
}

/* One section; `*order` is the order of the latest one that was not custom. */
static void decode_section(struct wasm_decoder *d, uint8_t *order)
{
    const uint8_t *start = d->at;
    const uint8_t *module_end = d->end;

    d->section = "";
    uint8_t id = decode_byte(d);
    uint32_t size = decode_u32(d);
    if (!decode_ok(d)) {
        return;
    }
    if (id >= SECTION_LIMIT) {
        decode_fail(d, WEIR_E_MALFORMED, start, "malformed section id %u", id);
        return;
    }
    d->section = sections[id].name;
    if (size > (size_t)(module_end - d->at)) {
        decode_fail(d, WEIR_E_MALFORMED, start, "length out of bounds");
        return;
    }
    d->end = d->at + size;
    if (id == SECTION_CUSTOM) {
        decode_custom_section(d);
    } else if (sections[id].decode == NULL) {
        decode_fail(d, WEIR_E_UNSUPPORTED, start, "exceptions");
    } else if (sections[id].order <= *order) {
        decode_fail(d, WEIR_E_MALFORMED, start, "unexpected content after last section");
    } else {
        *order = sections[id].order;
        d->seen |= 1u << id;
        sections[id].decode(d);
    }
    if (d->at != d->end) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "section size mismatch");
    }
    d->end = module_end;
}

static void decode_header(struct wasm_decoder *d)
{
    static const uint8_t magic[4] = {0x00, 'a', 's', 'm'};
    static const uint8_t version[4] = {0x01, 0x00, 0x00, 0x00};
    static const uint8_t component[4] = {0x0d, 0x00, 0x01, 0x00};
    size_t len = (size_t)(d->end - d->at);

    if (len < 4) {
        decode_fail(d, WEIR_E_MALFORMED, d->end, "unexpected end");
    } else if (memcmp(d->at, magic, 4) != 0) {
        decode_fail(d, WEIR_E_MALFORMED, d->at, "magic header not detected");
    } else if (len < 8) {
        decode_fail(d, WEIR_E_MALFORMED, d->end, "unexpected end");
    } else if (memcmp(d->at + 4, version, 4) != 0) {
        decode_fail(d, WEIR_E_MALFORMED, d->at + 4, "unknown binary version%s",
                    memcmp(d->at + 4, component, 4) == 0 ? ": a component, not a core module" : "");
    } else {
        d->at += 8;
    }
}

/* What only shows when all sections were read; and index spaces of imports alone. */
static void decode_finish(struct wasm_decoder *d)
{
    struct wasm_module *m = d->m;

    d->section = "";
    if ((d->seen & 1u << SECTION_FUNCTION) == 0) {
        decode_func_space(d, 0);
    }
    if ((d->seen & 1u << SECTION_TABLE) == 0) {
        decode_table_space(d, 0);
    }
    if ((d->seen & 1u << SECTION_MEMORY) == 0) {
        decode_memory_space(d, 0);
    }
    if ((d->seen & 1u << SECTION_GLOBAL) == 0) {
        decode_global_space(d, 0);
    }
    if ((d->seen & 1u << SECTION_CODE) == 0 && m->nfuncs != m->nimported_funcs) {
        decode_fail(d, WEIR_E_MALFORMED, d->end, "function and code section have inconsistent lengths");
    }
    if (m->has_data_count && m->ndatas != d->data_count) {
        decode_fail(d, WEIR_E_MALFORMED, d->end, "data count and data section have inconsistent lengths");
    }
    m->ncustoms = (uint32_t)d->customs.len;
    m->customs = ARENA_ARRAY(&m->arena, struct wasm_custom, m->ncustoms);
    if (m->ncustoms != 0) {
        memcpy(m->customs, d->customs.at, m->ncustoms * sizeof *m->customs);
    }
}

weir_status wasm_module_decode(const uint8_t *bytes, size_t len, uint32_t features, struct wasm_module **out,
                               struct weir_report *rep)
{
    if (len > UINT32_MAX) {
        return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "", "the module is larger than 4 GiB");
    }
    if (bytes == NULL) {
        bytes = (const uint8_t *)"";
    }
    struct wasm_module *m = mem_zalloc(sizeof *m);
    arena_init(&m->arena);
    m->bytes = bytes;
    m->len = len;
    m->features = features;

    struct wasm_decoder d = {.m = m, .at = bytes, .end = bytes + len, .section = "", .rep = rep};
    uint8_t order = 0;

    decode_header(&d);
    while (decode_ok(&d) && d.at != d.end) {
        decode_section(&d, &order);
    }
    if (decode_ok(&d)) {
        decode_finish(&d);
    }
    vec_fini(&d.customs);
    if (!decode_ok(&d)) {
        wasm_module_free(m);
        return d.st;
    }
    *out = m;
    return WEIR_OK;
}

void wasm_module_free(struct wasm_module *m)
{
    if (m != NULL) {
        arena_fini(&m->arena);
        mem_free(m);
    }
}
