/* cli/fake_connection.c - events of a connection, as a server would have them from its sockets. */
#include "cli/fake_connection.h"

struct session {
    struct fake_stream *f;
    struct pw_stream *s;
    uint64_t now_ns;
    bool connected, closed;
    bool gone[2]; /* by side: it ended or broke off */
};

static void take(struct session *c, enum pw_direction d, enum pw_verdict v)
{
    c->closed |= v == PW_CLOSE;
    c->connected |= d == PW_REQUEST && v == PW_CONTINUE;
}

/* What plugins asked for outside of their own directions. */
static void resume(struct session *c)
{
    struct fake_stream *f = c->f;

    c->closed |= f->closed;
    while (!c->closed && (f->resumed[PW_REQUEST] || f->resumed[PW_RESPONSE])) {
        enum pw_direction d = f->resumed[PW_REQUEST] ? PW_REQUEST : PW_RESPONSE;
        f->resumed[d] = false;
        take(c, d, d == PW_REQUEST ? pw_stream_resume_request(c->s) : pw_stream_resume_response(c->s));
        c->closed |= f->closed;
    }
}

static bool answer(struct session *c)
{
    bool answered = fake_stream_answer_call(c->f);
    resume(c);
    return answered;
}

static bool is_blocked(const struct session *c, enum pw_direction side)
{
    return side == PW_REQUEST ? pw_stream_request_blocked(c->s) : pw_stream_response_blocked(c->s);
}

static void data(struct session *c, const struct fake_event *e)
{
    if (e->side == PW_RESPONSE && !c->connected) {
        return;
    }
    while (is_blocked(c, e->side) && answer(c)) {
    }
    if (is_blocked(c, e->side)) {
        c->f->blocked = e->side == PW_REQUEST ? "downstream" : "upstream";
        c->closed = true;
        return;
    }
    c->gone[e->side] = e->end;
    take(c, e->side, pw_connection_on_data(c->s, e->side, e->bytes, e->end));
    if (e->end && e->side == PW_RESPONSE) {
        pw_connection_on_close(c->s, PW_RESPONSE, PW_PEER_REMOTE);
    }
}

static void run_due(struct session *c, uint64_t ms)
{
    c->now_ns += ms * 1000000;
    c->f->server->answering = c->f; /* roots log to it */
    fake_server_run_due(c->f->server, c->now_ns);
    c->f->server->answering = NULL;
}

static void happen(struct session *c, const struct fake_event *e)
{
    switch (e->kind) {
    case FAKE_EVENT_DATA:
        data(c, e);
        break;
    case FAKE_EVENT_CLOSE:
        c->gone[e->side] = c->closed = true;
        break;
    case FAKE_EVENT_ANSWER:
        answer(c);
        break;
    case FAKE_EVENT_WAIT:
        run_due(c, e->wait_ms);
        break;
    }
    resume(c);
}

static enum fake_action action_of(const struct session *c)
{
    bool by_plugin = c->closed && c->f->blocked == NULL && !c->gone[PW_REQUEST] && !c->gone[PW_RESPONSE];

    if (pw_stream_local_step(c->s) >= 0) {
        return c->f->trapped ? FAKE_TRAP : FAKE_CLOSED;
    }
    return by_plugin ? FAKE_CLOSED : c->connected ? FAKE_CONTINUE : FAKE_PAUSED;
}

enum fake_action fake_serve_connection(struct fake_stream *f, const struct pw_step *steps, size_t nsteps,
                                       uint64_t now_ns)
{
    struct session c = {.f = f, .s = pw_connection_new(steps, nsteps, f), .now_ns = now_ns};

    take(&c, PW_REQUEST, pw_connection_on_new(c.s));
    resume(&c);
    for (size_t i = 0; i < f->request->nevents && !c.closed; i++) {
        happen(&c, &f->request->events[i]);
    }
    while (!c.closed && answer(&c)) {
    }
    if (c.connected) {
        pw_connection_on_close(c.s, PW_RESPONSE, c.gone[PW_RESPONSE] ? PW_PEER_REMOTE : PW_PEER_LOCAL);
    }
    resume(&c);
    pw_connection_on_close(c.s, PW_REQUEST, c.gone[PW_REQUEST] ? PW_PEER_REMOTE : PW_PEER_LOCAL);
    f->trapped = pw_stream_trapped(c.s);
    enum fake_action action = action_of(&c);
    pw_stream_end(c.s);
    while (fake_stream_answer_call(f)) { /* the connection ended while they were in flight */
    }
    return action;
}
