/* Any text as /etc/hosts: the search ends, and addresses are words of the text. */
#include <stddef.h>
#include <stdint.h>

#include "base/hosts.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size), name = str_cut(&text, '\n'), rest = text, address;

    while (hosts_next(&rest, name, &address)) {
        WEIR_ASSERT(address.len != 0 && address.at >= text.at &&
                    address.at + address.len <= text.at + text.len);
        WEIR_ASSERT(str_find_char(address, ' ') == address.len && str_find_char(address, '#') == address.len);
    }
    return 0;
}
