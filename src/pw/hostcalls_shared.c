/* pw/hostcalls_shared.c - shared data, queues and metrics: arguments and results (host facts 1.16 to 1.18).
 *
 * A server without a shared block has none of them: UNIMPLEMENTED. */
#include "base/hash.h"
#include "base/mem.h"
#include "pw/hostcalls.h"
#include "pw/shared.h"

static struct pw_shared *shared_of(const struct pw_vm *vm)
{
    const struct pw_plugin *p = vm->plugin;
    struct pw_shared *sh = p->server->shared == NULL ? NULL : p->server->shared(p->server_data);

    if (sh != NULL) {
        sh->caller = (struct shared_caller){
            .owner = (uint32_t)hash_bytes(p->opt.name.at, p->opt.name.len, 0) | 1,
            .most_data_bytes = p->opt.quotas[PW_QUOTA_SHARED_DATA],
            .most_items = p->opt.quotas[PW_QUOTA_QUEUE],
        };
    }
    return sh;
}

/* The status of a call that may have hit a quota of the caller's. */
static enum pw_status told(const struct pw_vm *vm, const struct pw_shared *sh, enum pw_quota q,
                           enum pw_status status)
{
    if (sh->caller.over) {
        pw_quota_hit(vm->plugin, q);
    }
    return status;
}

/* ---- data ------------------------------------------------------------------------------ */

uint32_t pw_call_proxy_get_shared_data(struct weir_instance *inst, uint32_t key, uint32_t key_len,
                                       uint32_t addr_at, uint32_t size_at, uint32_t cas_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    struct pw_result r = {addr_at, size_at};
    struct str k;
    uint32_t cas;

    if (!pw_guest_str(inst, key, key_len, &k) || !pw_result_valid(inst, r) ||
        !pw_guest_has_u32(inst, cas_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    enum pw_status status = shared_data_get(sh, vm->plugin->opt.vm_id, k, &vm->result, &cas);
    if (status == PW_OK) {
        status = pw_result_put_own(vm, r);
    }
    if (status == PW_OK) {
        pw_guest_put_u32(inst, cas_at, cas);
    }
    return status;
}

uint32_t pw_call_proxy_set_shared_data(struct weir_instance *inst, uint32_t key, uint32_t key_len,
                                       uint32_t value, uint32_t value_len, uint32_t cas)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    struct str k, v;

    if (!pw_guest_str(inst, key, key_len, &k) || !pw_guest_str(inst, value, value_len, &v)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    enum pw_status status = shared_data_set(sh, vm->plugin->opt.vm_id, k, v, cas);
    return told(vm, sh, PW_QUOTA_SHARED_DATA, status);
}

/* ---- queues ------------------------------------------------------------------------------- */

uint32_t pw_call_proxy_register_shared_queue(struct weir_instance *inst, uint32_t name, uint32_t name_len,
                                             uint32_t id_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    uint32_t id;
    struct str n;

    if (!pw_guest_str(inst, name, name_len, &n) || !pw_guest_has_u32(inst, id_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    struct pw_context *root =
        vm->effective == &vm->self || vm->roots == NULL ? NULL : &vm->roots[vm->effective->config];
    enum pw_status status = shared_queue_register(sh, vm->plugin->opt.vm_id, n, root, &id);
    if (status == PW_OK) {
        vm->holds_host_state = true;
        pw_guest_put_u32(inst, id_at, id);
    }
    return status;
}

uint32_t pw_call_proxy_resolve_shared_queue(struct weir_instance *inst, uint32_t vm_id, uint32_t vm_id_len,
                                            uint32_t name, uint32_t name_len, uint32_t id_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    struct str of, n;
    uint32_t id;

    if (!pw_guest_str(inst, vm_id, vm_id_len, &of) || !pw_guest_str(inst, name, name_len, &n) ||
        !pw_guest_has_u32(inst, id_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    enum pw_status status = shared_queue_resolve(sh, of.len == 0 ? vm->plugin->opt.vm_id : of, n, &id);
    if (status == PW_OK) {
        pw_guest_put_u32(inst, id_at, id);
    }
    return status;
}

uint32_t pw_call_proxy_dequeue_shared_queue(struct weir_instance *inst, uint32_t id, uint32_t addr_at,
                                            uint32_t size_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    struct pw_result r = {addr_at, size_at};
    if (!pw_result_valid(inst, r)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    enum pw_status status = shared_queue_dequeue(sh, id, &vm->result);
    return status == PW_OK ? pw_result_put_own(vm, r) : status;
}

uint32_t pw_call_proxy_enqueue_shared_queue(struct weir_instance *inst, uint32_t id, uint32_t data,
                                            uint32_t data_len)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    const struct pw_plugin *p = vm->plugin;
    uint32_t worker;
    struct str d;

    if (!pw_guest_str(inst, data, data_len, &d)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    enum pw_status status = shared_queue_enqueue(sh, id, d, &worker);
    if (status == PW_OK && p->server->notify != NULL) {
        p->server->notify(p->server_data, worker);
    }
    return told(vm, sh, PW_QUOTA_QUEUE, status);
}

/* ---- metrics -------------------------------------------------------------------------------- */

/* An id is (index + 1) * 4 + type; the VM's table says which metric it means. */
uint32_t pw_call_proxy_define_metric(struct weir_instance *inst, uint32_t type, uint32_t name,
                                     uint32_t name_len, uint32_t id_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_shared *sh = shared_of(vm);
    uint32_t metric;
    struct str n;

    if (!pw_guest_str(inst, name, name_len, &n) || !pw_guest_has_u32(inst, id_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (type > PW_METRIC_HISTOGRAM) {
        return PW_BAD_ARGUMENT;
    }
    if (sh == NULL) {
        return PW_UNIMPLEMENTED;
    }
    uint64_t have = vm->metrics[0].len + vm->metrics[1].len + vm->metrics[2].len;
    enum pw_status status = pw_quota_allows(vm->plugin, PW_QUOTA_METRICS, have, 1)
                                ? shared_metric_define(sh, type, n, &metric)
                                : PW_INTERNAL_FAILURE;
    if (status == PW_OK) {
        vec_push(&vm->metrics[type], metric);
        pw_guest_put_u32(inst, id_at, (uint32_t)vm->metrics[type].len * 4 + type);
    }
    return status;
}

/* The metric of an id, 0 if there is none. */
static uint32_t metric_of(const struct pw_vm *vm, uint32_t id)
{
    uint32_t type = id & 3, index = (id >> 2) - 1;

    return type > PW_METRIC_HISTOGRAM || index >= vm->metrics[type].len ? 0 : vm->metrics[type].at[index];
}

uint32_t pw_call_proxy_increment_metric(struct weir_instance *inst, uint32_t id, uint64_t delta)
{
    struct pw_vm *vm = pw_enter(inst);
    uint32_t metric = metric_of(vm, id);

    return metric == 0 ? PW_NOT_FOUND : shared_metric_increment(shared_of(vm), metric, (int64_t)delta);
}

uint32_t pw_call_proxy_record_metric(struct weir_instance *inst, uint32_t id, uint64_t value)
{
    struct pw_vm *vm = pw_enter(inst);
    uint32_t metric = metric_of(vm, id);

    return metric == 0 ? PW_NOT_FOUND : shared_metric_record(shared_of(vm), metric, value);
}

uint32_t pw_call_proxy_get_metric(struct weir_instance *inst, uint32_t id, uint32_t value_at)
{
    struct pw_vm *vm = pw_enter(inst);
    uint32_t metric = metric_of(vm, id);
    uint64_t value;

    if (!pw_guest_has_u64(inst, value_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    enum pw_status status = metric == 0 ? PW_NOT_FOUND : shared_metric_get(shared_of(vm), metric, &value);
    if (status == PW_OK) {
        pw_guest_put_u64(inst, value_at, value);
    }
    return status;
}
