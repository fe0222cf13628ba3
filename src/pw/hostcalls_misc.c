/* pw/hostcalls_misc.c - log, clock, foreign functions, and what toolchains import besides. */
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

/* ---- foreign functions ------------------------------------------------------------------- */

struct foreign_result {
    uint8_t bytes[8];
    size_t len;
};

static enum pw_status foreign_log_level(struct pw_vm *vm, struct str args, struct foreign_result *out)
{
    (void)args;
    bytes_put_u32(out->bytes, least_level(vm));
    out->len = 4;
    return PW_OK;
}

static enum pw_status foreign_clear_route_cache(struct pw_vm *vm, struct str args, struct foreign_result *out)
{
    struct pw_stream *s = vm->effective->stream;
    (void)args;
    (void)out;

    if (s != NULL && s->phase == PW_PHASE_REQUEST) {
        s->server->clear_route_cache(s->server_stream);
    }
    return PW_OK;
}

static const struct {
    struct str name;
    enum pw_status (*call)(struct pw_vm *vm, struct str args, struct foreign_result *out);
} foreign[] = {
    {STR("get_log_level"), foreign_log_level},
    {STR("clear_route_cache"), foreign_clear_route_cache},
};

/* The result's addresses may be 0: the caller does not want it. */
static bool is_optional_result(const struct weir_instance *inst, struct pw_result r)
{
    return (r.addr_at == 0 || pw_guest_has_u32(inst, r.addr_at)) &&
           (r.size_at == 0 || pw_guest_has_u32(inst, r.size_at));
}

uint32_t pw_call_proxy_call_foreign_function(struct weir_instance *inst, uint32_t name, uint32_t name_len,
                                             uint32_t args, uint32_t args_len, uint32_t addr_at,
                                             uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_result r = {addr_at, size_at};
    struct foreign_result out = {.len = 0};
    struct str n, a;

    if (!pw_guest_str(inst, name, name_len, &n) || !pw_guest_str(inst, args, args_len, &a) ||
        !is_optional_result(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!str_eq(foreign[i].name, n)) {
            continue;
        }
        enum pw_status status = foreign[i].call(vm, a, &out);
        bool wanted = r.addr_at != 0 && r.size_at != 0;
        return status == PW_OK && wanted ? pw_result_put(vm, r, str_make(out.bytes, out.len)) : status;
    }
    return PW_NOT_FOUND;
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
