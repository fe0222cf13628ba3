/* Any value of a header that names hops: whoever comes out as the client, the walk ends, and it is the peer
 * or an address that stands in the value behind trusted ones only. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "gw/client_address.h"

static struct gw_network networks[3];
static const struct gw_client_address conf = {.ntrusted = 3, .networks = networks};

/* A hop that the walk ended at parses again from its text. */
static void check_ip(const struct gw_ip *ip)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = gw_ip_is_v4(ip);
    struct gw_ip again;
    uint16_t port;

    WEIR_ASSERT(inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? 12 : 0), text, sizeof text) != NULL);
    WEIR_ASSERT(gw_ip_parse(str_of(text), &again, &port) && memcmp(&again, ip, sizeof again) == 0 &&
                port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const trusted[] = {"10.0.0.0/8", "fd00::/7", "192.0.2.1"};
    struct str whole = str_make((const char *)data, size), values[2];
    struct gw_network network;
    struct gw_ip peer, ip;
    uint16_t port = 0;

    for (size_t i = 0; i < 3; i++) {
        WEIR_ASSERT(gw_network_parse(str_of(trusted[i]), &networks[i]));
    }
    if (gw_network_parse(whole, &network)) {
        WEIR_ASSERT(network.bits <= 128);
    }
    if (gw_ip_parse(whole, &ip, &port)) {
        check_ip(&ip);
    }
    size_t cut = str_find_char(whole, '\n');
    values[0] = str_slice(whole, 0, cut);
    values[1] = str_slice(whole, cut == size ? size : cut + 1, size);
    WEIR_ASSERT(gw_ip_parse(STR("10.1.2.3"), &peer, &port));
    ip = peer;
    if (gw_client_find(&conf, values, 2, &ip, &port)) {
        check_ip(&ip);
    } else {
        WEIR_ASSERT(memcmp(&ip, &peer, sizeof ip) == 0);
    }
    WEIR_ASSERT(gw_ip_parse(STR("11.1.2.3"), &ip, &port) && !gw_client_find(&conf, values, 2, &ip, &port));
    return 0;
}
