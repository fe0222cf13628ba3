/*
 * ngx_http_weir_trailers.c - the response's trailers as a Proxy-Wasm header map.
 *
 * nginx 1.22 shows no trailers of the upstream: what is here, plugins made. An element with hash 0 is removed.
 */

#include "ngx_http_weir_module.h"


/* The element at or after part, i that is not removed; NULL at the end. */

static ngx_table_elt_t *
next_trailer(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (*i >= (*part)->nelts) {

            if ((*part)->next == NULL) {
                return NULL;
            }

            *part = (*part)->next;
            *i = 0;
            continue;
        }

        h = (*part)->elts;
        h += (*i)++;

        if (h->hash != 0) {
            return h;
        }
    }
}


size_t
ngx_http_weir_trailers_count(ngx_http_weir_ctx_t *ctx)
{
    size_t            n;
    ngx_uint_t        i;
    ngx_list_part_t  *part;

    n = 0;
    i = 0;
    part = &ctx->request->headers_out.trailers.part;

    while (next_trailer(&part, &i) != NULL) {
        n++;
    }

    return n;
}


bool
ngx_http_weir_trailers_at(ngx_http_weir_ctx_t *ctx, size_t which, struct pw_header *out)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &ctx->request->headers_out.trailers.part;

    do {
        h = next_trailer(&part, &i);
    } while (h != NULL && which-- != 0);

    if (h == NULL) {
        return false;
    }

    out->name = ngx_http_weir_str(&h->key);
    out->value = ngx_http_weir_str(&h->value);

    return true;
}


static ngx_table_elt_t *
find(ngx_http_weir_ctx_t *ctx, struct str name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &ctx->request->headers_out.trailers.part;

    while ((h = next_trailer(&part, &i)) != NULL) {
        if (str_ieq(ngx_http_weir_str(&h->key), name)) {
            return h;
        }
    }

    return NULL;
}


bool
ngx_http_weir_trailers_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value)
{
    ngx_table_elt_t  *h = find(ctx, name);

    if (h == NULL) {
        return false;
    }

    *value = ngx_http_weir_str(&h->value);

    return true;
}


bool
ngx_http_weir_trailers_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    ngx_str_t         k, v;
    ngx_table_elt_t  *h;

    if (!ngx_http_weir_header_ok(name, value) || name.at[0] == ':'
        || ngx_http_weir_copy(ctx->request->pool, name, &k) != NGX_OK
        || ngx_http_weir_copy(ctx->request->pool, value, &v) != NGX_OK)
    {
        return false;
    }

    h = ngx_list_push(&ctx->request->headers_out.trailers);
    if (h == NULL) {
        return false;
    }

    h->hash = 1;
    h->key = k;
    h->value = v;
    h->lowcase_key = k.data;

    return true;
}


bool
ngx_http_weir_trailers_remove(ngx_http_weir_ctx_t *ctx, struct str name)
{
    ngx_table_elt_t  *h;

    while ((h = find(ctx, name)) != NULL) {
        h->hash = 0;
    }

    return true;
}


bool
ngx_http_weir_trailers_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    return ngx_http_weir_trailers_remove(ctx, name) && ngx_http_weir_trailers_add(ctx, name, value);
}


bool
ngx_http_weir_trailers_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n)
{
    size_t            i;
    ngx_uint_t        elt;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    elt = 0;
    part = &ctx->request->headers_out.trailers.part;

    while ((h = next_trailer(&part, &elt)) != NULL) {
        h->hash = 0;
    }

    for (i = 0; i < n; i++) {
        if (!ngx_http_weir_trailers_add(ctx, entries[i].name, entries[i].value)) {
            return false;
        }
    }

    return true;
}
