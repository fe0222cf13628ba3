/* verdict_cache.h - what Redis said of a token, for a while: revoked for good, or clean at some time.
 *
 * The cache belongs to one configuration in one worker and has a fixed size: an entry's place depends on a
 * seeded hash of its id, and in a full set the oldest clean entry goes.  A revoked entry never becomes clean,
 * as an answer of before the revocation may come late, and goes only for another that is revoked for longer.
 * So a flood of tokens costs other tokens' clean entries, and never lets a revoked one in. */
#ifndef PLUGINS_VERDICT_CACHE_H
#define PLUGINS_VERDICT_CACHE_H

#include "weir_plugin.h"

enum { VERDICT_ID_BYTES = 32, VERDICT_WAYS = 4 };

struct verdict_entry {
    unsigned char id[VERDICT_ID_BYTES];
    uint64_t at_ms; /* clean when; or revoked until, UINT64_MAX: for ever.  0: free */
    bool revoked;
};

struct verdict_cache {
    struct verdict_entry *entries; /* NULL: none are kept */
    size_t nsets;                  /* a power of two */
    uint64_t seed;
};

/* Room for `entries` at least, rounded up; 0: nothing is kept.  Memory is the arena's. */
void verdict_cache_init(struct verdict_cache *c, struct wp_arena *arena, size_t entries);

bool verdict_cache_is_revoked(const struct verdict_cache *c, const unsigned char *id, uint64_t now_ms);
/* Was it clean at most `age_ms` ago, and not revoked since? */
bool verdict_cache_is_clean(const struct verdict_cache *c, const unsigned char *id, uint64_t now_ms,
                            uint64_t age_ms);

void verdict_cache_put_clean(struct verdict_cache *c, const unsigned char *id, uint64_t at_ms);
void verdict_cache_put_revoked(struct verdict_cache *c, const unsigned char *id, uint64_t until_ms,
                               uint64_t now_ms);
/* Forget all that is clean: something was revoked that cannot be found by id. */
void verdict_cache_drop_clean(struct verdict_cache *c);

#endif
