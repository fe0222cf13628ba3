/* cli/secret.c - a secret is small, and read whole. */
#include "cli/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "control/fetcher.h"

static bool read_all(int fd, struct strbuf *out)
{
    char part[4096];
    ssize_t n;

    while ((n = read(fd, part, sizeof part)) > 0 && out->len <= FETCHER_SECRET_BYTES_MAX) {
        strbuf_add_bytes(out, part, (size_t)n);
    }
    return n == 0;
}

static void read_docker_secret(struct strbuf *out)
{
    struct strbuf path = {0};
    const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    int fd;

    if (dir == NULL && home == NULL) {
        return;
    }
    strbuf_printf(&path, "%s%s/config.json", dir != NULL ? dir : home, dir != NULL ? "" : "/.docker");
    if (fetcher_open_secret(path.at, &fd, NULL) == WEIR_OK) {
        read_all(fd, out);
        close(fd);
    }
    strbuf_fini(&path);
}

bool cli_read_secret(const char *path, struct strbuf *out)
{
    struct weir_report rep;

    if (path == NULL) {
        read_docker_secret(out);
        return true;
    }
    bool standard = path[0] == '-' && path[1] == '\0';
    int fd = 0;

    weir_report_init(&rep);
    if (!standard && fetcher_open_secret(path, &fd, &rep) != WEIR_OK) {
        cli_fail("%s", rep.message);
        return false;
    }
    bool ok = read_all(fd, out);
    if (!standard) {
        close(fd);
    }
    if (!ok) {
        cli_fail("%s: cannot be read, or is too long for a secret", path);
    }
    return ok;
}
