/* pw/hostcalls_dns.c - Envoy's envoy_resolve_dns: names into addresses, told to the root by
 * envoy_on_resolve_dns. */
#include "pw/callout.h"
#include "pw/hostcalls.h"

uint32_t pw_call_envoy_resolve_dns(struct weir_instance *inst, uint32_t name, uint32_t name_len,
                                   uint32_t token_at)
{
    struct pw_vm *vm = pw_enter(inst);
    const struct pw_plugin *p = vm->plugin;
    struct str n;

    if (!pw_guest_str(inst, name, name_len, &n) || !pw_guest_has_u32(inst, token_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    struct pw_callout *c = p->server->resolve == NULL ? NULL : pw_callout_new(vm, PW_CALLOUT_DNS);
    if (c == NULL) {
        return PW_INTERNAL_FAILURE;
    }
    uint32_t token = c->token;
    if (!p->server->resolve(p->server_data, c, n, &c->handle)) {
        pw_callout_discard(c);
        return PW_INTERNAL_FAILURE;
    }
    pw_guest_put_u32(inst, token_at, token);
    return PW_OK;
}
