/* Every worker is asked, with a file of its own; who dies is left out, who is silent is named, nobody is
 * waited for in vain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/gather.h"
#include "os/os.h"

static char dir[] = "/tmp/weir-gather-XXXXXX";
static char path[64];
static struct channel *ch;
static struct gathers *gathers;

static void on_message(void *ctx, struct channel_client *from, struct str text)
{
    struct str rest = text, verb = str_cut(&rest, ' ');
    (void)ctx;

    if (str_eq(verb, STR("reported"))) {
        gathers_take(gathers, from, rest);
    }
}

static void turn(void)
{
    struct pollfd fds[CHANNEL_MAX_CLIENTS + 1];
    size_t n = channel_poll_fds(ch, fds);

    assert_true(poll(fds, n, 1000) > 0);
    channel_polled(ch, fds, n);
}

static int join(const char *hello)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    turn();
    assert_int_equal(send(fd, hello, strlen(hello), 0), strlen(hello));
    turn();
    return fd;
}

/* What a worker was asked, and the file that came with it. */
static int receive(int fd, const char *expected)
{
    char text[128] = "", control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {text, sizeof text - 1};
    struct msghdr msg = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int file = -1;

    assert_true(recvmsg(fd, &msg, 0) > 0);
    assert_string_equal(text, expected);
    assert_non_null(CMSG_FIRSTHDR(&msg));
    memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof file);
    return file;
}

static void report(int fd, const char *asked, const char *answer, const char *text)
{
    int file = receive(fd, asked);

    assert_int_equal(pwrite(file, text, strlen(text), 0), strlen(text));
    close(file);
    assert_int_equal(send(fd, answer, strlen(answer), 0), strlen(answer));
    turn();
}

static struct strbuf got;

static void done(void *ctx, uint64_t client, const struct gather_report *reports, size_t n)
{
    assert_ptr_equal(ctx, &got);
    strbuf_printf(&got, "%llu:", (unsigned long long)client);
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(&got, " %d=%.*s", (int)reports[i].pid, (int)reports[i].text.len,
                      reports[i].text.at == NULL ? "" : reports[i].text.at);
    }
}

static void test_all_are_asked(void **state)
{
    int a = join("hello 10"), b = join("hello 11");
    uint64_t now = os_monotonic_ns() / 1000000;
    (void)state;

    assert_int_equal(gathers_when_ms(gathers), 0);
    gathers_ask(gathers, "all", done, &got, 5);
    assert_true(gathers_when_ms(gathers) >= now + GATHER_PATIENCE_MS);
    report(a, "report 1 all", "reported 1", "{}");
    gathers_step(gathers, now);
    assert_int_equal(got.len, 0); /* one is missing */
    report(b, "report 1 all", "reported 1", "[1]");
    gathers_step(gathers, now);
    assert_string_equal(got.at, "5: 10={} 11=[1]");
    gathers_step(gathers, now + 2 * GATHER_PATIENCE_MS);
    assert_string_equal(got.at, "5: 10={} 11=[1]");

    /* Two at a time; b is silent, answers another one, and one that never was. */
    got.len = 0;
    gathers_ask(gathers, "x", done, &got, 6);
    gathers_ask(gathers, "y", done, &got, 7);
    report(a, "report 2 x", "reported 2", "a2");
    report(a, "report 3 y", "reported 3", "a3");
    close(receive(b, "report 2 x"));
    report(b, "report 3 y", "reported 3", "b3");
    assert_int_equal(send(b, "reported 99999", 14, 0), 14);
    turn();
    gathers_step(gathers, now);
    assert_string_equal(got.at, "7: 10=a3 11=b3");
    got.len = 0;
    gathers_step(gathers, now + 10 * GATHER_PATIENCE_MS);
    assert_string_equal(got.at, "6: 10=a2 11=");

    /* b says it has written, and has not: as if silent.  It dies: it is left out. */
    got.len = 0;
    gathers_ask(gathers, "z", done, &got, 8);
    report(a, "report 4 z", "reported 4", "a4");
    report(b, "report 4 z", "reported 4", "");
    gathers_step(gathers, now);
    assert_string_equal(got.at, "8: 10=a4 11=");
    got.len = 0;
    gathers_ask(gathers, "z", done, &got, 9);
    report(a, "report 5 z", "reported 5", "a5");
    close(b);
    turn();
    gathers_step(gathers, now);
    assert_string_equal(got.at, "9: 10=a5");
    close(a);
    turn();
    got.len = 0;
    gathers_ask(gathers, "z", done, &got, 10); /* nobody is there */
    gathers_step(gathers, now);
    assert_string_equal(got.at, "10:");
    gathers_ask(gathers, "z", done, &got, 11); /* left behind */
}

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/control.sock", dir);
    if (channel_open(path, on_message, NULL, &ch, NULL) != WEIR_OK) {
        return 1;
    }
    gathers = gathers_new(ch);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gathers_free(gathers);
    channel_close(ch);
    strbuf_fini(&got);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_are_asked)};
    return cmocka_run_group_tests_name("control/gather", tests, begin, end);
}
