/* tcp_blind - stops new connections and has no callback for data: its first tick lets the newest go. */
#include "guest.h"

static u32 newest;

EXPORT(proxy_on_configure) u32 on_configure(u32 root, u32 size)
{
    (void)root;
    (void)size;
    proxy_set_tick_period_milliseconds(50);
    return 1;
}

EXPORT(proxy_on_new_connection) u32 on_new_connection(u32 ctx)
{
    newest = ctx;
    return 1;
}

EXPORT(proxy_on_tick) void on_tick(u32 root)
{
    (void)root;
    if (newest != 0 && proxy_set_effective_context(newest) == 0) {
        proxy_continue_stream(2);
        newest = 0;
    }
}
