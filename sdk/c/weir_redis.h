/* weir_redis.h - Redis from a plugin.
 *
 * EXTENSION (Higress, Weir): proxy_redis_init, proxy_redis_call, proxy_on_redis_call_response.  Other hosts
 * refuse to load a module that imports them, so whoever needs a module for those too builds it a second time
 * without this header:  -DWP_NO_EXTENSIONS makes including it an error, and WP_HAS_REDIS is defined only
 * here. Whether the host at hand does it is known at run time by wp_redis_available.
 *
 * Commands are given as an argument vector, so that no value can become a command; replies come decoded, and
 * a reply that is not well-formed is a failure, not a guess. */
#ifndef WEIR_REDIS_H
#define WEIR_REDIS_H

#include "weir_plugin.h"

#ifdef WP_NO_EXTENSIONS
#error "weir_redis.h is an extension of Higress and Weir, and WP_NO_EXTENSIONS is defined"
#endif
#define WP_HAS_REDIS 1

struct wp_redis_options {
    struct wp_str service;            /* the cluster's name, without options */
    struct wp_str username, password; /* both empty: no AUTH */
    uint32_t db;                      /* SELECT after connecting, unless 0 */
    uint32_t timeout_ms;              /* for each command; 0: 1000 */
    struct wp_str options;            /* further k=v&k=v for the host, or empty */
};

/* Say how a service is reached, once in the root's configure (and again before a call, if that failed with
 * WP_BAD_ARGUMENT because the service was not known yet).  Opens no connection. */
enum wp_status wp_redis_init(const struct wp_redis_options *options);
/* Does the host have Redis at all?  No command is sent. */
bool wp_redis_available(void);

enum wp_redis_type {
    WP_REDIS_FAILED,  /* no reply: refused, disconnected, too late, or not RESP; `text` says which */
    WP_REDIS_STATUS,  /* text: "OK" */
    WP_REDIS_ERROR,   /* text: "ERR unknown command" */
    WP_REDIS_INTEGER, /* integer */
    WP_REDIS_STRING,  /* text: any bytes */
    WP_REDIS_NIL,     /* a missing string or array */
    WP_REDIS_ARRAY,   /* elements */
};

/* Valid until the callback returns. */
struct wp_redis_reply {
    enum wp_redis_type type;
    struct wp_str text;
    int64_t integer;
    const struct wp_redis_reply *elements;
    size_t nelements;
};

/* `stream` is the one that called, made the effective context; NULL for a root's call. */
typedef void wp_redis_fn(struct wp_root *root, struct wp_stream *stream, void *data,
                         const struct wp_redis_reply *reply);

/* Send one command, argv[0] its name.  WP_OK: fn is called exactly once, unless the stream ends before; see
 * wp_http_call about `data`.  WP_BAD_ARGUMENT: no such service.  WP_INTERNAL_FAILURE: it cannot be sent now.
 * WP_UNIMPLEMENTED: this host has no Redis.  In all of these fn is not called. */
enum wp_status wp_redis_call(struct wp_stream *s, struct wp_str service, const struct wp_str *argv,
                             size_t argc, wp_redis_fn *fn, void *data);
enum wp_status wp_root_redis_call(struct wp_root *root, struct wp_str service, const struct wp_str *argv,
                                  size_t argc, wp_redis_fn *fn, void *data);

/* RESP2, the parts: a command as an array of bulk strings, in the callback's arena; and a whole reply.
 * False, *out is then WP_REDIS_FAILED: malformed, cut off, followed by more bytes, or nested deeper than
 * WP_REDIS_MAX_DEPTH. */
enum { WP_REDIS_MAX_DEPTH = 8 };
struct wp_str wp_redis_encode(const struct wp_str *argv, size_t argc);
bool wp_redis_decode(struct wp_str bytes, struct wp_redis_reply *out);

#endif
