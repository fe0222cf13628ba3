/* counter - says how many requests its VM has seen, and what the one before left in its memory.
 *
 * x-do makes it do something besides: "trap", "grow" (its memory), "call" (a service), "tick" (start ticks).
 */
#include "guest.h"

static u32 seen;
static char left[64] = "nothing";
static u32 sum[4096]; /* so that more than one page is written */

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    void *at;
    u32 len = 0;
    struct text t;

    (void)ctx;
    (void)n;
    (void)end;
    heap_reset();
    seen++;
    t.len = 0;
    put(&t, "seen ");
    put_number(&t, seen);
    put(&t, " left ");
    put(&t, left);
    put(&t, " sum ");
    put_number(&t, sum[0] + sum[1024] + sum[2048] + sum[4095]);
    say(2, &t);
    sum[0]++, sum[1024]++, sum[2048]++, sum[4095]++;
    if (proxy_get_header_map_value(0, "x-secret", 8, &at, &len) == 0 && len < sizeof left) {
        for (u32 i = 0; i < len; i++) {
            left[i] = ((char *)at)[i];
        }
        left[len] = 0;
    }
    if (proxy_get_header_map_value(0, "x-do", 4, &at, &len) == 0 && len != 0) {
        switch (*(char *)at) {
        case 't':
            __builtin_trap();
        case 'g':
            *(volatile char *)((uintptr_t)__builtin_wasm_memory_grow(0, 1) << 16) = 1;
            break;
        case 'c': {
            static const char call[] = "\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\1\0\0\0"
                                       ":method\0GET\0:path\0/\0:authority\0a\0";
            u32 token;
            proxy_http_call("up", 2, call, sizeof call - 1, "", 0, "", 0, 1000, &token);
            return 1;
        }
        default:
            break;
        }
    }
    return 0;
}

EXPORT(proxy_on_http_call_response)
void on_http_call_response(u32 ctx, u32 token, u32 n, u32 size, u32 trailers)
{
    (void)ctx;
    (void)token;
    (void)n;
    (void)size;
    (void)trailers;
    say_status("answered", seen);
}
