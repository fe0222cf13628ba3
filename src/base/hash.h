/* base/hash.h - a fast hash for tables, SHA-256 for content addresses. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* For tables in memory; not stable across versions, not against attackers that choose `seed`. */
uint64_t hash_bytes(const void *at, size_t len, uint64_t seed);

enum { HASH_SHA256_BYTES = 32, HASH_SHA256_HEX = 65 /* with the NUL */ };

struct hash_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

/* SHA-256, FIPS 180-4. */
void hash_sha256_init(struct hash_sha256 *h);
void hash_sha256_add(struct hash_sha256 *h, const void *at, size_t len);
void hash_sha256_end(struct hash_sha256 *h, uint8_t out[HASH_SHA256_BYTES]);
void hash_sha256_of(const void *at, size_t len, uint8_t out[HASH_SHA256_BYTES]);
void hash_hex(const uint8_t digest[HASH_SHA256_BYTES], char out[HASH_SHA256_HEX]);

#endif
