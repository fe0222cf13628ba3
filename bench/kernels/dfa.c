/* A table-driven matcher: paths and header values run through one automaton of a few hundred states, built
 * here from a set of words (Aho and Corasick's goto and failure functions, flattened). */
#include "kernel.h"

enum { STATES = 512, TEXT = 1 << 16 };

static uint16_t next[STATES][256];
static uint16_t failure[STATES], queue[STATES];
static uint8_t accepting[STATES];
static uint8_t text[TEXT];
static int nstates;

static const char *const words[] = {
    "/api/v1/orders", "/api/v1/users", "/api/v2/", "/static/",    "select ",
    "union all",      "<script",       "../",      "%2e%2e",      "/admin",
    "/login",         "/health",       "curl/",    "Mozilla/5.0", "bot",
    "spider",         "Bearer ",       "Basic ",   "eval(",       "/etc/passwd",
};

static void add_word(const char *w)
{
    int s = 0;
    for (; *w; w++) {
        uint8_t c = (uint8_t)*w;
        if (!next[s][c]) {
            next[s][c] = (uint16_t)nstates++;
        }
        s = next[s][c];
    }
    accepting[s]++;
}

static void build(void)
{
    int head = 0, tail = 0;
    memset(next, 0, sizeof next);
    memset(accepting, 0, sizeof accepting);
    nstates = 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        add_word(words[i]);
    }
    for (int c = 0; c < 256; c++) {
        if (next[0][c]) {
            failure[next[0][c]] = 0;
            queue[tail++] = next[0][c];
        }
    }
    while (head < tail) {
        int s = queue[head++];
        accepting[s] = (uint8_t)(accepting[s] + accepting[failure[s]]);
        for (int c = 0; c < 256; c++) {
            int t = next[s][c];
            if (t) {
                failure[t] = next[failure[s]][c];
                queue[tail++] = (uint16_t)t;
            } else {
                next[s][c] = next[failure[s]][c];
            }
        }
    }
}

static void make_text(void)
{
    uint32_t x = 12345;
    for (int i = 0; i < TEXT;) {
        x = x * 1664525u + 1013904223u;
        const char *w = words[(x >> 16) % (sizeof words / sizeof *words)];
        if ((x >> 8) % 3 == 0) {
            for (; *w && i < TEXT; w++) {
                text[i++] = (uint8_t)*w;
            }
        } else {
            text[i++] = (uint8_t)("abcdefghijklmnop/-_.?=&0123456 %"[x >> 27]);
        }
    }
}

KERNEL uint32_t run(void)
{
    uint32_t sum = 0, state = 0;
    build();
    make_text();
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < TEXT; i++) {
            state = next[state][text[i]];
            if (accepting[state]) {
                sum = sum * 3 + (uint32_t)i + accepting[state];
            }
        }
    }
    return sum;
}
