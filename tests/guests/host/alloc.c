/* alloc - a guest whose allocator misbehaves in the way the configuration (MODE or {"mode":"MODE"}) names,
 * from the first request on: trap, zero (no memory), wild (an address outside memory), nested (a host call
 * that allocates again, without end), change (it changes the header map that is being copied), small (fine).
 */
#define GUEST_NO_MALLOC
#include "guest.h"

static char mode;
static u32 longer = 1;

static void *wild(void)
{
    return (void *)(uintptr_t)0xfffffff0u;
}

EXPORT(malloc) void *guest_malloc(u32 bytes)
{
    void *at;
    u32 len;

    switch (mode) {
    case 't':
        __builtin_trap();
    case 'z':
        return 0;
    case 'w':
        return wild();
    case 'n':
        proxy_get_header_map_value(0, ":path", 5, &at, &len);
        break;
    case 'c':
        proxy_add_header_map_value(0, "x-more", 6, "a value that was not there when sizes were added", 48);
        proxy_replace_header_map_value(0, ":path", 5, "/another", longer ? 8 : 2);
        longer = !longer;
        break;
    }
    return heap_alloc(bytes);
}

EXPORT(proxy_on_configure) u32 on_configure(u32 ctx, u32 size)
{
    void *at = 0;
    u32 len = 0;
    (void)ctx;
    (void)size;
    proxy_get_buffer_bytes(7, 0, 100, &at, &len);
    const char *text = at;
    for (u32 i = 0; i + 2 < len; i++) { /* MODE, or {"mode":"MODE"} */
        if (((const char *)at)[i] == ':') {
            text = (const char *)at + i + 2;
            break;
        }
    }
    mode = *text;
    return 1;
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    void *at = 0;
    u32 len = 0;
    (void)ctx;
    (void)n;
    (void)end;
    say_status("value", proxy_get_header_map_value(0, ":path", 5, &at, &len));
    say_status("pairs", proxy_get_header_map_pairs(0, &at, &len));
    return 0;
}
