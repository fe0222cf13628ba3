/* pw/connection.c - a TCP connection through the steps: what the client sends in order, what the upstream
 * sends in reverse (host facts 1.8 to 1.11).
 *
 * A step holds in one of two ways (its sides, stream.h):
 *
 *   stopped   by proxy_on_new_connection: later steps do not know of the connection yet.  Data callbacks of
 * this step run; one that continues lets the connection go first.  Without a data callback data waits paused
 * by a data callback: the data gathers here; each new chunk is a callback that sees all of it
 *
 * A step that holds more than its limit holds the server, too (back-pressure), until it is resumed.  Who
 * waits for more data than its limit waits in vain: the server's timeout ends that. */
#include "pw/plugin.h"
#include "pw/stream.h"

static const struct {
    enum pw_export_id data, close;
} directions[] = {
    [PW_REQUEST] = {PW_EXPORT_DOWNSTREAM_DATA, PW_EXPORT_DOWNSTREAM_CLOSE},
    [PW_RESPONSE] = {PW_EXPORT_UPSTREAM_DATA, PW_EXPORT_UPSTREAM_CLOSE},
};

/* ---- passing on -------------------------------------------------------------------------------- */

/* proxy_on_new_connection from step `i` on, until one stops. */
static bool pass_new(struct pw_stream *s, int32_t i)
{
    struct pw_flow *f = &s->flow[PW_REQUEST];

    for (; i != f->end; i += f->by) {
        uint32_t status;
        if (!pw_stream_call_step(s, (uint32_t)i, PW_REQUEST, PW_EXPORT_NEW_CONNECTION, 0, false, &status)) {
            return false;
        }
        if (status != 0) {
            s->steps[i].side[PW_REQUEST].stopped = PW_HEADERS_STOP;
            return true;
        }
    }
    f->through = true;
    return true;
}

/* Keep what the step did not let through; `before` bytes of it were kept already.  False: the plugin has too
 * much of all connections, this one is closed. */
static bool hold(struct pw_stream *s, uint32_t i, enum pw_direction d, size_t before)
{
    struct pw_side *side = &s->steps[i].side[d];
    uint64_t limit = pw_side_limit(s, i, d);

    side->paused = side->watermark = true;
    side->readable = side->body.len != 0;
    pw_body_own(&side->body);
    if (before <= limit && side->body.len > limit) {
        pw_plugin_log(s->steps[i].plugin, s->server_stream, PW_LOG_WARN,
                      STR("holds more of a connection than limits.body: nothing is read until it goes on"));
    }
    if (pw_quota_allows_body(&s->steps[i], 0)) {
        return true;
    }
    s->local_step = (int32_t)i;
    s->closed = true;
    s->verdict = PW_CLOSE;
    return false;
}

/* Does a step that stopped the connection say nothing to its data? */
static bool waits_blindly(const struct pw_stream_step *st, const struct pw_side *side)
{
    return side->stopped != PW_HEADERS_CONTINUE && !st->failed && st->vm != NULL && !st->vm->dead &&
           !pw_vm_exports(st->vm, PW_EXPORT_DOWNSTREAM_DATA);
}

/* Takes `b` over. */
static bool pass_data(struct pw_stream *s, enum pw_direction d, int32_t i, struct pw_body *b,
                      bool end_of_stream)
{
    struct pw_flow *f = &s->flow[d];

    for (; i != f->end && (b->len != 0 || end_of_stream); i += f->by) {
        struct pw_stream_step *st = &s->steps[i];
        struct pw_side *side = &st->side[d];
        size_t before = side->body.len;
        uint32_t status = 1;
        pw_body_move(&side->body, b);
        side->end = end_of_stream ? PW_END_BODY : PW_END_OPEN;
        if (!waits_blindly(st, side)) {
            side->readable = true;
            if (!pw_stream_call_step(s, (uint32_t)i, d, directions[d].data, (uint32_t)side->body.len,
                                     end_of_stream, &status)) {
                return false;
            }
        }
        if (status != 0) {
            return hold(s, (uint32_t)i, d, before);
        }
        side->paused = side->readable = false;
        pw_body_move(b, &side->body);
        if (side->stopped != PW_HEADERS_CONTINUE) {
            side->stopped = PW_HEADERS_CONTINUE;
            if (!pass_new(s, i + f->by)) {
                pw_body_fini(b);
                return false;
            }
        }
    }
    if (b->len != 0 || end_of_stream) {
        s->server->body(s->server_stream, d, pw_body_str(b), end_of_stream);
    }
    pw_body_fini(b);
    return true;
}

static bool resume_step(struct pw_stream *s, enum pw_direction d, int32_t i)
{
    struct pw_side *side = &s->steps[i].side[d];
    int32_t next = i + s->flow[d].by;
    bool end_of_stream = side->paused && side->end == PW_END_BODY;
    struct pw_body b = {0};

    if (side->stopped != PW_HEADERS_CONTINUE) {
        side->stopped = PW_HEADERS_CONTINUE;
        if (!pass_new(s, next)) {
            return false;
        }
    }
    side->paused = side->readable = false;
    pw_body_move(&b, &side->body);
    return pass_data(s, d, next, &b, end_of_stream);
}

/* ---- what the server calls --------------------------------------------------------------------------- */

struct pw_stream *pw_connection_new(const struct pw_step *steps, size_t n, void *stream)
{
    struct pw_stream *s = pw_stream_new(steps, n, stream);

    s->connection = true;
    s->resume_step = resume_step;
    s->flow[PW_RESPONSE].begun = s->flow[PW_RESPONSE].through = true;
    return s;
}

enum pw_verdict pw_connection_on_new(struct pw_stream *s)
{
    struct pw_flow *f = &s->flow[PW_REQUEST];

    WEIR_ASSERT(s->connection && !f->begun);
    f->begun = true;
    pw_stream_enter(s);
    return pw_stream_leave(s, PW_REQUEST, pass_new(s, f->first));
}

enum pw_verdict pw_connection_on_data(struct pw_stream *s, enum pw_direction d, struct str chunk,
                                      bool end_of_stream)
{
    struct pw_body b = {.at = chunk.at, .len = chunk.len};

    WEIR_ASSERT(s->connection && s->flow[PW_REQUEST].begun);
    if (s->closed) {
        return PW_CLOSE;
    }
    pw_stream_enter(s);
    return pw_stream_leave(s, d, pass_data(s, d, s->flow[d].first, &b, end_of_stream));
}

/* The close callback of one step; if it fails, s->closed may be the consequence. */
static void tell_close(struct pw_stream *s, uint32_t i, enum pw_direction side, enum pw_peer peer)
{
    struct pw_stream_step *st = &s->steps[i];
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {st->ctx.id, peer};

    if (st->failed || st->ctx.id == 0 || st->vm->dead || !pw_vm_exports(st->vm, directions[side].close)) {
        return;
    }
    pw_stream_time_from(s);
    bool returned = pw_vm_call(st->vm, &st->ctx, directions[side].close, args, NULL);
    pw_stream_time_to(s, st);
    if (!returned) {
        pw_stream_fail_step(s, i);
    }
}

void pw_connection_on_close(struct pw_stream *s, enum pw_direction side, enum pw_peer peer)
{
    bool was_closed = s->closed, close = false;

    WEIR_ASSERT(s->connection && !s->running);
    if (s->close_told[side]) {
        return;
    }
    s->close_told[side] = true;
    s->running = true; /* what is asked for waits */
    s->stamp_ticks = 0;
    for (uint32_t i = 0; i < s->nsteps; i++) {
        tell_close(s, i, side, peer);
        close |= (s->pending & PW_PENDING_CLOSE) != 0;
        s->pending = 0;
    }
    s->running = false;
    s->closed |= close;
    if (s->closed) {
        if (!was_closed) {
            s->server->close_stream(s->server_stream);
        }
        return;
    }
    pw_stream_ask_to_resume(s, PW_REQUEST);
    pw_stream_ask_to_resume(s, PW_RESPONSE);
}
