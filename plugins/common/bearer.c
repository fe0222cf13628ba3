/* bearer.c - see bearer.h. */
#include "bearer.h"

enum { MAX_REALM_SCHEME = 16, MAX_REALM_HOST = 256, MAX_REALM_PATH = 256 };

struct wp_str bearer_realm(void)
{
    struct wp_str path = wp_request_header(WP_STR("x-envoy-original-path"));
    if (path.len == 0) {
        path = wp_request_header(WP_STR(":path"));
    }
    struct wp_str scheme = wp_request_header(WP_STR(":scheme")),
                  host = wp_request_header(WP_STR(":authority"));
    scheme = wp_str_slice(scheme, 0, MAX_REALM_SCHEME);
    host = wp_str_slice(host, 0, MAX_REALM_HOST);
    path = wp_str_slice(path, 0, MAX_REALM_PATH);
    struct wp_str realm = wp_format("%.*s://%.*s%.*s", WP_ARG(scheme), WP_ARG(host), WP_ARG(path));
    for (char *c = (char *)realm.at; c < realm.at + realm.len; c++) {
        *c = *c == '"' || *c == '\\' ? '_' : *c;
    }
    return realm;
}

struct wp_str bearer_details(const char *prefix, struct wp_str message)
{
    struct wp_str details = wp_format("%s{%.*s}", prefix, WP_ARG(message));
    for (char *c = (char *)details.at; c < details.at + details.len; c++) {
        *c = *c == ' ' ? '_' : *c;
    }
    return details;
}
