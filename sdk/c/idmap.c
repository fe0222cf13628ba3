/* idmap.c - see idmap.h. */
#include "idmap.h"

#include <stdlib.h>

enum { WP_IDMAP_MIN = 16 };

/* Fields, not an entry: one passed in memory would be read in other widths than it was written in, which the
 * processor waits for. */
static void put(struct wp_idmap *m, uint32_t id, uint32_t kind, void *value)
{
    uint32_t i = wp_idmap_home(m, id);
    while (m->at[i].kind != 0) {
        i = (i + 1) & m->mask;
    }
    m->at[i].id = id;
    m->at[i].kind = kind;
    m->at[i].value = value;
}

static void grow(struct wp_idmap *m)
{
    struct wp_idmap_entry *old = m->at;
    uint32_t old_slots = old ? m->mask + 1 : 0;
    uint32_t slots = old ? old_slots * 2 : WP_IDMAP_MIN;
    m->at = calloc(slots, sizeof *m->at);
    if (!m->at) {
        __builtin_trap();
    }
    m->mask = slots - 1;
    for (uint32_t i = 0; i < old_slots; i++) {
        if (old[i].kind != 0) {
            put(m, old[i].id, old[i].kind, old[i].value);
        }
    }
    free(old);
}

void wp_idmap_insert(struct wp_idmap *m, uint32_t id, uint32_t kind, void *value)
{
    if (!m->at || (m->used + 1) * 2 > m->mask) {
        grow(m);
    }
    put(m, id, kind, value);
    m->used++;
}

/* Entries that could stand nearer to their home move up. */
void wp_idmap_erase(struct wp_idmap *m, struct wp_idmap_entry *e)
{
    uint32_t hole = (uint32_t)(e - m->at);
    for (uint32_t i = hole;;) {
        i = (i + 1) & m->mask;
        if (m->at[i].kind == 0) {
            break;
        }
        uint32_t home = wp_idmap_home(m, m->at[i].id);
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->at[hole] = m->at[i];
            hole = i;
        }
    }
    m->at[hole].kind = 0;
    m->used--;
}
