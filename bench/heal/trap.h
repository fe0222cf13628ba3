/* trap.h - before a plugin's source: the same plugin, but a request for /trap traps in on_request_headers. */
#ifndef BENCH_HEAL_TRAP_H
#define BENCH_HEAL_TRAP_H

#include "weir_plugin.h"

static inline void trap_if_asked(void)
{
    if (wp_str_eq(wp_request_header(WP_STR(":path")), WP_STR("/trap"))) {
        __builtin_trap();
    }
}

#undef WP_ON_REQUEST_HEADERS
#define WP_ON_REQUEST_HEADERS(fn)                                                                            \
    static enum wp_action fn##_or_trap(struct stream *s, uint32_t count, bool end_of_stream)                 \
    {                                                                                                        \
        trap_if_asked();                                                                                     \
        return fn(s, count, end_of_stream);                                                                  \
    }                                                                                                        \
    WP_STREAM_CALLBACK_(proxy_on_request_headers, fn##_or_trap)

#endif
