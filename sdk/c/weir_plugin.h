/* weir_plugin.h - write a Proxy-Wasm plugin in C.
 *
 * A plugin is one C file: two context structs, callbacks that are plain functions, and at the end the list of
 * the callbacks it has:
 *
 *     struct root   { struct wp_root wp;   struct wp_arena arena; struct wp_str greeting; };
 *     struct stream { struct wp_stream wp; };
 *     WP_PLUGIN(struct root, struct stream)
 *
 *     static bool configure(struct root *root, struct wp_str config) { ... }
 *     static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream) { ... }
 *
 *     WP_ON_CONFIGURE(configure)
 *     WP_ON_REQUEST_HEADERS(request_headers)
 *
 * Each WP_ON_ line exports one callback, and what is not listed is not exported, so the host never calls into
 * the plugin for nothing.  Build command and a whole example: sdk/c/README.md.
 *
 * Memory.  Whatever a function here hands out (header values, properties, buffers, formatted strings) lies in
 * the callback's arena and is valid until the callback returns; nothing needs freeing.  Keep a string longer
 * with wp_arena_dup into an arena of your own.  Running out of memory traps: the host then replaces the VM.
 *
 * Strings are views (struct wp_str) and may hold any bytes.  Every string that comes from the host is also
 * followed by a NUL, so `at` can be given to functions that want one.
 *
 * Portability.  Everything in this header is Proxy-Wasm 0.2.1 and works in every host of that version;
 * what is an extension of some hosts says EXTENSION, and is not there with -DWP_NO_EXTENSIONS.  Redis is one,
 * in weir_redis.h. */
#ifndef WEIR_PLUGIN_H
#define WEIR_PLUGIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- strings -------------------------------------------------------------------------- */

struct wp_str {
    const char *at;
    size_t len;
};

/* A string literal as a view; embedded NULs count: WP_STR("source\0address"). */
#define WP_STR(literal) ((struct wp_str){"" literal, sizeof(literal) - 1})
/* The two arguments of "%.*s"; evaluates `s` twice. */
#define WP_ARG(s) (int)(s).len, (s).at

struct wp_str wp_str_of(const char *z); /* of a NUL-terminated string; NULL is empty */
bool wp_bytes_eq(const char *a, const char *b, size_t len);
static inline bool wp_str_eq(struct wp_str a, struct wp_str b)
{
    return a.len == b.len && wp_bytes_eq(a.at, b.at, a.len);
}
bool wp_str_eq_nocase(struct wp_str a, struct wp_str b); /* ASCII */
bool wp_str_starts(struct wp_str s, struct wp_str prefix);
bool wp_str_ends(struct wp_str s, struct wp_str suffix);
/* The bytes from `from` to before `to`, both cut to the string: never outside it. */
static inline struct wp_str wp_str_slice(struct wp_str s, size_t from, size_t to)
{
    to = to > s.len ? s.len : to;
    return from < to ? (struct wp_str){s.at + from, to - from} : (struct wp_str){"", 0};
}
/* The byte at `i`, or -1 past the end. */
static inline int wp_str_byte(struct wp_str s, size_t i)
{
    return i < s.len ? (unsigned char)s.at[i] : -1;
}
/* The first or the last place of a byte; -1 if there is none. */
ptrdiff_t wp_str_find(struct wp_str s, char c);
ptrdiff_t wp_str_find_last(struct wp_str s, char c);
struct wp_str wp_str_trim(struct wp_str s); /* spaces and tabs at both ends */
/* Take what stands before the next `sep` off the front of *rest; false when nothing is left.  A separator
 * at the very end yields no empty last piece. */
bool wp_str_split(struct wp_str *rest, char sep, struct wp_str *piece);

/* Equality in time that depends on the lengths only: for secrets. */
bool wp_equal_secret(struct wp_str a, struct wp_str b);
/* A 64-bit hash for tables; different seeds make independent functions.  Not a MAC. */
uint64_t wp_hash(struct wp_str s, uint64_t seed);

/* ---- memory --------------------------------------------------------------------------- */

/* Memory that is freed all at once.  Zero-initialised is empty and ready. */
struct wp_arena {
    struct wp_chunk *chunks;
    char *at, *end;
    struct wp_arena_hook *hooks;
};

void *wp_arena_alloc(struct wp_arena *a, size_t size); /* aligned for any type, not cleared; never NULL */
void *wp_arena_array(struct wp_arena *a, size_t n, size_t size); /* cleared; never NULL */
struct wp_str wp_arena_dup(struct wp_arena *a, struct wp_str s); /* a copy, followed by a NUL */
void wp_arena_free(struct wp_arena *a);                          /* afterwards it is empty and ready */
/* When the arena is freed or rewound to before here, fn(data) is called first, the last one given first: for
 * what an object in the arena owns elsewhere.  fn allocates nothing in this arena. */
void wp_arena_on_free(struct wp_arena *a, void (*fn)(void *data), void *data);

/* Where an arena stands, and back to there: what was allocated since is freed.  For loops that would
 * otherwise keep all they ever read, as a large body in parts.  Marks are gone back to in the reverse order.
 */
struct wp_mark {
    struct wp_chunk *chunks;
    char *at, *end;
    struct wp_arena_hook *hooks;
};
struct wp_mark wp_arena_mark(const struct wp_arena *a);
void wp_arena_rewind(struct wp_arena *a, struct wp_mark mark);

/* The arena of the running callback. */
struct wp_arena *wp_callback_arena(void);

/* printf into the callback's arena.  Conversions: d i u x X c s p %, with flags - and 0, width, precision
 * (also *), and lengths hh h l ll z j t.  No floating point: nothing of stdio is linked in. */
struct wp_str wp_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As the C library's, with the conversions above. */
int wp_snprintf(char *dst, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int wp_vsnprintf(char *dst, size_t cap, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* ---- log ------------------------------------------------------------------------------ */

enum wp_log_level { WP_LOG_TRACE, WP_LOG_DEBUG, WP_LOG_INFO, WP_LOG_WARN, WP_LOG_ERROR, WP_LOG_CRITICAL };

/* Would a line of this level be written?  Asks the host at most once per callback, so a filtered line costs
 * a comparison, and its arguments are not evaluated. */
bool wp_log_enabled(enum wp_log_level level);
void wp_log_line(enum wp_log_level level, struct wp_str line);
void wp_log_write(enum wp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define wp_log(level, ...)                                                                                   \
    do {                                                                                                     \
        if (wp_log_enabled(level))                                                                           \
            wp_log_write(level, __VA_ARGS__);                                                                \
    } while (0)
#define wp_trace(...) wp_log(WP_LOG_TRACE, __VA_ARGS__)
#define wp_debug(...) wp_log(WP_LOG_DEBUG, __VA_ARGS__)
#define wp_info(...) wp_log(WP_LOG_INFO, __VA_ARGS__)
#define wp_warn(...) wp_log(WP_LOG_WARN, __VA_ARGS__)
#define wp_error(...) wp_log(WP_LOG_ERROR, __VA_ARGS__)

/* ---- what the host answers ------------------------------------------------------------- */

enum wp_status {
    WP_OK = 0,
    WP_NOT_FOUND = 1,
    WP_BAD_ARGUMENT = 2,
    WP_SERIALIZATION_FAILURE = 3,
    WP_PARSE_FAILURE = 4,
    WP_BAD_EXPRESSION = 5,
    WP_INVALID_MEMORY_ACCESS = 6,
    WP_EMPTY = 7,
    WP_CAS_MISMATCH = 8,
    WP_RESULT_MISMATCH = 9,
    WP_INTERNAL_FAILURE = 10,
    WP_BROKEN_CONNECTION = 11,
    WP_UNIMPLEMENTED = 12,
};

/* ---- headers ------------------------------------------------------------------------------ */

/* Proxy-Wasm's HeaderMapType. */
enum wp_map {
    WP_REQUEST_HEADERS = 0,
    WP_REQUEST_TRAILERS = 1,
    WP_RESPONSE_HEADERS = 2,
    WP_RESPONSE_TRAILERS = 3,
    WP_CALL_HEADERS = 6,
    WP_CALL_TRAILERS = 7,
};

struct wp_header {
    struct wp_str name, value;
};

/* The first value of a name (any case; ":path" and the like are ordinary names).  False if there is none,
 * and *value is then empty. */
bool wp_header_get(enum wp_map map, struct wp_str name, struct wp_str *value);
/* The same for the request, with an empty string for a missing header. */
struct wp_str wp_request_header(struct wp_str name);
struct wp_str wp_response_header(struct wp_str name);

/* One more entry; leave exactly one entry; leave none (also if there was none: WP_OK). */
enum wp_status wp_header_add(enum wp_map map, struct wp_str name, struct wp_str value);
enum wp_status wp_header_replace(enum wp_map map, struct wp_str name, struct wp_str value);
enum wp_status wp_header_remove(enum wp_map map, struct wp_str name);

/* All entries in their order, pseudo-headers included; an unavailable map has none.
 *     struct wp_pairs all = wp_headers(WP_REQUEST_HEADERS);
 *     for (struct wp_header h; wp_pairs_next(&all, &h);) ... */
struct wp_pairs {
    struct wp_str data; /* checked: every entry lies inside */
    uint32_t count, next;
    size_t at;
};
struct wp_pairs wp_headers(enum wp_map map);
enum wp_status wp_headers_set(enum wp_map map, const struct wp_header *entries, size_t n);
bool wp_pairs_next(struct wp_pairs *pairs, struct wp_header *out);
/* Proxy-Wasm's serialised pairs.  Bytes that are not well-formed pairs are false and an empty *out. */
bool wp_pairs_parse(struct wp_str data, struct wp_pairs *out);
struct wp_str wp_pairs_write(const struct wp_header *entries, size_t n);

/* ---- bodies and other buffers ------------------------------------------------------------------ */

/* Proxy-Wasm's BufferType. */
enum wp_buffer {
    WP_REQUEST_BODY = 0,
    WP_RESPONSE_BODY = 1,
    WP_DOWNSTREAM_DATA = 2, /* of a TCP connection: from the client */
    WP_UPSTREAM_DATA = 3,   /* from the upstream */
    WP_CALL_BODY = 4,
    WP_VM_CONFIG = 6,
    WP_PLUGIN_CONFIG = 7,
};

/* At most `max_len` bytes from `start`; false if the buffer is not available now. */
bool wp_buffer_get(enum wp_buffer buffer, size_t start, size_t max_len, struct wp_str *out);
/* The whole buffer becomes `data`. */
enum wp_status wp_buffer_replace(enum wp_buffer buffer, struct wp_str data);
enum wp_status wp_buffer_prepend(enum wp_buffer buffer, struct wp_str data);
enum wp_status wp_buffer_append(enum wp_buffer buffer, struct wp_str data);

/* ---- properties, clock, ticks ------------------------------------------------------------------- */

/* A property by its path, segments joined by NUL: WP_STR("request\0path"), WP_STR("route_name").
 * False if there is none; *out is then empty. */
bool wp_property_get(struct wp_str path, struct wp_str *out);
/* A property that is a number, a timestamp or a duration (nanoseconds); false if it is none. */
bool wp_property_int(struct wp_str path, int64_t *out);
/* A property of the stream under one flat name; later plugins and the access log can read it. */
enum wp_status wp_property_set(struct wp_str name, struct wp_str value);

uint64_t wp_now_ns(void); /* since 1970, UTC */
/* Call WP_ON_TICK of this root about every `period_ms`; 0 stops it.  In a root's callbacks only. */
enum wp_status wp_tick_every_ms(uint32_t period_ms);

/* ---- answering, going on ----------------------------------------------------------------------------- */

struct wp_response {
    uint32_t status;
    struct wp_str details; /* for the access log, not for the client */
    struct wp_str body;
    const struct wp_header *headers;
    size_t nheaders;
};

/* Answer the client instead of the upstream once the callback has returned; the callback should return
 * WP_PAUSE.  A second answer on a stream is ignored by the host. */
enum wp_status wp_respond(const struct wp_response *response);

/* Let a message go on that a callback had answered with WP_PAUSE, or reset the stream. */
enum wp_status wp_resume_request(void);
enum wp_status wp_resume_response(void);
enum wp_status wp_close_stream(void);

/* The same for a TCP connection: let what came from the client, or from the upstream, go on; or close its
 * connection to one of them, after what was let through. */
enum wp_status wp_resume_downstream(void);
enum wp_status wp_resume_upstream(void);
enum wp_status wp_close_downstream(void);
enum wp_status wp_close_upstream(void);

/* Make a stream the one that the functions of this header speak of, until the callback ends: in a root's
 * callbacks (tick, queue, an answer to the root's call) and for another stream than the callback's own. */
struct wp_root;
struct wp_stream;
enum wp_status wp_stream_select(const struct wp_stream *s);

/* ---- HTTP calls ------------------------------------------------------------------------------------- */

struct wp_http_request {
    struct wp_str cluster;                 /* the service, as the host names it */
    struct wp_str method, path, authority; /* empty: GET, "/", the cluster's name */
    const struct wp_header *headers;       /* without pseudo-headers */
    size_t nheaders;
    struct wp_str body;
    const struct wp_header *trailers;
    size_t ntrailers;
    uint32_t timeout_ms; /* 0: 5000 */
};

/* The answer: headers and trailers are the maps WP_CALL_HEADERS and WP_CALL_TRAILERS, the body is the buffer
 * WP_CALL_BODY, all until the callback returns. */
struct wp_http_answer {
    bool failed;     /* there is none: refused, broken off, too late */
    uint32_t status; /* 200, ...; 0 if it failed or is no three-digit number */
    uint32_t nheaders, body_bytes, ntrailers;
};

/* `stream` is the one that called, and is selected; NULL for a root's call. */
typedef void wp_http_fn(struct wp_root *root, struct wp_stream *stream, void *data,
                        const struct wp_http_answer *answer);

/* Send a request and go on; fn hears the answer in a callback of its own.  A stream that waits for it returns
 * WP_PAUSE and calls wp_resume_request or wp_respond in fn.
 * WP_OK: fn is called exactly once, but not at all if the stream ends before: keep what `data` points to in
 * the stream's struct or the root's, and nothing is lost with it.  WP_BAD_ARGUMENT: no such cluster.
 * WP_INTERNAL_FAILURE: it cannot be sent.  After an error fn is not called. */
enum wp_status wp_http_call(struct wp_stream *s, const struct wp_http_request *request, wp_http_fn *fn,
                            void *data);
enum wp_status wp_root_http_call(struct wp_root *root, const struct wp_http_request *request, wp_http_fn *fn,
                                 void *data);

/* ---- metrics ---------------------------------------------------------------------------------------- */

enum wp_metric_type { WP_COUNTER = 0, WP_GAUGE = 1, WP_HISTOGRAM = 2 };

/* The number of a metric, made if there is none of this name; best in configure. */
enum wp_status wp_metric_define(enum wp_metric_type type, struct wp_str name, uint32_t *metric);
/* A counter grows; a gauge may shrink. */
enum wp_status wp_metric_add(uint32_t metric, int64_t delta);
/* Set a gauge, or one sample of a histogram. */
enum wp_status wp_metric_record(uint32_t metric, uint64_t value);
bool wp_metric_get(uint32_t metric, uint64_t *value); /* false, and 0: no such counter or gauge */

/* ---- shared data and queues --------------------------------------------------------------------------- */

/* Data of all VMs with the same vm_id, on all workers.  `version` changes with each set; give it back to
 * wp_shared_set to write only if nobody wrote meanwhile (else WP_CAS_MISMATCH), 0 to write anyway. */
bool wp_shared_get(struct wp_str key, struct wp_str *value, uint32_t *version);
enum wp_status wp_shared_set(struct wp_str key, struct wp_str value, uint32_t version);

/* Read, change, write, again if another writer was faster: fn gets the value (found: it exists) and sets
 * *next, or returns false to leave it.  WP_CAS_MISMATCH after WP_SHARED_TRIES. */
enum { WP_SHARED_TRIES = 100 };
typedef bool wp_shared_fn(bool found, struct wp_str value, struct wp_str *next, void *data);
enum wp_status wp_shared_update(struct wp_str key, wp_shared_fn *fn, void *data);

/* A queue of this name, made if there is none; the root that registered it hears WP_ON_QUEUE_READY. */
enum wp_status wp_queue_register(struct wp_str name, uint32_t *queue);
/* Somebody else's, by the vm_id of its VM; WP_NOT_FOUND. */
enum wp_status wp_queue_find(struct wp_str vm_id, struct wp_str name, uint32_t *queue);
enum wp_status wp_queue_push(uint32_t queue, struct wp_str data);
bool wp_queue_pop(uint32_t queue, struct wp_str *data); /* false: it is empty */

/* ---- HTTP helpers ----------------------------------------------------------------------------------- */

/* %XX decoded; a broken or cut escape stays as it is.  The same view if there is nothing to decode. */
struct wp_str wp_percent_decode(struct wp_str s);
/* The path of a ":path" value without its query, and the query without its '?' (empty if there is none). */
struct wp_str wp_path_of(struct wp_str path_and_query);
struct wp_str wp_query_of(struct wp_str path_and_query);
/* The next parameter of k=v&k=v: *query is moved past it.  The parts are as they came. */
bool wp_query_next(struct wp_str *query, struct wp_str *name, struct wp_str *value);
/* The first parameter whose decoded name is `name`, its value decoded; '+' stays. */
bool wp_query_get(struct wp_str query, struct wp_str name, struct wp_str *value);
/* A host without ":port"; understands "[v6]:port". */
struct wp_str wp_host_without_port(struct wp_str host);

/* ---- contexts and callbacks -------------------------------------------------------------------------- */

/* A root context is one configuration of the plugin; the first member of the plugin's root struct. */
struct wp_root {
    uint32_t id;
    uint32_t calls; /* the SDK's: answers it waits for, those of its streams too */
};

/* A stream context is one HTTP request and its response, or one TCP connection; the first member of the
 * plugin's stream struct. Both structs start out as zero bytes and are freed by the SDK.  A root that holds
 * memory elsewhere, as in an arena, frees it in WP_ON_DELETE: a host may replace the roots of a VM as often
 * as configurations change. */
struct wp_stream {
    uint32_t id;
    uint32_t calls; /* the SDK's: answers it waits for */
    struct wp_root *root;
};

enum wp_action {
    WP_CONTINUE = 0,
    /* Hold the message: headers until wp_resume_*, a body until a later body callback continues
     * (the host buffers), or for ever if an answer was sent. */
    WP_PAUSE = 1,
};

#ifdef __wasm__
#define WP_EXPORT(name) __attribute__((export_name(#name))) extern
#else
#define WP_EXPORT(name) extern
#endif

/* What the library must know of the plugin; made by WP_PLUGIN. */
struct wp_plugin_sizes {
    size_t root_bytes, stream_bytes;
};
extern const struct wp_plugin_sizes wp_plugin_sizes;
struct wp_root *wp_root_enter(uint32_t id);
struct wp_stream *wp_stream_enter(uint32_t id);
void wp_root_deleted(struct wp_root *root); /* WP_ON_DELETE's; the library has one that does nothing */
bool wp_config_read(enum wp_buffer buffer, size_t size, struct wp_str *config);

#define WP_PLUGIN_(root_type, stream_type, marker)                                                           \
    _Static_assert(offsetof(root_type, wp) == 0 && sizeof(((root_type *)0)->wp) == sizeof(struct wp_root),   \
                   "the first member of the root struct is struct wp_root wp");                              \
    _Static_assert(offsetof(stream_type, wp) == 0 &&                                                         \
                       sizeof(((stream_type *)0)->wp) == sizeof(struct wp_stream),                           \
                   "the first member of the stream struct is struct wp_stream wp");                          \
    typedef root_type wp_root_type;                                                                          \
    typedef stream_type wp_stream_type;                                                                      \
    const struct wp_plugin_sizes wp_plugin_sizes = {sizeof(root_type), sizeof(stream_type)};                 \
    WP_EXPORT(marker) void marker(void);                                                                     \
    void marker(void)                                                                                        \
    {                                                                                                        \
    }                                                                                                        \
    __attribute__((unused)) static inline root_type *wp_root_of(const stream_type *s)                        \
    {                                                                                                        \
        return (root_type *)s->wp.root;                                                                      \
    }

/* The plugin's two structs; once per plugin, right after they are declared.  ABI 0.2.1.
 * Also makes wp_root_of(stream), the root struct that a stream belongs to. */
#define WP_PLUGIN(root_type, stream_type) WP_PLUGIN_(root_type, stream_type, proxy_abi_version_0_2_1)

/* EXTENSION (Higress, Weir): ABI 0.2.100, where a headers callback that pauses still gets its body callbacks,
 * and the headers stay changeable meanwhile.  Other hosts refuse to load such a module. */
#ifndef WP_NO_EXTENSIONS
#define WP_PLUGIN_HIGRESS(root_type, stream_type)                                                            \
    WP_PLUGIN_(root_type, stream_type, proxy_abi_version_0_2_100)
#endif

/* bool fn(struct root *, struct wp_str vm_config): once per root, before its configuration. */
#define WP_ON_VM_START(fn) WP_CONFIG_CALLBACK_(proxy_on_vm_start, WP_VM_CONFIG, fn)
/* bool fn(struct root *, struct wp_str config): the plugin's configuration, byte for byte; false refuses it
 * (log why).  May come again with a new one: replace the old, do not add to it. */
#define WP_ON_CONFIGURE(fn) WP_CONFIG_CALLBACK_(proxy_on_configure, WP_PLUGIN_CONFIG, fn)

/* enum wp_action fn(struct stream *, uint32_t count, bool end_of_stream): `count` headers; no body
 * follows if end_of_stream. */
#define WP_ON_REQUEST_HEADERS(fn) WP_STREAM_CALLBACK_(proxy_on_request_headers, fn)
#define WP_ON_RESPONSE_HEADERS(fn) WP_STREAM_CALLBACK_(proxy_on_response_headers, fn)
/* enum wp_action fn(struct stream *, uint32_t size, bool end_of_stream): `size` bytes can be read now. */
#define WP_ON_REQUEST_BODY(fn) WP_STREAM_CALLBACK_(proxy_on_request_body, fn)
#define WP_ON_RESPONSE_BODY(fn) WP_STREAM_CALLBACK_(proxy_on_response_body, fn)
/* enum wp_action fn(struct stream *, uint32_t count) */
#define WP_ON_REQUEST_TRAILERS(fn) WP_TRAILERS_CALLBACK_(proxy_on_request_trailers, fn)
#define WP_ON_RESPONSE_TRAILERS(fn) WP_TRAILERS_CALLBACK_(proxy_on_response_trailers, fn)

/* TCP: a connection is a stream, too, without headers; a plugin may be for both kinds.
 *
 * enum wp_action fn(struct stream *): a client has connected.  WP_PAUSE holds its data, and the connection to
 * the upstream, until wp_resume_downstream. */
#define WP_ON_NEW_CONNECTION(fn)                                                                             \
    WP_EXPORT(proxy_on_new_connection) uint32_t proxy_on_new_connection(uint32_t id);                        \
    uint32_t proxy_on_new_connection(uint32_t id)                                                            \
    {                                                                                                        \
        enum wp_action action = fn((wp_stream_type *)wp_stream_enter(id));                                   \
        return (uint32_t)action;                                                                             \
    }
/* enum wp_action fn(struct stream *, uint32_t size, bool end_of_stream): `size` bytes are in the buffer
 * WP_DOWNSTREAM_DATA, or WP_UPSTREAM_DATA; whoever sends them is done if end_of_stream.  After WP_PAUSE the
 * next call has them again, and what came since. */
#define WP_ON_DOWNSTREAM_DATA(fn) WP_STREAM_CALLBACK_(proxy_on_downstream_data, fn)
#define WP_ON_UPSTREAM_DATA(fn) WP_STREAM_CALLBACK_(proxy_on_upstream_data, fn)
/* void fn(struct stream *, enum wp_peer who): the connection to the client, or to the upstream, is closed. */
enum wp_peer {
    WP_PEER_UNKNOWN = 0,
    WP_PEER_LOCAL = 1,  /* by the host, or a plugin */
    WP_PEER_REMOTE = 2, /* by the other side */
};
#define WP_ON_DOWNSTREAM_CLOSE(fn) WP_CLOSE_CALLBACK_(proxy_on_downstream_connection_close, fn)
#define WP_ON_UPSTREAM_CLOSE(fn) WP_CLOSE_CALLBACK_(proxy_on_upstream_connection_close, fn)

/* void fn(struct stream *): the stream is over, headers can still be read; its struct is freed afterwards. */
#define WP_ON_LOG(fn)                                                                                        \
    WP_EXPORT(proxy_on_log) void proxy_on_log(uint32_t id);                                                  \
    void proxy_on_log(uint32_t id)                                                                           \
    {                                                                                                        \
        fn((wp_stream_type *)wp_stream_enter(id));                                                           \
    }

/* void fn(struct root *): the root is deleted, its streams are gone already; free what it holds.  Its struct
 * is freed afterwards. */
#define WP_ON_DELETE(fn)                                                                                     \
    void wp_root_deleted(struct wp_root *root)                                                               \
    {                                                                                                        \
        fn((wp_root_type *)root);                                                                            \
    }

/* void fn(struct root *): see wp_tick_every_ms. */
#define WP_ON_TICK(fn)                                                                                       \
    WP_EXPORT(proxy_on_tick) void proxy_on_tick(uint32_t id);                                                \
    void proxy_on_tick(uint32_t id)                                                                          \
    {                                                                                                        \
        fn((wp_root_type *)wp_root_enter(id));                                                               \
    }

/* void fn(struct root *, uint32_t queue): there is something in a queue this root registered; empty it, as
 * another VM may be faster and several entries may come with one call. */
#define WP_ON_QUEUE_READY(fn)                                                                                \
    WP_EXPORT(proxy_on_queue_ready) void proxy_on_queue_ready(uint32_t id, uint32_t queue);                  \
    void proxy_on_queue_ready(uint32_t id, uint32_t queue)                                                   \
    {                                                                                                        \
        fn((wp_root_type *)wp_root_enter(id), queue);                                                        \
    }

#define WP_CONFIG_CALLBACK_(name, buffer, fn)                                                                \
    WP_EXPORT(name) uint32_t name(uint32_t id, uint32_t size);                                               \
    uint32_t name(uint32_t id, uint32_t size)                                                                \
    {                                                                                                        \
        wp_root_type *root = (wp_root_type *)wp_root_enter(id);                                              \
        struct wp_str config;                                                                                \
        return wp_config_read(buffer, size, &config) && fn(root, config);                                    \
    }

#define WP_STREAM_CALLBACK_(name, fn)                                                                        \
    WP_EXPORT(name) uint32_t name(uint32_t id, uint32_t count, uint32_t end_of_stream);                      \
    uint32_t name(uint32_t id, uint32_t count, uint32_t end_of_stream)                                       \
    {                                                                                                        \
        enum wp_action action = fn((wp_stream_type *)wp_stream_enter(id), count, end_of_stream != 0);        \
        return (uint32_t)action;                                                                             \
    }

#define WP_CLOSE_CALLBACK_(name, fn)                                                                         \
    WP_EXPORT(name) void name(uint32_t id, uint32_t peer);                                                   \
    void name(uint32_t id, uint32_t peer)                                                                    \
    {                                                                                                        \
        fn((wp_stream_type *)wp_stream_enter(id), (enum wp_peer)peer);                                       \
    }

#define WP_TRAILERS_CALLBACK_(name, fn)                                                                      \
    WP_EXPORT(name) uint32_t name(uint32_t id, uint32_t count);                                              \
    uint32_t name(uint32_t id, uint32_t count)                                                               \
    {                                                                                                        \
        enum wp_action action = fn((wp_stream_type *)wp_stream_enter(id), count);                            \
        return (uint32_t)action;                                                                             \
    }

#endif
