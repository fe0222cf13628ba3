/* cli/fake_calls.h - callouts on the fake server: answers from the request file, in a time that only they
 * make pass.
 *
 * A call takes the next answer of the request that is being served, of those for its protocol; one from
 * outside of a request takes it when its turn to be answered comes.  A call for which there is none fails.
 * Answers come in the order of their delays, then of their calls. */
#ifndef CLI_FAKE_CALLS_H
#define CLI_FAKE_CALLS_H

#include "base/arena.h"
#include "base/vec.h"
#include "weir/proxy_wasm.h"

enum fake_protocol { FAKE_HTTP, FAKE_REDIS, FAKE_PROTOCOLS };

struct fake_answer {
    enum fake_answer_kind {
        FAKE_ANSWER,
        FAKE_ANSWER_FAIL,        /* the connection breaks */
        FAKE_ANSWER_UNREACHABLE, /* there is none: Redis only */
        FAKE_ANSWER_REFUSED,     /* the host call fails */
        FAKE_ANSWER_NO_SERVICE,
    } kind;
    struct pw_header *headers, *trailers;
    size_t nheaders, ntrailers;
    struct str body; /* or the reply, in RESP */
    uint64_t delay_ms;
};

/* Answers to the calls of a request, in the order of the calls. */
struct fake_answers {
    struct fake_answer *at;
    size_t n;
};

/* What a plugin sent, for the result line. */
struct fake_sent {
    struct str service, body;
    struct pw_header *headers, *trailers;
    size_t nheaders, ntrailers;
    uint32_t timeout_ms;
};

/* A Redis command, and what the plugin said of the service. */
struct fake_command {
    struct str service, query;
    struct pw_redis_options options;
};

struct fake_call {
    struct pw_callout *callout; /* NULL: the entry is free */
    enum fake_protocol protocol;
    const struct fake_answer *answer; /* NULL: none yet */
    uint32_t timeout_ms;
    uint64_t started_ms, number;
};

struct fake_calls {
    struct fake_answers answers[FAKE_PROTOCOLS]; /* of the request at hand, those not taken yet */
    bool unlisted;                               /* commands and calls are not noted for a result line */
    struct arena *arena;                         /* of the request at hand, NULL between requests */
    VEC(struct fake_sent) sent;
    VEC(struct fake_command) commands;
    VEC(struct fake_call) pending; /* handles are indices + 1 */
    uint64_t now_ms, number;
    uint32_t delivered; /* in this request */
};

void fake_calls_begin(struct fake_calls *c, const struct fake_answers answers[FAKE_PROTOCOLS],
                      struct arena *arena);
void fake_calls_end(struct fake_calls *c); /* of the request: its memory goes */
void fake_calls_fini(struct fake_calls *c);

/* The server functions. */
enum pw_call_start fake_calls_start(struct fake_calls *c, const struct pw_http_call *call, void **handle);
enum pw_call_start fake_calls_redis(struct fake_calls *c, const struct pw_redis_call *call, void **handle);
void fake_calls_cancel(struct fake_calls *c, void *handle);

/* Answer the call whose turn it is; false: none is in flight, or the request had its share. */
bool fake_calls_deliver(struct fake_calls *c);

#endif
