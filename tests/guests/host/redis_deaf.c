/* redis_deaf - sends a Redis command from its request callback and exports no callback for the reply. */
#include "guest.h"

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    static const char query[] = "*1\r\n$4\r\nPING\r\n";
    struct text t;
    u32 token;

    (void)ctx, (void)n, (void)end;
    t.len = 0;
    put(&t, "ping = ");
    put_number(&t, proxy_redis_call("svc", 3, query, sizeof query - 1, &token));
    say(2, &t);
    return 0;
}
