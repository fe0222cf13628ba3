/* Tokens: the published ones and node's verify, nothing that differs in a byte does, and what is hostile is
 * refused by name. */
#define _GNU_SOURCE /* strdup */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bare_plugin.h"
#include "jws_vectors.h"
#include "jwt.h"

static void empty_arena(void)
{
    proxy_on_context_create(1, 0);
}

static struct wp_str b64(const char *text)
{
    struct wp_str out;
    assert_true(wp_base64url_decode(wp_str_of(text), &out));
    return out;
}

static struct wp_arena arena;

static void key_of(const struct jws_vector *v, struct jwt_key *key)
{
    const struct jwt_alg *alg = jwt_alg_find(wp_str_of(v->alg));
    assert_non_null(alg);
    static const enum wp_curve curves[] = {
        [JWT_KEY_P256] = WP_P256, [JWT_KEY_P384] = WP_P384, [JWT_KEY_P521] = WP_P521};
    switch (alg->key) {
    case JWT_KEY_HMAC:
        jwt_key_init_hmac(key, b64(v->k), NULL, &arena);
        return;
    case JWT_KEY_RSA:
        assert_true(jwt_key_init_public(key, alg->key, wp_rsa_key_new(b64(v->n), b64(v->e)), NULL));
        return;
    case JWT_KEY_ED25519:
        assert_true(jwt_key_init_public(key, alg->key, wp_ed25519_key_new(b64(v->x)), NULL));
        return;
    default:
        assert_true(
            jwt_key_init_public(key, alg->key, wp_ec_key_new(curves[alg->key], b64(v->x), b64(v->y)), NULL));
    }
}

static bool accepts(struct wp_str token, const struct jwt_key *key)
{
    struct jwt jwt;
    empty_arena();
    return jwt_parse(token, &jwt) == JWT_OK && jwt_verify(&jwt, key);
}

/* Those of RFC 7520, and one of RFC 7515, sign something else than JSON. */
static void test_tokens(void **state)
{
    (void)state;
    size_t verified = 0;
    for (size_t i = 0; i < COUNT(jws_vectors); i++) {
        const struct jws_vector *v = &jws_vectors[i];
        struct wp_str token = wp_str_of(v->token);
        struct jwt jwt;
        empty_arena();
        enum jwt_status status = jwt_parse(token, &jwt);
        if (status == JWT_PAYLOAD_NOT_JSON) {
            continue;
        }
        assert_int_equal(status, JWT_OK);
        struct jwt_key key;
        key_of(v, &key);
        if (!jwt_verify(&jwt, &key)) {
            fail_msg("%s does not verify", v->name);
        }
        verified++;
        /* Any change of any byte; asymmetric ones are slow, so a sample of their signature. */
        char *changed = strdup(v->token);
        ptrdiff_t last = wp_str_find_last(token, '.');
        for (size_t at = 0; at < token.len; at++) {
            static const char others[] = "AQgw_-.Z*=";
            if (key.public && at % 11 != 0 && (ptrdiff_t)at != last && at != token.len - 1) {
                continue;
            }
            for (size_t k = 0; k < sizeof others - 1; k += key.public ? 3 : 1) {
                changed[at] = others[k];
                if (others[k] != token.at[at] && accepts((struct wp_str){changed, token.len}, &key)) {
                    fail_msg("%s verifies with byte %zu changed to %c", v->name, at, others[k]);
                }
            }
            changed[at] = token.at[at];
        }
        free(changed);
        assert_false(accepts(wp_str_slice(token, 0, token.len - 1), &key));
        jwt_key_fini(&key);
    }
    assert_int_equal(verified, 3 + 13);
}

/* No key verifies a token of another algorithm's family, and one bound to an algorithm only that one. */
static void test_algorithms_do_not_mix(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(jws_vectors); k++) {
        struct jwt_key key;
        key_of(&jws_vectors[k], &key);
        for (size_t i = 0; i < COUNT(jws_vectors); i++) {
            struct jwt jwt;
            empty_arena();
            if (jwt_parse(wp_str_of(jws_vectors[i].token), &jwt) != JWT_OK || jwt.alg->key == key.kind) {
                continue;
            }
            assert_false(jwt_key_fits(&key, &jwt));
            assert_false(jwt_verify(&jwt, &key));
        }
        jwt_key_fini(&key);
    }
    /* A public key's bytes as an HMAC secret: the classic confusion. */
    const struct jws_vector *rsa = &jws_vectors[1];
    struct wp_hmac_key forger;
    struct jwt_key key;
    key_of(rsa, &key);
    wp_hmac_key_init(&forger, WP_SHA256, b64(rsa->n));
    struct wp_str forged = jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\"}"), WP_STR("{}"), &forger);
    struct jwt jwt;
    assert_int_equal(jwt_parse(forged, &jwt), JWT_OK);
    assert_false(jwt_verify(&jwt, &key));
    jwt_key_fini(&key);
    jwt_key_init_hmac(&key, b64(rsa->n), jwt_alg_find(WP_STR("HS384")), &arena);
    assert_false(jwt_verify(&jwt, &key));
    jwt_key_init_hmac(&key, b64(rsa->n), jwt_alg_find(WP_STR("HS256")), &arena);
    assert_true(jwt_verify(&jwt, &key));
    assert_null(jwt_alg_find(WP_STR("none")));
}

static enum jwt_status parse(const char *header, const char *payload)
{
    struct jwt jwt;
    struct wp_str h = wp_base64url_encode(wp_str_of(header)), p = wp_base64url_encode(wp_str_of(payload));
    return jwt_parse(wp_format("%.*s.%.*s.AAAA", WP_ARG(h), WP_ARG(p)), &jwt);
}

static void test_refused(void **state)
{
    (void)state;
    struct jwt jwt;
    empty_arena();
    assert_int_equal(parse("{\"alg\":\"HS256\"}", "{}"), JWT_OK);
    assert_int_equal(parse("{\"alg\":\"none\"}", "{}"), JWT_ALG_UNKNOWN);
    assert_int_equal(parse("{\"alg\":\"hs256\"}", "{}"), JWT_ALG_UNKNOWN);
    assert_int_equal(parse("{\"alg\":\"\"}", "{}"), JWT_ALG_UNKNOWN);
    assert_int_equal(parse("{\"alg\":5}", "{}"), JWT_ALG_NOT_STRING);
    assert_int_equal(parse("{}", "{}"), JWT_ALG_NOT_STRING);
    assert_int_equal(parse("{\"alg\":\"HS256\",\"alg\":\"RS256\"}", "{}"), JWT_HEADER_NOT_JSON);
    assert_int_equal(parse("[]", "{}"), JWT_HEADER_NOT_JSON);
    assert_int_equal(parse("", "{}"), JWT_HEADER_NOT_JSON);
    assert_int_equal(parse("{\"alg\":\"HS256\",\"kid\":1}", "{}"), JWT_KID_NOT_STRING);
    assert_int_equal(parse("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{}"), JWT_CRIT);
    assert_int_equal(parse("{\"alg\":\"HS256\"}", "{\"sub\":\"a\",\"sub\":\"b\"}"), JWT_PAYLOAD_NOT_JSON);
    assert_int_equal(parse("{\"alg\":\"HS256\"}", "{\"a\":{\"b\":1,\"\\u0062\":2}}"), JWT_PAYLOAD_NOT_JSON);
    assert_int_equal(parse("{\"alg\":\"HS256\"}", "\"x\""), JWT_PAYLOAD_NOT_JSON);
    assert_int_equal(parse("{\"alg\":\"HS256\"}", "{\"a\":\"\xff\"}"), JWT_PAYLOAD_NOT_JSON);
    static const struct {
        const char *token;
        enum jwt_status status;
    } bad[] = {
        {"", JWT_MISSING},
        {"a", JWT_BAD_FORM},
        {"a.b", JWT_BAD_FORM},
        {"a.b.c.d", JWT_BAD_FORM},
        {"..", JWT_HEADER_NOT_JSON},
        {"a.b.c", JWT_HEADER_NOT_BASE64},
        {"e30.b.c", JWT_ALG_NOT_STRING},
        {"eyJhbGciOiJIUzI1NiJ9.b.c", JWT_PAYLOAD_NOT_BASE64},
        {"eyJhbGciOiJIUzI1NiJ9.e30.c", JWT_SIGNATURE_NOT_BASE64},
        {"eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", JWT_PAYLOAD_NOT_BASE64},
        {"eyJhbGciOiJIUzI1NiJ9.e31.AAAA", JWT_PAYLOAD_NOT_BASE64}, /* loose bits: another spelling */
        {"eyJhbGciOiJIUzI1NiJ9 .e30.AAAA", JWT_HEADER_NOT_BASE64},
        {"eyJhbGciOiJIUzI1NiJ9.e30.AA\xc3\xa4", JWT_SIGNATURE_NOT_BASE64},
        /* RFC 7515, appendix A.5: not signed; and appendix E: an extension that must be understood. */
        {"eyJhbGciOiJub25lIn0."
         "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
         JWT_ALG_UNKNOWN},
        {"eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGx"
         "lLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.",
         JWT_ALG_UNKNOWN},
        {"eyJhbGciOiJIUzI1NiJ9.e30.", JWT_OK}, /* empty signatures parse, and verify nothing */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (jwt_parse(wp_str_of(bad[i].token), &jwt) != bad[i].status) {
            fail_msg("'%s'", bad[i].token);
        }
    }
    char *huge = malloc(1 << 20);
    memset(huge, 'A', 1 << 20);
    assert_int_equal(jwt_parse((struct wp_str){huge, 1 << 20}, &jwt), JWT_TOO_LARGE);
    assert_int_equal(jwt_parse((struct wp_str){huge, JWT_MAX_BYTES}, &jwt), JWT_BAD_FORM);
    free(huge);
    for (enum jwt_status s = JWT_OK; s <= JWT_NOT_VERIFIED; s++) {
        assert_true(jwt_status_text(s).len != 0);
    }
}

static enum jwt_status check_time(const char *json, int64_t now_s, int64_t skew_s, bool iat)
{
    struct claims claims;
    empty_arena();
    assert_true(claims_parse(wp_str_of(json), &claims));
    return jwt_check_time(&claims, now_s, skew_s, iat);
}

static void test_time(void **state)
{
    (void)state;
    const int64_t century = 3153600000;
    assert_int_equal(check_time("{}", 1000, 0, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":1000}", 1000, 0, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":999}", 1000, 0, true), JWT_EXPIRED);
    assert_int_equal(check_time("{\"exp\":940}", 1000, 60, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":939}", 1000, 60, true), JWT_EXPIRED);
    assert_int_equal(check_time("{\"nbf\":1001}", 1000, 0, true), JWT_NOT_YET_VALID);
    assert_int_equal(check_time("{\"nbf\":1060}", 1000, 60, true), JWT_OK);
    assert_int_equal(check_time("{\"iat\":1061}", 1000, 60, true), JWT_NOT_YET_VALID);
    assert_int_equal(check_time("{\"iat\":1061}", 1000, 60, false), JWT_OK);
    assert_int_equal(check_time("{\"exp\":1665673829}", 1800000000, century, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":1665673829}", 1665673829 + century + 1, century, true),
                     JWT_EXPIRED);
    assert_int_equal(check_time("{\"exp\":9223372036854775807}", 1000, INT64_MAX, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":-9223372036854775808}", 1000, 60, true), JWT_EXPIRED);
    assert_int_equal(check_time("{\"nbf\":9223372036854775807}", INT64_MAX, INT64_MAX, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":999.9}", 1000, 0, true), JWT_EXPIRED);
    assert_int_equal(check_time("{\"exp\":1e3}", 1000, 0, true), JWT_OK);
    assert_int_equal(check_time("{\"exp\":1e400}", 1000, 0, true), JWT_TIME_NOT_NUMBER);
    assert_int_equal(check_time("{\"exp\":\"1000\"}", 1000, 0, true), JWT_TIME_NOT_NUMBER);
    assert_int_equal(check_time("{\"nbf\":null}", 1000, 0, true), JWT_TIME_NOT_NUMBER);
}

/* ---- claims.c ---- */

static void test_claims(void **state)
{
    (void)state;
    struct claims c;
    struct wp_str s;
    empty_arena();
    assert_true(
        claims_parse(WP_STR(" {\"s\":\"a\\n\\u00e4\\ud83d\\ude00\\/\",\"i\" : -12 , \"r\":1.5e2,\"t\":true,"
                            "\"f\":false,\"n\":null,\"o\":{\"x\":[1,{}]},\"a\":[\"p\", \"q\"]}\n"),
                     &c));
    assert_int_equal(c.n, 8);
    assert_true(claims_str(&c, WP_STR("s"), &s));
    assert_string_equal(s.at, "a\n\xc3\xa4\xf0\x9f\x98\x80/");
    assert_int_equal(claims_find(&c, WP_STR("i"))->integer, -12);
    assert_int_equal(claims_find(&c, WP_STR("r"))->kind, CLAIM_REAL);
    assert_int_equal(claims_find(&c, WP_STR("t"))->kind, CLAIM_TRUE);
    assert_int_equal(claims_find(&c, WP_STR("n"))->kind, CLAIM_NULL);
    assert_true(wp_str_eq(claims_find(&c, WP_STR("o"))->text, WP_STR("{\"x\":[1,{}]}")));
    assert_null(claims_find(&c, WP_STR("x")));
    assert_false(claims_str(&c, WP_STR("i"), &s));
    const struct claim *a = claims_find(&c, WP_STR("a"));
    size_t at = 0;
    assert_true(claim_array_next(a, &at, &s) && wp_str_eq(s, WP_STR("p")));
    assert_true(claim_array_next(a, &at, &s) && wp_str_eq(s, WP_STR("q")));
    assert_false(claim_array_next(a, &at, &s));
    at = 0;
    assert_false(claim_array_next(claims_find(&c, WP_STR("o")), &at, &s));
}

static void test_claims_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"a\":\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":[1,]}",
        "{\"a\":[}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xe2\x82\"}",
        "{\"a\":\"\x80\"}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1 \"b\":2}",
        "{'a':1}",
        "{\"a\":1}{}",
        "{\"a\":NaN}",
        "\xef\xbb\xbf{}",
    };
    struct claims c;
    for (size_t i = 0; i < COUNT(bad); i++) {
        empty_arena();
        if (claims_parse(wp_str_of(bad[i]), &c) || c.n != 0) {
            fail_msg("accepted %s", bad[i]);
        }
    }
    /* The bounds. */
    char text[8192], *p = text;
    p += sprintf(p, "{\"a\":");
    for (int i = 0; i < CLAIMS_MAX_DEPTH; i++) {
        *p++ = '[';
    }
    for (int i = 0; i < CLAIMS_MAX_DEPTH; i++) {
        *p++ = ']';
    }
    strcpy(p, "}");
    assert_false(claims_parse(wp_str_of(text), &c));
    memmove(text + 5, text + 6, strlen(text + 5));
    text[strlen(text) - 2] = '}';
    text[strlen(text) - 1] = '\0';
    assert_true(claims_parse(wp_str_of(text), &c));
    for (int members = CLAIMS_MAX; members <= CLAIMS_MAX + 1; members++) {
        p = text;
        for (int i = 0; i < members; i++) {
            p += sprintf(p, "%c\"m%d\":%d", i == 0 ? '{' : ',', i, i);
        }
        strcpy(p, "}");
        assert_int_equal(claims_parse(wp_str_of(text), &c), members == CLAIMS_MAX);
    }
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
        cmocka_unit_test(test_tokens),  cmocka_unit_test(test_algorithms_do_not_mix),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_time),
        cmocka_unit_test(test_claims),  cmocka_unit_test(test_claims_refused),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
