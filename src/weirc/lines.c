/* weirc/lines.c - reading code addresses back out of a linked object: symbols and the DWARF line table.
 *
 * Our own output is read here, so anything unexpected is our bug; still every read is checked, and a surprise
 * ends reading with what was found. */
#include "weirc/lines.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/leb.h"

/* ---- sections and symbols ----------------------------------------------------------------------- */

static const Elf64_Shdr *section_at(struct str elf, unsigned i)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)elf.at;
    uint64_t at = eh->e_shoff + (uint64_t)i * sizeof(Elf64_Shdr);
    return i < eh->e_shnum && at + sizeof(Elf64_Shdr) <= elf.len
               ? (const Elf64_Shdr *)(const void *)(elf.at + at)
               : NULL;
}

static struct str section_bytes(struct str elf, const Elf64_Shdr *sh)
{
    if (sh == NULL || sh->sh_offset > elf.len || sh->sh_size > elf.len - sh->sh_offset) {
        return (struct str){"", 0};
    }
    return str_make(elf.at + sh->sh_offset, sh->sh_size);
}

static const Elf64_Shdr *find_section(struct str elf, const char *name)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)elf.at;
    if (elf.len < sizeof *eh) {
        return NULL;
    }
    struct str names = section_bytes(elf, section_at(elf, eh->e_shstrndx));
    for (unsigned i = 0; i < eh->e_shnum; i++) {
        const Elf64_Shdr *sh = section_at(elf, i);
        if (sh != NULL && sh->sh_name < names.len && strcmp(names.at + sh->sh_name, name) == 0) {
            return sh;
        }
    }
    return NULL;
}

/* "w12.x", "t3", "a7": the letter and the number. */
static bool parse_symbol(const char *name, char *kind, uint32_t *n)
{
    if (strchr("wta", name[0]) == NULL || name[0] == '\0' || name[1] < '0' || name[1] > '9') {
        return false;
    }
    char *end;
    unsigned long v = strtoul(name + 1, &end, 10);
    if ((*end != '\0' && *end != '.') || v > UINT32_MAX) {
        return false;
    }
    *kind = name[0];
    *n = (uint32_t)v;
    return true;
}

void lines_symbols(struct str elf, lines_symbol *found, void *ctx)
{
    const Elf64_Shdr *sh = find_section(elf, ".symtab");
    if (sh == NULL) {
        return;
    }
    struct str syms = section_bytes(elf, sh), names = section_bytes(elf, section_at(elf, sh->sh_link));
    for (size_t i = 0; i + sizeof(Elf64_Sym) <= syms.len; i += sizeof(Elf64_Sym)) {
        const Elf64_Sym *s = (const Elf64_Sym *)(const void *)(syms.at + i);
        char kind;
        uint32_t n;
        if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_name >= names.len ||
            !parse_symbol(names.at + s->st_name, &kind, &n)) {
            continue;
        }
        found(ctx, kind, n, (uint32_t)s->st_value, (uint32_t)s->st_size);
    }
}

/* ---- .debug_line (DWARF 4, section 6.2) ------------------------------------------------------------ */

struct program {
    const uint8_t *at, *end;
    uint8_t min_len, range, opcode_base;
    int8_t line_base;
    uint8_t operands[256]; /* of standard opcodes */
    uint64_t address;
    int64_t line;
    line_rows *rows;
};

static void add_row(struct program *p, bool end)
{
    vec_push(p->rows, ((struct line_row){(uint32_t)p->address, end ? 0 : (uint32_t)p->line}));
}

static bool read_header(struct program *p)
{
    if (p->end - p->at < 12) {
        return false;
    }
    uint16_t version = bytes_get_u16(p->at);
    if (version < 2 || version > 5) {
        return false;
    }
    const uint8_t *at = p->at + 2 + (version >= 5 ? 2 : 0);
    uint32_t header = bytes_get_u32(at);
    at += 4;
    if (header > (uint64_t)(p->end - at) || header < 10) {
        return false;
    }
    const uint8_t *start = at + header;
    p->min_len = *at++;
    at += version >= 4 ? 1 : 0;
    at++; /* default_is_stmt */
    p->line_base = (int8_t)*at++;
    p->range = *at++;
    p->opcode_base = *at++;
    for (unsigned i = 1; i < p->opcode_base && at < start; i++) {
        p->operands[i] = *at++;
    }
    p->at = start;
    return p->range != 0 && p->opcode_base != 0;
}

static void reset(struct program *p)
{
    p->address = 0;
    p->line = 1;
}

static bool extended(struct program *p)
{
    uint32_t len;
    p->at = leb_u32(p->at, p->end, &len);
    if (p->at == NULL || len == 0 || len > (uint64_t)(p->end - p->at)) {
        return false;
    }
    if (p->at[0] == 1) { /* end_sequence */
        add_row(p, true);
        reset(p);
    } else if (p->at[0] == 2 && len == 9) {
        p->address = bytes_get_u64(p->at + 1);
    }
    p->at += len;
    return true;
}

static bool standard(struct program *p, uint8_t op)
{
    uint64_t u = 0;
    int64_t s = 0;
    switch (op) {
    case 1:
        add_row(p, false);
        return true;
    case 2:
        p->at = leb_u64(p->at, p->end, &u);
        p->address += u * p->min_len;
        return p->at != NULL;
    case 3:
        p->at = leb_s64(p->at, p->end, &s);
        p->line += s;
        return p->at != NULL;
    case 8:
        p->address += (uint64_t)((255 - p->opcode_base) / p->range) * p->min_len;
        return true;
    case 9:
        if (p->end - p->at < 2) {
            return false;
        }
        p->address += bytes_get_u16(p->at);
        p->at += 2;
        return true;
    default:
        for (unsigned i = 0; i < p->operands[op] && p->at != NULL; i++) {
            p->at = leb_u64(p->at, p->end, &u);
        }
        return p->at != NULL;
    }
}

static void run(struct program *p)
{
    reset(p);
    while (p->at < p->end) {
        uint8_t op = *p->at++;
        bool ok = true;
        if (op == 0) {
            ok = extended(p);
        } else if (op < p->opcode_base) {
            ok = standard(p, op);
        } else {
            unsigned adjusted = op - p->opcode_base;
            p->address += (uint64_t)(adjusted / p->range) * p->min_len;
            p->line += p->line_base + (int)(adjusted % p->range);
            add_row(p, false);
        }
        if (!ok) {
            return;
        }
    }
}

/* By address; at the same address an end comes before a beginning, otherwise the order stays. */
static int compare_rows(const void *a, const void *b)
{
    const struct line_row *x = a, *y = b;
    if (x->address != y->address) {
        return x->address < y->address ? -1 : 1;
    }
    return x < y ? -1 : 1;
}

void lines_rows(struct str elf, line_rows *out)
{
    struct str s = section_bytes(elf, find_section(elf, ".debug_line"));
    const uint8_t *at = (const uint8_t *)s.at, *end = at + s.len;
    while (end - at > 4) {
        uint32_t len = bytes_get_u32(at);
        at += 4;
        if (len > (uint64_t)(end - at)) {
            return;
        }
        struct program p = {.at = at, .end = at + len, .rows = out};
        size_t first = out->len;
        if (read_header(&p)) {
            run(&p);
        }
        /* sequences of one unit are in address order; units are sorted as wholes below */
        (void)first;
        at += len;
    }
    bool sorted = true;
    for (size_t i = 1; i < out->len && sorted; i++) {
        sorted = out->at[i - 1].address <= out->at[i].address;
    }
    if (!sorted) {
        qsort(out->at, out->len, sizeof *out->at, compare_rows);
    }
}
