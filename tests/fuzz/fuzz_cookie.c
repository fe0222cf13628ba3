/* Any bytes as a Cookie header: the search ends, and what it finds is a part of them behind "name=". */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size), name = str_cut(&text, '\n'), value;

    if (http_cookie_find(text, name, &value) && value.len != 0) {
        WEIR_ASSERT(value.at >= text.at + name.len + 1 && value.at + value.len <= text.at + text.len);
        WEIR_ASSERT(value.at[-1] == '=' && str_find_char(value, ';') == value.len);
        WEIR_ASSERT(str_eq(str_make(value.at - 1 - name.len, name.len), name));
    }
    return 0;
}
