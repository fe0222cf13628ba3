/* silent - a plugin without any callback of streams: requests pass, nothing is called. */
#include "guest.h"

EXPORT(proxy_on_configure) u32 on_configure(u32 ctx, u32 size)
{
    (void)ctx;
    return size != 3;
}
