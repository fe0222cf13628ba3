/* control/resolvers.h - the DNS servers that this machine asks. */
#ifndef CONTROL_RESOLVERS_H
#define CONTROL_RESOLVERS_H

#include "base/str.h"

/* The servers of resolv.conf, each as nginx writes it with a blank before it: " 10.0.0.2:53 [::1]:53".
 * Nothing if there are none. */
void resolvers_of_system(struct strbuf *out);

/* Is it "10.0.0.2", "10.0.0.2:53", "[::1]" or "[::1]:53"? */
bool resolver_ok(const char *text);

#endif
