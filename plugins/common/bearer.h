/* bearer.h - what plugins that want a bearer token say when there is none that counts. */
#ifndef PLUGINS_BEARER_H
#define PLUGINS_BEARER_H

#include "weir_plugin.h"

/* The request's own URL, host and path cut to 256 bytes each, as the realm of `WWW-Authenticate: Bearer
 * realm="..."`. It holds no quote and no backslash, so it cannot end early. */
struct wp_str bearer_realm(void);

/* "prefix{Jwt_is_missing}": details for the access log, whose readers split lines at spaces. */
struct wp_str bearer_details(const char *prefix, struct wp_str message);

#endif
