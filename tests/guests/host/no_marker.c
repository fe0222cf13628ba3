/* no_marker - exports no ABI marker: refused. */
#define GUEST_NO_MARKER
#include "guest.h"
