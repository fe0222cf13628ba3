/* foreign/foreign.h - foreign functions that need a library libweir does not link: zlib, libcrypto.
 *
 * A server hands the table to the Proxy-Wasm host in struct pw_server. */
#ifndef FOREIGN_FOREIGN_H
#define FOREIGN_FOREIGN_H

#include "weir/pw_server.h"

extern const struct pw_foreign foreign_functions[]; /* ends with one without a name */

pw_foreign_call foreign_compress, foreign_uncompress, foreign_sign, foreign_verify_signature;

#endif
