/* Base64 of JSON documents and back, then a scan of the JSON: names, strings with escapes, numbers, nesting.
 */
#include "kernel.h"

enum { TEXT_MAX = 4096 };

static uint8_t text[TEXT_MAX], encoded[TEXT_MAX * 2], decoded[TEXT_MAX];
static uint8_t reverse[256];
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *o = out;
    size_t i = 0;
    for (; i + 3 <= n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *o++ = (uint8_t)alphabet[v >> 18];
        *o++ = (uint8_t)alphabet[v >> 12 & 63];
        *o++ = (uint8_t)alphabet[v >> 6 & 63];
        *o++ = (uint8_t)alphabet[v & 63];
    }
    if (i < n) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0);
        *o++ = (uint8_t)alphabet[v >> 18];
        *o++ = (uint8_t)alphabet[v >> 12 & 63];
        *o++ = i + 1 < n ? (uint8_t)alphabet[v >> 6 & 63] : '=';
        *o++ = '=';
    }
    return (size_t)(o - out);
}

static size_t decode(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *o = out;
    uint32_t v = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t d = reverse[in[i]];
        if (d > 63) {
            break;
        }
        v = v << 6 | d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *o++ = (uint8_t)(v >> bits);
        }
    }
    return (size_t)(o - out);
}

struct scan {
    const uint8_t *at, *end;
    uint32_t strings, numbers, depth, deepest, hash;
};

static int scan_string(struct scan *s)
{
    s->strings++;
    for (s->at++; s->at < s->end; s->at++) {
        uint8_t c = *s->at;
        if (c == '"') {
            s->at++;
            return 1;
        }
        if (c == '\\') {
            c = *++s->at;
        }
        s->hash = (s->hash ^ c) * 16777619u;
    }
    return 0;
}

static void scan_number(struct scan *s)
{
    uint32_t v = 0;
    int minus = *s->at == '-';
    s->at += minus;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        v = v * 10 + (uint32_t)(*s->at++ - '0');
    }
    s->numbers++;
    s->hash += minus ? 0u - v : v;
}

static int scan_value(struct scan *s)
{
    while (s->at < s->end) {
        uint8_t c = *s->at;
        switch (c) {
        case '{':
        case '[':
            if (++s->depth > s->deepest) {
                s->deepest = s->depth;
            }
            s->at++;
            break;
        case '}':
        case ']':
            s->depth--;
            s->at++;
            break;
        case '"':
            if (!scan_string(s)) {
                return 0;
            }
            break;
        case ' ':
        case '\n':
        case ',':
        case ':':
            s->at++;
            break;
        case 't':
        case 'n':
            s->at += 4;
            break;
        case 'f':
            s->at += 5;
            break;
        default:
            if (c != '-' && (c < '0' || c > '9')) {
                return 0;
            }
            scan_number(s);
        }
    }
    return s->depth == 0;
}

static uint8_t *put(uint8_t *at, const char *s)
{
    while (*s) {
        *at++ = (uint8_t)*s++;
    }
    return at;
}

static size_t make_document(uint32_t seed)
{
    uint8_t *at = text;
    *at++ = '[';
    for (int i = 0; i < 20; i++) {
        if (i) {
            *at++ = ',';
        }
        at = put(at, "{\"consumer\": \"user-");
        *at++ = (uint8_t)('a' + (seed >> (i & 15)) % 26);
        at = put(at, "\", \"path\": \"\\/orders\\/list?x=\\\"1\\\"\", \"limits\": [10, -200, 3");
        *at++ = (uint8_t)('0' + (seed + (uint32_t)i) % 10);
        at = put(at, "], \"enabled\": true, \"next\": null}");
    }
    *at++ = ']';
    return (size_t)(at - text);
}

KERNEL uint32_t run(void)
{
    uint32_t sum = 0;
    memset(reverse, 255, sizeof reverse);
    for (int i = 0; i < 64; i++) {
        reverse[(uint8_t)alphabet[i]] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < 16000; i++) {
        size_t len = make_document(i * 2654435761u);
        size_t n = decode(decoded, encoded, encode(encoded, text, len));
        struct scan s = {.at = decoded, .end = decoded + n};
        sum = sum * 31 + (uint32_t)scan_value(&s) + s.strings + s.numbers + s.deepest + s.hash;
    }
    return sum;
}
