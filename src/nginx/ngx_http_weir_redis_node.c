/*
 * ngx_http_weir_redis_node.c - a Redis server as a client sees it: commands that wait for a connection, back-off.
 *
 * A node connects when a command wants it to, not before, and never more often than its back-off allows: 20 ms after the
 * first failure, doubled with each further one up to 400 ms, less up to half of it by chance, so that gateways
 * do not come all at once. While it is being connected, or about to be, commands wait, within a
 * bound and no longer than their time. When an attempt fails, at every endpoint, those who wait are told. After three
 * failures in a row nobody waits for the next attempt to be due: a command that comes before is told at once, where the
 * login failed what Redis said to it.
 * A connection that was lost before anything was heard on it counts as a failed attempt.
 */

#include "ngx_http_weir_redis.h"


#define FIRST_DELAY_MS  20
#define MAX_DELAY_MS    400
#define PATIENCE        3      /* failures in a row */


static void refuse_all(redis_node_t *node, struct str reply);
static void retry_handler(ngx_event_t *ev);
static void waiting_handler(ngx_event_t *ev);


void
ngx_http_weir_redis_node_init(redis_node_t *node, redis_client_t *client)
{
    node->client = client;
    node->retry.data = node;
    node->retry.handler = retry_handler;
    node->retry.log = ngx_cycle->log;
    node->retry.cancelable = 1;
    ngx_queue_init(&node->waiting);
}


void
ngx_http_weir_redis_node_fini(redis_node_t *node)
{
    ngx_http_weir_wait_end(&node->waiter);

    if (node->retry.timer_set) {
        ngx_del_timer(&node->retry);
    }

    if (node->retry.posted) {
        ngx_delete_posted_event(&node->retry);
    }

    refuse_all(node, STR(""));
    strbuf_fini(&node->login_error);
}


/* ---- those who wait ---- */

static void
enqueue(redis_node_t *node, redis_command_t *command)
{
    command->node = node;
    command->timer.handler = waiting_handler;
    ngx_queue_insert_tail(&node->waiting, &command->queue);
    node->nwaiting++;
    node->waiting_bytes += command->query.len;

    if (!command->timer.timer_set) {
        ngx_add_timer(&command->timer, command->timeout);
    }
}


void
ngx_http_weir_redis_node_remove(redis_command_t *command)
{
    redis_node_t  *node = command->node;

    ngx_queue_remove(&command->queue);
    node->nwaiting--;
    node->waiting_bytes -= command->query.len;
    command->node = NULL;
}


static void
waiting_handler(ngx_event_t *ev)
{
    redis_command_t  *command = ev->data;

    ngx_http_weir_redis_node_remove(command);
    ngx_http_weir_redis_end(command, PW_REDIS_REFUSED, STR(""));
}


static void
refuse(redis_command_t *command, struct str reply)
{
    ngx_http_weir_redis_end(command, reply.len != 0 ? PW_REDIS_REPLY : PW_REDIS_REFUSED, reply);
}


static void
refuse_all(redis_node_t *node, struct str reply)
{
    redis_command_t  *command;

    while (!ngx_queue_empty(&node->waiting)) {
        command = ngx_queue_data(ngx_queue_head(&node->waiting), redis_command_t, queue);
        ngx_http_weir_redis_node_remove(command);
        refuse(command, reply);
    }
}


void
ngx_http_weir_redis_node_ready(redis_node_t *node)
{
    redis_command_t  *command;

    node->login_error.len = 0;

    while (!ngx_queue_empty(&node->waiting)) {
        command = ngx_queue_data(ngx_queue_head(&node->waiting), redis_command_t, queue);
        ngx_http_weir_redis_node_remove(command);
        ngx_http_weir_redis_append(node->conn, command);
    }
}


/* ---- back-off ---- */

static void
note_failure(redis_node_t *node)
{
    ngx_msec_t  delay;

    delay = FIRST_DELAY_MS;

    if (node->failures < 16) {
        delay <<= node->failures;
    }

    if (node->failures >= 16 || delay > MAX_DELAY_MS) {
        delay = MAX_DELAY_MS;
    }

    delay -= ngx_random() % (delay / 2 + 1);
    node->failures++;
    node->next = ngx_current_msec + delay;
}


static bool
is_due(const redis_node_t *node)
{
    return node->failures == 0 || (ngx_msec_int_t) (ngx_current_msec - node->next) >= 0;
}


static void
give_up(redis_node_t *node)
{
    note_failure(node);
    refuse_all(node, STR(""));
    ngx_http_weir_redis_doubt(node);
}


/* An attempt takes the endpoints one after another. */

static void
try_endpoints(redis_node_t *node)
{
    do {
        if (ngx_http_weir_redis_connect(node)) {
            return;
        }
    } while (++node->tried < node->endpoints);

    node->login_error.len = 0;
    give_up(node);
}


/* The home has no address yet, but will have one or know better soon. Commands wait as long as they may. */

static bool
waits_for_address(redis_node_t *node)
{
    ngx_http_weir_service_t  *service;

    ngx_http_weir_wait_end(&node->waiter);
    service = node->host.len != 0 ? NULL
              : ngx_http_weir_find_service(&ngx_http_weir_worker, NULL, strbuf_str(&node->client->service));

    if (service == NULL || !ngx_http_weir_service_resolving(service)) {
        return false;
    }

    ngx_http_weir_wait(service, &node->waiter, &node->retry);

    return true;
}


/* Begin to connect, now or when it is due. */

static void
connect_node(redis_node_t *node)
{
    if (node->conn != NULL || node->retry.timer_set) {
        return;
    }

    if (!is_due(node)) {
        ngx_add_timer(&node->retry, node->next - ngx_current_msec);
        return;
    }

    if (waits_for_address(node)) {
        return;
    }

    node->tried = 0;
    try_endpoints(node);
}


static void
retry_handler(ngx_event_t *ev)
{
    redis_node_t  *node = ev->data;

    if (!ngx_queue_empty(&node->waiting)) {
        connect_node(node);
    }
}


void
ngx_http_weir_redis_node_lost(redis_node_t *node, bool failed, bool was_ready, struct str reply)
{
    if (failed && !was_ready && reply.len == 0 && ++node->tried < node->endpoints) {
        try_endpoints(node);
        return;
    }

    if (failed) {
        note_failure(node);
        ngx_http_weir_redis_doubt(node);

    } else {
        node->failures = 0;
    }

    node->login_error.len = 0;
    strbuf_add(&node->login_error, reply);

    if (!was_ready) {
        refuse_all(node, reply);
    }

    if (!ngx_queue_empty(&node->waiting)) {
        connect_node(node);
    }
}


bool
ngx_http_weir_redis_node_has_room(redis_node_t *node, size_t bytes)
{
    if (node->conn != NULL && node->conn->state == REDIS_READY) {
        return ngx_http_weir_redis_unsent_bytes(node->conn) + bytes <= REDIS_MAX_UNSENT_BYTES;
    }

    return node->nwaiting < REDIS_MAX_WAITING && node->waiting_bytes + bytes <= REDIS_MAX_WAITING_BYTES;
}


void
ngx_http_weir_redis_node_take(redis_node_t *node, redis_command_t *command)
{
    if (node->conn != NULL && node->conn->state == REDIS_READY) {
        ngx_http_weir_redis_append(node->conn, command);

    } else if (node->conn == NULL && node->failures >= PATIENCE && !is_due(node)) {
        refuse(command, strbuf_str(&node->login_error));

    } else {
        enqueue(node, command);
        connect_node(node);
    }
}
