/* abort - calls AssemblyScript's abort(message, file, line, column) in the request callback. */
#include "guest.h"

IMPORT(env, abort) void as_abort(const void *message, const void *file, u32 line, u32 column);

/* As AssemblyScript lays strings out: size in bytes, then UTF-16. */
static const struct {
    u32 bytes;
    uint16_t units[4];
} message = {8, {'o', 'o', 'p', 's'}}, file = {8, {'a', '.', 't', 's'}};

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    (void)end;
    as_abort(message.units, file.units, 12, 3);
    return 0;
}
