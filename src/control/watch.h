/* control/watch.h - has somebody changed the configuration, or a module it names?
 *
 * Watches the names that lead to a file, or to a folder and what is in it, not the file itself: so it sees
 * files that are written in place, files that are renamed into their place, and links that are swapped, as
 * Kubernetes does with `..data`.  A change counts when a writer has closed the file, and
 * while a file of the configuration is half written nothing is reported, whatever else changed: a part of a
 * file, or an empty one, may well be a configuration.  Several in a row are one: it is reported when nothing
 * followed for a moment.  A file that is renamed to the configuration's name, and a link that is swapped, are
 * reported at once: nothing can be missing. */
#ifndef CONTROL_WATCH_H
#define CONTROL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/status.h"

enum { WATCH_QUIET_MS = 5, WATCH_PATIENCE_MS = 50, WATCH_WRITING_MS = 30000 };

struct watch;

/* `path` is copied; it need not exist yet.  WEIR_E_IO: the system has no watches left. */
weir_status watch_new(const char *path, struct watch **out, struct weir_report *rep);
void watch_free(struct watch *w); /* NULL is fine */
/* Watch these files besides, in the place of those of the last call; the paths are copied. */
void watch_also(struct watch *w, const char *const *paths, size_t n);

int watch_fd(const struct watch *w); /* readable: call watch_read */
/* Take in what happened. */
void watch_read(struct watch *w, uint64_t now_ms);
/* Is there a change to look at?  Says so once; looks anew at where links lead. */
bool watch_due(struct watch *w, uint64_t now_ms);
/* Is a file of the configuration half written: was it written to, and not closed since?  After
 * WATCH_WRITING_MS without a further write it counts as written.  Ask after reading files, too, once
 * watch_read was called: what was read meanwhile may be torn. */
bool watch_writing(const struct watch *w, uint64_t now_ms);
/* The change that was due could not be read: it will be due again. */
void watch_again(struct watch *w, uint64_t now_ms);
/* When watch_due will have something to say, 0: not known. */
uint64_t watch_when_ms(const struct watch *w);

#endif
