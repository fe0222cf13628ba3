/* control/channel.c - a SOCK_SEQPACKET listener and its clients. */
#include "control/channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct channel {
    int listener;
    char *path;
    channel_on_message *on_message;
    void *ctx;
    struct channel_client clients[CHANNEL_MAX_CLIENTS];
    size_t nclients;
};

static weir_status refuse(struct weir_report *rep, const char *path)
{
    return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "control socket", "%s: %s", path, strerror(errno));
}

/* Is somebody listening there? */
static bool alive(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers =
        fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN);
    if (fd >= 0) {
        close(fd);
    }
    return answers;
}

weir_status channel_open(const char *path, channel_on_message *on_message, void *ctx, struct channel **out,
                         struct weir_report *rep)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof addr.sun_path) {
        return weir_report_set(
            rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "control socket",
            "%s is longer than the %zu bytes a socket's path may have: name a shorter --state", path,
            sizeof addr.sun_path - 1);
    }
    memcpy(addr.sun_path, path, strlen(path));
    if (alive(&addr)) {
        return weir_report_set(
            rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "control socket",
            "another weir runs with this state folder (%s answers): stop it, or name another --state", path);
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The owner's alone from its first moment; root's workers are in the group of the state folder. */
    mode_t mask = umask(geteuid() == 0 ? 0117 : 0177);
    int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&addr, sizeof addr);
    umask(mask);
    if (bound != 0 || listen(fd, 128) != 0) {
        weir_status st = refuse(rep, path);
        if (fd >= 0) {
            close(fd);
        }
        return st;
    }
    struct channel *ch = mem_zalloc(sizeof *ch);
    ch->listener = fd;
    ch->path = mem_strndup(path, strlen(path));
    ch->on_message = on_message;
    ch->ctx = ctx;
    *out = ch;
    return WEIR_OK;
}

void channel_close(struct channel *ch)
{
    if (ch == NULL) {
        return;
    }
    for (size_t i = 0; i < ch->nclients; i++) {
        close(ch->clients[i].fd);
    }
    close(ch->listener);
    unlink(ch->path);
    mem_free(ch->path);
    mem_free(ch);
}

size_t channel_nclients(const struct channel *ch)
{
    return ch->nclients;
}

const struct channel_client *channel_client_at(const struct channel *ch, size_t i)
{
    return &ch->clients[i];
}

size_t channel_poll_fds(const struct channel *ch, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = ch->listener, .events = POLLIN};
    for (size_t i = 0; i < ch->nclients; i++) {
        fds[i + 1] = (struct pollfd){.fd = ch->clients[i].fd, .events = POLLIN};
    }
    return ch->nclients + 1;
}

static void accept_clients(struct channel *ch)
{
    while (ch->nclients < CHANNEL_MAX_CLIENTS) {
        int fd = accept4(ch->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        ch->clients[ch->nclients++] = (struct channel_client){.fd = fd};
    }
}

/* One packet of a client; false: it is gone. */
static bool read_client(struct channel *ch, struct channel_client *c)
{
    char text[CHANNEL_MESSAGE_BYTES];
    ssize_t n = recv(c->fd, text, sizeof text, MSG_TRUNC);

    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (n == 0 || (size_t)n > sizeof text) {
        return false;
    }
    struct str words = str_make(text, (size_t)n), rest = words, verb = str_cut(&rest, ' ');
    uint64_t pid;
    if (str_eq(verb, STR("hello")) && str_to_u64(rest, &pid) && pid <= INT32_MAX) {
        c->pid = (pid_t)pid;
    }
    ch->on_message(ch->ctx, c, words);
    return true;
}

void channel_polled(struct channel *ch, const struct pollfd *fds, size_t n)
{
    for (size_t i = n - 1; i >= 1; i--) { /* from the back: a removed client is replaced by the last */
        if (fds[i].revents != 0 && !read_client(ch, &ch->clients[i - 1])) {
            close(ch->clients[i - 1].fd);
            ch->clients[i - 1] = ch->clients[--ch->nclients];
        }
    }
    if (fds[0].revents != 0) {
        accept_clients(ch);
    }
}

/* `file`: -1 for none. */
static ssize_t send_packet(int fd, const char *text, size_t len, int file)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    if (file >= 0) {
        msg.msg_control = control.space;
        msg.msg_controllen = sizeof control.space;
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof file)};
        memcpy(CMSG_DATA(&control.header), &file, sizeof file);
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_text(const struct channel_client *to, const char *text, size_t len, int file)
{
    if (send_packet(to->fd, text, len, file) != (ssize_t)len) {
        log_line(LOG_WARN, "worker %d does not read its messages and is cut off: %s", (int)to->pid,
                 strerror(errno));
        shutdown(to->fd, SHUT_RDWR); /* poll then reports it and it is removed */
    }
}

/* The length of the message, which fits. */
static size_t format(char text[CHANNEL_MESSAGE_BYTES], const char *fmt, va_list ap)
{
    int len = vsnprintf(text, CHANNEL_MESSAGE_BYTES, fmt, ap);
    WEIR_ASSERT(len > 0 && len < CHANNEL_MESSAGE_BYTES);
    return (size_t)len;
}

void channel_send(struct channel *ch, const struct channel_client *to, const char *fmt, ...)
{
    char text[CHANNEL_MESSAGE_BYTES];
    va_list ap;
    (void)ch;
    va_start(ap, fmt);
    size_t len = format(text, fmt, ap);
    va_end(ap);
    send_text(to, text, len, -1);
}

void channel_send_file(struct channel *ch, const struct channel_client *to, int file, const char *fmt, ...)
{
    char text[CHANNEL_MESSAGE_BYTES];
    va_list ap;
    (void)ch;
    va_start(ap, fmt);
    size_t len = format(text, fmt, ap);
    va_end(ap);
    send_text(to, text, len, file);
}

void channel_broadcast(struct channel *ch, const char *fmt, ...)
{
    char text[CHANNEL_MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    size_t len = format(text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < ch->nclients; i++) {
        if (ch->clients[i].pid != 0) {
            send_text(&ch->clients[i], text, len, -1);
        }
    }
}
