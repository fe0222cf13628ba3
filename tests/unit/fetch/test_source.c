/* URLs of modules are taken apart as docker does; what is no URL of a module is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fetch/source.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_images(void **state)
{
    static const struct {
        const char *url, *host, *repository, *tag, *digest;
        bool library;
    } rows[] = {
        {"oci://r.example/team/auth:1.0", "r.example", "team/auth", "1.0", "", false},
        {"oci://r.example:5000/auth", "r.example:5000", "auth", "latest", "", false},
        {"oci://localhost/auth", "localhost", "auth", "latest", "", false},
        {"oci://[::1]:5000/a/b/c:x", "[::1]:5000", "a/b/c", "x", "", false},
        {"oci://r.example/auth@sha256:" HEX, "r.example", "auth", "", "sha256:" HEX, false},
        {"oci://r.example/auth:1@sha256:" HEX, "r.example", "auth", "1", "sha256:" HEX, false},
        {"oci://team/auth:1", "docker.io", "team/auth", "1", "", false},
        {"oci://auth", "docker.io", "auth", "latest", "", true},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fetch_source s;
        assert_int_equal(fetch_source_parse(str_of(rows[i].url), &s, NULL), WEIR_OK);
        assert_true(s.scheme == FETCH_OCI && s.library == rows[i].library);
        assert_true(str_eq(s.host, str_of(rows[i].host)));
        assert_true(str_eq(s.repository, str_of(rows[i].repository)));
        assert_true(str_eq(s.tag, str_of(rows[i].tag)));
        assert_true(str_eq(s.digest, str_of(rows[i].digest)));
    }
}

static void test_servers(void **state)
{
    struct fetch_source s;
    (void)state;

    assert_int_equal(fetch_source_parse(STR("https://h.example:8443/a/m.wasm?v=1"), &s, NULL), WEIR_OK);
    assert_true(s.scheme == FETCH_HTTPS && str_eq(s.host, STR("h.example:8443")));
    assert_int_equal(fetch_source_parse(STR("http://h"), &s, NULL), WEIR_OK);
    assert_true(s.scheme == FETCH_HTTP && str_eq(s.host, STR("h")));
}

static void test_refused(void **state)
{
    static const char *const urls[] = {
        "",
        "ftp://h/x",
        "file:///x",
        "http://",
        "https:///x",
        "http://user:pw@h/x",
        "http://h/a b",
        "http://h/\n",
        "oci://",
        "oci://r.example/",
        "oci://r.example/Team/auth",
        "oci://r.example/a//b",
        "oci://r.example/../b",
        "oci://r.example/a/",
        "oci://r.example/a:",
        "oci://r.example/a:-x",
        "oci://r.example/a:x/y",
        "oci://r.example/a@sha256:12",
        ("oci://r.example/a@md5:" HEX),
        "oci://ex%2f.ample/a:1",
    };
    (void)state;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct fetch_source s;
        struct weir_report rep;
        weir_report_init(&rep);
        assert_int_equal(fetch_source_parse(str_of(urls[i]), &s, &rep), WEIR_E_CONFIG);
        assert_true(rep.message[0] != '\0' && strstr(rep.message, "pw@") == NULL);
    }
}

static void test_this_machine(void **state)
{
    static const char *const here[] = {"localhost",    "localhost:5000", "127.0.0.1",
                                       "127.1.2.3:80", "[::1]",          "[::1]:5"};
    static const char *const there[] = {
        "",           "127.0.0.1.example", "127.0.0",  "128.0.0.1", "localhost.example",
        "[::2]:5000", "127.0.0.300",       "r.example"};
    (void)state;

    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        assert_true(fetch_host_is_loopback(str_of(here[i])));
    }
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        assert_false(fetch_host_is_loopback(str_of(there[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
