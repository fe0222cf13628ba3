/* rt/module.c - what instances of a module share: layout, function slots, type ids, names. */
#include <pthread.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "rt/rt.h"

/* ---- type ids: every distinct function type of this process, for good --------------------- */

struct interned {
    struct wasm_functype type; /* arrays owned */
    uint64_t hash;
};

static struct {
    pthread_mutex_t lock;
    VEC(struct interned) types;
    uint32_t *buckets; /* index into types + 1; 0 is empty */
    uint32_t nbuckets; /* a power of two, more than twice the types */
} interner = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void interner_grow(void)
{
    uint32_t n = interner.nbuckets == 0 ? 256 : interner.nbuckets * 2;
    mem_free(interner.buckets);
    interner.buckets = mem_zalloc_array(n, sizeof(uint32_t));
    interner.nbuckets = n;
    for (uint32_t i = 0; i < interner.types.len; i++) {
        uint32_t b = (uint32_t)interner.types.at[i].hash & (n - 1);
        while (interner.buckets[b] != 0) {
            b = (b + 1) & (n - 1);
        }
        interner.buckets[b] = i + 1;
    }
}

static const uint8_t *copy_bytes(const uint8_t *at, uint32_t n)
{
    uint8_t *p = mem_alloc(n);
    if (n != 0) {
        memcpy(p, at, n);
    }
    return p;
}

static bool same_type(const struct wasm_functype *a, const struct wasm_functype *b)
{
    return a->nparams == b->nparams && a->nresults == b->nresults &&
           (a->nparams == 0 || memcmp(a->params, b->params, a->nparams) == 0) &&
           (a->nresults == 0 || memcmp(a->results, b->results, a->nresults) == 0);
}

static uint32_t intern_locked(const struct wasm_functype *t, uint64_t hash)
{
    if (2 * (interner.types.len + 1) > interner.nbuckets) {
        interner_grow();
    }
    uint32_t b = (uint32_t)hash & (interner.nbuckets - 1);
    for (; interner.buckets[b] != 0; b = (b + 1) & (interner.nbuckets - 1)) {
        const struct interned *i = &interner.types.at[interner.buckets[b] - 1];
        if (i->hash == hash && same_type(&i->type, t)) {
            return interner.buckets[b];
        }
    }
    struct wasm_functype own = *t;
    own.params = copy_bytes(t->params, t->nparams);
    own.results = copy_bytes(t->results, t->nresults);
    vec_push(&interner.types, ((struct interned){own, hash}));
    interner.buckets[b] = (uint32_t)interner.types.len;
    return interner.buckets[b];
}

uint32_t rt_type_id(const struct wasm_functype *t)
{
    uint64_t hash = hash_bytes(t->params, t->nparams, t->nresults);
    hash = hash_bytes(t->results, t->nresults, hash);
    pthread_mutex_lock(&interner.lock);
    uint32_t id = intern_locked(t, hash);
    pthread_mutex_unlock(&interner.lock);
    return id;
}

/* ---- modules -------------------------------------------------------------------------------- */

void rt_module_init(struct rt_module *m, const struct wasm_module *wasm, struct weir_module *pub)
{
    *m = (struct rt_module){.wasm = wasm, .pub = pub};
    m->type_ids = mem_zalloc_array(wasm->ntypes, sizeof(uint32_t));
    for (uint32_t i = 0; i < wasm->ntypes; i++) {
        m->type_ids[i] = rt_type_id(&wasm->types[i]);
    }

    m->func_slots = mem_zalloc_array(wasm->nfuncs, sizeof(uint32_t));
    m->slot_funcs = mem_zalloc_array(wasm->nfuncs, sizeof(uint32_t));
    for (uint32_t i = 0; i < wasm->nfuncs; i++) {
        bool slot =
            wasm->funcs[i].imported || wasm->funcs[i].referenced || (wasm->has_start && wasm->start == i);
        m->func_slots[i] = slot ? m->nfunc_slots : RT_NO_SLOT;
        if (slot) {
            m->slot_funcs[m->nfunc_slots++] = i;
        }
    }
    m->layout =
        weir_vm_layout_of(wasm->nglobals, wasm->ntables, wasm->nmemories, wasm->ntypes, m->nfunc_slots);
    m->names = mem_zalloc_array(wasm->nfuncs, sizeof *m->names);
}

void rt_module_fini(struct rt_module *m)
{
    for (uint32_t i = 0; i < m->wasm->nfuncs; i++) {
        mem_free(m->names[i]);
    }
    mem_free(m->names);
    mem_free(m->type_ids);
    mem_free(m->func_slots);
    mem_free(m->slot_funcs);
}

const char *rt_module_func_name(const struct rt_module *m, uint32_t funcidx)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (funcidx >= m->wasm->nfuncs) {
        return NULL;
    }
    pthread_mutex_lock(&lock);
    if (m->names[funcidx] == NULL) {
        struct str s = wasm_func_name(m->wasm, funcidx);
        if (s.len != 0) {
            m->names[funcidx] = mem_strndup(s.at, s.len);
        }
    }
    const char *name = m->names[funcidx];
    pthread_mutex_unlock(&lock);
    return name;
}
