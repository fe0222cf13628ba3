/* cli/image.c - images for `weir exec` and `weir try`: given, carried by the module, or compiled on the spot.
 *
 * $WEIR_IMAGE_CACHE names a folder that keeps what was compiled, as MODULE_SHA256-KEY.aot (weir_image_key);
 * it is made if it is not there.  Loading refuses a folder or an image that others can write. */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"

extern char **environ;

/* $WEIRC, or `weirc` in this program's folder. */
static void find_weirc(char path[PATH_MAX])
{
    const char *given = getenv("WEIRC");
    if (given != NULL) {
        snprintf(path, PATH_MAX, "%s", given);
        return;
    }
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 8);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash == NULL ? path : slash + 1, "weirc");
}

static weir_status compile(const char *wasm_path, const char *image, struct weir_report *rep)
{
    char weirc[PATH_MAX];
    find_weirc(weirc);
    char *argv[] = {weirc, (char *)(uintptr_t)wasm_path, (char *)"-o", (char *)(uintptr_t)image, NULL};
    pid_t pid;
    int status = 0, err = posix_spawn(&pid, weirc, NULL, NULL, argv, environ);
    if (err != 0) {
        return weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "", "%s: %s", weirc, strerror(err));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "weirc did not compile the module");
    }
    return WEIR_OK;
}

/* An image that is refused is one of the past: it is made anew. */
static weir_status load_cached(struct weir_module *m, const char *folder, const char *wasm_path,
                               struct weir_report *rep)
{
    char path[PATH_MAX], hex[HASH_SHA256_HEX];

    hash_hex(weir_module_sha256(m), hex);
    int n = snprintf(path, sizeof path, "%s/%s-%s.aot", folder, hex, weir_image_key());
    if (n >= (int)sizeof path || (mkdir(folder, 0700) != 0 && errno != EEXIST)) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "$WEIR_IMAGE_CACHE: %s: %s", folder,
                               n >= (int)sizeof path ? "the path is too long" : strerror(errno));
    }
    if (access(path, F_OK) == 0 && weir_module_load_image(m, path, rep) == WEIR_OK) {
        return WEIR_OK;
    }
    weir_status st =
        compile(wasm_path, path, rep); /* weirc renames, so that others see all of it or nothing */
    return st == WEIR_OK ? weir_module_load_image(m, path, rep) : st;
}

static weir_status compile_and_load(struct weir_module *m, const char *wasm_path, struct weir_report *rep)
{
    char dir[] = "/tmp/weir-image-XXXXXX", path[sizeof dir + 16];
    const char *cache = getenv("WEIR_IMAGE_CACHE");

    if (cache != NULL && cache[0] != '\0') {
        return load_cached(m, cache, wasm_path, rep);
    }
    if (mkdtemp(dir) == NULL) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", dir, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/module.aot", dir);
    weir_status st = compile(wasm_path, path, rep);
    if (st == WEIR_OK) {
        st = weir_module_load_image(m, path, rep);
    }
    unlink(path);
    rmdir(dir);
    return st;
}

weir_status cli_prepare_image(struct weir_module *m, enum weir_tier tier, const char *wasm_path,
                              const char *image, struct weir_report *rep)
{
    if (image != NULL) {
        return strcmp(image, wasm_path) == 0 ? weir_module_load_own_image(m, rep)
                                             : weir_module_load_image(m, image, rep);
    }
    return tier == WEIR_TIER_AOT ? compile_and_load(m, wasm_path, rep) : WEIR_OK;
}
