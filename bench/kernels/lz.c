/* A small LZ77 compressor and its decompressor over generated text: matching, copying, unpredictable
 * branches. */
#include "kernel.h"

enum { SIZE = 1 << 18, HASH_BITS = 13, MIN_MATCH = 4 };
static uint8_t text[SIZE + 16], packed[SIZE * 2], unpacked[SIZE + 16];
static uint32_t heads[1 << HASH_BITS];

static void make_text(void)
{
    static const char words[] = "accept header token route upstream request response gateway plugin cache ";
    uint32_t seed = 12345;
    for (uint32_t i = 0; i < SIZE;) {
        seed = seed * 1103515245 + 12345;
        uint32_t from = seed >> 16 & 63, n = 3 + (seed >> 24 & 7);
        for (uint32_t j = 0; j < n && i < SIZE; j++) {
            text[i++] = (uint8_t)words[from + j];
        }
    }
}

static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Tokens: 0 = literal byte follows; else length, then a distance of two bytes. */
static uint32_t pack(void)
{
    uint32_t out = 0;
    memset(heads, 0, sizeof heads);
    for (uint32_t i = 0; i < SIZE;) {
        uint32_t slot = word_at(text + i) * 2654435761u >> (32 - HASH_BITS), candidate = heads[slot], n = 0;
        heads[slot] = i;
        if (candidate != 0 && i - candidate < 65536) {
            while (n < 255 && i + n < SIZE && text[candidate + n] == text[i + n]) {
                n++;
            }
        }
        if (n >= MIN_MATCH) {
            packed[out++] = (uint8_t)n;
            packed[out++] = (uint8_t)(i - candidate);
            packed[out++] = (uint8_t)((i - candidate) >> 8);
            i += n;
        } else {
            packed[out++] = 0;
            packed[out++] = text[i++];
        }
    }
    return out;
}

static uint32_t unpack(uint32_t len)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < len;) {
        uint32_t n = packed[i++];
        if (n == 0) {
            unpacked[out++] = packed[i++];
            continue;
        }
        uint32_t distance = packed[i] | (uint32_t)packed[i + 1] << 8;
        i += 2;
        for (uint32_t j = 0; j < n; j++, out++) {
            unpacked[out] = unpacked[out - distance];
        }
    }
    return out;
}

KERNEL uint32_t run(void)
{
    uint32_t sum = 0;
    make_text();
    for (int round = 0; round < 40; round++) {
        uint32_t len = pack();
        sum = sum * 31 + len + unpack(len);
        text[round * 997] ^= 1;
    }
    return sum;
}
