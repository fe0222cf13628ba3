/* base64.c - RFC 4648's base64, base64url and hex.
 *
 * Own code, as a token is decoded on every request: Mbed TLS's takes constant time on secrets by comparing
 * each byte with the whole alphabet, knows no base64url, and accepts line ends and loose last bits. */
#include "weir_crypto.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct wp_str encode(struct wp_str data, const char *alphabet, bool pad)
{
    char *out = wp_arena_alloc(wp_callback_arena(), data.len / 3 * 4 + 5), *p = out;
    const unsigned char *in = (const unsigned char *)data.at;
    size_t left = data.len;
    for (; left >= 3; in += 3, left -= 3, p += 4) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        p[0] = alphabet[v >> 18];
        p[1] = alphabet[v >> 12 & 63];
        p[2] = alphabet[v >> 6 & 63];
        p[3] = alphabet[v & 63];
    }
    if (left != 0) {
        uint32_t v = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        if (left == 2) {
            *p++ = alphabet[v >> 6 & 63];
        }
        for (size_t i = left; pad && i < 3; i++) {
            *p++ = '=';
        }
    }
    *p = '\0';
    return (struct wp_str){out, (size_t)(p - out)};
}

struct wp_str wp_base64_encode(struct wp_str data)
{
    return encode(data, plain, true);
}

struct wp_str wp_base64url_encode(struct wp_str data)
{
    return encode(data, url, false);
}

/* A byte's value plus 1; 0: not in the alphabet. */
#define COMMON_VALUES                                                                                        \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9,       \
    ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17,          \
    ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25,          \
    ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,          \
    ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41,          \
    ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,          \
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57,          \
    ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const uint8_t plain_values[256] = {COMMON_VALUES, ['+'] = 63, ['/'] = 64};
static const uint8_t url_values[256] = {COMMON_VALUES, ['-'] = 63, ['_'] = 64};

/* Without padding. */
static bool decode(struct wp_str text, const uint8_t *values, struct wp_str *out)
{
    *out = WP_STR("");
    size_t tail = text.len % 4;
    if (tail == 1) {
        return false;
    }
    unsigned char *dst = wp_arena_alloc(wp_callback_arena(), text.len / 4 * 3 + 4), *p = dst;
    const unsigned char *in = (const unsigned char *)text.at, *end = in + (text.len - tail);
    uint32_t wrong = 0; /* the sign bit, once a byte was not in the alphabet */
    for (; in < end; in += 4, p += 3) {
        uint32_t a = values[in[0]] - 1u, b = values[in[1]] - 1u, c = values[in[2]] - 1u,
                 d = values[in[3]] - 1u;
        wrong |= a | b | c | d;
        uint32_t v = a << 18 | b << 12 | c << 6 | d;
        p[0] = (unsigned char)(v >> 16);
        p[1] = (unsigned char)(v >> 8);
        p[2] = (unsigned char)v;
    }
    if (tail != 0) {
        uint32_t a = values[in[0]] - 1u, b = values[in[1]] - 1u, c = tail == 3 ? values[in[2]] - 1u : 0;
        wrong |= a | b | c;
        uint32_t v = a << 18 | b << 12 | c << 6;
        if ((tail == 2 ? v & 0xffff : v & 0xff) != 0) {
            return false;
        }
        *p++ = (unsigned char)(v >> 16);
        if (tail == 3) {
            *p++ = (unsigned char)(v >> 8);
        }
    }
    if (wrong >> 31 != 0) {
        return false;
    }
    *p = '\0';
    *out = (struct wp_str){(const char *)dst, (size_t)(p - dst)};
    return true;
}

bool wp_base64url_decode(struct wp_str text, struct wp_str *out)
{
    return decode(text, url_values, out);
}

bool wp_base64_decode(struct wp_str text, struct wp_str *out)
{
    *out = WP_STR("");
    if (text.len % 4 != 0) {
        return false;
    }
    size_t len = text.len;
    while (len != 0 && text.len - len < 2 && text.at[len - 1] == '=') {
        len--;
    }
    return decode(wp_str_slice(text, 0, len), plain_values, out);
}

struct wp_str wp_hex_encode(struct wp_str data)
{
    static const char digits[] = "0123456789abcdef";
    char *out = wp_arena_alloc(wp_callback_arena(), data.len * 2 + 1);
    for (size_t i = 0; i < data.len; i++) {
        unsigned char c = (unsigned char)data.at[i];
        out[2 * i] = digits[c >> 4];
        out[2 * i + 1] = digits[c & 15];
    }
    out[data.len * 2] = '\0';
    return (struct wp_str){out, data.len * 2};
}
