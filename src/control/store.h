/* control/store.h - the content-addressed store of modules and images.
 *
 * Runs in the control process; workers only map what it names.  Layout below the store's folder:
 *
 *     modules/SHA256.wasm          a module's bytes, named by their hash
 *     images/SHA256-KEY.aot        its image for one compiler build and one CPU (KEY: weir/image.h)
 *     images/SHA256-KEY.failed     why it did not compile, one line; it is not tried again with this key
 *     sources/SHA256               what a URL, named by its hash, gave last (control/sources.h)
 *     work/                        files of this process before they are moved into place
 *     compile/                     where a compilation works; of its user, nothing in it is trusted
 *
 * Files appear by rename, so a reader sees all of one or none.  Only the owner writes; where workers are
 * another user, they read by their group.  A store that others can write, or that belongs to another user, is
 * refused, because images are native code.
 */
#ifndef CONTROL_STORE_H
#define CONTROL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <stdint.h>

#include "base/hash.h"
#include "weir/status.h"

struct store;

/* Open the store at `dir`, making it if need be, emptying work/ and compile/; one process at a time has it
 * open. WEIR_OK: *out is the caller's.  WEIR_E_IO; WEIR_E_CONFIG: others can write it. */
weir_status store_open(const char *dir, gid_t readers, struct store **out, struct weir_report *rep);
void store_close(struct store *s); /* NULL is fine */

const char *store_work_dir(const struct store *s);

/* Make compile/ anew, for user `uid` and `gid` (-1: this process's) alone.  WEIR_E_IO. */
weir_status store_make_compile_dir(struct store *s, uid_t uid, gid_t gid, struct weir_report *rep);
const char *store_compile_dir(const struct store *s);
/* Put a copy of a module into compile/ for its user to read; `name` is a file name.  WEIR_E_IO. */
weir_status store_lend_module(struct store *s, const char *hex, const char *name, struct weir_report *rep);
/* The same of any plain file of at most the size a module may have.  WEIR_E_NOT_FOUND, WEIR_E_LIMIT,
 * WEIR_E_CONFIG: it is no plain file. */
weir_status store_lend_file(struct store *s, const char *from, const char *name, struct weir_report *rep);

/* Keep a module; `hex` receives its name.  A module that is there already is not written again. */
weir_status store_put_module(struct store *s, const uint8_t *bytes, size_t len, char hex[HASH_SHA256_HEX],
                             struct weir_report *rep);

/* Is the module there?  It counts as needed from now on (control/sweep.h). */
bool store_need_module(const struct store *s, const char *hex);
/* Hold a lock (flock's LOCK_SH, LOCK_EX, LOCK_NB) on the store until the descriptor, which is its folder's,
 * is closed: shared to find a file and count on it, exclusive to remove files.  -1: it cannot be had. */
int store_lock(const struct store *s, int how);

/* Paths of things that may or may not be there; the caller frees them with mem_free. */
char *store_module_path(const struct store *s, const char *hex);
char *store_image_path(const struct store *s, const char *hex, const char *key);
bool store_has_image(const struct store *s, const char *hex, const char *key);
/* Copy a finished image from compile/ into its place, read-only.  It may be anything: WEIR_E_CONFIG if it is
 * no plain file. */
weir_status store_put_image(struct store *s, const char *hex, const char *key, const char *name,
                            struct weir_report *rep);
/* Remove an image that was refused, so that it is compiled anew. */
void store_drop_image(struct store *s, const char *hex, const char *key);

/* Remember that a compilation failed; store_failure returns the reason (mem_free it) or NULL. */
void store_put_failure(struct store *s, const char *hex, const char *key, const char *why);
char *store_failure(const struct store *s, const char *hex, const char *key);

/* Remember a few lines about a URL; store_source returns them (mem_free it) or NULL. */
void store_put_source(struct store *s, const char *key, const char *text);
char *store_source(const struct store *s, const char *key);

/* Read a whole file of at most `limit` bytes; the caller frees *bytes.  WEIR_E_NOT_FOUND, WEIR_E_IO,
 * WEIR_E_LIMIT; WEIR_E_CONFIG: no plain file. */
weir_status store_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *len,
                            struct weir_report *rep);

#endif
