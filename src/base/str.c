/* base/str.c - string views and the string builder. */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/vec.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_ieq(struct str a, struct str b)
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

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.at, b.at, n);
    if (c != 0) {
        return c;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.at, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len != 0 && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len != 0 && is_space(s.at[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.len) {
        to = s.len;
    }
    if (from > to) {
        from = to;
    }
    return from == to ? (struct str){s.at, 0} : (struct str){s.at + from, to - from};
}

size_t str_find_char(struct str s, char c)
{
    const char *hit = s.len == 0 ? NULL : memchr(s.at, c, s.len);
    return hit == NULL ? s.len : (size_t)(hit - s.at);
}

struct str str_cut(struct str *rest, char sep)
{
    size_t i = str_find_char(*rest, sep);
    struct str before = str_slice(*rest, 0, i);
    *rest = str_slice(*rest, i + 1, rest->len);
    return before;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.at[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len != 0 && s.at[0] == '-';
    uint64_t magnitude;
    if (!str_to_u64(negative ? str_slice(s, 1, s.len) : s, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* Length of the well-formed UTF-8 sequence at the start of `s`, 0 if there is none. */
static size_t utf8_sequence(struct str s)
{
    unsigned char a = (unsigned char)s.at[0];
    size_t n = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;
    if (n == 0 || n > s.len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    unsigned char b = n > 1 ? (unsigned char)s.at[1] : 0;
    bool bad = (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
               (a == 0xf4 && b > 0x8f);
    return bad ? 0 : n;
}

bool str_is_utf8(struct str s)
{
    while (s.len != 0) {
        size_t n = utf8_sequence(s);
        if (n == 0) {
            return false;
        }
        s = str_slice(s, n, s.len);
    }
    return true;
}

void strbuf_fini(struct strbuf *b)
{
    mem_free(b->at);
    *b = (struct strbuf){0};
}

void strbuf_add_bytes(struct strbuf *b, const void *at, size_t len)
{
    vec_reserve(b, b->len + len + 1);
    if (len != 0) {
        memcpy(b->at + b->len, at, len);
    }
    b->len += len;
    b->at[b->len] = '\0';
}

void strbuf_add(struct strbuf *b, struct str s)
{
    strbuf_add_bytes(b, s.at, s.len);
}

void strbuf_add_char(struct strbuf *b, char c)
{
    strbuf_add_bytes(b, &c, 1);
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    WEIR_ASSERT(len >= 0);

    vec_reserve(b, b->len + (size_t)len + 1);
    va_start(ap, fmt);
    vsnprintf(b->at + b->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)len;
}

/* The letter after the backslash in JSON's short escapes, 0 if `c` has none. */
static char json_escape_letter(char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *hit = c == '\0' ? NULL : strchr(bytes, c);
    return hit == NULL ? '\0' : letters[hit - bytes];
}

void strbuf_add_json(struct strbuf *b, struct str s)
{
    strbuf_add_char(b, '"');
    while (s.len != 0) {
        size_t n = utf8_sequence(s);
        char letter = json_escape_letter(s.at[0]);
        if (n == 0) {
            strbuf_add(b, STR("\xef\xbf\xbd"));
            n = 1;
        } else if (letter != '\0') {
            strbuf_add_char(b, '\\');
            strbuf_add_char(b, letter);
        } else if ((unsigned char)s.at[0] < 0x20) {
            strbuf_printf(b, "\\u%04x", (unsigned char)s.at[0]);
        } else {
            strbuf_add_bytes(b, s.at, n);
        }
        s = str_slice(s, n, s.len);
    }
    strbuf_add_char(b, '"');
}
