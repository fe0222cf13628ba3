/* pw/hostcalls_properties.c - get_property, set_property (host facts 1.15, 2.6). */
#include "pw/hostcalls.h"

/* The path without the NUL that some SDKs put at its end. */
static struct str without_final_nul(struct str path)
{
    return path.len != 0 && path.at[path.len - 1] == '\0' ? str_slice(path, 0, path.len - 1) : path;
}

uint32_t pw_call_proxy_get_property(struct weir_instance *inst, uint32_t path, uint32_t path_len,
                                    uint32_t addr_at, uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_context *ctx = vm->effective;
    struct pw_result r = {addr_at, size_at};
    struct pw_value value;
    enum pw_map map;
    struct str p;
    uint8_t encoded[8];

    if (!pw_guest_str(inst, path, path_len, &p) || !pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    switch (pw_property_find(ctx, without_final_nul(p), &value, &map)) {
    case PW_PROPERTY_NONE:
        return PW_NOT_FOUND;
    case PW_PROPERTY_MAP:
        return pw_result_put_map(vm, r, ctx->stream, map);
    case PW_PROPERTY_VALUE:
        break;
    }
    switch (value.kind) {
    case PW_VALUE_STRING:
        return pw_result_put(vm, r, value.string);
    case PW_VALUE_INT:
        bytes_put_u64(encoded, (uint64_t)value.integer);
        return pw_result_put(vm, r, str_make(encoded, 8));
    case PW_VALUE_DOUBLE:
        memcpy(encoded, &value.number, 8);
        return pw_result_put(vm, r, str_make(encoded, 8));
    case PW_VALUE_BOOL:
        encoded[0] = value.boolean;
        return pw_result_put(vm, r, str_make(encoded, 1));
    }
    return PW_SERIALIZATION_FAILURE;
}

static void set_limit(struct pw_context *ctx, enum pw_direction d, struct str value)
{
    uint64_t bytes;

    if (str_to_u64(value, &bytes) && bytes <= UINT32_MAX) {
        pw_context_side(ctx, d)->limit_bytes = (uint32_t)bytes;
    }
}

/* Names that do something when they are set; they are stored like any other, too. */
static void act_on(struct pw_context *ctx, struct str name, struct str value)
{
    if (str_eq(name, STR("clear_route_cache"))) {
        ctx->keep_route = str_eq(value, STR("off"));
    } else if (str_eq(name, STR("wasm_need_rebuild"))) {
        ctx->vm->wants_rebuild = str_eq(value, STR("true"));
    } else if (str_eq(name, STR("set_decoder_buffer_limit"))) {
        set_limit(ctx, PW_REQUEST, value);
    } else if (str_eq(name, STR("set_encoder_buffer_limit"))) {
        set_limit(ctx, PW_RESPONSE, value);
    }
}

uint32_t pw_call_proxy_set_property(struct weir_instance *inst, uint32_t path, uint32_t path_len,
                                    uint32_t value, uint32_t value_len)
{
    struct pw_context *ctx = pw_enter(inst)->effective;
    struct str p, v;

    if (!pw_guest_str(inst, path, path_len, &p) || !pw_guest_str(inst, value, value_len, &v)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (ctx->stream == NULL) {
        return PW_NOT_FOUND;
    }
    p = without_final_nul(p);
    act_on(ctx, p, v);
    return pw_stream_store(ctx->stream, p, v) ? PW_OK : PW_INTERNAL_FAILURE;
}
