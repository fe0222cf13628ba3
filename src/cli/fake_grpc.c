/* cli/fake_grpc.c - scripted gRPC.  Parts of an answer: 0 is the initial metadata, then come the messages,
 * then what is echoed, then the end. */
#include "cli/fake_grpc.h"

#include <string.h>

#include "base/str.h"

enum {
    MAX_PARTS = 10000, /* in one request: a plugin may call again for ever */
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_UNAVAILABLE = 14
};

static const struct fake_grpc_answer no_answer = {.kind = FAKE_GRPC_FAIL};

void fake_grpc_begin(struct fake_grpc *g, const struct fake_grpc_answer *answers, size_t n,
                     struct arena *arena)
{
    g->answers = answers;
    g->nanswers = n;
    g->arena = arena;
    g->delivered = 0;
    g->request++;
    vec_clear(&g->sent);
}

void fake_grpc_end(struct fake_grpc *g)
{
    g->nanswers = 0;
    g->arena = NULL;
    vec_clear(&g->sent);
}

/* The entry is free for another call. */
static void release(struct fake_rpc *r)
{
    r->callout = NULL;
    for (size_t i = 0; i < r->echo.len; i++) {
        mem_free((void *)(uintptr_t)r->echo.at[i].at);
    }
    vec_fini(&r->echo);
}

void fake_grpc_fini(struct fake_grpc *g)
{
    for (size_t i = 0; i < g->pending.len; i++) {
        release(&g->pending.at[i]);
    }
    vec_fini(&g->pending);
    vec_fini(&g->sent);
}

static struct str copy_str(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.at, s.len), s.len};
}

static void note_message(struct fake_grpc *g, struct fake_grpc_sent *sent, struct str message)
{
    if (sent->nmessages == sent->room) {
        struct str *larger = ARENA_ARRAY(g->arena, struct str, sent->room * 2 + 4);
        if (sent->nmessages != 0) {
            memcpy(larger, sent->messages, sent->nmessages * sizeof *larger);
        }
        sent->messages = larger;
        sent->room = sent->room * 2 + 4;
    }
    sent->messages[sent->nmessages++] = copy_str(g->arena, message);
}

static void note(struct fake_grpc *g, const struct pw_grpc_call *call)
{
    struct fake_grpc_sent sent = {
        .nmetadata = call->nmetadata, .timeout_ms = call->timeout_ms, .unary = call->unary};

    if (g->arena == NULL) {
        return;
    }
    sent.service = copy_str(g->arena, call->service);
    sent.path = copy_str(g->arena, call->path);
    sent.metadata = ARENA_ARRAY(g->arena, struct pw_header, call->nmetadata);
    for (size_t i = 0; i < call->nmetadata; i++) {
        sent.metadata[i] = (struct pw_header){copy_str(g->arena, call->metadata[i].name),
                                              copy_str(g->arena, call->metadata[i].value)};
    }
    if (call->unary) {
        note_message(g, &sent, call->message);
        sent.ended = true;
    }
    vec_push(&g->sent, sent);
}

/* The note of a call, if it was made in the request at hand. */
static struct fake_grpc_sent *noted(struct fake_grpc *g, const struct fake_rpc *r)
{
    return g->arena != NULL && r->request == g->request && r->sent < g->sent.len ? &g->sent.at[r->sent]
                                                                                 : NULL;
}

static void queue_echo(struct fake_rpc *r, struct str message)
{
    struct str copy = {mem_strndup(message.at, message.len), message.len};
    vec_push(&r->echo, copy);
}

static const struct fake_grpc_answer *take_answer(struct fake_grpc *g)
{
    if (g->nanswers == 0) {
        return &no_answer;
    }
    g->nanswers--;
    return g->answers++;
}

enum pw_call_start fake_grpc_open(struct fake_grpc *g, const struct pw_grpc_call *call, void **handle)
{
    const struct fake_grpc_answer *answer = g->arena == NULL ? &no_answer : take_answer(g);
    size_t i = 0;

    note(g, call);
    if (answer->kind == FAKE_GRPC_NO_SERVICE || answer->kind == FAKE_GRPC_REFUSED) {
        return answer->kind == FAKE_GRPC_NO_SERVICE ? PW_CALL_NO_SERVICE : PW_CALL_FAILED;
    }
    struct fake_rpc entry = {
        .callout = call->callout,
        .answer = g->arena == NULL ? NULL : answer,
        .sent = g->sent.len - 1,
        .request = g->request,
        .unary = call->unary,
        .ended = call->unary,
        .timeout_ms = call->timeout_ms,
        .started_ms = g->now_ms,
        .number = g->number++,
    };
    if (call->unary) {
        queue_echo(&entry, call->message);
    }
    while (i < g->pending.len && g->pending.at[i].callout != NULL) {
        i++;
    }
    if (i == g->pending.len) {
        vec_push(&g->pending, entry);
    }
    g->pending.at[i] = entry;
    *handle = (void *)(uintptr_t)(i + 1);
    return PW_CALL_STARTED;
}

void fake_grpc_send(struct fake_grpc *g, void *handle, struct str message, bool end)
{
    struct fake_rpc *r = &g->pending.at[(uintptr_t)handle - 1];
    struct fake_grpc_sent *sent = noted(g, r);

    if (message.at != NULL) {
        queue_echo(r, message);
        if (sent != NULL) {
            note_message(g, sent, message);
        }
    }
    r->ended |= end;
    if (sent != NULL) {
        sent->ended |= end;
    }
}

void fake_grpc_cancel(struct fake_grpc *g, void *handle)
{
    struct fake_rpc *r = &g->pending.at[(uintptr_t)handle - 1];
    struct fake_grpc_sent *sent = noted(g, r);

    if (sent != NULL) {
        sent->cancelled = true;
    }
    release(r);
}

/* ---- answering ------------------------------------------------------------------------- */

enum part { NOTHING, INITIAL, MESSAGE, ECHO, END, DEADLINE, FAILURE };

/* What a call would tell next, and when. */
static enum part next_part(const struct fake_rpc *r, uint64_t *due_ms)
{
    const struct fake_grpc_answer *a = r->answer;
    bool times_out = r->timeout_ms != 0 && (a->kind == FAKE_GRPC_HOLD || a->delay_ms >= r->timeout_ms);

    *due_ms = r->started_ms + (times_out ? r->timeout_ms : a->delay_ms);
    if (times_out) {
        return DEADLINE;
    }
    if (a->kind == FAKE_GRPC_FAIL) {
        return FAILURE;
    }
    if (r->part == 0) {
        return INITIAL;
    }
    if (r->part <= a->nmessages) {
        return MESSAGE;
    }
    if (a->kind == FAKE_GRPC_ECHO && r->echoed < r->echo.len) {
        return ECHO;
    }
    return a->kind == FAKE_GRPC_HOLD || (a->kind == FAKE_GRPC_ECHO && !r->ended) ? NOTHING : END;
}

static void tell_end(struct fake_grpc *g, struct fake_rpc *r, uint32_t status, struct str text)
{
    struct pw_callout *callout = r->callout;
    (void)g;

    release(r);
    pw_grpc_done(callout, status, text);
}

/* The guest runs in each of the pw_grpc_... functions: it may make calls, which may move the list. */
static void tell(struct fake_grpc *g, size_t i, enum part part)
{
    struct fake_rpc *r = &g->pending.at[i];
    const struct fake_grpc_answer *a = r->answer;
    struct str message;

    switch (part) {
    case INITIAL:
        r->part++;
        pw_grpc_initial(r->callout, a->initial, a->ninitial);
        break;
    case MESSAGE:
        message = a->messages[r->part++ - 1];
        pw_grpc_message(r->callout, message);
        break;
    case ECHO:
        message = r->echo.at[r->echoed];
        r->echo.at[r->echoed++] = (struct str){NULL, 0};
        pw_grpc_message(r->callout, message);
        mem_free((void *)(uintptr_t)message.at);
        break;
    case END:
        pw_grpc_trailing(r->callout, a->trailing, a->ntrailing);
        r = &g->pending.at[i];
        if (r->callout != NULL) { /* nor was it cancelled */
            tell_end(g, r, a->status, a->text);
        }
        break;
    case DEADLINE:
        tell_end(g, r, GRPC_DEADLINE_EXCEEDED, STR("the deadline is over"));
        break;
    case FAILURE:
        tell_end(g, r, GRPC_UNAVAILABLE, STR("reset"));
        break;
    case NOTHING:
        break;
    }
}

bool fake_grpc_deliver(struct fake_grpc *g)
{
    enum part part = NOTHING;
    size_t next = 0;
    uint64_t due_ms = 0;

    if (g->delivered == MAX_PARTS) {
        return false;
    }
    for (size_t i = 0; i < g->pending.len; i++) {
        struct fake_rpc *r = &g->pending.at[i];
        uint64_t due;
        r->answer = r->callout != NULL && r->answer == NULL ? take_answer(g) : r->answer;
        enum part p = r->callout == NULL ? NOTHING : next_part(r, &due);
        if (p != NOTHING &&
            (part == NOTHING || due < due_ms || (due == due_ms && r->number < g->pending.at[next].number))) {
            part = p;
            next = i;
            due_ms = due;
        }
    }
    if (part == NOTHING) {
        return false;
    }
    g->delivered++;
    g->now_ms = due_ms > g->now_ms ? due_ms : g->now_ms;
    tell(g, next, part);
    return true;
}
