/* http_date.h - the three forms of an HTTP date (RFC 9110, 5.6.7). */
#ifndef PLUGINS_HTTP_DATE_H
#define PLUGINS_HTTP_DATE_H

#include "weir_plugin.h"

/* "Wed, 09 May 2018 13:30:29 GMT" (also "GMT+00:00", as some clients write it), "Wednesday, 09-May-18
 * 13:30:29 GMT", "Wed May  9 13:30:29 2018".  Seconds since 1970; false, with *out untouched: none of them,
 * or no such day or time. The weekday's name must be one, but need not fit. */
bool http_date_parse(struct wp_str text, int64_t *out);

#endif
