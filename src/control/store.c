/* control/store.c - files named by what is in them, written whole or not at all. */
#include "control/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

struct store {
    char *dir, *work, *compile;
};

enum { MODULE_BYTES_MAX = 256 << 20, IMAGE_BYTES_MAX = 1 << 30 };

static weir_status io_error(struct weir_report *rep, const char *path)
{
    return weir_report_set(rep, errno == ENOENT ? WEIR_E_NOT_FOUND : WEIR_E_IO, WEIR_NO_OFFSET, "store",
                           "%s: %s", path, strerror(errno));
}

/* DIR/NAME; the caller frees it. */
static char *path_of(const char *dir, const char *name)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s", dir, name);
    return b.at;
}

/* Make a folder of ours, or see that the one that is there is ours alone. */
static weir_status own_folder(const char *path, struct weir_report *rep)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return io_error(rep, path);
    }
    if (lstat(path, &st) != 0) {
        return io_error(rep, path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return weir_report_set(
            rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "store",
            "%s must be a folder that only this user can write (it holds native code): chmod 700 it, "
            "or name another with --state",
            path);
    }
    return WEIR_OK;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level == 0 ? 0 : remove(path);
}

/* Let `readers` have a folder and the files in it: they may be of another group, in a store that was copied.
 */
static weir_status let_read(const char *path, gid_t readers, mode_t files, struct weir_report *rep)
{
    weir_status st = WEIR_OK;
    DIR *dir = opendir(path);
    struct dirent *e;
    struct stat info;

    if (dir == NULL || fchown(dirfd(dir), (uid_t)-1, readers) != 0 || fchmod(dirfd(dir), 02750) != 0) {
        st = io_error(rep, path);
    }
    while (st == WEIR_OK && files != 0 && (e = readdir(dir)) != NULL) {
        int fd = e->d_type == DT_REG ? openat(dirfd(dir), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd >= 0) {
            /* What others can write stays so, for its reader to refuse: who knows what is in it by now. */
            bool others_write = fstat(fd, &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
            if (fchown(fd, (uid_t)-1, readers) != 0 ||
                fchmod(fd, others_write ? (info.st_mode & 0777) | S_IRGRP : files) != 0) {
                st = io_error(rep, path);
            }
            close(fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return st;
}

weir_status store_open(const char *dir, gid_t readers, struct store **out, struct weir_report *rep)
{
    static const struct {
        const char *name;
        bool readable;
        mode_t files;
    } folders[] = {{"", true, 0},
                   {"/modules", true, 0640},
                   {"/images", true, 0550},
                   {"/work", false, 0},
                   {"/sources", false, 0}};
    weir_status st = WEIR_OK;

    for (size_t i = 0; i < sizeof folders / sizeof *folders && st == WEIR_OK; i++) {
        struct strbuf path = {0};
        strbuf_printf(&path, "%s%s", dir, folders[i].name);
        st = own_folder(path.at, rep);
        if (st == WEIR_OK && readers != (gid_t)-1) {
            if (folders[i].readable) {
                st = let_read(path.at, readers, folders[i].files, rep);
            } else if (chown(path.at, (uid_t)-1, readers) != 0 || chmod(path.at, 02700) != 0) {
                st = io_error(rep, path.at);
            }
        }
        strbuf_fini(&path);
    }
    if (st != WEIR_OK) {
        return st;
    }
    struct store *s = mem_zalloc(sizeof *s);
    s->dir = mem_strndup(dir, strlen(dir));
    s->work = path_of(dir, "work");
    s->compile = path_of(dir, "compile");
    /* of compilations that were ended */
    nftw(s->work, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    nftw(s->compile, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    *out = s;
    return WEIR_OK;
}

void store_close(struct store *s)
{
    if (s != NULL) {
        mem_free(s->dir);
        mem_free(s->work);
        mem_free(s->compile);
        mem_free(s);
    }
}

const char *store_work_dir(const struct store *s)
{
    return s->work;
}

static weir_status write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return WEIR_E_IO;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return WEIR_OK;
}

/* Write to the work folder, sync, rename to `path`. */
static weir_status write_file(struct store *s, const char *path, const void *bytes, size_t len, mode_t mode,
                              struct weir_report *rep)
{
    char *temp = path_of(s->work, "write-XXXXXX");
    int fd = mkostemp(temp, O_CLOEXEC);
    weir_status st = WEIR_OK;

    if (fd < 0) {
        st = io_error(rep, temp);
        mem_free(temp);
        return st;
    }
    if (write_all(fd, bytes, len) != WEIR_OK || fchmod(fd, mode) != 0 || fsync(fd) != 0) {
        st = io_error(rep, temp);
    }
    close(fd);
    if (st == WEIR_OK && rename(temp, path) != 0) {
        st = io_error(rep, path);
    }
    if (st != WEIR_OK) {
        unlink(temp);
    }
    mem_free(temp);
    return st;
}

weir_status store_make_compile_dir(struct store *s, uid_t uid, gid_t gid, struct weir_report *rep)
{
    nftw(s->compile, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    rmdir(s->compile);
    if (mkdir(s->compile, 0700) != 0 || chmod(s->compile, 0700) != 0 || lchown(s->compile, uid, gid) != 0) {
        return io_error(rep, s->compile);
    }
    return WEIR_OK;
}

const char *store_compile_dir(const struct store *s)
{
    return s->compile;
}

char *store_module_path(const struct store *s, const char *hex)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/modules/%s.wasm", s->dir, hex);
    return b.at;
}

int store_lock(const struct store *s, int how)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, how) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool store_need_module(const struct store *s, const char *hex)
{
    char *path = store_module_path(s, hex);
    int lock = store_lock(s, LOCK_SH); /* whoever sweeps sees its new time, or has removed it */
    bool there = access(path, R_OK) == 0 && (utimensat(AT_FDCWD, path, NULL, 0) == 0 || errno != ENOENT);

    if (lock >= 0) {
        close(lock);
    }
    mem_free(path);
    return there;
}

weir_status store_put_module(struct store *s, const uint8_t *bytes, size_t len, char hex[HASH_SHA256_HEX],
                             struct weir_report *rep)
{
    uint8_t digest[HASH_SHA256_BYTES];
    weir_status st = WEIR_OK;

    hash_sha256_of(bytes, len, digest);
    hash_hex(digest, hex);
    if (!store_need_module(s, hex)) {
        char *path = store_module_path(s, hex);
        st = write_file(s, path, bytes, len, 0640, rep);
        mem_free(path);
    }
    return st;
}

static char *image_file(const struct store *s, const char *hex, const char *key, const char *suffix)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/images/%s-%s%s", s->dir, hex, key, suffix);
    return b.at;
}

char *store_image_path(const struct store *s, const char *hex, const char *key)
{
    return image_file(s, hex, key, ".aot");
}

bool store_has_image(const struct store *s, const char *hex, const char *key)
{
    char *path = store_image_path(s, hex, key);
    bool has = access(path, R_OK) == 0;
    mem_free(path);
    return has;
}

/* Read a whole plain file.  `only_one_name`: not if it has another name, which may be a file of somebody
 * else. */
static weir_status read_plain(const char *path, int flags, bool only_one_name, size_t limit, uint8_t **bytes,
                              size_t *len, struct weir_report *rep)
{
    struct stat info;
    weir_status st = WEIR_OK;
    int fd = open(path, flags | O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO would keep us waiting */

    if (fd < 0 || fstat(fd, &info) != 0) {
        st = io_error(rep, path);
    } else if (!S_ISREG(info.st_mode) || (only_one_name && info.st_nlink != 1)) {
        st = weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "store", "%s is no plain file", path);
    } else if ((uint64_t)info.st_size > limit) {
        st = weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "store", "%s is larger than %zu bytes", path,
                             limit);
    } else {
        size_t size = (size_t)info.st_size, got = 0;
        uint8_t *buffer = mem_alloc(size);
        ssize_t n = 1;
        while (got < size && (n = read(fd, buffer + got, size - got)) > 0) {
            got += (size_t)n;
        }
        if (n < 0) {
            st = io_error(rep, path);
            mem_free(buffer);
        } else {
            *bytes = buffer;
            *len = got;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return st;
}

weir_status store_put_image(struct store *s, const char *hex, const char *key, const char *name,
                            struct weir_report *rep)
{
    uint8_t *bytes;
    size_t len;
    char *from = path_of(s->compile, name), *path = store_image_path(s, hex, key);
    /* The compiler wrote there, and it read hostile bytes: a link of its would have us touch another file,
     * and a file of its user could be changed later.  A copy is ours alone. */
    weir_status st = read_plain(from, O_NOFOLLOW, true, IMAGE_BYTES_MAX, &bytes, &len, rep);
    if (st == WEIR_OK) {
        st = write_file(s, path, bytes, len, 0550, rep);
        mem_free(bytes);
    }
    mem_free(from);
    mem_free(path);
    return st;
}

weir_status store_lend_file(struct store *s, const char *from, const char *name, struct weir_report *rep)
{
    uint8_t *bytes;
    size_t len;
    char *path = path_of(s->compile, name);
    weir_status st = read_plain(from, 0, false, MODULE_BYTES_MAX, &bytes, &len, rep);
    if (st == WEIR_OK) {
        st = write_file(s, path, bytes, len, 0444, rep); /* others than its user cannot come so far */
        mem_free(bytes);
    }
    mem_free(path);
    return st;
}

weir_status store_lend_module(struct store *s, const char *hex, const char *name, struct weir_report *rep)
{
    char *from = store_module_path(s, hex);
    weir_status st = store_lend_file(s, from, name, rep);

    mem_free(from);
    return st;
}

void store_drop_image(struct store *s, const char *hex, const char *key)
{
    char *path = store_image_path(s, hex, key);
    unlink(path);
    mem_free(path);
}

void store_put_failure(struct store *s, const char *hex, const char *key, const char *why)
{
    char *path = image_file(s, hex, key, ".failed");
    write_file(s, path, why, strlen(why), 0640, NULL); /* not remembered: it is tried again, that is all */
    mem_free(path);
}

/* The text of a small file, NULL if it cannot be read. */
static char *read_text(const char *path)
{
    char *text = NULL;
    uint8_t *bytes;
    size_t len;
    if (store_read_file(path, 8192, &bytes, &len, NULL) == WEIR_OK) {
        text = mem_strndup((char *)bytes, len);
        mem_free(bytes);
    }
    return text;
}

char *store_failure(const struct store *s, const char *hex, const char *key)
{
    char *path = image_file(s, hex, key, ".failed"), *why = read_text(path);
    mem_free(path);
    return why;
}

static char *source_file(const struct store *s, const char *key)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/sources/%s", s->dir, key);
    return b.at;
}

void store_put_source(struct store *s, const char *key, const char *text)
{
    char *path = source_file(s, key);
    write_file(s, path, text, strlen(text), 0600,
               NULL); /* not remembered: it is fetched again, that is all */
    mem_free(path);
}

char *store_source(const struct store *s, const char *key)
{
    char *path = source_file(s, key), *text = read_text(path);
    mem_free(path);
    return text;
}

weir_status store_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *len,
                            struct weir_report *rep)
{
    return read_plain(path, 0, false, limit, bytes, len, rep);
}
