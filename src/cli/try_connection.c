/* cli/try_connection.c - events of a connection from JSON, bytes and ends to JSON. */
#include "cli/try_connection.h"

#include "cli/cli.h"

static const struct {
    const char *name, *got, *ended;
} sides[] = {
    [PW_REQUEST] = {"downstream", "upstream_got", "upstream_ended"},
    [PW_RESPONSE] = {"upstream", "downstream_got", "downstream_ended"},
};

static const char *read_event(const json_t *v, struct fake_event *out)
{
    const json_t *close = json_object_get(v, "close"), *wait = json_object_get(v, "wait_ms"), *bytes;

    if (json_is_true(json_object_get(v, "answer"))) {
        out->kind = FAKE_EVENT_ANSWER;
        return NULL;
    }
    if (json_is_integer(wait) && json_integer_value(wait) >= 0) {
        out->kind = FAKE_EVENT_WAIT;
        out->wait_ms = (uint64_t)json_integer_value(wait);
        return NULL;
    }
    for (int d = PW_REQUEST; d <= PW_RESPONSE; d++) {
        out->side = (enum pw_direction)d;
        if (json_is_string(close) && str_eq(str_of(json_string_value(close)), str_of(sides[d].name))) {
            out->kind = FAKE_EVENT_CLOSE;
            return NULL;
        }
        if (json_is_string(bytes = json_object_get(v, sides[d].name))) {
            out->kind = FAKE_EVENT_DATA;
            out->bytes = (struct str){json_string_value(bytes), json_string_length(bytes)};
            out->end = json_is_true(json_object_get(v, "end"));
            return NULL;
        }
    }
    return "an event of \"connection\" must have \"downstream\", \"upstream\", \"close\", \"answer\" or "
           "\"wait_ms\"";
}

const char *try_read_connection(struct arena *a, const json_t *request, struct fake_request *out)
{
    const json_t *list = json_object_get(request, "connection"), *v;
    const char *wrong = NULL;
    size_t i;

    if (list == NULL) {
        return NULL;
    }
    if (!json_is_array(list)) {
        return "\"connection\" must be an array of events";
    }
    out->is_connection = true;
    out->events = ARENA_ARRAY(a, struct fake_event, json_array_size(list));
    json_array_foreach(list, i, v)
    {
        wrong = wrong == NULL ? read_event(v, &out->events[out->nevents++]) : wrong;
    }
    return wrong;
}

void try_print_connection(struct strbuf *b, const struct fake_stream *f)
{
    for (int d = PW_REQUEST; d <= PW_RESPONSE; d++) {
        strbuf_printf(b, ", \"%s\": ", sides[d].got);
        strbuf_add_json(b, strbuf_str(&f->out[d]));
        strbuf_printf(b, ", \"%s\": %s", sides[d].ended, f->ended[d] ? "true" : "false");
    }
    if (f->blocked != NULL) {
        strbuf_printf(b, ", \"blocked\": \"%s\"", f->blocked);
    }
}
