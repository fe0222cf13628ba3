/* context.c - from the host's context numbers to the plugin's structs.
 *
 * An open-addressing table from id to struct, at most half full.  Stream structs come from slabs and go
 * back to a free list, so a request costs no malloc; root structs are few and come from the heap.  A number
 * the host never announced is the host's bug and traps, as guessing would let a request through. */
#include <stdlib.h>

#include "internal.h"

enum { WP_SLAB_STREAMS = 32, WP_TABLE_MIN = 16 };

struct entry {
    uint32_t id; /* 0: free */
    bool is_root;
    void *context; /* begins with struct wp_root or struct wp_stream */
};

static struct entry *table;
static uint32_t table_mask, table_used;

struct free_stream {
    struct free_stream *next;
};
static struct free_stream *free_streams;

static uint32_t slot_of(uint32_t id)
{
    return (id * 0x9e3779b1u) >> 7 & table_mask;
}

static struct entry *find(uint32_t id)
{
    if (!table || id == 0) {
        return NULL;
    }
    for (uint32_t i = slot_of(id);; i = (i + 1) & table_mask) {
        if (table[i].id == id) {
            return &table[i];
        }
        if (table[i].id == 0) {
            return NULL;
        }
    }
}

static void insert(struct entry e)
{
    uint32_t i = slot_of(e.id);
    while (table[i].id != 0) {
        i = (i + 1) & table_mask;
    }
    table[i] = e;
}

static void grow(void)
{
    struct entry *old = table;
    uint32_t old_slots = old ? table_mask + 1 : 0;
    uint32_t slots = old ? old_slots * 2 : WP_TABLE_MIN;
    table = calloc(slots, sizeof *table);
    if (!table) {
        __builtin_trap();
    }
    table_mask = slots - 1;
    for (uint32_t i = 0; i < old_slots; i++) {
        if (old[i].id != 0) {
            insert(old[i]);
        }
    }
    free(old);
}

/* Linear probing without tombstones: entries that could stand nearer to their slot move up. */
static void erase(struct entry *e)
{
    uint32_t hole = (uint32_t)(e - table);
    for (uint32_t i = hole;;) {
        i = (i + 1) & table_mask;
        if (table[i].id == 0) {
            break;
        }
        uint32_t home = slot_of(table[i].id);
        if (((i - home) & table_mask) >= ((i - hole) & table_mask)) {
            table[hole] = table[i];
            hole = i;
        }
    }
    table[hole].id = 0;
    table_used--;
}

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

WP_EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t id, uint32_t parent_id);
void proxy_on_context_create(uint32_t id, uint32_t parent_id)
{
    enter();
    if (find(id)) { /* hosts may announce a root again when it gets a new configuration */
        return;
    }
    if (!table || (table_used + 1) * 2 > table_mask) {
        grow();
    }
    struct entry e = {.id = id, .is_root = parent_id == 0};
    if (e.is_root) {
        struct wp_root *root = calloc(1, wp_plugin_sizes.root_bytes);
        if (!root) {
            __builtin_trap();
        }
        root->id = id;
        e.context = root;
    } else {
        struct entry *parent = find(parent_id);
        if (!parent || !parent->is_root) {
            __builtin_trap();
        }
        struct wp_stream *s = stream_take();
        s->id = id;
        s->root = parent->context;
        e.context = s;
    }
    insert(e);
    table_used++;
}

WP_EXPORT(proxy_on_delete) void proxy_on_delete(uint32_t id);
void proxy_on_delete(uint32_t id)
{
    enter();
    struct entry *e = find(id);
    if (!e) {
        return;
    }
    if (e->is_root) {
        free(e->context);
    } else {
        struct free_stream *f = e->context;
        f->next = free_streams;
        free_streams = f;
    }
    erase(e);
}

struct wp_root *wp_root_enter(uint32_t id)
{
    enter();
    struct entry *e = find(id);
    if (!e || !e->is_root) {
        __builtin_trap();
    }
    return e->context;
}

struct wp_stream *wp_stream_enter(uint32_t id)
{
    enter();
    struct entry *e = find(id);
    if (!e || e->is_root) {
        __builtin_trap();
    }
    return e->context;
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
