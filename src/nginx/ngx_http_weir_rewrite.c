/*
 * ngx_http_weir_rewrite.c - what a route changes in headers, and how large it lets a request be.
 *
 * Requests: after the plugins, before the upstream module makes its request. Responses: after the plugins, whoever
 * answered. Limits of headers and of an announced body hold before any plugin runs; a body without a length is
 * counted as it is read (ngx_http_weir_body.c).
 */

#include "ngx_http_weir_module.h"

#include "gw/template.h"


typedef bool (*change_pt)(ngx_http_weir_ctx_t *ctx, struct str name, struct str value);


static struct str
variable(void *data, enum gw_variable v)
{
    struct str            s = STR("");
    ngx_http_weir_ctx_t  *ctx = data;
    ngx_http_request_t   *r = ctx->request;

    switch (v) {

    case GW_VAR_CLIENT:
        return ngx_http_weir_str(&r->connection->addr_text);

    case GW_VAR_HOST:
        (void) ngx_http_weir_in_get(ctx, STR(":authority"), &s);
        return s;

    case GW_VAR_METHOD:
        return ngx_http_weir_str(&r->method_name);

    case GW_VAR_PATH:
        return ngx_http_weir_str(&ctx->client_path);

    case GW_VAR_REQUEST_ID:
        (void) ngx_http_weir_in_get(ctx, STR("x-request-id"), &s);
        return s;

    case GW_VAR_ROUTE:
        return ctx->generation->config->routes[ctx->route].name;

    case GW_VAR_SCHEME:
        return r->connection->ssl ? STR("https") : STR("http");

    case GW_VAR_SERVICE:
        return ctx->service != NULL ? ctx->service->conf->name : s;
    }

    return s;
}


static ngx_int_t
change(ngx_http_weir_ctx_t *ctx, const struct gw_header_value *values, uint32_t n, change_pt how)
{
    bool           ok;
    uint32_t       i;
    ngx_str_t      value;
    struct strbuf  text = { 0 };

    for (i = 0; i < n; i++) {
        text.len = 0;
        gw_template_expand(values[i].value, variable, ctx, &text);

        ok = ngx_http_weir_copy(ctx->request->pool, strbuf_str(&text), &value) == NGX_OK
             && how(ctx, values[i].name, ngx_http_weir_str(&value));

        if (!ok) {
            strbuf_fini(&text);
            return NGX_ERROR;
        }
    }

    strbuf_fini(&text);

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_change_request(ngx_http_weir_ctx_t *ctx)
{
    uint32_t                         i;
    const struct gw_header_changes  *h = ctx->generation->config->routes[ctx->route].request_headers;

    if (h == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < h->nremove; i++) {
        (void) ngx_http_weir_in_remove(ctx, h->remove[i]);
    }

    if (change(ctx, h->set, h->nset, ngx_http_weir_in_replace) != NGX_OK) {
        return NGX_ERROR;
    }

    return change(ctx, h->add, h->nadd, ngx_http_weir_in_add);
}


ngx_int_t
ngx_http_weir_change_response(ngx_http_weir_ctx_t *ctx)
{
    uint32_t                         i;
    const struct gw_header_changes  *h;

    h = ctx->route == GW_NONE ? NULL : ctx->generation->config->routes[ctx->route].response_headers;

    if (h == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < h->nremove; i++) {
        (void) ngx_http_weir_out_remove(ctx, h->remove[i]);
    }

    if (change(ctx, h->set, h->nset, ngx_http_weir_out_replace) != NGX_OK) {
        return NGX_ERROR;
    }

    return change(ctx, h->add, h->nadd, ngx_http_weir_out_add);
}


void
ngx_http_weir_measure_headers(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {

        h = part->elts;
        ctx->header_count += part->nelts;

        for (i = 0; i < part->nelts; i++) {
            ctx->header_bytes += h[i].key.len + h[i].value.len;
        }
    }
}


ngx_uint_t
ngx_http_weir_too_large(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    const struct gw_route  *route = &ctx->generation->config->routes[ctx->route];

    if ((route->header_count != 0 && ctx->header_count > route->header_count)
        || (route->header_bytes != 0 && ctx->header_bytes > route->header_bytes))
    {
        return 431;
    }

    if (route->request_body_bytes != 0) {

        if (r->headers_in.content_length_n > 0
            && (uint64_t) r->headers_in.content_length_n > route->request_body_bytes)
        {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        ctx->body_limit = route->request_body_bytes;
    }

    return 0;
}
