/* http/request.h - a whole HTTP/1.1 request in memory, taken apart (RFC 9112): for servers of our
 * own tools, not for traffic.
 *
 * What could be read in two ways is refused: two lengths, Transfer-Encoding, folded lines, white space before
 * a colon. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/str.h"

enum { HTTP_REQUEST_MAX_HEAD_BYTES = 64 << 10, HTTP_REQUEST_MAX_BODY_BYTES = 16 << 20 };

enum http_request_result {
    HTTP_REQUEST_MORE, /* it goes on */
    HTTP_REQUEST_DONE,
    HTTP_REQUEST_BAD, /* malformed, or too long */
};

/* Slices of the text that was parsed. */
struct http_request {
    struct str method, target; /* "GET", "/v1/status?x" */
    struct str body;
    /* Values of headers without white space around them; at NULL: not sent. */
    struct str if_match, if_none_match, authorization;
};

/* `text` is all that came so far.  *out is set with HTTP_REQUEST_DONE. */
enum http_request_result http_request_parse(struct str text, struct http_request *out);

#endif
