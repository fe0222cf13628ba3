/* aot/map.c - from a file to code that can run: permissions, checks, dlopen.
 *
 * The object stays the file's: pages are shared among workers, and perf and gdb find its symbols.  dlopen
 * recognises an object by its name, so a name that is loaded already (an image that was replaced under its
 * path) is opened by an alias of its descriptor. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aot/image.h"
#include "base/mem.h"

static weir_status io_error(struct weir_report *rep, const char *path)
{
    return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "image", "%s: %s", path, strerror(errno));
}

/* ---- who may write it ------------------------------------------------------------------------------ */

static bool ours_alone(const struct stat *st)
{
    return (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static weir_status check_owner(const char *path, const struct stat *file, struct weir_report *rep)
{
    if (!S_ISREG(file->st_mode)) {
        return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "image", "%s is no regular file", path);
    }
    if (!ours_alone(file)) {
        return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "image",
                               "%s can be written by others; native code is not taken from there", path);
    }
    const char *slash = strrchr(path, '/');
    char *dir =
        slash == NULL ? mem_strndup(".", 1) : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    struct stat st;
    bool ok = stat(dir, &st) == 0 && (ours_alone(&st) || (st.st_mode & S_ISVTX) != 0);
    mem_free(dir);
    return ok ? WEIR_OK
              : weir_report_set(
                    rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "image",
                    "the directory of %s can be written by others; native code is not taken from there",
                    path);
}

/* ---- opening ------------------------------------------------------------------------------------------ */

/* An alias of the descriptor that no object was opened by before: a counter spelled in "/" and "/./". */
static void *open_alias(int fd)
{
    static uint32_t count;
    uint32_t n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    struct strbuf b = {0};
    strbuf_printf(&b, "/proc/self/fd");
    for (; n != 0; n >>= 1) {
        strbuf_add(&b, n & 1 ? STR("/.") : STR("/"));
    }
    strbuf_printf(&b, "/%d", fd);
    void *handle = dlopen(b.at, RTLD_NOW | RTLD_LOCAL);
    strbuf_fini(&b);
    return handle;
}

static void *open_object(const char *path, int fd)
{
    if (path == NULL) {
        return open_alias(fd);
    }
    struct strbuf b = {0}; /* a path without a slash would be searched for */
    strbuf_printf(&b, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    void *loaded = dlopen(b.at, RTLD_NOW | RTLD_NOLOAD | RTLD_LOCAL);
    void *handle = loaded == NULL ? dlopen(b.at, RTLD_NOW | RTLD_LOCAL) : open_alias(fd);
    if (loaded != NULL) {
        dlclose(loaded);
    }
    strbuf_fini(&b);
    return handle;
}

static weir_status load(struct aot_image *im, const char *path, int fd, struct weir_report *rep)
{
    struct link_map *map;
    im->handle = open_object(path, fd);
    if (im->handle == NULL || dlinfo(im->handle, RTLD_DI_LINKMAP, &map) != 0) {
        return weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "image",
                               "the image does not load: %.200s", dlerror());
    }
    im->base = map->l_addr;
    im->text += im->base;
    im->text_end += im->base;
    if (!rt_code_register(im->text, im->text_end)) {
        im->text_end = 0;
        return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "image", "too many images are loaded");
    }
    return WEIR_OK;
}

static weir_status map_fd(int fd, const char *path, const struct wasm_module *m,
                          const uint8_t module_sha256[32], struct aot_image **out, struct weir_report *rep)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return io_error(rep, path == NULL ? "image" : path);
    }
    weir_status status = path == NULL ? WEIR_OK : check_owner(path, &st, rep);
    if (status != WEIR_OK) {
        return status;
    }
    struct aot_image *im = mem_zalloc(sizeof *im);
    im->file_bytes = (size_t)st.st_size;
    void *file = im->file_bytes == 0 ? NULL : mmap(NULL, im->file_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) {
        status = io_error(rep, path == NULL ? "image" : path);
        mem_free(im);
        return status;
    }
    im->file = file;
    status = aot_image_check(im, m, module_sha256, rep);
    if (status == WEIR_OK) {
        status = load(im, path, fd, rep);
    }
    if (status == WEIR_OK) {
        *out = im;
    } else {
        aot_image_unmap(im);
    }
    return status;
}

weir_status aot_image_map(const char *path, const struct wasm_module *m, const uint8_t module_sha256[32],
                          struct aot_image **out, struct weir_report *rep)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return io_error(rep, path);
    }
    weir_status st = map_fd(fd, path, m, module_sha256, out, rep);
    close(fd);
    return st;
}

weir_status aot_image_map_bytes(const uint8_t *at, size_t len, const struct wasm_module *m,
                                const uint8_t module_sha256[32], struct aot_image **out,
                                struct weir_report *rep)
{
    int fd = memfd_create("weir.aot", MFD_CLOEXEC);
    if (fd < 0) {
        return io_error(rep, "memfd");
    }
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, at + done, len - done);
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    weir_status st = done == len ? map_fd(fd, NULL, m, module_sha256, out, rep) : io_error(rep, "memfd");
    close(fd);
    return st;
}

void aot_image_unmap(struct aot_image *im)
{
    if (im == NULL) {
        return;
    }
    if (im->base != 0 && im->text_end != 0) {
        rt_code_unregister(im->text);
    }
    if (im->handle != NULL) {
        dlclose(im->handle);
    }
    if (im->file != NULL) {
        munmap((void *)(uintptr_t)im->file, im->file_bytes);
    }
    mem_free(im);
}
