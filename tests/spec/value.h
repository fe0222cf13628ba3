/* spec/value.h - values of the suite's JSON: to cells, and results compared with what is expected. */
#ifndef SPEC_VALUE_H
#define SPEC_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "weir/engine.h"

/* An argument as cells; returns how many, 0 if the value is of no type the engine has. */
unsigned spec_value_to_cells(json_t *value, uint64_t cells[2]);

/* Is the result of type `type` in `cells` the one expected? */
bool spec_value_matches(json_t *expected, enum weir_valtype type, const uint64_t *cells);

/* A name: a string, or {"bytes": HEX}.  The caller frees it; NUL-terminated, *len counts embedded NULs. */
char *spec_name(json_t *name, size_t *len);

#endif
