/* rt/memory.c - linear memories: reservations with guard pages, growth, bulk operations.
 *
 * Every memory has a reservation of its own, so large that no 32-bit address plus 32-bit offset leaves it;
 * only [0, bytes) of it is accessible, so compiled code and the interpreter check nothing.  The base never
 * moves. Reservations are registered in a table that the fault handler reads without a lock, and are pooled
 * when a memory goes: a pooled one keeps its committed range, whose pages were given back and read as zeros
 * again.
 *
 * A saved memory is a file that reservations map privately at their beginning: the kernel copies the pages
 * that are written to, and giving those back is all that a restore takes.  A pooled reservation keeps such a
 * mapping for the next memory made from the same file. */
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
    /* So many written pages are written anew instead of given back: that costs less than their next faults.
     */
    REWRITE_MOST = 64,
};

static struct {
    pthread_mutex_t lock;
    uintptr_t bases[SLOTS_MOST]; /* 0: free; written under the lock, read by signal handlers */
    uint32_t used;               /* slots ever used */
    struct pooled {
        uint8_t *base;
        uint64_t committed_bytes;
        uint64_t mapped_bytes, saved_id;
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

/* The pooled reservation that fits best: with that mapping, or else without one. */
static bool pool_take(uint64_t saved_id, struct pooled *out)
{
    pthread_mutex_lock(&space.lock);
    uint32_t n = space.npool, best = n;
    for (uint32_t i = n; i-- > 0;) {
        uint64_t id = space.pool[i].saved_id;
        if (id == saved_id || best == n || (id == 0 && space.pool[best].saved_id != saved_id)) {
            best = i;
        }
        if (id == saved_id) {
            break;
        }
    }
    if (n > 0) {
        *out = space.pool[best];
        space.pool[best] = space.pool[--space.npool];
    }
    pthread_mutex_unlock(&space.lock);
    return n > 0;
}

/* A reservation: without a mapping or with that of `saved_id`; what is committed is zero or as saved. */
static uint8_t *reservation_take(uint64_t saved_id, struct pooled *out)
{
    uint8_t *base;
    if (pool_take(saved_id, out)) {
        if (out->saved_id != 0 && out->saved_id != saved_id) {
            bool ok = os_memory_forget(out->base, out->committed_bytes);
            WEIR_ASSERT(ok);
            *out = (struct pooled){.base = out->base};
        }
        return out->base;
    }
    base = os_memory_reserve(RT_MEMORY_RESERVED);
    if (base == NULL) {
        return NULL;
    }
    *out = (struct pooled){.base = base};
    pthread_mutex_lock(&space.lock);
    bool ok = slot_replace(0, (uintptr_t)base);
    pthread_mutex_unlock(&space.lock);
    if (ok) {
        return base;
    }
    os_memory_release(base, RT_MEMORY_RESERVED);
    return NULL;
}

static void reservation_give(struct pooled r)
{
    if (r.committed_bytes > POOL_COMMITTED_MOST) {
        bool ok = os_memory_forget(r.base, r.committed_bytes);
        WEIR_ASSERT(ok);
        r = (struct pooled){.base = r.base};
    } else {
        os_memory_zero(r.base, r.committed_bytes);
    }
    pthread_mutex_lock(&space.lock);
    bool pooled = space.npool < POOL_MOST;
    if (pooled) {
        space.pool[space.npool++] = r;
    } else {
        bool ok = slot_replace((uintptr_t)r.base, 0);
        WEIR_ASSERT(ok);
    }
    pthread_mutex_unlock(&space.lock);
    if (!pooled) {
        os_memory_release(r.base, RT_MEMORY_RESERVED);
    }
}

static uint64_t page_round(uint64_t bytes)
{
    uint64_t page = os_page_bytes();
    return (bytes + page - 1) / page * page;
}

/* Put the saved contents into [0, saved->bytes) and make exactly that accessible.  `pooled`: nothing was
 * written since the reservation was given back, so a mapping of that file is as saved. */
static bool place_saved(struct rt_memory *m, const struct rt_saved_memory *saved, bool pooled)
{
    uint64_t bytes = page_round(saved->bytes);
    if (m->saved_id == saved->id) {
        if (!pooled) {
            os_memory_zero(m->base, m->mapped_bytes);
        }
    } else {
        if (!os_memory_forget(m->base, m->committed_bytes)) {
            return false;
        }
        m->committed_bytes = m->mapped_bytes = m->saved_id = 0;
        if (!os_memory_map_file(m->base, bytes, saved->file)) {
            return false;
        }
        m->mapped_bytes = m->committed_bytes = bytes;
        m->saved_id = saved->id;
    }
    if (m->committed_bytes > bytes) {
        os_memory_decommit(m->base + bytes, m->committed_bytes - bytes);
        m->committed_bytes = bytes;
    }
    return true;
}

/* Make exactly [0, want) of a reservation accessible. */
static bool set_committed(uint8_t *base, uint64_t committed, uint64_t want)
{
    if (committed > want) {
        os_memory_decommit(base + want, committed - want);
        return true;
    }
    return os_memory_commit(base + committed, want - committed);
}

weir_status rt_memory_new_saved(struct rt_memory *m, struct wasm_limits pages, uint64_t limit_bytes,
                                const struct rt_saved_memory *saved, struct weir_report *rep)
{
    uint64_t bytes = saved != NULL ? saved->bytes : (uint64_t)pages.min * WASM_PAGE_BYTES;
    uint64_t most = (uint64_t)WASM_MAX_PAGES * WASM_PAGE_BYTES;
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
    uint64_t want = page_round(bytes);
    struct pooled r;
    if (reservation_take(saved != NULL ? saved->id : 0, &r) == NULL) {
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "memory",
                               "no address space for a linear memory");
    }
    struct rt_memory made = {.base = r.base,
                             .bytes = bytes,
                             .limit_bytes = most,
                             .committed_bytes = r.committed_bytes,
                             .mapped_bytes = r.mapped_bytes,
                             .saved_id = r.saved_id,
                             .max_pages = pages.max,
                             .has_max = pages.has_max};
    bool ok;
    if (saved != NULL) {
        ok = place_saved(&made, saved, true);
    } else {
        ok = set_committed(made.base, made.committed_bytes, want);
        made.committed_bytes = ok ? want : made.committed_bytes;
    }
    if (!ok) {
        rt_memory_free(&made);
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "memory",
                               "the system gave no memory for %llu bytes", (unsigned long long)bytes);
    }
    *m = made;
    return WEIR_OK;
}

weir_status rt_memory_new(struct rt_memory *m, struct wasm_limits pages, uint64_t limit_bytes,
                          struct weir_report *rep)
{
    return rt_memory_new_saved(m, pages, limit_bytes, NULL, rep);
}

void rt_memory_free(struct rt_memory *m)
{
    if (m->base != NULL) {
        reservation_give((struct pooled){m->base, m->committed_bytes, m->mapped_bytes, m->saved_id});
    }
    m->base = NULL;
}

/* ---- saved memories ---------------------------------------------------------------------------- */

weir_status rt_memory_save(const struct rt_memory *m, struct rt_saved_memory *out, struct weir_report *rep)
{
    static uint64_t last_id;
    int file = os_memory_file(m->base, m->bytes);
    if (file < 0) {
        return weir_report_set(rep, WEIR_E_NOMEM, WEIR_NO_OFFSET, "memory",
                               "the system has no room to save a memory of %llu bytes",
                               (unsigned long long)m->bytes);
    }
    *out = (struct rt_saved_memory){
        .file = file, .bytes = m->bytes, .id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED)};
    if (m->bytes != 0 && m->bytes / os_page_bytes() <= OS_PRIVATE_PAGES_MOST) {
        out->view = os_memory_view(file, page_round(m->bytes));
    }
    return WEIR_OK;
}

/* Pooled reservations forget the file too, so that its memory goes. */
void rt_saved_memory_free(struct rt_saved_memory *saved)
{
    if (saved->id == 0) {
        return;
    }
    pthread_mutex_lock(&space.lock);
    for (uint32_t i = 0; i < space.npool; i++) {
        struct pooled *p = &space.pool[i];
        if (p->saved_id == saved->id) {
            bool ok = os_memory_forget(p->base, p->committed_bytes);
            WEIR_ASSERT(ok);
            *p = (struct pooled){.base = p->base};
        }
    }
    pthread_mutex_unlock(&space.lock);
    os_memory_file_close(saved->file);
    if (saved->view != NULL) {
        os_memory_release((void *)(uintptr_t)saved->view, page_round(saved->bytes));
    }
    saved->id = 0;
}

/* The memory did not grow: write the few pages that were written back as they were. */
static bool rewrite(struct rt_memory *m, const struct rt_saved_memory *saved)
{
    size_t page = os_page_bytes();
    uint16_t numbers[REWRITE_MOST];

    if (saved->view == NULL || m->saved_id != saved->id || m->bytes != saved->bytes ||
        m->committed_bytes != m->mapped_bytes) {
        return false;
    }
    int n = os_memory_private(m->base, m->mapped_bytes / page, numbers, REWRITE_MOST);
    for (int i = 0; i < n; i++) {
        memcpy(m->base + numbers[i] * page, saved->view + numbers[i] * page, page);
    }
    return n >= 0;
}

bool rt_memory_restore(struct rt_memory *m, const struct rt_saved_memory *saved)
{
    if (rewrite(m, saved)) {
        return true;
    }
    if (!place_saved(m, saved, false)) {
        return false;
    }
    m->bytes = saved->bytes;
    for (struct rt_instance *u = m->users; u != NULL; u = u->memory_user) {
        u->pub.memory_bytes = m->bytes;
    }
    return true;
}

uint32_t rt_memory_grow(struct rt_instance *inst, uint32_t memidx, uint32_t delta_pages)
{
    struct rt_memory *m = rt_memory_at(inst, memidx);
    uint32_t before = (uint32_t)(m->bytes / WASM_PAGE_BYTES);
    uint64_t bytes = m->bytes + (uint64_t)delta_pages * WASM_PAGE_BYTES;
    uint64_t more = bytes - m->bytes;
    if (bytes > m->limit_bytes || !rt_instance_may_hold(inst, more)) {
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
    inst->held_bytes += more;
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
