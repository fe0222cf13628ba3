/* native.c - a plugin built natively with the SDK, run on the fake server of `weir try`: what one request
 * costs.
 *
 *   NAME CONFIG REQUESTS N
 *
 * CONFIG is the configuration's file, REQUESTS the JSON that `weir try` takes, of which the first request is
 * run.  Prints the action of the request and "cpu_ns_per_request X", as `weir try --bench` measures it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/try_redis.h"
#include "native_host.h"
#include "weir_plugin.h"

enum { ROOT = 1, STREAM = 2, WARM_UP_RUNS = 64, MAX_FILE_BYTES = 1 << 24 };

void proxy_on_context_create(uint32_t id, uint32_t parent_id);
void proxy_on_delete(uint32_t id);
uint32_t proxy_on_configure(uint32_t id, uint32_t size);
/* Those a plugin need not have. */
__attribute__((weak)) uint32_t proxy_on_request_headers(uint32_t id, uint32_t count, uint32_t end_of_stream);
__attribute__((weak)) uint32_t proxy_on_request_body(uint32_t id, uint32_t size, uint32_t end_of_stream);
__attribute__((weak)) void proxy_on_redis_call_response(uint32_t root_id, uint32_t token, uint32_t status,
                                                        uint32_t bytes);
__attribute__((weak)) void proxy_on_log(uint32_t id);

static struct fake_request request;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static struct str text_of(const json_t *v)
{
    return (struct str){json_string_value(v), json_string_length(v)};
}

/* The pseudo-headers that a request does not give, as `weir try` fills them in. */
static const struct pw_header defaults[] = {
    {STR(":authority"), STR("example.com")},
    {STR(":path"), STR("/")},
    {STR(":method"), STR("GET")},
    {STR(":scheme"), STR("http")},
};

static bool is_given(const json_t *headers, struct str name)
{
    size_t i;
    json_t *pair;
    json_array_foreach(headers, i, pair)
    {
        if (str_eq(text_of(json_array_get(pair, 0)), name)) {
            return true;
        }
    }
    return false;
}

static void read_headers(struct arena *a, const json_t *headers)
{
    size_t i;
    json_t *pair;
    for (size_t d = 0; d < sizeof defaults / sizeof *defaults; d++) {
        if (!is_given(headers, defaults[d].name)) {
            fake_headers_add(a, &request.request.headers, defaults[d].name, defaults[d].value);
        }
    }
    json_array_foreach(headers, i, pair)
    {
        fake_headers_add(a, &request.request.headers, text_of(json_array_get(pair, 0)),
                         text_of(json_array_get(pair, 1)));
    }
}

static void read_request(struct arena *a, const char *path)
{
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);
    const json_t *first = json_array_get(all, 0);
    if (!first) {
        die(error.text);
    }
    read_headers(a, json_object_get(first, "headers"));
    const json_t *reply = json_object_get(json_array_get(json_object_get(first, "redis"), 0), "reply");
    static struct strbuf resp;
    if (reply && try_redis_reply(reply, &resp)) {
        native_reply = (struct str){resp.at, resp.len};
    }
    const json_t *now = json_object_get(first, "now_ns"), *body = json_object_get(first, "body");
    request.has_now = now != NULL;
    request.now_ns = (uint64_t)json_integer_value(now);
    if (body) {
        native_body = text_of(body);
    }
}

static uint32_t serve(void)
{
    bool has_body = native_body.len != 0;
    uint32_t action = WP_CONTINUE;
    native_token = 0;
    native_resumed = false;
    fake_stream_begin(&native_stream, &request);
    proxy_on_context_create(STREAM, ROOT);
    if (proxy_on_request_headers) {
        action = proxy_on_request_headers(STREAM, (uint32_t)request.request.headers.len, !has_body);
    }
    if (has_body && !native_stream.has_local && proxy_on_request_body) {
        action = proxy_on_request_body(STREAM, (uint32_t)native_body.len, 1);
    }
    if (native_token != 0 && proxy_on_redis_call_response) {
        proxy_on_redis_call_response(ROOT, native_token, 0, (uint32_t)native_reply.len);
        action = native_resumed ? WP_CONTINUE : action;
    }
    if (proxy_on_log) {
        proxy_on_log(STREAM);
    }
    proxy_on_delete(STREAM);
    return action;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct arena arena;
    if (argc != 4) {
        die("usage: NAME CONFIG REQUESTS N");
    }
    arena_init(&arena);
    read_request(&arena, argv[2]);
    size_t len;
    native_config = (struct str){cli_read_file(argv[1], MAX_FILE_BYTES, &len), 0};
    native_config.len = native_config.at ? len : 0;
    native_server.level = PW_LOG_INFO;
    if (!fake_server_init(&native_server)) {
        die("no memory");
    }
    fake_stream_init(&native_stream, &native_server);
    proxy_on_context_create(ROOT, 0);
    if (!proxy_on_configure(ROOT, (uint32_t)native_config.len)) {
        die("the plugin refuses its configuration");
    }
    for (int i = 0; i < WARM_UP_RUNS; i++) {
        serve();
    }
    uint64_t n = strtoull(argv[3], NULL, 10), started = cpu_ns();
    uint32_t action = WP_CONTINUE;
    for (uint64_t i = 0; i < n; i++) {
        action = serve();
    }
    printf("%s\ncpu_ns_per_request %.1f\n",
           native_stream.has_local ? "local"
           : action == WP_CONTINUE ? "continue"
                                   : "paused",
           (double)(cpu_ns() - started) / (double)n);
    return 0;
}
