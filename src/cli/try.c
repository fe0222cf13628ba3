/* cli/try.c - `weir try`: a plugin on the fake server, one JSON line per request.
 *
 * The reader owns the requests: their JSON tree, whose strings they point into, and an arena.  Options and
 * configurations belong to the process, which ends soon. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/fake_server.h"
#include "cli/image.h"
#include "cli/try_connection.h"
#include "cli/try_redis.h"

enum { MAX_FILE_BYTES = 256 << 20, WARM_UP_RUNS = 64 };

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "critical"};
#define LEVELS "trace|debug|info|warn|error|critical"

static struct {
    struct cli_texts configs;
    const char *requests, *image;
    int tier; /* of TIERS */
    uint64_t bench;
    uint64_t now_ns, cpu_budget_ms;
    int isolation; /* enum pw_isolation */
    int log_level; /* -1: trace, or info with --bench */
    bool fail_open;
    const char *root_id, *name;
    const char *vm_config;
    struct cli_texts env, limits;
} args = {.now_ns = UINT64_MAX, .log_level = -1, .root_id = "", .name = "try"};

static const enum weir_tier tiers[] = {WEIR_TIER_INTERP, WEIR_TIER_AOT, WEIR_TIER_AUTO};
#define TIERS "interp|aot|auto"

static const struct cli_option options[] = {
    {.name = "config",
     .kind = CLI_TEXTS,
     .value = &args.configs,
     .arg = "FILE",
     .help = "the plugin's configuration, byte for byte; given again: one more step of the chain"},
    {.name = "requests",
     .kind = CLI_TEXT,
     .value = &args.requests,
     .arg = "FILE",
     .required = true,
     .help = "JSON array of requests"},
    {.name = "tier",
     .kind = CLI_CHOICE,
     .value = &args.tier,
     .arg = "TIER",
     .choices = TIERS,
     .help = "how the module is run (default auto, which interprets without --image)"},
    {.name = "image",
     .kind = CLI_TEXT,
     .value = &args.image,
     .arg = "FILE",
     .help = "native image made by weirc; the module itself for the one it carries"},
    {.name = "bench",
     .kind = CLI_NUMBER,
     .value = &args.bench,
     .arg = "N",
     .help = "then run the first request N times and print its cost"},
    {.name = "now-ns",
     .kind = CLI_NUMBER,
     .value = &args.now_ns,
     .arg = "N",
     .help = "the clock of requests that have no now_ns"},
    {.name = "cpu-budget-ms",
     .kind = CLI_NUMBER,
     .value = &args.cpu_budget_ms,
     .arg = "N",
     .help = "CPU time of one callback; past it the plugin traps (default 100)"},
    {.name = "log-level",
     .kind = CLI_CHOICE,
     .value = &args.log_level,
     .arg = "LEVEL",
     .choices = LEVELS,
     .help = "least level of plugin logs (default trace, with --bench info)"},
    {.name = "isolation",
     .kind = CLI_CHOICE,
     .value = &args.isolation,
     .arg = "WHO",
     .choices = "shared|route|request",
     .help = "who shares a VM (default shared)"},
    {.name = "fail-open",
     .kind = CLI_FLAG,
     .value = &args.fail_open,
     .help = "failStrategy FAIL_OPEN: a trapped plugin is passed by"},
    {.name = "name", .kind = CLI_TEXT, .value = &args.name, .arg = "NAME", .help = "property plugin_name"},
    {.name = "root-id",
     .kind = CLI_TEXT,
     .value = &args.root_id,
     .arg = "ID",
     .help = "property plugin_root_id"},
    {.name = "vm-config",
     .kind = CLI_TEXT,
     .value = &args.vm_config,
     .arg = "FILE",
     .help = "configuration of the VM"},
    {.name = "env",
     .kind = CLI_TEXTS,
     .value = &args.env,
     .arg = "NAME=VALUE",
     .help = "environment of the VM"},
    {.name = "limit",
     .kind = CLI_TEXTS,
     .value = &args.limits,
     .arg = "NAME=NUMBER",
     .help = "a count or bytes of the plugin's `limits`"},
};

static const struct cli_exit_code exits[] = {
    {0, "every request was run"},
    {1, "a file cannot be read, or the plugin did not start: {\"configure\": false, \"error\": ...}"},
};

static const struct cli_usage usage = {
    .synopsis = "try MODULE.wasm --requests FILE [--config FILE]",
    .about = "Run a Proxy-Wasm plugin without nginx and print one JSON line per request.\n"
             "A request: {\"headers\": [[\"k\", \"v\"], ...], \"body\"?: str, \"response\"?: {\"headers\": "
             "[...], \"body\"?: str},\n"
             "\"properties\"?: {\"source.address\": value}, \"upstream_hosts\"?: {\"10.0.0.1:80\": true},\n"
             "\"now_ns\"?: int,\n"
             "\"callouts\"?: [{\"status\"?: int, \"headers\"?, \"body\"?, \"trailers\"?, \"delay_ms\"?: "
             "int}, ...],\n"
             "\"grpc\"?: [{\"initial\"?: headers, \"messages\"?: [str], \"trailing\"?: headers, \"status\"?: "
             "int,\n"
             "\"message\"?: str, \"delay_ms\"?: int}, ...],\n"
             "\"dns\"?: {\"a.example\": [[\"10.0.0.1\", seconds], ...]}}.\n"
             "Absent pseudo-headers are those of GET http://example.com/.  \"callouts\" answers the plugin's "
             "HTTP\n"
             "calls, in their order; {\"fail\": true} breaks the connection, {\"refuse\": true} and\n"
             "{\"no_service\": true} fail the host call itself; a call without an answer fails.\n"
             "\"redis\"?: [{\"reply\": REPLY, \"delay_ms\"?: int}, ...] does the same for Redis: a REPLY is "
             "\"text\",\n"
             "5, null, an array of those, {\"status\": \"OK\"} or {\"error\": \"ERR why\"};\n"
             "{\"unreachable\": true} is no connection.\n"
             "\"grpc\" answers gRPC calls and streams in the same way, after those; {\"echo\": true} sends "
             "back\n"
             "what comes until the plugin ends it, {\"hold\": true} never ends.  \"dns\" has the names that "
             "resolve.\n"
             "A TCP connection: {\"connection\": [EVENT, ...], \"properties\"?, \"upstream_hosts\"?, "
             "\"now_ns\"?,\n"
             "\"callouts\"?}, with the events {\"downstream\": str, \"end\"?: true} (the client sends), the "
             "same with\n"
             "\"upstream\", {\"close\": \"downstream\"|\"upstream\"} (it breaks off), {\"answer\": true} "
             "(the next callout "
             "is\n"
             "answered; those left over are at the end) and {\"wait_ms\": int} (ticks run).\n"
             "Logs of the start go to standard error.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 1,
    .max_operands = 1,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

/* ---- reading requests ----------------------------------------------------------------- */

struct reader {
    struct arena arena; /* configurations, too */
    json_t *tree;
    size_t index; /* of the request at hand */
};

static bool complain(const struct reader *r, const char *what)
{
    cli_fail("%s: request %zu: %s", args.requests, r->index, what);
    return false;
}

static struct str text_of(const json_t *v)
{
    return (struct str){json_string_value(v), json_string_length(v)};
}

static bool read_headers(struct reader *r, const json_t *list, struct fake_header_list *out)
{
    size_t i;
    json_t *pair;

    if (list != NULL && !json_is_array(list)) {
        return complain(r, "\"headers\" must be an array of [name, value]");
    }
    json_array_foreach(list, i, pair)
    {
        const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_string(value)) {
            return complain(r, "a header must be [name, value], both strings");
        }
        fake_headers_add(&r->arena, out, text_of(name), text_of(value));
    }
    return true;
}

static bool find(const struct fake_header_list *list, const char *name, struct str *value)
{
    for (size_t i = 0; i < list->len; i++) {
        if (str_eq(list->at[i].name, str_of(name))) {
            *value = list->at[i].value;
            return true;
        }
    }
    return false;
}

/* Pseudo-headers first, absent ones with their defaults; `host` is :authority. */
static void complete_request(struct reader *r, const struct fake_header_list *given,
                             struct fake_header_list *out)
{
    static const char *const pseudo[][2] = {
        {":authority", "example.com"}, {":path", "/"}, {":method", "GET"}, {":scheme", "http"}};
    bool has_authority;
    struct str v;

    has_authority = find(given, ":authority", &v);
    for (size_t i = 0; i < CLI_COUNT(pseudo); i++) {
        if (!find(given, pseudo[i][0], &v) && (i != 0 || !find(given, "host", &v))) {
            v = str_of(pseudo[i][1]);
        }
        fake_headers_add(&r->arena, out, str_of(pseudo[i][0]), v);
    }
    for (size_t i = 0; i < given->len; i++) {
        struct str name = given->at[i].name;
        bool known = false;
        for (size_t k = 0; k < CLI_COUNT(pseudo); k++) {
            known |= str_eq(name, str_of(pseudo[k][0]));
        }
        if (!known && (has_authority || !str_eq(name, STR("host")))) {
            fake_headers_add(&r->arena, out, name, given->at[i].value);
        }
    }
}

static bool read_string_body(struct reader *r, const json_t *of, struct str *out)
{
    const json_t *body = json_object_get(of, "body");

    if (body != NULL && !json_is_string(body)) {
        return complain(r, "\"body\" must be a string");
    }
    *out = body == NULL ? (struct str){"", 0} : text_of(body);
    return true;
}

/* A string, or an array of strings: the chunks in which the body comes. */
static bool read_body(struct reader *r, const json_t *of, struct fake_message *out)
{
    const json_t *body = json_object_get(of, "body"), *chunk;
    size_t i, n = json_is_array(body) ? json_array_size(body) : 1;

    out->chunks = ARENA_ARRAY(&r->arena, struct str, n);
    if (body == NULL || (json_is_string(body) && json_string_length(body) == 0)) {
        return true;
    }
    if (json_is_string(body)) {
        out->chunks[out->nchunks++] = text_of(body);
        return true;
    }
    if (!json_is_array(body)) {
        return complain(r, "\"body\" must be a string or an array of strings");
    }
    json_array_foreach(body, i, chunk)
    {
        if (!json_is_string(chunk)) {
            return complain(r, "\"body\" must be a string or an array of strings");
        }
        out->chunks[out->nchunks++] = text_of(chunk);
    }
    return true;
}

static bool read_trailers(struct reader *r, const json_t *of, struct fake_message *out)
{
    const json_t *trailers = json_object_get(of, "trailers");

    out->has_trailers = trailers != NULL;
    return trailers == NULL || read_headers(r, trailers, &out->trailers);
}

static bool read_response(struct reader *r, const json_t *response, struct fake_request *out)
{
    struct fake_header_list given = {0};
    struct str v;

    if (response == NULL) {
        return true;
    }
    if (!json_is_object(response)) {
        return complain(r, "\"response\" must be an object");
    }
    if (!read_headers(r, json_object_get(response, "headers"), &given) ||
        !read_body(r, response, &out->response) || !read_trailers(r, response, &out->response)) {
        return false;
    }
    out->has_response = true;
    if (!find(&given, ":status", &v)) {
        v = STR("200");
    }
    fake_headers_add(&r->arena, &out->response.headers, STR(":status"), v);
    for (size_t i = 0; i < given.len; i++) {
        if (!str_eq(given.at[i].name, STR(":status"))) {
            fake_headers_add(&r->arena, &out->response.headers, given.at[i].name, given.at[i].value);
        }
    }
    return true;
}

static bool read_properties(struct reader *r, json_t *properties, struct fake_request *out)
{
    const char *name;
    json_t *v;

    if (properties == NULL) {
        return true;
    }
    if (!json_is_object(properties)) {
        return complain(r, "\"properties\" must be an object");
    }
    out->properties = ARENA_ARRAY(&r->arena, struct fake_property, json_object_size(properties));
    json_object_foreach(properties, name, v)
    {
        struct fake_property *p = &out->properties[out->nproperties++];
        p->name = str_of(name);
        if (json_is_string(v)) {
            p->value = (struct pw_value){.kind = PW_VALUE_STRING, .string = text_of(v)};
        } else if (json_is_integer(v)) {
            p->value = (struct pw_value){.kind = PW_VALUE_INT, .integer = json_integer_value(v)};
        } else if (json_is_boolean(v)) {
            p->value = (struct pw_value){.kind = PW_VALUE_BOOL, .boolean = json_is_true(v)};
        } else if (json_is_real(v)) {
            p->value = (struct pw_value){.kind = PW_VALUE_DOUBLE, .number = json_real_value(v)};
        } else {
            return complain(r, "a property must be a string, a number or a boolean");
        }
    }
    return true;
}

static bool read_hosts(struct reader *r, json_t *hosts, struct fake_request *out)
{
    const char *address;
    json_t *healthy;

    if (hosts == NULL) {
        return true;
    }
    if (!json_is_object(hosts)) {
        return complain(r, "\"upstream_hosts\" must be an object");
    }
    out->hosts = ARENA_ARRAY(&r->arena, struct pw_upstream_host, json_object_size(hosts));
    json_object_foreach(hosts, address, healthy)
    {
        if (!json_is_boolean(healthy)) {
            return complain(r, "an upstream host must be true (healthy) or false");
        }
        out->hosts[out->nhosts++] = (struct pw_upstream_host){str_of(address), json_is_true(healthy)};
    }
    return true;
}

/* What all answers have: the ways to fail, and the delay. */
static bool read_kind(struct reader *r, const json_t *v, struct fake_answer *out)
{
    static const struct {
        const char *key;
        enum fake_answer_kind kind;
    } kinds[] = {{"fail", FAKE_ANSWER_FAIL},
                 {"unreachable", FAKE_ANSWER_UNREACHABLE},
                 {"refuse", FAKE_ANSWER_REFUSED},
                 {"no_service", FAKE_ANSWER_NO_SERVICE}};
    const json_t *delay = json_object_get(v, "delay_ms");

    if (!json_is_object(v) || (delay != NULL && (!json_is_integer(delay) || json_integer_value(delay) < 0))) {
        return complain(r, "an answer must be an object, and its \"delay_ms\" a number");
    }
    for (size_t i = 0; i < CLI_COUNT(kinds); i++) {
        out->kind = json_is_true(json_object_get(v, kinds[i].key)) ? kinds[i].kind : out->kind;
    }
    out->delay_ms = (uint64_t)json_integer_value(delay);
    return true;
}

static bool read_http_answer(struct reader *r, const json_t *v, struct fake_answer *out)
{
    struct fake_header_list headers = {0}, trailers = {0};
    const json_t *status = json_object_get(v, "status");
    char text[24];

    if (status != NULL && !json_is_integer(status)) {
        return complain(r, "the \"status\" of a callout must be a number");
    }
    snprintf(text, sizeof text, "%lld", status == NULL ? 200 : (long long)json_integer_value(status));
    fake_headers_add(&r->arena, &headers, STR(":status"), str_of(text));
    if (!read_headers(r, json_object_get(v, "headers"), &headers) ||
        !read_headers(r, json_object_get(v, "trailers"), &trailers) || !read_string_body(r, v, &out->body)) {
        return false;
    }
    out->headers = headers.at;
    out->nheaders = headers.len;
    out->trailers = trailers.at;
    out->ntrailers = trailers.len;
    return true;
}

static bool read_redis_answer(struct reader *r, const json_t *v, struct fake_answer *out)
{
    struct strbuf reply = {0};

    out->body = (struct str){"", 0};
    if (out->kind == FAKE_ANSWER && !try_redis_reply(json_object_get(v, "reply"), &reply)) {
        strbuf_fini(&reply);
        return complain(r, "the \"reply\" of Redis must be a string, an integer, null, an array of replies, "
                           "{\"status\": ...} or {\"error\": ...}");
    }
    if (reply.len != 0) {
        out->body = (struct str){arena_strndup(&r->arena, reply.at, reply.len), reply.len};
    }
    strbuf_fini(&reply);
    return true;
}

static bool read_answers(struct reader *r, const json_t *request, enum fake_protocol protocol,
                         struct fake_answers *out)
{
    static const struct {
        const char *key, *wrong;
        bool (*read)(struct reader *r, const json_t *v, struct fake_answer *out);
    } protocols[FAKE_PROTOCOLS] = {
        [FAKE_HTTP] = {"callouts", "\"callouts\" must be an array of answers", read_http_answer},
        [FAKE_REDIS] = {"redis", "\"redis\" must be an array of answers", read_redis_answer},
    };
    const json_t *list = json_object_get(request, protocols[protocol].key);
    size_t i;
    json_t *v;

    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list)) {
        return complain(r, protocols[protocol].wrong);
    }
    out->at = ARENA_ARRAY(&r->arena, struct fake_answer, json_array_size(list));
    json_array_foreach(list, i, v)
    {
        struct fake_answer *answer = &out->at[out->n++];
        if (!read_kind(r, v, answer) || !protocols[protocol].read(r, v, answer)) {
            return false;
        }
    }
    return true;
}

static bool read_messages(struct reader *r, const json_t *list, struct fake_grpc_answer *out)
{
    size_t i;
    json_t *v;

    out->messages = ARENA_ARRAY(&r->arena, struct str, json_array_size(list));
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v)) {
            return complain(r, "\"messages\" of a gRPC answer must be an array of strings");
        }
        out->messages[out->nmessages++] = text_of(v);
    }
    return list == NULL || json_is_array(list) ||
           complain(r, "\"messages\" of a gRPC answer must be an array of strings");
}

static bool read_grpc_answer(struct reader *r, const json_t *v, struct fake_grpc_answer *out)
{
    static const struct {
        const char *key;
        enum fake_grpc_kind kind;
    } kinds[] = {{"fail", FAKE_GRPC_FAIL},
                 {"hold", FAKE_GRPC_HOLD},
                 {"echo", FAKE_GRPC_ECHO},
                 {"refuse", FAKE_GRPC_REFUSED},
                 {"no_service", FAKE_GRPC_NO_SERVICE}};
    struct fake_header_list initial = {0}, trailing = {0};
    const json_t *status = json_object_get(v, "status"), *delay = json_object_get(v, "delay_ms");
    const json_t *text = json_object_get(v, "message");

    if (!json_is_object(v)) {
        return complain(r, "an answer of \"grpc\" must be an object");
    }
    if ((status != NULL &&
         !(json_is_integer(status) && json_integer_value(status) >= 0 && json_integer_value(status) <= 16)) ||
        (delay != NULL && !(json_is_integer(delay) && json_integer_value(delay) >= 0)) ||
        (text != NULL && !json_is_string(text))) {
        return complain(
            r, "in a gRPC answer \"status\" is a number to 16, \"delay_ms\" one, \"message\" a string");
    }
    for (size_t i = 0; i < CLI_COUNT(kinds); i++) {
        out->kind = json_is_true(json_object_get(v, kinds[i].key)) ? kinds[i].kind : out->kind;
    }
    if (!read_headers(r, json_object_get(v, "initial"), &initial) ||
        !read_headers(r, json_object_get(v, "trailing"), &trailing) ||
        !read_messages(r, json_object_get(v, "messages"), out)) {
        return false;
    }
    out->initial = initial.at;
    out->ninitial = initial.len;
    out->trailing = trailing.at;
    out->ntrailing = trailing.len;
    out->status = (uint32_t)json_integer_value(status);
    out->text = text == NULL ? STR("") : text_of(text);
    out->delay_ms = (uint64_t)json_integer_value(delay);
    return true;
}

static bool read_grpc_answers(struct reader *r, const json_t *list, struct fake_request *out)
{
    size_t i;
    json_t *v;

    if (list != NULL && !json_is_array(list)) {
        return complain(r, "\"grpc\" must be an array of answers");
    }
    out->grpc = ARENA_ARRAY(&r->arena, struct fake_grpc_answer, json_array_size(list));
    json_array_foreach(list, i, v)
    {
        if (!read_grpc_answer(r, v, &out->grpc[out->ngrpc++])) {
            return false;
        }
    }
    return true;
}

static bool read_address(struct reader *r, const json_t *v, struct pw_dns_address *out)
{
    const json_t *address = json_array_get(v, 0), *ttl = json_array_get(v, 1);

    if (json_array_size(v) != 2 || !json_is_string(address) || !json_is_integer(ttl)) {
        return complain(r, "an address of \"dns\" must be [address, seconds]");
    }
    *out = (struct pw_dns_address){text_of(address), (uint32_t)json_integer_value(ttl)};
    return true;
}

static bool read_names(struct reader *r, json_t *names, struct fake_request *out)
{
    const char *name;
    json_t *list, *v;
    size_t i;

    if (names != NULL && !json_is_object(names)) {
        return complain(r, "\"dns\" must be an object");
    }
    out->names = ARENA_ARRAY(&r->arena, struct fake_name, json_object_size(names));
    json_object_foreach(names, name, list)
    {
        struct fake_name *n = &out->names[out->nnames++];
        if (!json_is_array(list)) {
            return complain(r, "a name of \"dns\" must have an array of addresses");
        }
        n->name = str_of(name);
        n->addresses = ARENA_ARRAY(&r->arena, struct pw_dns_address, json_array_size(list));
        json_array_foreach(list, i, v)
        {
            if (!read_address(r, v, &n->addresses[n->naddresses++])) {
                return false;
            }
        }
    }
    return true;
}

static bool read_request(struct reader *r, const json_t *request, struct fake_request *out)
{
    struct fake_header_list given = {0};

    if (!json_is_object(request)) {
        return complain(r, "must be an object");
    }
    const char *wrong = try_read_connection(&r->arena, request, out);
    if (wrong != NULL) {
        return complain(r, wrong);
    }
    if (!read_headers(r, json_object_get(request, "headers"), &given) ||
        !read_body(r, request, &out->request) || !read_trailers(r, request, &out->request) ||
        !read_response(r, json_object_get(request, "response"), out) ||
        !read_properties(r, json_object_get(request, "properties"), out) ||
        !read_answers(r, request, FAKE_HTTP, &out->answers[FAKE_HTTP]) ||
        !read_answers(r, request, FAKE_REDIS, &out->answers[FAKE_REDIS]) ||
        !read_grpc_answers(r, json_object_get(request, "grpc"), out) ||
        !read_names(r, json_object_get(request, "dns"), out)) {
        return false;
    }
    complete_request(r, &given, &out->request.headers);
    if (!read_hosts(r, json_object_get(request, "upstream_hosts"), out)) {
        return false;
    }
    const json_t *now = json_object_get(request, "now_ns");
    if (now != NULL && (!json_is_integer(now) || json_integer_value(now) < 0)) {
        return complain(r, "\"now_ns\" must be a number, 0 or more");
    }
    out->has_now = now != NULL;
    out->now_ns = (uint64_t)json_integer_value(now);
    return true;
}

/* All requests of the file; the JSON tree stays, strings point into it. */
static struct fake_request *read_requests(struct reader *r, size_t *n)
{
    size_t len;
    json_error_t error;
    char *text = cli_read_file(args.requests, MAX_FILE_BYTES, &len);

    if (text == NULL) {
        return NULL;
    }
    json_t *list = r->tree = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    mem_free(text);
    if (list == NULL) {
        cli_fail("%s:%d: %s", args.requests, error.line, error.text);
        return NULL;
    }
    if (!json_is_array(list)) {
        cli_fail("%s: must be a JSON array of requests", args.requests);
        return NULL;
    }
    *n = json_array_size(list);
    struct fake_request *requests = ARENA_ARRAY(&r->arena, struct fake_request, *n + 1);
    for (r->index = 0; r->index < *n; r->index++) {
        if (!read_request(r, json_array_get(list, r->index), &requests[r->index])) {
            return NULL;
        }
    }
    return requests;
}

/* ---- printing results ------------------------------------------------------------------- */

static void print_headers(struct strbuf *b, const char *key, const struct pw_header *at, size_t n)
{
    strbuf_printf(b, ", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(b, "%s[", i == 0 ? "" : ", ");
        strbuf_add_json(b, at[i].name);
        strbuf_printf(b, ", ");
        strbuf_add_json(b, at[i].value);
        strbuf_add_char(b, ']');
    }
    strbuf_add_char(b, ']');
}

static void print_text(struct strbuf *b, const char *key, struct str value)
{
    strbuf_printf(b, ", \"%s\": ", key);
    strbuf_add_json(b, value);
}

/* The body that came out of the chain, if it is not what came in. */
static void print_body(struct strbuf *b, const char *key, const struct fake_stream *f, enum pw_direction d,
                       const struct str *chunks, size_t nchunks)
{
    struct str rest = strbuf_str(&f->out[d]);
    bool same = f->ended[d];

    for (size_t i = 0; i < nchunks && same; i++) {
        same = str_starts_with(rest, chunks[i]);
        rest = same ? str_slice(rest, chunks[i].len, rest.len) : rest;
    }
    if (!same || rest.len != 0) {
        print_text(b, key, strbuf_str(&f->out[d]));
    }
}

static void print_logs(struct strbuf *b, const struct fake_stream *f)
{
    strbuf_printf(b, ", \"logs\": [");
    for (size_t i = 0; i < f->logs.len; i++) {
        struct strbuf line = {0};
        strbuf_printf(&line, "%s: ", level_names[f->logs.at[i].level]);
        strbuf_add(&line, f->logs.at[i].line);
        strbuf_printf(b, "%s", i == 0 ? "" : ", ");
        strbuf_add_json(b, strbuf_str(&line));
        strbuf_fini(&line);
    }
    strbuf_add_char(b, ']');
}

static void print_messages(struct strbuf *b, const struct fake_stream *f)
{
    const struct fake_message *request = &f->request->request, *response = &f->request->response;
    const struct fake_header_list *trailers = &f->maps[PW_MAP_REQUEST_TRAILERS];

    if (f->available[PW_MAP_REQUEST_TRAILERS]) {
        print_headers(b, "request_trailers", trailers->at, trailers->len);
    }
    trailers = &f->maps[PW_MAP_RESPONSE_TRAILERS];
    if (f->available[PW_MAP_RESPONSE_TRAILERS]) {
        print_headers(b, "response_trailers", trailers->at, trailers->len);
    }
    if (!f->has_local) {
        print_body(b, "request_body", f, PW_REQUEST, request->chunks, request->nchunks);
    }
    if (f->available[PW_MAP_RESPONSE_HEADERS]) {
        print_body(b, "response_body", f, PW_RESPONSE, f->has_local ? &f->local.body : response->chunks,
                   f->has_local ? 1 : response->nchunks);
    }
}

/* What the plugin sent in this request. */
static void print_calls(struct strbuf *b, const struct fake_calls *calls)
{
    for (size_t i = 0; i < calls->sent.len; i++) {
        const struct fake_sent *sent = &calls->sent.at[i];
        strbuf_printf(b, "%s{\"service\": ", i == 0 ? ", \"callouts\": [" : ", ");
        strbuf_add_json(b, sent->service);
        print_headers(b, "headers", sent->headers, sent->nheaders);
        print_text(b, "body", sent->body);
        if (sent->ntrailers != 0) {
            print_headers(b, "trailers", sent->trailers, sent->ntrailers);
        }
        strbuf_printf(b, ", \"timeout_ms\": %u}%s", sent->timeout_ms, i + 1 == calls->sent.len ? "]" : "");
    }
}

static void print_grpc(struct strbuf *b, const struct fake_grpc *grpc)
{
    for (size_t i = 0; i < grpc->sent.len; i++) {
        const struct fake_grpc_sent *sent = &grpc->sent.at[i];
        strbuf_printf(b, "%s{\"service\": ", i == 0 ? ", \"grpc\": [" : ", ");
        strbuf_add_json(b, sent->service);
        print_text(b, "path", sent->path);
        print_headers(b, "metadata", sent->metadata, sent->nmetadata);
        strbuf_printf(b, ", \"messages\": [");
        for (size_t k = 0; k < sent->nmessages; k++) {
            strbuf_printf(b, "%s", k == 0 ? "" : ", ");
            strbuf_add_json(b, sent->messages[k]);
        }
        strbuf_printf(b, "], \"unary\": %s, \"ended\": %s, \"cancelled\": %s, \"timeout_ms\": %u}%s",
                      sent->unary ? "true" : "false", sent->ended ? "true" : "false",
                      sent->cancelled ? "true" : "false", sent->timeout_ms,
                      i + 1 == grpc->sent.len ? "]" : "");
    }
}

static void print_result(size_t i, enum fake_action action, const struct fake_stream *f)
{
    static const char *const names[] = {"continue", "local", "paused", "trap", "closed"};
    const struct fake_header_list *request = &f->maps[PW_MAP_REQUEST_HEADERS];
    const struct fake_header_list *response = &f->maps[PW_MAP_RESPONSE_HEADERS];
    struct strbuf b = {0};

    strbuf_printf(&b, "{\"request\": %zu, \"action\": \"%s\"", i, names[action]);
    if (f->has_local) {
        strbuf_printf(&b, ", \"status\": %u", f->local.status);
        print_headers(&b, "headers", f->local.headers, f->local.nheaders);
        print_text(&b, "body", f->local.body);
        print_text(&b, "details", f->local.details);
        if (f->local.grpc_status >= 0) {
            strbuf_printf(&b, ", \"grpc_status\": %d", f->local.grpc_status);
        }
    }
    if (f->request->is_connection) {
        try_print_connection(&b, f);
    } else {
        print_headers(&b, "request_headers", request->at, request->len);
        if (f->available[PW_MAP_RESPONSE_HEADERS]) {
            print_headers(&b, "response_headers", response->at, response->len);
        }
        print_messages(&b, f);
    }
    if (f->route_changes != 0) {
        strbuf_printf(&b, ", \"route_cleared\": %u", f->route_changes);
    }
    if (f->override.len != 0) {
        print_text(&b, "upstream_override", f->override);
    }
    print_calls(&b, &f->server->calls);
    print_grpc(&b, &f->server->grpc);
    try_redis_print(&b, f->server->calls.commands.at, f->server->calls.commands.len);
    print_logs(&b, f);
    strbuf_add_char(&b, '}');
    puts(b.at);
    strbuf_fini(&b);
}

static void log_to_stderr(struct fake_server *server, enum pw_log_level level, struct str line)
{
    (void)server;
    fprintf(stderr, "weir try: %s: %.*s\n", level_names[level], STR_ARG(line));
}

static int print_failed_start(const struct weir_report *rep)
{
    char text[640];
    struct strbuf b = {0};

    weir_report_format(rep, text, sizeof text);
    strbuf_printf(&b, "{\"configure\": false, \"error\": ");
    strbuf_add_json(&b, str_of(text));
    strbuf_add_char(&b, '}');
    puts(b.at);
    strbuf_fini(&b);
    return CLI_EXIT_FAILED;
}

/* ---- running ------------------------------------------------------------------------------ */

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bench(struct fake_server *server, struct fake_stream *f, const struct fake_request *request,
                  const struct pw_step *steps, size_t nsteps)
{
    server->drop_logs = server->calls.unlisted = true;
    for (int i = 0; i < WARM_UP_RUNS; i++) {
        fake_serve(f, request, steps, nsteps);
    }
    uint64_t calls = pw_host_call_count(), started = cpu_ns();
    for (uint64_t i = 0; i < args.bench; i++) {
        fake_serve(f, request, steps, nsteps);
    }
    uint64_t spent = cpu_ns() - started;
    calls = pw_host_call_count() - calls;
    printf("{\"bench\": {\"iterations\": %" PRIu64
           ", \"cpu_ns_per_request\": %.1f, \"host_calls_per_request\": %.2f}}\n",
           args.bench, (double)spent / (double)args.bench, (double)calls / (double)args.bench);
}

static void serve_all(struct pw_plugin *plugin, struct fake_server *server,
                      const struct fake_request *requests, size_t n, size_t nconfigs)
{
    struct pw_step *steps = mem_zalloc_array(nconfigs, sizeof *steps);
    struct fake_stream f;

    for (uint32_t i = 0; i < nconfigs; i++) {
        steps[i] = (struct pw_step){plugin, i};
    }
    fake_stream_init(&f, server);
    for (size_t i = 0; i < n; i++) {
        enum fake_action action = fake_serve(&f, &requests[i], steps, nconfigs);
        print_result(i, action, &f);
    }
    if (args.bench != 0 && n != 0) {
        bench(server, &f, &requests[0], steps, nconfigs);
    }
    fake_calls_end(&server->calls);
    fake_grpc_end(&server->grpc);
    fake_stream_fini(&f);
    mem_free(steps);
}

/* A configuration file; none is an empty configuration. */
static bool read_text(struct arena *a, const char *path, struct str *out)
{
    size_t len;

    *out = (struct str){"", 0};
    if (path == NULL) {
        return true;
    }
    char *text = cli_read_file(path, MAX_FILE_BYTES, &len);
    if (text == NULL) {
        return false;
    }
    *out = (struct str){arena_strndup(a, text, len), len};
    mem_free(text);
    return true;
}

static int run_plugin(struct weir_module *m, const struct pw_plugin_options *opt,
                      const struct fake_request *requests, size_t nrequests)
{
    struct fake_server server = {
        .level = args.log_level >= 0 ? (enum pw_log_level)args.log_level
                 : args.bench != 0   ? PW_LOG_INFO
                                     : PW_LOG_TRACE,
        .has_now = args.now_ns != UINT64_MAX,
        .now_ns = args.now_ns,
        .log = log_to_stderr,
    };
    struct weir_report rep;
    struct pw_plugin *plugin;

    if (!fake_server_init(&server)) {
        return cli_fail("no memory for what plugins share");
    }
    weir_report_init(&rep);
    if (pw_plugin_new(m, opt, &fake_server_functions, &server, &plugin, &rep) != WEIR_OK) {
        fake_server_fini(&server);
        return print_failed_start(&rep);
    }
    int code = CLI_EXIT_OK;
    if (pw_plugin_start(plugin, &rep) != WEIR_OK) {
        code = print_failed_start(&rep);
    } else {
        serve_all(plugin, &server, requests, nrequests, opt->nconfigs);
    }
    pw_plugin_free(plugin);
    fake_calls_fini(&server.calls);
    fake_grpc_fini(&server.grpc);
    fake_server_fini(&server);
    return code;
}

static bool read_limits(struct pw_plugin_options *opt)
{
    for (size_t i = 0; i < args.limits.len; i++) {
        struct str rest = str_of(args.limits.at[i]), name = str_cut(&rest, '=');
        int q = 0;
        while (q < PW_QUOTA_COUNT && !str_eq(name, str_of(pw_quota_name((enum pw_quota)q)))) {
            q++;
        }
        if (q == PW_QUOTA_COUNT || !str_to_u64(rest, &opt->quotas[q])) {
            cli_fail("--limit %s: not the name of a limit and a number", args.limits.at[i]);
            return false;
        }
    }
    return true;
}

static bool read_options(struct pw_plugin_options *opt, struct arena *a)
{
    size_t nconfigs = args.configs.len == 0 ? 1 : args.configs.len;
    struct str *configs = ARENA_ARRAY(a, struct str, nconfigs);
    struct pw_env *env = ARENA_ARRAY(a, struct pw_env, args.env.len);

    for (size_t i = 0; i < nconfigs; i++) {
        if (!read_text(a, args.configs.len == 0 ? NULL : args.configs.at[i], &configs[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < args.env.len; i++) {
        struct str rest = str_of(args.env.at[i]);
        env[i].name = str_cut(&rest, '=');
        env[i].value = rest;
    }
    *opt = (struct pw_plugin_options){
        .name = str_of(args.name),
        .root_id = str_of(args.root_id),
        .env = env,
        .cpu_budget_ms = args.cpu_budget_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)args.cpu_budget_ms,
        .nenv = args.env.len,
        .configs = configs,
        .nconfigs = nconfigs,
        .fail_open = args.fail_open,
        .isolation = (enum pw_isolation)args.isolation,
        .tier = tiers[args.tier],
    };
    return read_limits(opt) && read_text(a, args.vm_config, &opt->vm_config);
}

static int run_module(const char *path, const struct pw_plugin_options *opt,
                      const struct fake_request *requests, size_t nrequests)
{
    struct weir_module *m;
    struct weir_report rep;
    size_t len;
    char *bytes = cli_read_file(path, MAX_FILE_BYTES, &len);

    if (bytes == NULL) {
        return CLI_EXIT_FAILED;
    }
    weir_report_init(&rep);
    weir_status st = weir_module_new((const uint8_t *)bytes, len, WEIR_FEATURES_ALL, &m, &rep);
    mem_free(bytes);
    if (st != WEIR_OK) {
        return print_failed_start(&rep);
    }
    int code;
    if (cli_prepare_image(m, opt->tier, path, args.image, &rep) == WEIR_OK) {
        code = run_plugin(m, opt, requests, nrequests);
    } else {
        code = print_failed_start(&rep);
    }
    weir_module_unref(m);
    return code;
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct pw_plugin_options opt;
    struct reader r = {.index = 0};
    size_t nrequests;

    args.tier = CLI_COUNT(tiers) - 1; /* auto */
    int code = cli_parse(&usage, argc, argv, &operands);
    if (code != CLI_GO_ON) {
        return code;
    }
    struct fake_request *requests = read_requests(&r, &nrequests);
    code = CLI_EXIT_FAILED;
    if (requests != NULL && read_options(&opt, &r.arena)) {
        code = run_module(operands.at[0], &opt, requests, nrequests);
    }
    json_decref(r.tree);
    arena_fini(&r.arena);
    return code;
}

const struct cli_verb cli_verb_try = {"try", "run a plugin without nginx, on requests from a file", run};
