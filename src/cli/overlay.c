/* cli/overlay.c - a JSON object in a file. */
#include "cli/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/publish.h"

static void path_of(const char *state_dir, struct strbuf *out)
{
    strbuf_printf(out, "%s/" OVERLAY_FILE, state_dir);
}

weir_status overlay_read(const char *state_dir, json_t **out, struct weir_report *rep)
{
    struct strbuf path = {0};
    json_error_t error;
    weir_status st = WEIR_OK;

    path_of(state_dir, &path);
    json_t *json =
        access(path.at, F_OK) != 0 && errno == ENOENT ? json_object() : json_load_file(path.at, 0, &error);
    if (json_is_object(json)) {
        *out = json;
    } else {
        st = weir_report_set(
            rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "",
            "%s has the parts that the API wrote and is damaged (%s); mend it or move it away", path.at,
            json == NULL ? error.text : "no object");
        json_decref(json);
    }
    strbuf_fini(&path);
    return st;
}

void overlay_text(const json_t *overlay, struct strbuf *out)
{
    if (json_object_size(overlay) != 0) {
        char *text = json_dumps(overlay, JSON_INDENT(1));
        strbuf_printf(out, "%s\n", text == NULL ? "" : text);
        free(text);
    }
}

weir_status overlay_write(const char *state_dir, const json_t *overlay, struct weir_report *rep)
{
    struct strbuf path = {0};
    char *text = json_dumps(overlay, JSON_INDENT(1));

    path_of(state_dir, &path);
    weir_status st = text == NULL
                         ? weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "", "no memory for %s", path.at)
                         : publish_file_durably(path.at, str_of(text), rep);
    free(text);
    strbuf_fini(&path);
    return st;
}

/* What a part is called, as gw/parts.h says. */
static const char *name_of(const json_t *part)
{
    const char *name = json_string_value(json_object_get(part, "name"));
    return name != NULL ? name : json_string_value(json_object_get(part, "address")); /* as put_part has it */
}

static size_t find(const json_t *list, const char *name)
{
    size_t i = 0;

    while (i < json_array_size(list)) {
        const char *own = name_of(json_array_get(list, i));
        if (own != NULL && strcmp(own, name) == 0) {
            break;
        }
        i++;
    }
    return i;
}

bool overlay_has(const json_t *overlay, const char *kind, const char *name)
{
    const json_t *list = json_object_get(overlay, kind);
    return find(list, name) < json_array_size(list);
}

/* A copy of the object with a copy of this list; parts are shared. */
static json_t *copy(const json_t *overlay, const char *kind, json_t **list)
{
    json_t *now = json_copy((json_t *)(uintptr_t)overlay);
    json_t *before = json_object_get(overlay, kind);

    *list = before == NULL ? json_array() : json_copy(before);
    json_object_set_new(now, kind, *list);
    return now;
}

json_t *overlay_with(const json_t *overlay, const char *kind, const char *name, json_t *part)
{
    json_t *list, *now = copy(overlay, kind, &list);
    size_t i = find(list, name);

    if (i < json_array_size(list)) {
        json_array_set(list, i, part);
    } else {
        json_array_append(list, part);
    }
    return now;
}

json_t *overlay_without(const json_t *overlay, const char *kind, const char *name)
{
    json_t *list, *now;

    if (!overlay_has(overlay, kind, name)) {
        return NULL;
    }
    now = copy(overlay, kind, &list);
    json_array_remove(list, find(list, name));
    if (json_array_size(list) == 0) {
        json_object_del(now, kind);
    }
    return now;
}
