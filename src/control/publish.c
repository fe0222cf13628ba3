/* control/publish.c - modules into the store, texts into files. */
#include "control/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

enum { MODULE_BYTES_MAX = 256 << 20 };

/* Workers stand in the state folder, which may be below folders they cannot enter: "store/modules/X.wasm". */
static const char *below_state(const char *path)
{
    const char *at = path + strlen(path);
    for (int components = 0; at > path && components < 3; at--) {
        components += at[-1] == '/';
    }
    return *at == '/' ? at + 1 : at + (at != path);
}

/* ---- files that were read before ---------------------------------------------------------------- */

enum { KNOWN_MAX = 1024, SETTLED_NS = 1000000000 };

/* A file of which it is known what it hashes to, as long as nothing says that it is another one. */
struct known {
    char *path;
    struct stat info;
    char hex[HASH_SHA256_HEX];
};

static VEC(struct known) files;

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct known *find_known(const char *path)
{
    for (size_t i = 0; i < files.len; i++) {
        if (strcmp(files.at[i].path, path) == 0) {
            return &files.at[i];
        }
    }
    return NULL;
}

/* The hash, if the file is the same and the store has it still; NULL: it has to be read. */
static const char *recall(struct store *store, const char *path, const struct stat *now)
{
    const struct known *k = find_known(path);

    if (k == NULL || !same_file(&k->info, now)) {
        return NULL;
    }
    return store_need_module(store, k->hex) ? k->hex : NULL;
}

/* A file that changed a moment ago may change again and look the same: clocks of file systems are coarse. */
static void remember(const char *path, const struct stat *info, const char *hex)
{
    struct timespec t;
    struct known *k = find_known(path);

    clock_gettime(CLOCK_REALTIME, &t);
    int64_t age = (t.tv_sec - info->st_ctim.tv_sec) * INT64_C(1000000000) + t.tv_nsec - info->st_ctim.tv_nsec;
    if (age < SETTLED_NS || (k == NULL && files.len == KNOWN_MAX)) {
        return;
    }
    if (k == NULL) {
        vec_push(&files, ((struct known){.path = mem_strndup(path, strlen(path))}));
        k = &vec_last(&files);
    }
    k->info = *info;
    memcpy(k->hex, hex, sizeof k->hex);
}

/* ---- modules ---------------------------------------------------------------------------------------- */

weir_status publish_module(struct store *store, struct gw_config *config, struct gw_plugin *p,
                           const char **field, struct weir_report *rep)
{
    struct str file;
    uint8_t *bytes;
    size_t len;
    char hex[HASH_SHA256_HEX];
    weir_status st;

    *field = "url";
    if (!gw_plugin_file(p, &file)) {
        return weir_report_set(rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "",
                               "only file: modules can be loaded so far; use file:PATH");
    }
    const char *path = arena_strndup(&config->arena, file.at, file.len);
    struct stat info = {0};
    const char *known = stat(path, &info) == 0 ? recall(store, path, &info) : NULL;
    if (known != NULL) {
        memcpy(hex, known, sizeof hex);
    } else {
        st = store_read_file(path, MODULE_BYTES_MAX, &bytes, &len, rep);
        if (st != WEIR_OK) {
            return st;
        }
        st = store_put_module(store, bytes, len, hex, rep);
        mem_free(bytes);
        if (st != WEIR_OK) {
            return st;
        }
        remember(path, &info, hex);
    }
    if (p->sha256.at != NULL && !str_eq(p->sha256, str_of(hex))) {
        *field = "sha256";
        return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "",
                               "the module \"%s\" has %s; is it the right file?", path, hex);
    }
    char *kept = store_module_path(store, hex);
    p->url = str_of(arena_printf(&config->arena, "file:%s", below_state(kept)));
    mem_free(kept);
    return WEIR_OK;
}

static weir_status write_file(const char *path, struct str text, bool durably, struct weir_report *rep)
{
    struct strbuf temp = {0};
    weir_status st = WEIR_OK;

    strbuf_printf(&temp, "%s.%d", path, (int)getpid());
    /* Started by root, workers are others, who read it by the group of the state folder. */
    int fd = open(temp.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, geteuid() == 0 ? 0640 : 0600);
    bool ok = fd >= 0;
    for (size_t done = 0; ok && done < text.len;) {
        ssize_t n = write(fd, text.at + done, text.len - done);
        ok = n > 0;
        done += ok ? (size_t)n : 0;
    }
    ok = ok && (!durably || fsync(fd) == 0);
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok || rename(temp.at, path) != 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "cannot write \"%s\": %s", path,
                             strerror(errno));
        unlink(temp.at);
    }
    strbuf_fini(&temp);
    return st;
}

weir_status publish_file(const char *path, struct str text, struct weir_report *rep)
{
    return write_file(path, text, false, rep);
}

weir_status publish_file_durably(const char *path, struct str text, struct weir_report *rep)
{
    return write_file(path, text, true, rep);
}
