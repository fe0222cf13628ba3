/* Header pairs from any bytes: what decodes lies inside the blob and encodes to the same bytes. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "pw/pairs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pw_header pairs[PW_PAIRS_MAX];
    struct pw_pairs_writer w;
    uint64_t text_bytes = 0;
    int n = pw_pairs_decode(data, size, pairs);

    if (n < 0 || size == 0) {
        return 0;
    }
    for (int i = 0; i < n; i++) {
        const char *start = (const char *)data;
        WEIR_ASSERT(pairs[i].name.at >= start && pairs[i].value.at + pairs[i].value.len < start + size);
        text_bytes += pairs[i].name.len + pairs[i].value.len;
    }
    WEIR_ASSERT(pw_pairs_bytes((size_t)n, text_bytes) == size);
    uint8_t *again = malloc(size);
    WEIR_ASSERT(pw_pairs_begin(&w, again, size, (uint32_t)n));
    for (int i = 0; i < n; i++) {
        WEIR_ASSERT(pw_pairs_add(&w, pairs[i]));
    }
    WEIR_ASSERT(pw_pairs_complete(&w) && memcmp(again, data, size) == 0);
    free(again);
    return 0;
}
