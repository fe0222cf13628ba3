/* pw/hostcalls_grpc.c - gRPC calls, unary and streams (host facts 1.21). */
#include "pw/callout.h"
#include "pw/hostcalls.h"
#include "pw/pairs.h"

/* ---- the service ------------------------------------------------------------------------- */

/* A protobuf field of wire type 2 at the front; false: there is another one, or none. */
static bool cut_bytes(struct str *s, uint8_t field, struct str *out)
{
    uint32_t len = 0, shift = 0;
    size_t i = 1;

    if (s->len < 2 || (uint8_t)s->at[0] != (field << 3 | 2)) {
        return false;
    }
    for (; i < s->len && i < 5; i++, shift += 7) {
        len |= ((uint8_t)s->at[i] & 0x7fu) << shift;
        if (((uint8_t)s->at[i] & 0x80) == 0) {
            break;
        }
    }
    if (i >= s->len || i == 5 || len > s->len - i - 1) {
        return false;
    }
    *out = (struct str){s->at + i + 1, len};
    *s = str_slice(*s, i + 1 + len, s->len);
    return true;
}

/* The cluster of a serialised GrpcService: envoy_grpc (1) { cluster_name (1) }. */
static bool cluster_of(struct str proto, struct str *name)
{
    struct str envoy_grpc;
    return cut_bytes(&proto, 1, &envoy_grpc) && cut_bytes(&envoy_grpc, 1, name);
}

/* ---- open -------------------------------------------------------------------------------------- */

struct request {
    struct str service, name, method, metadata, message;
};

static enum pw_status open_call(struct pw_vm *vm, const struct request *r, struct pw_grpc_call *call,
                                uint32_t *token)
{
    const struct pw_stream *s = vm->effective->stream;
    const struct pw_plugin *p = vm->plugin;
    void *stream = s == NULL ? NULL : s->server_stream;
    struct pw_callout *c =
        p->server->grpc_open == NULL
            ? NULL
            : pw_callout_new(vm, call->unary ? PW_CALLOUT_GRPC_CALL : PW_CALLOUT_GRPC_STREAM);

    if (c == NULL) {
        return PW_INTERNAL_FAILURE;
    }
    call->callout = c;
    call->service = r->service;
    enum pw_call_start started = p->server->grpc_open(p->server_data, stream, call, &c->handle);
    if (started == PW_CALL_NO_SERVICE && cluster_of(r->service, &call->service)) {
        started = p->server->grpc_open(p->server_data, stream, call, &c->handle);
    }
    if (started != PW_CALL_STARTED) {
        pw_callout_discard(c);
        return started == PW_CALL_NO_SERVICE ? PW_PARSE_FAILURE : PW_INTERNAL_FAILURE;
    }
    *token = c->token;
    return PW_OK;
}

static enum pw_status start(struct pw_vm *vm, const struct request *r, bool unary, uint32_t timeout_ms,
                            uint32_t token_at)
{
    struct pw_header entries[PW_PAIRS_MAX];
    struct pw_grpc_call call = {
        .metadata = entries, .unary = unary, .message = r->message, .timeout_ms = timeout_ms};
    struct strbuf path = {0};
    uint32_t token = 0;

    if (!pw_quota_allows(vm->plugin, PW_QUOTA_CALLOUT_BODY, 0, r->message.len)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_headers(vm->inst, r->metadata, entries, &call.nmetadata)) {
        return PW_INTERNAL_FAILURE;
    }
    strbuf_add_char(&path, '/');
    strbuf_add(&path, r->name);
    strbuf_add_char(&path, '/');
    strbuf_add(&path, r->method);
    call.path = strbuf_str(&path);
    enum pw_status status = PW_INTERNAL_FAILURE;
    if ((int32_t)timeout_ms >= 0 && pw_is_word(call.path)) {
        status = open_call(vm, r, &call, &token);
    }
    strbuf_fini(&path);
    if (status == PW_OK) {
        pw_guest_put_u32(vm->inst, token_at, token);
    }
    return status;
}

uint32_t pw_call_proxy_grpc_call(struct weir_instance *inst, uint32_t service, uint32_t service_len,
                                 uint32_t name, uint32_t name_len, uint32_t method, uint32_t method_len,
                                 uint32_t metadata, uint32_t metadata_len, uint32_t message,
                                 uint32_t message_len, uint32_t timeout_ms, uint32_t token_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct request r;

    if (!pw_guest_str(inst, service, service_len, &r.service) ||
        !pw_guest_str(inst, name, name_len, &r.name) || !pw_guest_str(inst, method, method_len, &r.method) ||
        !pw_guest_str(inst, metadata, metadata_len, &r.metadata) ||
        !pw_guest_str(inst, message, message_len, &r.message) || !pw_guest_has_u32(inst, token_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    return start(vm, &r, true, timeout_ms, token_at);
}

uint32_t pw_call_proxy_grpc_stream(struct weir_instance *inst, uint32_t service, uint32_t service_len,
                                   uint32_t name, uint32_t name_len, uint32_t method, uint32_t method_len,
                                   uint32_t metadata, uint32_t metadata_len, uint32_t token_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct request r = {.message = {"", 0}};

    if (!pw_guest_str(inst, service, service_len, &r.service) ||
        !pw_guest_str(inst, name, name_len, &r.name) || !pw_guest_str(inst, method, method_len, &r.method) ||
        !pw_guest_str(inst, metadata, metadata_len, &r.metadata) || !pw_guest_has_u32(inst, token_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    return start(vm, &r, false, 0, token_at);
}

/* ---- an open one ------------------------------------------------------------------------------- */

static struct pw_callout *find(const struct pw_vm *vm, uint32_t token)
{
    struct pw_callout *c = vm->plugin->callouts;

    while (c != NULL && (c->vm != vm || c->token != token || c->dns)) {
        c = c->next;
    }
    return c;
}

uint32_t pw_call_proxy_grpc_send(struct weir_instance *inst, uint32_t token, uint32_t message,
                                 uint32_t message_len, uint32_t end)
{
    struct pw_vm *vm = pw_enter(inst);
    struct str m;

    if (!pw_guest_str(inst, message, message_len, &m)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if ((token & 3) != PW_CALLOUT_GRPC_STREAM ||
        !pw_quota_allows(vm->plugin, PW_QUOTA_CALLOUT_BODY, 0, message_len)) {
        return PW_BAD_ARGUMENT;
    }
    struct pw_callout *c = find(vm, token);
    if (c == NULL || c->ended) {
        return c == NULL ? PW_NOT_FOUND : PW_BAD_ARGUMENT;
    }
    c->ended = end != 0;
    vm->plugin->server->grpc_send(vm->plugin->server_data, c->handle, m, c->ended);
    return PW_OK;
}

uint32_t pw_call_proxy_grpc_cancel(struct weir_instance *inst, uint32_t token)
{
    struct pw_vm *vm = pw_enter(inst);
    bool grpc = (token & 3) == PW_CALLOUT_GRPC_CALL || (token & 3) == PW_CALLOUT_GRPC_STREAM;
    struct pw_callout *c = grpc ? find(vm, token) : NULL;

    if (c == NULL) {
        return PW_NOT_FOUND;
    }
    pw_callout_cancel(c);
    return PW_OK;
}

/* A stream is closed on this side, its answers still come; a unary call is cancelled. */
uint32_t pw_call_proxy_grpc_close(struct weir_instance *inst, uint32_t token)
{
    struct pw_vm *vm = inst->host;
    struct pw_callout *c = (token & 3) == PW_CALLOUT_GRPC_STREAM ? find(vm, token) : NULL;

    if (c == NULL) {
        return pw_call_proxy_grpc_cancel(inst, token);
    }
    pw_enter(inst);
    if (!c->ended) {
        c->ended = true;
        vm->plugin->server->grpc_send(vm->plugin->server_data, c->handle, (struct str){NULL, 0}, true);
    }
    return PW_OK;
}
