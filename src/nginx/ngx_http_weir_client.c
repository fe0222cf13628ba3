/*
 * ngx_http_weir_client.c - the client behind proxies.
 *
 * For the time of a request its connection has the client's address in the place of the peer's, so that everything
 * that asks nginx for it (logs, properties, hashing, variables) gets the client's. When the request ends, the
 * connection, which may carry another one, gets its own back. A TCP connection has one client, for good.
 *
 * On listeners with proxyProtocol nginx has read and taken off the header that each connection begins with (and closed
 * those with a broken one, or none). What it says counts if the peer is trusted: then its address takes the peer's
 * place, as if the client, or the next proxy, had connected itself; the walk along the header of requests begins there.
 */

#include "ngx_http_weir_module.h"

#include "gw/client_address.h"


typedef struct {
    ngx_connection_t  *connection;
    struct sockaddr   *sockaddr;
    socklen_t          socklen;
    ngx_str_t          addr_text;
} saved_t;


static bool
peer_ip(ngx_connection_t *c, struct gw_ip *ip)
{
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    switch (c->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) c->sockaddr;
        ngx_memzero(ip->bytes, 10);
        ip->bytes[10] = ip->bytes[11] = 0xff;
        ngx_memcpy(ip->bytes + 12, &sin->sin_addr, 4);
        return true;

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) c->sockaddr;
        ngx_memcpy(ip->bytes, &sin6->sin6_addr, 16);
        return true;

    default:
        return false;   /* a socket of this machine */
    }
}


/* The header's values in their order, in the pool. */

static ngx_int_t
values_of(ngx_http_request_t *r, struct str name, ngx_array_t *values)
{
    ngx_uint_t        i;
    struct str       *value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ngx_array_init(values, r->pool, 4, sizeof(struct str)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0 || h[i].key.len != name.len
                || ngx_strncasecmp(h[i].key.data, (u_char *) name.at, name.len) != 0)
            {
                continue;
            }

            value = ngx_array_push(values);
            if (value == NULL) {
                return NGX_ERROR;
            }

            *value = ngx_http_weir_str(&h[i].value);
        }
    }

    return NGX_OK;
}


static void
restore(void *data)
{
    saved_t           *saved = data;
    ngx_connection_t  *c = saved->connection;

    c->sockaddr = saved->sockaddr;
    c->socklen = saved->socklen;
    c->addr_text = saved->addr_text;
}


static ngx_int_t
put_address(ngx_connection_t *c, ngx_pool_t *pool, const struct gw_ip *ip, in_port_t port)
{
    u_char          *text;
    ngx_sockaddr_t  *sa;

    sa = ngx_pcalloc(pool, sizeof(ngx_sockaddr_t));
    text = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

    if (sa == NULL || text == NULL) {
        return NGX_ERROR;
    }

    if (gw_ip_is_v4(ip)) {
        sa->sockaddr_in.sin_family = AF_INET;
        ngx_memcpy(&sa->sockaddr_in.sin_addr, ip->bytes + 12, 4);
        c->socklen = sizeof(struct sockaddr_in);

    } else {
        sa->sockaddr_in6.sin6_family = AF_INET6;
        ngx_memcpy(&sa->sockaddr_in6.sin6_addr, ip->bytes, 16);
        c->socklen = sizeof(struct sockaddr_in6);
    }

    ngx_inet_set_port(&sa->sockaddr, port);
    c->sockaddr = &sa->sockaddr;
    c->addr_text.len = ngx_sock_ntop(c->sockaddr, c->socklen, text, NGX_SOCKADDR_STRLEN, 0);
    c->addr_text.data = text;

    return NGX_OK;
}


static ngx_int_t
set_client(ngx_http_request_t *r, const struct gw_ip *ip, in_port_t port)
{
    saved_t             *saved;
    ngx_connection_t    *c = r->connection;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(saved_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    saved = cln->data;
    saved->connection = c;
    saved->sockaddr = c->sockaddr;
    saved->socklen = c->socklen;
    saved->addr_text = c->addr_text;
    cln->handler = restore;

    return put_address(c, r->pool, ip, port);
}


/* What the PROXY header of the connection says, whose peer is trusted. NGX_DECLINED: there is none, or it speaks of no
 * client ("UNKNOWN", "LOCAL"). NGX_ERROR: it is no address, logged. */

static ngx_int_t
proxied(ngx_connection_t *c, struct gw_ip *ip, uint16_t *port)
{
    uint16_t               none;
    ngx_proxy_protocol_t  *header = c->proxy_protocol;

    if (header == NULL || header->src_addr.len == 0) {
        return NGX_DECLINED;
    }

    if (!gw_ip_parse(ngx_http_weir_str(&header->src_addr), ip, &none) || none != 0) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0, "[weir] refused: the PROXY header's \"%V\" is no address", &header->src_addr);
        return NGX_ERROR;
    }

    *port = header->src_port;

    return NGX_OK;
}


static bool
is_trusted(ngx_connection_t *c, const struct gw_client_address *conf, struct gw_ip *ip)
{
    return conf != NULL && peer_ip(c, ip) && gw_client_trusts(conf, ip);
}


ngx_int_t
ngx_http_weir_find_tcp_client(ngx_connection_t *c, const ngx_http_weir_generation_t *g)
{
    uint16_t      port;
    struct gw_ip  ip;

    if (!is_trusted(c, g->config->client_address, &ip)) {
        return NGX_OK;
    }

    switch (proxied(c, &ip, &port)) {
    case NGX_OK:
        return put_address(c, c->pool, &ip, port);
    case NGX_DECLINED:
        return NGX_OK;
    default:
        return NGX_DECLINED;
    }
}


ngx_int_t
ngx_http_weir_find_client(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    uint16_t                         port = 0;
    ngx_int_t                        rc;
    ngx_array_t                      values;
    struct gw_ip                     ip;
    const struct gw_client_address  *conf = ctx->generation->config->client_address;

    ctx->peer = r->connection->addr_text;

    if (!is_trusted(r->connection, conf, &ip)) {
        return NGX_OK;
    }

    rc = proxied(r->connection, &ip, &port);

    if (rc == NGX_ERROR) {
        return NGX_DECLINED;
    }

    if (rc == NGX_OK) {

        if (set_client(r, &ip, port) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->peer = r->connection->addr_text;

        if (!gw_client_trusts(conf, &ip)) {
            return NGX_OK;
        }
    }

    ctx->peer_trusted = 1;

    if (values_of(r, conf->header, &values) != NGX_OK) {
        return NGX_ERROR;
    }

    return gw_client_find(conf, values.elts, values.nelts, &ip, &port) ? set_client(r, &ip, port) : NGX_OK;
}
