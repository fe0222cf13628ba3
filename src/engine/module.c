/* engine/module.c - modules as the embedder sees them: decoded, validated, counted.
 *
 * A module owns a copy of its bytes, because the decoded form points into them.  What costs time and may not
 * be needed (the hash, the executors' forms) is made under the module's lock when first asked for. */
#include "engine/engine.h"

#include <string.h>

#include "aot/aot.h"
#include "base/mem.h"
#include "weir/image.h"

_Static_assert(sizeof(struct weir_functype) == sizeof(struct wasm_functype) &&
                   offsetof(struct weir_functype, results) == offsetof(struct wasm_functype, results) &&
                   offsetof(struct weir_functype, result_cells) ==
                       offsetof(struct wasm_functype, result_cells),
               "wasm_functype is the public weir_functype");
_Static_assert((int)WEIR_FEATURE_MULTI_MEMORY == (int)WASM_FEATURE_MULTI_MEMORY &&
                   (int)WEIR_FEATURES_ALL == (int)WASM_FEATURES_ALL,
               "features have the same bits");

static void copy_names(struct weir_module *m)
{
    const struct wasm_module *w = m->wasm;
    m->export_names = arena_alloc(&m->arena, w->nexports * sizeof(char *));
    m->import_modules = arena_alloc(&m->arena, w->nimports * sizeof(char *));
    m->import_names = arena_alloc(&m->arena, w->nimports * sizeof(char *));
    for (uint32_t i = 0; i < w->nexports; i++) {
        m->export_names[i] = arena_strndup(&m->arena, w->exports[i].name.at, w->exports[i].name.len);
    }
    for (uint32_t i = 0; i < w->nimports; i++) {
        m->import_modules[i] = arena_strndup(&m->arena, w->imports[i].module.at, w->imports[i].module.len);
        m->import_names[i] = arena_strndup(&m->arena, w->imports[i].name.at, w->imports[i].name.len);
    }
}

weir_status weir_module_new(const uint8_t *bytes, size_t len, uint32_t features, struct weir_module **out,
                            struct weir_report *rep)
{
    uint8_t *copy = mem_alloc(len);
    struct wasm_module *wasm = NULL;
    if (len != 0) {
        memcpy(copy, bytes, len);
    }
    weir_status st = wasm_module_decode(copy, len, features, &wasm, rep);
    if (st == WEIR_OK) {
        st = wasm_module_validate(wasm, rep);
    }
    if (st != WEIR_OK) {
        wasm_module_free(wasm);
        mem_free(copy);
        return st;
    }
    struct weir_module *m = mem_zalloc(sizeof *m);
    m->refs = 1;
    m->bytes = copy;
    m->len = len;
    m->wasm = wasm;
    arena_init(&m->arena);
    pthread_mutex_init(&m->lock, NULL);
    rt_module_init(&m->rt, wasm, m);
    copy_names(m);
    *out = m;
    return WEIR_OK;
}

void weir_module_ref(struct weir_module *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
}

void weir_module_unref(struct weir_module *m)
{
    if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    for (int t = 0; t < ENGINE_NTIERS; t++) {
        if (m->prepared[t] != NULL) {
            engine_executor(WEIR_TIER_INTERP + t)->module_free(m->prepared[t]);
        }
    }
    rt_module_fini(&m->rt);
    wasm_module_free(m->wasm);
    arena_fini(&m->arena);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->bytes);
    mem_free(m);
}

weir_status engine_module_prepare(struct weir_module *m, const struct rt_executor *ex, const void **out,
                                  struct weir_report *rep)
{
    void **prepared = &m->prepared[ex->tier - WEIR_TIER_INTERP];
    weir_status st = WEIR_OK;
    pthread_mutex_lock(&m->lock);
    if (*prepared == NULL) {
        st = ex->module_prepare(&m->rt, prepared, rep);
    }
    if (st == WEIR_OK) {
        *out = *prepared;
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

static const struct weir_functype *public_type(const struct weir_module *m, uint32_t funcidx)
{
    return (const struct weir_functype *)wasm_func_type(m->wasm, funcidx);
}

bool weir_module_export(const struct weir_module *m, size_t i, struct weir_export *out)
{
    if (i >= m->wasm->nexports) {
        return false;
    }
    const struct wasm_export *e = &m->wasm->exports[i];
    *out = (struct weir_export){
        .name = m->export_names[i],
        .name_len = e->name.len,
        .kind = (enum weir_externkind)e->kind,
        .type = e->kind == WASM_EXTERN_FUNC ? public_type(m, e->index) : NULL,
    };
    return true;
}

bool weir_module_import(const struct weir_module *m, size_t i, struct weir_import *out)
{
    if (i >= m->wasm->nimports) {
        return false;
    }
    const struct wasm_import *im = &m->wasm->imports[i];
    *out = (struct weir_import){
        .module = m->import_modules[i],
        .name = m->import_names[i],
        .module_len = im->module.len,
        .name_len = im->name.len,
        .kind = (enum weir_externkind)im->kind,
        .type = im->kind == WASM_EXTERN_FUNC ? public_type(m, im->index) : NULL,
    };
    return true;
}

const uint8_t *weir_module_custom_section(const struct weir_module *m, const char *name, size_t *len)
{
    const struct wasm_custom *c = wasm_module_find_custom(m->wasm, str_of(name));
    if (c == NULL) {
        return NULL;
    }
    *len = c->len;
    return c->at;
}

const uint8_t *weir_module_sha256(const struct weir_module *m)
{
    struct weir_module *own = (struct weir_module *)(uintptr_t)m;
    pthread_mutex_lock(&own->lock);
    if (!own->has_sha256) {
        hash_sha256_of(m->bytes, m->len, own->sha256);
    }
    own->has_sha256 = true;
    pthread_mutex_unlock(&own->lock);
    return m->sha256;
}

const uint8_t *weir_module_bytes(const struct weir_module *m, size_t *len)
{
    *len = m->len;
    return m->bytes;
}

/* ---- native images ------------------------------------------------------------------------------- */

bool weir_module_has_image(const struct weir_module *m)
{
    return __atomic_load_n(&m->prepared[WEIR_TIER_AOT - WEIR_TIER_INTERP], __ATOMIC_ACQUIRE) != NULL;
}

/* Keep `image` unless there is one already. */
static void keep_image(struct weir_module *m, struct aot_image *image)
{
    void **slot = &m->prepared[WEIR_TIER_AOT - WEIR_TIER_INTERP];
    pthread_mutex_lock(&m->lock);
    bool take = *slot == NULL;
    if (take) {
        __atomic_store_n(slot, image, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&m->lock);
    if (!take) {
        aot_image_unmap(image);
    }
}

weir_status weir_module_load_image(struct weir_module *m, const char *path, struct weir_report *rep)
{
    struct aot_image *image;
    if (weir_module_has_image(m)) {
        return WEIR_OK;
    }
    weir_status st = aot_image_map(path, m->wasm, weir_module_sha256(m), &image, rep);
    if (st == WEIR_OK) {
        keep_image(m, image);
    }
    return st;
}

/* The image was made from the bytes before its section, which is the last. */
weir_status weir_module_load_own_image(struct weir_module *m, struct weir_report *rep)
{
    const struct wasm_custom *c = wasm_module_find_custom(m->wasm, STR(WEIR_IMAGE_SECTION));
    if (c == NULL) {
        return weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "image", "the module carries no image");
    }
    if (weir_module_has_image(m)) {
        return WEIR_OK;
    }
    size_t name = 1 + sizeof WEIR_IMAGE_SECTION - 1, size_len = 1;
    for (uint64_t n = name + c->len; n >= 0x80; n >>= 7) {
        size_len++;
    }
    size_t before = (size_t)(c->at - m->bytes), header = 1 + size_len + name;
    if (c->at + c->len != m->bytes + m->len || before < header || m->bytes[before - header] != 0) {
        return weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "image",
                               "the image is not the module's last section");
    }
    uint8_t sha[HASH_SHA256_BYTES];
    struct aot_image *image;
    hash_sha256_of(m->bytes, before - header, sha);
    weir_status st = aot_image_map_bytes(c->at, c->len, m->wasm, sha, &image, rep);
    if (st == WEIR_OK) {
        keep_image(m, image);
    }
    return st;
}

const char *weir_image_key(void)
{
    return aot_image_key();
}
