/* weir/str.h - a string view: bytes somebody else owns, not NUL-terminated. */
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <stddef.h>

struct str {
    const char *at;
    size_t len;
};

#endif
