/* bot-detect, built natively: any configuration, any request, in the pieces of plugin.h.  A refusal has a
 * status that can be configured. */
#include "plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str rest = {(const char *)data, size};
    if (!fuzz_configure(fuzz_take(&rest, 1 << 16))) {
        return 0;
    }
    fuzz_request(rest);
    if (fake.responded && (fake.status < 200 || fake.status > 599)) {
        abort();
    }
    return 0;
}
