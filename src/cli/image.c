/* cli/image.c - images for `weir exec` and `weir try`: given, carried by the module, or compiled on the spot.
 */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static weir_status compile_and_load(struct weir_module *m, const char *wasm_path, struct weir_report *rep)
{
    char dir[] = "/tmp/weir-image-XXXXXX", path[sizeof dir + 16];
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
