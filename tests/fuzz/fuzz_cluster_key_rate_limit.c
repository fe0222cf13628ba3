/* cluster-key-rate-limit, built natively: any configuration, any request, any answer of Redis, in the pieces
 * of plugin.h. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    struct wp_str config = fuzz_take(&rest, 1 << 16);
    if (fuzz_configure(config.len != 0 && config.at[0] == '!' ? WP_STR(EVERY) : config)) {
        fuzz_request(rest);
    }
    return 0;
}
