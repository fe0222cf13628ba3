/*
 * ngx_http_weir_generation.c - a worker's copy of the generation the control process published.
 *
 * A link names the file of the generation in force. A worker loads it when it starts, before it accepts, and
 * again when the control process says that the link changed: between two events it builds the new generation
 * and swaps one pointer. Requests keep the one they began with; the last of them has it freed.
 *
 * A plugin whose VM would be the same goes over from the generation before, VM and all. One that does not load
 * or start any more, but did before, has the worker decline the whole generation: the control process then
 * publishes one with that plugin's last good version. One that never ran does not stop anything: its requests
 * fail, or pass it by, as its policy says.
 *
 * The file was checked before it was written, so a file that does not load is a fault of the installation: a
 * worker that has none does not start, one that has keeps its own. A worker of an nginx that somebody else started
 * does start (weir_state): only its requests that are to pass plugins wait for a generation.
 */

#include "ngx_http_weir_module.h"

#include "gw/load.h"
#include "gw/same.h"
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


/* Where a file of the generation's is: beside it, or where the worker stands. */

static bool
place(struct str path, char *out, size_t size)
{
    int         n;
    ngx_str_t  *folder = &ngx_http_weir_worker.folder;

    n = snprintf(out, size, "%.*s%.*s", path.len != 0 && path.at[0] == '/' ? 0 : (int) folder->len,
                 folder->len != 0 ? (char *) folder->data : "", (int) path.len, path.at);

    return n > 0 && (size_t) n < size;
}


static struct gw_config *
load_config(ngx_http_weir_worker_t *w, const char *file)
{
    char                     path[NGX_MAX_PATH];
    struct gw_config        *config;
    struct gw_sources        sources;
    struct gw_problems       problems;
    static struct gw_pieces  pieces; /* of the generation before */

    config = NULL;
    ngx_memzero(&sources, sizeof(sources));
    gw_problems_init(&problems);

    if (!place(str_of(file), path, sizeof(path)) || gw_sources_read(path, &sources, &problems) != WEIR_OK
        || gw_config_load_sources(&sources, "", STR(""), &pieces, &config, &problems) != WEIR_OK)
    {
        log_problems(w, &problems);
        ngx_log_error(NGX_LOG_EMERG, w->cycle->log, 0, "[weir] the generation \"%s\" does not load", file);
        config = NULL;
    }

    gw_sources_fini(&sources);
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

    if (!place(path, name, sizeof(name))) {
        (void) snprintf(error, error_size, "the path is too long");
        return NULL;
    }

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
        (void) snprintf(p->error, sizeof(p->error), "its module has not been fetched yet");
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


static enum pw_isolation
isolation(enum gw_isolation isolation)
{
    switch (isolation) {
    case GW_ISOLATION_ROUTE:
        return PW_ISOLATION_ROUTE;
    case GW_ISOLATION_REQUEST:
        return PW_ISOLATION_REQUEST;
    default:
        return PW_ISOLATION_SHARED;
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

    p->sharers = ngx_alloc(sizeof(ngx_uint_t), w->cycle->log);
    if (p->sharers == NULL) {
        (void) snprintf(p->error, sizeof(p->error), "no memory");
        return;
    }

    *p->sharers = 1;
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
    options.isolation = isolation(conf->isolation);
    options.growth_bytes = conf->growth_bytes;
    options.vm_streams = conf->vm_requests;
#define PW_QUOTA(id, name, ...) options.quotas[PW_QUOTA_##id] = conf->quotas.name;
#include "weir/pw_quota.def"
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


static void
drop_plugin(ngx_http_weir_plugin_t *p)
{
    if (p->sharers == NULL || --*p->sharers != 0) {
        return;
    }

    if (p->plugin != NULL) {
        pw_plugin_free(p->plugin);
    }

    weir_module_unref(p->module);
    ngx_free(p->sharers);
}


static ngx_http_weir_plugin_t *
find_plugin(ngx_http_weir_generation_t *g, struct str name)
{
    uint32_t  i;

    i = g == NULL ? GW_NONE : gw_config_find_plugin(g->config, name);

    return i == GW_NONE ? NULL : &g->plugins[i];
}


/* Take the plugin over from the generation before, if its VM would be the same. */

static bool
share_plugin(ngx_http_weir_plugin_t *p, const ngx_http_weir_plugin_t *before)
{
    uint32_t  i;

    if (before == NULL || before->plugin == NULL || before->error[0] != '\0'
        || !gw_plugin_same_vm(before->conf, p->conf, p->roots))
    {
        return false;
    }

    for (i = 0; i < p->conf->nconfigs; i++) {
        p->roots[i] = before->roots[p->roots[i]];
    }

    p->sharers = before->sharers;
    p->module = before->module;
    p->plugin = before->plugin;
    ngx_memcpy(p->sha256, before->sha256, sizeof(p->sha256));
    (*p->sharers)++;

    return true;
}


static void
tell_plugin(const char *what, const char *file, uint32_t index, const char *why)
{
    char  words[600];

    (void) snprintf(words, sizeof(words), "%u %s", index, why);
    ngx_http_weir_channel_tell(what, file, words);
}


/* What all plugins have after their start, in all workers, must fit into what the operator gave them. */

static void
check_memory(ngx_http_weir_worker_t *w, ngx_http_weir_generation_t *g, ngx_http_weir_plugin_t *p)
{
    uint32_t          i;
    uint64_t          own, all;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(w->cycle->conf_ctx, ngx_core_module);
    own = pw_plugin_memory_bytes(p->plugin);
    all = 0;

    for (i = 0; i < g->config->nplugins; i++) {
        all += g->plugins[i].plugin == NULL ? 0 : pw_plugin_memory_bytes(g->plugins[i].plugin);
    }

    if (w->plugin_memory == 0 || all * ccf->worker_processes <= w->plugin_memory) {
        return;
    }

    (void) snprintf(p->error, sizeof(p->error), "it has %llu KiB after its start: with %llu KiB of other plugins, in %d "
                    "workers, that is more than the %llu KiB of weir run --plugin-mib",
                    (unsigned long long) own >> 10, (unsigned long long) (all - own) >> 10,
                    (int) ccf->worker_processes, (unsigned long long) w->plugin_memory >> 10);

    pw_plugin_free(p->plugin);
    p->plugin = NULL;
}


/* NGX_DECLINED: it did not start, and did before. */

static ngx_int_t
fill_plugin(ngx_http_weir_worker_t *w, ngx_http_weir_generation_t *g, const char *file, uint32_t index)
{
    uint32_t                 i;
    ngx_http_weir_plugin_t  *before, *p = &g->plugins[index];

    p->conf = &g->config->plugins[index];
    p->roots = ngx_palloc(g->pool, (p->conf->nconfigs + 1) * sizeof(uint32_t));
    p->counts = ngx_http_weir_plugin_counts_get(p->conf->name);

    if (p->roots == NULL || p->counts == NULL) {
        return NGX_ERROR;
    }

    if (p->conf->nconfigs == 0) {
        (void) snprintf(p->error, sizeof(p->error), "nothing can match it");
        return NGX_OK;
    }

    before = find_plugin(w->generation, p->conf->name);

    if (share_plugin(p, before)) {
        return NGX_OK;
    }

    for (i = 0; i < p->conf->nconfigs; i++) {
        p->roots[i] = i;
    }

    start_plugin(w, g->pool, p);

    if (p->error[0] == '\0') {
        check_memory(w, g, p);
    }

    if (p->error[0] == '\0') {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, w->cycle->log, 0, "[weir] plugin %*s does not run: %s",
                  p->conf->name.len, p->conf->name.at, p->error);

    if (before != NULL && before->conf->nconfigs != 0 && before->error[0] == '\0') {
        tell_plugin("declined", file, index, p->error);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
fill(ngx_http_weir_worker_t *w, ngx_http_weir_generation_t *g, const char *file)
{
    uint32_t         i;
    ngx_int_t        rc;
    const uint32_t  *order;

    g->services = ngx_pcalloc(g->pool, (g->config->nservices + 1) * sizeof(ngx_http_weir_service_t));
    g->plugins = ngx_pcalloc(g->pool, (g->config->nplugins + 1) * sizeof(ngx_http_weir_plugin_t));

    g->locations = ngx_pcalloc(g->pool, (w->nlocations + 1) * sizeof(struct gw_location *));

    if (g->services == NULL || g->plugins == NULL || g->locations == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < g->config->nservices; i++) {
        if (ngx_http_weir_service_init(w, g->pool, &g->services[i], &g->config->services[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_weir_certificates_init(g) != NGX_OK) {
        return NGX_ERROR;
    }

    order = gw_generation_plugin_order(g->gw);

    for (i = 0; i < g->config->nplugins; i++) {
        rc = fill_plugin(w, g, file, order[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* ---- building, swapping, freeing ---- */

/* Which generations are in memory here: their numbers, newest first, as many as fit. */

static void
tell_holds(ngx_http_weir_worker_t *w)
{
    char                         words[120];
    size_t                       len = 0;
    const char                  *digits;
    ngx_http_weir_generation_t  *g;

    words[0] = '\0';

    for (g = w->newest; g != NULL && len < sizeof(words) - 16; g = g->older) {
        digits = g->file + strcspn(g->file, "0123456789");
        len += snprintf(words + len, sizeof(words) - len, "%s%lu", len == 0 ? "" : " ", strtoul(digits, NULL, 10));
    }

    if (len != 0) {
        ngx_http_weir_channel_tell("holds", words, "");
    }
}


static void
free_generation(ngx_http_weir_worker_t *w, ngx_http_weir_generation_t *g)
{
    uint32_t                      i;
    ngx_http_weir_generation_t  **at;

    for (at = &w->newest; *at != NULL; at = &(*at)->older) {
        if (*at == g) {
            *at = g->older;
            break;
        }
    }

    for (i = 0; g->plugins != NULL && i < g->config->nplugins; i++) {
        drop_plugin(&g->plugins[i]);
        ngx_http_weir_plugin_counts_unref(g->plugins[i].counts);
    }

    ngx_http_weir_certificates_fini(g);
    gw_generation_unref(g->gw);
    ngx_destroy_pool(g->pool);
    w->generations--;
}


void
ngx_http_weir_generation_free_retired(ngx_http_weir_worker_t *w)
{
    ngx_http_weir_generation_t  *g;

    while ((g = w->retired) != NULL) {
        w->retired = g->retired;
        free_generation(w, g);
    }
}


static void
retire_handler(ngx_event_t *ev)
{
    ngx_http_weir_generation_free_retired(ev->data);
    tell_holds(ev->data);
}


void
ngx_http_weir_generation_unref(ngx_http_weir_generation_t *g)
{
    ngx_http_weir_worker_t  *w = &ngx_http_weir_worker;

    if (--g->refs != 0) {
        return;
    }

    g->retired = w->retired;
    w->retired = g;
    ngx_post_event(&w->retire, &ngx_posted_events);
}


/* How long this worker waits for what is under way when it ends: the generation's word, or what nginx.conf says. An nginx
 * of somebody else's has its own. */

static void
set_drain_timeout(ngx_http_weir_worker_t *w)
{
    ngx_core_conf_t    *ccf;
    static ngx_msec_t   told;

    if (w->folder.len != 0) {
        return;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(w->cycle->conf_ctx, ngx_core_module);

    if (told == 0) {
        told = ccf->shutdown_timeout;
    }

    ccf->shutdown_timeout = w->generation->config->drain_timeout_ms != 0 ? w->generation->config->drain_timeout_ms : told;
}


/* Put the generation of a file in force. NGX_DECLINED: a plugin does not start, and did before. */

static ngx_int_t
take(ngx_http_weir_worker_t *w, const char *file)
{
    ngx_int_t                    rc;
    ngx_pool_t                  *pool;
    struct gw_config            *config;
    ngx_http_weir_generation_t  *g, *before;

    config = load_config(w, file);
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
    w->generations++;
    g->older = w->newest;
    w->newest = g;
    ngx_cpystrn((u_char *) g->file, (u_char *) file, sizeof(g->file));

    w->loading = g;
    rc = fill(w, g, file);
    w->loading = NULL;

    if (rc != NGX_OK) {
        free_generation(w, g);
        return rc;
    }

    before = w->generation;
    w->generation = g;
    ngx_cpystrn((u_char *) w->file, (u_char *) file, sizeof(w->file));

    set_drain_timeout(w);
    ngx_http_weir_services_commit(g, before);

    if (before != NULL) {
        ngx_http_weir_generation_unref(before);
    }

    return NGX_OK;
}


/* The file that the link names now; a file that is no link names itself. */

static ngx_int_t
read_link(ngx_http_weir_worker_t *w, char *file)
{
    ssize_t  n;

    n = readlink((char *) w->link.data, file, NGX_HTTP_WEIR_NAME_BYTES - 1);

    if (n < 0 && ngx_errno == NGX_EINVAL && w->link.len < NGX_HTTP_WEIR_NAME_BYTES) {
        n = w->link.len;
        ngx_memcpy(file, w->link.data, n);
    }

    if (n < 0 && w->folder.len != 0) {
        ngx_log_error(NGX_LOG_ERR, w->cycle->log, ngx_errno, "[weir] there is no configuration of plugins that can be "
                      "read at \"%V\": `weir run --attach -c FILE --state %*s` makes it; until then requests that are "
                      "to pass plugins get 503", &w->link, w->folder.len - 1, w->folder.data);
        return NGX_ERROR;
    }

    if (n < 0) {
        ngx_log_error(NGX_LOG_EMERG, w->cycle->log, ngx_errno, "[weir] cannot read the link \"%V\"", &w->link);
        return NGX_ERROR;
    }

    file[n] = '\0';

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_generation_load(ngx_http_weir_worker_t *w)
{
    char  file[NGX_HTTP_WEIR_NAME_BYTES];

    w->retire.handler = retire_handler;
    w->retire.data = w;
    w->retire.log = w->cycle->log;

    if (read_link(w, file) != NGX_OK) {
        return NGX_ERROR;
    }

    return take(w, file) == NGX_OK ? NGX_OK : NGX_ERROR;
}


/* The control process also says so to whom it does not know: the answer tells what is in force here. */

void
ngx_http_weir_generation_change(void *data)
{
    char                     file[NGX_HTTP_WEIR_NAME_BYTES];
    uint32_t                 i;
    ngx_int_t                rc = NGX_OK;
    ngx_http_weir_worker_t  *w = data;

    if ((w->generation == NULL && w->folder.len == 0) || read_link(w, file) != NGX_OK) {
        return;
    }

    if (w->generation == NULL || ngx_strcmp(file, w->file) != 0) {
        rc = take(w, file);
    }

    if (rc == NGX_ERROR) {
        ngx_http_weir_channel_tell("unusable", file, "");
    }

    if (rc != NGX_OK) {
        return;
    }

    for (i = 0; i < w->generation->config->nplugins; i++) {
        if (w->generation->plugins[i].error[0] != '\0' && w->generation->config->plugins[i].nconfigs != 0) {
            tell_plugin("failed", file, i, w->generation->plugins[i].error);
        }
    }

    tell_holds(w);
    ngx_http_weir_channel_tell("applied", file, "");
}
