/* strmap.h - from a string of the configuration to its index: open addressing, at most half full.
 *
 * Built once in an arena, then only read; a seed of its own, so nobody can choose strings that collide.
 * Strings are views that live as long as the map. Lookups compare whole hashes before bytes; for strings that
 * are secrets themselves, compare with wp_equal_secret what is found by something else. */
#ifndef PLUGINS_STRMAP_H
#define PLUGINS_STRMAP_H

#include "weir_plugin.h"

struct strmap_slot {
    struct wp_str key;
    uint64_t hash;
    uint32_t index; /* plus 1; 0: free */
};

struct strmap {
    struct strmap_slot *slots;
    size_t mask;
    uint64_t seed;
};

void strmap_init(struct strmap *m, struct wp_arena *arena, size_t nkeys); /* room for nkeys */
/* False: the key is there already. */
bool strmap_add(struct strmap *m, struct wp_str key, uint32_t index);
bool strmap_find(const struct strmap *m, struct wp_str key, uint32_t *index);

#endif
