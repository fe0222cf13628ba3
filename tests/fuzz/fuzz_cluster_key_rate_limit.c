/* cluster-key-rate-limit, built natively: any configuration, any request, any answer of Redis, in the pieces
 * of plugin.h.  A first piece that begins with '~' is a regular expression, and the next what it is matched
 * against. */
#define FUZZ_REDIS 1
#include "plugin.h"

/* Every kind of item, for inputs that begin with '!'. */
#define EVERY                                                                                                \
    "{\"rule_name\":\"r\",\"redis\":{\"service_name\":\"s\"},\"show_limit_quota_header\":true,\"rule_"       \
    "items\":["                                                                                              \
    "{\"limit_by_header\":\"h\",\"limit_keys\":[{\"key\":\"1\",\"query_per_day\":1}]},"                      \
    "{\"limit_by_param\":\"p\",\"limit_keys\":[{\"key\":\"1\",\"query_per_day\":1}]},"                       \
    "{\"limit_by_cookie\":\"c\",\"limit_keys\":[{\"key\":\"1\",\"query_per_day\":1}]},"                      \
    "{\"limit_by_per_ip\":\"from-header-x\",\"limit_keys\":[{\"key\":\"1.0.0.0/7\",\"query_per_day\":1},"    \
    "{\"key\":\"1::/63\",\"query_per_day\":1}]},"                                                            \
    "{\"limit_by_per_cookie\":\"c\",\"limit_keys\":[{\"key\":\"regexp:^(a|b)+$\",\"query_per_day\":1}]},"    \
    "{\"limit_by_per_param\":\"p\",\"limit_keys\":[{\"key\":\"*\",\"query_per_day\":1}]}]}"

/* One item with this pattern for header h, as JSON; bytes that JSON has no short form for are escaped. */
static struct wp_str config_of_pattern(struct wp_str pattern)
{
    struct wp_str text = WP_STR("");
    for (size_t i = 0; i < pattern.len; i++) {
        unsigned char c = (unsigned char)pattern.at[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        text = wp_format(plain ? "%.*s%c" : "%.*s\\u%04x", WP_ARG(text), c);
    }
    return wp_format("{\"rule_name\":\"r\",\"redis\":{\"service_name\":\"s\"},\"rule_items\":[{"
                     "\"limit_by_per_header\":\"h\",\"limit_keys\":[{\"key\":\"regexp:%.*s\","
                     "\"query_per_day\":1}]}]}",
                     WP_ARG(text));
}

static void match_pattern(struct wp_str pattern, struct wp_str rest)
{
    static char config[1 << 13];
    wp_snprintf(config, sizeof config, "%.*s", WP_ARG(config_of_pattern(pattern)));
    struct wp_str subject = fuzz_take(&rest, FUZZ_VALUE - 1);
    if (!fuzz_configure(wp_str_of(config))) {
        return;
    }
    fuzz_set(&fake.request, WP_STR("h"), &subject);
    fuzz_request(WP_STR(""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    if (config.len != 0 && config.at[0] == '~') {
        match_pattern(wp_str_slice(config, 1, 257), rest);
        return 0;
    }
    if (fuzz_configure(config.len != 0 && config.at[0] == '!' ? WP_STR(EVERY) : config)) {
        fuzz_request(rest);
    }
    return 0;
}
