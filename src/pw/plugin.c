/* pw/plugin.c - plugins: their options, their current VM and when to start another. */
#include "pw/plugin.h"

#include "pw/stream.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/ticks.h"
#include "pw/abi.h"
#include "pw/callout.h"
#include "pw/redis.h"

enum {
    DEFAULT_MEMORY_BYTES = 128 << 20,
    DEFAULT_GROWTH_BYTES = 64 << 20,
    DEFAULT_CPU_BUDGET_MS = 100,
    DEFAULT_START_CPU_BUDGET_MS = 5000,
    PATIENCE = 5,               /* failures in a row that are healed at once */
    FIRST_DELAY_NS = 100000000, /* then wait 0.1 s, doubled with every further failure */
    MAX_DOUBLINGS = 8,          /* to 25.6 s at most */
};

/* ---- ABI detection --------------------------------------------------------------------- */

static const struct {
    const char *marker, *name;
    enum pw_abi abi;
} abis[] = {
    {"proxy_abi_version_0_1_0", "0.1.0", PW_ABI_0_1_0},
    {"proxy_abi_version_0_2_0", "0.2.0", PW_ABI_0_2_0},
    {"proxy_abi_version_0_2_1", "0.2.1", PW_ABI_0_2_1},
    {"proxy_abi_version_0_2_100", "0.2.100", PW_ABI_0_2_100},
};

enum pw_abi pw_abi_of(const struct weir_module *m)
{
    struct weir_export e;

    /* The first marker in the order of the binary decides (host facts 1.1). */
    for (size_t i = 0; weir_module_export(m, i, &e); i++) {
        for (size_t k = 0; e.kind == WEIR_EXTERN_FUNC && k < sizeof abis / sizeof *abis; k++) {
            if (str_eq((struct str){e.name, e.name_len}, str_of(abis[k].marker))) {
                return abis[k].abi;
            }
        }
    }
    return PW_ABI_NONE;
}

const char *pw_abi_name(enum pw_abi abi)
{
    for (size_t k = 0; k < sizeof abis / sizeof *abis; k++) {
        if (abis[k].abi == abi) {
            return abis[k].name;
        }
    }
    return "none";
}

/* ---- options --------------------------------------------------------------------------------- */

static struct str copy_str(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.at, s.len), s.len};
}

static void copy_options(struct pw_plugin *p, const struct pw_plugin_options *opt)
{
    struct arena *a = &p->arena;
    struct str *configs = ARENA_ARRAY(a, struct str, opt->nconfigs);

    p->opt = *opt;
    p->opt.name = copy_str(a, opt->name);
    p->opt.root_id = copy_str(a, opt->root_id);
    p->opt.vm_id = copy_str(a, opt->vm_id);
    p->opt.vm_config = copy_str(a, opt->vm_config);
    for (size_t i = 0; i < opt->nconfigs; i++) {
        configs[i] = copy_str(a, opt->configs[i]);
    }
    p->opt.configs = configs;
    p->opt.env = NULL; /* wasi_env has it */
    p->wasi_env = ARENA_ARRAY(a, struct str, opt->nenv);
    for (size_t i = 0; i < opt->nenv; i++) {
        p->wasi_env[i] =
            str_of(arena_printf(a, "%.*s=%.*s", STR_ARG(opt->env[i].name), STR_ARG(opt->env[i].value)));
    }
    if (p->opt.memory_limit_bytes == 0) {
        p->opt.memory_limit_bytes = DEFAULT_MEMORY_BYTES;
    }
    if (p->opt.cpu_budget_ms == 0) {
        p->opt.cpu_budget_ms = DEFAULT_CPU_BUDGET_MS;
    }
    if (p->opt.start_cpu_budget_ms == 0) {
        p->opt.start_cpu_budget_ms = DEFAULT_START_CPU_BUDGET_MS;
    }
    if (p->opt.growth_bytes == 0) {
        p->opt.growth_bytes = DEFAULT_GROWTH_BYTES;
    }
    pw_quota_defaults(p->opt.quotas);
    if (p->opt.body_limit_bytes == 0) {
        p->opt.body_limit_bytes = PW_BODY_DEFAULT_LIMIT_BYTES;
    }
}

weir_status pw_plugin_new(struct weir_module *m, const struct pw_plugin_options *opt,
                          const struct pw_server *server, void *server_data, struct pw_plugin **out,
                          struct weir_report *rep)
{
    if (pw_abi_of(m) == PW_ABI_NONE) {
        return weir_report_set(
            rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "export",
            "no proxy_abi_version_... function: this is no Proxy-Wasm plugin of a known ABI");
    }
    ticks_start();
    struct pw_plugin *p = mem_zalloc(sizeof *p);
    arena_init(&p->arena);
    copy_options(p, opt);
    p->server = server;
    p->server_data = server_data;
    p->module = m;
    weir_module_ref(m);

    size_t nfuncs;
    const struct weir_host_func *funcs = pw_abi_funcs(&nfuncs);
    p->linker = weir_linker_new();
    weir_linker_add_funcs(p->linker, funcs, nfuncs);
    weir_wasi_link(p->linker);
    if (p->opt.isolation == PW_ISOLATION_ROUTE) {
        pw_parts_new(p);
    }
    *out = p;
    return WEIR_OK;
}

static void drop_spares(struct pw_plugin *p)
{
    struct pw_vm *vm = p->spare_vm;

    weir_instance_free(p->spare_inst);
    p->spare_inst = NULL;
    p->spare_vm = NULL;
    if (vm != NULL) {
        vm->from = NULL; /* not to be kept again */
        pw_vm_unref(vm);
    }
}

void pw_plugin_free(struct pw_plugin *p)
{
    if (p == NULL) {
        return;
    }
    pw_parts_free(p);
    pw_callouts_cancel(p, NULL);
    drop_spares(p);
    if (p->vm != NULL) {
        WEIR_ASSERT(p->vm->refs == 1); /* streams must have ended */
        pw_vm_unref(p->vm);
    }
    pw_stream_free(p->spare_stream);
    pw_callouts_free_spares(p);
    pw_saved_free(p->saved);
    pw_redis_inits_free(p->redis);
    weir_linker_free(p->linker);
    weir_module_unref(p->module);
    arena_fini(&p->arena);
    mem_free(p);
}

/* ---- VMs ------------------------------------------------------------------------------------- */

/* From now on it may grow by so much, and serve so many. */
static void set_wear(struct pw_plugin *p, struct pw_vm *vm)
{
    vm->most_bytes = weir_instance_bytes(vm->inst) + p->opt.growth_bytes;
    vm->streams_left = p->opt.vm_streams == 0 ? UINT64_MAX : p->opt.vm_streams;
}

/* Put a VM in force.  One that just started becomes the pattern of those that replace it. */
static void take_vm(struct pw_plugin *p, struct pw_vm *vm, bool fresh)
{
    if (fresh) {
        drop_spares(p);
        pw_saved_free(p->saved);
        p->saved = pw_vm_save(vm);
    }
    struct pw_vm *old = p->vm;
    p->vm = vm;
    p->started = true;
    set_wear(p, vm);
    if (old != NULL) {
        old->draining = true;
        p->draining++;
    }
    pw_vm_unref(old);
}

/* A started VM that each stream is to have a copy of. */
static weir_status check_copies(const struct pw_plugin *p, struct pw_vm *vm, struct weir_report *rep)
{
    if (p->opt.isolation != PW_ISOLATION_REQUEST || !vm->holds_host_state) {
        return WEIR_OK;
    }
    return weir_report_set(
        rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "isolation",
        "it sends calls or registers a queue while it starts, which a copy of its VM for each "
        "request would not have");
}

/* Start one and put it in force. */
static weir_status start(struct pw_plugin *p, struct weir_module *m, struct weir_report *rep)
{
    struct pw_vm *vm;
    weir_status st = pw_vm_new(p, m, &vm, rep);

    if (st != WEIR_OK) {
        return st;
    }
    st = check_copies(p, vm, rep);
    if (st == WEIR_OK) {
        take_vm(p, vm, true);
        return WEIR_OK;
    }
    pw_callouts_cancel(p, vm);
    pw_vm_unref(vm);
    return st;
}

weir_status pw_plugin_start(struct pw_plugin *p, struct weir_report *rep)
{
    return p->parts != NULL ? pw_parts_start(p, rep) : start(p, p->module, rep);
}

weir_status pw_plugin_replace_module(struct pw_plugin *p, struct weir_module *m, struct weir_report *rep)
{
    if (pw_abi_of(m) == PW_ABI_NONE) {
        return weir_report_set(
            rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "export",
            "no proxy_abi_version_... function: this is no Proxy-Wasm plugin of a known ABI");
    }
    if (p->parts != NULL) {
        return pw_parts_replace_module(p, m, rep);
    }
    weir_status st = start(p, m, rep);
    if (st != WEIR_OK) {
        return st;
    }
    weir_module_ref(m);
    weir_module_unref(p->module);
    p->module = m;
    p->failures = 0;
    return WEIR_OK;
}

void pw_plugin_vm_failed(struct pw_plugin *p)
{
    p->failures++;
    if (p->failures > PATIENCE) {
        uint32_t doublings = p->failures - PATIENCE - 1;
        doublings = doublings > MAX_DOUBLINGS ? MAX_DOUBLINGS : doublings;
        uint64_t now = p->server->monotonic_ns(p->server_data), delay = (uint64_t)FIRST_DELAY_NS << doublings;
        /* Up to a quarter less, by the clock's last digits: workers that failed together start apart. */
        uint64_t seed[2] = {now, (uintptr_t)p};
        p->next_start_ns = now + delay - hash_bytes(seed, sizeof seed, 0) % (delay / 4);
    }
}

bool pw_plugin_backs_off(const struct pw_plugin *p)
{
    return p->failures > PATIENCE;
}

static enum pw_plugin_state worst_state(const struct pw_plugin *p)
{
    enum pw_plugin_state worst = PW_PLUGIN_RUNNING;

    for (size_t i = 0; i < p->opt.nconfigs && worst != PW_PLUGIN_STOPPED; i++) {
        enum pw_plugin_state s = pw_plugin_state(p->parts[i]);
        worst = s == PW_PLUGIN_RUNNING ? worst : s;
    }
    return worst;
}

enum pw_plugin_state pw_plugin_state(const struct pw_plugin *p)
{
    if (p->parts != NULL) {
        return worst_state(p);
    }
    if (!p->started) {
        return PW_PLUGIN_STOPPED;
    }
    bool dead = p->vm == NULL || p->vm->dead;
    return dead && pw_plugin_backs_off(p) ? PW_PLUGIN_HEALING : PW_PLUGIN_RUNNING;
}

/* From what was saved, if a trap is all that happened; a plugin that traps again and again, or that asked for
 * it, starts anew. */
static void start_again(struct pw_plugin *p, bool trapped)
{
    struct pw_vm *vm;
    struct weir_report rep;
    char text[512];

    weir_report_init(&rep);
    if (trapped && p->saved != NULL && !pw_plugin_backs_off(p) &&
        pw_vm_new_from(p, p->module, p->saved, false, &vm, &rep) == WEIR_OK) {
        take_vm(p, vm, false);
        return;
    }
    if (pw_vm_new(p, p->module, &vm, &rep) == WEIR_OK) {
        take_vm(p, vm, true);
        return;
    }
    pw_plugin_vm_failed(p);
    weir_report_format(&rep, text, sizeof text);
    struct strbuf line = {0};
    strbuf_printf(&line, "VM did not start again: %s", text);
    pw_plugin_log(p, NULL, PW_LOG_CRITICAL, strbuf_str(&line));
    strbuf_fini(&line);
}

void pw_plugin_renew_vm(struct pw_plugin *p)
{
    if (p->vm != NULL && p->vm->dead) {
        struct pw_vm *dead = p->vm;
        p->vm = NULL;
        pw_vm_unref(dead);
    }
    bool rebuild = p->vm != NULL && p->vm->wants_rebuild;
    bool worn = p->vm != NULL && pw_vm_worn(p->vm) && p->draining == 0;
    if (p->vm == NULL || rebuild || worn) {
        if (rebuild) {
            p->vm->wants_rebuild = false; /* asked once: if the new one does not start, the old one goes on */
        }
        if (p->started &&
            (!pw_plugin_backs_off(p) || p->server->monotonic_ns(p->server_data) >= p->next_start_ns)) {
            start_again(p, !rebuild);
            if (p->vm != NULL && pw_vm_worn(p->vm)) { /* there is no other: it has to do */
                set_wear(p, p->vm);
            }
        }
    }
}

struct pw_vm *pw_plugin_take_vm(struct pw_plugin *p)
{
    struct pw_vm *vm = p->spare_vm;
    struct weir_report rep;

    if (p->vm == NULL || p->vm->dead || p->vm->wants_rebuild) {
        pw_plugin_renew_vm(p); /* the one that ticks */
        vm = p->spare_vm;
    }
    if (vm != NULL) {
        p->spare_vm = NULL;
        return vm;
    }
    weir_report_init(&rep);
    if (p->saved == NULL || pw_vm_new_from(p, p->module, p->saved, true, &vm, &rep) != WEIR_OK) {
        return NULL;
    }
    return vm;
}

/* ---- what is asked about them ------------------------------------------------------------- */

enum weir_tier pw_plugin_tier(const struct pw_plugin *p)
{
    if (p->parts != NULL) {
        return p->opt.nconfigs == 0 ? WEIR_TIER_AUTO : pw_plugin_tier(p->parts[0]);
    }
    return p->vm == NULL || p->vm->inst == NULL ? WEIR_TIER_AUTO : weir_instance_tier(p->vm->inst);
}

uint64_t pw_plugin_memory_bytes(const struct pw_plugin *p)
{
    uint64_t bytes = p->vm == NULL || p->vm->inst == NULL ? 0 : weir_instance_bytes(p->vm->inst);

    for (size_t i = 0; p->parts != NULL && i < p->opt.nconfigs; i++) {
        bytes += pw_plugin_memory_bytes(p->parts[i]);
    }
    return bytes;
}
