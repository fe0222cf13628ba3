/* Any content of a server_name extension: a name comes out of it that lies in it and could be a host's, or
 * none. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "gw/sni.h"
#include "gw/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str host = gw_sni_host(str_make(data, size));

    WEIR_ASSERT(host.len <= GW_MAX_HOST && str_find_char(host, '\0') == host.len);
    WEIR_ASSERT(host.len == 0 || (host.at == (const char *)data + 5 && host.len == size - 5));
    return 0;
}
