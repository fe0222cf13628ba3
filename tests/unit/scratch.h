/* A folder that a test program made for itself. */
#ifndef WEIR_TESTS_SCRATCH_H
#define WEIR_TESTS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

/* Remove it with all that is in it; 0, or what the shell says. */
static inline int scratch_remove(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

#endif
