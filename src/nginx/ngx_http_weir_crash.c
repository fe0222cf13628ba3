/*
 * ngx_http_weir_crash.c - reports of traps go to the control process.
 *
 * A report says which plugin, route and request (x-request-id) it was, and nothing of its body.  The log's
 * lines come without values of headers (pw/redact.h).
 */

#include "ngx_http_weir_module.h"

#include "base/hash.h"
#include "ngx_http_weir_channel.h"
#include "observe/crash.h"


static bool
crashed(const struct pw_crash *crash, struct str route, struct str request)
{
    char           hex[HASH_SHA256_HEX];
    size_t         i;
    ngx_int_t      rc;
    ngx_time_t    *tp;
    struct crash   report;
    struct strbuf  text = { 0 };

    tp = ngx_timeofday();
    hash_hex(crash->sha256, hex);

    ngx_memzero(&report, sizeof(report));
    report.plugin = crash->plugin;
    report.sha256 = str_of(hex);
    report.callback = str_of(crash->callback);
    report.trap = str_of(crash->reason);
    report.route = route;
    report.request = request;
    report.memory_bytes = crash->memory_bytes;
    report.time_ms = (uint64_t) tp->sec * 1000 + tp->msec;
    report.dropped = crash->dropped;

    if (crash->trap != NULL) {
        report.skipped = crash->trap->nskipped;

        for (i = 0; i < crash->trap->nframes && i < WEIR_TRAP_FRAMES; i++) {
            report.offsets[report.noffsets++] = crash->trap->frames[i].offset;
        }
    }

    for (i = crash->nlines > CRASH_MOST_LINES ? crash->nlines - CRASH_MOST_LINES : 0; i < crash->nlines; i++) {
        report.lines[report.nlines++] = crash->lines[i];
    }

    crash_write(&report, CRASH_PACKET_BYTES, &text);
    rc = ngx_http_weir_channel_crash(strbuf_str(&text));
    strbuf_fini(&text);

    return rc == NGX_OK;
}


bool
ngx_http_weir_crashed(void *server, void *stream, const struct pw_crash *crash)
{
    struct str            route = { 0 }, request = { 0 };
    ngx_http_weir_ctx_t  *ctx = stream;

    if (ctx != NULL) {
        route = ngx_http_weir_route_name(ctx);

        if (!ngx_http_weir_in_get(ctx, STR("x-request-id"), &request)) {
            request.len = 0;
        }
    }

    return crashed(crash, route, request);
}


bool
ngx_stream_weir_crashed(void *server, void *stream, const struct pw_crash *crash)
{
    struct str  none = { 0 };

    return crashed(crash, none, none);
}
