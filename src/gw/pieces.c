/* gw/pieces.c - cutting texts, and a hash table of what is in the pieces. */
#include "gw/pieces.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "gw/yaml.h"

/* ---- pieces ------------------------------------------------------------------------------- */

void gw_piece_unref(struct gw_piece *p)
{
    if (p != NULL && --p->refs == 0) {
        struct arena arena = p->arena; /* it lives in it */
        mem_free((char *)(uintptr_t)p->json.at);
        arena_fini(&arena);
    }
}

/* The one entry of the list that a YAML text is, or the one mapping.  NULL: it is another thing. */
static const struct gw_node *only_entry(const gw_node_vec *docs, bool in_list)
{
    const struct gw_node *root = docs->len == 1 ? docs->at[0] : NULL;

    if (root == NULL || root->kind != (in_list ? GW_NODE_LIST : GW_NODE_MAP)) {
        return NULL;
    }
    return !in_list ? root : root->n == 1 ? root->values[0] : NULL;
}

/* Read a part for the first time.  NULL: not without a word to somebody. */
static struct gw_piece *read_piece(uint32_t kind, struct str text, uint64_t hash, bool in_list)
{
    const struct gw_field *list = &gw_type_config.fields[kind];
    struct arena arena, trees;
    struct gw_problems problems;
    gw_node_vec docs = {0};
    struct gw_piece *p = NULL;

    arena_init_small(&arena);
    arena_init(&trees);
    gw_problems_init(&problems);
    const struct gw_node *entry =
        gw_yaml_parse(&trees, "", text, &docs, &problems) ? only_entry(&docs, in_list) : NULL;
    if (entry != NULL) {
        struct gw_reader r = {.arena = &arena, .problems = &problems};
        struct gw_path up = {NULL, list->name, 0}, at = {&up, NULL, 0};
        void *object = arena_zalloc(&arena, list->type->size);
        p = ARENA_NEW(&arena, struct gw_piece);
        gw_type_read(&r, list->type, entry, &at, NULL, object);
        *p = (struct gw_piece){.refs = 1,
                               .kind = kind,
                               .bytes = (uint32_t)text.len,
                               .outside = r.outside,
                               .hash = hash,
                               .nodes = entry->nodes,
                               .scalar_bytes = entry->bytes,
                               .text = arena_strndup(&arena, text.at, text.len),
                               .object = object};
        p->arena = arena; /* nothing is added to it from here on */
    }
    if (problems.list.len != 0 && p != NULL) {
        gw_piece_unref(p);
        p = NULL;
    } else if (p == NULL) {
        arena_fini(&arena);
    }
    vec_fini(&docs);
    arena_fini(&trees);
    gw_problems_fini(&problems);
    return p;
}

/* ---- the table ---------------------------------------------------------------------------- */

static struct gw_piece *find(const struct gw_pieces *c, uint32_t kind, struct str text, uint64_t hash)
{
    if (c->mask == 0) {
        return NULL;
    }
    for (size_t i = hash & c->mask; c->slots[i] != NULL; i = (i + 1) & c->mask) {
        struct gw_piece *p = c->slots[i];
        if (p->hash == hash && p->kind == kind && p->bytes == text.len &&
            memcmp(p->text, text.at, text.len) == 0) {
            return p;
        }
    }
    return NULL;
}

/* A second piece with the same text is as good as the first. */
static void put(struct gw_pieces *c, struct gw_piece *p)
{
    size_t i = p->hash & c->mask;

    while (c->slots[i] != NULL && c->slots[i] != p) {
        i = (i + 1) & c->mask;
    }
    if (c->slots[i] == NULL) {
        p->refs++;
        c->slots[i] = p;
        c->n++;
    }
}

void gw_pieces_fini(struct gw_pieces *c)
{
    for (size_t i = 0; c->mask != 0 && i <= c->mask; i++) {
        gw_piece_unref(c->slots[i]);
    }
    mem_free(c->slots);
    *c = (struct gw_pieces){0};
}

void gw_pieces_keep(struct gw_pieces *c, const gw_found_vec *found)
{
    struct gw_pieces now = {0};
    size_t n = 16;

    while (n < 2 * found->len) {
        n *= 2;
    }
    now.slots = mem_zalloc_array(n, sizeof *now.slots);
    now.mask = n - 1;
    for (size_t i = 0; i < found->len; i++) {
        if (!found->at[i].piece->outside) {
            put(&now, found->at[i].piece);
        }
    }
    gw_pieces_fini(c);
    *c = now;
}

struct str gw_piece_json(struct gw_piece *p)
{
    if (p->json.at == NULL) {
        struct strbuf text = {0};
        gw_type_write(gw_type_config.fields[p->kind].type, p->object, &text);
        p->json = strbuf_str(&text);
    }
    return p->json;
}

/* ---- cutting ------------------------------------------------------------------------------ */

struct cutter {
    struct gw_pieces *cache;
    gw_found_vec *out;
    uint64_t nodes, scalar_bytes; /* limits hold for the whole, too */
    uint32_t seen;                /* kinds that came, as bits */
};

/* A part that is complete. */
static bool add(struct cutter *k, uint32_t kind, struct str text, uint32_t line, bool in_list)
{
    uint64_t hash = hash_bytes(text.at, text.len, kind);
    struct gw_piece *p = find(k->cache, kind, text, hash);

    if (p != NULL) {
        p->refs++;
    } else {
        p = read_piece(kind, text, hash, in_list);
    }
    if (p == NULL) {
        return false;
    }
    vec_push(k->out, ((struct gw_found){p, line}));
    k->nodes += p->nodes;
    k->scalar_bytes += p->scalar_bytes;
    return k->nodes <= GW_YAML_MAX_NODES && k->scalar_bytes <= GW_YAML_MAX_BYTES;
}

/* A list of the configuration that did not come before in this text; false: it is none. */
static bool begin_kind(struct cutter *k, struct str name, uint32_t *kind)
{
    for (uint32_t i = 0; i < gw_type_config.nfields; i++) {
        const struct gw_field *f = &gw_type_config.fields[i];
        if (f->kind == GW_F_LIST && str_eq(name, str_of(f->name))) {
            bool first = (k->seen & 1u << i) == 0;
            k->seen |= 1u << i;
            *kind = i;
            return first;
        }
    }
    return false;
}

/* The next line with its end, *line without it. */
static struct str cut_line(struct str *rest, struct str *line)
{
    const char *end = memchr(rest->at, '\n', rest->len);
    struct str whole = str_slice(*rest, 0, end == NULL ? rest->len : (size_t)(end - rest->at) + 1);

    *rest = str_slice(*rest, whole.len, rest->len);
    *line = str_slice(whole, 0, end == NULL ? whole.len : whole.len - 1);
    return whole;
}

static size_t count_spaces(struct str line)
{
    size_t n = 0;
    while (n < line.len && line.at[n] == ' ') {
        n++;
    }
    return n;
}

/* Block lists: "routes:" at the beginning of a line, and below it entries whose dashes stand in one column.
 */
static bool cut_block(struct cutter *k, struct str text)
{
    struct str rest = text, line, entry = {0};
    uint32_t kind = GW_NONE, number = 0, from = 0;
    size_t column = SIZE_MAX; /* of the list's dashes; SIZE_MAX: no entry came yet */

    while (rest.len != 0) {
        struct str whole = cut_line(&rest, &line);
        size_t spaces = count_spaces(line);
        number++;
        if (memchr(line.at, '\r', line.len) != NULL) {
            return false;
        }
        bool nothing = spaces == line.len || line.at[spaces] == '#';
        bool dash =
            !nothing && line.at[spaces] == '-' && (spaces + 1 == line.len || line.at[spaces + 1] == ' ');
        if (dash && kind != GW_NONE && (column == SIZE_MAX || spaces == column)) {
            if (entry.at != NULL && !add(k, kind, entry, from, true)) {
                return false;
            }
            column = spaces;
            entry = whole;
            from = number;
        } else if (nothing || (entry.at != NULL && spaces > column)) {
            entry.len += entry.at != NULL ? whole.len : 0;
        } else if (spaces == 0 && !dash && line.len > 1 && line.at[line.len - 1] == ':') {
            if ((entry.at != NULL && !add(k, kind, entry, from, true)) ||
                !begin_kind(k, str_slice(line, 0, line.len - 1), &kind)) {
                return false;
            }
            entry = (struct str){0};
            column = SIZE_MAX;
        } else {
            return false;
        }
    }
    return entry.at == NULL ? kind != GW_NONE : add(k, kind, entry, from, true);
}

/* The generation file (gw_config_write): {"routes":[ and each entry are lines of their own. */
static bool cut_generation(struct cutter *k, struct str text)
{
    struct str rest = text, line;
    uint32_t kind = GW_NONE, number = 0;

    while (rest.len != 0) {
        cut_line(&rest, &line);
        number++;
        bool opens = str_ends_with(line, STR("\":["));
        if (opens && (str_starts_with(line, STR("{\"")) || str_starts_with(line, STR("],\"")))) {
            size_t name = line.at[0] == '{' ? 2 : 3;
            if ((kind == GW_NONE) != (line.at[0] == '{') ||
                !begin_kind(k, str_slice(line, name, line.len - 3), &kind)) {
                return false;
            }
        } else if (kind != GW_NONE && str_starts_with(line, STR("{"))) {
            bool more = str_ends_with(line, STR(","));
            if (!add(k, kind, str_slice(line, 0, line.len - more), number, false)) {
                return false;
            }
        } else {
            return kind != GW_NONE && str_eq(line, STR("]}")) && rest.len == 0;
        }
    }
    return false;
}

/* By its first byte, which is rare. */
static bool has_sequence(struct str text, struct str what)
{
    const char *at;

    while ((at = memchr(text.at, what.at[0], text.len)) != NULL) {
        text = str_slice(text, (size_t)(at - text.at), text.len);
        if (str_starts_with(text, what)) {
            return true;
        }
        text = str_slice(text, 1, text.len);
    }
    return false;
}

bool gw_pieces_cut(struct gw_pieces *cache, struct str text, gw_found_vec *out)
{
    struct cutter k = {.cache = cache, .out = out};

    /* What YAML takes for the end of a line, besides. */
    if (text.len == 0 || text.len > GW_YAML_MAX_BYTES || has_sequence(text, STR("\xc2\x85")) ||
        has_sequence(text, STR("\xe2\x80\xa8")) || has_sequence(text, STR("\xe2\x80\xa9"))) {
        return false;
    }
    return str_starts_with(text, STR("{\"")) ? cut_generation(&k, text) : cut_block(&k, text);
}
