/* probe_tcp - probe with the callbacks of connections.
 *
 * Their scripts are lines of the configuration: new, down, up, downclose, upclose; of `down` and `up` one for
 * each call, separated by '|', the last for all that follow.  Line `answer` is what an answer to `call` runs,
 * with '@' as the context that sent it; `tick` has the newest context as '@'. */
#define PROBE_TCP
#include "probe.c"

enum { ROOTS = 64, CONTEXTS = 1024, SCRIPTS = 6, SCRIPT_BYTES = 512 };
enum script { NEW, DOWN, UP, DOWN_CLOSE, UP_CLOSE, ANSWER };

static const char *const keys[SCRIPTS] = {"new:", "down:", "up:", "downclose:", "upclose:", "answer:"};

static struct {
    char at[SCRIPTS][SCRIPT_BYTES];
    u32 len[SCRIPTS];
    u32 newest; /* context */
} roots[ROOTS];

static struct {
    u32 root, calls[2];
} contexts[CONTEXTS];

static void tcp_configure(u32 root)
{
    for (u32 i = 0; i < SCRIPTS; i++) {
        char *at = 0;
        u32 len = 0;
        if (find_line(keys[i], text_len(keys[i]), &at, &len)) {
            roots[root % ROOTS].len[i] =
                copy(roots[root % ROOTS].at[i], at, len < SCRIPT_BYTES ? len : SCRIPT_BYTES);
        }
    }
}

static void tcp_create(u32 ctx, u32 root)
{
    heap_reset();
    contexts[ctx % CONTEXTS].root = root % ROOTS;
    contexts[ctx % CONTEXTS].calls[0] = contexts[ctx % CONTEXTS].calls[1] = 0;
    roots[root % ROOTS].newest = ctx;
}

static u32 tcp_newest(u32 root)
{
    return roots[root % ROOTS].newest;
}

static int tcp_find_answer(u32 ctx, char **script, u32 *len)
{
    u32 root = contexts[ctx % CONTEXTS].root;
    *script = roots[root].at[ANSWER];
    *len = roots[root].len[ANSWER];
    return *len != 0;
}

/* The part for the `call`th call. */
static u32 run_part(u32 ctx, enum script which, u32 call)
{
    u32 root = contexts[ctx % CONTEXTS].root, n = 0;
    const char *at = roots[root].at[which], *end = at + roots[root].len[which];
    for (; call != 0; call--) {
        const char *next = at;
        while (next < end && *next != '|') {
            next++;
        }
        if (next == end) {
            break;
        }
        at = next + 1;
    }
    while (at + n < end && at[n] != '|') {
        n++;
    }
    return run_script(ctx, at, n, 0);
}

EXPORT(proxy_on_new_connection) u32 on_new_connection(u32 ctx)
{
    trace("on_new_connection", ctx, 0, 0, 1);
    return run_part(ctx, NEW, 0);
}

EXPORT(proxy_on_downstream_data) u32 on_downstream_data(u32 ctx, u32 size, u32 end)
{
    heap_reset();
    trace("on_downstream_data", ctx, size, end, 3);
    the_call.end = end;
    return run_part(ctx, DOWN, contexts[ctx % CONTEXTS].calls[0]++);
}

EXPORT(proxy_on_upstream_data) u32 on_upstream_data(u32 ctx, u32 size, u32 end)
{
    heap_reset();
    trace("on_upstream_data", ctx, size, end, 3);
    the_call.end = end;
    return run_part(ctx, UP, contexts[ctx % CONTEXTS].calls[1]++);
}

EXPORT(proxy_on_downstream_connection_close) void on_downstream_close(u32 ctx, u32 peer)
{
    trace("on_downstream_close", ctx, peer, 0, 2);
    run_part(ctx, DOWN_CLOSE, 0);
}

EXPORT(proxy_on_upstream_connection_close) void on_upstream_close(u32 ctx, u32 peer)
{
    trace("on_upstream_close", ctx, peer, 0, 2);
    run_part(ctx, UP_CLOSE, 0);
}
