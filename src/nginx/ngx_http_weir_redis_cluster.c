/*
 * ngx_http_weir_redis_cluster.c - Redis Cluster: which node has a slot, and commands that are sent on.
 *
 * A client knows that it talks to a cluster when Redis says so: by MOVED or ASK. It then asks for the whole table of
 * slots (CLUSTER SLOTS), and again when a node says MOVED or cannot be reached, at most once a second. A
 * command whose key has no known node goes to the home. A command is sent on five times at most and keeps the
 * deadline it has; then, and where an address is none, the redirection itself is the reply.
 */

#include "ngx_http_weir_redis.h"


#define READ_INTERVAL_MS  1000


static void read_table(redis_client_t *client, redis_conn_t *conn);


/* ---- nodes ---- */

redis_node_t *
ngx_http_weir_redis_node_of(redis_client_t *client, uint32_t slot)
{
    redis_cluster_t  *cluster = client->cluster;

    if (slot == REDIS_NO_SLOT) {
        slot = 0;       /* any node will do */
    }

    if (cluster == NULL || cluster->slots[slot] == 0) {
        return &client->home;
    }

    return cluster->nodes[cluster->slots[slot] - 1];
}


static bool
is_address(struct str host)
{
    u_char  addr[16];

    return host.len != 0 && host.len <= NGX_INET6_ADDRSTRLEN
           && (ngx_inet_addr((u_char *) host.at, host.len) != INADDR_NONE
               || ngx_inet6_addr((u_char *) host.at, host.len, addr) == NGX_OK);
}


static void
free_node(redis_node_t *node)
{
    ngx_http_weir_redis_node_fini(node);
    mem_free(node->host.data);
    mem_free(node);
}


/* A place for one more: of a node that has no slots any more, nobody waiting and no connection, or a new one. */

static ngx_int_t
find_place(redis_cluster_t *cluster)
{
    ngx_uint_t     i;
    redis_node_t  *node;

    if (cluster->nnodes < REDIS_MAX_NODES) {
        return cluster->nnodes++;
    }

    for (i = 0; i < cluster->nnodes; i++) {
        node = cluster->nodes[i];

        if (node->nslots == 0 && node->conn == NULL && node->nwaiting == 0) {
            free_node(node);
            return i;
        }
    }

    return -1;
}


/* The index of the node with this address, -1: it cannot be one. */

static ngx_int_t
find_node(redis_client_t *client, struct str host, uint32_t port)
{
    ngx_int_t         i;
    redis_node_t     *node;
    redis_cluster_t  *cluster = client->cluster;

    for (i = 0; i < (ngx_int_t) cluster->nnodes; i++) {
        node = cluster->nodes[i];

        if (node->port == port && str_eq(ngx_http_weir_str(&node->host), host)) {
            return i;
        }
    }

    if (!is_address(host) || port == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: service %*s: \"%*s\" is no address of a node",
                      client->service.len, client->service.at, host.len, host.at);
        return -1;
    }

    i = find_place(cluster);

    if (i == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: service %*s has more than %d nodes",
                      client->service.len, client->service.at, REDIS_MAX_NODES);
        return -1;
    }

    node = mem_zalloc(sizeof(redis_node_t));
    ngx_http_weir_redis_node_init(node, client);
    node->host.data = (u_char *) mem_strndup(host.at, host.len);
    node->host.len = host.len;
    node->port = port;
    cluster->nodes[i] = node;

    return i;
}


static void
set_slot(redis_cluster_t *cluster, uint32_t slot, ngx_uint_t index)
{
    if (cluster->slots[slot] != 0) {
        cluster->nodes[cluster->slots[slot] - 1]->nslots--;
    }

    cluster->slots[slot] = index + 1;
    cluster->nodes[index]->nslots++;
}


void
ngx_http_weir_redis_cluster_free(redis_client_t *client)
{
    ngx_uint_t  i;

    for (i = 0; client->cluster != NULL && i < client->cluster->nnodes; i++) {
        free_node(client->cluster->nodes[i]);
    }

    mem_free(client->cluster);
    client->cluster = NULL;
}


/* ---- redirections ---- */

bool
ngx_http_weir_redis_redirected(redis_conn_t *conn, redis_command_t *command, struct str reply)
{
    ngx_int_t              i;
    redis_client_t        *client = command->client;
    struct redis_redirect  r;

    if (!redis_redirect_read(reply, &r) || command->hops == REDIS_MAX_HOPS) {
        return false;
    }

    if (client->cluster == NULL) {
        client->cluster = mem_zalloc(sizeof(redis_cluster_t));
    }

    i = find_node(client, r.host.len != 0 ? r.host : str_of((char *) conn->host), r.port);
    if (i == -1) {
        return false;
    }

    if (r.ask) {
        redis_count(client, asked);

    } else {
        redis_count(client, moved);
        set_slot(client->cluster, r.slot, i);
        read_table(client, conn);
    }

    if (!ngx_http_weir_redis_node_has_room(client->cluster->nodes[i], command->query.len)) {
        return false;
    }

    command->hops++;
    command->asking = r.ask;
    ngx_http_weir_redis_node_take(client->cluster->nodes[i], command);

    return true;
}


/* ---- the table ---- */

static void
read_table(redis_client_t *client, redis_conn_t *conn)
{
    redis_cluster_t   *cluster = client->cluster;
    redis_command_t   *command;
    const struct str   words[] = { STR("CLUSTER"), STR("SLOTS") };

    if (cluster->reading || conn->node == NULL || conn->lost || conn->state != REDIS_READY
        || (cluster->asked_once && ngx_current_msec - cluster->read_at < READ_INTERVAL_MS))
    {
        return;
    }

    cluster->reading = 1;
    cluster->asked_once = 1;
    cluster->read_at = ngx_current_msec;

    command = ngx_http_weir_redis_command(client, REDIS_FOR_SLOTS);
    resp_add_command(&command->query, words, 2);
    ngx_http_weir_redis_append(conn, command);
}


/* With nobody to ask, its slots are unknown again: the home will say who has them. */

void
ngx_http_weir_redis_doubt(redis_node_t *node)
{
    uint32_t          slot;
    ngx_uint_t        i;
    redis_conn_t     *conn;
    redis_cluster_t  *cluster = node->client->cluster;

    if (cluster == NULL || node == &node->client->home) {
        return;
    }

    for (i = 0; i <= cluster->nnodes; i++) {
        conn = i == 0 ? node->client->home.conn : cluster->nodes[i - 1]->conn;

        if (conn != NULL && conn->state == REDIS_READY && !conn->stalled) {
            read_table(node->client, conn);
            return;
        }
    }

    for (slot = 0; slot < REDIS_SLOTS && node->nslots != 0; slot++) {

        if (cluster->slots[slot] != 0 && cluster->nodes[cluster->slots[slot] - 1] == node) {
            cluster->slots[slot] = 0;
            node->nslots--;
        }
    }
}


typedef struct {
    redis_client_t  *client;
    redis_conn_t    *conn;
} table_t;


static void
take_range(void *data, const struct redis_range *range)
{
    table_t    *t = data;
    uint32_t    slot;
    ngx_int_t   i;

    i = find_node(t->client, range->host.len != 0 ? range->host : str_of((char *) t->conn->host), range->port);

    for (slot = range->first; i != -1 && slot <= range->last; slot++) {
        set_slot(t->client->cluster, slot, i);
    }
}


/* Slots that nobody serves keep the node they had: it will say what there is to say. */

void
ngx_http_weir_redis_slots(redis_conn_t *conn, redis_client_t *client, struct str reply)
{
    table_t  t = { client, conn };

    client->cluster->reading = 0;

    if (reply.len == 0) {
        return;
    }

    if (redis_slots_read(reply, take_range, &t)) {
        redis_count(client, slots_read);

    } else {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] redis: %s:%d of service %*s: its slots cannot be read: %*s",
                      conn->host, (int) conn->port, client->service.len, client->service.at,
                      ngx_min(reply.len, 100), reply.at);
    }
}
