/* wasm/validate_func.c - the body of one function (core spec 3.3 and the appendix's algorithm).
 *
 * Two stacks: operand types, and the blocks that are open.  Instructions with a signature in opcodes.def
 * need only that and the check of their immediates; the others have a function each.  Lists of types
 * are compared as bytes: a call of one byte may take a thousand parameters, and must not make
 * validation slow. */
#include "wasm/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wasm/types.h"

typedef struct wasm_checker checker;

/* ---- operands ---- */

static struct validate_frame *top_frame(checker *c)
{
    return &vec_last(&c->frames);
}

static weir_status mismatch(checker *c, uint8_t want, uint8_t got)
{
    return validate_fail(c, WEIR_E_INVALID, "type mismatch: %s wants %s, the stack has %s", c->info->text,
                         wasm_valtype_name(want), wasm_valtype_name(got));
}

static weir_status mismatch_empty(checker *c, uint8_t want)
{
    return validate_fail(c, WEIR_E_INVALID, "type mismatch: %s wants %s, the stack has nothing in this block",
                         c->info->text, want == WASM_UNKNOWN ? "a value" : wasm_valtype_name(want));
}

static weir_status push(checker *c, uint8_t type)
{
    if (c->noperands == c->operands_cap) {
        weir_status st = validate_reserve(c, 1);
        if (st != WEIR_OK) {
            return st;
        }
    }
    c->operands[c->noperands++] = type;
    return WEIR_OK;
}

static weir_status push_list(checker *c, const uint8_t *types, uint32_t n)
{
    weir_status st = validate_reserve(c, n);
    if (st == WEIR_OK && n != 0) {
        memcpy(c->operands + c->noperands, types, n);
        c->noperands += n;
    }
    return st;
}

/* Any operand; *type may become WASM_UNKNOWN. */
static weir_status pop_any(checker *c, uint8_t *type)
{
    const struct validate_frame *frame = top_frame(c);

    if (c->noperands == frame->height) {
        if (!frame->unreachable) {
            return mismatch_empty(c, WASM_UNKNOWN);
        }
        *type = WASM_UNKNOWN;
        return WEIR_OK;
    }
    *type = c->operands[--c->noperands];
    return WEIR_OK;
}

static weir_status pop(checker *c, uint8_t want)
{
    const struct validate_frame *frame = top_frame(c);

    if (c->noperands == frame->height) {
        return frame->unreachable ? WEIR_OK : mismatch_empty(c, want);
    }
    uint8_t got = c->operands[--c->noperands];
    return got == want || got == WASM_UNKNOWN ? WEIR_OK : mismatch(c, want, got);
}

/* Are these `n` types on top of the stack?  *have says how many of them are there as operands; the others,
 * the first ones, come out of unreachable code. */
static weir_status check_list(checker *c, const uint8_t *types, uint32_t n, uint32_t *have)
{
    const struct validate_frame *frame = top_frame(c);
    uint32_t in_block = c->noperands - frame->height;

    *have = n;
    if (in_block < n) {
        if (!frame->unreachable) {
            return in_block == 0
                       ? mismatch_empty(c, types[n - 1])
                       : validate_fail(c, WEIR_E_INVALID,
                                       "type mismatch: %s wants %u values, the stack has %u in this block",
                                       c->info->text, n, in_block);
        }
        *have = in_block;
    }
    if (*have == 0) {
        return WEIR_OK;
    }
    const uint8_t *got = c->operands + c->noperands - *have;
    const uint8_t *want = types + n - *have;
    if (memcmp(got, want, *have) == 0) {
        return WEIR_OK;
    }
    for (uint32_t i = 0; i < *have; i++) {
        if (got[i] != want[i] && got[i] != WASM_UNKNOWN) {
            return mismatch(c, want[i], got[i]);
        }
    }
    return WEIR_OK;
}

static weir_status pop_list(checker *c, const uint8_t *types, uint32_t n)
{
    uint32_t have;
    weir_status st = check_list(c, types, n, &have);
    if (st == WEIR_OK) {
        c->noperands -= have;
    }
    return st;
}

/* The rest of this block cannot be reached: its stack gives whatever is asked for. */
static weir_status set_unreachable(checker *c)
{
    struct validate_frame *frame = top_frame(c);
    c->noperands = frame->height;
    frame->unreachable = true;
    return WEIR_OK;
}

/* ---- blocks ---- */

/* Every byte as a list of itself: the result list of a block with a single result type. */
static const uint8_t *single_type(uint8_t type)
{
    static const uint8_t types[] = {WASM_I32,  WASM_I64,     WASM_F32,      WASM_F64,
                                    WASM_V128, WASM_FUNCREF, WASM_EXTERNREF};
    return memchr(types, type, sizeof types);
}

static weir_status push_frame(checker *c, uint16_t op, const struct wasm_functype *type)
{
    if (c->frames.len == WASM_MAX_BLOCKS) {
        return validate_fail(c, WEIR_E_LIMIT, "more than %d blocks inside each other", WASM_MAX_BLOCKS);
    }
    struct validate_frame frame = {
        .params = type->params,
        .nparams = type->nparams,
        .results = type->results,
        .nresults = type->nresults,
        .height = c->noperands,
        .op = op,
    };
    vec_push(&c->frames, frame);
    return push_list(c, type->params, type->nparams);
}

static weir_status check_block(checker *c)
{
    struct wasm_functype type;
    uint8_t one = WASM_UNKNOWN;

    if (!wasm_block_type(c->m, c->in.block_type, &type, &one)) {
        return validate_fail(c, WEIR_E_INVALID, "unknown type %lld", (long long)c->in.block_type);
    }
    if (one != WASM_UNKNOWN) {
        type.results = single_type(one);
    }
    weir_status st = c->in.op == OP_IF ? pop(c, WASM_I32) : WEIR_OK;
    if (st == WEIR_OK) {
        st = pop_list(c, type.params, type.nparams);
    }
    return st != WEIR_OK ? st : push_frame(c, c->in.op, &type);
}

/* The results of the innermost block are on the stack, and nothing else. */
static weir_status check_block_end(checker *c)
{
    const struct validate_frame *frame = top_frame(c);
    weir_status st = pop_list(c, frame->results, frame->nresults);

    if (st == WEIR_OK && c->noperands != frame->height) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: %u values too many at the end of the block",
                             c->noperands - frame->height);
    }
    return st;
}

static weir_status check_else(checker *c)
{
    struct validate_frame *frame = top_frame(c);

    if (frame->op != OP_IF) {
        return validate_fail(c, WEIR_E_MALFORMED, "END opcode expected: else without if");
    }
    weir_status st = check_block_end(c);
    if (st != WEIR_OK) {
        return st;
    }
    frame->op = OP_ELSE;
    frame->unreachable = false;
    return push_list(c, frame->params, frame->nparams);
}

static weir_status check_end(checker *c)
{
    const struct validate_frame *frame = top_frame(c);
    weir_status st = check_block_end(c);

    if (st != WEIR_OK) {
        return st;
    }
    if (frame->op == OP_IF &&
        (frame->nparams != frame->nresults ||
         (frame->nparams != 0 && memcmp(frame->params, frame->results, frame->nparams) != 0))) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: if without else must leave what it takes");
    }
    struct validate_frame ended = vec_pop(&c->frames);
    return push_list(c, ended.results, ended.nresults);
}

/* ---- branches ---- */

static weir_status find_label(checker *c, uint32_t label, struct validate_frame **frame)
{
    if (label >= c->frames.len) {
        return validate_fail(c, WEIR_E_INVALID, "unknown label %u", label);
    }
    *frame = &c->frames.at[c->frames.len - 1 - label];
    return WEIR_OK;
}

/* The types a branch to this label takes. */
static const uint8_t *label_types(const struct validate_frame *frame, uint32_t *n)
{
    bool loop = frame->op == OP_LOOP;
    *n = loop ? frame->nparams : frame->nresults;
    return loop ? frame->params : frame->results;
}

static weir_status check_br(checker *c)
{
    struct validate_frame *frame = NULL;
    bool conditional = c->in.op == OP_BR_IF;
    weir_status st = find_label(c, c->in.index, &frame);

    if (st == WEIR_OK && conditional) {
        st = pop(c, WASM_I32);
    }
    if (st != WEIR_OK) {
        return st;
    }
    uint32_t n;
    const uint8_t *types = label_types(frame, &n);
    st = pop_list(c, types, n);
    if (st != WEIR_OK) {
        return st;
    }
    return conditional ? push_list(c, types, n) : set_unreachable(c);
}

/* Each label is checked once in a br_table, however often it stands there. */
static weir_status check_br_table(checker *c)
{
    struct wasm_instr labels = c->in;
    struct validate_frame *frame = NULL;
    uint32_t arity = 0;
    uint32_t stamp = ++c->nbr_tables;
    weir_status st = pop(c, WASM_I32);

    for (uint64_t i = 0; st == WEIR_OK && i <= labels.count; i++) {
        st = find_label(c, wasm_br_table_next(&labels), &frame);
        if (st != WEIR_OK || frame->stamp == stamp) {
            continue;
        }
        uint32_t n, have;
        const uint8_t *types = label_types(frame, &n);
        if (i == 0) {
            arity = n;
        } else if (n != arity) {
            return validate_fail(c, WEIR_E_INVALID, "type mismatch: br_table labels take %u and %u values",
                                 arity, n);
        }
        frame->stamp = stamp;
        st = check_list(c, types, n, &have);
    }
    return st != WEIR_OK ? st : set_unreachable(c);
}

static weir_status check_return(checker *c)
{
    const struct validate_frame *frame = &c->frames.at[0];
    weir_status st = pop_list(c, frame->results, frame->nresults);
    return st != WEIR_OK ? st : set_unreachable(c);
}

/* ---- calls ---- */

static weir_status check_func_index(checker *c)
{
    return c->in.index < c->m->nfuncs ? WEIR_OK
                                      : validate_fail(c, WEIR_E_INVALID, "unknown function %u", c->in.index);
}

static weir_status check_table_index(checker *c, uint32_t index)
{
    return index < c->m->ntables ? WEIR_OK : validate_fail(c, WEIR_E_INVALID, "unknown table %u", index);
}

static weir_status check_call_of(checker *c, const struct wasm_functype *type, bool tail)
{
    weir_status st = pop_list(c, type->params, type->nparams);

    if (st != WEIR_OK) {
        return st;
    }
    if (!tail) {
        return push_list(c, type->results, type->nresults);
    }
    const struct validate_frame *frame = &c->frames.at[0];
    if (type->nresults != frame->nresults ||
        (type->nresults != 0 && memcmp(type->results, frame->results, type->nresults) != 0)) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: %s of a function with other results",
                             c->info->text);
    }
    return set_unreachable(c);
}

static weir_status check_call(checker *c)
{
    weir_status st = check_func_index(c);
    return st != WEIR_OK ? st
                         : check_call_of(c, wasm_func_type(c->m, c->in.index), c->in.op == OP_RETURN_CALL);
}

static weir_status check_call_indirect(checker *c)
{
    weir_status st = check_table_index(c, c->in.index2);

    if (st != WEIR_OK) {
        return st;
    }
    if (c->m->tables[c->in.index2].type.elem != WASM_FUNCREF) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: %s through table %u of externref",
                             c->info->text, c->in.index2);
    }
    if (c->in.index >= c->m->ntypes) {
        return validate_fail(c, WEIR_E_INVALID, "unknown type %u", c->in.index);
    }
    st = pop(c, WASM_I32);
    return st != WEIR_OK ? st
                         : check_call_of(c, &c->m->types[c->in.index], c->in.op == OP_RETURN_CALL_INDIRECT);
}

/* ---- parametric, variables, references, tables ---- */

static weir_status check_drop(checker *c)
{
    uint8_t type;
    return pop_any(c, &type);
}

static weir_status check_select(checker *c)
{
    uint8_t a = WASM_UNKNOWN, b = WASM_UNKNOWN;
    weir_status st = pop(c, WASM_I32);

    if (st == WEIR_OK) {
        st = pop_any(c, &a);
    }
    if (st == WEIR_OK) {
        st = pop_any(c, &b);
    }
    if (st != WEIR_OK) {
        return st;
    }
    if (wasm_valtype_is_ref(a) || wasm_valtype_is_ref(b)) {
        return validate_fail(c, WEIR_E_INVALID, "type mismatch: select of references needs a type");
    }
    if (a != b && a != WASM_UNKNOWN && b != WASM_UNKNOWN) {
        return mismatch(c, a, b);
    }
    return push(c, a == WASM_UNKNOWN ? b : a);
}

static weir_status check_select_t(checker *c)
{
    if (c->in.count != 1) {
        return validate_fail(c, WEIR_E_INVALID, "invalid result arity");
    }
    uint8_t type = c->in.type;
    weir_status st = pop(c, WASM_I32);
    if (st == WEIR_OK) {
        st = pop(c, type);
    }
    if (st == WEIR_OK) {
        st = pop(c, type);
    }
    return st != WEIR_OK ? st : push(c, type);
}

static weir_status check_local(checker *c)
{
    if (c->in.index >= c->func->nlocals) {
        return validate_fail(c, WEIR_E_INVALID, "unknown local %u", c->in.index);
    }
    uint8_t type = c->func->locals[c->in.index];
    weir_status st = c->in.op == OP_LOCAL_GET ? WEIR_OK : pop(c, type);
    return st != WEIR_OK || c->in.op == OP_LOCAL_SET ? st : push(c, type);
}

static weir_status check_global(checker *c)
{
    if (c->in.index >= c->m->nglobals) {
        return validate_fail(c, WEIR_E_INVALID, "unknown global %u", c->in.index);
    }
    const struct wasm_globaltype *type = &c->m->globals[c->in.index].type;
    if (c->in.op == OP_GLOBAL_GET) {
        return push(c, type->type);
    }
    return type->mutable ? pop(c, type->type)
                         : validate_fail(c, WEIR_E_INVALID, "immutable global %u", c->in.index);
}

static weir_status check_ref(checker *c)
{
    uint8_t type;
    weir_status st;

    switch (c->in.op) {
    case OP_REF_NULL:
        return push(c, c->in.type);
    case OP_REF_FUNC:
        st = check_func_index(c);
        if (st == WEIR_OK && !c->m->funcs[c->in.index].referenced) {
            st = validate_fail(c, WEIR_E_INVALID, "undeclared function reference %u", c->in.index);
        }
        return st != WEIR_OK ? st : push(c, WASM_FUNCREF);
    default: /* ref.is_null */
        st = pop_any(c, &type);
        if (st == WEIR_OK && type != WASM_UNKNOWN && !wasm_valtype_is_ref(type)) {
            return validate_fail(c, WEIR_E_INVALID, "type mismatch: ref.is_null of %s",
                                 wasm_valtype_name(type));
        }
        return st != WEIR_OK ? st : push(c, WASM_I32);
    }
}

/* table.get, set, grow, fill: what is popped, in order, and what is pushed ('r': the table's type). */
static weir_status check_table_access(checker *c)
{
    weir_status st = check_table_index(c, c->in.index);
    if (st != WEIR_OK) {
        return st;
    }
    uint8_t elem = c->m->tables[c->in.index].type.elem;
    const uint8_t get[] = {WASM_I32}, set[] = {WASM_I32, elem}, grow[] = {elem, WASM_I32};
    const uint8_t fill[] = {WASM_I32, elem, WASM_I32};

    switch (c->in.op) {
    case OP_TABLE_GET:
        st = pop_list(c, get, 1);
        return st != WEIR_OK ? st : push(c, elem);
    case OP_TABLE_SET:
        return pop_list(c, set, 2);
    case OP_TABLE_GROW:
        st = pop_list(c, grow, 2);
        return st != WEIR_OK ? st : push(c, WASM_I32);
    default:
        return pop_list(c, fill, 3);
    }
}

/* ---- immediates of instructions with a signature ---- */

static weir_status check_memory_index(checker *c, uint32_t index)
{
    return index < c->m->nmemories ? WEIR_OK : validate_fail(c, WEIR_E_INVALID, "unknown memory %u", index);
}

static weir_status check_memarg(checker *c)
{
    weir_status st = check_memory_index(c, c->in.mem.memory);

    if (st != WEIR_OK) {
        return st;
    }
    if (c->in.mem.align > 4 || 1u << c->in.mem.align > c->info->access_bytes) {
        return validate_fail(c, WEIR_E_INVALID, "alignment must not be larger than natural");
    }
    if (c->in.mem.offset > UINT32_MAX) {
        return validate_fail(c, WEIR_E_INVALID, "offset out of range");
    }
    return WEIR_OK;
}

static weir_status check_lane(checker *c, uint8_t lane)
{
    return lane < c->info->lanes ? WEIR_OK : validate_fail(c, WEIR_E_INVALID, "invalid lane index %u", lane);
}

static weir_status check_shuffle(checker *c)
{
    weir_status st = WEIR_OK;
    for (int i = 0; st == WEIR_OK && i < 16; i++) {
        st = check_lane(c, c->in.v128[i]);
    }
    return st;
}

static weir_status check_data_index(checker *c)
{
    if (!c->m->has_data_count) {
        return validate_fail(c, WEIR_E_MALFORMED, "data count section required");
    }
    return c->in.index < c->m->ndatas
               ? WEIR_OK
               : validate_fail(c, WEIR_E_INVALID, "unknown data segment %u", c->in.index);
}

static weir_status check_elem_index(checker *c)
{
    return c->in.index < c->m->nelems
               ? WEIR_OK
               : validate_fail(c, WEIR_E_INVALID, "unknown elem segment %u", c->in.index);
}

static weir_status check_elem_types(checker *c, uint8_t to, uint8_t from)
{
    return to == from ? WEIR_OK
                      : validate_fail(c, WEIR_E_INVALID, "type mismatch: %s from %s to %s", c->info->text,
                                      wasm_valtype_name(from), wasm_valtype_name(to));
}

static weir_status check_table_copy(checker *c)
{
    weir_status st = check_table_index(c, c->in.index);
    if (st == WEIR_OK) {
        st = check_table_index(c, c->in.index2);
    }
    return st != WEIR_OK ? st
                         : check_elem_types(c, c->m->tables[c->in.index].type.elem,
                                            c->m->tables[c->in.index2].type.elem);
}

static weir_status check_table_init(checker *c)
{
    weir_status st = check_table_index(c, c->in.index2);
    if (st == WEIR_OK) {
        st = check_elem_index(c);
    }
    return st != WEIR_OK
               ? st
               : check_elem_types(c, c->m->tables[c->in.index2].type.elem, c->m->elems[c->in.index].type);
}

static weir_status check_immediates(checker *c)
{
    weir_status st;

    switch (c->info->imm) {
    case IMM_MEMARG:
        return check_memarg(c);
    case IMM_MEMARG_LANE:
        st = check_memarg(c);
        return st != WEIR_OK ? st : check_lane(c, c->in.mem.lane);
    case IMM_LANE:
        return check_lane(c, c->in.lane);
    case IMM_SHUFFLE:
        return check_shuffle(c);
    case IMM_MEMORY:
        return check_memory_index(c, c->in.index);
    case IMM_MEMORY_MEMORY:
        st = check_memory_index(c, c->in.index);
        return st != WEIR_OK ? st : check_memory_index(c, c->in.index2);
    case IMM_DATA_MEMORY:
        st = check_memory_index(c, c->in.index2);
        return st != WEIR_OK ? st : check_data_index(c);
    case IMM_DATA:
        return check_data_index(c);
    case IMM_ELEM:
        return check_elem_index(c);
    case IMM_TABLE:
        return check_table_index(c, c->in.index);
    case IMM_TABLE_TABLE:
        return check_table_copy(c);
    case IMM_ELEM_TABLE:
        return check_table_init(c);
    default: /* constants, none */
        return WEIR_OK;
    }
}

/* "ii:i": what goes and what comes, at most one. */
static weir_status apply_signature(checker *c, const char *sig)
{
    static const uint8_t type_of[128] = {
        ['i'] = WASM_I32, ['I'] = WASM_I64, ['f'] = WASM_F32, ['F'] = WASM_F64, ['v'] = WASM_V128,
    };
    uint8_t params[4];
    uint32_t n = 0;

    for (; *sig != ':'; sig++) {
        params[n++] = type_of[(unsigned char)*sig];
    }
    while (n-- > 0) {
        weir_status st = pop(c, params[n]);
        if (st != WEIR_OK) {
            return st;
        }
    }
    return sig[1] == '\0' ? WEIR_OK : push(c, type_of[(unsigned char)sig[1]]);
}

/* ---- the body ---- */

static weir_status check_instr(checker *c)
{
    if (c->info->sig != NULL) {
        weir_status st = c->info->imm == IMM_NONE ? WEIR_OK : check_immediates(c);
        return st != WEIR_OK ? st : apply_signature(c, c->info->sig);
    }
    switch (c->in.op) {
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        return check_local(c);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        return check_global(c);
    case OP_UNREACHABLE:
        return set_unreachable(c);
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
        return check_block(c);
    case OP_ELSE:
        return check_else(c);
    case OP_END:
        return check_end(c);
    case OP_BR:
    case OP_BR_IF:
        return check_br(c);
    case OP_BR_TABLE:
        return check_br_table(c);
    case OP_RETURN:
        return check_return(c);
    case OP_CALL:
    case OP_RETURN_CALL:
        return check_call(c);
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        return check_call_indirect(c);
    case OP_DROP:
        return check_drop(c);
    case OP_SELECT:
        return check_select(c);
    case OP_SELECT_T:
        return check_select_t(c);
    case OP_REF_NULL:
    case OP_REF_IS_NULL:
    case OP_REF_FUNC:
        return check_ref(c);
    case OP_TABLE_GET:
    case OP_TABLE_SET:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
        return check_table_access(c);
    default:
        return validate_fail(c, WEIR_E_INVALID, "no rule for %s", c->info->text);
    }
}

weir_status validate_reserve(struct wasm_checker *c, uint32_t n)
{
    size_t want = (size_t)c->noperands + n;

    if (want > WASM_MAX_OPERANDS) {
        return validate_fail(c, WEIR_E_LIMIT, "more than %d values on the stack", WASM_MAX_OPERANDS);
    }
    if (want > c->operands_cap) {
        c->operands = vec_grow(c->operands, &c->operands_cap, want, 1);
    }
    return WEIR_OK;
}

weir_status validate_fail(struct wasm_checker *c, weir_status st, const char *fmt, ...)
{
    char message[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return weir_report_set(c->rep, st, c->in.offset, c->reader.section, "%s", message);
}

weir_status validate_func(struct wasm_checker *c, const struct wasm_func *func)
{
    struct wasm_functype type = c->m->types[func->typeidx];

    c->reader = wasm_reader_of(c->m, func->body, func->body_end);
    c->func = func;
    c->nbr_tables = 0;
    c->noperands = 0;
    vec_clear(&c->frames);
    type.nparams = 0; /* they are locals; a branch to the function takes its results */
    weir_status st = push_frame(c, OP_BLOCK, &type);
    while (st == WEIR_OK && c->frames.len != 0) {
        st = wasm_instr_read(&c->reader, &c->in, c->rep);
        if (st == WEIR_OK) {
            c->info = wasm_op_info(c->in.op);
            st = check_instr(c);
        }
    }
    if (st == WEIR_OK && c->reader.at != c->reader.end) {
        return validate_fail(c, WEIR_E_MALFORMED,
                             "section size mismatch: bytes after the end of the function");
    }
    return st;
}
