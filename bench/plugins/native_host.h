/* native_host.h - the imports of a natively built plugin, on the same fake server that `weir try` has.
 *
 * What is measured against it is the plugin's own code and the server's: header lists are looked up, changed
 * and copied by the functions that serve `weir try`.  One stream at a time. */
#ifndef BENCH_NATIVE_HOST_H
#define BENCH_NATIVE_HOST_H

#include "cli/fake_server.h"

extern struct fake_server native_server;
extern struct fake_stream native_stream;
extern struct str native_config, native_body; /* what the buffers hold */

#endif
