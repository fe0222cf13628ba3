/*
 * ngx_http_weir_shared.c - what the Proxy-Wasm host keeps beyond a request: memory of all workers, timers.
 *
 * The memory is one nginx zone, taken whole from its slab pool and formatted by the host
 * (weir/pw_shared.h); it survives workers and reloads. Timers are nginx's, cancelable, so that a
 * worker that shuts down does not wait for ticks.
 */

#include "ngx_http_weir_module.h"


static ngx_str_t  zone_name = ngx_string("weir_shared");


static ngx_int_t
init_zone(ngx_shm_zone_t *zone, void *data)
{
    void             *block;
    size_t            bytes;
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data != NULL) {
        zone->data = data;
        return NGX_OK;
    }

    bytes = pool->pfree * ngx_pagesize;
    block = ngx_slab_alloc(pool, bytes);

    if (block == NULL || pw_shared_format(block, bytes) != WEIR_OK) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "[weir] weir_shared_size %uz is too small", zone->shm.size);
        return NGX_ERROR;
    }

    zone->data = block;

    return NGX_OK;
}


ngx_shm_zone_t *
ngx_http_weir_shared_zone(ngx_conf_t *cf, size_t size)
{
    ngx_shm_zone_t  *zone;

    zone = ngx_shared_memory_add(cf, &zone_name, size, &ngx_http_weir_module);

    if (zone != NULL) {
        zone->init = init_zone;
    }

    return zone;
}


/* ---- status ---- */

/* Programs read whole numbers as signed ones of 64 bits. */

static void
add_number(struct strbuf *b, uint64_t n)
{
    if (n <= INT64_MAX) {
        strbuf_printf(b, "%llu", (unsigned long long) n);

    } else {
        strbuf_printf(b, "%.17g", (double) n);
    }
}


static void
metric_json(void *data, const struct pw_metric *m)
{
    struct strbuf  *b = data;

    ngx_uint_t                i;
    static const char *const  types[] = { "counter", "gauge", "histogram" };

    strbuf_printf(b, "%s{\"name\":", b->at[b->len - 1] == '[' ? "" : ",");
    strbuf_add_json(b, m->name);
    strbuf_printf(b, ",\"type\":\"%s\"", types[m->type]);

    if (m->type == PW_METRIC_GAUGE) {       /* guests add and take away: it may be below 0 */
        strbuf_printf(b, ",\"value\":%lld}", (long long) m->value);
        return;
    }

    if (m->type == PW_METRIC_COUNTER) {
        strbuf_printf(b, ",\"value\":");
        add_number(b, m->value);
        strbuf_add_char(b, '}');
        return;
    }

    strbuf_printf(b, ",\"count\":%llu,\"sum\":", (unsigned long long) m->count);
    add_number(b, m->sum);
    strbuf_printf(b, ",\"buckets\":[");

    for (i = 0; i < PW_HISTOGRAM_BOUNDS; i++) {
        strbuf_printf(b, "[%llu,%llu],", (unsigned long long) pw_histogram_bounds[i],
                      (unsigned long long) m->buckets[i]);
    }

    strbuf_printf(b, "[null,%llu]]}", (unsigned long long) m->buckets[PW_HISTOGRAM_BOUNDS]);
}


void
ngx_http_weir_shared_json(struct strbuf *b, struct pw_shared *shared)
{
    ngx_uint_t              i;
    struct pw_shared_stats  s;

    pw_shared_stats(shared, &s);

    const struct {
        const char  *name;
        uint64_t     value;
    } fields[] = {
        { "bytes", s.bytes }, { "used_bytes", s.used_bytes }, { "data", s.data }, { "queues", s.queues },
        { "items", s.items }, { "evicted", s.evicted }, { "refused", s.refused }, { "recovered", s.recovered },
    };

    strbuf_printf(b, ",\"shared\":{");

    for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        strbuf_printf(b, "%s\"%s\":%llu", i == 0 ? "" : ",", fields[i].name, (unsigned long long) fields[i].value);
    }

    strbuf_printf(b, "},\"metrics\":[");
    pw_shared_metrics(shared, metric_json, b);
    strbuf_add_char(b, ']');
}


/* ---- timers ---- */

static void
timer_handler(ngx_event_t *ev)
{
    pw_timer_fire(ev->data);    /* ev may be gone afterwards */
}


void
ngx_http_weir_timer_set(void *server, struct pw_timer *timer, uint32_t delay_ms)
{
    ngx_event_t             *ev = timer->server;
    ngx_http_weir_worker_t  *w = server;

    if (ev == NULL) {
        ev = ngx_calloc(sizeof(ngx_event_t), w->cycle->log);
        if (ev == NULL) {
            return;
        }

        ev->handler = timer_handler;
        ev->data = timer;
        ev->log = w->cycle->log;
        ev->cancelable = 1;
        timer->server = ev;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, delay_ms);
}


void
ngx_http_weir_timer_clear(void *server, struct pw_timer *timer)
{
    ngx_event_t  *ev = timer->server;

    if (ev == NULL) {
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_free(ev);
    timer->server = NULL;
}


size_t
ngx_http_weir_timer_count(void)
{
    size_t             n;
    ngx_rbtree_node_t  *node;
    ngx_rbtree_t       *tree = &ngx_event_timer_rbtree;

    n = 0;

    if (tree->root != tree->sentinel) {
        for (node = ngx_rbtree_min(tree->root, tree->sentinel); node != NULL; node = ngx_rbtree_next(tree, node)) {
            n++;
        }
    }

    return n;
}
