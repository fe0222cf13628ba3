/* quota - asks the host for more and more of one thing.
 *
 * The header x-do says of what, x-times how often, x-bytes how much each time; the answers are logged as
 * "ok=N" and "status=S", the first status that is not 0.  With x-hold the request is held, and its body. */
#include "guest.h"

static u32 held;
static char big[1 << 20];

static u32 header(const char *name, u32 len, char *dst, u32 room)
{
    void *at;
    u32 n = 0;

    if (proxy_get_header_map_value(0, name, len, &at, &n) != 0 || n >= room) {
        return 0;
    }
    for (u32 i = 0; i < n; i++) {
        dst[i] = ((char *)at)[i];
    }
    dst[n] = 0;
    return n;
}

static u32 number(const char *name, u32 len)
{
    char text[16];
    u32 n = header(name, len, text, sizeof text), v = 0;

    for (u32 i = 0; i < n; i++) {
        v = v * 10 + (u32)(text[i] - '0');
    }
    return v;
}

static u32 once(char what, u32 i, u32 bytes)
{
    static const char call[] = "\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\1\0\0\0"
                               ":method\0GET\0:path\0/\0:authority\0a\0";
    char name[4] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676 % 26), 'x'};
    u32 id = 0;

    switch (what) {
    case 'c': /* a call with a body */
        return proxy_http_call("up", 2, call, sizeof call - 1, big, bytes, "", 0, 1000, &id);
    case 'g':
        return proxy_grpc_call("up", 2, "s", 1, "m", 1, "", 0, big, bytes, 1000, &id);
    case 't':
        return proxy_set_tick_period_milliseconds(i % 2 == 0 ? 1000 : 2000);
    case 's':
        return proxy_set_shared_data(name, 4, big, bytes, 0);
    case 'q':
        if (proxy_register_shared_queue("q", 1, &id) != 0) {
            return 99;
        }
        return proxy_enqueue_shared_queue(id, big, bytes);
    case 'l':
        return proxy_log(2, "line", 4);
    case 'm':
        return proxy_define_metric(0, name, 4, &id);
    case 'b':
        return proxy_set_buffer_bytes(0, 0, 0, big, bytes);
    default:
        return 98;
    }
}

static void ask(void)
{
    char what[8];
    u32 times = number("x-times", 7), bytes = number("x-bytes", 7), ok = 0, status = 0;

    if (header("x-do", 4, what, sizeof what) == 0) {
        return;
    }
    for (u32 i = 0; i < times && status == 0; i++) {
        heap_reset();
        status = once(what[0], i, bytes);
        ok += status == 0;
    }
    say_status("ok", ok);
    say_status("status", status);
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    held = number("x-hold", 6);
    if (end) {
        ask();
    }
    return 0;
}

EXPORT(proxy_on_request_body) u32 on_request_body(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    (void)end;
    ask();
    return held != 0;
}
