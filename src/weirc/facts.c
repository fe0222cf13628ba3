/* weirc/facts.c - what is found out about the whole module before any function is translated.
 *
 * A table is fixed when nothing can change it after instantiation: defined here, no instruction writes it,
 * only active segments at constant offsets fill it, and no other module may import it.  What a call through a
 * fixed table can reach is known, so each of its types gets a table of code addresses (fixed.c). */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "wasm/instr.h"
#include "wasm/names.h"
#include "weirc/weirc.h"

enum { FIXED_ENTRIES_MOST = 64 * 1024 /* code addresses, all types together */ };

/* ---- names ------------------------------------------------------------------------------------------ */

/* "w12.name" with the bytes an ELF symbol takes badly replaced. */
static char *symbol_of(uint32_t funcidx, struct str name)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "w%u", funcidx);
    if (name.len > 0) {
        strbuf_add_char(&b, '.');
    }
    for (size_t i = 0; i < name.len && i < 200; i++) {
        char c = name.at[i];
        strbuf_add_char(&b, (unsigned char)c <= ' ' || c == '@' || c == 0x7f ? '_' : c);
    }
    return b.at;
}

static void find_names(struct weirc_facts *f, const struct wasm_module *m)
{
    struct wasm_names wn;
    wasm_names_init(&wn, m);
    f->symbols = mem_zalloc_array(m->nfuncs + 1, sizeof *f->symbols);
    f->names = mem_zalloc_array(m->nfuncs + 1, sizeof *f->names);
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
        f->names[i] = wasm_names_func(&wn, i);
        f->symbols[i] = symbol_of(i, f->names[i]);
    }
    wasm_names_fini(&wn);
}

/* ---- types ------------------------------------------------------------------------------------------- */

static uint64_t hash_type(const struct wasm_functype *t)
{
    return hash_bytes(t->results, t->nresults, hash_bytes(t->params, t->nparams, t->nparams));
}

/* The first of equal types stands for all. */
static void find_canonical_types(struct weirc_facts *f, const struct wasm_module *m)
{
    size_t cap = 16;
    while (cap < 2 * (size_t)m->ntypes) {
        cap *= 2;
    }
    uint32_t *slots = mem_alloc(cap * sizeof *slots);
    memset(slots, 0xff, cap * sizeof *slots);
    f->canonical = mem_zalloc_array(m->ntypes + 1, sizeof *f->canonical);
    for (uint32_t i = 0; i < m->ntypes; i++) {
        size_t s = hash_type(&m->types[i]) & (cap - 1);
        while (slots[s] != UINT32_MAX && !wasm_functype_eq(&m->types[slots[s]], &m->types[i])) {
            s = (s + 1) & (cap - 1);
        }
        if (slots[s] == UINT32_MAX) {
            slots[s] = i;
        }
        f->canonical[i] = slots[s];
    }
    mem_free(slots);
}

/* ---- instructions -------------------------------------------------------------------------------------- */

static void note_fixed_call(struct weirc_facts *f, uint32_t tableidx, uint32_t typeidx)
{
    typeidx = f->canonical[typeidx];
    for (size_t i = 0; i < f->ncalls; i++) {
        if (f->calls[i].table == tableidx && f->calls[i].type == typeidx) {
            return;
        }
    }
    f->calls = mem_realloc(f->calls, (f->ncalls + 1) * sizeof *f->calls);
    f->calls[f->ncalls++] = (struct weirc_fixed_call){.table = tableidx, .type = typeidx};
}

static void scan_instruction(struct weirc_facts *f, const struct wasm_instr *in)
{
    switch (in->op) {
    case OP_RETURN_CALL:
        f->tail_calls = true;
        break;
    case OP_RETURN_CALL_INDIRECT:
        f->tail_calls = true; /* fall through */
    case OP_CALL_INDIRECT:
        note_fixed_call(f, in->index2, in->index);
        break;
    case OP_TABLE_SET:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
    case OP_TABLE_COPY:
        f->tables[in->index].fixed = false;
        break;
    case OP_TABLE_INIT:
        f->tables[in->index2].fixed = false;
        break;
    default:
        break;
    }
}

static void scan_bodies(struct weirc_facts *f, const struct wasm_module *m)
{
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
        struct wasm_reader r = wasm_reader_of(m, m->funcs[i].body, m->funcs[i].body_end);
        struct wasm_instr in;
        while (r.at < r.end && wasm_instr_read(&r, &in, NULL) == WEIR_OK) {
            scan_instruction(f, &in);
        }
    }
}

/* ---- tables ----------------------------------------------------------------------------------------------
 */

/* The value of `i32.const n; end`. */
static bool constant(const struct wasm_module *m, struct wasm_constexpr e, uint16_t op, uint64_t *out)
{
    struct wasm_reader r = wasm_reader_of(m, e.at, e.end);
    struct wasm_instr in, end;
    if (wasm_instr_read(&r, &in, NULL) != WEIR_OK || wasm_instr_read(&r, &end, NULL) != WEIR_OK ||
        in.op != op || end.op != OP_END) {
        return false;
    }
    *out = op == OP_REF_FUNC ? in.index : in.bits;
    return true;
}

static bool fill_from(struct weirc_table *t, const struct wasm_module *m, const struct wasm_elem *e)
{
    uint64_t at, func;
    if (!constant(m, e->offset, OP_I32_CONST, &at) || at > t->len || e->n > t->len - at) {
        return false;
    }
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->funcs != NULL) {
            t->funcs[at + i] = e->funcs[i];
        } else if (constant(m, e->exprs[i], OP_REF_FUNC, &func)) {
            t->funcs[at + i] = (uint32_t)func;
        } else if (e->exprs[i].at[0] == OP_REF_NULL) {
            t->funcs[at + i] = UINT32_MAX;
        } else {
            return false;
        }
    }
    return true;
}

static void fill_tables(struct weirc_facts *f, const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->ntables; i++) {
        struct weirc_table *t = &f->tables[i];
        t->len = m->tables[i].type.limits.min;
        t->fixed = t->fixed && t->len <= FIXED_ENTRIES_MOST;
        if (!t->fixed) {
            continue;
        }
        t->funcs = mem_alloc((t->len + 1) * sizeof *t->funcs);
        memset(t->funcs, 0xff, t->len * sizeof *t->funcs);
    }
    for (uint32_t i = 0; i < m->nelems; i++) {
        struct weirc_table *t =
            m->elems[i].mode == WASM_SEGMENT_ACTIVE ? &f->tables[m->elems[i].tableidx] : NULL;
        if (t != NULL && t->fixed) {
            t->fixed = fill_from(t, m, &m->elems[i]);
        }
    }
}

/* Where the functions of a call's type are in its table. */
static void find_ranges(struct weirc_facts *f, const struct wasm_module *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < f->ncalls; i++) {
        struct weirc_fixed_call *c = &f->calls[i];
        const struct weirc_table *t = &f->tables[c->table];
        for (uint32_t k = 0; t->fixed && k < t->len; k++) {
            if (t->funcs[k] == UINT32_MAX || f->canonical[m->funcs[t->funcs[k]].typeidx] != c->type) {
                continue;
            }
            if (c->n == 0) {
                c->first = k;
            }
            c->n = k - c->first + 1;
        }
        total += c->n;
    }
    for (uint32_t i = 0; total > FIXED_ENTRIES_MOST && i < m->ntables; i++) {
        f->tables[i].fixed = false;
    }
}

void weirc_facts_init(struct weirc_facts *f, const struct wasm_module *m, const struct weirc_options *opt)
{
    *f = (struct weirc_facts){.ntables = m->ntables};
    find_names(f, m);
    find_canonical_types(f, m);
    f->tables = mem_zalloc_array(m->ntables + 1, sizeof *f->tables);
    for (uint32_t i = 0; i < m->ntables; i++) {
        f->tables[i].fixed = !m->tables[i].imported && m->tables[i].type.elem == WASM_FUNCREF;
    }
    for (uint32_t i = 0; i < m->nexports; i++) {
        if (m->exports[i].kind == WASM_EXTERN_TABLE && opt->open) {
            f->tables[m->exports[i].index].fixed = false;
        }
    }
    scan_bodies(f, m);
    fill_tables(f, m);
    find_ranges(f, m);
}

void weirc_facts_fini(struct weirc_facts *f, const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->nfuncs; i++) {
        mem_free(f->symbols[i]);
    }
    for (uint32_t i = 0; i < f->ntables; i++) {
        mem_free(f->tables[i].funcs);
    }
    mem_free(f->symbols);
    mem_free(f->names);
    mem_free(f->canonical);
    mem_free(f->calls);
    mem_free(f->tables);
}
