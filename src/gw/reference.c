/* gw/reference.c - the tables of fields as Markdown, for docs/configuration.md. */
#include "gw/load.h"
#include "gw/schema.h"

static void add_type_of(const struct gw_field *f, struct strbuf *out)
{
    static const char *const names[] = {
        [GW_F_STRING] = "string",     [GW_F_STRINGS] = "list of strings",
        [GW_F_BOOL] = "true, false",  [GW_F_UINT] = "number",
        [GW_F_INT] = "number",        [GW_F_DURATION] = "time",
        [GW_F_SIZE] = "bytes",        [GW_F_CHOICE] = "",
        [GW_F_ADDRESS] = "host:port", [GW_F_JSON] = "any mapping",
        [GW_F_VARIANT] = "string",    [GW_F_BACKEND] = "string",
        [GW_F_OBJECT] = "mapping",    [GW_F_OPTIONAL] = "mapping",
        [GW_F_LIST] = "list",         [GW_F_PEM] = "PEM or file",
    };

    strbuf_add(out, str_of(f->variant == GW_MATCH_PRESENT ? "true" : names[f->kind]));
    for (const struct gw_choice *c = f->choices; c != NULL && c->name != NULL; c++) {
        strbuf_printf(out, "%s`%s`", c == f->choices ? "" : ", ", c->name);
    }
    if (f->kind == GW_F_UINT || (f->kind == GW_F_INT && f->max != INT32_MAX)) {
        strbuf_printf(out, ", %lld to %lld", (long long)f->min, (long long)f->max);
    }
}

/* In a cell of a table a bar is escaped, in code too. */
static void add_cell(const char *text, struct strbuf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            strbuf_add_char(out, '\\');
        }
        strbuf_add_char(out, *text);
    }
}

static void add_type(const struct gw_type *t, struct strbuf *out)
{
    strbuf_printf(out, "### %s\n\n%s%s", t->name, t->about == NULL ? "" : t->about,
                  t->about == NULL ? "" : "\n\n");
    strbuf_add(out, STR("| field | type | default | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < t->nfields; i++) {
        const struct gw_field *f = &t->fields[i];
        strbuf_printf(out, "| `%s`", f->name);
        if (f->alias != NULL) {
            strbuf_printf(out, " or `%s`", f->alias);
        }
        strbuf_add(out, STR(" | "));
        add_type_of(f, out);
        if (f->required) {
            strbuf_add(out, STR(" | required"));
        } else {
            strbuf_printf(out, " | %s%s%s", f->fallback == NULL ? "" : "`",
                          f->fallback == NULL ? "" : f->fallback, f->fallback == NULL ? "" : "`");
        }
        strbuf_add(out, STR(" | "));
        add_cell(f->doc, out);
        strbuf_add(out, STR(" |\n"));
    }
    strbuf_add_char(out, '\n');
    for (size_t i = 0; i < t->nfields; i++) {
        if (t->fields[i].type != NULL) {
            add_type(t->fields[i].type, out);
        }
    }
}

void gw_config_write_reference(struct strbuf *out)
{
    add_type(&gw_type_config, out);
}
