/* staller - holds messages at random places until a callout to the service "delay" is answered.
 *
 * The first body callback of a message puts the configuration's letter before the body, the last one puts it
 * behind; Content-Length goes.  Any callback may pause: headers in each of the ways there are, chunks with
 * and without back-pressure, the end of the stream.  The callout's answer lets go of what is held.  A request
 * with x-storm: LETTER is answered with 418 by the plugin of that letter when a callout returns: one from the
 * headers callback, or if it is a small letter one from the first body callback, unless that comes while
 * another is under way.  The configuration has a capital letter, and behind it a digit: in how many of 16
 * callbacks it pauses. */
#define GUEST_MARKER proxy_abi_version_0_2_100
#include "guest.h"

enum { SLOTS = 1 << 16 };
enum { NEVER, IN_HEADERS, IN_BODY, NOW }; /* when a stream is answered */

static struct {
    unsigned char begun[2], waits[2], answers;
} streams[SLOTS]; /* by context id */
static struct {
    u32 ctx;
    unsigned char direction;
} calls[SLOTS]; /* by token */
static unsigned char letter;
static u32 often, state = 88172645;

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
    (void)root;
    if (size < 2 || proxy_get_buffer_bytes(7, 0, size, &at, &len) != 0) {
        return 0;
    }
    const unsigned char *text = at;
    for (u32 i = 0; i + 1 < len; i++) { /* a JSON string */
        if (text[i] >= 'A' && text[i] <= 'Z') {
            letter = text[i];
            often = text[i + 1] - '0';
            state ^= letter * 7919u;
            return 1;
        }
    }
    return 0;
}

EXPORT(proxy_on_context_create) void on_context_create(u32 ctx, u32 parent)
{
    if (parent != 0) {
        __builtin_memset(&streams[ctx % SLOTS], 0, sizeof streams[0]);
    }
}

static u32 put_u32(char *at, u32 v)
{
    __builtin_memcpy(at, &v, 4);
    return 4;
}

/* Ask the delay service; the answer continues this direction. */
static int ask(u32 ctx, u32 direction)
{
    static const char *const pairs[][2] = {{":method", "GET"}, {":path", "/"}, {":authority", "delay"}};
    char headers[256];
    u32 at = put_u32(headers, 3), token = 0;

    for (u32 i = 0; i < 3; i++) {
        at += put_u32(headers + at, text_len(pairs[i][0]));
        at += put_u32(headers + at, text_len(pairs[i][1]));
    }
    for (u32 i = 0; i < 6; i++) {
        const char *s = pairs[i / 2][i % 2];
        for (u32 n = 0; n <= text_len(s); n++) {
            headers[at++] = s[n];
        }
    }
    u32 status = proxy_http_call("delay", 5, headers, at, "", 0, "", 0, 30000, &token);
    if (status != 0) {
        say_status("staller: call", status);
        return 0;
    }
    calls[(token >> 2) % SLOTS].ctx = ctx;
    calls[(token >> 2) % SLOTS].direction = (unsigned char)direction;
    streams[ctx % SLOTS].waits[direction] = 1;
    return 1;
}

EXPORT(proxy_on_http_call_response)
void on_http_call_response(u32 root, u32 token, u32 nheaders, u32 body, u32 trailers)
{
    u32 ctx = calls[(token >> 2) % SLOTS].ctx, direction = calls[(token >> 2) % SLOTS].direction;

    (void)root;
    (void)body;
    (void)trailers;
    if (nheaders == 0) {
        say_status("staller: failed", token);
    }
    if (proxy_set_effective_context(ctx) != 0) {
        return; /* the client left */
    }
    streams[ctx % SLOTS].waits[direction] = 0;
    if (streams[ctx % SLOTS].answers == NOW && direction == 0) {
        streams[ctx % SLOTS].answers = NEVER;
        proxy_send_local_response(418, "storm", 5, "answer", 6, "", 0, (u32)-1);
        return;
    }
    proxy_continue_stream(direction);
}

static u32 on_headers(u32 ctx, u32 map, u32 end)
{
    static const unsigned char ways[] = {1, 3, 4};
    u32 direction = map / 2, asked = streams[ctx % SLOTS].answers == IN_HEADERS && direction == 0;

    heap_reset();
    if (!end) {
        proxy_remove_header_map_value(map, "content-length", 14);
    }
    if ((draw(16) < often || asked) && ask(ctx, direction)) {
        if (asked) {
            streams[ctx % SLOTS].answers = NOW;
        }
        return asked ? 4 : ways[draw(3)];
    }
    return 0;
}

static u32 on_body(u32 ctx, u32 direction, u32 end)
{
    u32 slot = ctx % SLOTS, first = !streams[slot].begun[direction];

    heap_reset();
    if (first) {
        streams[slot].begun[direction] = 1;
        proxy_set_buffer_bytes(direction, 0, 0, &letter, 1);
    }
    if (end) {
        proxy_set_buffer_bytes(direction, 0x7fffffff, 0, &letter, 1);
    }
    if (streams[slot].waits[direction]) {
        return 1 + draw(2);
    }
    if (first && direction == 0 && streams[slot].answers == IN_BODY && ask(ctx, direction)) {
        streams[slot].answers = NOW;
        return 1 + draw(2);
    }
    if (draw(16) < often && ask(ctx, direction)) {
        return 1 + draw(2);
    }
    return 0;
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    void *at = 0;
    u32 len = 0;
    (void)n;
    heap_reset();
    if (proxy_get_header_map_value(0, "x-storm", 7, &at, &len) == 0 && len == 1) {
        unsigned char asked = *(unsigned char *)at;
        streams[ctx % SLOTS].answers = asked == letter          ? IN_HEADERS
                                       : asked == (letter | 32) ? IN_BODY
                                                                : NEVER;
    }
    return on_headers(ctx, 0, end);
}

EXPORT(proxy_on_response_headers) u32 on_response_headers(u32 ctx, u32 n, u32 end)
{
    (void)n;
    return on_headers(ctx, 2, end);
}

EXPORT(proxy_on_request_body) u32 on_request_body(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_body(ctx, 0, end);
}

EXPORT(proxy_on_response_body) u32 on_response_body(u32 ctx, u32 size, u32 end)
{
    (void)size;
    return on_body(ctx, 1, end);
}
