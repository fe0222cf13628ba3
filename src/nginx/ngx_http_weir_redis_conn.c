/*
 * ngx_http_weir_redis_conn.c - one pipelined connection to Redis: hiredis's asynchronous API on nginx's events.
 *
 * hiredis owns the socket's bytes and the order of replies; here are the events, who logs in, and how a
 * connection ends. Events are level-triggered, as hiredis reads at most 16 KiB at a time; over TLS nginx reads
 * and writes (ngx_http_weir_redis_tls.c). hiredis ends a connection by calling every command's callback with no reply,
 * then the `cleanup` hook; the connection is over then, and its struct is freed in the next round of the event loop.
 * One that is idle for the service's keepaliveTimeout is closed.
 */

#include "ngx_http_weir_redis.h"


#define MAX_LINE  (64 * 1024)      /* of what is no bulk string */


static void add_read(void *data);
static void add_write(void *data);
static void del_write(void *data);
static void cleanup(void *data);
static void on_connect(const redisAsyncContext *ac, int status);
static void read_handler(ngx_event_t *ev);
static void write_handler(ngx_event_t *ev);
static void flush_handler(ngx_event_t *ev);
static void conn_timer_handler(ngx_event_t *ev);


/* ---- connect ---- */

static bool
choose_address(redis_node_t *node, redis_conn_t *conn)
{
    size_t                    len;
    redis_client_t           *client = node->client;
    ngx_http_weir_service_t  *service;

    service = ngx_http_weir_find_service(&ngx_http_weir_worker, NULL, strbuf_str(&client->service));

    node->endpoints = service == NULL ? 0 : node->host.len != 0 ? 1 : service->npeers;

    if (service == NULL) {
        return false;
    }

    conn->idle_timeout = service->conf->keepalive_timeout_ms;
    client->generation = ngx_http_weir_worker.generation;

    if (node->host.len != 0) {
        ngx_cpystrn(conn->host, node->host.data, node->host.len + 1);
        conn->port = node->port;

    } else {
        conn->peer = ngx_http_weir_choose_peer(service);

        if (conn->peer == NULL) {
            return false;
        }

        len = ngx_sock_ntop((struct sockaddr *) &conn->peer->sockaddr, conn->peer->socklen, conn->host,
                            sizeof(conn->host) - 1, 0);

        conn->host[len] = '\0';
        conn->port = ngx_inet_get_port((struct sockaddr *) &conn->peer->sockaddr);
    }

    if (service->tls != NULL) {
        conn->tls_peer = conn->peer != NULL ? conn->peer : service->npeers != 0 ? service->peers[0] : NULL;

        if (conn->tls_peer == NULL) {
            return false;
        }

        ngx_http_weir_peer_acquire(conn->tls_peer);

        conn->tls = ngx_http_weir_tls_ref(service->tls);
    }

    ngx_add_timer(&conn->timer, service->conf->connect_timeout_ms);

    return true;
}


static void
release(redis_conn_t *conn)
{
    ngx_http_weir_tls_unref(conn->tls);
    ngx_http_weir_peer_release(conn->tls_peer);
    ngx_http_weir_peer_release(conn->peer);
    conn->tls_peer = NULL;
    conn->peer = NULL;
}


static bool
attach(redis_conn_t *conn)
{
    ngx_connection_t  *c;

    (void) fcntl(conn->ac->c.fd, F_SETFD, FD_CLOEXEC);

    c = ngx_get_connection(conn->ac->c.fd, ngx_cycle->log);
    if (c == NULL) {
        return false;
    }

    if (conn->tls != NULL) {
        c->pool = ngx_create_pool(512, ngx_cycle->log);
        if (c->pool == NULL) {
            ngx_free_connection(c);
            return false;
        }
    }

    c->data = conn;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = read_handler;
    c->write->handler = write_handler;
    conn->connection = c;

    conn->ac->data = conn;
    conn->ac->c.reader->fn = &ngx_http_weir_redis_replies;
    conn->ac->c.reader->privdata = conn;
    conn->ac->ev.data = conn;
    conn->ac->ev.addRead = add_read;
    conn->ac->ev.addWrite = add_write;
    conn->ac->ev.delWrite = del_write;
    conn->ac->ev.cleanup = cleanup;
    (void) redisAsyncSetConnectCallback(conn->ac, on_connect);

    return true;
}


bool
ngx_http_weir_redis_connect(redis_node_t *node)
{
    redis_conn_t  *conn;

    conn = mem_zalloc(sizeof(redis_conn_t));
    conn->client = node->client;
    conn->flush.data = conn;
    conn->flush.handler = flush_handler;
    conn->flush.log = ngx_cycle->log;
    conn->timer.data = conn;
    conn->timer.handler = conn_timer_handler;
    conn->timer.log = ngx_cycle->log;
    conn->timer.cancelable = 1;
    ngx_queue_init(&conn->pipeline);

    if (!choose_address(node, conn)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: service %*s has no endpoint",
                      node->client->service.len, node->client->service.at);
        mem_free(conn);
        return false;
    }

    conn->ac = redisAsyncConnect((char *) conn->host, conn->port);

    if (conn->ac == NULL || conn->ac->err || !attach(conn)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: %s:%d of service %*s cannot be reached: %s",
                      conn->host, (int) conn->port, node->client->service.len, node->client->service.at,
                      conn->ac == NULL || !conn->ac->err ? "no memory" : conn->ac->errstr);

        if (conn->peer != NULL) {
            ngx_http_weir_peer_failed(conn->peer, "it cannot be reached");
        }

        if (conn->ac != NULL) {
            redisAsyncFree(conn->ac);
        }

        ngx_del_timer(&conn->timer);
        redis_count(conn->client, connect_failures);
        release(conn);
        mem_free(conn);
        return false;
    }

    conn->node = node;
    node->conn = conn;
    ngx_http_weir_redis_enlist(conn);

    return true;
}


/* ---- hiredis's hooks ---- */

static void
add_read(void *data)
{
    redis_conn_t  *conn = data;

    if (conn->tls == NULL && !conn->connection->read->active) {
        (void) ngx_add_event(conn->connection->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


/* hiredis calls this for every command, too: those are written by the flush event. */

static void
add_write(void *data)
{
    redis_conn_t  *conn = data;

    if ((conn->state == REDIS_CONNECTING || (conn->flushing && conn->tls == NULL)) && !conn->connection->write->active) {
        (void) ngx_add_event(conn->connection->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
del_write(void *data)
{
    redis_conn_t  *conn = data;

    if (conn->connection->write->active) {
        (void) ngx_del_event(conn->connection->write, NGX_WRITE_EVENT, 0);
    }
}


/* ---- its end ---- */

static const char *
reason(const redis_conn_t *conn)
{
    return conn->error[0] != '\0' ? conn->error : conn->ac->c.errstr[0] != '\0' ? conn->ac->c.errstr : "closed";
}


/* The connection is over, or no good: whatever noticed it first. hiredis may still have commands of it. */

void
ngx_http_weir_redis_lost(redis_conn_t *conn, struct str reply)
{
    bool           failed;
    redis_node_t  *node = conn->node;

    if (conn->lost) {
        return;
    }

    conn->lost = 1;
    failed = !conn->heard || conn->stalled;

    if (conn->state == REDIS_CONNECTING) {
        redis_count(conn->client, connect_failures);

    } else {
        redis_count(conn->client, connections_lost);
    }

    if (!conn->quiet) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: %s:%d of service %*s: %s%s, %ui commands lost",
                      conn->host, (int) conn->port, conn->client->service.len, conn->client->service.at,
                      conn->state == REDIS_CONNECTING ? "cannot be reached: " : "", reason(conn), conn->live);

        if (failed && conn->peer != NULL) {
            ngx_http_weir_peer_failed(conn->peer, conn->state == REDIS_CONNECTING ? "it cannot be reached" : "it broke off");
        }
    }

    if (node != NULL) {
        conn->node = NULL;
        node->conn = NULL;
        ngx_http_weir_redis_node_lost(node, failed && !conn->quiet, conn->state == REDIS_READY, reply);
    }
}


static void
cleanup(void *data)
{
    redis_conn_t  *conn = data;

    ngx_http_weir_redis_lost(conn, STR(""));

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->flush.timer_set) {
        ngx_del_timer(&conn->flush);
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    conn->ac->c.fd = -1;        /* nginx closes it */
    ngx_http_weir_close_connection(conn->connection);
    release(conn);
    conn->connection = NULL;
    conn->ac = NULL;

    ngx_http_weir_redis_bury(conn);
}


void
ngx_http_weir_redis_close(redis_conn_t *conn, const char *why)
{
    if (conn->ac == NULL || (conn->ac->c.flags & REDIS_FREEING)) {
        return;
    }

    if (why == NULL) {
        conn->quiet = 1;

    } else {
        ngx_cpystrn((u_char *) conn->error, (u_char *) why, sizeof(conn->error));
    }

    ngx_http_weir_redis_lost(conn, STR(""));
    redisAsyncFree(conn->ac);       /* at once, or when its callback returns */
}


void
ngx_http_weir_redis_close_if_forsaken(redis_conn_t *conn)
{
    if (conn->node == NULL && conn->live == 0 && !conn->lost) {
        ngx_http_weir_redis_close(conn, NULL);
    }
}


void
ngx_http_weir_redis_retire(redis_conn_t *conn)
{
    redis_node_t  *node = conn->node;

    if (node != NULL) {
        conn->node = NULL;
        node->conn = NULL;
        ngx_http_weir_redis_node_lost(node, conn->stalled, conn->state == REDIS_READY, STR(""));
    }

    ngx_http_weir_redis_close_if_forsaken(conn);
}


/* ---- login ---- */

static void
login_command(redis_conn_t *conn, const struct str *args, size_t n)
{
    redis_command_t  *command;

    command = ngx_http_weir_redis_command(conn->client, REDIS_FOR_LOGIN);
    resp_add_command(&command->query, args, n);
    conn->login_left++;
    ngx_http_weir_redis_append(conn, command);
}


static void
ready(redis_conn_t *conn)
{
    conn->state = REDIS_READY;
    conn->used = ngx_current_msec;
    ngx_add_timer(&conn->timer, conn->idle_timeout);

    if (conn->node != NULL) {
        ngx_http_weir_redis_node_ready(conn->node);
    }
}


void
ngx_http_weir_redis_login(redis_conn_t *conn)
{
    char             db[16];
    redis_client_t  *client = conn->client;

    redis_count(client, connects);
    conn->state = REDIS_LOGIN;

    if (client->user.len != 0) {
        login_command(conn, (struct str[]) { STR("AUTH"), strbuf_str(&client->user), strbuf_str(&client->password) },
                      3);

    } else if (client->password.len != 0) {
        login_command(conn, (struct str[]) { STR("AUTH"), strbuf_str(&client->password) }, 2);
    }

    if (client->db != 0) {
        (void) snprintf(db, sizeof(db), "%u", client->db);
        login_command(conn, (struct str[]) { STR("SELECT"), str_of(db) }, 2);
    }

    if (conn->login_left == 0) {
        ready(conn);
    }
}


/* From inside of hiredis, which uses the connection afterwards: it must not be closed here. */

static void
on_connect(const redisAsyncContext *ac, int status)
{
    redis_conn_t  *conn = ac->data;

    if (status != REDIS_OK) {
        ngx_http_weir_redis_lost(conn, STR(""));

    } else if (conn->tls != NULL) {
        conn->state = REDIS_HANDSHAKE;
        ngx_post_event(&conn->flush, &ngx_posted_events);

    } else {
        ngx_http_weir_redis_login(conn);
    }
}


/* As another user, or in another database, no command must be carried out: those who wait are told what Redis said. */

void
ngx_http_weir_redis_login_reply(redis_conn_t *conn, struct str reply)
{
    if (reply.at[0] == '-') {
        redis_count(conn->client, login_failures);
        conn->heard = 0;
        (void) snprintf(conn->error, sizeof(conn->error), "login: %.*s", (int) reply.len - 2, reply.at);
        ngx_http_weir_redis_lost(conn, reply);
        redisAsyncFree(conn->ac);
        return;
    }

    conn->heard = 1;

    if (--conn->login_left == 0) {
        ready(conn);
    }
}


/* ---- events ---- */

/* What the reader has and cannot use yet must be able to become a reply within the limits. */

bool
ngx_http_weir_redis_is_too_much(const redis_conn_t *conn)
{
    redisReader  *r = conn->ac->c.reader;
    size_t        pending = r->len - r->pos;
    const char   *at = r->buf + r->pos;

    if (pending <= MAX_LINE) {
        return false;
    }

    if (r->ridx < 0 || r->rstack[r->ridx].type != REDIS_REPLY_STRING) {
        return true;
    }

    return pending > REDIS_MAX_REPLY_BYTES + MAX_LINE || memchr(at, '\n', 32) == NULL;
}


static void
read_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c = ev->data;
    redis_conn_t      *conn = c->data;

    if (ngx_http_weir_redis_is_too_much(conn)) {
        ngx_http_weir_redis_close(conn, "a reply is too large");
        return;
    }

    conn->reads++;
    redisAsyncHandleRead(conn->ac);
}


static void
write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c = ev->data;

    ngx_http_weir_redis_write_out(c->data);
}


static void
flush_handler(ngx_event_t *ev)
{
    redis_conn_t  *conn = ev->data;

    if (conn->state == REDIS_HANDSHAKE) {
        ngx_http_weir_redis_handshake(conn);

    } else {
        ngx_http_weir_redis_write_out(conn);
    }
}


static void
conn_timer_handler(ngx_event_t *ev)
{
    ngx_msec_t     idle;
    redis_conn_t  *conn = ev->data;

    if (conn->state != REDIS_READY) {
        ngx_http_weir_redis_close(conn, conn->state == REDIS_CONNECTING ? "timed out"
                                        : conn->state == REDIS_HANDSHAKE ? "TLS handshake timed out" : "login timed out");
        return;
    }

    idle = ngx_current_msec - conn->used;

    if (ngx_queue_empty(&conn->pipeline) && idle >= conn->idle_timeout) {
        ngx_http_weir_redis_close(conn, NULL);

    } else {
        ngx_add_timer(ev, idle >= conn->idle_timeout ? conn->idle_timeout : conn->idle_timeout - idle);
    }
}
