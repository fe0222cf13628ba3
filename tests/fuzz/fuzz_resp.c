/* A Redis reply of any bytes: decoded or refused, never outside of the bytes; and what is encoded as a
 * command decodes to the same strings. */
#include <stdlib.h>

#include "bare_plugin.h"
#include "weir_redis.h"

static uint64_t sum; /* so that every byte is read */

static void walk(const struct wp_redis_reply *r, unsigned depth)
{
    if (depth > WP_REDIS_MAX_DEPTH) {
        abort();
    }
    for (size_t i = 0; i < r->text.len; i++) {
        sum += (unsigned char)r->text.at[i];
    }
    for (size_t i = 0; i < r->nelements; i++) {
        walk(&r->elements[i], depth + 1);
    }
}

static void round_trip(struct wp_str bytes)
{
    struct wp_str argv[8], rest = bytes;
    size_t argc = 0;
    while (argc < 8 && wp_str_split(&rest, ' ', &argv[argc])) {
        argc++;
    }
    struct wp_redis_reply reply;
    if (!wp_redis_decode(wp_redis_encode(argv, argc), &reply) || reply.nelements != argc) {
        abort();
    }
    for (size_t i = 0; i < argc; i++) {
        if (reply.elements[i].type != WP_REDIS_STRING || !wp_str_eq(reply.elements[i].text, argv[i])) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str bytes = {(const char *)data, size};
    struct wp_redis_reply reply;
    proxy_on_context_create(1, 0); /* empties the callback's arena */
    if (wp_redis_decode(bytes, &reply) == (reply.type == WP_REDIS_FAILED)) {
        abort();
    }
    walk(&reply, 1);
    round_trip(bytes);
    return 0;
}
