/* gw/grpc_timeout.h - the deadline that a gRPC call's client states: "100m". */
#ifndef GW_GRPC_TIMEOUT_H
#define GW_GRPC_TIMEOUT_H

#include <stdint.h>

#include "base/str.h"

enum { GW_GRPC_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

/* A value of grpc-timeout in ms, rounded up so that no call ends early, at most the maximum.  0: it is not
 * one (at most eight digits and a unit). */
uint32_t gw_grpc_timeout_ms(struct str value);

#endif
