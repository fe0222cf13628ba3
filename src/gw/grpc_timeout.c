/* gw/grpc_timeout.c - digits and a unit. */
#include "gw/grpc_timeout.h"

static const struct {
    char unit;
    uint64_t ns;
} units[] = {
    {'n', 1}, {'u', 1000}, {'m', 1000000}, {'S', 1000000000}, {'M', 60000000000}, {'H', 3600000000000},
};

uint32_t gw_grpc_timeout_ms(struct str value)
{
    uint64_t n = 0;

    if (value.len < 2 || value.len > 9) {
        return 0;
    }
    for (size_t i = 0; i + 1 < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') {
            return 0;
        }
        n = n * 10 + (uint64_t)(value.at[i] - '0');
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == value.at[value.len - 1]) {
            uint64_t ms = n * units[i].ns / 1000000 + 1; /* 99,999,999 hours in ns fit */
            return ms < GW_GRPC_TIMEOUT_MAX_MS ? (uint32_t)ms : GW_GRPC_TIMEOUT_MAX_MS;
        }
    }
    return 0;
}
