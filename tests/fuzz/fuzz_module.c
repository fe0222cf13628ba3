/* Any bytes as a module: decoding, validation and names must come back with a status, leak nothing, and keep
 * their promises: a report for each failure, and instructions that can be read again in a valid body. */
#include <stdint.h>
#include <stddef.h>

#include "base/mem.h"
#include "wasm/instr.h"
#include "wasm/names.h"
#include "wasm/source.h"

/* On a validated body reading cannot fail, and ends where the body ends. */
static void walk_body(const struct wasm_module *m, const struct wasm_func *func)
{
    struct wasm_reader r = wasm_reader_of(m, func->body, func->body_end);
    uint32_t depth = 1;

    while (depth != 0) {
        struct wasm_instr in;
        WEIR_ASSERT(wasm_instr_read(&r, &in, NULL) == WEIR_OK);
        depth += in.op == OP_BLOCK || in.op == OP_LOOP || in.op == OP_IF;
        depth -= in.op == OP_END;
        if (in.op == OP_BR_TABLE) {
            for (uint64_t i = 0; i <= in.count; i++) {
                WEIR_ASSERT(wasm_br_table_next(&in) <= depth);
            }
        }
    }
    WEIR_ASSERT(r.at == r.end);
}

static void check_names(const struct wasm_module *m)
{
    struct wasm_names names;

    wasm_names_init(&names, m);
    for (uint32_t i = 0; i < m->nfuncs && i < 8; i++) {
        WEIR_ASSERT(str_eq(wasm_names_func(&names, i), wasm_func_name(m, i)));
    }
    wasm_names_fini(&names);
}

/* What DWARF there is, whole or not, names lines in bytes of the module. */
static void check_lines(const struct wasm_module *m)
{
    struct wasm_source_line line;

    for (uint32_t i = m->nimported_funcs; i < m->nfuncs && i < 8; i++) {
        size_t offset = (size_t)(m->funcs[i].body - m->bytes);
        if (wasm_source_find(m, (uint32_t)offset, &line)) {
            WEIR_ASSERT((const uint8_t *)line.file.at >= m->bytes && line.file.len != 0 && line.line != 0);
            WEIR_ASSERT((const uint8_t *)line.file.at + line.file.len <= m->bytes + m->len);
        }
    }
}

static void check_module(const uint8_t *bytes, size_t len, uint32_t features)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;

    weir_report_init(&rep);
    weir_status st = wasm_module_decode(bytes, len, features, &m, &rep);
    WEIR_ASSERT((st == WEIR_OK) == (m != NULL));
    if (st == WEIR_OK) {
        check_names(m);
        check_lines(m);
        st = wasm_module_validate(m, &rep);
    }
    WEIR_ASSERT(st == rep.status);
    WEIR_ASSERT((st == WEIR_OK) == (rep.message[0] == '\0'));
    if (st == WEIR_OK) {
        for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
            walk_body(m, &m->funcs[i]);
        }
    }
    wasm_module_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    check_module(bytes, len, WASM_FEATURES_ALL);
    check_module(bytes, len, 0);
    return 0;
}
