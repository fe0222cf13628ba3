/* arena.c - memory that is freed all at once, and the callback's arena.
 *
 * The callback's arena serves everything a callback gets from the host: the module's exported "malloc"
 * allocates in it, and entering the next callback empties it.  Its first block is static; when a callback
 * needed more, the extra chunks are replaced by one block large enough for all of it, so a plugin that sees
 * similar requests stops calling the C library's allocator.  A block over WP_KEEP_MAX is not kept. */
#include <stdlib.h>

#include "internal.h"

enum { WP_ALIGN = 16, WP_CHUNK_MIN = 4096, WP_STATIC_BYTES = 8192, WP_KEEP_MAX = 256 * 1024 };

struct wp_chunk {
    struct wp_chunk *next;
    size_t size; /* of the payload, which starts WP_ALIGN bytes in */
};
_Static_assert(sizeof(struct wp_chunk) <= WP_ALIGN, "the payload is aligned");

/* In the arena itself, so that a mark knows which are newer. */
struct wp_arena_hook {
    struct wp_arena_hook *next;
    void (*fn)(void *data);
    void *data;
};

static _Alignas(WP_ALIGN) char static_block[WP_STATIC_BYTES];
static struct wp_arena callback_arena;
static char *kept_block; /* a heap block in the place of static_block, or NULL */
static size_t kept_bytes;

static void add_chunk(struct wp_arena *a, size_t need)
{
    size_t size = need > WP_CHUNK_MIN ? need : WP_CHUNK_MIN;
    struct wp_chunk *c = malloc(WP_ALIGN + size);
    if (!c) {
        __builtin_trap();
    }
    c->next = a->chunks;
    c->size = size;
    a->chunks = c;
    a->at = (char *)c + WP_ALIGN;
    a->end = a->at + size;
}

void *wp_arena_alloc(struct wp_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) {
        __builtin_trap();
    }
    size = ((size != 0 ? size : 1) + WP_ALIGN - 1) & ~(size_t)(WP_ALIGN - 1);
    if (size > (size_t)(a->end - a->at)) {
        add_chunk(a, size);
    }
    void *p = a->at;
    a->at += size;
    return p;
}

void *wp_arena_array(struct wp_arena *a, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / 2 / size) {
        __builtin_trap();
    }
    void *p = wp_arena_alloc(a, n * size);
    memset(p, 0, n * size);
    return p;
}

struct wp_str wp_arena_dup(struct wp_arena *a, struct wp_str s)
{
    char *p = wp_arena_alloc(a, s.len + 1);
    if (s.len != 0) {
        memcpy(p, s.at, s.len);
    }
    p[s.len] = '\0';
    return (struct wp_str){p, s.len};
}

/* Those newer than `last`. */
static void free_chunks(struct wp_arena *a, const struct wp_chunk *last)
{
    while (a->chunks != last) {
        struct wp_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

void wp_arena_on_free(struct wp_arena *a, void (*fn)(void *data), void *data)
{
    struct wp_arena_hook *hook = wp_arena_alloc(a, sizeof *hook);
    *hook = (struct wp_arena_hook){a->hooks, fn, data};
    a->hooks = hook;
}

/* Those newer than `last`.  It is off the list before it runs. */
static void run_hooks(struct wp_arena *a, const struct wp_arena_hook *last)
{
    while (a->hooks != last) {
        struct wp_arena_hook hook = *a->hooks;
        a->hooks = hook.next;
        hook.fn(hook.data);
    }
}

void wp_arena_free(struct wp_arena *a)
{
    run_hooks(a, NULL);
    free_chunks(a, NULL);
    a->at = a->end = NULL;
}

struct wp_mark wp_arena_mark(const struct wp_arena *a)
{
    return (struct wp_mark){a->chunks, a->at, a->end, a->hooks};
}

void wp_arena_rewind(struct wp_arena *a, struct wp_mark mark)
{
    run_hooks(a, mark.hooks);
    free_chunks(a, mark.chunks);
    a->at = mark.at;
    a->end = mark.end;
}

struct wp_arena *wp_callback_arena(void)
{
    return &callback_arena;
}

void wp_callback_arena_reset(void)
{
    struct wp_arena *a = &callback_arena;
    run_hooks(a, NULL);
    if (a->chunks) {
        size_t total = kept_block ? kept_bytes : sizeof static_block;
        for (struct wp_chunk *c = a->chunks; c; c = c->next) {
            total += c->size;
        }
        free_chunks(a, NULL);
        free(kept_block);
        kept_block = total <= WP_KEEP_MAX ? malloc(total) : NULL;
        kept_bytes = total;
    }
    a->at = kept_block ? kept_block : static_block;
    a->end = kept_block ? kept_block + kept_bytes : static_block + sizeof static_block;
}

/* The allocator hosts call for their results.  One byte more than asked for, so that every string of the host
 * is followed by a NUL. */
WP_EXPORT(malloc) void *wp_host_malloc(size_t size);
void *wp_host_malloc(size_t size)
{
    char *p = wp_arena_alloc(&callback_arena, size + 1);
    p[size] = '\0';
    return p;
}

/* The name the specification prefers. */
WP_EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(size_t size);
void *proxy_on_memory_allocate(size_t size)
{
    return wp_host_malloc(size);
}
