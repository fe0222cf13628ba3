/* base/protobuf.h - protobuf's wire format: fields of a message, one after the other.
 *
 * A message is a sequence of (number, value); what a number means is the caller's business, unknown ones are
 * skipped by him, and of a repeated scalar the last one counts. */
#ifndef BASE_PROTOBUF_H
#define BASE_PROTOBUF_H

#include "base/str.h"

struct protobuf_field {
    uint32_t number;
    bool is_bytes; /* string, bytes or message; else a number */
    uint64_t value;
    struct str bytes; /* into the message */
};

enum protobuf_next { PROTOBUF_END, PROTOBUF_FIELD, PROTOBUF_MALFORMED };

/* Take the next field off the front of `rest`. */
enum protobuf_next protobuf_next(struct str *rest, struct protobuf_field *out);

/* Append a field; zero and empty are left out, as proto3 does. */
void protobuf_add_number(struct strbuf *b, uint32_t number, uint64_t v);
void protobuf_add_bytes(struct strbuf *b, uint32_t number, struct str bytes);

#endif
