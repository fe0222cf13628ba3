/* cli/try_connection.h - TCP connections of `weir try`: from JSON, and what came of them. */
#ifndef CLI_TRY_CONNECTION_H
#define CLI_TRY_CONNECTION_H

#include <jansson.h>

#include "cli/fake_server.h"

/* The request's "connection", if it has one; strings point into the tree.  NULL, or what is wrong with it. */
const char *try_read_connection(struct arena *a, const json_t *request, struct fake_request *out);

/* What the upstream and the client got, as further members of the result's object. */
void try_print_connection(struct strbuf *b, const struct fake_stream *f);

#endif
