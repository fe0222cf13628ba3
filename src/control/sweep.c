/* control/sweep.c - a list of the store's files, with the time each was needed last. */
#include "control/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/generations.h"

enum { HEX_DIGITS = HASH_SHA256_HEX - 1, GENERATION_BYTES_MAX = 256 << 20 };

/* ---- what is referred to ---------------------------------------------------------------------------- */

void sweep_refs_fini(struct sweep_refs *r)
{
    vec_fini(&r->list);
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f'))) {
            return false;
        }
    }
    return s.len == HEX_DIGITS;
}

void sweep_refs_add(struct sweep_refs *r, struct str hex)
{
    struct sweep_name n = {""};

    if (is_hex(hex)) {
        memcpy(n.hex, hex.at, hex.len);
        vec_push(&r->list, n);
    }
}

void sweep_refs_add_text(struct sweep_refs *r, struct str text)
{
    static const struct str mark = STR("store/modules/");
    const char *at;

    while (text.len > mark.len && (at = memmem(text.at, text.len, mark.at, mark.len)) != NULL) {
        text = str_slice(text, (size_t)(at - text.at) + mark.len, text.len);
        sweep_refs_add(r, str_slice(text, 0, HEX_DIGITS));
    }
}

bool sweep_refs_add_generations(struct sweep_refs *r, const char *state_dir)
{
    DIR *dir = opendir(state_dir);
    struct dirent *e;
    bool ok = dir != NULL;

    while (ok && (e = readdir(dir)) != NULL) {
        struct strbuf path = {0};
        uint8_t *bytes;
        size_t len;
        if (generations_number(str_of(e->d_name)) == 0) {
            continue;
        }
        strbuf_printf(&path, "%s/%s", state_dir, e->d_name);
        ok = store_read_file(path.at, GENERATION_BYTES_MAX, &bytes, &len, NULL) == WEIR_OK;
        if (ok) {
            sweep_refs_add_text(r, str_make(bytes, len));
            mem_free(bytes);
        }
        strbuf_fini(&path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return ok;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct sweep_name *)a)->hex, ((const struct sweep_name *)b)->hex);
}

static void sort(struct sweep_refs *r)
{
    if (r->list.len != 0) {
        qsort(r->list.at, r->list.len, sizeof *r->list.at, compare_names);
    }
}

static bool refers(const struct sweep_refs *r, const char *hex)
{
    struct sweep_name n;

    memcpy(n.hex, hex, sizeof n.hex);
    return r->list.len != 0 &&
           bsearch(&n, r->list.at, r->list.len, sizeof *r->list.at, compare_names) != NULL;
}

/* ---- files ------------------------------------------------------------------------------------------ */

enum kind { MODULE, IMAGE, SOURCE, NKINDS };

static const char *const folders[NKINDS] = {"modules", "images", "sources"};

struct file {
    enum kind kind;
    char *name;
    char hex[HASH_SHA256_HEX]; /* that its name begins with */
    int64_t time_s;
    uint64_t bytes;
    bool remembered; /* a URL gave it last, though nobody wants that URL now */
};

struct sweeper {
    const struct sweep_options *o;
    struct sweep_refs *refs;
    struct sweep_refs remembered;
    int64_t now_s;
    int dirs[NKINDS];
    VEC(struct file) files; /* that nobody needs */
    uint64_t bytes;         /* of all modules and images */
    size_t gone;
    void (*on_gone)(void *ctx, const char *hex);
    void *ctx;
};

/* The part of the name behind the hash is as the store makes it, whatever key an image has. */
static bool is_name(enum kind kind, struct str rest)
{
    return kind == MODULE  ? str_eq(rest, STR(".wasm"))
           : kind == IMAGE ? str_starts_with(rest, STR("-")) &&
                                 (str_ends_with(rest, STR(".aot")) || str_ends_with(rest, STR(".failed")))
                           : rest.len == 0;
}

/* An image is needed if its module is, and this machine can use it. */
static bool is_needed(const struct sweeper *w, const struct file *f)
{
    struct str rest = str_of(f->name + HEX_DIGITS);

    return refers(w->refs, f->hex) &&
           (f->kind != IMAGE ||
            (rest.len > 1 && str_starts_with(str_slice(rest, 1, rest.len), str_of(w->o->key))));
}

/* The module that a URL gave last. */
static void remember(struct sweeper *w, const char *name)
{
    char hex[HEX_DIGITS];
    int fd = openat(w->dirs[SOURCE], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && read(fd, hex, sizeof hex) == (ssize_t)sizeof hex) {
        sweep_refs_add(&w->remembered, str_make(hex, sizeof hex));
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void look_at(struct sweeper *w, enum kind kind, const char *name)
{
    struct file f = {.kind = kind};
    struct stat info;
    struct str text = str_of(name);

    if (text.len < HEX_DIGITS || !is_hex(str_slice(text, 0, HEX_DIGITS)) ||
        !is_name(kind, str_slice(text, HEX_DIGITS, text.len)) ||
        fstatat(w->dirs[kind], name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) {
        return;
    }
    memcpy(f.hex, name, HEX_DIGITS);
    f.name = mem_strndup(text.at, text.len);
    f.time_s = info.st_mtim.tv_sec;
    f.bytes = (uint64_t)info.st_size;
    w->bytes += kind == SOURCE ? 0 : f.bytes;
    if (is_needed(w, &f)) {
        const struct timespec now[2] = {{.tv_sec = w->now_s}, {.tv_sec = w->now_s}};
        utimensat(w->dirs[kind], name, now, AT_SYMLINK_NOFOLLOW);
        mem_free(f.name);
        return;
    }
    if (kind == SOURCE) {
        remember(w, name);
    }
    vec_push(&w->files, f);
}

static void look(struct sweeper *w, enum kind kind)
{
    int fd = dup(w->dirs[kind]);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        look_at(w, kind, e->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
}

static int compare_times(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->time_s < y->time_s ? -1 : x->time_s > y->time_s;
}

static void sweep(struct sweeper *w, struct file *f)
{
    int64_t age_s = w->now_s - f->time_s;
    bool old = w->o->keep_s != 0 && age_s > (int64_t)w->o->keep_s && !f->remembered;
    bool crowded = w->o->most_bytes != 0 && w->bytes > w->o->most_bytes && f->kind != SOURCE;

    if (age_s <= SWEEP_GRACE_S || !(old || crowded) || w->gone == SWEEP_MOST ||
        unlinkat(w->dirs[f->kind], f->name, 0) != 0) {
        return;
    }
    w->gone++;
    if (f->kind != SOURCE) {
        w->bytes -= f->bytes;
        w->on_gone(w->ctx, f->hex);
    }
}

static bool open_folders(struct sweeper *w, int store)
{
    bool ok = true;

    for (int k = 0; k < NKINDS; k++) {
        w->dirs[k] = openat(store, folders[k], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        ok = ok && w->dirs[k] >= 0;
    }
    return ok;
}

size_t sweep_run(struct store *s, struct sweep_refs *refs, const struct sweep_options *o, int64_t now_s,
                 void (*on_gone)(void *ctx, const char *hex), void *ctx)
{
    struct sweeper w = {
        .o = o, .refs = refs, .now_s = now_s, .dirs = {-1, -1, -1}, .on_gone = on_gone, .ctx = ctx};
    int store = store_lock(s, LOCK_EX | LOCK_NB);

    if (store >= 0 && open_folders(&w, store)) {
        sort(refs);
        for (int k = NKINDS - 1; k >= 0; k--) {
            look(&w, (enum kind)k);
        }
        sort(&w.remembered);
        if (w.files.len != 0) {
            qsort(w.files.at, w.files.len, sizeof *w.files.at, compare_times);
        }
        for (size_t i = 0; i < w.files.len; i++) {
            struct file *f = &w.files.at[i];
            f->remembered = f->kind == MODULE && refers(&w.remembered, f->hex);
            sweep(&w, f);
            mem_free(f->name);
        }
    }
    for (int k = 0; k < NKINDS; k++) {
        if (w.dirs[k] >= 0) {
            close(w.dirs[k]);
        }
    }
    if (store >= 0) {
        close(store);
    }
    vec_fini(&w.files);
    sweep_refs_fini(&w.remembered);
    return w.gone;
}
