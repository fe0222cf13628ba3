/*
 * ngx_stream_weir_module.c - the stream module as nginx sees it: directives and variables.
 *
 *   weir_tcp ADDRESS;    server: connections go to the service of this listener of the generation, through its
 *                        plugins
 *
 * It is in one shared object with the HTTP module, whose worker it uses: generation, services, plugins. So it
 * needs an http block with weir_generation beside it.  `weir run` writes the only configuration that uses
 * it (src/control/nginx_conf.c).
 */

#include "ngx_stream_weir_module.h"


typedef struct {
    ngx_ssl_t    ssl;           /* to clients; made by the first weir_tcp */
} main_conf_t;


typedef struct {
    ngx_str_t    listener;
} srv_conf_t;


static ngx_int_t add_variables(ngx_conf_t *cf);
static void *create_main_conf(ngx_conf_t *cf);
static void *create_srv_conf(ngx_conf_t *cf);
static char *enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


static ngx_command_t  commands[] = {

    { ngx_string("weir_tcp"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      enable,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  module_ctx = {
    add_variables,
    NULL,

    create_main_conf,
    NULL,

    create_srv_conf,
    NULL
};


__attribute__((visibility("default")))
ngx_module_t  ngx_stream_weir_module = {
    NGX_MODULE_V1,
    &module_ctx,
    commands,
    NGX_STREAM_MODULE,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NGX_MODULE_V1_PADDING
};


/* ---- variables, for the access log ---- */

enum { VAR_LISTENER, VAR_SERVICE, VAR_UPSTREAM, VAR_PLUGIN, VAR_DETAILS };


static ngx_int_t
get_variable(ngx_stream_session_t *s, ngx_stream_variable_value_t *v, uintptr_t which)
{
    ngx_str_t               text = ngx_null_string;
    ngx_stream_weir_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_weir_module);

    if (ctx != NULL) {

        switch (which) {

        case VAR_LISTENER:
            text = ngx_http_weir_ngx_str(ctx->listener->text);
            break;

        case VAR_SERVICE:
            text = ngx_http_weir_ngx_str(ctx->service->conf->name);
            break;

        case VAR_UPSTREAM:
            if (ctx->peer != NULL) {
                text = ctx->peer->name;
            }

            break;

        case VAR_PLUGIN:
            text = ctx->plugin;
            break;

        case VAR_DETAILS:
            text = ctx->details;
            break;
        }
    }

    v->data = text.data;
    v->len = text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_stream_variable_t  variables[] = {
    { ngx_string("weir_listener"), NULL, get_variable, VAR_LISTENER, NGX_STREAM_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_service"), NULL, get_variable, VAR_SERVICE, NGX_STREAM_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_upstream"), NULL, get_variable, VAR_UPSTREAM, NGX_STREAM_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_plugin"), NULL, get_variable, VAR_PLUGIN, NGX_STREAM_VAR_NOCACHEABLE, 0 },
    { ngx_string("weir_details"), NULL, get_variable, VAR_DETAILS, NGX_STREAM_VAR_NOCACHEABLE, 0 },
    ngx_stream_null_variable
};


static ngx_int_t
add_variables(ngx_conf_t *cf)
{
    ngx_stream_variable_t  *var, *v;

    for (v = variables; v->name.len; v++) {
        var = ngx_stream_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* ---- configuration ---- */

static void *
create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(main_conf_t));
}


static void *
create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(srv_conf_t));
}


static void
handler(ngx_stream_session_t *s)
{
    srv_conf_t   *scf;
    main_conf_t  *mcf;

    mcf = ngx_stream_get_module_main_conf(s, ngx_stream_weir_module);
    scf = ngx_stream_get_module_srv_conf(s, ngx_stream_weir_module);

    ngx_stream_weir_start(s, &scf->listener, &mcf->ssl);
}


static char *
enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    srv_conf_t                  *scf = conf;
    main_conf_t                 *mcf;
    ngx_stream_core_srv_conf_t  *cscf;

    value = cf->args->elts;
    scf->listener = value[1];

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);
    cscf->handler = handler;

    mcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_weir_module);

    if (mcf->ssl.ctx == NULL && ngx_stream_weir_tls_create(cf, &mcf->ssl) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
