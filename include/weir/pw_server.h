/* weir/pw_server.h - what the Proxy-Wasm host asks of the server it runs in.
 *
 * The host (weir/proxy_wasm.h) knows no server: nginx implements this struct, and so does the fake server
 * behind `weir try` and the tests.  `stream` is the pointer the server gave to pw_stream_new; it is NULL
 * where a call comes from a root context.  Strings handed to the server live until the function returns.
 * Strings it hands out stay readable until the server's own call into the host (pw_stream_...) returns, even
 * when the map they came from changes: the host copies them with guest code running in between. No function
 * may call back into the host, and none may block. */
#ifndef WEIR_PW_SERVER_H
#define WEIR_PW_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/pw_shared.h"
#include "weir/pw_status.h"
#include "weir/str.h"

enum pw_log_level { PW_LOG_TRACE, PW_LOG_DEBUG, PW_LOG_INFO, PW_LOG_WARN, PW_LOG_ERROR, PW_LOG_CRITICAL };

/* Proxy-Wasm's HeaderMapType. */
enum pw_map {
    PW_MAP_REQUEST_HEADERS = 0,
    PW_MAP_REQUEST_TRAILERS = 1,
    PW_MAP_RESPONSE_HEADERS = 2,
    PW_MAP_RESPONSE_TRAILERS = 3,
    PW_MAP_GRPC_INITIAL = 4,
    PW_MAP_GRPC_TRAILING = 5,
    PW_MAP_CALL_HEADERS = 6,
    PW_MAP_CALL_TRAILERS = 7,
};

/* Proxy-Wasm's BufferType. */
enum pw_buffer {
    PW_BUFFER_REQUEST_BODY = 0,
    PW_BUFFER_RESPONSE_BODY = 1,
    PW_BUFFER_DOWNSTREAM = 2,
    PW_BUFFER_UPSTREAM = 3,
    PW_BUFFER_CALL_BODY = 4,
    PW_BUFFER_GRPC_MESSAGE = 5,
    PW_BUFFER_VM_CONFIG = 6,
    PW_BUFFER_PLUGIN_CONFIG = 7,
    PW_BUFFER_CALL_DATA = 8,
    PW_BUFFER_REDIS_REPLY = 9,
};

enum pw_direction { PW_REQUEST = 0, PW_RESPONSE = 1 };

struct pw_header {
    struct str name, value;
};

/* A typed property value; the host encodes it (host facts 1.15). */
struct pw_value {
    enum pw_value_kind { PW_VALUE_STRING, PW_VALUE_INT, PW_VALUE_BOOL, PW_VALUE_DOUBLE } kind;
    struct str string;
    int64_t integer; /* also timestamps and durations, in nanoseconds */
    bool boolean;
    double number;
};

struct pw_local_response {
    uint32_t status; /* 200..999 */
    struct str details, body;
    const struct pw_header *headers;
    size_t nheaders;
    int32_t grpc_status; /* 0..16, or -1 for none */
};

/* A timer of the host; `server` is for the server's own use, NULL at first. */
struct pw_timer {
    void *server;
};

/* Where a foreign function puts its result. */
struct pw_output {
    void (*write)(struct pw_output *out, const void *bytes, size_t len); /* copied, any number of times */
};

/* PW_OK, or the status for the guest; then what was written is dropped. */
typedef enum pw_status pw_foreign_call(struct str arguments, struct pw_output *out);

/* A function that plugins call by name. */
struct pw_foreign {
    struct str name;
    pw_foreign_call *call;
    const char *doc;
};

/* An endpoint of the service that a stream goes to. */
struct pw_upstream_host {
    struct str address; /* "10.0.0.1:80" */
    bool healthy;
};

/* A request a plugin sends, checked: method, path and authority are there (among the headers, too, as pseudo-
 * headers) and fit into a request line; names are lower-case, values have no line ends. */
struct pw_callout;

struct pw_http_call {
    struct pw_callout *callout; /* to answer with pw_callout_done */
    struct str service, method, path, authority;
    const struct pw_header *headers, *trailers;
    size_t nheaders, ntrailers;
    struct str body;
    uint32_t timeout_ms; /* for all of it; 0: none */
};

struct pw_call_response {
    const struct pw_header *headers, *trailers; /* ":status" is one; names are lower-case */
    size_t nheaders, ntrailers;
    struct str body;
};

/* A gRPC request: the path is "/SERVICE/METHOD", the metadata has passed the same checks.  A unary one has
 * its message and no more; to a stream messages are sent later. */
struct pw_grpc_call {
    struct pw_callout *callout; /* to answer with pw_grpc_... */
    struct str service, path;
    const struct pw_header *metadata;
    size_t nmetadata;
    bool unary;
    struct str message;
    uint32_t timeout_ms; /* 0: none */
};

/* An address of a name. */
struct pw_dns_address {
    struct str address; /* "10.0.0.1", "::1" */
    uint32_t ttl_s;     /* how long it holds */
};

/* How a plugin wants its commands carried to a Redis service (proxy_redis_init). */
struct pw_redis_options {
    struct str user, password; /* for AUTH; both empty: none */
    uint32_t db;               /* for SELECT; 0: none */
    uint32_t timeout_ms;       /* of a command, from its sending; never 0 */
    uint32_t flush_ms;         /* longest wait for further commands, to send them in one piece */
    uint32_t flush_bytes;      /* so many bytes do not wait */
};

struct pw_redis_call {
    struct pw_callout *callout; /* to answer with pw_redis_done */
    struct str service;
    const struct pw_redis_options *options;
    struct str query; /* one command: an array of bulk strings in RESP, checked */
};

/* What came of a command. */
enum pw_redis_end {
    PW_REDIS_REPLY,        /* one, be it an error */
    PW_REDIS_REFUSED,      /* never sent: there was no connection */
    PW_REDIS_TIMED_OUT,    /* sent, and no reply in time */
    PW_REDIS_DISCONNECTED, /* sent, perhaps, and the connection broke: it may have been carried out or not */
};

enum pw_call_start {
    PW_CALL_STARTED,    /* pw_..._done will be called once, unless it is cancelled */
    PW_CALL_NO_SERVICE, /* there is none of that name */
    PW_CALL_FAILED,
};

/* What ended a VM, for people; all of it lives until pw_server.crashed returns. */
struct weir_trap;
struct pw_crash {
    struct str plugin;
    const uint8_t *sha256;        /* of the module, 32 bytes */
    const char *callback;         /* the export that was called */
    const char *reason;           /* "unreachable" */
    const struct weir_trap *trap; /* its frames; NULL: none are known */
    uint64_t memory_bytes;        /* of the VM */
    uint64_t dropped;             /* reports of the plugin that were not taken since the last that was */
    const struct str *lines;      /* the last ones of the VM's log, oldest first */
    size_t nlines;
};

struct pw_server {
    /* One log line of a plugin; `level` has passed the plugin's filter. `plugin` is its name. */
    void (*log)(void *server, void *stream, struct str plugin, enum pw_log_level level, struct str line);
    /* The least level worth formatting, so that filtered lines cost nothing. */
    enum pw_log_level (*log_level)(void *server);

    /* Nanoseconds since 1970, UTC; and of a clock that never jumps. */
    uint64_t (*now_ns)(void *server, void *stream);
    uint64_t (*monotonic_ns)(void *server);

    /* Header maps of a stream: names are lower-case, pseudo-headers are ordinary entries and
     * come first.  An unavailable map: false, and count 0. */
    bool (*map_available)(void *stream, enum pw_map map);
    size_t (*map_count)(void *stream, enum pw_map map);
    /* Entry `i` of 0..count-1; `i` grows by one from call to call. */
    bool (*map_at)(void *stream, enum pw_map map, size_t i, struct pw_header *out);
    /* The first value of a name (any case). */
    bool (*map_get)(void *stream, enum pw_map map, struct str name, struct str *value);
    /* Changes; false: the map cannot be changed now, or the name is no legal header name. `replace` leaves
     * one entry of that name, `remove` none; `set_all` replaces the whole map.  Names come lower-cased.
     * The host asks only for a request map before the response began, and for a response map
     * until the stream ends.  Adding to trailers that are not there makes them. */
    bool (*map_add)(void *stream, enum pw_map map, struct str name, struct str value);
    bool (*map_replace)(void *stream, enum pw_map map, struct str name, struct str value);
    bool (*map_remove)(void *stream, enum pw_map map, struct str name);
    bool (*map_set_all)(void *stream, enum pw_map map, const struct pw_header *entries, size_t n);

    /* A property by its path segments.  The host itself answers what follows from header maps
     * (request.path, .method, .host, .headers, ...), plugin_* and what set_property stored. */
    bool (*property)(void *server, void *stream, const struct str *path, size_t segments,
                     struct pw_value *out);

    /* What the chain lets through of a body, in order: of the request, or of the response; of a connection:
     * what goes to the upstream, or to the client.  `chunk` is readable until the function returns, unless it
     * lies in the chunk that the server gave to the running pw_stream_on_..._body: then it is the server's
     * own. `end_of_stream`: nothing follows. */
    void (*body)(void *stream, enum pw_direction direction, struct str chunk, bool end_of_stream);
    /* The trailers are through, and with them the message. */
    void (*trailers)(void *stream, enum pw_direction direction);

    /* Answer the client now, instead of the upstream (request phase) or instead of the response whose headers
     * are at hand (response phase, headers not yet let go).  Called after the guest call returned, once a
     * stream: from inside pw_stream_..., which then returns PW_LOCAL, or from a timer or callout of the
     * plugin. In the request phase the server then runs the response through the chain by
     * pw_stream_on_response_headers and _body, but not from inside this function; in the response
     * phase the new response goes out as it is. */
    void (*send_local_response)(void *stream, const struct pw_local_response *response);
    /* Steps that held a message were resumed by somebody else's callback (a timer, a callout, another
     * stream): the server calls pw_stream_resume_... from its event loop or after the current call into the
     * host. Never called from inside pw_stream_... of the same stream, which goes on by itself. */
    void (*resume_request)(void *stream);
    void (*resume_response)(void *stream);
    /* Reset the stream (proxy_close_stream), asked for by a timer or a callout; inside pw_stream_on_... the
     * verdict PW_CLOSE says it instead. */
    void (*close_stream)(void *stream);
    /* Request headers changed in the request phase: a route chosen before is stale. */
    void (*clear_route_cache)(void *stream);

    /* Call pw_timer_fire (weir/proxy_wasm.h) from the event loop, once, after this time; a timer that is set
     * already starts anew.  Not by itself a reason to keep a server that shuts down.  NULL: plugins get no
     * ticks. */
    void (*timer_set)(void *server, struct pw_timer *timer, uint32_t delay_ms);
    /* It will not fire, and is forgotten: its memory goes away.  It may never have been set. */
    void (*timer_clear)(void *server, struct pw_timer *timer);

    /* This process's view of what all workers share.  NULL: plugins share nothing. */
    struct pw_shared *(*shared)(void *server);
    /* Have `worker`, which may be this one, call pw_shared_deliver from its event loop. */
    void (*notify)(void *server, uint32_t worker);

    /* Functions beside the host's own; the last one has no name.  NULL: none. */
    const struct pw_foreign *foreign;

    /* Endpoint `i` of the service chosen so far; false: there are no more. */
    bool (*upstream_host)(void *stream, size_t i, struct pw_upstream_host *out);
    /* Send the request to this endpoint, if its service has it when it leaves. */
    void (*override_upstream)(void *stream, struct str address);

    /* Send a request; pw_callout_done must not be called before this returns.  After a timeout and where the
     * service has no endpoint, the answer is an ordinary one with status 504 or 503.  *handle is for
     * cancel_call. */
    enum pw_call_start (*http_call)(void *server, void *stream, const struct pw_http_call *call,
                                    void **handle);
    /* Nobody waits for the answer any more: the callout is gone, pw_callout_done must not be called for it.
     */
    void (*cancel_call)(void *server, void *handle);

    /* The same for gRPC; how a call fails is told by pw_grpc_done.  Functions are NULL where there is no
     * gRPC. */
    enum pw_call_start (*grpc_open)(void *server, void *stream, const struct pw_grpc_call *call,
                                    void **handle);
    /* One more message (at NULL: none), and nothing after it if `end`. */
    void (*grpc_send)(void *server, void *handle, struct str message, bool end);
    void (*grpc_cancel)(void *server, void *handle);

    /* Look the name up; pw_dns_done must not be called before this returns.  False: it cannot be begun. NULL:
     * names are not resolved.  A name that is an address is its own answer. */
    bool (*resolve)(void *server, struct pw_callout *callout, struct str name, void **handle);
    void (*cancel_resolve)(void *server, void *handle);
    /* Redis; NULL where there is none.  Is there a service of that name?  Nothing is connected yet. */
    bool (*redis_service)(void *server, void *stream, struct str service);
    /* Send a command; pw_redis_done must not be called before this returns.  PW_CALL_FAILED: too many wait.
     */
    enum pw_call_start (*redis_call)(void *server, void *stream, const struct pw_redis_call *call,
                                     void **handle);
    /* As cancel_call; a command that is under way is carried out all the same. */
    void (*redis_cancel)(void *server, void *handle);

    /* A VM ended by a trap; it was logged besides. `stream` as for log.  False: the report could not be
     * taken and is to be counted.  May be NULL. */
    bool (*crashed)(void *server, void *stream, const struct pw_crash *crash);
    /* The same for each trap, however many there are, before `crashed`: to count.  May be NULL. */
    void (*trapped)(void *server, struct str plugin);
};

#endif
