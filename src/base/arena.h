/* base/arena.h - memory that is freed all at once.
 *
 * A module, a generation and a stream each own one arena; whatever hangs off them lives
 * in it.  Not thread-safe.  Allocation never fails (base/mem.h). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block first */
    char *next, *end;         /* free room in the newest block */
    size_t bytes;             /* handed out so far, for statistics */
    size_t block_bytes;       /* of a new block; 0: the usual */
};

void arena_init(struct arena *a);
void arena_init_small(struct arena *a); /* for one of many, which hold little */
void arena_fini(struct arena *a);       /* frees everything; the arena may be used again */
void arena_reset(struct arena *a);      /* the same, but keeps a block for the next use */

void *arena_alloc(struct arena *a, size_t bytes);                       /* uninitialised, 16-byte aligned */
void *arena_zalloc(struct arena *a, size_t bytes);                      /* zeroed */
void *arena_zalloc_array(struct arena *a, size_t n, size_t elem_bytes); /* overflow aborts */
char *arena_strndup(struct arena *a, const char *s, size_t len);        /* adds the NUL */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc_array((a), (n), sizeof(type)))

#endif
