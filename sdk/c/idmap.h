/* idmap.h - from a number of the host (a context, a call's token) to what the SDK keeps for it.
 *
 * Open addressing with linear probing, at most half full, no tombstones.  Any number is allowed, 0 too.
 * Entries move when others come and go: keep the value, not the entry.  No part of the SDK's API. */
#ifndef WEIR_SDK_IDMAP_H
#define WEIR_SDK_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct wp_idmap_entry {
    uint32_t id;
    uint32_t kind; /* the user's; 0: the entry is free */
    void *value;
};

/* Zero-initialised is empty and ready. */
struct wp_idmap {
    struct wp_idmap_entry *at;
    uint32_t mask, used;
};

static inline uint32_t wp_idmap_home(const struct wp_idmap *m, uint32_t id)
{
    return (id * 0x9e3779b1u) >> 7 & m->mask;
}

/* NULL if there is none. */
static inline struct wp_idmap_entry *wp_idmap_find(const struct wp_idmap *m, uint32_t id)
{
    if (!m->at) {
        return NULL;
    }
    for (uint32_t i = wp_idmap_home(m, id);; i = (i + 1) & m->mask) {
        if (m->at[i].kind == 0) {
            return NULL;
        }
        if (m->at[i].id == id) {
            return &m->at[i];
        }
    }
}

/* `id` is not there yet, kind is not 0.  Traps without memory. */
void wp_idmap_insert(struct wp_idmap *m, uint32_t id, uint32_t kind, void *value);
/* An entry of this map; the hole it leaves may be filled by a later entry. */
void wp_idmap_erase(struct wp_idmap *m, struct wp_idmap_entry *e);

#endif
