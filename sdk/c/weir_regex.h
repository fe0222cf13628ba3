/* weir_regex.h - sets of regular expressions, matched in time linear in the text whatever the patterns are.
 *
 * The syntax is RE2's (Perl's, without backreferences and look-around), and so is the code: all patterns of a
 * set become one automaton, so a text is read once however many there are.  Link libweir_regex.a.
 *
 *     static struct wp_regex_set *set;                                     in configure:
 *     set = wp_regex_set_new(WP_REGEX_SEARCH);
 *     if (!wp_regex_set_add(set, pattern, &error) || !wp_regex_set_compile(set, &error)) ...
 *     if (wp_regex_set_matches(set, text)) ...                             in a request
 *
 * Texts and patterns are bytes: `.` is any byte but a newline, and (?i) folds ASCII and Latin-1.  A header
 * may hold any bytes, and in UTF-8's sense one wrong byte would hide a text from `.*name.*`.  A pattern with
 * UTF-8 in it finds exactly those bytes; only inside [...] does each byte count by itself.
 *
 * The automaton's states are made while texts are read, and kept within WP_REGEX_MEMORY_BYTES for each set:
 * this memory comes from malloc while requests are served, and becomes free when the set does. */
#ifndef WEIR_REGEX_H
#define WEIR_REGEX_H

#include "weir_plugin.h"

enum { WP_REGEX_MEMORY_BYTES = 1 << 20 };

enum wp_regex_mode {
    WP_REGEX_SEARCH, /* a pattern matches if it does anywhere in the text */
    WP_REGEX_WHOLE,  /* only if it matches all of the text */
};

struct wp_regex_set; /* opaque */

/* Empty, to be filled; never NULL.  The caller frees it. */
struct wp_regex_set *wp_regex_set_new(enum wp_regex_mode mode);
void wp_regex_set_free(struct wp_regex_set *set); /* NULL is no set */

/* One more pattern, with the next index from 0.  False if it is not well-formed: *error says why, in the
 * callback's arena, and the set is as before. */
bool wp_regex_set_add(struct wp_regex_set *set, struct wp_str pattern, struct wp_str *error);
/* Once, when all patterns are added.  False: together they are too large for the set's memory; *error as
 * above, and the set can only be freed. */
bool wp_regex_set_compile(struct wp_regex_set *set, struct wp_str *error);

/* Of a compiled set: does any pattern match?  Reads no further than to the first match.  A set without
 * patterns matches nothing. */
bool wp_regex_set_matches(const struct wp_regex_set *set, struct wp_str text);
/* The lowest index of the patterns that match, or -1.  Reads the whole text, and takes longer than the above:
 * for the cases where it is worth saying. */
int wp_regex_set_find(const struct wp_regex_set *set, struct wp_str text);

#endif
