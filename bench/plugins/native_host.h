/* native_host.h - the imports of a natively built plugin, on the same fake server that `weir try` has.
 *
 * What is measured against it is the plugin's own code and the server's: header lists are looked up, changed
 * and copied by the functions that serve `weir try`.  One stream at a time. */
#ifndef BENCH_NATIVE_HOST_H
#define BENCH_NATIVE_HOST_H

#include "cli/fake_server.h"

extern struct fake_server native_server;
extern struct fake_stream native_stream;
extern struct str native_config, native_body, native_reply; /* what the buffers hold */
extern uint32_t native_token; /* of a Redis command that waits for native_reply; 0: none does */
extern bool native_resumed;   /* the request that was paused goes on */

#endif
