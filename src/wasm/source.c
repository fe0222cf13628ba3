/* wasm/source.c - the line number programs of DWARF 2 to 5 (DWARF 5, section 6.2), run until an address is
 * found.
 *
 * The section is anybody's bytes: whatever is not understood ends the search.  Addresses count from the
 * content of the code section ("DWARF for WebAssembly", section 3). */
#include "wasm/source.h"

#include <string.h>

#include "base/bytes.h"
#include "base/leb.h"

enum {
    SECTION_CODE = 10,
    LNS_COPY = 1,
    LNS_ADVANCE_PC,
    LNS_ADVANCE_LINE,
    LNS_SET_FILE,
    LNS_CONST_ADD_PC = 8,
    LNS_FIXED_ADVANCE_PC,
    LNE_END_SEQUENCE = 1,
    LNE_SET_ADDRESS,
    LNCT_PATH = 1,
    FORM_STRING = 0x08,
    FORM_BLOCK = 0x09,
    FORM_DATA1 = 0x0b,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
    MOST_FORMATS = 8,
};

struct program {
    const struct wasm_module *m;
    const uint8_t *at, *end;       /* at becomes NULL when a read fails */
    const uint8_t *tables, *start; /* of folders and files; of the instructions, which end the tables */
    uint16_t version;
    uint8_t min_len, range, opcode_base;
    int8_t line_base;
    uint8_t operands[256]; /* of standard opcodes */
    uint64_t address, file;
    int64_t line;
};

/* ---- reading --------------------------------------------------------------------------------------------
 */

static uint64_t get_uleb(struct program *p)
{
    uint64_t v = 0;
    if (p->at != NULL) {
        p->at = leb_u64(p->at, p->end, &v);
    }
    return v;
}

static uint64_t get_fixed(struct program *p, unsigned bytes)
{
    uint64_t v = 0;
    if (p->at == NULL || (size_t)(p->end - p->at) < bytes) {
        p->at = NULL;
        return 0;
    }
    memcpy(&v, p->at, bytes);
    p->at += bytes;
    return v;
}

static struct str get_string(struct program *p)
{
    const uint8_t *nul = p->at == NULL ? NULL : memchr(p->at, '\0', (size_t)(p->end - p->at));
    if (nul == NULL) {
        p->at = NULL;
        return STR("");
    }
    struct str s = str_make(p->at, (size_t)(nul - p->at));
    p->at = nul + 1;
    return s;
}

static struct str section_string(const struct wasm_module *m, struct str section, uint64_t offset)
{
    const struct wasm_custom *c = wasm_module_find_custom(m, section);
    if (c == NULL || offset >= c->len) {
        return STR("");
    }
    const uint8_t *nul = memchr(c->at + offset, '\0', c->len - offset);
    return nul == NULL ? STR("") : str_make(c->at + offset, (size_t)(nul - c->at) - offset);
}

/* ---- files -----------------------------------------------------------------------------------------------
 */

static struct str get_form(struct program *p, uint64_t form)
{
    switch (form) {
    case FORM_STRING:
        return get_string(p);
    case FORM_STRP:
        return section_string(p->m, STR(".debug_str"), get_fixed(p, 4));
    case FORM_LINE_STRP:
        return section_string(p->m, STR(".debug_line_str"), get_fixed(p, 4));
    case FORM_UDATA:
        get_uleb(p);
        break;
    case FORM_DATA1:
        get_fixed(p, 1);
        break;
    case FORM_DATA16:
        get_fixed(p, 8);
        get_fixed(p, 8);
        break;
    default:
        p->at = NULL;
        break;
    }
    return STR("");
}

/* Version 5: entries whose fields are described before them.  The path of entry `want`. */
static struct str described_entry(struct program *p, uint64_t want)
{
    uint64_t content[MOST_FORMATS], form[MOST_FORMATS], nformats = get_fixed(p, 1);
    struct str path = STR("");
    if (nformats > MOST_FORMATS) {
        p->at = NULL;
        return path;
    }
    for (uint64_t i = 0; i < nformats; i++) {
        content[i] = get_uleb(p);
        form[i] = get_uleb(p);
    }
    uint64_t n = get_uleb(p);
    for (uint64_t entry = 0; entry < n && nformats != 0 && p->at != NULL; entry++) {
        for (uint64_t i = 0; i < nformats; i++) {
            struct str s = get_form(p, form[i]);
            if (entry == want && content[i] == LNCT_PATH) {
                path = s;
            }
        }
    }
    return path;
}

/* Versions 2 to 4: folders, then files from number 1, each list ended by an empty name. */
static struct str plain_entry(struct program *p, uint64_t want)
{
    while (p->at != NULL && get_string(p).len != 0) {
    }
    for (uint64_t i = 1; p->at != NULL; i++) {
        struct str name = get_string(p);
        if (name.len == 0 || i == want) {
            return name;
        }
        get_uleb(p); /* folder, time, length */
        get_uleb(p);
        get_uleb(p);
    }
    return STR("");
}

static struct str file_name(const struct program *found, uint64_t file)
{
    struct program p = *found;
    struct str path;
    p.at = p.tables;
    p.end = p.start;
    if (p.version < 5) {
        path = plain_entry(&p, file);
    } else {
        described_entry(&p, UINT64_MAX);
        path = described_entry(&p, file);
    }
    const char *slash = path.len == 0 ? NULL : memrchr(path.at, '/', path.len);
    return slash == NULL ? path : str_slice(path, (size_t)(slash + 1 - path.at), path.len);
}

/* ---- programs --------------------------------------------------------------------------------------------
 */

static bool read_header(struct program *p)
{
    p->version = (uint16_t)get_fixed(p, 2);
    if (p->version < 2 || p->version > 5) {
        return false;
    }
    if (p->version == 5) {
        get_fixed(p, 2); /* sizes of addresses and segment selectors */
    }
    uint64_t header = get_fixed(p, 4);
    if (p->at == NULL || header > (uint64_t)(p->end - p->at)) {
        return false;
    }
    p->start = p->at + header;
    p->min_len = (uint8_t)get_fixed(p, 1);
    if (p->version >= 4) {
        get_fixed(p, 1); /* operations an instruction: one */
    }
    get_fixed(p, 1); /* is_stmt */
    p->line_base = (int8_t)get_fixed(p, 1);
    p->range = (uint8_t)get_fixed(p, 1);
    p->opcode_base = (uint8_t)get_fixed(p, 1);
    for (unsigned i = 1; i < p->opcode_base; i++) {
        p->operands[i] = (uint8_t)get_fixed(p, 1);
    }
    if (p->at == NULL || p->at > p->start || p->range == 0 || p->opcode_base == 0) {
        return false;
    }
    p->tables = p->at;
    p->at = p->start;
    return true;
}

static void reset(struct program *p)
{
    p->address = 0;
    p->file = p->line = 1;
}

/* Standard opcodes; true: a row. */
static bool standard(struct program *p, uint8_t op)
{
    int64_t change = 0;
    switch (op) {
    case LNS_COPY:
        return true;
    case LNS_ADVANCE_PC:
        p->address += get_uleb(p) * p->min_len;
        break;
    case LNS_ADVANCE_LINE:
        p->at = leb_s64(p->at, p->end, &change);
        p->line = (int64_t)((uint64_t)p->line + (uint64_t)change);
        break;
    case LNS_SET_FILE:
        p->file = get_uleb(p);
        break;
    case LNS_CONST_ADD_PC:
        p->address += (uint64_t)((255 - p->opcode_base) / p->range) * p->min_len;
        break;
    case LNS_FIXED_ADVANCE_PC:
        p->address += get_fixed(p, 2);
        break;
    default:
        for (unsigned i = 0; i < p->operands[op]; i++) {
            get_uleb(p);
        }
        break;
    }
    return false;
}

/* Extended opcodes; true: the end of a sequence. */
static bool extended(struct program *p)
{
    uint64_t len = get_uleb(p);
    if (p->at == NULL || len == 0 || len > (uint64_t)(p->end - p->at)) {
        p->at = NULL;
        return false;
    }
    const uint8_t *next = p->at + len;
    uint8_t op = *p->at++;
    if (op == LNE_SET_ADDRESS && len - 1 <= sizeof p->address) {
        p->address = get_fixed(p, (unsigned)(len - 1));
    }
    p->at = next;
    return op == LNE_END_SEQUENCE;
}

/* Run until the row whose code has `want`: from its address up to that of the next row. */
static bool run(struct program *p, uint64_t want, struct wasm_source_line *out)
{
    uint64_t address = 0, file = 0; /* of the row before, if `started` */
    int64_t line = 0;
    bool started = false;

    reset(p);
    while (p->at != NULL && p->at < p->end) {
        uint8_t op = *p->at++;
        bool row = true, end = false;
        if (op >= p->opcode_base) {
            unsigned adjusted = op - p->opcode_base;
            p->address += (uint64_t)(adjusted / p->range) * p->min_len;
            p->line = (int64_t)((uint64_t)p->line + (uint64_t)(p->line_base + (int)(adjusted % p->range)));
        } else if (op == 0) {
            row = end = extended(p);
        } else {
            row = standard(p, op);
        }
        if (!row) {
            continue;
        }
        if (started && address <= want && want < p->address) {
            *out = (struct wasm_source_line){file_name(p, file), (uint32_t)line};
            return line > 0 && out->file.len != 0;
        }
        address = p->address, file = p->file, line = p->line;
        started = !end;
        if (end) {
            reset(p);
        }
    }
    return false;
}

size_t wasm_code_content(const struct wasm_module *m)
{
    const uint8_t *at = m->bytes + 8, *end = m->bytes + m->len;
    uint32_t len;
    while (at != NULL && at < end) {
        uint8_t id = *at++;
        at = leb_u32(at, end, &len);
        if (at == NULL || id == SECTION_CODE) {
            return at == NULL ? m->len : (size_t)(at - m->bytes);
        }
        at = len <= (size_t)(end - at) ? at + len : NULL;
    }
    return m->len;
}

bool wasm_source_find(const struct wasm_module *m, uint32_t offset, struct wasm_source_line *out)
{
    const struct wasm_custom *c = wasm_module_find_custom(m, STR(".debug_line"));
    size_t code = c == NULL ? m->len : wasm_code_content(m);
    struct wasm_source_line found;

    if (c == NULL || offset < code) {
        return false;
    }
    const uint8_t *at = c->at, *end = c->at + c->len;
    while (end - at > 4) {
        uint32_t len = bytes_get_u32(at);
        at += 4;
        if (len > (size_t)(end - at)) {
            return false;
        }
        struct program p = {.m = m, .at = at, .end = at + len};
        if (read_header(&p) && run(&p, offset - code, &found)) {
            *out = found;
            return true;
        }
        at += len;
    }
    return false;
}
