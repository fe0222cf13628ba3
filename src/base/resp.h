/* base/resp.h - RESP, the protocol of Redis: texts taken apart, item by item.
 *
 * What RESP2 has: status, error, integer, bulk string, array and the two nulls.  A text is not trusted; an
 * item is either wholly there or not read. */
#ifndef BASE_RESP_H
#define BASE_RESP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum resp_kind { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_BULK, RESP_ARRAY, RESP_NULL };

struct resp_item {
    enum resp_kind kind;
    struct str text; /* of a status, an error or a bulk string; points into what was read */
    int64_t number;  /* an integer; how many items follow that belong to an array, not negative */
};

/* Cut the item at the front of `*rest`; of an array only its head.  False: there is none, or not all of it;
 * *rest is then untouched. */
bool resp_cut(struct str *rest, struct resp_item *out);

/* Cut a whole reply, with all that an array holds; *out is where it stood. */
bool resp_cut_reply(struct str *rest, struct str *out);

/* A command is an array of at least one bulk string and nothing else, its lengths written as Redis reads
 * them: no sign, no leading zeros.  False: `query` is none, or it has more.  Its first `most` arguments come
 * into `args`, empty where it has fewer. */
bool resp_read_command(struct str query, struct str *args, size_t most);
static inline bool resp_is_command(struct str query)
{
    return resp_read_command(query, NULL, 0);
}
/* Argument `i` of a command; false: it has not so many. */
bool resp_argument(struct str command, size_t i, struct str *out);

/* Add a bulk string. */
void resp_add_bulk(struct strbuf *b, struct str text);
/* Add a command of `n` arguments. */
void resp_add_command(struct strbuf *b, const struct str *args, size_t n);

#endif
