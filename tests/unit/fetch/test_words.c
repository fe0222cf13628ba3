/* What registries say in headers, and what users write in secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fetch/challenge.h"
#include "fetch/credentials.h"

static void test_challenges(void **state)
{
    static const struct {
        const char *header;
        enum fetch_challenge_kind kind;
        const char *realm, *service, *scope;
    } rows[] = {
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull\"", FETCH_BEARER,
         "https://a/t", "s", "repository:x:pull"},
        {"bearer  REALM = \"https://a/t\" , error=\"x,y\"", FETCH_BEARER, "https://a/t", "", ""},
        {"Bearer realm=https", FETCH_BEARER, "https", "", ""},
        {"Bearer realm=\"a\\\"b\"", FETCH_BEARER, "a\"b", "", ""},
        {"Basic realm=\"r\", Bearer realm=\"x\"", FETCH_BASIC, "r", "", ""},
        {"Basic", FETCH_BASIC, "", "", ""},
    };
    static const char *const bad[] = {"",
                                      "Digest realm=\"x\"",
                                      "Bearer",
                                      "Bearer realm=\"x",
                                      "Bearer realm=\"x\\",
                                      "Bearer realm=",
                                      "Bearer realm=\"a\" service=\"b\"",
                                      "Bearer realm=\"a\nb\""};
    struct fetch_challenge c;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(fetch_challenge_parse(str_of(rows[i].header), &c));
        assert_int_equal(c.kind, rows[i].kind);
        assert_string_equal(c.realm, rows[i].realm);
        assert_string_equal(c.service, rows[i].service);
        assert_string_equal(c.scope, rows[i].scope);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(fetch_challenge_parse(str_of(bad[i]), &c));
    }
}

static void test_secrets(void **state)
{
    static const struct {
        const char *secret, *host, *user, *password; /* user NULL: nothing for this host */
    } rows[] = {
        {"", "r", NULL, NULL},
        {"ann:p:w\n", "r", "ann", "p:w"},
        {"{\"auths\":{\"r:5\":{\"auth\":\"YW5uOnB3\"}}}", "r:5", "ann", "pw"},
        {"{\"auths\":{\"https://r/v1/\":{\"auth\":\"YTpi\"}}}", "r", "a", "b"},
        {"{\"auths\":{\"r\":{\"auth\":\"YTpiYw==\"}}}", "r", "a", "bc"},
        {"{\"auths\":{\"https://index.docker.io/v1/\":{\"username\":\"u\",\"password\":\"p\"}}}", "docker.io",
         "u", "p"},
        {"{\"auths\":{\"other\":{\"auth\":\"YTpi\"}}}", "r", NULL, NULL},
        {"{\"auths\":{}}", "r", NULL, NULL},
    };
    static const char *const bad[] = {"ann",
                                      ":pw",
                                      "a:b\nc:d",
                                      "{",
                                      "{}",
                                      "{\"auths\":{\"r\":{\"auth\":\"!!!!\"}}}",
                                      "{\"auths\":{\"r\":{\"auth\":\"YTp\"}}}",
                                      "{\"auths\":{\"r\":{}}}"};
    struct fetch_credentials c;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(fetch_credentials_find(str_of(rows[i].secret), str_of(rows[i].host), &c, NULL),
                         WEIR_OK);
        assert_int_equal(c.given, rows[i].user != NULL);
        if (c.given) {
            assert_string_equal(c.user, rows[i].user);
            assert_string_equal(c.password, rows[i].password);
        }
    }
    assert_int_equal(
        fetch_credentials_find(STR("{\"auths\":{\"r\":{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"t\"}}}"),
                               STR("r"), &c, NULL),
        WEIR_OK);
    assert_true(c.given);
    assert_string_equal(c.identity_token, "t");
    assert_string_equal(c.user, "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(fetch_credentials_find(str_of(bad[i]), STR("r"), &c, NULL), WEIR_E_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_challenges), cmocka_unit_test(test_secrets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
