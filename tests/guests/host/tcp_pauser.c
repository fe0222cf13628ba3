/* tcp_pauser - holds data of connections at random, and changes it in a way that can be checked.
 *
 * In each direction it puts the configuration's letter before the first byte and behind the last one.  What
 * it holds is let go by the next chunk, by the callback itself, or by a tick. */
#include "guest.h"

enum { CONTEXTS = 4096 };

static struct {
    unsigned char letter, begun[2], held[2], live;
} contexts[CONTEXTS];
static unsigned char letters[64];
static u32 state = 1;

static u32 draw(u32 n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

EXPORT(proxy_on_configure) u32 on_configure(u32 root, u32 size)
{
    void *at = 0;
    u32 len = 0;
    if (proxy_get_buffer_bytes(7, 0, size, &at, &len) != 0) {
        return 0;
    }
    for (u32 i = 0; i < len; i++) {
        if (((char *)at)[i] >= 'A' && ((char *)at)[i] <= 'Z') {
            letters[root % 64] = ((unsigned char *)at)[i];
            state += ((unsigned char *)at)[i] * 7919u;
        }
    }
    proxy_set_tick_period_milliseconds(2);
    return letters[root % 64] != 0;
}

EXPORT(proxy_on_context_create) void on_context_create(u32 ctx, u32 parent)
{
    if (parent != 0) {
        contexts[ctx % CONTEXTS].letter = letters[parent % 64];
        contexts[ctx % CONTEXTS].live = 1;
        for (u32 d = 0; d < 2; d++) {
            contexts[ctx % CONTEXTS].begun[d] = contexts[ctx % CONTEXTS].held[d] = 0;
        }
    }
}

EXPORT(proxy_on_new_connection) u32 on_new_connection(u32 ctx)
{
    contexts[ctx % CONTEXTS].held[0] = draw(3) == 0;
    return contexts[ctx % CONTEXTS].held[0];
}

static u32 on_data(u32 ctx, u32 d, u32 end)
{
    unsigned char *letter = &contexts[ctx % CONTEXTS].letter;
    heap_reset();
    if (!contexts[ctx % CONTEXTS].begun[d]) {
        contexts[ctx % CONTEXTS].begun[d] = 1;
        proxy_set_buffer_bytes(2 + d, 0, 0, letter, 1);
    }
    if (end) {
        proxy_set_buffer_bytes(2 + d, 0x7fffffff, 0, letter, 1);
    }
    u32 hold = draw(4);
    contexts[ctx % CONTEXTS].held[d] = hold == 1;
    if (hold == 2) {
        proxy_continue_stream(2 + d);
    }
    return hold == 1 || hold == 2;
}

EXPORT(proxy_on_downstream_data) u32 on_downstream_data(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_data(ctx, 0, end);
}

EXPORT(proxy_on_upstream_data) u32 on_upstream_data(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_data(ctx, 1, end);
}

EXPORT(proxy_on_tick) void on_tick(u32 root)
{
    (void)root;
    for (u32 ctx = 0; ctx < CONTEXTS; ctx++) {
        for (u32 d = 0; d < 2 && contexts[ctx].live; d++) {
            if (contexts[ctx].held[d] && proxy_set_effective_context(ctx) == 0) {
                contexts[ctx].held[d] = 0;
                proxy_continue_stream(2 + d);
            }
        }
    }
}

EXPORT(proxy_on_delete) void on_delete(u32 ctx)
{
    contexts[ctx % CONTEXTS].live = 0;
}
