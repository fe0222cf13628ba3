/* sdk_tcp - the SDK's callbacks of TCP connections, on a real host.
 *
 * A line protocol: lines from the client are numbered and passed on when they are whole, what the upstream
 * says is put in brackets.  The line "quit" closes the client's connection, "hang up" the upstream's; "wait"
 * is held until the upstream says something.  With the configuration {"closed":true} nobody gets in. */
#include "weir_plugin.h"

struct root {
    struct wp_root wp;
    bool closed;
    uint32_t connections;
};
struct stream {
    struct wp_stream wp;
    uint32_t number, lines;
    bool waits;
};
WP_PLUGIN(struct root, struct stream)

static bool configure(struct root *root, struct wp_str config)
{
    root->closed = wp_str_eq(config, WP_STR("{\"closed\":true}"));
    return true;
}

static enum wp_action connected(struct stream *s)
{
    s->number = ++wp_root_of(s)->connections;
    if (wp_root_of(s)->closed) {
        wp_close_downstream();
        return WP_PAUSE;
    }
    return WP_CONTINUE;
}

static enum wp_action from_client(struct stream *s, uint32_t size, bool end_of_stream)
{
    struct wp_str data, line;
    wp_buffer_get(WP_DOWNSTREAM_DATA, 0, size, &data);
    if (wp_str_find(data, '\n') < 0 && !end_of_stream) {
        return WP_PAUSE;
    }
    struct wp_str out = WP_STR("");
    while (wp_str_split(&data, '\n', &line)) {
        if (wp_str_eq(line, WP_STR("quit"))) {
            wp_close_downstream();
        } else if (wp_str_eq(line, WP_STR("hang up"))) {
            wp_close_upstream();
        }
        s->waits = s->waits || wp_str_eq(line, WP_STR("wait"));
        out = wp_format("%.*s%u.%u %.*s\n", WP_ARG(out), s->number, ++s->lines, WP_ARG(line));
    }
    wp_buffer_replace(WP_DOWNSTREAM_DATA, out);
    return s->waits ? WP_PAUSE : WP_CONTINUE;
}

static enum wp_action from_upstream(struct stream *s, uint32_t size, bool end_of_stream)
{
    (void)end_of_stream;
    if (s->waits) {
        s->waits = false;
        wp_resume_downstream();
    }
    if (size != 0) {
        wp_buffer_prepend(WP_UPSTREAM_DATA, WP_STR("["));
        wp_buffer_append(WP_UPSTREAM_DATA, WP_STR("]"));
    }
    return WP_CONTINUE;
}

static const char *name_of(enum wp_peer peer)
{
    return peer == WP_PEER_REMOTE ? "remote" : peer == WP_PEER_LOCAL ? "local" : "unknown";
}

static void client_gone(struct stream *s, enum wp_peer peer)
{
    wp_info("%u: client gone, %s", s->number, name_of(peer));
}

static void upstream_gone(struct stream *s, enum wp_peer peer)
{
    wp_info("%u: upstream gone, %s", s->number, name_of(peer));
}

static void over(struct stream *s)
{
    wp_info("%u: over after %u lines", s->number, s->lines);
}

WP_ON_CONFIGURE(configure)
WP_ON_NEW_CONNECTION(connected)
WP_ON_DOWNSTREAM_DATA(from_client)
WP_ON_UPSTREAM_DATA(from_upstream)
WP_ON_DOWNSTREAM_CLOSE(client_gone)
WP_ON_UPSTREAM_CLOSE(upstream_gone)
WP_ON_LOG(over)
