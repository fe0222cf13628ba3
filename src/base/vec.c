/* base/vec.c - the growth rule of every vector. */
#include "base/vec.h"

#include <stdint.h>

void *vec_grow(void *at, size_t *cap, size_t want, size_t elem_bytes)
{
    size_t n = *cap < 8 ? 8 : *cap;
    while (n < want) {
        WEIR_ASSERT(n <= SIZE_MAX / 4);
        n *= 2;
    }
    WEIR_ASSERT(n <= SIZE_MAX / 2 / elem_bytes);
    *cap = n;
    return mem_realloc(at, n * elem_bytes);
}
