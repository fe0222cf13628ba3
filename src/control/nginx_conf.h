/* control/nginx_conf.h - the nginx.conf that nginx runs with.
 *
 * It says how to listen, where files go and how to proxy in general.  Routes, services and plugins are not in
 * it: they are in the generation file it names, which workers read. */
#ifndef CONTROL_NGINX_CONF_H
#define CONTROL_NGINX_CONF_H

#include "base/str.h"
#include "gw/config.h"

struct nginx_conf_options {
    const char *state_dir;     /* absolute */
    const char *stream_module; /* nginx's own ngx_stream_module.so, absolute: ours needs its symbols */
    const char *module;        /* ngx_http_weir_module.so, absolute */
    const char *generation;    /* file, in the state folder, where workers stand */
    const char *user, *group;  /* workers run as; NULL: as nginx is started */
    const char *plugin_log_level;
    struct str
        resolvers; /* " 10.0.0.2:53 ..." as nginx writes them, or empty: whom plugins' names are asked of */
    uint32_t workers;
    uint32_t worker_connections;
    uint32_t drain_s;      /* how long a worker that shuts down waits for requests; at least 1 */
    uint64_t shared_bytes; /* memory that plugins of all workers share */
    uint64_t plugin_bytes; /* memory of all plugins' VMs after their start, over all workers; 0: any */
};

/* Appended to `out`. */
void nginx_conf_write(const struct nginx_conf_options *opt, const struct gw_config *config,
                      struct strbuf *out);

/* Can nginx read this path in its configuration?  Some characters have no way in. */
bool nginx_conf_path_ok(const char *path);

#endif
