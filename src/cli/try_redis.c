/* cli/try_redis.c - RESP beside JSON. */
#include "cli/try_redis.h"

#include <inttypes.h>

#include "base/resp.h"

/* One line: no line end of its own. */
static bool add_line(struct strbuf *out, char type, const json_t *text)
{
    struct str s = {json_string_value(text), json_string_length(text)};

    if (!json_is_string(text) || str_find_char(s, '\r') != s.len || str_find_char(s, '\n') != s.len) {
        return false;
    }
    strbuf_add_char(out, type);
    strbuf_add(out, s);
    strbuf_add(out, STR("\r\n"));
    return true;
}

bool try_redis_reply(const json_t *v, struct strbuf *out)
{
    size_t i;
    json_t *element;

    switch (v == NULL ? JSON_REAL : json_typeof(v)) {
    case JSON_STRING:
        resp_add_bulk(out, (struct str){json_string_value(v), json_string_length(v)});
        return true;
    case JSON_INTEGER:
        strbuf_printf(out, ":%" JSON_INTEGER_FORMAT "\r\n", json_integer_value(v));
        return true;
    case JSON_NULL:
        strbuf_add(out, STR("$-1\r\n"));
        return true;
    case JSON_ARRAY:
        strbuf_printf(out, "*%zu\r\n", json_array_size(v));
        json_array_foreach(v, i, element)
        {
            if (!try_redis_reply(element, out)) {
                return false;
            }
        }
        return true;
    case JSON_OBJECT:
        return json_object_size(v) == 1 && (add_line(out, '+', json_object_get(v, "status")) ||
                                            add_line(out, '-', json_object_get(v, "error")));
    default:
        return false;
    }
}

static void add_text(struct strbuf *b, const char *key, struct str value)
{
    if (value.len != 0) {
        strbuf_printf(b, ", \"%s\": ", key);
        strbuf_add_json(b, value);
    }
}

void try_redis_print(struct strbuf *b, const struct fake_command *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pw_redis_options *o = &at[i].options;
        struct str argument;
        strbuf_printf(b, "%s{\"service\": ", i == 0 ? ", \"redis\": [" : ", ");
        strbuf_add_json(b, at[i].service);
        strbuf_printf(b, ", \"command\": [");
        for (size_t k = 0; resp_argument(at[i].query, k, &argument); k++) {
            strbuf_printf(b, "%s", k == 0 ? "" : ", ");
            strbuf_add_json(b, argument);
        }
        strbuf_add_char(b, ']');
        add_text(b, "user", o->user);
        add_text(b, "password", o->password);
        strbuf_printf(b, ", \"db\": %u, \"timeout_ms\": %u, \"flush_ms\": %u, \"flush_bytes\": %u}%s", o->db,
                      o->timeout_ms, o->flush_ms, o->flush_bytes, i + 1 == n ? "]" : "");
    }
}
