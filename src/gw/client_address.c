/* gw/client_address.c - addresses, networks, and the walk from the header's end. */
#include "gw/client_address.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_FROM = 12, V4_BITS = 96, ALL_BITS = 128 };

static const uint8_t v4_prefix[V4_FROM] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses ---------------------------------------------------------------------------- */

bool gw_ip_is_v4(const struct gw_ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, V4_FROM) == 0;
}

static bool parse_bare(struct str text, struct gw_ip *ip)
{
    char name[INET6_ADDRSTRLEN];
    struct gw_ip v4;

    if (text.len == 0 || text.len >= sizeof name || memchr(text.at, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(name, text.at, text.len);
    name[text.len] = '\0';
    memcpy(v4.bytes, v4_prefix, V4_FROM);
    if (inet_pton(AF_INET, name, v4.bytes + V4_FROM) == 1) {
        *ip = v4;
        return true;
    }
    return inet_pton(AF_INET6, name, ip->bytes) == 1;
}

/* "" or ":port". */
static bool parse_port(struct str text, uint16_t *port)
{
    uint64_t n = 0;

    if (text.len != 0 && (text.at[0] != ':' || text.len > 6 ||
                          !str_to_u64(str_slice(text, 1, text.len), &n) || n > UINT16_MAX)) {
        return false;
    }
    *port = (uint16_t)n;
    return true;
}

bool gw_ip_parse(struct str text, struct gw_ip *ip, uint16_t *port)
{
    struct str host = text, rest = {0};
    bool bracketed = text.len != 0 && text.at[0] == '[';
    size_t colon = str_find_char(text, ':');
    struct gw_ip found;
    uint16_t number;

    if (bracketed) {
        size_t end = str_find_char(text, ']');
        if (end == text.len) {
            return false;
        }
        host = str_slice(text, 1, end);
        rest = str_slice(text, end + 1, text.len);
    } else if (colon != text.len && str_find_char(str_slice(text, colon + 1, text.len), ':') ==
                                        text.len - colon - 1) { /* a single one */
        host = str_slice(text, 0, colon);
        rest = str_slice(text, colon, text.len);
    }
    if (!parse_port(rest, &number) || !parse_bare(host, &found) ||
        (bracketed && str_find_char(host, ':') == host.len)) {
        return false;
    }
    *ip = found;
    *port = number;
    return true;
}

/* ---- networks ----------------------------------------------------------------------------- */

bool gw_network_parse(struct str text, struct gw_network *out)
{
    size_t slash = str_find_char(text, '/');
    uint64_t bits;
    struct gw_ip ip;

    if (!parse_bare(str_slice(text, 0, slash), &ip)) {
        return false;
    }
    uint32_t before = gw_ip_is_v4(&ip) && str_find_char(text, ':') == text.len ? V4_BITS : 0;
    bits = ALL_BITS - before;
    if (slash != text.len &&
        (!str_to_u64(str_slice(text, slash + 1, text.len), &bits) || bits > ALL_BITS - before)) {
        return false;
    }
    memcpy(out->address, ip.bytes, sizeof out->address);
    out->bits = before + (uint32_t)bits;
    return true;
}

static bool holds(const struct gw_network *n, const struct gw_ip *ip)
{
    uint32_t bytes = n->bits / 8, bits = n->bits % 8;

    /* ::/0 is all of IPv6, not IPv4, too. */
    if (n->bits < V4_BITS && gw_ip_is_v4(ip)) {
        return false;
    }
    return memcmp(n->address, ip->bytes, bytes) == 0 &&
           (bits == 0 || (n->address[bytes] ^ ip->bytes[bytes]) >> (8 - bits) == 0);
}

bool gw_client_trusts(const struct gw_client_address *conf, const struct gw_ip *ip)
{
    for (uint32_t i = 0; i < conf->ntrusted; i++) {
        if (holds(&conf->networks[i], ip)) {
            return true;
        }
    }
    return false;
}

/* ---- the walk ----------------------------------------------------------------------------- */

/* Take the last entry off a list with commas; empty ones do not count.  False: there is none. */
static bool take_last(struct str *list, struct str *entry)
{
    struct str s = *list;

    while (s.len != 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t' || s.at[s.len - 1] == ',')) {
        s.len--;
    }
    size_t from = s.len;
    while (from != 0 && s.at[from - 1] != ',') {
        from--;
    }
    *entry = str_trim(str_slice(s, from, s.len));
    *list = str_slice(s, 0, from);
    return s.len != 0;
}

bool gw_client_find(const struct gw_client_address *conf, const struct str *values, size_t nvalues,
                    struct gw_ip *ip, uint16_t *port)
{
    unsigned hops = 0;

    for (size_t i = nvalues; i-- > 0;) {
        struct str list = values[i], entry;
        while (gw_client_trusts(conf, ip) && take_last(&list, &entry)) {
            if (hops == GW_CLIENT_HOPS_MAX || !gw_ip_parse(entry, ip, port)) {
                return hops != 0;
            }
            hops++;
        }
    }
    return hops != 0;
}
