/* empty - a plugin that looks at nothing: what it costs is the host's and the SDK's frame of a request. */
#include "weir_plugin.h"

struct root {
    struct wp_root wp;
};
struct stream {
    struct wp_stream wp;
};
WP_PLUGIN(struct root, struct stream)

static bool configure(struct root *root, struct wp_str config)
{
    (void)root;
    (void)config;
    return true;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)s;
    (void)count;
    (void)end_of_stream;
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_REQUEST_HEADERS(request_headers)
