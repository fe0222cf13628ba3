/* pw/hostcalls_buffers.c - buffers and configuration (host facts 1.14).
 *
 * Bodies (0 and 1) and data of connections (2 and 3) are at hand in their callbacks and while the step of the
 * effective context holds them; only they can be changed.  A guest's allocator may change them too: what
 * find_buffer says holds until guest code runs. */
#include "pw/callout.h"
#include "pw/hostcalls.h"

/* The body of that buffer, as the effective context's step has it; NULL: it is not at hand. */
static struct pw_body *find_body(const struct pw_vm *vm, uint32_t buffer)
{
    const struct pw_stream *s = vm->effective->stream;

    if (buffer > PW_BUFFER_UPSTREAM || s == NULL || s->connection != (buffer >= PW_BUFFER_DOWNSTREAM)) {
        return NULL;
    }
    bool up = buffer == PW_BUFFER_REQUEST_BODY || buffer == PW_BUFFER_DOWNSTREAM;
    struct pw_side *side = pw_context_side(vm->effective, up ? PW_REQUEST : PW_RESPONSE);
    return side != NULL && (side->readable || side->body.len != 0) ? &side->body : NULL;
}

/* The contents of a buffer; false: it is not at hand. */
static bool find_buffer(const struct pw_vm *vm, uint32_t buffer, struct str *out)
{
    const struct pw_plugin_options *opt = &vm->plugin->opt;
    const struct pw_body *body = find_body(vm, buffer);

    if (body != NULL) {
        *out = pw_body_str(body);
        return true;
    }
    if (buffer == PW_BUFFER_VM_CONFIG) {
        *out = opt->vm_config;
        return true;
    }
    if (buffer == PW_BUFFER_PLUGIN_CONFIG &&
        (vm->moment == PW_MOMENT_CONFIGURE || vm->moment == PW_MOMENT_ROOT_CREATE)) {
        *out = opt->configs[vm->effective->config];
        return true;
    }
    if (vm->delivery != NULL && buffer == vm->delivery->buffer) {
        *out = vm->delivery->bytes;
        return true;
    }
    return false;
}

uint32_t pw_call_proxy_get_buffer_bytes(struct weir_instance *inst, uint32_t buffer, uint32_t start,
                                        uint32_t max_bytes, uint32_t addr_at, uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_result r = {addr_at, size_at};
    struct str all;

    if (buffer > PW_BUFFER_REDIS_REPLY) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!find_buffer(vm, buffer, &all)) {
        return PW_NOT_FOUND;
    }
    size_t bytes = str_slice(all, start, (size_t)start + max_bytes).len;
    enum pw_status status;
    char *at = pw_result_alloc(vm, r, bytes, &status);
    if (at == NULL) {
        return status;
    }
    struct str now = {"", 0};
    find_buffer(vm, buffer, &now);
    now = str_slice(now, start, start + bytes);
    if (now.len != 0) {
        memcpy(at, now.at, now.len);
    }
    memset(at + now.len, 0, bytes - now.len);
    return PW_OK;
}

uint32_t pw_call_proxy_get_buffer_status(struct weir_instance *inst, uint32_t buffer, uint32_t bytes_at,
                                         uint32_t flags_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct str all;

    if (buffer > PW_BUFFER_REDIS_REPLY) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_has_u32(inst, bytes_at) || !pw_guest_has_u32(inst, flags_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!find_buffer(vm, buffer, &all)) {
        return PW_NOT_FOUND;
    }
    pw_guest_put_u32(inst, bytes_at, (uint32_t)all.len);
    pw_guest_put_u32(inst, flags_at, 0);
    return PW_OK;
}

uint32_t pw_call_proxy_set_buffer_bytes(struct weir_instance *inst, uint32_t buffer, uint32_t start,
                                        uint32_t bytes, uint32_t data, uint32_t data_len)
{
    struct pw_vm *vm = pw_enter(inst);
    struct str s, all;

    if (buffer > PW_BUFFER_REDIS_REPLY) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, data, data_len, &s)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    struct pw_body *body = find_body(vm, buffer);
    if (body == NULL) {
        return find_buffer(vm, buffer, &all) ? PW_BAD_ARGUMENT : PW_NOT_FOUND;
    }
    if (start != 0 && start < body->len) {
        return PW_BAD_ARGUMENT; /* the middle: as Envoy */
    }
    struct pw_stream_step *st = &vm->effective->stream->steps[vm->effective->step];
    if (body->len + s.len > PW_BODY_MAX_BYTES || !pw_quota_allows_body(st, s.len)) {
        return PW_INTERNAL_FAILURE;
    }
    if (start == 0) {
        pw_body_prepend(body, bytes, s);
    } else {
        pw_body_append(body, s);
    }
    return PW_OK;
}

uint32_t pw_call_proxy_get_configuration(struct weir_instance *inst, uint32_t addr_at, uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_result r = {addr_at, size_at};
    struct str all = {"", 0};

    if (!pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (vm->moment == PW_MOMENT_VM_START) {
        all = vm->plugin->opt.vm_config;
    } else {
        find_buffer(vm, PW_BUFFER_PLUGIN_CONFIG, &all);
    }
    return pw_result_put(vm, r, all);
}
