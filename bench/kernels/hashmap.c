/* An open-addressing map from strings to counters: insert, find, delete, grow. */
#include "kernel.h"

enum { MAX_SLOTS = 1 << 14, KEYS = 4000, KEY_MAX = 24 };

struct slot {
    uint32_t hash; /* 0: free, 1: deleted */
    uint32_t len;
    const char *key;
    uint32_t value;
};

static struct slot slots_a[MAX_SLOTS], slots_b[MAX_SLOTS];
static struct slot *slots;
static uint32_t nslots, used;
static char keys[KEYS][KEY_MAX];
static uint32_t key_len[KEYS];

static uint32_t hash_of(const char *key, uint32_t len)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < len; i++) {
        h = (h ^ (uint8_t)key[i]) * 16777619u;
    }
    return h < 2 ? h + 2 : h;
}

static int same(const char *a, const char *b, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            return 0;
        }
    }
    return 1;
}

static struct slot *find(uint32_t hash, const char *key, uint32_t len)
{
    struct slot *deleted = NULL;
    for (uint32_t i = hash & (nslots - 1);; i = (i + 1) & (nslots - 1)) {
        struct slot *s = &slots[i];
        if (s->hash == 0) {
            return deleted ? deleted : s;
        }
        if (s->hash == 1) {
            deleted = deleted ? deleted : s;
        } else if (s->hash == hash && s->len == len && same(s->key, key, len)) {
            return s;
        }
    }
}

static void grow(void)
{
    struct slot *old = slots;
    uint32_t n = nslots;
    slots = old == slots_a ? slots_b : slots_a;
    nslots = n * 2;
    used = 0;
    memset(slots, 0, nslots * sizeof *slots);
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].hash > 1) {
            *find(old[i].hash, old[i].key, old[i].len) = old[i];
            used++;
        }
    }
}

static uint32_t add(const char *key, uint32_t len, uint32_t value)
{
    uint32_t hash = hash_of(key, len);
    struct slot *s = find(hash, key, len);
    if (s->hash < 2) {
        *s = (struct slot){hash, len, key, 0};
        if (++used * 4 > nslots * 3) {
            grow();
        }
        s = find(hash, key, len);
    }
    return s->value += value;
}

static uint32_t take(const char *key, uint32_t len)
{
    struct slot *s = find(hash_of(key, len), key, len);
    if (s->hash < 2) {
        return 0;
    }
    s->hash = 1;
    return s->value;
}

static void make_keys(void)
{
    uint32_t x = 99;
    for (int i = 0; i < KEYS; i++) {
        uint32_t n = 6 + (uint32_t)i % (KEY_MAX - 6);
        for (uint32_t k = 0; k < n; k++) {
            x = x * 1664525u + 1013904223u;
            keys[i][k] = (char)('a' + (x >> 24) % 26);
        }
        key_len[i] = n;
    }
}

KERNEL uint32_t run(void)
{
    uint32_t sum = 0, x = 7;
    make_keys();
    for (int round = 0; round < 30; round++) {
        slots = slots_a;
        nslots = 64;
        used = 0;
        memset(slots, 0, nslots * sizeof *slots);
        for (int i = 0; i < 60000; i++) {
            x = x * 1664525u + 1013904223u;
            uint32_t k = (x >> 12) % KEYS;
            if ((x & 0xf00) == 0) {
                sum += take(keys[k], key_len[k]);
            } else {
                sum += add(keys[k], key_len[k], x & 15);
            }
        }
    }
    return sum;
}
