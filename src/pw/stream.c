/* pw/stream.c - the chain: requests in order, responses in reverse (host facts 1.8 to 1.12).
 *
 * A direction is a cursor over the steps.  A step that pauses leaves the cursor behind itself, so that
 * resuming goes on with the next one.  A response visits only contexts that the request created. */
#include "pw/stream.h"

#include "base/mem.h"
#include "pw/plugin.h"

enum { REQUEST = 0, RESPONSE = 1 };

static const struct {
    enum pw_export_id callback;
    enum pw_map map;
    enum pw_pending resume;
} directions[] = {
    [REQUEST] = {PW_EXPORT_REQUEST_HEADERS, PW_MAP_REQUEST_HEADERS, PW_PENDING_REQUEST},
    [RESPONSE] = {PW_EXPORT_RESPONSE_HEADERS, PW_MAP_RESPONSE_HEADERS, PW_PENDING_RESPONSE},
};

/* ---- beginning ---------------------------------------------------------------------------- */

struct pw_stream *pw_stream_new(const struct pw_step *steps, size_t n, void *stream)
{
    WEIR_ASSERT(n <= INT32_MAX);
    struct pw_stream *s = mem_alloc(sizeof *s + n * sizeof s->steps[0]);

    *s = (struct pw_stream){
        .server_stream = stream,
        .server = n == 0 ? NULL : steps[0].plugin->server,
        .local_step = -1,
        .nsteps = (uint32_t)n,
        .flow[REQUEST] = {.at = 0, .end = (int32_t)n, .by = 1},
        .flow[RESPONSE] = {.at = (int32_t)n - 1, .end = -1, .by = -1},
    };
    for (uint32_t i = 0; i < n; i++) {
        struct pw_stream_step *st = &s->steps[i];
        WEIR_ASSERT(steps[i].config < steps[i].plugin->opt.nconfigs);
        struct pw_vm *vm = pw_plugin_acquire_vm(steps[i].plugin);
        *st = (struct pw_stream_step){
            .plugin = steps[i].plugin,
            .vm = vm,
            .ctx = {.config = steps[i].config, .vm = vm, .stream = s, .step = i},
        };
    }
    return s;
}

/* ---- deferred actions ------------------------------------------------------------------------ */

void pw_stream_defer(struct pw_stream *s, struct pw_vm *vm, enum pw_pending action)
{
    if (s->closed) {
        return;
    }
    s->pending |= action;
    if (!s->running && !s->queued) {
        s->queued = true;
        s->next_deferred = vm->deferred;
        vm->deferred = s;
    }
}

static void send_local(struct pw_stream *s)
{
    s->local_sent = true;
    s->final = s->phase == PW_PHASE_RESPONSE;
    s->server->send_local_response(s->server_stream, &s->local);
}

/* Let a paused direction go on; false: it was not paused. */
static bool resume(struct pw_flow *f)
{
    bool was_waiting = f->paused && !f->resumed;

    f->resumed = f->paused;
    return was_waiting;
}

void pw_stream_apply(struct pw_stream *s)
{
    uint8_t pending = s->pending;

    s->pending = 0;
    if (pending & PW_PENDING_LOCAL) {
        send_local(s);
        return;
    }
    if (pending & PW_PENDING_CLOSE) {
        s->closed = true;
        s->server->close_stream(s->server_stream);
        return;
    }
    if ((pending & PW_PENDING_REQUEST) && resume(&s->flow[REQUEST])) {
        s->server->resume_request(s->server_stream);
    }
    if ((pending & PW_PENDING_RESPONSE) && resume(&s->flow[RESPONSE])) {
        s->server->resume_response(s->server_stream);
    }
}

/* ---- the chain -------------------------------------------------------------------------------- */

/* The guest of this step can do no more for the stream: the plugin's policy decides, once. */
static enum pw_verdict fail_step(struct pw_stream *s, uint32_t i)
{
    struct pw_stream_step *st = &s->steps[i];

    st->failed = true;
    s->trapped = true;
    s->pending = 0;
    if (s->local_taken && !s->local_sent) {
        s->local_taken = false; /* asked for by the call that trapped */
        s->local_step = -1;
    }
    if (st->plugin->opt.fail_open || s->local_sent || s->closed) {
        return PW_CONTINUE;
    }
    s->local =
        (struct pw_local_response){.status = 503, .details = STR("wasm_fail_stream"), .grpc_status = 14};
    s->local_taken = true;
    s->local_step = (int32_t)i;
    send_local(s);
    return PW_LOCAL;
}

void pw_stream_vm_died(struct pw_stream *s, uint32_t step)
{
    for (int direction = REQUEST; direction <= RESPONSE; direction++) {
        struct pw_flow *f = &s->flow[direction];
        if (s->running || s->steps[step].failed || !f->paused || (uint32_t)(f->at - f->by) != step) {
            continue;
        }
        if (fail_step(s, step) == PW_CONTINUE && resume(f)) {
            (direction == REQUEST ? s->server->resume_request : s->server->resume_response)(s->server_stream);
        }
    }
}

/* What host calls asked for during the call that just returned. */
static enum pw_verdict settle(struct pw_stream *s, uint8_t pending)
{
    if (pending & PW_PENDING_LOCAL) {
        send_local(s);
        return PW_LOCAL;
    }
    s->closed = s->closed || (pending & PW_PENDING_CLOSE);
    return pending & PW_PENDING_CLOSE ? PW_CLOSE : PW_CONTINUE;
}

static uint8_t take_pending(struct pw_stream *s)
{
    uint8_t pending = s->pending;
    s->pending = 0;
    return pending;
}

/* The root's id is the parent: each configuration has its own root (design, decision 7). */
static bool create_context(struct pw_stream_step *st)
{
    struct pw_context *ctx = &st->ctx;

    pw_contexts_add(&st->vm->contexts, ctx);
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {ctx->id, st->vm->roots[ctx->config].id};
    return pw_vm_call(st->vm, ctx, PW_EXPORT_CONTEXT_CREATE, args, NULL);
}

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

static enum pw_verdict run_step(struct pw_stream *s, uint32_t i, int direction, bool end_of_stream)
{
    struct pw_stream_step *st = &s->steps[i];
    uint32_t result = PW_HEADERS_CONTINUE;

    if (st->failed || (direction == RESPONSE && st->vm != NULL && st->ctx.id == 0)) {
        return PW_CONTINUE;
    }
    if (st->vm == NULL || st->vm->dead) {
        return direction == RESPONSE && st->ctx.id == 0 ? PW_CONTINUE : fail_step(s, i);
    }
    if (st->ctx.id == 0) {
        if (!st->vm->has_stream_callbacks) {
            return PW_CONTINUE;
        }
        if (!create_context(st)) {
            return fail_step(s, i);
        }
        enum pw_verdict v = settle(s, take_pending(s));
        if (v != PW_CONTINUE) {
            return v;
        }
    }
    if (!pw_vm_exports(st->vm, directions[direction].callback)) {
        return PW_CONTINUE;
    }

    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {
        st->ctx.id, (uint32_t)s->server->map_count(s->server_stream, directions[direction].map),
        end_of_stream};
    if (!pw_vm_call(st->vm, &st->ctx, directions[direction].callback, args, &result)) {
        return fail_step(s, i);
    }
    uint8_t pending = take_pending(s);
    enum pw_verdict v = settle(s, pending);
    if (v != PW_CONTINUE) {
        return v;
    }
    /* Continue takes effect after the call, so it also undoes the pause that the same call returned. */
    st->stopped[direction] = (uint8_t)headers_status(st->vm, result);
    if (st->stopped[direction] == PW_HEADERS_CONTINUE || (pending & directions[direction].resume)) {
        st->stopped[direction] = PW_HEADERS_CONTINUE;
        return PW_CONTINUE;
    }
    s->flow[direction].paused = true;
    return PW_PAUSE;
}

static enum pw_verdict run_chain(struct pw_stream *s, int direction, bool end_of_stream)
{
    struct pw_flow *f = &s->flow[direction];
    enum pw_verdict v = PW_CONTINUE;

    if (f->paused) {
        if (!f->resumed) {
            return PW_PAUSE;
        }
        f->paused = f->resumed = false;
    }
    s->running = true;
    while (v == PW_CONTINUE && f->at != f->end) {
        uint32_t i = (uint32_t)f->at;
        f->at += f->by;
        v = run_step(s, i, direction, end_of_stream);
    }
    s->running = false;
    return v;
}

enum pw_verdict pw_stream_on_request_headers(struct pw_stream *s, bool end_of_stream)
{
    WEIR_ASSERT(!s->running);
    return s->phase != PW_PHASE_REQUEST || s->local_sent ? PW_CONTINUE : run_chain(s, REQUEST, end_of_stream);
}

enum pw_verdict pw_stream_on_response_headers(struct pw_stream *s, bool end_of_stream)
{
    WEIR_ASSERT(!s->running && s->phase != PW_PHASE_LOG);
    s->phase = PW_PHASE_RESPONSE;
    return s->final ? PW_CONTINUE : run_chain(s, RESPONSE, end_of_stream);
}

/* ---- end --------------------------------------------------------------------------------------- */

static void end_context(struct pw_stream *s, struct pw_stream_step *st)
{
    static const enum pw_export_id order[] = {PW_EXPORT_DONE, PW_EXPORT_LOG, PW_EXPORT_DELETE};
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {st->ctx.id};

    /* The stream is over: on_done cannot put it off (Envoy ignores its result, too). */
    for (size_t k = 0; k < sizeof order / sizeof *order && !st->vm->dead; k++) {
        if (pw_vm_call(st->vm, &st->ctx, order[k], args, NULL)) {
            s->pending = 0;
        } else {
            s->trapped = true;
        }
    }
    if (!st->vm->dead) {
        st->plugin->failures = 0;
    }
    pw_contexts_remove(&st->vm->contexts, &st->ctx);
}

void pw_stream_end(struct pw_stream *s)
{
    WEIR_ASSERT(!s->running);
    s->phase = PW_PHASE_LOG;
    s->running = true;
    for (uint32_t i = 0; i < s->nsteps; i++) {
        if (s->steps[i].ctx.id != 0) {
            end_context(s, &s->steps[i]);
        }
    }
    WEIR_ASSERT(!s->queued);
    for (uint32_t i = 0; i < s->nsteps; i++) {
        pw_vm_unref(s->steps[i].vm);
    }
    arena_fini(&s->arena);
    mem_free(s);
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
        if (s->arena.bytes + room + name.len + sizeof *p > PW_STREAM_MAX_BYTES) {
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
