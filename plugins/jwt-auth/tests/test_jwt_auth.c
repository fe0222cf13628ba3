/* jwt-auth's verdicts, by its exports, against the fake host. */
#include "plugin_test.h"
#include "jws_vectors.h"
#include "jwt.h"

#define SECRET "secret"
#define JWKS(kid) "{\\\"keys\\\":[{\\\"kty\\\":\\\"oct\\\",\\\"k\\\":\\\"c2VjcmV0\\\"" kid "}]}"
#define KID(kid) ",\\\"kid\\\":\\\"" kid "\\\""
#define CONSUMER(name, more) "{\"name\":\"" name "\",\"jwks\":\"" JWKS("") "\"" more "}"
#define CONFIG(more) "{\"consumers\":[" CONSUMER("alice", more) "]}"

/* The clock goes on. */
static bool reconfigure(const char *json)
{
    uint64_t now_ns = fake.now_ns;
    bool ok = configure(json);
    fake.now_ns = now_ns;
    return ok;
}

struct request {
    const char *path, *route, *token; /* behind "Bearer " */
    const char *headers[8];           /* names and values */
};

/* 0: passed; else the status of the answer. */
static uint32_t ask(struct request r)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":scheme"), "https");
    fake_set(&fake.request, WP_STR(":authority"), "example.com:8443");
    fake_set(&fake.request, WP_STR(":method"), "GET");
    fake_set(&fake.request, WP_STR(":path"), r.path ? r.path : "/");
    if (r.route) {
        fake_set(&fake.properties, WP_STR("route_name"), r.route);
    }
    if (r.token) {
        char value[1000];
        snprintf(value, sizeof value, "Bearer %s", r.token);
        fake_set(&fake.request, WP_STR("authorization"), value);
    }
    for (size_t i = 0; i + 1 < COUNT(r.headers) && r.headers[i]; i += 2) {
        fake_set(&fake.request, wp_str_of(r.headers[i]), r.headers[i + 1]);
    }
    return run_request();
}
#define ASK(...) ask((struct request){__VA_ARGS__})

/* A token of these, signed with a secret. */
static const char *sign_with(const char *header, const char *claims, const char *secret)
{
    static char tokens[4][1000];
    static unsigned next;
    char *token = tokens[next++ % 4];
    struct wp_hmac_key key;
    proxy_on_context_create(ROOT, 0);
    wp_hmac_key_init(&key, WP_SHA256, wp_str_of(secret));
    struct wp_str t = jwt_sign_hs256(wp_str_of(header), wp_str_of(claims), &key);
    snprintf(token, sizeof tokens[0], "%.*s", WP_ARG(t));
    return token;
}

static const char *sign(const char *claims)
{
    return sign_with("{\"alg\":\"HS256\"}", claims, SECRET);
}

static void assert_header(const char *name, const char *value)
{
    const char *got = fake_get(&fake.request, name);
    if (!value) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_string_equal(got, value);
    assert_int_equal(fake_count(&fake.request, name), 1);
}

#define assert_refused(message, details_text)                                                                \
    do {                                                                                                     \
        assert_string_equal(fake.response_body, message);                                                    \
        assert_string_equal(fake.details, "jwt_authn_access_denied{" details_text "}");                      \
    } while (0)

/* ---- every algorithm, through the configuration ---- */

static void append(char *text, const char *key, const char *value)
{
    if (value) {
        sprintf(text + strlen(text), ",\\\"%s\\\":\\\"%s\\\"", key, value);
    }
}

static const char *config_of(const struct jws_vector *v)
{
    static char text[2000];
    static const struct {
        const char *alg, *kty, *crv;
    } kinds[] = {
        {"HS", "oct", NULL},         {"RS", "RSA", NULL},      {"PS", "RSA", NULL},
        {"ES256", "EC", "P-256"},    {"ES384", "EC", "P-384"}, {"ES512", "EC", "P-521"},
        {"EdDSA", "OKP", "Ed25519"},
    };
    size_t i = 0;
    while (strncmp(v->alg, kinds[i].alg, strlen(kinds[i].alg)) != 0) {
        i++;
    }
    sprintf(text, "{\"consumers\":[{\"name\":\"c\",\"jwks\":\"{\\\"keys\\\":[{\\\"kty\\\":\\\"%s\\\"",
            kinds[i].kty);
    append(text, "crv", kinds[i].crv);
    append(text, "alg", v->alg);
    append(text, "k", v->k);
    append(text, "n", v->n);
    append(text, "e", v->e);
    append(text, "x", v->x);
    append(text, "y", v->y);
    strcat(text, "}]}\"}]}");
    return text;
}

static void test_every_algorithm(void **state)
{
    (void)state;
    size_t verified = 0;
    fake.now_ns = 1300819380 * 1000000000ull; /* when those of the RFC still count */
    for (size_t i = 0; i < COUNT(jws_vectors); i++) {
        const struct jws_vector *v = &jws_vectors[i];
        if (!reconfigure(config_of(v))) {
            fail_msg("%s: %s", v->name, fake.log);
        }
        uint32_t status = ASK(.token = v->token);
        if (status != 0 && strcmp(fake.response_body, "Jwt payload is an invalid JSON") == 0) {
            continue; /* the texts that RFC 7520 signs */
        }
        if (status != 0) {
            fail_msg("%s: %s", v->name, fake.response_body);
        }
        verified++;
        assert_header("x-mse-consumer", "c");
        /* Each byte changed; where verifying is slow, some of them (each of them: tests/plugins). */
        char changed[1000];
        snprintf(changed, sizeof changed, "%s", v->token);
        size_t step = v->y ? 29 : v->k ? 1 : 5, length = strlen(changed);
        for (size_t at = 0; at < length; at += step) {
            for (int flip = 1; flip <= 128; flip *= v->k ? 2 : 128) {
                changed[at] = (char)(v->token[at] ^ flip);
                if (changed[at] != '\0' && ASK(.token = changed) != 401) {
                    fail_msg("%s verifies with byte %zu changed by %d", v->name, at, flip);
                }
            }
            changed[at] = v->token[at];
        }
        changed[length - 1] = '\0';
        assert_int_equal(ASK(.token = changed), 401);
    }
    assert_int_equal(verified, 3 + 13);
    fake.now_ns = 0;
}

static void test_algorithm_confusion(void **state)
{
    (void)state;
    const struct jws_vector *rsa = &jws_vectors[1];
    struct wp_str n;
    char secret[512];
    proxy_on_context_create(ROOT, 0);
    assert_true(wp_base64url_decode(wp_str_of(rsa->n), &n));
    assert_null(memchr(n.at, '\0', n.len));
    snprintf(secret, sizeof secret, "%.*s", WP_ARG(n));
    assert_true(reconfigure(config_of(rsa)));
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\"}", "{}", secret)), 401);
    assert_refused("Jwks doesn't have key to match kid or alg from Jwt",
                   "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt");
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\"}", "{}", rsa->n)), 401);
    /* The same where the key names no alg. */
    struct jws_vector any = *rsa;
    char config[2000];
    strcpy(config, config_of(&any));
    char *alg = strstr(config, ",\\\"alg\\\":\\\"RS256\\\"");
    memmove(alg, alg + strlen(",\\\"alg\\\":\\\"RS256\\\""),
            strlen(alg + strlen(",\\\"alg\\\":\\\"RS256\\\"")) + 1);
    assert_true(reconfigure(config));
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\"}", "{}", secret)), 401);
    assert_refused("Jwt verification fails", "Jwt_verification_fails");
    assert_true(reconfigure(CONFIG("")));
    assert_int_equal(ASK(.token = "eyJhbGciOiJub25lIn0.e30."), 401);
    assert_refused("Jwt header [alg] is not supported", "Jwt_header_[alg]_is_not_supported");
    assert_int_equal(ASK(.token = "eyJhbGciOiJub25lIn0.e30.AAAA"), 401);
    assert_int_equal(ASK(.token = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"), 401);
    assert_int_equal(ASK(.token = "eyJhbGciOiJIUzI1NiJ9.e30."), 401);
}

/* ---- answers ---- */

static void test_refused(void **state)
{
    (void)state;
    assert_true(reconfigure(CONFIG(",\"issuer\":\" me \"")));
    assert_int_equal(ASK(.path = "/a\"b?q=1"), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
    assert_string_equal(fake.www_authenticate, "Bearer realm=\"https://example.com:8443/a_b?q=1\"");
    assert_int_equal(ASK(.token = "x.y"), 401);
    assert_refused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
                   "Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections");
    assert_string_equal(fake.www_authenticate,
                        "Bearer realm=\"https://example.com:8443/\", error=\"invalid_token\"");
    assert_int_equal(ASK(.token = ""), 401);
    assert_string_equal(fake.response_body,
                        "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
    assert_int_equal(ASK(.headers = {"authorization", "Basic x"}), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
    assert_int_equal(ASK(.token = sign("{\"iss\":\"you\"}")), 401);
    assert_refused("Jwt verification fails", "Jwt_verification_fails");
    assert_int_equal(ASK(.token = sign("{}")), 401);
    assert_int_equal(ASK(.token = sign("{\"iss\":[\"me\"]}")), 401);
    assert_int_equal(ASK(.token = sign("{\"iss\":\"me\",\"iss\":\"me\"}")), 401);
    assert_refused("Jwt payload is an invalid JSON", "Jwt_payload_is_an_invalid_JSON");
    assert_int_equal(ASK(.token = sign("{\"iss\":\"me\"}")), 0);
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\"}", "{\"iss\":\"me\"}", "other")), 401);
    assert_refused("Jwt verification fails", "Jwt_verification_fails");
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{}", SECRET)), 401);
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"crit\":[\"b64\"]}", "{}", SECRET)), 401);
    assert_int_equal(ASK(.token = "\xff\xfe.\x80.\xc3"), 401);
}

static void test_time(void **state)
{
    (void)state;
    assert_true(reconfigure(CONFIG("")));
    fake.now_ns = 1000 * 1000000000ull + 999999999;
    assert_int_equal(ASK(.token = sign("{\"exp\":940}")), 0);
    assert_int_equal(ASK(.token = sign("{\"exp\":939}")), 401);
    assert_refused("Jwt is expired", "Jwt_is_expired");
    assert_int_equal(ASK(.token = sign("{\"nbf\":1060,\"iat\":5000}")), 0);
    assert_int_equal(ASK(.token = sign("{\"nbf\":1061}")), 401);
    assert_refused("Jwt not yet valid", "Jwt_not_yet_valid");
    assert_int_equal(ASK(.token = sign("{\"exp\":\"1\"}")), 401);
    /* A century does not fit 32 bits. */
    assert_true(reconfigure(CONFIG(",\"clock_skew_seconds\":3153600000")));
    fake.now_ns = (3153600000ull + 939) * 1000000000ull;
    assert_int_equal(ASK(.token = sign("{\"exp\":939}")), 0);
    assert_int_equal(ASK(.token = sign("{\"exp\":938}")), 401);
    assert_true(reconfigure(CONFIG(",\"clock_skew_seconds\":\"9223372036854775807\"")));
    assert_int_equal(ASK(.token = sign("{\"exp\":0,\"nbf\":9223372036854775807}")), 0);
    fake.now_ns = 0;
}

/* ---- places ---- */

static void test_places(void **state)
{
    (void)state;
    const char *good = sign("{\"a\":1}");
    char text[1200];
    assert_true(reconfigure(CONFIG("")));
    snprintf(text, sizeof text, "/?x=1&access_token=%s&y", good);
    assert_int_equal(ASK(.path = text), 0);
    assert_int_equal(ASK(.path = text, .token = good), 0);
    assert_int_equal(ASK(.path = text, .token = "bad"), 401); /* all that are there must hold */
    assert_int_equal(ASK(.path = "/?access_token=bad", .token = good), 401);
    snprintf(text, sizeof text, "/?access_token=%%65%s", good + 1); /* 'e' */
    assert_int_equal(ASK(.path = text), 0);
    snprintf(text, sizeof text, "/?access_token=bad&access_token=%s", good);
    assert_int_equal(ASK(.path = text), 401); /* the first counts */
    snprintf(text, sizeof text, "Basic x, Bearer %s", good);
    assert_int_equal(ASK(.headers = {"Authorization", text}), 0);

    assert_true(reconfigure(CONFIG(",\"from_headers\":[{\"name\":\"x-b\",\"value_prefix\":\"\"},"
                                   "{\"name\":\"x-a\",\"value_prefix\":\"T \"}],\"keep_token\":false,"
                                   "\"from_cookies\":[\"jwt\"],\"from_params\":[\"t\"]")));
    assert_int_equal(ASK(.token = good), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
    snprintf(text, sizeof text, "T %s", good);
    assert_int_equal(ASK(.headers = {"x-a", text, "x-b", good, "x-c", "1"}), 0);
    assert_header("x-a", NULL);
    assert_header("x-b", NULL);
    assert_header("x-c", "1");
    assert_int_equal(ASK(.headers = {"x-a", "other", "x-b", good}), 0);
    assert_header("x-a", "other"); /* without the prefix it is no token */
    /* The first in order gives the status: x-aT before x-b. */
    assert_int_equal(ASK(.headers = {"x-b", "x", "x-a", "T eyJhbGciOiJub25lIn0.e30."}), 401);
    assert_refused("Jwt header [alg] is not supported", "Jwt_header_[alg]_is_not_supported");
    snprintf(text, sizeof text, "/?t=%s", good);
    assert_int_equal(ASK(.path = text), 0);
}

/* What was not verified does not reach the upstream next to what was. */
static void test_a_second_header_of_the_name(void **state)
{
    (void)state;
    const char *good = sign("{}");
    assert_true(reconfigure(CONFIG(",\"from_headers\":[{\"name\":\"x-a\",\"value_prefix\":\"\"}]")));
    assert_int_equal(ASK(.headers = {"x-a", good, "x-b", "1", "X-A", "forged"}), 0);
    assert_header("x-a", good);
    assert_int_equal(ASK(.headers = {"x-a", "forged", "x-a", good}), 401);
    assert_true(reconfigure(
        CONFIG(",\"from_headers\":[{\"name\":\"x-a\",\"value_prefix\":\"\"}],\"keep_token\":\"false\"")));
    assert_int_equal(ASK(.headers = {"x-a", good, "x-a", "forged"}), 0);
    assert_header("x-a", NULL);
}

static void test_cookies(void **state)
{
    (void)state;
    const char *good = sign("{}");
    char text[1200];
    assert_true(reconfigure(CONFIG(",\"from_cookies\":[\"jwt\"]")));
    assert_int_equal(ASK(.token = good), 401);
    snprintf(text, sizeof text, "a=b; jwt=%s; jwt=bad", good);
    assert_int_equal(ASK(.headers = {"cookie", text}), 0);
    snprintf(text, sizeof text, "jwt=\"%s\"", good);
    assert_int_equal(ASK(.headers = {"cookie", text}), 0);
    snprintf(text, sizeof text, " jwt = %s ;x", good);
    assert_int_equal(ASK(.headers = {"Cookie", "x=y", "Cookie", text}), 0); /* a second header */
    assert_int_equal(ASK(.headers = {"cookie", "jwt=; x"}), 401);
    assert_string_equal(fake.response_body,
                        "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
    assert_int_equal(ASK(.headers = {"cookie", "jwt"}), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
    assert_int_equal(ASK(.headers = {"cookie", "xjwt=a;JWT=b;=;;\"=\""}), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
}

/* ---- claims ---- */

static void test_claims_of_consumers(void **state)
{
    (void)state;
    assert_true(reconfigure(CONFIG(",\"claims\":{\"iss\":\"a\",\"level\":3,\"realm.owner\":\"me\",\"none\":"
                                   "\"\"},\"issuer\":\"not used\"")));
    assert_int_equal(ASK(.token = sign("{\"iss\":\"a\",\"level\":\"3\",\"realm\":{\"owner\":\"me\"}}")), 0);
    assert_int_equal(ASK(.token = sign("{\"iss\":\"a\",\"level\":\"3\",\"realm.owner\":\"me\"}")), 0);
    assert_int_equal(ASK(.token = sign("{\"iss\":\"a\",\"level\":3,\"realm\":{\"owner\":\"me\"}}")), 401);
    assert_int_equal(ASK(.token = sign("{\"iss\":\"a\",\"level\":\"3\",\"realm\":{\"owner\":\"you\"}}")),
                     401);
    assert_int_equal(ASK(.token = sign("{\"iss\":\"a\",\"level\":\"3\",\"realm\":\"me\"}")), 401);
    assert_int_equal(
        ASK(.token = sign("{\"iss\":\"a\",\"level\":\"3\",\"realm\":{\"owner\":\"me\"},\"none\":\"x\"}")),
        401);
}

static void test_claims_to_headers(void **state)
{
    (void)state;
    assert_true(reconfigure(CONFIG(",\"claims_to_headers\":[{\"claim\":\"sub\",\"header\":\"x-sub\"},"
                                   "{\"claim\":\"n\",\"header\":\"x-n\",\"override\":true},"
                                   "{\"claim\":\"more\",\"header\":\"x-more\",\"override\":false},"
                                   "{\"claim\":\"a.b\",\"header\":\"x-ab\"}]")));
    assert_int_equal(ASK(.token = sign("{\"sub\":\"s\",\"n\":-5,\"more\":\"m\",\"a\":{\"b\":18}}"),
                         .headers = {"x-sub", "forged", "x-more", "first"}),
                     0);
    assert_header("x-sub", "s");
    assert_header("x-n", "-5"); /* Higress reads what is not there */
    assert_header("x-ab", "18");
    assert_int_equal(fake_count(&fake.request, "x-more"), 2);
    /* What is missing, of another type or no header's value never leaves the client's own standing. */
    assert_int_equal(ASK(.token = sign("{\"n\":[1],\"a\":{\"b\":\"x\\r\\ny: z\"}}"),
                         .headers = {"x-sub", "forged", "x-n", "forged", "x-ab", "forged"}),
                     0);
    assert_header("x-sub", "");
    assert_header("x-n", "");
    assert_header("x-ab", "");
    assert_int_equal(ASK(.token = sign("{\"sub\":\"\xc3\xa4\",\"n\":18446744073709551615}")), 401);
    assert_int_equal(ASK(.token = sign("{\"sub\":\"\xc3\xa4\",\"n\":1.5}")), 0);
    assert_header("x-sub", "\xc3\xa4");
    assert_header("x-n", "");
}

/* ---- consumers and rules ---- */

static void test_consumers_and_rules(void **state)
{
    (void)state;
    assert_true(reconfigure("{\"consumers\":[" CONSUMER("alice", ",\"issuer\":\"a\"") "," CONSUMER(
        "bob", ",\"issuer\":\"b\"") "," CONSUMER("both",
                                                 ",\"from_params\":[\"t\"]") "],\"global_auth\":true,"
                                                                             "\"_rules_\":[{\"_match_route_"
                                                                             "\":[\"a\"],\"allow\":["
                                                                             "\"alice\",\"both\"]},"
                                                                             "{\"_match_route_\":[\"b\"],"
                                                                             "\"allow\":[\"bob\"]},"
                                                                             "{\"_match_route_\":[\"none\"],"
                                                                             "\"allow\":[]},"
                                                                             "{\"_match_route_\":[\"off\"],"
                                                                             "\"_disable_\":true}]}"));
    char text[1200];
    const char *alice = sign("{\"iss\":\"a\"}"), *bob = sign("{\"iss\":\"b\"}");
    assert_int_equal(ASK(.token = alice), 0);
    assert_header("x-mse-consumer", "alice");
    assert_int_equal(ASK(.token = bob, .headers = {"X-Mse-Consumer", "admin"}), 0);
    assert_header("x-mse-consumer", "bob");
    assert_int_equal(ASK(.token = bob, .route = "a"), 403);
    assert_string_equal(fake.response_body, "Access Denied");
    assert_string_equal(fake.details, "jwt_authn_access_denied");
    assert_string_equal(fake.www_authenticate, "");
    assert_header("x-mse-consumer", NULL);
    assert_int_equal(ASK(.token = bob, .route = "b"), 0);
    assert_int_equal(ASK(.token = bob, .route = "none"), 403);
    assert_int_equal(ASK(.route = "off"), 0);
    assert_int_equal(ASK(.route = "other"), 401);
    /* Verified as one who may not, and as another who may. */
    snprintf(text, sizeof text, "/?t=%s", alice);
    assert_int_equal(ASK(.token = bob, .route = "a", .path = text), 0);
    assert_header("x-mse-consumer", "both");
    /* The first consumer's status is what the client hears. */
    assert_int_equal(ASK(.path = "/?t=x"), 401);
    assert_refused("Jwt is missing", "Jwt_is_missing");
}

static void test_enable_headers(void **state)
{
    (void)state;
    assert_true(reconfigure("{\"consumers\":[" CONSUMER("a", "") "],\"enable_headers\":[\"x-a\",\"x-b\"]}"));
    assert_int_equal(ASK(0), 0);
    assert_int_equal(ASK(.headers = {"x-a", ""}), 0);
    assert_int_equal(ASK(.headers = {"x-b", "1"}), 401);
    assert_int_equal(ASK(.headers = {"x-b", "1"}, .token = sign("{}")), 0);
    assert_header("x-mse-consumer", "a");
}

static void test_kid(void **state)
{
    (void)state;
    assert_true(reconfigure("{\"consumers\":[{\"name\":\"a\",\"jwks\":\"" JWKS(KID("k1")) "\"}]}"));
    assert_int_equal(ASK(.token = sign("{}")), 0);
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"kid\":\"k1\"}", "{}", SECRET)), 0);
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"kid\":\"k2\"}", "{}", SECRET)), 401);
    assert_refused("Jwks doesn't have key to match kid or alg from Jwt",
                   "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt");
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"kid\":1}", "{}", SECRET)), 401);
    assert_true(reconfigure(CONFIG("")));
    assert_int_equal(ASK(.token = sign_with("{\"alg\":\"HS256\",\"kid\":\"k2\"}", "{}", SECRET)), 0);
}

static const struct jws_vector *vector(const char *name)
{
    size_t i = 0;
    while (strcmp(jws_vectors[i].name, name) != 0) {
        i++;
    }
    return &jws_vectors[i];
}

/* A token without a kid is tried with each key of its kind, but only so many: 33 of P-256. */
static void test_many_keys(void **state)
{
    (void)state;
    const struct jws_vector *others = vector("RFC 7515 A.3"), *own = vector("node ES256");
    static char config[40 * 300];
    for (int wrong = 32; wrong <= 33; wrong++) {
        char *p = config + sprintf(config, "{\"consumers\":[");
        for (int i = 0; i <= wrong; i++) {
            const struct jws_vector *v = i == wrong ? own : others;
            p += sprintf(p,
                         "%s{\"name\":\"c%d\",\"jwks\":{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%"
                         "s\",\"y\":\"%s\"}]}}",
                         i != 0 ? "," : "", i, v->x, v->y);
        }
        strcpy(p, "]}");
        assert_true(reconfigure(config));
        assert_int_equal(ASK(.token = own->token), wrong == 32 ? 0 : 401);
    }
}

/* ---- configurations ---- */

static void test_configurations(void **state)
{
    (void)state;
    assert_true(reconfigure(CONFIG("")));
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"consumers\":[]}",
        "{\"consumers\":{}}",
        "{\"consumers\":[1]}",
        "{\"consumers\":[{\"name\":\"a\"}]}",
        "{\"consumers\":[{\"jwks\":\"" JWKS("") "\"}]}",
        "{\"consumers\":[{\"name\":\"\",\"jwks\":\"" JWKS("") "\"}]}",
        "{\"consumers\":[{\"name\":\"a\",\"jwks\":1}]}",
        "{\"consumers\":[{\"name\":\"a\",\"jwks\":\"\"}]}",
        "{\"consumers\":[{\"name\":\"a\",\"jwks\":\"[]\"}]}",
        "{\"consumers\":[{\"name\":\"a\",\"jwks\":\"{\\\"keys\\\":[]}\"}]}",
        "{\"consumers\":[" CONSUMER("a", "") "," CONSUMER("a", "") "]}",
        "{\"consumers\":[" CONSUMER("a", "") "],\"enable_headers\":\"x\"}",
        CONFIG(",\"issuer\":{}"),
        CONFIG(",\"claims\":[]"),
        CONFIG(",\"claims\":{\"a\":[]}"),
        CONFIG(",\"from_headers\":{}"),
        CONFIG(",\"from_headers\":[\"x\"]"),
        CONFIG(",\"from_headers\":[{\"name\":\"x\"}]"),
        CONFIG(",\"from_headers\":[{\"name\":\"\",\"value_prefix\":\"\"}]"),
        CONFIG(",\"from_params\":\"x\""),
        CONFIG(",\"from_params\":[\"\"]"),
        CONFIG(",\"from_cookies\":[{}]"),
        CONFIG(",\"claims_to_headers\":{}"),
        CONFIG(",\"claims_to_headers\":[{\"claim\":\"a\"}]"),
        CONFIG(",\"claims_to_headers\":[{\"claim\":\"a\",\"header\":\"b\",\"override\":1}]"),
        CONFIG(
            ",\"claims_to_headers\":[{\"claim\":\"a\",\"header\":\"b\"},{\"claim\":\"a\",\"header\":\"c\"}]"),
        CONFIG(",\"clock_skew_seconds\":-1"),
        CONFIG(",\"clock_skew_seconds\":9223372036854775808"),
        CONFIG(",\"keep_token\":1"),
        "{\"consumers\":[" CONSUMER("a", "") "],\"_rules_\":[{\"_match_route_\":1}]}",
        "{\"consumers\":[" CONSUMER("a", "") "],\"_rules_\":[{\"_match_route_\":[\"a\"],\"consumers\":[]}]}",
    };
    assert_all_refused(bad, COUNT(bad));
    assert_int_equal(ASK(0), 401); /* the last good one is in force */
    assert_int_equal(ASK(.token = sign("{}")), 0);
    assert_true(
        reconfigure("{\"consumers\":[" CONSUMER("a", "") "],\"_rules_\":[{\"_match_route_\":[\"r\"],"
                                                         "\"consumers\":[" CONSUMER("local", "") "]}]}"));
    assert_int_equal(ASK(.route = "r", .token = sign("{}")), 0);
    assert_header("x-mse-consumer", "local");
    assert_true(reconfigure(""));
    assert_int_equal(ASK(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_algorithm_confusion),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_a_second_header_of_the_name),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_claims_of_consumers),
        cmocka_unit_test(test_claims_to_headers),
        cmocka_unit_test(test_consumers_and_rules),
        cmocka_unit_test(test_enable_headers),
        cmocka_unit_test(test_kid),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_configurations),
    };
    return RUN_PLUGIN_TESTS(tests);
}
