/*
 * ngx_http_weir_log.c - the line of a request in the access log: one JSON object, as the variable $weir_log.
 *
 * nginx's `escape=json` escapes every variable of a format, so an array cannot be one; and it passes on bytes that are
 * no UTF-8. So the format is this one variable, and the line is made here from nginx's other variables, by the table
 * `fields`. What a plugin's steps did is copied from the stream when that ends (ngx_http_weir_end), and becomes text
 * only when a line is written.
 */

#include "ngx_http_weir_module.h"


typedef struct {
    ngx_str_t             plugin;
    ngx_str_t             details;
    enum pw_outcome       outcome;
    uint64_t              ns;
} entry_t;


struct ngx_http_weir_steps_log_s {
    ngx_uint_t            n;
    entry_t               entries[1];   /* `n` of them, in the order of the chain */
};


typedef void (*write_pt)(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v);


static void write_text(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v);
static void write_number(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v);
static void write_retries(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v);
static void write_plugins(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v);


static const struct {
    const char           *name;
    ngx_str_t             variable;     /* empty: none */
    write_pt              write;
} fields[] = {
    { "time", ngx_string("time_iso8601"), write_text },
    { "client", ngx_string("remote_addr"), write_text },
    { "method", ngx_string("request_method"), write_text },
    { "host", ngx_string("http_host"), write_text },
    { "path", ngx_string("weir_path"), write_text },
    { "protocol", ngx_string("server_protocol"), write_text },
    { "status", ngx_string("status"), write_number },
    { "bytes", ngx_string("body_bytes_sent"), write_number },
    { "duration_s", ngx_string("request_time"), write_number },
    { "route", ngx_string("weir_route"), write_text },
    { "service", ngx_string("weir_service"), write_text },
    { "upstream", ngx_string("upstream_addr"), write_text },
    { "upstream_status", ngx_string("upstream_status"), write_text },
    { "retries", ngx_null_string, write_retries },
    { "plugin", ngx_string("weir_plugin"), write_text },
    { "details", ngx_string("weir_details"), write_text },
    { "plugins", ngx_null_string, write_plugins },
    { "request_id", ngx_string("http_x_request_id"), write_text },
    { "custom_log", ngx_string("weir_custom_log"), write_text },
    { "ai_log", ngx_string("weir_ai_log"), write_text },
};

#define NFIELDS  (sizeof(fields) / sizeof(fields[0]))


static ngx_int_t  indices[NFIELDS];     /* of the variables in this nginx */


static void
write_text(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    strbuf_add_json(b, v == NULL ? STR("") : str_make(v->data, v->len));
}


/* nginx writes a status that was never set as "000", which is no number of JSON. */

static void
write_number(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    struct str  s = v == NULL ? STR("0") : str_make(v->data, v->len);

    while (s.len > 1 && s.at[0] == '0' && s.at[1] >= '0' && s.at[1] <= '9') {
        s = str_slice(s, 1, s.len);
    }

    strbuf_add(b, s);
}


static void
write_retries(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    strbuf_printf(b, "%zu", (size_t) (ctx != NULL && ctx->tries > 1 ? ctx->tries - 1 : 0));
}


static void
write_plugins(struct strbuf *b, ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    ngx_http_weir_steps_write(b, ctx == NULL ? NULL : ctx->steps_log);
}


static ngx_int_t
get_line(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                      i;
    ngx_int_t                   rc;
    struct strbuf               b = { 0 };
    ngx_http_variable_value_t  *value;

    for (i = 0; i < NFIELDS; i++) {
        value = fields[i].variable.len == 0 ? NULL : ngx_http_get_flushed_variable(r, (ngx_uint_t) indices[i]);

        strbuf_printf(&b, "%s\"%s\":", i == 0 ? "{" : ",", fields[i].name);
        fields[i].write(&b, r, value == NULL || value->not_found ? NULL : value);
    }

    strbuf_add_char(&b, '}');

    rc = ngx_http_weir_set_value(r->pool, strbuf_str(&b), v);
    strbuf_fini(&b);

    return rc;
}


ngx_int_t
ngx_http_weir_log_add_variable(ngx_conf_t *cf)
{
    ngx_str_t             name = ngx_string("weir_log");
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, &name, 0);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = get_line;

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_log_init(ngx_conf_t *cf)
{
    size_t     i;
    ngx_str_t  name;

    for (i = 0; i < NFIELDS; i++) {
        name = fields[i].variable;

        if (name.len != 0) {
            indices[i] = ngx_http_get_variable_index(cf, &name);

            if (indices[i] == NGX_ERROR) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* ---- what plugins did ---- */

static void
add_entry(ngx_http_weir_steps_log_t *log, ngx_pool_t *pool, ngx_http_weir_plugin_t *plugin, struct pw_step_report report)
{
    entry_t  *e;

    ngx_http_weir_count_step(plugin->counts, &report);

    if (report.outcome == PW_OUTCOME_NONE) {
        return;
    }

    e = &log->entries[log->n];

    if (ngx_http_weir_copy(pool, report.details, &e->details) != NGX_OK) {
        return;
    }

    e->plugin = ngx_http_weir_ngx_str(plugin->conf->name);
    e->outcome = report.outcome;
    e->ns = report.ns;
    log->n++;
}


ngx_http_weir_steps_log_t *
ngx_http_weir_steps_log(ngx_pool_t *pool, const ngx_http_weir_link_t *chain, size_t n, const struct pw_stream *stream)
{
    size_t                      i;
    ngx_http_weir_steps_log_t  *log;
    struct pw_step_report       none = { .outcome = PW_OUTCOME_NONE, .details = STR("") };
    struct pw_step_report       stopped = { .outcome = PW_OUTCOME_STOPPED, .details = STR("") };

    log = n == 0 ? NULL : ngx_pcalloc(pool, sizeof(ngx_http_weir_steps_log_t) + n * sizeof(entry_t));

    for (i = 0; log != NULL && i < n; i++) {
        add_entry(log, pool, chain[i].plugin, chain[i].step < 0 ? stopped
                  : stream == NULL ? none : pw_stream_step_report(stream, (size_t) chain[i].step));
    }

    return log;
}


void
ngx_http_weir_steps_write(struct strbuf *b, const ngx_http_weir_steps_log_t *log)
{
    ngx_uint_t      i;
    const entry_t  *e;

    strbuf_add_char(b, '[');

    for (i = 0; log != NULL && i < log->n; i++) {
        e = &log->entries[i];

        strbuf_printf(b, "%s{\"name\":", i == 0 ? "" : ",");
        strbuf_add_json(b, str_make(e->plugin.data, e->plugin.len));
        strbuf_printf(b, ",\"outcome\":\"%s\"", pw_outcome_name(e->outcome));

        if (e->details.len != 0) {
            strbuf_printf(b, ",\"details\":");
            strbuf_add_json(b, str_make(e->details.data, e->details.len));
        }

        strbuf_printf(b, ",\"time_us\":%llu.%03u}", (unsigned long long) (e->ns / 1000), (unsigned) (e->ns % 1000));
    }

    strbuf_add_char(b, ']');
}
