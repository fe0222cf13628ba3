/* internal.h - what the SDK's own files share, no part of its API. */
#ifndef WEIR_SDK_INTERNAL_H
#define WEIR_SDK_INTERNAL_H

#include "abi.h"
#include "weir_plugin.h"

/* Empty the callback's arena; every entry from the host begins with it. */
void wp_callback_arena_reset(void);
/* Forget the host's log level: the next log call asks again. */
void wp_log_level_forget(void);
/* Set by calls.c with its first call: the pending calls of a context are forgotten before its struct is
 * freed. `stream` is NULL when the root itself goes. */
extern void (*wp_context_gone)(const struct wp_root *root, const struct wp_stream *stream);

/* A string the host handed out; the empty one is never NULL. */
static inline struct wp_str wp_host_str(char *at, size_t len)
{
    return len != 0 ? (struct wp_str){at, len} : (struct wp_str){"", 0};
}

#endif
