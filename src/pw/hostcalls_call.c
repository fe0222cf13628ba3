/* pw/hostcalls_call.c - callouts over HTTP, and their status (host facts 1.20). */
#include "pw/callout.h"
#include "pw/hostcalls.h"
#include "pw/pairs.h"

bool pw_guest_headers(struct weir_instance *inst, struct str blob, struct pw_header *entries, size_t *n)
{
    int count = pw_pairs_decode(blob.at, blob.len, entries);
    char lower[PW_NAME_MAX];
    struct str name;

    *n = count < 0 ? 0 : (size_t)count;
    for (size_t i = 0; i < *n; i++) {
        if (!pw_header_name(entries[i].name, lower, &name) || !pw_header_value_legal(entries[i].value)) {
            return false;
        }
        memcpy(inst->memory + (uint32_t)((const uint8_t *)entries[i].name.at - inst->memory), lower,
               name.len);
    }
    return true;
}

static bool find(const struct pw_header *at, size_t n, struct str name, struct str *value)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(at[i].name, name)) {
            *value = at[i].value;
            return true;
        }
    }
    return false;
}

bool pw_is_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] <= ' ' || s.at[i] == 0x7f) {
            return false;
        }
    }
    return s.len != 0;
}

static bool read_target(struct pw_http_call *call)
{
    char lower[PW_NAME_MAX];
    struct str unused;

    return find(call->headers, call->nheaders, STR(":method"), &call->method) &&
           find(call->headers, call->nheaders, STR(":path"), &call->path) &&
           find(call->headers, call->nheaders, STR(":authority"), &call->authority) &&
           call->method.at[0] != ':' && pw_header_name(call->method, lower, &unused) &&
           pw_is_word(call->path) && pw_is_word(call->authority);
}

static enum pw_status start(struct pw_vm *vm, struct pw_http_call *call, uint32_t *token)
{
    const struct pw_stream *s = vm->effective->stream;
    struct pw_plugin *p = vm->plugin;

    call->callout = pw_callout_new(vm, PW_CALLOUT_HTTP);
    if (call->callout == NULL) {
        return PW_INTERNAL_FAILURE;
    }
    switch (p->server->http_call(p->server_data, s == NULL ? NULL : s->server_stream, call,
                                 &call->callout->handle)) {
    case PW_CALL_STARTED:
        *token = call->callout->token;
        return PW_OK;
    case PW_CALL_NO_SERVICE:
        pw_callout_discard(call->callout);
        return PW_BAD_ARGUMENT;
    default:
        pw_callout_discard(call->callout);
        return PW_INTERNAL_FAILURE;
    }
}

uint32_t pw_call_proxy_http_call(struct weir_instance *inst, uint32_t upstream, uint32_t upstream_len,
                                 uint32_t headers, uint32_t headers_len, uint32_t body, uint32_t body_len,
                                 uint32_t trailers, uint32_t trailers_len, uint32_t timeout_ms,
                                 uint32_t token_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_header entries[2][PW_PAIRS_MAX];
    struct pw_http_call call = {.headers = entries[0], .trailers = entries[1], .timeout_ms = timeout_ms};
    struct str h, t;
    uint32_t token = 0;

    if (!pw_guest_str(inst, upstream, upstream_len, &call.service) ||
        !pw_guest_str(inst, headers, headers_len, &h) || !pw_guest_str(inst, body, body_len, &call.body) ||
        !pw_guest_str(inst, trailers, trailers_len, &t) || !pw_guest_has_u32(inst, token_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!pw_quota_allows(vm->plugin, PW_QUOTA_CALLOUT_BODY, 0, body_len) || (int32_t)timeout_ms < 0 ||
        !pw_guest_headers(inst, h, entries[0], &call.nheaders) ||
        !pw_guest_headers(inst, t, entries[1], &call.ntrailers) || !read_target(&call)) {
        return PW_BAD_ARGUMENT;
    }
    enum pw_status status = start(vm, &call, &token);
    if (status == PW_OK) {
        pw_guest_put_u32(inst, token_at, token);
    }
    return status;
}

/* Of the callout whose callback runs; at other times it is 0 and without a message. */
uint32_t pw_call_proxy_get_status(struct weir_instance *inst, uint32_t code_at, uint32_t addr_at,
                                  uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_result r = {addr_at, size_at};
    const struct pw_delivery *d = vm->delivery;

    if (!pw_guest_has_u32(inst, code_at) || !pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    pw_guest_put_u32(inst, code_at, d == NULL ? PW_OK : d->status);
    return pw_result_put(vm, r, d == NULL ? STR("") : d->message);
}

/* ---- what the callback may read ------------------------------------------------------------ */

uint32_t pw_delivery_get_value(struct pw_vm *vm, uint32_t map, struct str name, struct pw_result r)
{
    char lower[PW_NAME_MAX];
    size_t n;
    const struct pw_header *at = pw_delivery_map(vm, map, &n);
    struct str value;

    if (at == NULL) {
        return PW_BAD_ARGUMENT;
    }
    if (pw_header_name(name, lower, &name) && find(at, n, name, &value)) {
        return pw_result_put(vm, r, value);
    }
    return vm->abi == PW_ABI_0_1_0 ? pw_result_put(vm, r, STR("")) : PW_NOT_FOUND;
}

uint32_t pw_delivery_get_pairs(struct pw_vm *vm, uint32_t map, struct pw_result r)
{
    size_t n;
    const struct pw_header *entries = pw_delivery_map(vm, map, &n);
    uint64_t text_bytes = 0;
    enum pw_status status;

    if (n == 0) {
        return pw_result_put(vm, r, STR(""));
    }
    for (size_t i = 0; i < n; i++) {
        text_bytes += entries[i].name.len + entries[i].value.len;
    }
    uint64_t bytes = pw_pairs_bytes(n, text_bytes);
    void *at = pw_result_alloc(vm, r, bytes, &status);
    if (at == NULL) {
        return status;
    }
    struct pw_pairs_writer w;
    bool fits = pw_pairs_begin(&w, at, bytes, (uint32_t)n);
    for (size_t i = 0; fits && i < n; i++) {
        fits = pw_pairs_add(&w, entries[i]);
    }
    return fits && pw_pairs_complete(&w) ? PW_OK : PW_INTERNAL_FAILURE;
}
