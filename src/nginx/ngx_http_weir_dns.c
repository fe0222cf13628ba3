/*
 * ngx_http_weir_dns.c - names of services, and those that plugins want resolved (envoy_resolve_dns).
 *
 * An address is its own answer, then /etc/hosts counts, then nginx's resolver asks the servers of nginx.conf, which
 * the control process took from resolv.conf. Nothing of it waits: the resolver works by events, /etc/hosts is
 * a short file. A lookup owns its answer until an event tells who asked, because the resolver may answer at once.
 */

#include "base/hosts.h"
#include "base/vec.h"

#include "ngx_http_weir_dns.h"


#define MAX_NAME_BYTES    253
#define MAX_HOSTS_BYTES   (1024 * 1024)
#define TIMEOUT_MS        10000
#define FIXED_TTL_S       5         /* of what no server said */


typedef struct {
    ngx_http_weir_lookup_pt         handler;
    void                           *data;
    ngx_resolver_ctx_t             *resolving;      /* or NULL */
    ngx_event_t                     told;           /* posted: the answer is there */
    VEC(ngx_http_weir_dns_address_t)  addresses;
} lookup_t;


static void resolved(ngx_resolver_ctx_t *rctx);
static void tell(ngx_event_t *ev);


static bool
is_address(const char *text)
{
    u_char  bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}


/* Labels of 1 to 63 bytes; nginx would send others as they are and wait for an answer. */

static bool
is_name(struct str name)
{
    struct str  label;

    if (name.len == 0 || name.len > MAX_NAME_BYTES || memchr(name.at, '\0', name.len) != NULL) {
        return false;
    }

    if (name.at[name.len - 1] == '.') {
        name.len--;
    }

    do {
        label = str_cut(&name, '.');
    } while (label.len != 0 && label.len <= 63 && name.len != 0);

    return label.len != 0 && label.len <= 63;
}


static void
add_address(lookup_t *l, struct str text, uint32_t ttl_s)
{
    ngx_http_weir_dns_address_t  a;

    if (text.len >= sizeof(a.text)) {
        return;
    }

    ngx_memcpy(a.text, text.at, text.len);
    a.text[text.len] = '\0';
    a.ttl_s = ttl_s;

    if (is_address(a.text)) {
        vec_push(&l->addresses, a);
    }
}


static void
look_into_hosts(lookup_t *l, struct str name)
{
    char            piece[16384];
    ssize_t         n;
    ngx_fd_t        fd;
    struct str      rest, address;
    struct strbuf   text = { 0 };

    fd = ngx_open_file("/etc/hosts", NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return;
    }

    while (text.len < MAX_HOSTS_BYTES && (n = ngx_read_fd(fd, piece, sizeof(piece))) > 0) {
        strbuf_add_bytes(&text, piece, n);
    }

    (void) ngx_close_file(fd);

    rest = strbuf_str(&text);

    while (hosts_next(&rest, name, &address)) {
        add_address(l, address, FIXED_TTL_S);
    }

    strbuf_fini(&text);
}


/* Ask the resolver. NGX_ERROR: there is none, or it cannot. */

static ngx_int_t
ask(lookup_t *l, struct str name)
{
    ngx_resolver_ctx_t        *rctx;
    ngx_http_conf_ctx_t       *http;
    ngx_http_core_loc_conf_t  *clcf;

    http = (ngx_http_conf_ctx_t *) ngx_cycle->conf_ctx[ngx_http_module.index];
    clcf = http->loc_conf[ngx_http_core_module.ctx_index];

    if (clcf->resolver == NULL) {
        return NGX_ERROR;
    }

    rctx = ngx_resolve_start(clcf->resolver, NULL);

    if (rctx == NULL || rctx == NGX_NO_RESOLVER) {
        return NGX_ERROR;
    }

    rctx->name.data = (u_char *) name.at;
    rctx->name.len = name.len;
    rctx->handler = resolved;
    rctx->data = l;
    rctx->timeout = TIMEOUT_MS;
    rctx->cancelable = 1;           /* a worker that shuts down does not wait */

    l->resolving = rctx;

    if (ngx_resolve_name(rctx) != NGX_OK) {
        l->resolving = NULL;        /* freed by then */
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Also from inside of ngx_resolve_name. */

static void
resolved(ngx_resolver_ctx_t *rctx)
{
    time_t       now;
    size_t       n;
    lookup_t    *l = rctx->data;
    u_char       text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t   i;

    now = ngx_time();

    for (i = 0; rctx->state == NGX_OK && i < rctx->naddrs; i++) {
        n = ngx_sock_ntop(rctx->addrs[i].sockaddr, rctx->addrs[i].socklen, text, sizeof(text), 0);
        add_address(l, str_make(text, n), rctx->valid > now ? (uint32_t) (rctx->valid - now) : 0);
    }

    if (rctx->state != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "[weir] \"%V\" does not resolve: %s", &rctx->name,
                      ngx_resolver_strerror(rctx->state));
    }

    l->resolving = NULL;
    ngx_resolve_name_done(rctx);

    ngx_post_event(&l->told, &ngx_posted_events);
}


static void
free_lookup(lookup_t *l)
{
    if (l->told.posted) {
        ngx_delete_posted_event(&l->told);
    }

    vec_fini(&l->addresses);
    mem_free(l);
}


static void
tell(ngx_event_t *ev)
{
    lookup_t  *l = ev->data;

    l->handler(l->data, l->addresses.at, l->addresses.len);
    free_lookup(l);
}


void *
ngx_http_weir_lookup(struct str name, ngx_http_weir_lookup_pt handler, void *data)
{
    char       text[MAX_NAME_BYTES + 1];
    lookup_t  *l;

    l = mem_zalloc(sizeof(lookup_t));
    l->handler = handler;
    l->data = data;
    l->told.data = l;
    l->told.handler = tell;
    l->told.log = ngx_cycle->log;

    if (is_name(name)) {

        ngx_memcpy(text, name.at, name.len);
        text[name.len] = '\0';

        if (is_address(text)) {
            add_address(l, name, FIXED_TTL_S);

        } else {
            look_into_hosts(l, name);
        }

        if (l->addresses.len == 0 && ask(l, name) == NGX_OK) {
            return l;
        }
    }

    ngx_post_event(&l->told, &ngx_posted_next_events);

    return l;
}


void
ngx_http_weir_lookup_cancel(void *handle)
{
    lookup_t  *l = handle;

    if (l->resolving != NULL) {
        ngx_resolve_name_done(l->resolving);
    }

    free_lookup(l);
}


/* ---- plugins' ---- */

static void
tell_plugin(void *data, const ngx_http_weir_dns_address_t *at, size_t n)
{
    size_t                      i;
    VEC(struct pw_dns_address)  list = { 0 };
    struct pw_dns_address       a;

    for (i = 0; i < n; i++) {
        a.address = str_of(at[i].text);
        a.ttl_s = at[i].ttl_s;
        vec_push(&list, a);
    }

    pw_dns_done(data, list.len == 0 ? NULL : list.at, list.len);     /* the guest runs in here */

    vec_fini(&list);
}


bool
ngx_http_weir_resolve(void *server, struct pw_callout *callout, struct str name, void **handle)
{
    *handle = ngx_http_weir_lookup(name, tell_plugin, callout);

    return true;
}


void
ngx_http_weir_cancel_resolve(void *server, void *handle)
{
    ngx_http_weir_lookup_cancel(handle);
}
