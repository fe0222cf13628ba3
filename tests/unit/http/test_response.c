/* Responses of services, whole and in pieces (RFC 9112). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/response.h"

enum { MAX_BODY = 1000 };

struct outcome {
    enum http_progress progress;
    size_t used;
};

/* Feed in pieces of `step` bytes; at the end of the text the connection is closed. */
static struct outcome feed(struct http_response *p, const char *text, size_t step, bool no_body)
{
    struct outcome out = {HTTP_MORE, 0};
    size_t len = strlen(text), used;

    http_response_init(p, no_body, MAX_BODY);
    while (out.progress == HTTP_MORE && out.used < len) {
        size_t n = len - out.used < step ? len - out.used : step;
        out.progress = http_response_feed(p, text + out.used, n, &used);
        out.used += used;
    }
    if (out.progress == HTTP_MORE) {
        out.progress = http_response_end(p);
    }
    return out;
}

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text;
    bool no_body;
    uint32_t status;
    bool keepalive;
    const char *body;
    size_t nheaders, ntrailers, rest; /* bytes that belong to nobody */
} good[] = {
    {HEAD "Content-Length: 3\r\n\r\nabc", false, 200, true, "abc", 2, 0, 0},
    {HEAD "Content-Length: 3\r\n\r\nabcd", false, 200, true, "abc", 2, 0, 1},
    {HEAD "content-length: 0\r\n\r\n", false, 200, true, "", 2, 0, 0},
    {HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", false, 200, true, "abc", 3, 0, 0},
    {HEAD "Content-Length: 3\r\nConnection: foo, Close\r\n\r\nabc", false, 200, false, "abc", 3, 0, 0},
    {HEAD "Content-Length: 3\r\n\r\n", true, 200, true, "", 2, 0, 0},
    {HEAD "\r\nto the end", false, 200, false, "to the end", 1, 0, 0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, 200, false, "a", 2, 0, 0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na", false, 200, true, "a", 3, 0,
     0},
    {"HTTP/1.1 204\r\n\r\n", false, 204, true, "", 1, 0, 0},
    {"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n", false, 304, true, "", 2, 0, 0},
    {"HTTP/1.1 404 Not here\nContent-Length: 1\n\na", false, 404, true, "a", 2, 0, 0},
    {HEAD "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", false, 200,
     true, "abc0123456789", 2, 0, 0},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nB: 2\r\n\r\n", false, 200, true, "", 2, 2, 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\nContent-Length: 7\r\n\r\n" HEAD
     "Content-Length: 1\r\n\r\na",
     false, 200, true, "a", 2, 0, 0},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (size_t step = 1; step < 200; step = step * 2 + 1) {
            struct http_response p;
            struct outcome out = feed(&p, good[i].text, step, good[i].no_body);
            assert_int_equal(out.progress, HTTP_DONE);
            assert_int_equal(p.status, good[i].status);
            assert_int_equal(p.keepalive, good[i].keepalive);
            assert_int_equal(p.headers.len, good[i].nheaders);
            assert_int_equal(p.trailers.len, good[i].ntrailers);
            assert_true(str_eq(strbuf_str(&p.body), str_of(good[i].body)));
            assert_int_equal(strlen(good[i].text) - out.used, good[i].rest);
            assert_true(str_eq(p.headers.at[0].name, STR(":status")));
            http_response_fini(&p);
        }
    }
}

static const char *const bad[] = {
    "",
    "HTTP/1.1 200 OK\r\n",
    HEAD "Content-Length: 3\r\n\r\nab",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    HEAD "Content-Length: 3, 3\r\n\r\nabc",
    HEAD "Content-Length: +3\r\n\r\nabc",
    HEAD "Content-Length: 0x3\r\n\r\nabc",
    HEAD "Content-Length:\r\n\r\nabc",
    HEAD "Content-Length: 99999999999999999999999\r\n\r\nabc",
    HEAD "Content-Length: 1001\r\n\r\nabc",
    HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD "Transfer-Encoding: gzip\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD "name\r\n\r\n",
    HEAD ": value\r\n\r\n",
    HEAD "na me: value\r\n\r\n",
    HEAD "name : value\r\n\r\n",
    HEAD "a: b\r\n folded\r\n\r\n",
    HEAD "a: b\rc\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\ng\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n0\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n0000000000000000003\r\nabc\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t step = 1; step < 200; step = step * 2 + 1) {
            struct http_response p;
            if (feed(&p, bad[i], step, false).progress != HTTP_BAD || p.error == NULL || p.keepalive) {
                fail_msg("taken: %s", bad[i]);
            }
            size_t used = 7;
            assert_int_equal(http_response_feed(&p, "x", 1, &used), HTTP_BAD);
            http_response_fini(&p);
        }
    }
}

/* What somebody may send for ever. */
static void test_limits(void **state)
{
    static const struct {
        const char *head, *again;
        size_t most;
    } endless[] = {
        {HEAD, "a: b\r\n", HTTP_MAX_HEADERS * 6},
        {HEAD, "a", HTTP_MAX_HEAD_BYTES},
        {"", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_MAX_HEAD_BYTES},
        {HEAD "\r\n", "body", MAX_BODY},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", MAX_BODY * 6},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n1;", "x", HTTP_MAX_CHUNK_LINE},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n", HTTP_MAX_HEADERS * 6},
    };
    (void)state;

    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        struct http_response p;
        size_t used, sent = 0;
        http_response_init(&p, false, MAX_BODY);
        enum http_progress result = http_response_feed(&p, endless[i].head, strlen(endless[i].head), &used);
        while (result == HTTP_MORE) {
            size_t n = strlen(endless[i].again);
            result = http_response_feed(&p, endless[i].again, n, &used);
            sent += n;
            assert_true(sent <= endless[i].most + 2 * n);
        }
        assert_int_equal(result, HTTP_BAD);
        http_response_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
