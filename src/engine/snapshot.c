/* engine/snapshot.c - snapshots of the public API: the run time's, counted, with a reference to their module.
 */
#include "base/mem.h"
#include "engine/engine.h"

struct weir_snapshot {
    uint32_t refs; /* atomic */
    struct rt_snapshot *rt;
};

weir_status weir_instance_snapshot(struct weir_instance *inst, struct weir_snapshot **out,
                                   struct weir_report *rep)
{
    struct rt_snapshot *s;
    weir_status st = rt_snapshot_new(rt_instance_of(inst), &s, rep);
    if (st != WEIR_OK) {
        return st;
    }
    struct weir_snapshot *snap = mem_zalloc(sizeof *snap);
    snap->refs = 1;
    snap->rt = s;
    weir_module_ref(rt_snapshot_module(s)->pub);
    *out = snap;
    return WEIR_OK;
}

void weir_snapshot_ref(struct weir_snapshot *snap)
{
    __atomic_add_fetch(&snap->refs, 1, __ATOMIC_RELAXED);
}

void weir_snapshot_unref(struct weir_snapshot *snap)
{
    if (snap == NULL || __atomic_sub_fetch(&snap->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    struct weir_module *m = rt_snapshot_module(snap->rt)->pub;
    rt_snapshot_free(snap->rt);
    weir_module_unref(m);
    mem_free(snap);
}

weir_status weir_instance_reset(struct weir_instance *inst, struct weir_snapshot *snap)
{
    return rt_instance_reset(rt_instance_of(inst), snap->rt);
}

weir_status weir_instance_new_from(struct weir_snapshot *snap, const struct weir_instance_options *opt,
                                   struct weir_instance **out, struct weir_report *rep)
{
    static const struct weir_instance_options defaults;
    struct rt_instance *inst;
    weir_status st = rt_instance_new_from(snap->rt, opt != NULL ? opt : &defaults, &inst, rep);
    if (st == WEIR_OK) {
        weir_module_ref(rt_snapshot_module(snap->rt)->pub);
        *out = &inst->pub;
    }
    return st;
}
