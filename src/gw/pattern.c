/* gw/pattern.c - PCRE2 with limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "gw/pattern.h"

#include <pcre2.h>
#include <stdio.h>

#include "base/mem.h"

struct gw_pattern {
    pcre2_code *code;
    pcre2_match_data *scratch; /* a pattern belongs to one thread */
    pcre2_match_context *limits;
};

struct gw_pattern *gw_pattern_new(struct str text, char *error, size_t cap)
{
    int code;
    PCRE2_SIZE offset;

    if (text.len > GW_PATTERN_MAX_BYTES) {
        snprintf(error, cap, "longer than %d bytes", GW_PATTERN_MAX_BYTES);
        return NULL;
    }
    /* DOTALL: a client must not get past an expression with an encoded newline. */
    uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOTALL;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text.at, text.len, options, &code, &offset, NULL);
    if (compiled == NULL) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        snprintf(error, cap, "%s at character %zu", message, (size_t)offset + 1);
        return NULL;
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where it cannot, pcre2_match interprets */

    struct gw_pattern *p = mem_zalloc(sizeof *p);
    p->code = compiled;
    p->scratch = pcre2_match_data_create_from_pattern(compiled, NULL);
    p->limits = pcre2_match_context_create(NULL);
    WEIR_ASSERT(p->scratch != NULL && p->limits != NULL);
    pcre2_set_match_limit(p->limits, GW_PATTERN_STEPS);
    return p;
}

void gw_pattern_free(struct gw_pattern *p)
{
    if (p != NULL) {
        pcre2_code_free(p->code);
        pcre2_match_data_free(p->scratch);
        pcre2_match_context_free(p->limits);
        mem_free(p);
    }
}

enum gw_answer gw_pattern_match(const struct gw_pattern *p, struct str subject)
{
    PCRE2_SPTR at = (PCRE2_SPTR)(subject.at == NULL ? "" : subject.at);
    int rc = pcre2_match(p->code, at, subject.len, 0, 0, p->scratch, p->limits);

    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) { /* the interpreter's stack is the heap */
        rc = pcre2_match(p->code, at, subject.len, 0, PCRE2_NO_JIT, p->scratch, p->limits);
    }
    return rc >= 0 ? GW_YES : rc == PCRE2_ERROR_NOMATCH ? GW_NO : GW_UNKNOWN;
}

struct str gw_pattern_group(const struct gw_pattern *p, struct str subject, uint32_t n)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->scratch);
    bool found = n < pcre2_get_ovector_count(p->scratch) && at[2 * n] != PCRE2_UNSET;
    return found ? str_slice(subject, at[2 * n], at[2 * n + 1]) : STR("");
}
