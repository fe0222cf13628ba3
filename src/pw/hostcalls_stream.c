/* pw/hostcalls_stream.c - local responses, continue, close, done, the effective context (host facts 1.9
 * to 1.12).
 *
 * All of it takes effect after the guest call that asks for it. */
#include "pw/hostcalls.h"
#include "pw/pairs.h"

enum { STREAM_REQUEST = 0, STREAM_RESPONSE = 1, STREAM_DOWNSTREAM = 2, STREAM_UPSTREAM = 3 };

uint32_t pw_call_proxy_set_effective_context(struct weir_instance *inst, uint32_t id)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_context *ctx = pw_contexts_find(&vm->contexts, id);

    if (ctx == NULL) {
        return PW_BAD_ARGUMENT;
    }
    vm->effective = ctx;
    return PW_OK;
}

uint32_t pw_call_proxy_done(struct weir_instance *inst)
{
    struct pw_context *ctx = pw_enter(inst)->effective;

    if (!ctx->done_pending) {
        return PW_NOT_FOUND;
    }
    ctx->done_pending = false;
    return PW_OK;
}

static struct str keep(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.at, s.len), s.len};
}

/* White space would end the details in an access log line. */
static struct str keep_details(struct arena *a, struct str s)
{
    char *restrict copy = arena_alloc(a, s.len + 1);
    const unsigned char *restrict from = (const unsigned char *)s.at;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = from[i];
        unsigned char blank = (c == ' ') | ((unsigned char)(c - '\t') <= '\r' - '\t');
        copy[i] = (char)(blank ? '_' : c);
    }
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

/* Malformed pairs are no headers; an entry that is no legal header is left out. */
static void keep_headers(struct arena *a, struct str blob, struct pw_local_response *out)
{
    struct pw_header entries[PW_PAIRS_MAX];
    int n = pw_pairs_decode(blob.at, blob.len, entries);
    char lower[PW_NAME_MAX];

    if (n <= 0) {
        return;
    }
    struct pw_header *kept = ARENA_ARRAY(a, struct pw_header, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct str name;
        if (pw_header_name(entries[i].name, lower, &name) && pw_header_value_legal(entries[i].value)) {
            kept[out->nheaders++] = (struct pw_header){keep(a, name), keep(a, entries[i].value)};
        }
    }
    out->headers = kept;
}

uint32_t pw_call_proxy_send_local_response(struct weir_instance *inst, uint32_t status, uint32_t details,
                                           uint32_t details_len, uint32_t body, uint32_t body_len,
                                           uint32_t headers, uint32_t headers_len, uint32_t grpc_status)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    struct str d, b, h;

    if (!pw_guest_str(inst, details, details_len, &d) || !pw_guest_str(inst, body, body_len, &b) ||
        !pw_guest_str(inst, headers, headers_len, &h)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (s == NULL || s->connection || s->local_taken || s->phase == PW_PHASE_LOG) {
        return PW_OK; /* there is nobody to answer, or he is answered */
    }
    /* The stream keeps it, and the server a copy. */
    if (!pw_stream_has_room(s, 2 * ((size_t)d.len + b.len + h.len))) {
        return PW_INTERNAL_FAILURE;
    }
    s->local = (struct pw_local_response){
        .status = status >= 200 && status <= 999 ? status : 500, /* not a final status: no answer to send */
        .details = keep_details(&s->arena, d),
        .body = keep(&s->arena, b),
        .grpc_status = grpc_status <= 16 ? (int32_t)grpc_status : -1,
    };
    keep_headers(&s->arena, h, &s->local);
    s->local_taken = true;
    s->local_step = (int32_t)vm->effective->step;
    pw_stream_defer(vm->effective, vm, PW_PENDING_LOCAL);
    return PW_OK;
}

/* Types 0 and 1 are about requests, 2 and 3 about connections. */
static bool is_about(uint32_t type, const struct pw_stream *s)
{
    return s != NULL && (type >= STREAM_DOWNSTREAM) == s->connection;
}

/* An answer ends the request, and until it is sent the response; then it is a response that plugins may hold.
 */
static bool may_continue(const struct pw_stream *s, uint32_t type)
{
    if (!is_about(type, s) || s->phase == PW_PHASE_LOG) {
        return false;
    }
    return !s->local_taken || (type == STREAM_RESPONSE && s->local_sent && !s->final);
}

static uint32_t continue_stream(struct pw_vm *vm, uint32_t type)
{
    struct pw_stream *s = vm->effective->stream;

    if (type > STREAM_UPSTREAM) {
        return PW_BAD_ARGUMENT;
    }
    if (type == STREAM_UPSTREAM && !is_about(type, s)) {
        return PW_UNIMPLEMENTED;
    }
    if (may_continue(s, type)) {
        bool up = type == STREAM_REQUEST || type == STREAM_DOWNSTREAM;
        pw_stream_defer(vm->effective, vm, up ? PW_PENDING_REQUEST : PW_PENDING_RESPONSE);
    }
    return PW_OK; /* nothing paused: harmless */
}

uint32_t pw_call_proxy_continue_stream(struct weir_instance *inst, uint32_t type)
{
    return continue_stream(pw_enter(inst), type);
}

uint32_t pw_call_proxy_continue_request(struct weir_instance *inst)
{
    return continue_stream(pw_enter(inst), STREAM_REQUEST);
}

uint32_t pw_call_proxy_continue_response(struct weir_instance *inst)
{
    return continue_stream(pw_enter(inst), STREAM_RESPONSE);
}

uint32_t pw_call_proxy_close_stream(struct weir_instance *inst, uint32_t type)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;

    if (type > STREAM_UPSTREAM) {
        return PW_BAD_ARGUMENT;
    }
    if (s != NULL && s->phase != PW_PHASE_LOG && (!s->connection || is_about(type, s))) {
        pw_stream_defer(vm->effective, vm, PW_PENDING_CLOSE);
    }
    return PW_OK;
}

uint32_t pw_call_proxy_inject_encoded_data_to_filter_chain(struct weir_instance *inst, uint32_t body,
                                                           uint32_t body_len, uint32_t end)
{
    struct pw_vm *vm = pw_enter(inst);
    struct str b;

    if (!pw_guest_str(inst, body, body_len, &b)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    return pw_stream_inject(vm->effective, vm, b, end != 0) ? PW_OK : PW_INTERNAL_FAILURE;
}

uint32_t pw_call_proxy_clear_route_cache(struct weir_instance *inst)
{
    struct pw_stream *s = pw_enter(inst)->effective->stream;

    if (s != NULL && s->phase == PW_PHASE_REQUEST) {
        s->server->clear_route_cache(s->server_stream);
    }
    return PW_OK;
}
