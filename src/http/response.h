/* http/response.h - an HTTP/1.1 response, taken apart as it arrives (RFC 9112).
 *
 * Fed with pieces of any size, it keeps what it needs; who sends them is not trusted.  Interim (1xx)
 * responses are skipped.  What could be read in two ways is refused: two lengths, folded lines, white space
 * before a colon, an encoding besides chunked. */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "weir/pw_server.h"

enum {
    HTTP_MAX_HEAD_BYTES = 64 << 10, /* status line, headers and trailers, interim responses included */
    HTTP_MAX_HEADERS = 512,         /* and as many trailers */
    HTTP_MAX_CHUNK_LINE = 1024,
};

enum http_progress {
    HTTP_MORE, /* give it the next piece */
    HTTP_DONE, /* it is complete */
    HTTP_BAD,  /* malformed, or over a limit: the connection is good for nothing */
};

enum http_state {
    HTTP_STATUS_LINE,
    HTTP_HEADER_LINE,
    HTTP_LENGTH_BODY,
    HTTP_CLOSE_BODY,
    HTTP_CHUNK_LINE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILER_LINE,
    HTTP_COMPLETE,
    HTTP_BROKEN,
};

typedef VEC(struct pw_header) http_headers;

struct http_response {
    enum http_state state;
    uint32_t status;
    bool no_body;                   /* the request was HEAD */
    bool keepalive;                 /* the connection may be used again once it is complete */
    http_headers headers, trailers; /* names lower-case; :status is the first header */
    struct strbuf body;
    uint64_t max_body_bytes;
    const char *error; /* why it is HTTP_BAD, for logs */

    /* Inside. */
    struct arena arena; /* of names and values */
    struct strbuf line; /* the one at hand */
    size_t head_bytes;
    uint64_t left; /* of the body or the chunk */
    bool has_length, chunked, old;
};

void http_response_init(struct http_response *p, bool no_body, uint64_t max_body_bytes);
void http_response_fini(struct http_response *p);
/* Take a piece; *used says how much of it belongs to this response: less than `len` only after HTTP_DONE, and
 * then the connection is out of step. */
enum http_progress http_response_feed(struct http_response *p, const void *at, size_t len, size_t *used);
/* The connection was closed. */
enum http_progress http_response_end(struct http_response *p);

static inline bool http_response_has_head(const struct http_response *p)
{
    return p->state > HTTP_HEADER_LINE && p->state != HTTP_BROKEN;
}

#endif
