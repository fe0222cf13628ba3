/* gw/schema.c - reads and writes structs by the tables of their fields. */
#include "gw/schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "gw/values.h"

/* ---- messages --------------------------------------------------------------------------- */

void gw_path_format(const struct gw_path *path, struct strbuf *out)
{
    if (path == NULL) {
        return;
    }
    gw_path_format(path->up, out);
    if (path->name == NULL) {
        strbuf_printf(out, "[%u]", path->index);
    } else {
        strbuf_add(out, out->len == 0 ? STR("") : STR("."));
        strbuf_add(out, str_of(path->name));
    }
}

static void add_problem(struct gw_reader *r, bool warning, const struct gw_node *node,
                        const struct gw_path *path, const char *fmt, va_list ap)
{
    char message[900];
    struct strbuf field = {0};

    vsnprintf(message, sizeof message, fmt, ap);
    gw_path_format(path, &field);
    gw_problems_add(r->problems, warning, node->at, field.at == NULL ? "" : field.at, "%s", message);
    strbuf_fini(&field);
}

void gw_problem_at(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(r, false, node, path, fmt, ap);
    va_end(ap);
}

void gw_warning_at(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(r, true, node, path, fmt, ap);
    va_end(ap);
}

struct gw_place gw_place_of(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path)
{
    struct strbuf field = {0};
    struct gw_place at = node->at;

    gw_path_format(path, &field);
    at.field = arena_strndup(r->arena, field.at == NULL ? "" : field.at, field.len);
    strbuf_fini(&field);
    return at;
}

static bool expect(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   enum gw_node_kind kind, const char *hint)
{
    if (node->kind == kind) {
        return true;
    }
    gw_problem_at(r, node, path, "must be %s, not %s%s", gw_node_kind_name(kind),
                  gw_node_kind_name(node->kind), hint);
    return false;
}

/* ---- kinds: reading --------------------------------------------------------------------- */

typedef void read_fn(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                     const struct gw_path *path, void *object);
typedef bool write_fn(const struct gw_field *f, const void *object, struct strbuf *out);

static void *at_offset(void *object, uint32_t offset)
{
    return (char *)object + offset;
}

static const void *at_offset_const(const void *object, uint32_t offset)
{
    return (const char *)object + offset;
}

/* Bytes that have no place in names, hosts, paths and the like. */
static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

enum { STRING_MAX_BYTES = 4096 };

static bool read_text(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, struct str *out)
{
    bool quotable = node->kind != GW_NODE_LIST && node->kind != GW_NODE_MAP && node->kind != GW_NODE_NULL;
    if (!expect(r, node, path, GW_NODE_STRING, quotable ? "; put it in quotes" : "")) {
        return false;
    }
    struct str value = node->text;
    if (value.len > STRING_MAX_BYTES) {
        gw_problem_at(r, node, path, "longer than %d bytes; shorten it", STRING_MAX_BYTES);
        return false;
    }
    if (has_control(value)) {
        gw_problem_at(r, node, path, "has control characters; remove them");
        return false;
    }
    if (f->check != NULL && !f->check(r, node, path, &value)) {
        return false;
    }
    *out = str_make(arena_strndup(r->arena, value.at, value.len), value.len);
    return true;
}

static void read_string(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                        const struct gw_path *path, void *object)
{
    read_text(r, f, node, path, at_offset(object, f->offset));
}

static void read_pem(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                     const struct gw_path *path, void *object)
{
    struct str text;
    if (expect(r, node, path, GW_NODE_STRING, "") && gw_pem_read(r, node, path, &text) &&
        f->check(r, node, path, &text)) {
        *(struct str *)at_offset(object, f->offset) = text;
    }
}

static bool expect_list(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                        const struct gw_path *path)
{
    if (!expect(r, node, path, GW_NODE_LIST, "; write it as [...]")) {
        return false;
    }
    if (f->filled && node->n == 0) {
        gw_problem_at(r, node, path, "must not be empty; add an entry%s",
                      f->required ? "" : " or leave it out");
        return false;
    }
    return true;
}

static void read_strings(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                         const struct gw_path *path, void *object)
{
    if (!expect_list(r, f, node, path)) {
        return;
    }
    struct str *items = ARENA_ARRAY(r->arena, struct str, node->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        struct gw_path at = {path, NULL, i};
        n += read_text(r, f, node->values[i], &at, &items[n]);
    }
    *(struct str **)at_offset(object, f->offset) = items;
    *(uint32_t *)at_offset(object, f->count) = n;
}

static void read_bool(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, void *object)
{
    if (expect(r, node, path, GW_NODE_BOOL, "; write true or false")) {
        *(bool *)at_offset(object, f->offset) = (node->text.at[0] | 0x20) == 't';
    }
}

static bool read_integer(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                         const struct gw_path *path, int64_t *out)
{
    struct strbuf json = {0};
    int64_t v = 0;
    bool ok = expect(r, node, path, GW_NODE_INT, "");
    if (ok) {
        ok = gw_node_to_json(node, &json) == NULL && str_to_i64(strbuf_str(&json), &v) && v >= f->min &&
             v <= f->max;
        if (!ok) {
            gw_problem_at(r, node, path, "must be from %" PRId64 " to %" PRId64, f->min, f->max);
        }
    }
    strbuf_fini(&json);
    *out = v;
    return ok;
}

static void read_uint(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, void *object)
{
    int64_t v;
    if (read_integer(r, f, node, path, &v)) {
        *(uint32_t *)at_offset(object, f->offset) = (uint32_t)v;
    }
}

static void read_int(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                     const struct gw_path *path, void *object)
{
    int64_t v;
    if (read_integer(r, f, node, path, &v)) {
        *(int32_t *)at_offset(object, f->offset) = (int32_t)v;
    }
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit sizes[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"Ki", 1 << 10},
                                    {"Mi", 1 << 20},  {"Gi", 1 << 30},  {NULL, 0}};

/* Digits and a unit. */
static bool parse_quantity(struct str text, const struct unit *units, uint64_t *out)
{
    size_t n = 0;
    uint64_t v;

    while (n < text.len && text.at[n] >= '0' && text.at[n] <= '9') {
        n++;
    }
    for (; units->name != NULL; units++) {
        if (str_eq(str_slice(text, n, text.len), str_of(units->name))) {
            return str_to_u64(str_slice(text, 0, n), &v) && !__builtin_mul_overflow(v, units->factor, out);
        }
    }
    return false;
}

static void read_duration(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                          const struct gw_path *path, void *object)
{
    uint64_t v = 0;
    if (node->kind > GW_NODE_STRING || !parse_quantity(node->text, durations, &v)) {
        gw_problem_at(r, node, path, "must be a time with its unit, like 500ms, 5s, 2m or 1h");
    } else if (v < (uint64_t)f->min || v > (uint64_t)f->max) {
        gw_problem_at(r, node, path, "must be from %" PRId64 "ms to %" PRId64 "ms", f->min, f->max);
    } else {
        *(uint32_t *)at_offset(object, f->offset) = (uint32_t)v;
    }
}

static void read_size(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, void *object)
{
    uint64_t v = 0;
    bool ok = node->kind == GW_NODE_INT
                  ? str_to_u64(node->text, &v)
                  : node->kind == GW_NODE_STRING && parse_quantity(node->text, sizes, &v);
    if (!ok) {
        gw_problem_at(r, node, path, "must be a number of bytes, like 65536, 64KiB, 16MiB or 1GiB");
    } else if (v < (uint64_t)f->min || v > (uint64_t)f->max) {
        gw_problem_at(r, node, path, "must be from %" PRId64 " to %" PRId64 " bytes", f->min, f->max);
    } else {
        *(uint64_t *)at_offset(object, f->offset) = v;
    }
}

static void read_choice(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                        const struct gw_path *path, void *object)
{
    struct strbuf names = {0};
    const struct gw_choice *c = f->choices;

    while (c->name != NULL && (node->kind != GW_NODE_STRING || !str_eq(node->text, str_of(c->name)))) {
        strbuf_printf(&names, "%s%s", names.len == 0 ? "" : ", ", c->name);
        c++;
    }
    if (c->name != NULL) {
        *(int *)at_offset(object, f->offset) = c->value;
    } else {
        gw_problem_at(r, node, path, "must be one of %s", names.at);
    }
    strbuf_fini(&names);
}

static void read_address(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                         const struct gw_path *path, void *object)
{
    struct str text;
    struct gw_field plain = {.kind = GW_F_STRING};
    if (read_text(r, &plain, node, path, &text)) {
        const char *wrong = gw_address_parse(r->arena, text, at_offset(object, f->offset));
        if (wrong != NULL) {
            gw_problem_at(r, node, path, "%s", wrong);
        }
    }
}

enum { JSON_MAX_DEPTH = GW_YAML_MAX_DEPTH - 10 }; /* it must fit into the generation file, some levels down */

static void read_json(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, void *object)
{
    if (!expect(r, node, path, GW_NODE_MAP, "")) {
        return;
    }
    if (node->height > JSON_MAX_DEPTH) {
        gw_problem_at(r, node, path, "nested more than %d levels deep", JSON_MAX_DEPTH);
        return;
    }
    struct strbuf json = {0};
    const struct gw_node *bad = gw_node_to_json(node, &json);
    if (bad != NULL) {
        gw_problem_at(r, bad, path, "JSON has no number like %.*s; put it in quotes", STR_ARG(bad->text));
    } else {
        *(struct str *)at_offset(object, f->offset) =
            str_make(arena_strndup(r->arena, json.at, json.len), json.len);
    }
    strbuf_fini(&json);
}

static void read_variant(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                         const struct gw_path *path, void *object)
{
    struct gw_matcher *m = at_offset(object, f->offset);
    struct gw_matcher found = {.kind = f->variant};

    if (m->kind != GW_MATCH_NONE) {
        gw_problem_at(r, node, path, "another way to match is given beside it; keep one");
    } else if (f->variant == GW_MATCH_PRESENT) {
        if (node->kind == GW_NODE_BOOL && (node->text.at[0] | 0x20) == 't') {
            *m = found;
        } else {
            gw_problem_at(r, node, path, "must be true; leave it out otherwise");
        }
    } else if (read_text(r, f, node, path, &found.text)) {
        *m = found;
    } else {
        m->kind = f->variant; /* so that it does not count as missing too */
    }
}

static void read_backend(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                         const struct gw_path *path, void *object)
{
    struct gw_backend *b = ARENA_NEW(r->arena, struct gw_backend);
    b->at = gw_place_of(r, node, path);
    b->weight = 1;
    b->service = GW_NONE;
    if (read_text(r, f, node, path, &b->name)) {
        *(struct gw_backend **)at_offset(object, f->offset) = b;
        *(uint32_t *)at_offset(object, f->count) = 1;
    }
}

static void read_object(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                        const struct gw_path *path, void *object)
{
    gw_type_read(r, f->type, node, path, NULL, at_offset(object, f->offset));
}

static void read_optional(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                          const struct gw_path *path, void *object)
{
    void *inner = arena_zalloc(r->arena, f->type->size);
    gw_type_read(r, f->type, node, path, NULL, inner);
    *(void **)at_offset(object, f->offset) = inner;
}

static void read_list(struct gw_reader *r, const struct gw_field *f, const struct gw_node *node,
                      const struct gw_path *path, void *object)
{
    if (!expect_list(r, f, node, path)) {
        return;
    }
    char *items = arena_zalloc_array(r->arena, node->n, f->type->size);
    for (uint32_t i = 0; i < node->n; i++) {
        struct gw_path at = {path, NULL, i};
        gw_type_read(r, f->type, node->values[i], &at, NULL, items + i * f->type->size);
    }
    *(void **)at_offset(object, f->offset) = items;
    *(uint32_t *)at_offset(object, f->count) = node->n;
}

/* ---- kinds: writing --------------------------------------------------------------------- */

/* Each returns false, with nothing written, where the field is absent. */

static bool write_string(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const struct str *s = at_offset_const(object, f->offset);
    if (s->at == NULL) {
        return false;
    }
    gw_json_string(out, *s);
    return true;
}

static bool write_strings(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const struct str *items = *(struct str *const *)at_offset_const(object, f->offset);
    uint32_t n = *(const uint32_t *)at_offset_const(object, f->count);
    for (uint32_t i = 0; i < n; i++) {
        strbuf_add_char(out, i == 0 ? '[' : ',');
        gw_json_string(out, items[i]);
    }
    if (n != 0) {
        strbuf_add_char(out, ']');
    }
    return n != 0;
}

static bool write_bool(const struct gw_field *f, const void *object, struct strbuf *out)
{
    strbuf_add(out, *(const bool *)at_offset_const(object, f->offset) ? STR("true") : STR("false"));
    return true;
}

/* Without a default, 0 is "absent". */
static bool write_uint(const struct gw_field *f, const void *object, struct strbuf *out)
{
    uint32_t v = *(const uint32_t *)at_offset_const(object, f->offset);
    if (v == 0 && f->fallback == NULL && !f->required) {
        return false;
    }
    strbuf_printf(out, f->kind == GW_F_DURATION ? "\"%ums\"" : "%u", v);
    return true;
}

static bool write_int(const struct gw_field *f, const void *object, struct strbuf *out)
{
    strbuf_printf(out, "%d", *(const int32_t *)at_offset_const(object, f->offset));
    return true;
}

static bool write_size(const struct gw_field *f, const void *object, struct strbuf *out)
{
    uint64_t v = *(const uint64_t *)at_offset_const(object, f->offset);
    if (v == 0 && f->fallback == NULL && !f->required) {
        return false;
    }
    strbuf_printf(out, "%" PRIu64, v);
    return true;
}

static bool write_choice(const struct gw_field *f, const void *object, struct strbuf *out)
{
    int v = *(const int *)at_offset_const(object, f->offset);
    const struct gw_choice *c = f->choices;
    while (c->name != NULL && c->value != v) {
        c++;
    }
    if (c->name == NULL) { /* as with numbers, 0 without a default is "absent" */
        WEIR_ASSERT(v == 0 && f->fallback == NULL);
        return false;
    }
    gw_json_string(out, str_of(c->name));
    return true;
}

static bool write_address(const struct gw_field *f, const void *object, struct strbuf *out)
{
    struct strbuf text = {0};
    gw_address_format(at_offset_const(object, f->offset), &text);
    gw_json_string(out, strbuf_str(&text));
    strbuf_fini(&text);
    return true;
}

static bool write_json(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const struct str *s = at_offset_const(object, f->offset);
    strbuf_add(out, *s);
    return s->at != NULL;
}

static bool write_variant(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const struct gw_matcher *m = at_offset_const(object, f->offset);
    if (m->kind != f->variant) {
        return false;
    }
    if (f->variant == GW_MATCH_PRESENT) {
        strbuf_add(out, STR("true"));
    } else {
        gw_json_string(out, m->text);
    }
    return true;
}

static bool write_object(const struct gw_field *f, const void *object, struct strbuf *out)
{
    size_t from = out->len;
    gw_type_write(f->type, at_offset_const(object, f->offset), out);
    if (out->len == from + 2) { /* {} */
        out->len = from;
        return false;
    }
    return true;
}

static bool write_optional(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const void *inner = *(void *const *)at_offset_const(object, f->offset);
    if (inner != NULL) {
        gw_type_write(f->type, inner, out);
    }
    return inner != NULL;
}

static bool write_list(const struct gw_field *f, const void *object, struct strbuf *out)
{
    const char *items = *(void *const *)at_offset_const(object, f->offset);
    uint32_t n = *(const uint32_t *)at_offset_const(object, f->count);
    for (uint32_t i = 0; i < n; i++) {
        strbuf_add_char(out, i == 0 ? '[' : ',');
        gw_type_write(f->type, items + i * f->type->size, out);
    }
    if (n != 0) {
        strbuf_add_char(out, ']');
    }
    return n != 0;
}

static const struct {
    read_fn *read;
    write_fn *write; /* NULL: another field writes it */
} kinds[] = {
    [GW_F_STRING] = {read_string, write_string},
    [GW_F_PEM] = {read_pem, write_string},
    [GW_F_STRINGS] = {read_strings, write_strings},
    [GW_F_BOOL] = {read_bool, write_bool},
    [GW_F_UINT] = {read_uint, write_uint},
    [GW_F_INT] = {read_int, write_int},
    [GW_F_DURATION] = {read_duration, write_uint},
    [GW_F_SIZE] = {read_size, write_size},
    [GW_F_CHOICE] = {read_choice, write_choice},
    [GW_F_ADDRESS] = {read_address, write_address},
    [GW_F_JSON] = {read_json, write_json},
    [GW_F_VARIANT] = {read_variant, write_variant},
    [GW_F_BACKEND] = {read_backend, NULL},
    [GW_F_OBJECT] = {read_object, write_object},
    [GW_F_OPTIONAL] = {read_optional, write_optional},
    [GW_F_LIST] = {read_list, write_list},
};

bool gw_field_write(const struct gw_field *f, const void *object, struct strbuf *out)
{
    return kinds[f->kind].write(f, object, out);
}

/* ---- mappings --------------------------------------------------------------------------- */

static const struct gw_field *find_field(const struct gw_type *t, struct str name)
{
    for (size_t i = 0; i < t->nfields; i++) {
        const struct gw_field *f = &t->fields[i];
        if (str_eq(name, str_of(f->name)) || (f->alias != NULL && str_eq(name, str_of(f->alias)))) {
            return f;
        }
    }
    return NULL;
}

static void complain_unknown(struct gw_reader *r, const struct gw_type *t, const struct gw_node *key,
                             const struct gw_path *path, const char *except)
{
    struct strbuf names = {0};
    struct gw_path at = {path, key->text.at, 0};

    for (size_t i = 0; i < t->nfields; i++) {
        if (except == NULL || strcmp(t->fields[i].name, except) != 0) {
            strbuf_printf(&names, "%s%s", names.len == 0 ? "" : ", ", t->fields[i].name);
        }
    }
    gw_problem_at(r, key, &at, "no such field; there are %s", names.at);
    strbuf_fini(&names);
}

/* The default goes the way a written value goes. */
static void read_fallback(struct gw_reader *r, const struct gw_field *f, void *object)
{
    if (f->kind == GW_F_OBJECT) { /* its own defaults */
        struct gw_node none = {.kind = GW_NODE_MAP, .at = {.file = "default"}};
        gw_type_read(r, f->type, &none, NULL, NULL, at_offset(object, f->offset));
    } else if (f->fallback != NULL) {
        struct str text = str_of(f->fallback);
        struct gw_node node = {.kind = gw_yaml_resolve(text), .at = {.file = "default"}, .text = text};
        kinds[f->kind].read(r, f, &node, NULL, object);
    }
}

static void read_fields(struct gw_reader *r, const struct gw_type *t, const struct gw_node *node,
                        const struct gw_path *path, const char *except, void *object)
{
    bool seen[32] = {0};

    WEIR_ASSERT(t->nfields <= 32);
    for (uint32_t i = 0; i < node->n; i++) {
        const struct gw_field *f = find_field(t, node->keys[i]->text);
        if (f == NULL || (except != NULL && strcmp(f->name, except) == 0)) {
            complain_unknown(r, t, node->keys[i], path, except);
            continue;
        }
        struct gw_path at = {path, node->keys[i]->text.at, 0};
        if (node->values[i]->kind == GW_NODE_NULL) {
            continue; /* `name:` with nothing after it: not given */
        }
        if (seen[f - t->fields]) {
            if (f->alias != NULL) { /* the same name twice was found while reading YAML */
                gw_problem_at(r, node->keys[i], &at, "%s and %s are two names of one field; keep one",
                              f->name, f->alias);
            }
            continue;
        }
        seen[f - t->fields] = true;
        kinds[f->kind].read(r, f, node->values[i], &at, object);
    }
    for (size_t i = 0; i < t->nfields; i++) {
        const struct gw_field *f = &t->fields[i];
        if (seen[i] || (except != NULL && strcmp(f->name, except) == 0)) {
            continue;
        }
        if (f->required) {
            struct gw_path at = {path, f->name, 0};
            gw_problem_at(r, node, &at, "is missing; add it");
        } else {
            read_fallback(r, f, object);
        }
    }
}

void gw_type_read(struct gw_reader *r, const struct gw_type *t, const struct gw_node *node,
                  const struct gw_path *path, const char *except, void *object)
{
    struct gw_node single = {.kind = GW_NODE_MAP, .at = node->at, .n = 1};
    struct gw_node key = {.kind = GW_NODE_STRING, .at = node->at};
    struct gw_node *keys[1] = {&key}, *values[1];

    if (t->placed) {
        *(struct gw_place *)object = gw_place_of(r, node, path);
    }
    if (t->shorthand != NULL && node->kind == GW_NODE_STRING) {
        struct gw_node value = *node;
        key.text = str_of(t->shorthand);
        values[0] = &value;
        single.keys = keys;
        single.values = values;
        read_fields(r, t, &single, path, except, object);
        return;
    }
    if (!expect(r, node, path, GW_NODE_MAP, "")) {
        return;
    }
    uint32_t before = r->problems->nerrors;
    read_fields(r, t, node, path, except, object);
    if (t->check != NULL && r->problems->nerrors == before) {
        t->check(r, node, path, object);
    }
}

void gw_type_write(const struct gw_type *t, const void *object, struct strbuf *out)
{
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < t->nfields; i++) {
        const struct gw_field *f = &t->fields[i];
        size_t from = out->len;
        if (kinds[f->kind].write == NULL) {
            continue;
        }
        strbuf_add(out, out->at[from - 1] == '{' ? STR("\"") : STR(",\""));
        strbuf_add(out, str_of(f->name));
        strbuf_add(out, STR("\":"));
        if (!kinds[f->kind].write(f, object, out)) {
            out->len = from;
        }
    }
    strbuf_add_char(out, '}');
}
