/* spec/value.c - see spec/value.h.
 *
 * Numbers are the unsigned decimal of their bits; an external reference N is the cell N + 1, so that 0 stays
 * null. */
#include "spec/value.h"

#include <stdlib.h>
#include <string.h>

static const char *text(json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));
    return s != NULL ? s : "";
}

static unsigned lane_bits(const char *lane_type)
{
    return (unsigned)atoi(lane_type + 1);
}

unsigned spec_value_to_cells(json_t *value, uint64_t cells[2])
{
    const char *type = text(value, "type"), *number = text(value, "value");
    cells[0] = cells[1] = 0;
    if (strcmp(type, "i32") == 0 || strcmp(type, "i64") == 0 || strcmp(type, "f32") == 0 ||
        strcmp(type, "f64") == 0) {
        cells[0] = strtoull(number, NULL, 10);
        return 1;
    }
    if (strcmp(type, "v128") == 0) {
        unsigned bits = lane_bits(text(value, "lane_type"));
        size_t i;
        json_t *lane;
        json_array_foreach(json_object_get(value, "value"), i, lane)
        {
            uint64_t lane_value = strtoull(json_string_value(lane), NULL, 10);
            memcpy((char *)cells + i * bits / 8, &lane_value, bits / 8);
        }
        return 2;
    }
    if (strcmp(type, "externref") == 0) {
        cells[0] = strtoull(number, NULL, 10) + 1;
        return 1;
    }
    return strcmp(type, "refnull") == 0;
}

static bool float_matches(const char *want, unsigned bits, uint64_t got)
{
    uint64_t quiet = bits == 32 ? 0x7fc00000u : 0x7ff8000000000000u;
    uint64_t sign = (uint64_t)1 << (bits - 1);
    if (strcmp(want, "nan:canonical") == 0) {
        return (got & ~sign) == quiet;
    }
    if (strcmp(want, "nan:arithmetic") == 0) {
        return (got & quiet) == quiet;
    }
    return got == strtoull(want, NULL, 10);
}

static bool vector_matches(json_t *expected, const uint64_t *cells)
{
    const char *lane_type = text(expected, "lane_type");
    unsigned bits = lane_bits(lane_type);
    json_t *lanes = json_object_get(expected, "value"), *lane;
    size_t i;
    if (json_array_size(lanes) != 128 / bits) {
        return false;
    }
    json_array_foreach(lanes, i, lane)
    {
        uint64_t got = 0;
        memcpy(&got, (const char *)cells + i * bits / 8, bits / 8);
        const char *want = json_string_value(lane);
        if (lane_type[0] == 'f' ? !float_matches(want, bits, got) : got != strtoull(want, NULL, 10)) {
            return false;
        }
    }
    return true;
}

bool spec_value_matches(json_t *expected, enum weir_valtype type, const uint64_t *cells)
{
    const char *want_type = text(expected, "type"), *want = text(expected, "value");
    if (strcmp(want_type, "either") == 0) {
        size_t i;
        json_t *one;
        json_array_foreach(json_object_get(expected, "values"), i, one)
        {
            if (spec_value_matches(one, type, cells)) {
                return true;
            }
        }
        return false;
    }
    switch (type) {
    case WEIR_I32:
        return strcmp(want_type, "i32") == 0 && cells[0] == strtoull(want, NULL, 10);
    case WEIR_I64:
        return strcmp(want_type, "i64") == 0 && cells[0] == strtoull(want, NULL, 10);
    case WEIR_F32:
        return strcmp(want_type, "f32") == 0 && float_matches(want, 32, cells[0]);
    case WEIR_F64:
        return strcmp(want_type, "f64") == 0 && float_matches(want, 64, cells[0]);
    case WEIR_V128:
        return strcmp(want_type, "v128") == 0 && vector_matches(expected, cells);
    case WEIR_FUNCREF:
        if (strcmp(want_type, "refnull") == 0) {
            return cells[0] == 0;
        }
        return strcmp(want_type, "funcref") == 0 && cells[0] != 0;
    case WEIR_EXTERNREF:
        if (strcmp(want_type, "refnull") == 0) {
            return cells[0] == 0;
        }
        return strcmp(want_type, "externref") == 0 && cells[0] != 0 &&
               (want[0] == '\0' || cells[0] == strtoull(want, NULL, 10) + 1);
    }
    return false;
}

char *spec_name(json_t *name, size_t *len)
{
    if (json_is_string(name)) {
        *len = json_string_length(name);
        char *s = calloc(1, *len + 1);
        memcpy(s, json_string_value(name), *len);
        return s;
    }
    const char *hex = text(name, "bytes");
    *len = strlen(hex) / 2;
    char *s = calloc(1, *len + 1);
    for (size_t i = 0; i < *len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        s[i] = (char)strtoul(two, NULL, 16);
    }
    return s;
}
