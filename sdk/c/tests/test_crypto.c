/* Published vectors: RFC 1321, 2202, 4231, 4648, FIPS 180; and every signed token of jws_vectors.h, whole and
 * with each byte of its signature changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "bare_plugin.h"
#include "jws_vectors.h"
#include "weir_crypto.h"

static void assert_hex(struct wp_str bytes, const char *hex)
{
    assert_string_equal(wp_hex_encode(bytes).at, hex);
}

static struct wp_str repeat(char c, size_t n)
{
    static char block[256];
    memset(block, c, sizeof block);
    return (struct wp_str){block, n};
}

static void test_digests(void **state)
{
    (void)state;
    struct wp_str abc = WP_STR("abc");
    assert_hex(wp_digest_of(WP_MD5, WP_STR("")), "d41d8cd98f00b204e9800998ecf8427e");
    assert_hex(wp_digest_of(WP_MD5, abc), "900150983cd24fb0d6963f7d28e17f72");
    assert_hex(wp_digest_of(WP_SHA1, abc), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_hex(wp_digest_of(WP_SHA256, abc),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hex(wp_digest_of(WP_SHA384, abc),
               "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
               "8086072ba1e7cc2358baeca134c825a7");
    assert_hex(wp_digest_of(WP_SHA512, abc),
               "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    /* A million times 'a', in pieces of many sizes. */
    struct wp_digest_state s;
    wp_digest_begin(&s, WP_SHA256);
    for (size_t done = 0, part = 1; done < 1000000; done += part, part = part % 251 + 1) {
        part = part < 1000000 - done ? part : 1000000 - done;
        wp_digest_add(&s, repeat('a', part));
    }
    assert_hex(wp_digest_end(&s), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static struct wp_str hmac(enum wp_digest d, struct wp_str secret, struct wp_str text)
{
    struct wp_hmac_key key;
    wp_hmac_key_init(&key, d, secret);
    struct wp_str half[] = {wp_str_slice(text, 0, text.len / 2), wp_str_slice(text, text.len / 2, text.len)};
    struct wp_str mac = wp_hmac(&key, &text, 1);
    assert_true(wp_str_eq(mac, wp_hmac(&key, half, 2)));
    assert_true(wp_hmac_verify(&key, half, 2, mac));
    assert_false(wp_hmac_verify(&key, half, 2, wp_str_slice(mac, 0, mac.len - 1)));
    assert_false(wp_hmac_verify(&key, half, 1, mac));
    return mac;
}

/* A key or a text of the RFCs: a byte so many times, or characters. */
struct bytes {
    int c;
    size_t n;
    const char *text;
};

struct hmac_vector {
    struct bytes key, text;
    const char *mac[WP_SHA512 + 1]; /* by digest; case 5 of RFC 4231 is cut to 16 bytes there */
};

static struct wp_str bytes_of(struct bytes b, char *block)
{
    memset(block, b.c, b.n);
    return b.text ? wp_str_of(b.text) : (struct wp_str){block, b.n};
}

static void check_hmacs(const struct hmac_vector *vectors, size_t n)
{
    char key[256], text[256];
    for (size_t i = 0; i < n; i++) {
        struct wp_str k = bytes_of(vectors[i].key, key), t = bytes_of(vectors[i].text, text);
        for (enum wp_digest d = 0; d <= WP_SHA512; d++) {
            if (vectors[i].mac[d]) {
                assert_hex(hmac(d, k, t), vectors[i].mac[d]);
            }
        }
    }
}

#define SEQUENCE "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31"

static void test_hmac_of_rfc_2202(void **state)
{
    (void)state;
    static const struct hmac_vector vectors[] = {
        {{.c = 0x0b, .n = 16}, {.text = "Hi There"}, {[WP_MD5] = "9294727a3638bb1c13f48ef8158bfc9d"}},
        {{.text = "Jefe"},
         {.text = "what do ya want for nothing?"},
         {[WP_MD5] = "750c783e6ab0b503eaa86e310a5db738"}},
        {{.c = 0xaa, .n = 16}, {.c = 0xdd, .n = 50}, {[WP_MD5] = "56be34521d144c88dbb8c733f0e8b3f6"}},
        {{.text = SEQUENCE}, {.c = 0xcd, .n = 50}, {[WP_MD5] = "697eaf0aca3a3aea3a75164746ffaa79"}},
        {{.c = 0x0c, .n = 16},
         {.text = "Test With Truncation"},
         {[WP_MD5] = "56461ef2342edc00f9bab995690efd4c"}},
        {{.c = 0xaa, .n = 80},
         {.text = "Test Using Larger Than Block-Size Key - Hash Key First"},
         {[WP_MD5] = "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"}},
        {{.c = 0xaa, .n = 80},
         {.text = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"},
         {[WP_MD5] = "6f630fad67cda0ee1fb1f562db3aa53e"}},
        {{.c = 0x0b, .n = 20},
         {.text = "Hi There"},
         {[WP_SHA1] = "b617318655057264e28bc0b6fb378c8ef146be00"}},
        {{.text = "Jefe"},
         {.text = "what do ya want for nothing?"},
         {[WP_SHA1] = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"}},
        {{.c = 0xaa, .n = 20},
         {.c = 0xdd, .n = 50},
         {[WP_SHA1] = "125d7342b9ac11cd91a39af48aa17b4f63f175d3"}},
        {{.text = SEQUENCE}, {.c = 0xcd, .n = 50}, {[WP_SHA1] = "4c9007f4026250c6bc8414f9bf50c86c2d7235da"}},
        {{.c = 0x0c, .n = 20},
         {.text = "Test With Truncation"},
         {[WP_SHA1] = "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"}},
        {{.c = 0xaa, .n = 80},
         {.text = "Test Using Larger Than Block-Size Key - Hash Key First"},
         {[WP_SHA1] = "aa4ae5e15272d00e95705637ce8a3b55ed402112"}},
        {{.c = 0xaa, .n = 80},
         {.text = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"},
         {[WP_SHA1] = "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"}},
    };
    check_hmacs(vectors, COUNT(vectors));
}

static void test_hmac_of_rfc_4231(void **state)
{
    (void)state;
    static const struct hmac_vector vectors[] = {
        {{.c = 0x0b, .n = 20},
         {.text = "Hi There"},
         {[WP_SHA256] = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
          [WP_SHA384] = "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af1"
                        "52e8b2fa9cb6",
          [WP_SHA512] = "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b"
                        "274eaea3f4e4be9d914eeb61f1702e696c203a126854"}},
        {{.text = "Jefe"},
         {.text = "what do ya want for nothing?"},
         {[WP_SHA256] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
          [WP_SHA384] = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b32"
                        "39ecfab21649",
          [WP_SHA512] = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d03"
                        "4f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"}},
        {{.c = 0xaa, .n = 20},
         {.c = 0xdd, .n = 50},
         {[WP_SHA256] = "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
          [WP_SHA384] = "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3a"
                        "b6e101a34f27",
          [WP_SHA512] = "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b4"
                        "85a47e67c807b946a337bee8942674278859e13292fb"}},
        {{.text = SEQUENCE},
         {.c = 0xcd, .n = 50},
         {[WP_SHA256] = "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
          [WP_SHA384] = "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8"
                        "a386c674cffb",
          [WP_SHA512] = "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679"
                        "275cc5788063a5f19741120c4f2de2adebeb10a298dd"}},
        {{.c = 0x0c, .n = 20},
         {.text = "Test With Truncation"},
         {[WP_SHA256] = "a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5",
          [WP_SHA384] = "3abf34c3503b2a23a46efc619baef897f4c8e42c934ce55ccbae9740fcbc1af4ca62269e2a37cd88ba92"
                        "6341efe4aeea",
          [WP_SHA512] = "415fad6271580a531d4179bc891d87a650188707922a4fbb36663a1eb16da008711c5b50ddd0fc235084"
                        "eb9d3364a1454fb2ef67cd1d29fe6773068ea266e96b"}},
        {{.c = 0xaa, .n = 131},
         {.text = "Test Using Larger Than Block-Size Key - Hash Key First"},
         {[WP_SHA256] = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
          [WP_SHA384] = "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe829624"
                        "8df163f44952",
          [WP_SHA512] = "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0f"
                        "d2215d6a1e5295e64f73f63f0aec8b915a985d786598"}},
        {{.c = 0xaa, .n = 131},
         {.text = "This is a test using a larger than block-size key and a larger than block-size data. The "
                  "key needs to be hashed before being used by the HMAC algorithm."},
         {[WP_SHA256] = "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
          [WP_SHA384] = "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860"
                        "e6110c46523e",
          [WP_SHA512] = "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5e"
                        "eb55c3e4de15134676fb6de0446065c97440fa8c6a58"}},
    };
    check_hmacs(vectors, COUNT(vectors));
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const of_rfc_4648[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < COUNT(of_rfc_4648); i++) {
        struct wp_str data = wp_str_of(of_rfc_4648[i][0]), text = wp_str_of(of_rfc_4648[i][1]), out;
        assert_string_equal(wp_base64_encode(data).at, text.at);
        assert_true(wp_base64_decode(text, &out) && wp_str_eq(out, data));
        ptrdiff_t pad = wp_str_find(text, '=');
        struct wp_str bare = pad < 0 ? text : wp_str_slice(text, 0, (size_t)pad);
        assert_true(wp_str_eq(wp_base64url_encode(data), bare));
        assert_true(wp_base64url_decode(bare, &out) && wp_str_eq(out, data));
        assert_int_equal(wp_base64url_decode(text, &out), pad < 0);
        assert_int_equal(wp_base64_decode(bare, &out), pad < 0);
    }
    struct wp_str out;
    char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    for (size_t n = 0; n <= sizeof all; n++) {
        struct wp_str data = {all + sizeof all - n, n};
        assert_true(wp_base64_decode(wp_base64_encode(data), &out) && wp_str_eq(out, data));
        assert_true(wp_base64url_decode(wp_base64url_encode(data), &out) && wp_str_eq(out, data));
    }
    static const char *const bad[] = {"A",     "Zh",    "Zm9",      "Zg=",     "Zm9v\n",
                                      " Zm9v", "Zm 9v", "Zm9*",     "Zm=v",    "=Zm9",
                                      "Zm9v=", "====",  "Zg==Zg==", "Zm\377v", "Zm9+Zm9-"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (wp_base64url_decode(wp_str_of(bad[i]), &out) && strcmp(bad[i], "Zm9") != 0) {
            fail_msg("base64url accepted '%s'", bad[i]);
        }
        if (wp_base64_decode(wp_str_of(bad[i]), &out)) {
            fail_msg("base64 accepted '%s'", bad[i]);
        }
    }
    assert_false(wp_base64url_decode(WP_STR("ab+/"), &out));
    assert_false(wp_base64_decode(WP_STR("ab-_"), &out));
}

static void test_random(void **state)
{
    (void)state;
    unsigned char a[600] = {0}, b[600] = {0};
    wp_random(a, sizeof a);
    wp_random(b, sizeof b);
    assert_memory_not_equal(a, b, 300);
    assert_memory_not_equal(a + 300, b + 300, 300);
}

/* ---- signatures ---- */

static struct wp_str b64(const char *text)
{
    struct wp_str out;
    assert_true(wp_base64url_decode(wp_str_of(text), &out));
    return out;
}

static enum wp_digest digest_of(const char *alg)
{
    return strstr(alg, "384") ? WP_SHA384 : strstr(alg, "512") ? WP_SHA512 : WP_SHA256;
}

struct verifier {
    struct wp_public_key *key; /* NULL: hmac */
    struct wp_hmac_key hmac;
    enum wp_scheme scheme;
    enum wp_digest digest;
};

static struct verifier verifier_of(const struct jws_vector *v)
{
    struct verifier out = {.digest = digest_of(v->alg)};
    enum wp_curve curve = out.digest == WP_SHA256 ? WP_P256 : out.digest == WP_SHA384 ? WP_P384 : WP_P521;
    if (v->k) {
        wp_hmac_key_init(&out.hmac, out.digest, b64(v->k));
    } else if (v->n) {
        out.key = wp_rsa_key_new(b64(v->n), b64(v->e));
        out.scheme = v->alg[0] == 'P' ? WP_RSA_PSS : WP_RSA_PKCS1;
    } else if (v->y) {
        out.key = wp_ec_key_new(curve, b64(v->x), b64(v->y));
        out.scheme = WP_ECDSA;
    } else {
        out.key = wp_ed25519_key_new(b64(v->x));
        out.scheme = WP_ED25519;
    }
    assert_true(v->k || out.key);
    return out;
}

static bool verify(struct verifier *v, struct wp_str message, struct wp_str signature)
{
    return v->key ? wp_signature_verify(v->key, v->scheme, v->digest, message, signature)
                  : wp_hmac_verify(&v->hmac, &message, 1, signature);
}

static void test_signed_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jws_vectors); i++) {
        const struct jws_vector *t = &jws_vectors[i];
        proxy_on_context_create(1, 0); /* empties the callback's arena */
        struct verifier v = verifier_of(t);
        struct wp_str token = wp_str_of(t->token);
        size_t dot = (size_t)wp_str_find_last(token, '.');
        struct wp_str message = wp_str_slice(token, 0, dot), signature = b64(token.at + dot + 1);
        if (!verify(&v, message, signature)) {
            fail_msg("%s does not verify", t->name);
        }
        assert_true(verify(&v, message, signature)); /* what the key keeps is still right */
        assert_false(verify(&v, wp_str_slice(message, 1, message.len), signature));
        assert_false(verify(&v, message, wp_str_slice(signature, 0, signature.len - 1)));
        assert_false(verify(&v, message, WP_STR("")));
        char *changed = (char *)wp_arena_dup(wp_callback_arena(), signature).at;
        size_t step = v.scheme == WP_ECDSA ? 13 : 3; /* they take their time */
        for (size_t at = 0; at < signature.len; at += v.key ? step : 1) {
            changed[at] ^= (char)(1 << at % 8);
            if (verify(&v, message, (struct wp_str){changed, signature.len})) {
                fail_msg("%s verifies with byte %zu changed", t->name, at);
            }
            changed[at] = signature.at[at];
        }
        /* Nothing but the algorithm it was made with. */
        enum wp_scheme schemes[] = {WP_RSA_PKCS1, WP_RSA_PSS, WP_ECDSA, WP_ED25519};
        for (size_t s = 0; v.key && s < COUNT(schemes); s++) {
            assert_int_equal(wp_signature_verify(v.key, schemes[s], v.digest, message, signature),
                             schemes[s] == v.scheme);
        }
        wp_public_key_free(v.key);
    }
}

static void test_bad_keys(void **state)
{
    (void)state;
    const struct jws_vector *rsa = &jws_vectors[1], *ec = &jws_vectors[2];
    struct wp_str n = b64(rsa->n), e = b64(rsa->e), x = b64(ec->x), y = b64(ec->y);
    assert_null(wp_rsa_key_new(WP_STR(""), e));
    assert_null(wp_rsa_key_new(n, WP_STR("")));
    assert_null(wp_rsa_key_new(n, WP_STR("\1")));
    assert_null(wp_rsa_key_new(n, WP_STR("\1\0\0")));
    assert_null(wp_rsa_key_new(n, WP_STR("\1\0\0\0\1")));
    assert_null(wp_rsa_key_new(n, n));
    assert_null(wp_rsa_key_new(wp_str_slice(n, 0, 255), e)); /* 2040 bits */
    char *huge = wp_arena_array(wp_callback_arena(), 1030, 1);
    memset(huge, 0xff, 1030);
    assert_null(wp_rsa_key_new((struct wp_str){huge, 1030}, e));
    assert_null(wp_rsa_key_new((struct wp_str){huge, 1025}, e));
    assert_null(wp_ec_key_new(WP_P256, x, x)); /* not on the curve */
    assert_null(wp_ec_key_new(WP_P384, x, y));
    assert_null(wp_ec_key_new(WP_P256, wp_str_slice(x, 1, x.len), y));
    assert_null(wp_ec_key_new(WP_P256, repeat('\0', 32), repeat('\0', 32)));
    assert_null(wp_ec_key_new(WP_P256, repeat((char)0xff, 32), y));
    assert_null(wp_ed25519_key_new(x.len == 32 ? wp_str_slice(x, 0, 31) : x));
    /* A point of small order would make one signature fit every message. */
    struct wp_public_key *small = wp_ed25519_key_new(repeat('\0', 32));
    assert_false(wp_signature_verify(small, WP_ED25519, WP_SHA512, WP_STR("x"), repeat('\0', 64)));
    wp_public_key_free(small);
    wp_public_key_free(NULL);
}

/* r and s of 0, and at or past the order, are no signatures. */
static void test_bad_ecdsa_signatures(void **state)
{
    (void)state;
    const struct jws_vector *t = &jws_vectors[2];
    struct verifier v = verifier_of(t);
    assert_false(verify(&v, WP_STR("x"), repeat('\0', 64)));
    assert_false(verify(&v, WP_STR("x"), repeat((char)0xff, 64)));
    assert_false(verify(&v, WP_STR("x"), repeat('\1', 63)));
    assert_false(verify(&v, WP_STR("x"), repeat('\1', 65)));
    assert_false(verify(&v, WP_STR("x"), repeat('\1', 128)));
    wp_public_key_free(v.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),          cmocka_unit_test(test_hmac_of_rfc_2202),
        cmocka_unit_test(test_hmac_of_rfc_4231), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_random),           cmocka_unit_test(test_signed_tokens),
        cmocka_unit_test(test_bad_keys),         cmocka_unit_test(test_bad_ecdsa_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
