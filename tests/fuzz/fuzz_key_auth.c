/* key-auth, built natively: any configuration, any request.  Input, pieces ended by NUL: configuration,
 * :path, :authority, route_name, cluster_name, then names and values of headers. Whatever is configured, a
 * verdict is a pass, a 401 or a 403. */
#include <stdlib.h>

#include "fake_host.h"

enum { ROOT = 1, STREAM = 2, MAX_HEADERS = 16 };

static struct wp_str take(struct wp_str *rest, size_t max)
{
    ptrdiff_t end = wp_str_find(*rest, '\0');
    size_t len = end < 0 ? rest->len : (size_t)end;
    struct wp_str piece = wp_str_slice(*rest, 0, len < max ? len : max);
    *rest = wp_str_slice(*rest, len + 1, rest->len);
    return piece;
}

/* NUL-terminated, as fake_set wants values. */
static const char *text(struct wp_str s, char dst[256])
{
    wp_snprintf(dst, 256, "%.*s", WP_ARG(s));
    return dst;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    char value[256];
    proxy_on_context_create(ROOT, 0);
    fake_reset();
    fake.config = take(&rest, 1 << 16);
    if (proxy_on_configure(ROOT, (uint32_t)fake.config.len)) {
        fake_set(&fake.request, WP_STR(":path"), text(take(&rest, 255), value));
        fake_set(&fake.request, WP_STR(":authority"), text(take(&rest, 255), value));
        fake_set(&fake.properties, WP_STR("route_name"), text(take(&rest, 255), value));
        fake_set(&fake.properties, WP_STR("cluster_name"), text(take(&rest, 255), value));
        for (int i = 0; i < MAX_HEADERS && rest.len != 0; i++) {
            struct wp_str name = take(&rest, 255);
            fake_set(&fake.request, name, text(take(&rest, 255), value));
        }
        proxy_on_context_create(STREAM, ROOT);
        uint32_t action = proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, 1);
        proxy_on_delete(STREAM);
        if (fake.responded != (action == WP_PAUSE) ||
            (fake.responded && fake.status != 401 && fake.status != 403)) {
            abort();
        }
    } else if (fake.log[0] == '\0') {
        abort(); /* refused without a word */
    }
    return 0;
}
