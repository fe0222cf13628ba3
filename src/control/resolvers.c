/* control/resolvers.c - resolv.conf is read by libc, so that it means here what it means to every other
 * program. */
#include "control/resolvers.h"

#include <arpa/inet.h>
#include <resolv.h>
#include <string.h>

/* glibc keeps IPv6 servers apart, and then the IPv4 slot has no family. */
static const struct sockaddr_in6 *v6_server(const struct __res_state *state, int i)
{
    return state->nsaddr_list[i].sin_family == 0 ? state->_u._ext.nsaddrs[i] : NULL;
}

void resolvers_of_system(struct strbuf *out)
{
    struct __res_state state;
    char text[INET6_ADDRSTRLEN];

    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) {
        return;
    }
    for (int i = 0; i < state.nscount; i++) {
        const struct sockaddr_in6 *v6 = v6_server(&state, i);
        const struct sockaddr_in *v4 = &state.nsaddr_list[i];
        if (v6 != NULL && inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text) != NULL) {
            strbuf_printf(out, " [%s]:%u", text, ntohs(v6->sin6_port));
        } else if (v6 == NULL && v4->sin_family == AF_INET &&
                   inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text) != NULL) {
            strbuf_printf(out, " %s:%u", text, ntohs(v4->sin_port));
        }
    }
    res_nclose(&state);
}

bool resolver_ok(const char *text)
{
    struct str s = str_of(text), host = s, port = {NULL, 0};
    char copy[INET6_ADDRSTRLEN + 1];
    unsigned char bytes[16];
    bool v6 = str_starts_with(s, STR("["));
    uint64_t n = 53;

    if (v6) {
        size_t close = str_find_char(s, ']');
        host = str_slice(s, 1, close);
        port = str_slice(s, close + 1, s.len);
        if (close == s.len) {
            return false;
        }
    } else {
        host = str_slice(s, 0, str_find_char(s, ':'));
        port = str_slice(s, host.len, s.len);
    }
    if (port.len != 0 &&
        (port.at[0] != ':' || !str_to_u64(str_slice(port, 1, port.len), &n) || n == 0 || n > 65535)) {
        return false;
    }
    if (host.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, host.at, host.len);
    copy[host.len] = '\0';
    return inet_pton(v6 ? AF_INET6 : AF_INET, copy, bytes) == 1;
}
