/* What the tests of src/gw share: loading text, and showing problems. */
#ifndef GW_TEST_H
#define GW_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gw/generation.h"
#include "gw/load.h"

/* All problems, one a line. */
static inline void problems_text(const struct gw_problems *p, struct strbuf *out)
{
    for (size_t i = 0; i < p->list.len; i++) {
        gw_problem_format(&p->list.at[i], out);
        strbuf_add_char(out, '\n');
    }
}

/* The model of a text without problems. */
static inline struct gw_config *load_good(const char *text)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;

    gw_problems_init(&problems);
    weir_status st = gw_config_load_text("t", str_of(text), &c, &problems);
    if (st != WEIR_OK) {
        struct strbuf all = {0};
        problems_text(&problems, &all);
        fail_msg("%s", all.at);
    }
    assert_int_equal(problems.nerrors, 0);
    gw_problems_fini(&problems);
    return c;
}

static inline void assert_str(struct str s, const char *expected)
{
    char *copy = mem_strndup(s.at == NULL ? "" : s.at, s.len);
    assert_string_equal(copy, expected);
    mem_free(copy);
}

#endif
