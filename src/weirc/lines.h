/* weirc/lines.h - reading code addresses back out of a linked object. */
#ifndef WEIRC_LINES_H
#define WEIRC_LINES_H

#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/* Called for each of our symbols: kind 'w' (function), 't' (trampoline) or 'a' (import stub) and its number.
 */
typedef void lines_symbol(void *ctx, char kind, uint32_t n, uint32_t address, uint32_t bytes);
void lines_symbols(struct str elf, lines_symbol *found, void *ctx);

/* Code from `address` on is of the instruction at `line`, a module offset; 0 where that is not known. */
struct line_row {
    uint32_t address, line;
};
typedef VEC(struct line_row) line_rows;
/* All rows of the object in address order. */
void lines_rows(struct str elf, line_rows *out);

#endif
