/* no_allocator - exports no function the host could get memory from: refused. */
#define GUEST_NO_MALLOC
#include "guest.h"
