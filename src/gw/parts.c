/* gw/parts.c - the lists of the configuration's type, by the tables of its fields. */
#include "gw/parts.h"

#include <string.h>

#include "gw/names.h"
#include "gw/schema.h"
#include "gw/singles.h"

/* ---- kinds -------------------------------------------------------------------------------- */

static const struct gw_field *field_of(unsigned kind)
{
    WEIR_ASSERT(kind < gw_type_config.nfields);
    return &gw_type_config.fields[kind];
}

unsigned gw_part_nkinds(void)
{
    WEIR_ASSERT(gw_type_config.nfields <= GW_CONFIG_LISTS);
    return (unsigned)gw_type_config.nfields;
}

const char *gw_part_kind_name(unsigned kind)
{
    return field_of(kind)->name;
}

int gw_part_kind(struct str name)
{
    for (unsigned k = 0; k < gw_part_nkinds(); k++) {
        if (field_of(k)->kind == GW_F_LIST && str_eq(name, str_of(field_of(k)->name))) {
            return (int)k;
        }
    }
    return GW_PART_NONE;
}

/* ---- parts -------------------------------------------------------------------------------- */

static char **items_of(const struct gw_config *c, unsigned kind)
{
    return (char **)(void *)((char *)(uintptr_t)c + field_of(kind)->offset);
}

static uint32_t *count_of(const struct gw_config *c, unsigned kind)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)c + field_of(kind)->count);
}

static const void *part_at(const struct gw_config *c, unsigned kind, uint32_t i)
{
    return *items_of(c, kind) + (size_t)i * field_of(kind)->type->size;
}

size_t gw_part_size(unsigned kind)
{
    return field_of(kind)->type->size;
}

uint32_t gw_part_count(const struct gw_config *c, unsigned kind)
{
    return field_of(kind)->kind == GW_F_LIST ? *count_of(c, kind) : 0;
}

static const struct gw_field *find_field(const struct gw_type *t, const char *name)
{
    for (size_t i = 0; i < t->nfields; i++) {
        if (strcmp(t->fields[i].name, name) == 0) {
            return &t->fields[i];
        }
    }
    return NULL;
}

/* The name if it has one; at NULL: none. */
static struct str plain_name(const struct gw_config *c, unsigned kind, uint32_t i)
{
    const struct gw_field *f = find_field(field_of(kind)->type, "name");
    return f == NULL ? (struct str){0}
                     : *(const struct str *)(const void *)((const char *)part_at(c, kind, i) + f->offset);
}

void gw_part_name(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out)
{
    struct str name = plain_name(c, kind, i);
    const struct gw_field *f = find_field(field_of(kind)->type, "address");

    if (name.at == NULL && f != NULL && f->kind == GW_F_ADDRESS) {
        const void *at = (const char *)part_at(c, kind, i) + f->offset;
        gw_address_format(at, out);
    } else {
        strbuf_add(out, name);
    }
}

struct gw_place gw_part_place(const struct gw_config *c, unsigned kind, uint32_t i)
{
    WEIR_ASSERT(field_of(kind)->type->placed);
    return *(const struct gw_place *)part_at(c, kind, i);
}

void gw_part_write(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out)
{
    gw_type_write(field_of(kind)->type, part_at(c, kind, i), out);
}

/* Where the JSON string that begins at `i` ends. */
static size_t string_end(struct str json, size_t i)
{
    for (i++; json.at[i] != '"'; i++) {
        i += json.at[i] == '\\';
    }
    return i + 1;
}

static bool is_private_key(struct str s)
{
    static const struct str mark = STR("PRIVATE KEY-----");
    return s.len > mark.len && memmem(s.at, s.len, mark.at, mark.len) != NULL &&
           memmem(s.at, s.len, "-----BEGIN ", 11) != NULL;
}

void gw_part_show(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out)
{
    struct strbuf json = {0};

    gw_part_write(c, kind, i, &json);
    struct str text = strbuf_str(&json);
    for (size_t at = 0; at < text.len;) {
        size_t end = text.at[at] == '"' ? string_end(text, at) : at + 1;
        struct str piece = str_slice(text, at, end);
        strbuf_add(out, is_private_key(piece) ? STR("\"" GW_PART_HIDDEN "\"") : piece);
        at = end;
    }
    strbuf_fini(&json);
}

/* ---- by name ------------------------------------------------------------------------------ */

/* Names of one kind, in an arena where they are made. */
static void collect_names(const struct gw_config *c, unsigned kind, struct arena *a, struct gw_names *names)
{
    struct strbuf text = {0};

    for (uint32_t i = 0; i < gw_part_count(c, kind); i++) {
        struct str name = plain_name(c, kind, i);
        if (name.at == NULL) {
            text.len = 0;
            gw_part_name(c, kind, i, &text);
            name = str_make(arena_strndup(a, text.at, text.len), text.len);
        }
        gw_names_add(names, name, i);
    }
    gw_names_sort(names);
    strbuf_fini(&text);
}

uint32_t gw_part_find(const struct gw_config *c, unsigned kind, struct str name)
{
    struct strbuf text = {0};
    uint32_t found = GW_NONE;

    for (uint32_t i = 0; i < gw_part_count(c, kind) && found == GW_NONE; i++) {
        struct str own = plain_name(c, kind, i);
        text.len = 0;
        if (own.at == NULL) {
            gw_part_name(c, kind, i, &text);
        }
        found = str_eq(own.at == NULL ? strbuf_str(&text) : own, name) ? i : GW_NONE;
    }
    strbuf_fini(&text);
    return found;
}

void gw_part_reserve(struct gw_config *c, unsigned kind, uint32_t n)
{
    *items_of(c, kind) = arena_alloc(&c->arena, n * field_of(kind)->type->size);
    c->piece_of[kind] = ARENA_ARRAY(&c->arena, struct gw_piece *, n);
}

void gw_part_append(struct gw_config *c, unsigned kind, const void *part, struct gw_place at,
                    struct gw_piece *piece)
{
    uint32_t i = (*count_of(c, kind))++;
    size_t size = field_of(kind)->type->size;
    char *to = *items_of(c, kind) + (size_t)i * size;

    memcpy(to, part, size);
    at.field = ((const struct gw_place *)part)->field;
    *(struct gw_place *)(void *)to = at;
    c->piece_of[kind][i] = piece;
}

static void overlay_kind(struct gw_config *c, const struct gw_config *over, unsigned kind)
{
    struct gw_names names = {0};
    struct strbuf name = {0};
    size_t size = field_of(kind)->type->size;
    uint32_t before = gw_part_count(c, kind), n = before, more = gw_part_count(over, kind);

    if (more == 0) {
        return;
    }
    char *items = arena_zalloc_array(&c->arena, (size_t)before + more, size);
    if (before != 0) {
        memcpy(items, *items_of(c, kind), before * size);
    }
    if (c->piece_of[kind] != NULL) {
        struct gw_piece **of = ARENA_ARRAY(&c->arena, struct gw_piece *, (size_t)before + more);
        memcpy(of, c->piece_of[kind], before * sizeof(struct gw_piece *));
        c->piece_of[kind] = of;
    }
    collect_names(c, kind, &c->arena, &names);
    for (uint32_t i = 0; i < more; i++) {
        name.len = 0;
        gw_part_name(over, kind, i, &name);
        uint32_t at = gw_names_find(&names, strbuf_str(&name));
        at = at == GW_NONE ? n++ : at;
        memcpy(items + at * size, part_at(over, kind, i), size);
        if (c->piece_of[kind] != NULL) {
            c->piece_of[kind][at] = NULL;
        }
    }
    *items_of(c, kind) = items;
    *count_of(c, kind) = n;
    gw_names_fini(&names);
    strbuf_fini(&name);
}

void gw_parts_overlay(struct gw_config *c, const struct gw_config *over)
{
    for (unsigned k = 0; k < gw_part_nkinds(); k++) {
        if (field_of(k)->kind == GW_F_LIST) {
            overlay_kind(c, over, k);
        }
    }
}

/* ---- differences -------------------------------------------------------------------------- */

static bool same_part(const struct gw_config *a, uint32_t i, const struct gw_config *b, uint32_t k,
                      unsigned kind, struct strbuf *one, struct strbuf *two)
{
    one->len = two->len = 0;
    gw_part_write(a, kind, i, one);
    gw_part_write(b, kind, k, two);
    return str_eq(strbuf_str(one), strbuf_str(two));
}

static void diff_kind(const struct gw_config *before, const struct gw_config *now, unsigned kind,
                      gw_on_change *on_change, void *ctx)
{
    struct arena scratch;
    struct gw_names old = {0}, new = {0};
    struct strbuf one = {0}, two = {0};

    arena_init(&scratch);
    collect_names(before, kind, &scratch, &old);
    collect_names(now, kind, &scratch, &new);
    for (size_t i = 0; i < new.list.len; i++) {
        struct gw_name n = new.list.at[i];
        uint32_t was = gw_names_find(&old, n.text);
        if (was == GW_NONE) {
            on_change(ctx, GW_ADDED, kind, n.text, GW_NONE, n.id);
        } else if (!same_part(before, was, now, n.id, kind, &one, &two)) {
            on_change(ctx, GW_CHANGED, kind, n.text, was, n.id);
        }
    }
    for (size_t i = 0; i < old.list.len; i++) {
        if (gw_names_find(&new, old.list.at[i].text) == GW_NONE) {
            on_change(ctx, GW_REMOVED, kind, old.list.at[i].text, old.list.at[i].id, GW_NONE);
        }
    }
    gw_names_fini(&old);
    gw_names_fini(&new);
    strbuf_fini(&one);
    strbuf_fini(&two);
    arena_fini(&scratch);
}

static void diff_single(const struct gw_config *before, const struct gw_config *now, unsigned kind,
                        gw_on_change *on_change, void *ctx)
{
    const struct gw_field *f = field_of(kind);
    struct strbuf one = {0}, two = {0};
    bool was = gw_field_write(f, before, &one), is = gw_field_write(f, now, &two);

    if (was != is || !str_eq(strbuf_str(&one), strbuf_str(&two))) {
        on_change(ctx, !was ? GW_ADDED : is ? GW_CHANGED : GW_REMOVED, kind, STR(""), GW_NONE, GW_NONE);
    }
    strbuf_fini(&one);
    strbuf_fini(&two);
}

void gw_parts_diff(const struct gw_config *before, const struct gw_config *now, gw_on_change *on_change,
                   void *ctx)
{
    static const struct gw_config nothing;

    for (unsigned k = 0; k < gw_part_nkinds(); k++) {
        (field_of(k)->kind == GW_F_LIST ? diff_kind : diff_single)(before == NULL ? &nothing : before, now, k,
                                                                   on_change, ctx);
    }
}
