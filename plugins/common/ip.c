/* ip.c - see ip.h.  Numbers and colons are read by the C library's inet_pton. */
#include "ip.h"

#include <arpa/inet.h>

enum { MAX_TEXT = 64, MAPPED_BYTES = 12, GROUPS = 8 };

static const unsigned char mapped[MAPPED_BYTES] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct ip *ip)
{
    return memcmp(ip->byte, mapped, MAPPED_BYTES) == 0;
}

/* An address with nothing around it. */
static bool parse_bare(struct wp_str text, struct ip *out)
{
    char z[MAX_TEXT];
    struct ip ip;
    if (text.len >= sizeof z || memchr(text.at, '\0', text.len)) {
        return false;
    }
    memcpy(z, text.at, text.len);
    z[text.len] = '\0';
    if (wp_str_find(text, ':') >= 0) {
        if (inet_pton(AF_INET6, z, ip.byte) != 1) {
            return false;
        }
    } else {
        memcpy(ip.byte, mapped, MAPPED_BYTES);
        if (inet_pton(AF_INET, z, ip.byte + MAPPED_BYTES) != 1) {
            return false;
        }
    }
    *out = ip;
    return true;
}

bool ip_parse(struct wp_str text, struct ip *out)
{
    text = wp_str_trim(text);
    if (wp_str_byte(text, 0) == '[') {
        ptrdiff_t end = wp_str_find(text, ']');
        return end > 0 && parse_bare(wp_str_slice(text, 1, (size_t)end), out);
    }
    ptrdiff_t colon = wp_str_find(text, ':');
    if (colon >= 0 && colon == wp_str_find_last(text, ':')) {
        text = wp_str_slice(text, 0, (size_t)colon);
    }
    return parse_bare(text, out);
}

struct wp_str ip_format(const struct ip *ip)
{
    if (is_v4(ip)) {
        const unsigned char *b = ip->byte + MAPPED_BYTES;
        return wp_format("%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    }
    unsigned group[GROUPS];
    int longest = 0, at = -1; /* the first longest run of zeros, of two groups at least */
    for (int i = 0; i < GROUPS; i++) {
        group[i] = (unsigned)ip->byte[2 * i] << 8 | ip->byte[2 * i + 1];
    }
    for (int i = 0, run = 0; i < GROUPS; i++) {
        run = group[i] == 0 ? run + 1 : 0;
        if (run > longest && run > 1) {
            longest = run;
            at = i - run + 1;
        }
    }
    char text[MAX_TEXT];
    int len = 0;
    for (int i = 0; i < GROUPS;) {
        if (i == at) {
            len += wp_snprintf(text + len, sizeof text - (size_t)len, "::");
            i += longest;
            continue;
        }
        len += wp_snprintf(text + len, sizeof text - (size_t)len, "%s%x",
                           i == 0 || i == at + longest ? "" : ":", group[i]);
        i++;
    }
    return wp_arena_dup(wp_callback_arena(), (struct wp_str){text, (size_t)len});
}

bool ip_net_parse(struct wp_str text, struct ip_net *out)
{
    struct ip_net net;
    ptrdiff_t slash = wp_str_find(text, '/');
    struct wp_str address = slash < 0 ? text : wp_str_slice(text, 0, (size_t)slash);
    if (!parse_bare(address, &net.address)) {
        return false;
    }
    bool v4 = wp_str_find(address, ':') < 0;
    unsigned width = v4 ? 32 : 128, bits = width;
    if (slash >= 0) {
        struct wp_str digits = wp_str_slice(text, (size_t)slash + 1, text.len);
        bits = 0;
        for (size_t i = 0; i < digits.len; i++) {
            if (digits.at[i] < '0' || digits.at[i] > '9' || i == 3) {
                return false;
            }
            bits = bits * 10 + (unsigned)(digits.at[i] - '0');
        }
        if (digits.len == 0 || bits > width) {
            return false;
        }
    }
    net.bits = bits + 128 - width;
    *out = net;
    return true;
}

bool ip_net_contains(const struct ip_net *net, const struct ip *ip)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->address.byte, ip->byte, whole) != 0) {
        return false;
    }
    return rest == 0 || (net->address.byte[whole] ^ ip->byte[whole]) >> (8 - rest) == 0;
}
