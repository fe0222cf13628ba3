/* util/mutex.h - RE2's locks, in the place of its own header: a guest has one thread, and wasm32-wasi no
 * locks. */
#ifndef UTIL_MUTEX_H_
#define UTIL_MUTEX_H_

namespace re2
{
struct Mutex {
    void Lock()
    {
    }
    void Unlock()
    {
    }
    void ReaderLock()
    {
    }
    void ReaderUnlock()
    {
    }
    void WriterLock()
    {
    }
    void WriterUnlock()
    {
    }
};

/* Destructors that do nothing keep unused variables from being warned about. */
struct MutexLock {
    explicit MutexLock(Mutex *)
    {
    }
    ~MutexLock()
    {
    }
};
using ReaderMutexLock = MutexLock;
using WriterMutexLock = MutexLock;
} // namespace re2

#endif
