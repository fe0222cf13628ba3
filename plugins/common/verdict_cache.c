/* verdict_cache.c - see verdict_cache.h. */
#include "verdict_cache.h"

void verdict_cache_init(struct verdict_cache *c, struct wp_arena *arena, size_t entries)
{
    *c = (struct verdict_cache){.seed = wp_now_ns()};
    if (entries == 0) {
        return;
    }
    for (c->nsets = 1; c->nsets * VERDICT_WAYS < entries;) {
        c->nsets *= 2;
    }
    c->entries = wp_arena_array(arena, c->nsets * VERDICT_WAYS, sizeof *c->entries);
}

static struct verdict_entry *set_of(const struct verdict_cache *c, const unsigned char *id)
{
    uint64_t hash = wp_hash((struct wp_str){(const char *)id, VERDICT_ID_BYTES}, c->seed);
    return c->entries + ((size_t)hash & (c->nsets - 1)) * VERDICT_WAYS;
}

static struct verdict_entry *find(const struct verdict_cache *c, const unsigned char *id)
{
    if (!c->entries) {
        return NULL;
    }
    struct verdict_entry *set = set_of(c, id);
    for (size_t i = 0; i < VERDICT_WAYS; i++) {
        if (set[i].at_ms != 0 && memcmp(set[i].id, id, VERDICT_ID_BYTES) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

bool verdict_cache_is_revoked(const struct verdict_cache *c, const unsigned char *id, uint64_t now_ms)
{
    const struct verdict_entry *e = find(c, id);
    return e && e->revoked && now_ms < e->at_ms;
}

bool verdict_cache_is_clean(const struct verdict_cache *c, const unsigned char *id, uint64_t now_ms,
                            uint64_t age_ms)
{
    const struct verdict_entry *e = find(c, id);
    /* A clock that was put back makes an entry old, not young. */
    return e && !e->revoked && now_ms >= e->at_ms && now_ms - e->at_ms < age_ms;
}

/* How dear an entry is: a free or ended one is nothing, clean ones come before revoked ones. */
static bool is_dearer(const struct verdict_entry *a, const struct verdict_entry *b)
{
    return a->revoked != b->revoked ? a->revoked : a->at_ms > b->at_ms;
}

/* The entry of the id, or the cheapest of its set. */
static struct verdict_entry *place(struct verdict_cache *c, const unsigned char *id, uint64_t now_ms)
{
    struct verdict_entry *e = find(c, id);
    if (e) {
        return e;
    }
    struct verdict_entry *set = set_of(c, id);
    e = set;
    for (size_t i = 0; i < VERDICT_WAYS; i++) {
        if (set[i].revoked && set[i].at_ms <= now_ms) {
            set[i] = (struct verdict_entry){.at_ms = 0};
        }
        e = is_dearer(e, &set[i]) ? &set[i] : e;
    }
    return e;
}

static void put(struct verdict_entry *e, const unsigned char *id, bool revoked, uint64_t at_ms)
{
    memcpy(e->id, id, VERDICT_ID_BYTES);
    e->revoked = revoked;
    e->at_ms = at_ms;
}

void verdict_cache_put_clean(struct verdict_cache *c, const unsigned char *id, uint64_t at_ms)
{
    if (!c->entries) {
        return;
    }
    struct verdict_entry *e = place(c, id, at_ms);
    if (!e->revoked) {
        put(e, id, false, at_ms);
    }
}

void verdict_cache_put_revoked(struct verdict_cache *c, const unsigned char *id, uint64_t until_ms,
                               uint64_t now_ms)
{
    if (!c->entries) {
        return;
    }
    struct verdict_entry *e = place(c, id, now_ms);
    if (!e->revoked || until_ms > e->at_ms) {
        put(e, id, true, until_ms);
    }
}

void verdict_cache_drop_clean(struct verdict_cache *c)
{
    for (size_t i = 0; c->entries && i < c->nsets * VERDICT_WAYS; i++) {
        if (!c->entries[i].revoked) {
            c->entries[i].at_ms = 0;
        }
    }
}
