/* cli/fake_calls.h - callouts on the fake server: answers from the request file, in a time that only they
 * make pass.
 *
 * A call takes the next answer of the request that is being served; one from outside of a request takes it
 * when its turn to be answered comes.  A call for which there is none fails.  Answers come in the order of
 * their delays, then of their calls. */
#ifndef CLI_FAKE_CALLS_H
#define CLI_FAKE_CALLS_H

#include "base/arena.h"
#include "base/vec.h"
#include "weir/proxy_wasm.h"

struct fake_answer {
    enum fake_answer_kind { FAKE_ANSWER, FAKE_ANSWER_FAIL, FAKE_ANSWER_REFUSED, FAKE_ANSWER_NO_SERVICE } kind;
    struct pw_header *headers, *trailers;
    size_t nheaders, ntrailers;
    struct str body;
    uint64_t delay_ms;
};

/* What a plugin sent, for the result line. */
struct fake_sent {
    struct str service, body;
    struct pw_header *headers, *trailers;
    size_t nheaders, ntrailers;
    uint32_t timeout_ms;
};

struct fake_call {
    struct pw_callout *callout;       /* NULL: the entry is free */
    const struct fake_answer *answer; /* NULL: none yet */
    uint32_t timeout_ms;
    uint64_t started_ms, number;
};

struct fake_calls {
    const struct fake_answer *answers; /* of the request at hand, those not taken yet */
    size_t nanswers;
    struct arena *arena; /* of the request at hand, NULL between requests */
    VEC(struct fake_sent) sent;
    VEC(struct fake_call) pending; /* handles are indices + 1 */
    uint64_t now_ms, number;
    uint32_t delivered; /* in this request */
};

void fake_calls_begin(struct fake_calls *c, const struct fake_answer *answers, size_t n, struct arena *arena);
void fake_calls_end(struct fake_calls *c); /* of the request: its memory goes */
void fake_calls_fini(struct fake_calls *c);

/* The server functions. */
enum pw_call_start fake_calls_start(struct fake_calls *c, const struct pw_http_call *call, void **handle);
void fake_calls_cancel(struct fake_calls *c, void *handle);

/* Answer the call whose turn it is; false: none is in flight, or the request had its share. */
bool fake_calls_deliver(struct fake_calls *c);

#endif
