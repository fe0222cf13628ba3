/* gw/sni.h - the name that a client asks for in its first message (RFC 6066, 3). */
#ifndef GW_SNI_H
#define GW_SNI_H

#include "base/str.h"

/* The host in the content of a server_name extension, as sent.  "": there is none that could be one; what is
 * wrong with it is for others to say. */
struct str gw_sni_host(struct str extension);

#endif
