/*
 * ngx_http_weir_status.c - what a worker says of itself, as JSON.
 *
 * Twice: to whoever asks status.sock, of which one worker gets each connection; and to the control process, which asks
 * every worker over its own line (control/gather.h) and adds up. That request comes with a file in memory, which the answer is
 * written to, so it may be of any size and blocks nobody.
 */

#include "ngx_http_weir_module.h"

#include <malloc.h>

#include "ngx_http_weir_channel.h"


/* ---- plugins ---- */

/* Which quotas a plugin hit in this worker, and how often. */

static void
quotas_json(struct strbuf *b, const struct pw_plugin *p)
{
    int       q;
    uint64_t  hits;
    bool      first = true;

    strbuf_printf(b, ",\"quotas\":{");

    for (q = 0; p != NULL && q < PW_QUOTA_COUNT; q++) {
        hits = pw_plugin_quota_hits(p, q);

        if (hits != 0) {
            strbuf_printf(b, "%s\"%s\":%llu", first ? "" : ",", pw_quota_name(q), (unsigned long long) hits);
            first = false;
        }
    }

    strbuf_printf(b, "}");
}


static void
plugins_json(struct strbuf *b)
{
    uint32_t                     i;
    ngx_http_weir_plugin_t      *p;
    ngx_http_weir_generation_t  *g = ngx_http_weir_worker.generation;

    static const char *const  states[] = {
        [PW_PLUGIN_STOPPED] = "stopped",
        [PW_PLUGIN_RUNNING] = "running",
        [PW_PLUGIN_HEALING] = "healing",
    };

    strbuf_printf(b, "[");

    for (i = 0; g != NULL && i < g->config->nplugins; i++) {
        p = &g->plugins[i];
        strbuf_printf(b, "%s{\"name\":", i == 0 ? "" : ",");
        strbuf_add_json(b, p->conf->name);
        strbuf_printf(b, ",\"error\":");
        strbuf_add_json(b, str_of(p->error));
        strbuf_printf(b, ",\"state\":\"%s\"", states[p->plugin == NULL ? PW_PLUGIN_STOPPED : pw_plugin_state(p->plugin)]);
        strbuf_printf(b, ",\"tier\":\"%s\"", ngx_http_weir_plugin_tier(p));
        strbuf_printf(b, ",\"callouts\":%zu", p->plugin == NULL ? (size_t) 0 : pw_plugin_callouts(p->plugin));
        ngx_http_weir_plugin_counts_json(b, p->counts);
        quotas_json(b, p->plugin);
        strbuf_printf(b, ",\"memory_bytes\":%llu}", p->plugin == NULL ? 0ULL
                      : (unsigned long long) pw_plugin_memory_bytes(p->plugin));
    }

    strbuf_printf(b, "]");
}


/* ---- services ---- */

static void
endpoint_json(struct strbuf *b, ngx_http_weir_service_t *s, ngx_uint_t i)
{
    ngx_http_weir_peer_t  *peer = s->peers[i];

    strbuf_printf(b, "%s{\"address\":", i == 0 ? "" : ",");
    strbuf_add_json(b, ngx_http_weir_str(&peer->name));

    if (peer->tls_id != 0) {
        strbuf_printf(b, ",\"server_name\":");
        strbuf_add_json(b, ngx_http_weir_str(&peer->server_name));
    }

    strbuf_printf(b, ",\"weight\":%u,\"state\":\"%s\"", s->weights[i], ngx_http_weir_peer_state(peer));
    strbuf_printf(b, ",\"share\":%zu,\"active\":%u,\"idle\":%zu", (size_t) ngx_http_weir_peer_share(peer),
                  peer->target.active, (size_t) peer->nidle);
    strbuf_printf(b, ",\"requests\":%llu,\"failed\":%llu,\"failure\":", (unsigned long long) peer->requests,
                  (unsigned long long) peer->failed);

    if (peer->failure == NULL) {
        strbuf_printf(b, "null}");
        return;
    }

    strbuf_printf(b, "{\"ms\":%llu,\"check\":%s,\"status\":%zu,\"reason\":\"%s\"}}",
                  (unsigned long long) peer->failure_ms, peer->failure_check ? "true" : "false",
                  (size_t) peer->failure_status, peer->failure);
}


static void
service_json(struct strbuf *b, ngx_http_weir_service_t *s)
{
    bool                    first;
    uint32_t                k;
    ngx_http_weir_group_t  *g = s->group;

    strbuf_printf(b, "{\"name\":");
    strbuf_add_json(b, s->conf->name);
    strbuf_printf(b, ",\"requests\":%zu,\"pending\":%zu,\"retries\":%zu,\"refused\":%llu", (size_t) g->active,
                  (size_t) g->npending, (size_t) g->retries, (unsigned long long) g->refused);
    ngx_http_weir_service_counts_json(b, &g->counts);
    strbuf_printf(b, ",\"names\":[");

    for (k = 0, first = true; k < s->conf->nendpoints; k++) {
        if (s->uses[k].name != NULL) {
            strbuf_printf(b, first ? "" : ",");
            ngx_http_weir_name_json(b, s->uses[k].name);
            first = false;
        }
    }

    strbuf_printf(b, "],\"endpoints\":[");

    for (k = 0; k < s->npeers; k++) {
        endpoint_json(b, s, k);
    }

    strbuf_printf(b, "]}");
}


static void
services_json(struct strbuf *b)
{
    uint32_t                     i;
    ngx_http_weir_generation_t  *g = ngx_http_weir_worker.generation;

    strbuf_printf(b, "[");

    for (i = 0; g != NULL && i < g->config->nservices; i++) {
        strbuf_printf(b, i == 0 ? "" : ",");
        service_json(b, &g->services[i]);
    }

    strbuf_printf(b, "]");
}


/* ---- all of it ---- */

/* nginx's own counts are those of all its workers. */

static void
nginx_json(struct strbuf *b)
{
#if (NGX_STAT_STUB)
    strbuf_printf(b, ",\"nginx\":{\"accepted\":%lu,\"handled\":%lu,\"requests\":%lu,\"active\":%lu", *ngx_stat_accepted,
                  *ngx_stat_handled, *ngx_stat_requests, *ngx_stat_active);
    strbuf_printf(b, ",\"reading\":%lu,\"writing\":%lu,\"waiting\":%lu}", *ngx_stat_reading, *ngx_stat_writing,
                  *ngx_stat_waiting);
#else
    strbuf_printf(b, ",\"nginx\":{}");
#endif
}


static void
members_json(struct strbuf *b)
{
    struct pw_live    live = pw_live_count();
    struct mallinfo2  heap = mallinfo2();

    strbuf_printf(b, "\"worker\":%d,\"generation\":", (int) ngx_pid);
    strbuf_add_json(b, str_of(ngx_http_weir_worker.file));
    strbuf_printf(b, ",\"generations\":%zu", (size_t) ngx_http_weir_worker.generations);
    strbuf_printf(b, ",\"peers\":%zu,\"timers\":%zu", (size_t) ngx_http_weir_npeers, ngx_http_weir_timer_count());
    strbuf_printf(b, ",\"live\":{\"connections\":%zu", (size_t) ngx_http_weir_worker.connections);
    strbuf_printf(b, ",\"requests\":%zu,\"streams\":%zu,\"contexts\":%zu,\"callouts\":%zu",
                  (size_t) ngx_http_weir_worker.requests, live.streams, live.contexts, live.callouts);
    strbuf_printf(b, ",\"bodies\":%zu,\"body_bytes\":%llu},\"heap_bytes\":%zu,\"plugins\":", live.bodies,
                  (unsigned long long) live.body_bytes, heap.uordblks + heap.hblkhd);
    plugins_json(b);
    ngx_http_weir_redis_json(b);
    ngx_http_weir_shared_json(b, ngx_http_weir_worker.shared);
}


void
ngx_http_weir_status_json(struct strbuf *b, bool services)
{
    if (services) {
        services_json(b);

    } else {
        strbuf_add_char(b, '{');
        members_json(b);
        strbuf_add_char(b, '}');
    }

    strbuf_add_char(b, '\n');
}


/* ---- reports ---- */

static void
write_report(struct strbuf *b, struct str what)
{
    bool  all = str_eq(what, STR("all"));

    strbuf_printf(b, "{\"slot\":%d,\"exiting\":%s,", (int) ngx_worker, ngx_exiting || ngx_terminate ? "true" : "false");

    if (all) {
        members_json(b);
        nginx_json(b);

    } else {
        strbuf_printf(b, "\"worker\":%d", (int) ngx_pid);
    }

    if (str_eq(what, STR("plugins"))) {
        strbuf_printf(b, ",\"plugins\":");
        plugins_json(b);
    }

    if (all || str_eq(what, STR("services"))) {
        strbuf_printf(b, ",\"services\":");
        services_json(b);
    }

    strbuf_add_char(b, '}');
}


void
ngx_http_weir_report(void *data, struct str words, int file)
{
    char           number[32];
    size_t         done;
    ssize_t        n;
    struct str     rest = words, id = str_cut(&rest, ' ');
    struct strbuf  b = { 0 };

    write_report(&b, rest);

    for (done = 0; done < b.len; done += n) {
        n = pwrite(file, b.at + done, b.len - done, done);

        if (n <= 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno, "[weir] the control process cannot be told of this worker");
            break;
        }
    }

    if (done == b.len) {
        (void) snprintf(number, sizeof(number), "%.*s", STR_ARG(id));
        ngx_http_weir_channel_tell("reported", number, "");
    }

    strbuf_fini(&b);
}
