/* pw/stream.h - a request, or a TCP connection, on its way through a chain of plugins.
 *
 * A connection is a stream whose directions have data in the place of bodies, and no headers: chain.c carries
 * requests and responses, connection.c connections; entering, leaving and resuming are the same.
 *
 * Each step holds a context inside the stream, a reference to its VM, and for each direction what it holds
 * back of the message.  Host calls that act on the stream (local response, continue, close) only note it in
 * `pending` and in the step's side; the chain (chain.c) applies it when the guest call returned, or
 * pw_stream_apply does if the stream was not the one running. */
#ifndef PW_STREAM_H
#define PW_STREAM_H

#include "base/arena.h"
#include "base/ticks.h"
#include "pw/body.h"
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
    PW_PENDING_CLOSE = 8,
    PW_PENDING_INJECTED = 16
};

/* What a body callback asks for (FilterDataStatus). */
enum pw_body_status {
    PW_BODY_CONTINUE = 0,
    PW_BODY_STOP_AND_BUFFER = 1,
    PW_BODY_STOP_AND_WATERMARK = 2,
    PW_BODY_STOP_NO_BUFFER = 3,
};

/* How far a message has come into a step. */
enum pw_end { PW_END_OPEN, PW_END_HEADERS, PW_END_BODY, PW_END_TRAILERS };

/* One direction of one step.  It holds the message if `stopped` (its headers) or `paused` (what follows). */
struct pw_side {
    struct pw_body body;  /* held here; owned when no call into the host runs */
    uint32_t limit_bytes; /* of `body`, that the plugin set; 0: none */
    uint8_t stopped;      /* enum pw_headers_status that holds the headers, PW_HEADERS_CONTINUE: none */
    uint8_t end;          /* enum pw_end: what of the message arrived last */
    bool paused;          /* by a body or trailers callback */
    bool watermark;       /* ... that asked for back-pressure */
    bool readable;        /* the body is shown to the guest: a callback runs, or it held the body */
    bool in_last_call;    /* the body callback with end_of_stream runs: trailers can be made */
    bool made_trailers;   /* in that call */
    bool trailers_called; /* the trailers callback has run */
    bool resumed;         /* proxy_continue_stream came, and was not yet acted on */
    bool entered;         /* the message reached this step */
    bool in_call;         /* one of its callbacks for this direction runs */
    bool headers_gone;    /* while `stopped`: an injection took them along */
    bool injecting;       /* `injected` waits for the end of the call, or for the server */
    bool inject_end;      /* ... and is the last */
    bool cut;             /* the last was injected: nothing passes this step any more */
    struct pw_body injected;
};

struct pw_stream_step {
    struct pw_plugin *plugin;
    struct pw_vm *vm; /* a reference; NULL: none could be had */
    struct pw_context ctx;
    bool failed;            /* by its guest, once; skipped from then on */
    uint8_t failure;        /* enum pw_outcome: why, also of callbacks at the end */
    bool called;            /* its context was created, once */
    uint64_t spent_ticks;   /* in its callbacks (base/ticks.h) */
    uint64_t counted_bytes; /* of bodies, among its plugin's (quota.h) */
    struct pw_side side[2];
};

/* One direction of the chain. */
struct pw_flow {
    int32_t first, end, by; /* the first step, the one past the last, +1 or -1 */
    bool begun;             /* the headers are there */
    bool through;           /* the headers passed the last step */
    bool out;               /* ... and the server knows it */
    bool told;              /* the server was asked to call pw_stream_resume_... */
};

struct pw_stored {
    struct str name, value;
    size_t room; /* bytes behind value.at */
    struct pw_stored *next;
};

struct pw_stream {
    struct arena arena; /* stored properties, the local response */
    uint32_t room;      /* for that many steps */
    /* What is above is kept for the next stream (pw_plugin.spare_stream), from here on all is new. */
    uint32_t nsteps;
    void *server_stream;
    const struct pw_server *server; /* of the first step; all steps of a stream have the same */
    enum pw_phase phase;
    uint8_t pending;         /* enum pw_pending */
    enum pw_verdict verdict; /* of the running pw_stream_..., once the stream is answered or closed */
    bool resumes;            /* some side may be `resumed`, since the running pw_stream_... began */
    bool running;            /* a pw_stream_... function is on the stack and will look at `pending` */
    bool queued;             /* in vm->deferred */
    bool trapped;
    bool local_taken; /* the one local response is chosen */
    bool local_sent;
    bool closed;        /* the server was told to reset it */
    bool final;         /* the response goes out as it is: no more callbacks for its headers */
    bool injected;      /* some step put bytes of its own into the response */
    bool cut;           /* ... and said that they are the last: what else comes of the response is dropped */
    bool connection;    /* TCP */
    bool holds;         /* some step may hold bytes of a body, or did when it was counted last */
    bool close_told[2]; /* by enum pw_direction: the close callback of client and upstream has run */
    /* Let go what the step holds (chain.c, connection.c); false: the stream was answered or closed. */
    bool (*resume_step)(struct pw_stream *s, enum pw_direction d, int32_t step);
    int32_t local_step;
    struct pw_local_response local;
    struct pw_stream *next_deferred;
    struct pw_stored *stored;
    uint64_t stamp_ticks;   /* up to here time is charged to steps; 0: from the next callback on */
    struct pw_flow flow[2]; /* by enum pw_direction */
    size_t map_bytes;       /* that changes of header maps took of the server's memory so far */
    uint64_t limit_bytes;   /* of a body that a step holds; 0: the plugins' own */
    struct pw_stream_step steps[];
};

/* Give back the memory of a stream that ended (pw_plugin.spare_stream); NULL is fine. */
void pw_stream_free(struct pw_stream *s);

/* Note an action for after the current guest call; `ctx` is the step's that asks for it. */
void pw_stream_defer(struct pw_context *ctx, struct pw_vm *vm, enum pw_pending action);
/* Note bytes for the response, behind the step of `ctx`: they go on after the call, and headers that the step
 * holds before them. `end`: the response ends with them.  Where there is no response to add to, nothing
 * happens. False: too much at once. */
bool pw_stream_inject(struct pw_context *ctx, struct pw_vm *vm, struct str bytes, bool end);
/* Apply what was noted, for a stream that is not running. */
void pw_stream_apply(struct pw_stream *s);

/* The VM of a step died in a call for somebody else: if the stream waits for that step, the step fails now.
 */
void pw_stream_vm_died(struct pw_stream *s, uint32_t step);

/* The step can do no more: its policy decides.  PW_CONTINUE: the message passes it by. */
enum pw_verdict pw_stream_fail_step(struct pw_stream *s, uint32_t step);
/* Answer with s->local now; PW_CLOSE if it is too late for an answer. */
enum pw_verdict pw_stream_answer(struct pw_stream *s);

/* Why a step that cannot be called, or no more, failed. */
enum pw_outcome pw_step_failure(const struct pw_stream_step *st);

/* Time goes to the step whose callback ends; what the host does between two callbacks goes to the second, so
 * that each costs one reading of the counter. */
static inline void pw_stream_time_from(struct pw_stream *s)
{
    if (s->stamp_ticks == 0) {
        s->stamp_ticks = ticks_now();
    }
}

static inline void pw_stream_time_to(struct pw_stream *s, struct pw_stream_step *st)
{
    uint64_t now = ticks_now();
    st->spent_ticks += now - s->stamp_ticks;
    s->stamp_ticks = now;
}

/* Call one callback of a step, after the context's creation where it is the first; *status is what it
 * returned, or 0 where nothing is to be called.  False: the stream was answered or closed, as s->verdict
 * says. */
bool pw_stream_call_step(struct pw_stream *s, uint32_t step, enum pw_direction d, enum pw_export_id id,
                         uint32_t size, bool end_of_stream, uint32_t *status);
/* Around everything that a pw_stream_... function of the server does. */
void pw_stream_enter(struct pw_stream *s);
enum pw_verdict pw_stream_leave(struct pw_stream *s, enum pw_direction d, bool go_on);
/* Of a stream of HTTP. */
bool pw_chain_resume_step(struct pw_stream *s, enum pw_direction d, int32_t step);

/* Does the side hold anything back? */
static inline bool pw_side_holds(const struct pw_side *side)
{
    return side->stopped != PW_HEADERS_CONTINUE || side->paused;
}

/* The side that a body buffer or a trailer map of the effective context belongs to. */
static inline struct pw_side *pw_context_side(const struct pw_context *ctx, enum pw_direction d)
{
    return ctx->stream == NULL ? NULL : &ctx->stream->steps[ctx->step].side[d];
}

/* Have the server resume a direction in which some step was resumed; one that holds nothing is forgotten. */
void pw_stream_ask_to_resume(struct pw_stream *s, enum pw_direction d);

/* Most bytes of a body that the step may hold. */
uint64_t pw_side_limit(const struct pw_stream *s, uint32_t step, enum pw_direction d);
/* set_envoy_filter_state stores under this, a NUL and the path. */
#define PW_FILTER_STATE "filter_state"

/* Store a property under a flat name; false: the stream's room for properties is used up. */
bool pw_stream_store(struct pw_stream *s, struct str name, struct str value);

/* Memory that guests may take for one stream until it ends: properties, changes of headers, a local response.
 * Bodies have their own limits. */
enum { PW_STREAM_MAX_BYTES = 16 << 20 };
/* Is there room for so many bytes more?  False: the guest's call fails with PW_INTERNAL_FAILURE. */
bool pw_stream_has_room(const struct pw_stream *s, size_t bytes);
/* Most bytes that a guest may make of one body. */
enum { PW_BODY_MAX_BYTES = 256 << 20 };
enum { PW_BODY_DEFAULT_LIMIT_BYTES = 1 << 20 };

#endif
