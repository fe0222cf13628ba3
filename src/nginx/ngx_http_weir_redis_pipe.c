/*
 * ngx_http_weir_redis_pipe.c - the pipeline of a connection: commands on their way, replies, deadlines.
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


static void on_reply(redisAsyncContext *ac, void *reply, void *data);
static void deadline_handler(ngx_event_t *ev);


/* ---- sending ---- */

size_t
ngx_http_weir_redis_unsent_bytes(const redis_conn_t *conn)
{
    return sdslen(conn->ac->c.obuf);
}


/* What there is to write waits for the socket, not for us. */

static bool
is_blocked(const redis_conn_t *conn)
{
    return conn->tls != NULL ? conn->blocked : conn->connection->write->active;
}


/* When the command that was appended last is written. */

static void
schedule(redis_conn_t *conn, const redis_command_t *command)
{
    if (conn->flush.posted || is_blocked(conn)) {
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

void
ngx_http_weir_redis_write_out(redis_conn_t *conn)
{
    uint64_t  before;

    if (conn->flush.timer_set) {
        ngx_del_timer(&conn->flush);
    }

    ngx_time_update();      /* a guest may have computed for long since the loop looked at the clock */
    before = conn->written;

    conn->flushing = 1;

    if (conn->tls != NULL && conn->state != REDIS_CONNECTING) {
        ngx_http_weir_redis_tls_write(conn);

    } else {
        redisAsyncHandleWrite(conn->ac);
    }

    conn->flushing = 0;

    if (conn->ac != NULL && !conn->lost) {
        note_written(conn);
        conn->client->counts[REDIS_COUNT_bytes_sent] += conn->written - before;
        conn->client->counts[REDIS_COUNT_writes] += conn->written != before;
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
    ngx_http_weir_redis_close_if_forsaken(conn);
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
        ngx_http_weir_redis_lost(conn, STR(""));
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
        ngx_http_weir_redis_login_reply(conn, text);
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
            ngx_http_weir_peer_answered(conn->peer, 0);
        }

        plugin_reply(conn, command, text);
        break;
    }

    if (conn->lost) {
        return;
    }

    if (conn->unanswered == 0 && conn->unsent != NULL && conn->state == REDIS_READY && !conn->flush.posted
        && !is_blocked(conn))
    {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    ngx_http_weir_redis_close_if_forsaken(conn);
}


/* ---- deadlines ---- */

/* Nothing came since the command was sent: the next one goes over a new connection. */

static void
stalled(redis_conn_t *conn, const redis_command_t *command)
{
    conn->stalled = 1;

    if (conn->peer != NULL) {
        ngx_http_weir_peer_failed(conn->peer, "it says nothing to commands");
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
        ngx_http_weir_redis_close_if_forsaken(conn);
    }

    /* Connection and command may be gone. */

    ngx_http_weir_redis_tell(client, callout, PW_REDIS_TIMED_OUT, STR(""));
}
