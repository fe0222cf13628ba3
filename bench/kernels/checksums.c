/* Checksums and hashes of buffers: CRC-32 by table, FNV-1a of 64 bits, MurmurHash3's 32- and 64-bit mixing.
 */
#include "kernel.h"

enum { BYTES = 1 << 15 };

static uint32_t table[256];
static uint8_t buffer[BYTES];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        }
        table[i] = c;
    }
}

static uint32_t crc32(const uint8_t *at, size_t n)
{
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c = table[(c ^ at[i]) & 255] ^ c >> 8;
    }
    return ~c;
}

static uint64_t fnv1a(const uint8_t *at, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ at[i]) * 0x100000001b3u;
    }
    return h;
}

static uint32_t murmur32(const uint8_t *at, size_t n, uint32_t h)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t k;
        memcpy(&k, at + i, 4);
        k *= 0xcc9e2d51u;
        k = k << 15 | k >> 17;
        k *= 0x1b873593u;
        h ^= k;
        h = h << 13 | h >> 19;
        h = h * 5 + 0xe6546b64u;
    }
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static uint64_t mix64(const uint8_t *at, size_t n, uint64_t h)
{
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t k;
        memcpy(&k, at + i, 8);
        k *= 0x87c37b91114253d5u;
        k = k << 31 | k >> 33;
        k *= 0x4cf5ad432745937fu;
        h ^= k;
        h = h << 27 | h >> 37;
        h = h * 5 + 0x52dce729;
    }
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

KERNEL uint32_t run(void)
{
    uint32_t x = 1, sum = 0;
    make_table();
    for (int i = 0; i < BYTES; i++) {
        x = x * 1664525u + 1013904223u;
        buffer[i] = (uint8_t)(x >> 24);
    }
    for (uint32_t i = 0; i < 700; i++) {
        buffer[i] ^= (uint8_t)sum;
        sum += crc32(buffer, BYTES);
        sum ^= (uint32_t)(fnv1a(buffer, BYTES) >> 16);
        sum += murmur32(buffer, BYTES, i);
        sum ^= (uint32_t)(mix64(buffer, BYTES, i) >> 32);
    }
    return sum;
}
