/* base/bytes.h - little-endian loads and stores at any alignment. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weir runs on little-endian machines");

static inline uint16_t bytes_get_u16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint32_t bytes_get_u32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint64_t bytes_get_u64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline void bytes_put_u16(void *at, uint16_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void bytes_put_u32(void *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void bytes_put_u64(void *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

#endif
