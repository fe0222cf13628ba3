/* nginx/ngx_http_weir_channel.c - packets from and to the control process, in the event loop. */
#include "ngx_http_weir_channel.h"

#define NGX_HTTP_WEIR_CHANNEL_RETRY  500   /* ms between attempts to connect */
#define NGX_HTTP_WEIR_CHANNEL_BYTES  4096  /* control/channel.h: the largest packet */

typedef struct {
    ngx_str_t                           path;
    const ngx_http_weir_channel_ops_t  *ops;
    void                               *data;
    ngx_connection_t                   *connection;  /* NULL while there is no line */
    ngx_event_t                         retry;
    ngx_log_t                          *log;
    unsigned                            stopped:1;
} ngx_http_weir_channel_t;

static ngx_http_weir_channel_t  channel;  /* one a worker */

static void ngx_http_weir_channel_connect(void);


static void
ngx_http_weir_channel_lost(void)
{
    if (channel.connection) {
        ngx_close_connection(channel.connection);
        channel.connection = NULL;
    }

    if (!channel.stopped && !ngx_exiting) {
        ngx_add_timer(&channel.retry, NGX_HTTP_WEIR_CHANNEL_RETRY);
    }
}


static void
ngx_http_weir_channel_send(const char *text, size_t len)
{
    if (channel.connection == NULL) {
        return;  /* the control process asks again when the line is back */
    }

    if (send(channel.connection->fd, text, len, MSG_NOSIGNAL) != (ssize_t) len) {
        ngx_log_error(NGX_LOG_WARN, channel.log, ngx_socket_errno, "[weir] cannot answer the control process");
        ngx_http_weir_channel_lost();
    }
}


void
ngx_http_weir_channel_refused(const char *sha256, const char *reason)
{
    char    text[1024];
    u_char *end;

    end = ngx_slprintf((u_char *) text, (u_char *) text + sizeof(text), "refused %s %s", sha256, reason);
    ngx_http_weir_channel_send(text, (char *) end - text);
}


void
ngx_http_weir_channel_tell(const char *what, const char *generation, const char *words)
{
    char    text[1024];
    u_char *end;

    end = ngx_slprintf((u_char *) text, (u_char *) text + sizeof(text), "%s %s%s%s", what, generation,
                       words[0] == '\0' ? "" : " ", words);
    ngx_http_weir_channel_send(text, (char *) end - text);
}


ngx_int_t
ngx_http_weir_channel_crash(struct str report)
{
    ssize_t        n;
    struct iovec   parts[2];
    struct msghdr  msg;

    if (channel.connection == NULL) {
        return NGX_ERROR;
    }

    parts[0].iov_base = (void *) "crash ";
    parts[0].iov_len = sizeof("crash ") - 1;
    parts[1].iov_base = (void *) (uintptr_t) report.at;
    parts[1].iov_len = report.len;

    ngx_memzero(&msg, sizeof(msg));
    msg.msg_iov = parts;
    msg.msg_iovlen = 2;

    n = sendmsg(channel.connection->fd, &msg, MSG_NOSIGNAL);

    return n == (ssize_t) (parts[0].iov_len + report.len) ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_weir_channel_message(struct str text, int file)
{
    struct str  rest = text, verb = str_cut(&rest, ' ');

    if (str_eq(verb, STR("image"))) {
        channel.ops->image(channel.data, rest);
        return;
    }

    if (str_eq(verb, STR("generation"))) {
        channel.ops->generation(channel.data);
        return;
    }

    if (str_eq(verb, STR("report")) && file >= 0) {
        channel.ops->report(channel.data, rest, file);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, channel.log, 0, "[weir] the control process said something unknown: \"%*s\"",
                  text.len, text.at);
}


/* A packet, and the file that came with it, or -1. */

static ssize_t
ngx_http_weir_channel_receive(char *text, size_t size, int *file)
{
    ssize_t          n;
    struct iovec     part = { text, size };
    struct msghdr    msg;
    struct cmsghdr  *cmsg;

    union {
        struct cmsghdr  header;
        char            space[CMSG_SPACE(sizeof(int))];
    } control;

    ngx_memzero(&msg, sizeof(msg));
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    msg.msg_control = control.space;
    msg.msg_controllen = sizeof(control.space);

    *file = -1;
    n = recvmsg(channel.connection->fd, &msg, MSG_CMSG_CLOEXEC);
    cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

    if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS
        && cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
    {
        ngx_memcpy(file, CMSG_DATA(cmsg), sizeof(int));
    }

    return n;
}


static void
ngx_http_weir_channel_read(ngx_event_t *rev)
{
    int      file;
    char     text[NGX_HTTP_WEIR_CHANNEL_BYTES];
    ssize_t  n;

    while (channel.connection) {
        n = ngx_http_weir_channel_receive(text, sizeof(text), &file);

        if (n > 0) {
            ngx_http_weir_channel_message(str_make(text, (size_t) n), file);

            if (file >= 0) {
                (void) close(file);
            }

            continue;
        }

        if (n < 0 && ngx_socket_errno == NGX_EINTR) {
            continue;
        }

        if (n < 0 && ngx_socket_errno == NGX_EAGAIN) {
            if (ngx_handle_read_event(rev, 0) == NGX_OK) {
                return;
            }
        }

        ngx_http_weir_channel_lost();
    }
}


static void
ngx_http_weir_channel_write(ngx_event_t *wev)
{
    /* packets are small and sent at once: nothing is ever waiting */
}


static void
ngx_http_weir_channel_hello(void)
{
    char    text[32];
    u_char *end;

    end = ngx_slprintf((u_char *) text, (u_char *) text + sizeof(text), "hello %P", ngx_pid);
    ngx_http_weir_channel_send(text, (char *) end - text);
}


static void
ngx_http_weir_channel_connect(void)
{
    ngx_socket_t         fd;
    ngx_connection_t    *c;
    struct sockaddr_un   addr;

    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == (ngx_socket_t) -1) {
        ngx_http_weir_channel_lost();
        return;
    }

    ngx_memzero(&addr, sizeof(addr));
    addr.sun_family = AF_UNIX;
    ngx_memcpy(addr.sun_path, channel.path.data, ngx_min(channel.path.len, sizeof(addr.sun_path) - 1));

    if (connect(fd, (struct sockaddr *) &addr, sizeof(addr)) != 0) {
        ngx_close_socket(fd);
        ngx_http_weir_channel_lost();
        return;
    }

    c = ngx_get_connection(fd, channel.log);
    if (c == NULL) {
        ngx_close_socket(fd);
        ngx_http_weir_channel_lost();
        return;
    }

    c->log = channel.log;
    c->read->log = channel.log;
    c->write->log = channel.log;
    c->read->handler = ngx_http_weir_channel_read;
    c->write->handler = ngx_http_weir_channel_write;
    channel.connection = c;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_weir_channel_lost();
        return;
    }

    ngx_http_weir_channel_hello();
}


static void
ngx_http_weir_channel_retry(ngx_event_t *ev)
{
    ngx_http_weir_channel_connect();
}


ngx_int_t
ngx_http_weir_channel_start(ngx_cycle_t *cycle, ngx_str_t *path,
    const ngx_http_weir_channel_ops_t *ops, void *data)
{
    ngx_memzero(&channel, sizeof(channel));
    channel.path = *path;
    channel.ops = ops;
    channel.data = data;
    channel.log = cycle->log;
    channel.retry.handler = ngx_http_weir_channel_retry;
    channel.retry.log = cycle->log;
    channel.retry.cancelable = 1;  /* a worker that shuts down does not wait for it */

    ngx_http_weir_channel_connect();

    return NGX_OK;
}


void
ngx_http_weir_channel_stop(void)
{
    channel.stopped = 1;

    if (channel.retry.timer_set) {
        ngx_del_timer(&channel.retry);
    }

    ngx_http_weir_channel_lost();
}
