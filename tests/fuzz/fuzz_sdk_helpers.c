/* The SDK's helpers on any bytes: what they hand out lies inside what they were given, or says the same again
 * when it is written and read once more. */
#include <stdlib.h>

#include "bare_plugin.h"
#include "weir_crypto.h"

double wp_strtod(const char *s, char **end);
int wp_print_real(char *dst, size_t cap, const char *fmt, ...);

enum { MAX_PAIRS = 64 };

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool inside(struct wp_str part, struct wp_str whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void pairs(struct wp_str bytes)
{
    struct wp_pairs all, again;
    struct wp_header entries[MAX_PAIRS], h, same;
    size_t n = 0;
    if (!wp_pairs_parse(bytes, &all)) {
        must(all.count == 0 && !wp_pairs_next(&all, &h));
        return;
    }
    while (n < MAX_PAIRS && wp_pairs_next(&all, &h)) {
        must(inside(h.name, bytes) && inside(h.value, bytes));
        entries[n++] = h;
    }
    must(wp_pairs_parse(wp_pairs_write(entries, n), &again) && again.count == n);
    for (size_t i = 0; i < n; i++) {
        must(wp_pairs_next(&again, &same) && wp_str_eq(same.name, entries[i].name) &&
             wp_str_eq(same.value, entries[i].value));
    }
}

static void texts(struct wp_str bytes)
{
    struct wp_str query = wp_query_of(bytes), name, value, decoded, rest = bytes;
    must(inside(wp_path_of(bytes), bytes) && inside(query, bytes));
    must(inside(wp_host_without_port(bytes), bytes) && inside(wp_str_trim(bytes), bytes));
    while (wp_query_next(&query, &name, &value)) {
        must(inside(name, bytes) && inside(value, bytes));
        must(wp_percent_decode(value).len <= value.len);
    }
    wp_query_get(wp_query_of(bytes), WP_STR("a"), &value);
    while (wp_str_split(&rest, ',', &name)) {
        must(inside(name, bytes) && wp_str_find(name, ',') < 0);
    }
    if (wp_base64url_decode(bytes, &decoded)) {
        must(wp_str_eq(wp_base64url_encode(decoded), bytes));
    }
    if (wp_base64_decode(bytes, &decoded)) {
        must(wp_str_eq(wp_base64_encode(decoded), bytes));
    }
}

/* Both ways: the last of 15 digits may be off by one. */
static void reals(struct wp_str bytes)
{
    double v;
    char text[40];
    if (bytes.len < sizeof v) {
        return;
    }
    memcpy(&v, bytes.at, sizeof v);
    double size = v < 0 ? -v : v;
    if (!(size < 1e300 && (size > 1e-290 || size == 0))) {
        return;
    }
    must(wp_print_real(text, sizeof text, "%.*g", 17, v) == (int)strlen(text));
    double back = wp_strtod(text, NULL), off = back < v ? v - back : back - v;
    must(off <= size * 1e-13);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str bytes = {(const char *)data, size};
    proxy_on_context_create(1, 0); /* empties the callback's arena */
    pairs(bytes);
    texts(bytes);
    reals(bytes);
    return 0;
}
