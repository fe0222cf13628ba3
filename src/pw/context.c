/* pw/context.c - the table of live contexts: chained buckets, doubled when full. */
#include "pw/context.h"

#include "base/mem.h"

enum { FIRST_BUCKETS = 16 };

void pw_contexts_fini(struct pw_context_table *t)
{
    mem_free(t->buckets);
    *t = (struct pw_context_table){0};
}

static void rehash(struct pw_context_table *t, uint32_t nbuckets)
{
    struct pw_context **grown = mem_zalloc_array(nbuckets, sizeof *grown);

    for (uint32_t i = 0; t->buckets != NULL && i <= t->mask; i++) {
        struct pw_context *next;
        for (struct pw_context *c = t->buckets[i]; c != NULL; c = next) {
            next = c->next;
            c->next = grown[c->id & (nbuckets - 1)];
            grown[c->id & (nbuckets - 1)] = c;
        }
    }
    mem_free(t->buckets);
    t->buckets = grown;
    t->mask = nbuckets - 1;
}

struct pw_context *pw_contexts_find(const struct pw_context_table *t, uint32_t id)
{
    struct pw_context *c = t->buckets == NULL ? NULL : t->buckets[id & t->mask];

    while (c != NULL && c->id != id) {
        c = c->next;
    }
    return c;
}

void pw_contexts_add(struct pw_context_table *t, struct pw_context *c)
{
    if (t->buckets == NULL || t->count > t->mask) {
        rehash(t, t->buckets == NULL ? FIRST_BUCKETS : (t->mask + 1) * 2);
    }
    do {
        t->last_id++; /* wraps after 2^32 contexts: skip 0 and whoever still lives */
    } while (t->last_id == 0 || pw_contexts_find(t, t->last_id) != NULL);
    c->id = t->last_id;
    c->next = t->buckets[c->id & t->mask];
    t->buckets[c->id & t->mask] = c;
    t->count++;
}

void pw_contexts_remove(struct pw_context_table *t, struct pw_context *c)
{
    struct pw_context **at = &t->buckets[c->id & t->mask];

    while (*at != c) {
        WEIR_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = c->next;
    c->next = NULL;
    c->id = 0;
    t->count--;
}
