/* os/memory.c - address space from mmap: reserved without access, committed by mprotect. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/os.h"

size_t os_page_bytes(void)
{
    static size_t bytes; /* every thread writes the same value */
    size_t b = __atomic_load_n(&bytes, __ATOMIC_RELAXED);
    if (b == 0) {
        b = (size_t)sysconf(_SC_PAGESIZE);
        __atomic_store_n(&bytes, b, __ATOMIC_RELAXED);
    }
    return b;
}

void *os_memory_reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void os_memory_release(void *at, size_t bytes)
{
    int rc = munmap(at, bytes);
    WEIR_ASSERT(rc == 0);
}

bool os_memory_commit(void *at, size_t bytes)
{
    return bytes == 0 || mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
}

void os_memory_decommit(void *at, size_t bytes)
{
    if (bytes == 0) {
        return;
    }
    os_memory_zero(at, bytes);
    int rc = mprotect(at, bytes, PROT_NONE);
    WEIR_ASSERT(rc == 0);
}

void os_memory_zero(void *at, size_t bytes)
{
    if (bytes == 0) {
        return;
    }
    int rc = madvise(at, bytes, MADV_DONTNEED);
    WEIR_ASSERT(rc == 0);
}
