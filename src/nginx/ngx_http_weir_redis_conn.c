/*
 * ngx_http_weir_redis_conn.c - one pipelined connection to Redis: hiredis's asynchronous API on nginx's events.
 *
 * hiredis owns the socket's bytes and the order of replies; here are the events, when to write, who logs in, and
 * how long an answer may take. Events are level-triggered, as hiredis reads at most 16 KiB at a time. hiredis
 * ends a connection by calling every command's callback with no reply, then the `cleanup` hook; the
 * connection is over then, and its struct is freed in the next round of the event loop.
 *
 * Commands are written when the events of this round are handled, so what several requests send goes together. While
 * answers are outstanding, little output waits for more: until so many bytes are there, an answer comes, or the
 * time is over that proxy_redis_init gave.
 *
 * A command's deadline counts from when its last byte was written. A command that ran out of time stays in the
 * pipeline, its reply is dropped; if nothing at all came since it was sent, the connection takes no more
 * commands, and the next one goes over a new connection.
 */

#include <sys/ioctl.h>

#include "ngx_http_weir_redis.h"


#define MAX_LINE  (64 * 1024)      /* of what is no bulk string */


static void add_read(void *data);
static void add_write(void *data);
static void del_write(void *data);
static void cleanup(void *data);
static void on_connect(const redisAsyncContext *ac, int status);
static void on_reply(redisAsyncContext *ac, void *reply, void *data);
static void read_handler(ngx_event_t *ev);
static void write_handler(ngx_event_t *ev);
static void flush_handler(ngx_event_t *ev);
static void conn_timer_handler(ngx_event_t *ev);
static void deadline_handler(ngx_event_t *ev);
static void write_out(redis_conn_t *conn);


/* ---- connect ---- */

static bool
choose_address(redis_node_t *node, redis_conn_t *conn)
{
    size_t                    len;
    redis_client_t           *client = node->client;
    ngx_http_weir_service_t  *service;

    service = ngx_http_weir_find_service(&ngx_http_weir_worker, NULL, strbuf_str(&client->service));

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

    ngx_add_timer(&conn->timer, service->conf->connect_timeout_ms);

    return true;
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
            conn->peer->failed = ngx_current_msec ? ngx_current_msec : 1;
        }

        if (conn->ac != NULL) {
            redisAsyncFree(conn->ac);
        }

        ngx_del_timer(&conn->timer);
        redis_count(conn->client, connect_failures);
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

    if (!conn->connection->read->active) {
        (void) ngx_add_event(conn->connection->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


/* hiredis calls this for every command, too: those are written by the flush event. */

static void
add_write(void *data)
{
    redis_conn_t  *conn = data;

    if ((conn->state == REDIS_CONNECTING || conn->flushing) && !conn->connection->write->active) {
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

static void
lost(redis_conn_t *conn, struct str reply)
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
            conn->peer->failed = ngx_current_msec ? ngx_current_msec : 1;
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

    lost(conn, STR(""));

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
    ngx_close_connection(conn->connection);
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

    lost(conn, STR(""));
    redisAsyncFree(conn->ac);       /* at once, or when its callback returns */
}


static void
close_if_forsaken(redis_conn_t *conn)
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

    close_if_forsaken(conn);
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


static void
on_connect(const redisAsyncContext *ac, int status)
{
    char             db[16];
    redis_conn_t    *conn = ac->data;
    redis_client_t  *client = conn->client;

    if (status != REDIS_OK) {
        lost(conn, STR(""));
        return;
    }

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


/* As another user, or in another database, no command must be carried out: those who wait are told what Redis said. */

static void
login_reply(redis_conn_t *conn, struct str reply)
{
    if (reply.at[0] == '-') {
        redis_count(conn->client, login_failures);
        conn->heard = 0;
        (void) snprintf(conn->error, sizeof(conn->error), "login: %.*s", (int) reply.len - 2, reply.at);
        lost(conn, reply);
        redisAsyncFree(conn->ac);
        return;
    }

    conn->heard = 1;

    if (--conn->login_left == 0) {
        ready(conn);
    }
}


/* ---- the pipeline ---- */

size_t
ngx_http_weir_redis_unsent_bytes(const redis_conn_t *conn)
{
    return sdslen(conn->ac->c.obuf);
}


/* When the command that was appended last is written. */

static void
schedule(redis_conn_t *conn, const redis_command_t *command)
{
    if (conn->flush.posted || conn->connection->write->active) {
        return;
    }

    if (conn->unanswered == 0 || command->flush_ms == 0
        || ngx_http_weir_redis_unsent_bytes(conn) >= command->flush_bytes)
    {
        ngx_post_event(&conn->flush, &ngx_posted_events);

    } else if (!conn->flush.timer_set) {
        ngx_add_timer(&conn->flush, command->flush_ms);
    }
}


static void
append(redis_conn_t *conn, redis_command_t *command)
{
    command->conn = conn;
    command->sent = 0;
    command->grace = 0;
    command->timer.handler = deadline_handler;
    ngx_queue_insert_tail(&conn->pipeline, &command->queue);
    conn->live += command->callout != NULL;
    conn->appended += command->query.len;
    command->end = conn->appended;

    if (conn->unsent == NULL) {
        conn->unsent = command;
    }

    if (redisAsyncFormattedCommand(conn->ac, on_reply, command, command->query.at, command->query.len) != REDIS_OK) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "[weir] redis: a command was refused by hiredis");
    }
}


void
ngx_http_weir_redis_append(redis_conn_t *conn, redis_command_t *command)
{
    struct str        word = STR("ASKING");
    redis_command_t  *asking;

    conn->used = ngx_current_msec;

    if (command->asking) {
        command->asking = 0;
        asking = ngx_http_weir_redis_command(conn->client, REDIS_FOR_ASKING);
        resp_add_command(&asking->query, &word, 1);
        append(conn, asking);
    }

    append(conn, command);
    schedule(conn, command);
}


/* Commands whose bytes are out: their deadlines begin. */

static void
note_written(redis_conn_t *conn)
{
    ngx_queue_t      *q;
    redis_command_t  *command;

    conn->written = conn->appended - ngx_http_weir_redis_unsent_bytes(conn);

    while (conn->unsent != NULL && conn->unsent->end <= conn->written) {
        command = conn->unsent;
        command->sent = 1;
        command->reads = conn->reads;
        conn->unanswered++;

        if (command->callout != NULL && command->hops == 0) {   /* a redirected one has its deadline */
            ngx_add_timer(&command->timer, command->timeout);
        }

        q = ngx_queue_next(&command->queue);
        conn->unsent = q == ngx_queue_sentinel(&conn->pipeline) ? NULL : ngx_queue_data(q, redis_command_t, queue);
    }
}


/* The connection may be over afterwards. */

static void
write_out(redis_conn_t *conn)
{
    uint64_t  before;

    if (conn->flush.timer_set) {
        ngx_del_timer(&conn->flush);
    }

    ngx_time_update();      /* a guest may have computed for long since the loop looked at the clock */
    before = conn->written;

    conn->flushing = 1;
    redisAsyncHandleWrite(conn->ac);
    conn->flushing = 0;

    if (conn->ac != NULL && !conn->lost) {
        note_written(conn);
        conn->client->counts[REDIS_COUNT_bytes_sent] += conn->written - before;
    }
}


static void
unlink_command(redis_command_t *command)
{
    redis_conn_t  *conn = command->conn;
    ngx_queue_t   *q;

    if (conn->unsent == command) {
        q = ngx_queue_next(&command->queue);
        conn->unsent = q == ngx_queue_sentinel(&conn->pipeline) ? NULL : ngx_queue_data(q, redis_command_t, queue);
    }

    ngx_queue_remove(&command->queue);
    conn->live -= command->callout != NULL;
    conn->unanswered -= command->sent;
    command->conn = NULL;
}


void
ngx_http_weir_redis_forsake(redis_command_t *command)
{
    redis_conn_t  *conn = command->conn;

    if (command->timer.timer_set) {
        ngx_del_timer(&command->timer);
    }

    command->callout = NULL;
    command->client->alive--;
    conn->live--;
    close_if_forsaken(conn);
}


/* The connection is over, and with it this command, unless nothing of it was sent. */

static void
command_lost(redis_conn_t *conn, redis_command_t *command)
{
    bool  untouched;

    untouched = command->end - command->query.len >= conn->written;
    unlink_command(command);

    if (command->purpose == REDIS_FOR_SLOTS) {
        ngx_http_weir_redis_slots(conn, command->client, STR(""));
    }

    if (command->callout == NULL) {
        ngx_http_weir_redis_free_command(command);

    } else if (untouched) {
        redis_count(command->client, sent_again);
        ngx_http_weir_redis_send(command);

    } else {
        ngx_http_weir_redis_end(command, PW_REDIS_DISCONNECTED, STR(""));
    }
}


static void
plugin_reply(redis_conn_t *conn, redis_command_t *command, struct str reply)
{
    if (command->callout == NULL) {
        redis_count(command->client, late);
        ngx_http_weir_redis_free_command(command);

    } else if (!ngx_http_weir_redis_redirected(conn, command, reply)) {
        ngx_http_weir_redis_answer(command, reply);
    }
}


static void
on_reply(redisAsyncContext *ac, void *data, void *privdata)
{
    struct str        text;
    redis_conn_t     *conn = ac->data;
    redis_reply_t    *reply = data;
    redis_command_t  *command = privdata;

    if (reply == NULL) {
        lost(conn, STR(""));
        command_lost(conn, command);
        return;
    }

    if (reply->unasked) {
        ngx_http_weir_redis_close(conn, "a reply to no command");
        command_lost(conn, command);
        return;
    }

    text = strbuf_str(&reply->bytes);
    conn->client->counts[REDIS_COUNT_reply_bytes] += text.len;
    unlink_command(command);

    switch (command->purpose) {

    case REDIS_FOR_LOGIN:
        ngx_http_weir_redis_free_command(command);
        login_reply(conn, text);
        break;

    case REDIS_FOR_SLOTS:
        ngx_http_weir_redis_slots(conn, command->client, text);
        ngx_http_weir_redis_free_command(command);
        break;

    case REDIS_FOR_ASKING:
        ngx_http_weir_redis_free_command(command);
        break;

    case REDIS_FOR_PLUGIN:
        conn->heard = 1;

        if (conn->peer != NULL) {
            conn->peer->failed = 0;
        }

        plugin_reply(conn, command, text);
        break;
    }

    if (conn->lost) {
        return;
    }

    if (conn->unanswered == 0 && conn->unsent != NULL && conn->state == REDIS_READY && !conn->flush.posted
        && !conn->connection->write->active)
    {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    close_if_forsaken(conn);
}


/* ---- events ---- */

/* What the reader has and cannot use yet must be able to become a reply within the limits. */

static bool
is_too_much(const redisReader *r)
{
    size_t       pending = r->len - r->pos;
    const char  *at = r->buf + r->pos;

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

    if (is_too_much(conn->ac->c.reader)) {
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

    write_out(c->data);
}


static void
flush_handler(ngx_event_t *ev)
{
    write_out(ev->data);
}


static void
conn_timer_handler(ngx_event_t *ev)
{
    ngx_msec_t     idle;
    redis_conn_t  *conn = ev->data;

    if (conn->state != REDIS_READY) {
        ngx_http_weir_redis_close(conn, conn->state == REDIS_CONNECTING ? "timed out" : "login timed out");
        return;
    }

    idle = ngx_current_msec - conn->used;

    if (ngx_queue_empty(&conn->pipeline) && idle >= conn->idle_timeout) {
        ngx_http_weir_redis_close(conn, NULL);

    } else {
        ngx_add_timer(ev, idle >= conn->idle_timeout ? conn->idle_timeout : conn->idle_timeout - idle);
    }
}


/* Nothing came since the command was sent: the next one goes over a new connection. */

static void
stalled(redis_conn_t *conn, const redis_command_t *command)
{
    conn->stalled = 1;

    if (conn->peer != NULL) {
        conn->peer->failed = ngx_current_msec ? ngx_current_msec : 1;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "[weir] redis: %s:%d of service %*s says nothing since %M ms, the next command gets a new connection",
                  conn->host, (int) conn->port, conn->client->service.len, conn->client->service.at, command->timeout);

    ngx_http_weir_redis_retire(conn);
}


/* Of a command in the pipeline; it stays there. */

static void
deadline_handler(ngx_event_t *ev)
{
    int                 readable;
    redis_conn_t       *conn;
    redis_client_t     *client;
    redis_command_t    *command;
    struct pw_callout  *callout;

    command = ev->data;
    conn = command->conn;
    readable = 0;

    if (!command->grace && ioctl(conn->ac->c.fd, FIONREAD, &readable) == 0 && readable > 0) {

        /* It may be here already: this process was late, not Redis. */

        command->grace = 1;
        ngx_add_timer(ev, 1);
        return;
    }

    client = command->client;
    callout = command->callout;
    command->callout = NULL;
    conn->live--;

    if (conn->node != NULL && (!command->sent || conn->reads == command->reads)) {
        stalled(conn, command);

    } else {
        close_if_forsaken(conn);
    }

    /* Connection and command may be gone. */

    ngx_http_weir_redis_tell(client, callout, PW_REDIS_TIMED_OUT, STR(""));
}
