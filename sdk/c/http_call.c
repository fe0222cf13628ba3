/* http_call.c - HTTP calls to other services. */
#include "calls.h"

static struct wp_calls http_calls;

enum { WP_HTTP_TIMEOUT_MS = 5000, WP_PSEUDO_HEADERS = 3 };

static struct wp_str or_else(struct wp_str s, struct wp_str otherwise)
{
    return s.len != 0 ? s : otherwise;
}

static struct wp_str all_headers(const struct wp_http_request *r)
{
    size_t n = WP_PSEUDO_HEADERS + r->nheaders;
    struct wp_header *all = wp_arena_array(wp_callback_arena(), n, sizeof *all);
    all[0] = (struct wp_header){WP_STR(":method"), or_else(r->method, WP_STR("GET"))};
    all[1] = (struct wp_header){WP_STR(":path"), or_else(r->path, WP_STR("/"))};
    all[2] = (struct wp_header){WP_STR(":authority"), or_else(r->authority, r->cluster)};
    if (r->nheaders != 0) {
        memcpy(all + WP_PSEUDO_HEADERS, r->headers, r->nheaders * sizeof *all);
    }
    return wp_pairs_write(all, n);
}

static enum wp_status start(struct wp_root *root, struct wp_stream *stream, const struct wp_http_request *r,
                            wp_http_fn *fn, void *data)
{
    struct wp_str headers = all_headers(r), trailers = WP_STR("");
    if (r->ntrailers != 0) {
        trailers = wp_pairs_write(r->trailers, r->ntrailers);
    }
    uint32_t timeout_ms = r->timeout_ms != 0 ? r->timeout_ms : WP_HTTP_TIMEOUT_MS, token = 0;
    uint32_t status = proxy_http_call(r->cluster.at, r->cluster.len, headers.at, headers.len, r->body.at,
                                      r->body.len, trailers.at, trailers.len, timeout_ms, &token);
    if (status == WP_OK) {
        wp_calls_add(&http_calls, token, (struct wp_waiting){root, stream, (void (*)(void))fn, data});
    }
    return (enum wp_status)status;
}

enum wp_status wp_http_call(struct wp_stream *s, const struct wp_http_request *r, wp_http_fn *fn, void *data)
{
    return start(s->root, s, r, fn, data);
}

enum wp_status wp_root_http_call(struct wp_root *root, const struct wp_http_request *r, wp_http_fn *fn,
                                 void *data)
{
    return start(root, NULL, r, fn, data);
}

/* Three digits, else 0. */
static uint32_t parse_status(struct wp_str s)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || i == 3) {
            return 0;
        }
        v = v * 10 + (uint32_t)(s.at[i] - '0');
    }
    return s.len == 3 ? v : 0;
}

WP_EXPORT(proxy_on_http_call_response)
void proxy_on_http_call_response(uint32_t root_id, uint32_t token, uint32_t nheaders, uint32_t body_bytes,
                                 uint32_t ntrailers);
void proxy_on_http_call_response(uint32_t root_id, uint32_t token, uint32_t nheaders, uint32_t body_bytes,
                                 uint32_t ntrailers)
{
    wp_root_enter(root_id);
    struct wp_waiting w;
    if (!wp_calls_take(&http_calls, token, &w)) {
        return;
    }
    struct wp_http_answer answer = {
        .failed = nheaders == 0, .body_bytes = body_bytes, .nheaders = nheaders, .ntrailers = ntrailers};
    struct wp_str status;
    if (wp_header_get(WP_CALL_HEADERS, WP_STR(":status"), &status)) {
        answer.status = parse_status(status);
    }
    ((wp_http_fn *)w.fn)(w.root, w.stream, w.data, &answer);
}
