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
        mem_free((char *)(uintptr_t)p->plugin_url.at);
        mem_free((char *)(uintptr_t)p->plugin_json.at);
        arena_fini(&arena);
    }
}

/* Has a document none but single values? */
static bool only_singles(const struct gw_node *doc)
{
    for (uint32_t i = 0; i < doc->n; i++) {
        for (size_t f = 0; f < gw_type_config.nfields; f++) {
            if (gw_type_config.fields[f].kind == GW_F_LIST &&
                str_eq(doc->keys[i]->text, str_of(gw_type_config.fields[f].name))) {
                return false;
            }
        }
    }
    return true;
}

/* What a text is read as: the one entry of the list that it is, or the one mapping.  NULL: it is another
 * thing. */
static const struct gw_node *only_entry(const gw_node_vec *docs, uint32_t kind, bool in_list)
{
    const struct gw_node *root = docs->len == 1 ? docs->at[0] : NULL;

    if (root == NULL || root->kind != (in_list ? GW_NODE_LIST : GW_NODE_MAP)) {
        return NULL;
    }
    if (kind == GW_PIECE_SINGLES) {
        return only_singles(root) ? root : NULL;
    }
    return !in_list ? root : root->n == 1 ? root->values[0] : NULL;
}

static void *read_object(struct gw_reader *r, uint32_t kind, const struct gw_node *entry)
{
    const struct gw_type *type =
        kind == GW_PIECE_SINGLES ? &gw_type_config : gw_type_config.fields[kind].type;
    struct gw_path up = {NULL, kind == GW_PIECE_SINGLES ? "" : gw_type_config.fields[kind].name, 0};
    struct gw_path at = {&up, NULL, 0};
    void *object = arena_zalloc(r->arena, type->size);

    gw_type_read(r, type, entry, kind == GW_PIECE_SINGLES ? NULL : &at, NULL, object);
    return object;
}

static uint32_t count_lines(struct str text)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += text.at[i] == '\n';
    }
    return n;
}

/* Read a part for the first time.  NULL: not without a word to somebody. */
static struct gw_piece *read_piece(uint32_t kind, struct str text, uint64_t hash, bool in_list)
{
    struct arena arena, trees;
    struct gw_problems problems;
    gw_node_vec docs = {0};
    struct gw_piece *p = NULL;

    arena_init_small(&arena);
    arena_init(&trees);
    gw_problems_init(&problems);
    const struct gw_node *entry =
        gw_yaml_parse(&trees, "", text, &docs, &problems) ? only_entry(&docs, kind, in_list) : NULL;
    if (entry != NULL) {
        struct gw_reader r = {.arena = &arena, .problems = &problems};
        p = ARENA_NEW(&arena, struct gw_piece);
        const void *object = read_object(&r, kind, entry);
        *p = (struct gw_piece){.refs = 1,
                               .kind = kind,
                               .bytes = (uint32_t)text.len,
                               .lines = count_lines(text),
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
    vec_fini(&c->order);
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
    vec_reserve(&now.order, found->len);
    for (size_t i = 0; i < found->len; i++) {
        struct gw_piece *p = found->at[i].piece;
        if (!p->outside) {
            put(&now, p);
            p->index = (uint32_t)now.order.len;
            vec_push(&now.order, p);
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

/* A plugin has the piece's strings if it comes from there. */
struct str gw_piece_plugin_json(struct gw_piece *p, const struct gw_plugin *plugin)
{
    const struct gw_plugin *own = p->object;
    struct strbuf text = {0};

    if (plugin->name.at != own->name.at || own->nenv != 0 || plugin->nenv != 0) {
        return (struct str){0};
    }
    if (p->plugin_json.at == NULL || !str_eq(p->plugin_url, plugin->url)) {
        mem_free((char *)(uintptr_t)p->plugin_url.at);
        mem_free((char *)(uintptr_t)p->plugin_json.at);
        gw_type_write(&gw_type_plugin, plugin, &text);
        p->plugin_json = strbuf_str(&text);
        p->plugin_url = str_make(mem_strndup(plugin->url.at, plugin->url.len), plugin->url.len);
    }
    return p->plugin_json;
}

/* ---- cutting ------------------------------------------------------------------------------ */

enum { AHEAD = 6 };

struct cutter {
    struct gw_pieces *cache;
    gw_found_vec *out;
    struct str rest;              /* what is not looked at yet */
    uint32_t number;              /* of the line before it */
    size_t next;                  /* in the cache's order: what may well come next */
    uint64_t nodes, scalar_bytes; /* limits hold for the whole, too */
    uint32_t seen;                /* fields that came, as bits */
};

/* `p` is a reference, and the cutter's now. */
static bool take(struct cutter *k, struct gw_piece *p, uint32_t line)
{
    vec_push(k->out, ((struct gw_found){p, line}));
    k->nodes += p->nodes;
    k->scalar_bytes += p->scalar_bytes;
    return k->nodes <= GW_YAML_MAX_NODES && k->scalar_bytes <= GW_YAML_MAX_BYTES;
}

/* A part that is complete. */
static bool add(struct cutter *k, uint32_t kind, struct str text, uint32_t line, bool in_list)
{
    uint64_t hash = hash_bytes(text.at, text.len, kind);
    struct gw_piece *p = find(k->cache, kind, text, hash);

    if (p != NULL) {
        p->refs++;
        k->next = (size_t)p->index + 1;
    } else {
        p = read_piece(kind, text, hash, in_list);
        k->next += p != NULL && !p->outside; /* it may have taken the place of one */
    }
    return p != NULL && take(k, p, line);
}

/* Pieces are all over the memory: fetch those that will be compared a little later. */
static void fetch_ahead(const struct cutter *k)
{
    if (k->next + 2 * AHEAD < k->cache->order.len) {
        const struct gw_piece *soon = k->cache->order.at[k->next + AHEAD];
        gw_fetch_ahead(k->cache->order.at[k->next + 2 * AHEAD], sizeof *soon);
        gw_fetch_ahead(soon->text, soon->bytes < 512 ? soon->bytes : 512);
    }
}

/* The piece that came next the last time, if it is what the rest begins with. */
static struct gw_piece *expected(const struct cutter *k, uint32_t kind, struct str rest)
{
    fetch_ahead(k);
    struct gw_piece *p = k->next < k->cache->order.len ? k->cache->order.at[k->next] : NULL;

    return p != NULL && p->kind == kind && p->bytes <= rest.len && memcmp(p->text, rest.at, p->bytes) == 0
               ? p
               : NULL;
}

/* A field of the configuration that did not come before in this text; GW_NONE: it is none. */
static uint32_t begin_field(struct cutter *k, struct str name)
{
    for (uint32_t i = 0; i < gw_type_config.nfields; i++) {
        if (str_eq(name, str_of(gw_type_config.fields[i].name))) {
            bool first = (k->seen & 1u << i) == 0;
            k->seen |= 1u << i;
            return first ? i : GW_NONE;
        }
    }
    return GW_NONE;
}

static bool is_list(uint32_t field)
{
    return field != GW_NONE && gw_type_config.fields[field].kind == GW_F_LIST;
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

/* The next line with its end, *line without it.  False: what YAML takes for the end of a line is in it
 * besides. */
static bool cut_line(struct cutter *k, struct str *whole, struct str *line)
{
    const char *end = memchr(k->rest.at, '\n', k->rest.len);

    *whole = str_slice(k->rest, 0, end == NULL ? k->rest.len : (size_t)(end - k->rest.at) + 1);
    *line = str_slice(*whole, 0, end == NULL ? whole->len : whole->len - 1);
    k->rest = str_slice(k->rest, whole->len, k->rest.len);
    k->number++;
    return !has_sequence(*line, STR("\xc2\x85")) && !has_sequence(*line, STR("\xe2\x80\xa8")) &&
           !has_sequence(*line, STR("\xe2\x80\xa9"));
}

static size_t count_spaces(struct str line)
{
    size_t n = 0;
    while (n < line.len && line.at[n] == ' ') {
        n++;
    }
    return n;
}

/* ---- block lists and single values --------------------------------------------------------- */

struct block {
    uint32_t kind;    /* of what stands there; GW_NONE: nothing came yet */
    size_t column;    /* of the list's dashes; SIZE_MAX: no entry came yet; 0 of single values */
    struct str entry; /* what there is of the part so far; at NULL: there is none */
    uint32_t from;    /* its first line */
};

/* The part is complete. */
static bool end_entry(struct cutter *k, struct block *b)
{
    struct str entry = b->entry;

    b->entry = (struct str){0};
    return entry.at == NULL || add(k, b->kind, entry, b->from, b->kind != GW_PIECE_SINGLES);
}

/* Does the line that `rest` begins with belong to an entry whose dash is in `column`? */
static bool goes_on(struct str rest, size_t column)
{
    size_t spaces = count_spaces(rest);
    return rest.len != 0 && (spaces == rest.len || spaces > column || rest.at[spaces] == '\n' ||
                             rest.at[spaces] == '#' || rest.at[spaces] == '\r');
}

/* An entry begins with `whole`, which has been cut off the rest. */
static bool begin_entry(struct cutter *k, struct block *b, struct str whole, size_t column)
{
    if (!end_entry(k, b)) {
        return false;
    }
    b->column = column;
    struct str from = str_make(whole.at, whole.len + k->rest.len);
    struct gw_piece *p = expected(k, b->kind, from);
    struct str after = p == NULL ? from : str_slice(from, p->bytes, from.len);
    if (p == NULL || (after.len != 0 && p->text[p->bytes - 1] != '\n') || goes_on(after, column)) {
        b->entry = whole;
        b->from = k->number;
        return true;
    }
    uint32_t line = k->number;
    k->rest = after;
    k->number += p->lines - (whole.at[whole.len - 1] == '\n');
    k->next++;
    p->refs++;
    return take(k, p, line);
}

/* A line that begins with a key. */
static bool begin_key(struct cutter *k, struct block *b, struct str whole, struct str line)
{
    size_t colon = str_find_char(line, ':');

    if (!end_entry(k, b)) {
        return false;
    }
    uint32_t field = colon == line.len ? GW_NONE : begin_field(k, str_slice(line, 0, colon));
    b->kind = field;
    b->column = SIZE_MAX;
    if (field != GW_NONE && !is_list(field)) {
        b->kind = GW_PIECE_SINGLES;
        b->column = 0;
        b->entry = whole;
        b->from = k->number;
    }
    return field != GW_NONE && (!is_list(field) || colon + 1 == line.len);
}

/* "routes:" at the beginning of a line, and below it entries whose dashes stand in one column; or "logLevel:
 * x", with whatever stands deeper. */
static bool cut_block(struct cutter *k)
{
    struct block b = {.kind = GW_NONE, .column = SIZE_MAX};
    struct str whole, line;
    bool ok = true;

    while (ok && k->rest.len != 0) {
        if (!cut_line(k, &whole, &line) || memchr(line.at, '\r', line.len) != NULL) {
            return false;
        }
        size_t spaces = count_spaces(line);
        bool nothing = spaces == line.len || line.at[spaces] == '#';
        bool dash =
            !nothing && line.at[spaces] == '-' && (spaces + 1 == line.len || line.at[spaces + 1] == ' ');
        bool in_list = b.kind != GW_NONE && b.kind != GW_PIECE_SINGLES;
        if (dash && in_list && (b.column == SIZE_MAX || spaces == b.column)) {
            ok = begin_entry(k, &b, whole, spaces);
        } else if (nothing || (b.entry.at != NULL && spaces > b.column)) {
            b.entry.len += b.entry.at != NULL ? whole.len : 0;
        } else {
            ok = spaces == 0 && !dash && begin_key(k, &b, whole, line);
        }
    }
    return ok && end_entry(k, &b) && b.kind != GW_NONE;
}

/* ---- the generation file ------------------------------------------------------------------- */

/* An entry in a line of its own, with a comma behind it or not. */
static bool add_line(struct cutter *k, uint32_t kind)
{
    struct str whole, line;
    struct gw_piece *p = expected(k, kind, k->rest);
    struct str after = p == NULL ? k->rest : str_slice(k->rest, p->bytes, k->rest.len);

    if (p != NULL && p->text[p->bytes - 1] == '}' &&
        (str_starts_with(after, STR(",\n")) || str_starts_with(after, STR("\n")))) {
        k->rest = str_slice(after, after.at[0] == ',' ? 2 : 1, after.len);
        k->number++;
        k->next++;
        p->refs++;
        return take(k, p, k->number);
    }
    if (!cut_line(k, &whole, &line)) {
        return false;
    }
    bool more = str_ends_with(line, STR(","));
    return add(k, kind, str_slice(line, 0, line.len - more), k->number, false);
}

/* The last line: ]} or ],"logLevel":"info"} */
static bool cut_end(struct cutter *k, struct str line)
{
    struct strbuf text = {0};

    if (k->rest.len != 0 || str_eq(line, STR("]}"))) {
        return k->rest.len == 0;
    }
    if (!str_starts_with(line, STR("],\""))) {
        return false;
    }
    strbuf_add_char(&text, '{');
    strbuf_add(&text, str_slice(line, 2, line.len));
    bool ok = add(k, GW_PIECE_SINGLES, strbuf_str(&text), k->number, false);
    strbuf_fini(&text);
    return ok;
}

/* As gw_config_write has it: {"routes":[ and each entry are lines of their own. */
static bool cut_generation(struct cutter *k)
{
    struct str whole, line;
    uint32_t kind = GW_NONE;

    while (k->rest.len != 0) {
        if (kind != GW_NONE && k->rest.at[0] == '{') {
            if (!add_line(k, kind)) {
                return false;
            }
            continue;
        }
        if (!cut_line(k, &whole, &line)) {
            return false;
        }
        if (!str_ends_with(line, STR("\":[")) ||
            !(str_starts_with(line, STR("{\"")) || str_starts_with(line, STR("],\"")))) {
            return kind != GW_NONE && cut_end(k, line);
        }
        size_t name = line.at[0] == '{' ? 2 : 3;
        if ((kind == GW_NONE) != (line.at[0] == '{')) {
            return false;
        }
        kind = begin_field(k, str_slice(line, name, line.len - 3));
        if (!is_list(kind)) {
            return false;
        }
    }
    return false;
}

bool gw_pieces_cut(struct gw_pieces *cache, struct str text, gw_found_vec *out)
{
    struct cutter k = {.cache = cache, .out = out, .rest = text, .next = out->len};

    if (text.len == 0 || text.len > GW_YAML_MAX_BYTES) {
        return false;
    }
    return str_starts_with(text, STR("{\"")) ? cut_generation(&k) : cut_block(&k);
}
