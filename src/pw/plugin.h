/* pw/plugin.h - a plugin: options, module, and the VM that new streams get. */
#ifndef PW_PLUGIN_H
#define PW_PLUGIN_H

#include "base/arena.h"
#include "pw/crash.h"
#include "pw/quota.h"
#include "pw/vm.h"
#include "weir/proxy_wasm.h"

struct pw_callout;

struct pw_plugin {
    struct arena arena; /* of the copied options */
    struct pw_plugin_options opt;
    struct str *wasi_env; /* "NAME=value", opt.nenv of them */
    const struct pw_server *server;
    void *server_data;
    struct weir_module *module;
    struct weir_linker *linker;
    struct pw_callout *callouts; /* in flight, of all its VMs */
    uint32_t ncallouts;
    uint32_t nspare_callouts;
    struct pw_callout *spare_callouts; /* memory of those that ended */
    struct pw_redis_inits *redis;      /* what its roots said of Redis services, or NULL (redis.h) */
    struct pw_stream *spare_stream;    /* memory of one that ended, or NULL */
    struct pw_vm *vm;                  /* the current one; NULL before the start and while back-off lasts */
    struct pw_saved *saved;            /* what a VM of `module` was after its start, or NULL: pw_vm_save */
    struct pw_plugin **parts; /* with PW_ISOLATION_ROUTE: one for each configuration (parts.c), else NULL */
    struct pw_vm
        *spare_vm; /* with PW_ISOLATION_REQUEST: as it was after its start, for the next stream; or NULL */
    struct weir_instance *spare_inst; /* of a VM that trapped, as in `saved`, for the next one; or NULL */
    uint32_t draining;                /* VMs that were replaced and still serve their streams */
    bool started;                     /* once, so that it is worth to start it again */
    uint32_t failures;                /* VMs that died or did not start, since one served a stream unharmed */
    struct pw_crash_rate crash_rate;
    struct pw_quotas quotas;
    uint64_t next_start_ns; /* monotonic: no restart before */
};

/* Have a VM in force that serves: a fresh one if the current one is dead or asked to be rebuilt. */
void pw_plugin_renew_vm(struct pw_plugin *p);
/* A VM of its own for a new stream, which holds the only reference.  NULL: as below. */
struct pw_vm *pw_plugin_take_vm(struct pw_plugin *p);
/* The VM for a new stream, with a reference for it.  NULL: there is none, and it is too early to try again.
 */
static inline struct pw_vm *pw_plugin_acquire_vm(struct pw_plugin *p)
{
    if (p->opt.isolation == PW_ISOLATION_REQUEST) {
        return pw_plugin_take_vm(p);
    }
    if (p->vm == NULL || p->vm->dead || p->vm->wants_rebuild || pw_vm_worn(p->vm)) {
        pw_plugin_renew_vm(p);
    }
    if (p->vm != NULL) {
        p->vm->refs++;
        p->vm->streams_left -= p->vm->streams_left != 0;
    }
    return p->vm;
}
/* A VM of this plugin trapped or did not start. */
void pw_plugin_vm_failed(struct pw_plugin *p);
/* So many failed that the next one is not made from what was saved, nor at once. */
bool pw_plugin_backs_off(const struct pw_plugin *p);

/* Parts of a plugin whose configurations do not share a VM: plugins of one configuration each. */
void pw_parts_new(struct pw_plugin *p);
void pw_parts_free(struct pw_plugin *p);
weir_status pw_parts_start(struct pw_plugin *p, struct weir_report *rep);
weir_status pw_parts_replace_module(struct pw_plugin *p, struct weir_module *m, struct weir_report *rep);
/* The step that is carried out for this one. */
static inline struct pw_step pw_plugin_part(struct pw_step step)
{
    return step.plugin->parts == NULL ? step : (struct pw_step){step.plugin->parts[step.config], 0};
}

static inline void pw_plugin_log(struct pw_plugin *p, void *stream, enum pw_log_level level, struct str line)
{
    p->server->log(p->server_data, stream, p->opt.name, level, line);
}

#endif
