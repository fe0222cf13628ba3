/* unknown_import - imports a function that no host has: does not link. */
#include "guest.h"

IMPORT(env, proxy_make_coffee) u32 make_coffee(u32 cups);

EXPORT(proxy_on_tick) void on_tick(u32 ctx)
{
    make_coffee(ctx);
}
