/* base/hosts.h - the text of /etc/hosts: lines of an address and the names it has. */
#ifndef BASE_HOSTS_H
#define BASE_HOSTS_H

#include "base/str.h"

/* The next address of `name` (in any case), off the front of `rest`, which begins as the whole text.  False:
 * there are no more, *address is untouched.  Whether it is an address at all is for the caller to see. */
bool hosts_next(struct str *rest, struct str name, struct str *address);

#endif
