/* gw/pattern.h - regular expressions of routes: PCRE2, compiled once, matched against the whole subject.
 *
 * Operators write the expression, clients the subject, so matching is bounded to GW_PATTERN_STEPS
 * backtracking steps; an expression that needs more for a subject has no answer.  Bytes, not UTF-8. */
#ifndef GW_PATTERN_H
#define GW_PATTERN_H

#include <stdbool.h>

#include "base/str.h"

enum { GW_PATTERN_MAX_BYTES = 1000, GW_PATTERN_STEPS = 100000 };

struct gw_pattern;

enum gw_answer { GW_NO, GW_YES, GW_UNKNOWN };

/* NULL: `error` (of `cap` bytes) says why. */
struct gw_pattern *gw_pattern_new(struct str text, char *error, size_t cap);
void gw_pattern_free(struct gw_pattern *p);
enum gw_answer gw_pattern_match(const struct gw_pattern *p, struct str subject);
/* After GW_YES, until the next match: what group `n` is of the subject; empty where it has none. */
struct str gw_pattern_group(const struct gw_pattern *p, struct str subject, uint32_t n);

#endif
