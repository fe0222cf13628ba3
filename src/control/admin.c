/* control/admin.c - a listener, and clients that are read, then written. */
#include "control/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

struct client {
    int fd; /* -1: a free place */
    uint64_t id;
    bool asked;   /* the request is complete */
    bool foreign; /* came over TCP: has to show the token */
    struct strbuf in, out;
    size_t sent;
};

struct admin {
    int listener, tcp; /* tcp -1: none */
    char *token;
    char *path;
    admin_on_request *on_request;
    void *ctx;
    uint64_t last_id;
    struct client clients[ADMIN_MAX_CLIENTS];
};

weir_status admin_open(const char *path, admin_on_request *on_request, void *ctx, struct admin **out,
                       struct weir_report *rep)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&addr, sizeof addr);
    umask(mask);
    if (bound != 0 || listen(fd, ADMIN_MAX_CLIENTS) != 0) {
        weir_status st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "administration socket", "%s: %s",
                                         path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return st;
    }
    struct admin *a = mem_zalloc(sizeof *a);
    a->listener = fd;
    a->tcp = -1;
    a->path = mem_strndup(path, strlen(path));
    a->on_request = on_request;
    a->ctx = ctx;
    for (size_t i = 0; i < ADMIN_MAX_CLIENTS; i++) {
        a->clients[i].fd = -1;
    }
    *out = a;
    return WEIR_OK;
}

weir_status admin_listen(struct admin *a, const struct sockaddr *addr, socklen_t len, struct str token,
                         struct weir_report *rep)
{
    int on = 1, fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, addr, len) != 0 ||
        listen(fd, ADMIN_MAX_CLIENTS) != 0) {
        weir_status st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "",
                                         "the administration's address: %s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return st;
    }
    a->tcp = fd;
    a->token = mem_strndup(token.at, token.len);
    return WEIR_OK;
}

static void drop(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    strbuf_fini(&c->in);
    strbuf_fini(&c->out);
    *c = (struct client){.fd = -1};
}

void admin_close(struct admin *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < ADMIN_MAX_CLIENTS; i++) {
        drop(&a->clients[i]);
    }
    close(a->listener);
    if (a->tcp >= 0) {
        close(a->tcp);
    }
    mem_free(a->token);
    unlink(a->path);
    mem_free(a->path);
    mem_free(a);
}

/* A place that is free waits for nothing: poll leaves out negative descriptors. */
size_t admin_poll_fds(const struct admin *a, struct pollfd *fds)
{
    for (size_t i = 0; i < ADMIN_MAX_CLIENTS; i++) {
        const struct client *c = &a->clients[i];
        fds[i] = (struct pollfd){.fd = c->fd, .events = c->out.len != 0 ? POLLOUT : c->asked ? 0 : POLLIN};
    }
    fds[ADMIN_MAX_CLIENTS] = (struct pollfd){.fd = a->listener, .events = POLLIN};
    fds[ADMIN_MAX_CLIENTS + 1] = (struct pollfd){.fd = a->tcp, .events = POLLIN};
    return ADMIN_MAX_FDS;
}

/* A free place; else that of who came first of those whose request is not there yet, or who do not read their
 * answer.  NULL: all are waiting for us. */
static struct client *find_place(struct admin *a)
{
    struct client *oldest = NULL;

    for (size_t i = 0; i < ADMIN_MAX_CLIENTS; i++) {
        struct client *c = &a->clients[i];
        if (c->fd < 0) {
            return c;
        }
        if ((!c->asked || c->out.len != 0) && (oldest == NULL || c->id < oldest->id)) {
            oldest = c;
        }
    }
    if (oldest != NULL) {
        drop(oldest);
    }
    return oldest;
}

static void accept_client(struct admin *a, int listener, bool foreign)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c = fd < 0 ? NULL : find_place(a);

    if (c != NULL) {
        c->fd = fd;
        c->id = ++a->last_id;
        c->foreign = foreign;
    } else if (fd >= 0) {
        close(fd);
    }
}

/* Has the request the token?  Takes the same time whichever byte differs. */
static bool knows_token(const struct admin *a, const struct http_request *r)
{
    struct str given = r->authorization, token = str_of(a->token);
    unsigned differ = 0;

    if (given.len < 7 || !str_ieq(str_slice(given, 0, 7), STR("bearer "))) {
        return false;
    }
    given = str_slice(given, 7, given.len);
    for (size_t i = 0; i < given.len; i++) {
        differ |= (unsigned)(given.at[i] ^ token.at[i % token.len]);
    }
    return given.len == token.len && differ == 0;
}

static void on_whole(struct admin *a, struct client *c, const struct http_request *r)
{
    c->asked = true;
    if (c->foreign && !knows_token(a, r)) {
        admin_answer(
            a, c->id, 401, "WWW-Authenticate: Bearer\r\n",
            STR("{\"error\":\"the token is missing or another one: Authorization: Bearer TOKEN\"}\n"));
        return;
    }
    a->on_request(a->ctx, c->id, r);
}

static void read_client(struct admin *a, struct client *c)
{
    char part[65536];
    struct http_request r;
    ssize_t n = recv(c->fd, part, sizeof part, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        drop(c);
        return;
    }
    strbuf_add_bytes(&c->in, part, (size_t)n);
    switch (http_request_parse(strbuf_str(&c->in), &r)) {
    case HTTP_REQUEST_MORE:
        break;
    case HTTP_REQUEST_BAD:
        c->asked = true;
        admin_answer(a, c->id, 400, "", STR("{\"error\":\"this is no request that could be understood\"}\n"));
        break;
    case HTTP_REQUEST_DONE:
        on_whole(a, c, &r);
        break;
    }
}

static void write_client(struct client *c)
{
    ssize_t n = send(c->fd, c->out.at + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (n <= 0 || c->sent == c->out.len) {
        drop(c);
    }
}

void admin_polled(struct admin *a, const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n && i < ADMIN_MAX_CLIENTS; i++) {
        struct client *c = &a->clients[i];
        if (fds[i].revents == 0 || fds[i].fd < 0) {
            continue;
        }
        if (c->out.len != 0) {
            write_client(c);
        } else if (c->asked) { /* it hung up before its answer */
            drop(c);
        } else {
            read_client(a, c);
        }
    }
    if (fds[ADMIN_MAX_CLIENTS].revents != 0) {
        accept_client(a, a->listener, false);
    }
    if (fds[ADMIN_MAX_CLIENTS + 1].revents != 0) {
        accept_client(a, a->tcp, true);
    }
}

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {409, "Conflict"},
                   {412, "Precondition Failed"},
                   {422, "Unprocessable Content"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Error";
}

void admin_answer(struct admin *a, uint64_t client, unsigned status, const char *headers, struct str json)
{
    admin_answer_as(a, client, status, "application/json", headers, json);
}

void admin_answer_as(struct admin *a, uint64_t client, unsigned status, const char *type, const char *headers,
                     struct str body)
{
    for (size_t i = 0; i < ADMIN_MAX_CLIENTS; i++) {
        struct client *c = &a->clients[i];
        if (c->fd >= 0 && c->id == client && c->out.len == 0) {
            strbuf_printf(&c->out,
                          "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n%s\r\n",
                          status, reason(status), type, body.len, headers);
            strbuf_add(&c->out, body);
        }
    }
}
