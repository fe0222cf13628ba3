/*
 * ngx_http_weir_service.c - groups and services; ngx_http_weir_service.h has the model.
 *
 * A service's peers are put together from its endpoints when it is made, and again whenever one of its names has
 * other addresses. A peer keeps its turn, health and connections through that.
 */

#include "ngx_http_weir_module.h"


static ngx_rbtree_t       groups;
static ngx_rbtree_node_t  groups_sentinel;


void
ngx_http_weir_services_init(void)
{
    ngx_rbtree_init(&groups, &groups_sentinel, ngx_str_rbtree_insert_value);
    ngx_http_weir_names_init();
}


/* ---- groups ---- */

static ngx_http_weir_group_t *
get_group(struct str name)
{
    uint32_t                hash;
    ngx_str_t               key = ngx_http_weir_ngx_str(name);
    ngx_http_weir_group_t  *g;

    hash = ngx_crc32_long(key.data, key.len);
    g = (ngx_http_weir_group_t *) ngx_str_rbtree_lookup(&groups, &key, hash);

    if (g != NULL) {
        g->refs++;
        return g;
    }

    g = ngx_calloc(sizeof(ngx_http_weir_group_t) + key.len, ngx_cycle->log);
    if (g == NULL) {
        return NULL;
    }

    g->node.str.data = (u_char *) (g + 1);
    g->node.str.len = key.len;
    g->node.node.key = hash;
    ngx_memcpy(g->node.str.data, key.data, key.len);

    g->refs = 1;
    ngx_rbtree_init(&g->peers, &g->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&g->pending);
    ngx_queue_init(&g->unresolved);
    ngx_rbtree_insert(&groups, &g->node.node);

    return g;
}


void
ngx_http_weir_group_ref(ngx_http_weir_group_t *g)
{
    g->refs++;
}


void
ngx_http_weir_group_unref(ngx_http_weir_group_t *g)
{
    if (--g->refs == 0) {
        ngx_rbtree_delete(&groups, &g->node.node);
        ngx_free(g);
    }
}


void
ngx_http_weir_wait(ngx_http_weir_service_t *s, ngx_http_weir_waiter_t *waiter, ngx_event_t *event)
{
    ngx_http_weir_wait_end(waiter);

    waiter->event = event;
    waiter->group = s->group;
    waiter->waiting = 1;
    ngx_http_weir_group_ref(s->group);
    ngx_queue_insert_tail(&s->group->unresolved, &waiter->link);
}


void
ngx_http_weir_wait_end(ngx_http_weir_waiter_t *waiter)
{
    ngx_http_weir_group_t  *g = waiter->group;

    if (g == NULL) {
        return;
    }

    if (waiter->waiting) {
        ngx_queue_remove(&waiter->link);
        waiter->waiting = 0;
    }

    waiter->group = NULL;
    ngx_http_weir_group_unref(g);
}


ngx_http_weir_peer_t *
ngx_http_weir_wait_peer(ngx_http_weir_waiter_t *waiter)
{
    ngx_http_weir_service_t  *s = waiter->group->current;

    return s == NULL ? NULL : ngx_http_weir_choose_peer(s);
}


static void
wake_all(ngx_http_weir_group_t *g)
{
    ngx_http_weir_waiter_t  *waiter;

    while (!ngx_queue_empty(&g->unresolved)) {
        waiter = ngx_queue_data(ngx_queue_head(&g->unresolved), ngx_http_weir_waiter_t, link);
        ngx_queue_remove(&waiter->link);
        waiter->waiting = 0;
        ngx_post_event(waiter->event, &ngx_posted_events);
    }
}


/* ---- the peers of a service ---- */

typedef struct {
    ngx_http_weir_peer_t **peers;
    struct gw_target     **targets;
    uint32_t              *weights;
    ngx_uint_t             n, room, mark;
} list_t;


static ngx_int_t
make_room(list_t *l)
{
    ngx_uint_t              room = l->room * 2 + 8;
    uint32_t               *weights;
    struct gw_target      **targets;
    ngx_http_weir_peer_t  **peers;

    /* mem_realloc aborts where there is no memory (ADR 0003). */

    peers = mem_realloc(l->peers, room * sizeof(*peers));
    targets = mem_realloc(l->targets, room * sizeof(*targets));
    weights = mem_realloc(l->weights, room * sizeof(*weights));

    l->peers = peers;
    l->targets = targets;
    l->weights = weights;
    l->room = room;

    return NGX_OK;
}


static void
free_list(list_t *l)
{
    ngx_uint_t  i;

    for (i = 0; i < l->n; i++) {
        ngx_http_weir_peer_leave(l->peers[i]);
    }

    mem_free(l->peers);
    mem_free(l->targets);
    mem_free(l->weights);
}


/* An address that several endpoints have counts for all of them. */

static ngx_int_t
add_address(list_t *l, ngx_http_weir_service_t *s, ngx_uint_t endpoint, const struct sockaddr *sa, socklen_t len)
{
    ngx_http_weir_peer_t      *peer;
    const struct gw_endpoint  *e = &s->conf->endpoints[endpoint];

    peer = ngx_http_weir_peer_get(s, e->address.host, sa, len);

    if (peer == NULL || (l->n == l->room && make_room(l) != NGX_OK)) {
        return NGX_ERROR;
    }

    if (peer->mark == l->mark) {
        l->weights[peer->index] += e->weight;
        ngx_http_weir_peer_unref(peer);
        return NGX_OK;
    }

    peer->mark = l->mark;
    peer->index = l->n;
    l->peers[l->n] = peer;
    l->targets[l->n] = &peer->target;
    l->weights[l->n] = e->weight;
    l->n++;

    ngx_http_weir_peer_join(peer);
    ngx_http_weir_peer_unref(peer);

    return NGX_OK;
}


static ngx_int_t
gather(list_t *l, ngx_http_weir_service_t *s)
{
    ngx_uint_t                      i, k;
    socklen_t                       len;
    ngx_http_weir_use_t            *use;
    struct sockaddr_storage         sa;
    const struct sockaddr_storage  *found;
    static ngx_uint_t               mark;

    ngx_memzero(l, sizeof(list_t));
    l->mark = ++mark;

    for (i = 0; i < s->conf->nendpoints; i++) {
        use = &s->uses[i];

        if (use->name == NULL) {
            if (use->socklen != 0
                && add_address(l, s, i, (struct sockaddr *) &use->sockaddr, use->socklen) != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        for (k = 0; k < ngx_http_weir_name_count(use->name); k++) {
            found = ngx_http_weir_name_address(use->name, k, &len);
            ngx_memcpy(&sa, found, len);
            ngx_inet_set_port((struct sockaddr *) &sa, s->conf->endpoints[i].address.port);

            if (add_address(l, s, i, (struct sockaddr *) &sa, len) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static void
watch(ngx_http_weir_service_t *s)
{
    ngx_uint_t  i;

    for (i = 0; i < s->npeers; i++) {
        ngx_http_weir_check_set(s->peers[i], s);
    }
}


static ngx_int_t
put_together(ngx_http_weir_service_t *s)
{
    list_t  l, before = { s->peers, s->targets, s->weights, s->npeers, 0, 0 };

    if (gather(&l, s) != NGX_OK) {
        free_list(&l);
        return NGX_ERROR;
    }

    s->peers = l.peers;
    s->targets = l.targets;
    s->weights = l.weights;
    s->npeers = l.n;

    free_list(&before);

    if (s->npeers != 0) {
        s->group->begun = 1;
    }

    return NGX_OK;
}


void
ngx_http_weir_service_renew(ngx_http_weir_service_t *s, bool changed)
{
    if (changed && put_together(s) == NGX_OK && s->group->current == s) {
        watch(s);
    }

    if (s->npeers != 0 || !ngx_http_weir_service_resolving(s)) {
        wake_all(s->group);
    }

    ngx_http_weir_group_room(s->group);
}


bool
ngx_http_weir_service_resolving(ngx_http_weir_service_t *s)
{
    uint32_t  i;

    for (i = 0; s->npeers == 0 && i < s->conf->nendpoints; i++) {
        if (s->uses[i].name != NULL && ngx_http_weir_name_unknown(s->uses[i].name)) {
            return true;
        }
    }

    return false;
}


/* ---- services ---- */

/* The configuration may be gone already. */

static void
free_service(void *data)
{
    ngx_uint_t                i;
    list_t                    l;
    ngx_http_weir_service_t  *s = data;

    for (i = 0; i < s->nuses; i++) {
        if (s->uses[i].name != NULL) {
            ngx_http_weir_name_leave(&s->uses[i]);
        }
    }

    l = (list_t) { s->peers, s->targets, s->weights, s->npeers, 0, 0 };
    free_list(&l);

    if (s->group->current == s) {
        s->group->current = NULL;
    }

    ngx_http_weir_group_unref(s->group);
    ngx_http_weir_tls_unref(s->tls);
}


static ngx_int_t
begin_use(ngx_http_weir_service_t *s, ngx_http_weir_use_t *use, const struct gw_address *address)
{
    ngx_addr_t  addr;
    ngx_str_t   host = ngx_http_weir_ngx_str(address->host);

    use->service = s;

    if (ngx_parse_addr(ngx_cycle->pool, &addr, host.data, host.len) == NGX_OK) {

        ngx_memcpy(&use->sockaddr, addr.sockaddr, addr.socklen);
        use->socklen = addr.socklen;
        ngx_pfree(ngx_cycle->pool, addr.sockaddr);
        ngx_inet_set_port((struct sockaddr *) &use->sockaddr, address->port);
        return NGX_OK;
    }

    use->name = ngx_http_weir_name_use(address->host, use);

    return use->name == NULL ? NGX_ERROR : NGX_OK;
}


/* Plugins split Higress's form, outbound|PORT|SUBSET|FQDN; a service of ours is a static one there. */

static ngx_int_t
set_cluster(ngx_pool_t *pool, ngx_http_weir_service_t *s)
{
    u_char      *p;
    struct str   name = s->conf->name;

    if (memchr(name.at, '|', name.len) != NULL) {
        s->cluster = ngx_http_weir_ngx_str(name);
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, sizeof("outbound|65535||.static") + name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    s->cluster.data = p;
    s->cluster.len = ngx_sprintf(p, "outbound|%ud||%*s%s", (unsigned) s->conf->endpoints[0].address.port,
                                 name.len, name.at, memchr(name.at, '.', name.len) != NULL ? "" : ".static") - p;

    return NGX_OK;
}


static void
take_settings(ngx_http_weir_service_t *s)
{
    s->group->passive = s->conf->health.passive;
    s->group->slow_start = s->conf->health.slow_start_ms;
}


ngx_int_t
ngx_http_weir_service_init(ngx_http_weir_worker_t *w, ngx_pool_t *pool, ngx_http_weir_service_t *s,
    const struct gw_service *conf)
{
    uint32_t             i;
    ngx_pool_cleanup_t  *cln;

    s->conf = conf;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    s->group = get_group(conf->name);
    if (s->group == NULL) {
        return NGX_ERROR;
    }

    cln->handler = free_service;
    cln->data = s;

    if (s->group->current == NULL) {
        take_settings(s);
    }

    if (conf->tls != NULL) {
        s->tls = ngx_http_weir_tls_get(conf->tls);

        if (s->tls == NULL) {
            return NGX_ERROR;
        }
    }

    s->uses = ngx_pcalloc(pool, conf->nendpoints * sizeof(ngx_http_weir_use_t));
    if (s->uses == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < conf->nendpoints; i++) {
        if (begin_use(s, &s->uses[i], &conf->endpoints[i].address) != NGX_OK) {
            return NGX_ERROR;
        }

        s->nuses++;
    }

    return put_together(s) == NGX_OK ? set_cluster(pool, s) : NGX_ERROR;
}


static void
forget_peers(ngx_http_weir_service_t *s)
{
    ngx_uint_t  i;

    for (i = 0; i < s->npeers; i++) {
        ngx_http_weir_check_set(s->peers[i], NULL);
    }
}


/* Peers that the service in force has no more are not asked any longer, even if requests hold them. */

void
ngx_http_weir_services_commit(ngx_http_weir_generation_t *g, ngx_http_weir_generation_t *before)
{
    uint32_t                  i, k;
    ngx_http_weir_service_t  *s, *old;

    static ngx_uint_t  mark = (ngx_uint_t) 1 << (sizeof(ngx_uint_t) * 8 - 1);    /* gather's begin at 1 */

    for (i = 0; i < g->config->nservices; i++) {
        s = &g->services[i];
        s->group->current = s;
        take_settings(s);
        watch(s);
        ngx_http_weir_group_room(s->group);
    }

    for (i = 0; before != NULL && i < before->config->nservices; i++) {
        old = &before->services[i];
        s = old->group->current;

        if (s == old) {     /* the service is gone */
            old->group->current = NULL;
            forget_peers(old);
            continue;
        }

        mark++;

        for (k = 0; s != NULL && k < s->npeers; k++) {
            s->peers[k]->mark = mark;
        }

        for (k = 0; k < old->npeers; k++) {
            if (old->peers[k]->mark != mark) {
                ngx_http_weir_check_set(old->peers[k], NULL);
            }
        }
    }
}


void
ngx_http_weir_services_stop(void)
{
    uint32_t                     i;
    ngx_http_weir_generation_t  *g = ngx_http_weir_worker.generation;

    for (i = 0; g != NULL && i < g->config->nservices; i++) {
        g->services[i].group->current = NULL;
        forget_peers(&g->services[i]);
    }
}
