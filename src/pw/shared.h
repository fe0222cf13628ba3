/* pw/shared.h - the shared block from inside: chunks, entries, the table of names.
 *
 * The block is a header, a hash table and chunks of one size.  An entry is a chain of chunks: the first holds
 * a shared_head, its payload goes on in the others.  Chunks are all alike, so memory never fragments and what
 * data gives up, queues can have.  Links are chunk numbers; 0 is none.  A payload
 * is a value, a vm_id and a name:
 *
 *   DATA    value, vm_id, key             evictable, in the ring of use
 *   QUEUE   struct shared_queue, vm_id, name
 *   ITEM    bytes
 *   METRIC  64-bit words, no vm_id, name  words change without the lock
 *
 * A published entry never changes its chain; a new value is a new entry.  So all that a killed holder of the
 * lock can leave is a chunk whose `kind` says whether it begins a complete entry, and indexes to be made
 * anew from those (shared_mend).  Everything here but metric words is called with the lock held. */
#ifndef PW_SHARED_H
#define PW_SHARED_H

#include <pthread.h>

#include "base/str.h"
#include "base/vec.h"
#include "pw/context.h"
#include "weir/pw_shared.h"
#include "weir/pw_status.h"

/* Writers of data whose bytes are counted; those that find no room in the table may not write. */
enum { SHARED_OWNERS = 512 };

enum { SHARED_CHUNK_BYTES = 128, SHARED_FIRST_BYTES = 72, SHARED_PART_BYTES = 120, SHARED_MAX_QUEUES = 1024 };

enum shared_kind { SHARED_FREE, SHARED_PART, SHARED_DATA, SHARED_QUEUE, SHARED_ITEM, SHARED_METRIC };

struct shared_head {
    uint32_t hash, chain;  /* of names: the next entry of the same bucket */
    uint32_t newer, older; /* data: ring of use; items and metrics: newer is the next one */
    uint32_t vm_len, name_len, value_len;
    uint32_t number; /* data: its cas; queue: its id; item: its queue's id; metric: its type */
    uint64_t order;  /* of use (data) or of making, so that mending finds the same order */
    uint32_t owner;  /* data: who wrote it, 0: nobody in particular */
    uint32_t unused;
    uint8_t bytes[SHARED_FIRST_BYTES];
};

struct shared_chunk {
    uint32_t next; /* of the same entry, or of the free list */
    uint32_t kind; /* of the entry, once it is complete */
    union {
        struct shared_head head;
        uint8_t part[SHARED_PART_BYTES];
    };
};
_Static_assert(sizeof(struct shared_chunk) == SHARED_CHUNK_BYTES, "chunks are 128 bytes");

struct shared_queue { /* the value of a QUEUE, in its first chunk */
    uint32_t first, last, count;
    uint32_t worker; /* that registered it last */
    uint32_t ready;  /* enqueued since that worker was told */
    uint32_t unused;
    uint64_t bytes; /* of its items */
};

struct shared_block {
    pthread_mutex_t mutex;          /* process-shared, robust */
    uint64_t seed;                  /* of name hashes */
    uint64_t chunks_at, buckets_at; /* byte offsets */
    uint32_t nchunks, nbuckets;     /* chunk 0 is not used */
    uint32_t fresh;                 /* chunks from here on were never used */
    uint32_t free_list, nfree;      /* among those before */
    uint32_t newest, oldest;        /* data by use */
    uint32_t first_metric, last_metric;
    uint32_t last_cas;
    uint32_t nqueues, queues[SHARED_MAX_QUEUES]; /* by id - 1 */
    uint32_t ndata, nitems;
    uint32_t metric_chunks, queue_chunks;
    struct shared_owner {
        uint32_t owner, unused; /* 0: free */
        uint64_t bytes;         /* of names and values */
    } owners[SHARED_OWNERS];    /* at hash owner, or behind */
    uint64_t order;             /* the last one given */
    uint64_t evicted, refused, recovered;
};

/* Who makes the next calls, and what it may have; all zero: somebody without limits. */
struct shared_caller {
    uint32_t owner;
    uint64_t most_data_bytes, most_items;
    bool over; /* set by a call that was refused for one of these */
};

struct pw_shared {
    struct shared_caller caller;
    struct shared_block *block;
    uint32_t worker;
    VEC(struct shared_listener {
        uint32_t queue;
        struct pw_context *root;
    })
    listeners; /* roots of this process that registered a queue, one a queue */
};

struct shared_name {
    enum shared_kind kind;
    uint32_t type; /* of a metric, else 0 */
    struct str vm, name;
};

void shared_lock(struct pw_shared *sh);
void shared_unlock(struct pw_shared *sh);

struct shared_chunk *shared_at(const struct shared_block *b, uint32_t i);

/* Room for an entry of these sizes, evicting data if need be; not in any index, not complete.  0: no room. */
uint32_t shared_entry_new(struct shared_block *b, enum shared_kind kind, const struct shared_name *name,
                          size_t value_len);
/* It is complete: from now on mending keeps it.  With a name: it is found. */
void shared_entry_publish(struct shared_block *b, uint32_t i, enum shared_kind kind);
void shared_entry_free(struct shared_block *b, uint32_t i);
uint32_t shared_find(const struct shared_block *b, const struct shared_name *name);

/* The value's bytes, all inside the entry. */
void shared_value_read(const struct shared_block *b, uint32_t i, void *dst);
void shared_value_write(struct shared_block *b, uint32_t i, const void *src);
/* vm_len + name_len bytes. */
void shared_full_name_read(const struct shared_block *b, uint32_t i, void *dst);

/* Data was used: it is the newest now. */
void shared_data_touch(struct shared_block *b, uint32_t i);
struct shared_queue *shared_queue_of(const struct shared_block *b, uint32_t i);

/* Word `i` of a metric. */
uint64_t *shared_word(const struct shared_block *b, uint32_t metric, uint32_t i);

/* The counter of a writer, made where there is none; NULL: the table is full. */
struct shared_owner *shared_owner_get(struct shared_block *b, uint32_t owner);
/* What a data entry counts. */
uint64_t shared_data_bytes(const struct shared_head *h);

/* Make every index anew from the complete entries (mend.c). */
void shared_mend(struct shared_block *b);
/* Put a complete entry of this kind into its list and the table of names, and count its chunks; for publish
 * and mend. */
void shared_index(struct shared_block *b, uint32_t i, enum shared_kind kind);
/* A chain of chunks that is in no index, to the free list. */
uint32_t shared_chunks_give(struct shared_block *b, uint32_t i);
uint32_t shared_chunks_for(size_t payload_bytes);
size_t shared_payload_bytes(const struct shared_head *h);

/* ---- what host calls do -------------------------------------------------------------- */

/* The value is appended to `value`. */
enum pw_status shared_data_get(struct pw_shared *sh, struct str vm, struct str key, struct strbuf *value,
                               uint32_t *cas);
enum pw_status shared_data_set(struct pw_shared *sh, struct str vm, struct str key, struct str value,
                               uint32_t cas);

/* `root` is the receiver from now on. */
enum pw_status shared_queue_register(struct pw_shared *sh, struct str vm, struct str name,
                                     struct pw_context *root, uint32_t *id);
enum pw_status shared_queue_resolve(struct pw_shared *sh, struct str vm, struct str name, uint32_t *id);
/* *worker is to be told. */
enum pw_status shared_queue_enqueue(struct pw_shared *sh, uint32_t id, struct str item, uint32_t *worker);
enum pw_status shared_queue_dequeue(struct pw_shared *sh, uint32_t id, struct strbuf *item);
/* The VM's roots receive nothing any more. */
void shared_queue_forget(struct pw_shared *sh, const struct pw_vm *vm);

/* *metric: its number for the functions below, good for ever. */
enum pw_status shared_metric_define(struct pw_shared *sh, enum pw_metric_type type, struct str name,
                                    uint32_t *metric);
enum pw_status shared_metric_increment(struct pw_shared *sh, uint32_t metric, int64_t delta);
enum pw_status shared_metric_record(struct pw_shared *sh, uint32_t metric, uint64_t value);
enum pw_status shared_metric_get(struct pw_shared *sh, uint32_t metric, uint64_t *value);

#endif
