/* gw/parts.h - a configuration as named parts: each entry of its lists, whatever they are.
 *
 * Kinds are the lists of gw_type_config ("listeners", "services", "routes", "plugins", ...), so a new list in
 * fields.c is a new kind here.  A part is called by its `name`; where it has none, by its `address` or the
 * first of its `hosts`.  Used by the administration API, which reads and replaces single parts, and to say
 * how two configurations differ. */
#ifndef GW_PARTS_H
#define GW_PARTS_H

#include "gw/config.h"

enum { GW_PART_NONE = -1 };

/* How many kinds there are, and what they are called; static. */
unsigned gw_part_nkinds(void);
const char *gw_part_kind_name(unsigned kind);
/* GW_PART_NONE: there is no such kind. */
int gw_part_kind(struct str name);

size_t gw_part_size(unsigned kind); /* of its struct */
uint32_t gw_part_count(const struct gw_config *c, unsigned kind);
/* Appended to `out`. */
void gw_part_name(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out);
struct gw_place gw_part_place(const struct gw_config *c, unsigned kind, uint32_t i);
/* The part as canonical JSON, appended.  Private keys are in it. */
void gw_part_write(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out);
/* The same with a text in the place of each private key, to be shown; and what that text is. */
void gw_part_show(const struct gw_config *c, unsigned kind, uint32_t i, struct strbuf *out);
#define GW_PART_HIDDEN "(a private key, not shown)"

/* Index by name, or GW_NONE.  Linear. */
uint32_t gw_part_find(const struct gw_config *c, unsigned kind, struct str name);

/* For who puts a configuration together: room for `n` parts of a kind, which had none; then one after
 * another. `piece` is what the part was made of. */
void gw_part_reserve(struct gw_config *c, unsigned kind, uint32_t n);
void gw_part_append(struct gw_config *c, unsigned kind, const void *part, struct gw_place at,
                    struct gw_piece *piece);

/* Put the parts of `over`, whose arena must outlive `c`, into `c`: one that is called like a part of its kind
 * takes its place, another is appended. */
void gw_parts_overlay(struct gw_config *c, const struct gw_config *over);

/* ---- differences ----------------------------------------------------------------------------------------
 */

enum gw_change { GW_ADDED, GW_REMOVED, GW_CHANGED };

/* Called for each part that differs, by kind and then name, removed ones last. `before` may be NULL:
 * nothing was there.  Indices are GW_NONE where the part is not.  Of a field that is no list (gw/singles.h),
 * kind is the field and the name is empty. */
typedef void gw_on_change(void *ctx, enum gw_change change, unsigned kind, struct str name, uint32_t before,
                          uint32_t now);
void gw_parts_diff(const struct gw_config *before, const struct gw_config *now, gw_on_change *on_change,
                   void *ctx);

#endif
