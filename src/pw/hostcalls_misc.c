/* pw/hostcalls_misc.c - log, clock, and what toolchains import besides. */
#include <stdio.h>

#include "pw/hostcalls.h"

static enum pw_log_level least_level(const struct pw_vm *vm)
{
    return vm->plugin->server->log_level(vm->plugin->server_data);
}

uint32_t pw_call_proxy_log(struct weir_instance *inst, uint32_t level, uint32_t message, uint32_t message_len)
{
    struct pw_vm *vm = pw_enter(inst);
    struct str line;

    if (level > PW_LOG_CRITICAL) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, message, message_len, &line)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    pw_vm_log(vm, level, line);
    return PW_OK;
}

uint32_t pw_call_proxy_get_log_level(struct weir_instance *inst, uint32_t level_at)
{
    struct pw_vm *vm = pw_enter(inst);

    if (!pw_guest_has_u32(inst, level_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    pw_guest_put_u32(inst, level_at, least_level(vm));
    return PW_OK;
}

uint32_t pw_call_proxy_get_current_time_nanoseconds(struct weir_instance *inst, uint32_t time_at)
{
    struct pw_vm *vm = pw_enter(inst);
    const struct pw_stream *s = vm->effective->stream;

    if (!pw_guest_has_u64(inst, time_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    pw_guest_put_u64(
        inst, time_at,
        vm->plugin->server->now_ns(vm->plugin->server_data, s == NULL ? NULL : s->server_stream));
    return PW_OK;
}

/* ---- toolchains ------------------------------------------------------------------------------ */

uint32_t pw_call_pthread_equal(struct weir_instance *inst, uint32_t a, uint32_t b)
{
    pw_enter(inst);
    return a == b;
}

void pw_call_emscripten_notify_memory_growth(struct weir_instance *inst, uint32_t memory)
{
    pw_enter(inst);
    (void)memory;
}

/* An AssemblyScript string: UTF-16, its size in bytes in the 4 bytes before it.  What is not ASCII becomes
 * '?'. */
static void assembly_script_text(const struct weir_instance *inst, uint32_t addr, char *dst, size_t cap)
{
    const uint8_t *size = addr < 4 ? NULL : weir_memory_at(inst, addr - 4, 4);
    const uint8_t *units = size == NULL ? NULL : weir_memory_at(inst, addr, bytes_get_u32(size));
    size_t n = 0;

    if (units != NULL) {
        uint32_t count = bytes_get_u32(size) / 2;
        for (; n < count && n < cap - 1; n++) {
            uint16_t unit = bytes_get_u16(units + 2 * n);
            dst[n] = unit >= 0x20 && unit < 0x7f ? (char)unit : '?';
        }
    }
    dst[n] = '\0';
}

void pw_call_abort(struct weir_instance *inst, uint32_t message, uint32_t file, uint32_t line,
                   uint32_t column)
{
    struct pw_vm *vm = pw_enter(inst);
    char what[256], where[128], text[512];

    assembly_script_text(inst, message, what, sizeof what);
    assembly_script_text(inst, file, where, sizeof where);
    snprintf(text, sizeof text, "abort: %s at %s:%u:%u", what, where, line, column);
    pw_vm_log(vm, PW_LOG_CRITICAL, str_of(text));
    weir_trap_raise(inst, WEIR_TRAP_HOST, "abort called");
}
