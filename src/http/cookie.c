/* http/cookie.c - one cookie out of "a=1; b=2". */
#include "http/cookie.h"

bool http_cookie_find(struct str header, struct str name, struct str *value)
{
    while (header.len != 0) {
        struct str pair = str_trim(str_cut(&header, ';'));
        size_t n = str_find_char(pair, '=');

        if (n != pair.len && str_eq(str_slice(pair, 0, n), name)) {
            *value = str_slice(pair, n + 1, pair.len);
            return true;
        }
    }
    return false;
}
