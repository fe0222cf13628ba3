/* base/vec.h - a growable array of any type, on the heap.
 *
 *     VEC(uint32_t) ids = {0};
 *     vec_push(&ids, 7);
 *     for (size_t i = 0; i < ids.len; i++) use(ids.at[i]);
 *     vec_fini(&ids);
 *
 * Elements move when it grows: keep indices, not pointers. */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>

#include "base/mem.h"

#define VEC(type)                                                                                            \
    struct {                                                                                                 \
        type *at;                                                                                            \
        size_t len, cap;                                                                                     \
    }

#define vec_reserve(v, n)                                                                                    \
    ((void)((n) > (v)->cap ? ((v)->at = vec_grow((v)->at, &(v)->cap, (n), sizeof *(v)->at), 0) : 0))
#define vec_push(v, x) (vec_reserve((v), (v)->len + 1), (void)((v)->at[(v)->len++] = (x)))
#define vec_pop(v) ((v)->at[--(v)->len])
#define vec_last(v) ((v)->at[(v)->len - 1])
#define vec_clear(v) ((void)((v)->len = 0))
#define vec_fini(v) (mem_free((v)->at), (void)((v)->at = NULL, (v)->len = (v)->cap = 0))

/* Room for at least `want` elements, doubling; for the macros above. */
void *vec_grow(void *at, size_t *cap, size_t want, size_t elem_bytes);

#endif
