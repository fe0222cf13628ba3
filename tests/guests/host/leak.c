/* leak - takes memory for every request and never gives it back: as many KiB as the header x-leak says. */
#include "guest.h"

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    void *at;
    u32 len = 0, kib = 0;

    (void)ctx;
    (void)n;
    (void)end;
    heap_reset();
    if (proxy_get_header_map_value(0, "x-leak", 6, &at, &len) != 0) {
        return 0;
    }
    for (u32 i = 0; i < len; i++) {
        kib = kib * 10 + (u32)(((char *)at)[i] - '0');
    }
    u32 pages = (kib + 63) / 64, first = (u32)__builtin_wasm_memory_grow(0, pages);
    if (first == (u32)-1) {
        __builtin_trap();
    }
    for (u32 i = 0; i < pages * 16; i++) {
        *(volatile u32 *)((uintptr_t)first * 65536 + i * 4096) = i + 1;
    }
    return 0;
}
