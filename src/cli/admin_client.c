/* cli/admin_client.c - one connection, one request, one answer. */
#include "cli/admin_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "control/admin.h"

enum { ANSWER_BYTES_MAX = 16 << 20 };

/* Sockets have short paths, so the folder is named by its descriptor. */
static int connect_to(const char *state_dir)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0) {
        return -1;
    }
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" ADMIN_SOCKET, dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    close(dir);
    return fd;
}

static bool send_all(int fd, struct str text)
{
    while (text.len != 0) {
        ssize_t n = send(fd, text.at, text.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        text = str_slice(text, (size_t)n, text.len);
    }
    return true;
}

unsigned admin_client_ask(const char *state_dir, const char *method, const char *target, const char *body,
                          json_t **out)
{
    char part[4096];
    struct strbuf text = {0};
    unsigned status = 0;
    ssize_t n;

    int fd = connect_to(state_dir);
    if (fd < 0) {
        return 0;
    }
    body = body == NULL ? "" : body;
    strbuf_printf(&text, "%s %s HTTP/1.1\r\nHost: weir\r\nContent-Length: %zu\r\n\r\n%s", method, target,
                  strlen(body), body);
    bool sent = send_all(fd, strbuf_str(&text));
    text.len = 0;
    while (sent && text.len < ANSWER_BYTES_MAX && (n = recv(fd, part, sizeof part, 0)) > 0) {
        strbuf_add_bytes(&text, part, (size_t)n);
    }
    close(fd);
    const char *end = text.len == 0 ? NULL : strstr(text.at, "\r\n\r\n");
    json_t *json = end == NULL ? NULL : json_loads(end + 4, 0, NULL);
    if (json != NULL && strncmp(text.at, "HTTP/1.1 ", 9) == 0) {
        status = (unsigned)strtoul(text.at + 9, NULL, 10);
        *out = json;
    } else {
        json_decref(json);
        errno = ECONNRESET; /* it ended meanwhile */
    }
    strbuf_fini(&text);
    return status;
}

unsigned admin_client_print_plugins(const json_t *status, int only_problems)
{
    unsigned bad = 0;
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(status, "plugins"), i, p)
    {
        const char *state = json_string_value(json_object_get(p, "state"));
        const char *cause = json_string_value(json_object_get(p, "cause"));
        bool kept = json_is_true(json_object_get(p, "kept"));
        bool problem = kept || strcmp(state, "failed") == 0 || strcmp(state, "fetching") == 0;
        bad += problem;
        if (problem || !only_problems) {
            printf("plugin %s: %s%s%s%s\n", json_string_value(json_object_get(p, "name")), state,
                   kept ? ", its last good version is kept" : "", cause[0] == '\0' ? "" : ": ", cause);
        }
    }
    return bad;
}
