/* base/mem.h - heap memory for bookkeeping.
 *
 * These never return NULL: when the system has no memory for bookkeeping the
 * process says so and aborts (docs/adr/0003).  A size that a client, a guest or a file chooses
 * is checked against a limit before it gets here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t bytes);                       /* uninitialised; bytes may be 0 */
void *mem_zalloc(size_t bytes);                      /* zeroed */
void *mem_zalloc_array(size_t n, size_t elem_bytes); /* zeroed; overflow aborts */
void *mem_realloc(void *p, size_t bytes);
char *mem_strndup(const char *s, size_t len); /* adds the NUL */
void mem_free(void *p);                       /* NULL is fine */

/* Our own bug: an assertion that stays on in release builds. */
#define WEIR_ASSERT(cond) ((cond) ? (void)0 : mem_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void mem_assert_failed(const char *what, const char *file, int line);

#endif
