/* A layer of any bytes: unpacked within the limit, and a module found in it lies within it. */
#include "base/mem.h"
#include "fetch/tar.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf archive = {0};
    struct str module;
    uint64_t sum = 0;

    strbuf_add_bytes(&archive, data, size);
    if (fetch_gunzip(&archive, LIMIT, NULL) == WEIR_OK &&
        fetch_tar_find(strbuf_str(&archive), &module, NULL) == WEIR_OK && module.len != 0) {
        WEIR_ASSERT(module.at > archive.at && module.len <= archive.len);
        WEIR_ASSERT((size_t)(module.at - archive.at) <= archive.len - module.len);
        for (size_t i = 0; i < module.len; i++) {
            sum += (unsigned char)module.at[i];
        }
    }
    WEIR_ASSERT(archive.len <= LIMIT || archive.len == size);
    strbuf_fini(&archive);
    return sum == UINT64_MAX;
}
