/* gw/yaml.c - builds node trees from libyaml's events.
 *
 * One pass with a stack of open collections instead of recursion.  Every node counts what it would be with
 * its aliases written out, so that a small file cannot stand for a huge tree. */
#include "gw/yaml.h"

#include <stdlib.h>
#include <yaml.h>

struct anchor {
    struct str name;
    struct gw_node *node;
};

/* A collection whose end has not come; children gather here and move to the arena at the end. */
struct open_node {
    struct gw_node *node;
    gw_node_vec keys, values;
    bool want_value; /* in a map: a key waits for its value */
};

struct builder {
    struct arena *arena;
    const char *file;
    struct gw_problems *problems;
    bool failed;  /* a problem was found */
    bool stopped; /* ... that ends reading */
    gw_node_vec *docs;
    VEC(struct anchor) anchors;
    struct open_node stack[GW_YAML_MAX_DEPTH];
    uint32_t depth;
    uint64_t nodes, bytes;
};

static void complain(struct builder *b, uint32_t line, const char *field, const char *message)
{
    gw_problems_add(b->problems, false, (struct gw_place){.file = b->file, .line = line}, field, "%s",
                    message);
    b->failed = true;
}

static void stop(struct builder *b, uint32_t line, const char *message)
{
    complain(b, line, "", message);
    b->stopped = true;
}

/* ---- scalars ---------------------------------------------------------------------------- */

static size_t count_digits(struct str s)
{
    size_t n = 0;
    while (n < s.len && s.at[n] >= '0' && s.at[n] <= '9') {
        n++;
    }
    return n;
}

static bool all_in(struct str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\0' || strchr(set, s.at[i]) == NULL) {
            return false;
        }
    }
    return s.len != 0;
}

static struct str skip_sign(struct str s)
{
    return s.len != 0 && (s.at[0] == '-' || s.at[0] == '+') ? str_slice(s, 1, s.len) : s;
}

/* [0-9]+ | \.[0-9]+ | [0-9]+\.[0-9]*, then an exponent or nothing. */
static enum gw_node_kind resolve_number(struct str s)
{
    size_t whole = count_digits(s), fraction = 0;
    enum gw_node_kind kind = GW_NODE_INT;

    s = str_slice(s, whole, s.len);
    if (s.len != 0 && s.at[0] == '.') {
        kind = GW_NODE_FLOAT;
        s = str_slice(s, 1, s.len);
        fraction = count_digits(s);
        s = str_slice(s, fraction, s.len);
    }
    if (whole == 0 && fraction == 0) {
        return GW_NODE_STRING;
    }
    if (s.len != 0 && (s.at[0] == 'e' || s.at[0] == 'E')) {
        kind = GW_NODE_FLOAT;
        s = skip_sign(str_slice(s, 1, s.len));
        size_t exponent = count_digits(s);
        if (exponent == 0) {
            return GW_NODE_STRING;
        }
        s = str_slice(s, exponent, s.len);
    }
    return s.len == 0 ? kind : GW_NODE_STRING;
}

static bool is_one_of(struct str s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (str_eq(s, str_of(*words))) {
            return true;
        }
    }
    return false;
}

enum gw_node_kind gw_yaml_resolve(struct str text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    static const char *const floats[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};

    if (is_one_of(text, nulls)) {
        return GW_NODE_NULL;
    }
    if (is_one_of(text, bools)) {
        return GW_NODE_BOOL;
    }
    if (is_one_of(skip_sign(text), floats) || is_one_of(text, nans)) {
        return GW_NODE_FLOAT;
    }
    if ((str_starts_with(text, STR("0x")) &&
         all_in(str_slice(text, 2, text.len), "0123456789abcdefABCDEF")) ||
        (str_starts_with(text, STR("0o")) && all_in(str_slice(text, 2, text.len), "01234567"))) {
        return GW_NODE_INT;
    }
    return resolve_number(skip_sign(text));
}

const char *gw_node_kind_name(enum gw_node_kind kind)
{
    static const char *const names[] = {
        [GW_NODE_NULL] = "nothing",   [GW_NODE_BOOL] = "true or false", [GW_NODE_INT] = "a whole number",
        [GW_NODE_FLOAT] = "a number", [GW_NODE_STRING] = "a string",    [GW_NODE_LIST] = "a list",
        [GW_NODE_MAP] = "a mapping",
    };
    return names[kind];
}

static const struct {
    const char *tag;
    enum gw_node_kind kind;
} tags[] = {
    {"!", GW_NODE_STRING},           {YAML_STR_TAG, GW_NODE_STRING}, {YAML_INT_TAG, GW_NODE_INT},
    {YAML_FLOAT_TAG, GW_NODE_FLOAT}, {YAML_BOOL_TAG, GW_NODE_BOOL},  {YAML_NULL_TAG, GW_NODE_NULL},
    {YAML_SEQ_TAG, GW_NODE_LIST},    {YAML_MAP_TAG, GW_NODE_MAP},
};

/* What the tag makes of a node that is of kind `natural` without it. */
static enum gw_node_kind apply_tag(struct builder *b, uint32_t line, const char *tag,
                                   enum gw_node_kind natural)
{
    if (tag == NULL) {
        return natural;
    }
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (strcmp(tags[i].tag, tag) != 0) {
            continue;
        }
        enum gw_node_kind kind = tags[i].kind;
        bool collection = natural >= GW_NODE_LIST;
        if (kind == natural || (!collection && kind == GW_NODE_STRING) ||
            (kind == GW_NODE_FLOAT && natural == GW_NODE_INT) || (collection && strcmp(tag, "!") == 0)) {
            return collection ? natural : kind;
        }
        complain(b, line, "", "the tag does not fit the value; remove the tag");
        return natural;
    }
    complain(b, line, "", "this tag is not known; remove it (only YAML's own like !!str are)");
    return natural;
}

/* ---- the tree --------------------------------------------------------------------------- */

static uint32_t line_of(const yaml_event_t *e)
{
    return (uint32_t)(e->start_mark.line + 1);
}

static struct gw_node *new_node(struct builder *b, uint32_t line, enum gw_node_kind kind)
{
    struct gw_node *n = ARENA_NEW(b->arena, struct gw_node);
    n->kind = kind;
    n->at = (struct gw_place){.file = b->file, .line = line};
    n->nodes = 1;
    return n;
}

/* Count what a node adds to the file with its aliases written out. */
static void count(struct builder *b, uint32_t line, uint64_t nodes, uint64_t bytes)
{
    b->nodes += nodes;
    b->bytes += bytes;
    if (b->nodes > GW_YAML_MAX_NODES || b->bytes > GW_YAML_MAX_BYTES) {
        stop(b, line, "too large with its aliases (*name) written out; use fewer of them");
    }
}

static void remember_anchor(struct builder *b, const yaml_char_t *anchor, struct gw_node *n)
{
    if (anchor == NULL) {
        return;
    }
    if (b->anchors.len == GW_YAML_MAX_ANCHORS) {
        stop(b, n->at.line, "too many anchors (&name) in this document");
        return;
    }
    const char *name = (const char *)anchor;
    vec_push(&b->anchors, ((struct anchor){str_of(arena_strndup(b->arena, name, strlen(name))), n}));
}

/* A key must be a scalar that can also be a JSON key which YAML reads. */
static void check_key(struct builder *b, const struct gw_node *key, bool plain)
{
    if (key->kind >= GW_NODE_LIST) {
        stop(b, key->at.line, "a key must be a plain value, not a list or mapping");
        return;
    }
    if (plain && str_eq(key->text, STR("<<"))) {
        complain(b, key->at.line, "<<", "merge keys are not supported; write the fields out");
    }
    if (key->text.len > GW_YAML_MAX_KEY / 6) {
        struct strbuf json = {0};
        gw_json_string(&json, key->text);
        if (json.len > GW_YAML_MAX_KEY) {
            stop(b, key->at.line, "a key of more than 1000 bytes; shorten it");
        }
        strbuf_fini(&json);
    }
}

/* A finished node (or an alias of one) takes its place in the innermost open collection. */
static void place_node(struct builder *b, struct gw_node *n, bool plain)
{
    if (b->depth == 0) {
        if (n->kind != GW_NODE_NULL) {
            vec_push(b->docs, n);
        }
        return;
    }
    struct open_node *top = &b->stack[b->depth - 1];
    top->node->nodes += n->nodes;
    top->node->bytes += n->bytes;
    if (top->node->height <= n->height) {
        top->node->height = n->height + 1;
    }
    if (top->node->kind == GW_NODE_MAP && !top->want_value) {
        check_key(b, n, plain);
        vec_push(&top->keys, n);
        top->want_value = true;
    } else {
        vec_push(&top->values, n);
        top->want_value = false;
    }
}

static void on_scalar(struct builder *b, const yaml_event_t *e)
{
    const char *tag = (const char *)e->data.scalar.tag;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct str text = str_make(e->data.scalar.value, e->data.scalar.length);
    enum gw_node_kind natural = plain || tag != NULL ? gw_yaml_resolve(text) : GW_NODE_STRING;
    struct gw_node *n = new_node(b, line_of(e), apply_tag(b, line_of(e), tag, natural));

    n->text = str_make(arena_strndup(b->arena, text.at, text.len), text.len);
    n->bytes = text.len;
    count(b, n->at.line, 1, text.len);
    remember_anchor(b, e->data.scalar.anchor, n);
    place_node(b, n, plain);
}

static bool is_open(const struct builder *b, const struct gw_node *n)
{
    for (uint32_t i = 0; i < b->depth; i++) {
        if (b->stack[i].node == n) {
            return true;
        }
    }
    return false;
}

static void on_alias(struct builder *b, const yaml_event_t *e)
{
    struct str name = str_of((const char *)e->data.alias.anchor);
    struct gw_node *target = NULL;

    for (size_t i = b->anchors.len; i-- > 0 && target == NULL;) {
        if (str_eq(b->anchors.at[i].name, name)) {
            target = b->anchors.at[i].node;
        }
    }
    if (target == NULL) {
        stop(b, line_of(e), "an alias (*name) of an anchor (&name) that was not given before it");
    } else if (is_open(b, target)) {
        stop(b, line_of(e), "an alias inside of what it stands for");
    } else if (b->depth + target->height >= GW_YAML_MAX_DEPTH) {
        stop(b, line_of(e), "nested more than 64 levels deep");
    } else {
        count(b, line_of(e), target->nodes, target->bytes);
        place_node(b, target, false);
    }
}

static void on_start(struct builder *b, const yaml_event_t *e, enum gw_node_kind kind,
                     const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (b->depth == GW_YAML_MAX_DEPTH) {
        stop(b, line_of(e), "nested more than 64 levels deep");
        return;
    }
    struct gw_node *n = new_node(b, line_of(e), kind);
    apply_tag(b, n->at.line, (const char *)tag, kind);
    count(b, n->at.line, 1, 0);
    remember_anchor(b, anchor, n);
    b->stack[b->depth++] = (struct open_node){.node = n};
}

static int compare_keys(const void *x, const void *y)
{
    const struct gw_node *const *a = x, *const *b = y;
    int c = str_cmp((*a)->text, (*b)->text);
    return c != 0 ? c : (*a)->at.line<(*b)->at.line ? -1 : (*a)->at.line>(*b)->at.line;
}

static void check_duplicates(struct builder *b, struct gw_node *const *keys, uint32_t n)
{
    if (n < 2) {
        return;
    }
    const struct gw_node **sorted = mem_zalloc_array(n, sizeof *sorted);
    memcpy(sorted, keys, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_keys);
    for (uint32_t i = 1; i < n; i++) {
        if (str_eq(sorted[i]->text, sorted[i - 1]->text)) {
            gw_problems_add(b->problems, false, sorted[i]->at, sorted[i]->text.at,
                            "given twice, first in line %u; keep one", sorted[i - 1]->at.line);
            b->failed = true;
        }
    }
    mem_free(sorted);
}

static struct gw_node **keep(struct builder *b, const gw_node_vec *v)
{
    struct gw_node **at = ARENA_ARRAY(b->arena, struct gw_node *, v->len);
    if (v->len != 0) {
        memcpy(at, v->at, v->len * sizeof *at);
    }
    return at;
}

static void on_end(struct builder *b)
{
    struct open_node *top = &b->stack[b->depth - 1];
    struct gw_node *n = top->node;

    n->n = (uint32_t)top->values.len;
    n->values = keep(b, &top->values);
    if (n->kind == GW_NODE_MAP) {
        n->keys = keep(b, &top->keys);
        check_duplicates(b, n->keys, n->n);
    }
    vec_fini(&top->keys);
    vec_fini(&top->values);
    b->depth--;
    place_node(b, n, false);
}

static void on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        vec_clear(&b->anchors);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, e);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_start(b, e, GW_NODE_LIST, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        on_start(b, e, GW_NODE_MAP, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_end(b);
        break;
    default:
        break;
    }
}

static void complain_syntax(struct builder *b, const yaml_parser_t *p)
{
    const char *context = p->context == NULL ? "" : p->context;
    gw_problems_add(b->problems, false,
                    (struct gw_place){.file = b->file, .line = (uint32_t)p->problem_mark.line + 1}, "",
                    "not YAML: %s%s%s (column %zu)", context, *context == '\0' ? "" : ": ",
                    p->problem == NULL ? "cannot be read" : p->problem, p->problem_mark.column + 1);
    b->failed = true;
}

bool gw_yaml_parse(struct arena *a, const char *file, struct str text, gw_node_vec *docs,
                   struct gw_problems *problems)
{
    struct builder b = {.arena = a, .file = file, .problems = problems, .docs = docs};
    yaml_parser_t parser;
    bool more = true;

    if (text.len > GW_YAML_MAX_BYTES) {
        stop(&b, 0, "larger than 64 MiB; split it into several files of a directory");
        return false;
    }
    WEIR_ASSERT(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.at == NULL ? "" : text.at), text.len);
    while (more && !b.stopped) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            complain_syntax(&b, &parser);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        on_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    while (b.depth != 0) {
        b.depth--;
        vec_fini(&b.stack[b.depth].keys);
        vec_fini(&b.stack[b.depth].values);
    }
    vec_fini(&b.anchors);
    return !b.failed;
}

const struct gw_node *gw_node_find(const struct gw_node *map, const char *key)
{
    for (uint32_t i = 0; map->kind == GW_NODE_MAP && i < map->n; i++) {
        if (str_eq(map->keys[i]->text, str_of(key))) {
            return map->values[i];
        }
    }
    return NULL;
}
