/* pw/stream.h - a request on its way through a chain of plugins.
 *
 * Each step holds a context inside the stream and a reference to its VM.  Host calls that act on the stream
 * (local response, continue, close) only note it in `pending`; the chain applies it when the
 * guest call returned, or pw_stream_apply does if the stream was not the one running. */
#ifndef PW_STREAM_H
#define PW_STREAM_H

#include "base/arena.h"
#include "pw/context.h"
#include "pw/vm.h"
#include "weir/proxy_wasm.h"

enum pw_phase { PW_PHASE_REQUEST, PW_PHASE_RESPONSE, PW_PHASE_LOG };

/* What a headers callback asks for (FilterHeadersStatus). */
enum pw_headers_status {
    PW_HEADERS_CONTINUE = 0,
    PW_HEADERS_STOP = 1, /* hold the headers, go on with the body */
    PW_HEADERS_CONTINUE_AND_END = 2,
    PW_HEADERS_STOP_ALL_AND_BUFFER = 3,
    PW_HEADERS_STOP_ALL_AND_WATERMARK = 4,
};

enum pw_pending {
    PW_PENDING_LOCAL = 1,
    PW_PENDING_REQUEST = 2,
    PW_PENDING_RESPONSE = 4,
    PW_PENDING_CLOSE = 8
};

struct pw_stream_step {
    struct pw_plugin *plugin;
    struct pw_vm *vm; /* a reference; NULL: none could be had */
    struct pw_context ctx;
    bool failed;        /* by its guest, once; skipped from then on */
    uint8_t stopped[2]; /* enum pw_headers_status that paused it, by direction */
};

/* One direction of the chain. */
struct pw_flow {
    int32_t at, end, by; /* the next step, the one past the last, +1 or -1 */
    bool paused, resumed;
};

struct pw_stored {
    struct str name, value;
    size_t room; /* bytes behind value.at */
    struct pw_stored *next;
};

struct pw_stream {
    void *server_stream;
    const struct pw_server *server; /* of the first step; all steps of a stream have the same */
    enum pw_phase phase;
    uint8_t pending; /* enum pw_pending */
    bool running;    /* a pw_stream_... function is on the stack and will look at `pending` */
    bool queued;     /* in vm->deferred */
    bool trapped;
    bool local_taken; /* the one local response is chosen */
    bool local_sent;
    bool closed; /* the server was told to reset it */
    bool final;  /* the response goes out as it is: no more callbacks for its headers */
    int32_t local_step;
    struct pw_local_response local;
    struct pw_stream *next_deferred;
    struct pw_stored *stored;
    struct pw_flow flow[2]; /* request, response */
    struct arena arena;     /* stored properties, the local response */
    uint32_t nsteps;
    struct pw_stream_step steps[];
};

/* Note an action for after the current guest call. */
void pw_stream_defer(struct pw_stream *s, struct pw_vm *vm, enum pw_pending action);
/* Apply what was noted, for a stream that is not running. */
void pw_stream_apply(struct pw_stream *s);

/* The VM of a step died in a call for somebody else: if the stream waits for that step, the step fails now.
 */
void pw_stream_vm_died(struct pw_stream *s, uint32_t step);

/* set_envoy_filter_state stores under this, a NUL and the path. */
#define PW_FILTER_STATE "filter_state"

/* Store a property under a flat name; false: the stream's room for properties is used up. */
bool pw_stream_store(struct pw_stream *s, struct str name, struct str value);

/* Room on a stream's arena for what a guest leaves in it. */
enum { PW_STREAM_MAX_BYTES = 16 << 20 };

#endif
