/*
 * ngx_http_weir_module.h - what the files of the module share.
 *
 * Each worker holds one ngx_http_weir_worker_t: the current generation, its plugins
 * with their VMs, and what it knows about endpoints.  A proxied request has one
 * ngx_http_weir_ctx_t in its pool, from the access phase to the end of the pool.
 *
 *   access phase   ngx_http_weir_request.c   route, plugins, redirect, path for the upstream
 *                  ngx_http_weir_body.c      the request's body through the plugins, if one wants it
 *   content phase  nginx's proxy module, through the balancer of ngx_http_weir_upstream.c
 *                  ngx_http_weir_stream.c    requests that leave while their body is still read
 *                  ngx_http_weir_http2.c     or its gRPC module, for services that speak HTTP/2
 *   filters        ngx_http_weir_filter.c    response through the plugins, local responses
 *   log phase      ngx_http_weir_module.c    ends the stream, then nginx writes the access log
 *
 * TCP connections are the stream module's (ngx_stream_weir_module.h), on the same worker and generation.
 *
 * nginx never sees a route or a service in its configuration: they are data of the generation.
 *
 * In an nginx.conf that people wrote themselves there is only the chain (ngx_http_weir_attach.c): ctx->attached is the
 * location, and ctx->route and ctx->service stay unset.
 */

#ifndef _NGX_HTTP_WEIR_MODULE_H_INCLUDED_
#define _NGX_HTTP_WEIR_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "base/hash.h"
#include "base/str.h"
#include "gw/config.h"
#include "gw/generation.h"
#include "weir/proxy_wasm.h"
#include "weir/pw_server.h"


#define NGX_HTTP_WEIR_BUFFERED      0x08
#define NGX_HTTP_WEIR_NAME_BYTES    256     /* of a generation's file */


#include "ngx_http_weir_counts.h"


typedef struct ngx_http_weir_tls_s  ngx_http_weir_tls_t;     /* ngx_http_weir_tls.c: a TLS context */
typedef struct ngx_http_weir_certificate_s  ngx_http_weir_certificate_t; /* ngx_http_weir_certificate.c */
typedef struct ngx_http_weir_listener_s  ngx_http_weir_listener_t;      /* likewise */


typedef struct ngx_http_weir_peer_s  ngx_http_weir_peer_t;   /* ngx_http_weir_service.h */
typedef struct ngx_http_weir_service_s  ngx_http_weir_service_t;
typedef struct ngx_http_weir_admission_s  ngx_http_weir_admission_t;


/* A plugin of a generation. Generations between which nothing of its VM changed share module and plugin. */

typedef struct {
    const struct gw_plugin         *conf;
    ngx_uint_t                     *sharers;    /* generations that have module and plugin, or NULL: none ran */
    struct weir_module             *module;     /* NULL: it did not load */
    char                            sha256[HASH_SHA256_HEX]; /* of the module */
    struct pw_plugin               *plugin;     /* NULL: the module did not load */
    uint32_t                       *roots;      /* for each of conf->configs its index in the plugin */
    ngx_http_weir_plugin_counts_t  *counts;     /* of all plugins with this name; a reference */
    char                            error[512]; /* why it did not load or start, or "" */
} ngx_http_weir_plugin_t;


/* A generation as this worker uses it; a request holds a reference to the one it began with. */

typedef struct ngx_http_weir_generation_s  ngx_http_weir_generation_t;

struct ngx_http_weir_generation_s {
    ngx_uint_t                      refs;
    ngx_http_weir_generation_t     *retired;    /* the next of those that wait to be freed */
    ngx_http_weir_generation_t     *older;      /* the next of those in memory */
    char                            file[NGX_HTTP_WEIR_NAME_BYTES];
    ngx_pool_t                     *pool;
    struct gw_generation           *gw;
    const struct gw_config         *config;
    ngx_http_weir_service_t        *services;   /* as config->services */
    ngx_http_weir_plugin_t         *plugins;    /* as config->plugins */
    ngx_http_weir_certificate_t   **certificates; /* as config->certificates */
    ngx_http_weir_listener_t       *listeners;  /* as config->listeners; filled where there is TLS */
    struct gw_location            **locations;  /* with weir_plugins, made when first asked for; or NULL */
};


typedef struct {
    ngx_cycle_t                    *cycle;
    ngx_str_t                       folder;     /* what the generation's files are relative to, with a '/'; or empty */
    ngx_str_t                       link;       /* to the file of the generation that is in force, or that file */
    char                            file[NGX_HTTP_WEIR_NAME_BYTES]; /* the generation's */
    ngx_uint_t                      nlocations; /* with weir_plugins */
    ngx_str_t                       store;      /* folder with images, or empty */
    ngx_str_t                       control;    /* socket of the control process, or empty */
    enum pw_log_level               log_level;  /* of plugins, if the generation says none */
    ngx_http_weir_generation_t     *generation; /* NULL until the worker started */
    struct pw_shared               *shared;     /* memory of all workers */
    size_t                          plugin_memory;  /* most of all plugins after their start, in all workers; 0: any */
    ngx_http_weir_generation_t     *loading;    /* whose plugins start now, or NULL */
    ngx_http_weir_generation_t     *retired;    /* without references, to be freed by: */
    ngx_event_t                     retire;
    ngx_http_weir_generation_t     *newest;     /* of those in memory */
    ngx_uint_t                      generations; /* that are in memory */
    ngx_uint_t                      requests;   /* that have a context now */
    ngx_uint_t                      connections; /* of TCP, that have a context now */
} ngx_http_weir_worker_t;


typedef struct {
    ngx_flag_t                      http2;      /* beside HTTP/1.1 on this clear-text listener */
    ngx_str_t                       tls;        /* the HTTPS listener whose certificates are shown, or empty */
} ngx_http_weir_srv_conf_t;


typedef struct {
    ngx_flag_t                      enable;
    ngx_flag_t                      plugins;    /* the chain alone, in a location of somebody else's */
    ngx_uint_t                      phase;      /* where it runs: NGX_HTTP_REWRITE_PHASE or NGX_HTTP_ACCESS_PHASE */
    ngx_str_t                       route, service; /* what rules call the location, or empty */
    ngx_uint_t                      index;      /* among those with weir_plugins */
    ngx_http_handler_pt             http2_handler; /* nginx's gRPC module's, or NULL */
} ngx_http_weir_loc_conf_t;


typedef struct {
    ngx_uint_t                      status;
    ngx_str_t                       body;
    ngx_str_t                       details;
    struct pw_header               *headers;
    size_t                          nheaders;
    ngx_uint_t                      grpc;       /* grpc-status + 1, or 0: what follows from `status` */
} ngx_http_weir_local_t;


/* Where an iteration over a list of headers stands, so that map_at is O(1). */

typedef struct {
    ngx_list_part_t                *part;
    ngx_uint_t                      elt;
    size_t                          next;       /* index of the entry at part, elt */
} ngx_http_weir_cursor_t;


/* A plugin of a request's chain, and its step of the stream. */

typedef struct {
    ngx_http_weir_plugin_t         *plugin;
    ngx_int_t                       step;       /* -1: none, it did not load */
} ngx_http_weir_link_t;

typedef struct ngx_http_weir_steps_log_s  ngx_http_weir_steps_log_t;


typedef struct {
    ngx_http_weir_generation_t     *generation; /* must be first: ngx_http_weir_find_service */
    ngx_http_request_t             *request;
    struct pw_stream               *stream;     /* NULL: no plugin runs */
    ngx_http_weir_plugin_t        **steps;      /* of the stream */

    const ngx_http_weir_loc_conf_t *attached;   /* NULL: routing and upstream are weir's */
    uint32_t                        route;      /* GW_NONE: none found */
    ngx_http_weir_service_t        *service;    /* NULL: a redirect */
    ngx_str_t                       host;       /* the upstream's Host */
    ngx_http_weir_admission_t      *admission;  /* to the service, or NULL: not asked for yet */
    ngx_str_t                       override;   /* the endpoint a plugin wants, or empty */
    ngx_str_t                       peer;       /* address of who connected; the connection's is the client's */
    ngx_str_t                       client_path; /* as the client sent it */
    ngx_uint_t                      http_version; /* the client's */
    ngx_str_t                       details;    /* for the access log */
    ngx_str_t                       custom_log, ai_log; /* likewise, by plugins */
    ngx_str_t                       plugin;     /* that answered or failed */
    ngx_http_weir_link_t           *chain;      /* all plugins that match, in order */
    size_t                          nchain;
    ngx_http_weir_steps_log_t      *steps_log;  /* what became of them; NULL before the end */
    ngx_uint_t                      tries;      /* of the upstream; not those of kept connections that were closed */

    ngx_http_weir_local_t          *local;
    ngx_http_weir_cursor_t          in, out;

    ngx_event_t                     resume;     /* the access phase or the response goes on */
    ngx_event_t                     resume_body; /* the request's body does */
    ngx_event_t                     body_is_read; /* the client's time to send it is over */
    size_t                          header_count, header_bytes; /* of the request as it came */
    uint64_t                        body_limit, body_bytes; /* of the request, 0: none; read so far */
    ngx_event_t                     deadline;   /* of a gRPC call, as its client said */
    ngx_msec_t                      deadline_ms; /* from the beginning, 0: none */

    ngx_chain_t                    *request_held; /* body that the chain does not take yet */
    ngx_chain_t                    *request_feeding; /* the link that is in the chain now */
    ngx_chain_t                    *request_out; /* body that came out, and nginx does not have yet */
    ngx_chain_t                    *request_free, *request_busy; /* buffers of ours for what plugins changed */
    ngx_temp_file_t                *spool_file; /* what memory has no room for of those */
    off_t                           request_fed, request_passed; /* bytes of the request's body in and out */
    off_t                           request_promised; /* Content-Length that the upstream got, or -1 */
    ngx_int_t                       request_failed; /* the status to end it with, or 0 */

    ngx_int_t                     (*create_request)(ngx_http_request_t *r); /* the proxy module's */
    ngx_output_chain_filter_pt      output_filter; /* nginx's, to the upstream */
    void                           *output_ctx;

    ngx_chain_t                    *held;       /* response body that is not in the chain yet */
    ngx_chain_t                    *feeding;    /* the link that is in the chain now */
    ngx_chain_t                    *body_out, **body_last; /* response body that came out of it */
    ngx_chain_t                    *free, *busy; /* buffers of ours for what plugins changed */
    off_t                           fed, passed; /* bytes of the response body in and out */
    off_t                           promised;   /* Content-Length of the response, or -1 */

    unsigned                        buffering:1;    /* nginx reads the body whole, for a handler of its own */
    unsigned                        peer_trusted:1; /* about the client */
    unsigned                        begun:1;        /* the plugins had the request's headers */
    unsigned                        has_body:1;     /* or may have: the request */
    unsigned                        reading_body:1; /* through the chain */
    unsigned                        body_read:1;    /* nginx has all of it */
    unsigned                        body_fed:1;     /* the chain has had all of it */
    unsigned                        request_ended:1; /* all of it came out of the chain */
    unsigned                        request_through:1; /* the headers did */
    unsigned                        request_dropped:1; /* nobody wants the rest of its body */
    unsigned                        output_closed:1; /* the upstream reads no more */
    unsigned                        paused:1;       /* in the access phase */
    unsigned                        calling:1;      /* a pw_stream_on_... is running */
    unsigned                        closing:1;
    unsigned                        stale_route:1;
    unsigned                        request_done:1;
    unsigned                        local_sent:1;
    unsigned                        response_started:1; /* the plugins had its headers */
    unsigned                        response_through:1; /* they let them go */
    unsigned                        response_done:1;    /* they are sent, or about to be */
    unsigned                        response_ended:1;   /* all of the body came out of the chain */
    unsigned                        filtering:1;    /* body through the chain, or headers that wait */
    unsigned                        has_no_body:1;  /* the response */
    unsigned                        last_in:1;      /* nginx gave the end of it */
    unsigned                        defer_headers:1; /* until it is known whether the body's length changes */
    unsigned                        out_failed:1;
    unsigned                        replace_body:1; /* by local->body */
    unsigned                        body_replaced:1;
    unsigned                        admitting:1;    /* all but the service itself lets it go */
    unsigned                        no_upstream:1;  /* no endpoint has room */
} ngx_http_weir_ctx_t;


extern ngx_module_t             ngx_http_weir_module;
extern ngx_http_weir_worker_t   ngx_http_weir_worker;
extern const struct pw_server   ngx_http_weir_server;

extern ngx_http_output_header_filter_pt  ngx_http_weir_next_header_filter;
extern ngx_http_output_body_filter_pt    ngx_http_weir_next_body_filter;


/* struct str and ngx_str_t are the same two things. */

static ngx_inline struct str
ngx_http_weir_str(ngx_str_t *s)
{
    return (struct str) { (const char *) s->data, s->len };
}


static ngx_inline ngx_str_t
ngx_http_weir_ngx_str(struct str s)
{
    ngx_str_t  n;

    n.data = (u_char *) s.at;
    n.len = s.len;

    return n;
}


/* A copy in the pool, with a NUL after it. NGX_ERROR: no memory. */
ngx_int_t ngx_http_weir_copy(ngx_pool_t *pool, struct str s, ngx_str_t *out);
/* A variable's value: such a copy. NGX_ERROR: no memory. */
ngx_int_t ngx_http_weir_set_value(ngx_pool_t *pool, struct str s, ngx_variable_value_t *v);


/* ngx_http_weir_generation.c: what a worker loads when it starts, and when the control process says so. */
ngx_int_t ngx_http_weir_generation_load(ngx_http_weir_worker_t *w);
void ngx_http_weir_generation_change(void *data); /* the link may name another one */
void ngx_http_weir_generation_image(void *data, struct str sha256); /* the store has one of this module */
const char *ngx_http_weir_plugin_tier(const ngx_http_weir_plugin_t *p); /* "aot", "interp" or "none" */
/* The last reference has it freed by the event loop: a call into one of its plugins may be on the stack. */
void ngx_http_weir_generation_unref(ngx_http_weir_generation_t *g);
void ngx_http_weir_generation_free_retired(ngx_http_weir_worker_t *w);

/* ngx_http_weir_module.c: does the client ask for a protocol that may pass as a tunnel? */
bool ngx_http_weir_upgrades(ngx_http_request_t *r);

/* ngx_http_weir_request.c */
ngx_int_t ngx_http_weir_access_handler(ngx_http_request_t *r);
/* A new context of the request; NULL: no memory. The worker must have a generation. */
ngx_http_weir_ctx_t *ngx_http_weir_ctx_new(ngx_http_request_t *r);
/* The request's context, or NULL. Internal redirects and error pages of nginx's take it from the request: it is put
 * back. */
ngx_http_weir_ctx_t *ngx_http_weir_ctx_find(ngx_http_request_t *r);
/* The chain of these plugins. NGX_ERROR: no memory. */
ngx_int_t ngx_http_weir_make_stream(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const struct gw_step *found,
    uint32_t n);
/* Go on with a request that has a context: NGX_DECLINED when the chain is done with it. */
ngx_int_t ngx_http_weir_proceed(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* What the route is called, or "". */
struct str ngx_http_weir_route_name(const ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_end(ngx_http_weir_ctx_t *ctx);
/* Have the event loop go on with a request that waits. */
void ngx_http_weir_post(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_abort(ngx_http_request_t *r);

/* Note what the chain said of the request. NGX_ERROR: it must not go on. */
ngx_int_t ngx_http_weir_request_verdict(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx,
    enum pw_verdict verdict);

/* ngx_http_weir_client.c: for this request, the connection's address becomes the client's. NGX_ERROR: no memory;
 * NGX_DECLINED: what a trusted proxy's PROXY header says is no address, logged. */
ngx_int_t ngx_http_weir_find_client(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* The same for good, for a TCP connection, which has only the PROXY header. */
ngx_int_t ngx_http_weir_find_tcp_client(ngx_connection_t *c, const ngx_http_weir_generation_t *g);

/* ngx_http_weir_body.c */
void ngx_http_weir_body_init(void);
/* Read what is there of the body and give it to the chain, in the access phase; the phases run again when more comes.
 * NGX_OK, or the status to end the request with; if ctx->local is set, that is the answer. */
ngx_int_t ngx_http_weir_begin_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_read_on(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* Is enough known of the body for the request to leave, once its headers may? */
bool ngx_http_weir_body_may_leave(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* It leaves: whole, or while its body is read. */
void ngx_http_weir_settle_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_resume_body(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* What comes out of the chain. */
void ngx_http_weir_request_body(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream);

/* ngx_http_weir_attach.c: the chain in locations of an nginx.conf that somebody wrote */
ngx_int_t ngx_http_weir_attach_handler(ngx_http_request_t *r, const ngx_http_weir_loc_conf_t *lcf);
/* nginx answers, whether or not the chain was done with the request: nothing of it goes on. */
void ngx_http_weir_attach_answered(ngx_http_weir_ctx_t *ctx);
/* Have nginx read the whole body through the chain. As ngx_http_weir_begin_body. */
ngx_int_t ngx_http_weir_attach_read(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* The body is read, and the request goes on to its handler with its true length. */
ngx_int_t ngx_http_weir_attach_settle(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* Write what nginx has of the body so far into its temporary file. */
ngx_int_t ngx_http_weir_attach_spill(ngx_http_request_t *r);

/* ngx_http_weir_rewrite.c: what the route changes in headers; NGX_ERROR: no memory */
ngx_int_t ngx_http_weir_change_request(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_change_response(ngx_http_weir_ctx_t *ctx);
/* Note how much of headers the client sent. */
void ngx_http_weir_measure_headers(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* Does the route refuse so large a request? The status, or 0. */
ngx_uint_t ngx_http_weir_too_large(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);

/* ngx_http_weir_log.c: the line of a request in the access log */
ngx_int_t ngx_http_weir_log_add_variable(ngx_conf_t *cf);
ngx_int_t ngx_http_weir_log_init(ngx_conf_t *cf);
/* What became of the plugins of a chain, of a request or a connection; `stream` is finished, NULL: none was made. NULL:
 * there are none, or there is no memory. */
ngx_http_weir_steps_log_t *ngx_http_weir_steps_log(ngx_pool_t *pool, const ngx_http_weir_link_t *chain, size_t n,
    const struct pw_stream *stream);
void ngx_http_weir_steps_write(struct strbuf *b, const ngx_http_weir_steps_log_t *log);    /* NULL: [] */

/* ngx_http_weir_http2.c: services that speak HTTP/2, and gRPC on its way to any service */
char *ngx_http_weir_http2_upstream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* nginx's handler that proxies to the request's service. */
ngx_http_handler_pt ngx_http_weir_proxy_handler(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
bool ngx_http_weir_is_grpc(ngx_http_request_t *r);
/* Note the client's deadline; past it the call ends with DEADLINE_EXCEEDED. */
void ngx_http_weir_deadline_start(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* An answer of the gateway's as gRPC says it: a status in the headers, no body. Called when headers_out has its
 * status and headers; `local` loses its body. */
ngx_int_t ngx_http_weir_grpc_answer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_http_weir_local_t *local);

/* ngx_http_weir_request.c: answer with this instead of whatever the request waits for in the access phase. */
void ngx_http_weir_answer_now(ngx_http_weir_ctx_t *ctx, ngx_uint_t status, const char *details, const char *body);

/* ngx_http_weir_stream.c: have the request leave by the module's own content handler. */
void ngx_http_weir_stream_request(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* Prepare the upstream of an unbuffered request; `conf` is its own copy. */
void ngx_http_weir_stream_peer(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, ngx_http_upstream_conf_t *conf);

/* ngx_http_weir_filter.c */
ngx_int_t ngx_http_weir_filter_init(ngx_conf_t *cf);
ngx_int_t ngx_http_weir_send_local(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_resume_response(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
/* What comes out of the chain. */
void ngx_http_weir_response_body(ngx_http_weir_ctx_t *ctx, struct str chunk, bool end_of_stream);

/* ngx_http_weir_upstream.c */
char *ngx_http_weir_balancer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
bool ngx_http_weir_upstream_host(void *stream, size_t i, struct pw_upstream_host *out);
void ngx_http_weir_override_upstream(void *stream, struct str address);

/* ngx_http_weir_tls.c: TLS to services */

/* The context for these settings, made or shared, with a reference. NULL: none could be made, logged. */
ngx_http_weir_tls_t *ngx_http_weir_tls_get(const struct gw_tls *conf);
ngx_http_weir_tls_t *ngx_http_weir_tls_ref(ngx_http_weir_tls_t *tls);   /* NULL is fine */
void ngx_http_weir_tls_unref(void *tls);                                /* NULL is fine */
ngx_uint_t ngx_http_weir_tls_id(const ngx_http_weir_tls_t *tls);        /* NULL: 0 */
ngx_ssl_t *ngx_http_weir_tls_ssl(ngx_http_weir_tls_t *tls);
/* The peer may go before the connection. */
void ngx_http_weir_tls_forget(ngx_connection_t *c);
/* Before the handshake: names, what is spoken inside ("http/1.1", "h2", or NULL: not said), the peer's last session. */
ngx_int_t ngx_http_weir_tls_prepare(ngx_http_weir_tls_t *tls, ngx_connection_t *c,
    ngx_http_weir_peer_t *peer, const char *alpn);
/* Handshake on a connection that is made. NGX_OK: it is through. NGX_AGAIN: `handler` is called when c->ssl->handshaked
 * tells the outcome, or when the write event's timer ran out. NGX_ERROR: refused or broken, logged. */
ngx_int_t ngx_http_weir_tls_start(ngx_http_weir_tls_t *tls, ngx_connection_t *c,
    ngx_http_weir_peer_t *peer, const char *alpn, ngx_connection_handler_pt handler);
/* Close a connection to a peer, with or without TLS, and its pool. */
void ngx_http_weir_close_connection(ngx_connection_t *c);

/* ngx_http_weir_certificate.c: TLS to clients. Init fills what of the generation is for that; fini is fine after an init
 * that failed, or none. NGX_ERROR: no memory, logged. */
ngx_int_t ngx_http_weir_certificates_init(ngx_http_weir_generation_t *g);
void ngx_http_weir_certificates_fini(ngx_http_weir_generation_t *g);
/* What the listener of this number agrees on with a client, whose first message is there: as OpenSSL's callback for that
 * answers. */
int ngx_http_weir_certificates_hello(SSL *ssl, int *alert, ngx_http_weir_generation_t *g, uint32_t listener);
/* Have handshakes of this context, which is of nginx's for a server, take what the worker's generation says. */
void ngx_http_weir_certificates_use(SSL_CTX *ctx, ngx_http_weir_srv_conf_t *scf);

/* ngx_http_weir_call.c: callouts of plugins, as struct pw_server has them */
enum pw_call_start ngx_http_weir_call(void *server, void *stream, const struct pw_http_call *call,
    void **handle);
void ngx_http_weir_cancel_call(void *server, void *handle);
/* A service by a callout's name for it, of the generation that the caller belongs to (a context, of HTTP or TCP, that
 * begins with it; or NULL); NULL: there is none. */
ngx_http_weir_service_t *ngx_http_weir_find_service(ngx_http_weir_worker_t *w, void *stream, struct str name);
/* NGX_ERROR, logged: the connection was not made. */
ngx_int_t ngx_http_weir_test_connect(ngx_connection_t *c);

/* ngx_http_weir_grpc.c: gRPC calls of plugins */
enum pw_call_start ngx_http_weir_grpc_open(void *server, void *stream, const struct pw_grpc_call *call,
    void **handle);
void ngx_http_weir_grpc_send(void *server, void *handle, struct str message, bool end);
void ngx_http_weir_grpc_cancel(void *server, void *handle);

/* ngx_http_weir_dns.c: names for plugins, as struct pw_server has it */
bool ngx_http_weir_resolve(void *server, struct pw_callout *callout, struct str name, void **handle);
void ngx_http_weir_cancel_resolve(void *server, void *handle);

/* ngx_http_weir_redis.c: Redis for plugins, as struct pw_server has it */
bool ngx_http_weir_redis_service(void *server, void *stream, struct str name);
enum pw_call_start ngx_http_weir_redis_call(void *server, void *stream, const struct pw_redis_call *call,
    void **handle);
void ngx_http_weir_redis_cancel(void *server, void *handle);
void ngx_http_weir_redis_stop(void);                /* the worker ends */
void ngx_http_weir_redis_json(struct strbuf *b);    /* ,"redis":{...} */

/* ngx_http_weir_headers_in.c, ngx_http_weir_headers_out.c: header maps, as struct pw_server has them */
size_t ngx_http_weir_in_count(ngx_http_weir_ctx_t *ctx);
bool ngx_http_weir_in_at(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out);
bool ngx_http_weir_in_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value);
bool ngx_http_weir_in_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_in_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_in_remove(ngx_http_weir_ctx_t *ctx, struct str name);
bool ngx_http_weir_in_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n);

size_t ngx_http_weir_out_count(ngx_http_weir_ctx_t *ctx);
bool ngx_http_weir_out_at(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out);
bool ngx_http_weir_out_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value);
bool ngx_http_weir_out_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_out_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_out_remove(ngx_http_weir_ctx_t *ctx, struct str name);
bool ngx_http_weir_out_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n);

/* ngx_http_weir_trailers.c: the response's trailers, as struct pw_server has them */
size_t ngx_http_weir_trailers_count(ngx_http_weir_ctx_t *ctx);
bool ngx_http_weir_trailers_at(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out);
bool ngx_http_weir_trailers_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value);
bool ngx_http_weir_trailers_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_trailers_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);
bool ngx_http_weir_trailers_remove(ngx_http_weir_ctx_t *ctx, struct str name);
bool ngx_http_weir_trailers_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n);

/* Is it a legal name (a token) and value (no control characters)? */
bool ngx_http_weir_header_ok(struct str name, struct str value);

/* ngx_http_weir_server.c: one line of a plugin. */
void ngx_http_weir_log(ngx_log_t *log, struct str plugin, enum pw_log_level level, struct str line);
/* As struct pw_server has them. */
enum pw_log_level ngx_http_weir_log_level(void *server);
/* pw_server.crashed, for requests and for connections; the latter have no stream to tell of. */
bool ngx_http_weir_crashed(void *server, void *stream, const struct pw_crash *crash);
bool ngx_stream_weir_crashed(void *server, void *stream, const struct pw_crash *crash);
uint64_t ngx_http_weir_now_ns(void *server, void *stream);
uint64_t ngx_http_weir_monotonic_ns(void *server);
struct pw_shared *ngx_http_weir_shared(void *server);

/* ngx_http_weir_connection.c: properties of a client's connection, with or without TLS. Strings are there until the next
 * one is asked for. */
typedef struct {
    const char                     *root, *child;   /* child NULL: the property has one segment */
} ngx_http_weir_property_name_t;

bool ngx_http_weir_property_is(const ngx_http_weir_property_name_t *name, const struct str *path, size_t segments);
bool ngx_http_weir_connection_property(ngx_connection_t *c, const struct str *path, size_t segments,
    struct pw_value *out);
/* Fill *out; true. */
bool ngx_http_weir_is_string(struct pw_value *out, struct str s);
bool ngx_http_weir_is_int(struct pw_value *out, int64_t n);

/* ngx_http_weir_property.c */
bool ngx_http_weir_property(ngx_http_weir_ctx_t *ctx, const struct str *path, size_t segments,
    struct pw_value *out);

/* ngx_http_weir_counts.c: the request is over. */
void ngx_http_weir_count_request(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);

/* ngx_http_weir_status.c: the worker, or a list of its services; and what the control process asks for, into a file
 * (ngx_http_weir_channel.h). */
void ngx_http_weir_status_json(struct strbuf *b, bool services);
void ngx_http_weir_report(void *data, struct str words, int file);

/* ngx_http_weir_shared.c. A worker opens zone->data by pw_shared_open. */
ngx_shm_zone_t *ngx_http_weir_shared_zone(ngx_conf_t *cf, size_t size);
void ngx_http_weir_shared_json(struct strbuf *b, struct pw_shared *shared);  /* ,"shared":{...},"metrics":[...] */
void ngx_http_weir_timer_set(void *server, struct pw_timer *timer, uint32_t delay_ms);
void ngx_http_weir_timer_clear(void *server, struct pw_timer *timer);
size_t ngx_http_weir_timer_count(void);     /* of all nginx runs in this worker, plugins' among them */

/* ngx_http_weir_notify.c: init in the master, start and stop in a worker. */
ngx_int_t ngx_http_weir_notify_init(ngx_cycle_t *cycle);
ngx_int_t ngx_http_weir_notify_start(ngx_cycle_t *cycle);
void ngx_http_weir_notify_stop(void);
void ngx_http_weir_notify(void *server, uint32_t worker);

/* ngx_http_weir_h2c.c: HTTP/2 with prior knowledge beside HTTP/1.1 on clear-text listeners. */
void ngx_http_weir_h2c_init(ngx_cycle_t *cycle);


#include "ngx_http_weir_service.h"


#endif /* _NGX_HTTP_WEIR_MODULE_H_INCLUDED_ */
