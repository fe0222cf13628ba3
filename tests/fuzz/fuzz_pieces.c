/* Any text as a configuration, read as a whole and part by part, first with an empty cache, then with a full
 * one, then after one line went and came back: the same status, the same model, the same problems. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gw/load.h"

/* All that can be known of what came of it. */
static void load(struct str text, struct gw_pieces *pieces, struct strbuf *out)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;

    gw_problems_init(&problems);
    weir_status st = gw_config_load_cached("f", text, pieces, &c, &problems);
    strbuf_printf(out, "%d\n", (int)st);
    for (size_t i = 0; i < problems.list.len; i++) {
        gw_problem_format(&problems.list.at[i], out);
        strbuf_add_char(out, '\n');
    }
    if (st == WEIR_OK) {
        gw_config_write(c, out);
        for (uint32_t i = 0; i < c->nroutes; i++) {
            strbuf_printf(out, "%u ", c->routes[i].at.line);
            for (uint32_t k = 0; k < c->routes[i].nbackends; k++) {
                strbuf_printf(out, "%u,", c->routes[i].backends[k].service);
            }
        }
        for (uint32_t i = 0; i < c->nplugins; i++) {
            strbuf_printf(out, "%u %u ", c->plugins[i].at.line, c->plugins[i].nconfigs);
        }
    }
    gw_config_free(c);
    gw_problems_fini(&problems);
}

static void compare(struct str text, struct gw_pieces *pieces)
{
    struct strbuf whole = {0}, parts = {0};

    load(text, NULL, &whole);
    load(text, pieces, &parts);
    WEIR_ASSERT(str_eq(strbuf_str(&whole), strbuf_str(&parts)));
    strbuf_fini(&whole);
    strbuf_fini(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_pieces pieces = {0};
    struct str text = str_make(data, size);
    struct strbuf less = {0};

    compare(text, &pieces);
    compare(text, &pieces);
    size_t line = str_find_char(text, '\n');
    strbuf_add(&less, str_slice(text, line + 1, size));
    compare(strbuf_str(&less), &pieces);
    compare(text, &pieces);
    gw_pieces_fini(&pieces);
    strbuf_fini(&less);
    return 0;
}
