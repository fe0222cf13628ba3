/*
 * ngx_http_weir_service.h - services as a worker balances them.
 *
 *   group     what a worker keeps of a service, by its name, across generations: peers, counts, who waits
 *   peer      an address of a group, with its idle connections and what is known of its health
 *   service   a service of one generation: its settings, and which peers it has now
 *   name      a host that is resolved again and again, shared by all endpoints that have it
 *
 * A service has uses of names and of peers; a group and a name live as long as something uses them. A peer is held by
 * services, by whoever sends to it, and by its idle connections, which are closed when the last service
 * lets go of it. So nothing of an endpoint that went is left once its requests ended.
 *
 *   ngx_http_weir_service.c   groups and services; which addresses a service has
 *   ngx_http_weir_names.c     names
 *   ngx_http_weir_peer.c      peers, idle connections
 *   ngx_http_weir_balance.c   which peer is next
 *   ngx_http_weir_health.c    what is known of a peer; ngx_http_weir_check.c asks it
 *   ngx_http_weir_limit.c     whether a request may go, must wait, or is refused
 *   ngx_http_weir_upstream.c  nginx's peer interface over all that, with retries
 */

#ifndef _NGX_HTTP_WEIR_SERVICE_H_INCLUDED_
#define _NGX_HTTP_WEIR_SERVICE_H_INCLUDED_


#include "base/mem.h"
#include "gw/balance.h"

/* Included by ngx_http_weir_module.h, at its end. */


#define NGX_HTTP_WEIR_MAX_TRIES  11     /* of a request or connection */


typedef struct ngx_http_weir_group_s  ngx_http_weir_group_t;
typedef struct ngx_http_weir_name_s   ngx_http_weir_name_t;
typedef struct ngx_http_weir_check_s  ngx_http_weir_check_t;


struct ngx_http_weir_peer_s {
    ngx_str_node_t                  node;       /* must be first; in the group, by name, protocol, TLS and server name */
    ngx_http_weir_group_t          *group;
    ngx_uint_t                      refs;
    ngx_uint_t                      services;   /* that have it now */
    ngx_uint_t                      mark, index; /* while a service's peers are put together */

    struct sockaddr_storage         sockaddr;
    socklen_t                       socklen;
    ngx_str_t                       name;       /* "10.0.0.1:80" */
    ngx_uint_t                      tls_id;     /* of the context it is reached with, 0: clear text */
    ngx_uint_t                      http2;      /* what is spoken: a kept connection knows only one */
    ngx_str_t                       server_name; /* with TLS; a NUL follows */
    ngx_ssl_session_t              *session;    /* the last one, or NULL */

    ngx_queue_t                     idle;       /* kept connections, the newest first */
    ngx_uint_t                      nidle;

    struct gw_target                target;     /* .active: who holds it by next_peer or choose_peer */
    uint64_t                        requests, failed; /* since it is known */
    const char                     *failure;    /* the last one, for people; static; NULL: none */
    uint64_t                        failure_ms; /* when, since 1970 */
    ngx_uint_t                      failure_status; /* of an answer that was one, or 0 */

    ngx_uint_t                      failures, errors; /* in a row, since the last good answer */
    ngx_uint_t                      ejections;  /* in a row */
    ngx_msec_t                      ejected_until;
    ngx_msec_t                      slow_since; /* when its slow start began */
    ngx_http_weir_check_t          *check;      /* NULL: nobody asks it */

    unsigned                        ejected:1;
    unsigned                        unhealthy:1; /* says the check */
    unsigned                        slow:1;
    unsigned                        failure_check:1; /* the last failure was its check's */
};


struct ngx_http_weir_group_s {
    ngx_str_node_t                  node;       /* must be first */
    ngx_uint_t                      refs;
    ngx_rbtree_t                    peers;
    ngx_rbtree_node_t               sentinel;
    ngx_http_weir_service_t        *current;    /* of the generation in force, or NULL */

    struct gw_passive               passive;    /* settings of the current one */
    ngx_msec_t                      slow_start;

    ngx_uint_t                      active;     /* requests admitted */
    ngx_uint_t                      unplaced;   /* of them, that have no peer now */
    ngx_uint_t                      retries;    /* of them, that were sent again */
    ngx_uint_t                      npending;
    ngx_queue_t                     pending;    /* admissions that wait for room, the oldest first */
    ngx_queue_t                     unresolved; /* ngx_http_weir_waiter_t: for the first address */
    uint64_t                        refused;    /* requests */
    ngx_http_weir_service_counts_t  counts;

    unsigned                        begun:1;    /* a service had peers: further ones are new */
};


/* An endpoint of a service as it was written: an address, or a name. */

typedef struct {
    ngx_queue_t                     link;       /* of the name's users */
    ngx_http_weir_name_t           *name;       /* NULL: an address, below */
    ngx_http_weir_service_t        *service;
    struct sockaddr_storage         sockaddr;
    socklen_t                       socklen;
} ngx_http_weir_use_t;


/* A service of a generation as this worker balances it. */

struct ngx_http_weir_service_s {
    const struct gw_service        *conf;
    ngx_http_weir_group_t          *group;
    ngx_http_weir_use_t            *uses;       /* as conf->endpoints */
    ngx_uint_t                      nuses;      /* that are begun */
    ngx_http_weir_peer_t          **peers;      /* each once; changes when names do */
    struct gw_target              **targets;    /* of the peers */
    uint32_t                       *weights;
    ngx_uint_t                      npeers;
    ngx_str_t                       cluster;    /* "outbound|80||echo.static" */
    ngx_http_weir_tls_t            *tls;        /* NULL: clear text */
};


/* Who waits for the first address of a service; the event is posted when there is one, or there will be none for now. */

typedef struct {
    ngx_queue_t                     link;
    ngx_event_t                    *event;
    ngx_http_weir_group_t          *group;      /* NULL: never waited; else with a reference, to the end */
    unsigned                        waiting:1;
} ngx_http_weir_waiter_t;


typedef struct {
    ngx_http_weir_peer_t           *peers[NGX_HTTP_WEIR_MAX_TRIES]; /* only compared */
    ngx_uint_t                      n;
} ngx_http_weir_tried_t;


/* ngx_http_weir_service.c */

void ngx_http_weir_services_init(void);         /* once in a worker */
/* NGX_ERROR: no memory. Does not block: names that are not known yet have no addresses for a while. */
ngx_int_t ngx_http_weir_service_init(ngx_http_weir_worker_t *w, ngx_pool_t *pool,
    ngx_http_weir_service_t *s, const struct gw_service *conf);
/* The generation is in force, in the place of `before` (or NULL): health is watched by its settings. */
void ngx_http_weir_services_commit(ngx_http_weir_generation_t *g, ngx_http_weir_generation_t *before);
void ngx_http_weir_services_stop(void);         /* the worker ends: no more checks */
/* A name has other addresses, or failed for the first time. */
void ngx_http_weir_service_renew(ngx_http_weir_service_t *s, bool changed);
/* Has it no address, but will have one or know better soon? */
bool ngx_http_weir_service_resolving(ngx_http_weir_service_t *s);
void ngx_http_weir_group_ref(ngx_http_weir_group_t *g);
void ngx_http_weir_group_unref(ngx_http_weir_group_t *g);
void ngx_http_weir_wait(ngx_http_weir_service_t *s, ngx_http_weir_waiter_t *waiter, ngx_event_t *event);
void ngx_http_weir_wait_end(ngx_http_weir_waiter_t *waiter);    /* also when it does not wait */
/* After the event: a peer of the service as it is now, acquired; NULL: there is none. */
ngx_http_weir_peer_t *ngx_http_weir_wait_peer(ngx_http_weir_waiter_t *waiter);


/* ngx_http_weir_names.c */

void ngx_http_weir_names_init(void);
/* The name, begun to be resolved if it is new, with `use` among its users. NULL: no memory. */
ngx_http_weir_name_t *ngx_http_weir_name_use(struct str host, ngx_http_weir_use_t *use);
void ngx_http_weir_name_leave(ngx_http_weir_use_t *use);
ngx_uint_t ngx_http_weir_name_count(const ngx_http_weir_name_t *name);
/* The i-th address, without port. */
const struct sockaddr_storage *ngx_http_weir_name_address(const ngx_http_weir_name_t *name, ngx_uint_t i,
    socklen_t *len);
bool ngx_http_weir_name_unknown(const ngx_http_weir_name_t *name);  /* neither answered nor failed yet */
void ngx_http_weir_name_json(struct strbuf *b, const ngx_http_weir_name_t *name); /* {"name":...} */


/* ngx_http_weir_peer.c */

/* With a reference; NULL: no memory. `host`: the endpoint's, as it was written. */
ngx_http_weir_peer_t *ngx_http_weir_peer_get(ngx_http_weir_service_t *s, struct str host,
    const struct sockaddr *sa, socklen_t len);
void ngx_http_weir_peer_unref(ngx_http_weir_peer_t *peer);
/* A service has it, or no longer does; holds a reference meanwhile. */
void ngx_http_weir_peer_join(ngx_http_weir_peer_t *peer);
void ngx_http_weir_peer_leave(ngx_http_weir_peer_t *peer);
/* Somebody sends to it: a reference, and one of the active. NULL is fine for the release. */
void ngx_http_weir_peer_acquire(ngx_http_weir_peer_t *peer);
void ngx_http_weir_peer_release(ngx_http_weir_peer_t *peer);
/* A kept connection to the peer, or NULL. */
ngx_connection_t *ngx_http_weir_take_idle(ngx_http_weir_peer_t *peer, ngx_log_t *log);
/* Keep a connection for the next request; false: it cannot be kept, the caller closes it. */
bool ngx_http_weir_keep_idle(ngx_http_weir_peer_t *peer, ngx_connection_t *c, ngx_uint_t most,
    ngx_msec_t timeout);
extern ngx_uint_t  ngx_http_weir_npeers;    /* in memory */


/* ngx_http_weir_balance.c; both acquire what they return. */

/* The next one by the service's policy, of those not tried if there are any, which is then tried; `wanted` first, if it
 * is one of them. `key`: for consistent hashing, NULL: by turns. NULL: there is none, or none has room. */
ngx_http_weir_peer_t *ngx_http_weir_next_peer(ngx_http_weir_service_t *s, ngx_str_t *wanted,
    ngx_http_weir_tried_t *tried, const uint64_t *key);
ngx_http_weir_peer_t *ngx_http_weir_choose_peer(ngx_http_weir_service_t *s);
bool ngx_http_weir_was_tried(const ngx_http_weir_tried_t *tried, const ngx_http_weir_peer_t *peer);
/* What the service's hash is about in this request; false: it has none. */
bool ngx_http_weir_hash_key(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, uint64_t *key);


/* ngx_http_weir_health.c */

bool ngx_http_weir_peer_usable(ngx_http_weir_peer_t *peer);
/* Percent of its weight that counts now. */
ngx_uint_t ngx_http_weir_peer_share(ngx_http_weir_peer_t *peer);
void ngx_http_weir_peer_begin_slowly(ngx_http_weir_peer_t *peer);
/* No connection, or no answer; `why` is static. */
void ngx_http_weir_peer_failed(ngx_http_weir_peer_t *peer, const char *why);
/* Its check failed; what that means is for the check to say. */
void ngx_http_weir_peer_check_failed(ngx_http_weir_peer_t *peer, const char *why, ngx_uint_t status);
/* An answer with this HTTP status; 0: one of another protocol. */
void ngx_http_weir_peer_answered(ngx_http_weir_peer_t *peer, ngx_uint_t status);
const char *ngx_http_weir_peer_state(ngx_http_weir_peer_t *peer);

/* ngx_http_weir_check.c: ask the peer by these settings from now on, as a peer of `s`; NULL: no more. */
void ngx_http_weir_check_set(ngx_http_weir_peer_t *peer, ngx_http_weir_service_t *s);


/* ngx_http_weir_limit.c */

/* NGX_OK: the request may go to its service; NGX_AGAIN: it waits, ctx->resume is posted when it is time to ask again;
 * NGX_DECLINED: refused, *details and *text say why; NGX_ERROR: no memory. */
ngx_int_t ngx_http_weir_admit(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const char **details,
    const char **text);
void ngx_http_weir_admission_end(ngx_http_weir_ctx_t *ctx);     /* the request is over */
void ngx_http_weir_admission_placed(ngx_http_weir_ctx_t *ctx, bool placed);     /* it has a peer, or none */
/* May one more request be sent again? If so it counts until its end. */
bool ngx_http_weir_admission_retry(ngx_http_weir_ctx_t *ctx);
/* There may be room for those who wait. */
void ngx_http_weir_group_room(ngx_http_weir_group_t *g);


#endif /* _NGX_HTTP_WEIR_SERVICE_H_INCLUDED_ */
