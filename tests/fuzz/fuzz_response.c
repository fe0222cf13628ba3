/* A service's answer from any bytes, in one piece and in small ones: the same comes of it, within the limits.
 */
#include "base/mem.h"
#include "http/response.h"

enum { MAX_BODY = 4096 };

static enum http_progress feed(struct http_response *p, const uint8_t *data, size_t size, size_t step)
{
    enum http_progress result = HTTP_MORE;
    size_t at = 0, used;

    while (result == HTTP_MORE && at < size) {
        size_t n = size - at < step ? size - at : step;
        result = http_response_feed(p, data + at, n, &used);
        WEIR_ASSERT(used <= n && (used == n || result != HTTP_MORE));
        at += used;
    }
    return result == HTTP_MORE ? http_response_end(p) : result;
}

static void check_same(const http_headers *a, const http_headers *b)
{
    WEIR_ASSERT(a->len == b->len && a->len <= HTTP_MAX_HEADERS + 1);
    for (size_t i = 0; i < a->len; i++) {
        WEIR_ASSERT(str_eq(a->at[i].name, b->at[i].name) && str_eq(a->at[i].value, b->at[i].value));
        WEIR_ASSERT(memchr(a->at[i].value.at, '\r', a->at[i].value.len) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_response whole, pieces;
    bool head = size != 0 && data[0] == '!';
    size_t step = size == 0 ? 1 : 1 + data[size - 1] % 16;

    data += head;
    size -= head;
    http_response_init(&whole, head, MAX_BODY);
    http_response_init(&pieces, head, MAX_BODY);
    enum http_progress result = feed(&whole, data, size, SIZE_MAX);
    WEIR_ASSERT(feed(&pieces, data, size, step) == result);
    WEIR_ASSERT(result != HTTP_MORE && (result != HTTP_BAD || (whole.error != NULL && !whole.keepalive)));
    if (result == HTTP_DONE) {
        WEIR_ASSERT(whole.status >= 200 && whole.headers.len > 0 && whole.body.len <= MAX_BODY);
        WEIR_ASSERT(str_eq(strbuf_str(&whole.body), strbuf_str(&pieces.body)));
        WEIR_ASSERT(whole.keepalive == pieces.keepalive && whole.status == pieces.status);
        check_same(&whole.headers, &pieces.headers);
        check_same(&whole.trailers, &pieces.trailers);
    }
    http_response_fini(&whole);
    http_response_fini(&pieces);
    return 0;
}
