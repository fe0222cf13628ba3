/* ChaCha20 (RFC 8439) over 64 KiB blocks: 32-bit adds, xors and rotations, fully unrolled by any compiler. */
#include "kernel.h"

static uint8_t buffer[65536];

static uint32_t rotl(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

#define QUARTER(a, b, c, d)                                                                                  \
    (a += b, d = rotl(d ^ a, 16), c += d, b = rotl(b ^ c, 12), a += b, d = rotl(d ^ a, 8), c += d,           \
     b = rotl(b ^ c, 7))

static void block(const uint32_t in[16], uint8_t *data)
{
    uint32_t x[16];
    memcpy(x, in, sizeof x);
    for (int i = 0; i < 10; i++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
    for (int i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, data + 4 * i, 4);
        word ^= x[i] + in[i];
        memcpy(data + 4 * i, &word, 4);
    }
}

KERNEL uint32_t run(void)
{
    uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 1, 2, 3,  4,
                          5,          6,          7,          8,          0, 9, 10, 11};
    uint32_t sum = 0;
    for (int round = 0; round < 600; round++) {
        for (uint32_t at = 0; at < sizeof buffer; at += 64) {
            block(state, buffer + at);
            state[12]++;
        }
        sum += buffer[round];
    }
    return sum;
}
