/* observe/prometheus.c - lines of the text format, and names for what plugins count. */
#include "observe/prometheus.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"

static const char *const type_names[] = {
    [PW_METRIC_COUNTER] = "counter", [PW_METRIC_GAUGE] = "gauge", [PW_METRIC_HISTOGRAM] = "histogram"};

/* ---- lines ------------------------------------------------------------------------------------ */

/* In a label's value, or (without `quotes`) in a help text.  What is no UTF-8, and control characters besides
 * the end of a line, become U+FFFD. */
static void add_escaped(struct strbuf *out, struct str s, bool quotes)
{
    while (s.len != 0) {
        size_t n = 1;
        while (n < s.len && n < 4 && ((unsigned char)s.at[n] & 0xc0) == 0x80) {
            n++;
        }
        struct str one = str_slice(s, 0, n);
        if (s.at[0] == '\n') {
            strbuf_add(out, STR("\\n"));
        } else if (s.at[0] == '\\' || (quotes && s.at[0] == '"')) {
            strbuf_add_char(out, '\\');
            strbuf_add_char(out, s.at[0]);
        } else if ((unsigned char)s.at[0] < 0x20 || s.at[0] == 0x7f || !str_is_utf8(one)) {
            strbuf_add(out, STR("\xef\xbf\xbd"));
        } else {
            strbuf_add(out, one);
            s = str_slice(s, n, s.len);
            continue;
        }
        s = str_slice(s, 1, s.len);
    }
}

void prometheus_family(struct strbuf *out, struct str name, enum pw_metric_type type, struct str help)
{
    strbuf_printf(out, "# HELP %.*s ", STR_ARG(name));
    add_escaped(out, help, false);
    strbuf_printf(out, "\n# TYPE %.*s %s\n", STR_ARG(name), type_names[type]);
}

static void add_label(struct strbuf *out, const char *name, struct str value)
{
    strbuf_printf(out, "%s=\"", name);
    add_escaped(out, value, true);
    strbuf_add_char(out, '"');
}

void prometheus_sample(struct strbuf *out, struct str name, const char *suffix,
                       const struct prometheus_label *labels, size_t n, struct str value)
{
    strbuf_printf(out, "%.*s%s", STR_ARG(name), suffix);
    for (size_t i = 0; i < n; i++) {
        strbuf_add_char(out, i == 0 ? '{' : ',');
        add_label(out, labels[i].name, labels[i].value);
    }
    strbuf_printf(out, "%s %.*s\n", n == 0 ? "" : "}", STR_ARG(value));
}

/* ---- a set of texts --------------------------------------------------------------------------- */

enum { NOBODY = UINT32_MAX, RESERVED = UINT32_MAX - 1 };

struct slot {
    struct str key; /* at NULL: free */
    uint32_t value;
};

struct table {
    struct slot *at;
    size_t cap, len; /* cap is a power of two, or 0 */
};

static struct slot *find_slot(const struct table *t, struct str key)
{
    size_t i = hash_bytes(key.at, key.len, 1) & (t->cap - 1);

    while (t->at[i].key.at != NULL && !str_eq(t->at[i].key, key)) {
        i = (i + 1) & (t->cap - 1);
    }
    return &t->at[i];
}

static uint32_t get(const struct table *t, struct str key)
{
    const struct slot *s = t->cap == 0 ? NULL : find_slot(t, key);

    return s == NULL || s->key.at == NULL ? NOBODY : s->value;
}

/* `key` lives as long as the table, and is not in it. */
static void put(struct table *t, struct str key, uint32_t value)
{
    if (t->len * 2 >= t->cap) {
        struct table larger = {.cap = t->cap == 0 ? 64 : t->cap * 2, .len = t->len};
        larger.at = mem_zalloc_array(larger.cap, sizeof *larger.at);
        for (size_t i = 0; i < t->cap; i++) {
            if (t->at[i].key.at != NULL) {
                *find_slot(&larger, t->at[i].key) = t->at[i];
            }
        }
        mem_free(t->at);
        *t = larger;
    }
    *find_slot(t, key) = (struct slot){key, value};
    t->len++;
}

/* ---- what plugins count ----------------------------------------------------------------------- */

struct metric {
    struct pw_metric m; /* the name is the arena's */
    struct str labels;  /* `a="b",c="d"`, or empty */
    uint32_t next;      /* of the family, or NOBODY */
};

struct family {
    struct str name;
    struct str help; /* what the first one is called by its plugin */
    enum pw_metric_type type;
    uint32_t first, last;
};

struct prometheus_guests {
    struct arena arena;
    VEC(struct metric) metrics;
    VEC(struct family) families;
    struct table names;  /* of families, and of their samples */
    struct table series; /* "FAMILY{LABELS" */
};

struct prometheus_guests *prometheus_guests_new(void)
{
    struct prometheus_guests *g = mem_zalloc(sizeof *g);
    arena_init(&g->arena);
    return g;
}

void prometheus_guests_free(struct prometheus_guests *g)
{
    if (g == NULL) {
        return;
    }
    vec_fini(&g->metrics);
    vec_fini(&g->families);
    mem_free(g->names.at);
    mem_free(g->series.at);
    arena_fini(&g->arena);
    mem_free(g);
}

static struct str keep(struct prometheus_guests *g, struct str s)
{
    char *at = arena_alloc(&g->arena, s.len + 1);
    if (s.len != 0) {
        memcpy(at, s.at, s.len);
    }
    return str_make(at, s.len);
}

static void add_safe(struct strbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        strbuf_add_char(out, ok ? c : '_');
    }
}

static void add_name(struct strbuf *out, struct str s)
{
    struct strbuf safe = {0};

    add_safe(&safe, s);
    if (s.len == 0 || (s.at[0] >= '0' && s.at[0] <= '9')) {
        strbuf_add_char(out, '_');
    } else if (str_starts_with(strbuf_str(&safe), STR("weir_"))) { /* "weir.x", too */
        strbuf_add(out, STR("plugin_"));
    }
    strbuf_add(out, strbuf_str(&safe));
    strbuf_fini(&safe);
}

/* What is before `mark` (which `rest` loses, too); at NULL: it is not there. */
static struct str before(struct str *rest, struct str mark)
{
    const char *at = rest->len < mark.len ? NULL : memmem(rest->at, rest->len, mark.at, mark.len);

    if (at == NULL) {
        return (struct str){0};
    }
    struct str found = str_make(rest->at, (size_t)(at - rest->at));
    *rest = str_slice(*rest, found.len + mark.len, rest->len);
    return found;
}

/* Higress's names of what concerns language models; false: it is none. */
static bool add_ai_name(struct str name, struct strbuf *out, struct strbuf *labels)
{
    struct str rest = name, route, cluster, model, consumer = {0};

    if (!str_starts_with(name, STR("route."))) {
        return false;
    }
    rest = str_slice(rest, 6, rest.len);
    if ((route = before(&rest, STR(".upstream."))).at == NULL ||
        (cluster = before(&rest, STR(".model."))).at == NULL) {
        return false;
    }
    model = before(&rest, STR(".consumer."));
    bool has_consumer = model.at != NULL;
    struct str last = before(&rest, STR(".metric."));
    *(has_consumer ? &consumer : &model) = last;
    if (last.at == NULL || rest.len == 0) {
        return false;
    }
    strbuf_printf(out, "route_upstream_model_%smetric_", has_consumer ? "consumer_" : "");
    add_safe(out, rest);
    const struct prometheus_label found[] = {
        {"ai_route", route}, {"ai_cluster", cluster}, {"ai_model", model}, {"ai_consumer", consumer}};
    for (size_t i = 0; i < (has_consumer ? 4 : 3); i++) {
        strbuf_printf(labels, i == 0 ? "" : ",");
        add_label(labels, found[i].name, found[i].value);
    }
    return true;
}

static const char *const histogram_parts[] = {"_bucket", "_sum", "_count"};

/* The family of this name and type, made if the name is free; NOBODY: it is somebody else's. */
static uint32_t claim(struct prometheus_guests *g, struct strbuf *name, enum pw_metric_type type,
                      struct str help)
{
    size_t len = name->len;
    uint32_t i = get(&g->names, strbuf_str(name));
    bool is_free = i == NOBODY;

    if (!is_free) {
        return i != RESERVED && g->families.at[i].type == type ? i : NOBODY;
    }
    for (size_t k = 0; type == PW_METRIC_HISTOGRAM && k < 3; k++) {
        strbuf_add(name, str_of(histogram_parts[k]));
        is_free = is_free && get(&g->names, strbuf_str(name)) == NOBODY;
        name->len = len;
    }
    if (!is_free) {
        return NOBODY;
    }
    i = (uint32_t)g->families.len;
    struct family f = {keep(g, strbuf_str(name)), help, type, NOBODY, NOBODY};
    vec_push(&g->families, f);
    put(&g->names, f.name, i);
    for (size_t k = 0; type == PW_METRIC_HISTOGRAM && k < 3; k++) {
        strbuf_add(name, str_of(histogram_parts[k]));
        put(&g->names, keep(g, strbuf_str(name)), RESERVED);
        name->len = len;
    }
    return i;
}

/* Is there no such series yet?  Then there is now. */
static bool is_new(struct prometheus_guests *g, uint32_t family, struct str labels)
{
    struct strbuf key = {0};

    strbuf_printf(&key, "%u{", family);
    strbuf_add(&key, labels);
    bool fresh = get(&g->series, strbuf_str(&key)) == NOBODY;
    if (fresh) {
        put(&g->series, keep(g, strbuf_str(&key)), 0);
    }
    strbuf_fini(&key);
    return fresh;
}

void prometheus_guests_add(struct prometheus_guests *g, const struct pw_metric *m)
{
    struct strbuf name = {0}, labels = {0};
    struct metric one = {.m = *m, .next = NOBODY};
    uint32_t family, index = (uint32_t)g->metrics.len;

    one.m.name = keep(g, m->name);
    if (!add_ai_name(m->name, &name, &labels)) {
        name.len = labels.len = 0;
        add_name(&name, m->name);
    }
    while ((family = claim(g, &name, m->type, one.m.name)) == NOBODY) {
        strbuf_printf(&name, "_%s", type_names[m->type]);
    }
    if (!is_new(g, family, strbuf_str(&labels))) {
        strbuf_printf(&labels, labels.len == 0 ? "" : ",");
        add_label(&labels, "metric", m->name);
        if (!is_new(g, family, strbuf_str(&labels))) { /* names that differ in what cannot be shown */
            strbuf_printf(&labels, ",number=\"%u\"", index);
            (void)is_new(g, family, strbuf_str(&labels));
        }
    }
    one.labels = keep(g, strbuf_str(&labels));
    vec_push(&g->metrics, one);
    struct family *f = &g->families.at[family];
    if (f->first == NOBODY) {
        f->first = index;
    } else {
        g->metrics.at[f->last].next = index;
    }
    f->last = index;
    strbuf_fini(&name);
    strbuf_fini(&labels);
}

static void write_metric(const struct family *f, const struct metric *one, struct strbuf *out)
{
    const struct pw_metric *m = &one->m;
    struct str open = one->labels.len == 0 ? STR("") : STR("{"),
               close = one->labels.len == 0 ? STR("") : STR("}");
    uint64_t count = 0;

    if (m->type != PW_METRIC_HISTOGRAM) {
        strbuf_printf(out, "%.*s%.*s%.*s%.*s ", STR_ARG(f->name), STR_ARG(open), STR_ARG(one->labels),
                      STR_ARG(close));
        strbuf_printf(out, m->type == PW_METRIC_GAUGE ? "%" PRId64 "\n" : "%" PRIu64 "\n", m->value);
        return;
    }
    for (size_t i = 0; i <= PW_HISTOGRAM_BOUNDS; i++) {
        count += m->buckets[i];
        strbuf_printf(out, "%.*s_bucket{%.*s%sle=\"", STR_ARG(f->name), STR_ARG(one->labels),
                      one->labels.len == 0 ? "" : ",");
        if (i < PW_HISTOGRAM_BOUNDS) {
            strbuf_printf(out, "%" PRIu64, pw_histogram_bounds[i]);
        } else {
            strbuf_printf(out, "+Inf");
        }
        strbuf_printf(out, "\"} %" PRIu64 "\n", count);
    }
    strbuf_printf(out, "%.*s_sum%.*s%.*s%.*s %" PRIu64 "\n", STR_ARG(f->name), STR_ARG(open),
                  STR_ARG(one->labels), STR_ARG(close), m->sum);
    strbuf_printf(out, "%.*s_count%.*s%.*s%.*s %" PRIu64 "\n", STR_ARG(f->name), STR_ARG(open),
                  STR_ARG(one->labels), STR_ARG(close), count);
}

void prometheus_guests_write(const struct prometheus_guests *g, struct strbuf *out)
{
    for (size_t i = 0; i < g->families.len; i++) {
        const struct family *f = &g->families.at[i];
        prometheus_family(out, f->name, f->type, f->help);
        for (uint32_t k = f->first; k != NOBODY; k = g->metrics.at[k].next) {
            write_metric(f, &g->metrics.at[k], out);
        }
    }
}
