/* nginx/ngx_http_weir_channel.h - a worker's end of the line to the control process (control/channel.h).
 *
 * The worker connects when it starts and again whenever the line is lost; until it is back, it
 * serves what it has.  Everything happens in the worker's event loop. */
#ifndef NGX_HTTP_WEIR_CHANNEL_H
#define NGX_HTTP_WEIR_CHANNEL_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "base/str.h"

typedef struct {
    /* The store has an image of the module with this SHA-256 (64 hexadecimal digits). */
    void (*image)(void *data, struct str sha256);
    /* Another generation may be in force. */
    void (*generation)(void *data);
    /* Write what `words` ask for into the file, and say "reported" (ngx_http_weir_channel_tell). */
    void (*report)(void *data, struct str words, int file);
} ngx_http_weir_channel_ops_t;

/* Connect to the socket at `path`, which must live as long as the cycle.  NGX_ERROR: no memory; a socket that
 * is not there yet is tried again. */
ngx_int_t ngx_http_weir_channel_start(ngx_cycle_t *cycle, ngx_str_t *path,
    const ngx_http_weir_channel_ops_t *ops, void *data);
void ngx_http_weir_channel_stop(void);

/* A crash report (observe/crash.h) without its verb.  NGX_ERROR: there is no line, or it is full. */
ngx_int_t ngx_http_weir_channel_crash(struct str report);

/* The store's image of this module cannot be used, because... */
void ngx_http_weir_channel_refused(const char *sha256, const char *reason);
/* What became of a generation (control/channel.h): "applied", "failed", "declined" or "unusable"; or "reported", with the
 * number of the request in the place of a generation. */
void ngx_http_weir_channel_tell(const char *what, const char *generation, const char *words);

#endif
