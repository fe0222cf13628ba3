/* host.c - buffers, properties, clock, ticks, going on, and for which stream. */
#include "internal.h"

enum { WP_STREAM_REQUEST = 0, WP_STREAM_RESPONSE = 1, WP_STREAM_DOWNSTREAM = 2, WP_STREAM_UPSTREAM = 3 };

bool wp_buffer_get(enum wp_buffer buffer, size_t start, size_t max_len, struct wp_str *out)
{
    char *at = NULL;
    size_t len = 0;
    bool found = proxy_get_buffer_bytes(buffer, start, max_len, &at, &len) == WP_OK;
    *out = found ? wp_host_str(at, len) : WP_STR("");
    return found;
}

/* Hosts take the lengths as 31-bit numbers at least; this one is past every end. */
enum { WP_ALL = 0x7fffffff };

enum wp_status wp_buffer_replace(enum wp_buffer buffer, struct wp_str data)
{
    return (enum wp_status)proxy_set_buffer_bytes(buffer, 0, WP_ALL, data.at, data.len);
}

enum wp_status wp_buffer_prepend(enum wp_buffer buffer, struct wp_str data)
{
    return (enum wp_status)proxy_set_buffer_bytes(buffer, 0, 0, data.at, data.len);
}

enum wp_status wp_buffer_append(enum wp_buffer buffer, struct wp_str data)
{
    return (enum wp_status)proxy_set_buffer_bytes(buffer, WP_ALL, 0, data.at, data.len);
}

bool wp_property_get(struct wp_str path, struct wp_str *out)
{
    char *at = NULL;
    size_t len = 0;
    bool found = proxy_get_property(path.at, path.len, &at, &len) == WP_OK;
    *out = found ? wp_host_str(at, len) : WP_STR("");
    return found;
}

bool wp_property_int(struct wp_str path, int64_t *out)
{
    struct wp_str value;
    if (!wp_property_get(path, &value) || value.len != sizeof *out) {
        return false;
    }
    memcpy(out, value.at, sizeof *out);
    return true;
}

enum wp_status wp_property_set(struct wp_str name, struct wp_str value)
{
    return (enum wp_status)proxy_set_property(name.at, name.len, value.at, value.len);
}

uint64_t wp_now_ns(void)
{
    uint64_t ns = 0;
    proxy_get_current_time_nanoseconds(&ns);
    return ns;
}

enum wp_status wp_tick_every_ms(uint32_t period_ms)
{
    return (enum wp_status)proxy_set_tick_period_milliseconds(period_ms);
}

enum wp_status wp_resume_request(void)
{
    return (enum wp_status)proxy_continue_stream(WP_STREAM_REQUEST);
}

enum wp_status wp_resume_response(void)
{
    return (enum wp_status)proxy_continue_stream(WP_STREAM_RESPONSE);
}

enum wp_status wp_stream_select(const struct wp_stream *s)
{
    return (enum wp_status)proxy_set_effective_context(s->id);
}

enum wp_status wp_close_stream(void)
{
    return (enum wp_status)proxy_close_stream(WP_STREAM_REQUEST);
}

enum wp_status wp_resume_downstream(void)
{
    return (enum wp_status)proxy_continue_stream(WP_STREAM_DOWNSTREAM);
}

enum wp_status wp_resume_upstream(void)
{
    return (enum wp_status)proxy_continue_stream(WP_STREAM_UPSTREAM);
}

enum wp_status wp_close_downstream(void)
{
    return (enum wp_status)proxy_close_stream(WP_STREAM_DOWNSTREAM);
}

enum wp_status wp_close_upstream(void)
{
    return (enum wp_status)proxy_close_stream(WP_STREAM_UPSTREAM);
}
