/* format.c - printf without stdio: integers, characters and strings.
 *
 * The C library's printf brings floating point, locales and FILEs, more code than most plugins have.  A
 * conversion that is not known is written as it stands and ends the formatting, since the arguments after it
 * cannot be found. */
#include "internal.h"

struct out {
    char *dst;
    size_t cap, len; /* len: wanted, may pass cap */
};

static void put(struct out *o, char c)
{
    if (o->len < o->cap) {
        o->dst[o->len] = c;
    }
    o->len++;
}

static void put_text(struct out *o, const char *text, size_t len)
{
    if (o->len < o->cap) {
        memcpy(o->dst + o->len, text, len < o->cap - o->len ? len : o->cap - o->len);
    }
    o->len += len;
}

static void put_n(struct out *o, char c, int n)
{
    for (; n > 0; n--) {
        put(o, c);
    }
}

struct spec {
    bool left, zero, plus;
    int width, precision; /* precision -1: none */
};

static void put_field(struct out *o, const struct spec *sp, const char *text, int len)
{
    if (!sp->left) {
        put_n(o, ' ', sp->width - len);
    }
    put_text(o, text, (size_t)len);
    if (sp->left) {
        put_n(o, ' ', sp->width - len);
    }
}

/* The digits of v, ending before `end`.  The base is a constant in each call, so that nothing is divided. */
static inline char *write_digits(char *end, uint64_t v, unsigned base, char ten)
{
    do {
        unsigned d = (unsigned)(v % base);
        *--end = (char)(d < 10 ? '0' + d : (unsigned)ten + d - 10);
        v /= base;
    } while (v != 0);
    return end;
}

static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base, bool upper, char sign)
{
    char digits[24], *end = digits + sizeof digits;
    char *first = base == 16 ? write_digits(end, v, 16, upper ? 'A' : 'a') : write_digits(end, v, 10, 'a');
    int n = (int)(end - first);
    int zeros = sp->precision > n ? sp->precision - n : 0;
    int len = n + zeros + (sign != '\0');
    if (sp->zero && !sp->left && sp->precision < 0 && sp->width > len) {
        zeros += sp->width - len;
        len = sp->width;
    }
    if (!sp->left) {
        put_n(o, ' ', sp->width - len);
    }
    if (sign != '\0') {
        put(o, sign);
    }
    put_n(o, '0', zeros);
    put_text(o, first, (size_t)n);
    if (sp->left) {
        put_n(o, ' ', sp->width - len);
    }
}

/* Width or precision: digits, or * for an argument. */
static int read_count(const char **p, va_list *ap)
{
    if (**p == '*') {
        (*p)++;
        return va_arg(*ap, int);
    }
    int n = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        n = n < 100000 ? n * 10 + (**p - '0') : n;
    }
    return n;
}

static uint64_t read_integer(char length, bool is_signed, va_list *ap)
{
    switch (length) {
    case 'L': /* ll */
    case 'j':
        return va_arg(*ap, unsigned long long);
    case 'l':
    case 'z':
    case 't':
        return is_signed ? (uint64_t)va_arg(*ap, long) : va_arg(*ap, unsigned long);
    default:
        return is_signed ? (uint64_t)(int64_t)va_arg(*ap, int) : va_arg(*ap, unsigned);
    }
}

static char read_length(const char **p)
{
    char first = **p;
    if (first != 'h' && first != 'l' && first != 'z' && first != 'j' && first != 't') {
        return '\0';
    }
    (*p)++;
    if ((first == 'h' || first == 'l') && **p == first) {
        (*p)++;
        return first == 'l' ? 'L' : 'h';
    }
    return first;
}

/* Up to a NUL, but no further than `most`. */
static size_t bounded_length(const char *s, size_t most)
{
    const char *nul = memchr(s, '\0', most);
    return nul ? (size_t)(nul - s) : most;
}

static bool put_conversion(struct out *o, const struct spec *sp, char length, char conversion, va_list *ap)
{
    switch (conversion) {
    case 'd':
    case 'i': {
        int64_t v = (int64_t)read_integer(length, true, ap);
        put_number(o, sp, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, false,
                   v < 0      ? '-'
                   : sp->plus ? '+'
                              : '\0');
        return true;
    }
    case 'u':
        put_number(o, sp, read_integer(length, false, ap), 10, false, '\0');
        return true;
    case 'x':
    case 'X':
        put_number(o, sp, read_integer(length, false, ap), 16, conversion == 'X', '\0');
        return true;
    case 'p':
        put(o, '0');
        put(o, 'x');
        put_number(o, sp, (uintptr_t)va_arg(*ap, void *), 16, false, '\0');
        return true;
    case 'c': {
        char c = (char)va_arg(*ap, int);
        put_field(o, sp, &c, 1);
        return true;
    }
    case 's': {
        const char *s = va_arg(*ap, const char *);
        if (!s) {
            s = "(null)";
        }
        put_field(o, sp, s, (int)(sp->precision < 0 ? strlen(s) : bounded_length(s, (size_t)sp->precision)));
        return true;
    }
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
}

int wp_vsnprintf(char *dst, size_t cap, const char *fmt, va_list args)
{
    struct out o = {dst, cap, 0};
    va_list ap;
    va_copy(ap, args);
    for (const char *p = fmt; *p != '\0'; p++) {
        const char *start = p;
        while (*p != '%' && *p != '\0') {
            p++;
        }
        put_text(&o, start, (size_t)(p - start));
        if (*p == '\0') {
            break;
        }
        start = p++;
        struct spec sp = {.precision = -1};
        for (;; p++) {
            if (*p == '-') {
                sp.left = true;
            } else if (*p == '0') {
                sp.zero = true;
            } else if (*p == '+') {
                sp.plus = true;
            } else {
                break;
            }
        }
        sp.width = read_count(&p, &ap);
        if (sp.width < 0) {
            sp.left = true;
            sp.width = sp.width == -2147483647 - 1 ? 0 : -sp.width;
        }
        if (*p == '.') {
            p++;
            sp.precision = read_count(&p, &ap);
        }
        char length = read_length(&p);
        if (!put_conversion(&o, &sp, length, *p, &ap)) {
            for (; *start != '\0'; start++) {
                put(&o, *start);
            }
            break;
        }
    }
    va_end(ap);
    if (cap != 0) {
        dst[o.len < cap ? o.len : cap - 1] = '\0';
    }
    return (int)o.len;
}

int wp_snprintf(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = wp_vsnprintf(dst, cap, fmt, ap);
    va_end(ap);
    return len;
}

struct wp_str wp_format(const char *fmt, ...)
{
    struct wp_arena *a = wp_callback_arena();
    char *free_room = a->at;
    va_list ap;
    va_start(ap, fmt);
    size_t len = (size_t)wp_vsnprintf(free_room, (size_t)(a->end - free_room), fmt, ap);
    va_end(ap);
    char *dst = wp_arena_alloc(a, len + 1);
    if (dst != free_room) { /* it did not fit */
        va_start(ap, fmt);
        wp_vsnprintf(dst, len + 1, fmt, ap);
        va_end(ap);
    }
    return (struct wp_str){dst, len};
}
