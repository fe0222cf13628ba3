/* http/cookie.h - the Cookie header of a request (RFC 6265, 4.2): pairs of name and value. */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include "base/str.h"

/* The first cookie called `name` (with case), as it was written, quotes included.  False, *value untouched:
 * there is none.  Takes any bytes. */
bool http_cookie_find(struct str header, struct str name, struct str *value);

#endif
