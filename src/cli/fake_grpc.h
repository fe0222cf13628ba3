/* cli/fake_grpc.h - gRPC calls of plugins on the fake server: answers from the request file.
 *
 * A call or stream takes the next answer of the request that is being served, as callouts do (fake_calls.h).
 * What an answer has to tell is told in parts, one at a time: initial metadata, messages, trailing metadata
 * and the status; so the plugin can send, close or cancel in between. */
#ifndef CLI_FAKE_GRPC_H
#define CLI_FAKE_GRPC_H

#include "base/arena.h"
#include "base/vec.h"
#include "weir/proxy_wasm.h"

struct fake_grpc_answer {
    enum fake_grpc_kind {
        FAKE_GRPC_ANSWER,
        FAKE_GRPC_FAIL, /* status 14 at once */
        FAKE_GRPC_HOLD, /* the messages, and then nothing */
        FAKE_GRPC_ECHO, /* the messages, then each that the plugin sends; the end when the plugin ends it */
        FAKE_GRPC_REFUSED,    /* the host call fails */
        FAKE_GRPC_NO_SERVICE, /* ... because there is no such service */
    } kind;
    struct pw_header *initial, *trailing;
    size_t ninitial, ntrailing;
    struct str *messages;
    size_t nmessages;
    uint32_t status;
    struct str text;
    uint64_t delay_ms; /* of the first part */
};

/* What a plugin asked for, for the result line; strings are the request's. */
struct fake_grpc_sent {
    struct str service, path;
    struct pw_header *metadata;
    size_t nmetadata;
    struct str *messages;
    size_t nmessages, room;
    uint32_t timeout_ms;
    bool unary, ended, cancelled;
};

struct fake_rpc {
    struct pw_callout *callout;            /* NULL: the entry is free */
    const struct fake_grpc_answer *answer; /* NULL: none yet, it was made outside of a request */
    size_t part;                           /* told so far */
    size_t sent;                           /* index in `sent` of the request that it was made in */
    uint32_t request;                      /* number of that request */
    VEC(struct str) echo;                  /* on the heap, from echoed on */
    size_t echoed;
    bool unary, ended;
    uint32_t timeout_ms;
    uint64_t started_ms, number;
};

struct fake_grpc {
    const struct fake_grpc_answer *answers; /* of the request at hand, those not taken yet */
    size_t nanswers;
    struct arena *arena; /* of the request at hand, NULL between requests */
    uint32_t request;
    VEC(struct fake_grpc_sent) sent;
    VEC(struct fake_rpc) pending; /* handles are indices + 1 */
    uint64_t now_ms, number;
    uint32_t delivered; /* in this request */
};

void fake_grpc_begin(struct fake_grpc *g, const struct fake_grpc_answer *answers, size_t n,
                     struct arena *arena);
void fake_grpc_end(struct fake_grpc *g); /* of the request: its memory goes */
void fake_grpc_fini(struct fake_grpc *g);

/* The server functions. */
enum pw_call_start fake_grpc_open(struct fake_grpc *g, const struct pw_grpc_call *call, void **handle);
void fake_grpc_send(struct fake_grpc *g, void *handle, struct str message, bool end);
void fake_grpc_cancel(struct fake_grpc *g, void *handle);

/* Tell the next part of the call whose turn it is; false: none has anything to tell, or the request had its
 * share. */
bool fake_grpc_deliver(struct fake_grpc *g);

#endif
