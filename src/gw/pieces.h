/* gw/pieces.h - parts of a configuration that are read once, though the whole is read again and again.
 *
 * Of a large configuration little changes at a time.  So a text is cut into its parts (entries of the lists
 * of a document), and a part whose text was read before is taken as it was then.  Cutting is done without a
 * parser, and only where it is certain to be right: block lists under keys that begin their lines, and the
 * generation file's own form.  Anything else, and anything with a problem or a warning in it, is read as a
 * whole, so messages are the same with and without this.  Why that is sound: docs/adr/0067.
 *
 * A piece is immutable and counted: the cache and every configuration made of it hold references.  What is
 * nested in a part is therefore shared between configurations; gw/check.c copies what it fills in. */
#ifndef GW_PIECES_H
#define GW_PIECES_H

#include "base/vec.h"
#include "gw/config.h"
#include "gw/schema.h"

struct gw_piece {
    uint32_t refs;
    uint32_t kind;  /* field of gw_type_config */
    uint32_t bytes; /* of `text` */
    bool outside;   /* reading it read other files: it is not kept */
    uint64_t hash, nodes, scalar_bytes;
    const char *text;
    const void *object; /* of the kind's type */
    struct str json;    /* canonical, at NULL: not written yet */
    struct arena arena;
};

/* What was read before.  Belongs to one thread; zeroed at first. */
struct gw_pieces {
    struct gw_piece **slots;
    size_t mask; /* slots are mask + 1; 0: none yet */
    size_t n;
};

void gw_pieces_fini(struct gw_pieces *cache);
void gw_piece_unref(struct gw_piece *p);
/* The part as canonical JSON; the piece owns it. */
struct str gw_piece_json(struct gw_piece *p);

/* Where a part was found, and what it is. */
struct gw_found {
    struct gw_piece *piece; /* a reference */
    uint32_t line;
};
VEC(struct gw_found) typedef gw_found_vec;

/* Append the parts of `text`.  False: it has to be read as a whole; what was appended stays the caller's.
 * The cache is only looked at. */
bool gw_pieces_cut(struct gw_pieces *cache, struct str text, gw_found_vec *out);
/* From now on the cache holds what was found, and nothing else. */
void gw_pieces_keep(struct gw_pieces *cache, const gw_found_vec *found);

#endif
