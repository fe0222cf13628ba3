/* pw/hostcalls_upstream.c - Higress's calls about the endpoints of a request's service (host facts 2.7). */
#include "base/mem.h"
#include "pw/hostcalls.h"
#include "pw/pairs.h"

/* What the balancers among plugins read of a host: weir has no metrics of endpoints to offer. */
#define HEALTHY "{\"health_status\":\"Healthy\",\"metrics\":\"\"}"
#define UNHEALTHY "{\"health_status\":\"Unhealthy\",\"metrics\":\"\"}"

uint32_t pw_call_proxy_get_upstream_hosts(struct weir_instance *inst, uint32_t addr_at, uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    const struct pw_stream *s = vm->effective->stream;
    struct pw_result r = {addr_at, size_at};
    struct pw_header hosts[PW_PAIRS_MAX];
    struct pw_upstream_host host;
    struct pw_pairs_writer w;
    uint64_t text_bytes = 0;
    size_t n = 0;

    if (!pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (s == NULL || s->server->upstream_host == NULL) {
        return PW_NOT_FOUND;
    }
    while (n < PW_PAIRS_MAX && s->server->upstream_host(s->server_stream, n, &host)) {
        hosts[n] = (struct pw_header){host.address, host.healthy ? STR(HEALTHY) : STR(UNHEALTHY)};
        text_bytes += hosts[n].name.len + hosts[n].value.len;
        n++;
    }
    if (n == 0) {
        return PW_NOT_FOUND;
    }
    size_t bytes = pw_pairs_bytes(n, text_bytes);
    strbuf_fini(&vm->result);
    vm->result = (struct strbuf){.at = mem_alloc(bytes), .len = bytes, .cap = bytes};
    bool ok = pw_pairs_begin(&w, vm->result.at, bytes, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        ok = ok && pw_pairs_add(&w, hosts[i]);
    }
    WEIR_ASSERT(ok && pw_pairs_complete(&w));
    return pw_result_put_own(vm, r);
}

uint32_t pw_call_proxy_set_upstream_override_host(struct weir_instance *inst, uint32_t address,
                                                  uint32_t address_len)
{
    const struct pw_stream *s = pw_enter(inst)->effective->stream;
    struct str a;

    if (!pw_guest_str(inst, address, address_len, &a)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (s != NULL && s->phase == PW_PHASE_REQUEST && s->server->override_upstream != NULL) {
        s->server->override_upstream(s->server_stream, a);
    }
    return PW_OK; /* whether or not it has an effect */
}
