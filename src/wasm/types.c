/* wasm/types.c - one table over the type bytes of the binary format (core spec 5.3). */
#include "wasm/types.h"

enum type_class { TYPE_NONE, TYPE_NUMBER, TYPE_VECTOR, TYPE_REF, TYPE_LATER };

static const struct {
    const char *name; /* of a later type: the proposal it came with */
    enum type_class class;
} type_table[256] = {
    [WASM_I32] = {"i32", TYPE_NUMBER},
    [WASM_I64] = {"i64", TYPE_NUMBER},
    [WASM_F32] = {"f32", TYPE_NUMBER},
    [WASM_F64] = {"f64", TYPE_NUMBER},
    [WASM_V128] = {"v128", TYPE_VECTOR},
    [WASM_FUNCREF] = {"funcref", TYPE_REF},
    [WASM_EXTERNREF] = {"externref", TYPE_REF},
    [0x63] = {"typed function references", TYPE_LATER},
    [0x64] = {"typed function references", TYPE_LATER},
    [0x69] = {"exceptions", TYPE_LATER},
    [0x6a] = {"garbage collection", TYPE_LATER},
    [0x6b] = {"garbage collection", TYPE_LATER},
    [0x6c] = {"garbage collection", TYPE_LATER},
    [0x6d] = {"garbage collection", TYPE_LATER},
    [0x6e] = {"garbage collection", TYPE_LATER},
    [0x71] = {"garbage collection", TYPE_LATER},
    [0x72] = {"garbage collection", TYPE_LATER},
    [0x73] = {"garbage collection", TYPE_LATER},
    [0x74] = {"exceptions", TYPE_LATER},
};

weir_status wasm_valtype_check(uint8_t byte, uint32_t features)
{
    switch (type_table[byte].class) {
    case TYPE_NUMBER:
    case TYPE_REF:
        return WEIR_OK;
    case TYPE_VECTOR:
        return (features & WASM_FEATURE_SIMD) != 0 ? WEIR_OK : WEIR_E_UNSUPPORTED;
    case TYPE_LATER:
        return WEIR_E_UNSUPPORTED;
    case TYPE_NONE:
        break;
    }
    return WEIR_E_MALFORMED;
}

weir_status wasm_reftype_check(uint8_t byte)
{
    switch (type_table[byte].class) {
    case TYPE_REF:
        return WEIR_OK;
    case TYPE_LATER:
        return WEIR_E_UNSUPPORTED;
    default:
        return WEIR_E_MALFORMED;
    }
}

const char *wasm_type_refusal(uint8_t byte, bool ref_expected)
{
    switch (type_table[byte].class) {
    case TYPE_LATER:
        return type_table[byte].name;
    case TYPE_VECTOR:
        return ref_expected ? "malformed reference type" : "SIMD, which is off";
    default:
        return ref_expected ? "malformed reference type" : "malformed value type";
    }
}

const char *wasm_valtype_name(uint8_t type)
{
    if (type == WASM_UNKNOWN) {
        return "unknown";
    }
    enum type_class class = type_table[type].class;
    return class == TYPE_NONE || class == TYPE_LATER ? "?" : type_table[type].name;
}
