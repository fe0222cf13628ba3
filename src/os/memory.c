/* os/memory.c - address space from mmap: reserved without access, committed by mprotect; files in memory
 * mapped over it. */
#include <string.h>
#include <fcntl.h>
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

bool os_memory_forget(void *at, size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return bytes == 0 || mmap(at, bytes, PROT_NONE, flags, -1, 0) != MAP_FAILED;
}

static bool is_zero(const char *at, size_t len)
{
    return at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

static bool write_all(int file, const char *at, size_t len, size_t offset)
{
    while (len != 0) {
        ssize_t n = pwrite(file, at, len, (off_t)offset);
        if (n <= 0) {
            return false;
        }
        at += n, len -= (size_t)n, offset += (size_t)n;
    }
    return true;
}

int os_memory_file(const void *bytes, size_t len)
{
    int file = memfd_create("weir-snapshot", MFD_CLOEXEC);
    bool ok = file >= 0 && ftruncate(file, (off_t)len) == 0;
    size_t page = os_page_bytes();
    for (size_t at = 0; ok && at < len; at += page) {
        size_t n = len - at < page ? len - at : page;
        const char *p = (const char *)bytes + at;
        ok = is_zero(p, n) || write_all(file, p, n, at);
    }
    if (!ok && file >= 0) {
        close(file);
    }
    return ok ? file : -1;
}

void os_memory_file_close(int file)
{
    close(file);
}

bool os_memory_map_file(void *at, size_t bytes, int file)
{
    int flags = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED;
    return bytes == 0 || mmap(at, bytes, PROT_READ | PROT_WRITE, flags, file, 0) != MAP_FAILED;
}

const void *os_memory_view(int file, size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* /proc/self/pagemap of this process: what a parent opened shows the parent's memory. */
static int pagemap(void)
{
    static int file = -1;
    static pid_t owner;
    pid_t self = getpid();

    if (owner != self) {
        if (file >= 0) {
            close(file);
        }
        file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        owner = self;
    }
    return file;
}

int os_memory_private(const void *at, size_t pages, uint16_t *numbers, size_t most)
{
    static const uint64_t PRESENT = UINT64_C(1) << 63, SWAPPED = UINT64_C(1) << 62,
                          OF_FILE = UINT64_C(1) << 61;
    uint64_t entries[OS_PRIVATE_PAGES_MOST];
    off_t where = (off_t)((uintptr_t)at / os_page_bytes() * sizeof *entries);
    ssize_t bytes = (ssize_t)(pages * sizeof *entries);
    size_t n = 0;

    if (pages > OS_PRIVATE_PAGES_MOST || pread(pagemap(), entries, (size_t)bytes, where) != bytes) {
        return -1;
    }
    for (size_t i = 0; i < pages; i++) {
        if ((entries[i] & (PRESENT | SWAPPED)) != 0 && (entries[i] & OF_FILE) == 0) {
            if (n == most) {
                return -1;
            }
            numbers[n++] = (uint16_t)i;
        }
    }
    return (int)n;
}
