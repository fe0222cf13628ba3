/* cli/echo.c - `weir echo`: an HTTP/1.1 server that answers with what it saw.
 *
 * The upstream of the demo and of the tests: one thread, epoll, every connection a small state machine that
 * reads a request whole (its body is counted, not kept), then writes the answer.  The query asks for
 * other behaviour: status=N, delay_ms=N (answer later), bytes=N (a body of N bytes), chunked=1,
 * header=NAME:VALUE, close=1. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "os/os.h"

enum {
    HEAD_BYTES_MAX = 256 << 10,
    READ_BYTES = 16 << 10,
    EVENTS = 256,
    HEADERS_MAX = 256,
    CHUNK_BYTES = 4096
};
enum { BYTES_MAX = 1 << 30 };

enum body { BODY_NONE, BODY_LENGTH, BODY_CHUNK_SIZE, BODY_CHUNK_DATA, BODY_CHUNK_END, BODY_TRAILER };

struct conn {
    int fd;
    struct strbuf in;  /* what is not consumed yet */
    struct strbuf out; /* what is not sent yet */
    size_t sent;
    bool in_body, close, answered, writing;
    enum body body;
    uint64_t body_left, body_bytes;
    uint64_t answer_ms;       /* not before */
    size_t head_bytes;        /* of the request under way, at the start of `in`; kept until it is answered */
    struct conn *prev, *next; /* all connections */
};

static struct {
    const char *listen;
} args = {.listen = "127.0.0.1:10080"};

static const struct cli_option options[] = {
    {.name = "listen",
     .kind = CLI_TEXT,
     .value = &args.listen,
     .arg = "HOST:PORT",
     .help = "where to listen (default 127.0.0.1:10080)"},
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "stopped by SIGTERM or SIGINT"},
    {CLI_EXIT_FAILED, "cannot listen"},
};

static const struct cli_usage usage = {
    .synopsis = "echo [--listen HOST:PORT]",
    .about = "Answer every request with a JSON description of it.  For demos and tests.\n"
             "In the query: status=N, delay_ms=N, bytes=N, chunked=1, header=NAME:VALUE, close=1.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static int poller;
static struct conn *conns;

static void conn_free(struct conn *c)
{
    close(c->fd);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    strbuf_fini(&c->in);
    strbuf_fini(&c->out);
    mem_free(c);
}

static void consume(struct strbuf *b, size_t n)
{
    memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
}

/* ---- requests ------------------------------------------------------------------------------------ */

struct request {
    struct str method, target, version;
    struct str names[HEADERS_MAX], values[HEADERS_MAX];
    size_t nheaders;
};

static struct str cut_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    return line.len != 0 && line.at[line.len - 1] == '\r' ? str_slice(line, 0, line.len - 1) : line;
}

/* False: not HTTP. */
static bool parse_head(struct str head, struct request *r)
{
    struct str line = cut_line(&head);

    r->nheaders = 0;
    r->method = str_cut(&line, ' ');
    r->target = str_cut(&line, ' ');
    r->version = line;
    if (!str_starts_with(r->version, STR("HTTP/1.")) || r->target.len == 0) {
        return false;
    }
    while (head.len != 0 && r->nheaders < HEADERS_MAX) {
        line = cut_line(&head);
        if (line.len == 0) {
            break;
        }
        r->names[r->nheaders] = str_cut(&line, ':');
        r->values[r->nheaders++] = str_trim(line);
    }
    return true;
}

static struct str header(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->nheaders; i++) {
        if (str_ieq(r->names[i], str_of(name))) {
            return r->values[i];
        }
    }
    return (struct str){0};
}

/* The next `name=...` of the query from *at on; false: no more. */
static bool query_value(struct str query, const char *name, struct str *at, struct str *value)
{
    struct str rest = at != NULL && at->at != NULL ? *at : query;

    while (rest.len != 0) {
        struct str pair = str_cut(&rest, '&');
        struct str key = str_cut(&pair, '=');
        if (str_eq(key, str_of(name))) {
            *value = pair;
            if (at != NULL) {
                *at = rest.at != NULL ? rest : STR("");
            }
            return true;
        }
    }
    return false;
}

static uint64_t query_number(struct str query, const char *name, uint64_t otherwise)
{
    struct str value;
    uint64_t n;
    return query_value(query, name, NULL, &value) && str_to_u64(value, &n) ? n : otherwise;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static void describe(const struct conn *c, const struct request *r, struct strbuf *b)
{
    strbuf_printf(b, "{\n  \"server\": ");
    strbuf_add_json(b, str_of(args.listen));
    strbuf_printf(b, ",\n  \"method\": ");
    strbuf_add_json(b, r->method);
    strbuf_printf(b, ",\n  \"path\": ");
    strbuf_add_json(b, r->target);
    strbuf_printf(b, ",\n  \"protocol\": ");
    strbuf_add_json(b, r->version);
    strbuf_printf(b, ",\n  \"body_bytes\": %llu,\n  \"headers\": [", (unsigned long long)c->body_bytes);
    for (size_t i = 0; i < r->nheaders; i++) {
        strbuf_printf(b, "%s\n    [", i == 0 ? "" : ",");
        strbuf_add_json(b, r->names[i]);
        strbuf_printf(b, ", ");
        strbuf_add_json(b, r->values[i]);
        strbuf_add_char(b, ']');
    }
    strbuf_printf(b, "\n  ]\n}\n");
}

static void add_body(struct strbuf *out, struct str body, bool chunked)
{
    if (!chunked) {
        strbuf_add(out, body);
        return;
    }
    for (size_t at = 0; at < body.len; at += CHUNK_BYTES) {
        struct str part = str_slice(body, at, at + CHUNK_BYTES);
        strbuf_printf(out, "%zx\r\n", part.len);
        strbuf_add(out, part);
        strbuf_add(out, STR("\r\n"));
    }
    strbuf_add(out, STR("0\r\n\r\n"));
}

static void answer(struct conn *c, const struct request *r)
{
    struct strbuf body = {0};
    struct str query = r->target, at = {0}, value;

    str_cut(&query, '?');
    uint64_t status = query_number(query, "status", 200), bytes = query_number(query, "bytes", UINT64_MAX);
    bool chunked = query_number(query, "chunked", 0) != 0;
    bool head = str_eq(r->method, STR("HEAD"));
    bool none = status < 200 || status == 204 || status == 304;

    c->close = query_number(query, "close", 0) != 0 || str_ieq(header(r, "connection"), STR("close")) ||
               str_eq(r->version, STR("HTTP/1.0"));
    if (bytes == UINT64_MAX) {
        describe(c, r, &body);
    } else {
        for (uint64_t i = 0; i < bytes && i < BYTES_MAX; i++) {
            strbuf_add_char(&body, (char)('a' + i % 26));
        }
    }
    strbuf_printf(&c->out, "HTTP/1.1 %llu Echo\r\nContent-Type: %s\r\nServer: echo\r\n",
                  (unsigned long long)status, bytes == UINT64_MAX ? "application/json" : "text/plain");
    if (chunked && !none) {
        strbuf_printf(&c->out, "Transfer-Encoding: chunked\r\n");
    } else if (!none) {
        strbuf_printf(&c->out, "Content-Length: %zu\r\n", body.len);
    }
    while (query_value(query, "header", &at, &value)) {
        struct str name = str_cut(&value, ':');
        strbuf_printf(&c->out, "%.*s: %.*s\r\n", STR_ARG(name), STR_ARG(value));
    }
    strbuf_printf(&c->out, "%s\r\n", c->close ? "Connection: close\r\n" : "");
    if (!head && !none) {
        add_body(&c->out, strbuf_str(&body), chunked);
    }
    strbuf_fini(&body);
}

/* ---- connections ------------------------------------------------------------------------------------ */

/* Where the head ends, or 0. */
static size_t head_end(const struct strbuf *in)
{
    const char *end = in->len == 0 ? NULL : memmem(in->at, in->len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end + 4 - in->at);
}

static void begin_body(struct conn *c, const struct request *r)
{
    struct str query = r->target;
    uint64_t n = 0;

    c->in_body = true;
    c->body_bytes = 0;
    if (str_ieq(header(r, "transfer-encoding"), STR("chunked"))) {
        c->body = BODY_CHUNK_SIZE;
    } else if (str_to_u64(header(r, "content-length"), &n) && n != 0) {
        c->body = BODY_LENGTH;
        c->body_left = n;
    } else {
        c->body = BODY_NONE;
    }
    if (c->body != BODY_NONE && str_ieq(header(r, "expect"), STR("100-continue"))) {
        strbuf_add(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    str_cut(&query, '?');
    c->answer_ms = os_monotonic_ns() / 1000000 + query_number(query, "delay_ms", 0);
}

/* Drop what there is of the body behind the head.  True: the body has ended. */
static bool skip_body(struct conn *c)
{
    for (;;) {
        size_t have = c->in.len - c->head_bytes;
        char *at = c->in.at + c->head_bytes;

        if (c->body == BODY_NONE) {
            return true;
        }
        if (c->body == BODY_LENGTH || c->body == BODY_CHUNK_DATA) {
            size_t n = have < c->body_left ? have : (size_t)c->body_left;
            memmove(at, at + n, have - n);
            c->in.len -= n;
            c->body_left -= n;
            c->body_bytes += n;
            if (c->body_left != 0) {
                return false;
            }
            if (c->body == BODY_LENGTH) {
                return true;
            }
            c->body = BODY_CHUNK_END;
            continue;
        }
        char *eol = have == 0 ? NULL : memchr(at, '\n', have);
        if (eol == NULL) {
            return false;
        }
        size_t line = (size_t)(eol + 1 - at);
        if (c->body == BODY_CHUNK_SIZE) {
            c->body_left = strtoull(at, NULL, 16);
            c->body = c->body_left == 0 ? BODY_TRAILER : BODY_CHUNK_DATA;
        } else if (c->body == BODY_CHUNK_END) {
            c->body = BODY_CHUNK_SIZE;
        } else if (line <= 2) {
            c->body = BODY_NONE;
        }
        memmove(at, at + line, have - line);
        c->in.len -= line;
    }
}

/* Send what is to be sent.  False: the connection is gone. */
static bool flush(struct conn *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.at + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            conn_free(c);
            return false;
        }
        if (n < 0) {
            break;
        }
        c->sent += (size_t)n;
    }
    bool writing = c->sent < c->out.len;
    if (!writing) {
        c->out.len = c->sent = 0;
        if (c->answered && c->close) {
            conn_free(c);
            return false;
        }
    }
    if (writing != c->writing) {
        struct epoll_event ev = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &ev);
        c->writing = writing;
    }
    return true;
}

/* Do all that can be done with what was read. */
static void advance(struct conn *c)
{
    static struct request r;

    while (!c->close || !c->answered) {
        if (!c->in_body) {
            c->head_bytes = head_end(&c->in);
            if (c->head_bytes == 0) {
                break;
            }
            if (!parse_head(str_make(c->in.at, c->head_bytes), &r)) {
                conn_free(c);
                return;
            }
            begin_body(c, &r);
        }
        if (!skip_body(c) || os_monotonic_ns() / 1000000 < c->answer_ms) {
            break;
        }
        parse_head(str_make(c->in.at, c->head_bytes), &r);
        answer(c, &r);
        c->answered = true;
        c->in_body = false;
        consume(&c->in, c->head_bytes);
        c->head_bytes = 0;
    }
    flush(c);
}

static void readable(struct conn *c)
{
    char part[READ_BYTES];

    ssize_t n = recv(c->fd, part, sizeof part, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0 || (!c->in_body && c->in.len > HEAD_BYTES_MAX)) {
        conn_free(c);
        return;
    }
    strbuf_add_bytes(&c->in, part, (size_t)n);
    advance(c);
}

static void accept_all(int listener)
{
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = mem_zalloc(sizeof *c);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        c->next = conns;
        if (conns != NULL) {
            conns->prev = c;
        }
        conns = c;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev);
    }
}

/* Answers whose time has come; returns when the next one's will, as epoll_wait wants it. */
static int run_delayed(void)
{
    uint64_t now = os_monotonic_ns() / 1000000, next = UINT64_MAX;

    for (struct conn *c = conns, *after; c != NULL; c = after) {
        after = c->next;
        if (c->in_body && c->body == BODY_NONE && c->answer_ms <= now) {
            advance(c);
        } else if (c->in_body && c->answer_ms > now && c->answer_ms < next) {
            next = c->answer_ms;
        }
    }
    return next == UINT64_MAX ? -1 : (int)(next - now) + 1;
}

static int open_listener(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char *host = mem_strndup(args.listen, strlen(args.listen)), *port = strrchr(host, ':');
    int one = 1, fd = -1;

    if (port != NULL) {
        *port++ = '\0';
    }
    if (port != NULL && getaddrinfo(host, port, &hints, &found) == 0) {
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 4096) != 0) {
            close(fd);
            fd = -1;
        }
        freeaddrinfo(found);
    }
    mem_free(host);
    return fd;
}

static int run_echo(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    sigset_t set;

    int code = cli_parse(&usage, argc, argv, NULL);
    if (code != CLI_GO_ON) {
        return code;
    }
    int listener = open_listener();
    if (listener < 0) {
        return cli_fail("cannot listen on %s: %s", args.listen, strerror(errno));
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener,
              &(struct epoll_event){.events = EPOLLIN, .data.ptr = &listener});
    epoll_ctl(poller, EPOLL_CTL_ADD, signals, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &signals});
    printf("weir: echo listens on %s\n", args.listen);
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, run_delayed());
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (events[i].data.ptr == &signals) {
                while (conns != NULL) {
                    conn_free(conns);
                }
                return CLI_EXIT_OK;
            }
            if (events[i].data.ptr == &listener) {
                accept_all(listener);
            } else if (events[i].events & EPOLLOUT) {
                flush(c);
            } else {
                readable(c);
            }
        }
    }
}

const struct cli_verb cli_verb_echo = {
    .name = "echo",
    .summary = "an upstream that answers with what it saw",
    .run = run_echo,
};
