/* base/protobuf.c - wire types 0, 1, 2 and 5; groups (3, 4) are malformed, proto3 has none. */
#include "base/protobuf.h"

#include "base/bytes.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { MAX_FIELD = (1 << 29) - 1, MAX_VARINT_BYTES = 10 };

static bool take_varint(struct str *rest, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < rest->len && i < MAX_VARINT_BYTES; i++) {
        const uint8_t byte = (uint8_t)rest->at[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out = v;
            *rest = str_slice(*rest, i + 1, rest->len);
            return true;
        }
    }
    return false;
}

enum protobuf_next protobuf_next(struct str *rest, struct protobuf_field *out)
{
    struct protobuf_field f = {0};
    struct str left = *rest;
    uint64_t key, len;

    if (left.len == 0) {
        return PROTOBUF_END;
    }
    if (!take_varint(&left, &key) || key >> 3 == 0 || key >> 3 > MAX_FIELD) {
        return PROTOBUF_MALFORMED;
    }
    f.number = (uint32_t)(key >> 3);
    switch (key & 7) {
    case VARINT:
        if (!take_varint(&left, &f.value)) {
            return PROTOBUF_MALFORMED;
        }
        break;
    case FIXED64:
    case FIXED32:
        len = (key & 7) == FIXED64 ? 8 : 4;
        if (left.len < len) {
            return PROTOBUF_MALFORMED;
        }
        f.value = len == 8 ? bytes_get_u64(left.at) : bytes_get_u32(left.at);
        left = str_slice(left, len, left.len);
        break;
    case BYTES:
        if (!take_varint(&left, &len) || len > left.len) {
            return PROTOBUF_MALFORMED;
        }
        f.is_bytes = true;
        f.bytes = str_slice(left, 0, len);
        left = str_slice(left, len, left.len);
        break;
    default:
        return PROTOBUF_MALFORMED;
    }
    *rest = left;
    *out = f;
    return PROTOBUF_FIELD;
}

static void add_varint(struct strbuf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        strbuf_add_char(b, (char)(v | 0x80));
    }
    strbuf_add_char(b, (char)v);
}

void protobuf_add_number(struct strbuf *b, uint32_t number, uint64_t v)
{
    if (v != 0) {
        add_varint(b, (uint64_t)number << 3 | VARINT);
        add_varint(b, v);
    }
}

void protobuf_add_bytes(struct strbuf *b, uint32_t number, struct str bytes)
{
    if (bytes.len != 0) {
        add_varint(b, (uint64_t)number << 3 | BYTES);
        add_varint(b, bytes.len);
        strbuf_add(b, bytes);
    }
}
