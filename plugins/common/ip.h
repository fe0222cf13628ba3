/* ip.h - IP addresses and networks, as 16 bytes; IPv4 is mapped (::ffff:a.b.c.d), so that both spellings of
 * an address are one. */
#ifndef PLUGINS_IP_H
#define PLUGINS_IP_H

#include "weir_plugin.h"

struct ip {
    unsigned char byte[16];
};

struct ip_net {
    struct ip address;
    unsigned bits; /* of the 16 bytes: an IPv4 network's prefix plus 96 */
};

/* An address: also "1.2.3.4:80", "[::1]:80", "[::1]".  False: it is none, and *out is untouched. */
bool ip_parse(struct wp_str text, struct ip *out);
/* The one text of an address, in the callback's arena: dotted for IPv4, else as RFC 5952 has it. */
struct wp_str ip_format(const struct ip *ip);

/* "10.0.0.0/8", "2001:db8::/32", or an address alone.  Bits behind the prefix do not matter. */
bool ip_net_parse(struct wp_str text, struct ip_net *out);
bool ip_net_contains(const struct ip_net *net, const struct ip *ip);

#endif
