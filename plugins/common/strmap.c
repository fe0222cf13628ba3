/* strmap.c - see strmap.h. */
#include "strmap.h"

void strmap_init(struct strmap *m, struct wp_arena *arena, size_t nkeys)
{
    size_t slots = 8;
    while (slots < nkeys * 2) {
        slots *= 2;
    }
    *m = (struct strmap){wp_arena_array(arena, slots, sizeof *m->slots), slots - 1, wp_now_ns()};
}

/* The key's slot, or the free one where it would go. */
static struct strmap_slot *slot_of(const struct strmap *m, struct wp_str key, uint64_t hash)
{
    size_t i = (size_t)hash & m->mask;
    while (m->slots[i].index != 0 && !(m->slots[i].hash == hash && wp_str_eq(m->slots[i].key, key))) {
        i = (i + 1) & m->mask;
    }
    return &m->slots[i];
}

bool strmap_add(struct strmap *m, struct wp_str key, uint32_t index)
{
    uint64_t hash = wp_hash(key, m->seed);
    struct strmap_slot *slot = slot_of(m, key, hash);
    if (slot->index != 0) {
        return false;
    }
    *slot = (struct strmap_slot){key, hash, index + 1};
    return true;
}

bool strmap_find(const struct strmap *m, struct wp_str key, uint32_t *index)
{
    const struct strmap_slot *slot = slot_of(m, key, wp_hash(key, m->seed));
    if (slot->index == 0) {
        return false;
    }
    *index = slot->index - 1;
    return true;
}
