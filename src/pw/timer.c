/* pw/timer.c - ticks (host facts 1.19): per root context, armed again after each proxy_on_tick.
 *
 * They live and die with their VM: a VM that trapped has none, the one that replaces it has its own. */
#include "pw/timer.h"

#include "base/mem.h"
#include "pw/hostcalls.h"

void pw_ticks_init(struct pw_vm *vm)
{
    vm->ticks = mem_zalloc_array(vm->plugin->opt.nconfigs, sizeof *vm->ticks);
}

bool pw_ticks_set(struct pw_vm *vm, uint32_t config, uint32_t period_ms)
{
    struct pw_plugin *p = vm->plugin;
    struct pw_tick *t = &vm->ticks[config];

    if (t->period_ms == 0 && period_ms != 0) {
        if (!pw_quota_allows(p, PW_QUOTA_TIMERS, p->quotas.timers, 1)) {
            return false;
        }
        p->quotas.timers++;
    } else if (t->period_ms != 0 && period_ms == 0) {
        p->quotas.timers--;
    }
    t->root = &vm->roots[config];
    t->period_ms = period_ms;
    if (p->server->timer_set == NULL) {
        return true;
    }
    if (period_ms != 0) {
        p->server->timer_set(p->server_data, &t->timer, period_ms);
    } else {
        p->server->timer_clear(p->server_data, &t->timer);
    }
    return true;
}

void pw_ticks_clear(struct pw_vm *vm)
{
    for (uint32_t i = 0; vm->ticks != NULL && i < vm->plugin->opt.nconfigs; i++) {
        pw_ticks_set(vm, i, 0);
    }
}

void pw_ticks_fini(struct pw_vm *vm)
{
    pw_ticks_clear(vm);
    mem_free(vm->ticks);
}

void pw_timer_fire(struct pw_timer *timer)
{
    struct pw_tick *t = (struct pw_tick *)timer; /* its first member */
    struct pw_context *root = t->root;
    struct pw_vm *vm = root->vm;

    WEIR_ASSERT(!vm->dead && vm->depth == 0);
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {root->id};
    pw_vm_ref(vm);
    if (pw_vm_call(vm, root, PW_EXPORT_TICK, args, NULL) && t->period_ms != 0) {
        pw_ticks_set(vm, root->config, t->period_ms);
    }
    pw_vm_unref(vm);
}

uint32_t pw_call_proxy_set_tick_period_milliseconds(struct weir_instance *inst, uint32_t period)
{
    struct pw_vm *vm = pw_enter(inst);

    /* Before there are roots there is nobody to call. */
    if (vm->ticks != NULL && vm->effective != &vm->self && !pw_ticks_set(vm, vm->effective->config, period)) {
        return PW_INTERNAL_FAILURE;
    }
    return PW_OK;
}
