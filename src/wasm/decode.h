/* wasm/decode.h - what the files of the decoder share: a cursor over one section.
 *
 * Errors stick: after the first one every read gives zero and `st` keeps the status, so that a section
 * reads straight through and asks once an item.  `end` is the end of the section (of the body, inside the
 * code section); no read passes it.  Private to decode*.c. */
#ifndef WASM_DECODE_H
#define WASM_DECODE_H

#include "base/vec.h"
#include "wasm/module.h"

struct wasm_decoder {
    struct wasm_module *m;
    const uint8_t *at, *end;
    const char *section; /* for reports */
    weir_status st;
    struct weir_report *rep;

    uint32_t seen;       /* bit n: section n was read */
    uint32_t data_count; /* of the data count section */
    uint64_t locals;     /* of all bodies so far, against WASM_MAX_LOCALS_TOTAL */
    VEC(struct wasm_custom) customs;
};

static inline bool decode_ok(const struct wasm_decoder *d)
{
    return d->st == WEIR_OK;
}

/* Record a failure at the position `at`, unless one is recorded. */
void decode_fail(struct wasm_decoder *d, weir_status st, const uint8_t *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

uint8_t decode_byte(struct wasm_decoder *d);
uint32_t decode_u32(struct wasm_decoder *d);
uint64_t decode_u64(struct wasm_decoder *d);
/* A length, then as many bytes; well-formed UTF-8. */
struct str decode_name(struct wasm_decoder *d);
/* `n` bytes where they stand; NULL on failure. */
const uint8_t *decode_bytes(struct wasm_decoder *d, uint32_t n);
/* A count of items: at most one for each byte that is left, and at most WASM_MAX_ITEMS. */
uint32_t decode_count(struct wasm_decoder *d, const char *what);
uint8_t decode_valtype(struct wasm_decoder *d);
uint8_t decode_reftype(struct wasm_decoder *d);
/* Well-formed instructions up to the `end` that closes them. */
struct wasm_constexpr decode_constexpr(struct wasm_decoder *d);

/* The sections, each from its first byte to wherever it says it ends. */
void decode_type_section(struct wasm_decoder *d);
void decode_import_section(struct wasm_decoder *d);
void decode_function_section(struct wasm_decoder *d);
void decode_table_section(struct wasm_decoder *d);
void decode_memory_section(struct wasm_decoder *d);
void decode_global_section(struct wasm_decoder *d);
void decode_export_section(struct wasm_decoder *d);
void decode_start_section(struct wasm_decoder *d);
void decode_element_section(struct wasm_decoder *d);
void decode_code_section(struct wasm_decoder *d);
void decode_data_section(struct wasm_decoder *d);
void decode_data_count_section(struct wasm_decoder *d);

/* Make the index spaces: imports first, then room for `n` definitions. */
void decode_func_space(struct wasm_decoder *d, uint32_t n);
void decode_table_space(struct wasm_decoder *d, uint32_t n);
void decode_memory_space(struct wasm_decoder *d, uint32_t n);
void decode_global_space(struct wasm_decoder *d, uint32_t n);

#endif
