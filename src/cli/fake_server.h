/* cli/fake_server.h - a server without a network: runs one request, or one connection, through plugins, in
 * memory.
 *
 * It implements weir/pw_server.h over header lists.  What a request is (fake_request) stays untouched, so
 * that it can be served again and again; what happened to it is in a fake_stream, whose memory is one arena
 * that the next fake_serve empties. */
#ifndef CLI_FAKE_SERVER_H
#define CLI_FAKE_SERVER_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/fake_calls.h"
#include "cli/fake_grpc.h"
#include "weir/proxy_wasm.h"

struct fake_stream;

/* Entries with room for `cap`, or with a `cap` of 0 and entries that belong to another list. */
struct fake_header_list {
    struct pw_header *at;
    size_t len, cap;
};

struct fake_property {
    struct str name; /* path segments joined by '.' */
    struct pw_value value;
};

/* Headers with pseudo-headers, names lower-case; a body in the chunks in which it arrives. */
struct fake_message {
    struct fake_header_list headers, trailers;
    struct str *chunks;
    size_t nchunks;
    bool has_trailers;
};

/* Something that happens on a TCP connection (fake_connection.h). */
struct fake_event {
    enum fake_event_kind { FAKE_EVENT_DATA, FAKE_EVENT_CLOSE, FAKE_EVENT_ANSWER, FAKE_EVENT_WAIT } kind;
    enum pw_direction side; /* DATA, CLOSE: PW_REQUEST the client, PW_RESPONSE the upstream */
    struct str bytes;       /* DATA */
    bool end;               /* ... and no more comes from that side */
    uint64_t wait_ms;       /* WAIT */
};

struct fake_request {
    bool is_connection; /* `events` happen; there are no messages */
    struct fake_event *events;
    size_t nevents;
    struct fake_message request, response;
    bool has_response;
    struct fake_property *properties;
    size_t nproperties;
    struct pw_upstream_host *hosts; /* of its service */
    size_t nhosts;
    struct fake_answers answers[FAKE_PROTOCOLS]; /* to callouts */
    struct fake_grpc_answer *grpc;               /* to gRPC calls and streams, likewise */
    size_t ngrpc;
    struct fake_name *names; /* that can be resolved */
    size_t nnames;
    bool has_now;
    uint64_t now_ns;
};

/* A name and what it resolves to. */
struct fake_name {
    struct str name;
    struct pw_dns_address *addresses;
    size_t naddresses;
};

struct fake_log {
    enum pw_log_level level;
    struct str line;
};

struct fake_server {
    enum pw_log_level level;
    bool has_now;
    uint64_t now_ns; /* of requests that say none */
    bool drop_logs;  /* of streams: nobody will look */
    void *block;     /* what `shared` is a view of */
    struct pw_shared *shared;
    bool notified;       /* some queue is ready */
    uint64_t reached_ns; /* where the simulated clock of timers stands */
    VEC(struct fake_timer {
        struct pw_timer *timer;
        uint64_t due_ns;
    })
    timers;
    struct fake_calls calls;
    struct fake_grpc grpc;
    VEC(struct fake_lookup {
        struct pw_callout *callout;
        char *name; /* on the heap */
    })
    lookups;                       /* not answered yet, in their order; handles are names */
    struct fake_stream *answering; /* whose request answers callouts: roots log to it meanwhile */
    /* Lines that belong to no request; data is the server. */
    void (*log)(struct fake_server *server, enum pw_log_level level, struct str line);
};

enum fake_action { FAKE_CONTINUE, FAKE_LOCAL, FAKE_PAUSED, FAKE_TRAP, FAKE_CLOSED };

struct fake_stream {
    struct fake_server *server;
    const struct fake_request *request;
    struct arena arena;
    struct fake_header_list maps[4]; /* by enum pw_map, of request and response */
    bool available[4];
    bool has_local;
    struct pw_local_response local;
    bool resumed[2];      /* by enum pw_direction */
    bool ended[2];        /* all of the message came out of the chain */
    struct strbuf out[2]; /* the bodies that came out */
    bool local_now;       /* a local response since it was looked at last */
    bool closed;
    uint32_t route_changes;
    uint32_t lookups;    /* answered */
    struct str override; /* the endpoint a plugin wants */
    const char *blocked; /* "downstream" or "upstream": a plugin holds too much of what it sends; or NULL */
    bool trapped;        /* some step failed, whatever its policy */
    VEC(struct fake_log) logs;
};

/* The server functions; server data is a struct fake_server, streams are struct fake_stream. */
extern const struct pw_server fake_server_functions;

/* Run the ticks that are due at this time of the simulated clock, each at its own time, and what queues have
 * to tell. */
void fake_server_run_due(struct fake_server *server, uint64_t now_ns);

/* A lower-cased copy of the name and the value at the end of the list, both in the arena. */
void fake_headers_add(struct arena *a, struct fake_header_list *list, struct str name, struct str value);

/* The fields before `block` are set by the caller.  False: no memory. */
bool fake_server_init(struct fake_server *server);
void fake_server_fini(struct fake_server *server); /* the plugins are gone */

void fake_stream_init(struct fake_stream *f, struct fake_server *server);
void fake_stream_fini(struct fake_stream *f);

/* For fake_connection.c: forget the stream served last; answer the callout whose turn it is, false: there is
 * none. */
void fake_stream_begin(struct fake_stream *f, const struct fake_request *request);
bool fake_stream_answer_call(struct fake_stream *f);

/* Serve the request through the steps from its headers to the end of the stream.  Whether a plugin's policy
 * or its fault decides is told apart: FAKE_TRAP means that the client got the failure's answer. */
enum fake_action fake_serve(struct fake_stream *f, const struct fake_request *request,
                            const struct pw_step *steps, size_t nsteps);

#endif
