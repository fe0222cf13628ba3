/* A request of the administration API from any bytes: what is read lies within them, and a prefix of a whole
 * request is never a whole other one. */
#include "base/mem.h"
#include "http/request.h"

static void check_within(struct str s, struct str text)
{
    WEIR_ASSERT(s.len == 0 || (s.at >= text.at && s.at + s.len <= text.at + text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct http_request r, part;

    if (http_request_parse(text, &r) != HTTP_REQUEST_DONE) {
        return 0;
    }
    check_within(r.method, text);
    check_within(r.target, text);
    check_within(r.body, text);
    size_t whole = r.body.len != 0 ? (size_t)(r.body.at + r.body.len - text.at) : 0;
    for (size_t n = 0; n < whole; n++) {
        WEIR_ASSERT(http_request_parse(str_slice(text, 0, n), &part) == HTTP_REQUEST_MORE);
    }
    return 0;
}
