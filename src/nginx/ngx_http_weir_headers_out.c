/*
 * ngx_http_weir_headers_out.c - the response's headers as a Proxy-Wasm header map.
 *
 * The map is :status, content-type and content-length, which nginx keeps outside its list, and then
 * r->headers_out.headers. An element of hash 0 is removed. nginx frames the response: connection and
 * transfer-encoding are not in the map and changes to them are ignored; a content-length other than the
 * body's own becomes no content-length.
 */

#include "ngx_http_weir_module.h"


enum { OUT_STATUS, OUT_TYPE, OUT_LENGTH, OUT_COUNT };

static const struct str  fixed_names[OUT_COUNT] = {
    { ":status", 7 }, { "content-type", 12 }, { "content-length", 14 },
};

/* Headers of the list that nginx also points at. */

static const struct {
    struct str  name;
    size_t      offset;
} pointed[] = {
    { { "server", 6 }, offsetof(ngx_http_headers_out_t, server) },
    { { "date", 4 }, offsetof(ngx_http_headers_out_t, date) },
    { { "content-encoding", 16 }, offsetof(ngx_http_headers_out_t, content_encoding) },
    { { "location", 8 }, offsetof(ngx_http_headers_out_t, location) },
    { { "refresh", 7 }, offsetof(ngx_http_headers_out_t, refresh) },
    { { "last-modified", 13 }, offsetof(ngx_http_headers_out_t, last_modified) },
    { { "content-range", 13 }, offsetof(ngx_http_headers_out_t, content_range) },
    { { "accept-ranges", 13 }, offsetof(ngx_http_headers_out_t, accept_ranges) },
    { { "www-authenticate", 16 }, offsetof(ngx_http_headers_out_t, www_authenticate) },
    { { "expires", 7 }, offsetof(ngx_http_headers_out_t, expires) },
    { { "etag", 4 }, offsetof(ngx_http_headers_out_t, etag) },
};

static const struct str  framing[] = {
    { "connection", 10 }, { "transfer-encoding", 17 }, { "keep-alive", 10 },
    { "proxy-connection", 16 }, { "trailer", 7 },
};


static bool
is_framing(struct str name)
{
    size_t  i;

    for (i = 0; i < sizeof(framing) / sizeof(framing[0]); i++) {
        if (str_eq(name, framing[i])) {
            return true;
        }
    }

    return false;
}


static bool
fixed_value(ngx_http_request_t *r, size_t which, struct str *value)
{
    u_char  *p, *end;

    if (which == OUT_TYPE) {
        *value = ngx_http_weir_str(&r->headers_out.content_type);
        return value->len != 0;
    }

    if (which == OUT_LENGTH && r->headers_out.content_length_n < 0) {
        return false;
    }

    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
    if (p == NULL) {
        return false;
    }

    if (which == OUT_LENGTH) {
        end = ngx_sprintf(p, "%O", r->headers_out.content_length_n);

    } else {
        end = ngx_sprintf(p, "%ui", r->headers_out.status);
    }

    *value = (struct str) { (const char *) p, end - p };

    return true;
}


static bool
has_fixed(ngx_http_request_t *r, size_t which)
{
    switch (which) {
    case OUT_TYPE:
        return r->headers_out.content_type.len != 0;
    case OUT_LENGTH:
        return r->headers_out.content_length_n >= 0;
    default:
        return true;
    }
}


static size_t
find_fixed(struct str name)
{
    size_t  i;

    for (i = 0; i < OUT_COUNT; i++) {
        if (str_ieq(name, fixed_names[i])) {
            break;
        }
    }

    return i;
}


static ngx_table_elt_t *
next_header(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_table_elt_t  *h;

    while (*part != NULL) {

        while (*i < (*part)->nelts) {
            h = (ngx_table_elt_t *) (*part)->elts + (*i)++;

            if (h->hash != 0) {
                return h;
            }
        }

        *part = (*part)->next;
        *i = 0;
    }

    return NULL;
}


size_t
ngx_http_weir_out_count(ngx_http_weir_ctx_t *ctx)
{
    size_t               n, i;
    ngx_uint_t           elt;
    ngx_list_part_t     *part;
    ngx_http_request_t  *r = ctx->request;

    n = 0;

    for (i = 0; i < OUT_COUNT; i++) {
        n += has_fixed(r, i);
    }

    part = &r->headers_out.headers.part;
    elt = 0;

    while (next_header(&part, &elt) != NULL) {
        n++;
    }

    return n;
}


/* nginx's modules leave lowcase_key unset in responses, so a name is lowered here. */

static bool
lower_name(ngx_http_request_t *r, ngx_str_t *key, struct str *name)
{
    u_char  *p;
    size_t   i;

    *name = ngx_http_weir_str(key);

    for (i = 0; i < key->len; i++) {
        if (key->data[i] >= 'A' && key->data[i] <= 'Z') {
            break;
        }
    }

    if (i == key->len) {
        return true;
    }

    p = ngx_pnalloc(r->pool, key->len);
    if (p == NULL) {
        return false;
    }

    ngx_strlow(p, key->data, key->len);
    name->at = (const char *) p;

    return true;
}


bool
ngx_http_weir_out_at(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out)
{
    size_t                   f, n;
    ngx_table_elt_t         *h;
    ngx_http_request_t      *r = ctx->request;
    ngx_http_weir_cursor_t  *c;

    n = 0;

    for (f = 0; f < OUT_COUNT; f++) {
        if (!has_fixed(r, f)) {
            continue;
        }

        if (n++ == i) {
            out->name = fixed_names[f];
            return fixed_value(r, f, &out->value);
        }
    }

    c = &ctx->out;

    if (c->part == NULL || c->next != i) {
        c->part = &r->headers_out.headers.part;
        c->elt = 0;
        c->next = n;
    }

    for ( ;; ) {
        h = next_header(&c->part, &c->elt);
        if (h == NULL) {
            return false;
        }

        if (c->next++ == i) {
            out->value = ngx_http_weir_str(&h->value);
            return lower_name(r, &h->key, &out->name);
        }
    }
}


static ngx_table_elt_t *
find(ngx_http_request_t *r, struct str name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    i = 0;

    while ((h = next_header(&part, &i)) != NULL) {
        if (str_ieq(ngx_http_weir_str(&h->key), name)) {
            return h;
        }
    }

    return NULL;
}


bool
ngx_http_weir_out_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value)
{
    size_t            f;
    ngx_table_elt_t  *h;

    f = find_fixed(name);

    if (f != OUT_COUNT) {
        return fixed_value(ctx->request, f, value);
    }

    h = find(ctx->request, name);
    if (h == NULL) {
        return false;
    }

    *value = ngx_http_weir_str(&h->value);

    return true;
}


static ngx_table_elt_t **
pointer_of(ngx_http_request_t *r, struct str name)
{
    size_t  i;

    for (i = 0; i < sizeof(pointed) / sizeof(pointed[0]); i++) {
        if (str_ieq(name, pointed[i].name)) {
            return (ngx_table_elt_t **) ((char *) &r->headers_out + pointed[i].offset);
        }
    }

    return NULL;
}


static bool
set_fixed(ngx_http_request_t *r, size_t which, struct str value)
{
    ngx_str_t  v;
    uint64_t   n;

    switch (which) {

    case OUT_STATUS:
        if (!str_to_u64(value, &n) || n < 200 || n > 999 || r->headers_out.status < 200) {
            return false;
        }

        r->headers_out.status = (ngx_uint_t) n;
        ngx_str_null(&r->headers_out.status_line);
        return true;

    case OUT_TYPE:
        if (ngx_http_weir_copy(r->pool, value, &v) != NGX_OK) {
            return false;
        }

        r->headers_out.content_type = v;
        r->headers_out.content_type_len = v.len;
        r->headers_out.content_type_lowcase = NULL;
        ngx_str_null(&r->headers_out.charset);
        return true;

    default:
        if (!str_to_u64(value, &n)) {
            return false;
        }

        if (r->method == NGX_HTTP_HEAD) {
            r->headers_out.content_length_n = (off_t) n;

        } else if (r->headers_out.content_length_n != (off_t) n) {
            ngx_http_clear_content_length(r);
        }

        return true;
    }
}


bool
ngx_http_weir_out_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    size_t               f;
    ngx_str_t            k, v;
    ngx_table_elt_t     *h, **ph;
    ngx_http_request_t  *r = ctx->request;

    if (!ngx_http_weir_header_ok(name, value)) {
        return false;
    }

    f = find_fixed(name);

    if (f != OUT_COUNT) {
        return set_fixed(r, f, value);
    }

    if (name.at[0] == ':') {
        return false;
    }

    if (is_framing(name)) {
        return true;
    }

    ctx->out.part = NULL;

    if (ngx_http_weir_copy(r->pool, name, &k) != NGX_OK
        || ngx_http_weir_copy(r->pool, value, &v) != NGX_OK)
    {
        return false;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return false;
    }

    h->hash = 1;
    h->key = k;
    h->lowcase_key = k.data;
    h->value = v;

    ph = pointer_of(r, name);

    if (ph != NULL && *ph == NULL) {
        *ph = h;
    }

    return true;
}


/* Mark all elements of a name as removed, but `keep`. */

static void
take_out(ngx_http_request_t *r, struct str name, ngx_table_elt_t *keep)
{
    ngx_uint_t         i;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *h, **ph;

    part = &r->headers_out.headers.part;
    i = 0;

    while ((h = next_header(&part, &i)) != NULL) {
        if (h != keep && str_ieq(ngx_http_weir_str(&h->key), name)) {
            h->hash = 0;
        }
    }

    ph = pointer_of(r, name);

    if (ph != NULL) {
        *ph = keep;
    }

    if (str_eq(name, STR("last-modified"))) {
        r->headers_out.last_modified_time = -1;
    }
}


bool
ngx_http_weir_out_remove(ngx_http_weir_ctx_t *ctx, struct str name)
{
    size_t               f;
    ngx_http_request_t  *r = ctx->request;

    f = find_fixed(name);

    if (f == OUT_STATUS || !ngx_http_weir_header_ok(name, STR(""))) {
        return false;
    }

    if (f == OUT_TYPE) {
        ngx_str_null(&r->headers_out.content_type);
        r->headers_out.content_type_len = 0;
        return true;
    }

    if (f == OUT_LENGTH) {
        ngx_http_clear_content_length(r);
        return true;
    }

    ctx->out.part = NULL;
    take_out(r, name, NULL);

    return true;
}


bool
ngx_http_weir_out_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    ngx_str_t            v;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    if (!ngx_http_weir_header_ok(name, value)) {
        return false;
    }

    h = find_fixed(name) == OUT_COUNT ? find(r, name) : NULL;

    if (h == NULL) {
        return ngx_http_weir_out_add(ctx, name, value);
    }

    if (ngx_http_weir_copy(r->pool, value, &v) != NGX_OK) {
        return false;
    }

    h->value = v;
    ctx->out.part = NULL;
    take_out(r, name, h);

    return true;
}


bool
ngx_http_weir_out_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n)
{
    bool                 type, length;
    size_t               i;
    ngx_uint_t           elt;
    ngx_list_part_t     *part;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    type = false;
    length = false;

    for (i = 0; i < n; i++) {
        if (!ngx_http_weir_header_ok(entries[i].name, entries[i].value)) {
            return false;
        }

        type |= find_fixed(entries[i].name) == OUT_TYPE;
        length |= find_fixed(entries[i].name) == OUT_LENGTH;
    }

    part = &r->headers_out.headers.part;
    elt = 0;

    while ((h = next_header(&part, &elt)) != NULL) {
        h->hash = 0;
    }

    for (i = 0; i < sizeof(pointed) / sizeof(pointed[0]); i++) {
        *(ngx_table_elt_t **) ((char *) &r->headers_out + pointed[i].offset) = NULL;
    }

    r->headers_out.last_modified_time = -1;
    ctx->out.part = NULL;

    if (!type) {
        (void) ngx_http_weir_out_remove(ctx, fixed_names[OUT_TYPE]);
    }

    if (!length) {
        (void) ngx_http_weir_out_remove(ctx, fixed_names[OUT_LENGTH]);
    }

    for (i = 0; i < n; i++) {
        if (!ngx_http_weir_out_add(ctx, entries[i].name, entries[i].value)) {
            return false;
        }
    }

    return true;
}
