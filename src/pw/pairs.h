/* pw/pairs.h - header maps as the guest sees them: serialised pairs.
 *
 * u32 count, then count times {u32 name bytes, u32 value bytes}, then count times {name, NUL, value, NUL};
 * all little-endian.  Decoding takes at most PW_PAIRS_MAX pairs in PW_PAIRS_MAX_BYTES bytes and wants every
 * NUL and an exact total. */
#ifndef PW_PAIRS_H
#define PW_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/pw_server.h"

enum { PW_PAIRS_MAX = 1024, PW_PAIRS_MAX_BYTES = 1 << 20 };

/* Decode into out[PW_PAIRS_MAX]; the entries point into the blob.  Returns their number, -1 if the
 * blob is malformed.  No bytes at all are no entries. */
int pw_pairs_decode(const void *blob, size_t bytes, struct pw_header *out);

/* Bytes that `n` pairs need whose names and values have `text_bytes` bytes altogether. */
static inline uint64_t pw_pairs_bytes(size_t n, uint64_t text_bytes)
{
    return 4 + (uint64_t)n * 10 + text_bytes;
}

/* Writes pairs one by one into a buffer of pw_pairs_bytes. */
struct pw_pairs_writer {
    uint8_t *sizes, *text, *end;
    uint32_t left; /* pairs still to come */
};

/* False: the buffer has no room for `n` pairs. */
bool pw_pairs_begin(struct pw_pairs_writer *w, void *buffer, size_t bytes, uint32_t n);
/* False: more pairs or more bytes than announced; nothing is written. */
bool pw_pairs_add(struct pw_pairs_writer *w, struct pw_header h);
/* Was all that was announced written, to the last byte? */
bool pw_pairs_complete(const struct pw_pairs_writer *w);

#endif
