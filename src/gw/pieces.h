/* gw/pieces.h - parts of a configuration that are read once, though the whole is read again and again.
 *
 * Of a large configuration little changes at a time.  So a text is cut into its parts (entries of the lists
 * of a document, and its single values), and a part whose text was read before is taken as it was then.
 * Mostly the part that follows is the one that followed the last time, so that one is compared first: what
 * did not change costs a look at its bytes.  Cutting is done without a parser, and only where it is certain
 * to be right: block lists and single values under keys that begin their lines, and the generation file's own
 * form.  Anything else, and anything with a problem or a warning in it, is read as a whole, so messages are
 * the same with and without this.  Why that is sound: docs/adr/0067.
 *
 * A piece is immutable and counted: the cache and every configuration made of it hold references.  What is
 * nested in a part is therefore shared between configurations; gw/check.c copies what it fills in. */
#ifndef GW_PIECES_H
#define GW_PIECES_H

#include "base/vec.h"
#include "gw/config.h"
#include "gw/schema.h"

/* A piece that is no part of a list but single values of the configuration. */
enum { GW_PIECE_SINGLES = GW_CONFIG_LISTS };

struct gw_piece {
    uint32_t refs;
    uint32_t kind;                    /* field of gw_type_config, a list; or GW_PIECE_SINGLES */
    uint32_t bytes;                   /* of `text` */
    uint32_t lines;                   /* in it */
    uint32_t index;                   /* in the order of the cache, while it is there */
    const struct gw_outside *outside; /* reading it read these files: it is not kept */
    uint64_t hash, nodes, scalar_bytes;
    const char *text;
    const void *object; /* of the kind's type; GW_PIECE_SINGLES: a gw_config with nothing but them */
    struct str json;    /* canonical, at NULL: not written yet */
    struct str plugin_url, plugin_json; /* the same of a plugin, with this URL instead of its own */
    struct arena arena;
};

/* What was read before.  Belongs to one thread; zeroed at first. */
struct gw_pieces {
    struct gw_piece **slots;
    size_t mask; /* slots are mask + 1; 0: none yet */
    size_t n;
    VEC(struct gw_piece *) order; /* as they came in the text; the table has the references */
};

void gw_pieces_fini(struct gw_pieces *cache);
void gw_piece_unref(struct gw_piece *p);
/* The part as canonical JSON; the piece owns it. */
struct str gw_piece_json(struct gw_piece *p);

/* The same for a plugin that is the piece's but for its URL and what follows from the fields; at NULL: it is
 * another one, or its environment may differ. */
struct str gw_piece_plugin_json(struct gw_piece *p, const struct gw_plugin *plugin);

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
