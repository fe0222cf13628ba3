/* Any header value as a deadline: within the bounds, and a text that is one is accepted; so it is with a zero
 * before it, to the same time. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "gw/grpc_timeout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_make(data, size);
    uint32_t ms = gw_grpc_timeout_ms(s);
    size_t digits = 0;

    while (digits < size && s.at[digits] >= '0' && s.at[digits] <= '9') {
        digits++;
    }
    bool is_one =
        digits >= 1 && digits <= 8 && size == digits + 1 && memchr("numSMH", s.at[digits], 6) != NULL;
    WEIR_ASSERT(is_one == (ms != 0) && ms <= GW_GRPC_TIMEOUT_MAX_MS);
    if (is_one && digits < 8) {
        char longer[10] = "0";
        memcpy(longer + 1, s.at, s.len);
        WEIR_ASSERT(gw_grpc_timeout_ms(str_make(longer, s.len + 1)) == ms);
    }
    return 0;
}
