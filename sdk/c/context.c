/* context.c - from the host's context numbers to the plugin's structs.
 *
 * Stream structs come from slabs and go back to a free list, so a request costs no malloc; root structs are
 * few and come from the heap.  A number the host never announced is the host's bug and traps, as guessing
 * would let a request through. */
#include <stdlib.h>

#include "idmap.h"
#include "internal.h"

enum { WP_SLAB_STREAMS = 32 };
enum { KIND_ROOT = 1, KIND_STREAM = 2 };

static struct wp_idmap contexts; /* a value begins with struct wp_root or struct wp_stream */

struct free_stream {
    struct free_stream *next;
};
static struct free_stream *free_streams;

void (*wp_context_gone)(const struct wp_root *root, const struct wp_stream *stream);

static size_t stream_bytes(void)
{
    return (wp_plugin_sizes.stream_bytes + 15) & ~(size_t)15;
}

static struct wp_stream *stream_take(void)
{
    if (!free_streams) {
        char *slab = malloc(WP_SLAB_STREAMS * stream_bytes());
        if (!slab) {
            __builtin_trap();
        }
        for (size_t i = WP_SLAB_STREAMS; i-- > 0;) {
            struct free_stream *f = (struct free_stream *)(void *)(slab + i * stream_bytes());
            f->next = free_streams;
            free_streams = f;
        }
    }
    struct free_stream *f = free_streams;
    free_streams = f->next;
    memset(f, 0, stream_bytes());
    return (struct wp_stream *)(void *)f;
}

static void enter(void)
{
    wp_callback_arena_reset();
    wp_log_level_forget();
}

static struct wp_root *root_new(uint32_t id)
{
    struct wp_root *root = calloc(1, wp_plugin_sizes.root_bytes);
    if (!root) {
        __builtin_trap();
    }
    root->id = id;
    return root;
}

static struct wp_stream *stream_new(uint32_t id, uint32_t root_id)
{
    struct wp_idmap_entry *parent = wp_idmap_find(&contexts, root_id);
    if (!parent || parent->kind != KIND_ROOT) {
        __builtin_trap();
    }
    struct wp_root *root = parent->value;
    struct wp_stream *s = stream_take();
    s->id = id;
    s->root = root;
    return s;
}

WP_EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t id, uint32_t parent_id);
void proxy_on_context_create(uint32_t id, uint32_t parent_id)
{
    enter();
    if (wp_idmap_find(&contexts, id)) { /* hosts may announce a root again when it gets a new configuration */
        return;
    }
    bool is_root = parent_id == 0;
    void *value = is_root ? (void *)root_new(id) : (void *)stream_new(id, parent_id);
    wp_idmap_insert(&contexts, id, is_root ? KIND_ROOT : KIND_STREAM, value);
}

static void forget_calls(const struct wp_root *root, const struct wp_stream *stream, uint32_t calls)
{
    if (calls != 0) {
        wp_context_gone(root, stream);
    }
}

/* For plugins without WP_ON_DELETE. */
__attribute__((weak)) void wp_root_deleted(struct wp_root *root)
{
    (void)root;
}

WP_EXPORT(proxy_on_delete) void proxy_on_delete(uint32_t id);
void proxy_on_delete(uint32_t id)
{
    enter();
    struct wp_idmap_entry *e = wp_idmap_find(&contexts, id);
    if (!e) {
        return;
    }
    if (e->kind == KIND_ROOT) {
        struct wp_root *root = e->value;
        forget_calls(root, NULL, root->calls);
        wp_root_deleted(root);
        free(root);
    } else {
        struct wp_stream *s = e->value;
        forget_calls(s->root, s, s->calls);
        struct free_stream *f = e->value;
        f->next = free_streams;
        free_streams = f;
    }
    wp_idmap_erase(&contexts, e);
}

static void *enter_context(uint32_t id, uint32_t kind)
{
    enter();
    struct wp_idmap_entry *e = wp_idmap_find(&contexts, id);
    if (!e || e->kind != kind) {
        __builtin_trap();
    }
    return e->value;
}

struct wp_root *wp_root_enter(uint32_t id)
{
    return enter_context(id, KIND_ROOT);
}

struct wp_stream *wp_stream_enter(uint32_t id)
{
    return enter_context(id, KIND_STREAM);
}

bool wp_config_read(enum wp_buffer buffer, size_t size, struct wp_str *config)
{
    *config = (struct wp_str){"", 0};
    if (size == 0) {
        return true;
    }
    if (wp_buffer_get(buffer, 0, size, config) && config->len == size) {
        return true;
    }
    wp_error("the host announced a configuration of %zu bytes and gave %zu", size, config->len);
    return false;
}
