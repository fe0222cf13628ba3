/* pw/redact.h - a line of a plugin's log without what headers say, for reports that leave the worker.
 *
 * Values of the stream's request and response headers become "[redacted: NAME]", unless the header is one of
 * a list of harmless ones.  So do words of them, since plugins log the token of "Bearer TOKEN" and one cookie
 * of many; and the query of a path.  Only what stands there as it stands in the header is found: not what a
 * plugin decodes, nor what it kept of a header that is gone. */
#ifndef PW_REDACT_H
#define PW_REDACT_H

#include "base/str.h"

struct pw_stream;

/* Values shorter than this are kept, and so are shorter words of them: a "1" says nothing, and is everywhere.
 */
enum { PW_REDACT_LEAST_VALUE = 4, PW_REDACT_LEAST_WORD = 8 };

/* Write the line to `dst`, as much of it as fits `cap`; how many bytes that were.  `s` may be NULL. */
size_t pw_redact(const struct pw_stream *s, struct str line, char *dst, size_t cap);

#endif
