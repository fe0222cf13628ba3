/* Key sets: which keys are taken, passed over or refuse the set, and which key verifies what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "bare_plugin.h"
#include "jwks.h"

static struct wp_arena arena;

static bool parse(const char *keys, struct jwks *set)
{
    char text[4000];
    snprintf(text, sizeof text, "{\"keys\":[%s]}", keys);
    proxy_on_context_create(1, 0); /* empties the callback's arena */
    fake_reset();
    json_t *value = json_loads(text, 0, NULL);
    if (!value) {
        fail_msg("no JSON: %s", text);
    }
    bool ok = jwks_parse(value, "jwks", &arena, set);
    json_decref(value);
    return ok;
}

#define OCT "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"
#define X25519 "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define P256_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define P256_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC(crv, x, y) "{\"kty\":\"EC\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"}"

static void test_passed_over(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{\"kty\":\"AKP\",\"pub\":\"AAAA\"}",
        EC("secp256k1", P256_X, P256_Y),
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X25519 "\"}",
        "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"broken, but not ours\"}",
        "{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\"}",
        "{\"kty\":\"oct\",\"key_ops\":[\"sign\"]}",
        "{\"kty\":\"oct\",\"key_ops\":7}",
    };
    struct jwks set;
    for (size_t i = 0; i < COUNT(others); i++) {
        char keys[1000];
        snprintf(keys, sizeof keys, "%s,%s", others[i], OCT);
        if (!parse(keys, &set) || set.n != 1 || !strstr(fake.log, "jwks.keys[0]: this key is not used: ")) {
            fail_msg("%s: %s", others[i], fake.log);
        }
        wp_arena_free(&arena);
        assert_false(parse(others[i], &set)); /* none is left */
    }
    assert_true(parse(
        "{\"kty\":\"oct\",\"k\":\"c2VjcmU=\",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"kid\":7}",
        &set));
    assert_true(set.keys[0].has_kid && wp_str_eq(set.keys[0].kid, WP_STR("7")));
    wp_arena_free(&arena);
}

static void test_broken(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"kty\":1}",
        "{\"kty\":\"oct\"}",
        "{\"kty\":\"oct\",\"k\":\"\"}",
        "{\"kty\":\"oct\",\"k\":\"=\"}",
        "{\"kty\":\"oct\",\"k\":\"a b\"}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV1\\u00e4\"}",
        "{\"kty\":\"oct\",\"k\":7}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"alg\":\"RS256\"}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":{}}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}",
        EC("P-256", P256_X, P256_X),
        EC("P-384", P256_X, P256_Y),
        EC("P-256", P256_X, "AA"),
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"x\":\"" X25519 "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\",\"x\":\"" X25519 "\"}",
    };
    struct jwks set;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char keys[1000];
        /* A good key before it, which must be freed. */
        snprintf(keys, sizeof keys, "%s,%s", EC("P-256", P256_X, P256_Y), bad[i]);
        if (parse(keys, &set) || set.n != 0 || !strstr(fake.log, "jwks.keys[1]")) {
            fail_msg("accepted, or refused without a word: %s", bad[i]);
        }
    }
}

static void test_forms_of_a_set(void **state)
{
    (void)state;
    struct jwks set;
    json_t *text = json_string("{\"keys\":[" OCT "]}"), *broken = json_string("{\"keys\":["),
           *none = json_string("[]"), *number = json_integer(1);
    proxy_on_context_create(1, 0);
    assert_true(jwks_parse(text, "jwks", &arena, &set));
    wp_arena_free(&arena);
    json_t *const bad[] = {broken, none, number, NULL};
    for (size_t i = 0; i < COUNT(bad); i++) {
        fake_reset();
        assert_false(jwks_parse(bad[i], "jwks", &arena, &set));
        assert_true(fake.log[0] != '\0');
        json_decref(bad[i]);
    }
    json_decref(text);
}

static enum jwt_status verify(const char *keys, const char *header, uint32_t budget_us)
{
    struct jwks set;
    struct jwt jwt;
    struct wp_hmac_key key;
    assert_true(parse(keys, &set));
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("secret"));
    assert_int_equal(jwt_parse(jwt_sign_hs256(wp_str_of(header), WP_STR("{}"), &key), &jwt), JWT_OK);
    enum jwt_status status = jwks_verify(&set, &jwt, &budget_us);
    wp_arena_free(&arena);
    return status;
}

static void test_which_key(void **state)
{
    (void)state;
    static const char other[] = "{\"kty\":\"oct\",\"k\":\"AAAA\"}", p256[] = EC("P-256", P256_X, P256_Y);
    static const char plain[] = "{\"alg\":\"HS256\"}", named[] = "{\"alg\":\"HS256\",\"kid\":\"a\"}";
    enum { ENOUGH = 1000000 };
    char keys[1000];
    assert_int_equal(verify(OCT, plain, ENOUGH), JWT_OK);
    assert_int_equal(verify(OCT, named, ENOUGH), JWT_OK);
    assert_int_equal(verify("{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2VjcmV0\"}", named, ENOUGH), JWT_OK);
    assert_int_equal(verify("{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2VjcmV0\"}", plain, ENOUGH), JWT_OK);
    assert_int_equal(verify("{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"c2VjcmV0\"}", named, ENOUGH), JWT_NO_KEY);
    assert_int_equal(verify("{\"kty\":\"oct\",\"alg\":\"HS384\",\"k\":\"c2VjcmV0\"}", plain, ENOUGH),
                     JWT_NO_KEY);
    assert_int_equal(verify("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0\"}", plain, ENOUGH), JWT_OK);
    assert_int_equal(verify(other, plain, ENOUGH), JWT_NOT_VERIFIED);
    assert_int_equal(verify(p256, plain, ENOUGH), JWT_NOT_VERIFIED);
    snprintf(keys, sizeof keys, "%s,%s,%s", p256, other, OCT);
    assert_int_equal(verify(keys, plain, ENOUGH), JWT_OK);
    assert_int_equal(verify(keys, plain, 10), JWT_OK); /* two HMACs; the other kind costs nothing */
    assert_int_equal(verify(keys, plain, 9), JWT_NOT_VERIFIED);
}

static int free_arena(void **state)
{
    (void)state;
    wp_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_forms_of_a_set),
        cmocka_unit_test(test_which_key),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
