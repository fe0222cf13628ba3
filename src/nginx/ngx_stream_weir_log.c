/*
 * ngx_stream_weir_log.c - the line of a TCP connection in its access log: one JSON object, as the variable $weir_log.
 *
 * As for requests (ngx_http_weir_log.c), and with the same list of what plugins did. A connection that ended before it was
 * ours (a PROXY header that nginx refuses) has no listener, service and plugins in its line.
 */

#include "ngx_stream_weir_module.h"


static void
add_text(struct strbuf *b, const char *name, struct str value)
{
    strbuf_printf(b, "\"%s\":", name);
    strbuf_add_json(b, value);
    strbuf_add_char(b, ',');
}


static void
add_duration(struct strbuf *b, ngx_stream_session_t *s)
{
    int64_t      ms;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    ms = ngx_max(((int64_t) tp->sec - s->start_sec) * 1000 + ((int64_t) tp->msec - (int64_t) s->start_msec), 0);

    strbuf_printf(b, "\"duration_s\":%lld.%03d,", (long long) (ms / 1000), (int) (ms % 1000));
}


static ngx_int_t
get_line(ngx_stream_session_t *s, ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_int_t               rc;
    ngx_str_t               none = ngx_null_string;
    struct strbuf           b = { 0 };
    ngx_connection_t       *c = s->connection;
    ngx_stream_weir_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_weir_module);

    strbuf_add_char(&b, '{');
    add_text(&b, "time", ngx_http_weir_str((ngx_str_t *) &ngx_cached_http_log_iso8601));
    add_text(&b, "client", ngx_http_weir_str(&c->addr_text));
    add_text(&b, "listener", ctx == NULL ? STR("") : ctx->listener->text);
    strbuf_printf(&b, "\"status\":%u,\"received\":%lld,\"sent\":%lld,", (unsigned) s->status, (long long) s->received,
                  (long long) c->sent);
    add_duration(&b, s);
    add_text(&b, "service", ctx == NULL ? STR("") : ctx->service->conf->name);
    add_text(&b, "upstream", ngx_http_weir_str(ctx == NULL || ctx->peer == NULL ? &none : &ctx->peer->name));
    add_text(&b, "plugin", ngx_http_weir_str(ctx == NULL ? &none : &ctx->plugin));
    add_text(&b, "details", ngx_http_weir_str(ctx == NULL ? &none : &ctx->details));
    strbuf_printf(&b, "\"plugins\":");
    ngx_http_weir_steps_write(&b, ctx == NULL ? NULL : ctx->steps_log);
    strbuf_add_char(&b, '}');

    rc = ngx_http_weir_set_value(c->pool, strbuf_str(&b), v);
    strbuf_fini(&b);

    return rc;
}


ngx_int_t
ngx_stream_weir_log_add_variable(ngx_conf_t *cf)
{
    ngx_str_t               name = ngx_string("weir_log");
    ngx_stream_variable_t  *var;

    var = ngx_stream_add_variable(cf, &name, 0);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = get_line;

    return NGX_OK;
}
