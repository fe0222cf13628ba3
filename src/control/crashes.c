/* control/crashes.c - a report is merged into the file of its group, which is written anew. */
#include "control/crashes.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "control/publish.h"
#include "control/symbolizer.h"

#define SUFFIX ".crash"

enum { MOST_LOGGED = 120 }; /* bytes of a value in the log line */

struct crashes {
    struct crashes_options opt;
    char *dir;
};

/* ---- files ------------------------------------------------------------------------------------------ */

static bool is_report_name(const char *name)
{
    return strlen(name) == CRASH_ID_DIGITS + sizeof SUFFIX - 1 &&
           strspn(name, "0123456789abcdef") == CRASH_ID_DIGITS && strcmp(name + CRASH_ID_DIGITS, SUFFIX) == 0;
}

static char *path_of(const char *dir, const char *id)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s" SUFFIX, dir, id);
    return b.at;
}

/* The group's file; false: there is none, or it is damaged (*damaged).  `e->text` is the caller's. */
static bool read_group(const char *dir, const char *id, struct crashes_entry *e, bool *damaged)
{
    struct weir_report rep;
    uint8_t *bytes;
    size_t len;

    weir_report_init(&rep);
    char *path = path_of(dir, id);
    weir_status st = store_read_file(path, CRASH_FILE_BYTES, &bytes, &len, &rep);
    mem_free(path);
    *damaged = false;
    if (st != WEIR_OK) {
        *damaged = st != WEIR_E_NOT_FOUND;
        return false;
    }
    memcpy(e->id, id, CRASH_ID_DIGITS);
    e->id[CRASH_ID_DIGITS] = '\0';
    e->text = (char *)bytes;
    if (!crash_read(str_make(bytes, len), &e->crash)) {
        *damaged = true;
        mem_free(bytes);
        return false;
    }
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct crashes_entry *x = a, *y = b;
    return x->crash.time_ms > y->crash.time_ms ? -1 : x->crash.time_ms < y->crash.time_ms;
}

weir_status crashes_list(const char *dir, struct crashes_entry **out, size_t *n, size_t *damaged,
                         struct weir_report *rep)
{
    VEC(struct crashes_entry) all = {0};
    DIR *d = opendir(dir);

    *damaged = 0;
    if (d == NULL) {
        return weir_report_set(rep, errno == ENOENT ? WEIR_E_NOT_FOUND : WEIR_E_IO, WEIR_NO_OFFSET, "",
                               "%s: %s", dir, strerror(errno));
    }
    for (struct dirent *f = readdir(d); f != NULL; f = readdir(d)) {
        struct crashes_entry e;
        char id[CRASH_ID_DIGITS + 1] = {0};
        bool bad;
        if (!is_report_name(f->d_name)) {
            continue;
        }
        memcpy(id, f->d_name, CRASH_ID_DIGITS);
        if (read_group(dir, id, &e, &bad)) {
            vec_push(&all, e);
        }
        *damaged += bad;
    }
    closedir(d);
    if (all.len != 0) {
        qsort(all.at, all.len, sizeof *all.at, by_time);
    }
    *out = all.at;
    *n = all.len;
    return WEIR_OK;
}

void crashes_list_free(struct crashes_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(entries[i].text);
    }
    mem_free(entries);
}

/* Room for one more. */
static void make_room(struct crashes *cs)
{
    struct crashes_entry *all;
    struct weir_report rep;
    size_t n, damaged;

    weir_report_init(&rep);
    if (crashes_list(cs->dir, &all, &n, &damaged, &rep) != WEIR_OK) {
        return;
    }
    for (size_t i = CRASHES_MOST - 1; i < n; i++) {
        char *path = path_of(cs->dir, all[i].id);
        unlink(path);
        mem_free(path);
    }
    crashes_list_free(all, n);
}

weir_status crashes_open(const struct crashes_options *opt, struct crashes **out, struct weir_report *rep)
{
    struct crashes_entry *all;
    size_t n, damaged;

    if (mkdir(opt->dir, 0700) != 0 && errno != EEXIST) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", opt->dir, strerror(errno));
    }
    weir_status st = crashes_list(opt->dir, &all, &n, &damaged, rep);
    if (st != WEIR_OK) {
        return st;
    }
    crashes_list_free(all, n);
    if (damaged != 0) {
        log_line(LOG_WARN, "%s: %zu damaged crash report%s passed by", opt->dir, damaged,
                 damaged == 1 ? " is" : "s are");
    }
    struct crashes *cs = mem_zalloc(sizeof *cs);
    cs->opt = *opt;
    cs->dir = mem_strndup(opt->dir, strlen(opt->dir));
    *out = cs;
    return WEIR_OK;
}

void crashes_close(struct crashes *cs)
{
    if (cs != NULL) {
        mem_free(cs->dir);
        mem_free(cs);
    }
}

/* ---- names ------------------------------------------------------------------------------------------ */

struct namer {
    struct crash *crash;
    struct arena arena;
    size_t nlines; /* names with a source line */
};

static void take_name(void *ctx, size_t i, struct str function, struct str place)
{
    struct namer *n = ctx;
    struct crash *c = n->crash;

    n->nlines += place.len != 0;
    if (c->nnames < CRASH_MOST_NAMES) {
        function = str_slice(function, 0, CRASH_VALUE_BYTES / 2); /* a cut place would be a wrong one */
        if (place.len > CRASH_VALUE_BYTES) {
            place = str_slice(place, place.len - CRASH_VALUE_BYTES, place.len);
        }
        c->names[c->nnames++] = (struct crash_name){
            .frame = (uint32_t)i,
            .function = {arena_strndup(&n->arena, function.at, function.len), function.len},
            .place = {arena_strndup(&n->arena, place.at, place.len), place.len},
        };
    }
}

/* The file with the module's DWARF, into `path`: the module itself, or what a stripped one names beside the
 * file it came from. */
static void find_dwarf(const struct crashes *cs, const char *hex, const char *module, char path[PATH_MAX])
{
    const char *origin = cs->opt.origin == NULL ? NULL : cs->opt.origin(cs->opt.origin_ctx, hex);

    if (origin == NULL || !symbolizer_debug_file(module, origin, path) || access(path, F_OK) != 0) {
        snprintf(path, PATH_MAX, "%s", module);
    }
}

/* Functions and lines of the frames.  The symbolizer's user reads a copy in the folder of compilations. */
static void name_frames(struct crashes *cs, struct namer *n)
{
    char hex[HASH_SHA256_HEX], name[HASH_SHA256_HEX + 16], dwarf[PATH_MAX];
    struct strbuf lent = {0};
    struct weir_report rep;

    memcpy(hex, n->crash->sha256.at, HASH_SHA256_HEX - 1);
    hex[HASH_SHA256_HEX - 1] = '\0';
    snprintf(name, sizeof name, "%s-lines.wasm", hex);
    weir_report_init(&rep);
    char *module = store_module_path(cs->opt.store, hex);
    find_dwarf(cs, hex, module, dwarf);
    strbuf_printf(&lent, "%s/%s", store_compile_dir(cs->opt.store), name);
    struct symbolizer_options opt = {
        .debug = lent.at,
        .debug_name = dwarf,
        .change_user = cs->opt.change_user,
        .uid = cs->opt.uid,
        .gid = cs->opt.gid,
    };
    weir_status st = store_lend_file(cs->opt.store, dwarf, name, &rep);
    if (st != WEIR_OK && strcmp(dwarf, module) != 0) { /* names are in the module at least */
        log_line(LOG_WARN, "%s, which has the lines of a crash, cannot be read: %s", dwarf, rep.message);
        weir_report_init(&rep);
        st = store_lend_module(cs->opt.store, hex, name, &rep);
    }
    if (st == WEIR_OK) {
        st = symbolizer_run(module, &opt, n->crash->offsets, n->crash->noffsets, take_name, n, &rep);
    }
    if (st != WEIR_OK) {
        log_line(LOG_WARN, "the frames of a crash have no names: %s", rep.message);
    } else if (n->nlines == 0 && rep.message[0] != '\0') {
        log_line(LOG_INFO, "the frames of a crash have no source lines: %s", rep.message);
    }
    unlink(lent.at);
    strbuf_fini(&lent);
    mem_free(module);
}

/* ---- reports ------------------------------------------------------------------------------------------ */

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static void add_pair(struct strbuf *b, const char *key, struct str value)
{
    strbuf_printf(b, ",\"%s\":", key);
    strbuf_add_json(b, str_is_utf8(str_slice(value, 0, MOST_LOGGED)) ? str_slice(value, 0, MOST_LOGGED)
                                                                     : STR("?"));
}

/* One line of JSON; its values are cut, so that log_line takes it whole. */
static void log_crash(const char *id, const struct crash *c)
{
    struct strbuf b = {0};
    struct str at = STR("");

    for (size_t i = 0; i < c->nnames && at.len == 0; i++) {
        at = c->names[i].place;
    }
    strbuf_printf(&b, "{\"crash\":\"%s\",\"count\":%llu", id, (unsigned long long)c->count);
    add_pair(&b, "plugin", c->plugin);
    add_pair(&b, "trap", c->trap);
    add_pair(&b, "callback", c->callback);
    add_pair(&b, "function", c->nnames != 0 ? c->names[0].function : STR(""));
    add_pair(&b, "at", at);
    add_pair(&b, "route", c->route);
    add_pair(&b, "request", c->request);
    strbuf_printf(&b, ",\"memory\":%llu,\"dropped\":%llu", (unsigned long long)c->memory_bytes,
                  (unsigned long long)c->dropped);
    add_pair(&b, "sha256", c->sha256);
    strbuf_printf(&b, "}");
    log_line(LOG_ERROR, "%s", b.at);
    strbuf_fini(&b);
}

static void keep(struct crashes *cs, const char *id, const struct crash *c)
{
    struct strbuf text = {0};
    struct weir_report rep;

    weir_report_init(&rep);
    crash_write(c, CRASH_FILE_BYTES, &text);
    char *path = path_of(cs->dir, id);
    if (publish_file(path, strbuf_str(&text), &rep) != WEIR_OK) {
        log_line(LOG_ERROR, "crash report %s is not kept: %s", id, rep.message);
    }
    mem_free(path);
    strbuf_fini(&text);
}

void crashes_take(struct crashes *cs, pid_t pid, struct str text)
{
    static struct crash c;
    static struct crashes_entry before;
    struct namer namer = {.crash = &c};
    char id[CRASH_ID_DIGITS + 1];
    bool damaged;

    if (!crash_read(text, &c) || c.nnames != 0) {
        log_line(LOG_WARN, "worker %d sent a crash report that is none", (int)pid);
        return;
    }
    arena_init(&namer.arena);
    crash_id(&c, id);
    before.text = NULL;
    if (read_group(cs->dir, id, &before, &damaged)) {
        c.count = add_sat(before.crash.count, 1);
        c.first_ms = before.crash.first_ms;
        c.dropped = add_sat(before.crash.dropped, c.dropped);
        /* The stack that has names stays: of one that differs only the outermost frame counted. */
        memcpy(c.offsets, before.crash.offsets, sizeof c.offsets);
        memcpy(c.names, before.crash.names, sizeof c.names);
        c.noffsets = before.crash.noffsets;
        c.nnames = before.crash.nnames;
        c.skipped = before.crash.skipped;
    } else {
        if (damaged) {
            log_line(LOG_WARN, "crash report %s is damaged and begun anew", id);
        }
        before.text = NULL;
        c.count = 1;
        c.first_ms = c.time_ms;
        make_room(cs);
        name_frames(cs, &namer);
    }
    keep(cs, id, &c);
    log_crash(id, &c);
    if (cs->opt.on_crash != NULL) {
        cs->opt.on_crash(cs->opt.on_crash_ctx, id, &c);
    }
    mem_free(before.text);
    arena_fini(&namer.arena);
}
