/* hmac-auth, built natively: any configuration, any request, in the pieces of plugin.h.  A header whose name
 * is "sign" makes a signature: its value, with the secret of the configuration "!", becomes x-ca-signature,
 * so that requests of any shape can pass.  What the plugin tells of the string to sign is a header that can
 * be sent. */
#define FUZZ_BODY
#include "plugin.h"

#include "weir_crypto.h"

static void sign(void)
{
    const char *text = fake_get(&fake.request, "sign");
    if (!text) {
        return;
    }
    struct wp_hmac_key key;
    struct wp_str t = wp_str_of(text);
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("s"));
    fake_set(&fake.request, WP_STR("x-ca-signature"), wp_base64_encode(wp_hmac(&key, &t, 1)).at);
}

static void check_told(void)
{
    const char *told = fake_get(&fake.response_headers, "x-ca-error-message");
    for (; told && *told != '\0'; told++) {
        if ((unsigned char)*told < 0x20 || *told == 0x7f) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    bool known = config.len != 0 && config.at[0] == '!';
    if (!fuzz_configure(known ? WP_STR("{\"consumers\":[{\"name\":\"n\",\"key\":\"k\",\"secret\":\"s\"}],"
                                       "\"date_offset\":1000000000}")
                              : config)) {
        return 0;
    }
    fuzz_prepare = sign;
    fuzz_request(rest);
    check_told();
    if (fake.responded && fake.status != 400 && fake.status != 401 && fake.status != 403 &&
        fake.status != 413) {
        abort();
    }
    return 0;
}
