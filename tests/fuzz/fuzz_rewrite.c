/* Any expression and replacement, any path: "REGEX\nREPLACEMENT\nPATH".  What the check accepts replaces
 * without reading past a group, and a path it does not match stays. */
#include <stdint.h>

#include "gw/generation.h"
#include "gw/load.h"

static struct str take_line(struct str *rest)
{
    size_t n = str_find_char(*rest, '\n');
    struct str line = str_slice(*rest, 0, n);

    *rest = str_slice(*rest, n + (n < rest->len), rest->len);
    return line;
}

static void rewrite(struct gw_config *c, struct str path)
{
    struct gw_generation *g = gw_generation_build(c);
    struct strbuf out = {0};
    bool changed = gw_generation_rewrite_path(g, 0, path, &out);

    WEIR_ASSERT(changed ? out.len != 0 && out.at[0] == '/' : out.len == 0);
    /* a group at most for each two characters */
    WEIR_ASSERT(out.len <= c->routes[0].rewrite.replacement.len * (path.len + 1));
    strbuf_fini(&out);
    gw_generation_unref(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make(data, size), regex = take_line(&rest), replacement = take_line(&rest);
    struct strbuf text = {0};
    struct gw_problems problems;
    struct gw_config *c = NULL;

    strbuf_printf(&text, "{\"services\":[{\"name\":\"s\",\"endpoints\":[\"127.0.0.1:1\"]}],"
                         "\"routes\":[{\"name\":\"r\",\"service\":\"s\",\"rewrite\":{\"regex\":");
    strbuf_add_json(&text, regex);
    strbuf_printf(&text, ",\"replacement\":");
    strbuf_add_json(&text, replacement);
    strbuf_printf(&text, "}}]}");
    gw_problems_init(&problems);
    if (gw_config_load_text("f", strbuf_str(&text), &c, &problems) == WEIR_OK) {
        rewrite(c, rest);
    }
    gw_problems_fini(&problems);
    strbuf_fini(&text);
    return 0;
}
