/* gw/fields_route.c - fields about what a route changes in requests and responses, and how large they may be.
 *
 * Parts of gw/fields.c's tables, with the checks that go with them. */
#include "gw/template.h"
#include "gw/values.h"

#define AT(type, member) offsetof(struct type, member)
#define ARRAY(type, member) .offset = AT(type, member), .count = AT(type, n##member)
#define FIELDS(table) .fields = table, .nfields = sizeof table / sizeof table[0]

/* ---- paths ------------------------------------------------------------------------------ */

/* A path that may have groups of the expression: "/a/$1". */
static bool check_replacement(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                              struct str *value)
{
    if (value->len == 0 || value->at[0] != '/') {
        gw_problem_at(r, node, path, "must begin with '/'");
        return false;
    }
    for (size_t i = 0; i < value->len; i++) {
        char c = value->at[i], next = i + 1 < value->len ? value->at[i + 1] : '\0';
        if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || c == '?' || c == '#') {
            gw_problem_at(r, node, path, "must be the path alone, in printable ASCII, without '?' or '#'");
            return false;
        }
        if (c == '$' && next != '$' && (next < '0' || next > '9')) {
            gw_problem_at(r, node, path, "has a '$' that is neither a group ($0 to $9) nor doubled ($$)");
            return false;
        }
        i += c == '$';
    }
    return true;
}

static void check_rewrite(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                          void *object)
{
    const struct gw_rewrite *w = object;

    if ((w->prefix.at != NULL) + (w->path.at != NULL) + (w->regex.at != NULL) > 1) {
        gw_problem_at(r, node, path, "give only one of prefix, path and regex");
    }
    if ((w->regex.at != NULL) != (w->replacement.at != NULL)) {
        gw_problem_at(r, node, path, "regex and replacement go together");
    }
}

static const struct gw_field rewrite_fields[] = {
    {.name = "prefix",
     .kind = GW_F_STRING,
     .offset = AT(gw_rewrite, prefix),
     .check = gw_check_path_prefix,
     .doc = "Takes the place of the prefix that matched; only with `match.path.prefix`."},
    {.name = "path",
     .kind = GW_F_STRING,
     .offset = AT(gw_rewrite, path),
     .check = gw_check_path,
     .doc = "Takes the place of the whole path. The query stays."},
    {.name = "regex",
     .kind = GW_F_STRING,
     .offset = AT(gw_rewrite, regex),
     .check = gw_check_regex,
     .doc = "If the whole path, escaped, matches this, `replacement` takes its place; else it stays."},
    {.name = "replacement",
     .kind = GW_F_STRING,
     .offset = AT(gw_rewrite, replacement),
     .check = check_replacement,
     .doc = "The new path, with `$1` to `$9` for groups of `regex`, `$0` for the path, `$$` for `$`."},
    {.name = "host",
     .kind = GW_F_STRING,
     .offset = AT(gw_rewrite, host),
     .check = gw_check_authority,
     .doc = "Host header for the upstream, instead of the client's."},
};
const struct gw_type gw_type_rewrite = {.name = "routes[].rewrite",
                                        .about = "What changes on the way to the upstream.",
                                        .size = sizeof(struct gw_rewrite),
                                        FIELDS(rewrite_fields),
                                        .check = check_rewrite};

/* ---- headers ---------------------------------------------------------------------------- */

/* Those that say how a message is framed or belong to one connection are the gateway's business. */
static bool check_name(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       struct str *value)
{
    static const char *const fixed[] = {"content-length", "transfer-encoding",
                                        "connection",     "keep-alive",
                                        "upgrade",        "te",
                                        "trailer",        "host"};

    if (!gw_check_header_name(r, node, path, value)) {
        return false;
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (str_eq(*value, str_of(fixed[i]))) {
            gw_problem_at(r, node, path, "%s is set by the gateway; for the upstream's Host see rewrite.host",
                          fixed[i]);
            return false;
        }
    }
    return true;
}

static bool check_value(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                        struct str *value)
{
    struct str unknown = {0};

    for (size_t i = 0; i < value->len; i++) {
        if (((unsigned char)value->at[i] < ' ' && value->at[i] != '\t') || value->at[i] == 0x7f) {
            gw_problem_at(r, node, path, "has a control character");
            return false;
        }
    }
    if (!gw_template_check(*value, &unknown)) {
        gw_problem_at(r, node, path, "there is no variable '%.*s'; a '${' that is none is written '$${'",
                      STR_ARG(unknown));
        return false;
    }
    return true;
}

static const struct gw_field header_value_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_header_value, name),
     .check = check_name,
     .doc = "Name of the header, in any case."},
    {.name = "value",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_header_value, value),
     .check = check_value,
     .doc =
         "Its value; `${client}`, `${host}`, `${method}`, `${path}` (as the client sent it, with the query), "
         "`${request_id}`, `${route}`, `${scheme}` and `${service}` stand for those of the request."},
};
static const struct gw_type header_value_type = {.name = "routes[].requestHeaders.set[]",
                                                 .about = "A header.",
                                                 .size = sizeof(struct gw_header_value),
                                                 FIELDS(header_value_fields)};

static const struct gw_field header_changes_fields[] = {
    {.name = "remove",
     .kind = GW_F_STRINGS,
     ARRAY(gw_header_changes, remove),
     .check = check_name,
     .doc = "Names of headers that go."},
    {.name = "set",
     .kind = GW_F_LIST,
     ARRAY(gw_header_changes, set),
     .type = &header_value_type,
     .doc = "Headers that take the place of what there is of that name."},
    {.name = "add",
     .kind = GW_F_LIST,
     ARRAY(gw_header_changes, add),
     .type = &header_value_type,
     .doc = "Headers beside what there is of that name."},
};
const struct gw_type gw_type_header_changes = {
    .name = "routes[].requestHeaders",
    .about = "Changes of headers, also of `responseHeaders`, in the order "
             "of these fields.",
    .size = sizeof(struct gw_header_changes),
    FIELDS(header_changes_fields)};

/* ---- limits ----------------------------------------------------------------------------- */

static const struct gw_field route_limits_fields[] = {
    {.name = "body",
     .kind = GW_F_SIZE,
     .offset = AT(gw_route, body_limit_bytes),
     .min = 1,
     .max = INT64_C(256) << 20,
     .doc =
         "Instead of the plugins' own `limits.body`, more or less: most bytes of one body that a plugin may "
         "hold back."},
    {.name = "requestBody",
     .kind = GW_F_SIZE,
     .offset = AT(gw_route, request_body_bytes),
     .min = 1,
     .max = INT64_C(1) << 50,
     .doc = "Longest body of a request, whether its length is known before or not; a longer one is answered "
            "with 413."},
    {.name = "headerCount",
     .kind = GW_F_UINT,
     .offset = AT(gw_route, header_count),
     .min = 1,
     .max = 100000,
     .doc = "Most headers of a request, without those that the gateway adds; with more it is answered with "
            "431."},
    {.name = "headerBytes",
     .kind = GW_F_SIZE,
     .offset = AT(gw_route, header_bytes),
     .min = 1,
     .max = INT64_C(1) << 20,
     .doc = "Most bytes of their names and values together; with more it is answered with 431."},
};
const struct gw_type gw_type_route_limits = {
    .name = "routes[].limits",
    .about = "What plugins may use for a request of this route, and how large one may be.",
    .size = sizeof(struct gw_route),
    FIELDS(route_limits_fields)};
