/* base/leb.c - LEB128 with the spec's limits: no more than ceil(bits/7) bytes, and the
 * unused bits of the last byte are zero (unsigned) or copies of the sign (signed). */
#include "base/leb.h"

#include <stdbool.h>
#include <stddef.h>

static const uint8_t *read_unsigned(const uint8_t *p, const uint8_t *end, unsigned bits, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (p == end) {
            return NULL;
        }
        uint8_t byte = *p++;
        unsigned left = bits - shift;
        if (left < 7 && (byte & 0x7f) >> left != 0) {
            return NULL;
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

static const uint8_t *read_signed(const uint8_t *p, const uint8_t *end, unsigned bits, int64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (p == end) {
            return NULL;
        }
        uint8_t byte = *p++;
        unsigned left = bits - shift;
        if (left < 7) {
            unsigned unused = (unsigned)(byte & 0x7f) >> (left - 1); /* sign bit and above */
            if (unused != 0 && unused != 0x7fu >> (left - 1)) {
                return NULL;
            }
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (shift + 7 < 64 && (byte & 0x40) != 0) {
                v |= ~(uint64_t)0 << (shift + 7);
            }
            *out = (int64_t)v;
            return p;
        }
    }
    return NULL;
}

const uint8_t *leb_u32(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
    uint64_t v;
    if (p != end && *p < 0x80) { /* one byte: nearly always */
        *out = *p;
        return p + 1;
    }
    p = read_unsigned(p, end, 32, &v);
    if (p != NULL) {
        *out = (uint32_t)v;
    }
    return p;
}

const uint8_t *leb_u64(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    return read_unsigned(p, end, 64, out);
}

const uint8_t *leb_s32(const uint8_t *p, const uint8_t *end, int32_t *out)
{
    int64_t v;
    p = read_signed(p, end, 32, &v);
    if (p != NULL) {
        *out = (int32_t)v;
    }
    return p;
}

const uint8_t *leb_s33(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    return read_signed(p, end, 33, out);
}

const uint8_t *leb_s64(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    return read_signed(p, end, 64, out);
}

const char *leb_error(const uint8_t *p, const uint8_t *end, unsigned bits)
{
    unsigned max = (bits + 6) / 7;
    for (unsigned i = 0; i < max; i++) {
        if (p + i == end) {
            return "unexpected end";
        }
        if ((p[i] & 0x80) == 0) {
            return "integer too large";
        }
    }
    return "integer representation too long";
}
