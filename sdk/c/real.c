/* real.c - decimal text to double and back, for the JSON library.
 *
 * The C library's strtod and printf bring stdio and long double arithmetic, more code than the JSON library
 * itself.  Reading is exact where the digits fit 2^53 and the power of ten is at most 22, which covers what
 * people write; beyond that the result may be off by a few units in the last place.  It reads what JSON's
 * grammar allows: no hexadecimal, no infinity.  Writing gives 15 digits at most, of which the last may be
 * off by one. */
#include <errno.h>
#include <math.h>

#include "internal.h"

double wp_strtod(const char *s, char **end);
int wp_print_real(char *dst, size_t cap, const char *fmt, ...);

enum { MAX_DIGITS = 15 };
#define ZEROS "0000000000000000" /* as many as %.17g puts behind a digit */

static double scale(double v, int exponent)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    for (; exponent > 22 && v <= 1.7976931348623157e308; exponent -= 22) {
        v *= 1e22;
    }
    for (; exponent < -22 && v > 0; exponent += 22) {
        v /= 1e22;
    }
    if (exponent > 22 || exponent < -22) {
        return v;
    }
    return exponent < 0 ? v / powers[-exponent] : v * powers[exponent];
}

/* Digits into *mantissa while they fit, otherwise counted; returns past the last one. */
static const char *digits(const char *p, uint64_t *mantissa, int *dropped, int *taken)
{
    for (; *p >= '0' && *p <= '9'; p++) {
        if (*mantissa > (UINT64_MAX - 9) / 10) {
            *dropped += *dropped < 100000;
            continue;
        }
        *mantissa = *mantissa * 10 + (uint64_t)(*p - '0');
        *taken += *taken < 100000;
    }
    return p;
}

double wp_strtod(const char *s, char **end)
{
    const char *p = s;
    bool negative = *p == '-';
    p += negative;
    uint64_t mantissa = 0;
    int dropped = 0, whole = 0, fraction = 0, ignored = 0, exponent = 0;
    p = digits(p, &mantissa, &dropped, &whole);
    if (*p == '.') {
        p = digits(p + 1, &mantissa, &ignored, &fraction);
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        bool down = *p == '-';
        p += *p == '-' || *p == '+';
        for (; *p >= '0' && *p <= '9'; p++) {
            exponent = exponent < 100000 ? exponent * 10 + (*p - '0') : exponent;
        }
        exponent = down ? -exponent : exponent;
    }
    if (end) {
        *end = (char *)(uintptr_t)p;
    }
    double v = mantissa != 0 ? scale((double)mantissa, exponent + dropped - fraction) : 0;
    if (v > 1.7976931348623157e308) {
        v = HUGE_VAL;
        errno = ERANGE;
    }
    return negative ? -v : v;
}

/* The `n` digits of v, which is positive, as an integer; *exponent is that of the first one. */
static uint64_t digits_of(double v, int n, int *exponent)
{
    uint64_t least = 1;
    for (int i = 1; i < n; i++) {
        least *= 10;
    }
    int binary;
    frexp(v, &binary);
    *exponent = (int)((binary - 1) * 0.30102999566398120) - (binary < 1);
    for (;;) { /* the guess is right or too small; rounding may make a digit more */
        uint64_t m = (uint64_t)(scale(v, n - 1 - *exponent) + 0.5);
        if (m / 10 < least) {
            return m;
        }
        ++*exponent;
    }
}

/* snprintf with "%.*g", a precision and a finite number, and with nothing else. */
int wp_print_real(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int precision = va_arg(ap, int), exponent = 0;
    precision = precision < 1 ? 1 : precision;
    double v = va_arg(ap, double);
    va_end(ap);
    const char *sign = signbit(v) ? "-" : "";
    int n = precision > MAX_DIGITS ? MAX_DIGITS : precision;
    uint64_t m = v != 0 ? digits_of(fabs(v), n, &exponent) : 0;
    for (; n > 1 && m % 10 == 0; n--) {
        m /= 10;
    }
    char text[24];
    wp_snprintf(text, sizeof text, "%llu", (unsigned long long)m);
    if (exponent < -4 || exponent >= precision) {
        return wp_snprintf(dst, cap, "%s%.1s%s%se%d", sign, text, n > 1 ? "." : "", text + 1, exponent);
    }
    if (exponent < 0) {
        return wp_snprintf(dst, cap, "%s0.%.*s%s", sign, -exponent - 1, ZEROS, text);
    }
    if (n <= exponent + 1) {
        return wp_snprintf(dst, cap, "%s%s%.*s", sign, text, exponent + 1 - n, ZEROS);
    }
    return wp_snprintf(dst, cap, "%s%.*s.%s", sign, exponent + 1, text, text + exponent + 1);
}
