/* Protobuf fields from any bytes: they lie inside the message, and reading always ends. */
#include "base/protobuf.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct protobuf_field f;
    size_t left = size + 1;

    while (protobuf_next(&rest, &f) == PROTOBUF_FIELD) {
        const char *start = (const char *)data, *end = start + size;
        WEIR_ASSERT(f.number != 0 && rest.len < left && (rest.len == 0 || rest.at + rest.len == end));
        WEIR_ASSERT(f.bytes.len == 0 || (f.bytes.at >= start && f.bytes.at + f.bytes.len <= end));
        left = rest.len;
    }
    return 0;
}
