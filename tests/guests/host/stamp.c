/* stamp - says on every response which module and which configuration of it the request passed.
 *
 * "x-stamp: MODULE/MARK".  MODULE are the eight characters behind "module=" in the file; who wants another
 * module that does the same writes others there.  The configuration is {"mark":"MARK"}; "refuse" is refused,
 * and "trap" traps. */
#define GUEST_MARKER proxy_abi_version_0_2_100
#include "guest.h"

static const volatile char module[] = "module=00000000";
static const char before[] = "{\"mark\":\"";
static char mark[64];
static u32 mark_len;

static int same(const char *a, const char *b, u32 len)
{
    for (u32 i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            return 0;
        }
    }
    return 1;
}

static int is(const char *word)
{
    return mark_len == text_len(word) && same(mark, word, mark_len);
}

EXPORT(proxy_on_configure) u32 on_configure(u32 root, u32 size)
{
    void *at = 0;
    u32 len = 0, start = sizeof before - 1;

    (void)root;
    if (proxy_get_buffer_bytes(7, 0, size, &at, &len) != 0 || len < start + 2 ||
        len - start - 2 > sizeof mark || !same(at, before, start)) {
        return 0;
    }
    mark_len = len - start - 2;
    __builtin_memcpy(mark, (const char *)at + start, mark_len);
    if (is("trap")) {
        __builtin_trap();
    }
    return !is("refuse");
}

EXPORT(proxy_on_response_headers) u32 on_response_headers(u32 ctx, u32 n, u32 end)
{
    struct text t;

    (void)ctx, (void)n, (void)end;
    t.len = 0;
    for (const volatile char *c = module + sizeof "module=" - 1; *c != '\0'; c++) {
        put_char(&t, *c);
    }
    put_char(&t, '/');
    put_bytes(&t, mark, mark_len);
    proxy_add_header_map_value(2, "x-stamp", 7, t.at, t.len);
    return 0;
}
