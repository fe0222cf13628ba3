/*
 * ngx_http_weir_dns.h - look a name up without waiting: an address, /etc/hosts, or nginx's resolver.
 */

#ifndef _NGX_HTTP_WEIR_DNS_H_INCLUDED_
#define _NGX_HTTP_WEIR_DNS_H_INCLUDED_


#include "ngx_http_weir_module.h"


typedef struct {
    char                            text[NGX_INET6_ADDRSTRLEN + 1];
    uint32_t                        ttl_s;      /* how long it may be kept from now on */
} ngx_http_weir_dns_address_t;


/* Called by the event loop, once. No addresses: it does not resolve, or has none. */
typedef void (*ngx_http_weir_lookup_pt)(void *data, const ngx_http_weir_dns_address_t *at, size_t n);

/* A handle, for the cancellation; it is void once the handler was called. */
void *ngx_http_weir_lookup(struct str name, ngx_http_weir_lookup_pt handler, void *data);
void ngx_http_weir_lookup_cancel(void *handle);


#endif /* _NGX_HTTP_WEIR_DNS_H_INCLUDED_ */
