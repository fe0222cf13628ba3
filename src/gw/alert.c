/* gw/alert.c - templates of alerts, and the checks of their fields. */
#include "gw/alert.h"

#include <string.h>

#include "gw/values.h"

static const char *const names[] = {
#define X(name) #name,
    GW_ALERT_VALUES(X)
#undef X
};

/* ---- templates ---------------------------------------------------------------------------- */

/* The inside of a JSON string. */
static void add_escaped(struct strbuf *out, struct str value)
{
    struct strbuf quoted = {0};

    strbuf_add_json(&quoted, value);
    strbuf_add(out, str_slice(strbuf_str(&quoted), 1, quoted.len - 1));
    strbuf_fini(&quoted);
}

static int find_value(struct str name)
{
    int i = 0;
    while (i < GW_ALERT_NVALUES && !str_eq(name, str_of(names[i]))) {
        i++;
    }
    return i;
}

/* Behind "${": the name and its brace are taken off `rest`. */
static const char *take_placeholder(struct str *rest, const struct str *values, struct strbuf *out)
{
    size_t end = str_find_char(*rest, '}');
    int value = find_value(str_slice(*rest, 0, end));

    if (end == rest->len || value == GW_ALERT_NVALUES) {
        return "has a ${NAME} that is none of text, id, plugin, sha256, trap, callback, function, at, route, "
               "request, count, missed";
    }
    *rest = str_slice(*rest, end + 1, rest->len);
    if (values != NULL) {
        add_escaped(out, values[value]);
    }
    return NULL;
}

const char *gw_alert_render(struct str template, const struct str *values, struct strbuf *out)
{
    struct str rest = str_trim(template);
    bool inside = false; /* of a string */

    if (rest.len == 0 || rest.at[0] != '{' || rest.at[rest.len - 1] != '}') {
        return "must be a JSON object";
    }
    while (rest.len != 0) {
        char c = rest.at[0];
        size_t n = inside && c == '\\' && rest.len > 1 ? 2 : 1;
        if (str_starts_with(rest, STR("${"))) {
            rest = str_slice(rest, 2, rest.len);
            const char *wrong = inside ? take_placeholder(&rest, values, out)
                                       : "has a ${NAME} that is not inside of a string";
            if (wrong != NULL) {
                return wrong;
            }
            continue;
        }
        if (inside && (unsigned char)c < ' ') {
            return "has a control character in a string";
        }
        inside = inside != (c == '"');
        if (values != NULL) {
            strbuf_add(out, str_slice(rest, 0, n));
        }
        rest = str_slice(rest, n, rest.len);
    }
    return inside ? "has a string without an end" : NULL;
}

/* ---- fields --------------------------------------------------------------------------------- */

bool gw_check_alert_template(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                             struct str *value)
{
    const char *wrong = gw_alert_render(*value, NULL, NULL);

    if (wrong != NULL) {
        gw_problem_at(r, node, path, "%s", wrong);
    }
    return wrong == NULL;
}

bool gw_check_alert_url(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                        struct str *value)
{
    bool ok = str_starts_with(*value, STR("http://")) || str_starts_with(*value, STR("https://"));

    for (size_t i = 0; ok && i < value->len; i++) {
        ok = (unsigned char)value->at[i] > ' ' && value->at[i] != 0x7f;
    }
    if (!ok) {
        gw_problem_at(r, node, path, "must be http://... or https://...");
    }
    return ok;
}

void gw_check_alert(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object)
{
    const struct gw_alert *a = object;

    if ((a->url.len == 0) == (a->url_file.len == 0)) {
        gw_problem_at(r, node, path, "needs one of url and urlFile");
    }
}
