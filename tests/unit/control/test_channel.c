/* Workers say hello, get what is sent, and may vanish at any moment. */
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

#include "control/channel.h"

static char dir[] = "/tmp/weir-channel-XXXXXX";
static char path[64];
static char last[128];

static void remember(void *ctx, struct channel_client *from, struct str text)
{
    snprintf(last, sizeof last, "%.*s", STR_ARG(text));
    if (str_starts_with(text, STR("hello "))) {
        channel_send(*(struct channel **)ctx, from, "image %s", "first");
    }
}

static int connect_worker(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void turn(struct channel *ch)
{
    struct pollfd fds[CHANNEL_MAX_CLIENTS + 1];
    size_t n = channel_poll_fds(ch, fds);
    assert_true(poll(fds, n, 1000) > 0);
    channel_polled(ch, fds, n);
}

static void receive(int fd, const char *expected)
{
    char text[CHANNEL_MESSAGE_BYTES] = "";
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
}

static void test_a_worker_comes_and_goes(void **state)
{
    struct channel *ch, *second = NULL;
    struct weir_report rep;
    (void)state;

    assert_int_equal(channel_open(path, remember, &ch, &ch, NULL), WEIR_OK);
    weir_report_init(&rep);
    assert_int_equal(channel_open(path, remember, NULL, &second, &rep), WEIR_E_CONFIG);
    assert_null(second);
    turn(ch); /* the probe of that second one */
    turn(ch);

    int worker = connect_worker();
    turn(ch);
    assert_int_equal(channel_nclients(ch), 1);
    channel_broadcast(ch, "image %s", "early"); /* not yet greeted: gets nothing */
    assert_int_equal(send(worker, "hello 42", 8, 0), 8);
    turn(ch);
    assert_int_equal(channel_client_at(ch, 0)->pid, 42);
    receive(worker, "image first");
    assert_int_equal(send(worker, "refused abc it is torn", 22, 0), 22);
    turn(ch);
    assert_string_equal(last, "refused abc it is torn");
    channel_broadcast(ch, "image %s", "abc");
    receive(worker, "image abc");
    close(worker);
    turn(ch);
    assert_int_equal(channel_nclients(ch), 0);
    channel_close(ch);
    assert_int_not_equal(access(path, F_OK), 0);
}

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/control.sock", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_worker_comes_and_goes)};
    return cmocka_run_group_tests_name("control/channel", tests, make_dir, remove_dir);
}
