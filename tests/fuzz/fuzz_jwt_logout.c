/* jwt-logout, built natively: any configuration, any request, any answer of Redis, in the pieces of plugin.h.
 * A header whose name is "sign" makes a token: its value, signed with the demonstration's secret, becomes the
 * Authorization header, so that claims of any shape come behind a good signature. */
#define FUZZ_REDIS 4
#include "plugin.h"

#include "jwt.h"

#define DEMONSTRATION                                                                                        \
    "{\"keys\":[{\"secret\":\"s\"}],\"redis\":{\"service_name\":\"r\"},\"cache_ms\":60000,\"cache_"          \
    "entries\":8,"                                                                                           \
    "\"logout_path\":\"/l\",\"admin_path\":\"/"                                                              \
    "a\",\"admin_secret\":\"0123456789abcdef\",\"on_failure\":\"cache-only\"}"

static void sign(void)
{
    const char *claims = fake_get(&fake.request, "sign");
    if (!claims) {
        return;
    }
    struct wp_hmac_key key;
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("s"));
    struct wp_str token = jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\"}"), wp_str_of(claims), &key);
    char value[FUZZ_VALUE];
    wp_snprintf(value, sizeof value, "Bearer %.*s", WP_ARG(token));
    fake_set(&fake.request, WP_STR("authorization"), value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    if (!fuzz_configure(config.len != 0 && config.at[0] == '!' ? WP_STR(DEMONSTRATION) : config)) {
        return 0;
    }
    fuzz_prepare = sign;
    fuzz_request(rest);
    fake.request.n = fake.properties.n = fake.response_headers.n = 0;
    fake.responded = false;
    fuzz_request(rest); /* with what is cached now */
    return 0;
}
