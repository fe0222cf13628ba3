/* base/hash.c - table hash and SHA-256. */
#include "base/hash.h"

#include <string.h>

#include "base/bytes.h"

/* Multiply two 64-bit numbers and fold the 128-bit product. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_bytes(const void *at, size_t len, uint64_t seed)
{
    static const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u;
    const uint8_t *p = at;
    uint64_t h = seed ^ fold(len ^ k0, k1);

    while (len >= 8) {
        h = fold(h ^ bytes_get_u64(p), k0);
        p += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    if (len != 0) {
        memcpy(&tail, p, len);
    }
    return fold(h ^ tail, k1);
}

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];

    for (int i = 0; i < 16; i++) {
        w[i] = __builtin_bswap32(bytes_get_u32(block + 4 * i));
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e1 = ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25);
        uint32_t t1 = s[7] + e1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_constants[i] + w[i];
        uint32_t e0 = ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22);
        uint32_t t2 = e0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void hash_sha256_init(struct hash_sha256 *h)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(h->state, start, sizeof start);
    h->bytes = 0;
}

void hash_sha256_add(struct hash_sha256 *h, const void *at, size_t len)
{
    const uint8_t *p = at;
    size_t have = h->bytes % 64;

    h->bytes += len;
    while (len != 0) {
        if (have == 0 && len >= 64) {
            compress(h->state, p);
            p += 64;
            len -= 64;
            continue;
        }
        size_t n = 64 - have < len ? 64 - have : len;
        memcpy(h->block + have, p, n);
        p += n;
        len -= n;
        have += n;
        if (have == 64) {
            compress(h->state, h->block);
            have = 0;
        }
    }
}

void hash_sha256_end(struct hash_sha256 *h, uint8_t out[HASH_SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = __builtin_bswap64(h->bytes * 8);
    size_t have = h->bytes % 64;

    hash_sha256_add(h, padding, (have < 56 ? 56 : 120) - have);
    hash_sha256_add(h, &bits, sizeof bits);
    for (int i = 0; i < 8; i++) {
        bytes_put_u32(out + 4 * i, __builtin_bswap32(h->state[i]));
    }
}

void hash_sha256_of(const void *at, size_t len, uint8_t out[HASH_SHA256_BYTES])
{
    struct hash_sha256 h;
    hash_sha256_init(&h);
    hash_sha256_add(&h, at, len);
    hash_sha256_end(&h, out);
}

void hash_hex(const uint8_t digest[HASH_SHA256_BYTES], char out[HASH_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < HASH_SHA256_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * HASH_SHA256_BYTES] = '\0';
}
