/* pw/stream.c - a stream from its beginning to its end, and what host calls ask of it (host facts 1.8, 1.9).
 *
 * chain.c carries messages through the steps; here is the rest: actions that take effect after the guest
 * call, failed steps, local responses, properties, the end. */
#include "pw/stream.h"

#include "base/mem.h"
#include "pw/live.h"
#include "pw/plugin.h"

struct pw_live pw_live;

struct pw_live pw_live_count(void)
{
    return pw_live;
}

/* ---- beginning ---------------------------------------------------------------------------- */

/* The memory of a stream that ended serves the next one of its first plugin: `room` and an emptied arena. */
static struct pw_stream *stream_take(struct pw_plugin *p, uint32_t n)
{
    struct pw_stream *s = p == NULL ? NULL : p->spare_stream;

    if (s != NULL && s->room >= n) {
        p->spare_stream = NULL;
        return s;
    }
    s = mem_alloc(sizeof *s + n * sizeof s->steps[0]);
    s->room = n;
    arena_init(&s->arena);
    return s;
}

static void stream_give(struct pw_plugin *p, struct pw_stream *s)
{
    if (p != NULL && p->spare_stream == NULL) {
        arena_reset(&s->arena);
        p->spare_stream = s;
    } else {
        pw_stream_free(s);
    }
}

void pw_stream_free(struct pw_stream *s)
{
    if (s != NULL) {
        arena_fini(&s->arena);
        mem_free(s);
    }
}

struct pw_stream *pw_stream_new(const struct pw_step *steps, size_t n, void *stream)
{
    WEIR_ASSERT(n <= INT32_MAX);
    pw_live.streams++;
    struct pw_stream *s = stream_take(n == 0 ? NULL : steps[0].plugin, (uint32_t)n);

    memset(&s->nsteps, 0, sizeof *s - offsetof(struct pw_stream, nsteps));
    s->nsteps = (uint32_t)n;
    s->server_stream = stream;
    s->server = n == 0 ? NULL : steps[0].plugin->server;
    s->local_step = -1;
    s->resume_step = pw_chain_resume_step;
    s->flow[PW_REQUEST] = (struct pw_flow){.first = 0, .end = (int32_t)n, .by = 1};
    s->flow[PW_RESPONSE] = (struct pw_flow){.first = (int32_t)n - 1, .end = -1, .by = -1};
    for (uint32_t i = 0; i < n; i++) {
        struct pw_stream_step *st = &s->steps[i];
        WEIR_ASSERT(steps[i].config < steps[i].plugin->opt.nconfigs);
        const struct pw_step step = pw_plugin_part(steps[i]);
        struct pw_vm *vm = pw_plugin_acquire_vm(step.plugin);
        memset(st, 0, sizeof *st);
        st->plugin = step.plugin;
        st->vm = st->ctx.vm = vm;
        st->ctx.config = step.config;
        st->ctx.stream = s;
        st->ctx.step = i;
    }
    return s;
}

void pw_stream_limit_bodies(struct pw_stream *s, uint64_t limit_bytes)
{
    s->limit_bytes = limit_bytes;
}

bool pw_stream_has_room(const struct pw_stream *s, size_t bytes)
{
    return s->arena.bytes + s->map_bytes + bytes <= PW_STREAM_MAX_BYTES;
}

/* ---- deferred actions ------------------------------------------------------------------------ */

void pw_stream_defer(struct pw_context *ctx, struct pw_vm *vm, enum pw_pending action)
{
    struct pw_stream *s = ctx->stream;

    if (s->closed) {
        return;
    }
    if (action == PW_PENDING_CLOSE) {
        s->local_step = (int32_t)ctx->step;
    }
    s->pending |= action;
    s->resumes |= (action & (PW_PENDING_REQUEST | PW_PENDING_RESPONSE | PW_PENDING_INJECTED)) != 0;
    if (action == PW_PENDING_REQUEST) {
        s->steps[ctx->step].side[PW_REQUEST].resumed = true;
    } else if (action == PW_PENDING_RESPONSE) {
        s->steps[ctx->step].side[PW_RESPONSE].resumed = true;
    }
    if (!s->running && !s->queued) {
        s->queued = true;
        s->next_deferred = vm->deferred;
        vm->deferred = s;
    }
}

/* Is there a response at this step that bytes can be added to?  Not before it arrived nor after it left; and
 * not where the server passes the body on by itself. */
static bool takes_injection(const struct pw_stream *s, const struct pw_side *side)
{
    return side->entered && !side->cut && s->phase == PW_PHASE_RESPONSE && !s->final && !s->closed &&
           (side->in_call || side->end == PW_END_OPEN || pw_side_holds(side)) &&
           (!s->flow[PW_RESPONSE].out || pw_stream_wants_response_body(s));
}

bool pw_stream_inject(struct pw_context *ctx, struct pw_vm *vm, struct str bytes, bool end)
{
    struct pw_stream *s = ctx->stream;
    struct pw_side *side = pw_context_side(ctx, PW_RESPONSE);

    if (side == NULL || !takes_injection(s, side) || side->inject_end || (bytes.len == 0 && !end)) {
        return true;
    }
    if (side->injected.len + bytes.len > PW_BODY_MAX_BYTES ||
        !pw_quota_allows_body(&s->steps[ctx->step], bytes.len)) {
        return false;
    }
    pw_body_append(&side->injected, bytes);
    side->injecting = s->injected = true;
    side->inject_end = end;
    pw_stream_defer(ctx, vm, PW_PENDING_INJECTED);
    return true;
}

enum pw_verdict pw_stream_answer(struct pw_stream *s)
{
    s->local_sent = true;
    if (s->phase == PW_PHASE_RESPONSE && s->flow[PW_RESPONSE].out) {
        s->closed = true;
        return PW_CLOSE;
    }
    s->final = s->phase == PW_PHASE_RESPONSE;
    s->server->send_local_response(s->server_stream, &s->local);
    return PW_LOCAL;
}

void pw_stream_ask_to_resume(struct pw_stream *s, enum pw_direction d)
{
    bool any = false;

    for (uint32_t i = 0; i < s->nsteps; i++) {
        struct pw_side *side = &s->steps[i].side[d];
        side->resumed = side->resumed && pw_side_holds(side);
        any |= side->resumed || side->injecting;
    }
    if (any && !s->flow[d].told) {
        s->flow[d].told = true;
        (d == PW_REQUEST ? s->server->resume_request : s->server->resume_response)(s->server_stream);
    }
}

void pw_stream_apply(struct pw_stream *s)
{
    uint8_t pending = s->pending;

    s->pending = 0;
    if (pending & PW_PENDING_LOCAL) {
        if (pw_stream_answer(s) == PW_CLOSE) {
            s->server->close_stream(s->server_stream);
        }
        return;
    }
    if (pending & PW_PENDING_CLOSE) {
        s->closed = true;
        s->server->close_stream(s->server_stream);
        return;
    }
    if (pending & PW_PENDING_REQUEST) {
        pw_stream_ask_to_resume(s, PW_REQUEST);
    }
    if (pending & (PW_PENDING_RESPONSE | PW_PENDING_INJECTED)) {
        pw_stream_ask_to_resume(s, PW_RESPONSE);
    }
}

/* ---- failure ----------------------------------------------------------------------------------- */

enum pw_verdict pw_stream_fail_step(struct pw_stream *s, uint32_t i)
{
    struct pw_stream_step *st = &s->steps[i];

    st->failed = true;
    st->failure = (uint8_t)pw_step_failure(st);
    s->trapped = true;
    s->pending = 0;
    if (s->local_taken && !s->local_sent) {
        s->local_taken = false; /* asked for by the call that trapped */
        s->local_step = -1;
    }
    if (st->plugin->opt.fail_open || s->local_sent || s->closed) {
        for (int d = PW_REQUEST; d <= PW_RESPONSE && !s->local_sent && !s->closed; d++) {
            /* nobody else would let go what it holds */
            st->side[d].resumed = pw_side_holds(&st->side[d]);
            s->resumes |= st->side[d].resumed;
        }
        return PW_CONTINUE;
    }
    if (s->connection) {
        s->local_step = (int32_t)i;
        s->closed = true;
        return PW_CLOSE;
    }
    s->local =
        (struct pw_local_response){.status = 503, .details = STR("wasm_fail_stream"), .grpc_status = 14};
    s->local_taken = true;
    s->local_step = (int32_t)i;
    return pw_stream_answer(s);
}

void pw_stream_vm_died(struct pw_stream *s, uint32_t step)
{
    for (int d = PW_REQUEST; d <= PW_RESPONSE; d++) {
        struct pw_side *side = &s->steps[step].side[d];
        if (s->running || s->closed || !pw_side_holds(side) || (s->steps[step].failed && d == PW_REQUEST)) {
            continue;
        }
        enum pw_verdict v = s->steps[step].failed ? PW_CONTINUE : pw_stream_fail_step(s, step);
        if (v == PW_CLOSE) {
            s->server->close_stream(s->server_stream);
        } else if (v == PW_CONTINUE && !s->local_sent) {
            side->resumed = true;
            pw_stream_ask_to_resume(s, d);
        }
    }
}

/* ---- end --------------------------------------------------------------------------------------- */

static void end_context(struct pw_stream *s, struct pw_stream_step *st)
{
    static const enum pw_export_id order[] = {PW_EXPORT_DONE, PW_EXPORT_LOG, PW_EXPORT_DELETE};
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {st->ctx.id};
    /* A lone on_delete gives memory back: less than two readings of the counter, in most plugins. */
    bool timed = pw_vm_exports(st->vm, PW_EXPORT_DONE) || pw_vm_exports(st->vm, PW_EXPORT_LOG);

    if (timed) {
        pw_stream_time_from(s);
    }
    /* The stream is over: on_done cannot put it off (Envoy ignores its result, too). */
    for (size_t k = 0; k < sizeof order / sizeof *order && !st->vm->dead; k++) {
        if (!pw_vm_exports(st->vm, order[k])) {
            continue;
        }
        if (pw_vm_call(st->vm, &st->ctx, order[k], args, NULL)) {
            s->pending = 0;
        } else {
            s->trapped = true;
            st->failure = (uint8_t)pw_step_failure(st);
        }
    }
    if (timed) {
        pw_stream_time_to(s, st);
    }
    if (!st->vm->dead) {
        st->plugin->failures = 0;
    }
    pw_contexts_remove(&st->vm->contexts, &st->ctx);
    st->plugin->quotas.contexts--;
    pw_live.contexts--;
}

void pw_stream_finish(struct pw_stream *s)
{
    if (s->phase == PW_PHASE_LOG) {
        return;
    }
    WEIR_ASSERT(!s->running);
    s->phase = PW_PHASE_LOG;
    s->running = true;
    s->stamp_ticks = 0;
    for (uint32_t i = 0; i < s->nsteps; i++) {
        if (s->steps[i].ctx.id != 0) {
            end_context(s, &s->steps[i]);
        }
    }
    WEIR_ASSERT(!s->queued);
}

void pw_stream_end(struct pw_stream *s)
{
    pw_stream_finish(s);
    for (uint32_t i = 0; i < s->nsteps; i++) {
        pw_body_fini(&s->steps[i].side[PW_REQUEST].body);
        pw_body_fini(&s->steps[i].side[PW_RESPONSE].body);
        pw_body_fini(&s->steps[i].side[PW_RESPONSE].injected);
        pw_vm_unref(s->steps[i].vm);
    }
    pw_quota_count_bodies(s);
    stream_give(s->nsteps == 0 ? NULL : s->steps[0].plugin, s);
    pw_live.streams--;
}

int pw_stream_local_step(const struct pw_stream *s)
{
    return s->local_step;
}

bool pw_stream_trapped(const struct pw_stream *s)
{
    return s->trapped;
}

/* ---- stored properties ------------------------------------------------------------------------- */

static struct pw_stored *find_stored(const struct pw_stream *s, struct str name)
{
    struct pw_stored *p = s->stored;

    while (p != NULL && !str_eq(p->name, name)) {
        p = p->next;
    }
    return p;
}

bool pw_stream_store(struct pw_stream *s, struct str name, struct str value)
{
    struct pw_stored *p = find_stored(s, name);

    if (p == NULL || p->room < value.len) {
        size_t room =
            p == NULL ? value.len : value.len * 2; /* so that growing values waste at most as much again */
        if (!pw_stream_has_room(s, room + name.len + sizeof *p)) {
            return false;
        }
        if (p == NULL) {
            p = ARENA_NEW(&s->arena, struct pw_stored);
            p->name = (struct str){arena_strndup(&s->arena, name.at, name.len), name.len};
            p->next = s->stored;
            s->stored = p;
        }
        p->value.at = arena_alloc(&s->arena, room);
        p->room = room;
    }
    if (value.len != 0) {
        memcpy((char *)p->value.at, value.at, value.len);
    }
    p->value.len = value.len;
    return true;
}

bool pw_stream_get_property(const struct pw_stream *s, struct str name, struct str *value)
{
    const struct pw_stored *p = find_stored(s, name);

    if (p == NULL) {
        return false;
    }
    *value = p->value;
    return true;
}
