/*
 * ngx_http_weir_module.c - the module as nginx sees it: directives, variables, hooks.
 *
 *   weir_generation FILE;          http: what each worker loads; a link that names another file later
 *   weir_store DIR;                http: where images of modules are (control/store.h)
 *   weir_control SOCKET;           http: the line to the control process (control/channel.h)
 *   weir_shared_size SIZE;         http: memory that plugins of all workers share, default 16m
 *   weir_plugin_memory SIZE;       http: most memory of plugins after their start, times the workers; default 0: any
 *   weir_plugin_log_level LEVEL;   http: the least level of plugins' log lines, default info
 *   weir_http2 on|off;             server: HTTP/2 with prior knowledge beside HTTP/1.1
 *   weir_tls ADDRESS;              server: handshakes take certificates of the generation, as this HTTPS listener says;
 *                                  with `ssl_reject_handshake on`, because nginx has none itself
 *   weir;                          location: route requests and run plugins
 *   weir_http2_upstream;           location: behind grpc_pass and before proxy_pass, for services that speak HTTP/2
 *   weir_balancer;                 upstream: the endpoints of the request's service
 *   weir_status;                   location: the worker's state as JSON, for the control process; at /services its services
 *
 * `weir run` writes the configuration that uses those (src/control/nginx_conf.c). For people's own (docs/nginx.md):
 *
 *   weir_state DIR;                http: the folder of `weir run --attach`, instead of the first three above
 *   weir_plugins on|off;           http, server, location: requests pass plugins
 *   weir_route NAME;               likewise: the route's name in rules
 *   weir_service NAME;             likewise: the service's
 *   weir_phase rewrite|access;     likewise: plugins run before `return` and `rewrite`, which is the default, or after limits
 */

#include "ngx_http_weir_module.h"
#include "ngx_http_weir_channel.h"
#include "ngx_stream_weir_module.h"


typedef struct {
    ngx_str_t    state;
    ngx_uint_t   nlocations;
    ngx_str_t    generation;
    ngx_str_t    store;
    ngx_str_t    control;
    ngx_uint_t   log_level;
    size_t       shared_size;
    size_t       plugin_memory;
    ngx_shm_zone_t  *shared;
} main_conf_t;


static ngx_int_t add_variables(ngx_conf_t *cf);
static ngx_int_t init(ngx_conf_t *cf);
static void *create_main_conf(ngx_conf_t *cf);
static char *init_main_conf(ngx_conf_t *cf, void *conf);
static void *create_srv_conf(ngx_conf_t *cf);
static char *merge_srv_conf(ngx_conf_t *cf, void *parent, void *child);
static void *create_loc_conf(ngx_conf_t *cf);
static char *merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
static char *state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t init_module(ngx_cycle_t *cycle);
static ngx_int_t init_process(ngx_cycle_t *cycle);
static void exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  log_levels[] = {
    { ngx_string("trace"), PW_LOG_TRACE },
    { ngx_string("debug"), PW_LOG_DEBUG },
    { ngx_string("info"), PW_LOG_INFO },
    { ngx_string("warn"), PW_LOG_WARN },
    { ngx_string("error"), PW_LOG_ERROR },
    { ngx_string("critical"), PW_LOG_CRITICAL },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  phases[] = {
    { ngx_string("rewrite"), NGX_HTTP_REWRITE_PHASE },
    { ngx_string("access"), NGX_HTTP_ACCESS_PHASE },
    { ngx_null_string, 0 }
};


static const ngx_http_weir_channel_ops_t  channel_ops = {
    ngx_http_weir_generation_image,
    ngx_http_weir_generation_change,
    ngx_http_weir_report
};


static ngx_command_t  commands[] = {

    { ngx_string("weir_generation"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, generation),
      NULL },

    { ngx_string("weir_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, store),
      NULL },

    { ngx_string("weir_control"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, control),
      NULL },

    { ngx_string("weir_plugin_log_level"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, log_level),
      &log_levels },

    { ngx_string("weir_shared_size"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, shared_size),
      NULL },

    { ngx_string("weir_plugin_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(main_conf_t, plugin_memory),
      NULL },

    { ngx_string("weir_http2"),
      NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_weir_srv_conf_t, http2),
      NULL },

    { ngx_string("weir_tls"),
      NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_weir_srv_conf_t, tls),
      NULL },

    { ngx_string("weir"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      enable,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("weir_http2_upstream"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_weir_http2_upstream,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("weir_balancer"),
      NGX_HTTP_UPS_CONF|NGX_CONF_NOARGS,
      ngx_http_weir_balancer,
      0,
      0,
      NULL },

    { ngx_string("weir_state"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      state,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("weir_plugins"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_weir_loc_conf_t, plugins),
      NULL },

    { ngx_string("weir_route"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_weir_loc_conf_t, route),
      NULL },

    { ngx_string("weir_service"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_weir_loc_conf_t, service),
      NULL },

    { ngx_string("weir_phase"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_weir_loc_conf_t, phase),
      &phases },

    { ngx_string("weir_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  module_ctx = {
    add_variables,
    init,

    create_main_conf,
    init_main_conf,

    create_srv_conf,
    merge_srv_conf,

    create_loc_conf,
    merge_loc_conf
};


__attribute__((visibility("default")))
ngx_module_t  ngx_http_weir_module = {
    NGX_MODULE_V1,
    &module_ctx,
    commands,
    NGX_HTTP_MODULE,
    NULL,
    init_module,
    init_process,
    NULL,
    NULL,
    exit_process,
    NULL,
    NGX_MODULE_V1_PADDING
};


/* What nginx's build writes for a dynamic module. It holds two: one copy of libweir serves HTTP and TCP, with one
 * state of the worker. As an auxiliary filter the first stands before the copy filter in
 * nginx's list, so its filters see bodies in memory and headers before nginx's own header filters. */

extern ngx_module_t  *ngx_modules[];
extern char          *ngx_module_names[], *ngx_module_order[];

__attribute__((visibility("default")))
ngx_module_t  *ngx_modules[] = { &ngx_http_weir_module, &ngx_stream_weir_module, NULL };

__attribute__((visibility("default")))
char  *ngx_module_names[] = { "ngx_http_weir_module", "ngx_stream_weir_module", NULL };

__attribute__((visibility("default")))
char  *ngx_module_order[] = { "ngx_http_weir_module", "ngx_http_copy_filter_module", NULL };


ngx_http_weir_worker_t  ngx_http_weir_worker;


/* ---- variables ---- */

enum { VAR_ROUTE, VAR_SERVICE, VAR_HOST, VAR_PATH, VAR_PLUGIN, VAR_DETAILS, VAR_UPGRADE, VAR_CONNECTION,
       VAR_CUSTOM_LOG, VAR_AI_LOG, VAR_LENGTH };

static ngx_int_t get_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t which);

static ngx_http_variable_t  variables[] = {
    { ngx_string("weir_route"), NULL, get_variable, VAR_ROUTE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_service"), NULL, get_variable, VAR_SERVICE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_host"), NULL, get_variable, VAR_HOST, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_path"), NULL, get_variable, VAR_PATH, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_plugin"), NULL, get_variable, VAR_PLUGIN, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_details"), NULL, get_variable, VAR_DETAILS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_custom_log"), NULL, get_variable, VAR_CUSTOM_LOG, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_ai_log"), NULL, get_variable, VAR_AI_LOG, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_length"), NULL, get_variable, VAR_LENGTH, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_upgrade"), NULL, get_variable, VAR_UPGRADE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_connection"), NULL, get_variable, VAR_CONNECTION, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    ngx_http_null_variable
};


static ngx_int_t
add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return ngx_http_weir_log_add_variable(cf);
}


/* WebSocket only: behind a tunnel of another protocol (h2c, say) further requests would ask no route and no
 * plugin.  HTTP/2 has no Upgrade; what a client sends there means nothing. */

bool
ngx_http_weir_upgrades(ngx_http_request_t *r)
{
    return r->headers_in.upgrade != NULL && r->http_version == NGX_HTTP_VERSION_11
           && str_ieq(ngx_http_weir_str(&r->headers_in.upgrade->value), STR("websocket"));
}


static ngx_int_t
get_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t which)
{
    ngx_str_t             s = ngx_null_string;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_ctx_find(r);

    switch (which) {

    case VAR_UPGRADE:
        if (ngx_http_weir_upgrades(r)) {
            s = r->headers_in.upgrade->value;
        }

        break;

    case VAR_CONNECTION:
        if (ngx_http_weir_upgrades(r)) {
            ngx_str_set(&s, "upgrade");
        }

        break;

    case VAR_ROUTE:
        if (ctx != NULL) {
            s = ngx_http_weir_ngx_str(ngx_http_weir_route_name(ctx));
        }

        break;

    case VAR_SERVICE:
        if (ctx != NULL && ctx->service != NULL) {
            s = ngx_http_weir_ngx_str(ctx->service->conf->name);

        } else if (ctx != NULL && ctx->attached != NULL) {
            s = ctx->attached->service;
        }

        break;

    case VAR_HOST:
        if (ctx != NULL) {
            s = ctx->host;
        }

        break;

    case VAR_PATH:
        s = ctx != NULL ? ctx->client_path : r->unparsed_uri;
        break;

    case VAR_PLUGIN:
        if (ctx != NULL) {
            s = ctx->plugin;
        }

        break;

    case VAR_DETAILS:
        if (ctx != NULL) {
            s = ctx->details;
        }

        break;

    case VAR_LENGTH:    /* what the upstream may be promised of the body; ngx_http_weir_stream.c sets `chunked` */
        if (!r->headers_in.chunked && r->headers_in.content_length_n >= 0
            && (r->headers_in.content_length_n > 0 || r->headers_in.content_length != NULL))
        {
            s.data = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
            if (s.data == NULL) {
                return NGX_ERROR;
            }

            s.len = ngx_sprintf(s.data, "%O", r->headers_in.content_length_n) - s.data;
        }

        break;

    case VAR_CUSTOM_LOG:
        if (ctx != NULL) {
            s = ctx->custom_log;
        }

        break;

    case VAR_AI_LOG:
        if (ctx != NULL) {
            s = ctx->ai_log;
        }

        break;
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* ---- configuration ---- */

static void *
create_main_conf(ngx_conf_t *cf)
{
    main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(main_conf_t));
    if (mcf != NULL) {
        mcf->log_level = NGX_CONF_UNSET_UINT;
        mcf->shared_size = NGX_CONF_UNSET_SIZE;
        mcf->plugin_memory = NGX_CONF_UNSET_SIZE;
    }

    return mcf;
}


static char *
init_main_conf(ngx_conf_t *cf, void *conf)
{
    main_conf_t  *mcf = conf;

    ngx_conf_init_uint_value(mcf->log_level, PW_LOG_INFO);
    ngx_conf_init_size_value(mcf->shared_size, 16 * 1024 * 1024);
    ngx_conf_init_size_value(mcf->plugin_memory, 0);

    if (mcf->generation.len != 0) {
        mcf->shared = ngx_http_weir_shared_zone(cf, mcf->shared_size);

        if (mcf->shared == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void *
create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_weir_srv_conf_t  *scf;

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_srv_conf_t));
    if (scf != NULL) {
        scf->http2 = NGX_CONF_UNSET;
    }

    return scf;
}


static char *
merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_weir_srv_conf_t  *prev = parent;
    ngx_http_weir_srv_conf_t  *conf = child;

    ngx_conf_merge_value(conf->http2, prev->http2, 0);

    return NGX_CONF_OK;
}


static void *
create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_weir_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_loc_conf_t));
    if (lcf != NULL) {
        lcf->enable = NGX_CONF_UNSET;
        lcf->plugins = NGX_CONF_UNSET;
        lcf->phase = NGX_CONF_UNSET_UINT;
    }

    return lcf;
}


static char *
merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    main_conf_t               *mcf;
    ngx_http_weir_loc_conf_t  *prev = parent;
    ngx_http_weir_loc_conf_t  *conf = child;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_value(conf->plugins, prev->plugins, 0);
    ngx_conf_merge_uint_value(conf->phase, prev->phase, NGX_HTTP_REWRITE_PHASE);
    ngx_conf_merge_str_value(conf->route, prev->route, "");
    ngx_conf_merge_str_value(conf->service, prev->service, "");

    if (conf->plugins) {
        mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);

        if (mcf->state.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"weir_plugins\" needs \"weir_state DIR\" in the http block");
            return NGX_CONF_ERROR;
        }

        conf->index = mcf->nlocations++;
    }

    if (conf->http2_handler == NULL) {
        conf->http2_handler = prev->http2_handler;
    }

    return NGX_CONF_OK;
}


/* What `weir run` keeps in its folder, by full names: nginx stands elsewhere. */

static char *
state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    size_t        i;
    u_char       *p;
    ngx_str_t    *value = cf->args->elts;
    main_conf_t  *mcf = conf;

    struct {
        const char  *name;
        ngx_str_t   *to;
    } files[] = {
        { "/current", &mcf->generation }, { "/store", &mcf->store }, { "/control.sock", &mcf->control },
        { "/", &mcf->state },
    };

    if (mcf->generation.len != 0) {
        return "is given already, or conflicts with weir_generation";
    }

    while (value[1].len > 1 && value[1].data[value[1].len - 1] == '/') {
        value[1].len--;
    }

    if (value[1].len == 0 || ngx_conf_full_name(cf->cycle, &value[1], 0) != NGX_OK) {
        return "must be a folder";
    }

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        p = ngx_pnalloc(cf->pool, value[1].len + ngx_strlen(files[i].name) + 1);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        files[i].to->data = p;
        files[i].to->len = ngx_sprintf(p, "%V%s%Z", &value[1], files[i].name) - p - 1;
    }

    if (mcf->control.len >= sizeof(((struct sockaddr_un *) NULL)->sun_path)) {
        return "is too long a path: a socket in it can be named by 107 bytes";
    }

    return NGX_CONF_OK;
}


static char *
enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_weir_loc_conf_t  *lcf = conf;

    lcf->enable = 1;

    return NGX_CONF_OK;
}


/* ---- status ---- */

static ngx_int_t
status_handler(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    ngx_buf_t     *b;
    ngx_str_t      body;
    ngx_chain_t    out;
    struct strbuf  json = { 0 };

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_weir_status_json(&json, str_eq(ngx_http_weir_str(&r->uri), STR("/services")));
    rc = ngx_http_weir_copy(r->pool, strbuf_str(&json), &body);
    strbuf_fini(&json);

    b = ngx_calloc_buf(r->pool);

    if (rc != NGX_OK || b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = body.len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body.data;
    b->last = body.data + body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static char *
status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = status_handler;

    return NGX_CONF_OK;
}


/* ---- hooks ---- */

static ngx_int_t
access_handler(ngx_http_request_t *r)
{
    ngx_http_weir_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (lcf->enable) {
        return ngx_http_weir_access_handler(r);
    }

    return lcf->plugins && lcf->phase == NGX_HTTP_ACCESS_PHASE ? ngx_http_weir_attach_handler(r, lcf) : NGX_DECLINED;
}


static ngx_int_t
rewrite_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_weir_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (!lcf->plugins || lcf->phase != NGX_HTTP_REWRITE_PHASE) {
        return NGX_DECLINED;
    }

    rc = ngx_http_weir_attach_handler(r, lcf);

    return rc == NGX_AGAIN ? NGX_DONE : rc;     /* as this phase says that somebody runs it again */
}


static ngx_int_t
log_handler(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_ctx_find(r);

    if (ctx != NULL) {
        ngx_http_weir_end(ctx);
        ngx_http_weir_count_request(r, ctx);
    }

    return NGX_OK;
}


static void
use_certificates(ngx_http_core_main_conf_t *cmcf)
{
    ngx_uint_t                   i;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_weir_srv_conf_t    *scf;
    ngx_http_core_srv_conf_t   **cscfp;

    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        scf = cscfp[i]->ctx->srv_conf[ngx_http_weir_module.ctx_index];
        sscf = cscfp[i]->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

        if (scf->tls.len != 0 && sscf->ssl.ctx != NULL) {
            ngx_http_weir_certificates_use(sscf->ssl.ctx, scf);
        }
    }
}


static ngx_int_t
init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *handlers;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = access_handler;

    /* The last to come is the first to run: before `return` and `rewrite`. */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = rewrite_handler;

    /* Ahead of nginx's access log, which tells what became of the stream. */

    handlers = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (ngx_array_push(handlers) == NULL) {
        return NGX_ERROR;
    }

    h = handlers->elts;

    for (i = handlers->nelts - 1; i > 0; i--) {
        h[i] = h[i - 1];
    }

    h[0] = log_handler;

    ngx_http_weir_body_init();
    use_certificates(cmcf);

    if (ngx_http_weir_log_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_filter_init(cf);
}


static ngx_int_t
init_module(ngx_cycle_t *cycle)
{
    ngx_http_weir_h2c_init(cycle);

    return ngx_http_weir_notify_init(cycle);
}


static ngx_int_t
init_process(ngx_cycle_t *cycle)
{
    main_conf_t             *mcf;
    ngx_http_weir_worker_t  *w = &ngx_http_weir_worker;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_weir_module);

    if (mcf == NULL || mcf->generation.len == 0
        || (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    w->cycle = cycle;
    w->log_level = mcf->log_level;

    ngx_http_weir_services_init();

    if (ngx_http_weir_copy(cycle->pool, ngx_http_weir_str(&mcf->generation), &w->link) != NGX_OK)
    {
        return NGX_ERROR;
    }

    w->folder = mcf->state;
    w->nlocations = mcf->nlocations;
    w->store = mcf->store;
    w->control = mcf->control;
    w->shared = pw_shared_open(mcf->shared->data, ngx_worker);
    w->plugin_memory = mcf->plugin_memory;

    if (ngx_http_weir_notify_start(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    if (w->control.len != 0
        && ngx_http_weir_channel_start(cycle, &w->control, &channel_ops, w) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_weir_generation_load(w) != NGX_OK && w->folder.len == 0) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
exit_process(ngx_cycle_t *cycle)
{
    bool                     last;
    ngx_http_weir_worker_t  *w = &ngx_http_weir_worker;

    ngx_http_weir_channel_stop();
    ngx_http_weir_notify_stop();
    ngx_http_weir_services_stop();

    if (w->generation != NULL) {
        ngx_http_weir_generation_unref(w->generation);
        w->generation = NULL;
        ngx_http_weir_generation_free_retired(w);
        last = w->generations == 0;

        if (last) {    /* no request that was cut off has VMs that use it */
            pw_shared_close(w->shared);
            w->shared = NULL;
        }
    }

    ngx_http_weir_redis_stop();
}
