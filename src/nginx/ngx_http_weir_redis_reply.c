/*
 * ngx_http_weir_redis_reply.c - replies of Redis as bytes: hiredis's reader takes them apart, this puts them together
 * again.
 *
 * The reader calls these functions for each item; all items of a reply go into one object, which it
 * treats as a redisReply. hiredis aborts the process over a reply that no command waits for, unless it
 * is an error, so such a reply is made to look like one: then hiredis breaks the connection off.
 */

#include "ngx_http_weir_redis.h"


static void *create_string(const redisReadTask *task, char *text, size_t len);
static void *create_array(const redisReadTask *task, int elements);
static void *create_integer(const redisReadTask *task, long long value);
static void *create_nil(const redisReadTask *task);
static void free_reply(void *reply);


redisReplyObjectFunctions  ngx_http_weir_redis_replies = {
    create_string,
    create_array,
    create_integer,
    create_nil,
    free_reply
};


/* The object that this item belongs to; NULL: it would be too large. */

static redis_reply_t *
begin(const redisReadTask *task, size_t bytes)
{
    redis_conn_t   *conn = task->privdata;
    redis_reply_t  *reply;

    reply = task->parent == NULL ? NULL : task->parent->obj;

    if ((reply == NULL ? 0 : reply->bytes.len) + bytes > REDIS_MAX_REPLY_BYTES) {
        return NULL;
    }

    if (reply == NULL) {
        reply = mem_zalloc(sizeof(redis_reply_t));
        reply->head.type = task->type;
        reply->unasked = ngx_queue_empty(&conn->pipeline);

        if (reply->unasked) {
            reply->head.type = REDIS_REPLY_ERROR;
            reply->head.str = "a reply to no command";
        }
    }

    return reply;
}


static void *
create_string(const redisReadTask *task, char *text, size_t len)
{
    redis_reply_t  *reply;

    reply = begin(task, len);
    if (reply == NULL) {
        return NULL;
    }

    if (task->type == REDIS_REPLY_STRING) {
        resp_add_bulk(&reply->bytes, (struct str) { text, len });
        return reply;
    }

    strbuf_add_char(&reply->bytes, task->type == REDIS_REPLY_ERROR ? '-' : '+');
    strbuf_add_bytes(&reply->bytes, text, len);
    strbuf_add(&reply->bytes, STR("\r\n"));

    if (task->type == REDIS_REPLY_ERROR && reply->unasked && task->parent == NULL) {
        reply->head.str = reply->bytes.at;      /* "-ERR max number of clients reached" */
    }

    return reply;
}


static void *
create_array(const redisReadTask *task, int elements)
{
    redis_reply_t  *reply;

    reply = begin(task, 0);

    if (reply != NULL) {
        strbuf_printf(&reply->bytes, "*%d\r\n", elements);
    }

    return reply;
}


static void *
create_integer(const redisReadTask *task, long long value)
{
    redis_reply_t  *reply;

    reply = begin(task, 0);

    if (reply != NULL) {
        strbuf_printf(&reply->bytes, ":%lld\r\n", value);
    }

    return reply;
}


static void *
create_nil(const redisReadTask *task)
{
    redis_reply_t  *reply;

    reply = begin(task, 0);

    if (reply != NULL) {
        strbuf_add(&reply->bytes, task->type == REDIS_REPLY_ARRAY ? STR("*-1\r\n") : STR("$-1\r\n"));
    }

    return reply;
}


static void
free_reply(void *data)
{
    redis_reply_t  *reply = data;

    strbuf_fini(&reply->bytes);
    mem_free(reply);
}
