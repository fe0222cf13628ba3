/* gw/sni.c - ServerNameList: 2 bytes of length, then a type (0: a host), 2 bytes of length, and the name. */
#include "gw/sni.h"

#include "gw/values.h"

enum { HEAD_BYTES = 5, HOST_NAME = 0 };

static size_t number(struct str s, size_t at)
{
    return (size_t)(unsigned char)s.at[at] << 8 | (unsigned char)s.at[at + 1];
}

struct str gw_sni_host(struct str extension)
{
    struct str e = extension;

    /* There are no other types of names, and one host at most: so it is all of the list. */
    if (e.len <= HEAD_BYTES || number(e, 0) != e.len - 2 || e.at[2] != HOST_NAME ||
        number(e, 3) != e.len - HEAD_BYTES) {
        return STR("");
    }
    struct str host = str_slice(e, HEAD_BYTES, e.len);
    return host.len > GW_MAX_HOST || str_find_char(host, '\0') != host.len ? STR("") : host;
}
