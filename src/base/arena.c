/* base/arena.c - a chain of blocks, bumped. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 16384, SMALL_BLOCK_BYTES = 1008, ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t bytes;
};

_Static_assert(sizeof(struct arena_block) % ALIGN == 0, "blocks keep the alignment");

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_init_small(struct arena *a)
{
    *a = (struct arena){.block_bytes = SMALL_BLOCK_BYTES};
}

void arena_fini(struct arena *a)
{
    struct arena_block *b = a->head;
    while (b != NULL) {
        struct arena_block *older = b->older;
        mem_free(b);
        b = older;
    }
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->head;

    if (kept == NULL || kept->bytes != BLOCK_BYTES) {
        arena_fini(a);
        return;
    }
    struct arena_block *b = kept->older;
    while (b != NULL) {
        struct arena_block *older = b->older;
        mem_free(b);
        b = older;
    }
    kept->older = NULL;
    a->next = (char *)(kept + 1);
    a->end = a->next + BLOCK_BYTES;
    a->bytes = 0;
}

/* A block for at least `bytes`; a large one is its own block and does not end the current one. */
static void *grow(struct arena *a, size_t bytes)
{
    size_t usual = a->block_bytes == 0 ? BLOCK_BYTES : a->block_bytes;
    int large = bytes > usual / 4;
    size_t room = large ? bytes : usual;
    struct arena_block *b = mem_alloc(sizeof *b + room);
    char *start = (char *)(b + 1);

    b->bytes = room;
    if (large && a->head != NULL) {
        b->older = a->head->older;
        a->head->older = b;
        return start;
    }
    b->older = a->head;
    a->head = b;
    a->next = start + bytes;
    a->end = start + room;
    return start;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    WEIR_ASSERT(bytes <= SIZE_MAX / 2);
    size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    a->bytes += need;
    if (a->head == NULL || need > (size_t)(a->end - a->next)) {
        return grow(a, need);
    }
    void *p = a->next;
    a->next += need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *p = arena_alloc(a, bytes);
    if (bytes != 0) {
        memset(p, 0, bytes);
    }
    return p;
}

void *arena_zalloc_array(struct arena *a, size_t n, size_t elem_bytes)
{
    WEIR_ASSERT(elem_bytes == 0 || n <= SIZE_MAX / 2 / elem_bytes);
    return arena_zalloc(a, n * elem_bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len != 0) {
        memcpy(copy, s, len);
    }
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    WEIR_ASSERT(len >= 0);

    char *s = arena_alloc(a, (size_t)len + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return s;
}
