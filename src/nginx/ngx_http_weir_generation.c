/*
 * ngx_http_weir_generation.c - a worker's copy of the generation the control process published.
 *
 * The file was checked before it was written, so a file that does not load is a fault of the
 * installation and the worker does not start. A plugin that does not load or start does not
 * stop the worker: its requests fail, or pass it by, as its policy says.
 */

#include "ngx_http_weir_module.h"

#include "gw/load.h"
#include "ngx_http_weir_channel.h"
#include "ngx_stream_weir_module.h"


#define MODULE_BYTES_MAX  (256 * 1024 * 1024)


static void
log_problems(ngx_http_weir_worker_t *w, struct gw_problems *problems)
{
    size_t         i;
    struct strbuf  line;

    for (i = 0; i < problems->list.len; i++) {

        if (problems->list.at[i].warning) {
            continue;
        }

        ngx_memzero(&line, sizeof(line));
        gw_problem_format(&problems->list.at[i], &line);
        ngx_log_error(NGX_LOG_EMERG, w->cycle->log, 0, "[weir] %s", line.at);
        strbuf_fini(&line);
    }
}


static struct gw_config *
load_config(ngx_http_weir_worker_t *w)
{
    struct gw_config   *config;
    struct gw_problems  problems;

    config = NULL;
    gw_problems_init(&problems);

    if (gw_config_load((char *) w->file.data, &config, &problems) != WEIR_OK) {
        log_problems(w, &problems);
        ngx_log_error(NGX_LOG_EMERG, w->cycle->log, 0, "[weir] the generation \"%V\" does not load", &w->file);
        config = NULL;
    }

    gw_problems_fini(&problems);

    return config;
}


static u_char *
read_file(struct str path, size_t *len, char *error, size_t error_size)
{
    u_char           *data;
    size_t            done;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;
    char              name[NGX_MAX_PATH];

    if (path.len >= sizeof(name)) {
        (void) snprintf(error, error_size, "the path is too long");
        return NULL;
    }

    ngx_memcpy(name, path.at, path.len);
    name[path.len] = '\0';

    fd = ngx_open_file(name, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE || ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        (void) snprintf(error, error_size, "cannot open \"%s\": %s", name, strerror(errno));
        goto failed;
    }

    *len = ngx_file_size(&fi);

    if (*len > MODULE_BYTES_MAX) {
        (void) snprintf(error, error_size, "\"%s\" is too large", name);
        goto failed;
    }

    data = ngx_alloc(*len + 1, ngx_cycle->log);
    if (data == NULL) {
        goto failed;
    }

    for (done = 0; done < *len; done += n) {
        n = ngx_read_fd(fd, data + done, *len - done);

        if (n <= 0) {
            (void) snprintf(error, error_size, "cannot read \"%s\": %s", name, strerror(errno));
            ngx_free(data);
            goto failed;
        }
    }

    (void) ngx_close_file(fd);

    return data;

failed:

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    return NULL;
}


static struct weir_module *
load_module(ngx_http_weir_plugin_t *p)
{
    u_char              *bytes;
    size_t               len;
    struct str           path;
    struct weir_module  *module;
    struct weir_report   report;

    if (!gw_plugin_file(p->conf, &path)) {
        (void) snprintf(p->error, sizeof(p->error), "its url is not a file");
        return NULL;
    }

    bytes = read_file(path, &len, p->error, sizeof(p->error));
    if (bytes == NULL) {
        return NULL;
    }

    module = NULL;
    weir_report_init(&report);

    if (weir_module_new(bytes, len, WEIR_FEATURES_ALL, &module, &report) != WEIR_OK) {
        (void) weir_report_format(&report, p->error, sizeof(p->error));
        module = NULL;
    }

    ngx_free(bytes);

    return module;
}


static enum weir_tier
tier(enum gw_runtime runtime)
{
    switch (runtime) {
    case GW_RUNTIME_AOT:
        return WEIR_TIER_AOT;
    case GW_RUNTIME_INTERP:
        return WEIR_TIER_INTERP;
    default:
        return WEIR_TIER_AUTO;
    }
}


/* The store's image of the plugin's module, if there is one that can be used.  NGX_DECLINED: there is none yet;
 * the control process says when there is. */

static ngx_int_t
load_image(ngx_http_weir_worker_t *w, ngx_http_weir_plugin_t *p)
{
    u_char              *end;
    u_char               path[NGX_MAX_PATH];
    ngx_file_info_t      fi;
    struct weir_report   report;

    if (w->store.len == 0 || p->conf->runtime == GW_RUNTIME_INTERP) {
        return NGX_DECLINED;
    }

    end = ngx_snprintf(path, sizeof(path) - 1, "%V/images/%s-%s.aot", &w->store, p->sha256, weir_image_key());
    *end = '\0';

    if (ngx_link_info(path, &fi) == NGX_FILE_ERROR) {
        return NGX_DECLINED;
    }

    weir_report_init(&report);

    if (weir_module_load_image(p->module, (char *) path, &report) != WEIR_OK) {
        ngx_log_error(NGX_LOG_WARN, w->cycle->log, 0, "[weir] plugin %*s: its image is refused and made anew: %s",
                      p->conf->name.len, p->conf->name.at, report.message);
        ngx_http_weir_channel_refused(p->sha256, report.message);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* An image inside of the module is native code from whoever made the module: only where the plugin says so. */

static void
load_own_image(ngx_http_weir_worker_t *w, ngx_http_weir_plugin_t *p)
{
    weir_status         rc;
    struct weir_report  report;

    if (!p->conf->allow_precompiled || p->conf->runtime == GW_RUNTIME_INTERP) {
        return;
    }

    weir_report_init(&report);
    rc = weir_module_load_own_image(p->module, &report);

    if (rc != WEIR_OK && rc != WEIR_E_NOT_FOUND) {
        ngx_log_error(NGX_LOG_WARN, w->cycle->log, 0, "[weir] plugin %*s: the image inside of its module is refused: %s",
                      p->conf->name.len, p->conf->name.at, report.message);
    }
}


const char *
ngx_http_weir_plugin_tier(const ngx_http_weir_plugin_t *p)
{
    switch (p->plugin == NULL ? WEIR_TIER_AUTO : pw_plugin_tier(p->plugin)) {
    case WEIR_TIER_AOT:
        return "aot";
    case WEIR_TIER_INTERP:
        return "interp";
    default:
        return "none";
    }
}


/* A plugin that waits for this image goes over to it: requests under way end on the VM they began with. */

static void
use_image(ngx_http_weir_worker_t *w, ngx_http_weir_plugin_t *p)
{
    struct weir_report  report;

    if (p->plugin == NULL || pw_plugin_tier(p->plugin) == WEIR_TIER_AOT || load_image(w, p) != NGX_OK) {
        return;
    }

    weir_report_init(&report);

    if (pw_plugin_replace_module(p->plugin, p->module, &report) == WEIR_OK) {
        p->error[0] = '\0';
        ngx_log_error(NGX_LOG_NOTICE, w->cycle->log, 0, "[weir] plugin %*s runs compiled",
                      p->conf->name.len, p->conf->name.at);

    } else {
        ngx_log_error(NGX_LOG_ERR, w->cycle->log, 0, "[weir] plugin %*s does not start compiled: %s",
                      p->conf->name.len, p->conf->name.at, report.message);
    }
}


void
ngx_http_weir_generation_image(void *data, struct str sha256)
{
    uint32_t                 i;
    ngx_http_weir_plugin_t  *p;
    ngx_http_weir_worker_t  *w = data;

    for (i = 0; w->generation != NULL && i < w->generation->config->nplugins; i++) {
        p = &w->generation->plugins[i];

        if (str_eq(sha256, str_of(p->sha256))) {
            use_image(w, p);
        }
    }
}


static void
start_plugin(ngx_http_weir_worker_t *w, ngx_pool_t *pool, ngx_http_weir_plugin_t *p)
{
    uint32_t                  i;
    struct pw_env            *env;
    struct weir_report        report;
    struct pw_plugin_options  options;
    const struct gw_plugin   *conf = p->conf;
    const struct pw_server   *server;

    p->module = load_module(p);
    if (p->module == NULL) {
        return;
    }

    hash_hex(weir_module_sha256(p->module), p->sha256);
    load_own_image(w, p);

    if (!weir_module_has_image(p->module)) {
        (void) load_image(w, p);
    }

    env = ngx_pcalloc(pool, (conf->nenv + 1) * sizeof(struct pw_env));
    if (env == NULL) {
        return;
    }

    for (i = 0; i < conf->nenv; i++) {
        env[i].name = conf->env[i].name;
        env[i].value = conf->env[i].value;
    }

    ngx_memzero(&options, sizeof(options));
    options.name = conf->name;
    options.root_id = conf->plugin_name;
    options.env = env;
    options.nenv = conf->nenv;
    options.configs = conf->configs;
    options.nconfigs = conf->nconfigs;
    options.fail_open = conf->fail_strategy == GW_FAIL_OPEN;
    options.tier = tier(conf->runtime);
    options.memory_limit_bytes = conf->memory_limit_bytes;
    options.body_limit_bytes = conf->body_limit_bytes;
    options.cpu_budget_ms = conf->cpu_limit_ms;
    options.start_cpu_budget_ms = conf->start_cpu_limit_ms;

    server = conf->type == GW_PLUGIN_NETWORK ? &ngx_stream_weir_server : &ngx_http_weir_server;
    weir_report_init(&report);

    if (pw_plugin_new(p->module, &options, server, w, &p->plugin, &report) != WEIR_OK) {
        p->plugin = NULL;
        (void) weir_report_format(&report, p->error, sizeof(p->error));

    } else if (pw_plugin_start(p->plugin, &report) != WEIR_OK) {
        (void) weir_report_format(&report, p->error, sizeof(p->error));
    }
}


static ngx_int_t
fill(ngx_http_weir_worker_t *w, ngx_http_weir_generation_t *g)
{
    uint32_t                 i, index;
    const uint32_t          *order;
    ngx_http_weir_plugin_t  *p;

    g->services = ngx_pcalloc(g->pool, (g->config->nservices + 1) * sizeof(ngx_http_weir_service_t));
    g->plugins = ngx_pcalloc(g->pool, (g->config->nplugins + 1) * sizeof(ngx_http_weir_plugin_t));

    if (g->services == NULL || g->plugins == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < g->config->nservices; i++) {
        if (ngx_http_weir_service_init(w, g->pool, &g->services[i], &g->config->services[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    order = gw_generation_plugin_order(g->gw);

    for (i = 0; i < g->config->nplugins; i++) {
        index = order[i];
        p = &g->plugins[index];
        p->conf = &g->config->plugins[index];

        if (p->conf->nconfigs == 0) {
            (void) snprintf(p->error, sizeof(p->error), "nothing can match it");
            continue;
        }

        start_plugin(w, g->pool, p);

        if (p->error[0] != '\0') {
            ngx_log_error(NGX_LOG_ERR, w->cycle->log, 0, "[weir] plugin %*s does not run: %s",
                          p->conf->name.len, p->conf->name.at, p->error);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_generation_load(ngx_http_weir_worker_t *w)
{
    ngx_int_t                    rc;
    ngx_pool_t                  *pool;
    struct gw_config            *config;
    ngx_http_weir_generation_t  *g;

    config = load_config(w);
    if (config == NULL) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, w->cycle->log);
    if (pool == NULL) {
        gw_config_free(config);
        return NGX_ERROR;
    }

    g = ngx_pcalloc(pool, sizeof(ngx_http_weir_generation_t));
    if (g == NULL) {
        gw_config_free(config);
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    g->refs = 1;
    g->pool = pool;
    g->gw = gw_generation_build(config);
    g->config = gw_generation_config(g->gw);

    w->loading = g;
    rc = fill(w, g);
    w->loading = NULL;

    if (rc != NGX_OK) {
        ngx_http_weir_generation_unref(g);
        return NGX_ERROR;
    }

    w->generation = g;

    return NGX_OK;
}


void
ngx_http_weir_generation_unref(ngx_http_weir_generation_t *g)
{
    uint32_t  i;

    if (--g->refs != 0) {
        return;
    }

    for (i = 0; g->plugins != NULL && i < g->config->nplugins; i++) {
        if (g->plugins[i].plugin != NULL) {
            pw_plugin_free(g->plugins[i].plugin);
        }

        weir_module_unref(g->plugins[i].module);
    }

    gw_generation_unref(g->gw);
    ngx_destroy_pool(g->pool);
}
