/*
 * ngx_http_weir_limit.c - whether a request may go to its service: limits, those who wait, and the retry budget.
 *
 * A request is admitted before it goes to the upstream and counts until it is over. There is room when fewer
 * than limits.requests are admitted, and limits.connections leaves a place at some peer beyond those that admitted
 * requests are about to take (group->unplaced). Otherwise it waits in the group's queue; whoever gives a
 * place back admits the first of the queue. A service without addresses yet makes requests wait likewise, for its
 * connectTimeout.
 */

#include "ngx_http_weir_module.h"


struct ngx_http_weir_admission_s {
    ngx_queue_t               link;         /* of the group's queue, while `pending` */
    ngx_http_weir_ctx_t      *ctx;
    ngx_http_weir_service_t  *service;      /* what it is about; held by the request's generation */
    ngx_http_weir_group_t    *group;        /* its; a reference */
    ngx_event_t               timer;
    ngx_http_weir_waiter_t    waiter;       /* for addresses */

    unsigned                  pending:1;
    unsigned                  admitted:1;
    unsigned                  placed:1;
    unsigned                  retrying:1;
    unsigned                  timedout:1;
};


static bool
has_room(ngx_http_weir_service_t *s)
{
    uint64_t                         places;
    ngx_uint_t                       i;
    const struct gw_service_limits  *l = &s->conf->limits;

    if (l->requests != 0 && s->group->active >= l->requests) {
        return false;
    }

    for (i = 0, places = 0; l->connections != 0 && i < s->npeers; i++) {
        places += l->connections - ngx_min(l->connections, s->peers[i]->target.active);

        if (places > s->group->unplaced) {
            break;
        }
    }

    return l->connections == 0 || places > s->group->unplaced;
}


static void
stop_waiting(ngx_http_weir_admission_t *a)
{
    if (a->pending) {
        ngx_queue_remove(&a->link);
        a->group->npending--;
        a->pending = 0;
    }

    if (a->timer.timer_set) {
        ngx_del_timer(&a->timer);
    }

    ngx_http_weir_wait_end(&a->waiter);
}


static void
let_in(ngx_http_weir_admission_t *a)
{
    stop_waiting(a);
    a->admitted = 1;
    a->group->active++;
    a->group->unplaced++;
}


void
ngx_http_weir_group_room(ngx_http_weir_group_t *g)
{
    ngx_http_weir_admission_t  *a;

    while (!ngx_queue_empty(&g->pending)) {
        a = ngx_queue_data(ngx_queue_head(&g->pending), ngx_http_weir_admission_t, link);

        if (!has_room(a->service)) {
            return;
        }

        let_in(a);
        ngx_http_weir_post(a->ctx);
    }
}


static void
timer_handler(ngx_event_t *ev)
{
    ngx_http_weir_admission_t  *a = ev->data;

    stop_waiting(a);
    a->timedout = 1;
    ngx_http_weir_post(a->ctx);
}


static ngx_int_t
wait_for_room(ngx_http_weir_admission_t *a)
{
    a->pending = 1;
    a->group->npending++;
    ngx_queue_insert_tail(&a->group->pending, &a->link);
    ngx_add_timer(&a->timer, a->service->conf->limits.pending_timeout_ms);

    return NGX_AGAIN;
}


static ngx_int_t
refuse(ngx_http_weir_admission_t *a, const char *why, const char *what, const char **details, const char **text)
{
    a->group->refused++;
    *details = why;
    *text = what;

    ngx_log_error(NGX_LOG_WARN, a->ctx->request->connection->log, 0, "[weir] service %V refuses a request: %s",
                  &a->group->node.str, why);

    return NGX_DECLINED;
}


static ngx_http_weir_admission_t *
begin(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_admission_t  *a;

    a = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_admission_t));
    if (a == NULL) {
        return NULL;
    }

    a->ctx = ctx;
    a->service = ctx->service;
    a->group = ctx->service->group;
    a->timer.data = a;
    a->timer.handler = timer_handler;
    a->timer.log = r->connection->log;
    ngx_http_weir_group_ref(a->group);
    ctx->admission = a;

    return a;
}


ngx_int_t
ngx_http_weir_admit(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, const char **details, const char **text)
{
    ngx_http_weir_admission_t  *a = ctx->admission;
    ngx_http_weir_service_t    *s = ctx->service;

    if (a == NULL && (a = begin(r, ctx)) == NULL) {
        return NGX_ERROR;
    }

    if (a->admitted) {
        return NGX_OK;
    }

    if (a->pending || a->waiter.waiting) {
        return NGX_AGAIN;
    }

    if (s->npeers == 0) {

        if (!a->timedout && ngx_http_weir_service_resolving(s)) {
            ngx_http_weir_wait(s, &a->waiter, &ctx->resume);

            if (!a->timer.timer_set) {
                ngx_add_timer(&a->timer, s->conf->connect_timeout_ms);
            }

            return NGX_AGAIN;
        }

        stop_waiting(a);
        return refuse(a, "no_healthy_upstream", "the service has no endpoints\n", details, text);
    }

    if (a->timedout) {
        return refuse(a, "upstream_pending_timeout", "the service is busy; the wait for it was too long\n", details,
                      text);
    }

    stop_waiting(a);

    if (ngx_queue_empty(&a->group->pending) && has_room(s)) {
        let_in(a);
        return NGX_OK;
    }

    if (a->group->npending < s->conf->limits.pending) {
        return wait_for_room(a);
    }

    return refuse(a, "upstream_overflow", "the service is busy\n", details, text);
}


void
ngx_http_weir_admission_placed(ngx_http_weir_ctx_t *ctx, bool placed)
{
    ngx_http_weir_admission_t  *a = ctx->admission;

    if (a == NULL || !a->admitted || a->placed == placed) {
        return;
    }

    a->placed = placed;

    if (placed) {
        a->group->unplaced--;

    } else {
        a->group->unplaced++;
    }
}


bool
ngx_http_weir_admission_retry(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_admission_t     *a = ctx->admission;
    const struct gw_retry_budget  *budget = ctx->service->conf->retry_budget;

    if (a == NULL || a->retrying) {
        return true;
    }

    if (budget != NULL
        && a->group->retries >= ngx_max(budget->minimum, a->group->active * budget->share / 100))
    {
        return false;
    }

    a->retrying = 1;
    a->group->retries++;

    return true;
}


void
ngx_http_weir_admission_end(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_group_t      *g;
    ngx_http_weir_admission_t  *a = ctx->admission;

    if (a == NULL) {
        return;
    }

    ctx->admission = NULL;
    g = a->group;
    stop_waiting(a);

    if (a->admitted) {
        g->active--;
        g->unplaced -= !a->placed;
        g->retries -= a->retrying;
        ngx_http_weir_group_room(g);
    }

    ngx_http_weir_group_unref(g);
}
