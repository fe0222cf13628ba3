/* oauth, built natively: any configuration, any request, in the pieces of plugin.h.  A header whose name is
 * "sign" makes a token: its value, signed with the demonstration's secret, becomes the Authorization header,
 * so that claims of any shape come behind a good signature. */
#define FUZZ_BODY
#include "plugin.h"

#include "jwt.h"

static void sign(void)
{
    const char *claims = fake_get(&fake.request, "sign");
    if (!claims) {
        return;
    }
    struct wp_hmac_key key;
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("s"));
    struct wp_str token =
        jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}"), wp_str_of(claims), &key);
    char value[FUZZ_VALUE];
    wp_snprintf(value, sizeof value, "Bearer %.*s", WP_ARG(token));
    fake_set(&fake.request, WP_STR("authorization"), value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    if (!fuzz_configure(
            config.len != 0 && config.at[0] == '!'
                ? WP_STR("{\"consumers\":[{\"name\":\"n\",\"client_id\":\"c\",\"client_secret\":\"s\"}]}")
                : config)) {
        return 0;
    }
    fuzz_prepare = sign;
    fuzz_request(rest);
    if (fake.responded && fake.status != 200 && fake.status != 400 && fake.status != 401 &&
        fake.status != 403 && fake.status != 413) {
        abort();
    }
    return 0;
}
