/*
 * ngx_http_weir_counts.c - counting; ngx_http_weir_counts.h has the model.
 */

#include "ngx_http_weir_module.h"


static const uint32_t  bounds_ms[NGX_HTTP_WEIR_TIME_BOUNDS] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 };

static ngx_rbtree_t       plugins;
static ngx_rbtree_node_t  plugins_sentinel;


static ngx_http_weir_plugin_counts_t *
find(struct str name, uint32_t *hash)
{
    ngx_str_t  key = ngx_http_weir_ngx_str(name);

    if (plugins.root == NULL) {
        ngx_rbtree_init(&plugins, &plugins_sentinel, ngx_str_rbtree_insert_value);
    }

    *hash = ngx_crc32_long(key.data, key.len);

    return (ngx_http_weir_plugin_counts_t *) ngx_str_rbtree_lookup(&plugins, &key, *hash);
}


ngx_http_weir_plugin_counts_t *
ngx_http_weir_plugin_counts_get(struct str name)
{
    uint32_t                        hash;
    ngx_http_weir_plugin_counts_t  *counts = find(name, &hash);

    if (counts != NULL) {
        counts->refs++;
        return counts;
    }

    counts = ngx_calloc(sizeof(ngx_http_weir_plugin_counts_t) + name.len, ngx_cycle->log);
    if (counts == NULL) {
        return NULL;
    }

    counts->refs = 1;
    counts->node.str.data = (u_char *) (counts + 1);
    counts->node.str.len = name.len;
    counts->node.node.key = hash;
    ngx_memcpy(counts->node.str.data, name.at, name.len);
    ngx_rbtree_insert(&plugins, &counts->node.node);

    return counts;
}


void
ngx_http_weir_plugin_counts_unref(ngx_http_weir_plugin_counts_t *counts)
{
    if (counts != NULL && --counts->refs == 0) {
        ngx_rbtree_delete(&plugins, &counts->node.node);
        ngx_free(counts);
    }
}


void
ngx_http_weir_count_step(ngx_http_weir_plugin_counts_t *counts, const struct pw_step_report *report)
{
    counts->outcomes[report->outcome]++;
    counts->ns += report->ns;
}


void
ngx_http_weir_count_trap(void *server, struct str plugin)
{
    uint32_t                        hash;
    ngx_http_weir_plugin_counts_t  *counts = find(plugin, &hash);

    if (counts != NULL) {
        counts->traps++;
    }
}


void
ngx_http_weir_count_request(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                       i, status;
    ngx_time_t                      *now = ngx_timeofday();
    ngx_msec_int_t                   ms;
    ngx_http_weir_service_counts_t  *counts;

    if (ctx->service == NULL || ctx->tries == 0) {      /* the service had nothing of it */
        return;
    }

    counts = &ctx->service->group->counts;
    status = r->err_status != 0 ? r->err_status : r->headers_out.status;
    ms = (ngx_msec_int_t) ((now->sec - r->start_sec) * 1000 + ((ngx_msec_int_t) now->msec - (ngx_msec_int_t) r->start_msec));
    ms = ngx_max(ms, 0);

    counts->answers[status / 100 < 6 ? status / 100 : 0]++;
    counts->retries += ctx->tries - 1;
    counts->time_ms += ms;

    for (i = 0; i < NGX_HTTP_WEIR_TIME_BOUNDS && ms > (ngx_msec_int_t) bounds_ms[i]; i++) { /* void */ }

    counts->times[i]++;
}


/* ---- for people ---- */

void
ngx_http_weir_plugin_counts_json(struct strbuf *b, const ngx_http_weir_plugin_counts_t *counts)
{
    int   i;
    bool  first = true;

    strbuf_printf(b, ",\"requests\":{");

    for (i = PW_OUTCOME_OK; counts != NULL && i <= PW_OUTCOME_REFUSED; i++) {

        if (counts->outcomes[i] != 0) {
            strbuf_printf(b, "%s\"%s\":%llu", first ? "" : ",", pw_outcome_name(i), (unsigned long long) counts->outcomes[i]);
            first = false;
        }
    }

    strbuf_printf(b, "},\"time_ns\":%llu,\"traps\":%llu", counts == NULL ? 0ULL : (unsigned long long) counts->ns,
                  counts == NULL ? 0ULL : (unsigned long long) counts->traps);
}


void
ngx_http_weir_service_counts_json(struct strbuf *b, const ngx_http_weir_service_counts_t *counts)
{
    int  i;

    strbuf_printf(b, ",\"answers\":{\"none\":%llu", (unsigned long long) counts->answers[0]);

    for (i = 1; i < 6; i++) {
        strbuf_printf(b, ",\"%dxx\":%llu", i, (unsigned long long) counts->answers[i]);
    }

    strbuf_printf(b, "},\"retried\":%llu,\"connections\":%llu,\"time_ms\":%llu,\"times\":[",
                  (unsigned long long) counts->retries, (unsigned long long) counts->connections,
                  (unsigned long long) counts->time_ms);

    for (i = 0; i < NGX_HTTP_WEIR_TIME_BOUNDS; i++) {
        strbuf_printf(b, "[%u,%llu],", bounds_ms[i], (unsigned long long) counts->times[i]);
    }

    strbuf_printf(b, "[null,%llu]]", (unsigned long long) counts->times[i]);
}
