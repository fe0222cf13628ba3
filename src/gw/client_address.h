/* gw/client_address.h - who the client is, when proxies stand in front.
 *
 * Each proxy appends whom it was asked by to a header.  From its end that list is true as long as the ones
 * who wrote it are trusted: the first address that is not trusted is the client's, whatever stands in front
 * of it was written by somebody who may lie. */
#ifndef GW_CLIENT_ADDRESS_H
#define GW_CLIENT_ADDRESS_H

#include "base/str.h"
#include "gw/config.h"

/* More hops than these are not followed, so that a long header costs little. */
enum { GW_CLIENT_HOPS_MAX = 32 };

/* An IPv6 address; an IPv4 address is mapped (::ffff:a.b.c.d), and a mapped one is an IPv4 address. */
struct gw_ip {
    uint8_t bytes[16];
};

bool gw_ip_is_v4(const struct gw_ip *ip);
/* `a.b.c.d`, `a.b.c.d:port`, IPv6, `[IPv6]` or `[IPv6]:port`; port 0: there is none.  False, nothing changed:
 * it is something else. */
bool gw_ip_parse(struct str text, struct gw_ip *ip, uint16_t *port);

/* An address, or `address/bits`, of which the rest of the address does not count. */
bool gw_network_parse(struct str text, struct gw_network *out);

bool gw_client_trusts(const struct gw_client_address *conf, const struct gw_ip *ip);

/* `ip` is the connection's peer; the header's `values` stand in their order.  True: *ip and *port (0: not
 * said) are the client's now; it may be a trusted one, if the header names no other.  False: it is the peer.
 */
bool gw_client_find(const struct gw_client_address *conf, const struct str *values, size_t nvalues,
                    struct gw_ip *ip, uint16_t *port);

#endif
