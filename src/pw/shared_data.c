/* pw/shared_data.c - shared data and metrics in the shared block (host facts 1.16, 1.17). */
#include "base/mem.h"
#include "pw/shared.h"

/* ---- data ------------------------------------------------------------------------------ */

enum pw_status shared_data_get(struct pw_shared *sh, struct str vm, struct str key, struct strbuf *value,
                               uint32_t *cas)
{
    const struct shared_name name = {SHARED_DATA, 0, vm, key};
    struct shared_block *b = sh->block;
    size_t room = 0;

    /* Memory comes before the lock. */
    for (;;) {
        shared_lock(sh);
        uint32_t i = shared_find(b, &name);
        if (i == 0) {
            shared_unlock(sh);
            return PW_NOT_FOUND;
        }
        const struct shared_head *h = &shared_at(b, i)->head;
        size_t len = h->value_len;
        if (len <= room) {
            shared_value_read(b, i, value->at);
            value->len = len;
            *cas = h->number;
            shared_data_touch(b, i);
            shared_unlock(sh);
            return PW_OK;
        }
        shared_unlock(sh);
        room = len;
        strbuf_fini(value);
        *value = (struct strbuf){.at = mem_alloc(len + 1), .cap = len + 1};
    }
}

/* May the caller have a value of that size in the place of `old` (0: nothing)? */
static bool within_quota(struct pw_shared *sh, uint32_t old, size_t bytes)
{
    struct shared_caller *by = &sh->caller;

    if (by->owner == 0) {
        return true;
    }
    const struct shared_owner *o = shared_owner_get(sh->block, by->owner);
    const struct shared_head *h = old == 0 ? NULL : &shared_at(sh->block, old)->head;
    uint64_t freed = h != NULL && h->owner == by->owner ? shared_data_bytes(h) : 0;
    by->over = o == NULL || o->bytes - freed + bytes > by->most_data_bytes;
    return !by->over;
}

enum pw_status shared_data_set(struct pw_shared *sh, struct str vm, struct str key, struct str value,
                               uint32_t cas)
{
    const struct shared_name name = {SHARED_DATA, 0, vm, key};
    struct shared_block *b = sh->block;
    enum pw_status status = PW_OK;

    shared_lock(sh);
    uint32_t old = shared_find(b, &name);
    if (old != 0 && cas != 0 && cas != shared_at(b, old)->head.number) {
        status = PW_CAS_MISMATCH;
    } else if (!within_quota(sh, old, vm.len + key.len + value.len)) {
        status = PW_INTERNAL_FAILURE;
    } else {
        uint32_t i = shared_entry_new(b, SHARED_DATA, &name, value.len);
        if (i == 0) {
            status = PW_INTERNAL_FAILURE;
        } else {
            old = shared_find(b, &name); /* it may have been evicted for the new one */
            shared_value_write(b, i, value.at);
            b->last_cas += b->last_cas + 1 == 0 ? 2 : 1;
            shared_at(b, i)->head.number = b->last_cas;
            shared_at(b, i)->head.owner = sh->caller.owner;
            shared_entry_publish(b, i, SHARED_DATA);
            if (old != 0) {
                shared_entry_free(b, old);
            }
        }
    }
    shared_unlock(sh);
    return status;
}

/* ---- metrics ------------------------------------------------------------------------------- */

/* Words of a histogram: how many samples, their sum, then the buckets. */
enum { COUNT = 0, SUM = 1, BUCKETS = 2 };

/* Envoy's, which are meant for milliseconds. */
const uint64_t pw_histogram_bounds[PW_HISTOGRAM_BOUNDS] = {
    1,    5,     10,    25,    50,     100,    250,     500,     1000,   2500,
    5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000, 7200000};

enum { HISTOGRAM_WORDS = BUCKETS + PW_HISTOGRAM_BOUNDS + 1 };

static void add(uint64_t *word, uint64_t v)
{
    __atomic_fetch_add(word, v, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

enum pw_status shared_metric_define(struct pw_shared *sh, enum pw_metric_type type, struct str name,
                                    uint32_t *metric)
{
    static const uint64_t zeros[HISTOGRAM_WORDS];
    const struct shared_name n = {SHARED_METRIC, type, {"", 0}, name};
    size_t bytes = (type == PW_METRIC_HISTOGRAM ? HISTOGRAM_WORDS : 1) * sizeof *zeros;
    struct shared_block *b = sh->block;

    shared_lock(sh);
    uint32_t i = shared_find(b, &n);
    if (i == 0) {
        i = shared_entry_new(b, SHARED_METRIC, &n, bytes);
        if (i != 0) {
            shared_value_write(b, i, zeros);
            shared_at(b, i)->head.number = type;
            shared_entry_publish(b, i, SHARED_METRIC);
        }
    }
    shared_unlock(sh);
    if (i == 0) {
        return PW_INTERNAL_FAILURE;
    }
    *metric = i;
    return PW_OK;
}

static enum pw_metric_type type_of(const struct shared_block *b, uint32_t metric)
{
    const struct shared_chunk *c = shared_at(b, metric);
    WEIR_ASSERT(c->kind == SHARED_METRIC);
    return c->head.number;
}

enum pw_status shared_metric_increment(struct pw_shared *sh, uint32_t metric, int64_t delta)
{
    enum pw_metric_type type = type_of(sh->block, metric);

    if (type == PW_METRIC_HISTOGRAM || (type == PW_METRIC_COUNTER && delta <= 0)) {
        return PW_BAD_ARGUMENT;
    }
    add(shared_word(sh->block, metric, 0), (uint64_t)delta);
    return PW_OK;
}

enum pw_status shared_metric_record(struct pw_shared *sh, uint32_t metric, uint64_t value)
{
    struct shared_block *b = sh->block;
    uint32_t k = 0;

    switch (type_of(b, metric)) {
    case PW_METRIC_COUNTER:
        add(shared_word(b, metric, 0), value);
        break;
    case PW_METRIC_GAUGE:
        __atomic_store_n(shared_word(b, metric, 0), value, __ATOMIC_RELAXED);
        break;
    case PW_METRIC_HISTOGRAM:
        while (k < PW_HISTOGRAM_BOUNDS && value > pw_histogram_bounds[k]) {
            k++;
        }
        add(shared_word(b, metric, COUNT), 1);
        add(shared_word(b, metric, SUM), value);
        add(shared_word(b, metric, BUCKETS + k), 1);
        break;
    }
    return PW_OK;
}

enum pw_status shared_metric_get(struct pw_shared *sh, uint32_t metric, uint64_t *value)
{
    if (type_of(sh->block, metric) == PW_METRIC_HISTOGRAM) {
        return PW_BAD_ARGUMENT;
    }
    *value = load(shared_word(sh->block, metric, 0));
    return PW_OK;
}

void pw_shared_metrics(struct pw_shared *sh, void (*each)(void *data, const struct pw_metric *m), void *data)
{
    struct shared_block *b = sh->block;
    struct strbuf name = {0};

    /* Metrics are only ever appended: following the list needs the lock for its links alone. */
    shared_lock(sh);
    uint32_t i = b->first_metric;
    while (i != 0) {
        const struct shared_head *h = &shared_at(b, i)->head;
        uint32_t len = h->name_len, next = h->newer;
        shared_unlock(sh);
        struct pw_metric m = {.type = type_of(b, i)};
        strbuf_fini(&name);
        name = (struct strbuf){.at = mem_alloc(len + 1), .len = len, .cap = len + 1};
        shared_full_name_read(b, i, name.at);
        m.name = strbuf_str(&name);
        if (m.type == PW_METRIC_HISTOGRAM) {
            m.count = load(shared_word(b, i, COUNT));
            m.sum = load(shared_word(b, i, SUM));
            for (uint32_t k = 0; k <= PW_HISTOGRAM_BOUNDS; k++) {
                m.buckets[k] = load(shared_word(b, i, BUCKETS + k));
            }
        } else {
            m.value = load(shared_word(b, i, 0));
        }
        each(data, &m);
        i = next;
        shared_lock(sh);
    }
    shared_unlock(sh);
    strbuf_fini(&name);
}
