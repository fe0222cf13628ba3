/*
 * ngx_http_weir_redis.h - what the files of the Redis client share.
 *
 *   ngx_http_weir_redis.c          struct pw_server's functions, clients, commands and their ends, status
 *   ngx_http_weir_redis_node.c     one server: commands that wait for its connection, back-off
 *   ngx_http_weir_redis_conn.c     one connection: hiredis on nginx's events, login, its end
 *   ngx_http_weir_redis_pipe.c     its pipeline: commands on their way, replies, deadlines
 *   ngx_http_weir_redis_tls.c      the same over TLS: nginx reads and writes
 *   ngx_http_weir_redis_reply.c    replies as hiredis's reader makes them: RESP again
 *   ngx_http_weir_redis_cluster.c  Redis Cluster: slots, redirections
 *
 * A worker has one client for each service and login. It has one node, its home: an endpoint of the
 * service, chosen anew for each connection; in a cluster it learns of others. A node has one connection that takes
 * commands, and may have older ones that took some and take no more.
 *
 * A command belongs to exactly one of: a node (it waits), a connection (it is in the pipeline), the list of those
 * done (its plugin will be told in the next round of the event loop). A plugin's callout has it as its handle until
 * the plugin was told. Guests run only in three places: where a reply is handed over, from inside hiredis's callback; at
 * the end of a deadline; and where the list of those done is worked off. None of them
 * holds anything that a guest can take away: it can cancel commands and send others.
 */

#ifndef _NGX_HTTP_WEIR_REDIS_H_INCLUDED_
#define _NGX_HTTP_WEIR_REDIS_H_INCLUDED_


#include <hiredis/async.h>

#include "base/mem.h"
#include "base/resp.h"
#include "redis/cluster.h"

#include "ngx_http_weir_module.h"


#define REDIS_MAX_WAITING        1024                 /* commands of a node without a connection */
#define REDIS_MAX_WAITING_BYTES  (4 * 1024 * 1024)
#define REDIS_MAX_UNSENT_BYTES   (16 * 1024 * 1024)   /* of a connection; and the longest command */
#define REDIS_MAX_REPLY_BYTES    (16 * 1024 * 1024)
#define REDIS_MAX_NODES          254                  /* of a cluster */
#define REDIS_MAX_HOPS           5                    /* redirections of a command */
#define REDIS_NO_SLOT            REDIS_SLOTS


/* name, and what it counts */
#define REDIS_COUNTERS(X)                                                                                    \
    X(commands)         /* taken from plugins */                                                             \
    X(rejected)         /* not taken: too many wait */                                                       \
    X(replies)          /* handed to plugins */                                                              \
    X(error_replies)    /* of those, errors of Redis */                                                      \
    X(refused)          /* ends of commands, as enum pw_redis_end has them */                                \
    X(timed_out)                                                                                             \
    X(disconnected)                                                                                          \
    X(cancelled)        /* by the host: the VM or the plugin went */                                         \
    X(late)             /* replies that nobody waited for any more */                                        \
    X(sent_again)       /* commands that a broken connection had not sent */                                 \
    X(connects)         /* connections made */                                                               \
    X(connect_failures)                                                                                      \
    X(login_failures)   /* AUTH or SELECT was answered by an error */                                        \
    X(connections_lost)                                                                                      \
    X(moved)                                                                                                 \
    X(asked)                                                                                                 \
    X(slots_read)       /* whole tables of a cluster */                                                      \
    X(writes)           /* pieces of output: how many commands go together is commands / writes */           \
    X(bytes_sent)                                                                                            \
    X(reply_bytes)

enum {
#define REDIS_COUNTER(name)  REDIS_COUNT_##name,
    REDIS_COUNTERS(REDIS_COUNTER)
#undef REDIS_COUNTER
    REDIS_COUNT_N
};

#define redis_count(client, name)  ((client)->counts[REDIS_COUNT_##name]++)


typedef struct redis_client_s   redis_client_t;
typedef struct redis_node_s     redis_node_t;
typedef struct redis_conn_s     redis_conn_t;
typedef struct redis_command_s  redis_command_t;


typedef enum {
    REDIS_FOR_PLUGIN,
    REDIS_FOR_LOGIN,            /* AUTH, SELECT */
    REDIS_FOR_ASKING,
    REDIS_FOR_SLOTS
} redis_purpose_t;


struct redis_command_s {
    ngx_queue_t           queue;        /* of what it belongs to */
    redis_purpose_t       purpose;
    redis_client_t       *client;
    redis_conn_t         *conn;         /* in whose pipeline it is, or NULL */
    redis_node_t         *node;         /* where it waits, or NULL */
    struct pw_callout    *callout;      /* NULL: nobody waits for it any more */
    struct strbuf         query;
    ngx_event_t           timer;        /* how long it may wait; from its sending on, its deadline */
    ngx_msec_t            timeout;
    uint32_t              flush_ms;
    uint32_t              flush_bytes;
    uint32_t              slot;         /* or REDIS_NO_SLOT */
    ngx_uint_t            hops;
    uint64_t              end;          /* of the pipeline's output, where its bytes end */
    ngx_uint_t            reads;        /* of the connection, when it was sent */
    enum pw_redis_end     outcome;      /* once it is done */
    struct strbuf         reply;        /* with PW_REDIS_REPLY, once it is done */
    unsigned              sent:1;
    unsigned              asking:1;     /* to be preceded by ASKING */
    unsigned              done:1;
    unsigned              grace:1;      /* its deadline was put off: there was something to read */
};


struct redis_node_s {
    redis_client_t       *client;
    ngx_str_t             host;         /* an address; empty: an endpoint of the service */
    in_port_t             port;
    redis_conn_t         *conn;         /* that takes commands, or NULL */
    ngx_queue_t           waiting;
    ngx_uint_t            nwaiting;
    size_t                waiting_bytes;
    ngx_event_t           retry;        /* connect again */
    ngx_http_weir_waiter_t waiter;      /* for the service's first address; posts `retry` */
    ngx_msec_t            next;         /* not before, if failures is not 0 */
    ngx_uint_t            failures;     /* in a row */
    ngx_uint_t            endpoints;    /* that it may connect to */
    ngx_uint_t            tried;        /* of those, in this attempt */
    struct strbuf         login_error;  /* what the last attempt got for AUTH or SELECT, or "" */
    uint32_t              nslots;
};


typedef struct {
    redis_node_t         *nodes[REDIS_MAX_NODES]; /* the home is not among them */
    ngx_uint_t            nnodes;
    uint8_t               slots[REDIS_SLOTS];     /* index + 1; 0: not known, the home is asked */
    ngx_msec_t            read_at;      /* when the table was asked for last */
    unsigned              reading:1;
    unsigned              asked_once:1;
} redis_cluster_t;


struct redis_client_s {
    ngx_queue_t           queue;
    struct strbuf         service;      /* its name in the configuration */
    struct strbuf         user, password;
    uint32_t              db;
    redis_node_t          home;
    redis_cluster_t      *cluster;      /* NULL until a redirection */
    void                 *generation;   /* whose endpoints were looked at last; only compared */
    ngx_msec_t            used;
    ngx_uint_t            alive;        /* commands of plugins that are not done */
    uint64_t              counts[REDIS_COUNT_N];
};


typedef enum { REDIS_CONNECTING, REDIS_HANDSHAKE, REDIS_LOGIN, REDIS_READY } redis_state_t;


struct redis_conn_s {
    ngx_queue_t           queue;        /* of all */
    redis_client_t       *client;
    redis_node_t         *node;         /* NULL: it takes no more commands */
    redis_state_t         state;
    redisAsyncContext    *ac;           /* NULL: it is over */
    ngx_connection_t     *connection;
    ngx_http_weir_peer_t *peer;         /* of the service, or NULL */
    ngx_http_weir_tls_t  *tls;          /* with a reference; NULL: clear text */
    ngx_http_weir_peer_t *tls_peer;     /* whose name the certificate must have */
    u_char                host[NGX_INET6_ADDRSTRLEN + 1];
    in_port_t             port;
    ngx_queue_t           pipeline;     /* in the order of sending and of replies */
    ngx_uint_t            live;         /* commands of it that somebody waits for */
    ngx_uint_t            unanswered;   /* commands sent */
    redis_command_t      *unsent;       /* the first not wholly sent, or NULL */
    uint64_t              appended, written; /* bytes of output */
    ngx_event_t           flush;        /* posted, or its timer */
    ngx_event_t           timer;        /* of connecting and login; then of being idle */
    ngx_msec_t            idle_timeout;
    ngx_msec_t            used;
    ngx_uint_t            reads;        /* how often something came */
    ngx_uint_t            login_left;   /* replies to AUTH and SELECT that are to come */
    char                  error[128];   /* why it is over */
    unsigned              heard:1;      /* a reply to a plugin's command, or to a login */
    unsigned              stalled:1;    /* nothing came for as long as a command may take */
    unsigned              flushing:1;
    unsigned              blocked:1;    /* with TLS: the socket takes no more now */
    unsigned              lost:1;
    unsigned              quiet:1;      /* closed by us: nothing to say in the log */
};


/* A reply in RESP, made by the reader (ngx_http_weir_redis_reply.c). `head` is what hiredis looks into. */

typedef struct {
    redisReply            head;
    struct strbuf         bytes;
    unsigned              unasked:1;    /* began when no command was in the pipeline */
} redis_reply_t;

extern redisReplyObjectFunctions  ngx_http_weir_redis_replies;


/* ngx_http_weir_redis.c */

redis_command_t *ngx_http_weir_redis_command(redis_client_t *client, redis_purpose_t purpose);
void ngx_http_weir_redis_free_command(redis_command_t *command);
/* Where it goes is known by its slot. The plugin will be told, at once or later; never from inside. */
void ngx_http_weir_redis_send(redis_command_t *command);
/* It belongs to nothing: its plugin is told in the next round; the command is gone. */
void ngx_http_weir_redis_end(redis_command_t *command, enum pw_redis_end outcome, struct str reply);
/* Tell the plugin now what became of its command; the guest runs. */
void ngx_http_weir_redis_tell(redis_client_t *client, struct pw_callout *callout, enum pw_redis_end outcome,
    struct str reply);
/* The same with a reply; the command is gone. */
void ngx_http_weir_redis_answer(redis_command_t *command, struct str reply);
/* hiredis is done with this connection: free it when nothing looks at it any more. */
void ngx_http_weir_redis_bury(redis_conn_t *conn);
void ngx_http_weir_redis_enlist(redis_conn_t *conn);


/* ngx_http_weir_redis_node.c */

void ngx_http_weir_redis_node_init(redis_node_t *node, redis_client_t *client);
void ngx_http_weir_redis_node_fini(redis_node_t *node);
/* Take a command: into the pipeline, to wait, or to its end. */
void ngx_http_weir_redis_node_take(redis_node_t *node, redis_command_t *command);
/* May it take one of so many bytes? */
bool ngx_http_weir_redis_node_has_room(redis_node_t *node, size_t bytes);
void ngx_http_weir_redis_node_ready(redis_node_t *node);
/* Its connection broke, or was not made; with `reply`, that is what those who wait are told. */
void ngx_http_weir_redis_node_lost(redis_node_t *node, bool failed, bool was_ready, struct str reply);
void ngx_http_weir_redis_node_remove(redis_command_t *command);


/* ngx_http_weir_redis_conn.c */

/* Begin to connect a node; false, logged: it failed at once. */
bool ngx_http_weir_redis_connect(redis_node_t *node);
/* No more commands; it ends when nobody waits for those it has. */
void ngx_http_weir_redis_retire(redis_conn_t *conn);
/* Break it off: what is in the pipeline is lost. */
void ngx_http_weir_redis_close(redis_conn_t *conn, const char *why);
/* It is over, or no good, whatever noticed it first; with `reply`, that is what those who wait for it are told. */
void ngx_http_weir_redis_lost(redis_conn_t *conn, struct str reply);
/* Close one that takes no more commands and has none that somebody waits for. */
void ngx_http_weir_redis_close_if_forsaken(redis_conn_t *conn);
/* The way for commands is there: AUTH and SELECT. */
void ngx_http_weir_redis_login(redis_conn_t *conn);
void ngx_http_weir_redis_login_reply(redis_conn_t *conn, struct str reply);
/* Has the reader more than can become a reply? */
bool ngx_http_weir_redis_is_too_much(const redis_conn_t *conn);


/* ngx_http_weir_redis_pipe.c */

/* Put a command at the end of the pipeline of one that is ready. */
void ngx_http_weir_redis_append(redis_conn_t *conn, redis_command_t *command);
/* Write what there is; the connection may be over afterwards. */
void ngx_http_weir_redis_write_out(redis_conn_t *conn);
/* Nobody waits for this command of the pipeline any more. */
void ngx_http_weir_redis_forsake(redis_command_t *command);
size_t ngx_http_weir_redis_unsent_bytes(const redis_conn_t *conn);


/* ngx_http_weir_redis_tls.c */

/* Login follows, or the end. */
void ngx_http_weir_redis_handshake(redis_conn_t *conn);
/* Write what there is; the connection may be over afterwards. */
void ngx_http_weir_redis_tls_write(redis_conn_t *conn);


/* ngx_http_weir_redis_cluster.c */

redis_node_t *ngx_http_weir_redis_node_of(redis_client_t *client, uint32_t slot);
/* Send the command elsewhere, if this reply says so; false: it is an ordinary reply. */
bool ngx_http_weir_redis_redirected(redis_conn_t *conn, redis_command_t *command, struct str reply);
/* The table came, or (an empty reply) its command was lost. */
void ngx_http_weir_redis_slots(redis_conn_t *conn, redis_client_t *client, struct str reply);
/* A node cannot be reached: somebody else may serve its slots. */
void ngx_http_weir_redis_doubt(redis_node_t *node);
void ngx_http_weir_redis_cluster_free(redis_client_t *client);


#endif /* _NGX_HTTP_WEIR_REDIS_H_INCLUDED_ */
