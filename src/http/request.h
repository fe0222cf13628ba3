/* http/request.h - a whole HTTP/1.1 request of a few kilobytes, taken apart (RFC 9112): for servers of our
 * own tools, not for traffic.
 *
 * What could be read in two ways is refused: two lengths, Transfer-Encoding, folded lines, white space before
 * a colon. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/str.h"

enum { HTTP_REQUEST_MAX_BYTES = 64 << 10 }; /* head and body */

enum http_request_result {
    HTTP_REQUEST_MORE, /* it goes on */
    HTTP_REQUEST_DONE,
    HTTP_REQUEST_BAD, /* malformed, or too long */
};

/* Slices of the text that was parsed. */
struct http_request {
    struct str method, target; /* "GET", "/v1/status" */
    struct str body;
};

/* `text` is all that came so far.  *out is set with HTTP_REQUEST_DONE. */
enum http_request_result http_request_parse(struct str text, struct http_request *out);

#endif
