/* pw/body.h - bytes of a message on their way through the chain.
 *
 * A body owns a heap block, or borrows the server's chunk for the length of one call into the host: whoever
 * keeps a body beyond that owns it first (pw_body_own).  An all-zero body is empty. */
#ifndef PW_BODY_H
#define PW_BODY_H

#include "base/str.h"

struct pw_body {
    const char *at; /* the readable bytes, inside `block` or borrowed */
    size_t len;
    char *block; /* NULL: nothing is owned */
    size_t room;
};

static inline struct str pw_body_str(const struct pw_body *b)
{
    return (struct str){b->at, b->len};
}

void pw_body_fini(struct pw_body *b); /* and empty again */
void pw_body_own(struct pw_body *b);
void pw_body_append(struct pw_body *b, struct str s);
/* Take `drain` bytes off the beginning (no more than there are), put `s` there. */
void pw_body_prepend(struct pw_body *b, size_t drain, struct str s);
/* Everything of `from` goes to the end of `to`, without a copy where that was empty. */
void pw_body_move(struct pw_body *to, struct pw_body *from);

#endif
