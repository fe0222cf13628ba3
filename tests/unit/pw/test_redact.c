/* Lines of logs without values of headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pw/redact.h"
#include "pw/stream.h"

static struct pw_header headers[400];
static size_t nheaders;

static bool available(void *stream, enum pw_map map)
{
    (void)stream;
    return map == PW_MAP_REQUEST_HEADERS;
}

static size_t count(void *stream, enum pw_map map)
{
    (void)stream;
    (void)map;
    return nheaders;
}

static bool at(void *stream, enum pw_map map, size_t i, struct pw_header *out)
{
    (void)stream;
    (void)map;
    *out = headers[i];
    return true;
}

static const struct pw_server server = {.map_available = available, .map_count = count, .map_at = at};

static void check(struct str line, size_t cap, const char *expected)
{
    struct pw_stream *s = calloc(1, sizeof *s);
    char *dst = malloc(cap); /* exactly, so that a sanitizer sees one byte too many */

    s->server = &server;
    size_t n = pw_redact(s, line, dst, cap);
    assert_true(n <= cap);
    struct str got = {dst, n};
    if (!str_eq(got, str_of(expected))) {
        fail_msg("%.*s, not %s", (int)n, dst, expected);
    }
    free(dst);
    free(s);
}

static void with(const char *name, const char *value)
{
    headers[nheaders++] = (struct pw_header){str_of(name), str_of(value)};
}

static void test_values(void **state)
{
    (void)state;
    nheaders = 0;
    with(":path", "/orders?id=4711&token=abcdefghij");
    with("authorization", "Bearer sesame-open");
    with("cookie", "a=1; session=0123456789; b=short");
    with("user-agent", "curl/8.0 some words");
    with("x-one", "1");
    check(STR("nothing at all"), 200, "nothing at all");
    check(STR(""), 200, "");
    check(STR("is Bearer sesame-open"), 200, "is [redacted: authorization]");
    check(STR("token sesame-open!"), 200, "token [redacted: authorization]!");
    check(STR("sesame-opensesame-ope"), 200, "[redacted: authorization]sesame-ope");
    check(STR("cookies a=1; session=0123456789; b=short."), 200, "cookies [redacted: cookie].");
    check(STR("0123456789 short 1"), 200, "[redacted: cookie] short 1");
    check(STR("curl/8.0 some words"), 200, "curl/8.0 some words");
    check(STR("/orders?id=4711&token=abcdefghij"), 200, "/orders?[redacted: :path]");
    check(STR("abcdefghij of /orders"), 200, "[redacted: :path] of /orders");
}

/* A value at the end of what fits is not cut to a part of itself. */
static void test_ends(void **state)
{
    (void)state;
    nheaders = 0;
    with("key", "abcdefghijklmnop");
    check(STR("xx abcdefghijklmnop"), 8, "xx [reda");
    check(STR("xx abcdefghijklmnop"), 3, "xx ");
    check(STR("abcd"), 4, "abcd");
    check(STR("xyz"), 3, "xyz");
    check(STR("abcdefghijklmno"), 40, "abcdefghijklmno");
    nheaders = 0;
    with("short", "abcd");
    check(STR("abcd"), 4, "[red");
    check(STR("zabcd"), 40, "z[redacted: short]");
    check(STR("zabc"), 40, "zabc");
}

/* More different secrets in one line than are kept apart: nothing of it is told. */
static void test_too_many(void **state)
{
    static char values[70][16], line[2000];

    (void)state;
    nheaders = 0;
    line[0] = '\0';
    for (size_t i = 0; i < 70; i++) {
        snprintf(values[i], sizeof values[i], "value-%02zu", i);
        strcat(strcat(line, values[i]), " ");
        with("x", values[i]);
    }
    check(str_of(line), 1000, "[redacted: values of too many headers]");
    nheaders = 2;
    check(STR("value-00 value-01 value-02"), 200, "[redacted: x] [redacted: x] value-02");
}

static void test_no_stream(void **state)
{
    char dst[8];

    (void)state;
    assert_int_equal(pw_redact(NULL, STR("0123456789"), dst, sizeof dst), 8);
    assert_memory_equal(dst, "01234567", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_no_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
