/* pw/hostcalls_foreign.c - proxy_call_foreign_function (host facts 1.22): what follows from the host itself
 * here, the rest from the server's table.
 *
 * Results gather in vm->result, which the VM owns: the guest's allocator may trap. */
#include "base/protobuf.h"
#include "pw/hostcalls.h"

static enum pw_status get_log_level(struct pw_vm *vm, struct str args)
{
    uint8_t level[4];
    (void)args;

    bytes_put_u32(level, vm->plugin->server->log_level(vm->plugin->server_data));
    strbuf_add_bytes(&vm->result, level, sizeof level);
    return PW_OK;
}

static enum pw_status clear_route_cache(struct pw_vm *vm, struct str args)
{
    struct pw_stream *s = vm->effective->stream;
    (void)args;

    if (s != NULL && s->phase == PW_PHASE_REQUEST) {
        s->server->clear_route_cache(s->server_stream);
    }
    return PW_OK;
}

/* SetEnvoyFilterStateArguments: path 1, value 2.  It is the property filter_state of this path (property.c).
 */
static enum pw_status set_filter_state(struct pw_vm *vm, struct str args)
{
    struct pw_stream *s = vm->effective->stream;
    struct str path = {"", 0}, value = {"", 0};
    struct strbuf name = {0};
    struct protobuf_field f;
    enum protobuf_next next;

    while ((next = protobuf_next(&args, &f)) == PROTOBUF_FIELD) {
        if (f.is_bytes && f.number == 1) {
            path = f.bytes;
        } else if (f.is_bytes && f.number == 2) {
            value = f.bytes;
        }
    }
    if (next != PROTOBUF_END || path.len == 0) {
        return PW_BAD_ARGUMENT;
    }
    if (s == NULL) {
        return PW_NOT_FOUND;
    }
    strbuf_add_bytes(&name, PW_FILTER_STATE, sizeof PW_FILTER_STATE);
    strbuf_add(&name, path);
    bool stored = pw_stream_store(s, strbuf_str(&name), value);
    strbuf_fini(&name);
    return stored ? PW_OK : PW_INTERNAL_FAILURE;
}

/* InjectEncodedDataToFilterChainArguments: body 1, endstream 2.  The form for headers callbacks is the same
 * here: what is injected goes on after the call. */
static enum pw_status inject(struct pw_vm *vm, struct str args)
{
    struct str body = {"", 0};
    bool end = false;
    struct protobuf_field f;
    enum protobuf_next next;

    while ((next = protobuf_next(&args, &f)) == PROTOBUF_FIELD) {
        if (f.is_bytes && f.number == 1) {
            body = f.bytes;
        } else if (!f.is_bytes && f.number == 2) {
            end = f.value != 0;
        }
    }
    if (next != PROTOBUF_END) {
        return PW_BAD_ARGUMENT;
    }
    return pw_stream_inject(vm->effective, vm, body, end) ? PW_OK : PW_INTERNAL_FAILURE;
}

/* Types and life spans of properties make no difference here. */
static enum pw_status declare_property(struct pw_vm *vm, struct str args)
{
    struct protobuf_field f;
    enum protobuf_next next;
    (void)vm;

    while ((next = protobuf_next(&args, &f)) == PROTOBUF_FIELD) {
    }
    return next == PROTOBUF_END ? PW_OK : PW_BAD_ARGUMENT;
}

/* nginx's event loop has no such limit to lower. */
static enum pw_status accept_u64(struct pw_vm *vm, struct str args)
{
    (void)vm;
    return args.len == 8 ? PW_OK : PW_BAD_ARGUMENT;
}

static const struct {
    struct str name;
    enum pw_status (*call)(struct pw_vm *vm, struct str args);
} built_in[] = {
    {STR("get_log_level"), get_log_level},
    {STR("clear_route_cache"), clear_route_cache},
    {STR("set_envoy_filter_state"), set_filter_state},
    {STR("declare_property"), declare_property},
    {STR("inject_encoded_data_to_filter_chain"), inject},
    {STR("inject_encoded_data_to_filter_chain_on_header"), inject},
    {STR("set_global_max_requests_per_io_cycle"), accept_u64},
};

struct vm_output {
    struct pw_output out; /* must be first */
    struct strbuf *to;
};

static void write_result(struct pw_output *out, const void *bytes, size_t len)
{
    strbuf_add_bytes(((struct vm_output *)out)->to, bytes, len);
}

static enum pw_status call_foreign(struct pw_vm *vm, struct str name, struct str args)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
        if (str_eq(built_in[i].name, name)) {
            return built_in[i].call(vm, args);
        }
    }
    const struct pw_foreign *f = vm->plugin->server->foreign;
    for (; f != NULL && f->name.at != NULL; f++) {
        if (str_eq(f->name, name)) {
            struct vm_output out = {{write_result}, &vm->result};
            return f->call(args, &out.out);
        }
    }
    return PW_NOT_FOUND;
}

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
    struct str n, a;

    if (!pw_guest_str(inst, name, name_len, &n) || !pw_guest_str(inst, args, args_len, &a) ||
        !is_optional_result(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    strbuf_fini(&vm->result);
    enum pw_status status = call_foreign(vm, n, a);
    if (status == PW_OK && r.addr_at != 0 && r.size_at != 0) {
        return pw_result_put_own(vm, r);
    }
    strbuf_fini(&vm->result);
    return status;
}
