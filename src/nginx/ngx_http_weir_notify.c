/*
 * ngx_http_weir_notify.c - how one worker wakes another: a queue of its plugins has something.
 *
 * The master makes an eventfd for each worker number before it forks, and keeps it: a worker that
 * replaces a dead one reads what was told to that one. What there is to do is in the shared memory, so a wake-up
 * says nothing else and several may be one.
 */

#include <sys/eventfd.h>

#include "ngx_http_weir_module.h"


#define MAX_WORKERS  1024


static int                fds[MAX_WORKERS];
static ngx_uint_t         nfds;

static ngx_event_t        again;        /* this worker wakes itself, in the next round of its loop */
static ngx_connection_t  *connection;   /* of its own eventfd */


static void
deliver(void)
{
    if (ngx_http_weir_worker.shared != NULL) {
        pw_shared_deliver(ngx_http_weir_worker.shared);
    }
}


static void
again_handler(ngx_event_t *ev)
{
    deliver();
}


static void
read_handler(ngx_event_t *ev)
{
    uint64_t           n;
    ngx_connection_t  *c = ev->data;

    if (read(c->fd, &n, sizeof(n)) == sizeof(n)) {
        deliver();
    }

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ev->log, 0, "[weir] this worker hears no wake-ups any more");
    }
}


static void
write_handler(ngx_event_t *ev)
{
    /* nothing is written on this side */
}


ngx_int_t
ngx_http_weir_notify_init(ngx_cycle_t *cycle)
{
    int               fd;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    while (nfds < (ngx_uint_t) ccf->worker_processes && nfds < MAX_WORKERS) {

        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "eventfd() failed");
            return NGX_ERROR;
        }

        fds[nfds++] = fd;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_notify_start(ngx_cycle_t *cycle)
{
    again.handler = again_handler;
    again.log = cycle->log;

    if (ngx_worker >= nfds) {
        return NGX_OK;
    }

    connection = ngx_get_connection(fds[ngx_worker], cycle->log);
    if (connection == NULL) {
        return NGX_ERROR;
    }

    connection->log = cycle->log;
    connection->read->log = cycle->log;
    connection->write->log = cycle->log;
    connection->read->handler = read_handler;
    connection->write->handler = write_handler;

    return ngx_handle_read_event(connection->read, 0);
}


void
ngx_http_weir_notify_stop(void)
{
    if (again.posted) {
        ngx_delete_posted_event(&again);
    }

    if (connection != NULL) {
        ngx_close_connection(connection);
        connection = NULL;
    }
}


void
ngx_http_weir_notify(void *server, uint32_t worker)
{
    uint64_t  one = 1;

    if (worker == ngx_worker) {
        ngx_post_event(&again, &ngx_posted_next_events);

    } else if (worker < nfds && write(fds[worker], &one, sizeof(one)) == -1) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, ngx_errno, "[weir] worker %uD cannot be woken", worker);
    }
}
