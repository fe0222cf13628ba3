/* pw/chain.c - messages through the steps: requests in order, responses in reverse (host facts 1.8 to 1.12).
 *
 * A message is headers, chunks of a body, trailers; each part is passed from step to step until one holds it.
 * What a step holds lies in its side (stream.h), in one of three ways:
 *
 *   headers stopped, all    nothing runs; what arrives waits, unseen, and is shown to this step on resuming
 *   headers stopped         body and trailers callbacks run; one that continues lets the headers go first
 *   paused                  the headers are through, the body gathers here; each new chunk is a callback
 *
 * A step may put bytes of its own into the response behind it (proxy_inject_...): they go on when its call
 * returned, at once where it holds the message too, then with the headers before them.
 *
 * So a step never sees a part before the one that precedes it.  Functions return false once the stream
 * was answered or closed, s->verdict says which; then nothing more is passed.  A response visits only
 * contexts that the request created. */
#include "base/mem.h"
#include "pw/live.h"
#include "pw/plugin.h"
#include "pw/stream.h"

static const struct {
    enum pw_export_id headers, body, trailers;
    enum pw_map headers_map, trailers_map;
    enum pw_pending resume;
    uint32_t too_large_status;
    const char *too_large_details, *too_large_body;
} directions[] = {
    [PW_REQUEST] = {PW_EXPORT_REQUEST_HEADERS, PW_EXPORT_REQUEST_BODY, PW_EXPORT_REQUEST_TRAILERS,
                    PW_MAP_REQUEST_HEADERS, PW_MAP_REQUEST_TRAILERS, PW_PENDING_REQUEST, 413,
                    "request_payload_too_large", "Payload Too Large"},
    [PW_RESPONSE] = {PW_EXPORT_RESPONSE_HEADERS, PW_EXPORT_RESPONSE_BODY, PW_EXPORT_RESPONSE_TRAILERS,
                     PW_MAP_RESPONSE_HEADERS, PW_MAP_RESPONSE_TRAILERS, PW_PENDING_RESPONSE, 500,
                     "response_payload_too_large", "Internal Server Error"},
};

static bool pass_body(struct pw_stream *s, enum pw_direction d, int32_t i, struct pw_body *b,
                      bool end_of_stream);
static bool flush_injected(struct pw_stream *s, int32_t i);

/* ---- calls --------------------------------------------------------------------------------------- */

static bool end_with(struct pw_stream *s, enum pw_verdict v)
{
    s->verdict = v;
    return v == PW_CONTINUE;
}

/* What host calls asked for during the call that just returned.  Continue takes effect after the call, so it
 * also undoes the pause that the same call returned: *status becomes 0. */
static bool settle(struct pw_stream *s, struct pw_stream_step *st, enum pw_direction d, uint32_t *status)
{
    uint8_t pending = s->pending;

    s->pending = 0;
    if (pending & PW_PENDING_LOCAL) {
        return end_with(s, pw_stream_answer(s));
    }
    if (pending & PW_PENDING_CLOSE) {
        s->closed = true;
        return end_with(s, PW_CLOSE);
    }
    if (st->side[d].resumed) {
        st->side[d].resumed = false;
        *status = 0;
    }
    return true;
}

/* The root's id is the parent: each configuration has its own root (design, decision 7). */
static bool create_context(struct pw_stream_step *st)
{
    struct pw_context *ctx = &st->ctx;

    if (!pw_quota_allows(st->plugin, PW_QUOTA_CONTEXTS, st->plugin->quotas.contexts, 1)) {
        return false;
    }
    st->plugin->quotas.contexts++;
    st->called = true;
    pw_contexts_add(&st->vm->contexts, ctx);
    pw_live.contexts++;
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {ctx->id, st->vm->roots[ctx->config].id};
    return pw_vm_call(st->vm, ctx, PW_EXPORT_CONTEXT_CREATE, args, NULL);
}

bool pw_stream_call_step(struct pw_stream *s, uint32_t i, enum pw_direction d, enum pw_export_id id,
                         uint32_t size, bool end_of_stream, uint32_t *status)
{
    struct pw_stream_step *st = &s->steps[i];
    uint32_t unused = 0;

    *status = 0;
    if (st->failed || (d == PW_RESPONSE && st->ctx.id == 0)) {
        return true;
    }
    if (st->ctx.id != 0 && !pw_vm_exports(st->vm, id)) {
        return true; /* it has had its say: a VM that died since takes nothing from it */
    }
    if (st->vm == NULL || st->vm->dead) {
        return end_with(s, pw_stream_fail_step(s, i));
    }
    pw_stream_time_from(s);
    if (st->ctx.id == 0) {
        if (!st->vm->has_stream_callbacks) {
            return true;
        }
        if (!create_context(st)) {
            pw_stream_time_to(s, st);
            return end_with(s, pw_stream_fail_step(s, i));
        }
        if (!settle(s, st, d, &unused)) {
            pw_stream_time_to(s, st);
            return false;
        }
    }
    if (!pw_vm_exports(st->vm, id)) {
        pw_stream_time_to(s, st);
        return true;
    }
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {st->ctx.id, size, end_of_stream};
    st->side[d].in_call = true;
    bool returned = pw_vm_call(st->vm, &st->ctx, id, args, status);
    st->side[d].in_call = false;
    pw_stream_time_to(s, st);
    if (!returned) {
        *status = 0;
        return end_with(s, pw_stream_fail_step(s, i));
    }
    return settle(s, st, d, status);
}

/* ---- limits -------------------------------------------------------------------------------------- */

uint64_t pw_side_limit(const struct pw_stream *s, uint32_t step, enum pw_direction d)
{
    const struct pw_stream_step *st = &s->steps[step];

    if (st->side[d].limit_bytes != 0) {
        return st->side[d].limit_bytes;
    }
    return s->limit_bytes != 0 ? s->limit_bytes : st->plugin->opt.body_limit_bytes;
}

/* The message is too long for the step to hold: the stream is answered, or ends. */
static bool too_large(struct pw_stream *s, uint32_t i, enum pw_direction d)
{
    if (s->local_taken) { /* it is an answer already */
        s->closed = true;
        return end_with(s, PW_CLOSE);
    }
    s->local = (struct pw_local_response){
        .status = directions[d].too_large_status,
        .details = str_of(directions[d].too_large_details),
        .body = str_of(directions[d].too_large_body),
        .grpc_status = -1,
    };
    s->local_taken = true;
    s->local_step = (int32_t)i;
    return end_with(s, pw_stream_answer(s));
}

/* What all requests of the plugin hold together; `buffers`: a step that buffers may not hold more than its
 * own limit either, nor wait for more: Content-Length says so. */
static bool within_limit(struct pw_stream *s, uint32_t i, enum pw_direction d, bool buffers)
{
    uint64_t limit = pw_side_limit(s, i, d), announced;
    struct str v;

    if (!pw_quota_allows_body(&s->steps[i], 0)) {
        return too_large(s, i, d);
    }
    if (!buffers ||
        (s->steps[i].side[d].body.len <= limit &&
         (!s->server->map_get(s->server_stream, directions[d].headers_map, STR("content-length"), &v) ||
          !str_to_u64(v, &announced) || announced <= limit))) {
        return true;
    }
    return too_large(s, i, d);
}

/* ---- passing on ------------------------------------------------------------------------------------ */

/* A return value of a headers callback (host facts 1.10). */
static enum pw_headers_status headers_status(const struct pw_vm *vm, uint32_t value)
{
    switch (value) {
    case PW_HEADERS_CONTINUE:
    case PW_HEADERS_CONTINUE_AND_END: /* Envoy takes it as Continue, too */
        return PW_HEADERS_CONTINUE;
    case PW_HEADERS_STOP:
        return vm->abi == PW_ABI_0_2_100 ? PW_HEADERS_STOP : PW_HEADERS_STOP_ALL_AND_WATERMARK;
    case PW_HEADERS_STOP_ALL_AND_BUFFER:
        return PW_HEADERS_STOP_ALL_AND_BUFFER;
    default:
        return PW_HEADERS_STOP_ALL_AND_WATERMARK;
    }
}

/* How many entries a callback hears of; nobody asks the server where nothing is called. */
static uint32_t map_size(const struct pw_stream *s, const struct pw_stream_step *st, enum pw_export_id id,
                         enum pw_map map)
{
    bool called = st->vm != NULL && pw_vm_exports(st->vm, id);
    return called ? (uint32_t)s->server->map_count(s->server_stream, map) : 0;
}

static bool stops_all(const struct pw_side *side)
{
    return side->stopped > PW_HEADERS_STOP;
}

/* A response that had no body of its own ends behind what was injected. */
static bool end_injected(struct pw_stream *s, int32_t i)
{
    struct pw_body none = {0};

    return s->steps[i].side[PW_RESPONSE].cut ||
           pass_body(s, PW_RESPONSE, i + s->flow[PW_RESPONSE].by, &none, true);
}

static bool pass_headers(struct pw_stream *s, enum pw_direction d, int32_t i, bool end_of_stream)
{
    struct pw_flow *f = &s->flow[d];

    for (; i != f->end; i += f->by) {
        struct pw_stream_step *st = &s->steps[i];
        struct pw_side *side = &st->side[d];
        uint32_t status, n = map_size(s, st, directions[d].headers, directions[d].headers_map);
        side->end = end_of_stream ? PW_END_HEADERS : PW_END_OPEN;
        side->entered = true;
        if (!pw_stream_call_step(s, (uint32_t)i, d, directions[d].headers, n, end_of_stream, &status)) {
            return false;
        }
        if (status != PW_HEADERS_CONTINUE && headers_status(st->vm, status) != PW_HEADERS_CONTINUE) {
            side->stopped = (uint8_t)headers_status(st->vm, status);
            return (end_of_stream || side->stopped != PW_HEADERS_STOP_ALL_AND_BUFFER ||
                    within_limit(s, (uint32_t)i, d, true)) &&
                   (!side->injecting || flush_injected(s, i));
        }
        if (side->injecting) {
            return pass_headers(s, d, i + f->by, false) && flush_injected(s, i) &&
                   (!end_of_stream || end_injected(s, i));
        }
    }
    f->through = true;
    return true;
}

/* A resumption that was asked for before this part arrived comes first: it is not an answer to the callback
 * that shows the part. */
static bool resume_before(struct pw_stream *s, enum pw_direction d, int32_t i)
{
    struct pw_side *side = &s->steps[i].side[d];

    if (!side->resumed) {
        return true;
    }
    side->resumed = false;
    return !pw_side_holds(side) || pw_chain_resume_step(s, d, i);
}

/* The step goes on: its headers first, unless they went before. */
static bool let_headers_go(struct pw_stream *s, enum pw_direction d, int32_t i, bool end_of_stream)
{
    struct pw_side *side = &s->steps[i].side[d];
    bool held = side->stopped != PW_HEADERS_CONTINUE && !side->headers_gone;

    side->stopped = PW_HEADERS_CONTINUE;
    side->headers_gone = false;
    return !held || pass_headers(s, d, i + s->flow[d].by, end_of_stream);
}

/* What a step injected goes on; the step itself may go on holding what it holds. */
static bool flush_injected(struct pw_stream *s, int32_t i)
{
    int32_t next = i + s->flow[PW_RESPONSE].by;
    struct pw_side *side = &s->steps[i].side[PW_RESPONSE];
    struct pw_body b = {0};
    bool end = side->inject_end;

    side->injecting = side->inject_end = false;
    pw_body_move(&b, &side->injected);
    if (side->stopped != PW_HEADERS_CONTINUE && !side->headers_gone) {
        side->headers_gone = true;
        if (!pass_headers(s, PW_RESPONSE, next, false)) {
            pw_body_fini(&b);
            return false;
        }
    }
    if (end) {
        side->cut = s->cut = true;
        side->stopped = PW_HEADERS_CONTINUE;
        side->paused = side->readable = side->made_trailers = false;
        pw_body_fini(&side->body);
    }
    return pass_body(s, PW_RESPONSE, next, &b, end);
}

static bool pass_trailers(struct pw_stream *s, enum pw_direction d, int32_t i)
{
    struct pw_flow *f = &s->flow[d];

    for (; i != f->end; i += f->by) {
        struct pw_side *side = &s->steps[i].side[d];
        if (!resume_before(s, d, i)) {
            return false;
        }
        uint32_t status, n;
        if (side->cut) {
            return true;
        }
        n = map_size(s, &s->steps[i], directions[d].trailers, directions[d].trailers_map);
        side->end = PW_END_TRAILERS;
        if (stops_all(side)) {
            return true;
        }
        side->trailers_called = true;
        if (!pw_stream_call_step(s, (uint32_t)i, d, directions[d].trailers, n, true, &status)) {
            return false;
        }
        if (status != PW_HEADERS_CONTINUE) {
            side->paused = true;
            return !side->injecting || flush_injected(s, i);
        }
        if (!let_headers_go(s, d, i, false) || (side->injecting && !flush_injected(s, i))) {
            return false;
        }
        struct pw_body b = {0};
        pw_body_move(&b, &side->body);
        side->paused = side->readable = false;
        if (!pass_body(s, d, i + f->by, &b, false)) {
            return false;
        }
    }
    s->server->trailers(s->server_stream, d);
    return true;
}

/* The body callback of a step whose body is all it may read now; *status as Envoy's FilterDataStatus. */
static bool show_body(struct pw_stream *s, uint32_t i, enum pw_direction d, bool end_of_stream,
                      uint32_t *status)
{
    struct pw_side *side = &s->steps[i].side[d];

    side->readable = true;
    side->in_last_call = end_of_stream;
    bool go_on =
        pw_stream_call_step(s, i, d, directions[d].body, (uint32_t)side->body.len, end_of_stream, status);
    side->in_last_call = false;
    return go_on;
}

/* Hold what a step did not let through; `before` bytes of it were held already. */
static bool hold_body(struct pw_stream *s, uint32_t i, enum pw_direction d, size_t before, uint32_t status)
{
    struct pw_side *side = &s->steps[i].side[d];

    side->paused = true;
    side->watermark = status == PW_BODY_STOP_AND_WATERMARK;
    if (status >= PW_BODY_STOP_NO_BUFFER && side->body.len > before) {
        side->body.len = before; /* the chunk is dropped */
    }
    side->readable = side->body.len != 0;
    pw_body_own(&side->body);
    return within_limit(s, i, d, status == PW_BODY_STOP_AND_BUFFER);
}

/* Takes `b` over. */
static bool pass_body(struct pw_stream *s, enum pw_direction d, int32_t i, struct pw_body *b,
                      bool end_of_stream)
{
    struct pw_flow *f = &s->flow[d];

    for (; i != f->end && (b->len != 0 || end_of_stream); i += f->by) {
        struct pw_side *side = &s->steps[i].side[d];
        if (!resume_before(s, d, i)) {
            pw_body_fini(b);
            return false;
        }
        size_t before = side->body.len;
        uint32_t status;
        if (side->cut) {
            break;
        }
        pw_body_move(&side->body, b);
        if (end_of_stream) {
            side->end = PW_END_BODY;
        }
        if (stops_all(side)) {
            pw_body_own(&side->body);
            return within_limit(s, (uint32_t)i, d, side->stopped == PW_HEADERS_STOP_ALL_AND_BUFFER);
        }
        if (!show_body(s, (uint32_t)i, d, end_of_stream, &status)) {
            return false;
        }
        if (status != PW_BODY_CONTINUE) {
            return hold_body(s, (uint32_t)i, d, before, status) && (!side->injecting || flush_injected(s, i));
        }
        if (side->injecting && !flush_injected(s, i)) {
            return false;
        }
        if (side->cut) {
            return true;
        }
        side->paused = side->readable = false;
        pw_body_move(b, &side->body);
        if (!let_headers_go(s, d, i, false)) {
            pw_body_fini(b);
            return false;
        }
        if (side->made_trailers) {
            side->made_trailers = false;
            side->end = PW_END_TRAILERS;
            side->trailers_called = true;
            return pass_body(s, d, i + f->by, b, false) && pass_trailers(s, d, i + f->by);
        }
    }
    if (i == f->end && (b->len != 0 || end_of_stream)) {
        s->server->body(s->server_stream, d, pw_body_str(b), end_of_stream);
    }
    pw_body_fini(b);
    return true;
}

/* ---- resuming ---------------------------------------------------------------------------------------- */

bool pw_chain_resume_step(struct pw_stream *s, enum pw_direction d, int32_t i)
{
    int32_t next = i + s->flow[d].by;
    struct pw_side *side = &s->steps[i].side[d];
    bool unseen = stops_all(side);
    struct pw_body b = {0};

    bool bare = side->end == PW_END_HEADERS && side->headers_gone;

    if (!let_headers_go(s, d, i, side->end == PW_END_HEADERS)) {
        return false;
    }
    if (bare) {
        return end_injected(s, i);
    }
    side->paused = side->readable = false;
    pw_body_move(&b, &side->body);
    /* What arrived while all was stopped is shown to this step first, the rest it has seen. */
    if (!pass_body(s, d, unseen ? i : next, &b, side->end == PW_END_BODY && !side->made_trailers)) {
        return false;
    }
    if (side->end == PW_END_TRAILERS || side->made_trailers) {
        bool seen = side->trailers_called || side->made_trailers;
        side->made_trailers = false;
        return pass_trailers(s, d, seen ? next : i);
    }
    return true;
}

/* Resumptions of other steps than the one that ran, until none is left; those of the other direction are for
 * the server to begin. */
static bool resume_all(struct pw_stream *s, enum pw_direction d)
{
    struct pw_flow *f = &s->flow[d];
    bool again = true;

    while (again) {
        again = false;
        for (int32_t i = f->first; i != f->end; i += f->by) {
            struct pw_side *side = &s->steps[i].side[d];
            if (side->injecting) {
                again = true;
                if (!flush_injected(s, i)) {
                    return false;
                }
            }
            if (side->resumed) {
                side->resumed = false;
                again = true;
                if (pw_side_holds(side) && !s->resume_step(s, d, i)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void forget_resumed(struct pw_stream *s)
{
    for (uint32_t i = 0; i < s->nsteps; i++) {
        s->steps[i].side[PW_REQUEST].resumed = s->steps[i].side[PW_RESPONSE].resumed = false;
        s->steps[i].side[PW_RESPONSE].injecting = false;
    }
}

/* ---- entering ------------------------------------------------------------------------------------------ */

void pw_stream_enter(struct pw_stream *s)
{
    WEIR_ASSERT(!s->running && s->phase != PW_PHASE_LOG);
    s->running = true;
    s->verdict = PW_CONTINUE;
    s->resumes = false;
    s->stamp_ticks = 0;
}

enum pw_verdict pw_stream_leave(struct pw_stream *s, enum pw_direction d, bool go_on)
{
    struct pw_flow *f = &s->flow[d];

    if (s->resumes) { /* rare: somebody continued */
        go_on = go_on && resume_all(s, d);
        if (go_on) {
            pw_stream_ask_to_resume(s, d == PW_REQUEST ? PW_RESPONSE : PW_REQUEST);
        } else {
            forget_resumed(s);
        }
    }
    s->running = false;
    pw_quota_count_bodies(s);
    if (!go_on) {
        return s->verdict;
    }
    f->out = f->through;
    return f->through ? PW_CONTINUE : PW_PAUSE;
}

/* Does the chain have nothing more to say about this direction? */
static bool is_over(const struct pw_stream *s, enum pw_direction d)
{
    return s->closed || (d == PW_REQUEST ? s->local_sent : s->final);
}

enum pw_verdict pw_stream_on_request_headers(struct pw_stream *s, bool end_of_stream)
{
    struct pw_flow *f = &s->flow[PW_REQUEST];

    if (s->phase != PW_PHASE_REQUEST || is_over(s, PW_REQUEST)) {
        return PW_CONTINUE;
    }
    if (f->begun) {
        return f->through ? PW_CONTINUE : PW_PAUSE;
    }
    f->begun = true;
    pw_stream_enter(s);
    return pw_stream_leave(s, PW_REQUEST, pass_headers(s, PW_REQUEST, f->first, end_of_stream));
}

enum pw_verdict pw_stream_on_response_headers(struct pw_stream *s, bool end_of_stream)
{
    struct pw_flow *f = &s->flow[PW_RESPONSE];

    WEIR_ASSERT(s->phase != PW_PHASE_LOG);
    s->phase = PW_PHASE_RESPONSE;
    if (is_over(s, PW_RESPONSE)) {
        return PW_CONTINUE;
    }
    if (f->begun) {
        return f->through ? PW_CONTINUE : PW_PAUSE;
    }
    f->begun = true;
    pw_stream_enter(s);
    return pw_stream_leave(s, PW_RESPONSE, pass_headers(s, PW_RESPONSE, f->first, end_of_stream));
}

static enum pw_verdict on_body(struct pw_stream *s, enum pw_direction d, struct str chunk, bool end_of_stream)
{
    struct pw_body b = {.at = chunk.at, .len = chunk.len};

    WEIR_ASSERT(s->flow[d].begun || is_over(s, d));
    if (is_over(s, d)) {
        s->server->body(s->server_stream, d, chunk, end_of_stream);
        return PW_CONTINUE;
    }
    if (d == PW_RESPONSE && s->cut) {
        return s->flow[d].through ? PW_CONTINUE : PW_PAUSE;
    }
    pw_stream_enter(s);
    return pw_stream_leave(s, d, pass_body(s, d, s->flow[d].first, &b, end_of_stream));
}

static enum pw_verdict on_trailers(struct pw_stream *s, enum pw_direction d)
{
    WEIR_ASSERT(s->flow[d].begun || is_over(s, d));
    if (is_over(s, d)) {
        s->server->trailers(s->server_stream, d);
        return PW_CONTINUE;
    }
    if (d == PW_RESPONSE && s->cut) {
        return s->flow[d].through ? PW_CONTINUE : PW_PAUSE;
    }
    pw_stream_enter(s);
    return pw_stream_leave(s, d, pass_trailers(s, d, s->flow[d].first));
}

static enum pw_verdict on_resume(struct pw_stream *s, enum pw_direction d)
{
    s->flow[d].told = false;
    if (is_over(s, d)) {
        return PW_CONTINUE;
    }
    pw_stream_enter(s);
    s->resumes = true;
    return pw_stream_leave(s, d, true);
}

enum pw_verdict pw_stream_on_request_body(struct pw_stream *s, struct str chunk, bool end_of_stream)
{
    return on_body(s, PW_REQUEST, chunk, end_of_stream);
}

enum pw_verdict pw_stream_on_response_body(struct pw_stream *s, struct str chunk, bool end_of_stream)
{
    return on_body(s, PW_RESPONSE, chunk, end_of_stream);
}

enum pw_verdict pw_stream_on_request_trailers(struct pw_stream *s)
{
    return on_trailers(s, PW_REQUEST);
}

enum pw_verdict pw_stream_on_response_trailers(struct pw_stream *s)
{
    return on_trailers(s, PW_RESPONSE);
}

enum pw_verdict pw_stream_resume_request(struct pw_stream *s)
{
    return on_resume(s, PW_REQUEST);
}

enum pw_verdict pw_stream_resume_response(struct pw_stream *s)
{
    return on_resume(s, PW_RESPONSE);
}

/* ---- what the server may leave out ------------------------------------------------------------------- */

static bool wants_body(const struct pw_stream *s, enum pw_direction d)
{
    for (uint32_t i = 0; i < s->nsteps && !is_over(s, d); i++) {
        const struct pw_stream_step *st = &s->steps[i];
        bool runs = !st->failed && st->vm != NULL && !st->vm->dead && (d == PW_REQUEST || st->ctx.id != 0);
        /* Headers that are stopped alone wait for the body even where nobody looks at it. */
        if ((runs && pw_vm_exports(st->vm, directions[d].body)) || st->side[d].stopped == PW_HEADERS_STOP) {
            return true;
        }
    }
    return d == PW_RESPONSE && s->injected;
}

static bool is_blocked(const struct pw_stream *s, enum pw_direction d)
{
    for (uint32_t i = 0; i < s->nsteps && !is_over(s, d); i++) {
        const struct pw_side *side = &s->steps[i].side[d];
        if (side->stopped == PW_HEADERS_STOP_ALL_AND_WATERMARK ||
            (side->paused && side->watermark && side->body.len > pw_side_limit(s, i, d))) {
            return true;
        }
    }
    return false;
}

bool pw_stream_wants_request_body(const struct pw_stream *s)
{
    return wants_body(s, PW_REQUEST);
}

bool pw_stream_wants_response_body(const struct pw_stream *s)
{
    return wants_body(s, PW_RESPONSE);
}

bool pw_stream_wants_response_trailers(const struct pw_stream *s)
{
    for (uint32_t i = 0; i < s->nsteps && !is_over(s, PW_RESPONSE); i++) {
        const struct pw_stream_step *st = &s->steps[i];
        if (!st->failed && st->vm != NULL && !st->vm->dead && st->ctx.id != 0 &&
            pw_vm_exports(st->vm, directions[PW_RESPONSE].trailers)) {
            return true;
        }
    }
    return false;
}

bool pw_stream_request_blocked(const struct pw_stream *s)
{
    return is_blocked(s, PW_REQUEST);
}

bool pw_stream_response_blocked(const struct pw_stream *s)
{
    return is_blocked(s, PW_RESPONSE);
}
