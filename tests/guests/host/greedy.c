/* greedy - takes what the host gives for a stream: changes a header until it may not, answers with 32 MiB.
 *
 * It says how many changes went through and with which status it ended, then the status of an answer that
 * is too long, and lets the request go. */
#include "guest.h"

enum { VALUE_BYTES = 4096, MOST = 100000, ANSWER_BYTES = 32 << 20 };

static char value[VALUE_BYTES];

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    u32 count = 0, status = 0;

    (void)ctx;
    (void)n;
    (void)end;
    for (u32 i = 0; i < VALUE_BYTES; i++) {
        value[i] = 'v';
    }
    while (status == 0 && count < MOST) {
        status = proxy_replace_header_map_value(0, "x-greedy", 8, value, VALUE_BYTES);
        count += status == 0;
    }
    say_status("changes", count);
    say_status("status", status);
    proxy_replace_header_map_value(0, "x-greedy", 8, "", 0);
    heap_reset();
    say_status("answer",
               proxy_send_local_response(418, "", 0, heap_alloc(ANSWER_BYTES), ANSWER_BYTES, "", 0, (u32)-1));
    return 0;
}
