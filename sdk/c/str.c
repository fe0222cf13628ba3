/* str.c - string views: every function stays inside the view it was given. */
#include "internal.h"

struct wp_str wp_str_of(const char *z)
{
    return z ? (struct wp_str){z, strlen(z)} : (struct wp_str){"", 0};
}

static uint64_t word(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The C library of guests compares byte by byte; this takes eight at a time, the last eight overlapping. */
bool wp_bytes_eq(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    if (len < 8) {
        for (; i < len; i++) {
            if (a[i] != b[i]) {
                return false;
            }
        }
        return true;
    }
    for (; len - i > 8; i += 8) {
        if (word(a + i) != word(b + i)) {
            return false;
        }
    }
    return word(a + len - 8) == word(b + len - 8);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool wp_str_eq_nocase(struct wp_str a, struct wp_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

bool wp_str_starts(struct wp_str s, struct wp_str prefix)
{
    return wp_str_eq(wp_str_slice(s, 0, prefix.len), prefix);
}

bool wp_str_ends(struct wp_str s, struct wp_str suffix)
{
    return s.len >= suffix.len && wp_str_eq(wp_str_slice(s, s.len - suffix.len, s.len), suffix);
}

/* Eight bytes at a time: what is looked for here is near, and the C library's memchr of guests first goes to
 * an aligned place byte by byte. */
ptrdiff_t wp_str_find(struct wp_str s, char c)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t all = ones * (unsigned char)c;
    size_t i = 0;
    for (; s.len - i >= 8; i += 8) {
        uint64_t x = word(s.at + i) ^ all, zero = (x - ones) & ~x & tops;
        if (zero != 0) { /* its lowest bit is that of the first zero byte of x */
            return (ptrdiff_t)(i + (size_t)__builtin_ctzll(zero) / 8);
        }
    }
    for (; i < s.len; i++) {
        if (s.at[i] == c) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

ptrdiff_t wp_str_find_last(struct wp_str s, char c)
{
    for (size_t i = s.len; i-- > 0;) {
        if (s.at[i] == c) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

struct wp_str wp_str_trim(struct wp_str s)
{
    size_t from = 0, to = s.len;
    while (from < to && is_blank(s.at[from])) {
        from++;
    }
    while (to > from && is_blank(s.at[to - 1])) {
        to--;
    }
    return wp_str_slice(s, from, to);
}

bool wp_str_split(struct wp_str *rest, char sep, struct wp_str *piece)
{
    if (rest->len == 0) {
        return false;
    }
    ptrdiff_t end = wp_str_find(*rest, sep);
    size_t len = end < 0 ? rest->len : (size_t)end;
    *piece = wp_str_slice(*rest, 0, len);
    *rest = wp_str_slice(*rest, len + 1, rest->len);
    return true;
}

bool wp_equal_secret(struct wp_str a, struct wp_str b)
{
    if (a.len != b.len) {
        return false;
    }
    uint64_t diff = 0;
    size_t i = 0;
    for (; a.len - i >= 8; i += 8) {
        diff |= word(a.at + i) ^ word(b.at + i);
        /* Keeps the compiler from leaving the loop at the first difference. */
        __asm__("" : "+r"(diff));
    }
    for (; i < a.len; i++) {
        diff |= (unsigned char)a.at[i] ^ (unsigned char)b.at[i];
        __asm__("" : "+r"(diff));
    }
    return diff == 0;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

uint64_t wp_hash(struct wp_str s, uint64_t seed)
{
    uint64_t h = mix(seed + s.len);
    size_t i = 0;
    for (; s.len - i > 8; i += 8) {
        h = mix(h ^ word(s.at + i));
    }
    uint64_t tail = 0;
    if (s.len >= 8) { /* the last eight bytes, some of them again: the length is in the hash */
        memcpy(&tail, s.at + s.len - 8, 8);
    } else {
        for (; i < s.len; i++) {
            tail = tail << 8 | (unsigned char)s.at[i];
        }
    }
    return mix(h ^ tail);
}
