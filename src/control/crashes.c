/* control/crashes.c - a report is merged into the file of its group, which is written anew; the names of the
 * first one's frames come later. */
#include "control/crashes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "control/crash_names.h"
#include "control/publish.h"
#include "os/os.h"

#define SUFFIX ".crash"

enum {
    MOST_LOGGED = 120,        /* bytes of a value in the log line */
    MOST_NAMELESS = 16,       /* groups that wait for names */
    NAMES_PATIENCE_MS = 10000 /* so long a group waits for its turn */
};

/* A group whose frames get names.  What is to be told of it waits for them. */
struct nameless {
    char id[CRASH_ID_DIGITS + 1];
    char *text;      /* of the report that came first; `crash` points into it */
    uint64_t untold; /* crashes that on_crash was not told of yet */
    uint64_t since_ms;
};

struct crashes {
    struct crashes_options opt;
    char *dir;
    VEC(struct nameless) nameless; /* oldest first; the child is about the first */
    struct crash_names names;
    VEC(uint64_t) tried; /* groups that got no names: the numbers that their ids are */
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
        crash_names_stop(&cs->names);
        for (size_t i = 0; i < cs->nameless.len; i++) {
            mem_free(cs->nameless.at[i].text);
        }
        vec_fini(&cs->nameless);
        vec_fini(&cs->tried);
        mem_free(cs->dir);
        mem_free(cs);
    }
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

/* ---- names ------------------------------------------------------------------------------------------ */

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

static struct nameless *find_nameless(struct crashes *cs, const char *id)
{
    for (size_t i = 0; i < cs->nameless.len; i++) {
        if (strcmp(cs->nameless.at[i].id, id) == 0) {
            return &cs->nameless.at[i];
        }
    }
    return NULL;
}

static bool was_tried(const struct crashes *cs, const char *id)
{
    for (size_t i = 0; i < cs->tried.len; i++) {
        if (cs->tried.at[i] == strtoull(id, NULL, 16)) {
            return true;
        }
    }
    return false;
}

/* Names are wanted for the frames of a group; false: there are too many such groups. */
static bool want_names(struct crashes *cs, const char *id, const struct crash *c)
{
    struct nameless n = {.untold = 1, .since_ms = now_ms()};
    struct strbuf text = {0};

    if (c->noffsets == 0 || cs->nameless.len == MOST_NAMELESS || was_tried(cs, id)) {
        return false;
    }
    memcpy(n.id, id, sizeof n.id);
    crash_write(c, CRASH_FILE_BYTES, &text);
    n.text = text.at;
    vec_push(&cs->nameless, n);
    return true;
}

static void tell(const struct crashes *cs, const char *id, const struct crash *c, uint64_t times)
{
    for (; cs->opt.on_crash != NULL && times != 0; times--) {
        cs->opt.on_crash(cs->opt.on_crash_ctx, id, c);
    }
}

/* The first of those that wait has its names, or gets none. */
static void end_nameless(struct crashes *cs, const struct crash *named)
{
    static struct crashes_entry kept;
    struct nameless n = cs->nameless.at[0];
    bool damaged, is_kept = read_group(cs->dir, n.id, &kept, &damaged);
    struct crash *c = &kept.crash;

    if (is_kept && named->nnames != 0 && named->noffsets == c->noffsets &&
        memcmp(named->offsets, c->offsets, c->noffsets * sizeof *c->offsets) == 0) {
        memcpy(c->names, named->names, sizeof c->names);
        c->nnames = named->nnames;
        keep(cs, n.id, c);
        log_crash(n.id, c);
    } else {
        if (cs->tried.len == CRASHES_MOST) {
            memmove(cs->tried.at, cs->tried.at + 1, --cs->tried.len * sizeof *cs->tried.at);
        }
        vec_push(&cs->tried, strtoull(n.id, NULL, 16));
    }
    if (is_kept) {
        tell(cs, n.id, c, n.untold);
        mem_free(kept.text);
    }
    mem_free(n.text);
    memmove(cs->nameless.at, cs->nameless.at + 1, --cs->nameless.len * sizeof n);
}

/* A child for the first of those that wait. */
static void start_names(struct crashes *cs)
{
    static struct crash c;
    const struct nameless *n = &cs->nameless.at[0];
    struct crash_names_options opt = {.store = cs->opt.store,
                                      .change_user = cs->opt.change_user,
                                      .uid = cs->opt.uid,
                                      .gid = cs->opt.gid,
                                      .origin = cs->opt.origin,
                                      .origin_ctx = cs->opt.origin_ctx};

    bool late = now_ms() >= n->since_ms + NAMES_PATIENCE_MS;
    if (late || !crash_read(str_of(n->text), &c) || !crash_names_start(&cs->names, &opt, &c)) {
        log_line(LOG_WARN, "the frames of crash %s have no names: %s", n->id,
                 late ? "others took too long" : strerror(errno));
        c.nnames = 0;
        end_nameless(cs, &c);
    }
}

void crashes_step(struct crashes *cs)
{
    static struct crash named;

    if (cs->names.child != 0 && crash_names_step(&cs->names, &named)) {
        end_nameless(cs, &named);
    }
    while (cs->names.child == 0 && cs->nameless.len != 0) {
        start_names(cs);
    }
}

int crashes_fd(const struct crashes *cs)
{
    return cs->names.child != 0 ? cs->names.fd : -1;
}

uint64_t crashes_when_ms(const struct crashes *cs)
{
    return cs->names.child != 0 ? cs->names.deadline_ms : cs->nameless.len != 0 ? 1 : 0;
}

/* ---- taking reports ------------------------------------------------------------------------------------ */

void crashes_take(struct crashes *cs, pid_t pid, struct str text)
{
    static struct crash c;
    static struct crashes_entry before;
    struct nameless *waits;
    char id[CRASH_ID_DIGITS + 1];
    bool damaged;

    if (!crash_read(text, &c) || c.nnames != 0) {
        log_line(LOG_WARN, "worker %d sent a crash report that is none", (int)pid);
        return;
    }
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
    }
    keep(cs, id, &c);
    log_crash(id, &c);
    waits = find_nameless(cs, id);
    if (waits != NULL) {
        waits->untold++;
    } else if (c.nnames != 0 || !want_names(cs, id, &c)) {
        tell(cs, id, &c, 1);
    }
    mem_free(before.text);
}
