/* pw/shared_mend.c - the shared block after a process died with its lock.
 *
 * Complete entries are found by their chunks alone; free list, table of names, rings and counts are made anew
 * from them.  Whoever dies while he mends leaves it to the next: nothing here depends on an index. */
#include <stdlib.h>

#include "base/mem.h"
#include "pw/shared.h"

struct entry {
    uint64_t order;
    uint32_t index, kind;
};

static bool is_entry(uint32_t kind)
{
    return kind == SHARED_DATA || kind == SHARED_QUEUE || kind == SHARED_ITEM || kind == SHARED_METRIC;
}

/* The chain of an entry is as long as its payload needs and touches nobody else's chunk; if so it is claimed.
 */
static bool claim(const struct shared_block *b, uint32_t first, uint8_t *claimed)
{
    uint32_t n = shared_chunks_for(shared_payload_bytes(&shared_at(b, first)->head));
    uint32_t i = first;

    for (uint32_t k = 0; k < n; k++) {
        if (i == 0 || i >= b->fresh || claimed[i] || (k != 0 && shared_at(b, i)->kind != SHARED_PART)) {
            return false;
        }
        i = shared_at(b, i)->next;
    }
    if (i != 0) {
        return false;
    }
    for (i = first; i != 0; i = shared_at(b, i)->next) {
        claimed[i] = 1;
    }
    return true;
}

/* Queues before their items; else by age. */
static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    bool xq = x->kind == SHARED_QUEUE, yq = y->kind == SHARED_QUEUE;

    if (xq != yq) {
        return xq ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

/* A queue's number fits and is its own; an item's names a queue. */
static bool number_ok(const struct shared_block *b, const struct shared_head *h, uint32_t kind)
{
    if (kind != SHARED_QUEUE && kind != SHARED_ITEM) {
        return true;
    }
    if (h->number == 0 || h->number > SHARED_MAX_QUEUES) {
        return false;
    }
    return (b->queues[h->number - 1] == 0) == (kind == SHARED_QUEUE);
}

/* The killed process may have published a new value and not yet freed the old one: the newer one stays. */
static void drop_older(struct shared_block *b, uint32_t i)
{
    const struct shared_head *h = &shared_at(b, i)->head;
    char *name = mem_alloc((size_t)h->vm_len + h->name_len);

    shared_full_name_read(b, i, name);
    const struct shared_name n = {SHARED_DATA, 0, {name, h->vm_len}, {name + h->vm_len, h->name_len}};
    uint32_t older = shared_find(b, &n);
    if (older != 0) {
        shared_entry_free(b, older);
    }
    mem_free(name);
}

static void index_entry(struct shared_block *b, const struct entry *e)
{
    struct shared_head *h = &shared_at(b, e->index)->head;

    if (!number_ok(b, h, e->kind)) {
        shared_chunks_give(b, e->index);
        return;
    }
    if (e->kind == SHARED_DATA) {
        drop_older(b, e->index);
        b->last_cas = h->number > b->last_cas ? h->number : b->last_cas;
    }
    if (e->kind == SHARED_QUEUE) {
        struct shared_queue *q = shared_queue_of(b, e->index);
        q->first = q->last = q->count = 0;
        q->bytes = 0;
    }
    shared_index(b, e->index, e->kind);
    b->order = e->order > b->order ? e->order : b->order;
}

static void reset_indexes(struct shared_block *b)
{
    memset((char *)b + b->buckets_at, 0, b->nbuckets * sizeof(uint32_t));
    memset(b->queues, 0, sizeof b->queues);
    memset(b->owners, 0, sizeof b->owners);
    b->free_list = b->nfree = b->newest = b->oldest = b->first_metric = b->last_metric = 0;
    b->nqueues = b->ndata = b->nitems = b->metric_chunks = b->queue_chunks = 0;
    b->fresh = b->fresh < b->nchunks ? b->fresh : b->nchunks;
}

void shared_mend(struct shared_block *b)
{
    VEC(struct entry) entries = {0};
    reset_indexes(b);
    uint8_t *claimed = mem_zalloc(b->fresh);

    for (uint32_t i = 1; i < b->fresh; i++) {
        struct shared_chunk *c = shared_at(b, i);
        if (is_entry(c->kind) && claim(b, i, claimed)) {
            vec_push(&entries, ((struct entry){c->head.order, i, c->kind}));
        }
    }
    for (uint32_t i = 1; i < b->fresh; i++) {
        if (!claimed[i]) {
            shared_at(b, i)->next = 0;
            shared_chunks_give(b, i);
        }
    }
    if (entries.len != 0) {
        qsort(entries.at, entries.len, sizeof *entries.at, compare);
    }
    for (size_t i = 0; i < entries.len; i++) {
        index_entry(b, &entries.at[i]);
    }
    vec_fini(&entries);
    mem_free(claimed);
}
