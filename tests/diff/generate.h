/* diff/generate.h - valid modules made from a seed, for comparing executors.
 *
 * A module has a memory or two, a table of functions or three tables, a global of every number type and
 * functions f0, f1, ... that use every instruction of wasm/opcodes.def; some have a start function, some
 * import functions of the host, in some nothing changes table 0.  It always ends: each loop turn and each
 * call takes from a fuel global, and without fuel the code is unreachable.  NaN results are made canonical,
 * because the specification leaves their bits open. */
#ifndef DIFF_GENERATE_H
#define DIFF_GENERATE_H

#include <stdint.h>

#include "base/str.h"

enum { GENERATE_FUEL = 2000 };

/* Append the module of `seed` to `out`.  Exports: functions "f0".."fN", memory "m", globals "g0".."g7"; g0 is
 * the fuel, to be refilled through export "refuel"; "sum", of modules with two memories, hashes the second.
 * Imports, if any: "host" "mix" (i64, f64) -> i64 and "host" "note" (i32) -> (). */
void generate_module(uint64_t seed, struct strbuf *out);

/* The next number of a generator; *state is any number at first. */
uint64_t generate_random(uint64_t *state);

#endif
