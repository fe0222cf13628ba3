/*
 * ngx_stream_weir_module.h - TCP connections through plugins, as the files of the stream module share it.
 *
 * A session has two flows, by enum pw_direction: PW_REQUEST from the client to the upstream, PW_RESPONSE back.  A flow
 * reads only when all it has to write is written, so it never holds more than one chunk and what plugins
 * made of it.
 */

#ifndef _NGX_STREAM_WEIR_MODULE_H_INCLUDED_
#define _NGX_STREAM_WEIR_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_http_weir_module.h"


typedef struct {
    struct strbuf                   out;        /* to be written, from out_at on */
    size_t                          out_at;

    unsigned                        ended_in:1;     /* the source said it will send no more */
    unsigned                        ended_out:1;    /* the end came out of the chain */
    unsigned                        shut:1;         /* the sink was told, or is gone */
    unsigned                        resume:1;       /* the chain asks for pw_stream_resume_... */
    unsigned                        failed:1;       /* the sink does not take it */
} ngx_stream_weir_flow_t;


typedef struct {
    ngx_http_weir_generation_t     *generation; /* must be first: ngx_http_weir_find_service */
    ngx_stream_session_t           *session;
    ngx_ssl_t                      *ssl;        /* for clients, where the listener has TLS */
    const struct gw_listener       *listener;
    ngx_http_weir_service_t        *service;

    struct pw_stream               *stream;     /* NULL: no plugin runs */
    ngx_http_weir_plugin_t        **steps;      /* of the stream */
    ngx_http_weir_link_t           *chain;      /* all plugins that match, in order */
    size_t                          nchain;
    ngx_http_weir_steps_log_t      *steps_log;  /* what became of them; NULL before the end */

    ngx_http_weir_peer_t           *peer;       /* tried last; acquired */
    ngx_http_weir_tried_t           tried;
    ngx_uint_t                      tries;
    ngx_str_t                       override;   /* the endpoint a plugin wants, or empty */
    ngx_connection_t               *upstream;   /* NULL: there is none (yet, or any more) */

    ngx_stream_weir_flow_t          flow[2];
    ngx_event_t                     wake;       /* posted: there is something to do */
    ngx_http_weir_waiter_t          waiter;     /* for the service's first address */
    ngx_event_t                     resolved;   /* posted when there may be one; its timer is connectTimeout */
    ngx_event_t                     idle;       /* timer */
    ngx_msec_t                      active;     /* when something was read or written last */

    ngx_str_t                       plugin;     /* that closed it or failed, for the access log */
    ngx_str_t                       details;    /* why it ended early */
    ngx_uint_t                      status;

    unsigned                        shaking:1;      /* hands, with the client */
    unsigned                        connecting:1;
    unsigned                        connected:1;    /* at some time */
    unsigned                        waited:1;       /* for an address, as long as it may */
    unsigned                        closing:1;      /* write what is left, then end */
    unsigned                        client_gone:1;
    unsigned                        upstream_gone:1;
} ngx_stream_weir_ctx_t;


extern ngx_module_t            ngx_stream_weir_module;
extern const struct pw_server  ngx_stream_weir_server;


/* ngx_stream_weir_proxy.c: the whole of a session, from its phases' end to its log line. */
void ngx_stream_weir_start(ngx_stream_session_t *s, ngx_str_t *listener, ngx_ssl_t *ssl);

/* The listener of the generation in force, with a reference in the place of the one there was. False, nothing changed:
 * there is none of this address. */
bool ngx_stream_weir_take_generation(ngx_stream_weir_ctx_t *ctx, struct str listener);

/* ngx_stream_weir_tls.c: the context that all listeners share, made with nginx's configuration; NGX_ERROR, logged. */
ngx_int_t ngx_stream_weir_tls_create(ngx_conf_t *cf, ngx_ssl_t *ssl);
/* Go on with the handshake. NGX_AGAIN: call it again on the next event of the client; its handlers have to be set.
 * NGX_ERROR: refused, broken or, with c->timedout, too slow; logged. */
ngx_int_t ngx_stream_weir_tls_handshake(ngx_stream_weir_ctx_t *ctx, ngx_ssl_t *ssl);
/* For a connection with TLS that is through its handshake: what a write left over may move, and grow, before it is tried
 * again. */
void ngx_stream_weir_tls_relay(ngx_connection_t *c);

/* ngx_stream_weir_log.c: $weir_log */
ngx_int_t ngx_stream_weir_log_add_variable(ngx_conf_t *cf);

/* What comes out of the chain. */
void ngx_stream_weir_write(ngx_stream_weir_ctx_t *ctx, enum pw_direction direction, struct str chunk,
    bool end_of_stream);

/* Have the event loop look at the session. */
void ngx_stream_weir_post(ngx_stream_weir_ctx_t *ctx);


#endif /* _NGX_STREAM_WEIR_MODULE_H_INCLUDED_ */
