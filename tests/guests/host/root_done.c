/* root_done - a root that is not done when asked, and says so later in the same call. */
#include "guest.h"

EXPORT(proxy_on_configure) u32 on_configure(u32 ctx, u32 size)
{
    (void)ctx;
    (void)size;
    say_status("done early", proxy_done());
    return 1;
}

EXPORT(proxy_on_done) u32 on_done(u32 ctx)
{
    (void)ctx;
    say_status("done", proxy_done());
    say_status("done again", proxy_done());
    return 0;
}

EXPORT(proxy_on_delete) void on_delete(u32 ctx)
{
    say_status("delete", ctx);
}
