/* cli/fake_server.c - the server functions over header lists, and the way of a request through a chain. */
#include "cli/fake_server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/str.h"
#include "cli/fake_connection.h"
#include "foreign/foreign.h"

enum { FIRST_CAPACITY = 16, MAX_ROUNDS = 1000, SHARED_BYTES = 16 << 20 };

/* ---- header lists ------------------------------------------------------------------- */

static struct str copy_str(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.at, s.len), s.len};
}

/* Room for one more entry than there are, in entries of its own. */
static void make_room(struct arena *a, struct fake_header_list *list)
{
    if (list->len >= list->cap) {
        size_t cap = list->len * 2 < FIRST_CAPACITY ? FIRST_CAPACITY : list->len * 2;
        struct pw_header *own = arena_alloc(a, cap * sizeof *own);
        if (list->len != 0) {
            memcpy(own, list->at, list->len * sizeof *own);
        }
        list->at = own;
        list->cap = cap;
    }
}

void fake_headers_add(struct arena *a, struct fake_header_list *list, struct str name, struct str value)
{
    struct pw_header h = {copy_str(a, name), copy_str(a, value)};
    char *at = (char *)h.name.at;

    for (size_t i = 0; i < name.len; i++) {
        at[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]);
    }
    make_room(a, list);
    list->at[list->len++] = h;
}

/* Is it the name of this entry?  Entries are lower-case, and nearly always so is what they are asked for. */
static bool has_name(const struct pw_header *h, struct str name)
{
    return h->name.len == name.len && (memcmp(h->name.at, name.at, name.len) == 0 || str_ieq(h->name, name));
}

static struct fake_header_list *list_of(void *stream, enum pw_map map)
{
    struct fake_stream *f = stream;
    return (unsigned)map < 4 && f->available[map] ? &f->maps[map] : NULL;
}

/* The list to change; changing trailers that are not there makes them. */
static struct fake_header_list *changed_list(void *stream, enum pw_map map)
{
    struct fake_stream *f = stream;

    if (map == PW_MAP_REQUEST_TRAILERS || map == PW_MAP_RESPONSE_TRAILERS) {
        f->available[map] = true;
    }
    return list_of(stream, map);
}

static bool map_available(void *stream, enum pw_map map)
{
    return list_of(stream, map) != NULL;
}

static size_t map_count(void *stream, enum pw_map map)
{
    const struct fake_header_list *list = list_of(stream, map);
    return list == NULL ? 0 : list->len;
}

static bool map_at(void *stream, enum pw_map map, size_t i, struct pw_header *out)
{
    const struct fake_header_list *list = list_of(stream, map);
    if (list == NULL || i >= list->len) {
        return false;
    }
    *out = list->at[i];
    return true;
}

static bool map_get(void *stream, enum pw_map map, struct str name, struct str *value)
{
    const struct fake_header_list *list = list_of(stream, map);

    for (size_t i = 0; list != NULL && i < list->len; i++) {
        if (has_name(&list->at[i], name)) {
            *value = list->at[i].value;
            return true;
        }
    }
    return false;
}

static bool map_add(void *stream, enum pw_map map, struct str name, struct str value)
{
    struct fake_stream *f = stream;
    struct fake_header_list *list = changed_list(stream, map);

    if (list != NULL) {
        make_room(&f->arena, list);
        list->at[list->len++] = (struct pw_header){copy_str(&f->arena, name), copy_str(&f->arena, value)};
    }
    return list != NULL;
}

/* Remove the entries of that name from position `from` on. */
static void remove_from(struct fake_header_list *list, size_t from, struct str name)
{
    size_t kept = from;

    for (size_t i = from; i < list->len; i++) {
        if (!has_name(&list->at[i], name)) {
            list->at[kept++] = list->at[i];
        }
    }
    list->len = kept;
}

static bool map_replace(void *stream, enum pw_map map, struct str name, struct str value)
{
    struct fake_stream *f = stream;
    struct fake_header_list *list = changed_list(stream, map);

    for (size_t i = 0; list != NULL && i < list->len; i++) {
        if (has_name(&list->at[i], name)) {
            make_room(&f->arena, list);
            list->at[i].value = copy_str(&f->arena, value);
            remove_from(list, i + 1, name);
            return true;
        }
    }
    return map_add(stream, map, name, value);
}

static bool map_remove(void *stream, enum pw_map map, struct str name)
{
    struct fake_stream *f = stream;
    struct fake_header_list *list = changed_list(stream, map);

    if (list != NULL) {
        make_room(&f->arena, list);
        remove_from(list, 0, name);
    }
    return list != NULL;
}

static bool map_set_all(void *stream, enum pw_map map, const struct pw_header *entries, size_t n)
{
    struct fake_stream *f = stream;
    struct fake_header_list *list = changed_list(stream, map);

    if (list == NULL) {
        return false;
    }
    list->len = list->cap = 0;
    for (size_t i = 0; i < n; i++) {
        fake_headers_add(&f->arena, list, entries[i].name, entries[i].value);
    }
    return true;
}

/* ---- log, clocks, properties ------------------------------------------------------------- */

static void server_log(void *server, void *stream, struct str plugin, enum pw_log_level level,
                       struct str line)
{
    struct fake_server *srv = server;
    struct fake_stream *f = stream;
    (void)plugin;

    f = f == NULL ? srv->answering : f;
    if (f == NULL) {
        srv->log(srv, level, line);
    } else if (!srv->drop_logs) {
        struct fake_log entry = {level, copy_str(&f->arena, line)};
        vec_push(&f->logs, entry);
    }
}

static enum pw_log_level server_log_level(void *server)
{
    return ((struct fake_server *)server)->level;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t server_now_ns(void *server, void *stream)
{
    const struct fake_server *srv = server;
    const struct fake_stream *f = stream;

    if (f != NULL && f->request->has_now) {
        return f->request->now_ns;
    }
    return srv->has_now ? srv->now_ns : clock_ns(CLOCK_REALTIME);
}

static uint64_t server_monotonic_ns(void *server)
{
    (void)server;
    return clock_ns(CLOCK_MONOTONIC);
}

/* Do the segments, joined by '.', spell `name`? */
static bool path_is(struct str name, const struct str *path, size_t segments)
{
    for (size_t i = 0; i < segments; i++) {
        if (i != 0) {
            if (name.len == 0 || name.at[0] != '.') {
                return false;
            }
            name = str_slice(name, 1, name.len);
        }
        if (!str_starts_with(name, path[i])) {
            return false;
        }
        name = str_slice(name, path[i].len, name.len);
    }
    return name.len == 0;
}

static bool server_property(void *server, void *stream, const struct str *path, size_t segments,
                            struct pw_value *out)
{
    const struct fake_stream *f = stream;
    (void)server;

    for (size_t i = 0; f != NULL && i < f->request->nproperties; i++) {
        if (path_is(f->request->properties[i].name, path, segments)) {
            *out = f->request->properties[i].value;
            return true;
        }
    }
    return false;
}

/* ---- bodies ------------------------------------------------------------------------------- */

static void take_body(void *stream, enum pw_direction d, struct str chunk, bool end_of_stream)
{
    struct fake_stream *f = stream;

    strbuf_add(&f->out[d], chunk);
    f->ended[d] |= end_of_stream;
}

static void take_trailers(void *stream, enum pw_direction d)
{
    ((struct fake_stream *)stream)->ended[d] = true;
}

/* ---- what plugins ask for -------------------------------------------------------------------- */

static void send_local_response(void *stream, const struct pw_local_response *r)
{
    struct fake_stream *f = stream;
    struct fake_header_list *list = &f->maps[PW_MAP_RESPONSE_HEADERS];
    struct str unused;
    char text[24], status[3] = {(char)('0' + r->status / 100), (char)('0' + r->status / 10 % 10),
                                (char)('0' + r->status % 10)};

    f->has_local = f->local_now = true;
    f->local = *r;
    f->local.details = copy_str(&f->arena, r->details);
    f->local.body = copy_str(&f->arena, r->body);

    list->len = list->cap = 0;
    fake_headers_add(&f->arena, list, STR(":status"), (struct str){status, sizeof status});
    for (size_t i = 0; i < r->nheaders; i++) {
        fake_headers_add(&f->arena, list, r->headers[i].name, r->headers[i].value);
    }
    struct pw_header *own = ARENA_ARRAY(&f->arena, struct pw_header, r->nheaders);
    if (r->nheaders != 0) {
        memcpy(own, list->at + 1, r->nheaders * sizeof *own);
    }
    f->local.headers = own;

    /* What a server adds to an answer of its own. */
    f->available[PW_MAP_RESPONSE_HEADERS] = true;
    if (r->body.len != 0) {
        snprintf(text, sizeof text, "%zu", r->body.len);
        map_replace(f, PW_MAP_RESPONSE_HEADERS, STR("content-length"), str_of(text));
        if (!map_get(f, PW_MAP_RESPONSE_HEADERS, STR("content-type"), &unused)) {
            map_add(f, PW_MAP_RESPONSE_HEADERS, STR("content-type"), STR("text/plain"));
        }
    }
}

static void resume_request(void *stream)
{
    ((struct fake_stream *)stream)->resumed[PW_REQUEST] = true;
}

static void resume_response(void *stream)
{
    ((struct fake_stream *)stream)->resumed[PW_RESPONSE] = true;
}

static void close_stream(void *stream)
{
    ((struct fake_stream *)stream)->closed = true;
}

static void clear_route_cache(void *stream)
{
    ((struct fake_stream *)stream)->route_changes++;
}

/* ---- timers and queues ------------------------------------------------------------------- */

static void timer_clear(void *server, struct pw_timer *timer)
{
    struct fake_server *srv = server;

    for (size_t i = 0; i < srv->timers.len; i++) {
        if (srv->timers.at[i].timer == timer) {
            srv->timers.at[i] = vec_pop(&srv->timers);
            return;
        }
    }
}

static void timer_set(void *server, struct pw_timer *timer, uint32_t delay_ms)
{
    struct fake_server *srv = server;
    const uint64_t now_ns = server_now_ns(srv, NULL);
    const uint64_t from_ns = now_ns > srv->reached_ns ? now_ns : srv->reached_ns;
    struct fake_timer t = {timer, from_ns + (uint64_t)delay_ms * 1000000u};

    timer_clear(srv, timer);
    vec_push(&srv->timers, t);
}

static struct pw_shared *server_shared(void *server)
{
    return ((struct fake_server *)server)->shared;
}

static void server_notify(void *server, uint32_t worker)
{
    (void)worker;
    ((struct fake_server *)server)->notified = true;
}

static void deliver(struct fake_server *srv)
{
    for (uint32_t rounds = 0; srv->notified && rounds < MAX_ROUNDS; rounds++) {
        srv->notified = false;
        pw_shared_deliver(srv->shared);
    }
}

/* The timer due first, if it is due by then. */
static bool find_due(const struct fake_server *srv, uint64_t now_ns, size_t *out)
{
    bool found = false;

    for (size_t i = 0; i < srv->timers.len; i++) {
        if (srv->timers.at[i].due_ns <= now_ns) {
            *out = found && srv->timers.at[*out].due_ns <= srv->timers.at[i].due_ns ? *out : i;
            found = true;
        }
    }
    return found;
}

void fake_server_run_due(struct fake_server *srv, uint64_t now_ns)
{
    const bool has_now = srv->has_now;
    const uint64_t clock = srv->now_ns;
    size_t i;

    deliver(srv);
    srv->has_now = true;
    for (uint32_t rounds = 0; rounds < MAX_ROUNDS && find_due(srv, now_ns, &i); rounds++) {
        struct fake_timer t = srv->timers.at[i];
        srv->timers.at[i] = vec_pop(&srv->timers);
        srv->now_ns = srv->reached_ns = t.due_ns;
        pw_timer_fire(t.timer);
        deliver(srv);
    }
    srv->has_now = has_now;
    srv->now_ns = clock;
    srv->reached_ns = now_ns;
}

static bool upstream_host(void *stream, size_t i, struct pw_upstream_host *out)
{
    const struct fake_stream *f = stream;

    if (i >= f->request->nhosts) {
        return false;
    }
    *out = f->request->hosts[i];
    return true;
}

static void override_upstream(void *stream, struct str address)
{
    struct fake_stream *f = stream;
    f->override = copy_str(&f->arena, address);
}

static enum pw_call_start http_call(void *server, void *stream, const struct pw_http_call *call,
                                    void **handle)
{
    (void)stream;
    return fake_calls_start(&((struct fake_server *)server)->calls, call, handle);
}

static void cancel_call(void *server, void *handle)
{
    fake_calls_cancel(&((struct fake_server *)server)->calls, handle);
}

static enum pw_call_start grpc_open(void *server, void *stream, const struct pw_grpc_call *call,
                                    void **handle)
{
    (void)stream;
    return fake_grpc_open(&((struct fake_server *)server)->grpc, call, handle);
}

static void grpc_send(void *server, void *handle, struct str message, bool end)
{
    fake_grpc_send(&((struct fake_server *)server)->grpc, handle, message, end);
}

static void grpc_cancel(void *server, void *handle)
{
    fake_grpc_cancel(&((struct fake_server *)server)->grpc, handle);
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool resolve(void *server, struct pw_callout *callout, struct str name, void **handle)
{
    struct fake_server *srv = server;
    struct fake_lookup l = {callout, mem_strndup(name.at, name.len)};

    vec_push(&srv->lookups, l);
    *handle = l.name;
    return true;
}

static void forget_lookup(struct fake_server *srv, size_t i)
{
    for (; i + 1 < srv->lookups.len; i++) {
        srv->lookups.at[i] = srv->lookups.at[i + 1];
    }
    (void)vec_pop(&srv->lookups);
}

static void cancel_resolve(void *server, void *handle)
{
    struct fake_server *srv = server;

    for (size_t i = 0; i < srv->lookups.len; i++) {
        if (srv->lookups.at[i].name == handle) {
            forget_lookup(srv, i);
            break;
        }
    }
    mem_free(handle);
}

/* Answer the oldest lookup from the request's names; false: there is none. */
static bool answer_lookup(struct fake_server *srv, const struct fake_request *request)
{
    const struct fake_name *found = NULL;

    if (srv->lookups.len == 0) {
        return false;
    }
    struct fake_lookup l = srv->lookups.at[0];
    forget_lookup(srv, 0);
    for (size_t i = 0; i < request->nnames; i++) {
        found = str_eq(request->names[i].name, str_of(l.name)) ? &request->names[i] : found;
    }
    struct pw_dns_address itself = {str_of(l.name), 5};
    uint8_t bytes[16];
    bool literal = inet_pton(AF_INET, l.name, bytes) == 1 || inet_pton(AF_INET6, l.name, bytes) == 1;
    if (literal) {
        pw_dns_done(l.callout, &itself, 1);
    } else {
        pw_dns_done(l.callout, found == NULL ? NULL : found->addresses,
                    found == NULL ? 0 : found->naddresses);
    }
    mem_free(l.name);
    return true;
}

/* Every name is one; what a name that is none gives is an answer of the request file. */
static bool redis_service(void *server, void *stream, struct str service)
{
    (void)server;
    (void)stream;
    return service.len != 0;
}

static enum pw_call_start redis_call(void *server, void *stream, const struct pw_redis_call *call,
                                     void **handle)
{
    if (!redis_service(server, stream, call->service)) { /* so that nobody's answer is taken */
        return PW_CALL_NO_SERVICE;
    }
    return fake_calls_redis(&((struct fake_server *)server)->calls, call, handle);
}

const struct pw_server fake_server_functions = {
    .log = server_log,
    .log_level = server_log_level,
    .now_ns = server_now_ns,
    .monotonic_ns = server_monotonic_ns,
    .map_available = map_available,
    .map_count = map_count,
    .map_at = map_at,
    .map_get = map_get,
    .map_add = map_add,
    .map_replace = map_replace,
    .map_remove = map_remove,
    .map_set_all = map_set_all,
    .property = server_property,
    .body = take_body,
    .trailers = take_trailers,
    .send_local_response = send_local_response,
    .resume_request = resume_request,
    .resume_response = resume_response,
    .close_stream = close_stream,
    .clear_route_cache = clear_route_cache,
    .timer_set = timer_set,
    .timer_clear = timer_clear,
    .shared = server_shared,
    .notify = server_notify,
    .foreign = foreign_functions,
    .upstream_host = upstream_host,
    .override_upstream = override_upstream,
    .http_call = http_call,
    .cancel_call = cancel_call,
    .grpc_open = grpc_open,
    .grpc_send = grpc_send,
    .grpc_cancel = grpc_cancel,
    .resolve = resolve,
    .cancel_resolve = cancel_resolve,
    .redis_service = redis_service,
    .redis_call = redis_call,
    .redis_cancel = cancel_call,
};

/* ---- serving ------------------------------------------------------------------------------------ */

bool fake_server_init(struct fake_server *server)
{
    server->block = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (server->block == MAP_FAILED || pw_shared_format(server->block, SHARED_BYTES) != WEIR_OK) {
        return false;
    }
    server->shared = pw_shared_open(server->block, 0);
    return true;
}

void fake_server_fini(struct fake_server *server)
{
    pw_shared_close(server->shared);
    munmap(server->block, SHARED_BYTES);
    vec_fini(&server->timers);
    WEIR_ASSERT(server->lookups.len == 0); /* the plugins cancelled theirs */
    vec_fini(&server->lookups);
}

void fake_stream_init(struct fake_stream *f, struct fake_server *server)
{
    *f = (struct fake_stream){.server = server};
    arena_init(&f->arena);
}

void fake_stream_fini(struct fake_stream *f)
{
    vec_fini(&f->logs);
    strbuf_fini(&f->out[PW_REQUEST]);
    strbuf_fini(&f->out[PW_RESPONSE]);
    arena_fini(&f->arena);
}

/* The request's entries, until a plugin changes something. */
static void load(struct fake_stream *f, enum pw_map map, const struct fake_header_list *from)
{
    f->available[map] = true;
    f->maps[map] = (struct fake_header_list){.at = from->at, .len = from->len};
}

void fake_stream_begin(struct fake_stream *f, const struct fake_request *request)
{
    arena_reset(&f->arena);
    memset(f->maps, 0, sizeof f->maps);
    memset(f->available, 0, sizeof f->available);
    f->request = request;
    f->has_local = f->closed = f->trapped = false;
    for (int d = PW_REQUEST; d <= PW_RESPONSE; d++) {
        f->resumed[d] = f->ended[d] = false;
        f->out[d].len = 0;
    }
    f->route_changes = f->lookups = 0;
    f->blocked = NULL;
    f->override = (struct str){"", 0};
    vec_clear(&f->logs);
    if (!request->is_connection) {
        load(f, PW_MAP_REQUEST_HEADERS, &request->request.headers);
    }
    fake_calls_begin(&f->server->calls, request->answers, &f->arena);
    fake_grpc_begin(&f->server->grpc, request->grpc, request->ngrpc, &f->arena);
}

/* Answer the callout whose turn it is, those by gRPC and lookups last; false: there is none. */
bool fake_stream_answer_call(struct fake_stream *f)
{
    f->server->answering = f;
    bool answered = fake_calls_deliver(&f->server->calls) || fake_grpc_deliver(&f->server->grpc) ||
                    (f->lookups < MAX_ROUNDS && answer_lookup(f->server, f->request) && ++f->lookups);
    f->server->answering = NULL;
    return answered;
}

static const struct {
    enum pw_verdict (*headers)(struct pw_stream *s, bool end_of_stream);
    enum pw_verdict (*body)(struct pw_stream *s, struct str chunk, bool end_of_stream);
    enum pw_verdict (*trailers)(struct pw_stream *s);
    enum pw_verdict (*resume)(struct pw_stream *s);
    bool (*blocked)(const struct pw_stream *s);
    enum pw_map trailers_map;
} directions[] = {
    [PW_REQUEST] = {pw_stream_on_request_headers, pw_stream_on_request_body, pw_stream_on_request_trailers,
                    pw_stream_resume_request, pw_stream_request_blocked, PW_MAP_REQUEST_TRAILERS},
    [PW_RESPONSE] = {pw_stream_on_response_headers, pw_stream_on_response_body,
                     pw_stream_on_response_trailers, pw_stream_resume_response, pw_stream_response_blocked,
                     PW_MAP_RESPONSE_TRAILERS},
};

/* Part `i` of the message: 0 the headers, then the chunks, then the trailers. */
static enum pw_verdict feed(struct fake_stream *f, struct pw_stream *s, enum pw_direction d,
                            const struct fake_message *m, size_t i)
{
    if (i == 0) {
        bool end = m->nchunks == 0 && !m->has_trailers;
        enum pw_verdict v = directions[d].headers(s, end);
        f->ended[d] |= end && v == PW_CONTINUE;
        return v;
    }
    if (i <= m->nchunks) {
        return directions[d].body(s, m->chunks[i - 1], i == m->nchunks && !m->has_trailers);
    }
    load(f, directions[d].trailers_map, &m->trailers);
    return directions[d].trailers(s);
}

/* The whole message through the chain; callouts are answered when nothing else can be done.  PW_PAUSE: it
 * stays there, nobody will resume it. */
static enum pw_verdict run_message(struct fake_stream *f, struct pw_stream *s, enum pw_direction d,
                                   const struct fake_message *m)
{
    size_t next = 0, parts = 1 + m->nchunks + m->has_trailers;
    enum pw_verdict v = PW_PAUSE;

    f->local_now = false;
    for (;;) {
        if (f->resumed[d]) {
            f->resumed[d] = false;
            v = directions[d].resume(s);
            f->ended[d] |= parts == 1 && v == PW_CONTINUE;
        } else if (next < parts && (next == 0 || !directions[d].blocked(s))) {
            v = feed(f, s, d, m, next++);
        } else if ((v != PW_CONTINUE || !f->ended[d]) && fake_stream_answer_call(f)) {
            v = f->closed ? PW_CLOSE : f->local_now ? PW_LOCAL : v;
        } else {
            break;
        }
        if (v == PW_LOCAL || v == PW_CLOSE) {
            f->out[d].len = 0;
            return v;
        }
    }
    return v == PW_CONTINUE && !f->ended[d] ? PW_PAUSE : v;
}

/* The phases up to the response; what came of them. */
static enum pw_verdict run_phases(struct fake_stream *f, struct pw_stream *s)
{
    enum pw_verdict v = run_message(f, s, PW_REQUEST, &f->request->request);
    bool answered = v == PW_LOCAL;
    struct fake_message local = {.chunks = &f->local.body, .nchunks = f->local.body.len != 0};
    const struct fake_message *response = &f->request->response;

    if (v == PW_CONTINUE && f->request->has_response) {
        load(f, PW_MAP_RESPONSE_HEADERS, &response->headers);
    } else if (answered) {
        response = &local;
    } else {
        return v;
    }
    v = run_message(f, s, PW_RESPONSE, response);
    if (v == PW_LOCAL) { /* instead of the response, as it is */
        strbuf_add(&f->out[PW_RESPONSE], f->local.body);
        f->ended[PW_RESPONSE] = true;
    }
    return answered && v == PW_CONTINUE ? PW_LOCAL : v;
}

enum fake_action fake_serve(struct fake_stream *f, const struct fake_request *request,
                            const struct pw_step *steps, size_t nsteps)
{
    static const enum fake_action actions[] = {
        [PW_CONTINUE] = FAKE_CONTINUE,
        [PW_PAUSE] = FAKE_PAUSED,
        [PW_LOCAL] = FAKE_LOCAL,
        [PW_CLOSE] = FAKE_CLOSED,
    };
    uint64_t now_ns = 0;

    if (request->is_connection || request->has_now || f->server->has_now || f->server->timers.len != 0) {
        now_ns = request->has_now ? request->now_ns : server_now_ns(f->server, NULL);
        fake_server_run_due(f->server, now_ns);
    } else { /* the real clock has nothing to tell: it is not worth a look */
        deliver(f->server);
    }
    fake_stream_begin(f, request);
    if (request->is_connection) {
        return fake_serve_connection(f, steps, nsteps, now_ns);
    }
    struct pw_stream *s = pw_stream_new(steps, nsteps, f);
    enum fake_action action = actions[run_phases(f, s)];
    f->trapped = pw_stream_trapped(s);
    if (f->trapped && action == FAKE_LOCAL && str_eq(f->local.details, STR("wasm_fail_stream"))) {
        action = FAKE_TRAP;
    }
    pw_stream_end(s);
    while (fake_stream_answer_call(f)) { /* the stream ended while they were in flight */
    }
    return action;
}
