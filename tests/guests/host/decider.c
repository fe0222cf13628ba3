/* decider - has its say in the request's headers only: traps if x-request is "trap", else lets go on. */
#include "guest.h"

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n)
{
    void *at = 0;
    u32 len = 0;
    (void)ctx;
    (void)n;
    if (proxy_get_header_map_value(0, "x-request", 9, &at, &len) == 0 && len == 4) {
        __builtin_trap();
    }
    return 0;
}
