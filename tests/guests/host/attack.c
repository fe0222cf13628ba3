/* attack - tries to get out: the header x-do says how.  What the host answers is logged as "NAME=STATUS".
 *
 * counts      header maps whose counts and lengths lie, in every call that takes pairs
 * contexts    contexts that are not there, or not this plugin's
 * buffers     every buffer and map, whoever they belong to, outside of their callbacks
 * lengths     lengths that wrap around with their address
 * grow        memory to its limit (hoard.wat: several memories and tables)
 * recurse     without end, some memory on the stack of each call
 * reenter     the allocator calls the host, which calls the allocator
 * moved       the allocator grows the memory while a result is on its way */
#define GUEST_NO_MALLOC
#include "guest.h"

static u32 mode, calls;
static char far_end[16];

static void words(char *dst, const u32 *w, u32 n)
{
    for (u32 i = 0; i < n * 4; i++) {
        dst[i] = (char)(w[i / 4] >> i % 4 * 8);
    }
}

static void counts(void)
{
    static const u32 lies[][5] = {
        {0xffffffff, 1, 1, 0, 0},          {0x20000000, 0, 0, 0, 0}, {1025, 0, 0, 0, 0},
        {1, 0xffffffff, 0xffffffff, 0, 0}, {1, 0x7fffffff, 1, 0, 0}, {2, 0, 0, 0xfffffffe, 0},
        {1, 0, 0xfffffff0, 0, 0},          {0x80000000, 0, 0, 0, 0},
    };
    u32 token, refused = 0, taken = 0;

    for (u32 i = 0; i < sizeof lies / sizeof *lies; i++) {
        char blob[64] = {0};
        words(blob, lies[i], 5);
        taken += proxy_set_header_map_pairs(2, blob, 20) == 0;
        refused += proxy_http_call("up", 2, blob, 20, "", 0, blob, 20, 1, &token) != 0;
        refused += proxy_grpc_call("up", 2, "s", 1, "m", 1, blob, 20, "", 0, 1, &token) != 0;
        refused += proxy_grpc_stream("up", 2, "s", 1, "m", 1, blob, 20, &token) != 0;
    }
    say_status("taken", taken);
    say_status("refused", refused);
}

static void contexts(void)
{
    static const u32 ids[] = {0, 3, 4, 1000, 0x7fffffff, 0xffffffff};
    u32 refused = 0;

    for (u32 i = 0; i < sizeof ids / sizeof *ids; i++) {
        refused += proxy_set_effective_context(ids[i]) != 0;
    }
    say_status("refused", refused);
    say_status("done", proxy_done());
    say_status("continue", proxy_continue_stream(9));
    say_status("root", proxy_set_effective_context(1));
    void *at;
    u32 len = 0;
    say_status("path of a root", proxy_get_header_map_value(0, ":path", 5, &at, &len));
    say_status("add to a root", proxy_add_header_map_value(0, "x-a", 3, "b", 1));
}

static void buffers(void)
{
    u32 found = 0, set = 0;

    for (u32 b = 0; b < 32; b++) {
        void *at = 0;
        u32 len = 0;
        found += b != 6 && proxy_get_buffer_bytes(b, 0, 0xffffffff, &at, &len) == 0;
        set += proxy_set_buffer_bytes(b, 0xffffffff, 0xffffffff, "x", 1) == 0;
    }
    for (u32 m = 1; m < 32; m++) {
        void *at = 0;
        u32 len = 0;
        found += m > 2 && proxy_get_header_map_value(m, "secret", 6, &at, &len) == 0 && len != 0;
    }
    say_status("found", found);
    say_status("set", set);
}

static void lengths(void)
{
    u32 end = (u32)__builtin_wasm_memory_size(0) << 16, refused = 0;
    const struct {
        u32 at, len;
    } places[] = {{end, 1},          {end - 1, 2},       {1, 0xffffffff}, {0xffffffff, 1},
                  {0xffffffff, 0x1}, {end - 8, 1 << 30}, {8, 0x80000000}, {0x80000000, 0x80000000}};

    for (u32 i = 0; i < 8; i++) {
        const void *at = (const void *)(uintptr_t)places[i].at;
        u32 len = places[i].len;
        void *r;
        u32 n = 0;
        refused += proxy_log(2, at, len) == 6;
        refused += proxy_set_property(at, len, "v", 1) == 6;
        refused += proxy_set_shared_data("k", 1, at, len, 0) == 6;
        refused += proxy_get_property(at, len, &r, &n) == 6;
        refused += proxy_send_local_response(200, at, len, "", 0, "", 0, 0) == 6;
        refused += proxy_call_foreign_function(at, len, "", 0, &r, &n) == 6;
    }
    say_status("refused", refused);
    say_status("allowed", proxy_log(2, far_end, 0));
}

static void grow(void)
{
    u32 pages = 0;
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {
        pages += 16;
    }
    say_status("too much", __builtin_wasm_memory_grow(0, 65535) == (size_t)-1);
    say_status("pages", pages != 0);
    *(volatile char *)(((uintptr_t)__builtin_wasm_memory_size(0) << 16) - 1) = 1;
}

static u32 recurse(u32 n)
{
    volatile char room[256];
    room[n % 256] = (char)n;
    return n == 0xffffffff ? 0 : recurse(n + 1) + (u32)room[(n * 7) % 256];
}

EXPORT(proxy_on_memory_allocate) void *attack_alloc(u32 size);
static void ask(void)
{
    void *at;
    u32 len = 0;

    calls++;
    proxy_get_header_map_value(0, ":path", 5, &at, &len);
}

void *attack_alloc(u32 size)
{
    if (mode == 'r') {
        ask(); /* without end */
    } else if (mode == 'm') {
        __builtin_wasm_memory_grow(0, 1);
        proxy_replace_header_map_value(0, ":path", 5, "/other", 6);
        proxy_remove_header_map_value(0, "x-do", 4);
    }
    return heap_alloc(size);
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    void *at;
    u32 len = 0;

    (void)ctx;
    (void)n;
    (void)end;
    heap_reset();
    mode = 0;
    if (proxy_get_header_map_value(0, "x-do", 4, &at, &len) != 0 || len == 0) {
        return 0;
    }
    switch (((char *)at)[0] + ((char *)at)[len - 1] * 256) {
    case 'c' + 's' * 256:
        (len == 6 ? counts : contexts)();
        break;
    case 'b' + 's' * 256:
        buffers();
        break;
    case 'l' + 's' * 256:
        lengths();
        break;
    case 'g' + 'w' * 256:
        grow();
        break;
    case 'r' + 'e' * 256:
        say_status("returned", recurse(0));
        break;
    case 'r' + 'r' * 256:
        mode = 'r';
        ask();
        say_status("returned", calls);
        break;
    case 'm' + 'd' * 256:
        mode = 'm';
        say_status("path", proxy_get_header_map_value(0, ":path", 5, &at, &len));
        say_status("pairs", proxy_get_header_map_pairs(0, &at, &len));
        mode = 0;
        break;
    default:
        say_status("unknown", 1);
        break;
    }
    return 0;
}
