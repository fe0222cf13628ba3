/* cli/fake_calls.c - scripted answers to callouts. */
#include "cli/fake_calls.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { MAX_ANSWERS = 10000 }; /* in one request: a plugin may try again for ever */

void fake_calls_begin(struct fake_calls *c, const struct fake_answers answers[FAKE_PROTOCOLS],
                      struct arena *arena)
{
    for (int i = 0; i < FAKE_PROTOCOLS; i++) {
        c->answers[i] = answers[i];
    }
    c->arena = arena;
    c->delivered = 0;
    vec_clear(&c->sent);
    vec_clear(&c->commands);
}

void fake_calls_end(struct fake_calls *c)
{
    for (int i = 0; i < FAKE_PROTOCOLS; i++) {
        c->answers[i].n = 0;
    }
    c->arena = NULL;
    vec_clear(&c->sent);
    vec_clear(&c->commands);
}

void fake_calls_fini(struct fake_calls *c)
{
    vec_fini(&c->sent);
    vec_fini(&c->commands);
    vec_fini(&c->pending);
}

static const struct fake_answer *take_answer(struct fake_calls *c, enum fake_protocol protocol)
{
    struct fake_answers *left = &c->answers[protocol];

    if (left->n == 0) {
        return NULL;
    }
    left->n--;
    return left->at++;
}

static struct str copy_str(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.at, s.len), s.len};
}

static struct pw_header *copy_headers(struct arena *a, const struct pw_header *at, size_t n)
{
    struct pw_header *copy = ARENA_ARRAY(a, struct pw_header, n);

    for (size_t i = 0; i < n; i++) {
        copy[i] = (struct pw_header){copy_str(a, at[i].name), copy_str(a, at[i].value)};
    }
    return copy;
}

static void note(struct fake_calls *c, const struct pw_http_call *call)
{
    struct arena *a = c->arena;
    struct fake_sent sent = {
        .nheaders = call->nheaders, .ntrailers = call->ntrailers, .timeout_ms = call->timeout_ms};

    if (a == NULL || c->unlisted) {
        return;
    }
    sent.service = copy_str(a, call->service);
    sent.body = copy_str(a, call->body);
    sent.headers = copy_headers(a, call->headers, call->nheaders);
    sent.trailers = copy_headers(a, call->trailers, call->ntrailers);
    vec_push(&c->sent, sent);
}

static enum pw_call_start begin(struct fake_calls *c, struct fake_call entry, void **handle)
{
    const struct fake_answer *answer = entry.answer = take_answer(c, entry.protocol);
    size_t i = 0;

    entry.started_ms = c->now_ms;
    entry.number = c->number++;
    if (answer != NULL && answer->kind == FAKE_ANSWER_NO_SERVICE) {
        return PW_CALL_NO_SERVICE;
    }
    if (answer != NULL && answer->kind == FAKE_ANSWER_REFUSED) {
        return PW_CALL_FAILED;
    }
    while (i < c->pending.len && c->pending.at[i].callout != NULL) {
        i++;
    }
    if (i == c->pending.len) {
        vec_push(&c->pending, entry);
    }
    c->pending.at[i] = entry;
    *handle = (void *)(uintptr_t)(i + 1);
    return PW_CALL_STARTED;
}

enum pw_call_start fake_calls_start(struct fake_calls *c, const struct pw_http_call *call, void **handle)
{
    note(c, call);
    return begin(
        c,
        (struct fake_call){.callout = call->callout, .protocol = FAKE_HTTP, .timeout_ms = call->timeout_ms},
        handle);
}

enum pw_call_start fake_calls_redis(struct fake_calls *c, const struct pw_redis_call *call, void **handle)
{
    struct arena *a = c->arena;

    if (a != NULL && c->unlisted) {
        copy_str(a, call->query); /* as into a connection's buffer */
    } else if (a != NULL) {
        struct fake_command command = {copy_str(a, call->service), copy_str(a, call->query), *call->options};
        command.options.user = copy_str(a, call->options->user);
        command.options.password = copy_str(a, call->options->password);
        vec_push(&c->commands, command);
    }
    return begin(c,
                 (struct fake_call){.callout = call->callout,
                                    .protocol = FAKE_REDIS,
                                    .timeout_ms = call->options->timeout_ms},
                 handle);
}

void fake_calls_cancel(struct fake_calls *c, void *handle)
{
    c->pending.at[(uintptr_t)handle - 1].callout = NULL;
}

/* ---- answering ------------------------------------------------------------------------- */

static bool times_out(const struct fake_call *call)
{
    return call->answer != NULL && call->timeout_ms != 0 && call->answer->delay_ms >= call->timeout_ms;
}

static uint64_t due_ms(const struct fake_call *call)
{
    uint64_t delay = call->answer == NULL ? 0 : call->answer->delay_ms;

    return call->started_ms + (times_out(call) ? call->timeout_ms : delay);
}

static void answer_timeout(struct pw_callout *callout)
{
    static const char text[] = "upstream request timeout";
    static const struct pw_header headers[] = {{STR(":status"), STR("504")},
                                               {STR("content-length"), STR("24")},
                                               {STR("content-type"), STR("text/plain")}};

    pw_callout_done(callout,
                    &(struct pw_call_response){.headers = headers, .nheaders = 3, .body = STR(text)});
}

static void answer_http(const struct fake_call *call)
{
    const struct fake_answer *a = call->answer;

    if (times_out(call)) {
        answer_timeout(call->callout);
    } else if (a == NULL || a->kind != FAKE_ANSWER) {
        pw_callout_done(call->callout, NULL);
    } else {
        pw_callout_done(call->callout, &(struct pw_call_response){a->headers, a->trailers, a->nheaders,
                                                                  a->ntrailers, a->body});
    }
}

static void answer_redis(const struct fake_call *call)
{
    const struct fake_answer *a = call->answer;
    enum pw_redis_end end = PW_REDIS_REPLY;

    if (times_out(call)) {
        end = PW_REDIS_TIMED_OUT;
    } else if (a == NULL || a->kind == FAKE_ANSWER_UNREACHABLE) {
        end = PW_REDIS_REFUSED;
    } else if (a->kind == FAKE_ANSWER_FAIL) {
        end = PW_REDIS_DISCONNECTED;
    }
    pw_redis_done(call->callout, end, end == PW_REDIS_REPLY ? a->body : STR(""));
}

bool fake_calls_deliver(struct fake_calls *c)
{
    struct fake_call *next = NULL;

    if (c->delivered == MAX_ANSWERS) {
        return false;
    }

    for (size_t i = 0; i < c->pending.len; i++) {
        struct fake_call *call = &c->pending.at[i];
        if (call->callout == NULL) {
            continue;
        }
        if (call->answer == NULL) {
            call->answer = take_answer(c, call->protocol);
        }
        if (next == NULL || due_ms(call) < due_ms(next) ||
            (due_ms(call) == due_ms(next) && call->number < next->number)) {
            next = call;
        }
    }
    if (next == NULL) {
        return false;
    }
    c->delivered++;
    struct fake_call call = *next; /* the guest may send others */
    next->callout = NULL;
    c->now_ms = due_ms(&call) > c->now_ms ? due_ms(&call) : c->now_ms;
    (call.protocol == FAKE_HTTP ? answer_http : answer_redis)(&call);
    return true;
}
