/* base/mem.c - heap memory that is there or the process is not. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void mem_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "weir: bug: %s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

static void *checked(void *p, size_t bytes)
{
    if (p == NULL && bytes != 0) {
        fprintf(stderr, "weir: out of memory (%zu bytes asked)\n", bytes);
        abort();
    }
    return p;
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes), bytes);
}

void *mem_zalloc(size_t bytes)
{
    return checked(calloc(1, bytes), bytes);
}

void *mem_zalloc_array(size_t n, size_t elem_bytes)
{
    return checked(calloc(n, elem_bytes), n == 0 || elem_bytes == 0 ? 0 : n);
}

void *mem_realloc(void *p, size_t bytes)
{
    return checked(realloc(p, bytes), bytes);
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len != 0) {
        memcpy(copy, s, len);
    }
    copy[len] = '\0';
    return copy;
}

void mem_free(void *p)
{
    free(p);
}
