/* base/leb.h - LEB128 integers, as WebAssembly writes them (core spec 5.2.2).
 *
 * Each reader looks at [p, end), stores the value and returns the position after it,
 * or NULL: leb_error tells which way it was malformed. */
#ifndef BASE_LEB_H
#define BASE_LEB_H

#include <stdint.h>

const uint8_t *leb_u32(const uint8_t *p, const uint8_t *end, uint32_t *out);
const uint8_t *leb_u64(const uint8_t *p, const uint8_t *end, uint64_t *out);
const uint8_t *leb_s32(const uint8_t *p, const uint8_t *end, int32_t *out);
const uint8_t *leb_s33(const uint8_t *p, const uint8_t *end, int64_t *out);
const uint8_t *leb_s64(const uint8_t *p, const uint8_t *end, int64_t *out);

/* Why the integer of `bits` bits at `p` was refused: "unexpected end",
 * "integer representation too long" or "integer too large"; static. */
const char *leb_error(const uint8_t *p, const uint8_t *end, unsigned bits);

#endif
