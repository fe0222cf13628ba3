/* calls.h - calls to other services that wait for their answer, by the host's token.
 *
 * One table a kind of call, as hosts number each kind for itself.  An entry belongs to the table from
 * wp_calls_add until wp_calls_take, which hands it out once, or until its context ends.  A root's entry holds
 * the root only; a stream's is counted in its root and itself.  No part of the SDK's API. */
#ifndef WEIR_SDK_CALLS_H
#define WEIR_SDK_CALLS_H

#include "idmap.h"
#include "internal.h"

/* What waits for the answer. */
struct wp_waiting {
    struct wp_root *root;
    struct wp_stream *stream; /* NULL: the root itself called */
    void (*fn)(void);         /* of the kind's own type */
    void *data;
};

/* Zero-initialised is empty and ready; static, as contexts that end look through all tables. */
struct wp_calls {
    struct wp_idmap tokens;
    struct wp_calls *next; /* table with calls so far */
    bool linked;
};

void wp_calls_add(struct wp_calls *calls, uint32_t token, struct wp_waiting waiting);
/* The waiting of a token, which is taken out, with the stream's (or root's) context selected.  False: nobody
 * waits, because the context ended or the host answered twice. */
bool wp_calls_take(struct wp_calls *calls, uint32_t token, struct wp_waiting *out);

#endif
