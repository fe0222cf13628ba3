/* random.c - random bytes, of WASI in a guest and of the kernel in a native build. */
#define _GNU_SOURCE /* getentropy */
#include <unistd.h>

#ifndef __wasm__
#include <sys/random.h>
#endif

#include "weir_crypto.h"

enum { GETENTROPY_MAX = 256 };

void wp_random(void *dst, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t part = n - done < GETENTROPY_MAX ? n - done : GETENTROPY_MAX;
        if (getentropy((char *)dst + done, part) != 0) {
            __builtin_trap();
        }
        done += part;
    }
}
