/* wasm/types.h - which bytes are value and reference types, and which belong to later versions.
 *
 * Private to src/wasm: decoding, instruction reading and validation ask the same questions. */
#ifndef WASM_TYPES_H
#define WASM_TYPES_H

#include "wasm/module.h"

/* Is `byte` a value type (core spec 5.3.4) with these features?  WEIR_OK, WEIR_E_UNSUPPORTED (a type of
 * WebAssembly 3.0, or v128 with SIMD off) or WEIR_E_MALFORMED. */
weir_status wasm_valtype_check(uint8_t byte, uint32_t features);

/* The same for reference types: funcref and externref. */
weir_status wasm_reftype_check(uint8_t byte);

/* What to say about a byte that one of the two refused: "malformed value type" or which proposal it is of. */
const char *wasm_type_refusal(uint8_t byte, bool ref_expected);

/* "i32"; "unknown" for the bottom type, "?" for what is no type.  Static. */
const char *wasm_valtype_name(uint8_t type);

static inline bool wasm_valtype_is_ref(uint8_t type)
{
    return type == WASM_FUNCREF || type == WASM_EXTERNREF;
}

#endif
