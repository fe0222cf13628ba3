/* http_date.c - see http_date.h.
 *
 * A form is a pattern: letters stand for parts of the date, anything else for itself. */
#include "http_date.h"

struct date {
    int year, month, day, hour, minute, second;
};

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "SunMonTueWedThuFriSat";
static const char *const long_weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};

/* Take a three-letter name off the front: its position in the list, or -1. */
static int take_name(struct wp_str *rest, const char *list)
{
    for (int i = 0; rest->len >= 3 && list[i * 3] != '\0'; i++) {
        if (memcmp(rest->at, list + i * 3, 3) == 0) {
            *rest = wp_str_slice(*rest, 3, rest->len);
            return i;
        }
    }
    return -1;
}

static bool take_long_weekday(struct wp_str *rest)
{
    for (size_t i = 0; i < sizeof long_weekdays / sizeof *long_weekdays; i++) {
        struct wp_str name = wp_str_of(long_weekdays[i]);
        if (wp_str_starts(*rest, name)) {
            *rest = wp_str_slice(*rest, name.len, rest->len);
            return true;
        }
    }
    return false;
}

/* Exactly n digits; with `blank` the first may be a space. */
static bool take_number(struct wp_str *rest, size_t n, bool blank, int *out)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        int c = wp_str_byte(*rest, i);
        if (blank && i == 0 && c == ' ') {
            c = '0';
        }
        if (c < '0' || c > '9') {
            return false;
        }
        v = v * 10 + (c - '0');
    }
    *rest = wp_str_slice(*rest, n, rest->len);
    *out = v;
    return true;
}

static bool take_part(struct wp_str *rest, char part, struct date *d)
{
    switch (part) {
    case 'w':
        return take_name(rest, weekdays) >= 0;
    case 'W':
        return take_long_weekday(rest);
    case 'd':
        return take_number(rest, 2, false, &d->day);
    case 'e':
        return take_number(rest, 2, true, &d->day);
    case 'b':
        d->month = take_name(rest, months);
        return d->month >= 0;
    case 'y':
        if (!take_number(rest, 2, false, &d->year)) {
            return false;
        }
        d->year += d->year < 69 ? 2000 : 1900;
        return true;
    case 'Y':
        return take_number(rest, 4, false, &d->year);
    case 'h':
        return take_number(rest, 2, false, &d->hour);
    case 'm':
        return take_number(rest, 2, false, &d->minute);
    case 's':
        return take_number(rest, 2, false, &d->second);
    default:
        if (wp_str_byte(*rest, 0) != part) {
            return false;
        }
        *rest = wp_str_slice(*rest, 1, rest->len);
        return true;
    }
}

/* "GMT" stands behind `zone`, as its letters would be parts. */
static const struct {
    const char *pattern;
    bool zone;
} forms[] = {
    {"w, d b Y h:m:s ", true},
    {"W, d-b-y h:m:s ", true},
    {"w b e h:m:s Y", false},
};

static bool match(struct wp_str text, const char *pattern, bool zone, struct date *d)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (!take_part(&text, *p, d)) {
            return false;
        }
    }
    return zone ? wp_str_eq(text, WP_STR("GMT")) || wp_str_eq(text, WP_STR("GMT+00:00")) : text.len == 0;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_valid(const struct date *d)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int length = lengths[d->month] + (d->month == 1 && is_leap(d->year));
    return d->day >= 1 && d->day <= length && d->hour < 24 && d->minute < 60 && d->second <= 60;
}

/* Days from 1970-01-01, in the Gregorian calendar; March is the year's first month, so that the leap day is
 * its last. */
static int64_t days_of(const struct date *d)
{
    int64_t year = d->year - (d->month < 2 ? 1 : 0), month = (d->month + 10) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + d->day - 1;
    int64_t centuries = year / 100;
    enum { DAYS_TO_1970 = 719468 };
    return 365 * year + year / 4 - centuries + centuries / 4 + day_of_year - DAYS_TO_1970;
}

bool http_date_parse(struct wp_str text, int64_t *out)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct date d = {0};
        if (match(text, forms[i].pattern, forms[i].zone, &d)) {
            if (!is_valid(&d)) {
                return false;
            }
            *out = days_of(&d) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
            return true;
        }
    }
    return false;
}
