/*
 * ngx_http_weir_redis.c - Redis for plugins: struct pw_server's functions, and what becomes of a command.
 *
 * See ngx_http_weir_redis.h for the model. Clients live as long as the worker; when there are many, those that nobody
 * used lately go. What a service's name means is looked up for each command and for each connection, so a
 * client outlives the generation that its service came from; when that changes, a connection to an endpoint that
 * the service does not have any more takes no further commands.
 */

#include "ngx_http_weir_redis.h"


#define MAX_CLIENTS  64


static void done_handler(ngx_event_t *ev);


static ngx_queue_t  clients, conns, done, buried;
static ngx_event_t  done_event;
static ngx_uint_t   nclients, ncommands, nconns;   /* that are in memory */
static bool         stopping;


static void
init(void)
{
    if (clients.next == NULL) {
        ngx_queue_init(&clients);
        ngx_queue_init(&conns);
        ngx_queue_init(&done);
        ngx_queue_init(&buried);
        done_event.handler = done_handler;
        done_event.log = ngx_cycle->log;
    }
}


/* ---- clients ---- */

static void
copy(struct strbuf *b, struct str s)
{
    strbuf_add(b, s.len == 0 ? STR("") : s);
}


static redis_client_t *
new_client(struct str service, const struct pw_redis_options *o)
{
    redis_client_t  *client;

    client = mem_zalloc(sizeof(redis_client_t));
    copy(&client->service, service);
    copy(&client->user, o->user);
    copy(&client->password, o->password);
    client->db = o->db;
    ngx_http_weir_redis_node_init(&client->home, client);
    ngx_queue_insert_head(&clients, &client->queue);
    nclients++;

    return client;
}


/* It has no commands. */

static void
free_client(redis_client_t *client)
{
    ngx_queue_t   *q, *next;
    redis_conn_t  *conn;

    for (q = ngx_queue_head(&conns); q != ngx_queue_sentinel(&conns); q = next) {
        next = ngx_queue_next(q);
        conn = ngx_queue_data(q, redis_conn_t, queue);

        if (conn->client == client) {
            ngx_http_weir_redis_close(conn, NULL);
        }
    }

    ngx_http_weir_redis_cluster_free(client);
    ngx_http_weir_redis_node_fini(&client->home);
    ngx_queue_remove(&client->queue);
    nclients--;

    if (client->password.at != NULL) {
        ngx_explicit_memzero(client->password.at, client->password.len);
    }

    strbuf_fini(&client->service);
    strbuf_fini(&client->user);
    strbuf_fini(&client->password);
    mem_free(client);
}


/* Has nothing in memory that points to it but its connections? */

static bool
is_idle(redis_client_t *client)
{
    ngx_queue_t   *q;
    redis_conn_t  *conn;

    if (client->alive != 0) {
        return false;
    }

    for (q = ngx_queue_head(&conns); q != ngx_queue_sentinel(&conns); q = ngx_queue_next(q)) {
        conn = ngx_queue_data(q, redis_conn_t, queue);

        if (conn->client == client && (!ngx_queue_empty(&conn->pipeline) || conn->ac->c.flags & REDIS_IN_CALLBACK)) {
            return false;
        }
    }

    return true;
}


/* Make room for another one. */

static void
drop_oldest_idle(void)
{
    ngx_queue_t     *q;
    redis_client_t  *client;

    for (q = ngx_queue_last(&clients); q != ngx_queue_sentinel(&clients); q = ngx_queue_prev(q)) {
        client = ngx_queue_data(q, redis_client_t, queue);

        if (is_idle(client)) {
            free_client(client);
            return;
        }
    }
}


static redis_client_t *
find_client(struct str service, const struct pw_redis_options *o)
{
    ngx_queue_t     *q;
    redis_client_t  *client;

    for (q = ngx_queue_head(&clients); q != ngx_queue_sentinel(&clients); q = ngx_queue_next(q)) {
        client = ngx_queue_data(q, redis_client_t, queue);

        if (client->db == o->db && str_eq(strbuf_str(&client->service), service)
            && str_eq(strbuf_str(&client->user), o->user) && str_eq(strbuf_str(&client->password), o->password))
        {
            if (q != ngx_queue_head(&clients)) {
                ngx_queue_remove(q);
                ngx_queue_insert_head(&clients, q);     /* the one used last */
            }

            return client;
        }
    }

    if (nclients >= MAX_CLIENTS) {
        drop_oldest_idle();
    }

    return new_client(service, o);
}


/* The connection goes to an endpoint that the service has still. */

static void
check_endpoint(redis_client_t *client)
{
    ngx_uint_t                i;
    redis_conn_t             *conn = client->home.conn;
    ngx_http_weir_service_t  *service;

    if (client->generation == ngx_http_weir_worker.generation || conn == NULL || conn->state != REDIS_READY) {
        return;
    }

    client->generation = ngx_http_weir_worker.generation;
    service = ngx_http_weir_find_service(&ngx_http_weir_worker, NULL, strbuf_str(&client->service));

    for (i = 0; service != NULL && i < service->npeers; i++) {
        if (service->peers[i] == conn->peer) {
            return;
        }
    }

    ngx_http_weir_redis_retire(conn);
}


/* ---- commands ---- */

redis_command_t *
ngx_http_weir_redis_command(redis_client_t *client, redis_purpose_t purpose)
{
    redis_command_t  *command;

    command = mem_zalloc(sizeof(redis_command_t));
    command->purpose = purpose;
    command->client = client;
    command->slot = REDIS_NO_SLOT;
    command->timer.data = command;
    command->timer.log = ngx_cycle->log;
    ncommands++;

    return command;
}


void
ngx_http_weir_redis_free_command(redis_command_t *command)
{
    if (command->timer.timer_set) {
        ngx_del_timer(&command->timer);
    }

    strbuf_fini(&command->query);
    strbuf_fini(&command->reply);
    mem_free(command);
    ncommands--;
}


void
ngx_http_weir_redis_send(redis_command_t *command)
{
    if (stopping) {
        ngx_http_weir_redis_free_command(command);
        return;
    }

    ngx_http_weir_redis_node_take(ngx_http_weir_redis_node_of(command->client, command->slot), command);
}


void
ngx_http_weir_redis_end(redis_command_t *command, enum pw_redis_end outcome, struct str reply)
{
    if (command->timer.timer_set) {
        ngx_del_timer(&command->timer);
    }

    if (stopping) {
        ngx_http_weir_redis_free_command(command);
        return;
    }

    command->done = 1;
    command->outcome = outcome;
    copy(&command->reply, reply);
    ngx_queue_insert_tail(&done, &command->queue);

    if (!done_event.posted) {
        ngx_post_event(&done_event, &ngx_posted_next_events);
    }
}


void
ngx_http_weir_redis_tell(redis_client_t *client, struct pw_callout *callout, enum pw_redis_end outcome,
    struct str reply)
{
    client->alive--;

    switch (outcome) {

    case PW_REDIS_REPLY:
        redis_count(client, replies);

        if (reply.at[0] == '-') {
            redis_count(client, error_replies);
        }

        break;

    case PW_REDIS_REFUSED:
        redis_count(client, refused);
        break;

    case PW_REDIS_TIMED_OUT:
        redis_count(client, timed_out);
        break;

    case PW_REDIS_DISCONNECTED:
        redis_count(client, disconnected);
        break;
    }

    pw_redis_done(callout, outcome, reply);
}


void
ngx_http_weir_redis_answer(redis_command_t *command, struct str reply)
{
    ngx_http_weir_redis_tell(command->client, command->callout, PW_REDIS_REPLY, reply);
    ngx_http_weir_redis_free_command(command);
}


/* Those that are done by now; guests may send others that are done at once. */

static void
done_handler(ngx_event_t *ev)
{
    ngx_uint_t        n;
    ngx_queue_t      *q;
    redis_command_t  *command;

    while (!ngx_queue_empty(&buried)) {
        q = ngx_queue_head(&buried);
        ngx_queue_remove(q);
        mem_free(ngx_queue_data(q, redis_conn_t, queue));
    }

    n = 0;

    for (q = ngx_queue_head(&done); q != ngx_queue_sentinel(&done); q = ngx_queue_next(q)) {
        n++;
    }

    for ( /* void */ ; n != 0 && !ngx_queue_empty(&done); n--) {
        command = ngx_queue_data(ngx_queue_head(&done), redis_command_t, queue);
        ngx_queue_remove(&command->queue);
        ngx_http_weir_redis_tell(command->client, command->callout, command->outcome, strbuf_str(&command->reply));
        ngx_http_weir_redis_free_command(command);
    }

    if (!ngx_queue_empty(&done) && !ev->posted) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


void
ngx_http_weir_redis_enlist(redis_conn_t *conn)
{
    ngx_queue_insert_tail(&conns, &conn->queue);
    nconns++;
}


void
ngx_http_weir_redis_bury(redis_conn_t *conn)
{
    ngx_queue_remove(&conn->queue);
    nconns--;
    ngx_queue_insert_tail(&buried, &conn->queue);

    if (!done_event.posted && !stopping) {
        ngx_post_event(&done_event, &ngx_posted_next_events);
    }
}


/* ---- struct pw_server ---- */

bool
ngx_http_weir_redis_service(void *server, void *stream, struct str name)
{
    return ngx_http_weir_find_service(server, stream, name) != NULL;
}


enum pw_call_start
ngx_http_weir_redis_call(void *server, void *stream, const struct pw_redis_call *call, void **handle)
{
    uint32_t                  slot;
    struct str                key;
    redis_node_t             *node;
    redis_client_t           *client;
    redis_command_t          *command;
    ngx_http_weir_service_t  *service;

    service = ngx_http_weir_find_service(server, stream, call->service);
    if (service == NULL) {
        return PW_CALL_NO_SERVICE;
    }

    init();
    client = find_client(service->conf->name, call->options);
    check_endpoint(client);
    slot = client->cluster != NULL && redis_command_key(call->query, &key) ? redis_slot(key) : REDIS_NO_SLOT;
    node = ngx_http_weir_redis_node_of(client, slot);

    if (!ngx_http_weir_redis_node_has_room(node, call->query.len)) {

        if (client->counts[REDIS_COUNT_rejected]++ == 0) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "[weir] redis: service %*s: too many commands wait, more are rejected (counted from now on)",
                          client->service.len, client->service.at);
        }

        return PW_CALL_FAILED;
    }

    command = ngx_http_weir_redis_command(client, REDIS_FOR_PLUGIN);
    command->callout = call->callout;
    command->timeout = call->options->timeout_ms;
    command->flush_ms = call->options->flush_ms;
    command->flush_bytes = call->options->flush_bytes;
    command->slot = slot;
    copy(&command->query, call->query);
    client->alive++;
    redis_count(client, commands);
    *handle = command;

    ngx_http_weir_redis_node_take(node, command);

    return PW_CALL_STARTED;
}


void
ngx_http_weir_redis_cancel(void *server, void *handle)
{
    redis_command_t  *command = handle;

    redis_count(command->client, cancelled);

    if (command->conn != NULL) {
        ngx_http_weir_redis_forsake(command);
        return;
    }

    if (command->done) {
        ngx_queue_remove(&command->queue);

    } else {
        ngx_http_weir_redis_node_remove(command);
    }

    command->client->alive--;
    ngx_http_weir_redis_free_command(command);
}


/* What is under way is dropped, nobody is told. */

void
ngx_http_weir_redis_stop(void)
{
    ngx_queue_t      *q, *next;
    redis_client_t   *client;
    redis_command_t  *command;

    if (clients.next == NULL) {
        return;
    }

    stopping = true;

    for (q = ngx_queue_head(&conns); q != ngx_queue_sentinel(&conns); q = next) {
        next = ngx_queue_next(q);
        ngx_http_weir_redis_close(ngx_queue_data(q, redis_conn_t, queue), NULL);
    }

    while (!ngx_queue_empty(&done)) {
        command = ngx_queue_data(ngx_queue_head(&done), redis_command_t, queue);
        ngx_queue_remove(&command->queue);
        ngx_http_weir_redis_free_command(command);
    }

    while (!ngx_queue_empty(&clients)) {
        client = ngx_queue_data(ngx_queue_head(&clients), redis_client_t, queue);
        free_client(client);
    }

    done_handler(&done_event);      /* frees connections */

    if (done_event.posted) {
        ngx_delete_posted_event(&done_event);
    }
}


/* ---- status ---- */

static const char *const  counter_names[] = {
#define REDIS_COUNTER(name)  #name,
    REDIS_COUNTERS(REDIS_COUNTER)
#undef REDIS_COUNTER
};


static const char *const  state_names[] = { "connecting", "handshake", "login", "ready" };


static void
conn_json(struct strbuf *b, const redis_conn_t *conn)
{
    ngx_queue_t  *q;
    ngx_uint_t    n;

    n = 0;

    for (q = ngx_queue_head(&conn->pipeline); q != ngx_queue_sentinel(&conn->pipeline); q = ngx_queue_next(q)) {
        n++;
    }

    strbuf_printf(b, "%s{\"address\":\"%s:%d\",\"state\":\"%s\",\"pipeline\":%zu,\"waited_for\":%zu,\"unsent_bytes\":%zu}",
                  b->at[b->len - 1] == '[' ? "" : ",", conn->host, (int) conn->port,
                  conn->node == NULL ? "retired" : state_names[conn->state], (size_t) n, (size_t) conn->live,
                  ngx_http_weir_redis_unsent_bytes(conn));
}


static void
client_json(struct strbuf *b, const redis_client_t *client)
{
    ngx_uint_t           i, waiting;
    ngx_queue_t         *q;
    const redis_conn_t  *conn;

    waiting = client->home.nwaiting;

    for (i = 0; client->cluster != NULL && i < client->cluster->nnodes; i++) {
        waiting += client->cluster->nodes[i]->nwaiting;
    }

    strbuf_printf(b, "%s{\"service\":", b->at[b->len - 1] == '[' ? "" : ",");
    strbuf_add_json(b, strbuf_str(&client->service));
    strbuf_printf(b, ",\"user\":");
    strbuf_add_json(b, strbuf_str(&client->user));
    strbuf_printf(b, ",\"db\":%u,\"in_flight\":%zu,\"waiting\":%zu,\"failures\":%zu,\"nodes\":%zu", client->db,
                  (size_t) client->alive, (size_t) waiting, (size_t) client->home.failures,
                  (size_t) (client->cluster == NULL ? 0 : client->cluster->nnodes));

    for (i = 0; i < REDIS_COUNT_N; i++) {
        strbuf_printf(b, ",\"%s\":%llu", counter_names[i], (unsigned long long) client->counts[i]);
    }

    strbuf_printf(b, ",\"connections\":[");

    for (q = ngx_queue_head(&conns); q != ngx_queue_sentinel(&conns); q = ngx_queue_next(q)) {
        conn = ngx_queue_data(q, redis_conn_t, queue);

        if (conn->client == client) {
            conn_json(b, conn);
        }
    }

    strbuf_printf(b, "]}");
}


void
ngx_http_weir_redis_json(struct strbuf *b)
{
    ngx_queue_t  *q;

    init();
    strbuf_printf(b, ",\"redis\":{\"commands\":%zu,\"connections\":%zu,\"clients\":[", (size_t) ncommands,
                  (size_t) nconns);

    for (q = ngx_queue_head(&clients); q != ngx_queue_sentinel(&clients); q = ngx_queue_next(q)) {
        client_json(b, ngx_queue_data(q, redis_client_t, queue));
    }

    strbuf_printf(b, "]}");
}
