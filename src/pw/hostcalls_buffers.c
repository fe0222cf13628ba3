/* pw/hostcalls_buffers.c - buffers and configuration (host facts 1.14).
 *
 * At hand now: the two configurations.  Bodies (0 to 3) and what callouts deliver (4, 5, 8, 9) are available
 * only in callbacks that do not exist yet; find_buffer is where they will come in. */
#include "pw/callout.h"
#include "pw/hostcalls.h"

/* The contents of a read-only buffer; false: it is not at hand. */
static bool find_buffer(const struct pw_vm *vm, uint32_t buffer, struct str *out)
{
    const struct pw_plugin_options *opt = &vm->plugin->opt;

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
    return pw_result_put(vm, r, str_slice(all, start, (size_t)start + max_bytes));
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
    struct str s;
    (void)start;
    (void)bytes;

    if (buffer > PW_BUFFER_REDIS_REPLY) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, data, data_len, &s)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    return find_buffer(vm, buffer, &s) ? PW_BAD_ARGUMENT : PW_NOT_FOUND;
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
