/* rt/memory.c - linear memories: reservations with guard pages, growth, bulk operations.
 *
 * Every memory has a reservation of its own, so large that no 32-bit address plus 32-bit offset leaves it;
 * only [0, bytes) of it is accessible, so compiled code and the interpreter check nothing.  The base never
 * moves. Reservations are registered in a table that the fault handler reads without a lock, and are pooled
 * when a memory goes: a pooled one keeps its committed range, whose pages were given back and read as zeros
 * again. */
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "rt/rt.h"
#include "rt/trap.h"

enum {
    SLOTS_MOST = 16384, /* of 8 GiB: all of a 47-bit address space */
    POOL_MOST = 32,
    /* A pooled reservation with more committed than this gives the access back too. */
    POOL_COMMITTED_MOST = 16 << 20,
};

static struct {
    pthread_mutex_t lock;
    uintptr_t bases[SLOTS_MOST]; /* 0: free; written under the lock, read by signal handlers */
    uint32_t used;               /* slots ever used */
    struct pooled {
        uint8_t *base;
        uint64_t committed_bytes;
    } pool[POOL_MOST];
    uint32_t npool;
} space = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool rt_memory_reserved(uintptr_t address)
{
    uint32_t n = __atomic_load_n(&space.used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < n; i++) {
        uintptr_t base = __atomic_load_n(&space.bases[i], __ATOMIC_RELAXED);
        if (base != 0 && address - base < RT_MEMORY_RESERVED) {
            return true;
        }
    }
    return false;
}

static bool slot_replace(uintptr_t from, uintptr_t to)
{
    uint32_t i = 0;
    while (i < space.used && space.bases[i] != from) {
        i++;
    }
    if (i == SLOTS_MOST || (i == space.used && from != 0)) {
        return false;
    }
    __atomic_store_n(&space.bases[i], to, __ATOMIC_RELAXED);
    if (i == space.used) {
        __atomic_store_n(&space.used, i + 1, __ATOMIC_RELEASE);
    }
    return true;
}

/* A reservation; `committed` says how much of it is accessible (and zero) already. */
static uint8_t *reservation_take(uint64_t *committed)
{
    uint8_t *base = NULL;
    pthread_mutex_lock(&space.lock);
    if (space.npool > 0) {
        struct pooled *p = &space.pool[--space.npool];
        base = p->base;
        *committed = p->committed_bytes;
    }
    pthread_mutex_unlock(&space.lock);
    if (base != NULL) {
        return base;
    }
    base = os_memory_reserve(RT_MEMORY_RESERVED);
    if (base == NULL) {
        return NULL;
    }
    *committed = 0;
    pthread_mutex_lock(&space.lock);
    bool ok = slot_replace(0, (uintptr_t)base);
    pthread_mutex_unlock(&space.lock);
    if (ok) {
        return base;
    }
    os_memory_release(base, RT_MEMORY_RESERVED);
    return NULL;
}

static void reservation_give(uint8_t *base, uint64_t committed)
{
    if (committed > POOL_COMMITTED_MOST) {
        os_memory_decommit(base, committed);
        committed = 0;
    } else {
        os_memory_zero(base, committed);
    }
    pthread_mutex_lock(&space.lock);
    bool pooled = space.npool < POOL_MOST;
    if (pooled) {
        space.pool[space.npool++] = (struct pooled){base, committed};
    } else {
        bool ok = slot_replace((uintptr_t)base, 0);
        WEIR_ASSERT(ok);
    }
    pthread_mutex_unlock(&space.lock);
    if (!pooled) {
        os_memory_release(base, RT_MEMORY_RESERVED);
    }
}

static uint64_t page_round(uint64_t bytes)
{
    uint64_t page = os_page_bytes();
    return (bytes + page - 1) / page * page;
}

weir_status rt_memory_new(struct rt_memory *m, struct wasm_limits pages, uint64_t limit_bytes,
                          struct weir_report *rep)
{
    uint64_t bytes = (uint64_t)pages.min * WASM_PAGE_BYTES, most = (uint64_t)WASM_MAX_PAGES * WASM_PAGE_BYTES;
    if (pages.has_max && (uint64_t)pages.max * WASM_PAGE_BYTES < most) {
        most = (uint64_t)pages.max * WASM_PAGE_BYTES;
    }
    if (limit_bytes != 0 && limit_bytes < most) {
        most = limit_bytes;
    }
    if (bytes > most) {
        return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "memory",
                               "initial memory of %llu bytes is over the limit of %llu",
                               (unsigned long long)bytes, (unsigned long long)most);
    }
    uint64_t committed = 0, want = page_round(bytes);
    uint8_t *base = reservation_take(&committed);
    if (base == NULL) {
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "memory",
                               "no address space for a linear memory");
    }
    if (committed > want) {
        os_memory_decommit(base + want, committed - want);
    } else if (!os_memory_commit(base + committed, want - committed)) {
        reservation_give(base, committed);
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "memory",
                               "the system gave no memory for %llu bytes", (unsigned long long)bytes);
    }
    *m = (struct rt_memory){.base = base,
                            .bytes = bytes,
                            .limit_bytes = most,
                            .committed_bytes = want,
                            .max_pages = pages.max,
                            .has_max = pages.has_max};
    return WEIR_OK;
}

void rt_memory_free(struct rt_memory *m)
{
    if (m->base != NULL) {
        reservation_give(m->base, m->committed_bytes);
    }
    m->base = NULL;
}

uint32_t rt_memory_grow(struct rt_instance *inst, uint32_t memidx, uint32_t delta_pages)
{
    struct rt_memory *m = rt_memory_at(inst, memidx);
    uint32_t before = (uint32_t)(m->bytes / WASM_PAGE_BYTES);
    uint64_t bytes = m->bytes + (uint64_t)delta_pages * WASM_PAGE_BYTES;
    if (bytes > m->limit_bytes) {
        return UINT32_MAX;
    }
    uint64_t want = page_round(bytes);
    if (want > m->committed_bytes) {
        if (!os_memory_commit(m->base + m->committed_bytes, want - m->committed_bytes)) {
            return UINT32_MAX;
        }
        m->committed_bytes = want;
    }
    m->bytes = bytes;
    for (struct rt_instance *u = m->users; u != NULL; u = u->memory_user) {
        u->pub.memory_bytes = bytes;
    }
    return before;
}

static void check(struct rt_instance *inst, uint64_t at, uint64_t n, uint64_t bytes)
{
    if (at + n > bytes) {
        rt_trap_raise(inst, WEIR_TRAP_MEMORY_BOUNDS, NULL);
    }
}

void rt_memory_fill(struct rt_instance *inst, uint32_t memidx, uint32_t dst, uint32_t value, uint32_t n)
{
    struct rt_memory *m = rt_memory_at(inst, memidx);
    check(inst, dst, n, m->bytes);
    if (n != 0) {
        memset(m->base + dst, (int)(value & 0xff), n);
    }
}

void rt_memory_copy(struct rt_instance *inst, uint32_t dst_mem, uint32_t src_mem, uint32_t dst, uint32_t src,
                    uint32_t n)
{
    struct rt_memory *d = rt_memory_at(inst, dst_mem), *s = rt_memory_at(inst, src_mem);
    check(inst, src, n, s->bytes);
    check(inst, dst, n, d->bytes);
    if (n != 0) {
        memmove(d->base + dst, s->base + src, n);
    }
}

void rt_memory_init(struct rt_instance *inst, uint32_t dataidx, uint32_t memidx, uint32_t dst, uint32_t src,
                    uint32_t n)
{
    const struct wasm_module *w = rt_instance_wasm(inst);
    struct rt_memory *m = rt_memory_at(inst, memidx);
    const struct wasm_data *data = &w->datas[dataidx];
    check(inst, src, n, inst->dropped[w->nelems + dataidx] ? 0 : data->len);
    check(inst, dst, n, m->bytes);
    if (n != 0) {
        memcpy(m->base + dst, data->at + src, n);
    }
}

void rt_data_drop(struct rt_instance *inst, uint32_t dataidx)
{
    inst->dropped[rt_instance_wasm(inst)->nelems + dataidx] = 1;
}
