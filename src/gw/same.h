/* gw/same.h - would a plugin run in the same VM?
 *
 * A VM is made of a module, its limits, its environment and the set of its configurations.  What decides
 * which requests it sees (rules, phase, priority) is none of it: that changes without a new VM. */
#ifndef GW_SAME_H
#define GW_SAME_H

#include "gw/config.h"

/* The URLs are compared as texts, so they must name what is in them (files of the store do).
 * True: indices[i] is the index in before->configs of now->configs[i].  False: what is in `indices`, which
 * has room for now->nconfigs, means nothing. */
bool gw_plugin_same_vm(const struct gw_plugin *before, const struct gw_plugin *now, uint32_t *indices);

/* A number for all that makes the VM: the same for the same, and hardly for two others. */
uint64_t gw_plugin_vm_hash(const struct gw_plugin *p);

#endif
