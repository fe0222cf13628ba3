/* Every host call with hostile arguments, from every callback and from inside the allocator.
 *
 * The input is a program that the guest tests/guests/fuzz/host_calls.c carries out on the fake server: two
 * chained steps serve a request, or a TCP connection, then another.  Bytes say which call comes next and what
 * each of its arguments is: a small number, an address in the guest's data, one at the end of memory, or any.
 * Whatever happens, the host neither crashes nor reads outside guest memory, and nothing is left when the
 * plugin goes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/fake_server.h"
#include "pw/abi.h"
#include "pw/plugin.h"
#include "weir/host_thunk.h"

#define MODULE "build/guests/fuzz/host_calls.wasm"

enum { ARGS = 12, DATA_BYTES = 8192, MOST_CALLS = 400 };

static struct {
    const uint8_t *at;
    size_t left;
    uint32_t calls;
} input;

static uint32_t byte(void)
{
    if (input.left == 0) {
        return 0;
    }
    input.left--;
    return *input.at++;
}

static uint32_t argument(const struct weir_instance *inst, uint32_t data)
{
    uint32_t v = byte();

    switch (v & 7) {
    case 0:
    case 1:
        return v >> 3;
    case 2:
        return data + (byte() << 5 | v >> 3);
    case 3:
        return (uint32_t)inst->memory_bytes - (v >> 3);
    case 4:
        return (uint32_t)-(int32_t)(v >> 3);
    case 5:
        return byte();
    case 6:
        return byte() << 8 | byte();
    default:
        v = byte() << 24 | byte() << 16;
        return v | byte() << 8 | byte();
    }
}

/* Names, pairs and the like, so that calls get past their first check. */
static void write_data(const struct weir_instance *inst, uint32_t data)
{
    static const struct str texts[] = {
        STR("up"),
        STR("x-a"),
        STR(":path"),
        STR("content-length"),
        STR("plugin_name"),
        STR("request\0headers\0x-a"),
        STR("set_envoy_filter_state"),
        STR("\1\0\0\0\1\0\0\0\1\0\0\0k\0v\0"),
        STR("*1\r\n$4\r\nPING\r\n"),
        STR("a.example"),
        STR("\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\1\0\0\0"
            ":method\0GET\0:path\0/\0:authority\0a\0"),
    };
    uint32_t kind = byte(), at = byte() << 5, n = byte();
    uint8_t *to = weir_memory_at(inst, data, DATA_BYTES);

    if (to == NULL) {
        return;
    }
    if (kind < sizeof texts / sizeof *texts) {
        memcpy(to + at, texts[kind].at, str_slice(texts[kind], 0, DATA_BYTES - at).len);
        return;
    }
    for (uint32_t i = 0; i < n && at + i < DATA_BYTES; i++) {
        to[at + i] = (uint8_t)byte();
    }
}

static uint32_t next(struct weir_instance *inst, uint32_t args_at, uint32_t data)
{
    uint8_t *args = weir_memory_at(inst, args_at, ARGS * 4);
    uint32_t call = byte();

    WEIR_ASSERT(args != NULL);
    while (data != 0 && call == 255 && input.left != 0) {
        write_data(inst, data);
        call = byte();
    }
    for (uint32_t i = 0; i < ARGS; i++) {
        bytes_put_u32(args + 4 * i, argument(inst, data));
    }
    if (input.left == 0 || ++input.calls > MOST_CALLS) {
        return 0;
    }
    return call % (PW_CALL_COUNT + 2); /* one more ends the callback, as 0 does */
}

WEIR_HOST_THUNK2(next, i, i, i)
static const struct weir_host_func own[] = {WEIR_HOST_FUNC("env", "weir_fuzz_next", "ii:i", next)};

static struct weir_module *load(void)
{
    static uint8_t bytes[1 << 20];
    struct weir_module *m = NULL;
    struct weir_report rep;
    FILE *f = fopen(MODULE, "rb");

    if (f == NULL) {
        fprintf(stderr, "%s is missing: run from the folder it is built in\n", MODULE);
        exit(2);
    }
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    weir_report_init(&rep);
    WEIR_ASSERT(weir_module_new(bytes, n, WEIR_FEATURES_ALL, &m, &rep) == WEIR_OK);
    return m;
}

static struct fake_request request(struct arena *a, bool connection)
{
    static struct fake_answer answers[4] = {
        {.kind = FAKE_ANSWER_FAIL}, {.delay_ms = 3}, {.kind = FAKE_ANSWER_REFUSED}, {.delay_ms = 1}};
    static struct fake_grpc_answer grpc[2] = {{.kind = FAKE_GRPC_FAIL}, {.kind = FAKE_GRPC_ECHO}};
    static struct str chunks[] = {STR("first chunk"), STR("second")};
    static struct pw_upstream_host hosts[] = {{STR("10.0.0.1:80"), true}};
    static struct fake_event events[] = {
        {.kind = FAKE_EVENT_DATA, .side = PW_REQUEST, .bytes = STR("from the client")},
        {.kind = FAKE_EVENT_WAIT, .wait_ms = 50},
        {.kind = FAKE_EVENT_DATA, .side = PW_RESPONSE, .bytes = STR("from the upstream"), .end = true},
        {.kind = FAKE_EVENT_ANSWER},
        {.kind = FAKE_EVENT_CLOSE, .side = PW_REQUEST},
    };
    struct fake_request r = {.is_connection = connection, .has_response = true};

    r.request = (struct fake_message){.chunks = chunks, .nchunks = 2, .has_trailers = true};
    r.response = r.request;
    fake_headers_add(a, &r.request.headers, STR(":authority"), STR("a"));
    fake_headers_add(a, &r.request.headers, STR(":path"), STR("/p?q=1"));
    fake_headers_add(a, &r.request.headers, STR(":method"), STR("POST"));
    fake_headers_add(a, &r.request.headers, STR(":scheme"), STR("http"));
    fake_headers_add(a, &r.request.headers, STR("x-a"), STR("one"));
    fake_headers_add(a, &r.response.headers, STR(":status"), STR("200"));
    fake_headers_add(a, &r.request.trailers, STR("t"), STR("v"));
    for (int i = 0; i < FAKE_PROTOCOLS; i++) {
        r.answers[i].at = answers;
        r.answers[i].n = 4;
    }
    r.grpc = grpc;
    r.ngrpc = 2;
    r.hosts = hosts;
    r.nhosts = 1;
    r.events = events;
    r.nevents = sizeof events / sizeof *events;
    return r;
}

static void drop_line(struct fake_server *server, enum pw_log_level level, struct str line)
{
    (void)server;
    (void)level;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct weir_module *module;
    struct fake_server server = {.level = PW_LOG_TRACE, .has_now = true, .now_ns = 1, .log = drop_line};
    const struct str configs[] = {STR("a"), STR("b")};
    struct pw_plugin_options opt = {.name = STR("fuzz"),
                                    .configs = configs,
                                    .nconfigs = 2,
                                    .tier = WEIR_TIER_INTERP,
                                    .cpu_budget_ms = 1000};
    struct pw_plugin *p;

    module = module == NULL ? load() : module;
    input.at = data;
    input.left = size;
    input.calls = 0;
    opt.fail_open = byte() % 2;
    opt.memory_limit_bytes = 1 << 20;
    opt.quotas[PW_QUOTA_CALLOUTS] = 8;
    WEIR_ASSERT(fake_server_init(&server));
    WEIR_ASSERT(pw_plugin_new(module, &opt, &fake_server_functions, &server, &p, NULL) == WEIR_OK);
    weir_linker_add_funcs(p->linker, own, 1);
    if (pw_plugin_start(p, NULL) == WEIR_OK) {
        struct arena a;
        struct fake_stream f;
        const struct pw_step steps[] = {{p, 0}, {p, 1}};
        arena_init(&a);
        fake_stream_init(&f, &server);
        for (int i = 0; i < 2; i++) {
            struct fake_request r = request(&a, byte() % 3 == 0);
            fake_serve(&f, &r, steps, 2);
        }
        fake_stream_fini(&f);
        arena_fini(&a);
    }
    pw_plugin_free(p);
    fake_calls_fini(&server.calls);
    fake_grpc_fini(&server.grpc);
    fake_server_fini(&server);
    struct pw_live live = pw_live_count();
    WEIR_ASSERT(live.streams == 0 && live.contexts == 0 && live.callouts == 0 && live.bodies == 0);
    return 0;
}
