/* pauser - holds messages at random places, and changes them in a way that can be checked.
 *
 * The first body callback of a message puts the configuration's first letter before the body, the last one
 * puts it behind; Content-Length goes.  Headers and chunks are held at random, and every end lets go of what
 * is held; a number in the configuration's second place is the seed. */
#define GUEST_MARKER proxy_abi_version_0_2_100
#include "guest.h"

enum { STREAMS = 4096 };

static struct {
    unsigned char letter, begun[2];
} streams[STREAMS];
static unsigned char letters[64];
static u32 state = 1;

static u32 draw(u32 n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

EXPORT(proxy_on_configure) u32 on_configure(u32 root, u32 size)
{
    void *at = 0;
    u32 len = 0;
    if (size < 2 || proxy_get_buffer_bytes(7, 0, size, &at, &len) != 0) {
        return 0;
    }
    const unsigned char *text = at;
    for (u32 i = 0; i + 1 < len; i++) { /* the configuration may be a JSON string */
        if (text[i] >= 'A' && text[i] <= 'Z') {
            letters[root % 64] = text[i];
            state += text[i + 1] * 7919u;
            break;
        }
    }
    return 1;
}

EXPORT(proxy_on_context_create) void on_context_create(u32 ctx, u32 parent)
{
    if (parent != 0) {
        streams[ctx % STREAMS].letter = letters[parent % 64];
        streams[ctx % STREAMS].begun[0] = streams[ctx % STREAMS].begun[1] = 0;
    }
}

static u32 on_headers(u32 map, u32 end)
{
    if (!end) {
        proxy_remove_header_map_value(map, "content-length", 14);
    }
    return end ? 0 : draw(2);
}

static u32 on_body(u32 ctx, u32 direction, u32 end)
{
    heap_reset();
    if (!streams[ctx % STREAMS].begun[direction]) {
        streams[ctx % STREAMS].begun[direction] = 1;
        proxy_set_buffer_bytes(direction, 0, 0, &streams[ctx % STREAMS].letter, 1);
    }
    if (end) {
        proxy_set_buffer_bytes(direction, 0x7fffffff, 0, &streams[ctx % STREAMS].letter, 1);
        if (draw(2)) {
            proxy_continue_stream(direction);
            return 1 + draw(2);
        }
        return 0;
    }
    switch (draw(4)) {
    case 0:
        return 1;
    case 1:
        proxy_continue_stream(direction);
        return 1;
    default:
        return 0;
    }
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    return on_headers(0, end);
}

EXPORT(proxy_on_response_headers) u32 on_response_headers(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    return on_headers(2, end);
}

EXPORT(proxy_on_request_body) u32 on_request_body(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_body(ctx, 0, end);
}

EXPORT(proxy_on_response_body) u32 on_response_body(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_body(ctx, 1, end);
}
