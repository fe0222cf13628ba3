/*
 * ngx_http_weir_headers_in.c - the request's headers as a Proxy-Wasm header map.
 *
 * The map is r->headers_in.headers with four pseudo-headers before it and without Host, which is
 * :authority. nginx keeps pointers into the list for headers it knows; after every change they are
 * right again (ngx_http_weir_relink). What frames the client's request stays as it was sent, whatever
 * plugins do to the map: content_length_n, chunked, connection_type.
 *
 * A list of nginx cannot lose an element, and the proxy module sends all it finds, so removal closes
 * the gap inside the part, and unlinks a part that became empty.
 */

#include "ngx_http_weir_module.h"


enum { PSEUDO_AUTHORITY, PSEUDO_PATH, PSEUDO_METHOD, PSEUDO_SCHEME, PSEUDO_COUNT };

static const struct str  pseudo_names[PSEUDO_COUNT] = {
    { ":authority", 10 }, { ":path", 5 }, { ":method", 7 }, { ":scheme", 7 },
};


ngx_int_t
ngx_http_weir_copy(ngx_pool_t *pool, struct str s, ngx_str_t *out)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (s.len != 0) {
        ngx_memcpy(p, s.at, s.len);
    }

    p[s.len] = '\0';

    out->data = p;
    out->len = s.len;

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_set_value(ngx_pool_t *pool, struct str s, ngx_variable_value_t *v)
{
    ngx_str_t  copy;

    if (ngx_http_weir_copy(pool, s, &copy) != NGX_OK) {
        return NGX_ERROR;
    }

    v->data = copy.data;
    v->len = copy.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


bool
ngx_http_weir_header_ok(struct str name, struct str value)
{
    u_char  c;
    size_t  i;

    if (name.len == 0 || name.len > 8192) {
        return false;
    }

    for (i = 0; i < name.len; i++) {
        c = (u_char) name.at[i];

        if (c == ':' && i == 0) {
            continue;
        }

        if (c <= ' ' || c >= 0x7f || c == ':' || c == '"' || c == '(' || c == ')' || c == ','
            || c == '/' || c == ';' || c == '<' || c == '=' || c == '>' || c == '?' || c == '@'
            || c == '[' || c == '\\' || c == ']' || c == '{' || c == '}')
        {
            return false;
        }
    }

    for (i = 0; i < value.len; i++) {
        if (value.at[i] == '\0' || value.at[i] == '\r' || value.at[i] == '\n') {
            return false;
        }
    }

    return true;
}


static struct str
pseudo_value(ngx_http_request_t *r, ngx_uint_t which)
{
    switch (which) {

    case PSEUDO_AUTHORITY:
        if (r->headers_in.host != NULL) {
            return ngx_http_weir_str(&r->headers_in.host->value);
        }

        return ngx_http_weir_str(&r->headers_in.server);

    case PSEUDO_PATH:
        return ngx_http_weir_str(&r->unparsed_uri);

    case PSEUDO_METHOD:
        return ngx_http_weir_str(&r->method_name);

    default:
#if (NGX_HTTP_SSL)
        if (r->connection->ssl) {
            return STR("https");
        }
#endif
        return STR("http");
    }
}


static ngx_inline bool
is_host(ngx_table_elt_t *h)
{
    return h->key.len == 4 && ngx_memcmp(h->lowcase_key, "host", 4) == 0;
}


static ngx_inline bool
is_named(ngx_table_elt_t *h, struct str name)
{
    return h->key.len == name.len && ngx_strncmp(h->lowcase_key, name.at, name.len) == 0;
}


/* The next element from (*part, *i) on, or NULL; leaves the place behind it. */

static ngx_table_elt_t *
next_header(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_table_elt_t  *h;

    while (*part != NULL) {

        while (*i < (*part)->nelts) {
            h = (ngx_table_elt_t *) (*part)->elts + (*i)++;

            if (!is_host(h)) {
                return h;
            }
        }

        *part = (*part)->next;
        *i = 0;
    }

    return NULL;
}


size_t
ngx_http_weir_in_count(ngx_http_weir_ctx_t *ctx)
{
    size_t            n;
    ngx_uint_t        i;
    ngx_list_part_t  *part;

    part = &ctx->request->headers_in.headers.part;
    i = 0;
    n = PSEUDO_COUNT;

    while (next_header(&part, &i) != NULL) {
        n++;
    }

    return n;
}


bool
ngx_http_weir_in_at(ngx_http_weir_ctx_t *ctx, size_t i, struct pw_header *out)
{
    ngx_table_elt_t         *h;
    ngx_http_weir_cursor_t  *c;

    if (i < PSEUDO_COUNT) {
        out->name = pseudo_names[i];
        out->value = pseudo_value(ctx->request, i);
        return true;
    }

    c = &ctx->in;

    if (c->part == NULL || c->next != i) {
        c->part = &ctx->request->headers_in.headers.part;
        c->elt = 0;
        c->next = PSEUDO_COUNT;
    }

    for ( ;; ) {
        h = next_header(&c->part, &c->elt);
        if (h == NULL) {
            return false;
        }

        if (c->next++ == i) {
            out->name = (struct str) { (const char *) h->lowcase_key, h->key.len };
            out->value = ngx_http_weir_str(&h->value);
            return true;
        }
    }
}


static ngx_table_elt_t *
find(ngx_http_request_t *r, struct str name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    i = 0;

    while ((h = next_header(&part, &i)) != NULL) {
        if (is_named(h, name)) {
            return h;
        }
    }

    return NULL;
}


bool
ngx_http_weir_in_get(ngx_http_weir_ctx_t *ctx, struct str name, struct str *value)
{
    size_t            i;
    u_char            low[64];
    ngx_table_elt_t  *h;

    if (name.len != 0 && name.at[0] == ':') {
        for (i = 0; i < PSEUDO_COUNT; i++) {
            if (str_ieq(name, pseudo_names[i])) {
                *value = pseudo_value(ctx->request, i);
                return true;
            }
        }

        return false;
    }

    for (i = 0; i < name.len; i++) {
        if (name.at[i] >= 'A' && name.at[i] <= 'Z') {
            if (name.len > sizeof(low)) {
                return false;
            }

            ngx_strlow(low, (u_char *) name.at, name.len);
            name.at = (const char *) low;
            break;
        }
    }

    h = find(ctx->request, name);
    if (h == NULL) {
        return false;
    }

    *value = ngx_http_weir_str(&h->value);

    return true;
}


/* Have nginx's own pointers know a header of the list. */

static ngx_int_t
link_header(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_array_t                *many;
    ngx_table_elt_t           **ph;
    ngx_http_header_t          *hh;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    hh = ngx_hash_find(&cmcf->headers_in_hash, h->hash, h->lowcase_key, h->key.len);
    if (hh == NULL || hh->offset == 0) {
        return NGX_OK;
    }

    if (hh->offset == offsetof(ngx_http_headers_in_t, cookies)
        || hh->offset == offsetof(ngx_http_headers_in_t, x_forwarded_for))
    {
        many = (ngx_array_t *) ((char *) &r->headers_in + hh->offset);

        if (many->elts == NULL && ngx_array_init(many, r->pool, 1, sizeof(ngx_table_elt_t *)) != NGX_OK) {
            return NGX_ERROR;
        }

        ph = ngx_array_push(many);
        if (ph == NULL) {
            return NGX_ERROR;
        }

        *ph = h;

        return NGX_OK;
    }

    ph = (ngx_table_elt_t **) ((char *) &r->headers_in + hh->offset);

    if (*ph == NULL) {
        *ph = h;
    }

    return NGX_OK;
}


static ngx_int_t
relink(ngx_http_request_t *r)
{
    ngx_uint_t          i;
    ngx_array_t        *many;
    ngx_list_part_t    *part;
    ngx_table_elt_t    *h;
    ngx_http_header_t  *hh;

    for (hh = ngx_http_headers_in; hh->name.len != 0; hh++) {

        if (hh->offset == offsetof(ngx_http_headers_in_t, cookies)
            || hh->offset == offsetof(ngx_http_headers_in_t, x_forwarded_for))
        {
            many = (ngx_array_t *) ((char *) &r->headers_in + hh->offset);
            many->nelts = 0;
            continue;
        }

        if (hh->offset != 0) {
            *(ngx_table_elt_t **) ((char *) &r->headers_in + hh->offset) = NULL;
        }
    }

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (link_header(r, &h[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_table_elt_t *
push(ngx_http_request_t *r, struct str name, struct str value)
{
    ngx_str_t         k, v;
    ngx_table_elt_t  *h;

    if (ngx_http_weir_copy(r->pool, name, &k) != NGX_OK
        || ngx_http_weir_copy(r->pool, value, &v) != NGX_OK)
    {
        return NULL;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_strlow(k.data, k.data, k.len);

    h->key = k;
    h->lowcase_key = k.data;
    h->value = v;
    h->hash = ngx_hash_key(k.data, k.len);

    return h;
}


/* Parse a path anew, as nginx did with the one on the request line. */

static bool
set_path(ngx_http_request_t *r, struct str value)
{
    ngx_str_t                  path, uri, before;
    ngx_http_core_srv_conf_t  *cscf;

    if (value.len == 0 || value.at[0] != '/'
        || ngx_http_weir_copy(r->pool, value, &path) != NGX_OK)
    {
        return false;
    }

    uri.len = 0;
    uri.data = ngx_pnalloc(r->pool, value.len + 1);
    if (uri.data == NULL) {
        return false;
    }

    r->uri_start = path.data;
    r->uri_end = path.data + path.len;
    r->uri_ext = NULL;
    r->args_start = NULL;
    r->complex_uri = 0;
    r->quoted_uri = 0;
    r->plus_in_uri = 0;
    r->empty_path_in_uri = 0;
    r->state = 0;

    if (ngx_http_parse_uri(r) != NGX_OK) {
        return false;
    }

    if (r->complex_uri || r->quoted_uri) {
        before = r->uri;
        r->uri = uri;
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

        if (ngx_http_parse_complex_uri(r, cscf->merge_slashes) != NGX_OK) {
            r->uri = before;
            return false;
        }

    } else {
        r->uri.data = path.data;
        r->uri.len = (r->args_start ? r->args_start - 1 : r->uri_end) - path.data;
    }

    if (r->args_start != NULL && r->uri_end > r->args_start) {
        r->args.data = r->args_start;
        r->args.len = r->uri_end - r->args_start;

    } else {
        ngx_str_null(&r->args);
    }

    r->unparsed_uri = path;
    r->valid_unparsed_uri = 1;

    return true;
}


static bool
set_pseudo(ngx_http_request_t *r, struct str name, struct str value)
{
    size_t            i;
    ngx_str_t         v;
    ngx_table_elt_t  *h;

    if (str_eq(name, pseudo_names[PSEUDO_PATH])) {
        return set_path(r, value);
    }

    if (str_eq(name, pseudo_names[PSEUDO_METHOD])) {

        /* Goes upstream; r->method stays the client's, which decides about the response's framing. */

        /* A token, as a header's name is: a blank would begin another request line. */

        if (!ngx_http_weir_header_ok(value, STR("")) || value.at[0] == ':'
            || ngx_http_weir_copy(r->pool, value, &v) != NGX_OK)
        {
            return false;
        }

        r->method_name = v;
        return true;
    }

    if (str_eq(name, pseudo_names[PSEUDO_AUTHORITY])) {

        for (i = 0; i < value.len; i++) {
            if ((u_char) value.at[i] <= ' ' || value.at[i] == '/' || value.at[i] == '\\') {
                return false;       /* nginx takes none of these from a client, either */
            }
        }

        h = r->headers_in.host;

        if (h == NULL) {
            h = push(r, STR("host"), value);
            return h != NULL && link_header(r, h) == NGX_OK;
        }

        if (ngx_http_weir_copy(r->pool, value, &v) != NGX_OK) {
            return false;
        }

        h->value = v;
        return true;
    }

    /* The scheme of the connection is a fact; saying it again is fine. */

    return str_eq(name, pseudo_names[PSEUDO_SCHEME]);
}


static bool
changes_host(struct str name)
{
    return str_eq(name, STR("host"));
}


bool
ngx_http_weir_in_add(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    if (!ngx_http_weir_header_ok(name, value)) {
        return false;
    }

    if (name.at[0] == ':') {
        return set_pseudo(r, name, value);
    }

    if (changes_host(name)) {
        return set_pseudo(r, pseudo_names[PSEUDO_AUTHORITY], value);
    }

    ctx->in.part = NULL;

    h = push(r, name, value);

    return h != NULL && link_header(r, h) == NGX_OK;
}


/* Take all elements of a name out of the list, but the first if `keep_first`. */

static ngx_uint_t
take_out(ngx_http_request_t *r, struct str name, bool keep_first)
{
    ngx_uint_t        i, n, removed;
    ngx_list_t       *list;
    ngx_list_part_t  *part, *prev;
    ngx_table_elt_t  *h;

    list = &r->headers_in.headers;
    removed = 0;
    prev = NULL;

    for (part = &list->part; part != NULL; part = part->next) {
        h = part->elts;
        n = 0;

        for (i = 0; i < part->nelts; i++) {

            if (is_named(&h[i], name)) {
                if (!keep_first) {
                    removed++;
                    continue;
                }

                keep_first = false;
            }

            if (n != i) {
                h[n] = h[i];
            }

            n++;
        }

        part->nelts = n;

        /* Who walks the list expects only the first part to be empty. */

        if (n == 0 && prev != NULL) {
            prev->next = part->next;

            if (list->last == part) {
                list->last = prev;
            }

            continue;
        }

        prev = part;
    }

    return removed;
}


bool
ngx_http_weir_in_remove(ngx_http_weir_ctx_t *ctx, struct str name)
{
    if (!ngx_http_weir_header_ok(name, STR("")) || name.at[0] == ':' || changes_host(name)) {
        return false;
    }

    ctx->in.part = NULL;

    if (take_out(ctx->request, name, false) == 0) {
        return true;
    }

    return relink(ctx->request) == NGX_OK;
}


bool
ngx_http_weir_in_replace(ngx_http_weir_ctx_t *ctx, struct str name, struct str value)
{
    ngx_str_t            v;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    if (!ngx_http_weir_header_ok(name, value)) {
        return false;
    }

    if (name.at[0] == ':' || changes_host(name)) {
        return ngx_http_weir_in_add(ctx, name, value);
    }

    h = find(r, name);
    if (h == NULL) {
        return ngx_http_weir_in_add(ctx, name, value);
    }

    if (ngx_http_weir_copy(r->pool, value, &v) != NGX_OK) {
        return false;
    }

    h->value = v;
    ctx->in.part = NULL;

    if (take_out(r, name, true) == 0) {
        return true;
    }

    return relink(r) == NGX_OK;
}


bool
ngx_http_weir_in_set_all(ngx_http_weir_ctx_t *ctx, const struct pw_header *entries, size_t n)
{
    size_t               i;
    ngx_list_t           list;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    for (i = 0; i < n; i++) {
        if (!ngx_http_weir_header_ok(entries[i].name, entries[i].value)) {
            return false;
        }
    }

    if (ngx_list_init(&list, r->pool, n + 4, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return false;
    }

    /* A request keeps the pseudo-headers that the new map does not name. */

    if (r->headers_in.host != NULL) {
        h = ngx_list_push(&list);
        if (h == NULL) {
            return false;
        }

        *h = *r->headers_in.host;
    }

    ctx->in.part = NULL;
    r->headers_in.headers = list;
    r->headers_in.headers.last = &r->headers_in.headers.part;   /* its one part moved along */

    for (i = 0; i < n; i++) {

        if (entries[i].name.at[0] == ':' || changes_host(entries[i].name)) {
            continue;
        }

        if (push(r, entries[i].name, entries[i].value) == NULL) {
            return false;
        }
    }

    if (relink(r) != NGX_OK) {
        return false;
    }

    for (i = 0; i < n; i++) {
        if (entries[i].name.at[0] == ':' && !set_pseudo(r, entries[i].name, entries[i].value)) {
            return false;
        }
    }

    return true;
}
