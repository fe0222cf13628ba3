/* wasm/validate.c - is the module valid (core spec 3.4)?  The index spaces, constant expressions,
 * segments and exports here; bodies in validate_func.c.
 *
 * Everything but the bodies comes first, because a body may need any of it; so the set of functions
 * that ref.func may name (C.refs) is complete when the first body is read. */
#include "wasm/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "wasm/types.h"

typedef struct wasm_checker checker;

static weir_status invalid(checker *c, const char *section, const char *text, uint32_t index)
{
    return weir_report_set(c->rep, WEIR_E_INVALID, WEIR_NO_OFFSET, section, "%s %u", text, index);
}

/* ---- types of the index spaces ---- */

static weir_status check_limits(checker *c, const struct wasm_limits *limits, const char *section,
                                uint32_t index)
{
    return !limits->has_max || limits->min <= limits->max
               ? WEIR_OK
               : invalid(c, section, "size minimum must not be greater than maximum: index", index);
}

static weir_status check_spaces(checker *c)
{
    const struct wasm_module *m = c->m;
    weir_status st = WEIR_OK;

    for (uint32_t i = 0; i < m->nfuncs; i++) {
        if (m->funcs[i].typeidx >= m->ntypes) {
            return invalid(c, m->funcs[i].imported ? "import" : "function", "unknown type",
                           m->funcs[i].typeidx);
        }
    }
    for (uint32_t i = 0; st == WEIR_OK && i < m->ntables; i++) {
        st = check_limits(c, &m->tables[i].type.limits, "table", i);
    }
    for (uint32_t i = 0; st == WEIR_OK && i < m->nmemories; i++) {
        const struct wasm_limits *limits = &m->memories[i].limits;
        if (limits->min > WASM_MAX_PAGES || (limits->has_max && limits->max > WASM_MAX_PAGES)) {
            return invalid(c, "memory", "memory size must be at most 65536 pages (4GiB): index", i);
        }
        st = check_limits(c, limits, "memory", i);
    }
    if (st == WEIR_OK && m->nmemories > 1 && (m->features & WASM_FEATURE_MULTI_MEMORY) == 0) {
        return weir_report_set(c->rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "memory", "multiple memories");
    }
    return st;
}

/* ---- constant expressions ---- */

static weir_status constexpr_pop(checker *c, uint8_t want)
{
    if (c->noperands == 0) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: %s wants %s, the stack has nothing",
                             c->info->text, wasm_valtype_name(want));
    }
    uint8_t got = c->operands[--c->noperands];
    return got == want ? WEIR_OK
                       : validate_fail(c, WEIR_E_INVALID, "type mismatch: %s wants %s, the stack has %s",
                                       c->info->text, wasm_valtype_name(want), wasm_valtype_name(got));
}

static weir_status constexpr_push(checker *c, uint8_t type)
{
    weir_status st = validate_reserve(c, 1);
    if (st == WEIR_OK) {
        c->operands[c->noperands++] = type;
    }
    return st;
}

static weir_status constexpr_global(checker *c, uint32_t nglobals)
{
    if (c->in.index >= nglobals) {
        return validate_fail(c, WEIR_E_INVALID, "unknown global %u", c->in.index);
    }
    const struct wasm_globaltype *type = &c->m->globals[c->in.index].type;
    if (type->mutable) {
        return validate_fail(c, WEIR_E_INVALID, "constant expression required: global %u is mutable",
                             c->in.index);
    }
    return constexpr_push(c, type->type);
}

static weir_status constexpr_binary(checker *c, uint8_t type)
{
    if ((c->m->features & WASM_FEATURE_EXTENDED_CONST) == 0) {
        return validate_fail(c, WEIR_E_INVALID, "constant expression required: extended ones are off");
    }
    weir_status st = constexpr_pop(c, type);
    if (st == WEIR_OK) {
        st = constexpr_pop(c, type);
    }
    return st != WEIR_OK ? st : constexpr_push(c, type);
}

static weir_status constexpr_instr(checker *c, uint32_t nglobals)
{
    switch (c->in.op) {
    case OP_I32_CONST:
        return constexpr_push(c, WASM_I32);
    case OP_I64_CONST:
        return constexpr_push(c, WASM_I64);
    case OP_F32_CONST:
        return constexpr_push(c, WASM_F32);
    case OP_F64_CONST:
        return constexpr_push(c, WASM_F64);
    case OP_V128_CONST:
        return constexpr_push(c, WASM_V128);
    case OP_REF_NULL:
        return constexpr_push(c, c->in.type);
    case OP_REF_FUNC:
        if (c->in.index >= c->m->nfuncs) {
            return validate_fail(c, WEIR_E_INVALID, "unknown function %u", c->in.index);
        }
        c->m->funcs[c->in.index].referenced = true;
        return constexpr_push(c, WASM_FUNCREF);
    case OP_GLOBAL_GET:
        return constexpr_global(c, nglobals);
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
        return constexpr_binary(c, WASM_I32);
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL:
        return constexpr_binary(c, WASM_I64);
    default:
        return validate_fail(c, WEIR_E_INVALID, "constant expression required: %s is not constant",
                             c->info->text);
    }
}

weir_status validate_constexpr(struct wasm_checker *c, const struct wasm_constexpr *expr, uint8_t type,
                               uint32_t nglobals, const char *section)
{
    weir_status st;

    c->reader = wasm_reader_of(c->m, expr->at, expr->end);
    c->reader.section = section;
    c->noperands = 0;
    do {
        st = wasm_instr_read(&c->reader, &c->in, c->rep);
        if (st != WEIR_OK) {
            return st;
        }
        c->info = wasm_op_info(c->in.op);
        if (c->in.op == OP_END) {
            break;
        }
        st = constexpr_instr(c, nglobals);
    } while (st == WEIR_OK);
    if (st == WEIR_OK) {
        st = constexpr_pop(c, type);
    }
    if (st == WEIR_OK && c->noperands != 0) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: %u values too many in a constant expression",
                             c->noperands);
    }
    return st;
}

/* ---- globals, segments ---- */

/* An initial value may use the globals before it. */
static weir_status check_globals(checker *c)
{
    const struct wasm_module *m = c->m;
    weir_status st = WEIR_OK;

    for (uint32_t i = m->nimported_globals; st == WEIR_OK && i < m->nglobals; i++) {
        st = validate_constexpr(c, &m->globals[i].init, m->globals[i].type.type, i, "global");
    }
    return st;
}

static weir_status check_elem(checker *c, const struct wasm_elem *elem)
{
    struct wasm_module *m = c->m;
    weir_status st = WEIR_OK;

    if (elem->mode == WASM_SEGMENT_ACTIVE) {
        if (elem->tableidx >= m->ntables) {
            return invalid(c, "element", "unknown table", elem->tableidx);
        }
        if (m->tables[elem->tableidx].type.elem != elem->type) {
            return invalid(c, "element", "type mismatch: elements are not of the type of table",
                           elem->tableidx);
        }
        st = validate_constexpr(c, &elem->offset, WASM_I32, m->nglobals, "element");
    }
    for (uint32_t i = 0; st == WEIR_OK && i < elem->n; i++) {
        if (elem->exprs != NULL) {
            st = validate_constexpr(c, &elem->exprs[i], elem->type, m->nglobals, "element");
        } else if (elem->funcs[i] >= m->nfuncs) {
            st = invalid(c, "element", "unknown function", elem->funcs[i]);
        } else {
            m->funcs[elem->funcs[i]].referenced = true;
        }
    }
    return st;
}

static weir_status check_segments(checker *c)
{
    const struct wasm_module *m = c->m;
    weir_status st = WEIR_OK;

    for (uint32_t i = 0; st == WEIR_OK && i < m->nelems; i++) {
        st = check_elem(c, &m->elems[i]);
    }
    for (uint32_t i = 0; st == WEIR_OK && i < m->ndatas; i++) {
        const struct wasm_data *data = &m->datas[i];
        if (data->mode != WASM_SEGMENT_ACTIVE) {
            continue;
        }
        if (data->memidx >= m->nmemories) {
            return invalid(c, "data", "unknown memory", data->memidx);
        }
        st = validate_constexpr(c, &data->offset, WASM_I32, m->nglobals, "data");
    }
    return st;
}

/* ---- exports, start ---- */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorting finds them in n log n whatever the names are; a table could be flooded. */
static weir_status check_export_names(checker *c)
{
    uint32_t n = c->m->nexports;
    struct str *names = mem_zalloc_array(n, sizeof *names);
    weir_status st = WEIR_OK;

    for (uint32_t i = 0; i < n; i++) {
        names[i] = c->m->exports[i].name;
    }
    qsort(names, n, sizeof *names, compare_names);
    for (uint32_t i = 1; st == WEIR_OK && i < n; i++) {
        if (str_eq(names[i - 1], names[i])) {
            st = weir_report_set(c->rep, WEIR_E_INVALID, WEIR_NO_OFFSET, "export",
                                 "duplicate export name \"%.*s\"",
                                 (int)(names[i].len > 100 ? 100 : names[i].len), names[i].at);
        }
    }
    mem_free(names);
    return st;
}

static weir_status check_exports(checker *c)
{
    struct wasm_module *m = c->m;
    const struct {
        const char *unknown;
        uint32_t n;
    } spaces[] = {
        [WASM_EXTERN_FUNC] = {"unknown function", m->nfuncs},
        [WASM_EXTERN_TABLE] = {"unknown table", m->ntables},
        [WASM_EXTERN_MEMORY] = {"unknown memory", m->nmemories},
        [WASM_EXTERN_GLOBAL] = {"unknown global", m->nglobals},
    };

    for (uint32_t i = 0; i < m->nexports; i++) {
        const struct wasm_export *export = &m->exports[i];
        if (export->index >= spaces[export->kind].n) {
            return invalid(c, "export", spaces[export->kind].unknown, export->index);
        }
        if (export->kind == WASM_EXTERN_FUNC) {
            m->funcs[export->index].referenced = true;
        }
    }
    return check_export_names(c);
}

static weir_status check_start(checker *c)
{
    const struct wasm_module *m = c->m;

    if (!m->has_start) {
        return WEIR_OK;
    }
    if (m->start >= m->nfuncs) {
        return invalid(c, "start", "unknown function", m->start);
    }
    const struct wasm_functype *type = wasm_func_type(m, m->start);
    return type->nparams == 0 && type->nresults == 0
               ? WEIR_OK
               : invalid(c, "start", "start function must take and return nothing: function", m->start);
}

/* ---- the module ---- */

static void name_function(const struct wasm_module *m, uint32_t funcidx, struct weir_report *rep)
{
    struct str name = wasm_func_name(m, funcidx);

    if (name.len != 0) {
        int len = name.len > sizeof rep->function - 16 ? (int)sizeof rep->function - 16 : (int)name.len;
        snprintf(rep->function, sizeof rep->function, "%.*s[%u]", len, name.at, funcidx);
    } else {
        snprintf(rep->function, sizeof rep->function, "%u", funcidx);
    }
}

static weir_status check_bodies(checker *c)
{
    const struct wasm_module *m = c->m;
    bool silent = c->rep == NULL || c->rep->status != WEIR_OK;
    weir_status st = WEIR_OK;

    for (uint32_t i = m->nimported_funcs; st == WEIR_OK && i < m->nfuncs; i++) {
        st = validate_func(c, &m->funcs[i]);
        if (st != WEIR_OK && !silent) {
            name_function(m, i, c->rep);
        }
    }
    return st;
}

weir_status wasm_module_validate(struct wasm_module *m, struct weir_report *rep)
{
    static weir_status (*const checks[])(checker *c) = {
        check_spaces, check_globals, check_exports, check_start, check_segments, check_bodies,
    };
    struct wasm_checker c = {.m = m, .rep = rep};
    weir_status st = WEIR_OK;

    for (size_t i = 0; st == WEIR_OK && i < sizeof checks / sizeof *checks; i++) {
        st = checks[i](&c);
    }
    mem_free(c.operands);
    vec_fini(&c.frames);
    return st;
}
