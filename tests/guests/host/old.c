/* old - ABI 0.1.0 as its first SDKs spoke it: header callbacks with two parameters, _start that ends with
 * proc_exit(0), no malloc but proxy_on_memory_allocate, continue_request without a result. */
#define GUEST_MARKER proxy_abi_version_0_1_0
#define GUEST_NO_MALLOC
#define proxy_continue_request with_result
#include "guest.h"
#undef proxy_continue_request

IMPORT(env, proxy_continue_request) void continue_request_without_result(void);
IMPORT(wasi_unstable, proc_exit) void proc_exit(u32 code);

static u32 started;

EXPORT(_start) void on_start(void)
{
    started = 1;
    proc_exit(0);
}

EXPORT(proxy_on_memory_allocate) void *on_memory_allocate(u32 bytes)
{
    return heap_alloc(bytes);
}

EXPORT(proxy_on_configure) u32 on_configure(u32 ctx, u32 size)
{
    (void)ctx;
    (void)size;
    return started;
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n)
{
    void *at = 0;
    u32 len = 77;
    (void)ctx;
    say_status("count", n);
    say_status("missing", proxy_get_header_map_value(0, "nope", 4, &at, &len));
    say_status("length", len);
    continue_request_without_result();
    return 1;
}
