/* wasm/names.c - reading the name section, one entry after another, and the two ways to ask: an
 * index of all functions, or one search for a single one. */
#include "wasm/names.h"

#include "base/leb.h"
#include "base/mem.h"
#include "base/str.h"

/* The entries of one subsection; `broken` once something was not as it should be. */
struct name_cursor {
    const uint8_t *at, *end;
    bool broken;
};

enum { SUBSECTION_MODULE = 0, SUBSECTION_FUNCTIONS = 1 };

static uint32_t next_u32(struct name_cursor *c)
{
    uint32_t value = 0;
    const uint8_t *next = c->broken ? NULL : leb_u32(c->at, c->end, &value);

    if (next == NULL) {
        c->broken = true;
        return 0;
    }
    c->at = next;
    return value;
}

static struct str next_bytes(struct name_cursor *c)
{
    uint32_t len = next_u32(c);

    if (c->broken || len > (size_t)(c->end - c->at)) {
        c->broken = true;
        return STR("");
    }
    struct str bytes = str_make(c->at, len);
    c->at += len;
    return bytes;
}

/* A name that is not UTF-8 ends the subsection like any other fault. */
static struct str next_name(struct name_cursor *c)
{
    struct str name = next_bytes(c);

    if (!str_is_utf8(name)) {
        c->broken = true;
        return STR("");
    }
    return name;
}

/* The contents of the first subsection with this id; empty if there is none. */
static struct name_cursor find_subsection(const struct wasm_module *m, uint8_t id)
{
    struct name_cursor none = {.broken = true};
    const struct wasm_custom *section = wasm_module_find_custom(m, STR("name"));

    if (section == NULL) {
        return none;
    }
    struct name_cursor c = {.at = section->at, .end = section->at + section->len};
    while (!c.broken && c.at != c.end) {
        uint8_t found = *c.at++;
        struct str content = next_bytes(&c);
        if (!c.broken && found == id) {
            const uint8_t *at = (const uint8_t *)content.at;
            return (struct name_cursor){.at = at, .end = at + content.len};
        }
    }
    return none;
}

/* The next function's name; false at the end or at a fault.  `*left` counts down. */
static bool next_func(struct name_cursor *c, uint32_t *left, uint32_t *funcidx, struct str *name)
{
    if (*left == 0) {
        return false;
    }
    --*left;
    *funcidx = next_u32(c);
    *name = next_name(c);
    return !c->broken;
}

static void names_of_section(struct wasm_names *names, const struct wasm_module *m)
{
    struct name_cursor c = find_subsection(m, SUBSECTION_FUNCTIONS);
    uint32_t left = next_u32(&c), funcidx;
    struct str name;

    while (next_func(&c, &left, &funcidx, &name)) {
        if (funcidx < names->nfuncs) {
            names->funcs[funcidx] = name;
        }
    }
}

static void names_of_exports(struct wasm_names *names, const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->nexports; i++) {
        const struct wasm_export *export = &m->exports[i];
        if (export->kind == WASM_EXTERN_FUNC && export->index < names->nfuncs &&
            names->funcs[export->index].len == 0) {
            names->funcs[export->index] = export->name;
        }
    }
}

static void names_of_imports(struct wasm_names *names, const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->nimports; i++) {
        const struct wasm_import *import = &m->imports[i];
        if (import->kind == WASM_EXTERN_FUNC && names->funcs[import->index].len == 0) {
            names->funcs[import->index] = import->name;
        }
    }
}

void wasm_names_init(struct wasm_names *names, const struct wasm_module *m)
{
    struct name_cursor c = find_subsection(m, SUBSECTION_MODULE);

    *names = (struct wasm_names){.module = next_name(&c)};
    if (m->nfuncs == 0) {
        return;
    }
    names->nfuncs = m->nfuncs;
    names->funcs = mem_zalloc_array(m->nfuncs, sizeof *names->funcs);
    names_of_section(names, m);
    names_of_exports(names, m);
    names_of_imports(names, m);
}

void wasm_names_fini(struct wasm_names *names)
{
    mem_free(names->funcs);
    *names = (struct wasm_names){0};
}

struct str wasm_func_name(const struct wasm_module *m, uint32_t funcidx)
{
    struct name_cursor c = find_subsection(m, SUBSECTION_FUNCTIONS);
    uint32_t left = next_u32(&c), found;
    struct str name, latest = STR("");

    while (next_func(&c, &left, &found, &name)) {
        if (found == funcidx) {
            latest = name;
        }
    }
    for (uint32_t i = 0; latest.len == 0 && i < m->nexports; i++) {
        if (m->exports[i].kind == WASM_EXTERN_FUNC && m->exports[i].index == funcidx) {
            latest = m->exports[i].name;
        }
    }
    for (uint32_t i = 0; latest.len == 0 && i < m->nimports; i++) {
        if (m->imports[i].kind == WASM_EXTERN_FUNC && m->imports[i].index == funcidx) {
            latest = m->imports[i].name;
        }
    }
    return latest;
}
