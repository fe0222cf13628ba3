/* What every kernel includes.  A kernel exports `run`, which does a fixed amount of work (about 0.1 s
 * natively) and returns a checksum that must be the same everywhere. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __wasm__
#define KERNEL __attribute__((export_name("run")))
#else
#define KERNEL
#endif

uint32_t run(void);

#endif
