/* Whole requests, parts of them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/request.h"

static void test_whole(void **state)
{
    (void)state;
    struct http_request r;
    struct str text = STR("POST /v1/apply HTTP/1.1\r\nHost: weir\r\nContent-Length: 4\r\n\r\n{..}x");
    assert_int_equal(http_request_parse(text, &r), HTTP_REQUEST_DONE);
    assert_true(str_eq(r.method, STR("POST")) && str_eq(r.target, STR("/v1/apply")) &&
                str_eq(r.body, STR("{..}")));
    for (size_t n = 0; n < text.len - 1; n++) {
        assert_int_equal(http_request_parse(str_slice(text, 0, n), &r), HTTP_REQUEST_MORE);
    }
}

static void test_headers_that_are_kept(void **state)
{
    (void)state;
    struct http_request r;
    struct str text = STR("PUT / HTTP/1.1\r\nIF-MATCH:  \"1\" \r\nAuthorization: Bearer t\r\n\r\n");
    assert_int_equal(http_request_parse(text, &r), HTTP_REQUEST_DONE);
    assert_true(str_eq(r.if_match, STR("\"1\"")) && str_eq(r.authorization, STR("Bearer t")));
    assert_null(r.if_none_match.at);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET\n",
        "GET  / HTTP/1.1\n",
        "GET x HTTP/1.1\n",
        "GET / HTTP/2\n",
        "GET / HTTP/1.1\nnocolon\n",
        "GET / HTTP/1.1\nA : b\n",
        "GET / HTTP/1.1\nA: b\n c\n",
        "GET / HTTP/1.1\nContent-Length: 1\nContent-Length: 1\n",
        "GET / HTTP/1.1\nContent-Length: -1\n",
        "GET / HTTP/1.1\nContent-Length: 16777217\n",
        "GET / HTTP/1.1\nIf-Match: \"a\"\nif-match: \"b\"\n",
        "GET / HTTP/1.1\nAuthorization: Bearer a\nAuthorization: Bearer b\n",
        "GET / HTTP/1.1\nTransfer-Encoding: chunked\n",
    };
    struct http_request r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(http_request_parse(str_of(bad[i]), &r), HTTP_REQUEST_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole),
                                       cmocka_unit_test(test_headers_that_are_kept),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("http/request", tests, NULL, NULL);
}
