/* pw/shared.c - the shared block: its lock, chunks, entries and names. */
#include "pw/shared.h"

#include <errno.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/mem.h"

enum { BLOCK_ALIGN = 64, CHUNKS_PER_BUCKET = 4 };

/* ---- the block ------------------------------------------------------------------------ */

static uint64_t aligned(uint64_t v)
{
    return (v + BLOCK_ALIGN - 1) & ~(uint64_t)(BLOCK_ALIGN - 1);
}

static bool init_mutex(pthread_mutex_t *m)
{
    pthread_mutexattr_t a;
    bool ok = pthread_mutexattr_init(&a) == 0;

    ok = ok && pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0 &&
         pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0 && pthread_mutex_init(m, &a) == 0;
    pthread_mutexattr_destroy(&a);
    return ok;
}

weir_status pw_shared_format(void *block, size_t bytes)
{
    struct shared_block *b = block;

    if (bytes < PW_SHARED_LEAST_BYTES) {
        return WEIR_E_LIMIT;
    }
    bytes = bytes < PW_SHARED_MOST_BYTES ? bytes : PW_SHARED_MOST_BYTES;
    if (!init_mutex(&b->mutex)) {
        return WEIR_E_UNSUPPORTED;
    }
    if (getrandom(&b->seed, sizeof b->seed, 0) != (ssize_t)sizeof b->seed) {
        b->seed = (uint64_t)(uintptr_t)block;
    }
    b->nbuckets = 16;
    while ((uint64_t)b->nbuckets * 2 * CHUNKS_PER_BUCKET * SHARED_CHUNK_BYTES <= bytes) {
        b->nbuckets *= 2;
    }
    b->buckets_at = aligned(sizeof *b);
    b->chunks_at = aligned(b->buckets_at + b->nbuckets * sizeof(uint32_t));
    b->nchunks = (uint32_t)((bytes - b->chunks_at) / SHARED_CHUNK_BYTES);
    b->fresh = 1;
    return WEIR_OK;
}

struct pw_shared *pw_shared_open(void *block, uint32_t worker)
{
    struct pw_shared *sh = mem_zalloc(sizeof *sh);

    sh->block = block;
    sh->worker = worker;
    return sh;
}

void pw_shared_close(struct pw_shared *sh)
{
    if (sh != NULL) {
        WEIR_ASSERT(sh->listeners.len == 0);
        vec_fini(&sh->listeners);
        mem_free(sh);
    }
}

void shared_lock(struct pw_shared *sh)
{
    int rc = pthread_mutex_lock(&sh->block->mutex);

    if (rc == EOWNERDEAD) {
        shared_mend(sh->block);
        sh->block->recovered++;
        rc = pthread_mutex_consistent(&sh->block->mutex);
    }
    WEIR_ASSERT(rc == 0);
}

void shared_unlock(struct pw_shared *sh)
{
    pthread_mutex_unlock(&sh->block->mutex);
}

struct shared_chunk *shared_at(const struct shared_block *b, uint32_t i)
{
    WEIR_ASSERT(i != 0 && i < b->fresh && i < b->nchunks);
    return (struct shared_chunk *)((char *)b + b->chunks_at) + i;
}

static uint32_t *bucket(const struct shared_block *b, uint32_t hash)
{
    return (uint32_t *)((char *)b + b->buckets_at) + (hash & (b->nbuckets - 1));
}

/* What was written before is there before what follows, for a process that finds us killed in between. */
static void in_order(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- payloads --------------------------------------------------------------------------- */

uint32_t shared_chunks_for(size_t payload_bytes)
{
    size_t rest = payload_bytes <= SHARED_FIRST_BYTES ? 0 : payload_bytes - SHARED_FIRST_BYTES;
    return 1 + (uint32_t)((rest + SHARED_PART_BYTES - 1) / SHARED_PART_BYTES);
}

size_t shared_payload_bytes(const struct shared_head *h)
{
    return (size_t)h->vm_len + h->name_len + h->value_len;
}

/* A contiguous piece of an entry's payload. */
struct piece {
    uint8_t *at;
    size_t len;
    uint32_t next;
};

static struct piece first_piece(const struct shared_block *b, uint32_t i)
{
    struct shared_chunk *c = shared_at(b, i);
    return (struct piece){c->head.bytes, SHARED_FIRST_BYTES, c->next};
}

static void next_piece(const struct shared_block *b, struct piece *p)
{
    struct shared_chunk *c = shared_at(b, p->next);
    *p = (struct piece){c->part, SHARED_PART_BYTES, c->next};
}

enum way { READ, WRITE, COMPARE };

/* Move `len` bytes between `offset` of the payload and `mem`; COMPARE: are they the same? */
static bool move(const struct shared_block *b, uint32_t i, size_t offset, void *mem, size_t len, enum way way)
{
    struct piece p = first_piece(b, i);
    uint8_t *at = mem;

    while (len != 0) {
        if (offset >= p.len) {
            offset -= p.len;
            next_piece(b, &p);
            continue;
        }
        size_t n = p.len - offset < len ? p.len - offset : len;
        if (way == READ) {
            memcpy(at, p.at + offset, n);
        } else if (way == WRITE) {
            memcpy(p.at + offset, at, n);
        } else if (memcmp(p.at + offset, at, n) != 0) {
            return false;
        }
        at += n;
        len -= n;
        offset += n;
    }
    return true;
}

void shared_value_read(const struct shared_block *b, uint32_t i, void *dst)
{
    const struct shared_chunk *c = shared_at(b, i);
    move(b, i, 0, dst, c->head.value_len, READ);
}

void shared_full_name_read(const struct shared_block *b, uint32_t i, void *dst)
{
    const struct shared_head *h = &shared_at(b, i)->head;
    move(b, i, h->value_len, dst, (size_t)h->vm_len + h->name_len, READ);
}

struct shared_queue *shared_queue_of(const struct shared_block *b, uint32_t i)
{
    struct shared_chunk *c = shared_at(b, i);

    _Static_assert(sizeof(struct shared_queue) <= SHARED_FIRST_BYTES, "it is in the first chunk");
    WEIR_ASSERT(c->kind == SHARED_QUEUE);
    return (struct shared_queue *)c->head.bytes;
}

uint64_t *shared_word(const struct shared_block *b, uint32_t metric, uint32_t i)
{
    struct piece p = first_piece(b, metric);
    size_t offset = i * sizeof(uint64_t);

    while (offset >= p.len) {
        offset -= p.len;
        next_piece(b, &p);
    }
    return (uint64_t *)(p.at + offset);
}

/* ---- chunks ------------------------------------------------------------------------------- */

static uint32_t room(const struct shared_block *b)
{
    return b->nfree + (b->nchunks - b->fresh);
}

static uint32_t take_chunk(struct shared_block *b)
{
    uint32_t i = b->free_list;

    if (i != 0) {
        b->free_list = shared_at(b, i)->next;
        b->nfree--;
    } else {
        i = b->fresh++;
    }
    struct shared_chunk *c = shared_at(b, i);
    c->kind = SHARED_PART;
    c->next = 0;
    return i;
}

/* How many they were. */
uint32_t shared_chunks_give(struct shared_block *b, uint32_t i)
{
    uint32_t n = 0;

    while (i != 0) {
        struct shared_chunk *c = shared_at(b, i);
        uint32_t next = c->next;
        c->kind = SHARED_FREE;
        c->next = b->free_list;
        b->free_list = i;
        b->nfree++;
        i = next;
        n++;
    }
    return n;
}

/* Chunks that belong to queues and metrics cannot be evicted: each has its share. */
static uint32_t *share_of(struct shared_block *b, enum shared_kind kind, uint32_t *most)
{
    switch (kind) {
    case SHARED_METRIC:
        *most = b->nchunks / 4;
        return &b->metric_chunks;
    case SHARED_QUEUE:
    case SHARED_ITEM:
        *most = b->nchunks / 2;
        return &b->queue_chunks;
    default:
        *most = b->nchunks / 4; /* of one entry of data */
        return NULL;
    }
}

static bool make_room(struct shared_block *b, enum shared_kind kind, uint32_t n)
{
    uint32_t most, *used = share_of(b, kind, &most);

    if (n > most || (used != NULL && n > most - *used)) {
        return false;
    }
    while (room(b) < n && b->oldest != 0) {
        shared_entry_free(b, b->oldest);
        b->evicted++;
    }
    return room(b) >= n;
}

/* ---- entries -------------------------------------------------------------------------------- */

static uint32_t name_hash(const struct shared_block *b, const struct shared_name *n)
{
    uint64_t h = hash_bytes(n->vm.at, n->vm.len, b->seed + (uint64_t)n->kind * 8 + n->type);
    return (uint32_t)hash_bytes(n->name.at, n->name.len, h);
}

uint32_t shared_entry_new(struct shared_block *b, enum shared_kind kind, const struct shared_name *name,
                          size_t value_len)
{
    static const struct shared_name none = {0};
    size_t limit = (size_t)b->nchunks * SHARED_CHUNK_BYTES;

    name = name == NULL ? &none : name;
    if (value_len > limit || name->vm.len > limit || name->name.len > limit) {
        b->refused++;
        return 0;
    }
    uint32_t n = shared_chunks_for(value_len + name->vm.len + name->name.len);
    if (!make_room(b, kind, n)) {
        b->refused++;
        return 0;
    }
    uint32_t first = take_chunk(b), last = first;
    for (uint32_t k = 1; k < n; k++) {
        uint32_t part = take_chunk(b);
        shared_at(b, last)->next = part;
        last = part;
    }
    struct shared_chunk *c = shared_at(b, first);
    c->head = (struct shared_head){
        .hash = name_hash(b, name),
        .vm_len = (uint32_t)name->vm.len,
        .name_len = (uint32_t)name->name.len,
        .value_len = (uint32_t)value_len,
        .order = ++b->order,
    };
    move(b, first, value_len, (void *)name->vm.at, name->vm.len, WRITE);
    move(b, first, value_len + name->vm.len, (void *)name->name.at, name->name.len, WRITE);
    return first;
}

void shared_value_write(struct shared_block *b, uint32_t i, const void *src)
{
    move(b, i, 0, (void *)src, shared_at(b, i)->head.value_len, WRITE);
}

void shared_entry_publish(struct shared_block *b, uint32_t i, enum shared_kind kind)
{
    in_order();
    shared_at(b, i)->kind = kind;
    in_order();
    shared_index(b, i, kind);
}

uint32_t shared_find(const struct shared_block *b, const struct shared_name *n)
{
    uint32_t hash = name_hash(b, n);

    for (uint32_t i = *bucket(b, hash); i != 0; i = shared_at(b, i)->head.chain) {
        const struct shared_chunk *c = shared_at(b, i);
        const struct shared_head *h = &c->head;
        if (h->hash != hash || c->kind != (uint32_t)n->kind || h->vm_len != n->vm.len ||
            h->name_len != n->name.len || (n->kind == SHARED_METRIC && h->number != n->type)) {
            continue;
        }
        size_t at = h->value_len;
        if (move(b, i, at, (void *)n->vm.at, n->vm.len, COMPARE) &&
            move(b, i, at + n->vm.len, (void *)n->name.at, n->name.len, COMPARE)) {
            return i;
        }
    }
    return 0;
}

/* ---- indexes ---------------------------------------------------------------------------------- */

static void unlink_name(struct shared_block *b, uint32_t i)
{
    const struct shared_head *h = &shared_at(b, i)->head;
    uint32_t *at = bucket(b, h->hash);

    while (*at != i) {
        at = &shared_at(b, *at)->head.chain;
    }
    *at = h->chain;
}

static void unlink_use(struct shared_block *b, uint32_t i)
{
    const struct shared_head *h = &shared_at(b, i)->head;

    *(h->newer == 0 ? &b->newest : &shared_at(b, h->newer)->head.older) = h->older;
    *(h->older == 0 ? &b->oldest : &shared_at(b, h->older)->head.newer) = h->newer;
}

static void link_use(struct shared_block *b, uint32_t i)
{
    struct shared_head *h = &shared_at(b, i)->head;

    h->newer = 0;
    h->older = b->newest;
    *(b->newest == 0 ? &b->oldest : &shared_at(b, b->newest)->head.newer) = i;
    b->newest = i;
}

void shared_data_touch(struct shared_block *b, uint32_t i)
{
    shared_at(b, i)->head.order = ++b->order;
    if (b->newest != i) {
        unlink_use(b, i);
        link_use(b, i);
    }
}

static void append_item(struct shared_block *b, uint32_t i)
{
    struct shared_head *h = &shared_at(b, i)->head;
    struct shared_queue *q = shared_queue_of(b, b->queues[h->number - 1]);

    h->newer = 0;
    *(q->last == 0 ? &q->first : &shared_at(b, q->last)->head.newer) = i;
    q->last = i;
    q->count++;
    q->bytes += h->value_len;
    b->nitems++;
}

struct shared_owner *shared_owner_get(struct shared_block *b, uint32_t owner)
{
    struct shared_owner *spare = NULL;

    for (uint32_t k = 0; k < SHARED_OWNERS; k++) {
        struct shared_owner *o = &b->owners[(owner + k) % SHARED_OWNERS];
        if (o->owner == owner) {
            return o;
        }
        if (spare == NULL && o->bytes == 0) {
            spare = o; /* free, or of one that has nothing any more */
        }
        if (o->owner == 0) {
            break;
        }
    }
    if (spare != NULL) {
        spare->owner = owner;
    }
    return spare;
}

uint64_t shared_data_bytes(const struct shared_head *h)
{
    return (uint64_t)h->value_len + h->vm_len + h->name_len;
}

/* `bytes` may be a negative number. */
static void count_owner(struct shared_block *b, const struct shared_head *h, uint64_t bytes)
{
    struct shared_owner *o = h->owner == 0 ? NULL : shared_owner_get(b, h->owner);

    if (o != NULL) {
        o->bytes += bytes;
    }
}

void shared_index(struct shared_block *b, uint32_t i, enum shared_kind kind)
{
    struct shared_head *h = &shared_at(b, i)->head;
    uint32_t most, *used = share_of(b, kind, &most);

    if (used != NULL) {
        *used += shared_chunks_for(shared_payload_bytes(h));
    }
    if (kind != SHARED_ITEM) {
        uint32_t *at = bucket(b, h->hash);
        h->chain = *at;
        *at = i;
    }
    switch (kind) {
    case SHARED_DATA:
        link_use(b, i);
        count_owner(b, h, shared_data_bytes(h));
        b->ndata++;
        break;
    case SHARED_QUEUE:
        b->queues[h->number - 1] = i;
        b->nqueues = h->number > b->nqueues ? h->number : b->nqueues;
        break;
    case SHARED_ITEM:
        append_item(b, i);
        break;
    case SHARED_METRIC:
        h->newer = 0;
        *(b->last_metric == 0 ? &b->first_metric : &shared_at(b, b->last_metric)->head.newer) = i;
        b->last_metric = i;
        break;
    default:
        break;
    }
}

/* Out of its indexes, and its chunks to the free list.  Of items only the first of a queue is freed. */
void shared_entry_free(struct shared_block *b, uint32_t i)
{
    struct shared_chunk *c = shared_at(b, i);
    uint32_t kind = c->kind, most, *used = share_of(b, kind, &most);

    if (kind == SHARED_DATA) {
        unlink_name(b, i);
        unlink_use(b, i);
        count_owner(b, &c->head, -shared_data_bytes(&c->head));
        b->ndata--;
    } else if (kind == SHARED_ITEM) {
        struct shared_queue *q = shared_queue_of(b, b->queues[c->head.number - 1]);
        WEIR_ASSERT(q->first == i);
        q->first = c->head.newer;
        q->last = q->first == 0 ? 0 : q->last;
        q->count--;
        q->bytes -= c->head.value_len;
        b->nitems--;
    }
    in_order();
    c->kind = SHARED_FREE;
    in_order();
    uint32_t n = shared_chunks_give(b, i);
    if (used != NULL) {
        *used -= n;
    }
}

void pw_shared_stats(struct pw_shared *sh, struct pw_shared_stats *out)
{
    shared_lock(sh);
    const struct shared_block *b = sh->block;
    *out = (struct pw_shared_stats){
        .bytes = (uint64_t)(b->nchunks - 1) * SHARED_CHUNK_BYTES,
        .used_bytes = (uint64_t)(b->nchunks - 1 - (room(b))) * SHARED_CHUNK_BYTES,
        .data = b->ndata,
        .queues = b->nqueues,
        .items = b->nitems,
        .evicted = b->evicted,
        .refused = b->refused,
        .recovered = b->recovered,
    };
    shared_unlock(sh);
}
