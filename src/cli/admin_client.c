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
#include "cli/cli.h"
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

static bool is_problem(const json_t *plugin)
{
    const char *state = json_string_value(json_object_get(plugin, "state"));

    return json_is_true(json_object_get(plugin, "kept")) || strcmp(state, "failed") == 0 ||
           strcmp(state, "fetching") == 0;
}

unsigned admin_client_count_problems(const json_t *status)
{
    unsigned bad = 0;
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(status, "plugins"), i, p)
    {
        bad += is_problem(p);
    }
    return bad;
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
        bool problem = is_problem(p);
        bad += problem;
        if (problem || !only_problems) {
            printf("plugin %s: %s%s%s%s\n", json_string_value(json_object_get(p, "name")), state,
                   kept ? ", its last good version is kept" : "", cause[0] == '\0' ? "" : ": ", cause);
        }
    }
    return bad;
}

void admin_client_print_problems(const json_t *answer)
{
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(answer, "problems"), i, p)
    {
        const char *field = json_string_value(json_object_get(p, "field"));
        json_int_t line = json_integer_value(json_object_get(p, "line"));
        printf("%s:", json_string_value(json_object_get(p, "file")));
        if (line != 0) {
            printf("%lld:", (long long)line);
        }
        printf(" %s%s%s%s\n", field, field[0] == '\0' ? "" : ": ",
               json_is_true(json_object_get(p, "warning")) ? "warning: " : "",
               json_string_value(json_object_get(p, "message")));
    }
}

int admin_client_get(const char *state_dir, const char *target, json_t **out)
{
    json_t *answer = NULL;
    unsigned status = admin_client_ask(state_dir, "GET", target, NULL, &answer);

    if (status == 0) {
        fprintf(stderr, "weir: no gateway answers in \"%s\": %s\n", state_dir, strerror(errno));
        return EXIT_NO_GATEWAY;
    }
    if (status != 200) {
        int code = cli_fail("%s", json_string_value(json_object_get(answer, "error")));
        json_decref(answer);
        return code;
    }
    *out = answer;
    return CLI_GO_ON;
}

void admin_client_print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_INDENT(1));
    putchar('\n');
}
