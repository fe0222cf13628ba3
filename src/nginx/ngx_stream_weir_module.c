/*
 * ngx_stream_weir_module.c - the stream module as nginx sees it: its directive.
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
    ngx_stream_weir_log_add_variable,
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
