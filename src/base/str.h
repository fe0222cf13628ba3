/* base/str.h - string views, and a buffer to build strings in.
 *
 * A `struct str` points into memory that somebody else owns and is not NUL-terminated. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "weir/str.h"

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr == NULL ? 0 : strlen(cstr)};
}

static inline struct str str_make(const void *at, size_t len)
{
    return (struct str){at, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool str_ieq(struct str a, struct str b); /* ASCII case-insensitive */
int str_cmp(struct str a, struct str b);  /* bytewise order, <0 0 >0 */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
struct str str_trim(struct str s);                          /* ASCII white space off both ends */
struct str str_slice(struct str s, size_t from, size_t to); /* clamped to the string */

/* Position of the first `c`, or s.len. */
size_t str_find_char(struct str s, char c);

/* Cut `*rest` at the first `sep`: returns what was before it and leaves what is
 * after it; without a `sep` returns everything and leaves an empty rest. */
struct str str_cut(struct str *rest, char sep);

/* All of `s` as a decimal number; false, with *out untouched, if it is not one or does not fit. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);

/* Is it well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_is_utf8(struct str s);

/* A string under construction, on the heap; `at` is NUL-terminated once something was added. */
struct strbuf {
    char *at;
    size_t len, cap;
};

void strbuf_fini(struct strbuf *b);
void strbuf_add(struct strbuf *b, struct str s);
void strbuf_add_bytes(struct strbuf *b, const void *at, size_t len);
void strbuf_add_char(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As a quoted JSON string; bytes that are not UTF-8 become U+FFFD. */
void strbuf_add_json(struct strbuf *b, struct str s);

static inline struct str strbuf_str(const struct strbuf *b)
{
    return (struct str){b->at, b->len};
}

#endif
