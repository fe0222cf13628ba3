/*
 * ngx_http_weir_counts.h - what a worker counts for people who watch it (GET /metrics): plugins' steps and traps, services'
 * requests.
 *
 * Counts only grow while their owner is there: a service's belong to its group, a plugin's to its name, and both outlive
 * generations. A worker that is replaced begins at 0, so each number goes out with the worker's place (ngx_worker), where
 * whoever adds up sees a reset as such (ADR 0091).
 */

#ifndef _NGX_HTTP_WEIR_COUNTS_H_INCLUDED_
#define _NGX_HTTP_WEIR_COUNTS_H_INCLUDED_


/* Included by ngx_http_weir_module.h. */


typedef struct {
    ngx_str_node_t                  node;       /* must be first; by the plugin's name */
    ngx_uint_t                      refs;       /* generations that have a plugin called so */
    uint64_t                        outcomes[PW_OUTCOME_REFUSED + 1];
    uint64_t                        ns;         /* in its callbacks for streams */
    uint64_t                        traps;      /* those of ticks and answers to calls among them */
} ngx_http_weir_plugin_counts_t;


#define NGX_HTTP_WEIR_TIME_BOUNDS  11

typedef struct {
    uint64_t                        answers[6]; /* requests sent to it, by the first digit of what the client got; 0: none */
    uint64_t                        retries;
    uint64_t                        connections; /* of TCP, that an endpoint accepted */
    uint64_t                        times[NGX_HTTP_WEIR_TIME_BOUNDS + 1]; /* of those requests; the last: longer */
    uint64_t                        time_ms;
} ngx_http_weir_service_counts_t;


/* With a reference. NULL: no memory. */
ngx_http_weir_plugin_counts_t *ngx_http_weir_plugin_counts_get(struct str name);
void ngx_http_weir_plugin_counts_unref(ngx_http_weir_plugin_counts_t *counts);  /* NULL is fine */
void ngx_http_weir_count_step(ngx_http_weir_plugin_counts_t *counts, const struct pw_step_report *report);
/* pw_server.trapped */
void ngx_http_weir_count_trap(void *server, struct str plugin);

/* ,"requests":{...},... */
void ngx_http_weir_plugin_counts_json(struct strbuf *b, const ngx_http_weir_plugin_counts_t *counts);
void ngx_http_weir_service_counts_json(struct strbuf *b, const ngx_http_weir_service_counts_t *counts);


#endif /* _NGX_HTTP_WEIR_COUNTS_H_INCLUDED_ */
