/* pw/hostcalls_headers.c - header maps (host facts 1.13).
 *
 * Read: whatever the server has; request headers too in response callbacks and in on_log, which is more than
 * Envoy gives.  Written: request headers until the response begins, response headers until the stream ends,
 * trailers once they are there; in a body callback with end_of_stream, writing to trailers makes them. */
#include "pw/hostcalls.h"
#include "pw/pairs.h"

static bool is_map(uint32_t map)
{
    return map <= PW_MAP_CALL_TRAILERS;
}

/* Maps 4 to 7 belong to callouts (hostcalls_call.c): read only, and their size is not told, as in Envoy. */
static bool is_available(const struct pw_stream *s, uint32_t map)
{
    return s != NULL && map <= PW_MAP_RESPONSE_TRAILERS && s->server->map_available(s->server_stream, map);
}

static struct pw_side *side_of(const struct pw_context *ctx, uint32_t map)
{
    return pw_context_side(ctx, map <= PW_MAP_REQUEST_TRAILERS ? PW_REQUEST : PW_RESPONSE);
}

static bool is_writable(const struct pw_context *ctx, uint32_t map)
{
    const struct pw_stream *s = ctx->stream;

    if (s == NULL || s->phase == PW_PHASE_LOG || map > PW_MAP_RESPONSE_TRAILERS) {
        return false;
    }
    if (map == PW_MAP_REQUEST_TRAILERS || map == PW_MAP_RESPONSE_TRAILERS) {
        const struct pw_side *side = side_of(ctx, map);
        return side->in_last_call || (side->end == PW_END_TRAILERS && is_available(s, map));
    }
    return (s->phase == PW_PHASE_REQUEST) == (map == PW_MAP_REQUEST_HEADERS) && is_available(s, map);
}

/* After a change: the route may be another one, unless the plugin said it is not (host facts 2.6). */
static uint32_t changed(const struct pw_context *ctx, uint32_t map, bool done)
{
    if (!done) {
        return PW_BAD_ARGUMENT;
    }
    if (map == PW_MAP_REQUEST_TRAILERS || map == PW_MAP_RESPONSE_TRAILERS) {
        struct pw_side *side = side_of(ctx, map);
        side->made_trailers |= side->in_last_call;
    }
    if (map == PW_MAP_REQUEST_HEADERS && !ctx->keep_route) {
        ctx->stream->server->clear_route_cache(ctx->stream->server_stream);
    }
    return PW_OK;
}

uint32_t pw_call_proxy_get_header_map_value(struct weir_instance *inst, uint32_t map, uint32_t name,
                                            uint32_t name_len, uint32_t addr_at, uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    const struct pw_stream *s = vm->effective->stream;
    struct pw_result r = {addr_at, size_at};
    struct str key, value;

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, name, name_len, &key) || !pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (map > PW_MAP_RESPONSE_TRAILERS) {
        return pw_delivery_get_value(vm, map, key, r);
    }
    if (s != NULL && s->server->map_get(s->server_stream, map, key, &value)) {
        return pw_result_put(vm, r, value);
    }
    if (!is_available(s, map) && (s == NULL || s->phase != PW_PHASE_LOG)) {
        return PW_BAD_ARGUMENT;
    }
    return vm->abi == PW_ABI_0_1_0 ? pw_result_put(vm, r, (struct str){"", 0}) : PW_NOT_FOUND;
}

uint32_t pw_call_proxy_get_header_map_pairs(struct weir_instance *inst, uint32_t map, uint32_t addr_at,
                                            uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    struct pw_result r = {addr_at, size_at};

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (map > PW_MAP_RESPONSE_TRAILERS) {
        return pw_delivery_get_pairs(vm, map, r);
    }
    return is_available(s, map) ? pw_result_put_map(vm, r, s, map)
                                : pw_result_put(vm, r, (struct str){"", 0});
}

uint32_t pw_call_proxy_get_header_map_size(struct weir_instance *inst, uint32_t map, uint32_t bytes_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    struct pw_header h;
    uint64_t bytes = 0;

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_has_u32(inst, bytes_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!is_available(s, map)) {
        return PW_BAD_ARGUMENT;
    }
    size_t n = s->server->map_count(s->server_stream, map);
    for (size_t i = 0; i < n && s->server->map_at(s->server_stream, map, i, &h); i++) {
        bytes += h.name.len + h.value.len;
    }
    pw_guest_put_u32(inst, bytes_at, (uint32_t)bytes);
    return PW_OK;
}

/* Servers keep what a map was until the stream ends, so a guest that changes it for ever would grow it for
 * ever: there is a limit to what a stream takes. */
static bool take_room(struct pw_stream *s, size_t bytes, size_t entries)
{
    enum { ENTRY_BYTES = 128 };

    bytes += entries * ENTRY_BYTES;
    if (!pw_stream_has_room(s, bytes)) {
        return false;
    }
    s->map_bytes += bytes;
    return true;
}

/* The two calls that set one value. */
static uint32_t set_value(struct weir_instance *inst, uint32_t map, uint32_t name, uint32_t name_len,
                          uint32_t value, uint32_t value_len, bool replace)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    char lower[PW_NAME_MAX];
    struct str k, v;

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, name, name_len, &k) || !pw_guest_str(inst, value, value_len, &v)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!is_writable(vm->effective, map) || !pw_header_name(k, lower, &k) || !pw_header_value_legal(v)) {
        return PW_BAD_ARGUMENT;
    }
    if (!take_room(s, k.len + v.len, 1)) {
        return PW_INTERNAL_FAILURE;
    }
    return changed(vm->effective, map,
                   (replace ? s->server->map_replace : s->server->map_add)(s->server_stream, map, k, v));
}

uint32_t pw_call_proxy_add_header_map_value(struct weir_instance *inst, uint32_t map, uint32_t name,
                                            uint32_t name_len, uint32_t value, uint32_t value_len)
{
    return set_value(inst, map, name, name_len, value, value_len, false);
}

uint32_t pw_call_proxy_replace_header_map_value(struct weir_instance *inst, uint32_t map, uint32_t name,
                                                uint32_t name_len, uint32_t value, uint32_t value_len)
{
    return set_value(inst, map, name, name_len, value, value_len, true);
}

uint32_t pw_call_proxy_remove_header_map_value(struct weir_instance *inst, uint32_t map, uint32_t name,
                                               uint32_t name_len)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    char lower[PW_NAME_MAX];
    struct str k;

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, name, name_len, &k)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!is_writable(vm->effective, map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_header_name(k, lower, &k)) {
        return PW_OK; /* nothing of that name can be there */
    }
    return changed(vm->effective, map, s->server->map_remove(s->server_stream, map, k));
}

uint32_t pw_call_proxy_set_header_map_pairs(struct weir_instance *inst, uint32_t map, uint32_t pairs,
                                            uint32_t pairs_len)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_stream *s = vm->effective->stream;
    struct pw_header entries[PW_PAIRS_MAX];
    struct str blob;
    char lower[PW_NAME_MAX];

    if (!is_map(map)) {
        return PW_BAD_ARGUMENT;
    }
    if (!pw_guest_str(inst, pairs, pairs_len, &blob)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (!is_writable(vm->effective, map)) {
        return PW_BAD_ARGUMENT;
    }
    int n = pw_pairs_decode(blob.at, blob.len, entries);
    n = n < 0 ? 0 : n; /* malformed: an empty map, as real hosts take it */
    if (!take_room(s, blob.len, (size_t)n)) {
        return PW_INTERNAL_FAILURE;
    }
    for (int i = 0; i < n; i++) {
        struct str k;
        if (!pw_header_name(entries[i].name, lower, &k) || !pw_header_value_legal(entries[i].value)) {
            return PW_BAD_ARGUMENT;
        }
        /* Lower-cased where it stands: the blob is the guest's own scratch memory, and it is done with it. */
        memcpy(inst->memory + (uint32_t)((const uint8_t *)entries[i].name.at - inst->memory), lower, k.len);
    }
    return changed(vm->effective, map, s->server->map_set_all(s->server_stream, map, entries, (size_t)n));
}
