/* weir/proxy_wasm.h - the Proxy-Wasm host: plugins, and what passes through them: HTTP streams and TCP
 * connections.
 *
 * A plugin is a module with options and one or more configurations; in every process (worker) it has one VM
 * at a time, in which each configuration is a root context.  A stream is one HTTP request, or one TCP
 * connection, on its way through an ordered list of (plugin, configuration) pairs.  A VM that trapped is
 * replaced before the next stream, from a copy of what it was after its configuration; streams of a dead VM
 * fail by the plugin's policy.  One that grew or served too much is replaced in the same way; its streams end
 * on it, and only when they did is the next one replaced.  Single-threaded: a plugin and its streams belong
 * to one thread. */
#ifndef WEIR_PROXY_WASM_H
#define WEIR_PROXY_WASM_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/engine.h"
#include "weir/pw_server.h"
#include "weir/status.h"
#include "weir/str.h"

/* What the module's marker export says. */
enum pw_abi { PW_ABI_NONE, PW_ABI_0_1_0, PW_ABI_0_2_0, PW_ABI_0_2_1, PW_ABI_0_2_100 };

enum pw_abi pw_abi_of(const struct weir_module *m);
const char *pw_abi_name(enum pw_abi abi); /* "0.2.1"; static */

/* ---- quotas --------------------------------------------------------------------------------
 *
 * What a plugin may have of the host's memory and time: the rows of weir/pw_quota.def.  What hits one is
 * counted, and logged at most once a second for each quota. */

enum pw_quota {
#define PW_QUOTA(id, ...) PW_QUOTA_##id,
#include "weir/pw_quota.def"
    PW_QUOTA_COUNT,
};

/* ---- plugins ------------------------------------------------------------------------------ */

struct pw_env { /* an environment variable of the VM */
    struct str name, value;
};

/* Who shares a VM: all streams; those with the same configuration; nobody: each stream gets a VM as it was
 * after its start, copied on write, and no memory of other streams.  Ticks, and queues that a start
 * registers, are the first VM's then. */
enum pw_isolation { PW_ISOLATION_SHARED, PW_ISOLATION_ROUTE, PW_ISOLATION_REQUEST };

struct pw_plugin_options {
    struct str name;      /* for logs, metrics, property plugin_name */
    struct str root_id;   /* property plugin_root_id */
    struct str vm_id;     /* namespace of shared data and queues; usually empty */
    struct str vm_config; /* buffer VmConfiguration */
    const struct pw_env *env;
    size_t nenv;
    const struct str *configs; /* one root context each; an empty string is a configuration too */
    size_t nconfigs;
    bool fail_open; /* failStrategy FAIL_OPEN */
    enum pw_isolation isolation;
    enum weir_tier tier;
    uint64_t memory_limit_bytes;  /* 0: 128 MiB */
    uint32_t cpu_budget_ms;       /* of a callback; past it the VM traps. 0: 100 */
    uint32_t start_cpu_budget_ms; /* of each call while a VM starts. 0: 5,000 */
    uint64_t body_limit_bytes;    /* of one message that a step holds back; 0: 1 MiB */
    uint64_t growth_bytes;        /* a VM that grew by more since its start serves no new stream; 0: 64 MiB */
    uint32_t vm_streams;          /* neither does one that served so many; 0: any number */
    uint64_t quotas[PW_QUOTA_COUNT]; /* 0: the row's default */
};

struct pw_plugin;

/* Everything is copied; a reference to `m` is taken.  The guest does not run yet.
 * WEIR_E_UNSUPPORTED: no ABI marker. */
weir_status pw_plugin_new(struct weir_module *m, const struct pw_plugin_options *opt,
                          const struct pw_server *server, void *server_data, struct pw_plugin **out,
                          struct weir_report *rep);
/* Start the VM and configure every root context.  WEIR_E_UNSUPPORTED: with PW_ISOLATION_REQUEST, a start left
 * something with the host that cannot be copied (a callout, a queue).  WEIR_E_LINK, WEIR_E_TRAP,
 * WEIR_E_CONFIG (a root refused its start or its configuration: the report says which), WEIR_E_LIMIT. After a
 * failure the plugin stays unstarted: streams through it fail by its policy. */
weir_status pw_plugin_start(struct pw_plugin *p, struct weir_report *rep);
/* From now on streams get VMs of this module (the same code, compiled, or an update); running streams
 * finish on the old VM.  On failure the old VM stays in force. */
weir_status pw_plugin_replace_module(struct pw_plugin *p, struct weir_module *m, struct weir_report *rep);
/* Roots are done and deleted; streams must have ended. */
void pw_plugin_free(struct pw_plugin *p);

/* STOPPED: it did not start.  HEALING: it failed several times in a row, so the next VM waits; streams take
 * its policy meanwhile. */
enum pw_plugin_state { PW_PLUGIN_STOPPED, PW_PLUGIN_RUNNING, PW_PLUGIN_HEALING };
enum pw_plugin_state pw_plugin_state(const struct pw_plugin *p);
enum weir_tier pw_plugin_tier(const struct pw_plugin *p); /* of the current VM; AUTO if there is none */
uint64_t pw_plugin_memory_bytes(const struct pw_plugin *p);
/* How often a quota was hit in this process; its name in a configuration, static. */
uint64_t pw_plugin_quota_hits(const struct pw_plugin *p, enum pw_quota q);
const char *pw_quota_name(enum pw_quota q);

/* The timer that pw_server.timer_set started has run out; it may be set again from inside. */
void pw_timer_fire(struct pw_timer *timer);
/* ---- callouts -----------------------------------------------------------------------------------
 *
 * A plugin's request to a service (pw_server.h, http_call) is a callout until the server says what came of
 * it, or the host cancels it. */

/* The answer, or NULL: there is none, the connection broke.  The plugin's root hears of it, now and for the
 * only time; streams may be resumed by it.  Only from the server's event loop: not from inside a server
 * function. */
void pw_callout_done(struct pw_callout *c, const struct pw_call_response *response);
/* What came on a gRPC call: initial metadata, messages, then the end with its trailing metadata and a status
 * (0 to 16).  The guest may cancel the call in any of them: then grpc_cancel was called when they return.
 * After pw_grpc_done the callout is gone. */
void pw_grpc_initial(struct pw_callout *c, const struct pw_header *at, size_t n);
void pw_grpc_message(struct pw_callout *c, struct str message);
void pw_grpc_trailing(struct pw_callout *c, const struct pw_header *at, size_t n);
void pw_grpc_done(struct pw_callout *c, uint32_t status, struct str text);
/* What came of server->resolve: the addresses, or NULL where there are none. */
void pw_dns_done(struct pw_callout *c, const struct pw_dns_address *at, size_t n);
/* What came of a Redis command; the reply, in RESP, goes with PW_REDIS_REPLY. */
void pw_redis_done(struct pw_callout *c, enum pw_redis_end end, struct str reply);
size_t pw_plugin_callouts(const struct pw_plugin *p); /* in flight */

/* ---- streams ---------------------------------------------------------------------------------- */

struct pw_step {
    struct pw_plugin *plugin;
    uint32_t config; /* index into options.configs */
};

enum pw_verdict {
    PW_CONTINUE, /* the headers are through: they may go on, with what server->body and ->trailers got */
    PW_PAUSE,    /* the headers are held, until a later part of the message or a resumption lets them go */
    PW_LOCAL,    /* server->send_local_response was called: the request ends with that */
    PW_CLOSE,    /* reset the stream */
};

struct pw_stream;

/* Contexts are created in the guest at the first callback.  The steps are copied; the plugins must outlive
 * it. */
struct pw_stream *pw_stream_new(const struct pw_step *steps, size_t n, void *stream);
/* Instead of the plugins' own limits: most bytes of one body that a step may hold back; 0: theirs. */
void pw_stream_limit_bodies(struct pw_stream *s, uint64_t limit_bytes);

/* A message enters the chain in parts: its headers, chunks of its body, its trailers.  Each part runs through
 * the steps as far as they let it; what a step holds back stays with that step, the host keeps a copy.  What
 * comes out at the end is handed to server->body and server->trailers from inside these functions.  On
 * PW_LOCAL and PW_CLOSE the server drops what the same call handed it. */

/* The request's headers are there; `end_of_stream`: no body and no trailers follow. */
enum pw_verdict pw_stream_on_request_headers(struct pw_stream *s, bool end_of_stream);
/* The next bytes of the body, readable until the function returns; `end_of_stream`: the last, and no trailers
 * follow. */
enum pw_verdict pw_stream_on_request_body(struct pw_stream *s, struct str chunk, bool end_of_stream);
/* The trailers are in the server's map; the message is complete. */
enum pw_verdict pw_stream_on_request_trailers(struct pw_stream *s);

/* The same for the response (of the upstream, or a local response); the chain runs in reverse. */
enum pw_verdict pw_stream_on_response_headers(struct pw_stream *s, bool end_of_stream);
enum pw_verdict pw_stream_on_response_body(struct pw_stream *s, struct str chunk, bool end_of_stream);
enum pw_verdict pw_stream_on_response_trailers(struct pw_stream *s);

/* After server->resume_request / resume_response: go on where steps that were resumed held the message. */
enum pw_verdict pw_stream_resume_request(struct pw_stream *s);
enum pw_verdict pw_stream_resume_response(struct pw_stream *s);

/* After the headers: must the body go through the chain?  If not, the server may pass it on by itself. */
bool pw_stream_wants_request_body(const struct pw_stream *s);
bool pw_stream_wants_response_body(const struct pw_stream *s);
/* Would a step look at trailers?  Asked with the response's headers, of a server that only sees them behind a
 * body. */
bool pw_stream_wants_response_trailers(const struct pw_stream *s);
/* A step that asked for back-pressure holds the message: the server had better wait with the next chunk until
 * the resumption.  A chunk that comes all the same is kept. */
bool pw_stream_request_blocked(const struct pw_stream *s);
bool pw_stream_response_blocked(const struct pw_stream *s);

/* ---- connections ---------------------------------------------------------------------------------
 *
 * A TCP connection is a stream without headers: PW_REQUEST is what comes from the client (downstream),
 * PW_RESPONSE what comes from the upstream.  server->body gets what the chain lets through.  Of the functions
 * for HTTP streams those after "resume" and of back-pressure are for connections, too.  A direction may be
 * resumed when the other one runs; PW_CLOSE: send what was let through before, then close both sides. */

struct pw_stream *pw_connection_new(const struct pw_step *steps, size_t n, void *stream);

/* The client is there.  PW_CONTINUE: connect to the upstream.  PW_PAUSE: some step wants to see data, or
 * waits: read from the client; a later PW_CONTINUE of the direction PW_REQUEST says to connect. */
enum pw_verdict pw_connection_on_new(struct pw_stream *s);
/* The next bytes, readable until the function returns; `end_of_stream`: the last of this direction. */
enum pw_verdict pw_connection_on_data(struct pw_stream *s, enum pw_direction d, struct str chunk,
                                      bool end_of_stream);
/* A side is gone, or about to be: PW_REQUEST the client, PW_RESPONSE the upstream; `peer` says who closed it.
 * Only the first call for a side counts.  What plugins ask for meanwhile comes by server->resume_... and
 * close_stream. */
enum pw_peer { PW_PEER_UNKNOWN, PW_PEER_LOCAL, PW_PEER_REMOTE };
void pw_connection_on_close(struct pw_stream *s, enum pw_direction side, enum pw_peer peer);

/* on_done, on_log and on_delete, exactly once each, for every context that was created.  Nothing of the
 * stream runs afterwards; its properties can still be read. */
void pw_stream_finish(struct pw_stream *s);
/* Finishes the stream, if that was not done, and frees it. */
void pw_stream_end(struct pw_stream *s);

/* What a plugin of this stream stored by set_property under this flat name ("custom_log"), for access logs.
 * False: nothing.  The value lives until the stream ends or the property is set again. */
bool pw_stream_get_property(const struct pw_stream *s, struct str name, struct str *value);
/* How the stream fared, for access logs: the index of the step that answered or failed, or -1. */
int pw_stream_local_step(const struct pw_stream *s);
bool pw_stream_trapped(const struct pw_stream *s);

/* What became of a step, for access logs. */
enum pw_outcome {
    PW_OUTCOME_NONE,     /* the stream did not come so far, or the plugin has nothing to say to streams */
    PW_OUTCOME_OK,       /* it ran */
    PW_OUTCOME_PAUSED,   /* it ran, and held a message when the stream ended */
    PW_OUTCOME_ANSWERED, /* the local response is its own, or it held too much of a body */
    PW_OUTCOME_CLOSED,   /* it had the stream closed */
    /* It failed, and its policy decided: */
    PW_OUTCOME_TRAPPED,  /* its guest trapped, or ended itself */
    PW_OUTCOME_DEADLINE, /* a call took more than its CPU budget */
    PW_OUTCOME_VM_DIED,  /* in a call for another stream */
    PW_OUTCOME_HEALING,  /* there was no VM: after failures in a row it waits */
    PW_OUTCOME_STOPPED,  /* there was no VM: the plugin did not start */
    PW_OUTCOME_REFUSED,  /* a quota: it has as many contexts as it may */
};
const char *pw_outcome_name(enum pw_outcome outcome); /* "answered"; static */

struct pw_step_report {
    enum pw_outcome outcome;
    uint64_t ns; /* in its callbacks for this stream, by the clock; without a lone on_delete and the root's */
    struct str details; /* of its answer, else empty; lives until the stream ends */
};
/* Complete after pw_stream_finish. `step` counts those given to pw_stream_new. */
struct pw_step_report pw_stream_step_report(const struct pw_stream *s, size_t step);

/* What plugins of this process have at the moment; all zero when no request and no call is under way. */
struct pw_live {
    size_t streams, contexts; /* contexts of streams, not of roots */
    size_t callouts;          /* tokens whose answer has not come */
    size_t bodies;            /* of messages, held back or on their way */
    uint64_t body_bytes;      /* memory for them */
};
struct pw_live pw_live_count(void);
/* Host calls made so far by all plugins of this process; for `weir try --bench`. */
uint64_t pw_host_call_count(void);

#endif
