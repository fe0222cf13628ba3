/* key_auth.c - key-auth, with a path that traps. */
#include "trap.h"

#include "../../plugins/key-auth/plugin.c"
