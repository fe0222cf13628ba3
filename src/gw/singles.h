/* gw/singles.h - the configuration's values that are no lists, like `logLevel`.
 *
 * Documents are put together by appending lists; of a single value there can be one in all of them.  A value
 * whose bytes are all 0 is one that was not given, so such a field has no default in its table. */
#ifndef GW_SINGLES_H
#define GW_SINGLES_H

#include "gw/schema.h"

bool gw_single_given(const struct gw_config *c, const struct gw_field *f);
/* Put those that `doc` gave, read into `part`, beside those of earlier documents; a second one is a problem.
 */
void gw_singles_add(struct gw_config *c, const struct gw_config *part, struct gw_reader *r,
                    const struct gw_node *doc);
/* Is there one that both give? */
bool gw_singles_both(const struct gw_config *a, const struct gw_config *b);
/* Put those of `over` in the place of those of `c`. */
void gw_singles_overlay(struct gw_config *c, const struct gw_config *over);

#endif
