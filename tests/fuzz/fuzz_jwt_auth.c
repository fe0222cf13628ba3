/* jwt-auth, built natively: any configuration, any request, in the pieces of plugin.h.  A header whose name
 * is "sign" makes a token: its value, signed with the secret of the configuration "!", becomes the
 * Authorization header and a cookie, so that claims of any shape come behind a good signature. */
#include "plugin.h"

#include "jwt.h"

static void sign(void)
{
    const char *claims = fake_get(&fake.request, "sign");
    if (!claims) {
        return;
    }
    struct wp_hmac_key key;
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("secret"));
    struct wp_str token = jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\"}"), wp_str_of(claims), &key);
    char value[FUZZ_VALUE];
    wp_snprintf(value, sizeof value, "Bearer %.*s", WP_ARG(token));
    fake_set(&fake.request, WP_STR("authorization"), value);
    wp_snprintf(value, sizeof value, "a=b; jwt=%.*s", WP_ARG(token));
    fake_set(&fake.request, WP_STR("cookie"), value);
}

#define CONFIG                                                                                               \
    "{\"consumers\":[{\"name\":\"n\",\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]},"            \
    "\"claims\":{\"a.b\":\"c\"},\"from_cookies\":[\"jwt\",\"other\"],\"from_params\":[\"access_token\"],"    \
    "\"from_headers\":[{\"name\":\"authorization\",\"value_prefix\":\"Bearer \"}],\"keep_token\":false,"     \
    "\"claims_to_headers\":[{\"claim\":\"sub\",\"header\":\"x-sub\"},"                                       \
    "{\"claim\":\"a.n\",\"header\":\"x-n\",\"override\":false}]},"                                           \
    "{\"name\":\"any\",\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    bool own = wp_str_byte(config, 0) == '!';
    if (!fuzz_configure(own ? WP_STR(CONFIG) : config)) {
        return 0;
    }
    fuzz_prepare = sign;
    fuzz_request(rest);
    if (fake.responded && fake.status != 401 && fake.status != 403) {
        abort();
    }
    const char *consumer = fake_get(&fake.request, "x-mse-consumer");
    if (own && !fake.responded && consumer && strcmp(consumer, "n") == 0 &&
        (fake_count(&fake.request, "x-sub") != 1 || strpbrk(fake_get(&fake.request, "x-sub"), "\r\n"))) {
        abort(); /* a claim must not make headers */
    }
    return 0;
}
