/* Metrics with any names: what is written is legal, line by line, and has no series and no family twice. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"
#include "observe/prometheus.h"

typedef VEC(struct str) list;

static int compare(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n == 0 ? 0 : memcmp(x->at, y->at, n);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void all_different(list *l)
{
    if (l->len != 0) {
        qsort(l->at, l->len, sizeof *l->at, compare);
    }
    for (size_t i = 1; i < l->len; i++) {
        WEIR_ASSERT(compare(&l->at[i - 1], &l->at[i]) != 0);
    }
    vec_fini(l);
}

static size_t name_length(struct str s)
{
    size_t n = 0;

    while (n < s.len && ((s.at[n] >= 'a' && s.at[n] <= 'z') || (s.at[n] >= 'A' && s.at[n] <= 'Z') ||
                         s.at[n] == '_' || (n != 0 && s.at[n] >= '0' && s.at[n] <= '9'))) {
        n++;
    }
    return n;
}

/* NAME{LABEL="VALUE",...} NUMBER; returns the series. */
static struct str check_sample(struct str line)
{
    struct str rest = line;
    size_t n = name_length(rest);

    WEIR_ASSERT(n != 0);
    rest = str_slice(rest, n, rest.len);
    while (rest.len != 0 && (rest.at[0] == '{' || rest.at[0] == ',')) {
        rest = str_slice(rest, 1, rest.len);
        n = name_length(rest);
        WEIR_ASSERT(n != 0 && rest.len > n + 1 && rest.at[n] == '=' && rest.at[n + 1] == '"');
        rest = str_slice(rest, n + 2, rest.len);
        while (rest.len != 0 && rest.at[0] != '"') {
            WEIR_ASSERT(rest.at[0] != '\\' || (rest.len > 1 && strchr("\\\"n", rest.at[1]) != NULL));
            rest = str_slice(rest, rest.at[0] == '\\' ? 2 : 1, rest.len);
        }
        rest = str_slice(rest, 1, rest.len);
        WEIR_ASSERT(rest.len != 0 && (rest.at[0] == ',' || rest.at[0] == '}'));
    }
    rest = str_slice(rest, rest.len != 0 && rest.at[0] == '}' ? 1 : 0, rest.len);
    WEIR_ASSERT(rest.len > 1 && rest.at[0] == ' ');
    struct str series = str_make(line.at, (size_t)(rest.at - line.at));
    for (size_t i = 1; i < rest.len; i++) {
        WEIR_ASSERT((rest.at[i] >= '0' && rest.at[i] <= '9') || (i == 1 && rest.at[i] == '-'));
    }
    return series;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make(data, size);
    struct prometheus_guests *g = prometheus_guests_new();
    struct strbuf out = {0};
    list series = {0}, families = {0};

    while (rest.len != 0) {
        struct str name = str_cut(&rest, ';');
        struct pw_metric m = {.type = name.len == 0 ? PW_METRIC_COUNTER
                                                    : (enum pw_metric_type)((unsigned char)name.at[0] % 3)};
        m.name = str_slice(name, name.len == 0 ? 0 : 1, name.len);
        m.value = size;
        prometheus_guests_add(g, &m);
    }
    prometheus_guests_write(g, &out);
    WEIR_ASSERT(str_is_utf8(strbuf_str(&out)));
    for (struct str text = strbuf_str(&out); text.len != 0;) {
        struct str line = str_cut(&text, '\n');
        if (str_starts_with(line, STR("# TYPE "))) {
            line = str_slice(line, 7, line.len);
            struct str family = str_cut(&line, ' ');
            WEIR_ASSERT(name_length(family) == family.len && family.len != 0 &&
                        !str_starts_with(family, STR("weir_")));
            vec_push(&families, family);
        } else if (!str_starts_with(line, STR("# HELP "))) {
            vec_push(&series, check_sample(line));
        }
    }
    all_different(&series);
    all_different(&families);
    strbuf_fini(&out);
    prometheus_guests_free(g);
    return 0;
}
