/* pw/property.c - properties by path (host facts 1.15, 2.6).
 *
 * A path is segments joined by NUL; a NUL at the end is tolerated.  What follows from header maps, from
 * the plugin and from its VM is answered here; the server knows the rest.  What set_property stored
 * is found under the whole path as one flat name, unless its first segment is a name built in. */
#include "pw/hostcalls.h"

enum { MAX_SEGMENTS = 16 };

/* First segments that mean something whether or not there is a value (sorted by nothing: compared by length
 * first). */
static const struct str built_in[] = {
    STR("request"),
    STR("response"),
    STR("source"),
    STR("destination"),
    STR("connection"),
    STR("upstream"),
    STR("metadata"),
    STR("filter_state"),
    STR("upstream_filter_state"),
    STR("xds"),
    STR("node"),
    STR("cluster_name"),
    STR("cluster_metadata"),
    STR("listener_direction"),
    STR("listener_metadata"),
    STR("route_name"),
    STR("route_metadata"),
    STR("upstream_host_metadata"),
    STR("connection_id"),
    STR("plugin_name"),
    STR("plugin_root_id"),
    STR("plugin_vm_id"),
    STR("plugin_vm_memory"),
};

static bool is_built_in(struct str name)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
        if (str_eq(built_in[i], name)) {
            return true;
        }
    }
    return false;
}

/* Children of "request" that are a request header, or a part of one. */
enum part { WHOLE, BEFORE_QUERY, QUERY };

static const struct {
    struct str child, header;
    enum part part;
} of_request[] = {
    {STR("path"), STR(":path"), WHOLE},      {STR("url_path"), STR(":path"), BEFORE_QUERY},
    {STR("query"), STR(":path"), QUERY},     {STR("host"), STR(":authority"), WHOLE},
    {STR("scheme"), STR(":scheme"), WHOLE},  {STR("method"), STR(":method"), WHOLE},
    {STR("referer"), STR("referer"), WHOLE}, {STR("useragent"), STR("user-agent"), WHOLE},
    {STR("id"), STR("x-request-id"), WHOLE},
};

static const struct {
    struct str root, child;
    enum pw_map map;
} maps[] = {
    {STR("request"), STR("headers"), PW_MAP_REQUEST_HEADERS},
    {STR("request"), STR("trailers"), PW_MAP_REQUEST_TRAILERS},
    {STR("response"), STR("headers"), PW_MAP_RESPONSE_HEADERS},
    {STR("response"), STR("trailers"), PW_MAP_RESPONSE_TRAILERS},
};

static enum pw_property_kind string_value(struct pw_value *value, struct str s)
{
    *value = (struct pw_value){.kind = PW_VALUE_STRING, .string = s};
    return PW_PROPERTY_VALUE;
}

static enum pw_property_kind int_value(struct pw_value *value, int64_t v)
{
    *value = (struct pw_value){.kind = PW_VALUE_INT, .integer = v};
    return PW_PROPERTY_VALUE;
}

static enum pw_property_kind of_plugin(struct pw_context *ctx, struct str name, struct pw_value *value)
{
    const struct pw_plugin_options *opt = &ctx->vm->plugin->opt;

    if (str_eq(name, STR("plugin_root_id"))) {
        return string_value(value, opt->root_id);
    }
    if (str_eq(name, STR("plugin_name"))) {
        return string_value(value, opt->name);
    }
    if (str_eq(name, STR("plugin_vm_id"))) {
        return string_value(value, opt->vm_id);
    }
    if (str_eq(name, STR("plugin_vm_memory"))) {
        return int_value(value, (int64_t)ctx->vm->inst->memory_bytes);
    }
    return PW_PROPERTY_NONE;
}

static enum pw_property_kind request_child(struct pw_stream *s, struct str child, struct pw_value *value)
{
    for (size_t i = 0; i < sizeof of_request / sizeof *of_request; i++) {
        struct str v;
        if (!str_eq(of_request[i].child, child)) {
            continue;
        }
        if (!s->server->map_get(s->server_stream, PW_MAP_REQUEST_HEADERS, of_request[i].header, &v)) {
            return PW_PROPERTY_NONE;
        }
        size_t mark = of_request[i].part == WHOLE ? 0 : str_find_char(v, '?');
        if (of_request[i].part == BEFORE_QUERY) {
            v = str_slice(v, 0, mark);
        } else if (of_request[i].part == QUERY) {
            v = str_slice(v, mark + 1, v.len); /* without a '?': empty */
        }
        return string_value(value, v);
    }
    return PW_PROPERTY_NONE;
}

static enum pw_property_kind of_headers(struct pw_stream *s, const struct str *path, size_t n,
                                        struct pw_value *value, enum pw_map *map)
{
    struct str v;

    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        if (!str_eq(maps[i].root, path[0]) || !str_eq(maps[i].child, path[1])) {
            continue;
        }
        if (n == 2 && s->server->map_available(s->server_stream, maps[i].map)) {
            *map = maps[i].map;
            return PW_PROPERTY_MAP;
        }
        return n == 3 && s->server->map_get(s->server_stream, maps[i].map, path[2], &v)
                   ? string_value(value, v)
                   : PW_PROPERTY_NONE;
    }
    if (n == 2 && str_eq(path[0], STR("request"))) {
        return request_child(s, path[1], value);
    }
    uint64_t code;
    if (n == 2 && str_eq(path[0], STR("response")) && str_eq(path[1], STR("code")) &&
        s->server->map_get(s->server_stream, PW_MAP_RESPONSE_HEADERS, STR(":status"), &v) &&
        str_to_u64(v, &code)) {
        return int_value(value, (int64_t)code);
    }
    return PW_PROPERTY_NONE;
}

/* Envoy keeps what set_property stored in the filter state, under "wasm." and its name. */
static bool of_filter_state(const struct pw_stream *s, const struct str *path, size_t n, struct str *value)
{
    return n == 2 && str_eq(path[0], STR(PW_FILTER_STATE)) && str_starts_with(path[1], STR("wasm.")) &&
           pw_stream_get_property(s, str_slice(path[1], sizeof "wasm." - 1, path[1].len), value);
}

enum pw_property_kind pw_property_find(struct pw_context *ctx, struct str path, struct pw_value *value,
                                       enum pw_map *map)
{
    struct pw_plugin *p = ctx->vm->plugin;
    struct pw_stream *s = ctx->stream;
    struct str segments[MAX_SEGMENTS], rest = path, stored;
    enum pw_property_kind kind;
    size_t n = 0;

    do {
        segments[n++] = str_cut(&rest, '\0');
    } while (rest.len != 0 && n < MAX_SEGMENTS);
    bool known = is_built_in(segments[0]);

    if (s != NULL && (!known || str_eq(segments[0], STR(PW_FILTER_STATE))) &&
        (pw_stream_get_property(s, path, &stored) || of_filter_state(s, segments, n, &stored))) {
        return string_value(value, stored);
    }
    if (rest.len != 0) {
        return PW_PROPERTY_NONE;
    }
    if (n == 1 && (kind = of_plugin(ctx, segments[0], value)) != PW_PROPERTY_NONE) {
        return kind;
    }
    if (n >= 2 && s != NULL && (kind = of_headers(s, segments, n, value, map)) != PW_PROPERTY_NONE) {
        return kind;
    }
    return p->server->property(p->server_data, s == NULL ? NULL : s->server_stream, segments, n, value)
               ? PW_PROPERTY_VALUE
               : PW_PROPERTY_NONE;
}
