/* control/watch.c - inotify on every folder that holds a name on the way to the configuration. */
#include "control/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

enum { MAX_LINKS = 16 };

#define EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

/* A name in a folder that matters; `name` NULL: each of a folder of configuration files. */
struct watched {
    int wd;
    char *name;
    bool also; /* of watch_also */
};

struct watch {
    int fd;
    char *path;
    VEC(char *) also; /* further files */
    VEC(struct watched) names;
    VEC(struct watched) writing; /* files of the configuration that were written to and not closed yet */
    uint64_t wrote_ms;           /* when one of them was last */
    uint64_t first_ms, last_ms;  /* of the changes that were not reported yet; 0: none */
    bool whole;                  /* the last of them put a whole file, or folder, in its place at once */
    bool also_now;               /* names that are added are those of watch_also */
};

static bool is_watched(const struct watch *w, size_t from, int wd)
{
    for (size_t i = from; i < w->names.len; i++) {
        if (w->names.at[i].wd == wd) {
            return true;
        }
    }
    return false;
}

static void written(struct watch *w, size_t i)
{
    mem_free(w->writing.at[i].name);
    w->writing.at[i] = vec_last(&w->writing);
    (void)vec_pop(&w->writing);
}

/* Forget the first n names, and folders that no other name is in. */
static void forget(struct watch *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_watched(w, n, w->names.at[i].wd)) {
            inotify_rm_watch(w->fd,
                             w->names.at[i].wd); /* the second time for a folder fails, which is fine */
        }
        mem_free(w->names.at[i].name);
    }
    memmove(w->names.at, w->names.at + n, (w->names.len - n) * sizeof w->names.at[0]);
    w->names.len -= n;
    for (size_t i = w->writing.len; i-- > 0;) {
        if (!is_watched(w, 0, w->writing.at[i].wd)) {
            written(w, i);
        }
    }
}

static void add(struct watch *w, const char *dir, const char *name)
{
    int wd = inotify_add_watch(w->fd, dir, EVENTS);

    if (wd >= 0) {
        struct watched one = {wd, name == NULL ? NULL : mem_strndup(name, strlen(name)), w->also_now};
        vec_push(&w->names, one);
    }
}

/* Watch the links on the way along `path`, and the last name.  `path` is absolute and changed meanwhile. */
static void follow(struct watch *w, char path[PATH_MAX], unsigned links)
{
    struct stat info;
    char target[PATH_MAX], next[2 * PATH_MAX];

    for (char *at = path + 1; *at != '\0' || at[-1] != '/'; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        bool last = *at == '\0';
        char *slash;
        *at = '\0';
        bool link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
        slash = strrchr(path, '/');
        if (link || last) {
            char name[NAME_MAX + 1];
            snprintf(name, sizeof name, "%s", slash + 1);
            *slash = '\0';
            add(w, slash == path ? "/" : path, name);
            *slash = '/';
        }
        ssize_t n = link && links < MAX_LINKS ? readlink(path, target, sizeof target - 1) : -1;
        if (n > 0) {
            target[n] = '\0';
            *slash = '\0';
            snprintf(next, sizeof next, "%s%s%s%s%s", target[0] == '/' ? "" : path,
                     target[0] == '/' ? "" : "/", target, last ? "" : "/", last ? "" : at + 1);
            if (strlen(next) < PATH_MAX) {
                memcpy(path, next, strlen(next) + 1);
                follow(w, path, links + 1);
            }
            return;
        }
        if (last) {
            return;
        }
        *at = '/';
    }
}

static void look_at(struct watch *w, const char *name)
{
    char path[PATH_MAX], cwd[PATH_MAX];

    if (name[0] == '/') {
        if (snprintf(path, sizeof path, "%s", name) >= (int)sizeof path) {
            return;
        }
    } else if (getcwd(cwd, sizeof cwd) == NULL ||
               snprintf(path, sizeof path, "%s/%s", cwd, name) >= (int)sizeof path) {
        return;
    }
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) {
        path[n - 1] = '\0';
    }
    follow(w, path, 0);
}

/* A folder that stays is never without a watch, and keeps its number: what happened there and was not read
 * yet counts. */
static void look(struct watch *w)
{
    struct stat info;
    size_t before = w->names.len;

    look_at(w, w->path);
    w->also_now = true;
    for (size_t i = 0; i < w->also.len; i++) {
        look_at(w, w->also.at[i]);
    }
    w->also_now = false;
    if (stat(w->path, &info) == 0 && S_ISDIR(info.st_mode)) {
        add(w, w->path, NULL);
    }
    if (before != 0) {
        forget(w, before);
    }
}

weir_status watch_new(const char *path, struct watch **out, struct weir_report *rep)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd < 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "cannot watch \"%s\": %s", path,
                               strerror(errno));
    }
    struct watch *w = mem_zalloc(sizeof *w);
    w->fd = fd;
    w->path = mem_strndup(path, strlen(path));
    look(w);
    *out = w;
    return WEIR_OK;
}

static void forget_also(struct watch *w)
{
    for (size_t i = 0; i < w->also.len; i++) {
        mem_free(w->also.at[i]);
    }
    vec_clear(&w->also);
}

void watch_also(struct watch *w, const char *const *paths, size_t n)
{
    bool same = n == w->also.len;

    for (size_t i = 0; same && i < n; i++) {
        same = strcmp(w->also.at[i], paths[i]) == 0;
    }
    if (same) { /* where links lead was looked at when the change was due */
        return;
    }
    forget_also(w);
    for (size_t i = 0; i < n; i++) {
        vec_push(&w->also, mem_strndup(paths[i], strlen(paths[i])));
    }
    look(w);
}

void watch_free(struct watch *w)
{
    if (w != NULL) {
        if (w->names.len != 0) {
            forget(w, w->names.len);
        }
        forget_also(w);
        vec_fini(&w->also);
        vec_fini(&w->names);
        vec_fini(&w->writing);
        close(w->fd);
        mem_free(w->path);
        mem_free(w);
    }
}

int watch_fd(const struct watch *w)
{
    return w->fd;
}

/* In a folder of files, those that are read (gw_config_load), and links that others go through. */
static bool is_config_name(const char *name)
{
    struct str s = str_of(name);
    return str_starts_with(s, STR("..")) ||
           (name[0] != '.' && (str_ends_with(s, STR(".yaml")) || str_ends_with(s, STR(".yml"))));
}

static bool is_named(const struct watched *n, const struct inotify_event *e)
{
    return n->wd == e->wd && (n->name == NULL ? is_config_name(e->name) : strcmp(n->name, e->name) == 0);
}

/* Does it say all that there is to say?  A file or link that was renamed to the name of the configuration
 * does; in a folder of files others may follow, but for the link that Kubernetes swaps. */
static bool is_whole(const struct watch *w, const struct inotify_event *e)
{
    for (size_t i = 0; (e->mask & IN_MOVED_TO) != 0 && i < w->names.len; i++) {
        const struct watched *n = &w->names.at[i];
        if (!n->also && is_named(n, e) && (n->name != NULL || str_eq(str_of(e->name), STR("..data")))) {
            return true;
        }
    }
    return false;
}

/* Is the event about a name that matters?  *config: one that leads to the configuration. */
static bool matters(const struct watch *w, const struct inotify_event *e, bool *config)
{
    bool found = (e->mask & IN_Q_OVERFLOW) != 0;

    *config = false;
    for (size_t i = 0; e->len != 0 && i < w->names.len; i++) {
        if (is_named(&w->names.at[i], e)) {
            found = true;
            *config = *config || !w->names.at[i].also;
        }
    }
    return found;
}

/* A file of the configuration was written to, or is whole again (closed, or another file has its name). */
static void note_writing(struct watch *w, const struct inotify_event *e, uint64_t now_ms)
{
    size_t i = 0;

    while (i < w->writing.len &&
           (w->writing.at[i].wd != e->wd || strcmp(w->writing.at[i].name, e->name) != 0)) {
        i++;
    }
    if ((e->mask & IN_MODIFY) == 0) {
        if (i < w->writing.len) {
            written(w, i);
        }
        return;
    }
    w->wrote_ms = now_ms;
    if (i == w->writing.len) {
        struct watched one = {e->wd, mem_strndup(e->name, strlen(e->name)), false};
        vec_push(&w->writing, one);
    }
}

static void take_in(struct watch *w, const struct inotify_event *e, uint64_t now_ms)
{
    bool config;

    if (!matters(w, e, &config)) {
        return;
    }
    while ((e->mask & IN_Q_OVERFLOW) != 0 && w->writing.len != 0) { /* the end may be among what was lost */
        written(w, w->writing.len - 1);
    }
    if (config) {
        note_writing(w, e, now_ms);
    }
    if ((e->mask & IN_MODIFY) == 0) {
        w->first_ms = w->first_ms == 0 ? now_ms : w->first_ms;
        w->last_ms = now_ms;
        w->whole = config && is_whole(w, e);
    }
}

void watch_read(struct watch *w, uint64_t now_ms)
{
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(w->fd, buffer, sizeof buffer)) > 0) {
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)at;
            take_in(w, e, now_ms);
            at += sizeof *e + e->len;
        }
    }
}

bool watch_writing(const struct watch *w, uint64_t now_ms)
{
    return w->writing.len != 0 && now_ms < w->wrote_ms + WATCH_WRITING_MS;
}

void watch_again(struct watch *w, uint64_t now_ms)
{
    w->first_ms = w->last_ms = now_ms;
    w->whole = false;
}

uint64_t watch_when_ms(const struct watch *w)
{
    if (w->first_ms == 0) {
        return 0;
    }
    uint64_t quiet = w->last_ms + (w->whole ? 0 : WATCH_QUIET_MS), patience = w->first_ms + WATCH_PATIENCE_MS;
    uint64_t when = quiet < patience ? quiet : patience, whole = w->wrote_ms + WATCH_WRITING_MS;
    return w->writing.len != 0 && when < whole ? whole : when;
}

bool watch_due(struct watch *w, uint64_t now_ms)
{
    if (w->first_ms == 0 || now_ms < watch_when_ms(w)) {
        return false;
    }
    w->first_ms = 0;
    while (w->writing.len != 0) { /* patience is at its end */
        written(w, w->writing.len - 1);
    }
    look(w);
    return true;
}
