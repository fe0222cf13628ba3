/* strtod.c - decimal text to double, for the JSON reader.
 *
 * The C library's strtod brings stdio and long double arithmetic, more code than the JSON reader itself. This
 * one is exact where the digits fit 2^53 and the power of ten is at most 22, which covers what people write;
 * beyond that the result may be off by a few units in the last place.  Reads what JSON's grammar
 * allows: no hexadecimal, no infinity. */
#include <errno.h>
#include <math.h>

#include "internal.h"

double wp_strtod(const char *s, char **end);

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
