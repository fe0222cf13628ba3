/* bad_type - exports a callback with a type that no ABI has: refused. */
#include "guest.h"

EXPORT(proxy_on_request_headers) u32 on_request_headers(u64 ctx)
{
    return (u32)ctx;
}
