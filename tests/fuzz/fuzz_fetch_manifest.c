/* A manifest of any bytes: refused, or its blobs have digests that can stand in a path. */
#include "base/mem.h"
#include "fetch/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_manifest m;
    struct weir_report rep;

    weir_report_init(&rep);
    if (fetch_manifest_parse(str_make(data, size), &m, &rep) != WEIR_OK) {
        WEIR_ASSERT(rep.message[0] != '\0');
        return 0;
    }
    WEIR_ASSERT(m.nblobs >= 1 && m.nblobs <= FETCH_MAX_LAYERS && (!m.index || m.nblobs == 1));
    for (size_t i = 0; i < m.nblobs; i++) {
        WEIR_ASSERT(fetch_is_digest(str_of(m.blobs[i].digest)) && m.blobs[i].size <= INT64_MAX);
        WEIR_ASSERT(m.blobs[i].form == m.blobs[0].form);
    }
    return 0;
}
